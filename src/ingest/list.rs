//! Stages the entries of a page as rows of their list.

use super::cell::{full_text, plain, time};
use super::flaws::{EntryObject, find_flaws};
use super::other_group::{describe_other_group, other_group};
use super::other_kind::{describe_other_kind, find_other_entry};
use super::{
    IngestContext, IngestError, album, artist, audiobook, no_id, parse_object, playlist, show, track, with_repair,
    write_listed_entity,
};
use crate::store::{EntityTable, FieldCounts, StagedItem, StoreError, WriteTx, canonical_time, entity, lists, staging};
use crate::stream::EntryKind;
use spotify_client::EntityKind;
use spotify_client::wire::{
    Album, Category, Episode, JsonField, JsonText, SavedObject, SavedObjectFields, Track, scan, take_anomaly_count,
};

/// What staging a page could not store completely.
#[derive(Debug, Default)]
pub struct StagedPage {
    /// Position, reason and detail of each item.
    pub unstored: Vec<(i64, &'static str, Option<String>)>,
    /// Fields that were not read as documented, over all items.
    pub fields: FieldCounts,
}

/// Stages the entries of a page. The first entry is at `offset`.
///
/// # Errors
/// If the store cannot be written. A malformed entry is not an error: it is listed in the result.
pub fn stage_entries(
    s: &mut WriteTx,
    list: i64,
    shape: EntryKind,
    parent: &str,
    offset: i64,
    entries: &[Option<&str>],
    asked: &IngestContext,
) -> Result<StagedPage, StoreError> {
    let mut staged = StagedPage::default();
    let variant = if shape == EntryKind::Albums { lists::variant(s, list)? } else { String::new() };
    let group = variant.split(',').next().filter(|group| !group.is_empty());
    asked.findings.discard();
    for (position, entry) in (offset..).zip(entries) {
        let findings = asked.findings.count();
        let read = if shape == EntryKind::PlaylistItems {
            playlist::stage_item(s, list, position, *entry, asked, &mut staged.fields)
                .map(|read| read.map(EntryObject::read).map_err(|gap| (gap.reason, gap.detail)))
        } else {
            let place = ListPlace { list, shape, parent, group, position };
            stage_member(s, place, *entry, asked, &mut staged.fields)
        };
        match read {
            Ok(Ok(object)) => {
                let has_anomalies = asked.findings.count() > findings;
                if let Some(flaws) = entry.and_then(|raw| find_flaws(shape, raw, object, has_anomalies)) {
                    staging::set_flaws(s, list, position, &flaws)?;
                }
            }
            Ok(Err((reason, detail))) => staged.unstored.push((position, reason, detail)),
            Err(IngestError::Malformed(detail)) => staged.unstored.push((position, "malformed", Some(detail))),
            Err(IngestError::Store(e)) => return Err(e),
        }
        asked.findings.discard();
    }
    Ok(staged)
}

/// A position of a list.
#[derive(Clone, Copy)]
struct ListPlace<'a> {
    list: i64,
    shape: EntryKind,
    /// The id of the list's parent.
    parent: &'a str,
    /// The group that was requested, if it is one of a discography.
    group: Option<&'a str>,
    position: i64,
}

/// Reason and detail of an entry that is not stored.
type Gap = (&'static str, Option<String>);

/// Stages one entry and returns its entity.
fn stage_member<'a>(
    s: &mut WriteTx,
    place: ListPlace<'_>,
    entry: Option<&'a str>,
    asked: &IngestContext,
    fields: &mut FieldCounts,
) -> Result<Result<EntryObject<'a>, Gap>, IngestError> {
    let Some((raw, object)) = entry.and_then(|raw| Some((raw, find_object(place.shape, raw)?))) else {
        return Ok(Err(("null_item", None)));
    };
    let object = EntryObject::read(object);
    if let Some(kind) = find_other_entry(place.shape, object) {
        return Ok(Err(("other_kind", Some(describe_other_kind(kind, object.json)))));
    }
    if let Some(other) = place.group.and_then(|group| other_group(group, object.json)) {
        return Ok(Err(("other_group", Some(describe_other_group(other, object.json)))));
    }
    let read = with_repair(raw, asked, |raw| match read_member(s, place, raw, asked)? {
        MemberEntry { added_at: None, .. } if place.shape == EntryKind::Saved(EntityKind::Track) && is_play(raw) => {
            Ok(Err("no time: a play is identified by the time at which it was played"))
        }
        member => {
            let item = StagedItem {
                position: place.position,
                kind: member.kind,
                item_id: Some(&member.id),
                added_at: member.added_at.as_deref(),
                detail: member.detail.as_deref(),
                ..StagedItem::default()
            };
            staging::stage(s, place.list, &item)?;
            Ok(Ok(member.id))
        }
    })?;
    match read {
        Ok(id) => {
            asked.findings.move_to(fields, Some(&id));
            Ok(Ok(object))
        }
        Err(why) => {
            asked.findings.move_to(fields, None);
            Ok(Err(("malformed", Some(why.to_owned()))))
        }
    }
}

