//! One pass over a list.
//!
//! The cursor follows what the server served, nulls counted. `next` only says whether there is
//! more; an empty page ends a list whatever `next` says; `total` is a hint until the end, when it is
//! a check.

use crate::store::{members, staging};
use serde_json::Value;

use super::anomalies::{AnomalyDecision, PageAnomaly};
use super::commit::{CommitOutcome, PageCommit};
use super::context::{FetchContext, RecordCounts, SyncContext};
use super::error::SyncError;
use super::incremental::{IncrementalRead, PreviousRows};
use super::list::{ListRequest, Prefetch};
use super::page_request::{PagePosition, PageResponse, is_about_the_list};
use crate::store::{Checkpoint, ListRow, ProofKind};
use crate::stream::Paging;
use spotify_client::error::ApiError;
use spotify_client::page::RawPage;

/// A list that serves this many items more than it announced does not end.
const MAX_BEYOND_TOTAL: i64 = 1_000;

/// A list that does not say how long it is has no more items than this: Spotify's longest, a
/// library, is far shorter.
const MAX_LIST_LENGTH: i64 = 1_000_000;

/// How a pass ended.
#[derive(Debug)]
pub(super) enum ReadOutcome {
    /// The list was read to its end and is in place.
    Whole(RecordCounts),
    /// It was read from its head to what is known; the rest is presumed to stand.
    Presumed(RecordCounts),
    /// The first answer is what it was.
    Unchanged(RecordCounts),
    /// It was read to its end and has to be proved.
    AwaitsVerification,
    /// It is not the list any more that it was at the beginning.
    Moved,
    /// It does not end, or contradicts itself.
    Unproved { reason: &'static str, detail: String },
    /// Spotify refuses it.
    Refused(ApiError),
}

/// Either what was wanted, or how the pass ended by that.
pub(super) type StepResult<T> = Result<Result<T, ReadOutcome>, SyncError>;

/// One pass.
pub(super) struct ListReader<'a> {
    pub(super) engine: &'a SyncContext,
    pub(super) frame: &'a FetchContext,
    pub(super) list: &'a ListRequest,
    pub(super) row: &'a ListRow,
    incremental: Option<IncrementalRead>,
    etag: Option<String>,
    /// Where an interrupted read goes on.
    resumed_at: i64,
    /// Answers that the list came in.
    pub(super) response_count: i64,
    /// One item is read twice: it tells whether this is still the list that was interrupted.
    overlap: bool,
    /// The interrupted read that this pass goes on with, until that is told.
    interrupted: Option<Checkpoint>,
    /// A page that was looked at and found to stand as it is.
    checked_page: Option<RawPage>,
    /// The place whose page is asked for once more.
    pub(super) suspect_at: Option<i64>,
    /// The place whose page is odd and is so all the same.
    pub(super) accepted_at: Option<i64>,
    /// Where the page before ended that had fewer items than its size, and its last item.
    pub(super) short_page_end: Option<(i64, Value)>,
    /// Hash of what an earlier pass read to its end, or this one.
    content_hash: Option<String>,
    pub(super) total_changed: bool,
}

/// What a page means for the pass.
struct PageProgress {
    reached: i64,
    is_last: bool,
    /// It ended before its total.
    ended_early: bool,
    cursor: Option<String>,
}

