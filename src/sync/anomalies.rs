//! Pages that are odd: they can be what Spotify has, and they can be a server's slip.
//!
//! A page that ends a list before its total, or repeats the items before it, is looked at from one place
//! aside. What is so shows there too, one place further on: an end has the last item left, a repetition
//! its own items. What does not is asked for once more, and given up if it is odd again. A list is never
//! called whole over an odd page on that page's word alone. A page in mid list may have fewer items than its
//! size, but where the next one begins with its last item again, one of its own is missing.
//!
//! An interrupted read of a list without a version is doubted likewise: its head is looked at again.

use serde_json::Value;

use super::error::SyncError;
use super::list::Prefetch;
use super::list_reader::{ListReader, ReadOutcome, StepResult};
use super::page_request::{PagePosition, PageResponse, is_about_the_list};
use crate::store::Checkpoint;
use crate::stream::Paging;
use spotify_client::page::RawPage;

/// Something odd about a page.
#[derive(Debug)]
pub(super) struct PageAnomaly {
    /// The word in `skipped_items`, should it stay so.
    pub reason: &'static str,
    pub detail: String,
    /// It is known to be so in lists that are in order.
    pub may_be_real: bool,
}

impl PageAnomaly {
    /// The end of a pass that it makes worthless.
    pub(super) fn into_outcome(self) -> ReadOutcome {
        ReadOutcome::Unproved { reason: self.reason, detail: self.detail }
    }
}

/// What comes of a doubt.
#[derive(Debug)]
pub(super) enum AnomalyDecision {
    /// It is odd, and so is the list.
    Accept,
    /// The page is asked for once more.
    ReadAgain,
    /// It is no page of the list.
    Reject,
}

