//! Where a list ends, and whether the pages so far are enough: the rules for early ends, short pages and gaps.

use super::ListPass;
use crate::store::{Checkpoint, early_ends, known_gaps, timestamp};
use crate::stream::{ChangeDetection, Paging};
use crate::sync::anomalies::{
    CUT_SHORT, PageAnomaly, find_emptied, find_endless, find_page_anomaly, is_known_shortfall, is_same_from_aside,
    rejected,
};
use crate::sync::brake::{describe_known_rows, is_sharp};
use crate::sync::commit::{publish_incremental, repeats_items};
use crate::sync::counts::RecordCounts;
use crate::sync::error::SyncError;
use crate::sync::gap_looks::{LookResult, PresumedPart, is_due, look_at_gaps};
use crate::sync::incremental::IncrementalRead;
use crate::sync::list_reader::reads_whole;
use crate::sync::open_list::OpenList;
use crate::sync::page_request::{PagePosition, PageResponse};
use crate::sync::paged_list::page_rows;
use crate::sync::publication::PublishOutcome;
use crate::sync::read_outcome::{ReadOutcome, ReadStop};
use crate::sync::short_page::{ShortPageEnd, short_page_end};
use spotify_client::page::RawPage;

/// This many pages without items are followed, where each names another cursor.
const MAX_EMPTY_PAGES: usize = 3;

/// What a page means for the pass.
pub(super) struct PageProgress {
    pub reached: i64,
    pub is_last: bool,
    pub cursor: Option<String>,
}

