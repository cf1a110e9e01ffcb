//! What a digest says about all jobs together: changes and news of a period.

use std::path::Path;

use rusqlite::{Connection, Row, params};

use super::{StoreError, open_reader, schema};

/// How many names a digest shows of each kind.
const MOST_NAMES: i64 = 10;

/// What happened between two times.
#[derive(Debug, Default)]
pub struct DigestRows {
    /// Runs that began, with their calls.
    pub runs: i64,
    pub calls: i64,
    /// Playlists with changes, the most first; some of them.
    pub playlists: Vec<PlaylistNews>,
    /// All changes of playlists.
    pub changes: PlaylistNews,
    pub changed_playlists: i64,
    /// Releases that are new in the list of an artist, the newest date first; some of them.
    pub releases: Vec<ReleaseNews>,
    pub new_releases: i64,
    /// Names of playlists that Spotify no longer has.
    pub vanished: Vec<String>,
}

/// The changes of a playlist.
#[derive(Debug, Default)]
pub struct PlaylistNews {
    pub name: String,
    pub added: i64,
    pub removed: i64,
    pub moved: i64,
}

/// A release that is new in a list.
#[derive(Debug)]
pub struct ReleaseNews {
    pub date: String,
    pub artists: String,
    pub title: String,
}

/// Reads what happened from one time until before another. A store without tables has nothing.
///
/// # Errors
/// If the store cannot be read.
pub fn digest_rows(database: &Path, from: &str, until: &str) -> Result<DigestRows, StoreError> {
    let conn = open_reader(database)?;
    if schema::check_schema(&conn, database)? == 0 {
        return Ok(DigestRows::default());
    }
    read(&conn, from, until).map_err(|source| StoreError::Sqlite {
        path: database.to_path_buf(),
        what: "cannot be read",
        source,
    })
}

fn read(store: &Connection, from: &str, until: &str) -> rusqlite::Result<DigestRows> {
    let period = params![from, until];
    let (runs, calls) = store.query_row(
        "SELECT count(*), coalesce(sum(calls), 0) FROM runs WHERE started_at >= ?1 AND started_at < ?2",
        period,
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let counts = "coalesce(sum(c.change = 'added'), 0), coalesce(sum(c.change = 'removed'), 0),
         coalesce(sum(c.change = 'moved'), 0)";
    let changed = "FROM playlist_changes c JOIN playlists p ON p.id = c.playlist_id
         WHERE c.seen_at >= ?1 AND c.seen_at < ?2";
    let (changed_playlists, changes) =
        store.query_row(&format!("SELECT count(DISTINCT p.id), '', {counts} {changed}"), period, |row| {
            Ok((row.get(0)?, PlaylistNews::from_row(row)?))
        })?;
    let most_changed = format!(
        "SELECT p.id, coalesce(p.name, p.id), {counts} {changed} GROUP BY p.id ORDER BY count(*) DESC, 2, 1 LIMIT ?3"
    );
    let playlists = store
        .prepare(&most_changed)?
        .query_map(params![from, until, MOST_NAMES], PlaylistNews::from_row)?
        .collect::<Result<_, _>>()?;
    let new = "FROM artist_releases r JOIN lists l ON l.id = r.list_id JOIN albums a ON a.id = r.album_id
         WHERE r.removed_at IS NULL AND r.first_seen_at > l.first_read_at AND r.first_seen_at >= ?1 AND r.first_seen_at < ?2";
    let new_releases = store.query_row(&format!("SELECT count(DISTINCT a.id) {new}"), period, |row| row.get(0))?;
    let newest = format!(
        "SELECT DISTINCT coalesce(a.release_date, ''), coalesce((SELECT group_concat(name, ', ') FROM (
             SELECT x.name FROM album_artists aa JOIN artists x ON x.id = aa.artist_id WHERE aa.album_id = a.id
             ORDER BY aa.position)), ''), coalesce(a.name, a.id), a.id {new} ORDER BY 1 DESC, 2, 3, 4 LIMIT ?3"
    );
    let releases = store
        .prepare(&newest)?
        .query_map(params![from, until, MOST_NAMES], |row| {
            Ok(ReleaseNews { date: row.get(0)?, artists: row.get(1)?, title: row.get(2)? })
        })?
        .collect::<Result<_, _>>()?;
    let vanished = store
        .prepare("SELECT coalesce(name, id) FROM playlists WHERE gone_at >= ?1 AND gone_at < ?2 ORDER BY 1, id")?
        .query_map(period, |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(DigestRows { runs, calls, playlists, changes, changed_playlists, releases, new_releases, vanished })
}

impl PlaylistNews {
    /// Reads the counts behind the name in a row.
    fn from_row(row: &Row<'_>) -> rusqlite::Result<PlaylistNews> {
        Ok(PlaylistNews { name: row.get(1)?, added: row.get(2)?, removed: row.get(3)?, moved: row.get(4)? })
    }
}
