//! From fields of an answer to cells of a row.

use crate::store::CellValue;
use spotify_client::wire::{ExternalUrls, JsonField, JsonInt, JsonText};

/// A text.
pub(super) fn text<'a>(field: &'a JsonField<JsonText<'_>>) -> CellValue<'a> {
    match field {
        JsonField::Absent | JsonField::Unreadable => CellValue::Absent,
        JsonField::Null => CellValue::Null,
        JsonField::Value(text) => CellValue::Text(text),
    }
}

/// A text that every object of its kind has, such as a name. Spotify blanks such fields of objects that are no
/// longer available, so null and the empty text do not replace a known value.
pub(super) fn required_text<'a>(field: &'a JsonField<JsonText<'_>>) -> CellValue<'a> {
    id(field).map_or(CellValue::Absent, CellValue::Text)
}

/// A release date or its precision. Objects that are no longer available come with the date `0000`, which does
/// not replace a known one.
pub(super) fn release_date<'a>(date: &JsonField<JsonText<'_>>, field: &'a JsonField<JsonText<'_>>) -> CellValue<'a> {
    if id(date).is_none_or(|date| date.starts_with("0000")) { CellValue::Absent } else { required_text(field) }
}

/// A number that is never zero, such as a duration: null and zero do not replace a known value.
pub(super) fn positive_int(field: &JsonField<JsonInt>) -> CellValue<'static> {
    number(field).filter(|number| *number > 0).map_or(CellValue::Absent, CellValue::Int)
}

/// A number.
pub(super) fn int(field: &JsonField<JsonInt>) -> CellValue<'static> {
    match field {
        JsonField::Absent | JsonField::Unreadable => CellValue::Absent,
        JsonField::Null => CellValue::Null,
        JsonField::Value(number) => CellValue::Int(number.0),
    }
}

/// A boolean.
pub(super) fn boolean(field: &JsonField<bool>) -> CellValue<'static> {
    match field {
        JsonField::Absent | JsonField::Unreadable => CellValue::Absent,
        JsonField::Null => CellValue::Null,
        JsonField::Value(flag) => CellValue::Int(i64::from(*flag)),
    }
}

/// A cell from inside an object that may itself be absent or null.
pub(super) fn inner<'a, T>(field: &'a JsonField<T>, cell: impl FnOnce(&'a T) -> CellValue<'a>) -> CellValue<'a> {
    match field {
        JsonField::Absent | JsonField::Unreadable => CellValue::Absent,
        JsonField::Null => CellValue::Null,
        JsonField::Value(object) => cell(object),
    }
}

/// The link to Spotify.
pub(super) fn link<'a>(field: &'a JsonField<ExternalUrls<'_>>) -> CellValue<'a> {
    match field {
        JsonField::Value(links) => text(&links.spotify),
        _ => CellValue::Absent,
    }
}

/// The text of a field, if it has one.
pub(super) fn plain<'a>(field: &'a JsonField<JsonText<'_>>) -> Option<&'a str> {
    field.value().map(|text| &**text)
}

/// An id: a text that is not empty.
pub(super) fn id<'a>(field: &'a JsonField<JsonText<'_>>) -> Option<&'a str> {
    plain(field).filter(|id| !id.is_empty())
}

/// The number of a field, if it has one.
pub(super) fn number(field: &JsonField<JsonInt>) -> Option<i64> {
    field.value().map(|n| n.0)
}
