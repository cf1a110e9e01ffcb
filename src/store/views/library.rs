//! What is a user's own.

use super::parts::{
    ALBUM, ALBUM_JOINS, ARTIST, ARTIST_JOINS, AUDIOBOOK, AUDIOBOOK_JOINS, EPISODE, EPISODE_JOINS, SEEN, SHOW,
    SHOW_JOINS, TRACK, TRACK_JOINS, USER,
};
use super::{Asked, Field, Thing, View, one};

const SAVED: &[Field] = &[one("position", "i.position"), one("added_at", "i.added_at")];
const TOP: &[Field] = &[one("day", "i.day"), one("time_range", "i.time_range"), one("rank", "i.rank")];

const TRACK_THING: Thing = Thing { keys: &["track_id"], joins: TRACK_JOINS, fields: &[TRACK] };
const TRACK_OF_ROW: Option<Thing> = Some(TRACK_THING);

pub(super) const VIEWS: &[View] = &[
    View {
        name: "me",
        rows: "users u",
        shown: Some("u.local_name IS NOT NULL"),
        asked: Asked::User("u.id"),
        order: "u.id",
        fields: &[&[
            one("user", "u.local_name"),
            one("user_id", "u.id"),
            one("account_id", "u.account_id"),
            one("display_name", "u.display_name"),
            one("country", "u.country"),
            one("product", "u.product"),
            one("followers", "u.followers"),
            one("spotify_url", "u.spotify_url"),
            one("first_seen_at", "u.first_seen_at"),
            one("fetched_at", "u.fetched_at"),
        ]],
        ..OF_A_USER
    },
    View {
        name: "saved_tracks",
        rows: "saved_tracks i JOIN users u ON u.id = i.user_id",
        // Exportify has the same columns for a library as for a playlist; nobody adds to another's.
        fields: &[USER, SAVED, SEEN, &[one("added_by_uri", "NULL")]],
        thing: Some(Thing {
            fields: &[TRACK, &[one("uri", "coalesce(t.uri, 'spotify:track:' || t.id)"), one("item_name", "t.name")]],
            ..TRACK_THING
        }),
        ..OF_A_USER
    },
    View {
        name: "saved_albums",
        rows: "saved_albums i JOIN users u ON u.id = i.user_id",
        thing: Some(Thing { keys: &["album_id"], joins: ALBUM_JOINS, fields: &[ALBUM] }),
        ..OF_A_USER
    },
    View {
        name: "saved_shows",
        rows: "saved_shows i JOIN users u ON u.id = i.user_id",
        thing: Some(Thing { keys: &["show_id"], joins: SHOW_JOINS, fields: &[SHOW] }),
        ..OF_A_USER
    },
    View {
        name: "saved_episodes",
        rows: "saved_episodes i JOIN users u ON u.id = i.user_id",
        thing: Some(Thing { keys: &["episode_id"], joins: EPISODE_JOINS, fields: &[EPISODE] }),
        ..OF_A_USER
    },
    View {
        name: "saved_audiobooks",
        rows: "saved_audiobooks i JOIN users u ON u.id = i.user_id",
        thing: Some(Thing { keys: &["audiobook_id"], joins: AUDIOBOOK_JOINS, fields: &[AUDIOBOOK] }),
        ..OF_A_USER
    },
    View {
        name: "followed_artists",
        rows: "followed_artists i JOIN users u ON u.id = i.user_id",
        fields: &[USER, &[one("position", "i.position")], SEEN],
        thing: Some(Thing { keys: &["artist_id"], joins: ARTIST_JOINS, fields: &[ARTIST] }),
        ..OF_A_USER
    },
    View {
        name: "top_artists",
        rows: "top_items i JOIN users u ON u.id = i.user_id",
        shown: Some("i.kind = 'artist'"),
        thing: Some(Thing {
            keys: &["item_id"],
            joins: "LEFT JOIN artists ar ON ar.id = i.item_id",
            fields: &[ARTIST],
        }),
        ..TOPS
    },
    View {
        name: "top_tracks",
        rows: "top_items i JOIN users u ON u.id = i.user_id",
        shown: Some("i.kind = 'track'"),
        thing: Some(Thing {
            keys: &["item_id"],
            joins: "LEFT JOIN tracks t ON t.id = i.item_id\nLEFT JOIN albums al ON al.id = t.album_id",
            fields: &[TRACK],
        }),
        ..TOPS
    },
    View {
        name: "recently_played",
        rows: "plays i JOIN users u ON u.id = i.user_id",
        shown: None,
        order: "i.played_at, i.track_id",
        clock: Some(("i.played_at", false)),
        fields: &[
            USER,
            &[
                one("played_at", "i.played_at"),
                one("context_type", "i.context_type"),
                one("context_uri", "i.context_uri"),
            ],
            SEEN,
        ],
        thing: TRACK_OF_ROW,
        ..OF_A_USER
    },
];

/// What the lists of a user's library have in common.
const OF_A_USER: View = View {
    name: "",
    rows: "",
    shown: Some("i.removed_at IS NULL"),
    asked: Asked::List("i.list_id"),
    order: "i.position",
    clock: None,
    fields: &[USER, SAVED, SEEN],
    thing: None,
};

const TOPS: View = View {
    order: "i.day, i.time_range, i.rank",
    clock: Some(("i.day", true)),
    fields: &[USER, TOP, SEEN],
    ..OF_A_USER
};
