//! Artists.

use super::cell::{full_text, inner, link, noted_id, number, plain, required_int, required_text};
use super::{IngestContext, IngestError, note_kept_list, write_row};
use crate::store::children::{self, KnownValues};
use crate::store::{CreditedEntity, EntityTable, WriteTx};
use spotify_client::EntityKind;
use spotify_client::wire::{Artist, Image, JsonField, JsonList};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Writes an artist, complete or as a mention, and returns its id.
pub(super) fn write_artist(
    s: &mut WriteTx,
    a: &Artist<'_>,
    asked: &IngestContext,
    whole: bool,
) -> Result<Option<String>, IngestError> {
    let Some(id) = noted_id(&a.id, &a.uri, EntityKind::Artist, asked) else { return Ok(None) };
    if !whole && was_mentioned(s, id, a) {
        return Ok(Some(id.to_owned()));
    }
    let followers = inner(&a.followers, |f| required_int(&f.total));
    let cells =
        [required_text(&a.name), required_text(&a.uri), followers, required_int(&a.popularity), link(&a.external_urls)];
    write_row(s, EntityTable::artists(), id, &cells, asked, whole)?;
    if let JsonField::Value(genres) = &a.genres {
        children::set_genres(s, id, &genres.iter().map(|g| &**g).collect::<Vec<_>>())?;
    } else {
        note_kept_list(s, KnownValues::Genres, id, ("genres", &a.genres), asked)?;
    }
    write_images(s, "artist", id, &a.images, asked)?;
    if whole {
        let followers = a.followers.value().and_then(|f| number(&f.total));
        write_metrics(s, "artist", id, followers, number(&a.popularity), asked)?;
    }
    Ok(Some(id.to_owned()))
}

/// The artists that an answer names for a track or album.
pub(super) struct CreditedArtists {
    ids: Vec<String>,
    /// Some of them could not be read.
    has_gaps: bool,
}

impl CreditedArtists {
    /// Writes the credited artists. A list with gaps adds to the known ones and replaces nothing.
    pub(super) fn write(&self, s: &mut WriteTx, of: CreditedEntity, id: &str) -> Result<(), IngestError> {
        let ids: Vec<&str> = self.ids.iter().map(String::as_str).collect();
        let set = if self.has_gaps { children::add_artists } else { children::set_artists };
        Ok(set(s, of, id, &ids)?)
    }
}

/// Writes artists as mentions. Artists without an id are skipped. `None` if the answer names no artist: Spotify
/// blanks the artists of items that are no longer available, and the known ones stay.
pub(super) fn write_mentioned(
    s: &mut WriteTx,
    artists: &JsonField<JsonList<Artist<'_>>>,
    asked: &IngestContext,
) -> Result<Option<CreditedArtists>, IngestError> {
    let JsonField::Value(artists) = artists else {
        return Ok(None);
    };
    let _place = asked.findings.enter("artists[]");
    let mut credited = CreditedArtists { ids: Vec::with_capacity(artists.len()), has_gaps: artists.has_gaps };
    for a in artists.iter() {
        credited.ids.extend(write_artist(s, a, asked, false)?);
    }
    Ok(Some(credited).filter(|credited| !credited.ids.is_empty()))
}

/// Every track and album mentions its artists. Each distinct mention is written once per run.
fn was_mentioned(s: &mut WriteTx, id: &str, a: &Artist<'_>) -> bool {
    if a.name.is_present() && full_text(&a.name).is_none() {
        return false;
    }
    let mut content = Xxh3::new();
    for field in [&a.name, &a.uri] {
        content.update(plain(field).unwrap_or_default().as_bytes());
        content.update(&[u8::from(field.is_present())]);
    }
    content.update(&[u8::from(a.genres.is_present()), u8::from(a.images.is_present())]);
    let (key, content) = (xxh3_128(id.as_bytes()), content.digest());
    let known = s.was_written(key, content);
    if !known {
        s.remember_written(key, content);
    }
    known
}

/// Writes the images of an entity if the response has an `images` key. Playlists and users may have none. Of
/// anything else, an empty list is what Spotify sends when it is no longer available, so the known images stay.
pub(super) fn write_images(
    s: &mut WriteTx,
    kind: &str,
    id: &str,
    images: &JsonField<JsonList<Image<'_>>>,
    asked: &IngestContext,
) -> Result<(), IngestError> {
    let (list, has_gaps): (Vec<_>, bool) = match images {
        JsonField::Absent | JsonField::Unreadable => return Ok(()),
        JsonField::Null => (Vec::new(), false),
        JsonField::Value(images) => {
            let rows = images.iter().filter_map(|i| Some((plain(&i.url)?, number(&i.width), number(&i.height))));
            (rows.collect(), images.has_gaps)
        }
    };
    let may_have_none = matches!(kind, "playlist" | "user") && !has_gaps;
    if list.is_empty() && !may_have_none {
        return Ok(note_kept_list(s, KnownValues::Images(kind), id, ("images", images), asked)?);
    }
    Ok(children::set_images(s, kind, id, &list)?)
}

/// Writes today's followers and popularity of an entity if the app may see them.
pub(super) fn write_metrics(
    s: &mut WriteTx,
    kind: &str,
    id: &str,
    followers: Option<i64>,
    popularity: Option<i64>,
    asked: &IngestContext,
) -> Result<(), IngestError> {
    if followers.is_some() || popularity.is_some() {
        let day = asked.now.get(..10).unwrap_or(&asked.now);
        children::set_metrics(s, kind, id, day, followers, popularity)?;
    }
    Ok(())
}
