//! What a job's items are like in markets and over time: where tracks can be played, and followers and popularity by day.

use rusqlite::{Connection, Row, params};

use super::{ARTISTS, NamedLink, OWN, ReportedJob, SomeRows, TRACKS, TrackNote, limit, number};

/// The tracks of a job in a market that it requested.
#[derive(Debug)]
pub struct MarketCount {
    pub market: String,
    pub playable: u64,
    pub not_playable: u64,
    /// Tracks about which Spotify said nothing.
    pub unknown: u64,
}

/// Followers and popularity of an item on a day.
#[derive(Debug)]
pub struct MetricRow {
    /// artist, album, track or playlist.
    pub kind: String,
    pub id: String,
    pub item: NamedLink,
    pub day: String,
    pub followers: Option<u64>,
    pub popularity: Option<u64>,
}

/// Returns in which of the requested markets (a JSON list) the tracks of a job can be played.
///
/// # Errors
/// If the store cannot be read.
pub fn market_counts(store: &Connection, job: &ReportedJob, markets: &str) -> rusqlite::Result<Vec<MarketCount>> {
    let sql = format!(
        "{OWN}, {TRACKS} SELECT m.market, sum(m.is_playable IS 1), sum(m.is_playable IS 0), sum(m.is_playable IS NULL)
         FROM of_job o JOIN track_markets m ON m.track_id = o.id WHERE m.market IN (SELECT value FROM json_each(?3))
         GROUP BY m.market ORDER BY 3 DESC, 1"
    );
    let read = |row: &Row<'_>| {
        let (playable, not_playable, unknown) = (number(row, 1)?, number(row, 2)?, number(row, 3)?);
        Ok(MarketCount { market: row.get(0)?, playable, not_playable, unknown })
    };
    store.prepare(&sql)?.query_map(params![job.name, job.scope, markets], read)?.collect()
}

/// Returns the tracks that cannot be played in one of the requested markets, with the market and Spotify's reason.
///
/// # Errors
/// If the store cannot be read.
pub fn tracks_not_playable(
    store: &Connection,
    job: &ReportedJob,
    markets: &str,
    most: u64,
) -> rusqlite::Result<SomeRows<TrackNote>> {
    let from = "FROM of_job o JOIN track_markets m ON m.track_id = o.id AND m.is_playable = 0
        JOIN tracks t ON t.id = o.id WHERE m.market IN (SELECT value FROM json_each(?3))";
    let sql = format!(
        "{OWN}, {TRACKS} SELECT coalesce(t.name, t.id), t.spotify_url, {ARTISTS}, coalesce(t.explicit, 0),
           m.market || coalesce(': ' || m.restriction, '') {from} ORDER BY t.name, t.id, m.market LIMIT ?4"
    );
    let read = |row: &Row<'_>| {
        let track = NamedLink { name: row.get(0)?, url: row.get(1)? };
        Ok(TrackNote { track, artists: row.get(2)?, explicit: row.get(3)?, note: row.get(4)? })
    };
    let rows = store
        .prepare(&sql)?
        .query_map(params![job.name, job.scope, markets, limit(most)], read)?
        .collect::<Result<_, _>>()?;
    let count = format!("{OWN}, {TRACKS} SELECT count(*) {from}");
    let total = store.query_row(&count, params![job.name, job.scope, markets], |row| number(row, 0))?;
    Ok(SomeRows { rows, total })
}

/// Returns followers and popularity of the items that a job requested and of its playlists, by item and day.
///
/// # Errors
/// If the store cannot be read.
pub fn metrics_of_job(store: &Connection, job: &ReportedJob, most: u64) -> rusqlite::Result<Vec<MetricRow>> {
    let sql = format!(
        "{OWN}, of_job AS (SELECT id FROM own UNION SELECT q.item_id FROM asked q WHERE q.item_id IS NOT NULL),
         items AS (SELECT m.kind, m.id FROM of_job o JOIN metrics m ON m.id = o.id AND m.kind IN ('artist', 'album', 'track', 'playlist')
           GROUP BY m.kind, m.id ORDER BY max(m.followers) DESC, max(m.popularity) DESC, m.id LIMIT ?3)
         SELECT m.kind, m.id, coalesce(a.name, al.name, t.name, p.name, m.id),
           coalesce(a.spotify_url, al.spotify_url, t.spotify_url, p.spotify_url), m.day, m.followers, m.popularity
         FROM items i JOIN metrics m ON m.kind = i.kind AND m.id = i.id
           LEFT JOIN artists a ON m.kind = 'artist' AND a.id = m.id LEFT JOIN albums al ON m.kind = 'album' AND al.id = m.id
           LEFT JOIN tracks t ON m.kind = 'track' AND t.id = m.id LEFT JOIN playlists p ON m.kind = 'playlist' AND p.id = m.id
         WHERE m.followers IS NOT NULL OR m.popularity IS NOT NULL ORDER BY m.kind, 3, m.id, m.day"
    );
    let size = |value: Option<i64>| value.and_then(|n| u64::try_from(n).ok());
    let read = |row: &Row<'_>| {
        let item = NamedLink { name: row.get(2)?, url: row.get(3)? };
        let (followers, popularity) = (size(row.get(5)?), size(row.get(6)?));
        Ok(MetricRow { kind: row.get(0)?, id: row.get(1)?, item, day: row.get(4)?, followers, popularity })
    };
    store.prepare(&sql)?.query_map(params![job.name, job.scope, limit(most)], read)?.collect()
}
