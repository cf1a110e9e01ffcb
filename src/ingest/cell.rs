//! From fields of an answer to cells of a row.

use crate::store::Cell;
use spotify_client::wire::{Field, Int, Links, Text};

/// A text.
pub(super) fn text<'a>(field: &'a Field<Text<'_>>) -> Cell<'a> {
    match field {
        Field::Absent => Cell::Absent,
        Field::Null => Cell::Null,
        Field::Value(text) => Cell::Text(text),
    }
}

/// A number.
pub(super) fn int(field: &Field<Int>) -> Cell<'static> {
    match field {
        Field::Absent => Cell::Absent,
        Field::Null => Cell::Null,
        Field::Value(number) => Cell::Int(number.0),
    }
}

/// A boolean.
pub(super) fn boolean(field: &Field<bool>) -> Cell<'static> {
    match field {
        Field::Absent => Cell::Absent,
        Field::Null => Cell::Null,
        Field::Value(flag) => Cell::Int(i64::from(*flag)),
    }
}

/// A cell from inside an object that may itself be absent or null.
pub(super) fn inner<'a, T>(field: &'a Field<T>, cell: impl FnOnce(&'a T) -> Cell<'a>) -> Cell<'a> {
    match field {
        Field::Absent => Cell::Absent,
        Field::Null => Cell::Null,
        Field::Value(object) => cell(object),
    }
}

/// The link to Spotify.
pub(super) fn link<'a>(field: &'a Field<Links<'_>>) -> Cell<'a> {
    match field {
        Field::Value(links) => text(&links.spotify),
        _ => Cell::Absent,
    }
}

/// The text of a field, if it has one.
pub(super) fn plain<'a>(field: &'a Field<Text<'_>>) -> Option<&'a str> {
    field.value().map(|text| &**text)
}

/// An id: a text that is not empty.
pub(super) fn id<'a>(field: &'a Field<Text<'_>>) -> Option<&'a str> {
    plain(field).filter(|id| !id.is_empty())
}

/// The number of a field, if it has one.
pub(super) fn number(field: &Field<Int>) -> Option<i64> {
    field.value().map(|n| n.0)
}
