//! Writes entities, which are rows with an id: artists, albums, tracks and so on.

use rusqlite::{OptionalExtension, params};

use super::entity_table::BLANK_SHIFT;
use super::row_write::write_row;
use super::{CellValue, EntityTable, StoreError, WriteTx};

/// Whether the name of an entity is stored.
///
/// # Errors
/// If the store cannot be read.
pub fn has_name(tx: &WriteTx, table: &EntityTable, id: &str) -> Result<bool, StoreError> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM {} WHERE id = ?1 AND name <> '')", table.name);
    Ok(tx.query_one(&sql, params![id])?.unwrap_or(false))
}

/// Whether an entity has a value in a column.
///
/// # Errors
/// If the store cannot be read.
pub fn has_value(tx: &WriteTx, table: &EntityTable, id: &str, column: &str) -> Result<bool, StoreError> {
    let sql = format!("SELECT {column} IS NOT NULL AND {column} <> '' FROM {} WHERE id = ?1", table.name);
    Ok(tx.query_one(&sql, params![id])?.unwrap_or(false))
}

/// Writes one entity. `whole` says that the response was about the entity itself and not a mention of it.
///
/// # Errors
/// If the store cannot be written.
pub fn upsert(
    tx: &mut WriteTx,
    table: &EntityTable,
    id: &str,
    cells: &[CellValue<'_>],
    now: &str,
    whole: bool,
) -> Result<(), StoreError> {
    debug_assert_eq!(cells.len(), table.columns.len(), "cells of {}", table.name);
    let mask = cells.iter().enumerate().fold(0i64, |mask, (n, cell)| match cell {
        CellValue::Absent | CellValue::KeptNull => mask,
        CellValue::BlankText(_) | CellValue::EmptyText(_) | CellValue::BlankInt(_) => {
            mask | 1 << n | 1 << (n + BLANK_SHIFT)
        }
        CellValue::Null | CellValue::Text(_) | CellValue::Int(_) => mask | 1 << n,
    });
    let fetched = if whole { CellValue::Text(now) } else { CellValue::Null };
    let mut row = Vec::with_capacity(4 + cells.len());
    row.extend([CellValue::Text(id), CellValue::Text(now), fetched, CellValue::Int(mask)]);
    row.extend_from_slice(cells);
    write_row(tx, table.write, &row)
}

/// Returns the number of tracks of these albums, where it is known.
///
/// # Errors
/// If the store cannot be read.
pub fn album_track_counts(tx: &WriteTx, albums: &[String]) -> Result<Vec<Option<i64>>, StoreError> {
    let mut statement = tx.prepare("SELECT total_tracks FROM albums WHERE id = ?1")?;
    let mut total = |album: &String| {
        let total = statement.query_row([album], |row| row.get::<_, Option<i64>>(0)).optional();
        Ok(total.map_err(|e| tx.error("cannot be read", e))?.flatten())
    };
    albums.iter().map(&mut total).collect()
}

/// Marks a playlist that Spotify no longer has.
///
/// # Errors
/// If the store cannot be written.
pub fn mark_playlist_gone(tx: &mut WriteTx, playlist: &str, now: &str) -> Result<(), StoreError> {
    let marked = tx
        .prepare(
            "UPDATE playlists SET gone_at = ?2, row_version = next_row_version() WHERE id = ?1 AND gone_at IS NULL",
        )?
        .execute(params![playlist, now])
        .map_err(|e| tx.error("cannot be written", e))?;
    tx.changed |= marked > 0;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    fn session() -> WriteTx {
        let conn = Connection::open_in_memory().unwrap();
        crate::store::schema::create_tables(&conn).unwrap();
        WriteTx::new(conn, "test".into())
    }

    /// Writes the artist "a" and returns whether that changed anything that a CSV file may contain.
    fn upsert(s: &mut WriteTx, cells: &[CellValue<'_>], now: &str, whole: bool) -> bool {
        s.changed = false;
        super::upsert(s, EntityTable::artists(), "a", cells, now, whole).unwrap();
        s.changed
    }

    fn artist(s: &WriteTx) -> (Option<String>, Option<i64>, Option<String>) {
        s.conn
            .query_row("SELECT name, followers, fetched_at FROM artists WHERE id = 'a'", [], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?))
            })
            .unwrap()
    }

    #[test]
    fn absent_key_keeps_the_known_value() {
        let mut s = session();
        let full =
            [CellValue::Text("A"), CellValue::Text("u"), CellValue::Int(5), CellValue::Absent, CellValue::Absent];
        assert!(upsert(&mut s, &full, "t1", true));
        let stub = [CellValue::Text("A"), CellValue::Absent, CellValue::Absent, CellValue::Absent, CellValue::Absent];
        assert!(!upsert(&mut s, &stub, "t2", false));
        assert_eq!(artist(&s), (Some("A".into()), Some(5), Some("t1".into())));
        let nulled = [CellValue::Text("A"), CellValue::Absent, CellValue::Null, CellValue::Absent, CellValue::Absent];
        assert!(upsert(&mut s, &nulled, "t3", true));
        assert_eq!(artist(&s), (Some("A".into()), None, Some("t3".into())));
    }

    #[test]
    fn same_values_change_only_fetched_at() {
        let mut s = session();
        let cells = [CellValue::Text("A"), CellValue::Absent, CellValue::Absent, CellValue::Absent, CellValue::Absent];
        assert!(upsert(&mut s, &cells, "t1", false));
        assert_eq!(artist(&s).2, None);
        assert!(upsert(&mut s, &cells, "t2", true), "now known whole");
        assert!(!upsert(&mut s, &cells, "t3", true));
        assert_eq!(artist(&s).2, Some("t3".into()));
    }
}
