//! Reads that ended before the announced total: whether known rows are missing from them, and whether an earlier read
//! ended in the same way.

use rusqlite::{OptionalExtension, params};

use super::list_kinds::{is_playlist, membership_table};
use super::{ListKey, StoreError, WriteTx};

/// An end of a list before its announced total, which an earlier run did not accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlyEnd {
    pub run: i64,
    /// How many of the announced items did not come.
    pub missing: i64,
}

/// The published rows of a list that a new read does not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LostRows {
    pub count: i64,
    /// The total that was announced when the published rows were read.
    pub announced_before: Option<i64>,
}

/// Returns the published rows that are not staged. `more` are ids of items that are not staged yet, and each of the
/// `nulls` may be any of the rows. All readers of a playlist share its rows, but another market gets other tracks.
///
/// # Errors
/// If the store cannot be read.
pub fn lost_rows(
    tx: &WriteTx,
    list: i64,
    key: &ListKey,
    (more, nulls): (&[String], i64),
) -> Result<LostRows, StoreError> {
    let more = serde_json::to_string(more).unwrap_or_default();
    let (sql, parent) = match membership_table(key.kind) {
        Some(table) => (
            format!(
                "SELECT count(*), (SELECT announced FROM lists WHERE id = ?1) FROM {} WHERE list_id = ?1 AND removed_at IS NULL
                 AND {item} NOT IN (SELECT item_id FROM staged_items WHERE list_id = ?1 AND item_id IS NOT NULL)
                 AND {item} NOT IN (SELECT value FROM json_each(?2)) AND ?3 IS NOT NULL",
                table.table,
                item = table.item_column
            ),
            "",
        ),
        None if is_playlist(key.kind) => (
            "WITH newest AS (SELECT market, announced FROM lists WHERE kind = 'playlist_items' AND parent_id = ?3
                AND read_at IS NOT NULL ORDER BY read_at DESC LIMIT 1),
              known AS (SELECT uri, count(*) AS n FROM playlist_items WHERE playlist_id = ?3 AND uri IS NOT NULL GROUP BY uri),
              new AS (SELECT uri, count(*) AS n FROM staged_items WHERE list_id = ?1 AND uri IS NOT NULL GROUP BY uri)
             SELECT coalesce(sum(max(known.n - coalesce(new.n, 0), 0)), 0), (SELECT announced FROM newest)
             FROM known LEFT JOIN new USING (uri)
             WHERE (SELECT market FROM newest) = (SELECT market FROM lists WHERE id = ?1) AND ?2 IS NOT NULL"
                .to_owned(),
            key.parent_id.as_str(),
        ),
        None => return Ok(LostRows::default()),
    };
    let lost = tx
        .prepare(&sql)?
        .query_row(params![list, more, parent], |row| {
            Ok(LostRows { count: row.get(0)?, announced_before: row.get(1)? })
        })
        .optional();
    let lost = lost.map_err(|e| tx.error("cannot be read", e))?.unwrap_or_default();
    Ok(LostRows { count: (lost.count - nulls).max(0), ..lost })
}

impl LostRows {
    /// Whether the announced total says that these rows are gone.
    pub fn are_stated(&self, announced: i64) -> bool {
        self.count <= self.announced_before.map_or(0, |before| (before - announced).max(0))
    }
}
