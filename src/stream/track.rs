//! Tracks by id or ISRC.

use super::column::{SEEN, TRACK, TRACK_MORE};
use super::{ListOrder, Paging, RowMode, Stream, StreamAccess, StreamInput};
use spotify_client::EntityKind;

pub(super) const STREAMS: &[Stream] = &[Stream {
    name: "tracks",
    about: "a track",
    input: StreamInput::Ids(EntityKind::Track),
    access: StreamAccess::Both,
    endpoint: "/tracks/{id}",
    family: "tracks",
    scopes: &[],
    paging: Paging::ById { batch: 50 },
    order: ListOrder::Other,
    row_mode: RowMode::CurrentState,
    options: &["refresh_after"],
    keys: &["track_id"],
    columns: &[TRACK, TRACK_MORE, SEEN],
    references: &[(EntityKind::Track, "track_id"), (EntityKind::Album, "album_id"), (EntityKind::Artist, "artist_ids")],
}];
