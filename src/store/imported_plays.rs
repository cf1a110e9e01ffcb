//! Plays from the files of Spotify's privacy export. Each play is stored once even if the API sent it, too.
//!
//! The two sources describe one play differently. The API's time has milliseconds, that of the export has seconds or
//! only minutes. They may be the start or the end of the play, so they differ by up to its length. The track may have
//! another id, since Spotify replaces tracks. A play of the export is therefore known if the user has a play of the
//! same recording or of the same title and artist close to it, and each known play represents one play of the export.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::params;
use rustc_hash::{FxHashMap, FxHashSet};

use super::list_kinds::plays_kind;
use super::lists::{self, ListKey};
use super::{CellValue, EntityTable, Store, StoreError, WriteTx, entity, open, timestamp};
use spotify_client::EntityKind;

/// How far the times of one play may differ in addition to its length.
const SLACK_MS: i64 = 60_000;

/// A longer play is not compared with times that are further away.
const MAX_LENGTH_MS: i64 = 24 * 3_600_000;

/// Plays of one transaction, which takes a fraction of a second.
const BATCH: usize = 5_000;

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

/// A play of the store.
#[derive(Debug)]
struct KnownPlay {
    at_ms: i64,
    source: PlaySource,
    songs: Vec<usize>,
}

/// Where a play of the store came from, and how exact its time is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlaySource {
    Api,
    Import,
    ImportToTheMinute,
}

/// The plays of one song that no play of the export represents yet, by source: their times and their places.
type FreePlays = [BTreeSet<(i64, usize)>; 3];

/// The plays of a user by song. Finding the nearest one takes the same time however many plays a song has.
#[derive(Default)]
struct KnownPlays {
    plays: Vec<KnownPlay>,
    songs: FxHashMap<SongKey, usize>,
    free: Vec<FreePlays>,
}

/// A play of the export that the store does not have by its exact time.
struct NewPlay {
    play: ExportedPlay,
    track: String,
    songs: Vec<SongKey>,
}

/// An import of several transactions.
struct PlayImport {
    user_id: String,
    now: String,
    list: i64,
    known: KnownPlays,
    /// When plays of the API were first seen, up to the start of the import.
    api_times: FxHashSet<String>,
    /// The tracks that plays without an id may mean.
    tracks: FxHashMap<(String, String), String>,
    /// Plays of the current form, since the files overlap.
    seen: FxHashSet<(DateTime<Utc>, String)>,
    unplaced: FxHashMap<(String, String), u64>,
    result: ImportedPlays,
}

/// Adds the plays that the user does not have yet, in transactions of [`BATCH`] plays, between which others can write.
///
/// # Errors
/// If the store cannot be read or written. Earlier transactions stay; the next import of the same files knows their plays.
pub async fn import_plays(
    store: &Store,
    user_id: String,
    plays: Vec<ExportedPlay>,
    now: String,
) -> Result<ImportedPlays, StoreError> {
    let times = || plays.iter().map(|play| play.at);
    let Some((from, to)) = times().min().zip(times().max()) else { return Ok(ImportedPlays::default()) };
    let mut import = store.write(move |tx| PlayImport::begin(tx, user_id, (from, to), now)).await?;
    // Plays with an id first: they bring the names that the others need.
    let (with_id, without_id): (Vec<_>, Vec<_>) = plays.into_iter().partition(|play| play.track_id.is_some());
    for part in [with_id, without_id] {
        let mut rest = Vec::new();
        import = store.write(move |tx| import.begin_form(tx)).await?;
        for batch in batches(part) {
            let found;
            (import, found) = store.write(move |tx| import.find_new(tx, batch)).await?;
            rest.extend(found);
        }
        for batch in batches(rest) {
            import = store.write(move |tx| import.add(tx, batch)).await?;
            // Another process that waits for the lock looks for it at least this often, and has to find it free.
            tokio::time::sleep(open::MAX_LOCK_PAUSE).await;
        }
    }
    store.write(move |tx| import.finish(tx)).await
}

