//! The ranks of artists and tracks as Spotify gave them to signed-in users.

use rusqlite::{Connection, Row, params};

use super::{NamedLink, ReportedJob, limit, number};

/// A rank of an item on a day.
#[derive(Debug)]
pub struct TopRank {
    /// The number of the list in the store: one of a user, a kind and a time range.
    pub list: i64,
    /// artist or track.
    pub kind: String,
    pub time_range: String,
    pub day: String,
    pub rank: u64,
    pub item_id: String,
    pub item: NamedLink,
}

/// Returns the ranks of the newest days of each list of a job, by list, newest day and rank.
///
/// # Errors
/// If the store cannot be read.
pub fn top_ranks(store: &Connection, job: &ReportedJob, days: u64) -> rusqlite::Result<Vec<TopRank>> {
    let sql = format!(
        "WITH own AS (SELECT DISTINCT q.list_id FROM requested q JOIN lists l ON l.id = q.list_id
           WHERE q.job = ?1 AND l.kind IN ('top_artists', 'top_tracks') AND {FOR_USER}),
         days AS (SELECT list_id, day, row_number() OVER (PARTITION BY list_id ORDER BY day DESC) AS place
           FROM (SELECT DISTINCT t.list_id, t.day FROM own JOIN top_items t ON t.list_id = own.list_id))
         SELECT t.list_id, t.kind, t.time_range, t.day, t.rank, t.item_id, coalesce(a.name, s.name, t.item_id),
           coalesce(a.spotify_url, s.spotify_url)
         FROM days d JOIN top_items t ON t.list_id = d.list_id AND t.day = d.day
           LEFT JOIN artists a ON t.kind = 'artist' AND a.id = t.item_id LEFT JOIN tracks s ON t.kind = 'track' AND s.id = t.item_id
         WHERE d.place <= ?3 ORDER BY t.kind, t.time_range DESC, t.list_id, t.day DESC, t.rank",
        FOR_USER = super::FOR_USER
    );
    let read = |row: &Row<'_>| {
        Ok(TopRank {
            list: row.get(0)?,
            kind: row.get(1)?,
            time_range: row.get(2)?,
            day: row.get(3)?,
            rank: number(row, 4)?,
            item_id: row.get(5)?,
            item: NamedLink { name: row.get(6)?, url: row.get(7)? },
        })
    };
    store.prepare(&sql)?.query_map(params![job.name, job.scope, limit(days)], read)?.collect()
}
