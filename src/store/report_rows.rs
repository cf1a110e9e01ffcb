//! What a report page shows of a job, as rows: changes, sizes, releases, codes and repeated tracks. Everything is limited
//! to what the job requested, and to a number of rows.

use rusqlite::{Connection, Row, params};

/// A name with its link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedLink {
    pub name: String,
    pub url: Option<String>,
}

/// Number of changes in a playlist.
#[derive(Debug)]
pub struct ChangeCount {
    pub playlist: NamedLink,
    pub added: u64,
    pub removed: u64,
    pub moved: u64,
}

/// A change in a playlist.
#[derive(Debug)]
pub struct ChangedItem {
    /// added, removed or moved.
    pub change: String,
    pub playlist: NamedLink,
    pub item: NamedLink,
    pub artists: String,
    pub explicit: bool,
    pub seen_at: String,
}

/// The number of items of a playlist at a time.
#[derive(Debug)]
pub struct PlaylistSize {
    pub playlist_id: String,
    pub playlist: NamedLink,
    pub seen_at: String,
    pub items: u64,
}

/// A release of an artist.
#[derive(Debug)]
pub struct ReleaseRow {
    pub release_date: String,
    pub album: NamedLink,
    pub artists: String,
    pub album_type: String,
    /// Since when it is in the list, if it joined the list after the first read.
    pub new_since: Option<String>,
}

/// A track with something to say about it.
#[derive(Debug)]
pub struct TrackNote {
    pub track: NamedLink,
    pub artists: String,
    pub explicit: bool,
    pub note: String,
}

/// How a fetch of a run ended.
#[derive(Debug)]
pub struct FetchResult {
    pub fetch: String,
    pub stream: String,
    pub state: String,
    pub reason: Option<String>,
    pub asked: u64,
    pub unchanged: u64,
    pub calls: u64,
    pub stored: u64,
    pub skipped: u64,
}

/// Rows, and how many there are without the limit.
#[derive(Debug)]
pub struct SomeRows<T> {
    pub rows: Vec<T>,
    pub total: u64,
}

/// The playlists that a job requested.
const OWN: &str = "WITH own AS (SELECT DISTINCT l.parent_id AS id FROM requested q JOIN lists l ON l.id = q.list_id
  JOIN playlists p ON p.id = l.parent_id WHERE q.job = ?1)";

/// The tracks that a job shows.
const TRACKS: &str = "WITH own AS (SELECT DISTINCT l.parent_id AS id FROM requested q JOIN lists l ON l.id = q.list_id
  JOIN playlists p ON p.id = l.parent_id WHERE q.job = ?1),
  of_job AS (SELECT i.track_id AS id FROM own JOIN playlist_items i ON i.playlist_id = own.id WHERE i.track_id IS NOT NULL
  UNION SELECT t.id FROM requested q JOIN tracks t ON t.id = q.item_id WHERE q.job = ?1
  UNION SELECT i.track_id FROM requested q JOIN album_tracks i ON i.list_id = q.list_id
    WHERE q.job = ?1 AND i.removed_at IS NULL
  UNION SELECT i.track_id FROM requested q JOIN saved_tracks i ON i.list_id = q.list_id
    WHERE q.job = ?1 AND i.removed_at IS NULL)";

/// The artists of track `t`.
const ARTISTS: &str = "coalesce((SELECT group_concat(name, ', ') FROM (SELECT a.name FROM track_artists ta
  JOIN artists a ON a.id = ta.artist_id WHERE ta.track_id = t.id ORDER BY ta.position)), '')";

/// Returns the number of changes of each playlist since a time, the most first.
///
/// # Errors
/// If the store cannot be read.
pub fn change_counts(store: &Connection, job: &str, since: &str) -> rusqlite::Result<Vec<ChangeCount>> {
    let sql = format!(
        "{OWN} SELECT coalesce(p.name, p.id), p.spotify_url, sum(c.change = 'added'), sum(c.change = 'removed'),
           sum(c.change = 'moved') FROM own JOIN playlist_changes c ON c.playlist_id = own.id
         JOIN playlists p ON p.id = own.id WHERE c.seen_at >= ?2 GROUP BY p.id ORDER BY count(*) DESC, 1, p.id"
    );
    let read = |row: &Row<'_>| {
        let playlist = NamedLink { name: row.get(0)?, url: row.get(1)? };
        Ok(ChangeCount { playlist, added: number(row, 2)?, removed: number(row, 3)?, moved: number(row, 4)? })
    };
    store.prepare(&sql)?.query_map([job, since], read)?.collect()
}

