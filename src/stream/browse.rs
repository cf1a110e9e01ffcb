//! Streams that are the same for everyone: new releases, categories, markets. All three were removed for
//! apps in Development Mode in February 2026.

use super::EntryKind;
use super::column::{ALBUM, SEEN, integer, text};
use super::{BASE, MembershipTable, Paging, Stream, StreamAccess, StreamInput, StreamTable};
use spotify_client::EntityKind;
use spotify_client::family::EndpointFamily;
use spotify_client::page::Envelope;

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "new_releases",
        about: "an album that Spotify features as new",
        input: StreamInput::Nothing,
        access: StreamAccess::ExtendedOnly,
        endpoint: "/browse/new-releases",
        family: EndpointFamily::NEW_RELEASES,
        paging: Paging::Offset { development: 50, extended: 50 },
        envelope: Envelope::Key("albums"),
        entries: Some(EntryKind::Albums),
        keys: &["album_id"],
        columns: &[&[integer("position", "position in the list, from 0")], ALBUM, SEEN],
        references: &[(EntityKind::Album, "album_id"), (EntityKind::Artist, "album_artist_ids")],
        table: StreamTable::Members(MembershipTable::new("new_releases", "album", "album_id")),
        ..BASE
    },
    Stream {
        name: "categories",
        about: "a browse category",
        input: StreamInput::Nothing,
        access: StreamAccess::ExtendedOnly,
        endpoint: "/browse/categories",
        family: EndpointFamily::CATEGORIES,
        paging: Paging::Offset { development: 50, extended: 50 },
        envelope: Envelope::Key("categories"),
        entries: Some(EntryKind::Categories),
        options: &["locale"],
        keys: &["category_id"],
        columns: &[
            &[
                integer("position", "position in the list, from 0"),
                text("category_id", "Spotify's id of the category"),
                text("category_name", "name in the requested locale"),
                text("image_url", "picture of the category"),
            ],
            SEEN,
        ],
        table: StreamTable::Members(MembershipTable {
            extra_columns: &[("name", "detail")],
            ..MembershipTable::new("categories", "category", "id")
        }),
        ..BASE
    },
    Stream {
        name: "markets",
        about: "a country in which Spotify is available",
        input: StreamInput::Nothing,
        access: StreamAccess::ExtendedOnly,
        endpoint: "/markets",
        family: EndpointFamily::MARKETS,
        paging: Paging::Whole,
        envelope: Envelope::Array("markets"),
        entries: Some(EntryKind::Markets),
        keys: &["market"],
        columns: &[&[text("market", "ISO 3166-1 alpha-2 code")], SEEN],
        table: StreamTable::Members(MembershipTable::new("markets", "market", "market")),
        ..BASE
    },
];
