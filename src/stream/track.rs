//! Tracks by id or ISRC.

use super::column::{SEEN, TRACK, TRACK_MORE};
use super::{BASE, ChangeDetection, Paging, ReadStrategy, Stream, StreamInput, StreamTable};
use spotify_client::EntityKind;
use spotify_client::family::EndpointFamily;

pub(super) const STREAMS: &[Stream] = &[Stream {
    name: "tracks",
    about: "a track",
    input: StreamInput::Ids(EntityKind::Track),
    endpoint: "/tracks/{id}",
    family: EndpointFamily::TRACKS,
    paging: Paging::ById { batch: 50 },
    strategy: ReadStrategy::ById,
    changes: ChangeDetection::Age,
    options: &["refresh_after"],
    keys: &["track_id"],
    columns: &[TRACK, TRACK_MORE, SEEN],
    references: &[(EntityKind::Track, "track_id"), (EntityKind::Album, "album_id"), (EntityKind::Artist, "artist_ids")],
    table: StreamTable::Entities("tracks"),
    takes_market: true,
    ..BASE
}];
