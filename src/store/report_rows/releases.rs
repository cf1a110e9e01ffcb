//! The releases of a job.

use rusqlite::{Connection, Row, params};

use super::{FirstReads, NamedLink, ReportedJob, SomeRows, limit, number};

/// A release of an artist.
#[derive(Debug)]
pub struct ReleaseRow {
    pub release_date: String,
    pub album: NamedLink,
    pub artists: String,
    pub album_type: String,
    /// Since when it is in the list, if it joined the list after the first read and after a time.
    pub new_since: Option<String>,
    /// Whether it was in the first read of its list.
    pub in_first_read: bool,
}

/// The releases of a job: `rows` of them once, with the list that they joined last.
const RELEASES: &str =
    "WITH of_job AS (SELECT r.album_id, max(iif(r.first_seen_at > l.first_read_at, r.first_seen_at, NULL))
    AS new_since FROM (SELECT DISTINCT list_id FROM requested q WHERE q.job = ?1
    AND (?2 ->> 'user' IS NULL OR q.user_id IS NULL OR q.user_id = ?2 ->> 'user')) q
  JOIN artist_releases r ON r.list_id = q.list_id AND r.removed_at IS NULL
  JOIN lists l ON l.id = r.list_id GROUP BY r.album_id)";

/// Returns the newest releases of a job by their date. Those that were first seen since a time come first.
///
/// # Errors
/// If the store cannot be read.
pub fn newest_releases(
    store: &Connection,
    job: &ReportedJob,
    since: &str,
    most: u64,
) -> rusqlite::Result<SomeRows<ReleaseRow>> {
    let sql = format!(
        "{RELEASES} SELECT coalesce(al.release_date, ''), coalesce(al.name, al.id), al.spotify_url,
           coalesce((SELECT group_concat(name, ', ') FROM (SELECT a.name FROM album_artists aa JOIN artists a
             ON a.id = aa.artist_id WHERE aa.album_id = al.id ORDER BY aa.position)), ''),
           coalesce(al.album_type, ''), iif(o.new_since >= ?3, o.new_since, NULL), o.new_since IS NULL
         FROM of_job o JOIN albums al ON al.id = o.album_id
         ORDER BY iif(o.new_since >= ?3, 0, 1), al.release_date DESC, al.id LIMIT ?4"
    );
    let read = |row: &Row<'_>| {
        Ok(ReleaseRow {
            release_date: row.get(0)?,
            album: NamedLink { name: row.get(1)?, url: row.get(2)? },
            artists: row.get(3)?,
            album_type: row.get(4)?,
            new_since: row.get(5)?,
            in_first_read: row.get(6)?,
        })
    };
    let rows = store
        .prepare(&sql)?
        .query_map(params![job.name, job.scope, since, limit(most)], read)?
        .collect::<Result<_, _>>()?;
    let total =
        store.query_row(&format!("{RELEASES} SELECT count(*) FROM of_job"), [&job.name, &job.scope], |row| {
            number(row, 0)
        })?;
    Ok(SomeRows { rows, total })
}

/// Returns the number of releases that joined a list after its first read and since a time.
///
/// # Errors
/// If the store cannot be read.
pub fn new_release_count(store: &Connection, job: &ReportedJob, since: &str) -> rusqlite::Result<u64> {
    let sql = format!("{RELEASES} SELECT count(*) FROM of_job WHERE new_since >= ?3");
    store.query_row(&sql, [job.name.as_str(), job.scope.as_str(), since], |row| number(row, 0))
}

/// Returns the number of releases by the first characters of their date: 4 for the year, 7 for the month.
///
/// # Errors
/// If the store cannot be read.
pub fn releases_by_date(
    store: &Connection,
    job: &ReportedJob,
    length: u64,
    from: &str,
) -> rusqlite::Result<Vec<(String, u64)>> {
    let sql = format!(
        "{RELEASES} SELECT substr(al.release_date, 1, ?3), count(*) FROM of_job o JOIN albums al ON al.id = o.album_id
         WHERE length(al.release_date) >= ?3 AND al.release_date >= ?4 GROUP BY 1 ORDER BY 1"
    );
    let read = |row: &Row<'_>| Ok((row.get(0)?, number(row, 1)?));
    store.prepare(&sql)?.query_map(params![job.name, job.scope, limit(length), from], read)?.collect()
}

/// Returns when the discographies of a job were first read, by artist.
///
/// # Errors
/// If the store cannot be read.
pub fn first_release_reads(store: &Connection, job: &ReportedJob, started: &str) -> rusqlite::Result<FirstReads> {
    let sql =
        "SELECT count(*), sum(first >= ?3), min(first) FROM (SELECT min(l.first_read_at) AS first FROM requested q
         JOIN lists l ON l.id = q.list_id WHERE q.job = ?1 AND l.kind = 'artist_albums' AND l.first_read_at IS NOT NULL
           AND (?2 ->> 'user' IS NULL OR q.user_id IS NULL OR q.user_id = ?2 ->> 'user') GROUP BY l.parent_id)";
    store.query_row(sql, [job.name.as_str(), job.scope.as_str(), started], FirstReads::from_row)
}
