//! Artists, their releases and their most played tracks.

use super::column::{ALBUM, ARTIST, SEEN, TRACK, integer, text};
use super::{ListOrder, Paging, RowMode, Stream, StreamAccess, StreamInput};
use spotify_client::EntityKind;

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "artists",
        about: "an artist",
        input: StreamInput::Ids(EntityKind::Artist),
        access: StreamAccess::Both,
        endpoint: "/artists/{id}",
        family: "artists",
        scopes: &[],
        paging: Paging::ById { batch: 50 },
        order: ListOrder::Other,
        row_mode: RowMode::CurrentState,
        options: &["refresh_after"],
        keys: &["artist_id"],
        columns: &[ARTIST, SEEN],
        references: &[(EntityKind::Artist, "artist_id")],
    },
    Stream {
        name: "artist_albums",
        about: "a release of an artist, once per group it stands in",
        input: StreamInput::Ids(EntityKind::Artist),
        access: StreamAccess::Both,
        endpoint: "/artists/{id}/albums",
        family: "artist_albums",
        scopes: &[],
        paging: Paging::Offset { development: 10, extended: 50 },
        order: ListOrder::NewestFirst,
        row_mode: RowMode::CurrentState,
        options: &["include_groups", "full_every", "limit_per_parent"],
        keys: &["artist_id", "album_group", "album_id"],
        columns: &[
            &[
                text("artist_id", "id of the artist"),
                text("artist_name", "name of the artist"),
                text("album_group", "album, single, appears_on or compilation: how the artist is on it"),
                integer("position", "place in that group, from 0"),
            ],
            ALBUM,
            SEEN,
        ],
        references: &[(EntityKind::Album, "album_id"), (EntityKind::Artist, "album_artist_ids")],
    },
    Stream {
        name: "artist_top_tracks",
        about: "one of an artist's most played tracks in a market",
        input: StreamInput::Ids(EntityKind::Artist),
        access: StreamAccess::ExtendedOnly,
        endpoint: "/artists/{id}/top-tracks",
        family: "artist_top_tracks",
        scopes: &[],
        paging: Paging::Whole,
        order: ListOrder::Other,
        row_mode: RowMode::CurrentState,
        options: &[],
        keys: &["artist_id", "rank"],
        columns: &[
            &[
                text("artist_id", "id of the artist asked for"),
                text("artist_name", "name of the artist asked for"),
                text("market", "market asked for"),
                integer("rank", "place, from 1"),
            ],
            TRACK,
            SEEN,
        ],
        references: &[
            (EntityKind::Track, "track_id"),
            (EntityKind::Album, "album_id"),
            (EntityKind::Artist, "artist_ids"),
        ],
    },
];
