//! Views of a user's library.

use super::parts::{
    ALBUM, ALBUM_JOINS, ARTIST, ARTIST_JOINS, AUDIOBOOK, AUDIOBOOK_JOINS, EPISODE, EPISODE_JOINS, NAME, PLACE, SEEN,
    SHOW, SHOW_JOINS, TRACK, TRACK_ARTIST_NAMES, USER,
};
use super::{RequestedBy, RowEntity, StreamView, ViewColumn, column, list_column};

const SAVED: &[ViewColumn] = &[column("position", "i.position"), column("added_at", "i.added_at")];
const TOP: &[ViewColumn] = &[column("day", "i.day"), column("time_range", "i.time_range"), column("rank", "i.rank")];

/// A track or a local file. Files are in the table of tracks by their URI, and have no artists and albums there.
const TRACK_THING: RowEntity = RowEntity {
    keys: &["track_id"],
    joins: "LEFT JOIN tracks t ON t.id = i.track_id\nLEFT JOIN albums al ON al.id = t.album_id\n\
            LEFT JOIN local_files f ON f.uri = i.track_id\nLEFT JOIN imported_tracks m ON m.track_id = i.track_id",
    fields: &[LOCAL_FILE, TRACK],
};

/// Columns of a track that may be a local file, or that only an imported history knows.
const LOCAL_FILE: &[ViewColumn] = &[
    column("track_name", "coalesce(t.name, f.name, m.name)"),
    list_column("artist_names", NAME, TRACK_ARTIST_NAMES, PLACE)
        .with_fallback("coalesce(f.artist_names, m.artist_names)"),
    column("album_name", "coalesce(al.name, f.album_name, m.album_name)"),
];

const TRACK_OF_ROW: Option<RowEntity> = Some(TRACK_THING);

pub(super) const VIEWS: &[StreamView] = &[
    StreamView {
        name: "me",
        rows: "users u",
        visible_if: Some("u.local_name IS NOT NULL"),
        requested_by: RequestedBy::User("u.id"),
        order: "u.id",
        fields: &[&[
            column("user", "u.local_name"),
            column("user_id", "u.id"),
            column("account_id", "u.account_id"),
            column("display_name", "u.display_name"),
            column("country", "u.country"),
            column("product", "u.product"),
            column("followers", "u.followers"),
            column("spotify_url", "u.spotify_url"),
            column("first_seen_at", "u.first_seen_at"),
            column("fetched_at", "u.fetched_at"),
        ]],
        ..OF_A_USER
    },
    StreamView {
        name: "saved_tracks",
        rows: "saved_tracks i JOIN users u ON u.id = i.user_id",
        // Exportify has the same columns for a library and a playlist. Only the user adds to a library.
        fields: &[USER, SAVED, SEEN, &[column("added_by_uri", "NULL")]],
        entity: Some(RowEntity {
            fields: &[
                LOCAL_FILE,
                TRACK,
                &[column("uri", "coalesce(t.uri, 'spotify:track:' || t.id)"), column("item_name", "t.name")],
            ],
            ..TRACK_THING
        }),
        ..OF_A_USER
    },
    StreamView {
        name: "saved_albums",
        rows: "saved_albums i JOIN users u ON u.id = i.user_id",
        entity: Some(RowEntity { keys: &["album_id"], joins: ALBUM_JOINS, fields: &[ALBUM] }),
        ..OF_A_USER
    },
    StreamView {
        name: "saved_shows",
        rows: "saved_shows i JOIN users u ON u.id = i.user_id",
        entity: Some(RowEntity { keys: &["show_id"], joins: SHOW_JOINS, fields: &[SHOW] }),
        ..OF_A_USER
    },
    StreamView {
        name: "saved_episodes",
        rows: "saved_episodes i JOIN users u ON u.id = i.user_id",
        entity: Some(RowEntity { keys: &["episode_id"], joins: EPISODE_JOINS, fields: &[EPISODE] }),
        ..OF_A_USER
    },
    StreamView {
        name: "saved_audiobooks",
        rows: "saved_audiobooks i JOIN users u ON u.id = i.user_id",
        entity: Some(RowEntity { keys: &["audiobook_id"], joins: AUDIOBOOK_JOINS, fields: &[AUDIOBOOK] }),
        ..OF_A_USER
    },
    StreamView {
        name: "followed_artists",
        rows: "followed_artists i JOIN users u ON u.id = i.user_id",
        fields: &[USER, &[column("position", "i.position")], SEEN],
        entity: Some(RowEntity { keys: &["artist_id"], joins: ARTIST_JOINS, fields: &[ARTIST] }),
        ..OF_A_USER
    },
    StreamView {
        name: "top_artists",
        rows: "top_items i JOIN users u ON u.id = i.user_id",
        visible_if: Some("i.kind = 'artist'"),
        entity: Some(RowEntity {
            keys: &["item_id"],
            joins: "LEFT JOIN artists ar ON ar.id = i.item_id",
            fields: &[ARTIST],
        }),
        ..TOPS
    },
    StreamView {
        name: "top_tracks",
        rows: "top_items i JOIN users u ON u.id = i.user_id",
        visible_if: Some("i.kind = 'track'"),
        entity: Some(RowEntity {
            keys: &["item_id"],
            joins: "LEFT JOIN tracks t ON t.id = i.item_id\nLEFT JOIN albums al ON al.id = t.album_id\n\
                    LEFT JOIN local_files f ON f.uri = i.item_id\nLEFT JOIN imported_tracks m ON m.track_id = i.item_id",
            fields: &[LOCAL_FILE, TRACK],
        }),
        ..TOPS
    },
    StreamView {
        name: "recently_played",
        rows: "plays i JOIN users u ON u.id = i.user_id",
        visible_if: None,
        order: "i.played_at, i.track_id",
        time_column: Some(("i.played_at", false)),
        fields: &[
            USER,
            &[
                column("played_at", "i.played_at"),
                column("context_type", "i.context_type"),
                column("context_uri", "i.context_uri"),
                column("ms_played", "i.ms_played"),
                column("imported_at", "i.imported_at"),
            ],
            SEEN,
        ],
        entity: TRACK_OF_ROW,
        ..OF_A_USER
    },
];

/// Defaults for the lists of a user's library.
const OF_A_USER: StreamView = StreamView {
    name: "",
    rows: "",
    visible_if: Some("i.removed_at IS NULL"),
    requested_by: RequestedBy::List("i.list_id"),
    order: "i.position",
    time_column: None,
    fields: &[USER, SAVED, SEEN],
    entity: None,
};

const TOPS: StreamView = StreamView {
    order: "i.day, i.time_range, i.rank",
    time_column: Some(("i.day", true)),
    fields: &[USER, TOP, SEEN],
    ..OF_A_USER
};
