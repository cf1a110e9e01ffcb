//! The endpoint families: for budgets and cool-downs, and as the name of a route in logs.
//!
//! Spotify counts quota in unpublished buckets. The observations fit one bucket for each kind of route,
//! and that is what a family is. A batch read belongs to the family of its single reads.

use std::sync::{Mutex, PoisonError};

pub use crate::http::family::EndpointFamily;

macro_rules! families {
    ($($constant:ident $name:literal $what:literal;)*) => {
        impl EndpointFamily {
            $(#[doc = $what] pub const $constant: EndpointFamily = EndpointFamily::new($name);)*

            /// All families.
            pub const ALL: &'static [EndpointFamily] = &[$(EndpointFamily::$constant),*];
        }
    };
}

families! {
    PLAYLISTS "playlists" "`/playlists/{id}`";
    PLAYLIST_ITEMS "playlist_items" "`/playlists/{id}/items`, `/playlists/{id}/tracks`";
    ALBUMS "albums" "`/albums/{id}`, `/albums?ids`";
    ALBUM_TRACKS "album_tracks" "`/albums/{id}/tracks`";
    ARTISTS "artists" "`/artists/{id}`, `/artists?ids`";
    ARTIST_ALBUMS "artist_albums" "`/artists/{id}/albums`";
    ARTIST_TOP_TRACKS "artist_top_tracks" "`/artists/{id}/top-tracks`";
    TRACKS "tracks" "`/tracks/{id}`, `/tracks?ids`";
    SHOWS "shows" "`/shows/{id}`, `/shows?ids`";
    SHOW_EPISODES "show_episodes" "`/shows/{id}/episodes`";
    EPISODES "episodes" "`/episodes/{id}`, `/episodes?ids`";
    AUDIOBOOKS "audiobooks" "`/audiobooks/{id}`, `/audiobooks?ids`";
    AUDIOBOOK_CHAPTERS "audiobook_chapters" "`/audiobooks/{id}/chapters`";
    CHAPTERS "chapters" "`/chapters/{id}`, `/chapters?ids`";
    USERS "users" "`/users/{id}`";
    USER_PLAYLISTS "user_playlists" "`/users/{id}/playlists`";
    NEW_RELEASES "new_releases" "`/browse/new-releases`";
    CATEGORIES "categories" "`/browse/categories`";
    MARKETS "markets" "`/markets`";
    SEARCH "search" "`/search`";
    ME "me" "`/me`";
    MY_PLAYLISTS "my_playlists" "`/me/playlists`";
    SAVED_TRACKS "saved_tracks" "`/me/tracks`";
    SAVED_ALBUMS "saved_albums" "`/me/albums`";
    SAVED_SHOWS "saved_shows" "`/me/shows`";
    SAVED_EPISODES "saved_episodes" "`/me/episodes`";
    SAVED_AUDIOBOOKS "saved_audiobooks" "`/me/audiobooks`";
    FOLLOWED_ARTISTS "followed_artists" "`/me/following`";
    TOP_ARTISTS "top_artists" "`/me/top/artists`";
    TOP_TRACKS "top_tracks" "`/me/top/tracks`";
    RECENTLY_PLAYED "recently_played" "`/me/player/recently-played`";
}

impl EndpointFamily {
    /// The family with this name.
    pub fn from_name(name: &str) -> Option<EndpointFamily> {
        EndpointFamily::ALL.iter().copied().find(|it| it.as_str() == name)
    }

    /// The family of a name that was stored. A name that this version does not know is kept for the life of
    /// the process: there are as many of them as an older version had families.
    pub(crate) fn from_stored(name: &str) -> EndpointFamily {
        static UNKNOWN: Mutex<Vec<EndpointFamily>> = Mutex::new(Vec::new());
        if let Some(family) = EndpointFamily::from_name(name) {
            return family;
        }
        let mut unknown = UNKNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(family) = unknown.iter().find(|it| it.as_str() == name) {
            return *family;
        }
        let family = EndpointFamily::new(name.to_owned().leak());
        unknown.push(family);
        family
    }

    /// Whether the family needs the token of a signed-in user.
    pub fn requires_user(self) -> bool {
        [
            EndpointFamily::ME,
            EndpointFamily::MY_PLAYLISTS,
            EndpointFamily::SAVED_TRACKS,
            EndpointFamily::SAVED_ALBUMS,
            EndpointFamily::SAVED_SHOWS,
            EndpointFamily::SAVED_EPISODES,
            EndpointFamily::SAVED_AUDIOBOOKS,
            EndpointFamily::FOLLOWED_ARTISTS,
            EndpointFamily::TOP_ARTISTS,
            EndpointFamily::TOP_TRACKS,
            EndpointFamily::RECENTLY_PLAYED,
        ]
        .contains(&self)
    }

    /// Whether Development Mode apps lost all routes of the family in February 2026.
    pub fn removed_in_development(self) -> bool {
        [
            EndpointFamily::ARTIST_TOP_TRACKS,
            EndpointFamily::USERS,
            EndpointFamily::USER_PLAYLISTS,
            EndpointFamily::NEW_RELEASES,
            EndpointFamily::CATEGORIES,
            EndpointFamily::MARKETS,
        ]
        .contains(&self)
    }
}
