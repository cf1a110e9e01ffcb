//! Playlists and their items.

use super::EntryKind;
use super::column::{Column, PLAYLIST, SEEN, TRACK, TRACK_MORE, USER, integer, text, time};
use super::{
    BASE, ChangeDetection, MY_PLAYLISTS, MembershipTable, PLAYLIST_ITEMS, Paging, ParentColumn, ReadStrategy, Stream,
    StreamAccess, StreamInput, StreamTable,
};
use spotify_client::EntityKind;
use spotify_client::family::EndpointFamily;
use spotify_client::page::Envelope;

/// The position of an item and who added it. The columns of the item itself are [`TRACK`] and [`EPISODE_PART`].
const ITEM: &[Column] = &[
    text("playlist_id", "id of the playlist"),
    text("playlist_name", "name of the playlist"),
    integer("position", "position in the playlist, from 0"),
    text("kind", "track, episode, local, unavailable, or the type of another item such as chapter"),
    time("added_at", "time when it was added; null in very old playlists"),
    text("added_by", "id of the user who added it"),
    text("uri", "spotify: URI of the item"),
];

/// Columns that are filled in if the item is an episode.
const EPISODE_PART: &[Column] = &[
    text("episode_id", "id of the episode, if the item is one"),
    text("episode_name", "title of the episode"),
    text("show_id", "id of the show"),
    text("show_name", "name of the show"),
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

const FULL_ENTITIES: &[EntityKind] = &[EntityKind::Track, EntityKind::Episode, EntityKind::Playlist];

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "playlists",
        about: "a playlist, without its items",
        input: StreamInput::Ids(EntityKind::Playlist),
        endpoint: "/playlists/{id}",
        family: EndpointFamily::PLAYLISTS,
        private_scopes: READ_PRIVATE,
        paging: Paging::ById { batch: 1 },
        strategy: ReadStrategy::ById,
        changes: ChangeDetection::Age,
        yields_versions: true,
        options: &["refresh_after"],
        keys: &["playlist_id"],
        columns: &[PLAYLIST, SEEN],
        references: &[(EntityKind::Playlist, "playlist_id"), (EntityKind::User, "owner_id")],
        table: StreamTable::Entities("playlists"),
        takes_market: true,
        ..BASE
    },
    Stream {
        name: PLAYLIST_ITEMS,
        about: "an item at its position in a playlist",
        input: StreamInput::Ids(EntityKind::Playlist),
        access: StreamAccess::OwnerInDevelopment,
        endpoint: "/playlists/{id}/items",
        family: EndpointFamily::PLAYLIST_ITEMS,
        more_families: &[EndpointFamily::PLAYLISTS],
        private_scopes: READ_PRIVATE,
        paging: Paging::Offset { development: 50, extended: 100 },
        strategy: ReadStrategy::Playlist,
        changes: ChangeDetection::Version,
        envelope: Envelope::InPlaylist,
        entries: Some(EntryKind::PlaylistItems),
        options: &["full_every"],
        keys: &["playlist_id", "position"],
        columns: &[ITEM, TRACK, EPISODE_PART, TRACK_MORE, SEEN],
        references: ITEM_REFS,
        table: StreamTable::PlaylistItems,
        full_entities: FULL_ENTITIES,
        takes_market: true,
        has_exportify: true,
        ..BASE
    },
    Stream {
        name: "user_playlists",
        about: "a public playlist of a user",
        input: StreamInput::Ids(EntityKind::User),
        access: StreamAccess::ExtendedOnly,
        endpoint: "/users/{id}/playlists",
        family: EndpointFamily::USER_PLAYLISTS,
        paging: Paging::Offset { development: 50, extended: 50 },
        entries: Some(EntryKind::Playlists),
        options: &["full_every", "limit_per_parent"],
        keys: &["profile_id", "playlist_id"],
        columns: &[
            &[
                text("profile_id", "id of the requested user"),
                integer("position", "position in the user's list, from 0"),
            ],
            PLAYLIST,
            SEEN,
        ],
        references: &[(EntityKind::Playlist, "playlist_id"), (EntityKind::User, "owner_id")],
        table: StreamTable::Members(MembershipTable {
            parent: Some(("profile_id", ParentColumn::Id)),
            ..MembershipTable::new("user_playlists", "playlist", "playlist_id")
        }),
        ..BASE
    },
    Stream {
        name: MY_PLAYLISTS,
        about: "a playlist in the user's library, owned or followed",
        input: StreamInput::User,
        endpoint: "/me/playlists",
        family: EndpointFamily::MY_PLAYLISTS,
        scopes: READ_PRIVATE,
        paging: Paging::Offset { development: 50, extended: 50 },
        strategy: ReadStrategy::UserList,
        entries: Some(EntryKind::Playlists),
        yields_versions: true,
        options: &["full_every"],
        keys: &["user_id", "playlist_id"],
        columns: &[USER, &[integer("position", "position in the user's list, from 0")], PLAYLIST, SEEN],
        references: &[(EntityKind::Playlist, "playlist_id"), (EntityKind::User, "owner_id")],
        table: StreamTable::Members(MembershipTable::of_user("my_playlists", "playlist", "playlist_id")),
        ..BASE
    },
    Stream {
        name: "my_playlist_items",
        about: "an item at its position in one of the user's playlists that the app may read",
        input: StreamInput::User,
        endpoint: "/playlists/{id}/items",
        family: EndpointFamily::PLAYLIST_ITEMS,
        more_families: &[EndpointFamily::PLAYLISTS, EndpointFamily::MY_PLAYLISTS],
        scopes: READ_PRIVATE,
        paging: Paging::Offset { development: 50, extended: 100 },
        strategy: ReadStrategy::OwnPlaylists,
        changes: ChangeDetection::Version,
        envelope: Envelope::InPlaylist,
        entries: Some(EntryKind::PlaylistItems),
        lists: &[MY_PLAYLISTS, PLAYLIST_ITEMS],
        yields_versions: true,
        options: &["full_every"],
        keys: &["user_id", "playlist_id", "position"],
        columns: &[USER, ITEM, TRACK, EPISODE_PART, TRACK_MORE, SEEN],
        references: ITEM_REFS,
        table: StreamTable::PlaylistItems,
        full_entities: FULL_ENTITIES,
        takes_market: true,
        has_exportify: true,
        ..BASE
    },
];
