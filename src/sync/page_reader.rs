//! The pages of one pass over a list, one after the other, and in smaller ones what fails as a whole.
//!
//! A page that fails in all its attempts, or that lacks items in both of its answers, is read in halves down to single
//! items. So one bad item costs itself: its position stays empty, and it is requested once more when the list is read
//! to its end. A later read requests the items that the last one could not read after all others, and only once.

mod parts;

use std::ops::Range;

use super::anomalies::PageAnomaly;
use super::commit::mark_unchanged;
use super::counts::RecordCounts;
use super::error::SyncError;
use super::list_request::{ListRequest, Prefetch};
use super::newest_items::{KnownNewest, NewestPage, read_newest};
use super::open_list::OpenList;
use super::page_request::{PageFailure, PagePosition, PageResponse, largest_page, try_page};
use super::read_outcome::{ReadOutcome, ReadStop};
use super::short_page::short_page_end;
use super::unread_items::stage_late_item;
use crate::store::{Checkpoint, UnreadItem, members};
use crate::stream::{ChangeDetection, Paging};
use parts::PageParts;
use spotify_client::error::ApiError;
use spotify_client::page::RawPage;

/// A list with more items that cannot be read is not published.
pub(super) const MAX_UNREAD_ITEMS: usize = 20;

/// Reads the pages of one pass.
pub(super) struct PageReader<'a> {
    open: &'a OpenList<'a>,
    list: &'a ListRequest,
    /// Answers that the list took.
    pub response_count: i64,
    /// The entity tag to send with the first request.
    pub etag: Option<String>,
    /// A page that was requested already, and its offset.
    held: Option<(i64, RawPage)>,
    /// The range that is read in smaller pages.
    parts: Option<PageParts>,
    /// A request for the pages of the list was answered.
    has_answered: bool,
    /// The first page is shorter than usual, so that all pages begin elsewhere than in the pass before.
    pub shortens_first: bool,
    /// Items that the last read of the list could not read, the next one first.
    unread_before: Vec<UnreadItem>,
    /// Places by which these items have moved.
    moved_by: i64,
    /// The items of the page that was returned last that could not be read, with their places in the list.
    unread_now: Vec<(i64, UnreadItem)>,
    /// Where the first page fails, as many items are tried as the job wants.
    first_items: i64,
    /// The last page has all items that the job wants.
    has_all_wanted: bool,
}

