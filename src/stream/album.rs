//! Albums and what is on them.

use super::column::{ALBUM, SEEN, integer, list, text};
use super::{ListOrder, Paging, RowMode, Stream, StreamAccess, StreamInput};
use spotify_client::EntityKind;

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "albums",
        about: "an album",
        input: StreamInput::Ids(EntityKind::Album),
        access: StreamAccess::Both,
        endpoint: "/albums/{id}",
        family: "albums",
        scopes: &[],
        paging: Paging::ById { batch: 20 },
        order: ListOrder::Other,
        row_mode: RowMode::CurrentState,
        options: &["refresh_after"],
        keys: &["album_id"],
        columns: &[ALBUM, SEEN],
        references: &[(EntityKind::Album, "album_id"), (EntityKind::Artist, "album_artist_ids")],
    },
    Stream {
        name: "album_tracks",
        about: "a track at its place on an album",
        input: StreamInput::Ids(EntityKind::Album),
        access: StreamAccess::Both,
        endpoint: "/albums/{id}, and /albums/{id}/tracks for those of over 50 tracks",
        family: "album_tracks",
        scopes: &[],
        paging: Paging::Offset { development: 50, extended: 50 },
        order: ListOrder::Other,
        row_mode: RowMode::CurrentState,
        options: &["full_every"],
        keys: &["album_id", "position"],
        columns: &[
            &[
                text("album_id", "id of the album"),
                text("album_name", "title of the album"),
                integer("position", "place on the album, from 0"),
                integer("disc_number", "disc, from 1"),
                integer("track_number", "number on its disc, from 1"),
                text("track_id", "Spotify's id of the track"),
                text("track_name", "title of the track"),
                list("artist_ids", "ids of its artists, in order"),
                list("artist_names", "names of its artists, in order"),
                integer("duration_ms", "length in milliseconds"),
                super::column::boolean("explicit", "carries Spotify's explicit label"),
                text("isrc", "International Standard Recording Code; known once the track itself was met whole"),
                text("spotify_url", "link to Spotify"),
            ],
            SEEN,
        ],
        references: &[
            (EntityKind::Track, "track_id"),
            (EntityKind::Album, "album_id"),
            (EntityKind::Artist, "artist_ids"),
        ],
    },
];
