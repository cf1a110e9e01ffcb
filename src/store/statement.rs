//! Every statement that writes a thing or what belongs to it.
//!
//! The numbers stand in `pending_writes` of stores: never give one another meaning; add at the end
//! of a group. Columns are only ever added, behind the others.

use rusqlite::{Connection, Statement};

use super::touched::Shown;
use super::{Cell, Table};

/// A kind of write. Its order is one in which foreign keys hold: what is mentioned comes first. The
/// two writes of one table have the same place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Write {
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
}

impl Write {
    /// The write of this number, if there is one.
    pub(super) fn numbered(number: u8) -> Option<Write> {
        use Write as W;
        const ALL: [Write; 27] = [
            W::User,
            W::Artist,
            W::Album,
            W::Show,
            W::Audiobook,
            W::Track,
            W::Episode,
            W::Chapter,
            W::Playlist,
            W::LocalFile,
            W::AlbumArtist,
            W::AlbumArtistsFrom,
            W::TrackArtist,
            W::TrackArtistsFrom,
            W::Genre,
            W::GenresFrom,
            W::Copyright,
            W::CopyrightsFrom,
            W::Text,
            W::TextsFrom,
            W::Image,
            W::ImagesFrom,
            W::TrackMarket,
            W::EpisodeMarket,
            W::ChapterMarket,
            W::ResumePoint,
            W::Metrics,
        ];
        ALL.into_iter().find(|write| *write as u8 == number)
    }

    /// Its place in the order.
    pub(super) fn rank(self) -> u8 {
        self as u8 & !1
    }

    /// How many of its first cells name the thing that it is about.
    pub(super) fn keys(self) -> usize {
        match self {
            Write::Text | Write::TextsFrom | Write::Image | Write::ImagesFrom | Write::Metrics => 2,
            _ => 1,
        }
    }