fn batches<T>(items: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    let mut items = items.into_iter();
    std::iter::from_fn(move || Some(items.by_ref().take(BATCH).collect::<Vec<T>>()).filter(|batch| !batch.is_empty()))
}

impl PlayImport {
    fn begin(
        tx: &mut WriteTx,
        user_id: String,
        (from, to): (DateTime<Utc>, DateTime<Utc>),
        now: String,
    ) -> Result<PlayImport, StoreError> {
        let key = ListKey {
            kind: plays_kind(),
            parent_id: String::new(),
            audience: user_id.clone(),
            market: String::new(),
            variant: String::new(),
        };
        let list = lists::open(tx, &key)?.id;
        let (from, to) = (timestamp(from - TimeDelta::days(1)), timestamp(to + TimeDelta::days(1)));
        let known = KnownPlays::read_between(tx, &user_id, (&from, &to), None)?;
        let api_times = times_of_api_plays(tx, &user_id)?;
        Ok(PlayImport {
            user_id,
            now,
            list,
            known,
            api_times,
            tracks: FxHashMap::default(),
            seen: FxHashSet::default(),
            unplaced: FxHashMap::default(),
            result: ImportedPlays::default(),
        })
    }

    /// The two forms describe the same plays, so the plays of each are compared with all known plays.
    fn begin_form(mut self, tx: &WriteTx) -> Result<PlayImport, StoreError> {
        self.known.release_all();
        self.seen.clear();
        self.tracks = tracks_by_name(tx)?;
        Ok(self)
    }

    /// Counts plays that the store has at the same time, and returns the others. Equal times come first, so that a play of a
    /// loop does not take the place of its neighbor.
    fn find_new(mut self, tx: &WriteTx, plays: Vec<ExportedPlay>) -> Result<(PlayImport, Vec<NewPlay>), StoreError> {
        let mut found = Vec::new();
        for play in plays {
            let named = || self.tracks.get(&name_key(&play.artist, &play.title)).cloned();
            let Some(track) = play.track_id.clone().or_else(named) else {
                *self.unplaced.entry((play.artist, play.title)).or_default() += 1;
                continue;
            };
            if !self.seen.insert((play.at, track.clone())) {
                self.result.known += 1;
                continue;
            }
            let songs = songs_of(tx, &track, &play)?;
            if self.known.take(&songs, play.at.timestamp_millis()) {
                self.result.known += 1;
            } else {
                found.push(NewPlay { play, track, songs });
            }
        }
        Ok((self, found))
    }

    /// Writes the plays that the store does not have at a time nearby either.
    fn add(mut self, tx: &mut WriteTx, plays: Vec<NewPlay>) -> Result<PlayImport, StoreError> {
        for NewPlay { play, track, songs } in plays {
            if self.known.take_near(&songs, &play) {
                self.result.known += 1;
                continue;
            }
            insert(tx, &self.user_id, self.list, &track, &play, &self.now)?;
            self.known.add_taken(songs, play.at.timestamp_millis());
            self.result.added += 1;
            tx.mark_all_changed();
        }
        Ok(self)
    }

    /// Gives way to plays that the API sent meanwhile, and returns the counts.
    fn finish(mut self, tx: &mut WriteTx) -> Result<ImportedPlays, StoreError> {
        for time in times_of_api_plays(tx, &self.user_id)?.difference(&self.api_times) {
            let doubles = u64::try_from(drop_imported_doubles(tx, &self.user_id, time)?).unwrap_or_default();
            self.result.added = self.result.added.saturating_sub(doubles);
            self.result.known += doubles;
        }
        self.result.unplaced = self.unplaced.into_iter().collect();
        self.result.unplaced.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
        Ok(self.result)
    }
}