/// The entity in an entry of a list other than a playlist; `None` if the entry is a wrapper around null.
fn find_object(shape: EntryKind, raw: &str) -> Option<&str> {
    let EntryKind::Saved(kind) = shape else { return Some(raw) };
    let [inside, id, uri] = scan::find_values(raw, [kind.as_str(), "id", "uri"]);
    match inside {
        Some("null") => None,
        Some(inside) if inside.starts_with('{') => Some(inside),
        None if raw.starts_with('{') && id.or(uri).is_none() => None,
        _ => Some(raw),
    }
}

/// Whether an entry of a library is a play.
fn is_play(raw: &str) -> bool {
    let [played_at, context, added_at] = scan::find_values(raw, ["played_at", "context", "added_at"]);
    played_at.or(context).is_some() && added_at.is_none()
}

/// An entry of a list of entities that was written.
struct MemberEntry {
    kind: &'static str,
    id: String,
    added_at: Option<String>,
    detail: Option<String>,
}

fn read_member(
    s: &mut WriteTx,
    place: ListPlace<'_>,
    raw: &str,
    asked: &IngestContext,
) -> Result<MemberEntry, IngestError> {
    let parent = place.parent;
    let (mut added_at, mut detail) = (None, None);
    let (kind, id) = match place.shape {
        EntryKind::PlaylistItems => return Err(IngestError::Malformed("not a list of entities".into())),
        EntryKind::Albums => ("album", album::write_album(s, &parse_object::<Album<'_>>(raw, asked)?, asked, false)?),
        EntryKind::Tracks => ("track", Some(write_listed_entity(s, EntityKind::Track, raw, asked)?)),
        EntryKind::AlbumTracks => {
            let track = parse_object::<Track<'_>>(raw, asked)?;
            ("track", track::write_track_of_album(s, &track, Some(parent), asked, false)?)
        }
        EntryKind::Episodes => {
            let episode = parse_object::<Episode<'_>>(raw, asked)?;
            ("episode", show::write_episode(s, &episode, asked, Some(parent), false)?)
        }
        EntryKind::Chapters => {
            let chapter = parse_object::<Episode<'_>>(raw, asked)?;
            ("chapter", audiobook::write_chapter(s, &chapter, asked, Some(parent), false)?)
        }
        EntryKind::Playlists => {
            ("playlist", Some(playlist::write_playlist(s, &parse_object(raw, asked)?, asked, false)?))
        }
        EntryKind::Artists => ("artist", artist::write_artist(s, &parse_object(raw, asked)?, asked, true)?),
        EntryKind::Categories => {
            let category: Category<'_> = parse_object(raw, asked)?;
            detail = plain(&category.name).map(str::to_owned);
            let id = full_text(&category.id).map(str::to_owned);
            if let Some(id) = &id {
                artist::write_images(s, "category", id, &category.icons, asked)?;
            }
            ("category", id)
        }
        EntryKind::Markets => {
            let code: JsonField<JsonText<'_>> =
                serde_json::from_str(raw).map_err(|e| IngestError::Malformed(e.to_string()))?;
            ("market", full_text(&code).map(str::to_owned))
        }
        EntryKind::Saved(kind) => {
            take_anomaly_count();
            let saved = SavedObject::read(raw, kind).map_err(|e| IngestError::Malformed(e.to_string()))?;
            if take_anomaly_count() > 0 {
                asked.findings.note_anomalies::<SavedObjectFields<'_>>(raw);
            }
            let played_at = time(&saved.played_at).map(canonical_time);
            added_at = time(&saved.added_at).map(str::to_owned).or(played_at);
            if let Some(context) = saved.context.value() {
                detail = Some(serde_json::json!([plain(&context.kind), plain(&context.uri)]).to_string());
            }
            // Spotify documents audiobooks without the wrapper object.
            (kind.as_str(), Some(write_listed_entity(s, kind, saved.entity.unwrap_or(raw), asked)?))
        }
    };
    let id = id.ok_or_else(no_id)?;
    Ok(MemberEntry { kind, id, added_at, detail })
}

/// Makes sure that the parent of a list has a row, so that the list can refer to it.
///
/// # Errors
/// If the store cannot be written.
pub fn ensure_row(s: &mut WriteTx, kind: EntityKind, id: &str, asked: &IngestContext) -> Result<(), StoreError> {
    let table = EntityTable::for_kind(kind);
    let cells = vec![crate::store::CellValue::Absent; table.columns.len()];
    entity::upsert(s, table, id, &cells, &asked.now, false).map(|_| ())
}
