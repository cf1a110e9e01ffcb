//! Albums and what is on them.

use super::column::{ALBUM, SEEN, integer, list, text};
use super::{Classes, Keeps, Order, Paging, Stream, Takes};
use spotify_client::Kind;

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "albums",
        about: "an album",
        takes: Takes::Ids(Kind::Album),
        classes: Classes::Both,
        endpoint: "/albums/{id}",
        family: "albums",
        scopes: &[],
        paging: Paging::ById { batch: 20 },
        order: Order::Other,
        keeps: Keeps::Now,
        options: &["refresh_after"],
        keys: &["album_id"],
        columns: &[ALBUM, SEEN],
        refs: &[(Kind::Album, "album_id"), (Kind::Artist, "album_artist_ids")],
    },
    Stream {
        name: "album_tracks",
        about: "a track at its place on an album",
        takes: Takes::Ids(Kind::Album),
        classes: Classes::Both,
        endpoint: "/albums/{id}, and /albums/{id}/tracks for those of over 50 tracks",
        family: "album_tracks",
        scopes: &[],
        paging: Paging::Offset { development: 50, extended: 50 },
        order: Order::Other,
        keeps: Keeps::Now,
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
        refs: &[(Kind::Track, "track_id"), (Kind::Album, "album_id"), (Kind::Artist, "artist_ids")],
    },
];
