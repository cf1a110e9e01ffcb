//! Playlists and the items in them.

use std::borrow::Cow;

use super::artist::{write_images, write_metrics};
use super::cell::{
    LOCAL_URI, boolean, full_text, inner, link, local_uri, noted_id, number, plain, required_boolean, required_int,
    required_text, time,
};
use super::html_entities::decode_html_entities;
use super::{
    Fingerprint, IngestContext, IngestError, no_id, parse_object, track, user, with_repair, write_listed_entity,
    write_row,
};
use crate::store::{CellValue, EntityTable, FieldCounts, FieldProblem, StagedItem, WriteTx, staging};
use spotify_client::EntityKind;
use spotify_client::wire::{
    EntryDiscriminator, JsonField, Playlist, PlaylistItem, PlaylistItemFields, scan, take_anomaly_count,
};

/// Writes a playlist without its items and returns its id.
///
/// # Errors
/// If it has no id or the store cannot be written.
pub(super) fn write_playlist(
    s: &mut WriteTx,
    p: &Playlist<'_>,
    asked: &IngestContext,
    whole: bool,
) -> Result<String, IngestError> {
    let id = noted_id(&p.id, &p.uri, EntityKind::Playlist, asked).ok_or_else(no_id)?;
    let description = plain(&p.description).map(decode_html_entities);
    // An owner may empty the description, but a playlist without a name has lost both.
    let describe = |text| match full_text(&p.name) {
        Some(_) => CellValue::Text(text),
        None => CellValue::BlankText(text),
    };
    let owner = p.owner.value().map(|owner| user::write_user(s, owner, asked, false)).transpose()?.flatten();
    let total = p.contents().and_then(|page| page.total()).map_or(CellValue::Absent, CellValue::Int);
    let cells = [
        required_text(&p.name),
        required_text(&p.uri),
        match &p.description {
            JsonField::Null => CellValue::KeptNull,
            _ => description.as_deref().map_or(CellValue::Absent, describe),
        },
        owner.as_deref().map_or(CellValue::Absent, CellValue::Text),
        boolean(&p.public),
        required_boolean(&p.collaborative),
        // An old version would say that the playlist is unchanged.
        p.snapshot_id.value().map_or(CellValue::Null, |version| CellValue::Text(version)),
        total,
        inner(&p.followers, |f| required_int(&f.total)),
        link(&p.external_urls),
        if whole { CellValue::Null } else { CellValue::Absent },
    ];
    write_row(s, EntityTable::playlists(), id, &cells, asked, whole)?;
    write_images(s, "playlist", id, &p.images, asked)?;
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

/// Stages one entry of a playlist and returns the JSON of its item. Every position gets a row, whatever its content.
pub(super) fn stage_item<'a>(
    s: &mut WriteTx,
    list: i64,
    position: i64,
    raw: Option<&'a str>,
    asked: &IngestContext,
    fields: &mut FieldCounts,
) -> Result<Result<&'a str, UnstoredItem>, IngestError> {
    let nothing = StagedItem { position, kind: "unavailable", ..StagedItem::default() };
    let Some(raw) = raw else {
        staging::stage(s, list, &nothing)?;
        return Ok(Err(UnstoredItem { reason: "null_item", detail: None }));
    };
    take_anomaly_count();
    let entry = match PlaylistItem::read(raw) {
        Ok(entry) => entry,
        Err(e) => {
            staging::stage(s, list, &nothing)?;
            return Ok(Err(UnstoredItem { reason: "malformed", detail: Some(e.to_string()) }));
        }
    };
    if take_anomaly_count() > 0 {
        asked.findings.note_anomalies::<PlaylistItemFields<'_>>(raw);
    }
    let added_by = entry.added_by.value().map(|by| user::write_user(s, by, asked, false)).transpose()?.flatten();
    let place = StagedItem { added_at: time(&entry.added_at), added_by: added_by.as_deref(), ..nothing };
    // Spotify may send both keys; the one with a value counts.
    let Some(raw) = entry.item.or(entry.track) else {
        staging::stage(s, list, &place)?;
        asked.findings.move_to(fields, None);
        return Ok(Err(UnstoredItem { reason: "null_item", detail: None }));
    };
    let is_local = entry.is_local.value() == Some(&true);
    match with_repair(raw, asked, |raw| read_entry(s, raw, is_local, asked)) {
        Ok(PlaylistEntry { kind, id, uri }) => {
            asked.findings.move_to(fields, uri.as_deref());
            let item = StagedItem { kind: &kind, item_id: id.as_deref(), uri: uri.as_deref(), ..place };
            staging::stage(s, list, &item)?;
            Ok(Ok(raw))
        }
        Err(IngestError::Malformed(detail)) => {
            asked.findings.move_to(fields, None);
            staging::stage(s, list, &place)?;
            Ok(Err(UnstoredItem { reason: "malformed", detail: Some(detail) }))
        }
        Err(store) => Err(store),
    }
}

