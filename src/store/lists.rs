//! Lists and how far each has been read.
//!
//! A list is stored once, no matter which job reads it. Its key consists of the stream, the parent, the owner
//! of the token that reads it, the market and a variant. A checkpoint records how much of a new read is staged.

use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::{EarlyEnd, KnownGaps, StoreError, WriteTx};

/// Identifies a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListKey {
    /// The stream that reads it.
    pub kind: &'static str,
    /// Id of the parent, or the search expression; empty if there is none.
    pub parent_id: String,
    /// `app`, or the id of the owner of the token that reads it.
    pub audience: String,
    /// Requested market; empty if there was none.
    pub market: String,
    pub variant: String,
}

/// An item of a list. Its own request fails, while those for the other items are answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadItem {
    /// Position, from 0.
    pub position: i64,
    /// How its request failed.
    pub detail: String,
}

/// The stored state of a list.
#[derive(Debug, Clone, Default)]
pub struct ListRow {
    pub id: i64,
    /// Spotify's version at the last complete read.
    pub snapshot_id: Option<String>,
    /// Entity tag of the first response of the last complete read.
    pub etag: Option<String>,
    /// Number of items that Spotify announced at the last check.
    pub announced: Option<i64>,
    /// Number of items that Spotify served at the last check, including nulls.
    pub served: Option<i64>,
    /// Number of stored rows.
    pub stored: Option<i64>,
    /// Why the list is known to be complete, as in `lists.proof`.
    pub proof: Option<String>,
    /// Spotify reports a different version at every check.
    pub unstable_version: bool,
    /// Hash of the rows.
    pub content_hash: Option<String>,
    /// When it was last read completely.
    pub whole_at: Option<String>,
    /// When it was last read completely or found unchanged.
    pub checked_at: Option<String>,
    /// Items that the last read could not read.
    pub unread: Vec<UnreadItem>,
    /// The gaps in the published rows.
    pub gaps: KnownGaps,
    /// The newest read since then that ended before its total and was not accepted.
    pub early_end: Option<EarlyEnd>,
    /// For a playlist: the result of its newest read by any reader.
    pub shared: SharedRows,
    /// When the current read started.
    pub read_started_at: Option<String>,
    /// The run that last committed a page of the current read, and its job.
    pub last_read_by: Option<(i64, String)>,
    /// The current read, if there is one.
    pub checkpoint: Option<Checkpoint>,
}

/// The newest read of a playlist. All its readers share one set of rows, and each has a list of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedRows {
    /// When it was read; none if never.
    pub read_at: Option<String>,
    /// Spotify's version of the rows.
    pub snapshot_id: Option<String>,
}

impl ListRow {
    /// Spotify's version of the published rows: that of the last read of this list, unless another reader of the
    /// playlist has put another version in their place since then.
    pub fn published_version(&self) -> Option<&str> {
        let is_current = self.shared.read_at.is_none() || self.shared.snapshot_id == self.snapshot_id;
        self.snapshot_id.as_deref().filter(|_| is_current)
    }
}

/// How much of a read is committed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Number of items served so far, including nulls, which is the next offset.
    pub next_offset: i64,
    /// Start of the next page, for lists with cursors.
    pub cursor: Option<String>,
    /// Total that Spotify announced.
    pub announced: Option<i64>,
    /// Items that could not be stored completely so far.
    pub skipped: i64,
    /// Items that could not be read so far.
    pub unread: Vec<UnreadItem>,
    /// Spotify's version at the start of the read.
    pub snapshot_id: Option<String>,
    /// Entity tag of the first response.
    pub etag: Option<String>,
    /// How often the read was restarted because the list changed.
    pub restarts: i64,
    /// The end was reached. It remains to verify that the list did not change in the meantime.
    pub reached_end: bool,
}

/// Returns the list with this key, and creates it if it is new.
///
/// # Errors
/// If the store cannot be read or written.
pub fn open(tx: &mut WriteTx, key: &ListKey) -> Result<ListRow, StoreError> {
    if let Some(row) = find(tx, key)? {
        return Ok(row);
    }
    tx.prepare(
        "INSERT INTO lists (kind, parent_id, audience, market, variant, row_version)
                VALUES (?1, ?2, ?3, ?4, ?5, next_row_version())",
    )?
    .execute(params![key.kind, key.parent_id, key.audience, key.market, key.variant])
    .map_err(|e| tx.error("cannot be written", e))?;
    Ok(ListRow { id: tx.conn.last_insert_rowid(), ..ListRow::default() })
}

