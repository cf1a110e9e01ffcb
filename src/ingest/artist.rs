//! Artists.

use super::cell::{id, inner, int, link, number, plain, text};
use super::{Asked, Trouble};
use crate::store::{Session, Table};
use spotify_client::wire::{Artist, Field, Image};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// Writes an artist, whole or as mentioned, and returns its id.
pub(super) fn artist(s: &mut Session, a: &Artist<'_>, asked: &Asked, whole: bool) -> Result<Option<String>, Trouble> {
    let Some(id) = id(&a.id) else { return Ok(None) };
    if !whole && mentioned_before(s, id, a) {
        return Ok(Some(id.to_owned()));
    }
    let followers = inner(&a.followers, |f| int(&f.total));
    let cells = [text(&a.name), text(&a.uri), followers, int(&a.popularity), link(&a.external_urls)];
    s.upsert(Table::artists(), id, &cells, &asked.now, whole)?;
    if let Field::Value(genres) = &a.genres {
        s.set_genres(id, &genres.iter().map(|g| &**g).collect::<Vec<_>>())?;
    }
    images(s, "artist", id, &a.images)?;
    if whole {
        let followers = a.followers.value().and_then(|f| number(&f.total));
        metrics(s, "artist", id, followers, number(&a.popularity), asked)?;
    }
    Ok(Some(id.to_owned()))
}

/// Writes artists as mentioned and returns their ids in order; those without an id are left out.
pub(super) fn mentioned(
    s: &mut Session,
    artists: &Field<Vec<Artist<'_>>>,
    asked: &Asked,
) -> Result<Option<Vec<String>>, Trouble> {
    let Field::Value(artists) = artists else {
        return Ok(None);
    };
    let mut ids = Vec::with_capacity(artists.len());
    for a in artists {
        ids.extend(artist(s, a, asked, false)?);
    }
    Ok(Some(ids))
}

/// An artist is mentioned by each of its tracks and albums; the same mention is written once a run.
fn mentioned_before(s: &mut Session, id: &str, a: &Artist<'_>) -> bool {
    let mut content = Xxh3::new();
    for field in [&a.name, &a.uri] {
        content.update(plain(field).unwrap_or_default().as_bytes());
        content.update(&[u8::from(field.is_present())]);
    }
    content.update(&[u8::from(a.genres.is_present()), u8::from(a.images.is_present())]);
    let (key, content) = (xxh3_128(id.as_bytes()), content.digest());
    let known = s.was_written(key, content);
    if !known {
        s.remember(key, content);
    }
    known
}

/// Writes the pictures of a thing, if the answer had any say on them.
pub(super) fn images(s: &mut Session, kind: &str, id: &str, images: &Field<Vec<Image<'_>>>) -> Result<(), Trouble> {
    let list: Vec<_> = match images {
        Field::Absent => return Ok(()),
        Field::Null => Vec::new(),
        Field::Value(images) => {
            images.iter().filter_map(|i| Some((plain(&i.url)?, number(&i.width), number(&i.height)))).collect()
        }
    };
    Ok(s.set_images(kind, id, &list)?)
}

/// Writes the day's metrics of a thing, where the app sees any.
pub(super) fn metrics(
    s: &mut Session,
    kind: &str,
    id: &str,
    followers: Option<i64>,
    popularity: Option<i64>,
    asked: &Asked,
) -> Result<(), Trouble> {
    if followers.is_some() || popularity.is_some() {
        let day = asked.now.get(..10).unwrap_or(&asked.now);
        s.set_metrics(kind, id, day, followers, popularity)?;
    }
    Ok(())
}
