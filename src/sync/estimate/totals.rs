//! What a total is worth before the list has been read: Spotify is wrong about the length of some lists.
//!
//! A list that announces more than it has costs calls that find nothing, one that announces less costs
//! pages that nobody foresaw. So a price is exact only where nothing hangs on the total (the list came in
//! one answer), where Spotify counted the list right when it was read whole, or where a look at the end
//! shows the last item in its place and nothing behind it.

use super::{CallRange, JobEstimator, ProbeOutcome, reasons};
use crate::store::ListRow;
use crate::stream::Paging;
use crate::sync::context::FetchContext;
use crate::sync::error::SyncError;
use crate::sync::list::ListRequest;
use crate::sync::page_request::{PagePosition, PageResponse};
use spotify_client::page::RawPage;

/// Calls that a list takes which ends before it has served what it announced: one finds nothing there,
/// and one makes sure of that.
const CALLS_FOR_EARLY_END: u64 = 2;

/// How far the length that Spotify announces for a list may be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TotalTrust {
    /// It was right before, or the end was looked at.
    Counted,
    /// Nobody has read the list to its end yet.
    Announced,
    /// It was wrong when the list was read whole.
    Wrong,
}

impl TotalTrust {
    /// What is known from the last whole read, of a list of which so many are wanted at most.
    pub(super) fn from_last_read(row: &ListRow, most: Option<i64>) -> TotalTrust {
        let wanted = |items: i64| most.map_or(items, |most| most.min(items));
        match row.announced.zip(row.served) {
            Some((announced, served)) if wanted(announced) == wanted(served) => TotalTrust::Counted,
            Some(_) => TotalTrust::Wrong,
            None => TotalTrust::Announced,
        }
    }

    /// So many calls if the total is right, and so many whatever it is.
    pub(super) fn calls(self, calls: u64, least: u64) -> CallRange {
        match self {
            TotalTrust::Counted => CallRange::exactly(calls),
            TotalTrust::Announced => CallRange::roughly(calls, least),
            TotalTrust::Wrong => CallRange::roughly(calls + CALLS_FOR_EARLY_END, least),
        }
    }

    /// Why that is no exact price.
    pub(super) fn reason(self) -> Option<&'static str> {
        match self {
            TotalTrust::Counted => None,
            TotalTrust::Announced => Some(reasons::ANNOUNCED),
            TotalTrust::Wrong => Some(reasons::WRONG),
        }
    }
}

/// Whether a page that begins a list is all of it, by what it holds and what it announces.
pub(super) fn is_whole_list(page: &RawPage, wanted: i64) -> bool {
    page.served() >= wanted && !page.more
}

impl JobEstimator<'_> {
    /// The same, made sure of by a look at the end of the list where looks are not counted.
    pub(super) async fn check_total(
        &mut self,
        frame: &FetchContext,
        list: &ListRequest,
        row: &ListRow,
        total: i64,
    ) -> Result<TotalTrust, SyncError> {
        let known = TotalTrust::from_last_read(row, list.max_items);
        let by_offset = matches!(list.paging, Paging::Offset { .. });
        if !by_offset || known != TotalTrust::Announced || !self.probes.exact || !self.take_probe() {
            return Ok(known);
        }
        let offset = (total - 1).max(0);
        let looked = self.engine.request_page(frame, list, PagePosition { offset, cursor: None, etag: None }).await;
        Ok(match self.classify_probe(looked)? {
            ProbeOutcome::Found(PageResponse::Page(page)) if offset + page.served() == total && !page.more => {
                TotalTrust::Counted
            }
            _ => known,
        })
    }
}
