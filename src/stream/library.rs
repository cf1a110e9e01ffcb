//! What is a user's own: profile, library, followed artists, tops and plays.

use super::column::{
    ALBUM, ARTIST, AUDIOBOOK, Column, EPISODE, SEEN, SHOW, TRACK, TRACK_MORE, USER, integer, text, time,
};
use super::{ListOrder, Paging, RowMode, Stream, StreamAccess, StreamInput};
use spotify_client::EntityKind;

const SAVED: &[Column] =
    &[integer("position", "place in the library, newest first, from 0"), time("added_at", "when the user saved it")];

/// A page of a user's library.
const LIBRARY_PAGE: Paging = Paging::Offset { development: 50, extended: 50 };

const TRACK_REFS: &[(EntityKind, &str)] =
    &[(EntityKind::Track, "track_id"), (EntityKind::Album, "album_id"), (EntityKind::Artist, "artist_ids")];

/// What all streams of a user have in common; each entry overrides the rest.
const USER_STREAM: Stream = Stream {
    name: "",
    about: "",
    input: StreamInput::User,
    access: StreamAccess::Both,
    endpoint: "",
    family: "",
    scopes: &["user-library-read"],
    paging: LIBRARY_PAGE,
    order: ListOrder::Other,
    row_mode: RowMode::CurrentState,
    options: &["full_every"],
    keys: &[],
    columns: &[],
    references: &[],
};

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "me",
        about: "the user's own profile",
        endpoint: "/me",
        family: "me",
        scopes: &["user-read-private", "user-read-email"],
        paging: Paging::Whole,
        options: &[],
        keys: &["user_id"],
        columns: &[
            &[
                text("user", "local name of the signed-in user"),
                text("user_id", "Spotify's id of the account"),
                text("account_id", "Spotify's stable id of the account"),
                text("display_name", "the name on the profile"),
                text("country", "country of the account").extended_quota(),
                text("product", "premium, free, …").extended_quota(),
                integer("followers", "number of followers").extended_quota(),
                text("spotify_url", "link to Spotify"),
            ],
            SEEN,
        ],
        ..USER_STREAM
    },
    Stream {
        name: "saved_tracks",
        about: "a track that the user saved",
        endpoint: "/me/tracks",
        family: "saved_tracks",
        order: ListOrder::NewestFirst,
        keys: &["user_id", "track_id"],
        columns: &[USER, SAVED, TRACK, TRACK_MORE, SEEN],
        references: TRACK_REFS,
        ..USER_STREAM
    },
    Stream {
        name: "saved_albums",
        about: "an album that the user saved",
        endpoint: "/me/albums",
        family: "saved_albums",
        order: ListOrder::NewestFirst,
        keys: &["user_id", "album_id"],
        columns: &[USER, SAVED, ALBUM, SEEN],
        references: &[(EntityKind::Album, "album_id"), (EntityKind::Artist, "album_artist_ids")],
        ..USER_STREAM
    },
    Stream {
        name: "saved_shows",
        about: "a podcast that the user follows",
        endpoint: "/me/shows",
        family: "saved_shows",
        order: ListOrder::NewestFirst,
        keys: &["user_id", "show_id"],
        columns: &[USER, SAVED, SHOW, SEEN],
        references: &[(EntityKind::Show, "show_id")],
        ..USER_STREAM
    },
    Stream {
        name: "saved_episodes",
        about: "an episode that the user saved",
        endpoint: "/me/episodes",
        family: "saved_episodes",
        order: ListOrder::NewestFirst,
        scopes: &["user-library-read", "user-read-playback-position"],
        keys: &["user_id", "episode_id"],
        columns: &[USER, SAVED, EPISODE, SEEN],
        references: &[(EntityKind::Episode, "episode_id"), (EntityKind::Show, "show_id")],
        ..USER_STREAM
    },
    Stream {
        name: "saved_audiobooks",
        about: "an audiobook that the user saved",
        endpoint: "/me/audiobooks",
        family: "saved_audiobooks",
        order: ListOrder::NewestFirst,
        keys: &["user_id", "audiobook_id"],
        columns: &[USER, SAVED, AUDIOBOOK, SEEN],
        references: &[(EntityKind::Audiobook, "audiobook_id")],
        ..USER_STREAM
    },
    Stream {
        name: "followed_artists",
        about: "an artist that the user follows",
        endpoint: "/me/following",
        family: "followed_artists",
        scopes: &["user-follow-read"],
        paging: Paging::Cursor { limit: 50 },
        keys: &["user_id", "artist_id"],
        columns: &[USER, &[integer("position", "place in Spotify's answer, from 0")], ARTIST, SEEN],
        references: &[(EntityKind::Artist, "artist_id")],
        ..USER_STREAM
    },
    Stream {
        name: "top_artists",
        about: "an artist's rank among the user's most played, per day and range",
        endpoint: "/me/top/artists",
        family: "top_artists",
        scopes: &["user-top-read"],
        row_mode: RowMode::Log,
        options: &["time_range", "window"],
        keys: &["user_id", "day", "time_range", "rank"],
        columns: &[USER, TOP, ARTIST, SEEN],
        references: &[(EntityKind::Artist, "artist_id")],
        ..USER_STREAM
    },
    Stream {
        name: "top_tracks",
        about: "a track's rank among the user's most played, per day and range",
        endpoint: "/me/top/tracks",
        family: "top_tracks",
        scopes: &["user-top-read"],
        row_mode: RowMode::Log,
        options: &["time_range", "window"],
        keys: &["user_id", "day", "time_range", "rank"],
        columns: &[USER, TOP, TRACK, SEEN],
        references: TRACK_REFS,
        ..USER_STREAM
    },
    Stream {
        name: "recently_played",
        about: "a play; Spotify only ever has about the latest 50",
        endpoint: "/me/player/recently-played",
        family: "recently_played",
        scopes: &["user-read-recently-played"],
        paging: Paging::Cursor { limit: 50 },
        row_mode: RowMode::Log,
        options: &["window"],
        keys: &["user_id", "played_at"],
        columns: &[
            USER,
            &[
                time("played_at", "when it was played"),
                text("context_type", "playlist, album or artist it was played from"),
                text("context_uri", "spotify: URI of what it was played from"),
            ],
            TRACK,
            SEEN,
        ],
        references: TRACK_REFS,
        ..USER_STREAM
    },
];

const TOP: &[Column] = &[
    text("day", "the day it was read, UTC"),
    text("time_range", "long_term, medium_term or short_term"),
    integer("rank", "place, from 1"),
];