/// Returns which variant of its kind a list is, such as a group of a discography.
///
/// # Errors
/// If the store cannot be read.
pub fn variant(tx: &WriteTx, list: i64) -> Result<String, StoreError> {
    let variant = tx.prepare("SELECT variant FROM lists WHERE id = ?1")?.query_row([list], |row| row.get(0)).optional();
    Ok(variant.map_err(|e| tx.error("cannot be read", e))?.unwrap_or_default())
}

/// Returns the list with this key, if it exists.
///
/// # Errors
/// If the store cannot be read.
pub fn find(tx: &WriteTx, key: &ListKey) -> Result<Option<ListRow>, StoreError> {
    tx.prepare(
        "SELECT l.id, l.snapshot_id, l.etag, l.stored, l.content_hash, l.whole_at,
                c.next_offset, c.cursor, c.announced, c.skipped, c.snapshot_id, c.etag, c.restarts, l.checked_at, c.started_at,
                l.announced, l.served, l.proof, l.restless, c.ended, c.run_id, r.job, n.read_at, n.snapshot_id,
                c.unread, l.unread, u.run_id, u.announced - u.served, l.gaps
         FROM lists l LEFT JOIN checkpoints c ON c.list_id = l.id LEFT JOIN runs r ON r.id = c.run_id
         LEFT JOIN lists n ON l.kind = 'playlist_items' AND n.id = (SELECT o.id FROM lists o WHERE o.kind = l.kind
           AND o.parent_id = l.parent_id AND o.read_at IS NOT NULL ORDER BY o.read_at DESC LIMIT 1)
         LEFT JOIN unproved_lists u ON u.list_id = l.id AND u.reason = 'cut_short' AND u.run_id = (
           SELECT max(run_id) FROM unproved_lists WHERE list_id = l.id AND given_up_at > coalesce(l.checked_at, ''))
         WHERE l.kind = ?1 AND l.parent_id = ?2 AND l.audience = ?3 AND l.market = ?4 AND l.variant = ?5",
    )?
    .query_row(params![key.kind, key.parent_id, key.audience, key.market, key.variant], read_list_row)
    .optional()
    .map_err(|e| tx.error("cannot be read", e))
}

/// Returns the newest read of a playlist by any reader.
///
/// # Errors
/// If the store cannot be read.
pub fn shared_rows(tx: &WriteTx, playlist: &str) -> Result<SharedRows, StoreError> {
    let newest = tx
        .prepare(
            "SELECT read_at, snapshot_id FROM lists WHERE kind = 'playlist_items' AND parent_id = ?1 AND read_at IS NOT NULL
             ORDER BY read_at DESC LIMIT 1",
        )?
        .query_row([playlist], |row| Ok(SharedRows { read_at: row.get(0)?, snapshot_id: row.get(1)? }))
        .optional();
    Ok(newest.map_err(|e| tx.error("cannot be read", e))?.unwrap_or_default())
}

/// Whether a list of this kind and parent was ever read completely with the token of an audience.
///
/// # Errors
/// If the store cannot be read.
pub fn was_read(tx: &WriteTx, kind: &str, parent: &str, audience: &str) -> Result<bool, StoreError> {
    tx.prepare(
        "SELECT EXISTS (SELECT 1 FROM lists WHERE kind = ?1 AND parent_id = ?2 AND audience = ?3 AND read_at IS NOT NULL)",
    )?
    .query_row(params![kind, parent, audience], |row| row.get(0))
    .map_err(|e| tx.error("cannot be read", e))
}

/// Records that a list was found unchanged without being read.
///
/// # Errors
/// If the store cannot be written.
pub fn mark_unchanged(tx: &mut WriteTx, list: i64, now: &str) -> Result<(), StoreError> {
    tx.prepare("UPDATE lists SET checked_at = ?2, gone_at = NULL, gone_reason = NULL, row_version = next_row_version() WHERE id = ?1")?
        .execute(params![list, now])
        .map_err(|e| tx.error("cannot be written", e))?;
    Ok(())
}

