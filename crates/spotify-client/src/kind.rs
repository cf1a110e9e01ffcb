//! The nouns of Spotify's that have ids.

use std::fmt;

/// A kind of thing that Spotify gives an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
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
    /// A user; the one kind whose ids are free text.
    User,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 9] = [
        Kind::Album,
        Kind::Artist,
        Kind::Track,
        Kind::Playlist,
        Kind::Show,
        Kind::Episode,
        Kind::Audiobook,
        Kind::Chapter,
        Kind::User,
    ];

    /// The word in `spotify:WORD:ID` and `open.spotify.com/WORD/ID`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Album => "album",
            Kind::Artist => "artist",
            Kind::Track => "track",
            Kind::Playlist => "playlist",
            Kind::Show => "show",
            Kind::Episode => "episode",
            Kind::Audiobook => "audiobook",
            Kind::Chapter => "chapter",
            Kind::User => "user",
        }
    }
}

impl Kind {
    /// The word for many of them, which is the key of a page of them and the path of a batch read.
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Album => "albums",
            Kind::Artist => "artists",
            Kind::Track => "tracks",
            Kind::Playlist => "playlists",
            Kind::Show => "shows",
            Kind::Episode => "episodes",
            Kind::Audiobook => "audiobooks",
            Kind::Chapter => "chapters",
            Kind::User => "users",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
