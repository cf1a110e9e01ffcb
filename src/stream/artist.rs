//! Artists, their releases and their most played tracks.

use super::column::{ALBUM, ARTIST, SEEN, TRACK, integer, text};
use super::{Classes, Keeps, Order, Paging, Stream, Takes};
use spotify_client::Kind;

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "artists",
        about: "an artist",
        takes: Takes::Ids(Kind::Artist),
        classes: Classes::Both,
        endpoint: "/artists/{id}",
        family: "artists",
        scopes: &[],
        paging: Paging::ById { batch: 50 },
        order: Order::Other,
        keeps: Keeps::Now,
        options: &["refresh_after"],
        keys: &["artist_id"],
        columns: &[ARTIST, SEEN],
        refs: &[(Kind::Artist, "artist_id")],
    },
    Stream {
        name: "artist_albums",
        about: "a release of an artist, once per group it stands in",
        takes: Takes::Ids(Kind::Artist),
        classes: Classes::Both,
        endpoint: "/artists/{id}/albums",
        family: "artist_albums",
        scopes: &[],
        paging: Paging::Offset { development: 10, extended: 50 },
        order: Order::NewestFirst,
        keeps: Keeps::Now,
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
        refs: &[(Kind::Album, "album_id"), (Kind::Artist, "album_artist_ids")],
    },
    Stream {
        name: "artist_top_tracks",
        about: "one of an artist's most played tracks in a market",
        takes: Takes::Ids(Kind::Artist),
        classes: Classes::ExtendedOnly,
        endpoint: "/artists/{id}/top-tracks",
        family: "artist_top_tracks",
        scopes: &[],
        paging: Paging::Whole,
        order: Order::Other,
        keeps: Keeps::Now,
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
        refs: &[(Kind::Track, "track_id"), (Kind::Album, "album_id"), (Kind::Artist, "artist_ids")],
    },
];
