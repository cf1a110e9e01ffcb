//! The playlists in a user's library, with the state of the stored items of each.

use rusqlite::params;

use super::{KnownGaps, OwnerClaim, PlaylistOwner, StoreError, TimeSpan, WriteTx, accounts};

/// A playlist in a user's library.
#[derive(Debug, Clone)]
pub struct LibraryPlaylist {
    pub id: String,
    /// Spotify's current version.
    pub snapshot_id: Option<String>,
    pub owner: PlaylistOwner,
    /// The version at the last complete read of its items.
    pub read_snapshot_id: Option<String>,
    /// The last read of its items could not read some of them.
    pub has_unread: bool,
    /// The gaps in its items.
    pub gaps: KnownGaps,
    /// Number of stored items.
    pub stored: i64,
    /// Number of items that Spotify announces.
    pub total: Option<i64>,
    /// Position in the list of playlists.
    pub position: i64,
    /// It is staged to its end and waits for verification.
    pub reached_end: bool,
    /// The list of playlists has confirmed since then that it stayed the same.
    pub verified: bool,
}

/// A playlist with more items than this is a long one.
const LONG_PLAYLIST: i64 = 1_000;

impl LibraryPlaylist {
    /// Whether it is read after all others: alone, it could take the calls of a day.
    pub fn is_long(&self) -> bool {
        self.total.is_some_and(|total| total > LONG_PLAYLIST)
    }

    /// Whether the user owns it, or may edit it with others.
    pub fn is_own(&self) -> bool {
        self.owner == PlaylistOwner::User
    }
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

/// Returns the playlists in a user's library by the newest read, with the state of their items in a
/// market. A complete read outside of `whole` does not count.
///
/// # Errors
/// If the store cannot be read.
pub fn of_user(tx: &WriteTx, user: &str, market: &str, whole: &TimeSpan) -> Result<Vec<LibraryPlaylist>, StoreError> {
    let mut statement = tx.prepare(
        "SELECT p.id, p.snapshot_id, coalesce(p.collaborative, 0),
                iif(l.whole_at BETWEEN ?3 AND ?4 AND c.list_id IS NULL AND l.snapshot_id = (
                  SELECT n.snapshot_id FROM lists n WHERE n.kind = 'playlist_items' AND n.parent_id = p.id
                  AND n.read_at IS NOT NULL ORDER BY n.read_at DESC LIMIT 1), l.snapshot_id, NULL),
                coalesce(l.stored, 0), m.position,
                coalesce(c.ended, 0), coalesce(c.ended AND c.snapshot_id = p.snapshot_id AND c.updated_at < o.whole_at, 0),
                p.owner_id, w.account_id, l.unread IS NOT NULL, l.gaps, p.total_items
         FROM my_playlists m JOIN playlists p ON p.id = m.playlist_id
         LEFT JOIN lists l ON l.kind = 'playlist_items' AND l.parent_id = p.id AND l.audience = ?1 AND l.market = ?2
         LEFT JOIN checkpoints c ON c.list_id = l.id LEFT JOIN lists o ON o.id = m.list_id
         LEFT JOIN users w ON w.id = p.owner_id
         WHERE m.user_id = ?1 AND m.removed_at IS NULL ORDER BY m.position",
    )?;
    let account = accounts::ids_of(tx, user)?;
    let read = |row: &rusqlite::Row<'_>| {
        let (user_id, account_id): (Option<String>, Option<String>) = (row.get(8)?, row.get(9)?);
        let claim = OwnerClaim {
            user_id: user_id.as_deref(),
            account_id: account_id.as_deref(),
            is_collaborative: row.get(2)?,
        };
        Ok(LibraryPlaylist {
            id: row.get(0)?,
            snapshot_id: row.get(1)?,
            owner: account.owner_of(&claim),
            read_snapshot_id: row.get(3)?,
            has_unread: row.get(10)?,
            gaps: KnownGaps::from_column(row.get(11)?),
            stored: row.get(4)?,
            position: row.get(5)?,
            reached_end: row.get(6)?,
            verified: row.get(7)?,
            total: row.get(12)?,
        })
    };
    let rows = statement
        .query_map(params![user, market, whole.since, whole.until], read)
        .map_err(|e| tx.error("cannot be read", e))?;
    rows.collect::<Result<_, _>>().map_err(|e| tx.error("cannot be read", e))
}
