//! Plays from the files of Spotify's privacy export, without doubles against the plays that the API sent.
//!
//! The two sources describe one play differently. The API's time has milliseconds, that of the export has seconds or
//! only minutes. They may be the start or the end of the play, so they differ by up to its length. The track may have
//! another id, since Spotify replaces tracks. A play of the export is therefore known if the user has a play of the
//! same recording or of the same title and artist close to it, and each known play stands for one play of the export.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::params;
use rustc_hash::{FxHashMap, FxHashSet};

use super::list_kinds::plays_kind;
use super::lists::{self, ListKey};
use super::{CellValue, EntityTable, StoreError, WriteTx, entity, timestamp};
use spotify_client::EntityKind;

/// How far the times of one play may differ in addition to its length.
const SLACK_MS: i64 = 60_000;

/// A play of the export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedPlay {
    pub at: DateTime<Utc>,
    /// Whether `at` is only exact to the minute.
    pub is_to_the_minute: bool,
    pub ms_played: i64,
    /// The id of the track, if the file has it.
    pub track_id: Option<String>,
    pub title: String,
    pub artist: String,
    pub album: Option<String>,
}

/// What became of the plays of an export.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportedPlays {
    pub added: u64,
    /// Plays that the store had already.
    pub known: u64,
    /// Plays of tracks without an id in the file that the store does not have, by artist and title, with their number.
    pub unplaced: Vec<((String, String), u64)>,
}

/// The names by which two plays are recognized as plays of one song.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum SongKey {
    Id(String),
    Isrc(String),
    Names(String, String),
}

/// A play of the store that no play of the export stands for yet.
#[derive(Debug)]
struct KnownPlay {
    at_ms: i64,
    is_imported: bool,
    is_taken: bool,
}

/// The plays of a user by song.
#[derive(Default)]
struct KnownPlays {
    plays: Vec<KnownPlay>,
    by_song: FxHashMap<SongKey, Vec<usize>>,
}

/// Adds the plays that the user does not have yet.
///
/// # Errors
/// If the store cannot be read or written. Nothing is added then.
pub fn import_plays(
    tx: &mut WriteTx,
    user_id: &str,
    plays: &[ExportedPlay],
    now: &str,
) -> Result<ImportedPlays, StoreError> {
    let key = ListKey {
        kind: plays_kind(),
        parent_id: String::new(),
        audience: user_id.to_owned(),
        market: String::new(),
        variant: String::new(),
    };
    let list = lists::open(tx, &key)?.id;
    let mut known = KnownPlays::read(tx, user_id, plays)?;
    let mut result = ImportedPlays::default();
    let mut unplaced: FxHashMap<(String, String), u64> = FxHashMap::default();
    // Plays with an id first: they bring the names that the others need.
    let (with_id, without_id): (Vec<&ExportedPlay>, Vec<_>) = plays.iter().partition(|play| play.track_id.is_some());
    for part in [with_id, without_id] {
        // The two forms describe the same plays, so each is compared with all known plays.
        known.release_all();
        let mut seen = FxHashSet::default();
        let tracks =
            if part.iter().any(|play| play.track_id.is_none()) { tracks_by_name(tx)? } else { FxHashMap::default() };
        let mut rest = Vec::new();
        for play in part {
            let track = play.track_id.clone().or_else(|| tracks.get(&name_key(&play.artist, &play.title)).cloned());
            let Some(track) = track else {
                *unplaced.entry((play.artist.clone(), play.title.clone())).or_default() += 1;
                continue;
            };
            if !seen.insert((play.at, track.clone())) {
                // The files overlap.
                result.known += 1;
                continue;
            }
            let songs = songs_of(tx, &track, play)?;
            // Equal times first, so that a play of a loop does not take the place of its neighbor.
            match known.take(&songs, play.at.timestamp_millis(), 0) {
                true => result.known += 1,
                false => rest.push((play, track, songs)),
            }
        }
        for (play, track, songs) in rest {
            if known.take_near(&songs, play) {
                result.known += 1;
                continue;
            }
            insert(tx, user_id, list, &track, play, now)?;
            known.add(songs, play.at.timestamp_millis(), true, true);
            result.added += 1;
        }
    }
    if result.added > 0 {
        tx.mark_all_changed();
    }
    result.unplaced = unplaced.into_iter().collect();
    result.unplaced.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
    Ok(result)
}

