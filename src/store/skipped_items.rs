//! Items that a run could not store whole, each with its reason.

use rusqlite::params;

use super::{StoreError, WriteTx};

/// Something that could not be stored whole.
#[derive(Debug, Clone, Default)]
pub struct SkippedItem {
    /// Name of the fetch.
    pub fetch: String,
    /// The stream.
    pub stream: &'static str,
    /// The list it stands in.
    pub parent_id: Option<String>,
    /// Its place there, from 0.
    pub position: Option<i64>,
    /// Its id, if known.
    pub item_id: Option<String>,
    /// null_item, malformed, not_found, forbidden, moved, …
    pub reason: &'static str,
    /// More, in Spotify's words where there are any.
    pub detail: Option<String>,
    /// Already known: the run is complete all the same.
    pub already_known: bool,
}

/// Whether the job of a run was told that an id cannot be had: its newest run before that came to its end
/// named it. What stopped on the way has told nothing, and what another job was told is not known here.
///
/// # Errors
/// If the store cannot be read.
pub fn was_reported(tx: &WriteTx, run: i64, stream: &str, id: &str) -> Result<bool, StoreError> {
    tx.prepare(
        "SELECT EXISTS (SELECT 1 FROM skipped_items WHERE stream = ?2 AND item_id = ?3
          AND reason IN ('not_found', 'forbidden') AND run_id = (
           SELECT id FROM runs WHERE job = (SELECT job FROM runs WHERE id = ?1) AND id < ?1
           AND state IN ('complete', 'partial') ORDER BY started_at DESC, id DESC LIMIT 1))",
    )?
    .query_row(params![run, stream, id], |row| row.get(0))
    .map_err(|e| tx.error("cannot be read", e))
}

/// Records something that could not be stored whole.
///
/// # Errors
/// If the store cannot be written.
pub fn record(tx: &mut WriteTx, run: i64, s: &SkippedItem, now: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO skipped_items (run_id, fetch, stream, parent_id, position, item_id, reason, detail, known_gap, seen_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![run, s.fetch, s.stream, s.parent_id, s.position, s.item_id, s.reason, s.detail, s.already_known, now],
    )
}

/// Takes back what a run recorded of a list that it now reads again.
///
/// # Errors
/// If the store cannot be written.
pub fn clear(tx: &mut WriteTx, run: i64, fetch: &str, parent: &str) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM skipped_items WHERE run_id = ?1 AND fetch = ?2 AND parent_id IS nullif(?3, '')
         AND position IS NOT NULL",
        params![run, fetch, parent],
    )
}