impl ListReader<'_> {
    /// The tops end in an empty page that announces 0.
    pub(super) fn is_empty_end(page: &RawPage) -> bool {
        page.served() == 0 && page.total == Some(0)
    }

    /// What is odd about a page: it ends the list too early, or does not say where the next one begins.
    pub(super) fn find_anomaly(&self, at: &Checkpoint, page: &RawPage, offset: i64) -> Option<PageAnomaly> {
        if self.accepted_at == Some(offset) {
            return None;
        }
        if self.by_cursor() && page.more && page.served() > 0 && page.after.is_none() {
            let detail = format!("the page at {offset} names no cursor for the next one");
            return Some(PageAnomaly { reason: "no_cursor", detail, may_be_real: false });
        }
        let reached = offset + page.served();
        let total = at.announced.or(page.total);
        if let Some((_, last)) = self.short_page_end.as_ref().filter(|(edge, _)| *edge == offset)
            && page.entries().into_iter().next().and_then(entry_value).as_ref() == Some(last)
        {
            let detail =
                format!("the page before {offset} was short, and the one there begins with its last item again");
            return Some(PageAnomaly { reason: "short_page", detail, may_be_real: false });
        }
        let ends = page.served() == 0 || (self.by_cursor() && !page.more);
        let total = total.filter(|total| ends && reached < *total)?;
        if Self::is_empty_end(page) {
            return None;
        }
        let detail = format!("it ended after {reached} of the {total} items that Spotify announced");
        Some(PageAnomaly { reason: "cut_short", detail, may_be_real: self.may_end_early() })
    }

    /// Where a page with fewer items than its size ends, and with which.
    pub(super) fn short_end(&self, page: &RawPage, offset: i64) -> Option<(i64, Value)> {
        let by_offset = matches!(self.list.paging, Paging::Offset { .. });
        let short = page.limit.is_some_and(|limit| (1..limit).contains(&page.served()));
        if !(by_offset && short && page.more) {
            return None;
        }
        // Two nulls are no sign of anything.
        page.entries().into_iter().last().and_then(entry_value).map(|last| (offset + page.served(), last))
    }

    /// Of a list with a version the version tells whether it is whole; of discographies Spotify is known
    /// to announce too many. Any other list that ends early has rows missing.
    fn may_end_early(&self) -> bool {
        !self.by_cursor() && (self.list.version.is_some() || self.list.total_is_unreliable)
    }

    /// What to think of an odd page.
    pub(super) async fn decide_anomaly(
        &mut self,
        offset: i64,
        page: &RawPage,
        may_be: bool,
    ) -> Result<AnomalyDecision, SyncError> {
        if may_be && self.is_confirmed_from_aside(offset, page).await? {
            self.accepted_at = Some(offset);
            return Ok(AnomalyDecision::Accept);
        }
        if self.suspect_at == Some(offset) {
            return Ok(AnomalyDecision::Reject);
        }
        self.suspect_at = Some(offset);
        Ok(AnomalyDecision::ReadAgain)
    }

    /// Whether a look from one place aside shows the same.
    async fn is_confirmed_from_aside(&mut self, offset: i64, page: &RawPage) -> Result<bool, SyncError> {
        let aside = if offset > 0 { offset - 1 } else { offset + 1 };
        self.response_count += 1;
        let seen = match self
            .engine
            .request_page(self.frame, self.list, PagePosition { offset: aside, cursor: None, etag: None })
            .await
        {
            Ok(PageResponse::Page(seen)) => seen,
            Ok(PageResponse::Unchanged) => return Ok(false),
            Err(SyncError::Api(e)) if is_about_the_list(&e) => return Ok(false),
            Err(e) => return Err(e),
        };
        if page.served() == 0 {
            return Ok(seen.served() == i64::from(offset > 0));
        }
        // Its last item is the one before it too.
        let (seen, page) = (entry_values(&seen), entry_values(page));
        Ok(seen.len() >= page.len() && seen.first() == page.last() && page.starts_with(&seen[1..]))
    }

    /// A total that changes means that the list did, unless its version says that it did not:
    /// Spotify's totals are wrong now and then.
    pub(super) async fn check_total(
        &mut self,
        at: &mut Checkpoint,
        opening: &mut Prefetch,
        page: &RawPage,
    ) -> StepResult<()> {
        let same = at.announced.is_none() || page.total.is_none() || page.total == at.announced;
        if same || Self::is_empty_end(page) {
            return Ok(Ok(()));
        }
        let Some(version) = self.list.version.as_ref() else {
            return Ok(Err(ReadOutcome::Moved));
        };
        if self.total_changed {
            // Its totals are of no use; whether it moved is asked at its end.
            at.announced = page.total;
            return Ok(Ok(()));
        }
        self.total_changed = true;
        match self.engine.request_version(self.frame, version).await {
            Ok(snapshot) if snapshot.is_some() && snapshot == at.snapshot_id => {
                at.announced = page.total;
                Ok(Ok(()))
            }
            Ok(snapshot) => {
                opening.snapshot_id = snapshot;
                Ok(Err(ReadOutcome::Moved))
            }
            Err(SyncError::Api(e)) if is_about_the_list(&e) => Ok(Err(ReadOutcome::Refused(e))),
            Err(e) => Err(e),
        }
    }

    /// Whether a list that an interrupted read goes on with begins as it did: where nothing else tells its
    /// versions apart, what came and what went may leave its total as it was.
    pub(super) async fn check_first_page(&mut self, at: &Checkpoint) -> StepResult<()> {
        let place = PagePosition { offset: 0, cursor: None, etag: at.etag.as_deref() };
        let page = match self.engine.request_page(self.frame, self.list, place).await {
            Ok(PageResponse::Page(page)) => page,
            Ok(PageResponse::Unchanged) => return Ok(Ok(())),
            Err(SyncError::Api(e)) if is_about_the_list(&e) => return Ok(Err(ReadOutcome::Refused(e))),
            Err(e) => return Err(e),
        };
        let same_total = page.total.is_none() || at.announced.is_none() || page.total == at.announced;
        if same_total && self.engine.starts_with_page(self.frame, self.list, self.row.id, page, at.next_offset).await? {
            return Ok(Ok(()));
        }
        Ok(Err(ReadOutcome::Moved))
    }
}

/// The entries of a page, compared as values: the same may come with its keys in another order.
fn entry_values(page: &RawPage) -> Vec<Option<Value>> {
    page.entries().into_iter().map(entry_value).collect()
}

fn entry_value(entry: Option<&str>) -> Option<Value> {
    serde_json::from_str(entry?).ok()
}