/// Deletes imported plays that the API has sent now, so that each play has one row: that of the API.
///
/// # Errors
/// If the store cannot be read or written.
pub(super) fn drop_imported_doubles(tx: &mut WriteTx, user_id: &str, new_since: &str) -> Result<i64, StoreError> {
    let imported = "SELECT p.track_id, p.played_at, coalesce(p.ms_played, 0), coalesce(t.name, x.name, ''),
          coalesce((SELECT a.name FROM track_artists ta JOIN artists a ON a.id = ta.artist_id WHERE ta.track_id = p.track_id
                    ORDER BY ta.position LIMIT 1), x.artist_names, '')
        FROM plays p LEFT JOIN tracks t ON t.id = p.track_id LEFT JOIN imported_tracks x ON x.track_id = p.track_id
        WHERE p.user_id = ?1 AND p.imported_at IS NOT NULL AND p.played_at >= ?2 AND p.played_at <= ?3";
    let range = "SELECT min(played_at), max(played_at) FROM plays WHERE user_id = ?1 AND imported_at IS NULL AND first_seen_at = ?2";
    let (from, to): (Option<String>, Option<String>) = tx
        .prepare(range)?
        .query_row([user_id, new_since], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(|e| tx.error("cannot be read", e))?;
    let Some((from, to)) = from.and_then(|at| parse(&at)).zip(to.and_then(|at| parse(&at))) else { return Ok(0) };
    let (from, to) = (timestamp(from - TimeDelta::days(1)), timestamp(to + TimeDelta::days(1)));
    let rows: Vec<(String, String, i64, String, String)> = {
        let mut statement = tx.prepare(imported)?;
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
        let rows = statement.query_map(params![user_id, from, to], read);
        rows.and_then(Iterator::collect).map_err(|e| tx.error("cannot be read", e))?
    };
    if rows.is_empty() {
        return Ok(0);
    }
    let mut known = KnownPlays::read_between(tx, user_id, (&from, &to), Some(new_since))?;
    let mut deleted = 0;
    for (track, at, ms_played, title, artist) in rows {
        let Some(time) = parse(&at) else { continue };
        let play = ExportedPlay {
            at: time,
            is_to_the_minute: time.timestamp_millis() % 60_000 == 0,
            ms_played,
            track_id: Some(track.clone()),
            title,
            artist,
            album: None,
        };
        let songs = songs_of(tx, &track, &play)?;
        if known.take_near(&songs, &play) {
            let delete =
                "DELETE FROM plays WHERE user_id = ?1 AND played_at = ?2 AND track_id = ?3 AND imported_at IS NOT NULL";
            deleted += tx.execute_counted(delete, params![user_id, at, track])?;
        }
    }
    Ok(deleted)
}

impl KnownPlays {
    /// The plays of a user in the time of an export.
    fn read(tx: &WriteTx, user_id: &str, plays: &[ExportedPlay]) -> Result<KnownPlays, StoreError> {
        let times = || plays.iter().map(|play| play.at);
        let Some((from, to)) = times().min().zip(times().max()) else { return Ok(KnownPlays::default()) };
        let (from, to) = (timestamp(from - TimeDelta::days(1)), timestamp(to + TimeDelta::days(1)));
        KnownPlays::read_between(tx, user_id, (&from, &to), None)
    }

    /// The plays of a user in a time. With `new_since`, only those of the API that were first seen then.
    fn read_between(
        tx: &WriteTx,
        user_id: &str,
        (from, to): (&str, &str),
        new_since: Option<&str>,
    ) -> Result<KnownPlays, StoreError> {
        let sql = "SELECT p.track_id, p.played_at, p.imported_at IS NOT NULL, t.isrc, coalesce(t.name, x.name, ''),
              coalesce((SELECT a.name FROM track_artists ta JOIN artists a ON a.id = ta.artist_id
                        WHERE ta.track_id = p.track_id ORDER BY ta.position LIMIT 1), x.artist_names, '')
            FROM plays p LEFT JOIN tracks t ON t.id = p.track_id LEFT JOIN imported_tracks x ON x.track_id = p.track_id
            WHERE p.user_id = ?1 AND p.played_at >= ?2 AND p.played_at <= ?3
              AND (?4 IS NULL OR (p.imported_at IS NULL AND p.first_seen_at = ?4))";
        let mut known = KnownPlays::default();
        let unreadable = |e| tx.error("cannot be read", e);
        let mut statement = tx.prepare(sql)?;
        let mut rows = statement.query(params![user_id, from, to, new_since]).map_err(unreadable)?;
        while let Some(row) = rows.next().map_err(unreadable)? {
            let read = || -> rusqlite::Result<_> {
                let (id, at): (String, String) = (row.get(0)?, row.get(1)?);
                let isrc: Option<String> = row.get(3)?;
                let (title, artist): (String, String) = (row.get(4)?, row.get(5)?);
                Ok((at, row.get::<_, bool>(2)?, song_keys(&id, isrc, &artist, &title)))
            };
            let (at, is_imported, songs) = read().map_err(unreadable)?;
            if let Some(at) = parse(&at) {
                known.add(songs, at.timestamp_millis(), is_imported, false);
            }
        }
        Ok(known)
    }

    /// Lets every play stand for a play of another source.
    fn release_all(&mut self) {
        self.plays.iter_mut().for_each(|play| play.is_taken = false);
    }

    fn add(&mut self, songs: Vec<SongKey>, at_ms: i64, is_imported: bool, is_taken: bool) {
        let place = self.plays.len();
        self.plays.push(KnownPlay { at_ms, is_imported, is_taken });
        for song in songs {
            self.by_song.entry(song).or_default().push(place);
        }
    }

    /// Takes the nearest play of the song that stands for no other one yet.
    fn take_near(&mut self, songs: &[SongKey], play: &ExportedPlay) -> bool {
        let minute = if play.is_to_the_minute { 60_000 } else { 0 };
        let at_ms = play.at.timestamp_millis();
        // Two imported times are both ends, so only their precision differs.
        self.take_nearest(songs, at_ms, |known| match known.is_imported {
            true if play.is_to_the_minute || known.at_ms % 60_000 == 0 => 60_000,
            true => 0,
            false => play.ms_played.max(0) + SLACK_MS + minute,
        })
    }

    fn take(&mut self, songs: &[SongKey], at_ms: i64, tolerance_ms: i64) -> bool {
        self.take_nearest(songs, at_ms, |_| tolerance_ms)
    }

    fn take_nearest(&mut self, songs: &[SongKey], at_ms: i64, tolerance_ms: impl Fn(&KnownPlay) -> i64) -> bool {
        let places = songs.iter().filter_map(|song| self.by_song.get(song)).flatten().copied();
        let near = places
            .map(|place| (place, (self.plays[place].at_ms - at_ms).abs()))
            .filter(|(place, apart)| {
                let known = &self.plays[*place];
                !known.is_taken && *apart <= tolerance_ms(known)
            })
            .min_by_key(|(place, apart)| (*apart, *place));
        if let Some((place, _)) = near {
            self.plays[place].is_taken = true;
        }
        near.is_some()
    }
}

fn parse(at: &str) -> Option<DateTime<Utc>> {
    at.parse().ok()
}

fn song_keys(id: &str, isrc: Option<String>, artist: &str, title: &str) -> Vec<SongKey> {
    let mut keys = vec![SongKey::Id(id.to_owned())];
    keys.extend(isrc.map(SongKey::Isrc));
    if !title.is_empty() && !artist.is_empty() {
        let (artist, title) = name_key(artist, title);
        keys.push(SongKey::Names(artist, title));
    }
    keys
}

fn name_key(artist: &str, title: &str) -> (String, String) {
    (artist.trim().to_lowercase(), title.trim().to_lowercase())
}

/// The keys of a play of the export.
fn songs_of(tx: &WriteTx, track: &str, play: &ExportedPlay) -> Result<Vec<SongKey>, StoreError> {
    let isrc: Option<String> = tx.query_one("SELECT isrc FROM tracks WHERE id = ?1", params![track])?;
    Ok(song_keys(track, isrc, &play.artist, &play.title))
}

/// The tracks of the store by their first artist and title. Of several, the first one by id.
fn tracks_by_name(tx: &WriteTx) -> Result<FxHashMap<(String, String), String>, StoreError> {
    let sql = "SELECT a.name, t.name, t.id FROM tracks t JOIN track_artists x ON x.track_id = t.id AND x.position = 0
               JOIN artists a ON a.id = x.artist_id WHERE t.name <> '' AND a.name <> ''
               UNION ALL SELECT artist_names, name, track_id FROM imported_tracks
               WHERE name <> '' AND artist_names <> '' ORDER BY 3";
    let mut tracks = FxHashMap::default();
    let unreadable = |e| tx.error("cannot be read", e);
    let mut statement = tx.prepare(sql)?;
    let mut rows = statement.query([]).map_err(unreadable)?;
    while let Some(row) = rows.next().map_err(unreadable)? {
        let read = || -> rusqlite::Result<(String, String, String)> { Ok((row.get(0)?, row.get(1)?, row.get(2)?)) };
        let (artist, title, id) = read().map_err(unreadable)?;
        tracks.entry(name_key(&artist, &title)).or_insert(id);
    }
    Ok(tracks)
}

/// Writes one play, and the names of its track where the API has not sent the track yet.
fn insert(
    tx: &mut WriteTx,
    user_id: &str,
    list: i64,
    track: &str,
    play: &ExportedPlay,
    now: &str,
) -> Result<(), StoreError> {
    let table = EntityTable::for_kind(EntityKind::Track);
    entity::upsert(tx, table, track, &vec![CellValue::Absent; table.columns.len()], now, false)?;
    tx.execute(
        "INSERT OR IGNORE INTO imported_tracks (track_id, name, artist_names, album_name) VALUES (?1, ?2, ?3, ?4)",
        params![track, play.title, play.artist, play.album],
    )?;
    tx.execute(
        "INSERT OR IGNORE INTO plays (user_id, played_at, track_id, list_id, first_seen_at, fetched_at, ms_played, imported_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?5)",
        params![user_id, timestamp(play.at), track, list, now, play.ms_played],
    )
}