impl<'a> ListReader<'a> {
    pub(super) fn new(
        engine: &'a SyncContext,
        frame: &'a FetchContext,
        list: &'a ListRequest,
        row: &'a ListRow,
        known: Option<PreviousRows>,
        etag: Option<String>,
    ) -> ListReader<'a> {
        ListReader {
            engine,
            frame,
            list,
            row,
            incremental: known.map(IncrementalRead::new),
            etag,
            resumed_at: 0,
            response_count: 0,
            overlap: false,
            interrupted: None,
            checked_page: None,
            suspect_at: None,
            accepted_at: None,
            short_page_end: None,
            content_hash: None,
            total_changed: false,
        }
    }

    pub(super) fn by_cursor(&self) -> bool {
        matches!(self.list.paging, Paging::Cursor { .. })
    }

    pub(super) async fn read_once(
        mut self,
        at: &mut Checkpoint,
        opening: &mut Prefetch,
    ) -> Result<ReadOutcome, SyncError> {
        if let Err(end) = self.resume(at, opening).await? {
            return Ok(end);
        }
        if at.reached_end && at.snapshot_id.is_none() {
            return self.verify_complete(at, opening).await;
        }
        if at.reached_end {
            // It waited for a proof since before an interruption, and is what it was.
            let stored =
                self.engine.publish_staged(self.frame, self.list, self.row.id, at, ProofKind::Snapshot).await?;
            return Ok(ReadOutcome::Whole(self.counts(at, stored)));
        }
        loop {
            let offset = at.next_offset - i64::from(self.overlap);
            let page = match self.next_page(at, opening, offset).await? {
                Ok(page) => page,
                Err(end) => return Ok(end),
            };
            if let Some(odd) = self.find_anomaly(at, &page, offset) {
                match self.decide_anomaly(offset, &page, odd.may_be_real).await? {
                    AnomalyDecision::Accept => {}
                    AnomalyDecision::ReadAgain => continue,
                    // It was the page before that was odd: cursors step over what it lacked.
                    AnomalyDecision::Reject
                        if at.restarts == 0
                            && (odd.reason == "short_page" || odd.reason == "cut_short" && self.by_cursor()) =>
                    {
                        return Ok(ReadOutcome::Moved);
                    }
                    AnomalyDecision::Reject => return Ok(odd.into_outcome()),
                }
            }
            if let Err(end) = self.check_total(at, opening, &page).await? {
                return Ok(end);
            }
            self.short_page_end = self.short_end(&page, offset);
            let step = match self.page_progress(at, &page, offset) {
                Ok(step) => step,
                Err(end) => return Ok(end),
            };
            if let Some(end) = self.commit(at, page, offset, step).await? {
                opening.content_hash = self.content_hash.take();
                return Ok(end);
            }
            if at.reached_end {
                return self.verify_complete(at, opening).await;
            }
        }
    }

    /// Takes up an interrupted read where it was.
    async fn resume(&mut self, at: &Checkpoint, opening: &mut Prefetch) -> StepResult<()> {
        let just_begun = std::mem::take(&mut opening.is_from_parent);
        let unproved = at.next_offset > 0 && at.snapshot_id.is_none() && !just_begun && !at.reached_end;
        self.content_hash.clone_from(&opening.content_hash);
        // What came with the answer about its parent was served now, too.
        self.resumed_at = if just_begun { 0 } else { at.next_offset };
        self.overlap = unproved && !self.by_cursor();
        self.interrupted = (at.next_offset > 0 && !just_begun && !at.reached_end).then(|| at.clone());
        if unproved && let Err(end) = self.check_first_page(at).await? {
            self.report_resume(false);
            return Ok(Err(end));
        }
        self.response_count = i64::from(opening.page.is_some()) + i64::from(at.next_offset > 0);
        if let Some(head) = self.incremental.as_mut().filter(|_| at.next_offset > 0) {
            let (id, up_to) = (self.row.id, at.next_offset);
            head.add_rows(self.engine.store.write(move |s| members::staged(s, id, 0, up_to)).await?, up_to);
        }
        Ok(Ok(()))
    }

    /// The page at a place: in hand, or asked for.
    async fn next_page(&mut self, at: &mut Checkpoint, opening: &mut Prefetch, offset: i64) -> StepResult<RawPage> {
        if let Some(page) = self.checked_page.take().or_else(|| opening.page.take().filter(|_| offset == 0)) {
            return Ok(Ok(page));
        }
        self.response_count += 1;
        let etag = self.etag.as_deref().filter(|_| offset == 0 && at.restarts == 0 && self.suspect_at.is_none());
        let place = PagePosition { offset, cursor: at.cursor.as_deref(), etag };
        match self.engine.request_page(self.frame, self.list, place).await {
            Ok(PageResponse::Page(page)) => {
                // The tag of a list with a version is that of what names the version, another address.
                if offset == 0 && self.list.version.is_none() {
                    at.etag = page.etag.clone().or_else(|| at.etag.take());
                }
                Ok(Ok(page))
            }
            Ok(PageResponse::Unchanged) => {
                self.engine.mark_unchanged(self.row.id).await?;
                let presumed = i64::from(self.row.proof.as_deref() != Some("one_answer"));
                let stored = self.row.stored.unwrap_or(0);
                Ok(Err(ReadOutcome::Unchanged(RecordCounts {
                    unchanged: 1,
                    presumed,
                    stored,
                    ..RecordCounts::default()
                })))
            }
            Err(SyncError::Api(e)) if is_about_the_list(&e) => Ok(Err(ReadOutcome::Refused(e))),
            Err(e) => Err(e),
        }
    }

    /// How far the list is read with a page, and whether that is all.
    fn page_progress(&self, at: &Checkpoint, page: &RawPage, offset: i64) -> Result<PageProgress, ReadOutcome> {
        let reached = offset + page.served();
        let announced = at.announced.or(page.total);
        let enough = self.list.max_items.is_some_and(|most| reached >= most);
        let cursor = if page.more { page.after.clone() } else { None };
        let whole = match self.list.paging {
            Paging::Whole => true,
            Paging::Cursor { .. } => page.served() == 0 || cursor.is_none(),
            _ => page.served() == 0 || (!page.more && announced.is_none_or(|total| reached >= total)),
        };
        let last = whole || enough;
        let bound = announced.unwrap_or(MAX_LIST_LENGTH);
        if !last && reached > bound + MAX_BEYOND_TOTAL {
            let detail = format!("{reached} items served of {bound} announced");
            return Err(ReadOutcome::Unproved { reason: "endless", detail });
        }
        // What was announced and not served may well stand there: it is not called removed.
        let short = page.served() == 0 && self.list.version.is_none() && announced.is_some_and(|total| reached < total);
        Ok(PageProgress { reached, is_last: last, ended_early: short && !Self::is_empty_end(page), cursor })
    }

    /// Commits a page; the end of the pass, where that is one. `at.ended` says that all is read and has
    /// to be proved.
    async fn commit(
        &mut self,
        at: &mut Checkpoint,
        page: RawPage,
        offset: i64,
        step: PageProgress,
    ) -> Result<Option<ReadOutcome>, SyncError> {
        let by = if self.response_count > 1 { ProofKind::EndReached } else { ProofKind::OneAnswer };
        let needs_proof = step.is_last && self.list.version.is_some() && self.response_count > 1;
        let mut landing = at.clone();
        landing.next_offset = step.reached;
        landing.announced = at.announced.or(page.total);
        landing.cursor = step.cursor;
        landing.reached_end = needs_proof;
        let finish = (step.is_last && !needs_proof).then_some((by, step.ended_early));
        let overlap = std::mem::take(&mut self.overlap);
        let (vouched, content) = (self.accepted_at == Some(offset), self.content_hash.clone());
        let known = content.into_iter().chain(self.row.content_hash.clone()).collect();
        let parts = PageCommit {
            page,
            offset,
            overlap,
            at: landing.clone(),
            finish,
            is_accepted: vouched,
            known_hashes: known,
        };
        match self.engine.commit_page(self.frame, self.list, self.row.id, parts).await? {
            CommitOutcome::Different => {
                self.report_resume(false);
                return Ok(Some(ReadOutcome::Moved));
            }
            CommitOutcome::Repeats(page) => {
                self.overlap = overlap;
                let verdict = self.decide_anomaly(offset, &page, !self.by_cursor()).await?;
                let detail = format!("the page at {offset} repeats the items before it");
                return Ok(match verdict {
                    AnomalyDecision::Accept => {
                        self.checked_page = Some(page);
                        None
                    }
                    AnomalyDecision::ReadAgain => None,
                    AnomalyDecision::Reject => {
                        Some(PageAnomaly { reason: "repeated_page", detail, may_be_real: false }.into_outcome())
                    }
                });
            }
            CommitOutcome::ManyDuplicates(content) => {
                self.content_hash = Some(content);
                return Ok(Some(ReadOutcome::Moved));
            }
            CommitOutcome::Swapped { stored, skipped } => {
                self.report_resume(true);
                landing.skipped += skipped;
                *at = landing;
                return Ok(Some(ReadOutcome::Whole(self.counts(at, stored))));
            }
            CommitOutcome::Staged { skipped, rows } => {
                self.report_resume(true);
                landing.skipped += skipped;
                if let Some(head) = &mut self.incremental {
                    head.add_rows(rows, step.reached);
                }
            }
        }
        self.engine.observer.items_served(&self.frame.fetch, step.reached - offset);
        *at = landing;
        let enough = |head: &&IncrementalRead| at.announced.is_some_and(|total| head.is_enough(total));
        let Some(head) = self.incremental.as_ref().filter(enough) else { return Ok(None) };
        let (stored, doubled) = self.engine.publish_presumed(self.frame, self.list, self.row, at, head).await?;
        let unchanged = i64::from(head.found_nothing_new());
        let tally = RecordCounts { presumed: 1, unchanged, ..self.counts(at, stored) };
        Ok(Some(ReadOutcome::Presumed(RecordCounts { skipped: tally.skipped + doubled, ..tally })))
    }

    /// Tells, once, what became of the interrupted read.
    fn report_resume(&mut self, goes_on: bool) {
        if let Some(at) = self.interrupted.take() {
            self.engine.record_resume(self.frame, self.list, self.row, &at, goes_on);
        }
    }

    /// Shows that a list with a version did not move while it was read.
    async fn verify_complete(&self, at: &mut Checkpoint, opening: &mut Prefetch) -> Result<ReadOutcome, SyncError> {
        let Some(version) = &self.list.version else { return Ok(ReadOutcome::Moved) };
        let id = self.row.id;
        let content = self.engine.store.write(move |s| staging::hash(s, id)).await?;
        // Where versions say nothing, the same content in two reads does, one of them an earlier one.
        let again = opening.content_hash.as_ref() == Some(&content)
            || (self.row.unstable_version && self.row.content_hash.as_ref() == Some(&content));
        if again {
            let stored = self.engine.publish_staged(self.frame, self.list, id, at, ProofKind::Content).await?;
            return Ok(ReadOutcome::Whole(self.counts(at, stored)));
        }
        opening.content_hash = Some(content);
        // So it is where Spotify names no version at all: none is not the same as none.
        if at.snapshot_id.is_none() || (self.row.unstable_version && at.restarts == 0) {
            return Ok(ReadOutcome::Moved);
        }
        if self.list.deferred_verification {
            return Ok(ReadOutcome::AwaitsVerification);
        }
        let snapshot = match self.engine.request_version(self.frame, version).await {
            Ok(snapshot) => snapshot,
            Err(SyncError::Api(e)) if is_about_the_list(&e) => return Ok(ReadOutcome::Refused(e)),
            Err(e) => return Err(e),
        };
        if snapshot != at.snapshot_id {
            opening.snapshot_id = snapshot;
            return Ok(ReadOutcome::Moved);
        }
        let stored = self.engine.publish_staged(self.frame, self.list, id, at, ProofKind::Snapshot).await?;
        Ok(ReadOutcome::Whole(self.counts(at, stored)))
    }

    fn counts(&self, at: &Checkpoint, stored: i64) -> RecordCounts {
        let served = at.next_offset - self.resumed_at;
        RecordCounts { announced: at.announced, served, stored, skipped: at.skipped, ..RecordCounts::default() }
    }
}
