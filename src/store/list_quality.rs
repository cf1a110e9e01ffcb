//! How much of a list could be read: what the brake compares before a new read replaces the rows of an earlier one.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::list_kinds::is_playlist;
use super::{ListKey, StoreError, WriteTx};

/// How much of the items of one read could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListQuality {
    /// Items that Spotify served.
    pub items: i64,
    /// Items without an id or URI, nulls included.
    pub unreadable: i64,
    /// Items with a blank or unreadable field, by the path of the field.
    pub fields: BTreeMap<String, i64>,
}

/// Items of one read with the same blank or unreadable field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFlaws {
    /// Path of the field below the item.
    pub field: String,
    pub count: i64,
    /// The JSON type of the value that was sent, or `blank`.
    pub sent: String,
    /// The id of the first of these items.
    pub first_item: Option<String>,
}

/// The quality of the published rows of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredBatch {
    /// How much of it could be read; `None` if an older version published it.
    pub quality: Option<ListQuality>,
    /// Number of rows.
    pub rows: i64,
    /// Items that Spotify announced and did not serve.
    pub unserved: i64,
    /// Items of the read that could not be stored.
    pub skipped: i64,
    /// Spotify's version.
    pub snapshot_id: Option<String>,
    /// When it was read.
    pub read_at: String,
}

/// Returns the quality of the published rows of a list; `None` if it was never read. All readers of a playlist share
/// its rows, so the newest read counts. But another market gets other nulls, so a reader that has read
/// the list before is compared with its own quality.
///
/// # Errors
/// If the store cannot be read.
pub fn of_published(tx: &WriteTx, list: i64, key: &ListKey) -> Result<Option<StoredBatch>, StoreError> {
    let stored = tx
        .prepare(
            "SELECT coalesce((SELECT quality FROM lists WHERE id = ?1), quality), coalesce(stored, 0), coalesce(skipped, 0), snapshot_id, read_at,
                    max(coalesce(announced - served, 0), 0) FROM lists
             WHERE (id = ?1 OR ?2 AND kind = ?3 AND parent_id = ?4) AND read_at IS NOT NULL ORDER BY read_at DESC LIMIT 1",
        )?
        .query_row(params![list, is_playlist(key.kind), key.kind, key.parent_id], |row| {
            let quality: Option<String> = row.get(0)?;
            Ok(StoredBatch {
                quality: quality.and_then(|json| serde_json::from_str(&json).ok()),
                rows: row.get(1)?,
                skipped: row.get(2)?,
                snapshot_id: row.get(3)?,
                read_at: row.get(4)?,
                unserved: row.get(5)?,
            })
        })
        .optional();
    stored.map_err(|e| tx.error("cannot be read", e))
}

/// Returns the quality of the staged rows of a list. `served` is the number of served items. Includes the blank or
/// unreadable fields, the most frequent first.
///
/// # Errors
/// If the store cannot be read.
pub fn of_staged(
    tx: &WriteTx,
    list: i64,
    key: &ListKey,
    served: i64,
) -> Result<(ListQuality, Vec<FieldFlaws>), StoreError> {
    let readable: i64 = tx
        .prepare(
            "SELECT count(*) FROM staged_items WHERE list_id = ?1 AND position < ?2
             AND NOT (?3 AND kind = 'unavailable' AND uri IS NULL)",
        )?
        .query_row(params![list, served, is_playlist(key.kind)], |row| row.get(0))
        .map_err(|e| tx.error("cannot be read", e))?;
    let flaws = tx
        .prepare(
            "SELECT f.key, count(*), f.value, coalesce(s.item_id, s.uri), min(s.position)
             FROM staged_items s, json_each(s.flaws) f WHERE s.list_id = ?1 AND s.position < ?2
             GROUP BY f.key ORDER BY count(*) DESC, f.key",
        )?
        .query_map(params![list, served], |row| {
            Ok(FieldFlaws { field: row.get(0)?, count: row.get(1)?, sent: row.get(2)?, first_item: row.get(3)? })
        })
        .and_then(Iterator::collect::<rusqlite::Result<Vec<FieldFlaws>>>)
        .map_err(|e| tx.error("cannot be read", e))?;
    let quality = ListQuality {
        items: served,
        unreadable: (served - readable).max(0),
        fields: flaws.iter().map(|flaw| (flaw.field.clone(), flaw.count)).collect(),
    };
    Ok((quality, flaws))
}

/// Returns the number of staged rows. An item that is listed twice counts once where a list has each item
/// once.
///
/// # Errors
/// If the store cannot be read.
pub fn distinct_rows(tx: &WriteTx, list: i64, key: &ListKey) -> Result<i64, StoreError> {
    let counted = if is_playlist(key.kind) {
        "count(*) FILTER (WHERE kind <> 'unavailable' OR uri IS NOT NULL)"
    } else {
        "count(DISTINCT item_id)"
    };
    tx.prepare(&format!("SELECT {counted} FROM staged_items WHERE list_id = ?1"))?
        .query_row([list], |row| row.get(0))
        .map_err(|e| tx.error("cannot be read", e))
}

/// Saves the quality of the published rows of a list.
///
/// # Errors
/// If the store cannot be written.
pub fn save(tx: &mut WriteTx, list: i64, quality: &ListQuality) -> Result<(), StoreError> {
    let json = serde_json::to_string(quality).unwrap_or_default();
    tx.execute("UPDATE lists SET quality = ?2, row_version = next_row_version() WHERE id = ?1", params![list, json])
}
