//! What is stored already, and since when: whether a call can be saved.

use rusqlite::{OptionalExtension, params};

use super::{EntityTable, ListKey, StoreError, TimeSpan, WriteTx, lists};

/// Returns the version of a playlist if the playlist, or a list that contains it, was read in that time.
///
/// # Errors
/// If the store cannot be read.
pub fn known_snapshot(tx: &WriteTx, playlist: &str, when: &TimeSpan) -> Result<Option<String>, StoreError> {
    let mut statement = tx.prepare(
        "SELECT snapshot_id FROM playlists p WHERE id = ?1 AND gone_at IS NULL AND (fetched_at BETWEEN ?2 AND ?3 OR EXISTS (
           SELECT 1 FROM my_playlists m JOIN lists l ON l.id = m.list_id
           WHERE m.playlist_id = p.id AND m.removed_at IS NULL AND l.checked_at BETWEEN ?2 AND ?3))",
    )?;
    let told = statement.query_row([playlist, &when.since, &when.until], |row| row.get(0)).optional();
    Ok(told.map_err(|e| tx.error("cannot be read", e))?.flatten())
}

/// Returns for each id whether its row was read completely in that time.
///
/// # Errors
/// If the store cannot be read.
pub fn are_fresh(tx: &WriteTx, table: &EntityTable, ids: &[String], when: &TimeSpan) -> Result<Vec<bool>, StoreError> {
    let mut statement =
        tx.prepare(&format!("SELECT fetched_at BETWEEN ?2 AND ?3 FROM {} WHERE id = ?1", table.name))?;
    ids.iter()
        .map(|id| {
            let fresh = statement
                .query_row(params![id, when.since, when.until], |row| row.get::<_, Option<bool>>(0))
                .optional();
            Ok(fresh.map_err(|e| tx.error("cannot be read", e))?.flatten().unwrap_or(false))
        })
        .collect()
}

/// Returns when the rows of these ids were last read completely; none if never.
///
/// # Errors
/// If the store cannot be read.
pub fn fetched_at(tx: &WriteTx, table: &EntityTable, ids: &[String]) -> Result<Vec<Option<String>>, StoreError> {
    let mut statement = tx.prepare(&format!("SELECT fetched_at FROM {} WHERE id = ?1", table.name))?;
    let mut read = |id: &String| statement.query_row([id], |row| row.get::<_, Option<String>>(0)).optional();
    ids.iter().map(|id| Ok(read(id).map_err(|e| tx.error("cannot be read", e))?.flatten())).collect()
}

/// Returns when these lists were last read or found unchanged; none if never.
///
/// # Errors
/// If the store cannot be read.
pub fn checked_at(tx: &WriteTx, keys: &[ListKey]) -> Result<Vec<Option<String>>, StoreError> {
    keys.iter().map(|key| Ok(lists::find(tx, key)?.and_then(|list| list.checked_at))).collect()
}

/// Returns the track that Spotify sent in that time when this one was requested in a market; none if it sent
/// the requested one.
///
/// # Errors
/// If the store cannot be read.
pub fn relinked_track(tx: &WriteTx, track: &str, market: &str, when: &TimeSpan) -> Result<Option<String>, StoreError> {
    let sql = "SELECT t.id FROM track_markets m JOIN tracks t ON t.id = m.track_id
               WHERE m.linked_from = ?1 AND m.market = ?2 AND t.fetched_at BETWEEN ?3 AND ?4 ORDER BY t.fetched_at DESC LIMIT 1";
    let id = tx.prepare(sql)?.query_row(params![track, market, when.since, when.until], |row| row.get(0)).optional();
    id.map_err(|e| tx.error("cannot be read", e))
}

/// Returns the track or album that a code (ISRC or UPC) was resolved to in that time.
///
/// # Errors
/// If the store cannot be read.
pub fn resolve_code(
    tx: &WriteTx,
    table: &EntityTable,
    column: &'static str,
    code: &str,
    when: &TimeSpan,
) -> Result<Option<String>, StoreError> {
    let sql = format!(
        "SELECT id FROM {} WHERE {column} = ?1 AND fetched_at BETWEEN ?2 AND ?3 ORDER BY first_seen_at, id LIMIT 1",
        table.name
    );
    let id = tx.prepare(&sql)?.query_row(params![code, when.since, when.until], |row| row.get(0)).optional();
    id.map_err(|e| tx.error("cannot be read", e))
}
