//! The playlists in a user's library, with what is stored of each.

use rusqlite::params;

use super::{StoreError, TimeSpan, WriteTx};

/// A playlist in a user's library.
#[derive(Debug, Clone)]
pub struct LibraryPlaylist {
    pub id: String,
    /// Spotify's current version.
    pub snapshot_id: Option<String>,
    /// Owned by the user, or collaborative.
    pub is_own: bool,
    /// The version at the last complete read of its items.
    pub read_snapshot_id: Option<String>,
    /// Number of stored items.
    pub stored: i64,
    /// Position in the list of playlists.
    pub position: i64,
    /// It is staged to its end and waits for verification.
    pub reached_end: bool,
    /// The list of playlists has confirmed since then that it stayed the same.
    pub verified: bool,
}

/// Whether a playlist was in a library and no library has it any more.
///
/// # Errors
/// If the store cannot be read.
pub fn was_removed(tx: &WriteTx, playlist: &str) -> Result<bool, StoreError> {
    tx.prepare("SELECT count(*) > 0 AND count(removed_at) = count(*) FROM my_playlists WHERE playlist_id = ?1")?
        .query_row([playlist], |row| row.get(0))
        .map_err(|e| tx.error("cannot be read", e))
}

/// Returns the playlists in a user's library by the newest read, with what is known about their items in a
/// market. A complete read outside of `whole` does not count.
///
/// # Errors
/// If the store cannot be read.
pub fn of_user(tx: &WriteTx, user: &str, market: &str, whole: &TimeSpan) -> Result<Vec<LibraryPlaylist>, StoreError> {
    let mut statement = tx.prepare(
        "SELECT p.id, p.snapshot_id, coalesce(p.owner_id = ?1, 0) OR coalesce(p.collaborative, 0),
                iif(l.whole_at BETWEEN ?3 AND ?4 AND c.list_id IS NULL, l.snapshot_id, NULL), coalesce(l.stored, 0), m.position,
                coalesce(c.ended, 0), coalesce(c.ended AND c.snapshot_id = p.snapshot_id AND c.updated_at < o.whole_at, 0)
         FROM my_playlists m JOIN playlists p ON p.id = m.playlist_id
         LEFT JOIN lists l ON l.kind = 'playlist_items' AND l.parent_id = p.id AND l.audience = ?1 AND l.market = ?2
         LEFT JOIN checkpoints c ON c.list_id = l.id LEFT JOIN lists o ON o.id = m.list_id
         WHERE m.user_id = ?1 AND m.removed_at IS NULL ORDER BY m.position",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(LibraryPlaylist {
            id: row.get(0)?,
            snapshot_id: row.get(1)?,
            is_own: row.get(2)?,
            read_snapshot_id: row.get(3)?,
            stored: row.get(4)?,
            position: row.get(5)?,
            reached_end: row.get(6)?,
            verified: row.get(7)?,
        })
    };
    let rows = statement
        .query_map(params![user, market, whole.since, whole.until], read)
        .map_err(|e| tx.error("cannot be read", e))?;
    rows.collect::<Result<_, _>>().map_err(|e| tx.error("cannot be read", e))
}
