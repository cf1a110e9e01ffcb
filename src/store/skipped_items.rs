//! Items that a run could not store whole, each with its reason.

use std::collections::HashMap;

use rusqlite::{OptionalExtension, params};

use super::{EntityTable, KeptRow, StoreError, WriteTx, anomaly_table};

/// An item that could not be stored completely.
#[derive(Debug, Clone, Default)]
pub struct SkippedItem {
    pub fetch: String,
    pub stream: &'static str,
    /// The parent of its list.
    pub parent_id: Option<String>,
    /// Position in the list, from 0.
    pub position: Option<i64>,
    /// Id, if known.
    pub item_id: Option<String>,
    /// A reason of the table of anomalies.
    pub reason: &'static str,
    /// Details, in Spotify's words if there are any.
    pub detail: Option<String>,
    /// It was known before, so the run still counts as complete.
    pub already_known: bool,
    /// The owner of the used token; empty for the app.
    pub user_id: Option<String>,
}

/// Whether the job of a run already reported that an id is not available to a reader: the newest earlier finished
/// run that read the stream for this reader listed it. Unfinished runs, other jobs and other readers do not count.
///
/// # Errors
/// If the store cannot be read.
pub fn was_reported(tx: &WriteTx, run: i64, stream: &str, id: &str, reader: &str) -> Result<bool, StoreError> {
    tx.prepare(
        "SELECT EXISTS (SELECT 1 FROM skipped_items WHERE stream = ?2 AND item_id = ?3
          AND reason IN ('not_found', 'forbidden', 'code_mismatch') AND coalesce(user_id, ?4) = ?4 AND run_id = (
           SELECT r.id FROM runs r WHERE job = (SELECT job FROM runs WHERE id = ?1) AND r.id < ?1
           AND state IN ('complete', 'partial')
           AND EXISTS (SELECT 1 FROM run_fetches f WHERE f.run_id = r.id AND f.stream = ?2 AND f.user_id = ?4)
           ORDER BY started_at DESC, r.id DESC LIMIT 1))",
    )?
    .query_row(params![run, stream, id, reader], |row| row.get(0))
    .map_err(|e| tx.error("cannot be read", e))
}

