//! Ids, codes and searches of a fetch that Spotify did not have, as the file next to its CSV lists them.

use rusqlite::{Connection, params};

/// Reasons in `skipped_items` for requested ids, codes and searches without rows.
const REASONS: &str = "('not_found', 'forbidden', 'gone', 'bad_request', 'code_mismatch', 'no_hits', 'unusable_row')";

/// Whether a fetch of a run requested something that was not found.
///
/// # Errors
/// If the store cannot be read.
pub fn has_not_found(store: &Connection, run: i64, fetch: &str) -> rusqlite::Result<bool> {
    let sql = format!("SELECT EXISTS ({})", select("?1", "?2"));
    store.query_row(&sql, params![run, fetch], |row| row.get(0))
}

/// The rows of the file: each request, and why it found nothing.
pub fn not_found_query(run: i64, fetch: &str) -> String {
    select(&run.to_string(), &format!("'{}'", fetch.replace('\'', "''")))
}

fn select(run: &str, fetch: &str) -> String {
    // A fetch may have the name of the table, and would hide it.
    format!(
        "SELECT item_id AS requested, reason, detail FROM main.skipped_items
         WHERE run_id = {run} AND fetch = {fetch} AND reason IN {REASONS}
         AND item_id IS NOT NULL AND position IS NULL GROUP BY item_id, reason, detail ORDER BY min(id)"
    )
}
