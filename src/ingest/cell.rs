//! Converts fields of a response to cells of a row.

use crate::store::CellValue;
use spotify_client::wire::{ExternalUrls, JsonField, JsonInt, JsonText};

pub(super) fn text<'a>(field: &'a JsonField<JsonText<'_>>) -> CellValue<'a> {
    match field {
        JsonField::Absent => CellValue::Absent,
        JsonField::Null => CellValue::Null,
        JsonField::Value(text) => CellValue::Text(text),
    }
}

pub(super) fn int(field: &JsonField<JsonInt>) -> CellValue<'static> {
    match field {
        JsonField::Absent => CellValue::Absent,
        JsonField::Null => CellValue::Null,
        JsonField::Value(number) => CellValue::Int(number.0),
    }
}

pub(super) fn boolean(field: &JsonField<bool>) -> CellValue<'static> {
    match field {
        JsonField::Absent => CellValue::Absent,
        JsonField::Null => CellValue::Null,
        JsonField::Value(flag) => CellValue::Int(i64::from(*flag)),
    }
}

/// Converts a field inside an object that may itself be absent or null.
pub(super) fn inner<'a, T>(field: &'a JsonField<T>, cell: impl FnOnce(&'a T) -> CellValue<'a>) -> CellValue<'a> {
    match field {
        JsonField::Absent => CellValue::Absent,
        JsonField::Null => CellValue::Null,
        JsonField::Value(object) => cell(object),
    }
}

pub(super) fn link<'a>(field: &'a JsonField<ExternalUrls<'_>>) -> CellValue<'a> {
    match field {
        JsonField::Value(links) => text(&links.spotify),
        _ => CellValue::Absent,
    }
}

/// Returns the text of a field, if it has one.
pub(super) fn plain<'a>(field: &'a JsonField<JsonText<'_>>) -> Option<&'a str> {
    field.value().map(|text| &**text)
}

/// Returns the id in a field. An empty id counts as none.
pub(super) fn id<'a>(field: &'a JsonField<JsonText<'_>>) -> Option<&'a str> {
    plain(field).filter(|id| !id.is_empty())
}

/// Returns the number of a field, if it has one.
pub(super) fn number(field: &JsonField<JsonInt>) -> Option<i64> {
    field.value().map(|n| n.0)
}