/// Returns the newest changes of the playlists since a time. Items that only moved are left out.
///
/// # Errors
/// If the store cannot be read.
pub fn newest_changes(
    store: &Connection,
    job: &str,
    since: &str,
    most: u64,
) -> rusqlite::Result<SomeRows<ChangedItem>> {
    let from = "FROM own JOIN playlist_changes c ON c.playlist_id = own.id AND c.change <> 'moved'
         JOIN playlists p ON p.id = own.id LEFT JOIN tracks t ON t.id = c.track_id
         LEFT JOIN episodes e ON e.id = c.episode_id LEFT JOIN local_files f ON f.uri = c.uri
         WHERE c.seen_at >= ?2";
    let sql = format!(
        "{OWN} SELECT c.change, coalesce(p.name, p.id), p.spotify_url, coalesce(t.name, e.name, f.name, c.uri, ''),
           coalesce(t.spotify_url, e.spotify_url), coalesce(nullif({ARTISTS}, ''), f.artist_names, ''),
           coalesce(t.explicit, e.explicit, 0), c.seen_at {from} ORDER BY c.seen_at DESC, c.id LIMIT ?3"
    );
    let read = |row: &Row<'_>| {
        Ok(ChangedItem {
            change: row.get(0)?,
            playlist: NamedLink { name: row.get(1)?, url: row.get(2)? },
            item: NamedLink { name: row.get(3)?, url: row.get(4)? },
            artists: row.get(5)?,
            explicit: row.get(6)?,
            seen_at: row.get(7)?,
        })
    };
    let rows = store.prepare(&sql)?.query_map(params![job, since, limit(most)], read)?.collect::<Result<_, _>>()?;
    let count = format!("{OWN} SELECT count(*) {from}");
    let total = store.query_row(&count, [job, since], |row| number(row, 0))?;
    Ok(SomeRows { rows, total })
}

/// Returns the number of added and removed items by the Monday of their week (UTC).
///
/// # Errors
/// If the store cannot be read.
pub fn changes_by_week(store: &Connection, job: &str, since: &str) -> rusqlite::Result<Vec<(String, u64, u64)>> {
    let sql = format!(
        "{OWN} SELECT date(c.seen_at, 'weekday 0', '-6 days'), sum(c.change = 'added'), sum(c.change = 'removed')
         FROM own JOIN playlist_changes c ON c.playlist_id = own.id WHERE c.seen_at >= ?2 GROUP BY 1 ORDER BY 1"
    );
    let read = |row: &Row<'_>| Ok((row.get(0)?, number(row, 1)?, number(row, 2)?));
    store.prepare(&sql)?.query_map([job, since], read)?.collect()
}

/// Returns every size that a playlist had, by playlist and time.
///
/// # Errors
/// If the store cannot be read.
pub fn playlist_sizes(store: &Connection, job: &str) -> rusqlite::Result<Vec<PlaylistSize>> {
    let sql = format!(
        "{OWN} SELECT v.playlist_id, coalesce(p.name, p.id), p.spotify_url, v.seen_at, v.items FROM own
         JOIN playlist_versions v ON v.playlist_id = own.id JOIN playlists p ON p.id = own.id
         ORDER BY 2, v.playlist_id, v.seen_at"
    );
    let read = |row: &Row<'_>| {
        let playlist = NamedLink { name: row.get(1)?, url: row.get(2)? };
        Ok(PlaylistSize { playlist_id: row.get(0)?, playlist, seen_at: row.get(3)?, items: number(row, 4)? })
    };
    store.prepare(&sql)?.query_map([job], read)?.collect()
}

