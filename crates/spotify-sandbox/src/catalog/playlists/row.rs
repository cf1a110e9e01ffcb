//! One position of a playlist.

use crate::catalog::CatalogIndex;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowContent {
    Null,
    Track(CatalogIndex),
    Episode(CatalogIndex),
    Local(Box<LocalFile>),
    /// Another content, written in a way that Spotify does not document.
    Odd(OddShape, Box<RowContent>),
}

/// A way in which Spotify has written an item that it does not document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OddShape {
    /// The duration is an object.
    DurationObject,
    /// One of the artists is null.
    NullArtist,
    /// One of the album's images is null.
    NullImage,
    /// `explicit` is a text.
    ExplicitText,
    /// An item of a type that no documentation names.
    UnknownType,
    /// Name, album, artists, date and duration are blank.
    Blank,
    /// An episode in the shape of a track.
    EpisodeAsTrack,
}

/// A local file of a user. Spotify knows only its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalFile {
    pub(crate) artist: String,
    /// `None` if the album is null.
    pub(crate) album: Option<String>,
    pub(crate) title: String,
    pub(crate) secs: Option<u64>,
}

impl LocalFile {
    /// `spotify:local:ARTIST:ALBUM:TITLE:SECONDS`, form-encoded.
    pub(crate) fn uri(&self) -> String {
        let part = |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
        format!(
            "spotify:local:{}:{}:{}:{}",
            part(&self.artist),
            part(self.album.as_deref().unwrap_or_default()),
            part(&self.title),
            self.secs.map(|secs| secs.to_string()).unwrap_or_default()
        )
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RowAddedBy {
    Null,
    /// A user id; empty in old rows.
    User(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlaylistRow {
    pub(crate) added_at: Option<String>,
    pub(crate) added_by: RowAddedBy,
    pub(crate) content: RowContent,
    /// Whether `item` and `track` are both sent.
    pub(crate) both_keys: bool,
    pub(crate) extra_keys: bool,
}