impl<'a> PageReader<'a> {
    pub(super) fn new(open: &'a OpenList<'a>, list: &'a ListRequest, etag: Option<String>) -> PageReader<'a> {
        PageReader {
            open,
            list,
            response_count: 0,
            etag,
            held: None,
            parts: None,
            has_answered: false,
            shortens_first: false,
            unread_before: open.row.unread.clone(),
            moved_by: 0,
            unread_now: Vec::new(),
            first_items: 1,
            has_all_wanted: false,
        }
    }

    /// Requests a page, in as many attempts as usual.
    pub(super) async fn request(&mut self, position: PagePosition<'_>) -> Result<PageResponse, ReadStop> {
        self.try_page(position).await.map_err(|failure| ReadStop::from_request(failure.into()))
    }

    pub(super) async fn try_page(&mut self, position: PagePosition<'_>) -> Result<PageResponse, PageFailure> {
        self.response_count += 1;
        let response = try_page(self.open.sync, self.open.context, self.list, position).await;
        self.has_answered |= response.is_ok();
        response
    }

    /// Whether a range is read in smaller pages.
    pub(super) fn reads_parts(&self) -> bool {
        self.parts.is_some()
    }

    /// The items of the page that was returned last that could not be read, with their places in the list.
    pub(super) fn take_unread(&mut self) -> Vec<(i64, UnreadItem)> {
        std::mem::take(&mut self.unread_now)
    }

    /// Keeps what `take_unread` returned, because the page is used once more.
    pub(super) fn restore_unread(&mut self, unread: Vec<(i64, UnreadItem)>) {
        self.unread_now = unread;
    }

    /// Whether the page that was returned last has all items that the job wants.
    pub(super) fn has_all_wanted(&self) -> bool {
        self.has_all_wanted
    }

    /// Whether a person has accepted the list as it is.
    pub(super) fn accepts_batch(&self) -> bool {
        self.open.accepts_batch()
    }

    /// Keeps a page that the pass needs next.
    pub(super) fn hold(&mut self, offset: i64, page: RawPage) {
        self.held = Some((offset, page));
    }

    /// The page behind a short one. It is read next, unless the short page turns out to be wrong. `None`: it cannot be
    /// read now.
    pub(super) async fn look_ahead(&mut self, offset: i64) -> Option<&RawPage> {
        if self.held.as_ref().is_none_or(|(held_offset, _)| *held_offset != offset) {
            let known_bad = self.unread_before.iter().map(|item| item.position + self.moved_by - offset);
            let max_items = known_bad.filter(|items| *items >= 0).min();
            if max_items == Some(0) {
                return None;
            }
            // Where the request fails, the next page is requested in as many attempts as usual.
            let position = PagePosition { offset, max_items, max_attempts: Some(1), ..PagePosition::default() };
            self.held = match self.try_page(position).await {
                Ok(PageResponse::Page(page)) => Some((offset, page)),
                Ok(PageResponse::Unchanged) | Err(_) => None,
            };
        }
        self.held.as_ref().map(|(_, page)| page)
    }

    /// The next page. `None`: a range has failed and is read in smaller pages, from where the list is read to.
    pub(super) async fn next_page(
        &mut self,
        at: &mut Checkpoint,
        prefetch: &mut Prefetch,
        (offset, is_second_answer): (i64, bool),
    ) -> Result<Option<RawPage>, ReadStop> {
        let is_held = !is_second_answer && self.held.as_ref().is_some_and(|(held_offset, _)| *held_offset == offset);
        match self.list.wanted_newest().filter(|_| offset == 0 && self.parts.is_none() && !is_held) {
            Some(wanted) => self.newest_page(at, wanted, is_second_answer).await.map(Some),
            None => self.listed_page(at, prefetch, (offset, is_second_answer)).await,
        }
    }

    /// The next page in the order of the list.
    async fn listed_page(
        &mut self,
        at: &mut Checkpoint,
        prefetch: &mut Prefetch,
        (offset, is_second_answer): (i64, bool),
    ) -> Result<Option<RawPage>, ReadStop> {
        if let Some((held_offset, page)) = self.held.take_if(|_| !is_second_answer)
            && held_offset == offset
        {
            return Ok(Some(page));
        }
        if let Some(page) = prefetch.page.take().filter(|_| offset == 0) {
            return Ok(Some(page));
        }
        let part = self.next_part(at, offset);
        if part.as_ref().is_some_and(Range::is_empty) {
            return Ok(Some(self.skip_unread(at, offset)));
        }
        let is_alone = part.as_ref().is_some_and(|part| part.end - part.start == 1);
        let may_be_last = at.announced.is_some_and(|total| offset + 1 >= total);
        let etag = self.useful_etag(at, (offset, is_second_answer));
        let position = PagePosition {
            offset,
            cursor: at.cursor.as_deref(),
            etag: etag.as_deref(),
            max_items: part.as_ref().map(|part| part.end - part.start),
            // A single item is requested once more at the end of the list.
            max_attempts: match self.parts {
                Some(_) if is_alone && may_be_last => Some(2),
                None if !is_alone => None,
                _ => Some(1),
            },
        };
        match self.try_page(position).await {
            Ok(PageResponse::Page(page)) => self.accept_part(at, offset, page).await,
            Ok(PageResponse::Unchanged) => Err(self.mark_unchanged().await?.into()),
            Err(PageFailure::OfItems(e))
                if matches!(self.list.paging, Paging::Offset { .. } | Paging::Cursor { .. }) =>
            {
                self.divide(at, (offset, part), e).await
            }
            Err(failure) => Err(ReadStop::from_request(failure.into())),
        }
    }

    /// The entity tag to send for the page at an offset.
    fn useful_etag(&self, at: &Checkpoint, (offset, is_second_answer): (i64, bool)) -> Option<String> {
        self.etag.clone().filter(|_| offset == 0 && at.restarts == 0 && !is_second_answer)
    }

    /// The page of the newest items of a list, if only these are wanted.
    async fn newest_page(
        &mut self,
        at: &mut Checkpoint,
        wanted: i64,
        is_second_answer: bool,
    ) -> Result<RawPage, ReadStop> {
        let OpenList { sync, row, .. } = self.open;
        let (id, kind) = (row.id, self.list.key.kind);
        let members = sync.store.write(move |s| members::current(s, id, kind)).await.map_err(SyncError::from)?;
        let known = KnownNewest::new(row, members);
        let (list, etag) = (self.list.without_limit(), self.useful_etag(at, (0, is_second_answer)));
        let first_items = if known.is_empty() { 1 } else { wanted };
        let mut pages = PageReader { first_items, ..PageReader::new(self.open, &list, etag) };
        let mut read = Checkpoint::default();
        let NewestPage { page, requests, unread, is_last } =
            read_newest(&mut pages, &mut read, (wanted, &known)).await?;
        self.response_count += requests;
        self.has_answered = true;
        (self.held, self.unread_now, self.has_all_wanted) = (pages.held, unread, is_last);
        at.etag = read.etag.or_else(|| at.etag.take());
        Ok(page)
    }

    /// The page at an offset, where all of its items were served or could not be read. A part of it comes where it is
    /// read in parts. The page behind a short one is not requested if the short one is already stored.
    pub(super) async fn whole_page(
        &mut self,
        at: &mut Checkpoint,
        offset: i64,
        is_stored: impl Fn(&RawPage) -> bool,
    ) -> Result<RawPage, ReadStop> {
        let next_part = self.parts.as_mut().and_then(|parts| parts.halving.next_range());
        if next_part.is_none_or(|part| part.start != offset) {
            self.parts = None;
        }
        at.next_offset = offset;
        let mut is_second_answer = false;
        loop {
            let read = self.listed_page(at, &mut Prefetch::default(), (offset, is_second_answer)).await?;
            let Some(page) = read else { continue };
            at.announced = at.announced.or(page.total);
            at.unread.extend(self.take_unread().into_iter().map(|(_, item)| item));
            let end = short_page_end(self.list, at, &page, offset);
            let Some(end) = end.filter(|_| self.parts.is_none() && !is_stored(&page)) else { return Ok(page) };
            if !self.look_ahead(end.offset).await.is_some_and(|next| end.is_repeated_by(next)) {
                return Ok(page);
            }
            if is_second_answer {
                self.read_anomaly_in_parts(at, offset, PageAnomaly::ShortPage { offset })?;
            }
            is_second_answer = true;
        }
    }

    /// How many items the first page has at most.
    pub(super) fn largest_page(&self) -> Result<i64, SyncError> {
        largest_page(self.open.sync, self.list, 0)
    }

    /// Requests an item once more that could not be read.
    pub(super) async fn retry_item(&mut self, position: i64) -> Option<RawPage> {
        match self.try_page(PagePosition::of_one_item(position)).await {
            Ok(PageResponse::Page(page)) if page.served() > 0 => Some(page),
            _ => None,
        }
    }

    /// Records that the published rows are still those of the list.
    async fn mark_unchanged(&self) -> Result<ReadOutcome, SyncError> {
        mark_unchanged(self.open).await?;
        let presumed = i64::from(self.open.row.proof.as_deref() != Some("one_answer"));
        Ok(ReadOutcome::Complete(RecordCounts { presumed, ..self.open.unchanged() }))
    }

    /// What to request at an offset, if that is less than a page. An empty range is an item that the last read could
    /// not read, and that is requested after all others.
    fn next_part(&mut self, at: &Checkpoint, offset: i64) -> Option<Range<i64>> {
        if let Some(part) = self.parts.as_mut().and_then(|parts| parts.halving.next_range()) {
            return Some(part);
        }
        self.parts = None;
        if self.list.has_cursor() {
            return None;
        }
        let moved_by = self.moved_by;
        self.unread_before.retain(|item| item.position + moved_by >= offset);
        let size = largest_page(self.open.sync, self.list, offset).ok()?;
        if self.shortens_first && offset == 0 && size >= 4 {
            return Some(0..size - size / 4);
        }
        let next = self.unread_before.first()?.position + moved_by;
        let is_last = at.announced.is_none_or(|total| next + 1 >= total);
        match next == offset && is_last {
            true => Some(offset..offset + 1),
            false => (next < offset + size).then_some(offset..next),
        }
    }

    /// Notes by how much the list has grown since it was last read: new items come before those that were not read.
    pub(super) fn note_total(&mut self, announced: Option<i64>) {
        if self.list.changes == ChangeDetection::NewestFirst
            && let Some((now, before)) = announced.zip(self.open.row.announced)
        {
            self.moved_by = now - before;
        }
    }

    /// The page of an item that the last read could not read.
    fn skip_unread(&mut self, at: &Checkpoint, offset: i64) -> RawPage {
        let detail = self.unread_before.first().map(|item| item.detail.clone()).unwrap_or_default();
        self.unread_page(at, offset, detail)
    }

    fn unread_page(&mut self, at: &Checkpoint, offset: i64, detail: String) -> RawPage {
        self.unread_now = vec![(offset, UnreadItem { position: offset, detail })];
        RawPage::of_unread_item(at.announced.is_none_or(|total| offset + 1 < total))
    }

    /// Requests the items once more that could not be read so far, after all others, as far as calls are left.
    pub(super) async fn retry_unread(&mut self, at: &mut Checkpoint) -> Result<(), SyncError> {
        if self.has_all_wanted {
            // The positions are those of the whole list.
            return Ok(());
        }
        for mut item in at.unread.clone() {
            match self.try_page(PagePosition::of_one_item(item.position)).await {
                Ok(PageResponse::Page(page)) if page.served() > 0 => {
                    at.unread.retain(|unread| unread.position != item.position);
                    at.skipped += stage_late_item(self.open, self.list, (page, item.position), at).await?;
                }
                Ok(_) => {}
                Err(PageFailure::OfItems(e)) => {
                    item.detail = describe_failure(&e);
                    at.unread.iter_mut().filter(|it| it.position == item.position).for_each(|it| *it = item.clone());
                }
                // The list is published all the same, and the next run requests them.
                Err(PageFailure::Other(_)) => break,
            }
        }
        Ok(())
    }
}

/// How the request for one item failed.
pub(super) fn describe_failure(e: &ApiError) -> String {
    match e {
        ApiError::ServerError { message, .. } => message.clone(),
        ApiError::Unusable { what, .. } => what.clone(),
        ApiError::NoAnswer { what, .. } => what.clone(),
        e => e.to_string(),
    }
}
