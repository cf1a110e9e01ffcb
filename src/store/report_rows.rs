//! What a report page shows of a job, as rows: changes, sizes, releases, codes and repeated tracks. Everything is limited
//! to what the job requested, and to a number of rows.

mod all_jobs;
mod catalog;
mod of_run;
mod releases;
mod tops;
mod tracks;

use rusqlite::{Connection, Row, params};

pub use all_jobs::{CallsOfJob, FetchRead, calls_of_job, fetch_reads};
pub use catalog::{MarketCount, MetricRow, market_counts, metrics_of_job, tracks_not_playable};
pub use of_run::{FetchResult, NotedReason, codes_not_found, fetch_results, noted_by_reason, run_started_at};
pub use releases::{ReleaseRow, first_release_reads, new_release_count, newest_releases, releases_by_date};
pub use tops::{TopRank, top_ranks};
pub use tracks::collect_tracks;

/// A job as a page shows it.
#[derive(Debug)]
pub struct ReportedJob {
    name: String,
    /// As JSON: the names of its fetches that read the playlists of a user's library, and the shown user.
    scope: String,
}

impl ReportedJob {
    /// A job, its fetches that read the playlists of a user's library, and the id of the shown user; `None` for the
    /// data of all users.
    pub fn new(name: &str, library_fetches: &[&str], user: Option<&str>) -> ReportedJob {
        let scope = serde_json::json!({ "library": library_fetches, "user": user }).to_string();
        ReportedJob { name: name.to_owned(), scope }
    }
}

/// Whether a request `q` is for the shown user (`?2`), or for no user.
const FOR_USER: &str = "(?2 ->> 'user' IS NULL OR q.user_id IS NULL OR q.user_id = ?2 ->> 'user')";

/// When lists were first read. A first read is a baseline: nothing in it counts as new.
#[derive(Debug, Default)]
pub struct FirstReads {
    /// Number of lists that were read.
    pub lists: u64,
    /// Of these, those that were first read since the start of the shown run.
    pub in_this_run: u64,
    /// The time of the oldest first read.
    pub earliest: Option<String>,
}

impl FirstReads {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<FirstReads> {
        Ok(FirstReads { lists: number(row, 0)?, in_this_run: number(row, 1)?, earliest: row.get(2)? })
    }
}

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
    /// Who added it.
    pub added_by: NamedLink,
}

/// The number of items of a playlist at a time.
#[derive(Debug)]
pub struct PlaylistSize {
    pub playlist_id: String,
    pub playlist: NamedLink,
    /// The owner of the playlist.
    pub owner: NamedLink,
    pub seen_at: String,
    pub items: u64,
}

/// A track with something to say about it.
#[derive(Debug)]
pub struct TrackNote {
    pub track: NamedLink,
    pub artists: String,
    pub explicit: bool,
    pub note: String,
}

/// Rows, and how many there are without the limit.
#[derive(Debug)]
pub struct SomeRows<T> {
    pub rows: Vec<T>,
    pub total: u64,
}

/// The playlists of a job: those that it requested, and for fetches of a library (`?2`) those in the library.
const OWN: &str = "WITH asked AS (SELECT * FROM requested q WHERE q.job = ?1
      AND (?2 ->> 'user' IS NULL OR q.user_id IS NULL OR q.user_id = ?2 ->> 'user')),
  own AS (SELECT p.id FROM (
    SELECT l.parent_id AS id FROM asked q JOIN lists l ON l.id = q.list_id WHERE l.kind = 'playlist_items'
    UNION SELECT m.playlist_id FROM asked q JOIN my_playlists m ON m.list_id = q.list_id AND m.removed_at IS NULL
      WHERE q.fetch IN (SELECT value FROM json_each(?2, '$.library'))) r JOIN playlists p ON p.id = r.id)";

/// The tracks that a job shows. [`collect_tracks`] has collected them.
const TRACKS: &str = "of_job AS (SELECT id FROM temp.report_tracks)";

/// The artists of track `t`.
const ARTISTS: &str = "coalesce((SELECT group_concat(name, ', ') FROM (SELECT a.name FROM track_artists ta
  JOIN artists a ON a.id = ta.artist_id WHERE ta.track_id = t.id ORDER BY ta.position)), '')";

