//! Turns Spotify's responses into rows: wire types in, upserts out.
//!
//! There is one file per noun. Each function writes one entity together with everything nested in it and
//! returns its id. Nested entities are written first, because foreign keys are checked after every statement.
//! An object that cannot be parsed is [`IngestError::Malformed`]: the caller records it and continues.

mod album;
mod artist;
mod audiobook;
mod cell;
mod code;
mod exported_history;
mod findings;
mod flaws;
mod html_entities;
mod list;
mod other_group;
mod other_kind;
mod playlist;
mod search;
mod show;
mod track;
mod user;

pub use code::{CodeCheck, CodeHit, SearchedCode, write_code_hit};
pub use exported_history::ExportedHistory;
pub use list::{StagedPage, ensure_row, stage_entries};
pub use other_kind::is_other_kind;
pub use search::{SearchWindow, StagedSearchPage, discard_search, stage_search};

use crate::store::children::{self, KnownValues};
use crate::store::{CellValue, EntityTable, FieldCounts, FieldProblem, StoreError, WriteTx, entity};
use findings::EntryFindings;
use serde::Deserialize;
use spotify_client::EntityKind;
use spotify_client::json_repair::repair_object;
use spotify_client::wire::{Episode, JsonField, JsonList, RawEntry, Track, take_anomaly_count};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

/// What the request of a response was sent with.
#[derive(Debug, Clone)]
pub struct IngestContext {
    /// When the response arrived, in the store's time format.
    pub now: String,
    /// Requested market; empty if there was none.
    pub market: String,
    /// Spotify's id of the owner of the used token; none for a token of the app.
    pub user_id: Option<String>,
    findings: EntryFindings,
}

impl IngestContext {
    /// A response that arrived now, for a request with these values.
    pub fn new(now: String, market: String, user_id: Option<String>) -> IngestContext {
        IngestContext { now, market, user_id, findings: EntryFindings::default() }
    }

    /// Problems in the fields of the entity that was written last.
    pub fn take_findings(&self, id: Option<&str>) -> FieldCounts {
        let mut counts = FieldCounts::new();
        self.findings.move_to(&mut counts, id);
        counts
    }
}

/// Why an object was not written.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The JSON is not what Spotify documents.
    #[error("{0}")]
    Malformed(String),
    /// The store could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Parses a raw object, and notes the fields that were not of the documented type. Arrays are refused: serde would
/// map their values to the fields of the object in order.
fn parse_object<'a, T: Deserialize<'a>>(raw: &'a str, asked: &IngestContext) -> Result<T, IngestError> {
    if !raw.trim_start().starts_with('{') {
        return Err(IngestError::Malformed("it is not an object".into()));
    }
    take_anomaly_count();
    let object = serde_json::from_str(raw).map_err(|e| IngestError::Malformed(e.to_string()))?;
    if take_anomaly_count() > 0 {
        asked.findings.note_anomalies::<T>(raw);
    }
    Ok(object)
}

/// The object in a field of an entry. A value of another type is noted, and counts as absent.
fn inner_object<'a>(raw: RawEntry<'a>, field: &'static str, asked: &IngestContext) -> Option<&'a str> {
    let raw = raw?.get();
    let sent = match raw.as_bytes().first() {
        Some(b'{') => return Some(raw),
        Some(b'[') => "list",
        Some(b'"') => "text",
        Some(b't' | b'f') => "boolean",
        _ => "number",
    };
    asked.findings.note(field, FieldProblem::Unreadable, sent, Some(raw.chars().take(80).collect()));
    None
}