/// The releases of a job: `rows` of them once, with the list that they joined last.
const RELEASES: &str =
    "WITH of_job AS (SELECT r.album_id, max(iif(r.first_seen_at > l.first_read_at, r.first_seen_at, NULL))
    AS new_since FROM (SELECT DISTINCT list_id FROM requested WHERE job = ?1) q
  JOIN artist_releases r ON r.list_id = q.list_id AND r.removed_at IS NULL
  JOIN lists l ON l.id = r.list_id GROUP BY r.album_id)";

/// Returns the newest releases of a job by their date. Those that were first seen since a time come first.
///
/// # Errors
/// If the store cannot be read.
pub fn newest_releases(
    store: &Connection,
    job: &str,
    since: &str,
    most: u64,
) -> rusqlite::Result<SomeRows<ReleaseRow>> {
    let sql = format!(
        "{RELEASES} SELECT coalesce(al.release_date, ''), coalesce(al.name, al.id), al.spotify_url,
           coalesce((SELECT group_concat(name, ', ') FROM (SELECT a.name FROM album_artists aa JOIN artists a
             ON a.id = aa.artist_id WHERE aa.album_id = al.id ORDER BY aa.position)), ''),
           coalesce(al.album_type, ''), iif(o.new_since >= ?2, o.new_since, NULL)
         FROM of_job o JOIN albums al ON al.id = o.album_id
         ORDER BY iif(o.new_since >= ?2, 0, 1), al.release_date DESC, al.id LIMIT ?3"
    );
    let read = |row: &Row<'_>| {
        Ok(ReleaseRow {
            release_date: row.get(0)?,
            album: NamedLink { name: row.get(1)?, url: row.get(2)? },
            artists: row.get(3)?,
            album_type: row.get(4)?,
            new_since: row.get(5)?,
        })
    };
    let rows = store.prepare(&sql)?.query_map(params![job, since, limit(most)], read)?.collect::<Result<_, _>>()?;
    let total = store.query_row(&format!("{RELEASES} SELECT count(*) FROM of_job"), [job], |row| number(row, 0))?;
    Ok(SomeRows { rows, total })
}

/// Returns the number of releases that joined a list after its first read and since a time.
///
/// # Errors
/// If the store cannot be read.
pub fn new_release_count(store: &Connection, job: &str, since: &str) -> rusqlite::Result<u64> {
    let sql = format!("{RELEASES} SELECT count(*) FROM of_job WHERE new_since >= ?2");
    store.query_row(&sql, [job, since], |row| number(row, 0))
}

/// Returns the number of releases by the first characters of their date: 4 for the year, 7 for the month.
///
/// # Errors
/// If the store cannot be read.
pub fn releases_by_date(
    store: &Connection,
    job: &str,
    length: u64,
    from: &str,
) -> rusqlite::Result<Vec<(String, u64)>> {
    let sql = format!(
        "{RELEASES} SELECT substr(al.release_date, 1, ?2), count(*) FROM of_job o JOIN albums al ON al.id = o.album_id
         WHERE length(al.release_date) >= ?2 AND al.release_date >= ?3 GROUP BY 1 ORDER BY 1"
    );
    let read = |row: &Row<'_>| Ok((row.get(0)?, number(row, 1)?));
    store.prepare(&sql)?.query_map(params![job, limit(length), from], read)?.collect()
}

/// Returns tracks that were read from Spotify and have no ISRC.
///
/// # Errors
/// If the store cannot be read.
pub fn tracks_without_isrc(store: &Connection, job: &str, most: u64) -> rusqlite::Result<SomeRows<TrackNote>> {
    let from = "FROM of_job o JOIN tracks t ON t.id = o.id WHERE t.fetched_at IS NOT NULL AND t.isrc IS NULL";
    track_notes(store, job, &format!("{from} ORDER BY t.name, t.id"), "''", most)
}

/// Returns tracks that share their ISRC with another track of the job, by ISRC.
///
/// # Errors
/// If the store cannot be read.
pub fn tracks_with_shared_isrc(store: &Connection, job: &str, most: u64) -> rusqlite::Result<SomeRows<TrackNote>> {
    let from = "FROM of_job o JOIN tracks t ON t.id = o.id WHERE t.isrc IN
      (SELECT t.isrc FROM of_job o JOIN tracks t ON t.id = o.id WHERE t.isrc IS NOT NULL GROUP BY t.isrc HAVING count(*) > 1)";
    track_notes(store, job, &format!("{from} ORDER BY t.isrc, t.name, t.id"), "t.isrc", most)
}

