//! What Spotify shows to everyone: new releases, categories, markets. All three were removed for
//! apps in Development Mode in February 2026.

use super::column::{ALBUM, SEEN, integer, text};
use super::{ListOrder, Paging, RowMode, Stream, StreamAccess, StreamInput};
use spotify_client::EntityKind;

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "new_releases",
        about: "an album that Spotify features as new",
        input: StreamInput::Nothing,
        access: StreamAccess::ExtendedOnly,
        endpoint: "/browse/new-releases",
        family: "new_releases",
        scopes: &[],
        paging: Paging::Offset { development: 50, extended: 50 },
        order: ListOrder::Other,
        row_mode: RowMode::CurrentState,
        options: &[],
        keys: &["album_id"],
        columns: &[&[integer("position", "place in the list, from 0")], ALBUM, SEEN],
        references: &[(EntityKind::Album, "album_id"), (EntityKind::Artist, "album_artist_ids")],
    },
    Stream {
        name: "categories",
        about: "a browse category",
        input: StreamInput::Nothing,
        access: StreamAccess::ExtendedOnly,
        endpoint: "/browse/categories",
        family: "categories",
        scopes: &[],
        paging: Paging::Offset { development: 50, extended: 50 },
        order: ListOrder::Other,
        row_mode: RowMode::CurrentState,
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
        references: &[],
    },
    Stream {
        name: "markets",
        about: "a country in which Spotify is available",
        input: StreamInput::Nothing,
        access: StreamAccess::ExtendedOnly,
        endpoint: "/markets",
        family: "markets",
        scopes: &[],
        paging: Paging::Whole,
        order: ListOrder::Other,
        row_mode: RowMode::CurrentState,
        options: &[],
        keys: &["market"],
        columns: &[&[text("market", "ISO 3166-1 alpha-2 code")], SEEN],
        references: &[],
    },
];
