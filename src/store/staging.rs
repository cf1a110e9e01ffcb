//! Staging: the rows of a list that is being read, invisible to readers.

use rusqlite::params;

use super::row_hash::hash_rows;
use super::{StoreError, WriteTx};

/// The content of one position of a list.
#[derive(Debug, Clone, Copy, Default)]
pub struct StagedItem<'a> {
    /// Position, from 0.
    pub position: i64,
    /// track, episode, local, unavailable, album, …
    pub kind: &'a str,
    /// Id of the item.
    pub item_id: Option<&'a str>,
    /// `spotify:` URI.
    pub uri: Option<&'a str>,
    /// When it was added.
    pub added_at: Option<&'a str>,
    /// User who added it.
    pub added_by: Option<&'a str>,
    /// Anything else the list says about it.
    pub detail: Option<&'a str>,
}

/// Stages one row. A page that is read again overwrites its rows.
///
/// # Errors
/// If the store cannot be written.
pub fn stage(tx: &mut WriteTx, list: i64, m: &StagedItem<'_>) -> Result<(), StoreError> {
    tx.prepare(
        "INSERT OR REPLACE INTO staged_items (list_id, position, kind, item_id, uri, added_at, added_by, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![list, m.position, m.kind, m.item_id, m.uri, m.added_at, m.added_by, m.detail])
    .map_err(|e| tx.error("cannot be written", e))?;
    Ok(())
}

/// Records the values of the blank or unreadable fields of a staged item, as a JSON object.
///
/// # Errors
/// If the store cannot be written.
pub fn set_flaws(tx: &mut WriteTx, list: i64, position: i64, flaws: &str) -> Result<(), StoreError> {
    tx.prepare("UPDATE staged_items SET flaws = ?3 WHERE list_id = ?1 AND position = ?2")?
        .execute(params![list, position, flaws])
        .map_err(|e| tx.error("cannot be written", e))?;
    Ok(())
}

/// Returns the number of staged rows.
///
/// # Errors
/// If the store cannot be read.
pub fn count(tx: &WriteTx, list: i64) -> Result<i64, StoreError> {
    tx.prepare("SELECT count(*) FROM staged_items WHERE list_id = ?1")?
        .query_row([list], |row| row.get(0))
        .map_err(|e| tx.error("cannot be read", e))
}

/// Returns a range of staged rows as texts to compare.
///
/// # Errors
/// If the store cannot be read.
pub fn as_text(tx: &WriteTx, list: i64, from: i64, to: i64) -> Result<Vec<String>, StoreError> {
    let mut statement = tx.prepare(
        "SELECT position || ' ' || kind || ' ' || coalesce(item_id, uri, '') || ' ' || coalesce(added_at, '')
         FROM staged_items WHERE list_id = ?1 AND position >= ?2 AND position < ?3 ORDER BY position",
    )?;
    let rows = statement.query_map(params![list, from, to], |row| row.get(0));
    rows.and_then(Iterator::collect).map_err(|e| tx.error("cannot be read", e))
}

/// Discards the rows of a range for items that have an earlier row of the same kind. Returns their positions and items.
///
/// # Errors
/// If the store cannot be written.
pub fn discard_repeated(
    tx: &mut WriteTx,
    list: i64,
    kind: &str,
    from: i64,
    to: i64,
) -> Result<Vec<(i64, String)>, StoreError> {
    let sql =
        "SELECT a.position, a.item_id FROM staged_items a WHERE a.list_id = ?1 AND a.position >= ?2 AND a.position < ?3
               AND EXISTS (SELECT 1 FROM staged_items b WHERE b.list_id = ?1 AND b.kind = ?4 AND b.item_id = a.item_id
                 AND b.position < a.position) ORDER BY a.position";
    let repeated: Vec<(i64, String)> = {
        let mut statement = tx.prepare(sql)?;
        let rows = statement.query_map(params![list, from, to, kind], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.and_then(Iterator::collect).map_err(|e| tx.error("cannot be read", e))?
    };
    for (position, _) in &repeated {
        discard_between(tx, list, *position, position + 1)?;
    }
    Ok(repeated)
}

/// Whether a range of rows repeats the rows just before it. One row proves nothing: an item may well appear
/// twice.
///
/// # Errors
/// If the store cannot be read.
pub fn repeats_previous_rows(tx: &WriteTx, list: i64, from: i64, to: i64) -> Result<bool, StoreError> {
    if to - from < 2 || to - from > from {
        return Ok(false);
    }
    // The first different row decides, which nearly always is the first row.
    let differs: bool = tx
        .prepare(
            "SELECT EXISTS (SELECT 1 FROM staged_items a LEFT JOIN staged_items b
              ON b.list_id = a.list_id AND b.position = a.position - (?3 - ?2)
              WHERE a.list_id = ?1 AND a.position >= ?2 AND a.position < ?3
              AND (a.kind, a.item_id, a.uri, a.added_at, a.added_by) IS NOT (b.kind, b.item_id, b.uri, b.added_at, b.added_by))",
        )?
        .query_row(params![list, from, to], |row| row.get(0))
        .map_err(|e| tx.error("cannot be read", e))?;
    if differs {
        return Ok(false);
    }
    // Lists of members have no rows for nulls.
    let counts = "SELECT count(*) FILTER (WHERE position >= ?2), count(*) FILTER (WHERE position < ?2)
                  FROM staged_items WHERE list_id = ?1 AND position >= ?2 - (?3 - ?2) AND position < ?3";
    let (now, before): (i64, i64) = tx
        .prepare(counts)?
        .query_row(params![list, from, to], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(|e| tx.error("cannot be read", e))?;
    Ok(now == before && now > 1)
}

/// How many rows from a position on are those just before it again, as an item that was inserted or a page that begins
/// too early shows them; 0 if none are. Rows without an item show nothing.
///
/// # Errors
/// If the store cannot be read.
pub fn overlap_with_previous_rows(tx: &WriteTx, list: i64, from: i64, to: i64) -> Result<i64, StoreError> {
    let same =
        "(a.kind, a.item_id, a.uri, a.added_at, a.added_by) IS (b.kind, b.item_id, b.uri, b.added_at, b.added_by)
                AND a.uri IS NOT NULL";
    // Nearly always, no row before is the first row again.
    let starts = format!(
        "SELECT ?2 - b.position FROM staged_items a JOIN staged_items b ON b.list_id = a.list_id
         WHERE a.list_id = ?1 AND a.position = ?2 AND b.position < ?2 AND b.position > ?2 - (?3 - ?2) AND {same}
         ORDER BY b.position DESC"
    );
    let starts: rusqlite::Result<Vec<i64>> =
        tx.prepare(&starts)?.query_map(params![list, from, to], |row| row.get(0)).and_then(Iterator::collect);
    let overlap = format!(
        "SELECT count(*) FROM staged_items a JOIN staged_items b ON b.list_id = a.list_id AND b.position = a.position - ?3
         WHERE a.list_id = ?1 AND a.position >= ?2 AND a.position < ?2 + ?3 AND {same}"
    );
    for count in starts.map_err(|e| tx.error("cannot be read", e))? {
        let same: i64 = tx
            .prepare(&overlap)?
            .query_row(params![list, from, count], |row| row.get(0))
            .map_err(|e| tx.error("cannot be read", e))?;
        if same == count {
            return Ok(count);
        }
    }
    Ok(0)
}

/// Discards the staged rows from a position on.
///
/// # Errors
/// If the store cannot be written.
pub fn discard_from(tx: &mut WriteTx, list: i64, from: i64) -> Result<(), StoreError> {
    discard_between(tx, list, from, i64::MAX)
}

/// Discards the staged rows in a range of positions.
///
/// # Errors
/// If the store cannot be written.
pub fn discard_between(tx: &mut WriteTx, list: i64, from: i64, to: i64) -> Result<(), StoreError> {
    tx.prepare("DELETE FROM staged_items WHERE list_id = ?1 AND position >= ?2 AND position < ?3")?
        .execute(params![list, from, to])
        .map_err(|e| tx.error("cannot be written", e))?;
    Ok(())
}

/// Returns a hash of the staged rows, in order.
///
/// # Errors
/// If the store cannot be read.
pub fn hash(tx: &WriteTx, list: i64) -> Result<String, StoreError> {
    let sql =
        "SELECT kind, item_id, uri, added_at, added_by, detail FROM staged_items WHERE list_id = ?1 ORDER BY position";
    hash_rows(&tx.conn, sql, [list]).map_err(|e| tx.error("cannot be read", e))
}