/// Writes an entity, and notes its blank cells, which Spotify sends for items that are no longer available.
fn write_row(
    s: &mut WriteTx,
    table: &EntityTable,
    id: &str,
    cells: &[CellValue<'_>],
    asked: &IngestContext,
    whole: bool,
) -> Result<(), StoreError> {
    for (column, cell) in table.columns.iter().zip(cells) {
        match cell {
            // Each object of every kind has a name.
            CellValue::Absent if *column == "name" && !asked.findings.has(column) => {
                asked.findings.note(column, FieldProblem::Blank, "absent", None);
            }
            CellValue::BlankText(_) | CellValue::BlankInt(_) => {
                asked.findings.note(column, FieldProblem::Blank, "blank", None);
            }
            // These may be all that there is.
            CellValue::EmptyText(_) | CellValue::KeptNull if entity::has_value(s, table, id, column)? => {
                let sent = if *cell == CellValue::KeptNull { "null" } else { "blank" };
                asked.findings.note(column, FieldProblem::Blank, sent, None);
            }
            _ => {}
        }
    }
    entity::upsert(s, table, id, cells, &asked.now, whole)
}

/// Notes a list of an entity that came empty or as null although its values are known. They stay.
fn note_kept_list<T>(
    s: &WriteTx,
    list: KnownValues<'_>,
    id: &str,
    (path, field): (&str, &JsonField<JsonList<T>>),
    asked: &IngestContext,
) -> Result<(), StoreError> {
    let sent = match field {
        JsonField::Null => "null",
        JsonField::Value(values) if values.is_empty() && !values.has_gaps => "blank",
        _ => return Ok(()),
    };
    if children::has_values(s, list, id)? {
        asked.findings.note(path, FieldProblem::Blank, sent, None);
    }
    Ok(())
}

/// Identifies an object by its bytes and its request, so that equal objects are written only once.
struct Fingerprint {
    key: u128,
    context: u64,
}

impl Fingerprint {
    fn from_raw(raw: &str, whole: bool, asked: &IngestContext) -> Fingerprint {
        // Values that depend on the market or the user are stored under these.
        let user = asked.user_id.as_deref().unwrap_or_default();
        let context = xxh3_64_with_seed(user.as_bytes(), xxh3_64(asked.market.as_bytes()));
        Fingerprint { key: xxh3_128(raw.as_bytes()), context: context ^ u64::from(whole) }
    }

    /// Whether this object was already written in this run.
    fn was_written(&self, session: &WriteTx) -> bool {
        session.was_written(self.key, self.context)
    }

    /// Call this after the object is written.
    fn remember_written(&self, session: &mut WriteTx) {
        session.remember_written(self.key, self.context);
    }
}

/// Writes one complete entity of a kind and returns its id.
///
/// # Errors
/// If it is malformed, has neither id nor URI, or the store cannot be written.
pub fn ingest_entity(
    session: &mut WriteTx,
    kind: EntityKind,
    raw: &str,
    asked: &IngestContext,
) -> Result<String, IngestError> {
    asked.findings.discard();
    if let Some(other) = other_kind::find_other_kind(kind, raw) {
        return Err(IngestError::Malformed(other_kind::describe_other_kind(other, raw)));
    }
    with_repair(raw, asked, |raw| write_entity(session, kind, raw, asked))
}

/// Reads a raw object, and where that fails because of one value, again without that value.
fn with_repair<T>(
    raw: &str,
    asked: &IngestContext,
    mut read: impl FnMut(&str) -> Result<T, IngestError>,
) -> Result<T, IngestError> {
    let first = read(raw);
    if let Err(IngestError::Malformed(_)) = &first
        && let Some(repaired) = repair_object(raw)
    {
        asked.findings.discard();
        return read(&repaired);
    }
    first
}

fn write_entity(s: &mut WriteTx, kind: EntityKind, raw: &str, asked: &IngestContext) -> Result<String, IngestError> {
    let id = match kind {
        EntityKind::Album => album::write_album(s, &parse_object(raw, asked)?, asked, true)?,
        EntityKind::Artist => artist::write_artist(s, &parse_object(raw, asked)?, asked, true)?,
        EntityKind::Track => track::write_track(s, &parse_object(raw, asked)?, asked, true)?,
        EntityKind::Playlist => Some(playlist::write_playlist(s, &parse_object(raw, asked)?, asked, true)?),
        EntityKind::Show => show::write_show(s, &parse_object(raw, asked)?, asked, true)?,
        EntityKind::Episode => show::write_episode(s, &parse_object(raw, asked)?, asked, None, true)?,
        EntityKind::Audiobook => audiobook::write_audiobook(s, &parse_object(raw, asked)?, asked, true)?,
        EntityKind::Chapter => audiobook::write_chapter(s, &parse_object(raw, asked)?, asked, None, true)?,
        EntityKind::User => user::write_user(s, &parse_object(raw, asked)?, asked, true)?,
    };
    id.ok_or_else(no_id)
}

/// Writes an entity of a list, which is the whole one if it names what it belongs to. Otherwise a fetch of the entity
/// itself requests the rest.
fn write_listed_entity(
    s: &mut WriteTx,
    kind: EntityKind,
    raw: &str,
    asked: &IngestContext,
) -> Result<String, IngestError> {
    let id = match kind {
        EntityKind::Track => {
            let track: Track<'_> = parse_object(raw, asked)?;
            track::write_track(s, &track, asked, track.album.is_some())?
        }
        // In the shape of a track, an episode has its show as its album, and lacks most of its fields.
        EntityKind::Episode => {
            let episode: Episode<'_> = parse_object(raw, asked)?;
            show::write_episode(s, &episode, asked, None, episode.show.is_some())?
        }
        kind => return write_entity(s, kind, raw, asked),
    };
    id.ok_or_else(no_id)
}

fn no_id() -> IngestError {
    IngestError::Malformed("it has neither id nor URI".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_rows_are_separate_by_user_and_market() {
        let asked = |market: &str, user: Option<&str>| {
            IngestContext::new("2026-01-01T00:00:00.000Z".to_owned(), market.to_owned(), user.map(str::to_owned))
        };
        let of = |asked: IngestContext| Fingerprint::from_raw("{\"id\":\"e\"}", true, &asked).context;
        let all =
            [asked("", None), asked("", Some("a")), asked("", Some("b")), asked("DE", Some("a")), asked("a", None)];
        let contexts: std::collections::HashSet<u64> = all.map(of).into();
        assert_eq!(contexts.len(), 5);
    }
}
