//! Lists that belong to a thing: its artists, genres, pictures, languages, copyright lines.
//!
//! A list that came with an answer replaces the one that was known; rows that stay are not touched.

use rusqlite::{ToSql, params};

use super::{Session, StoreError};

/// Pictures: address, width, height.
pub type Images<'a> = &'a [(&'a str, Option<i64>, Option<i64>)];

/// Words or lines, in order.
pub type Texts<'a> = &'a [&'a str];

impl Session {
    /// Replaces the artists of an album or track. The artists must have rows already.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn set_artists(&mut self, of: ArtistsOf, id: &str, artists: Texts<'_>) -> Result<(), StoreError> {
        let (upsert, trim) = match of {
            ArtistsOf::Album => (
                "INSERT INTO album_artists (album_id, position, artist_id) VALUES (?1, ?2, ?3) ON CONFLICT (album_id, position)
                 DO UPDATE SET artist_id = excluded.artist_id WHERE artist_id <> excluded.artist_id",
                "DELETE FROM album_artists WHERE album_id = ?1 AND position >= ?2",
            ),
            ArtistsOf::Track => (
                "INSERT INTO track_artists (track_id, position, artist_id) VALUES (?1, ?2, ?3) ON CONFLICT (track_id, position)
                 DO UPDATE SET artist_id = excluded.artist_id WHERE artist_id <> excluded.artist_id",
                "DELETE FROM track_artists WHERE track_id = ?1 AND position >= ?2",
            ),
        };
        for (position, artist) in (0i64..).zip(artists) {
            self.child(upsert, &[&id, &position, artist])?;
        }
        self.child(trim, &[&id, &len(artists.len())])
    }

    /// Replaces the genres of an artist.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn set_genres(&mut self, artist: &str, genres: Texts<'_>) -> Result<(), StoreError> {
        for (position, genre) in (0i64..).zip(genres) {
            self.child(
                "INSERT INTO artist_genres (artist_id, position, genre) VALUES (?1, ?2, ?3) ON CONFLICT (artist_id, position)
                 DO UPDATE SET genre = excluded.genre WHERE genre <> excluded.genre",
                &[&artist, &position, genre],
            )?;
        }
        self.child("DELETE FROM artist_genres WHERE artist_id = ?1 AND position >= ?2", &[&artist, &len(genres.len())])
    }

    /// Replaces the copyright lines of an album: type and text.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn set_copyrights(&mut self, album: &str, lines: &[(Option<&str>, Option<&str>)]) -> Result<(), StoreError> {
        for (position, (kind, text)) in (0i64..).zip(lines) {
            self.child(
                "INSERT INTO album_copyrights (album_id, position, type, text) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (album_id, position)
                 DO UPDATE SET type = excluded.type, text = excluded.text WHERE type IS NOT excluded.type OR text IS NOT excluded.text",
                &[&album, &position, kind, text],
            )?;
        }
        self.child("DELETE FROM album_copyrights WHERE album_id = ?1 AND position >= ?2", &[&album, &len(lines.len())])
    }

    /// Replaces words of a show, episode, audiobook or chapter: `what` is language, author,
    /// narrator or copyright.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn set_texts(&mut self, kind: &str, id: &str, what: &str, texts: Texts<'_>) -> Result<(), StoreError> {
        for (position, text) in (0i64..).zip(texts) {
            self.child(
                "INSERT INTO item_texts (kind, id, what, position, text) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (kind, id, what, position) DO UPDATE SET text = excluded.text WHERE text <> excluded.text",
                &[&kind, &id, &what, &position, text],
            )?;
        }
        self.child(
            "DELETE FROM item_texts WHERE kind = ?1 AND id = ?2 AND what = ?3 AND position >= ?4",
            &[&kind, &id, &what, &len(texts.len())],
        )
    }

    /// Replaces the pictures of a thing.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn set_images(&mut self, kind: &str, id: &str, images: Images<'_>) -> Result<(), StoreError> {
        for (position, (url, width, height)) in (0i64..).zip(images) {
            self.child(
                "INSERT INTO images (kind, id, position, url, width, height) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (kind, id, position) DO UPDATE SET url = excluded.url, width = excluded.width, height = excluded.height
                 WHERE url <> excluded.url OR width IS NOT excluded.width OR height IS NOT excluded.height",
                &[&kind, &id, &position, url, width, height],
            )?;
        }
        self.child(
            "DELETE FROM images WHERE kind = ?1 AND id = ?2 AND position >= ?3",
            &[&kind, &id, &len(images.len())],
        )
    }

    /// What depends on the market: `table` is one of the `*_markets` tables.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn set_market(
        &mut self,
        table: MarketTable,
        id: &str,
        market: &str,
        fact: MarketFact<'_>,
        now: &str,
    ) -> Result<(), StoreError> {
        let MarketFact { is_playable, restriction, linked_from } = fact;
        match table {
            MarketTable::Tracks => self.child(
                "INSERT INTO track_markets (track_id, market, is_playable, restriction, linked_from, fetched_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (track_id, market) DO UPDATE SET
                 is_playable = coalesce(excluded.is_playable, is_playable), restriction = coalesce(excluded.restriction, iif(excluded.is_playable IS NULL, restriction, NULL)),
                 linked_from = coalesce(excluded.linked_from, linked_from),
                 fetched_at = excluded.fetched_at WHERE is_playable IS NOT coalesce(excluded.is_playable, is_playable)
                 OR restriction IS NOT coalesce(excluded.restriction, iif(excluded.is_playable IS NULL, restriction, NULL))
                 OR linked_from IS NOT coalesce(excluded.linked_from, linked_from)",
                params![id, market, is_playable, restriction, linked_from, now],
            ),
            MarketTable::Episodes => self.child(
                "INSERT INTO episode_markets (episode_id, market, is_playable, restriction, fetched_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (episode_id, market) DO UPDATE SET is_playable = excluded.is_playable,
                 restriction = excluded.restriction, fetched_at = excluded.fetched_at
                 WHERE is_playable IS NOT excluded.is_playable OR restriction IS NOT excluded.restriction",
                params![id, market, is_playable, restriction, now],
            ),
            MarketTable::Chapters => self.child(
                "INSERT INTO chapter_markets (chapter_id, market, is_playable, restriction, fetched_at) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (chapter_id, market) DO UPDATE SET is_playable = excluded.is_playable,
                 restriction = excluded.restriction, fetched_at = excluded.fetched_at
                 WHERE is_playable IS NOT excluded.is_playable OR restriction IS NOT excluded.restriction",
                params![id, market, is_playable, restriction, now],
            ),
        }
    }

    /// How far a user listened to an episode.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn set_resume_point(
        &mut self,
        user: &str,
        episode: &str,
        fully_played: Option<bool>,
        position_ms: Option<i64>,
        now: &str,
    ) -> Result<(), StoreError> {
        self.child(
            "INSERT INTO resume_points (user_id, episode_id, fully_played, resume_position_ms, fetched_at) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (user_id, episode_id) DO UPDATE SET fully_played = excluded.fully_played,
             resume_position_ms = excluded.resume_position_ms, fetched_at = excluded.fetched_at",
            params![user, episode, fully_played, position_ms, now],
        )
    }

    /// The day's followers and popularity of a thing; the last reading of a day stands.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn set_metrics(
        &mut self,
        kind: &str,
        id: &str,
        day: &str,
        followers: Option<i64>,
        popularity: Option<i64>,
    ) -> Result<(), StoreError> {
        self.child(
            "INSERT INTO metrics (kind, id, day, followers, popularity) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (kind, id, day) DO UPDATE SET followers = coalesce(excluded.followers, followers),
             popularity = coalesce(excluded.popularity, popularity)
             WHERE excluded.followers IS NOT followers OR excluded.popularity IS NOT popularity",
            params![kind, id, day, followers, popularity],
        )
    }

    /// A file of a user's own that stands in a playlist.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn set_local_file(
        &mut self,
        uri: &str,
        name: Option<&str>,
        artists: Option<&str>,
        album: Option<&str>,
        duration_ms: Option<i64>,
        now: &str,
    ) -> Result<(), StoreError> {
        self.child(
            "INSERT INTO local_files (uri, name, artist_names, album_name, duration_ms, first_seen_at, fetched_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (uri) DO UPDATE SET name = excluded.name,
             artist_names = excluded.artist_names, album_name = excluded.album_name, duration_ms = excluded.duration_ms,
             fetched_at = excluded.fetched_at WHERE name IS NOT excluded.name OR artist_names IS NOT excluded.artist_names
             OR album_name IS NOT excluded.album_name OR duration_ms IS NOT excluded.duration_ms",
            params![uri, name, artists, album, duration_ms, now],
        )
    }

    fn child(&mut self, sql: &str, parameters: &[&dyn ToSql]) -> Result<(), StoreError> {
        let written = self.prepare(sql)?.execute(parameters).map_err(|e| self.error("cannot be written", e))?;
        self.changed |= written > 0;
        Ok(())
    }
}

/// Whose artists.
#[derive(Debug, Clone, Copy)]
pub enum ArtistsOf {
    /// An album's.
    Album,
    /// A track's.
    Track,
}

/// Which table of market facts.
#[derive(Debug, Clone, Copy)]
pub enum MarketTable {
    /// `track_markets`.
    Tracks,
    /// `episode_markets`.
    Episodes,
    /// `chapter_markets`.
    Chapters,
}

/// What an answer says about a market.
#[derive(Debug, Clone, Copy, Default)]
pub struct MarketFact<'a> {
    /// Playable there.
    pub is_playable: Option<bool>,
    /// Spotify's reason if not.
    pub restriction: Option<&'a str>,
    /// The id that was asked for, where another was answered.
    pub linked_from: Option<&'a str>,
}

fn len(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