/// The content of one position of a playlist.
struct PlaylistEntry {
    kind: Cow<'static, str>,
    id: Option<String>,
    uri: Option<String>,
}

impl PlaylistEntry {
    fn new(kind: impl Into<Cow<'static, str>>, id: Option<String>, uri: Option<String>) -> PlaylistEntry {
        PlaylistEntry { kind: kind.into(), id, uri }
    }
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
    let findings = asked.findings.count();
    // The value may be any JSON, and serde would also take a list for an object.
    if !raw.starts_with('{') {
        return Err(IngestError::Malformed("it is not an object".into()));
    }
    let what = EntryDiscriminator::read(raw).map_err(|e| IngestError::Malformed(e.to_string()))?;
    // Anomalies are noted when the whole object is parsed.
    take_anomaly_count();
    let uri = full_text(&what.uri).map(str::to_owned);
    let local = marked_local || what.is_local.value() == Some(&true) || local_uri(&what.uri).is_some();
    if let Some(uri) = uri.as_ref().filter(|_| local) {
        if !fingerprint.was_written(s) {
            track::write_local_file(s, uri, &parse_object(raw, asked)?, asked)?;
            remember_without_findings(s, &fingerprint, asked, findings);
        }
        return Ok(PlaylistEntry::new("local", None, Some(uri.clone())));
    }
    // A URI of a track or an episode decides, and `type` otherwise. Boolean keys of the same name in the object have
    // contradicted both.
    let in_uri = uri.as_deref().and_then(|uri| uri.strip_prefix("spotify:")?.split_once(':')).map(|(kind, _)| kind);
    let known = in_uri.filter(|kind| matches!(*kind, "track" | "episode"));
    let sent = full_text(&what.kind).map(|kind| kind.trim().to_ascii_lowercase());
    if let (Some(known), Some(sent)) = (known, &sent)
        && known != sent
    {
        asked.findings.note("type", FieldProblem::Converted, "text", Some(sent.chars().take(80).collect()));
    }
    let kind = known.map(str::to_owned).or(sent).or(in_uri.map(str::to_owned)).unwrap_or_else(|| "track".to_owned());
    let (kind, entity) = match kind.as_str() {
        "track" => ("track", EntityKind::Track),
        "episode" => ("episode", EntityKind::Episode),
        _ => {
            let named = full_text(&what.id).map(|id| format!("spotify:{kind}:{id}"));
            let uri = uri.or(named).ok_or_else(no_id)?;
            track::write_other_item(s, &uri, &parse_object(raw, asked)?, asked)?;
            return Ok(PlaylistEntry::new(kind, None, Some(uri)));
        }
    };
    let id = noted_id(&what.id, &what.uri, entity, asked).ok_or_else(no_id)?.to_owned();
    // What is not one of Spotify's says nothing that the id does not.
    let uri = uri.filter(|uri| uri.starts_with("spotify:")).or_else(|| Some(format!("spotify:{kind}:{id}")));
    if fingerprint.was_written(s) {
        return Ok(PlaylistEntry::new(kind, Some(id), uri));
    }
    write_listed_entity(s, entity, raw, asked)?;
    remember_without_findings(s, &fingerprint, asked, findings);
    Ok(PlaylistEntry::new(kind, Some(id), uri))
}

/// Remembers an object that was written, unless something was noted about it: that is counted for each entry.
fn remember_without_findings(s: &mut WriteTx, fingerprint: &Fingerprint, asked: &IngestContext, findings: u64) {
    if asked.findings.count() == findings {
        fingerprint.remember_written(s);
    }
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
    let plain =
        !id.is_empty() && is_local != Some("true") && uri.starts_with("spotify:") && !uri.starts_with(LOCAL_URI);
    plain.then(|| PlaylistEntry::new(kind, Some(id.to_owned()), Some(uri.to_owned())))
}
