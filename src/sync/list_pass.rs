//! One pass over a list, from its start or from where an interrupted read stopped, to its end.
//!
//! The position follows what the server served, nulls included. `next` only says whether there is
//! more; an empty page ends a list whatever `next` says; `total` is a hint until the end of the list,
//! where it is a check.

mod ends;

use self::ends::PageProgress;
use super::anomalies::{
    AnomalyDecision, AnomalyEvidence, PageAnomaly, VersionEvidence, decide, find_changed_total, rejected,
};
use super::brake::SUSPECT_BATCH;
use super::commit::{CommitOutcome, PageCommit, commit_page, publish_staged, staged_hash};
use super::counts::RecordCounts;
use super::error::SyncError;
use super::gap_looks::{LateItem, fill_page};
use super::incremental::{IncrementalRead, PreviousRows};
use super::list_request::{ListRequest, Prefetch};
use super::open_list::OpenList;
use super::page_reader::{MAX_UNREAD_ITEMS, PageReader};
use super::page_request::{PageFailure, PagePosition, PageResponse, request_version};
use super::publication::PublishOutcome;
use super::read_outcome::{PendingVerification, ReadOutcome, ReadStop};
use super::staged_entries::starts_with_page;
use crate::store::{Checkpoint, ProofKind, UnreadItem, members};
use spotify_client::page::RawPage;

/// One pass over a list.
pub(super) struct ListPass<'a> {
    open: &'a OpenList<'a>,
    list: &'a ListRequest,
    /// The rows published before, if they are enough to read the list incrementally.
    incremental: Option<IncrementalRead>,
    pages: PageReader<'a>,
    /// Items that an interrupted read had read before this pass.
    resumed_at: i64,
    /// The next page begins with an item that is staged already. It shows whether the list is still the
    /// one of the interrupted read.
    overlap: bool,
    /// The interrupted read that this pass continues, until that is reported.
    interrupted: Option<Checkpoint>,
    /// The offset of the page that is requested once more.
    suspect_at: Option<i64>,
    /// The offset of the anomalous page that was accepted.
    accepted_at: Option<i64>,
    /// Hash of what the previous pass read to its end, or this one.
    content_hash: Option<String>,
    /// This pass found items twice.
    has_doubles: bool,
    /// Where the previous pass found the list cut short.
    cut_short_before: Option<i64>,
    /// Where this pass found it cut short.
    cut_short_at: Option<i64>,
    /// The last page is short, and nothing follows it although more is announced.
    ends_early: bool,
    /// The last page has fewer items than a page has, and names no next one.
    last_page_is_short: bool,
    /// The announced total changed during this pass, and the version did not.
    total_changed: bool,
    /// When the playlist was last read by any reader before this read began.
    newest_read_at: Option<String>,
    /// The version that was found during this pass instead of that at its start.
    other_version: Option<String>,
    /// Items that a look has found, for the places that are still empty.
    late_items: Vec<LateItem>,
    /// The list was continued behind its end by late items.
    has_late_end: bool,
    /// Number of pages without items after which the cursor was followed.
    empty_pages: usize,
}

