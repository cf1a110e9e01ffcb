//! Tracks, full (in playlists, libraries and by id) or simplified (in albums).

use super::artist::{write_mentioned, write_metrics};
use super::cell::{boolean, id, inner, int, link, number, plain, text};
use super::{Fingerprint, IngestContext, IngestError, album, parse_object};
use crate::store::{CellValue, CreditedEntity, EntityTable, MarketAvailability, MarketTable, WriteTx};
use crate::store::{children, entity};
use spotify_client::wire::{Album, JsonField, LocalAlbum, Track, scan};

/// Writes a track and everything nested in it, and returns its id.
pub(super) fn write_track(
    s: &mut WriteTx,
    t: &Track<'_>,
    asked: &IngestContext,
    whole: bool,
) -> Result<Option<String>, IngestError> {
    let album = match t.album {
        Some(raw) => Some(write_mentioned_album(s, raw.get(), asked)?),
        None => None,
    };
    write_track_of_album(s, t, album.flatten().as_deref(), asked, whole)
}

/// Writes a track of a known album.
pub(super) fn write_track_of_album(
    s: &mut WriteTx,
    t: &Track<'_>,
    album: Option<&str>,
    asked: &IngestContext,
    whole: bool,
) -> Result<Option<String>, IngestError> {
    let Some(id) = id(&t.id) else { return Ok(None) };
    let artists = write_mentioned(s, &t.artists, asked)?;
    let cells = [
        text(&t.name),
        text(&t.uri),
        album.map_or(CellValue::Absent, CellValue::Text),
        int(&t.disc_number),
        int(&t.track_number),
        int(&t.duration_ms),
        boolean(&t.explicit),
        int(&t.popularity),
        inner(&t.external_ids, |c| text(&c.isrc)),
        inner(&t.external_ids, |c| text(&c.ean)),
        inner(&t.external_ids, |c| text(&c.upc)),
        text(&t.preview_url),
        link(&t.external_urls),
    ];
    entity::upsert(s, EntityTable::tracks(), id, &cells, &asked.now, whole)?;
    if let Some(artists) = artists {
        children::set_artists(s, CreditedEntity::Track, id, &artists.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    let fact = MarketAvailability {
        is_playable: t.is_playable.value().copied(),
        restriction: t.restrictions.value().and_then(|r| plain(&r.reason)),
        linked_from: t.linked_from.value().and_then(|l| plain(&l.id)),
    };
    if fact.is_playable.is_some() || fact.restriction.is_some() || fact.linked_from.is_some() {
        children::set_market(s, MarketTable::Tracks, id, &asked.market, fact, &asked.now)?;
    }
    if whole {
        write_metrics(s, "track", id, None, number(&t.popularity), asked)?;
    }
    Ok(Some(id.to_owned()))
}

/// Each track mentions its album. Each distinct mention is parsed and written once per run.
fn write_mentioned_album(s: &mut WriteTx, raw: &str, asked: &IngestContext) -> Result<Option<String>, IngestError> {
    let fingerprint = Fingerprint::from_raw(raw, false, asked);
    if fingerprint.was_written(s) {
        let [known] = scan::find_values(raw, ["id"]);
        if let Some(known) = known.and_then(scan::plain_text).filter(|id| !id.is_empty()) {
            return Ok(Some(known.to_owned()));
        }
    }
    let id = album::write_album(s, &parse_object::<Album<'_>>(raw)?, asked, false)?;
    fingerprint.remember_written(s);
    Ok(id)
}

/// Writes a local file of a user. Its URI is its key.
pub(super) fn write_local_file(
    s: &mut WriteTx,
    uri: &str,
    t: &Track<'_>,
    asked: &IngestContext,
) -> Result<(), IngestError> {
    let artists = match &t.artists {
        JsonField::Value(artists) if !artists.is_empty() => {
            Some(artists.iter().filter_map(|a| plain(&a.name)).collect::<Vec<_>>().join("; "))
        }
        _ => None,
    };
    let album: Option<LocalAlbum<'_>> = t.album.map(|raw| parse_object(raw.get())).transpose()?;
    let album_name = album.as_ref().and_then(|a| plain(&a.name));
    let duration = number(&t.duration_ms);
    Ok(children::set_local_file(s, uri, plain(&t.name), artists.as_deref(), album_name, duration, &asked.now)?)
}
