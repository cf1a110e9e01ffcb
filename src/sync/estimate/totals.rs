//! How far the announced length of a list can be trusted before the list was read.
//!
//! Spotify is wrong about the length of some lists. A list that announces more than it has costs calls
//! that find nothing, and one that announces less costs pages that were not foreseen. So an estimate is
//! exact only where it does not depend on the total (the list came in one answer), where the total was
//! right when the list was last read whole, or where a probe of the end of the list finds the last item
//! in its position and nothing behind it.

use super::call_estimate::reasons;
use super::calls::CallRange;
use super::estimator::JobEstimator;
use super::probes::ProbeOutcome;
use crate::store::ListRow;
use crate::stream::Paging;
use crate::sync::context::FetchContext;
use crate::sync::error::SyncError;
use crate::sync::list_request::ListRequest;
use crate::sync::page_request::{PagePosition, PageResponse, request_page};
use spotify_client::page::RawPage;

/// Calls for a list that ends before its announced total: one finds nothing, and one makes
/// sure of that.
const CALLS_FOR_EARLY_END: u64 = 2;

/// How far the length that Spotify announces for a list can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sync) enum TotalTrust {
    /// It was right before, or a probe of the end confirmed it.
    Counted,
    /// The list was never read to its end.
    Announced,
    /// It was wrong when the list was last read.
    Wrong,
    /// Some items could not be read, and each of them may cost a call more.
    Unread(u64),
}

impl TotalTrust {
    /// How far the last complete read confirms the total of a list, if at most `max_items` are wanted.
    pub(in crate::sync) fn from_last_read(row: &ListRow, max_items: Option<i64>) -> TotalTrust {
        let wanted = |items: i64| max_items.map_or(items, |max| max.min(items));
        match row.announced.zip(row.served) {
            Some(_) if !row.unread.is_empty() => TotalTrust::Unread(row.unread.len() as u64),
            Some(_) if row.early_end.is_some() => TotalTrust::Wrong,
            Some((announced, served)) if wanted(announced) == wanted(served) => TotalTrust::Counted,
            Some(_) => TotalTrust::Wrong,
            None => TotalTrust::Announced,
        }
    }

    /// This many calls if the total is right, and at least `at_least` whatever it is.
    pub(in crate::sync) fn calls(self, calls: u64, at_least: u64) -> CallRange {
        match self {
            TotalTrust::Counted => CallRange::exactly(calls),
            TotalTrust::Announced => CallRange::roughly(calls, at_least),
            TotalTrust::Wrong => CallRange::roughly(calls + CALLS_FOR_EARLY_END, at_least),
            TotalTrust::Unread(items) => CallRange::roughly(calls + 2 * items, at_least),
        }
    }

    /// Why an estimate that depends on the total is not exact.
    pub(in crate::sync) fn reason(self) -> Option<&'static str> {
        match self {
            TotalTrust::Counted => None,
            TotalTrust::Announced => Some(reasons::ANNOUNCED),
            TotalTrust::Wrong => Some(reasons::WRONG),
            TotalTrust::Unread(_) => Some(reasons::UNREAD),
        }
    }
}

/// Whether a first page is the whole list, by its number of items and its total.
pub(in crate::sync) fn is_whole_list(page: &RawPage, wanted: i64) -> bool {
    page.served() >= wanted && !page.more
}

/// How far the total of a list can be trusted, confirmed by a probe of its end where probes are not counted.
pub(in crate::sync) async fn check_total(
    estimator: &mut JobEstimator<'_>,
    context: &FetchContext,
    (list, row): (&ListRequest, &ListRow),
    total: i64,
) -> Result<TotalTrust, SyncError> {
    let known = TotalTrust::from_last_read(row, list.max_items);
    let by_offset = matches!(list.paging, Paging::Offset { .. });
    if !by_offset || known != TotalTrust::Announced || !estimator.probes.is_exact() || !estimator.take_probe() {
        return Ok(known);
    }
    let offset = (total - 1).max(0);
    let position = PagePosition { offset, ..PagePosition::default() };
    let answer = request_page(estimator.sync, context, list, position).await;
    Ok(match estimator.classify_probe(answer)? {
        ProbeOutcome::Found(PageResponse::Page(page)) if offset + page.served() == total && !page.more => {
            TotalTrust::Counted
        }
        _ => known,
    })
}