impl<'a> ListPass<'a> {
    pub(super) fn new(
        open: &'a OpenList<'a>,
        list: &'a ListRequest,
        previous: Option<PreviousRows>,
        etag: Option<String>,
    ) -> ListPass<'a> {
        ListPass {
            open,
            list,
            incremental: previous.map(IncrementalRead::new),
            pages: PageReader::new(open, list, etag),
            resumed_at: 0,
            overlap: false,
            interrupted: None,
            suspect_at: None,
            accepted_at: None,
            content_hash: None,
            has_doubles: false,
            cut_short_before: None,
            cut_short_at: None,
            ends_early: false,
            last_page_is_short: false,
            total_changed: false,
            newest_read_at: None,
            other_version: None,
            late_items: Vec::new(),
            has_late_end: false,
            empty_pages: 0,
        }
    }

    /// Reads the list once. `at` says how far it is read, also where the pass ends with an error.
    pub(super) async fn read(mut self, at: &mut Checkpoint, prefetch: &mut Prefetch) -> Result<ReadOutcome, SyncError> {
        self.cut_short_before = prefetch.cut_short_at.take();
        self.late_items = std::mem::take(&mut prefetch.late_items);
        let ended = self.read_to_end(at, prefetch).await;
        prefetch.cut_short_at = self.cut_short_at;
        if let Some(version) = self.other_version.take() {
            prefetch.snapshot_id = Some(version);
        }
        match ended {
            Ok(outcome) => Ok(outcome),
            Err(stop) => stop.into(),
        }
    }

    async fn read_to_end(&mut self, at: &mut Checkpoint, prefetch: &mut Prefetch) -> Result<ReadOutcome, ReadStop> {
        self.resume(at, prefetch).await?;
        // A read from the start ends as soon as known rows follow, wherever its pages begin.
        self.pages.shortens_first = std::mem::take(&mut prefetch.has_doubles) && self.incremental.is_none();
        if at.reached_end && at.snapshot_id.is_none() {
            return self.verify_complete(at, prefetch).await;
        }
        if at.reached_end {
            // It was read to its end before an interruption, and its version is the same.
            return self.publish(at, ProofKind::Snapshot).await;
        }
        loop {
            let offset = at.next_offset - i64::from(self.overlap);
            let is_second_answer = self.suspect_at == Some(offset);
            let Some(page) = self.pages.next_page(at, prefetch, (offset, is_second_answer)).await? else {
                // The smaller pages begin where the list is read to.
                self.overlap = false;
                continue;
            };
            let unread = self.pages.take_unread();
            let (page, late) = self.add_late_items(at, page, (offset, unread.is_empty())).await;
            let page = self.with_cursor_of_last_item(at, page, offset);
            self.resolve_total(at, prefetch, &page).await?;
            if self.accepted_at != Some(offset)
                && let Some(anomaly) = self.find_anomaly(at, &page, offset).await?
                && !self.resolve_page_anomaly(&anomaly, at, (&page, offset)).await?
            {
                continue;
            }
            self.record_end_look(at, &page, offset).await?;
            let progress = self.page_progress(at, &page, offset)?;
            if progress.is_last {
                self.pages.retry_unread(at).await?;
            }
            let committed = self.commit(at, (page, unread, late), offset, progress).await;
            if !matches!(committed, Ok(None)) {
                prefetch.content_hash = self.content_hash.take();
                prefetch.has_doubles = self.has_doubles;
            }
            if let Some(outcome) = committed? {
                return Ok(outcome);
            }
            if at.reached_end {
                return self.verify_complete(at, prefetch).await;
            }
        }
    }

    /// A page with the items that a look has found where the page still lacks them, and these items.
    async fn add_late_items(
        &mut self,
        at: &Checkpoint,
        page: RawPage,
        (offset, is_readable): (i64, bool),
    ) -> (RawPage, Vec<LateItem>) {
        if self.late_items.is_empty() || !is_readable {
            return (page, Vec::new());
        }
        if page.served() > 0 {
            return fill_page(page, offset, &self.late_items, self.list.entry_kind);
        }
        let Some(first) = self.late_items.iter().find(|item| item.place == offset) else { return (page, Vec::new()) };
        // The list goes on behind its end, item by item.
        let mut items = vec![first.clone()];
        let total = at.announced.or(page.total).unwrap_or(0);
        while items.len() < MAX_UNREAD_ITEMS && offset + count(items.len()) < total {
            let place = offset + count(items.len());
            let next = self.pages.retry_item(place).await;
            let Some(item) = next.and_then(|next| LateItem::first_of(&next, place, self.list.entry_kind)) else {
                break;
            };
            items.push(item);
        }
        self.has_late_end = true;
        let entries: Vec<Option<&str>> = items.iter().map(|item| Some(item.entry.as_str())).collect();
        let mut longer = page.with_entries(&entries, page.total, page.more);
        longer.limit = page.limit;
        (longer, items)
    }

    /// Continues an interrupted read, if the list still begins as it did.
    async fn resume(&mut self, at: &Checkpoint, prefetch: &mut Prefetch) -> Result<(), ReadStop> {
        let is_from_parent = std::mem::take(&mut prefetch.is_from_parent);
        let is_unproved = at.next_offset > 0 && at.snapshot_id.is_none() && !is_from_parent && !at.reached_end;
        self.content_hash.clone_from(&prefetch.content_hash);
        self.newest_read_at = prefetch.newest_read_at(&self.open.row);
        // What came with the answer about the parent was served by this run too.
        self.resumed_at = if is_from_parent { 0 } else { at.next_offset };
        let is_unread = at.unread.iter().any(|item| item.position + 1 == at.next_offset);
        self.overlap = is_unproved && !self.list.has_cursor() && !is_unread;
        self.interrupted = (at.next_offset > 0 && !is_from_parent && !at.reached_end).then(|| at.clone());
        if is_unproved && let Err(stop) = self.check_first_page(at).await {
            if matches!(stop, ReadStop::Outcome(ReadOutcome::Moved)) {
                self.report_resume(false);
            }
            return Err(stop);
        }
        self.pages.response_count = i64::from(prefetch.page.is_some()) + i64::from(at.next_offset > 0);
        if let Some(incremental) = self.incremental.as_mut().filter(|_| at.next_offset > 0) {
            let (id, up_to) = (self.open.row.id, at.next_offset);
            let staged =
                self.open.sync.store.write(move |s| members::staged(s, id, 0, up_to)).await.map_err(SyncError::from)?;
            incremental.add_rows(staged, up_to);
        }
        Ok(())
    }

    /// Checks, before an interrupted read is continued, that the list begins as it did. Added and removed items can
    /// leave its total as it was if the list has no version.
    async fn check_first_page(&mut self, at: &Checkpoint) -> Result<(), ReadStop> {
        // Up to the first item that could not be read.
        let max_items = at.unread.iter().map(|item| item.position).min();
        if max_items == Some(0) {
            return Ok(());
        }
        let position = PagePosition { etag: at.etag.as_deref(), max_items, ..PagePosition::default() };
        let page = match self.pages.try_page(position).await {
            Ok(PageResponse::Page(page)) => page,
            Ok(PageResponse::Unchanged) => return Ok(()),
            Err(PageFailure::OfItems(_)) => return Err(ReadOutcome::Moved.into()),
            Err(PageFailure::Other(e)) => return Err(ReadStop::from_request(e)),
        };
        let is_same_total = page.total.is_none() || at.announced.is_none() || page.total == at.announced;
        if is_same_total && starts_with_page(self.open, self.list, page, at.next_offset).await? {
            return Ok(());
        }
        Err(ReadOutcome::Moved.into())
    }

    /// Decides about an anomalous page; false: the page is requested once more.
    async fn resolve_page_anomaly(
        &mut self,
        anomaly: &PageAnomaly,
        at: &Checkpoint,
        (page, offset): (&RawPage, i64),
    ) -> Result<bool, ReadStop> {
        let cut_short_at = match anomaly {
            PageAnomaly::CutShort { reached, .. } => Some(*reached),
            _ => None,
        };
        let mut evidence = AnomalyEvidence {
            has_cursor: self.list.has_cursor(),
            is_first_pass: at.restarts == 0,
            is_repeated: cut_short_at.is_some() && cut_short_at == self.cut_short_before,
            is_second_answer: self.suspect_at == Some(offset),
            version: VersionEvidence::NotRequested,
            ..AnomalyEvidence::default()
        };
        loop {
            match decide(anomaly, &evidence) {
                AnomalyDecision::RequestAside => {
                    let repeated = match anomaly {
                        PageAnomaly::OverlappingPage { items, .. } => *items,
                        _ => page.served(),
                    };
                    evidence.same_from_aside = Some(self.is_confirmed_from_aside(offset, page, repeated).await?);
                }
                AnomalyDecision::RequestVersion => {
                    let snapshot_id = self.request_version().await?;
                    let is_same = snapshot_id.is_some() && snapshot_id == at.snapshot_id;
                    evidence.version = if is_same { VersionEvidence::Same } else { VersionEvidence::Different };
                    self.other_version = snapshot_id.filter(|_| !is_same);
                }
                AnomalyDecision::Accept => {
                    (self.suspect_at, self.accepted_at) = (None, Some(offset));
                    return Ok(true);
                }
                AnomalyDecision::ReadAgain => {
                    self.suspect_at = Some(offset);
                    return Ok(false);
                }
                // Smaller pages come in the order of the list, which need not be that of the newest items.
                AnomalyDecision::Divide if offset == 0 && self.list.wanted_newest().is_some() => {
                    return Err(rejected(anomaly).into());
                }
                AnomalyDecision::Divide => {
                    self.suspect_at = None;
                    self.pages.read_anomaly_in_parts(at, offset, anomaly.clone())?;
                    return Ok(false);
                }
                AnomalyDecision::Restart => {
                    self.cut_short_at = cut_short_at;
                    return Err(ReadOutcome::Moved.into());
                }
                AnomalyDecision::Reject => return Err(rejected(anomaly).into()),
            }
        }
    }

    /// Decides about a total that is not that of the pages before. Spotify's totals are wrong now and then,
    /// so the list's version has the last word, if it has one.
    async fn resolve_total(
        &mut self,
        at: &mut Checkpoint,
        prefetch: &mut Prefetch,
        page: &RawPage,
    ) -> Result<(), ReadStop> {
        let Some(anomaly) = find_changed_total(self.list, at, page) else { return Ok(()) };
        let mut version = match &self.list.version {
            None => VersionEvidence::Missing,
            Some(_) if self.total_changed => VersionEvidence::SameBefore,
            Some(_) => VersionEvidence::NotRequested,
        };
        let totals = (at.announced, page.total);
        let is_repeated = prefetch.changed_totals == Some(totals);
        loop {
            match decide(&anomaly, &AnomalyEvidence { version, is_repeated, ..AnomalyEvidence::default() }) {
                AnomalyDecision::RequestVersion => {
                    self.total_changed = true;
                    let snapshot_id = self.request_version().await?;
                    let is_same = snapshot_id.is_some() && snapshot_id == at.snapshot_id;
                    if !is_same {
                        prefetch.snapshot_id = snapshot_id;
                    }
                    version = if is_same { VersionEvidence::Same } else { VersionEvidence::Different };
                }
                AnomalyDecision::Accept => {
                    // Without a version, the list may turn out to be shorter than its first total says.
                    if self.list.version.is_some() {
                        at.announced = page.total;
                    }
                    return Ok(());
                }
                _ => {
                    prefetch.changed_totals = Some(totals);
                    return Err(ReadOutcome::Moved.into());
                }
            }
        }
    }

    async fn request_version(&self) -> Result<Option<String>, ReadStop> {
        let Some(version) = &self.list.version else { return Ok(None) };
        request_version(self.open.sync, self.open.context, version).await.map_err(ReadStop::from_request)
    }

    /// Commits a page. Returns the outcome of the pass if the page ends it. `at.reached_end` says that the list
    /// was read to its end and has to be verified.
    async fn commit(
        &mut self,
        at: &mut Checkpoint,
        (page, unread, late_items): (RawPage, Vec<(i64, UnreadItem)>, Vec<LateItem>),
        offset: i64,
        progress: PageProgress,
    ) -> Result<Option<ReadOutcome>, ReadStop> {
        let by = if self.pages.response_count > 1 { ProofKind::EndReached } else { ProofKind::OneAnswer };
        let needs_proof = progress.is_last && self.list.version.is_some() && self.pages.response_count > 1;
        let mut next = at.clone();
        next.next_offset = progress.reached;
        next.announced = at.announced.or(page.total);
        next.cursor = progress.cursor;
        next.reached_end = needs_proof;
        let unread_of_page = unread.clone();
        let (unread_places, unread): (Vec<i64>, Vec<UnreadItem>) = unread.into_iter().unzip();
        let items = progress.reached - offset - count(unread.len());
        next.unread.extend(unread);
        self.pages.note_total(next.announced);
        self.last_page_is_short = page.is_short_end();
        self.empty_pages += usize::from(page.served() == 0);
        let overlap = std::mem::take(&mut self.overlap);
        let content_hash = self.content_hash.clone();
        let page_commit = PageCommit {
            page,
            offset,
            overlap,
            at: next.clone(),
            finish: (progress.is_last && !needs_proof).then_some(by),
            is_accepted: self.accepted_at == Some(offset),
            unread_places,
            late_items,
            known_hashes: content_hash.into_iter().chain(self.open.row.content_hash.clone()).collect(),
            newest_read_at: self.newest_read_at.clone(),
        };
        match commit_page(self.open, self.list, page_commit).await? {
            CommitOutcome::Staged { skipped, rows } => {
                self.report_resume(true);
                next.skipped += skipped;
                if let Some(incremental) = &mut self.incremental {
                    incremental.add_rows(rows, progress.reached);
                }
            }
            CommitOutcome::Published { stored, skipped } => {
                self.report_resume(true);
                next.skipped += skipped;
                *at = next;
                return Ok(Some(self.complete(at, stored)));
            }
            CommitOutcome::Suspect { detail, skipped } => {
                next.skipped += skipped;
                *at = next;
                return Err(suspect(detail).into());
            }
            CommitOutcome::Anomalous(anomaly, page) => {
                match &anomaly {
                    PageAnomaly::DifferentRows => self.report_resume(false),
                    PageAnomaly::ManyDuplicates { content_hash } => {
                        self.content_hash = Some(content_hash.clone());
                        self.has_doubles = true;
                    }
                    _ => {}
                }
                self.overlap = overlap;
                if self.resolve_page_anomaly(&anomaly, at, (&page, offset)).await? {
                    self.pages.hold(offset, page);
                    self.pages.restore_unread(unread_of_page);
                }
                return Ok(None);
            }
        }
        self.open.sync.observer.items_served(&self.open.context.fetch, items);
        *at = next;
        self.finish_incrementally(at).await
    }

    /// Reports once whether the interrupted read is continued.
    fn report_resume(&mut self, is_continued: bool) {
        if let Some(at) = self.interrupted.take() {
            self.open.record_resume(&at, is_continued);
        }
    }

    /// Proves that a list with a version did not change while it was read, and publishes it.
    async fn verify_complete(&self, at: &mut Checkpoint, prefetch: &mut Prefetch) -> Result<ReadOutcome, ReadStop> {
        if self.list.version.is_none() {
            return Ok(ReadOutcome::Moved);
        }
        let row = &self.open.row;
        let content_hash = staged_hash(self.open).await?;
        // Where the version says nothing, the same content in two reads does. One of them may be an earlier one.
        let is_same_content = prefetch.content_hash.as_ref() == Some(&content_hash)
            || (row.unstable_version && row.content_hash.as_ref() == Some(&content_hash));
        if is_same_content {
            return self.publish(at, ProofKind::Content).await;
        }
        prefetch.content_hash = Some(content_hash);
        // Two missing versions do not show that the list is the same.
        if at.snapshot_id.is_none() || (row.unstable_version && at.restarts == 0) {
            return Ok(ReadOutcome::Moved);
        }
        if self.list.deferred_verification {
            let (request, row, checkpoint) = (self.list.clone(), row.clone(), at.clone());
            return Ok(ReadOutcome::AwaitsVerification(Box::new(PendingVerification { request, row, checkpoint })));
        }
        let snapshot_id = self.request_version().await?;
        if snapshot_id != at.snapshot_id {
            prefetch.snapshot_id = snapshot_id;
            return Ok(ReadOutcome::Moved);
        }
        self.publish(at, ProofKind::Snapshot).await
    }

    /// Publishes the staged rows. A list that another reader has published in another version is read again.
    async fn publish(&self, at: &Checkpoint, by: ProofKind) -> Result<ReadOutcome, ReadStop> {
        match publish_staged(self.open, self.list, at, by, self.newest_read_at.clone()).await? {
            PublishOutcome::Stored(stored) => Ok(self.complete(at, stored)),
            PublishOutcome::Suspect { detail } => Err(suspect(detail).into()),
            PublishOutcome::Superseded => Ok(ReadOutcome::Moved),
        }
    }

    fn complete(&self, at: &Checkpoint, stored: i64) -> ReadOutcome {
        ReadOutcome::published(at, self.list.with_wrong_total(at, self.counts(at, stored)))
    }

    fn counts(&self, at: &Checkpoint, stored: i64) -> RecordCounts {
        // The places of the newest items are those of the whole list.
        let is_by_place = !self.pages.has_all_wanted();
        let is_read_now =
            |item: &&UnreadItem| !is_by_place || (self.resumed_at..at.next_offset).contains(&item.position);
        let unread = at.unread.iter().filter(is_read_now).count();
        RecordCounts::of_read(at, stored, (self.resumed_at, count(unread)))
    }
}

fn suspect(detail: String) -> ReadOutcome {
    ReadOutcome::Unproved { reason: SUSPECT_BATCH, detail, reached: None }
}

fn count(items: usize) -> i64 {
    i64::try_from(items).unwrap_or(i64::MAX)
}
