//! Reads a failing range in smaller pages, down to single items.

use std::ops::Range;

use super::{MAX_UNREAD_ITEMS, PageReader, describe_failure};
use crate::store::Checkpoint;
use crate::sync::anomalies::{PageAnomaly, rejected};
use crate::sync::halving::Halving;
use crate::sync::page_request::{PageFailure, PagePosition, PageResponse, largest_page};
use crate::sync::read_outcome::ReadStop;
use spotify_client::error::ApiError;
use spotify_client::page::RawPage;

/// A range of a list that is read in smaller pages.
pub(super) struct PageParts {
    pub halving: Halving,
    pub cause: PartCause,
    /// Perhaps the whole list fails, or ends here.
    pub is_doubtful: bool,
}

/// Why a range is read in smaller pages.
pub(super) enum PartCause {
    Failure(ApiError),
    Anomaly(PageAnomaly),
}

impl PartCause {
    /// How the pass ends if smaller pages are no better.
    pub(super) fn into_stop(self) -> ReadStop {
        match self {
            PartCause::Failure(e) => ReadStop::from_request(e.into()),
            PartCause::Anomaly(anomaly) => rejected(&anomaly).into(),
        }
    }
}

impl PageReader<'_> {
    /// Uses a page, unless it lacks items and is to be read in smaller pages.
    pub(super) async fn accept_part(
        &mut self,
        at: &mut Checkpoint,
        offset: i64,
        page: RawPage,
    ) -> Result<Option<RawPage>, ReadStop> {
        let Some(parts) = &mut self.parts else {
            // A list with a version has the entity tag of the answer that names the version.
            if offset == 0 && self.list.version.is_none() {
                at.etag = page.etag.clone().or_else(|| at.etag.take());
            }
            return Ok(Some(page));
        };
        let Some(part) = parts.halving.next_range() else { return Ok(Some(page)) };
        parts.is_doubtful &= page.served() == 0;
        let end = at.announced.or(page.total).map_or(offset, |total| total.min(part.end));
        if self.list.has_cursor() || page.served() >= end - offset {
            match page.served() {
                0 => self.parts = None,
                served => parts.halving.record_success(offset + served),
            }
            return Ok(Some(page));
        }
        match parts.halving.record_failure() {
            Some(position) => {
                let detail = "Spotify announces an item there and sends none".to_owned();
                self.give_up_item(at, position, detail).await.map(Some)
            }
            None => Ok(None),
        }
    }

    /// Reads what failed in smaller pages. Returns the page of a single item that failed.
    pub(super) async fn divide(
        &mut self,
        at: &Checkpoint,
        (offset, part): (i64, Option<Range<i64>>),
        e: ApiError,
    ) -> Result<Option<RawPage>, ReadStop> {
        let position = match &mut self.parts {
            Some(parts) => parts.halving.record_failure(),
            // The item failed when the list was last read, too.
            None if part.as_ref().is_some_and(|part| part.end - part.start == 1) => Some(offset),
            None => {
                let size = largest_page(self.open.sync, self.list, offset)?;
                let end = part.map_or(offset + size, |part| part.end);
                let end = at.announced.map_or(end, |total| end.min(total.max(at.next_offset + 1)));
                self.read_in_parts(at.next_offset..end, PartCause::Failure(e.clone()), !self.has_answered);
                None
            }
        };
        let Some(position) = position else { return Ok(None) };
        if self.list.has_cursor() {
            // A cursor leads from item to item, and there is none past this one.
            return Err(self.parts.take().map_or(PartCause::Failure(e), |parts| parts.cause).into_stop());
        }
        self.give_up_item(at, position, describe_failure(&e)).await.map(Some)
    }

    /// The page of a single item that failed. Ends the pass where nothing else answers, or too many items fail.
    async fn give_up_item(&mut self, at: &Checkpoint, position: i64, detail: String) -> Result<RawPage, ReadStop> {
        if self.parts.as_ref().is_some_and(|parts| parts.is_doubtful) {
            let is_alive = self.answers_elsewhere(at, position).await?;
            self.parts.as_mut().into_iter().for_each(|parts| parts.is_doubtful = !is_alive);
        }
        let ends_pass = |parts: &mut PageParts| parts.is_doubtful || at.unread.len() >= MAX_UNREAD_ITEMS;
        match self.parts.take_if(ends_pass) {
            Some(parts) => Err(parts.cause.into_stop()),
            None => Ok(self.unread_page(at, position, detail)),
        }
    }

    /// Whether the last item of the page at a position can be read.
    async fn answers_elsewhere(&mut self, at: &Checkpoint, position: i64) -> Result<bool, ReadStop> {
        let size = largest_page(self.open.sync, self.list, position)?;
        let last = at.announced.map_or(position + size, |total| total.min(position + size)) - 1;
        if last == position {
            return Ok(false);
        }
        let is_failure = matches!(&self.parts, Some(PageParts { cause: PartCause::Failure(_), .. }));
        match self.try_page(PagePosition::of_one_item(last)).await {
            Ok(PageResponse::Page(page)) => Ok(is_failure || page.served() > 0),
            Ok(PageResponse::Unchanged) | Err(PageFailure::OfItems(_)) => Ok(false),
            Err(PageFailure::Other(e)) => Err(ReadStop::from_request(e)),
        }
    }

    /// Reads the page at an offset, which lacks items, in smaller pages.
    pub(in crate::sync) fn read_anomaly_in_parts(
        &mut self,
        at: &Checkpoint,
        offset: i64,
        anomaly: PageAnomaly,
    ) -> Result<(), ReadStop> {
        let end = offset + largest_page(self.open.sync, self.list, offset)?;
        let end = at.announced.map_or(end, |total| end.min(total));
        // An empty page may be the end of the list.
        let is_doubtful = matches!(anomaly, PageAnomaly::CutShort { .. });
        self.read_in_parts(offset..end, PartCause::Anomaly(anomaly), is_doubtful);
        Ok(())
    }

    fn read_in_parts(&mut self, range: Range<i64>, cause: PartCause, is_doubtful: bool) {
        self.held = None;
        let halving = match (range.start, self.first_items) {
            (0, first @ 2..) => Halving::first_items(range, first),
            _ if is_doubtful => Halving::first_items(range, 1),
            _ => Halving::new(range),
        };
        self.parts = Some(PageParts { halving, cause, is_doubtful });
    }
}
