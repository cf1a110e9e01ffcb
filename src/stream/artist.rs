//! Artists, their releases and their most played tracks.

use super::EntryKind;
use super::column::{ALBUM, ARTIST, SEEN, TRACK, integer, text};
use super::{
    BASE, ChangeDetection, MembershipTable, Paging, ParentColumn, ReadStrategy, Stream, StreamAccess, StreamInput,
    StreamTable,
};
use spotify_client::EntityKind;
use spotify_client::family::EndpointFamily;
use spotify_client::page::Envelope;

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "artists",
        about: "an artist",
        input: StreamInput::Ids(EntityKind::Artist),
        endpoint: "/artists/{id}",
        family: EndpointFamily::ARTISTS,
        paging: Paging::ById { batch: 50 },
        strategy: ReadStrategy::ById,
        changes: ChangeDetection::Age,
        options: &["refresh_after"],
        keys: &["artist_id"],
        columns: &[ARTIST, SEEN],
        references: &[(EntityKind::Artist, "artist_id")],
        table: StreamTable::Entities("artists"),
        takes_market: true,
        ..BASE
    },
    Stream {
        name: "artist_albums",
        about: "a release of an artist, once per group that it belongs to",
        input: StreamInput::Ids(EntityKind::Artist),
        endpoint: "/artists/{id}/albums",
        family: EndpointFamily::ARTIST_ALBUMS,
        paging: Paging::Offset { development: 10, extended: 50 },
        changes: ChangeDetection::NewestFirst,
        strategy: ReadStrategy::Discography,
        entries: Some(EntryKind::Albums),
        total_is_unreliable: true,
        options: &["include_groups", "full_every", "limit_per_parent"],
        keys: &["artist_id", "album_group", "album_id"],
        columns: &[
            &[
                text("artist_id", "id of the artist"),
                text("artist_name", "name of the artist"),
                text("album_group", "the artist's role on it: album, single, appears_on or compilation"),
                integer("position", "position in that group, from 0"),
            ],
            ALBUM,
            SEEN,
        ],
        references: &[(EntityKind::Album, "album_id"), (EntityKind::Artist, "album_artist_ids")],
        table: StreamTable::Members(MembershipTable {
            parent: Some(("artist_id", ParentColumn::Id)),
            has_market: true,
            variant: Some("album_group"),
            ..MembershipTable::new("artist_releases", "album", "album_id")
        }),
        takes_market: true,
        ..BASE
    },
    Stream {
        name: "artist_top_tracks",
        about: "one of an artist's most played tracks in a market",
        input: StreamInput::Ids(EntityKind::Artist),
        access: StreamAccess::ExtendedOnly,
        endpoint: "/artists/{id}/top-tracks",
        family: EndpointFamily::ARTIST_TOP_TRACKS,
        paging: Paging::Whole,
        envelope: Envelope::Array("tracks"),
        entries: Some(EntryKind::Tracks),
        keys: &["artist_id", "rank"],
        columns: &[
            &[
                text("artist_id", "id of the requested artist"),
                text("artist_name", "name of the requested artist"),
                text("market", "the requested market"),
                integer("rank", "rank, from 1"),
            ],
            TRACK,
            SEEN,
        ],
        references: &[
            (EntityKind::Track, "track_id"),
            (EntityKind::Album, "album_id"),
            (EntityKind::Artist, "artist_ids"),
        ],
        table: StreamTable::Members(MembershipTable {
            parent: Some(("artist_id", ParentColumn::Id)),
            has_market: true,
            ..MembershipTable::new("artist_top_tracks", "track", "track_id")
        }),
        full_entities: &[EntityKind::Track],
        takes_market: true,
        ..BASE
    },
];
