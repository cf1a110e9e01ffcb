//! Search: a log of the results of each expression, with the time of the search.

use super::column::{SEEN, integer, list, text, time};
use super::{BASE, ChangeDetection, Paging, ReadStrategy, RowMode, Stream, StreamInput, StreamTable};
use spotify_client::EntityKind;
use spotify_client::family::EndpointFamily;

const SEARCH_KINDS: &[EntityKind] = &[
    EntityKind::Track,
    EntityKind::Artist,
    EntityKind::Album,
    EntityKind::Playlist,
    EntityKind::Show,
    EntityKind::Episode,
    EntityKind::Audiobook,
];

pub(super) const STREAMS: &[Stream] = &[Stream {
    name: "search",
    about: "a search result, with the time of the search",
    input: StreamInput::Queries,
    endpoint: "/search",
    family: EndpointFamily::SEARCH,
    paging: Paging::Offset { development: 10, extended: 50 },
    row_mode: RowMode::Log,
    strategy: ReadStrategy::Search,
    changes: ChangeDetection::EveryRead,
    options: &["types", "max_results", "window"],
    keys: &["query", "kind", "rank", "searched_at"],
    columns: &[
        &[
            text("query", "the search expression"),
            time("searched_at", "time of the search"),
            text("kind", "track, artist, album, playlist, show, episode or audiobook"),
            integer("rank", "rank among the results of its kind, from 1"),
            text("id", "Spotify's id of the result"),
            text("name", "name of the result"),
            list("artist_names", "names of its artists, for tracks and albums"),
            text("album_name", "title of its album, for tracks"),
            text("release_date", "as Spotify states it, for tracks, albums and episodes"),
            integer("duration_ms", "length in milliseconds, for tracks and episodes"),
            text("isrc", "International Standard Recording Code, for tracks"),
            text("uri", "spotify: URI of the result"),
            text("spotify_url", "link to Spotify"),
            text("track_id", "id of the result, if it is a track").on_request(),
            text("album_id", "id of the result, if it is an album, or of its album, if it is a track").on_request(),
            text("artist_id", "id of the result, if it is an artist").on_request(),
            text("playlist_id", "id of the result, if it is a playlist").on_request(),
            text("show_id", "id of the result, if it is a show").on_request(),
            text("episode_id", "id of the result, if it is an episode").on_request(),
            text("audiobook_id", "id of the result, if it is an audiobook").on_request(),
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
    table: StreamTable::SearchResults,
    full_entities: SEARCH_KINDS,
    takes_market: true,
    ..BASE
}];
