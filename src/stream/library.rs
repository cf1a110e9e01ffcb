//! What is a user's own: profile, library, followed artists, tops and plays.

use super::column::{
    ALBUM, ARTIST, AUDIOBOOK, Column, EPISODE, SEEN, SHOW, TRACK, TRACK_MORE, USER, integer, text, time,
};
use super::{Classes, Keeps, Order, Paging, Stream, Takes};
use spotify_client::Kind;

const SAVED: &[Column] =
    &[integer("position", "place in the library, newest first, from 0"), time("added_at", "when the user saved it")];

/// A page of a user's library.
const LIBRARY_PAGE: Paging = Paging::Offset { development: 50, extended: 50 };

const TRACK_REFS: &[(Kind, &str)] =
    &[(Kind::Track, "track_id"), (Kind::Album, "album_id"), (Kind::Artist, "artist_ids")];

/// What all streams of a user have in common; each entry overrides the rest.
const OF_A_USER: Stream = Stream {
    name: "",
    about: "",
    takes: Takes::User,
    classes: Classes::Both,
    endpoint: "",
    family: "",
    scopes: &["user-library-read"],
    paging: LIBRARY_PAGE,
    order: Order::Other,
    keeps: Keeps::Now,
    options: &["full_every"],
    keys: &[],
    columns: &[],
    refs: &[],
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
                text("country", "country of the account").extended(),
                text("product", "premium, free, …").extended(),
                integer("followers", "number of followers").extended(),
                text("spotify_url", "link to Spotify"),
            ],
            SEEN,
        ],
        ..OF_A_USER
    },
    Stream {
        name: "saved_tracks",
        about: "a track that the user saved",
        endpoint: "/me/tracks",
        family: "saved_tracks",
        order: Order::NewestFirst,
        keys: &["user_id", "track_id"],
        columns: &[USER, SAVED, TRACK, TRACK_MORE, SEEN],
        refs: TRACK_REFS,
        ..OF_A_USER
    },
    Stream {
        name: "saved_albums",
        about: "an album that the user saved",
        endpoint: "/me/albums",
        family: "saved_albums",
        order: Order::NewestFirst,
        keys: &["user_id", "album_id"],
        columns: &[USER, SAVED, ALBUM, SEEN],
        refs: &[(Kind::Album, "album_id"), (Kind::Artist, "album_artist_ids")],
        ..OF_A_USER
    },
    Stream {
        name: "saved_shows",
        about: "a podcast that the user follows",
        endpoint: "/me/shows",
        family: "saved_shows",
        order: Order::NewestFirst,
        keys: &["user_id", "show_id"],
        columns: &[USER, SAVED, SHOW, SEEN],
        refs: &[(Kind::Show, "show_id")],
        ..OF_A_USER
    },
    Stream {
        name: "saved_episodes",
        about: "an episode that the user saved",
        endpoint: "/me/episodes",
        family: "saved_episodes",
        order: Order::NewestFirst,
        scopes: &["user-library-read", "user-read-playback-position"],
        keys: &["user_id", "episode_id"],
        columns: &[USER, SAVED, EPISODE, SEEN],
        refs: &[(Kind::Episode, "episode_id"), (Kind::Show, "show_id")],
        ..OF_A_USER
    },
    Stream {
        name: "saved_audiobooks",
        about: "an audiobook that the user saved",
        endpoint: "/me/audiobooks",
        family: "saved_audiobooks",
        order: Order::NewestFirst,
        keys: &["user_id", "audiobook_id"],
        columns: &[USER, SAVED, AUDIOBOOK, SEEN],
        refs: &[(Kind::Audiobook, "audiobook_id")],
        ..OF_A_USER
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
        refs: &[(Kind::Artist, "artist_id")],
        ..OF_A_USER
    },
    Stream {
        name: "top_artists",
        about: "an artist's rank among the user's most played, per day and range",
        endpoint: "/me/top/artists",
        family: "top_artists",
        scopes: &["user-top-read"],
        keeps: Keeps::Log,
        options: &["time_range", "window"],
        keys: &["user_id", "day", "time_range", "rank"],
        columns: &[USER, TOP, ARTIST, SEEN],
        refs: &[(Kind::Artist, "artist_id")],
        ..OF_A_USER
    },
    Stream {
        name: "top_tracks",
        about: "a track's rank among the user's most played, per day and range",
        endpoint: "/me/top/tracks",
        family: "top_tracks",
        scopes: &["user-top-read"],
        keeps: Keeps::Log,
        options: &["time_range", "window"],
        keys: &["user_id", "day", "time_range", "rank"],
        columns: &[USER, TOP, TRACK, SEEN],
        refs: TRACK_REFS,
        ..OF_A_USER
    },
    Stream {
        name: "recently_played",
        about: "a play; Spotify only ever has about the latest 50",
        endpoint: "/me/player/recently-played",
        family: "recently_played",
        scopes: &["user-read-recently-played"],
        paging: Paging::Cursor { limit: 50 },
        keeps: Keeps::Log,
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
        refs: TRACK_REFS,
        ..OF_A_USER
    },
];

const TOP: &[Column] = &[
    text("day", "the day it was read, UTC"),
    text("time_range", "long_term, medium_term or short_term"),
    integer("rank", "place, from 1"),
];
