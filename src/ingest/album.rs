//! Albums.

use super::artist::{write_images, write_mentioned, write_metrics};
use super::cell::{
    inner, link, noted_id, number, optional_text, plain, positive_int, release_date, required_int, required_text,
};
use super::{IngestContext, IngestError, note_kept_list, write_row};
use crate::store::children::{self, KnownValues};
use crate::store::{CreditedEntity, EntityTable, WriteTx};
use spotify_client::EntityKind;
use spotify_client::wire::{Album, JsonField};

/// Writes an album, complete or as a mention, and returns its id. The album of a local file has no id.
pub(super) fn write_album(
    s: &mut WriteTx,
    a: &Album<'_>,
    asked: &IngestContext,
    whole: bool,
) -> Result<Option<String>, IngestError> {
    let Some(id) = noted_id(&a.id, &a.uri, EntityKind::Album, asked) else { return Ok(None) };
    let artists = write_mentioned(s, &a.artists, asked)?;
    let cells = [
        required_text(&a.name),
        required_text(&a.uri),
        required_text(&a.album_type),
        release_date(&a.release_date, &a.release_date),
        release_date(&a.release_date, &a.release_date_precision),
        positive_int(&a.total_tracks),
        optional_text(&a.label),
        required_int(&a.popularity),
        inner(&a.external_ids, |c| required_text(&c.upc)),
        inner(&a.external_ids, |c| required_text(&c.ean)),
        link(&a.external_urls),
    ];
    write_row(s, EntityTable::albums(), id, &cells, asked, whole)?;
    match artists {
        Some(artists) => artists.write(s, CreditedEntity::Album, id)?,
        None => note_kept_list(s, KnownValues::Artists(CreditedEntity::Album), id, ("artists[]", &a.artists), asked)?,
    }
    if let JsonField::Value(lines) = &a.copyrights
        && !lines.is_empty()
    {
        let lines: Vec<_> = lines.iter().map(|c| (plain(&c.kind), plain(&c.text))).collect();
        children::set_copyrights(s, id, &lines)?;
    }
    note_kept_list(s, KnownValues::AlbumCopyrights, id, ("copyrights", &a.copyrights), asked)?;
    write_images(s, "album", id, &a.images, asked)?;
    if whole {
        write_metrics(s, "album", id, None, number(&a.popularity), asked)?;
    }
    Ok(Some(id.to_owned()))
}
