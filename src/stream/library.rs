//! Streams of a signed-in user: profile, library, followed artists, top lists and plays.

use super::EntryKind;
use super::column::{
    ALBUM, ARTIST, AUDIOBOOK, Column, EPISODE, SEEN, SHOW, TRACK, TRACK_MORE, USER, integer, text, time,
};
use super::{BASE, ChangeDetection, MembershipTable, Paging, ReadStrategy, RowMode, Stream, StreamInput, StreamTable};
use spotify_client::EntityKind;
use spotify_client::family::EndpointFamily;
use spotify_client::page::Envelope;

const SAVED: &[Column] = &[
    integer("position", "position in the library, newest first, from 0"),
    time("added_at", "time when the user saved it"),
];

/// The page size of every library list.
const LIBRARY_PAGE: Paging = Paging::Offset { development: 50, extended: 50 };

const TRACK_REFS: &[(EntityKind, &str)] =
    &[(EntityKind::Track, "track_id"), (EntityKind::Album, "album_id"), (EntityKind::Artist, "artist_ids")];

/// The properties that most streams of a user share. Each entry overrides the others.
const USER_STREAM: Stream = Stream {
    input: StreamInput::User,
    scopes: &["user-library-read"],
    paging: LIBRARY_PAGE,
    strategy: ReadStrategy::UserList,
    options: &["full_every"],
    ..BASE
};

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "me",
        about: "the user's own profile",
        endpoint: "/me",
        family: EndpointFamily::ME,
        scopes: &["user-read-private", "user-read-email"],
        paging: Paging::Whole,
        strategy: ReadStrategy::Profile,
        changes: ChangeDetection::EveryRead,
        keys: &["user_id"],
        columns: &[
            &[
                text("user", "local name of the signed-in user"),
                text("user_id", "Spotify's id of the account"),
                text("account_id", "Spotify's stable id of the account"),
                text("display_name", "name on the profile"),
                text("country", "country of the account").extended_quota(),
                text("product", "premium, free, …").extended_quota(),
                integer("followers", "number of followers").extended_quota(),
                text("spotify_url", "link to Spotify"),
            ],
            SEEN,
        ],
        table: StreamTable::Entities("users"),
        ..USER_STREAM
    },
    Stream {
        name: "saved_tracks",
        about: "a track that the user saved",
        endpoint: "/me/tracks",
        family: EndpointFamily::SAVED_TRACKS,
        changes: ChangeDetection::NewestFirst,
        entries: Some(EntryKind::Saved(EntityKind::Track)),
        keys: &["user_id", "track_id"],
        columns: &[USER, SAVED, TRACK, TRACK_MORE, SEEN],
        references: TRACK_REFS,
        table: StreamTable::Members(MembershipTable::saved("saved_tracks", "track", "track_id")),
        full_entities: &[EntityKind::Track],
        takes_market: true,
        has_exportify: true,
        ..USER_STREAM
    },
    Stream {
        name: "saved_albums",
        about: "an album that the user saved",
        endpoint: "/me/albums",
        family: EndpointFamily::SAVED_ALBUMS,
        changes: ChangeDetection::NewestFirst,
        entries: Some(EntryKind::Saved(EntityKind::Album)),
        keys: &["user_id", "album_id"],
        columns: &[USER, SAVED, ALBUM, SEEN],
        references: &[(EntityKind::Album, "album_id"), (EntityKind::Artist, "album_artist_ids")],
        table: StreamTable::Members(MembershipTable::saved("saved_albums", "album", "album_id")),
        full_entities: &[EntityKind::Album],
        takes_market: true,
        ..USER_STREAM
    },
    Stream {
        name: "saved_shows",
        about: "a podcast that the user follows",
        endpoint: "/me/shows",
        family: EndpointFamily::SAVED_SHOWS,
        changes: ChangeDetection::NewestFirst,
        entries: Some(EntryKind::Saved(EntityKind::Show)),
        keys: &["user_id", "show_id"],
        columns: &[USER, SAVED, SHOW, SEEN],
        references: &[(EntityKind::Show, "show_id")],
        table: StreamTable::Members(MembershipTable::saved("saved_shows", "show", "show_id")),
        full_entities: &[EntityKind::Show],
        ..USER_STREAM
    },
    Stream {
        name: "saved_episodes",
        about: "an episode that the user saved",
        endpoint: "/me/episodes",
        family: EndpointFamily::SAVED_EPISODES,
        changes: ChangeDetection::NewestFirst,
        scopes: &["user-library-read", "user-read-playback-position"],
        entries: Some(EntryKind::Saved(EntityKind::Episode)),
        keys: &["user_id", "episode_id"],
        columns: &[USER, SAVED, EPISODE, SEEN],
        references: &[(EntityKind::Episode, "episode_id"), (EntityKind::Show, "show_id")],
        table: StreamTable::Members(MembershipTable::saved("saved_episodes", "episode", "episode_id")),
        full_entities: &[EntityKind::Episode, EntityKind::Show],
        takes_market: true,
        ..USER_STREAM
    },
    Stream {
        name: "saved_audiobooks",
        about: "an audiobook that the user saved",
        endpoint: "/me/audiobooks",
        family: EndpointFamily::SAVED_AUDIOBOOKS,
        changes: ChangeDetection::NewestFirst,
        entries: Some(EntryKind::Saved(EntityKind::Audiobook)),
        keys: &["user_id", "audiobook_id"],
        columns: &[USER, SAVED, AUDIOBOOK, SEEN],
        references: &[(EntityKind::Audiobook, "audiobook_id")],
        table: StreamTable::Members(MembershipTable::saved("saved_audiobooks", "audiobook", "audiobook_id")),
        full_entities: &[EntityKind::Audiobook],
        ..USER_STREAM
    },
    Stream {
        name: "followed_artists",
        about: "an artist that the user follows",
        endpoint: "/me/following",
        family: EndpointFamily::FOLLOWED_ARTISTS,
        query: &[("type", "artist")],
        scopes: &["user-follow-read"],
        paging: Paging::Cursor { limit: 50 },
        envelope: Envelope::Key("artists"),
        entries: Some(EntryKind::Artists),
        keys: &["user_id", "artist_id"],
        columns: &[USER, &[integer("position", "position in Spotify's answer, from 0")], ARTIST, SEEN],
        references: &[(EntityKind::Artist, "artist_id")],
        table: StreamTable::Members(MembershipTable::of_user("followed_artists", "artist", "artist_id")),
        full_entities: &[EntityKind::Artist],
        ..USER_STREAM
    },
    Stream {
        name: "top_artists",
        about: "an artist's rank among the user's most played artists, per day and time range",
        endpoint: "/me/top/artists",
        family: EndpointFamily::TOP_ARTISTS,
        scopes: &["user-top-read"],
        row_mode: RowMode::Log,
        strategy: ReadStrategy::TopLists,
        changes: ChangeDetection::EveryRead,
        entries: Some(EntryKind::Artists),
        options: &["time_range", "window"],
        keys: &["user_id", "day", "time_range", "rank"],
        columns: &[USER, TOP, ARTIST, SEEN],
        references: &[(EntityKind::Artist, "artist_id")],
        table: StreamTable::TopItems(EntityKind::Artist),
        full_entities: &[EntityKind::Artist],
        ..USER_STREAM
    },
    Stream {
        name: "top_tracks",
        about: "a track's rank among the user's most played tracks, per day and time range",
        endpoint: "/me/top/tracks",
        family: EndpointFamily::TOP_TRACKS,
        scopes: &["user-top-read"],
        row_mode: RowMode::Log,
        strategy: ReadStrategy::TopLists,
        changes: ChangeDetection::EveryRead,
        entries: Some(EntryKind::Tracks),
        options: &["time_range", "window"],
        keys: &["user_id", "day", "time_range", "rank"],
        columns: &[USER, TOP, TRACK, SEEN],
        references: TRACK_REFS,
        table: StreamTable::TopItems(EntityKind::Track),
        full_entities: &[EntityKind::Track],
        ..USER_STREAM
    },
    Stream {
        name: "recently_played",
        about: "a play; Spotify keeps only about the latest 50",
        endpoint: "/me/player/recently-played",
        family: EndpointFamily::RECENTLY_PLAYED,
        scopes: &["user-read-recently-played"],
        paging: Paging::Cursor { limit: 50 },
        row_mode: RowMode::Log,
        strategy: ReadStrategy::Plays,
        changes: ChangeDetection::EveryRead,
        entries: Some(EntryKind::Saved(EntityKind::Track)),
        options: &["window"],
        keys: &["user_id", "played_at"],
        columns: &[
            USER,
            &[
                time("played_at", "time when it was played"),
                text("context_type", "kind of context it was played from: playlist, album or artist"),
                text("context_uri", "spotify: URI of that context"),
                integer("ms_played", "how long it was played, in milliseconds; only imported plays have this")
                    .on_request(),
                time("imported_at", "time when it was imported from Spotify's privacy export; null if the API sent it")
                    .on_request(),
            ],
            TRACK,
            SEEN,
        ],
        references: TRACK_REFS,
        table: StreamTable::Plays,
        full_entities: &[EntityKind::Track],
        ..USER_STREAM
    },
];

const TOP: &[Column] = &[
    text("day", "day on which it was read, UTC"),
    text("time_range", "long_term, medium_term or short_term"),
    integer("rank", "rank, from 1"),
];
