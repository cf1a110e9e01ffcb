//! Albums.

use super::artist::{write_images, write_mentioned, write_metrics};
use super::cell::{id, inner, int, link, number, plain, text};
use super::{IngestContext, IngestError};
use crate::store::{CreditedEntity, EntityTable, WriteTx};
use crate::store::{children, entity};
use spotify_client::wire::{Album, JsonField};

/// Writes an album, complete or as a mention, and returns its id. The album of a local file has no id.
pub(super) fn write_album(
    s: &mut WriteTx,
    a: &Album<'_>,
    asked: &IngestContext,
    whole: bool,
) -> Result<Option<String>, IngestError> {
    let Some(id) = id(&a.id) else { return Ok(None) };
    let artists = write_mentioned(s, &a.artists, asked)?;
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
    entity::upsert(s, EntityTable::albums(), id, &cells, &asked.now, whole)?;
    if let Some(artists) = artists {
        children::set_artists(s, CreditedEntity::Album, id, &artists.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    if let JsonField::Value(lines) = &a.copyrights {
        let lines: Vec<_> = lines.iter().map(|c| (plain(&c.kind), plain(&c.text))).collect();
        children::set_copyrights(s, id, &lines)?;
    }
    write_images(s, "album", id, &a.images)?;
    if whole {
        write_metrics(s, "album", id, None, number(&a.popularity), asked)?;
    }
    Ok(Some(id.to_owned()))
}