/// Returns when the requests for ids of a stream last failed, for those that ever did.
///
/// # Errors
/// If the store cannot be read.
pub fn failed_ids(tx: &WriteTx, stream: &str) -> Result<HashMap<String, String>, StoreError> {
    let sql = format!(
        "SELECT item_id, max(seen_at) FROM skipped_items
         WHERE stream = ?1 AND item_id IS NOT NULL AND position IS NULL AND reason IN ({}) GROUP BY item_id",
        anomaly_table::failures_sql()
    );
    let mut statement = tx.prepare(&sql)?;
    let rows = statement.query_map([stream], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.and_then(Iterator::collect).map_err(|e| tx.error("cannot be read", e))
}

/// Returns the ids of entities if their newest request in a fetch of a job failed and they were not read since.
///
/// # Errors
/// If the store cannot be read.
pub fn failed_of_fetch(
    tx: &WriteTx,
    (job, fetch): (&str, &str),
    table: &EntityTable,
) -> Result<Vec<String>, StoreError> {
    let sql = format!(
        "SELECT s.item_id FROM skipped_items s JOIN runs r ON r.id = s.run_id
         WHERE r.job = ?1 AND s.fetch = ?2 AND s.item_id IS NOT NULL AND s.position IS NULL AND s.reason IN ({})
         GROUP BY s.item_id HAVING max(s.seen_at) > coalesce((SELECT fetched_at FROM {} WHERE id = s.item_id), '')
         ORDER BY min(s.id)",
        anomaly_table::failures_sql(),
        table.name
    );
    let mut statement = tx.prepare(&sql)?;
    let rows = statement.query_map([job, fetch], |row| row.get(0));
    rows.and_then(Iterator::collect).map_err(|e| tx.error("cannot be read", e))
}

/// Returns how many entries of a user's list of playlists a run could not read as a playlist.
///
/// # Errors
/// If the store cannot be read.
pub fn unread_playlist_entries(tx: &WriteTx, run: i64, user: &str) -> Result<i64, StoreError> {
    let entries: Option<i64> = tx.query_one(
        "SELECT count(*) FROM skipped_items WHERE run_id = ?1 AND user_id = ?2 AND parent_id IS NULL
         AND position IS NOT NULL AND reason <> 'listed_twice' AND stream IN ('my_playlists', 'my_playlist_items')",
        params![run, user],
    )?;
    Ok(entries.unwrap_or(0))
}

/// Returns position, reason and detail of the first item of a list that a run could not store.
///
/// # Errors
/// If the store cannot be read.
pub fn first_of_list(
    tx: &WriteTx,
    run: i64,
    fetch: &str,
    parent: Option<&str>,
) -> Result<Option<(i64, String, Option<String>)>, StoreError> {
    tx.prepare(
        "SELECT position, reason, detail FROM skipped_items WHERE run_id = ?1 AND fetch = ?2 AND parent_id IS ?3
         AND position IS NOT NULL ORDER BY position LIMIT 1",
    )?
    .query_row(params![run, fetch, parent], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    .optional()
    .map_err(|e| tx.error("cannot be read", e))
}

/// Records an item that could not be stored completely.
///
/// # Errors
/// If the store cannot be written.
pub fn record(tx: &mut WriteTx, run: i64, s: &SkippedItem, now: &str) -> Result<(), StoreError> {
    assert_known(s.reason);
    tx.execute(
        "INSERT INTO skipped_items (run_id, fetch, stream, parent_id, position, item_id, reason, detail, known_gap, seen_at,
         user_id, row_version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, next_row_version())",
        params![
            run, s.fetch, s.stream, s.parent_id, s.position, s.item_id, s.reason, s.detail, s.already_known, now, s.user_id
        ],
    )
}

/// Deletes what a run recorded about a user's list that it now reads again.
///
/// # Errors
/// If the store cannot be written.
pub fn clear(tx: &mut WriteTx, run: i64, (fetch, user): (&str, &str), parent: &str) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM skipped_items WHERE run_id = ?1 AND fetch = ?2 AND parent_id IS nullif(?3, '')
         AND position IS NOT NULL AND user_id = ?4",
        params![run, fetch, parent, user],
    )
}

/// Names the item that a null of a list replaces.
///
/// # Errors
/// If the store cannot be written.
pub fn name_null(
    tx: &mut WriteTx,
    run: i64,
    (fetch, parent): (&str, Option<&str>),
    kept: &KeptRow,
) -> Result<(), StoreError> {
    // If a fetch has two users, the one with the list that was read last.
    tx.execute(
        "UPDATE skipped_items SET row_version = next_row_version(), position = ?6, item_id = iif(reason = 'listed_twice', item_id, ?5),
         detail = iif(reason = 'listed_twice', 'it came in place of ' || ?5 || ', and ', '') || 'the last known row stays' WHERE id = (
           SELECT max(id) FROM skipped_items WHERE run_id = ?1 AND fetch = ?2 AND parent_id IS ?3 AND position = ?4)
         AND reason IN ('null_item', 'malformed', 'other_kind', 'other_group', 'unread_item', 'listed_twice')",
        params![run, fetch, parent, kept.noted_at, kept.item, kept.position],
    )
}

/// Each reason is in the table of anomalies, which gives its meaning for the state of the run.
fn assert_known(reason: &str) {
    debug_assert!(anomaly_table::find(reason).is_some(), "the table of anomalies lacks {reason}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "the table of anomalies lacks nonsense")]
    fn unknown_reason_is_a_defect() {
        assert_known("nonsense");
    }
}
