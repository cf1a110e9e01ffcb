//! Converts fields of a response to cells of a row.

use super::IngestContext;
use crate::store::{CellValue, FieldProblem};
use spotify_client::EntityKind;
use spotify_client::wire::{ExternalUrls, JsonField, JsonInt, JsonText, JsonTime};

/// Converts a text for which null is a value, too.
pub(super) fn text<'a>(field: &'a JsonField<JsonText<'_>>) -> CellValue<'a> {
    match field {
        JsonField::Absent | JsonField::Unreadable => CellValue::Absent,
        JsonField::Null => CellValue::Null,
        JsonField::Value(text) => CellValue::Text(text),
    }
}

/// Returns the id of an object. It is noted where the id in the URI takes the place of a missing or another one.
pub(super) fn noted_id<'a>(
    id: &'a JsonField<JsonText<'_>>,
    uri: &'a JsonField<JsonText<'_>>,
    kind: EntityKind,
    asked: &IngestContext,
) -> Option<&'a str> {
    let found = spotify_client::wire::id_of(id, uri, kind);
    if let Some(own) = full_text(id).filter(|own| found.is_some_and(|found| found != *own)) {
        asked.findings.note("id", FieldProblem::Converted, "text", Some(own.chars().take(80).collect()));
    }
    if found.is_some() && full_text(id).is_none() {
        let uri = full_text(uri).map(|uri| uri.chars().take(80).collect());
        asked.findings.note("id", FieldProblem::Converted, "null", uri);
    }
    found
}

/// Converts a text that every object of its kind has, such as a name. Spotify blanks these fields of objects that
/// are no longer available, so null and the empty text do not replace a known value.
pub(super) fn required_text<'a>(field: &'a JsonField<JsonText<'_>>) -> CellValue<'a> {
    match field {
        JsonField::Absent | JsonField::Unreadable => CellValue::Absent,
        JsonField::Null => CellValue::KeptNull,
        JsonField::Value(text) if text.trim().is_empty() => CellValue::BlankText(text),
        JsonField::Value(text) => CellValue::Text(text),
    }
}

/// Converts a text that an object may lack, such as a description. One that was known does not vanish: null and the empty
/// text do not replace it.
pub(super) fn optional_text<'a>(field: &'a JsonField<JsonText<'_>>) -> CellValue<'a> {
    match required_text(field) {
        CellValue::BlankText(text) => CellValue::EmptyText(text),
        cell => cell,
    }
}

/// Converts a release date or its precision. An object that is no longer available comes with the date `0000`,
/// which does not replace a known one.
pub(super) fn release_date<'a>(date: &JsonField<JsonText<'_>>, field: &'a JsonField<JsonText<'_>>) -> CellValue<'a> {
    let is_blank = full_text(date).is_none_or(|date| date.starts_with("0000"));
    match required_text(field) {
        CellValue::Text(text) if is_blank => CellValue::BlankText(text),
        cell => cell,
    }
}

/// Converts a number that is never 0 for an available object, such as a duration: null and 0 do not replace a
/// known value.
pub(super) fn positive_int<'a>(field: &'a JsonField<JsonInt>) -> CellValue<'a> {
    match required_int(field) {
        CellValue::Int(0) => CellValue::BlankInt(0),
        cell => cell,
    }
}

/// Converts a number that every object of its kind has: null does not replace a known value.
pub(super) fn required_int<'a>(field: &'a JsonField<JsonInt>) -> CellValue<'a> {
    kept_null(field, |number| CellValue::Int(number.0))
}

/// Converts a flag that every object of its kind has: null does not replace a known value.
pub(super) fn required_boolean<'a>(field: &'a JsonField<bool>) -> CellValue<'a> {
    kept_null(field, |flag| CellValue::Int(i64::from(*flag)))
}

pub(super) fn boolean(field: &JsonField<bool>) -> CellValue<'static> {
    match field {
        JsonField::Absent | JsonField::Unreadable => CellValue::Absent,
        JsonField::Null => CellValue::Null,
        JsonField::Value(flag) => CellValue::Int(i64::from(*flag)),
    }
}

/// Converts a field inside an object. If the object is absent or null, a known value stays.
pub(super) fn inner<'a, T>(field: &'a JsonField<T>, cell: impl FnOnce(&'a T) -> CellValue<'a>) -> CellValue<'a> {
    kept_null(field, cell)
}

/// Converts a field in which null does not replace a known value.
fn kept_null<'a, T>(field: &'a JsonField<T>, cell: impl FnOnce(&'a T) -> CellValue<'a>) -> CellValue<'a> {
    match field {
        JsonField::Absent | JsonField::Unreadable => CellValue::Absent,
        JsonField::Null => CellValue::KeptNull,
        JsonField::Value(value) => cell(value),
    }
}

pub(super) fn link<'a>(field: &'a JsonField<ExternalUrls<'_>>) -> CellValue<'a> {
    kept_null(field, |links| optional_text(&links.spotify))
}

/// Returns the text of a field, if it has one.
pub(super) fn plain<'a>(field: &'a JsonField<JsonText<'_>>) -> Option<&'a str> {
    field.value().map(|text| &**text)
}

/// Returns the text in a field, unless it is blank.
pub(super) fn full_text<'a>(field: &'a JsonField<JsonText<'_>>) -> Option<&'a str> {
    plain(field).filter(|text| !text.trim().is_empty())
}

/// Returns the time in a field, unless it is blank.
pub(super) fn time<'a>(field: &'a JsonField<JsonTime<'_>>) -> Option<&'a str> {
    field.value().map(|time| &**time).filter(|time| !time.trim().is_empty())
}

/// Returns the URI of a local file.
pub(super) fn local_uri<'a>(uri: &'a JsonField<JsonText<'_>>) -> Option<&'a str> {
    plain(uri).filter(|uri| uri.starts_with(LOCAL_URI))
}

/// The start of the URI of a local file.
pub(super) const LOCAL_URI: &str = "spotify:local:";

/// Returns the number of a field, if it has one.
pub(super) fn number(field: &JsonField<JsonInt>) -> Option<i64> {
    field.value().map(|n| n.0)
}
