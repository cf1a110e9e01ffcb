//! Tracks by id or ISRC.

use super::column::{SEEN, TRACK, TRACK_MORE};
use super::{Classes, Keeps, Order, Paging, Stream, Takes};
use spotify_client::Kind;

pub(super) const STREAMS: &[Stream] = &[Stream {
    name: "tracks",
    about: "a track",
    takes: Takes::Ids(Kind::Track),
    classes: Classes::Both,
    endpoint: "/tracks/{id}",
    family: "tracks",
    scopes: &[],
    paging: Paging::ById { batch: 50 },
    order: Order::Other,
    keeps: Keeps::Now,
    options: &["refresh_after"],
    keys: &["track_id"],
    columns: &[TRACK, TRACK_MORE, SEEN],
    refs: &[(Kind::Track, "track_id"), (Kind::Album, "album_id"), (Kind::Artist, "artist_ids")],
}];