/// Records that the items of playlists are unchanged, according to the list of playlists.
///
/// # Errors
/// If the store cannot be written.
pub fn mark_playlists_unchanged(
    tx: &mut WriteTx,
    playlists: &[String],
    user: &str,
    market: &str,
    now: &str,
) -> Result<(), StoreError> {
    let mut confirm = tx.prepare(
        "UPDATE lists SET checked_at = ?4, gone_at = NULL, gone_reason = NULL, row_version = next_row_version()
         WHERE kind = 'playlist_items' AND parent_id = ?1 AND audience = ?2 AND market = ?3 AND variant = ''",
    )?;
    for playlist in playlists {
        confirm.execute(params![playlist, user, market, now]).map_err(|e| tx.error("cannot be written", e))?;
    }
    Ok(())
}

/// Saves how far a read has come.
///
/// # Errors
/// If the store cannot be written.
pub fn save_checkpoint(tx: &mut WriteTx, list: i64, run: i64, at: &Checkpoint, now: &str) -> Result<(), StoreError> {
    tx.prepare(
        "INSERT INTO checkpoints (list_id, run_id, next_offset, cursor, announced, skipped, snapshot_id, etag, restarts,
         started_at, updated_at, ended, unread) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11, ?12) ON CONFLICT (list_id) DO UPDATE SET
         run_id = excluded.run_id, next_offset = excluded.next_offset, cursor = excluded.cursor, announced = excluded.announced,
         skipped = excluded.skipped, snapshot_id = excluded.snapshot_id, etag = excluded.etag,
         restarts = excluded.restarts, updated_at = excluded.updated_at, ended = excluded.ended, unread = excluded.unread",
    )?
    .execute(params![
        list, run, at.next_offset, at.cursor, at.announced, at.skipped, at.snapshot_id, at.etag, at.restarts, now, at.reached_end,
        unread_json(&at.unread)
    ])
    .map_err(|e| tx.error("cannot be written", e))?;
    Ok(())
}

/// Saves which items of a published list could not be read.
///
/// # Errors
/// If the store cannot be written.
pub fn save_unread(tx: &mut WriteTx, list: i64, unread: &[UnreadItem]) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE lists SET unread = ?2, row_version = next_row_version() WHERE id = ?1 AND unread IS NOT ?2",
        params![list, unread_json(unread)],
    )
}

fn unread_json(unread: &[UnreadItem]) -> Option<String> {
    if unread.is_empty() { None } else { serde_json::to_string(unread).ok() }
}

fn read_unread(json: Option<String>) -> Vec<UnreadItem> {
    json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
}

/// Discards an unfinished read and its staged rows.
///
/// # Errors
/// If the store cannot be written.
pub fn discard_checkpoint(tx: &mut WriteTx, list: i64) -> Result<(), StoreError> {
    for sql in ["DELETE FROM staged_items WHERE list_id = ?1", "DELETE FROM checkpoints WHERE list_id = ?1"] {
        tx.prepare(sql)?.execute([list]).map_err(|e| tx.error("cannot be written", e))?;
    }
    Ok(())
}

fn read_list_row(row: &Row<'_>) -> rusqlite::Result<ListRow> {
    let checkpoint = match row.get::<_, Option<i64>>(6)? {
        None => None,
        Some(next_offset) => Some(Checkpoint {
            next_offset,
            cursor: row.get(7)?,
            announced: row.get(8)?,
            skipped: row.get(9)?,
            unread: read_unread(row.get(24)?),
            snapshot_id: row.get(10)?,
            etag: row.get(11)?,
            restarts: row.get(12)?,
            reached_end: row.get(19)?,
        }),
    };
    Ok(ListRow {
        id: row.get(0)?,
        snapshot_id: row.get(1)?,
        etag: row.get(2)?,
        stored: row.get(3)?,
        content_hash: row.get(4)?,
        whole_at: row.get(5)?,
        checked_at: row.get(13)?,
        read_started_at: row.get(14)?,
        announced: row.get(15)?,
        served: row.get(16)?,
        proof: row.get(17)?,
        unstable_version: row.get(18)?,
        unread: read_unread(row.get(25)?),
        gaps: KnownGaps::from_column(row.get(28)?),
        early_end: match (row.get(26)?, row.get(27)?) {
            (Some(run), Some(missing)) => Some(EarlyEnd { run, missing }),
            _ => None,
        },
        shared: SharedRows { read_at: row.get(22)?, snapshot_id: row.get(23)? },
        last_read_by: match (row.get(20)?, row.get(21)?) {
            (Some(run), Some(job)) => Some((run, job)),
            _ => None,
        },
        checkpoint,
    })
}
