//! The kinds of things that have a Spotify id.

use std::fmt;

/// A kind of thing that Spotify gives an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EntityKind {
    /// An album, single or compilation.
    Album,
    /// An artist.
    Artist,
    /// A track.
    Track,
    /// A playlist.
    Playlist,
    /// A podcast.
    Show,
    /// An episode of a podcast.
    Episode,
    /// An audiobook.
    Audiobook,
    /// A chapter of an audiobook.
    Chapter,
    /// A user; the one kind with ids of free text.
    User,
}

impl EntityKind {
    /// Every kind.
    pub const ALL: [EntityKind; 9] = [
        EntityKind::Album,
        EntityKind::Artist,
        EntityKind::Track,
        EntityKind::Playlist,
        EntityKind::Show,
        EntityKind::Episode,
        EntityKind::Audiobook,
        EntityKind::Chapter,
        EntityKind::User,
    ];

    /// The word in `spotify:WORD:ID` and `open.spotify.com/WORD/ID`.
    pub fn as_str(self) -> &'static str {
        match self {
            EntityKind::Album => "album",
            EntityKind::Artist => "artist",
            EntityKind::Track => "track",
            EntityKind::Playlist => "playlist",
            EntityKind::Show => "show",
            EntityKind::Episode => "episode",
            EntityKind::Audiobook => "audiobook",
            EntityKind::Chapter => "chapter",
            EntityKind::User => "user",
        }
    }
}

impl EntityKind {
    /// The word for many of them, which is the key of a page of them and the path of a batch read.
    pub fn plural(self) -> &'static str {
        match self {
            EntityKind::Album => "albums",
            EntityKind::Artist => "artists",
            EntityKind::Track => "tracks",
            EntityKind::Playlist => "playlists",
            EntityKind::Show => "shows",
            EntityKind::Episode => "episodes",
            EntityKind::Audiobook => "audiobooks",
            EntityKind::Chapter => "chapters",
            EntityKind::User => "users",
        }
    }
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
