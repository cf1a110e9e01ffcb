//! Albums.

use super::artist::{images, mentioned, metrics};
use super::cell::{id, inner, int, link, number, plain, text};
use super::{Asked, Trouble};
use crate::store::{ArtistsOf, Session, Table};
use spotify_client::wire::{Album, Field};

/// Writes an album, whole or as mentioned, and returns its id. The album of a local file has none.
pub(super) fn album(s: &mut Session, a: &Album<'_>, asked: &Asked, whole: bool) -> Result<Option<String>, Trouble> {
    let Some(id) = id(&a.id) else { return Ok(None) };
    let artists = mentioned(s, &a.artists, asked)?;
    let cells = [
        text(&a.name),
        text(&a.uri),
        text(&a.album_type),
        text(&a.release_date),
        text(&a.release_date_precision),
        int(&a.total_tracks),
        text(&a.label),
        int(&a.popularity),
        inner(&a.external_ids, |c| text(&c.upc)),
        inner(&a.external_ids, |c| text(&c.ean)),
        link(&a.external_urls),
    ];
    s.upsert(Table::albums(), id, &cells, &asked.now, whole)?;
    if let Some(artists) = artists {
        s.set_artists(ArtistsOf::Album, id, &artists.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    if let Field::Value(lines) = &a.copyrights {
        let lines: Vec<_> = lines.iter().map(|c| (plain(&c.kind), plain(&c.text))).collect();
        s.set_copyrights(id, &lines)?;
    }
    images(s, "album", id, &a.images)?;
    if whole {
        metrics(s, "album", id, None, number(&a.popularity), asked)?;
    }
    Ok(Some(id.to_owned()))
}