/// Returns the number of changes of each playlist since a time, the most first.
///
/// # Errors
/// If the store cannot be read.
pub fn change_counts(store: &Connection, job: &ReportedJob, since: &str) -> rusqlite::Result<Vec<ChangeCount>> {
    let sql = format!(
        "{OWN} SELECT coalesce(p.name, p.id), p.spotify_url, sum(c.change = 'added'), sum(c.change = 'removed'),
           sum(c.change = 'moved') FROM own JOIN playlist_changes c ON c.playlist_id = own.id
         JOIN playlists p ON p.id = own.id WHERE c.seen_at >= ?3 GROUP BY p.id ORDER BY count(*) DESC, 1, p.id"
    );
    let read = |row: &Row<'_>| {
        let playlist = NamedLink { name: row.get(0)?, url: row.get(1)? };
        Ok(ChangeCount { playlist, added: number(row, 2)?, removed: number(row, 3)?, moved: number(row, 4)? })
    };
    store.prepare(&sql)?.query_map(params![job.name, job.scope, since], read)?.collect()
}

/// Returns the newest changes of the playlists since a time: run by run, in each by playlist. Items that only moved are
/// left out.
///
/// # Errors
/// If the store cannot be read.
pub fn newest_changes(
    store: &Connection,
    job: &ReportedJob,
    since: &str,
    most: u64,
) -> rusqlite::Result<SomeRows<ChangedItem>> {
    let from = "FROM own JOIN playlist_changes c ON c.playlist_id = own.id AND c.change <> 'moved'
         JOIN playlists p ON p.id = own.id LEFT JOIN tracks t ON t.id = c.track_id
         LEFT JOIN episodes e ON e.id = c.episode_id LEFT JOIN local_files f ON f.uri = c.uri
         LEFT JOIN users u ON u.id = c.added_by WHERE c.seen_at >= ?3";
    let sql = format!(
        "{OWN} SELECT c.change, coalesce(p.name, p.id), p.spotify_url, coalesce(t.name, e.name, f.name, c.uri, ''),
           coalesce(t.spotify_url, e.spotify_url), coalesce(nullif({ARTISTS}, ''), f.artist_names, ''),
           coalesce(t.explicit, e.explicit, 0), c.seen_at, coalesce(u.display_name, c.added_by, ''), u.spotify_url {from} ORDER BY c.run_id DESC, 2, p.id, c.id LIMIT ?4"
    );
    let read = |row: &Row<'_>| {
        Ok(ChangedItem {
            change: row.get(0)?,
            playlist: NamedLink { name: row.get(1)?, url: row.get(2)? },
            item: NamedLink { name: row.get(3)?, url: row.get(4)? },
            artists: row.get(5)?,
            explicit: row.get(6)?,
            seen_at: row.get(7)?,
            added_by: NamedLink { name: row.get(8)?, url: row.get(9)? },
        })
    };
    let rows = store
        .prepare(&sql)?
        .query_map(params![job.name, job.scope, since, limit(most)], read)?
        .collect::<Result<_, _>>()?;
    let count = format!("{OWN} SELECT count(*) {from}");
    let total = store.query_row(&count, params![job.name, job.scope, since], |row| number(row, 0))?;
    Ok(SomeRows { rows, total })
}

/// Returns the number of added and removed items by the Monday of their week (UTC).
///
/// # Errors
/// If the store cannot be read.
pub fn changes_by_week(
    store: &Connection,
    job: &ReportedJob,
    since: &str,
) -> rusqlite::Result<Vec<(String, u64, u64)>> {
    let sql = format!(
        "{OWN} SELECT date(c.seen_at, 'weekday 0', '-6 days'), sum(c.change = 'added'), sum(c.change = 'removed')
         FROM own JOIN playlist_changes c ON c.playlist_id = own.id WHERE c.seen_at >= ?3 GROUP BY 1 ORDER BY 1"
    );
    let read = |row: &Row<'_>| Ok((row.get(0)?, number(row, 1)?, number(row, 2)?));
    store.prepare(&sql)?.query_map(params![job.name, job.scope, since], read)?.collect()
}

/// Returns when the playlists of a job were first read.
///
/// # Errors
/// If the store cannot be read.
pub fn first_playlist_reads(store: &Connection, job: &ReportedJob, started: &str) -> rusqlite::Result<FirstReads> {
    let sql = format!(
        "{OWN} SELECT count(*), sum(first >= ?3), min(first) FROM (SELECT min(v.seen_at) AS first FROM own
         JOIN playlist_versions v ON v.playlist_id = own.id GROUP BY own.id)"
    );
    store.query_row(&sql, params![job.name, job.scope, started], FirstReads::from_row)
}

