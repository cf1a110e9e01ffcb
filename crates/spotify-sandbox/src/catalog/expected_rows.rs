//! The expected rows of a playlist export.
//!
//! They come directly from the catalog, by code that is independent of the served pages, so that exports can be
//! compared with them.

use serde::{Deserialize, Serialize};

use super::{CatalogKind, CatalogPlaylist, MusicCatalog, OddShape, PlaylistRow, RowAddedBy, RowContent};

/// The expected row at one position of a playlist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExpectedRow {
    /// Position from 0; nulls count.
    pub position: usize,
    /// `track`, `episode`, `local` or `unavailable` (a null item).
    pub kind: String,
    /// URI of the item; `None` for a null item.
    pub uri: Option<String>,
    /// When the item was added, as sent.
    pub added_at: Option<String>,
    /// Id of the user who added the item, as sent: `None` for null, and empty for an empty id.
    pub added_by: Option<String>,
    /// Id of the track or episode; `None` for a local file.
    pub id: Option<String>,
    /// Name of the track or episode.
    pub name: Option<String>,
    /// Ids of the artists in order.
    pub artist_ids: Vec<String>,
    /// Names of the artists in order; a local file has at most one.
    pub artist_names: Vec<String>,
    /// Id of the album.
    pub album_id: Option<String>,
    /// Name of the album.
    pub album_name: Option<String>,
    /// `album`, `single` or `compilation`.
    pub album_type: Option<String>,
    /// Id of the show of an episode.
    pub show_id: Option<String>,
    /// Name of the show of an episode.
    pub show_name: Option<String>,
    /// International recording code.
    pub isrc: Option<String>,
    /// Release date of the album or episode, with the precision of `release_date_precision`.
    pub release_date: Option<String>,
    /// `year`, `month` or `day`.
    pub release_date_precision: Option<String>,
    /// Duration as an integer, even if it was sent as a float.
    pub duration_ms: Option<u64>,
    /// Whether the item is explicit.
    pub explicit: Option<bool>,
    /// Track number on its disc.
    pub track_number: Option<u64>,
    /// Disc number.
    pub disc_number: Option<u64>,
}

/// What the sandbox knows about a track, as a row without a time and a person.
pub(crate) fn expected_track(music: &MusicCatalog, id: &str) -> Option<ExpectedRow> {
    let index = music.find(CatalogKind::Track, id)?;
    let row = PlaylistRow {
        added_at: None,
        added_by: RowAddedBy::Null,
        content: RowContent::Track(index),
        both_keys: false,
        extra_keys: false,
    };
    Some(expected_row(music, row, 0))
}

/// Every row of a playlist.
pub(crate) fn expected_rows(music: &MusicCatalog, list: &CatalogPlaylist) -> Vec<ExpectedRow> {
    (0..list.len()).map(|n| expected_row(music, list.row(n), n)).collect()
}

fn expected_row(music: &MusicCatalog, row: PlaylistRow, position: usize) -> ExpectedRow {
    let blank = ExpectedRow {
        position,
        kind: "unavailable".to_owned(),
        added_at: row.added_at,
        added_by: match row.added_by {
            RowAddedBy::Null => None,
            RowAddedBy::User(id) => Some(id),
        },
        uri: None,
        id: None,
        name: None,
        artist_ids: Vec::new(),
        artist_names: Vec::new(),
        album_id: None,
        album_name: None,
        album_type: None,
        show_id: None,
        show_name: None,
        isrc: None,
        release_date: None,
        release_date_precision: None,
        duration_ms: None,
        explicit: None,
        track_number: None,
        disc_number: None,
    };
    let content = match &row.content {
        // Whatever its shape, the values of an item are plain or known from elsewhere.
        RowContent::Odd(OddShape::UnknownType, content) => {
            let known = row_of_content(music, content, blank.clone());
            let uri = known.uri.map(|uri| uri.replace(":track:", ":clip:"));
            return ExpectedRow { kind: "clip".to_owned(), uri, name: known.name, ..blank };
        }
        RowContent::Odd(_, content) => content,
        content => content,
    };
    row_of_content(music, content, blank)
}

/// The expected row of an item in its usual shape.
fn row_of_content(music: &MusicCatalog, content: &RowContent, blank: ExpectedRow) -> ExpectedRow {
    match content {
        RowContent::Null | RowContent::Odd(..) => blank,
        RowContent::Track(index) => {
            let track = &music.tracks[*index];
            let album = &music.albums[track.album];
            let artists = || track.artists.iter().map(|artist| &music.artists[*artist]);
            ExpectedRow {
                kind: "track".to_owned(),
                uri: Some(format!("spotify:track:{}", track.id)),
                id: Some(track.id.clone()),
                name: Some(track.name.clone()),
                artist_ids: artists().map(|artist| artist.id.clone()).collect(),
                artist_names: artists().map(|artist| artist.name.clone()).collect(),
                album_id: Some(album.id.clone()),
                album_name: Some(album.name.clone()),
                album_type: album.kind.map(str::to_owned),
                isrc: track.isrc.clone(),
                release_date: Some(album.release_date.clone()),
                release_date_precision: Some(album.precision.to_owned()),
                duration_ms: Some(track.duration_ms),
                explicit: Some(track.explicit),
                track_number: Some(track.track_number),
                disc_number: Some(track.disc_number),
                ..blank
            }
        }
        RowContent::Episode(index) => {
            let episode = &music.episodes[*index];
            let show = &music.shows[episode.show];
            ExpectedRow {
                kind: "episode".to_owned(),
                uri: Some(format!("spotify:episode:{}", episode.id)),
                id: Some(episode.id.clone()),
                name: Some(episode.name.clone()),
                show_id: Some(show.id.clone()),
                show_name: Some(show.name.clone()),
                release_date: Some(episode.release_date.clone()),
                release_date_precision: Some(episode.precision.to_owned()),
                duration_ms: Some(episode.duration_ms),
                explicit: Some(episode.explicit),
                ..blank
            }
        }
        RowContent::Local(local) => ExpectedRow {
            kind: "local".to_owned(),
            uri: Some(local.uri()),
            name: Some(local.title.clone()),
            artist_names: vec![local.artist.clone()],
            album_name: local.album.clone(),
            duration_ms: Some(local.secs.unwrap_or_default() * 1000),
            explicit: Some(false),
            track_number: Some(0),
            disc_number: Some(0),
            ..blank
        },
    }
}
