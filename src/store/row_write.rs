//! Every statement that writes an entity or what belongs to it.

use rusqlite::{Connection, Statement};

use super::dependency_kind::DependencyKind;
use super::{CellValue, EntityTable, StoreError, WriteTx};

/// A kind of write, in an order in which foreign keys hold: referenced tables come first. The writes of one table
/// have the same rank: writing a row has an even number, deleting rows has the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum RowWrite {
    User = 2,
    Artist = 4,
    Album = 6,
    Show = 8,
    Audiobook = 10,
    Track = 12,
    Episode = 14,
    Chapter = 16,
    Playlist = 18,
    LocalFile = 40,
    AlbumArtist = 42,
    AlbumArtistsFrom = 43,
    TrackArtist = 44,
    TrackArtistsFrom = 45,
    Genre = 46,
    GenresFrom = 47,
    Copyright = 48,
    CopyrightsFrom = 49,
    Text = 50,
    TextsFrom = 51,
    Image = 52,
    ImagesFrom = 53,
    TrackMarket = 54,
    EpisodeMarket = 56,
    ChapterMarket = 58,
    ResumePoint = 60,
    Metrics = 62,
    MissingAlbumArtist = 64,
    MissingTrackArtist = 66,
}

/// Makes a write now, or before the group of the current page is committed.
pub(super) fn write_row(tx: &mut WriteTx, write: RowWrite, cells: &[CellValue<'_>]) -> Result<(), StoreError> {
    if tx.defers_rows {
        tx.pending.push(write, cells);
        return Ok(());
    }
    let mut statement = tx.prepare(write.sql())?;
    let changed = write.execute(&tx.conn, &mut statement, cells.iter().copied());
    drop(statement);
    if changed.map_err(|e| tx.error("cannot be written", e))? {
        tx.changed = true;
        if let [first, second, ..] = cells {
            tx.changed_entities.record(write, *first, *second);
        }
    }
    Ok(())
}

impl RowWrite {
    /// Returns its rank in the order.
    pub(super) fn rank(self) -> u8 {
        match self {
            RowWrite::MissingAlbumArtist => RowWrite::AlbumArtist as u8,
            RowWrite::MissingTrackArtist => RowWrite::TrackArtist as u8,
            write => write as u8 & !1,
        }
    }

    /// Returns how many of its first cells identify the entity.
    pub(super) fn key_cells(self) -> usize {
        match self {
            RowWrite::Text | RowWrite::TextsFrom | RowWrite::Image | RowWrite::ImagesFrom | RowWrite::Metrics => 2,
            _ => 1,
        }
    }

    /// Returns the entity table that it writes, if it writes an entity.
    fn table(self) -> Option<&'static EntityTable> {
        Some(match self {
            RowWrite::User => EntityTable::users(),
            RowWrite::Artist => EntityTable::artists(),
            RowWrite::Album => EntityTable::albums(),
            RowWrite::Show => EntityTable::shows(),
            RowWrite::Audiobook => EntityTable::audiobooks(),
            RowWrite::Track => EntityTable::tracks(),
            RowWrite::Episode => EntityTable::episodes(),
            RowWrite::Chapter => EntityTable::chapters(),
            RowWrite::Playlist => EntityTable::playlists(),
            _ => return None,
        })
    }

    /// Whether it writes entities themselves and not what belongs to them.
    pub(super) fn is_entity(self) -> bool {
        self == RowWrite::LocalFile || self.table().is_some()
    }

    /// Returns the entity that a file of playlist items shows differently after this write. The first
    /// two cells identify it.
    pub(super) fn dependency<'a>(
        self,
        first: CellValue<'a>,
        second: CellValue<'a>,
    ) -> Option<(DependencyKind, &'a str)> {
        use RowWrite as W;
        let (kind, id) = match self {
            W::Track | W::TrackArtist | W::TrackArtistsFrom | W::MissingTrackArtist | W::TrackMarket => {
                (DependencyKind::Track, first)
            }
            W::Album | W::AlbumArtist | W::AlbumArtistsFrom | W::MissingAlbumArtist => (DependencyKind::Album, first),
            W::Image | W::ImagesFrom if first == CellValue::Text("album") => (DependencyKind::Album, second),
            W::Artist | W::Genre | W::GenresFrom => (DependencyKind::Artist, first),
            W::Episode | W::EpisodeMarket => (DependencyKind::Episode, first),
            W::Show => (DependencyKind::Show, first),
            W::User => (DependencyKind::User, first),
            W::LocalFile => (DependencyKind::LocalFile, first),
            // The name of a playlist is checked together with its items.
            W::Playlist | W::Image | W::ImagesFrom => return None,
            W::Audiobook | W::Chapter | W::ChapterMarket | W::Copyright | W::CopyrightsFrom => return None,
            W::Text | W::TextsFrom | W::ResumePoint | W::Metrics => return None,
        };
        match id {
            CellValue::Text(id) => Some((kind, id)),
            _ => None,
        }
    }

    pub(super) fn sql(self) -> &'static str {
        match self {
            RowWrite::User
            | RowWrite::Artist
            | RowWrite::Album
            | RowWrite::Show
            | RowWrite::Audiobook
            | RowWrite::Track
            | RowWrite::Episode
            | RowWrite::Chapter
            | RowWrite::Playlist => self.table().map_or("", EntityTable::upsert_sql),
            RowWrite::LocalFile => {
                "INSERT INTO local_files (uri, name, artist_names, album_name, duration_ms, first_seen_at, fetched_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (uri) DO UPDATE SET name = coalesce(excluded.name, name),
                 artist_names = coalesce(excluded.artist_names, artist_names), album_name = coalesce(excluded.album_name, album_name),
                 duration_ms = coalesce(nullif(excluded.duration_ms, 0), duration_ms, excluded.duration_ms), fetched_at = met_again(excluded.fetched_at)
                 WHERE name IS NOT coalesce(excluded.name, name) OR artist_names IS NOT coalesce(excluded.artist_names, artist_names)
                 OR album_name IS NOT coalesce(excluded.album_name, album_name)
                 OR duration_ms IS NOT coalesce(nullif(excluded.duration_ms, 0), duration_ms, excluded.duration_ms)"
            }
            RowWrite::AlbumArtist => {
                "INSERT INTO album_artists (album_id, position, artist_id) VALUES (?1, ?2, ?3) ON CONFLICT (album_id, position)
                 DO UPDATE SET artist_id = excluded.artist_id WHERE artist_id <> excluded.artist_id"
            }
            RowWrite::AlbumArtistsFrom => "DELETE FROM album_artists WHERE album_id = ?1 AND position >= ?2",
            RowWrite::TrackArtist => {
                "INSERT INTO track_artists (track_id, position, artist_id) VALUES (?1, ?2, ?3) ON CONFLICT (track_id, position)
                 DO UPDATE SET artist_id = excluded.artist_id WHERE artist_id <> excluded.artist_id"
            }
            RowWrite::TrackArtistsFrom => "DELETE FROM track_artists WHERE track_id = ?1 AND position >= ?2",
            RowWrite::MissingAlbumArtist => {
                "INSERT INTO album_artists (album_id, position, artist_id) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING"
            }
            RowWrite::MissingTrackArtist => {
                "INSERT INTO track_artists (track_id, position, artist_id) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING"
            }
            RowWrite::Genre => {
                "INSERT INTO artist_genres (artist_id, position, genre) VALUES (?1, ?2, ?3) ON CONFLICT (artist_id, position)
                 DO UPDATE SET genre = excluded.genre WHERE genre <> excluded.genre"
            }
            RowWrite::GenresFrom => "DELETE FROM artist_genres WHERE artist_id = ?1 AND position >= ?2",
            RowWrite::Copyright => {
                "INSERT INTO album_copyrights (album_id, position, type, text) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (album_id, position)
                 DO UPDATE SET type = excluded.type, text = excluded.text WHERE type IS NOT excluded.type OR text IS NOT excluded.text"
            }
            RowWrite::CopyrightsFrom => "DELETE FROM album_copyrights WHERE album_id = ?1 AND position >= ?2",
            RowWrite::Text => {
                "INSERT INTO item_texts (kind, id, what, position, text) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (kind, id, what, position) DO UPDATE SET text = excluded.text WHERE text <> excluded.text"
            }
            RowWrite::TextsFrom => {
                "DELETE FROM item_texts WHERE kind = ?1 AND id = ?2 AND what = ?3 AND position >= ?4"
            }
            RowWrite::Image => {
                "INSERT INTO images (kind, id, position, url, width, height) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (kind, id, position) DO UPDATE SET url = excluded.url, width = excluded.width, height = excluded.height
                 WHERE url <> excluded.url OR width IS NOT excluded.width OR height IS NOT excluded.height"
            }
            RowWrite::ImagesFrom => "DELETE FROM images WHERE kind = ?1 AND id = ?2 AND position >= ?3",
            RowWrite::TrackMarket => {
                "INSERT INTO track_markets (track_id, market, is_playable, restriction, linked_from, fetched_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (track_id, market) DO UPDATE SET
                 is_playable = coalesce(excluded.is_playable, is_playable),
                 restriction = coalesce(excluded.restriction, iif(excluded.is_playable IS NULL, restriction, NULL)),
                 linked_from = coalesce(excluded.linked_from, linked_from), fetched_at = excluded.fetched_at
                 WHERE is_playable IS NOT coalesce(excluded.is_playable, is_playable)
                 OR restriction IS NOT coalesce(excluded.restriction, iif(excluded.is_playable IS NULL, restriction, NULL))
                 OR linked_from IS NOT coalesce(excluded.linked_from, linked_from)"
            }
            RowWrite::EpisodeMarket => {
                "INSERT INTO episode_markets (episode_id, market, is_playable, restriction, fetched_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (episode_id, market) DO UPDATE SET is_playable = excluded.is_playable,
                 restriction = excluded.restriction, fetched_at = excluded.fetched_at
                 WHERE is_playable IS NOT excluded.is_playable OR restriction IS NOT excluded.restriction"
            }
            RowWrite::ChapterMarket => {
                "INSERT INTO chapter_markets (chapter_id, market, is_playable, restriction, fetched_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (chapter_id, market) DO UPDATE SET is_playable = excluded.is_playable,
                 restriction = excluded.restriction, fetched_at = excluded.fetched_at
                 WHERE is_playable IS NOT excluded.is_playable OR restriction IS NOT excluded.restriction"
            }
            RowWrite::ResumePoint => {
                "INSERT INTO resume_points (user_id, episode_id, fully_played, resume_position_ms, fetched_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (user_id, episode_id) DO UPDATE SET fully_played = excluded.fully_played,
                 resume_position_ms = excluded.resume_position_ms, fetched_at = excluded.fetched_at"
            }
            RowWrite::Metrics => {
                "INSERT INTO metrics (kind, id, day, followers, popularity) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (kind, id, day) DO UPDATE SET followers = coalesce(excluded.followers, followers),
                 popularity = coalesce(excluded.popularity, popularity)
                 WHERE excluded.followers IS NOT followers OR excluded.popularity IS NOT popularity"
            }
        }
    }

    /// Executes the write with its prepared statement and returns whether a row changed.
    pub(super) fn execute<'a>(
        self,
        conn: &Connection,
        statement: &mut Statement<'_>,
        cells: impl Iterator<Item = CellValue<'a>>,
    ) -> rusqlite::Result<bool> {
        let (mut id, mut now, mut whole) = (CellValue::Null, CellValue::Null, false);
        for (n, cell) in (1..).zip(cells) {
            statement.raw_bind_parameter(n, cell)?;
            match n {
                1 => id = cell,
                2 => now = cell,
                3 => whole = cell != CellValue::Null,
                _ => {}
            }
        }
        let changed = statement.raw_execute()? > 0;
        if let Some(table) = self.table().filter(|_| whole && !changed) {
            conn.prepare_cached(table.touch_sql())?.execute([id, now])?;
        }
        Ok(changed)
    }
}
