//! Search: a log of what was found for each expression, and when.

use super::column::{SEEN, integer, list, text, time};
use super::{ListOrder, Paging, RowMode, Stream, StreamAccess, StreamInput};
use spotify_client::EntityKind;

pub(super) const STREAMS: &[Stream] = &[Stream {
    name: "search",
    about: "a hit of a search, with the day it was found",
    input: StreamInput::Queries,
    access: StreamAccess::Both,
    endpoint: "/search",
    family: "search",
    scopes: &[],
    paging: Paging::Offset { development: 10, extended: 50 },
    order: ListOrder::Other,
    row_mode: RowMode::Log,
    options: &["types", "max_results", "window"],
    keys: &["query", "kind", "rank", "searched_at"],
    columns: &[
        &[
            text("query", "the expression that was searched"),
            time("searched_at", "when"),
            text("kind", "track, artist, album, playlist, show, episode or audiobook"),
            integer("rank", "place among the hits of its kind, from 1"),
            text("id", "Spotify's id of the hit"),
            text("name", "its name"),
            list("artist_names", "names of its artists, for tracks and albums"),
            text("album_name", "title of its album, for tracks"),
            text("release_date", "as Spotify gives it, for tracks, albums and episodes"),
            integer("duration_ms", "length in milliseconds, for tracks and episodes"),
            text("isrc", "International Standard Recording Code, for tracks"),
            text("uri", "spotify: URI of the hit"),
            text("spotify_url", "link to Spotify"),
            text("track_id", "its id, where it is a track").on_request(),
            text("album_id", "its id where it is an album, or its album's where it is a track").on_request(),
            text("artist_id", "its id, where it is an artist").on_request(),
            text("playlist_id", "its id, where it is a playlist").on_request(),
            text("show_id", "its id, where it is a show").on_request(),
            text("episode_id", "its id, where it is an episode").on_request(),
            text("audiobook_id", "its id, where it is an audiobook").on_request(),
        ],
        SEEN,
    ],
    references: &[
        (EntityKind::Track, "track_id"),
        (EntityKind::Album, "album_id"),
        (EntityKind::Artist, "artist_id"),
        (EntityKind::Playlist, "playlist_id"),
        (EntityKind::Show, "show_id"),
        (EntityKind::Episode, "episode_id"),
        (EntityKind::Audiobook, "audiobook_id"),
    ],
}];