/// When the plays of a user that the API sent were first seen.
fn times_of_api_plays(tx: &WriteTx, user_id: &str) -> Result<FxHashSet<String>, StoreError> {
    let sql = "SELECT DISTINCT first_seen_at FROM plays WHERE user_id = ?1 AND imported_at IS NULL";
    let mut statement = tx.prepare(sql)?;
    let times = statement.query_map([user_id], |row| row.get(0)).and_then(Iterator::collect);
    times.map_err(|e| tx.error("cannot be read", e))
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
            if let Some(at_ms) = parse(&at).map(|at| at.timestamp_millis()) {
                let place = known.add_taken(songs, at_ms);
                known.plays[place].source = match is_imported {
                    false => PlaySource::Api,
                    true if at_ms % 60_000 == 0 => PlaySource::ImportToTheMinute,
                    true => PlaySource::Import,
                };
                known.release(place);
            }
        }
        Ok(known)
    }

    /// Lets every play represent a play of another form.
    fn release_all(&mut self) {
        (0..self.plays.len()).for_each(|place| self.release(place));
    }

    fn release(&mut self, place: usize) {
        let play = &self.plays[place];
        for song in &play.songs {
            self.free[*song][play.source as usize].insert((play.at_ms, place));
        }
    }

    /// Adds an imported play that represents one of the current form already.
    fn add_taken(&mut self, songs: Vec<SongKey>, at_ms: i64) -> usize {
        let mut numbers = Vec::with_capacity(songs.len());
        for song in songs {
            let next = self.free.len();
            let number = *self.songs.entry(song).or_insert(next);
            if number == next {
                self.free.push(FreePlays::default());
            }
            numbers.push(number);
        }
        let source = if at_ms % 60_000 == 0 { PlaySource::ImportToTheMinute } else { PlaySource::Import };
        self.plays.push(KnownPlay { at_ms, source, songs: numbers });
        self.plays.len() - 1
    }

    /// Takes the nearest play of the song that represents no other one yet.
    fn take_near(&mut self, songs: &[SongKey], play: &ExportedPlay) -> bool {
        let minute = if play.is_to_the_minute { 60_000 } else { 0 };
        let length = play.ms_played.clamp(0, MAX_LENGTH_MS);
        // Two imported times are both ends, so only their precision differs.
        self.take_nearest(songs, play.at.timestamp_millis(), |source| match source {
            PlaySource::Api => length + SLACK_MS + minute,
            PlaySource::Import => minute,
            PlaySource::ImportToTheMinute => 60_000,
        })
    }

    /// Takes a play of the song at exactly this time.
    fn take(&mut self, songs: &[SongKey], at_ms: i64) -> bool {
        self.take_nearest(songs, at_ms, |_| 0)
    }

    fn take_nearest(&mut self, songs: &[SongKey], at_ms: i64, tolerance_ms: impl Fn(PlaySource) -> i64) -> bool {
        let mut nearest: Option<(i64, usize)> = None;
        for song in songs.iter().filter_map(|song| self.songs.get(song)) {
            for source in [PlaySource::Api, PlaySource::Import, PlaySource::ImportToTheMinute] {
                let free = &self.free[*song][source as usize];
                let before = free.range(..(at_ms, 0)).next_back().and_then(|(last, _)| free.range((*last, 0)..).next());
                for (time, place) in before.into_iter().chain(free.range((at_ms, 0)..).next()) {
                    let apart = (time - at_ms).abs();
                    if apart <= tolerance_ms(source) && nearest.is_none_or(|near| (apart, *place) < near) {
                        nearest = Some((apart, *place));
                    }
                }
            }
        }
        let Some((_, place)) = nearest else { return false };
        let play = &self.plays[place];
        for song in &play.songs {
            self.free[*song][play.source as usize].remove(&(play.at_ms, place));
        }
        true
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
        "INSERT OR IGNORE INTO imported_tracks (track_id, name, artist_names, album_name, row_version)
         VALUES (?1, ?2, ?3, ?4, next_row_version())",
        params![track, play.title, play.artist, play.album],
    )?;
    tx.execute(
        "INSERT OR IGNORE INTO plays (user_id, played_at, track_id, list_id, first_seen_at, fetched_at, ms_played, imported_at,
         row_version) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?5, next_row_version())",
        params![user_id, timestamp(play.at), track, list, now, play.ms_played],
    )
}
