//! Tracks, full (in playlists, libraries and by id) or simplified (in albums).

use super::artist::{write_mentioned, write_metrics};
use super::cell::{
    LOCAL_URI, full_text, inner, link, local_uri, noted_id, number, plain, positive_int, required_boolean,
    required_int, required_text, text,
};
use super::{Fingerprint, IngestContext, IngestError, album, inner_object, note_kept_list, parse_object, write_row};
use crate::store::children::{self, KnownValues};
use crate::store::{CellValue, CreditedEntity, EntityTable, MarketAvailability, MarketTable, WriteTx};
use spotify_client::EntityKind;
use spotify_client::wire::{Album, LocalAlbum, OtherItem, Track, scan};

/// Writes a track and everything nested in it, and returns its id.
pub(super) fn write_track(
    s: &mut WriteTx,
    t: &Track<'_>,
    asked: &IngestContext,
    whole: bool,
) -> Result<Option<String>, IngestError> {
    if let Some(uri) = local_uri(&t.uri) {
        return write_local_track(s, uri, t, asked).map(Some);
    }
    let album = match inner_object(t.album, "album", asked) {
        Some(raw) => write_mentioned_album(s, raw, asked)?,
        None => None,
    };
    write_track_of_album(s, t, album.as_deref(), asked, whole)
}

/// Writes a track of a known album.
pub(super) fn write_track_of_album(
    s: &mut WriteTx,
    t: &Track<'_>,
    album: Option<&str>,
    asked: &IngestContext,
    whole: bool,
) -> Result<Option<String>, IngestError> {
    let Some(id) = noted_id(&t.id, &t.uri, EntityKind::Track, asked) else { return Ok(None) };
    let artists = write_mentioned(s, &t.artists, asked)?;
    // A value that is no object is noted.
    let no_album = if whole && t.album.is_none() { CellValue::KeptNull } else { CellValue::Absent };
    let cells = [
        required_text(&t.name),
        required_text(&t.uri),
        album.map_or(no_album, CellValue::Text),
        positive_int(&t.disc_number),
        positive_int(&t.track_number),
        positive_int(&t.duration_ms),
        required_boolean(&t.explicit),
        required_int(&t.popularity),
        inner(&t.external_ids, |c| required_text(&c.isrc)),
        inner(&t.external_ids, |c| required_text(&c.ean)),
        inner(&t.external_ids, |c| required_text(&c.upc)),
        text(&t.preview_url),
        link(&t.external_urls),
    ];
    write_row(s, EntityTable::tracks(), id, &cells, asked, whole)?;
    match artists {
        Some(artists) => artists.write(s, CreditedEntity::Track, id)?,
        None => note_kept_list(s, KnownValues::Artists(CreditedEntity::Track), id, ("artists[]", &t.artists), asked)?,
    }
    let restriction = t.restrictions.value().and_then(|r| full_text(&r.reason));
    let fact = MarketAvailability {
        // A restriction says that it cannot be played there, also where the flag is missing.
        is_playable: t.is_playable.value().copied().or(restriction.map(|_| false)),
        restriction,
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
    let _place = asked.findings.enter("album");
    let findings = asked.findings.count();
    let id = album::write_album(s, &parse_object::<Album<'_>>(raw, asked)?, asked, false)?;
    // Findings are counted for each entry.
    if asked.findings.count() == findings {
        fingerprint.remember_written(s);
    }
    Ok(id)
}

/// Writes a local file in a list of tracks and returns its URI, which is the key of its row among the tracks.
fn write_local_track(s: &mut WriteTx, uri: &str, t: &Track<'_>, asked: &IngestContext) -> Result<String, IngestError> {
    write_local_file(s, uri, t, asked)?;
    let mut cells = [CellValue::Absent; 13];
    cells[..2].copy_from_slice(&[required_text(&t.name), CellValue::Text(uri)]);
    cells[5] = positive_int(&t.duration_ms);
    cells[6] = required_boolean(&t.explicit);
    write_row(s, EntityTable::tracks(), uri, &cells, asked, true)?;
    Ok(uri.to_owned())
}

/// Writes a local file of a user. Its URI is its key, and names the file where the answer does not.
pub(super) fn write_local_file(
    s: &mut WriteTx,
    uri: &str,
    t: &Track<'_>,
    asked: &IngestContext,
) -> Result<(), IngestError> {
    let names = t.artists.value().map(|artists| artists.iter().filter_map(|a| full_text(&a.name)).collect::<Vec<_>>());
    let album: Option<LocalAlbum<'_>> =
        inner_object(t.album, "album", asked).map(|raw| parse_object(raw, asked)).transpose()?;
    let [artist_in_uri, album_in_uri, title_in_uri] = names_in_local_uri(uri);
    let name = full_text(&t.name).or(title_in_uri.as_deref());
    let artists = names.filter(|names| !names.is_empty()).map(|names| names.join("; ")).or(artist_in_uri);
    let album = album.as_ref().and_then(|a| full_text(&a.name)).or(album_in_uri.as_deref());
    let duration = number(&t.duration_ms);
    Ok(children::set_local_file(s, uri, name, artists.as_deref(), album, duration, &asked.now)?)
}

/// Artist, album and title in `spotify:local:ARTIST:ALBUM:TITLE:SECONDS`.
fn names_in_local_uri(uri: &str) -> [Option<String>; 3] {
    let mut names = uri
        .strip_prefix(LOCAL_URI)
        .unwrap_or_default()
        .split(':')
        .map(|part| spotify_client::percent_decoded(&part.replace('+', " ")).filter(|name| !name.is_empty()));
    std::array::from_fn(|_| names.next().flatten())
}

/// Writes an item of a playlist that is neither a track nor an episode. Its URI is its key.
pub(super) fn write_other_item(
    s: &mut WriteTx,
    uri: &str,
    item: &OtherItem<'_>,
    asked: &IngestContext,
) -> Result<(), IngestError> {
    let names =
        item.artists.value().map(|artists| artists.iter().filter_map(|a| full_text(&a.name)).collect::<Vec<_>>());
    let artists = names.filter(|names| !names.is_empty()).map(|names| names.join("; "));
    let parents = [&item.album, &item.audiobook, &item.show];
    let parent = parents.into_iter().find_map(|parent| full_text(&parent.value()?.name));
    let duration = number(&item.duration_ms);
    let name = full_text(&item.name);
    Ok(children::set_local_file(s, uri, name, artists.as_deref(), parent, duration, &asked.now)?)
}
