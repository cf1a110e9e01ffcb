//! The lists of a user: playlists, library, followed artists, and tops.

use super::context::FetchContext;
use super::list_request::ListRequest;
use crate::job::{Fetch, TimeRange};
use crate::store::ListKey;
use crate::stream::{ReadStrategy, Stream};

/// The lists that a fetch of a user's stream reads one by one.
pub(super) fn user_stream_lists(fetch: &Fetch, context: &FetchContext) -> Vec<ListRequest> {
    let stream = context.stream;
    if stream.strategy != ReadStrategy::TopLists {
        return vec![user_list_request(stream, context)];
    }
    let ranges = if fetch.time_range.is_empty() { &[TimeRange::MediumTerm][..] } else { &fetch.time_range };
    let list = |range: &TimeRange| {
        let mut list = user_list_request(stream, context);
        range.as_str().clone_into(&mut list.key.variant);
        list.query.push(("time_range", range.as_str().to_owned()));
        list
    };
    ranges.iter().map(list).collect()
}

/// The request for a list of a user.
pub(super) fn user_list_request(stream: &Stream, context: &FetchContext) -> ListRequest {
    let market = if stream.takes_market { context.query() } else { Vec::new() };
    let fixed = stream.query.iter().map(|(name, value)| (*name, (*value).to_owned()));
    ListRequest {
        key: ListKey {
            kind: stream.name,
            parent_id: String::new(),
            audience: context.audience.clone(),
            market: context.market_for(stream),
            variant: String::new(),
        },
        family: stream.family,
        path: stream.endpoint.to_owned(),
        query: market.into_iter().chain(fixed).collect(),
        entry_kind: stream.entry_kind(),
        envelope: stream.envelope,
        paging: stream.paging,
        changes: stream.changes,
        total_is_unreliable: stream.total_is_unreliable,
        max_items: None,
        version: None,
        deferred_verification: false,
        parent: None,
    }
}
