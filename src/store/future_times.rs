//! Times that were written while the clock was ahead.

use rusqlite::params;

use super::{StoreError, WriteTx};

/// Columns that record when something was read.
const READ_TIMES: [(&str, &str); 14] = [
    ("lists", "checked_at"),
    ("lists", "whole_at"),
    ("checkpoints", "started_at"),
    ("checkpoints", "updated_at"),
    ("known_gaps", "checked_at"),
    ("artists", "fetched_at"),
    ("albums", "fetched_at"),
    ("tracks", "fetched_at"),
    ("shows", "fetched_at"),
    ("episodes", "fetched_at"),
    ("audiobooks", "fetched_at"),
    ("chapters", "fetched_at"),
    ("playlists", "fetched_at"),
    ("users", "fetched_at"),
];

/// Resets times that are up to a day in the future to just before a run. Otherwise that run would take them for
/// its own once it has lasted that long. No run reaches times further ahead.
///
/// # Errors
/// If the store cannot be written.
pub fn reset(tx: &mut WriteTx, now: &str, to: &str) -> Result<(), StoreError> {
    let ahead = "SELECT EXISTS (SELECT 1 FROM runs WHERE started_at > ?1 OR finished_at > ?1)
                 OR EXISTS (SELECT 1 FROM lists WHERE checked_at > ?1)";
    if !tx.query_one::<bool>(ahead, params![now])?.unwrap_or(false) {
        return Ok(());
    }
    for (table, column) in READ_TIMES {
        // The other times are no part of the feed.
        let stamp = if table == "lists" { ", row_version = next_row_version()" } else { "" };
        let sql = format!(
            "UPDATE {table} SET {column} = ?2{stamp}
             WHERE {column} > ?1 AND {column} < strftime('%Y-%m-%dT%H:%M:%fZ', ?1, '+1 day')"
        );
        tx.execute_counted(&sql, params![now, to])?;
    }
    Ok(())
}
