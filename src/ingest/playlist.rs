//! Playlists and the items in them.

use super::artist::{write_images, write_metrics};
use super::cell::{boolean, id, inner, int, link, number, plain, text};
use super::{Fingerprint, IngestContext, IngestError, parse_object, show, track, user};
use crate::store::{CellValue, EntityTable, StagedItem, WriteTx};
use crate::store::{entity, staging};
use spotify_client::wire::{EntryDiscriminator, Playlist, PlaylistItem, scan};

/// Writes a playlist without its items and returns its id.
///
/// # Errors
/// If it has no id or the store cannot be written.
pub fn write_playlist(
    s: &mut WriteTx,
    p: &Playlist<'_>,
    asked: &IngestContext,
    whole: bool,
) -> Result<String, IngestError> {
    let id = id(&p.id).ok_or_else(|| IngestError::Malformed("the playlist has no id".into()))?;
    let owner = p.owner.value().map(|owner| user::write_user(s, owner, asked, false)).transpose()?.flatten();
    let total = p.contents().and_then(|page| page.total()).map_or(CellValue::Absent, CellValue::Int);
    let cells = [
        text(&p.name),
        text(&p.uri),
        text(&p.description),
        owner.as_deref().map_or(CellValue::Absent, CellValue::Text),
        boolean(&p.public),
        boolean(&p.collaborative),
        text(&p.snapshot_id),
        total,
        inner(&p.followers, |f| int(&f.total)),
        link(&p.external_urls),
        if whole { CellValue::Null } else { CellValue::Absent },
    ];
    entity::upsert(s, EntityTable::playlists(), id, &cells, &asked.now, whole)?;
    write_images(s, "playlist", id, &p.images)?;
    if whole {
        write_metrics(s, "playlist", id, p.followers.value().and_then(|f| number(&f.total)), None, asked)?;
    }
    Ok(id.to_owned())
}

/// Why an entry of a playlist is not stored completely.
pub(super) struct UnstoredItem {
    pub reason: &'static str,
    pub detail: Option<String>,
}

/// Stages one entry of a playlist. Every position gets a row, whatever its content.
pub(super) fn stage_item(
    s: &mut WriteTx,
    list: i64,
    position: i64,
    raw: Option<&str>,
    asked: &IngestContext,
) -> Result<Option<UnstoredItem>, IngestError> {
    let nothing = StagedItem { position, kind: "unavailable", ..StagedItem::default() };
    let Some(raw) = raw else {
        staging::stage(s, list, &nothing)?;
        return Ok(Some(UnstoredItem { reason: "null_item", detail: None }));
    };
    let entry = match PlaylistItem::read(raw) {
        Ok(entry) => entry,
        Err(e) => {
            staging::stage(s, list, &nothing)?;
            return Ok(Some(UnstoredItem { reason: "malformed", detail: Some(e.to_string()) }));
        }
    };
    let added_by = entry.added_by.value().map(|by| user::write_user(s, by, asked, false)).transpose()?.flatten();
    let place = StagedItem { added_at: plain(&entry.added_at), added_by: added_by.as_deref(), ..nothing };
    // Spotify may send both keys; the one with a value counts.
    let Some(raw) = entry.item.or(entry.track) else {
        staging::stage(s, list, &place)?;
        return Ok(Some(UnstoredItem { reason: "null_item", detail: None }));
    };
    match read_entry(s, raw, entry.is_local.value() == Some(&true), asked) {
        Ok(PlaylistEntry { kind, id, uri }) => {
            staging::stage(s, list, &StagedItem { kind, item_id: id.as_deref(), uri: uri.as_deref(), ..place })?;
            Ok(None)
        }
        Err(IngestError::Malformed(detail)) => {
            staging::stage(s, list, &place)?;
            Ok(Some(UnstoredItem { reason: "malformed", detail: Some(detail) }))
        }
        Err(store) => Err(store),
    }
}

/// The content of one position of a playlist.
struct PlaylistEntry {
    kind: &'static str,
    id: Option<String>,
    uri: Option<String>,
}

fn read_entry(
    s: &mut WriteTx,
    raw: &str,
    marked_local: bool,
    asked: &IngestContext,
) -> Result<PlaylistEntry, IngestError> {
    let fingerprint = Fingerprint::from_raw(raw, true, asked);
    if !marked_local && let Some(held) = find_written_entry(s, raw, &fingerprint) {
        return Ok(held);
    }
    let what: EntryDiscriminator<'_> = parse_object(raw)?;
    let uri = plain(&what.uri).map(str::to_owned);
    let local = marked_local
        || what.is_local.value() == Some(&true)
        || uri.as_deref().is_some_and(|u| u.starts_with("spotify:local:"));
    if local {
        let uri = uri.ok_or_else(|| IngestError::Malformed("a local file without a URI".into()))?;
        if !fingerprint.was_written(s) {
            track::write_local_file(s, &uri, &parse_object(raw)?, asked)?;
            fingerprint.remember_written(s);
        }
        return Ok(PlaylistEntry { kind: "local", id: None, uri: Some(uri) });
    }
    // `type` decides: boolean keys of the same name in the object have contradicted it.
    let kind = match plain(&what.kind) {
        Some("episode") => "episode",
        Some("track") | None => "track",
        Some(other) => return Err(IngestError::Malformed(format!("an item of unknown type {other:?}"))),
    };
    let known = id(&what.id).map(str::to_owned);
    if known.is_some() && fingerprint.was_written(s) {
        return Ok(PlaylistEntry { kind, id: known, uri });
    }
    let id = match kind {
        "episode" => show::write_episode(s, &parse_object(raw)?, asked, None, true)?,
        _ => track::write_track(s, &parse_object(raw)?, asked, true)?,
    };
    let id = id.ok_or_else(|| IngestError::Malformed(format!("a {kind} without an id")))?;
    fingerprint.remember_written(s);
    Ok(PlaylistEntry { kind, id: Some(id), uri })
}

/// Identifies a track or episode that was already written in this run without parsing it. Local files and
/// unusual objects take the full path.
fn find_written_entry(s: &WriteTx, raw: &str, fingerprint: &Fingerprint) -> Option<PlaylistEntry> {
    if !fingerprint.was_written(s) {
        return None;
    }
    let [id, uri, kind, is_local] = scan::find_values(raw, ["id", "uri", "type", "is_local"]);
    let (id, uri) = (scan::plain_text(id?)?, scan::plain_text(uri?)?);
    let kind = match kind? {
        "\"track\"" => "track",
        "\"episode\"" => "episode",
        _ => return None,
    };
    let plain = !id.is_empty() && is_local != Some("true") && !uri.starts_with("spotify:local:");
    plain.then(|| PlaylistEntry { kind, id: Some(id.to_owned()), uri: Some(uri.to_owned()) })
}
