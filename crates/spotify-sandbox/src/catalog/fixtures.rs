//! Ids that stay the same whatever the seed: what tests and users can ask for by name.

/// A playlist of `home`'s with every oddity known of Spotify's lists: nulls, local files, episodes,
/// doubles, dates of 1970, floats for integers, both key names at once, a `total` that is too
/// large and an empty page that still names a next one.
pub const EDGE_CASE_PLAYLIST: &str = "0SandboxOddPlaylist000";
/// A playlist of `home`'s with 50,020 items, the last twenty of them odd. It is computed as it is
/// read and costs nothing unless it is.
pub const LARGE_PLAYLIST: &str = "0SandboxBigPlaylist000";
/// A playlist of `home`'s without any item.
pub const EMPTY_PLAYLIST: &str = "0SandboxNilPlaylist000";
/// A playlist of `home`'s with 120 plain items.
pub const HOME_PLAYLIST: &str = "0SandboxHomePlaylist00";
/// A playlist of `studio`'s that `home` may edit too.
pub const SHARED_PLAYLIST: &str = "0SandboxOurPlaylist000";
/// A private playlist of `studio`'s.
pub const STUDIO_PLAYLIST: &str = "0SandboxStudioPlaylist";
/// A public playlist that neither user owns: contents in Extended Quota Mode only.
pub const FOREIGN_PLAYLIST: &str = "0SandboxAlienPlaylist0";
/// A playlist made by Spotify itself: 404 for everyone, and null where it is listed.
pub const SPOTIFY_PLAYLIST: &str = "37i9dQZF1DX0SandboxDay";

/// An artist with albums of every group, enough of them for several pages.
pub const BUSY_ARTIST: &str = "0SandboxBusyArtist0000";
/// An artist whose name holds `; `, the separator of joined lists.
pub const SEMICOLON_ARTIST: &str = "0SandboxSemiArtist0000";
/// The album that the odd tracks stand on.
pub const EDGE_CASE_ALBUM: &str = "0SandboxOddAlbum000000";
/// An album of 120 tracks: more than one page of them.
pub const LONG_ALBUM: &str = "0SandboxLongAlbum00000";
/// An ordinary track of the busy artist's; its ISRC is `QZSBX2600001`.
pub const PLAIN_TRACK: &str = "0SandboxPlainTrack0000";
/// A track that no market may play.
pub const UNAVAILABLE_TRACK: &str = "0SandboxOddTrack000001";
/// A track that comes back under another id when a market is named.
pub const RELINKED_TRACK: &str = "0SandboxOddTrack000002";
/// A podcast with 64 episodes, one of them null.
pub const SHOW: &str = "0SandboxShow0000000000";
/// The newest episode of that podcast.
pub const EPISODE: &str = "0SandboxEpisode0000000";
/// An audiobook of 55 chapters, for sale in six markets.
pub const AUDIOBOOK: &str = "0SandboxAudiobook00000";
/// The first chapter of that book.
pub const CHAPTER: &str = "0SandboxChapter0000000";

/// The user whose playlists hold the odd data.
pub const HOME_USER: &str = "sandbox-home";
/// The other user, with a library of its own.
pub const STUDIO_USER: &str = "sandbox-studio";
/// A user who has plain playlists and saved tracks only, as many as the options say.
pub const DIGGER_USER: &str = "sandbox-digger";
/// The account that owns what neither of them owns.
pub const CURATOR_USER: &str = "sandbox-curator";

/// Items of [`LARGE_PLAYLIST`].
pub const LARGE_PLAYLIST_ITEMS: usize = 50_020;

#[cfg(test)]
mod tests {
    use crate::rng::is_base62_id;

    #[test]
    fn every_known_id_has_the_shape_of_an_id() {
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
