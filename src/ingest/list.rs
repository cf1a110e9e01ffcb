//! Stages the entries of a page as rows of their list.

use crate::store::{entity, staging};
use serde_json::value::RawValue;

use super::cell::{id, plain};
use super::flaws::find_flaws;
use super::{IngestContext, IngestError, album, artist, audiobook, parse_object, playlist, show, track};
use crate::store::{EntityTable, StagedItem, StoreError, WriteTx};
use crate::stream::EntryKind;
use spotify_client::EntityKind;
use spotify_client::wire::{Album, Category, Episode, SavedObject, Track, take_anomaly_count};

/// What staging a page could not store completely.
#[derive(Debug, Default)]
pub struct StagedPage {
    /// Position, reason and detail of each item.
    pub unstored: Vec<(i64, &'static str, Option<String>)>,
}

/// Stages the entries of a page whose first entry is at `offset`.
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
    for (position, entry) in (offset..).zip(entries) {
        take_anomaly_count();
        let gap = if shape == EntryKind::PlaylistItems {
            playlist::stage_item(s, list, position, *entry, asked).map(|gap| gap.map(|g| (g.reason, g.detail)))
        } else {
            match entry {
                None => Ok(Some(("null_item", None))),
                Some(raw) => stage_member(s, list, shape, parent, position, raw, asked).map(|()| None),
            }
        };
        match gap {
            Ok(None) => {
                let has_anomalies = take_anomaly_count() > 0;
                if let Some(flaws) = entry.and_then(|raw| find_flaws(shape, raw, has_anomalies)) {
                    staging::set_flaws(s, list, position, &flaws)?;
                }
            }
            Ok(Some((reason, detail))) => staged.unstored.push((position, reason, detail)),
            Err(IngestError::Malformed(detail)) => staged.unstored.push((position, "malformed", Some(detail))),
            Err(IngestError::Store(e)) => return Err(e),
        }
    }
    Ok(staged)
}

fn stage_member(
    s: &mut WriteTx,
    list: i64,
    shape: EntryKind,
    parent: &str,
    position: i64,
    raw: &str,
    asked: &IngestContext,
) -> Result<(), IngestError> {
    let mut place = StagedItem { position, ..StagedItem::default() };
    let (saved, category, played_from): (SavedObject<'_>, Category<'_>, String);
    let (kind, id) = match shape {
        EntryKind::PlaylistItems => return Err(IngestError::Malformed("not a list of things".into())),
        EntryKind::Albums => ("album", album::write_album(s, &parse_object::<Album<'_>>(raw)?, asked, false)?),
        EntryKind::Tracks => ("track", track::write_track(s, &parse_object(raw)?, asked, true)?),
        EntryKind::AlbumTracks => {
            ("track", track::write_track_of_album(s, &parse_object::<Track<'_>>(raw)?, Some(parent), asked, false)?)
        }
        EntryKind::Episodes => {
            ("episode", show::write_episode(s, &parse_object::<Episode<'_>>(raw)?, asked, Some(parent), true)?)
        }
        EntryKind::Chapters => {
            ("chapter", audiobook::write_chapter(s, &parse_object(raw)?, asked, Some(parent), true)?)
        }
        EntryKind::Playlists => ("playlist", Some(playlist::write_playlist(s, &parse_object(raw)?, asked, false)?)),
        EntryKind::Artists => ("artist", artist::write_artist(s, &parse_object(raw)?, asked, true)?),
        EntryKind::Categories => {
            category = parse_object(raw)?;
            place.detail = plain(&category.name);
            let id = id(&category.id).map(str::to_owned);
            if let Some(id) = &id {
                artist::write_images(s, "category", id, &category.icons)?;
            }
            ("category", id)
        }
        EntryKind::Markets => {
            let code: String = serde_json::from_str(raw).map_err(|e| IngestError::Malformed(e.to_string()))?;
            ("market", Some(code))
        }
        EntryKind::Saved(kind) => {
            saved = parse_object(raw)?;
            place.added_at = plain(&saved.added_at).or(plain(&saved.played_at));
            if let Some(context) = saved.context.value() {
                played_from = serde_json::json!([plain(&context.kind), plain(&context.uri)]).to_string();
                place.detail = Some(&played_from);
            }
            let inside = match kind {
                EntityKind::Track => saved.track,
                EntityKind::Album => saved.album,
                EntityKind::Show => saved.show,
                EntityKind::Episode => saved.episode,
                EntityKind::Audiobook => saved.audiobook,
                _ => None,
            };
            // Spotify documents audiobooks without the wrapper object.
            let id = super::ingest_entity(s, kind, inside.map_or(raw, RawValue::get), asked)?;
            (kind.as_str(), Some(id))
        }
    };
    let id = id.ok_or_else(|| IngestError::Malformed("it has no id".into()))?;
    staging::stage(s, list, &StagedItem { kind, item_id: Some(&id), ..place })?;
    Ok(())
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
