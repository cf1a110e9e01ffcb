//! Albums and their tracks.

use super::EntryKind;
use super::column::{ALBUM, SEEN, integer, list, text};
use super::{
    ALBUM_TRACKS, BASE, ChangeDetection, MembershipTable, Paging, ParentColumn, ReadStrategy, Stream, StreamInput,
    StreamTable,
};
use spotify_client::EntityKind;
use spotify_client::family::EndpointFamily;

pub(super) const STREAMS: &[Stream] = &[
    Stream {
        name: "albums",
        about: "an album",
        input: StreamInput::Ids(EntityKind::Album),
        endpoint: "/albums/{id}",
        family: EndpointFamily::ALBUMS,
        paging: Paging::ById { batch: 20 },
        strategy: ReadStrategy::ById,
        changes: ChangeDetection::Age,
        options: &["refresh_after"],
        keys: &["album_id"],
        columns: &[ALBUM, SEEN],
        references: &[(EntityKind::Album, "album_id"), (EntityKind::Artist, "album_artist_ids")],
        table: StreamTable::Entities("albums"),
        takes_market: true,
        ..BASE
    },
    Stream {
        name: ALBUM_TRACKS,
        about: "a track at its position on an album",
        input: StreamInput::Ids(EntityKind::Album),
        endpoint: "/albums/{id}, and /albums/{id}/tracks for albums of more than 50 tracks",
        family: EndpointFamily::ALBUM_TRACKS,
        more_families: &[EndpointFamily::ALBUMS],
        paging: Paging::Offset { development: 50, extended: 50 },
        strategy: ReadStrategy::AlbumTracks,
        entries: Some(EntryKind::AlbumTracks),
        options: &["full_every"],
        keys: &["album_id", "position"],
        columns: &[
            &[
                text("album_id", "id of the album"),
                text("album_name", "title of the album"),
                integer("position", "position on the album, from 0"),
                integer("disc_number", "disc, from 1"),
                integer("track_number", "number on its disc, from 1"),
                text("track_id", "Spotify's id of the track"),
                text("track_name", "title of the track"),
                list("artist_ids", "ids of its artists, in order"),
                list("artist_names", "names of its artists, in order"),
                integer("duration_ms", "length in milliseconds"),
                super::column::boolean("explicit", "marked as explicit by Spotify"),
                text("isrc", "International Standard Recording Code; filled in once the full track was read"),
                text("spotify_url", "link to Spotify"),
            ],
            SEEN,
        ],
        references: &[
            (EntityKind::Track, "track_id"),
            (EntityKind::Album, "album_id"),
            (EntityKind::Artist, "artist_ids"),
        ],
        table: StreamTable::Members(MembershipTable {
            parent: Some(("album_id", ParentColumn::Id)),
            has_market: true,
            ..MembershipTable::new("album_tracks", "track", "track_id")
        }),
        full_entities: &[EntityKind::Album],
        takes_market: true,
        ..BASE
    },
];