/// Returns every size that a playlist had, by playlist and time.
///
/// # Errors
/// If the store cannot be read.
pub fn playlist_sizes(store: &Connection, job: &ReportedJob) -> rusqlite::Result<Vec<PlaylistSize>> {
    let sql = format!(
        "{OWN} SELECT v.playlist_id, coalesce(p.name, p.id), p.spotify_url, v.seen_at, v.items,
           coalesce(u.display_name, p.owner_id, ''), u.spotify_url FROM own
         JOIN playlist_versions v ON v.playlist_id = own.id JOIN playlists p ON p.id = own.id
         LEFT JOIN users u ON u.id = p.owner_id ORDER BY 2, v.playlist_id, v.seen_at"
    );
    let read = |row: &Row<'_>| {
        let playlist = NamedLink { name: row.get(1)?, url: row.get(2)? };
        let owner = NamedLink { name: row.get(5)?, url: row.get(6)? };
        Ok(PlaylistSize { playlist_id: row.get(0)?, playlist, owner, seen_at: row.get(3)?, items: number(row, 4)? })
    };
    store.prepare(&sql)?.query_map([&job.name, &job.scope], read)?.collect()
}

/// Returns tracks that were read from Spotify and have no ISRC.
///
/// # Errors
/// If the store cannot be read.
pub fn tracks_without_isrc(store: &Connection, job: &ReportedJob, most: u64) -> rusqlite::Result<SomeRows<TrackNote>> {
    let from = "FROM of_job o JOIN tracks t ON t.id = o.id WHERE t.fetched_at IS NOT NULL AND t.isrc IS NULL";
    track_notes(store, job, &format!("{from} ORDER BY t.name, t.id"), "''", most)
}

/// Returns tracks that share their ISRC with another track of the job, by ISRC.
///
/// # Errors
/// If the store cannot be read.
pub fn tracks_with_shared_isrc(
    store: &Connection,
    job: &ReportedJob,
    most: u64,
) -> rusqlite::Result<SomeRows<TrackNote>> {
    let from = "FROM of_job o JOIN tracks t ON t.id = o.id WHERE t.isrc IN
      (SELECT t.isrc FROM of_job o JOIN tracks t ON t.id = o.id WHERE t.isrc IS NOT NULL GROUP BY t.isrc HAVING count(*) > 1)";
    track_notes(store, job, &format!("{from} ORDER BY t.isrc, t.name, t.id"), "t.isrc", most)
}

/// Returns tracks that are in several playlists of the job, or several times in one.
///
/// # Errors
/// If the store cannot be read.
pub fn repeated_tracks(store: &Connection, job: &ReportedJob, most: u64) -> rusqlite::Result<SomeRows<TrackNote>> {
    let from = "FROM temp.report_tracks d JOIN tracks t ON t.id = d.id WHERE d.places > 1
      ORDER BY d.lists DESC, d.places DESC, t.name, t.id";
    let note =
        "iif(d.lists > 1, d.places || ' times in ' || d.lists || ' playlists', d.places || ' times in one playlist')";
    track_notes(store, job, from, note, most)
}

/// Returns the number of tracks that the job shows.
///
/// # Errors
/// If the store cannot be read.
pub fn track_count(store: &Connection, job: &ReportedJob) -> rusqlite::Result<u64> {
    store.query_row(&format!("{OWN}, {TRACKS} SELECT count(*) FROM of_job"), [&job.name, &job.scope], |row| {
        number(row, 0)
    })
}

fn track_notes(
    store: &Connection,
    job: &ReportedJob,
    from: &str,
    note: &str,
    most: u64,
) -> rusqlite::Result<SomeRows<TrackNote>> {
    let sql = format!(
        "{OWN}, {TRACKS} SELECT coalesce(t.name, t.id), t.spotify_url, {ARTISTS}, coalesce(t.explicit, 0), {note} {from} LIMIT ?3"
    );
    let read = |row: &Row<'_>| {
        let track = NamedLink { name: row.get(0)?, url: row.get(1)? };
        Ok(TrackNote { track, artists: row.get(2)?, explicit: row.get(3)?, note: row.get(4)? })
    };
    let rows =
        store.prepare(&sql)?.query_map(params![job.name, job.scope, limit(most)], read)?.collect::<Result<_, _>>()?;
    let count = format!("{OWN}, {TRACKS} SELECT count(*) {from}");
    let total = store.query_row(&count, [&job.name, &job.scope], |row| number(row, 0))?;
    Ok(SomeRows { rows, total })
}

fn number(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: Option<i64> = row.get(index)?;
    Ok(value.and_then(|n| u64::try_from(n).ok()).unwrap_or(0))
}

fn limit(most: u64) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}
