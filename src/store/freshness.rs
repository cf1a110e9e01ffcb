//! Which data are stored already, and since when, so that calls can be saved.

use rusqlite::{OptionalExtension, params};

use super::{EntityTable, ListKey, StoreError, TimeSpan, WriteTx, lists};
use spotify_client::EntityKind;

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
    let version = statement.query_row([playlist, &when.since, &when.until], |row| row.get(0)).optional();
    Ok(version.map_err(|e| tx.error("cannot be read", e))?.flatten())
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
pub fn resolve_code(tx: &WriteTx, kind: EntityKind, code: &str, when: &TimeSpan) -> Result<Option<String>, StoreError> {
    let (table, column) = code_column(kind);
    let [a, b, c, d] = spellings(kind, code);
    let sql = format!(
        "SELECT id FROM {table} WHERE {column} IN (?1, ?2, ?3, ?4) AND fetched_at BETWEEN ?5 AND ?6
         ORDER BY first_seen_at, id LIMIT 1"
    );
    let id = tx.prepare(&sql)?.query_row(params![a, b, c, d, when.since, when.until], |row| row.get(0)).optional();
    id.map_err(|e| tx.error("cannot be read", e))
}

/// Returns the codes that are stored of a track (ISRC) or an album (UPC and EAN).
///
/// # Errors
/// If the store cannot be read.
pub fn stored_codes(tx: &WriteTx, kind: EntityKind, id: &str) -> Result<Vec<String>, StoreError> {
    let sql = match kind {
        EntityKind::Track => "SELECT isrc, NULL FROM tracks WHERE id = ?1",
        _ => "SELECT upc, ean FROM albums WHERE id = ?1",
    };
    let both = |row: &rusqlite::Row<'_>| Ok([row.get::<_, Option<String>>(0)?, row.get(1)?]);
    let codes = tx.prepare(sql)?.query_row([id], both).optional().map_err(|e| tx.error("cannot be read", e))?;
    Ok(codes.into_iter().flatten().flatten().collect())
}

fn code_column(kind: EntityKind) -> (&'static str, &'static str) {
    if kind == EntityKind::Track { ("tracks", "isrc") } else { ("albums", "upc") }
}

/// The spellings of a code that Spotify may have: an ISRC with dashes, a UPC with leading zeros.
fn spellings(kind: EntityKind, code: &str) -> [String; 4] {
    if kind == EntityKind::Track {
        let dashed = match (code.get(..2), code.get(2..5), code.get(5..7), code.get(7..)) {
            (Some(country), Some(owner), Some(year), Some(rest)) => format!("{country}-{owner}-{year}-{rest}"),
            _ => code.to_owned(),
        };
        return [code.to_owned(), dashed.clone(), code.to_ascii_lowercase(), dashed.to_ascii_lowercase()];
    }
    let bare = code.trim_start_matches('0');
    [bare.to_owned(), format!("{bare:0>12}"), format!("{bare:0>13}"), format!("{bare:0>14}")]
}
