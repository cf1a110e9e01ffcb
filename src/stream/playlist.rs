//! Playlists and what stands in them.

use super::column::{Column, PLAYLIST, SEEN, TRACK, TRACK_MORE, USER, integer, text, time};
use super::{ListOrder, Paging, RowMode, Stream, StreamAccess, StreamInput};
use spotify_client::EntityKind;

/// Where an item stands and who put it there; what it is follows in [`TRACK`] and [`EPISODE_PART`].
const ITEM: &[Column] = &[
    text("playlist_id", "id of the playlist"),
    text("playlist_name", "name of the playlist"),
    integer("position", "place in the playlist, from 0"),
    text("kind", "track, episode, local or unavailable"),
    time("added_at", "when it was added; null in very old lists"),
    text("added_by", "id of the user who added it"),
    text("uri", "spotify: URI of the item"),
];

/// What an item has in place of a track when it is an episode.
const EPISODE_PART: &[Column] = &[
    text("episode_id", "id of the episode, where the item is one"),
    text("episode_name", "its title"),
    text("show_id", "id of its show"),
    text("show_name", "name of its show"),
];

const ITEM_REFS: &[(EntityKind, &str)] = &[
    (EntityKind::Track, "track_id"),
    (EntityKind::Album, "album_id"),
    (EntityKind::Artist, "artist_ids"),
    (EntityKind::Episode, "episode_id"),
    (EntityKind::Show, "show_id"),
    (EntityKind::Playlist, "playlist_id"),
];

const READ_PRIVATE: &[&str] = &["playlist-read-private", "playlist-read-collaborative"];

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "playlists",
        about: "a playlist, without its items",
        input: StreamInput::Ids(EntityKind::Playlist),
        access: StreamAccess::Both,
        endpoint: "/playlists/{id}",
        family: "playlists",
        scopes: &[],
        paging: Paging::ById { batch: 1 },
        order: ListOrder::Other,
        row_mode: RowMode::CurrentState,
        options: &["refresh_after"],
        keys: &["playlist_id"],
        columns: &[PLAYLIST, SEEN],
        references: &[(EntityKind::Playlist, "playlist_id"), (EntityKind::User, "owner_id")],
    },
    Stream {
        name: "playlist_items",
        about: "an item at its place in a playlist",
        input: StreamInput::Ids(EntityKind::Playlist),
        access: StreamAccess::OwnerInDevelopment,
        endpoint: "/playlists/{id}/items",
        family: "playlist_items",
        scopes: &[],
        paging: Paging::Offset { development: 50, extended: 100 },
        order: ListOrder::Other,
        row_mode: RowMode::CurrentState,
        options: &["full_every"],
        keys: &["playlist_id", "position"],
        columns: &[ITEM, TRACK, EPISODE_PART, TRACK_MORE, SEEN],
        references: ITEM_REFS,
    },
    Stream {
        name: "user_playlists",
        about: "a public playlist of a user",
        input: StreamInput::Ids(EntityKind::User),
        access: StreamAccess::ExtendedOnly,
        endpoint: "/users/{id}/playlists",
        family: "user_playlists",
        scopes: &[],
        paging: Paging::Offset { development: 50, extended: 50 },
        order: ListOrder::Other,
        row_mode: RowMode::CurrentState,
        options: &["full_every", "limit_per_parent"],
        keys: &["profile_id", "playlist_id"],
        columns: &[
            &[text("profile_id", "id of the user asked for"), integer("position", "place in the user's list, from 0")],
            PLAYLIST,
            SEEN,
        ],
        references: &[(EntityKind::Playlist, "playlist_id"), (EntityKind::User, "owner_id")],
    },
    Stream {
        name: "my_playlists",
        about: "a playlist in the user's library, owned or followed",
        input: StreamInput::User,
        access: StreamAccess::Both,
        endpoint: "/me/playlists",
        family: "my_playlists",
        scopes: READ_PRIVATE,
        paging: Paging::Offset { development: 50, extended: 50 },
        order: ListOrder::Other,
        row_mode: RowMode::CurrentState,
        options: &["full_every"],
        keys: &["user_id", "playlist_id"],
        columns: &[USER, &[integer("position", "place in the user's list, from 0")], PLAYLIST, SEEN],
        references: &[(EntityKind::Playlist, "playlist_id"), (EntityKind::User, "owner_id")],
    },
    Stream {
        name: "my_playlist_items",
        about: "an item at its place in one of the user's playlists that the app may read",
        input: StreamInput::User,
        access: StreamAccess::Both,
        endpoint: "/playlists/{id}/items",
        family: "playlist_items",
        scopes: READ_PRIVATE,
        paging: Paging::Offset { development: 50, extended: 100 },
        order: ListOrder::Other,
        row_mode: RowMode::CurrentState,
        options: &["full_every"],
        keys: &["user_id", "playlist_id", "position"],
        columns: &[USER, ITEM, TRACK, EPISODE_PART, TRACK_MORE, SEEN],
        references: ITEM_REFS,
    },
];