impl ListPass<'_> {
    /// The anomaly of a page, if it has one.
    pub(super) async fn find_anomaly(
        &mut self,
        at: &Checkpoint,
        page: &RawPage,
        offset: i64,
    ) -> Result<Option<PageAnomaly>, ReadStop> {
        if self.leads_on(at, page, offset) {
            return Ok(None);
        }
        if let Some(anomaly) = find_page_anomaly(self.list, (&self.open.row, at), (page, offset)) {
            return Ok(Some(self.weigh_end(anomaly, at, page).await?));
        }
        if let Some(anomaly) = find_emptied(self.rows_to_protect(), page, offset) {
            return Ok(Some(anomaly));
        }
        self.ends_early = false;
        let is_known = |end: &ShortPageEnd| {
            let announced = at.announced.or(page.total).unwrap_or(end.offset);
            is_known_shortfall(&self.open.row, announced, end.offset)
        };
        if !self.pages.reads_parts()
            && let Some(end) = short_page_end(self.list, at, page, offset).filter(|end| !is_known(end))
            && !self.is_rest_known(at, page)
            && let Some(next) = self.pages.look_ahead(end.offset).await
        {
            self.ends_early = next.served() == 0;
            if end.is_repeated_by(next) {
                return Ok(Some(PageAnomaly::ShortPage { offset }));
            }
        }
        Ok(None)
    }

    /// Completes the facts about a list that ends before its total: whether known rows are missing, whether an
    /// earlier run has found the same end, and whether a person accepts it.
    async fn weigh_end(
        &self,
        mut anomaly: PageAnomaly,
        at: &Checkpoint,
        page: &RawPage,
    ) -> Result<PageAnomaly, SyncError> {
        let PageAnomaly::CutShort { reached, announced, is_plausible, is_first_read, is_accepted } = &mut anomaly
        else {
            return Ok(anomaly);
        };
        let OpenList { sync, row, .. } = self.open;
        let found: Vec<String> =
            page_rows(page, at.next_offset, self.list.entry_kind).into_iter().map(|row| row.id).collect();
        let (id, key, nulls) = (row.id, self.list.key.clone(), at.skipped + super::count(at.unread.len()));
        let lost = sync.store.write(move |s| early_ends::lost_rows(s, id, &key, (&found, nulls))).await?;
        let missing = *announced - *reached;
        let was_seen_before = match row.early_end {
            Some(end) => end.run != sync.run_id && end.missing == missing,
            None => row.gaps.cut_at == Some(*reached),
        };
        // The totals of discographies stay as they are when a release is withdrawn.
        let may_be_gone = self.list.total_is_unreliable && !is_sharp(lost.count, row.stored.unwrap_or(0));
        // A list by cursor has not ended if none of the announced items came, however often that happens, or if it has
        // pages without items.
        let is_broken = self.list.has_cursor() && (*reached == 0 || self.empty_pages > 0);
        *is_first_read &= !is_broken;
        let is_seen_again = was_seen_before && !is_broken && (lost.count == 0 || may_be_gone);
        // Known rows stay, unless the total says that they are gone.
        if self.list.version.is_some() || self.list.total_is_unreliable {
            *is_plausible &= lost.are_stated(*announced);
        }
        // More came than is published, and nothing is missing that was known.
        let is_better = missing < row.gaps.behind_end && lost.count == 0;
        let is_confirmed = is_seen_again || is_better;
        // By offset, the list is looked at once more; items that come only alone do not show there.
        *is_plausible |= is_confirmed && !self.list.has_cursor();
        *is_plausible &= !self.has_late_end;
        *is_accepted = self.open.context.accepts_batch
            || sync.full && self.was_reported(*reached, missing)
            || is_confirmed && (self.list.has_cursor() || self.has_late_end);
        Ok(anomaly)
    }

    /// Whether an earlier run has reported an end that lacks as much or more, so that a person could look at it.
    fn was_reported(&self, reached: i64, missing: i64) -> bool {
        let OpenList { sync, row, .. } = self.open;
        match row.early_end {
            Some(end) => end.run != sync.run_id && end.missing >= missing,
            None => row.gaps.cut_at.is_some_and(|cut_at| cut_at <= reached),
        }
    }

    /// Whether the end of the list is known and not requested again: of a list that is read whole each time, the item
    /// behind it is requested as seldom as the missing items of other lists.
    fn is_end_presumed(&self, page: &RawPage, (reached, announced): (i64, Option<i64>)) -> bool {
        let is_last = !page.more || page.limit.is_some_and(|limit| page.served() < limit);
        is_last && self.is_known_end(reached, announced) && !is_due(self.open.sync, &self.open.row.gaps)
    }

    /// Whether a list that is read whole each time ended here before.
    fn is_known_end(&self, reached: i64, announced: Option<i64>) -> bool {
        let (sync, row) = (self.open.sync, &self.open.row);
        let is_read_whole = !matches!(self.list.changes, ChangeDetection::NewestFirst | ChangeDetection::Version);
        is_read_whole
            && !reads_whole(sync, self.open.context, row)
            && row.gaps.behind_end > 0
            && announced.is_some_and(|announced| is_known_shortfall(row, announced, reached))
    }

    /// Records that nothing came behind the known end of a list.
    pub(super) async fn record_end_look(&self, at: &Checkpoint, page: &RawPage, offset: i64) -> Result<(), SyncError> {
        if page.served() > 0 || !self.is_known_end(offset, at.announced.or(page.total)) {
            return Ok(());
        }
        let (id, now) = (self.open.row.id, timestamp(self.open.sync.now()));
        Ok(self.open.sync.store.write(move |s| known_gaps::record_look(s, id, &now)).await?)
    }

    /// Whether the rows of a page and those that are stored add up to the whole list, so that the page lacks nothing.
    fn is_rest_known(&self, at: &Checkpoint, page: &RawPage) -> bool {
        // A page without a next one says that the list ends there.
        if !page.more {
            return false;
        }
        let (Some(read), Some(total)) = (&self.incremental, at.announced.or(page.total)) else { return false };
        let reached = at.next_offset + page.served();
        let mut read = read.clone();
        read.add_rows(page_rows(page, at.next_offset, self.list.entry_kind), reached);
        read.is_enough(total)
    }

    /// Rows that must not vanish by one odd answer.
    fn rows_to_protect(&self) -> i64 {
        if self.open.accepts_batch() { 0 } else { self.open.row.stored.unwrap_or(0) }
    }

    /// Whether a page that is requested at an offset that differs by one shows the same.
    pub(super) async fn is_confirmed_from_aside(
        &mut self,
        offset: i64,
        page: &RawPage,
        repeated: i64,
    ) -> Result<bool, SyncError> {
        let aside = if offset > 0 { offset - 1 } else { offset + 1 };
        match self.pages.request(PagePosition { offset: aside, ..PagePosition::default() }).await {
            Ok(PageResponse::Page(aside)) => {
                Ok(is_same_from_aside(&aside, page, offset, usize::try_from(repeated).unwrap_or(0)))
            }
            Ok(PageResponse::Unchanged) | Err(ReadStop::Outcome(_)) => Ok(false),
            Err(ReadStop::Error(e)) => Err(e),
        }
    }

    /// How far the list is read with a page, and whether that is all.
    pub(super) fn page_progress(&self, at: &Checkpoint, page: &RawPage, offset: i64) -> Result<PageProgress, ReadStop> {
        let reached = offset + page.served();
        let announced = at.announced.or(page.total);
        let is_enough = self.list.max_items.is_some_and(|max| reached >= max);
        let cursor = if page.more { page.after.clone() } else { None };
        let is_end = match self.list.paging {
            Paging::Whole => true,
            Paging::Cursor { .. } => cursor.is_none() || page.served() == 0 && !self.leads_on(at, page, offset),
            _ => {
                page.served() == 0
                    || self.is_end_presumed(page, (reached, announced))
                    || (!page.more && self.is_end_of_pages(page, (offset, announced)))
            }
        };
        let is_last = is_end || is_enough || self.pages.has_all_wanted();
        if !is_last && let Some(anomaly) = find_endless(announced, reached) {
            return Err(rejected(&anomaly).into());
        }
        Ok(PageProgress { reached, is_last, cursor })
    }

    /// Whether a page without items names another cursor, behind which the announced items may follow.
    fn leads_on(&self, at: &Checkpoint, page: &RawPage, offset: i64) -> bool {
        let has_other_cursor = page.more && page.after.is_some() && page.after != at.cursor;
        let lacks_items = at.announced.or(page.total).is_some_and(|total| offset < total);
        self.list.has_cursor()
            && page.served() == 0
            && has_other_cursor
            && lacks_items
            && self.empty_pages < MAX_EMPTY_PAGES
    }

    /// A full page that ends a list before its total, although it names no cursor: the cursor of a page is the id of its
    /// last item, so the next page shows whether that is the end.
    pub(super) fn with_cursor_of_last_item(&self, at: &Checkpoint, mut page: RawPage, offset: i64) -> RawPage {
        let is_full = page.limit.is_some_and(|limit| limit > 0 && page.served() >= limit);
        let lacks_items = at.announced.or(page.total).is_some_and(|total| offset + page.served() < total);
        let is_end = !page.more && page.after.is_none();
        if !(self.list.has_cursor() && is_full && lacks_items && is_end) {
            return page;
        }
        if let Some(last) = page_rows(&page, offset, self.list.entry_kind).pop() {
            (page.more, page.after) = (true, Some(last.id));
        }
        page
    }

    /// Whether a list that names no next page ends with a page. Without a usable total, a full page shows nothing.
    fn is_end_of_pages(&self, page: &RawPage, (offset, announced): (i64, Option<i64>)) -> bool {
        let reached = offset + page.served();
        let is_full = || page.limit.is_some_and(|limit| limit > 0 && page.served() >= limit);
        match announced {
            Some(total) if total > 0 => reached >= total,
            _ => self.pages.reads_parts() || !is_full(),
        }
    }

    /// Publishes the list if the pages so far are enough: the rest is presumed to be unchanged.
    pub(super) async fn finish_incrementally(&mut self, at: &mut Checkpoint) -> Result<Option<ReadOutcome>, ReadStop> {
        let is_enough =
            |read: &&IncrementalRead| !self.ends_early && at.announced.is_some_and(|total| read.is_enough(total));
        let Some(read) = self.incremental.as_ref().filter(is_enough) else { return Ok(None) };
        if repeats_items(self.open, self.list, at).await? {
            // A repeated item may have come in place of another one. The whole list shows it.
            self.incremental = None;
            return Ok(None);
        }
        let part = self.presumed_part(at, read);
        let grown = at.announced.unwrap_or(0) - self.open.row.announced.unwrap_or(0);
        // What came at one of several empty places may have come at the others, too.
        if read.fills_gap(&self.open.row.gaps.places, grown)
            && (!part.gaps.is_empty() || self.open.row.gaps.behind_end > 0 && !part.is_end_known)
            && self.open.context.progress.take_look()
        {
            self.incremental = None;
            return Ok(None);
        }
        let cut_short = match look_at_gaps(self.open, self.list, &part).await? {
            LookResult::Nothing => None,
            // A discography is short enough to be read whole: the end may be real.
            LookResult::StillCut(detail) if !self.list.total_is_unreliable => Some(detail),
            LookResult::StillCut(_) => {
                self.incremental = None;
                return Ok(None);
            }
            LookResult::Items(late) => {
                (self.incremental, self.late_items) = (None, late);
                return Ok(None);
            }
        };
        at.unread.extend(read.presumed_unread(&self.open.row.unread));
        self.pages.retry_unread(at).await?;
        let (outcome, duplicates) = publish_incremental(self.open, self.list, at, (read, cut_short.clone())).await?;
        let stored = match outcome {
            PublishOutcome::Stored(stored) => stored,
            PublishOutcome::Suspect { detail } => return Err(super::suspect(detail).into()),
            PublishOutcome::Superseded => return Ok(Some(ReadOutcome::Moved)),
        };
        let counts = self.counts(at, stored);
        let counts = RecordCounts {
            presumed: 1,
            unchanged: i64::from(read.found_nothing_new()),
            skipped: counts.skipped + duplicates + i64::from(cut_short.is_some()),
            ..counts
        };
        Ok(Some(match (ReadOutcome::published(at, counts), cut_short) {
            (ReadOutcome::Complete(counts), Some(detail)) => {
                let kept = describe_known_rows(&self.open.context.job, &self.open.context.fetch);
                ReadOutcome::Incomplete { counts, detail: format!("{CUT_SHORT}: {detail}; {kept}") }
            }
            (outcome, _) => outcome,
        }))
    }

    /// The part of the list that is presumed to be unchanged behind the pages that were read.
    fn presumed_part(&self, at: &Checkpoint, read: &IncrementalRead) -> PresumedPart<'_> {
        let row = &self.open.row;
        let grown = at.announced.unwrap_or(0) - row.announced.unwrap_or(0);
        let end = row.served.unwrap_or(0) + grown;
        PresumedPart {
            gaps: read.presumed_gaps(&row.gaps.places),
            end,
            is_end_known: self.last_page_is_short && at.next_offset >= end,
            cut_at: row.gaps.cut_at.map(|cut_at| cut_at + grown),
            first_items: None,
        }
    }
}
