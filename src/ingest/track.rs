//! Tracks, whole (in playlists, libraries and by id) or simplified (on an album).

use super::artist::{mentioned, metrics};
use super::cell::{boolean, id, inner, int, link, number, plain, text};
use super::{Asked, Fingerprint, Trouble, album, parse};
use crate::store::{ArtistsOf, Cell, MarketFact, MarketTable, Session, Table};
use spotify_client::wire::{Album, Field, LocalAlbum, Track, scan};

/// Writes a track and what it mentions, and returns its id.
pub(super) fn track(s: &mut Session, t: &Track<'_>, asked: &Asked, whole: bool) -> Result<Option<String>, Trouble> {
    let album = match t.album {
        Some(raw) => Some(mentioned_album(s, raw.get(), asked)?),
        None => None,
    };
    track_on(s, t, album.flatten().as_deref(), asked, whole)
}

/// Writes a track that stands on a known album.
pub(super) fn track_on(
    s: &mut Session,
    t: &Track<'_>,
    album: Option<&str>,
    asked: &Asked,
    whole: bool,
) -> Result<Option<String>, Trouble> {
    let Some(id) = id(&t.id) else { return Ok(None) };
    let artists = mentioned(s, &t.artists, asked)?;
    let cells = [
        text(&t.name),
        text(&t.uri),
        album.map_or(Cell::Absent, Cell::Text),
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
    s.upsert(Table::tracks(), id, &cells, &asked.now, whole)?;
    if let Some(artists) = artists {
        s.set_artists(ArtistsOf::Track, id, &artists.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    let fact = MarketFact {
        is_playable: t.is_playable.value().copied(),
        restriction: t.restrictions.value().and_then(|r| plain(&r.reason)),
        linked_from: t.linked_from.value().and_then(|l| plain(&l.id)),
    };
    if fact.is_playable.is_some() || fact.restriction.is_some() || fact.linked_from.is_some() {
        s.set_market(MarketTable::Tracks, id, &asked.market, fact, &asked.now)?;
    }
    if whole {
        metrics(s, "track", id, None, number(&t.popularity), asked)?;
    }
    Ok(Some(id.to_owned()))
}

/// An album is mentioned by each of its tracks; the same mention is read and written once a run.
fn mentioned_album(s: &mut Session, raw: &str, asked: &Asked) -> Result<Option<String>, Trouble> {
    let fingerprint = Fingerprint::of(raw, false, asked);
    if fingerprint.is_known(s) {
        let [known] = scan::values(raw, ["id"]);
        if let Some(known) = known.and_then(scan::plain_text).filter(|id| !id.is_empty()) {
            return Ok(Some(known.to_owned()));
        }
    }
    let id = album::album(s, &parse::<Album<'_>>(raw)?, asked, false)?;
    fingerprint.remember(s);
    Ok(id)
}

/// Writes a file of a user's own; its uri is its key.
pub(super) fn local_file(s: &mut Session, uri: &str, t: &Track<'_>, asked: &Asked) -> Result<(), Trouble> {
    let artists = match &t.artists {
        Field::Value(artists) if !artists.is_empty() => {
            Some(artists.iter().filter_map(|a| plain(&a.name)).collect::<Vec<_>>().join("; "))
        }
        _ => None,
    };
    let album: Option<LocalAlbum<'_>> = t.album.map(|raw| parse(raw.get())).transpose()?;
    let album_name = album.as_ref().and_then(|a| plain(&a.name));
    let duration = number(&t.duration_ms);
    Ok(s.set_local_file(uri, plain(&t.name), artists.as_deref(), album_name, duration, &asked.now)?)
}
