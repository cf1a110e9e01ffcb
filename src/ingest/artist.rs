//! Artists.

use super::cell::{id, inner, int, link, number, plain, text};
use super::{IngestContext, IngestError};
use crate::store::{EntityTable, WriteTx};
use crate::store::{children, entity};
use spotify_client::wire::{Artist, Image, JsonField};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Writes an artist, complete or as a mention, and returns its id.
pub(super) fn write_artist(
    s: &mut WriteTx,
    a: &Artist<'_>,
    asked: &IngestContext,
    whole: bool,
) -> Result<Option<String>, IngestError> {
    let Some(id) = id(&a.id) else { return Ok(None) };
    if !whole && was_mentioned(s, id, a) {
        return Ok(Some(id.to_owned()));
    }
    let followers = inner(&a.followers, |f| int(&f.total));
    let cells = [text(&a.name), text(&a.uri), followers, int(&a.popularity), link(&a.external_urls)];
    entity::upsert(s, EntityTable::artists(), id, &cells, &asked.now, whole)?;
    if let JsonField::Value(genres) = &a.genres {
        children::set_genres(s, id, &genres.iter().map(|g| &**g).collect::<Vec<_>>())?;
    }
    write_images(s, "artist", id, &a.images)?;
    if whole {
        let followers = a.followers.value().and_then(|f| number(&f.total));
        write_metrics(s, "artist", id, followers, number(&a.popularity), asked)?;
    }
    Ok(Some(id.to_owned()))
}

/// Writes artists as mentions and returns their ids in order. Artists without an id are skipped.
pub(super) fn write_mentioned(
    s: &mut WriteTx,
    artists: &JsonField<Vec<Artist<'_>>>,
    asked: &IngestContext,
) -> Result<Option<Vec<String>>, IngestError> {
    let JsonField::Value(artists) = artists else {
        return Ok(None);
    };
    let mut ids = Vec::with_capacity(artists.len());
    for a in artists {
        ids.extend(write_artist(s, a, asked, false)?);
    }
    Ok(Some(ids))
}

/// Every track and album mentions its artists. Each distinct mention is written once per run.
fn was_mentioned(s: &mut WriteTx, id: &str, a: &Artist<'_>) -> bool {
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

/// Writes the images of an entity if the response has an `images` key.
pub(super) fn write_images(
    s: &mut WriteTx,
    kind: &str,
    id: &str,
    images: &JsonField<Vec<Image<'_>>>,
) -> Result<(), IngestError> {
    let list: Vec<_> = match images {
        JsonField::Absent => return Ok(()),
        JsonField::Null => Vec::new(),
        JsonField::Value(images) => {
            images.iter().filter_map(|i| Some((plain(&i.url)?, number(&i.width), number(&i.height)))).collect()
        }
    };
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
