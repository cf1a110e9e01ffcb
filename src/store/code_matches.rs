//! The hit for a code (ISRC or UPC) if the hit names no code, so that a run does not search for the code again.

use rusqlite::{OptionalExtension, params};

use super::{StoreError, TimeSpan, WriteTx};

/// Returns the id that a code was taken for in that time.
///
/// # Errors
/// If the store cannot be read.
pub fn find(tx: &WriteTx, code: &str, market: &str, when: &TimeSpan) -> Result<Option<String>, StoreError> {
    let sql = "SELECT item_id FROM code_matches WHERE code = ?1 AND market = ?2 AND found_at BETWEEN ?3 AND ?4";
    let id = tx.prepare(sql)?.query_row(params![code, market, when.since, when.until], |row| row.get(0)).optional();
    id.map_err(|e| tx.error("cannot be read", e))
}

/// Records the id that a code is taken for.
///
/// # Errors
/// If the store cannot be written.
pub fn record(tx: &mut WriteTx, code: &str, market: &str, id: &str, now: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT OR REPLACE INTO code_matches (code, market, item_id, found_at) VALUES (?1, ?2, ?3, ?4)",
        params![code, market, id, now],
    )
}

/// Deletes the record of a code.
///
/// # Errors
/// If the store cannot be written.
pub fn clear(tx: &mut WriteTx, code: &str, market: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM code_matches WHERE code = ?1 AND market = ?2", params![code, market])
}
