//! Ids that do not depend on the seed, for tests and users.

/// A playlist of `home` with every known edge case of Spotify's lists: nulls, local files, episodes, duplicates,
/// dates in 1970, floats for integers, both key names at once, a `total` that is too large, and an empty page
/// that has a next page.
pub const EDGE_CASE_PLAYLIST: &str = "0SandboxOddPlaylist000";
/// A playlist of `home` with 50,020 items; the last twenty are edge cases. Its pages are computed when
/// they are requested.
pub const LARGE_PLAYLIST: &str = "0SandboxBigPlaylist000";
/// A playlist of `home` without items.
pub const EMPTY_PLAYLIST: &str = "0SandboxNilPlaylist000";
/// A playlist of `home` with 120 ordinary items.
pub const HOME_PLAYLIST: &str = "0SandboxHomePlaylist00";
/// A playlist of `studio` that `home` may edit too.
pub const SHARED_PLAYLIST: &str = "0SandboxOurPlaylist000";
/// A private playlist of `studio`.
pub const STUDIO_PLAYLIST: &str = "0SandboxStudioPlaylist";
/// A public playlist that neither user owns. Its items are served in Extended Quota Mode only.
pub const FOREIGN_PLAYLIST: &str = "0SandboxAlienPlaylist0";
/// A playlist by Spotify: 404 for all clients, and null in lists.
pub const SPOTIFY_PLAYLIST: &str = "37i9dQZF1DX0SandboxDay";

/// An artist with several pages of albums in every group.
pub const BUSY_ARTIST: &str = "0SandboxBusyArtist0000";
/// An artist with `; ` in its name, which is the separator of joined lists.
pub const SEMICOLON_ARTIST: &str = "0SandboxSemiArtist0000";
/// The album of the edge-case tracks.
pub const EDGE_CASE_ALBUM: &str = "0SandboxOddAlbum000000";
/// An album with 120 tracks, which are several pages.
pub const LONG_ALBUM: &str = "0SandboxLongAlbum00000";
/// An ordinary track of the busy artist. Its ISRC is `QZSBX2600001`.
pub const PLAIN_TRACK: &str = "0SandboxPlainTrack0000";
/// A track that is available in no market.
pub const UNAVAILABLE_TRACK: &str = "0SandboxOddTrack000001";
/// A track that is served under another id when the request has a market.
pub const RELINKED_TRACK: &str = "0SandboxOddTrack000002";
/// A podcast with 64 episodes, one of them null.
pub const SHOW: &str = "0SandboxShow0000000000";
/// The newest episode of that podcast.
pub const EPISODE: &str = "0SandboxEpisode0000000";
/// An audiobook with 55 chapters, for sale in six markets.
pub const AUDIOBOOK: &str = "0SandboxAudiobook00000";
/// The first chapter of that audiobook.
pub const CHAPTER: &str = "0SandboxChapter0000000";

/// The user with the edge-case playlists.
pub const HOME_USER: &str = "sandbox-home";
/// Another user with a library.
pub const STUDIO_USER: &str = "sandbox-studio";
/// A user with generated playlists and saved tracks only; the options set their number.
pub const DIGGER_USER: &str = "sandbox-digger";
/// The owner of the playlists of other people.
pub const CURATOR_USER: &str = "sandbox-curator";

/// Items of [`LARGE_PLAYLIST`].
pub const LARGE_PLAYLIST_ITEMS: usize = 50_020;

#[cfg(test)]
mod tests {
    use crate::rng::is_base62_id;

    #[test]
    fn fixtures_are_valid_ids() {
        for id in [
            super::EDGE_CASE_PLAYLIST,
            super::LARGE_PLAYLIST,
            super::EMPTY_PLAYLIST,
            super::HOME_PLAYLIST,
            super::SHARED_PLAYLIST,
            super::STUDIO_PLAYLIST,
            super::FOREIGN_PLAYLIST,
            super::SPOTIFY_PLAYLIST,
            super::BUSY_ARTIST,
            super::SEMICOLON_ARTIST,
            super::EDGE_CASE_ALBUM,
            super::LONG_ALBUM,
            super::PLAIN_TRACK,
            super::UNAVAILABLE_TRACK,
            super::RELINKED_TRACK,
            super::SHOW,
            super::EPISODE,
            super::AUDIOBOOK,
            super::CHAPTER,
        ] {
            assert!(is_base62_id(id), "{id} has {} characters", id.len());
        }
    }
}
