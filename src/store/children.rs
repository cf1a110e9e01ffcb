//! Lists that belong to an entity: artists, genres, images, languages, copyright lines.
//!
//! A list in a response replaces the stored list. Unchanged rows are not touched.

use rusqlite::ToSql;

use super::row_write::{RowWrite, write_row};
use super::{CellValue, StoreError, WriteTx};

/// Images: URL, width, height.
pub type ImageRows<'a> = &'a [(&'a str, Option<i64>, Option<i64>)];

/// Texts in order.
pub type TextValues<'a> = &'a [&'a str];

/// Replaces the artists of an album or track. The artists must already have rows.
///
/// # Errors
/// If the store cannot be written.
pub fn set_artists(tx: &mut WriteTx, of: CreditedEntity, id: &str, artists: TextValues<'_>) -> Result<(), StoreError> {
    let (put, trim) = match of {
        CreditedEntity::Album => (RowWrite::AlbumArtist, RowWrite::AlbumArtistsFrom),
        CreditedEntity::Track => (RowWrite::TrackArtist, RowWrite::TrackArtistsFrom),
    };
    for (position, artist) in (0i64..).zip(artists) {
        write_row(tx, put, &[id.into(), position.into(), (*artist).into()])?;
    }
    write_row(tx, trim, &[id.into(), count_cell(artists.len())])
}

/// Adds artists at positions of an album or track at which none is known. The artists must already have rows.
///
/// # Errors
/// If the store cannot be written.
pub fn add_artists(tx: &mut WriteTx, of: CreditedEntity, id: &str, artists: TextValues<'_>) -> Result<(), StoreError> {
    let add = match of {
        CreditedEntity::Album => RowWrite::MissingAlbumArtist,
        CreditedEntity::Track => RowWrite::MissingTrackArtist,
    };
    for (position, artist) in (0i64..).zip(artists) {
        write_row(tx, add, &[id.into(), position.into(), (*artist).into()])?;
    }
    Ok(())
}

/// Lists of an entity that keep their values when they come empty.
#[derive(Debug, Clone, Copy)]
pub enum KnownValues<'a> {
    Artists(CreditedEntity),
    Genres,
    AlbumCopyrights,
    /// Kind of the entity, and the kind of text.
    Texts(&'a str, &'a str),
    /// Kind of the entity.
    Images(&'a str),
}

/// Whether values of such a list are stored.
///
/// # Errors
/// If the store cannot be read.
pub fn has_values(tx: &WriteTx, list: KnownValues<'_>, id: &str) -> Result<bool, StoreError> {
    let (rows, keys): (&str, Vec<&dyn ToSql>) = match &list {
        KnownValues::Artists(CreditedEntity::Album) => ("album_artists WHERE album_id = ?1", vec![&id]),
        KnownValues::Artists(CreditedEntity::Track) => ("track_artists WHERE track_id = ?1", vec![&id]),
        KnownValues::Genres => ("artist_genres WHERE artist_id = ?1", vec![&id]),
        KnownValues::AlbumCopyrights => ("album_copyrights WHERE album_id = ?1", vec![&id]),
        KnownValues::Texts(kind, what) => {
            ("item_texts WHERE id = ?1 AND kind = ?2 AND what = ?3", vec![&id, kind, what])
        }
        KnownValues::Images(kind) => ("images WHERE id = ?1 AND kind = ?2", vec![&id, kind]),
    };
    Ok(tx.query_one(&format!("SELECT EXISTS (SELECT 1 FROM {rows})"), &keys)?.unwrap_or(false))
}

/// Replaces the genres of an artist.
///
/// # Errors
/// If the store cannot be written.
pub fn set_genres(tx: &mut WriteTx, artist: &str, genres: TextValues<'_>) -> Result<(), StoreError> {
    for (position, genre) in (0i64..).zip(genres) {
        write_row(tx, RowWrite::Genre, &[artist.into(), position.into(), (*genre).into()])?;
    }
    write_row(tx, RowWrite::GenresFrom, &[artist.into(), count_cell(genres.len())])
}

/// Replaces the copyright lines of an album: type and text.
///
/// # Errors
/// If the store cannot be written.
pub fn set_copyrights(tx: &mut WriteTx, album: &str, lines: &[(Option<&str>, Option<&str>)]) -> Result<(), StoreError> {
    for (position, (kind, text)) in (0i64..).zip(lines) {
        write_row(tx, RowWrite::Copyright, &[album.into(), position.into(), (*kind).into(), (*text).into()])?;
    }
    write_row(tx, RowWrite::CopyrightsFrom, &[album.into(), count_cell(lines.len())])
}

/// Replaces texts of a show, episode, audiobook or chapter. `what` is language, author, narrator or copyright.
///
/// # Errors
/// If the store cannot be written.
pub fn set_texts(tx: &mut WriteTx, kind: &str, id: &str, what: &str, texts: TextValues<'_>) -> Result<(), StoreError> {
    for (position, text) in (0i64..).zip(texts) {
        write_row(tx, RowWrite::Text, &[kind.into(), id.into(), what.into(), position.into(), (*text).into()])?;
    }
    write_row(tx, RowWrite::TextsFrom, &[kind.into(), id.into(), what.into(), count_cell(texts.len())])
}

/// Replaces the images of an entity.
///
/// # Errors
/// If the store cannot be written.
pub fn set_images(tx: &mut WriteTx, kind: &str, id: &str, images: ImageRows<'_>) -> Result<(), StoreError> {
    for (position, (url, width, height)) in (0i64..).zip(images) {
        let row = [kind.into(), id.into(), position.into(), (*url).into(), (*width).into(), (*height).into()];
        write_row(tx, RowWrite::Image, &row)?;
    }
    write_row(tx, RowWrite::ImagesFrom, &[kind.into(), id.into(), count_cell(images.len())])
}

/// Writes the availability of an entity in a market.
///
/// # Errors
/// If the store cannot be written.
pub fn set_market(
    tx: &mut WriteTx,
    table: MarketTable,
    id: &str,
    market: &str,
    fact: MarketAvailability<'_>,
    now: &str,
) -> Result<(), StoreError> {
    let MarketAvailability { is_playable, restriction, linked_from } = fact;
    let (id, market, now) = (id.into(), market.into(), now.into());
    let (playable, restriction) = (is_playable.into(), restriction.into());
    match table {
        MarketTable::Tracks => {
            write_row(tx, RowWrite::TrackMarket, &[id, market, playable, restriction, linked_from.into(), now])
        }
        MarketTable::Episodes => write_row(tx, RowWrite::EpisodeMarket, &[id, market, playable, restriction, now]),
        MarketTable::Chapters => write_row(tx, RowWrite::ChapterMarket, &[id, market, playable, restriction, now]),
    }
}

/// Writes how far a user has listened to an episode.
///
/// # Errors
/// If the store cannot be written.
pub fn set_resume_point(
    tx: &mut WriteTx,
    user: &str,
    episode: &str,
    fully_played: Option<bool>,
    position_ms: Option<i64>,
    now: &str,
) -> Result<(), StoreError> {
    let row = [user.into(), episode.into(), fully_played.into(), position_ms.into(), now.into()];
    write_row(tx, RowWrite::ResumePoint, &row)
}

/// Writes the day's followers and popularity of an entity. The last reading of a day wins.
///
/// # Errors
/// If the store cannot be written.
pub fn set_metrics(
    tx: &mut WriteTx,
    kind: &str,
    id: &str,
    day: &str,
    followers: Option<i64>,
    popularity: Option<i64>,
) -> Result<(), StoreError> {
    write_row(tx, RowWrite::Metrics, &[kind.into(), id.into(), day.into(), followers.into(), popularity.into()])
}

/// Writes a user's local file that is part of a playlist.
///
/// # Errors
/// If the store cannot be written.
pub fn set_local_file(
    tx: &mut WriteTx,
    uri: &str,
    name: Option<&str>,
    artists: Option<&str>,
    album: Option<&str>,
    duration_ms: Option<i64>,
    now: &str,
) -> Result<(), StoreError> {
    let row = [uri.into(), name.into(), artists.into(), album.into(), duration_ms.into(), now.into()];
    write_row(tx, RowWrite::LocalFile, &row)
}

/// Which entity's artists are meant.
#[derive(Debug, Clone, Copy)]
pub enum CreditedEntity {
    Album,
    Track,
}

/// Tables of market availability.
#[derive(Debug, Clone, Copy)]
pub enum MarketTable {
    /// `track_markets`.
    Tracks,
    /// `episode_markets`.
    Episodes,
    /// `chapter_markets`.
    Chapters,
}

/// What a response says about a market.
#[derive(Debug, Clone, Copy, Default)]
pub struct MarketAvailability<'a> {
    /// Whether it can be played there.
    pub is_playable: Option<bool>,
    /// Spotify's reason if it cannot.
    pub restriction: Option<&'a str>,
    /// The requested id, if Spotify answered with another one.
    pub linked_from: Option<&'a str>,
}

fn count_cell(n: usize) -> CellValue<'static> {
    CellValue::Int(i64::try_from(n).unwrap_or(i64::MAX))
}
