//! The lists of a user: playlists, library, followed artists, and tops.

use super::context::FetchContext;
use super::list_request::ListRequest;
use crate::ingest::EntryKind;
use crate::job::{Fetch, TimeRange};
use crate::store::ListKey;
use crate::stream::{Paging, Stream};
use spotify_client::EntityKind;
use spotify_client::family::EndpointFamily;
use spotify_client::page::Envelope;

/// The lists that a fetch of a user's stream reads one by one.
pub(super) fn user_stream_lists(fetch: &Fetch, context: &FetchContext) -> Vec<ListRequest> {
    let stream = context.stream;
    let entry_kind = match stream.name {
        "top_artists" => EntryKind::Artists,
        "top_tracks" => EntryKind::Tracks,
        _ => return vec![library_request(stream, context)],
    };
    let ranges = if fetch.time_range.is_empty() { &[TimeRange::MediumTerm][..] } else { &fetch.time_range };
    let list = |range: &TimeRange| {
        let mut list = user_list_request(stream, context, entry_kind, Envelope::Bare);
        range.as_str().clone_into(&mut list.key.variant);
        list.query.push(("time_range", range.as_str().to_owned()));
        list
    };
    ranges.iter().map(list).collect()
}

fn library_request(stream: &'static Stream, context: &FetchContext) -> ListRequest {
    let (entry_kind, envelope) = match stream.name {
        "my_playlists" => (EntryKind::Playlists, Envelope::Bare),
        "followed_artists" => (EntryKind::Artists, Envelope::Key("artists")),
        "saved_albums" => (EntryKind::Saved(EntityKind::Album), Envelope::Bare),
        "saved_shows" => (EntryKind::Saved(EntityKind::Show), Envelope::Bare),
        "saved_episodes" => (EntryKind::Saved(EntityKind::Episode), Envelope::Bare),
        "saved_audiobooks" => (EntryKind::Saved(EntityKind::Audiobook), Envelope::Bare),
        _ => (EntryKind::Saved(EntityKind::Track), Envelope::Bare),
    };
    let mut list = user_list_request(stream, context, entry_kind, envelope);
    if stream.name == "followed_artists" {
        list.query.push(("type", "artist".into()));
    }
    list
}

/// How Spotify is asked for a list of a user.
pub(super) fn user_list_request(
    stream: &Stream,
    context: &FetchContext,
    entry_kind: EntryKind,
    envelope: Envelope,
) -> ListRequest {
    ListRequest {
        key: ListKey {
            kind: stream.name,
            parent_id: String::new(),
            audience: context.audience.clone(),
            market: context.market_for(stream),
            variant: String::new(),
        },
        family: EndpointFamily::from_name(stream.family).unwrap_or(EndpointFamily::ME),
        path: stream.endpoint.to_owned(),
        query: if stream.takes_market() { context.query() } else { Vec::new() },
        entry_kind,
        envelope,
        paging: if stream.name == "recently_played" { Paging::Cursor { limit: 50 } } else { stream.paging },
        order: stream.order,
        max_items: None,
        version: None,
        deferred_verification: false,
        parent: None,
    }
}
