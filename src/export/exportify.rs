//! The columns of watsonbox/exportify, in its order and words, so that notebooks made for its files
//! read ours.
//!
//! As there: lists are joined with `", "`, a comma inside a name is written `\,`, and items that are
//! null have no row. What Spotify withdrew (previews, popularity) is empty.

use std::borrow::Cow;

use super::error::ExportError;
use super::sheet::SheetColumn;
use crate::stream::{Stream, Type};

/// Header, column of the view, and its type.
const COLUMNS: &[(&str, &str, Type, &str)] = &[
    ("Track URI", "uri", Type::Text, "spotify: URI of the item"),
    ("Track Name", "item_name", Type::Text, "title"),
    ("Artist URI(s)", "artist_uris", Type::List, "spotify: URIs of its artists, in order"),
    ("Artist Name(s)", "artist_names", Type::List, "names of its artists, in order; a comma in a name is \\,"),
    ("Album URI", "album_uri", Type::Text, "spotify: URI of its album"),
    ("Album Name", "album_name", Type::Text, "title of its album"),
    ("Album Artist URI(s)", "album_artist_uris", Type::List, "spotify: URIs of the album's artists, in order"),
    (
        "Album Artist Name(s)",
        "album_artist_names",
        Type::List,
        "names of the album's artists; a comma in a name is \\,",
    ),
    ("Album Release Date", "release_date", Type::Text, "as Spotify gives it: YYYY, YYYY-MM or YYYY-MM-DD"),
    ("Album Image URL", "album_image_url", Type::Text, "largest cover of the album"),
    ("Disc Number", "disc_number", Type::Integer, "disc, from 1"),
    ("Track Number", "track_number", Type::Integer, "number on its disc, from 1"),
    ("Track Duration (ms)", "duration_ms", Type::Integer, "length in milliseconds"),
    ("Track Preview URL", "preview_url", Type::Text, "30-second preview, where Spotify still gives one"),
    ("Explicit", "explicit", Type::Boolean, "carries Spotify's explicit label"),
    ("Popularity", "popularity", Type::Integer, "0 to 100; Extended Quota apps only"),
    ("ISRC", "isrc", Type::Text, "International Standard Recording Code"),
    ("Added By", "added_by_uri", Type::Text, "spotify: URI of the user who added it"),
    ("Added At", "added_at", Type::Time, "when it was added"),
];

/// Names in the stream's view, and the columns of the sheet.
pub(super) fn columns(stream: &Stream) -> Result<(Vec<&'static str>, Vec<SheetColumn>), ExportError> {
    if !stream.has_exportify() {
        return Err(ExportError::NoExportify { stream: stream.name.into() });
    }
    let columns = COLUMNS.iter().map(|(header, name, kind, about)| {
        (*name, SheetColumn { header: Cow::Borrowed(header), kind: Some(*kind), about })
    });
    Ok(columns.unzip())
}

/// The condition that leaves out null items.
pub(super) fn leaves_out(stream: &Stream) -> Option<&'static str> {
    stream.name.ends_with("playlist_items").then_some("i.kind <> 'unavailable'")
}