/// Returns tracks that are in several playlists of the job, or several times in one.
///
/// # Errors
/// If the store cannot be read.
pub fn repeated_tracks(store: &Connection, job: &str, most: u64) -> rusqlite::Result<SomeRows<TrackNote>> {
    let from = "FROM (SELECT i.track_id, count(*) AS times, count(DISTINCT i.playlist_id) AS lists FROM own
        JOIN playlist_items i ON i.playlist_id = own.id WHERE i.track_id IS NOT NULL GROUP BY i.track_id HAVING count(*) > 1) d
      JOIN tracks t ON t.id = d.track_id ORDER BY d.lists DESC, d.times DESC, t.name, t.id";
    let note =
        "iif(d.lists > 1, d.times || ' times in ' || d.lists || ' playlists', d.times || ' times in one playlist')";
    track_notes(store, job, from, note, most)
}

/// Returns the number of tracks that the job shows.
///
/// # Errors
/// If the store cannot be read.
pub fn track_count(store: &Connection, job: &str) -> rusqlite::Result<u64> {
    store.query_row(&format!("{TRACKS} SELECT count(*) FROM of_job"), [job], |row| number(row, 0))
}

fn track_notes(
    store: &Connection,
    job: &str,
    from: &str,
    note: &str,
    most: u64,
) -> rusqlite::Result<SomeRows<TrackNote>> {
    let sql = format!(
        "{TRACKS} SELECT coalesce(t.name, t.id), t.spotify_url, {ARTISTS}, coalesce(t.explicit, 0), {note} {from} LIMIT ?2"
    );
    let read = |row: &Row<'_>| {
        let track = NamedLink { name: row.get(0)?, url: row.get(1)? };
        Ok(TrackNote { track, artists: row.get(2)?, explicit: row.get(3)?, note: row.get(4)? })
    };
    let rows = store.prepare(&sql)?.query_map(params![job, limit(most)], read)?.collect::<Result<_, _>>()?;
    let total = store.query_row(&format!("{TRACKS} SELECT count(*) {from}"), [job], |row| number(row, 0))?;
    Ok(SomeRows { rows, total })
}

/// Returns how the fetches of a run ended.
///
/// # Errors
/// If the store cannot be read.
pub fn fetch_results(store: &Connection, run: i64) -> rusqlite::Result<Vec<FetchResult>> {
    let sql = "SELECT fetch, min(stream), max(state), max(reason), sum(asked), sum(unchanged), sum(calls), sum(stored), sum(skipped)
         FROM run_fetches WHERE run_id = ?1 GROUP BY fetch ORDER BY fetch";
    let read = |row: &Row<'_>| {
        Ok(FetchResult {
            fetch: row.get(0)?,
            stream: row.get(1)?,
            state: row.get(2)?,
            reason: row.get(3)?,
            asked: number(row, 4)?,
            unchanged: number(row, 5)?,
            calls: number(row, 6)?,
            stored: number(row, 7)?,
            skipped: number(row, 8)?,
        })
    };
    store.prepare(sql)?.query_map([run], read)?.collect()
}

/// Returns how many requested or served items of a run could not be stored, by fetch and reason.
///
/// # Errors
/// If the store cannot be read.
pub fn skipped_by_reason(store: &Connection, run: i64) -> rusqlite::Result<Vec<(String, String, u64)>> {
    let sql = "SELECT fetch, reason, count(*) FROM skipped_items WHERE run_id = ?1 GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2";
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, number(row, 2)?));
    store.prepare(sql)?.query_map([run], read)?.collect()
}

/// Returns when a run started.
///
/// # Errors
/// If the store cannot be read, or does not know the run.
pub fn run_started_at(store: &Connection, run: i64) -> rusqlite::Result<String> {
    store.query_row("SELECT started_at FROM runs WHERE id = ?1", [run], |row| row.get(0))
}

fn number(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: Option<i64> = row.get(index)?;
    Ok(value.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
}

fn limit(most: u64) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}
