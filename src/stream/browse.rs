//! What Spotify shows to everyone: new releases, categories, markets. All three were removed for
//! apps in Development Mode in February 2026.

use super::column::{ALBUM, SEEN, integer, text};
use super::{Classes, Keeps, Order, Paging, Stream, Takes};
use spotify_client::Kind;

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "new_releases",
        about: "an album that Spotify features as new",
        takes: Takes::Nothing,
        classes: Classes::ExtendedOnly,
        endpoint: "/browse/new-releases",
        family: "new_releases",
        scopes: &[],
        paging: Paging::Offset { development: 50, extended: 50 },
        order: Order::Other,
        keeps: Keeps::Now,
        options: &[],
        keys: &["album_id"],
        columns: &[&[integer("position", "place in the list, from 0")], ALBUM, SEEN],
        refs: &[(Kind::Album, "album_id"), (Kind::Artist, "album_artist_ids")],
    },
    Stream {
        name: "categories",
        about: "a browse category",
        takes: Takes::Nothing,
        classes: Classes::ExtendedOnly,
        endpoint: "/browse/categories",
        family: "categories",
        scopes: &[],
        paging: Paging::Offset { development: 50, extended: 50 },
        order: Order::Other,
        keeps: Keeps::Now,
        options: &["locale"],
        keys: &["category_id"],
        columns: &[
            &[
                integer("position", "place in the list, from 0"),
                text("category_id", "Spotify's id of the category"),
                text("category_name", "its name in the locale asked for"),
                text("image_url", "its picture"),
            ],
            SEEN,
        ],
        refs: &[],
    },
    Stream {
        name: "markets",
        about: "a country in which Spotify is available",
        takes: Takes::Nothing,
        classes: Classes::ExtendedOnly,
        endpoint: "/markets",
        family: "markets",
        scopes: &[],
        paging: Paging::Whole,
        order: Order::Other,
        keeps: Keeps::Now,
        options: &[],
        keys: &["market"],
        columns: &[&[text("market", "ISO 3166-1 alpha-2 code")], SEEN],
        refs: &[],
    },
];