    /// The table of things that it writes, if it writes a thing.
    fn table(self) -> Option<&'static Table> {
        Some(match self {
            Write::User => Table::users(),
            Write::Artist => Table::artists(),
            Write::Album => Table::albums(),
            Write::Show => Table::shows(),
            Write::Audiobook => Table::audiobooks(),
            Write::Track => Table::tracks(),
            Write::Episode => Table::episodes(),
            Write::Chapter => Table::chapters(),
            Write::Playlist => Table::playlists(),
            _ => return None,
        })
    }

    /// Whether it writes things themselves, rather than what belongs to one.
    pub(super) fn is_of_things(self) -> bool {
        self == Write::LocalFile || self.table().is_some()
    }

    /// The thing that a file of playlist items shows otherwise after it, by its first two cells.
    pub(super) fn shown<'a>(self, first: Cell<'a>, second: Cell<'a>) -> Option<(Shown, &'a str)> {
        use Write as W;
        let (kind, id) = match self {
            W::Track | W::TrackArtist | W::TrackArtistsFrom | W::TrackMarket => (Shown::Track, first),
            W::Album | W::AlbumArtist | W::AlbumArtistsFrom => (Shown::Album, first),
            W::Image | W::ImagesFrom if first == Cell::Text("album") => (Shown::Album, second),
            W::Artist | W::Genre | W::GenresFrom => (Shown::Artist, first),
            W::Episode | W::EpisodeMarket => (Shown::Episode, first),
            W::Show => (Shown::Show, first),
            W::User => (Shown::User, first),
            W::LocalFile => (Shown::LocalFile, first),
            // A playlist's name is looked at where its items are.
            W::Playlist | W::Image | W::ImagesFrom => return None,
            W::Audiobook | W::Chapter | W::ChapterMarket | W::Copyright | W::CopyrightsFrom => return None,
            W::Text | W::TextsFrom | W::ResumePoint | W::Metrics => return None,
        };
        match id {
            Cell::Text(id) => Some((kind, id)),
            _ => None,
        }
    }

    pub(super) fn sql(self) -> &'static str {
        match self {
            Write::User
            | Write::Artist
            | Write::Album
            | Write::Show
            | Write::Audiobook
            | Write::Track
            | Write::Episode
            | Write::Chapter
            | Write::Playlist => self.table().map_or("", Table::upsert_sql),
            Write::LocalFile => {
                "INSERT INTO local_files (uri, name, artist_names, album_name, duration_ms, first_seen_at, fetched_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (uri) DO UPDATE SET name = excluded.name,
                 artist_names = excluded.artist_names, album_name = excluded.album_name, duration_ms = excluded.duration_ms,
                 fetched_at = met_again(excluded.fetched_at) WHERE name IS NOT excluded.name OR artist_names IS NOT excluded.artist_names
                 OR album_name IS NOT excluded.album_name OR duration_ms IS NOT excluded.duration_ms"
            }
            Write::AlbumArtist => {
                "INSERT INTO album_artists (album_id, position, artist_id) VALUES (?1, ?2, ?3) ON CONFLICT (album_id, position)
                 DO UPDATE SET artist_id = excluded.artist_id WHERE artist_id <> excluded.artist_id"
            }
            Write::AlbumArtistsFrom => "DELETE FROM album_artists WHERE album_id = ?1 AND position >= ?2",
            Write::TrackArtist => {
                "INSERT INTO track_artists (track_id, position, artist_id) VALUES (?1, ?2, ?3) ON CONFLICT (track_id, position)
                 DO UPDATE SET artist_id = excluded.artist_id WHERE artist_id <> excluded.artist_id"
            }
            Write::TrackArtistsFrom => "DELETE FROM track_artists WHERE track_id = ?1 AND position >= ?2",
            Write::Genre => {
                "INSERT INTO artist_genres (artist_id, position, genre) VALUES (?1, ?2, ?3) ON CONFLICT (artist_id, position)
                 DO UPDATE SET genre = excluded.genre WHERE genre <> excluded.genre"
            }
            Write::GenresFrom => "DELETE FROM artist_genres WHERE artist_id = ?1 AND position >= ?2",
            Write::Copyright => {
                "INSERT INTO album_copyrights (album_id, position, type, text) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (album_id, position)
                 DO UPDATE SET type = excluded.type, text = excluded.text WHERE type IS NOT excluded.type OR text IS NOT excluded.text"
            }
            Write::CopyrightsFrom => "DELETE FROM album_copyrights WHERE album_id = ?1 AND position >= ?2",
            Write::Text => {
                "INSERT INTO item_texts (kind, id, what, position, text) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (kind, id, what, position) DO UPDATE SET text = excluded.text WHERE text <> excluded.text"
            }
            Write::TextsFrom => {
                "DELETE FROM item_texts WHERE kind = ?1 AND id = ?2 AND what = ?3 AND position >= ?4"
            }
            Write::Image => {
                "INSERT INTO images (kind, id, position, url, width, height) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (kind, id, position) DO UPDATE SET url = excluded.url, width = excluded.width, height = excluded.height
                 WHERE url <> excluded.url OR width IS NOT excluded.width OR height IS NOT excluded.height"
            }
            Write::ImagesFrom => "DELETE FROM images WHERE kind = ?1 AND id = ?2 AND position >= ?3",
            Write::TrackMarket => {
                "INSERT INTO track_markets (track_id, market, is_playable, restriction, linked_from, fetched_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (track_id, market) DO UPDATE SET
                 is_playable = coalesce(excluded.is_playable, is_playable),
                 restriction = coalesce(excluded.restriction, iif(excluded.is_playable IS NULL, restriction, NULL)),
                 linked_from = coalesce(excluded.linked_from, linked_from), fetched_at = excluded.fetched_at
                 WHERE is_playable IS NOT coalesce(excluded.is_playable, is_playable)
                 OR restriction IS NOT coalesce(excluded.restriction, iif(excluded.is_playable IS NULL, restriction, NULL))
                 OR linked_from IS NOT coalesce(excluded.linked_from, linked_from)"
            }
            Write::EpisodeMarket => {
                "INSERT INTO episode_markets (episode_id, market, is_playable, restriction, fetched_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (episode_id, market) DO UPDATE SET is_playable = excluded.is_playable,
                 restriction = excluded.restriction, fetched_at = excluded.fetched_at
                 WHERE is_playable IS NOT excluded.is_playable OR restriction IS NOT excluded.restriction"
            }
            Write::ChapterMarket => {
                "INSERT INTO chapter_markets (chapter_id, market, is_playable, restriction, fetched_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (chapter_id, market) DO UPDATE SET is_playable = excluded.is_playable,
                 restriction = excluded.restriction, fetched_at = excluded.fetched_at
                 WHERE is_playable IS NOT excluded.is_playable OR restriction IS NOT excluded.restriction"
            }
            Write::ResumePoint => {
                "INSERT INTO resume_points (user_id, episode_id, fully_played, resume_position_ms, fetched_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (user_id, episode_id) DO UPDATE SET fully_played = excluded.fully_played,
                 resume_position_ms = excluded.resume_position_ms, fetched_at = excluded.fetched_at"
            }
            Write::Metrics => {
                "INSERT INTO metrics (kind, id, day, followers, popularity) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (kind, id, day) DO UPDATE SET followers = coalesce(excluded.followers, followers),
                 popularity = coalesce(excluded.popularity, popularity)
                 WHERE excluded.followers IS NOT followers OR excluded.popularity IS NOT popularity"
            }
        }
    }

    /// Makes this write by its prepared statement; returns whether a row changed.
    pub(super) fn execute<'a>(
        self,
        conn: &Connection,
        statement: &mut Statement<'_>,
        cells: impl Iterator<Item = Cell<'a>>,
    ) -> rusqlite::Result<bool> {
        let (mut id, mut now, mut whole) = (Cell::Null, Cell::Null, false);
        for (n, cell) in (1..).zip(cells) {
            statement.raw_bind_parameter(n, cell)?;
            match n {
                1 => id = cell,
                2 => now = cell,
                3 => whole = cell != Cell::Null,
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
