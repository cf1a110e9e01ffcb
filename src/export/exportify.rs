//! The columns of watsonbox/exportify with the same names and order, so that notebooks made for its files
//! can read the files of this program.
//!
//! As in exportify, lists are joined with `", "`, a comma inside a name is written `\,`, and items that are
//! null have no row. Values that Spotify has withdrawn (previews, popularity) are empty.

use std::borrow::Cow;

use super::csv_column::CsvColumn;
use super::error::ExportError;
use crate::stream::{ColumnType, Stream, StreamTable};

/// Header, column of the view, type and description of each column.
const COLUMNS: &[(&str, &str, ColumnType, &str)] = &[
    ("Track URI", "uri", ColumnType::Text, "spotify: URI of the item"),
    ("Track Name", "item_name", ColumnType::Text, "title"),
    ("Artist URI(s)", "artist_uris", ColumnType::List, "spotify: URIs of its artists, in order"),
    ("Artist Name(s)", "artist_names", ColumnType::List, "names of its artists, in order; a comma in a name is \\,"),
    ("Album URI", "album_uri", ColumnType::Text, "spotify: URI of its album"),
    ("Album Name", "album_name", ColumnType::Text, "title of its album"),
    ("Album Artist URI(s)", "album_artist_uris", ColumnType::List, "spotify: URIs of the album's artists, in order"),
    (
        "Album Artist Name(s)",
        "album_artist_names",
        ColumnType::List,
        "names of the album's artists; a comma in a name is \\,",
    ),
    ("Album Release Date", "release_date", ColumnType::Text, "as Spotify states it: YYYY, YYYY-MM or YYYY-MM-DD"),
    ("Album Image URL", "album_image_url", ColumnType::Text, "largest cover of the album"),
    ("Disc Number", "disc_number", ColumnType::Integer, "disc, from 1"),
    ("Track Number", "track_number", ColumnType::Integer, "number on its disc, from 1"),
    ("Track Duration (ms)", "duration_ms", ColumnType::Integer, "length in milliseconds"),
    ("Track Preview URL", "preview_url", ColumnType::Text, "30-second preview, if Spotify still offers one"),
    ("Explicit", "explicit", ColumnType::Boolean, "marked as explicit by Spotify"),
    ("Popularity", "popularity", ColumnType::Integer, "0 to 100; Extended Quota apps only"),
    ("ISRC", "isrc", ColumnType::Text, "International Standard Recording Code"),
    ("Added By", "added_by_uri", ColumnType::Text, "spotify: URI of the user who added it"),
    ("Added At", "added_at", ColumnType::Time, "time when it was added"),
];

/// The column names in the stream's view, and the columns of the file.
pub(super) fn columns(stream: &Stream) -> Result<(Vec<&'static str>, Vec<CsvColumn>), ExportError> {
    if !stream.has_exportify {
        return Err(ExportError::NoExportify { stream: stream.name.into() });
    }
    let columns = COLUMNS.iter().map(|(header, name, kind, about)| {
        (*name, CsvColumn { header: Cow::Borrowed(header), column_type: Some(*kind), about })
    });
    Ok(columns.unzip())
}

/// The SQL condition that leaves out null items.
pub(super) fn leaves_out(stream: &Stream) -> Option<&'static str> {
    (stream.table == StreamTable::PlaylistItems).then_some("i.kind <> 'unavailable'")
}
