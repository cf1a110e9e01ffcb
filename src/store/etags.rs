//! Entity tags of single entities, to ask Spotify whether something changed.

use rusqlite::{OptionalExtension, params};

use super::{EntityTable, StoreError, WriteTx};

/// Returns the tag to send with a request, unless the row of the entity is not from a complete response.
///
/// # Errors
/// If the store cannot be read.
pub fn find(
    tx: &WriteTx,
    table: &EntityTable,
    id: &str,
    audience: &str,
    request: &str,
) -> Result<Option<String>, StoreError> {
    let sql = format!(
        "SELECT etag FROM etags WHERE audience = ?1 AND request = ?2
         AND EXISTS (SELECT 1 FROM {} WHERE id = ?3 AND fetched_at IS NOT NULL)",
        table.name
    );
    let tag = tx.prepare(&sql)?.query_row(params![audience, request, id], |row| row.get(0)).optional();
    tag.map_err(|e| tx.error("cannot be read", e))
}

/// Saves the tag of a response, or deletes the previous one if the response has none.
///
/// # Errors
/// If the store cannot be written.
pub fn save(tx: &mut WriteTx, audience: &str, request: &str, etag: Option<&str>) -> Result<(), StoreError> {
    match etag {
        Some(etag) => tx.execute_counted(
            "INSERT OR REPLACE INTO etags (audience, request, etag) VALUES (?1, ?2, ?3)",
            params![audience, request, etag],
        ),
        None => {
            tx.execute_counted("DELETE FROM etags WHERE audience = ?1 AND request = ?2", params![audience, request])
        }
    }
    .map(|_| ())
}

/// Records that an entity was found unchanged: fetched now, with the figures of its last reading.
///
/// # Errors
/// If the store cannot be written.
pub fn mark_entity_unchanged(
    tx: &mut WriteTx,
    table: &EntityTable,
    kind: &str,
    id: &str,
    now: &str,
) -> Result<(), StoreError> {
    tx.execute_counted(&format!("UPDATE {} SET fetched_at = ?2 WHERE id = ?1", table.name), params![id, now])?;
    tx.execute_counted(
        "INSERT OR IGNORE INTO metrics (kind, id, day, followers, popularity, row_version)
         SELECT kind, id, substr(?3, 1, 10), followers, popularity, next_row_version() FROM metrics WHERE kind = ?1 AND id = ?2
         ORDER BY day DESC LIMIT 1",
        params![kind, id, now],
    )?;
    Ok(())
}
