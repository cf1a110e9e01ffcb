//! The newest items of a list, if a job wants only some (`limit_per_parent`), whichever way Spotify orders it.
//!
//! The first page shows the order. A list with its newest item first costs no more than its first pages. Of one
//! with its oldest item first, the end is read. A list in no order is read whole. Spotify may put a new item
//! elsewhere than before: if a list grew and its first page does not show by what, its end is looked at.
//!
//! The items become one page, newest first, which is committed like any other. A run and its estimate decide by
//! the same code.

use std::collections::{BTreeMap, HashSet};

use super::anomalies::{PageAnomaly, find_endless};
use super::context::{FetchContext, SyncContext};
use super::error::SyncError;
use super::estimate::call_count;
use super::list_request::ListRequest;
use super::page_request::{PagePosition, PageResponse, request_page};
use super::release_order::{ReleaseOrder, ReleaseSpan, newest_places, release_order};
use crate::store::{ListMember, ListRow, ProofKind};
use spotify_client::page::RawPage;
use spotify_client::wire::scan;

/// What the store says about a list whose newest items are wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownNewest {
    /// Ids of the items that are stored.
    ids: HashSet<String>,
    /// How many items the list had.
    total: Option<i64>,
    /// The newest items were not the first ones of the list.
    are_elsewhere: bool,
}

impl KnownNewest {
    pub(super) fn new(row: &ListRow, members: Vec<ListMember>) -> KnownNewest {
        KnownNewest {
            ids: members.into_iter().map(|member| member.id).collect(),
            total: row.announced,
            are_elsewhere: row.proof.as_deref() == Some(ProofKind::EndReached.as_str()),
        }
    }
}

/// Where the newest items are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NewestPlace {
    /// In the pages that are read.
    Read,
    /// At the start of the list.
    Start,
    /// At the end of the list, or that is still to be seen.
    End,
    /// Anywhere.
    Anywhere,
}

/// How the newest items of a list are found.
#[derive(Debug)]
pub(super) struct NewestItems {
    wanted: i64,
    first_page: RawPage,
    /// The items that were read, by their position.
    entries: BTreeMap<i64, Option<String>>,
    /// How many items the list has, if its last page was read.
    length: Option<i64>,
    /// The list is read whole.
    is_whole: bool,
    /// A new item is not on the first page.
    must_see_end: bool,
    requests: i64,
}

impl NewestItems {
    /// Begins with the first page of a list.
    pub(super) fn new(wanted: i64, first_page: RawPage, known: &KnownNewest) -> NewestItems {
        let new = first_page.entries().iter().take_while(|entry| !is_known(**entry, known)).count();
        let grown = first_page.total.zip(known.total).map_or(0, |(now, before)| now - before);
        let mut newest = NewestItems {
            wanted,
            entries: BTreeMap::new(),
            length: None,
            is_whole: false,
            must_see_end: grown > row_count(new),
            requests: 0,
            first_page: first_page.clone(),
        };
        newest.add_page(0, &first_page);
        newest.is_whole |=
            known.are_elsewhere && wanted <= first_page.served() && newest.order() == ReleaseOrder::NewestFirst;
        newest
    }

    /// Where the next page begins that is needed to find the newest items; `None` if they are found, or follow the
    /// first page.
    pub(super) fn next_offset(&self) -> Option<i64> {
        let start_length = self.start_length();
        match self.place() {
            NewestPlace::Read | NewestPlace::Start => None,
            NewestPlace::Anywhere => Some(start_length),
            NewestPlace::End => Some(match self.end_start() {
                Some(end_start) => (end_start - self.page_size()).max(start_length),
                None if self.reached() > start_length => self.reached(),
                None => (self.total() - self.page_size()).max(start_length),
            }),
        }
    }

    /// Adds a page.
    pub(super) fn add_page(&mut self, offset: i64, page: &RawPage) {
        self.requests += 1;
        let (start_length, end_start, reached) = (self.start_length(), self.end_start(), offset + page.served());
        self.entries.extend((offset..).zip(page.entries().into_iter().map(|entry| entry.map(str::to_owned))));
        let follows_start = offset <= start_length;
        if !page.more && page.served() > 0 && (!follows_start || reached >= self.total()) {
            self.length = Some(self.reached());
        }
        // A page without items is the end, whatever the total says.
        if page.served() == 0 && follows_start {
            self.length = Some(start_length);
        }
        // The list is shorter than its total, or the page is shorter than its size.
        let is_gap = page.served() == 0 || end_start.is_some_and(|start| offset < start && reached < start);
        self.is_whole |= !follows_start && is_gap || self.order() == ReleaseOrder::Mixed;
    }

    fn order(&self) -> ReleaseOrder {
        release_order(self.dates())
    }

    fn dates(&self) -> impl Iterator<Item = Option<ReleaseSpan>> {
        self.entries.values().map(|entry| ReleaseSpan::of_entry(entry.as_deref()?))
    }

    /// How many items the list announces.
    pub(super) fn total(&self) -> i64 {
        self.first_page.total.unwrap_or(0).max(self.first_page.served())
    }

    fn page_size(&self) -> i64 {
        self.first_page.limit.unwrap_or_else(|| self.first_page.served()).max(1)
    }

    /// How many items were read from the start on without a gap.
    fn start_length(&self) -> i64 {
        let in_row = (0i64..).zip(self.entries.keys()).take_while(|(place, position)| place == *position);
        row_count(in_row.count())
    }

    /// Where the items begin that were read up to the end without a gap; `None` if the last page was not read.
    fn end_start(&self) -> Option<i64> {
        let length = self.length?;
        let in_row = (1..).zip(self.entries.keys().rev()).take_while(|(place, position)| length - place == **position);
        Some(length - row_count(in_row.count()))
    }

    /// The position behind the last item that was read.
    fn reached(&self) -> i64 {
        self.entries.last_key_value().map_or(0, |(position, _)| position + 1)
    }

    fn place(&self) -> NewestPlace {
        let end_start = self.end_start();
        if end_start.is_some_and(|end_start| end_start <= self.start_length()) {
            return NewestPlace::Read;
        }
        if self.is_whole {
            return NewestPlace::Anywhere;
        }
        let end_length = end_start.and_then(|end_start| Some(self.length? - end_start));
        match self.order() {
            ReleaseOrder::NewestFirst if end_length.is_some() || !self.must_see_end => NewestPlace::Start,
            ReleaseOrder::Unclear if end_length.is_some() => NewestPlace::Start,
            ReleaseOrder::OldestFirst if end_length.is_some_and(|length| length >= self.wanted) => NewestPlace::Read,
            _ => NewestPlace::End,
        }
    }

    /// How many more requests the newest items take, if the list has as many items as it announces; `None` if that
    /// depends on its end.
    pub(super) fn requests_left(&self) -> Option<u64> {
        let pages = |items: i64| call_count((items.max(0) + self.page_size() - 1) / self.page_size());
        let start_length = self.start_length();
        match self.place() {
            NewestPlace::Read => Some(0),
            NewestPlace::Start => Some(pages(self.wanted.min(self.total()) - start_length)),
            NewestPlace::Anywhere => Some(pages(self.end_start().unwrap_or(self.total()) - start_length)),
            NewestPlace::End => None,
        }
    }

    /// How many pages were requested.
    pub(super) fn requests(&self) -> u64 {
        call_count(self.requests)
    }

    /// Whether the end of the list was seen.
    pub(super) fn is_end_known(&self) -> bool {
        self.length.is_some()
    }

    /// Whether the list is in no order.
    pub(super) fn is_read_whole(&self) -> bool {
        self.place() == NewestPlace::Anywhere
    }

    /// The newest items as the first page of the list of the newest, and how many requests that page took.
    pub(super) fn into_page(self) -> (RawPage, i64) {
        let wanted = usize::try_from(self.wanted).unwrap_or(usize::MAX);
        let first = &self.first_page;
        if self.place() == NewestPlace::Start {
            let mut entries = first.entries();
            entries.truncate(wanted);
            // That the end was looked at does not make the first page less of a proof.
            return (first.with_entries(&entries, first.total, first.more), 1);
        }
        let dates: Vec<_> = self.dates().collect();
        let entries: Vec<Option<&str>> = self.entries.values().map(Option::as_deref).collect();
        let newest: Vec<Option<&str>> = newest_places(&dates, wanted).into_iter().map(|place| entries[place]).collect();
        // A list that is shorter than wanted has all that it serves.
        let is_all = !newest.is_empty() && newest.len() < wanted;
        let total = if is_all { Some(row_count(newest.len())) } else { first.total };
        (first.with_entries(&newest, total, false), self.requests)
    }
}

fn row_count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn is_known(entry: Option<&str>, known: &KnownNewest) -> bool {
    let Some([Some(id)]) = entry.map(|entry| scan::find_values(entry, ["id"])) else { return false };
    known.ids.contains(id.trim_matches('"'))
}

/// What came of the request for the newest items.
pub(super) enum NewestResponse {
    Page {
        page: RawPage,
        requests: i64,
    },
    /// The first page is the one whose entity tag was sent.
    Unchanged,
    Anomalous(PageAnomaly),
}

/// Requests the newest items of a list.
pub(super) async fn request_newest(
    sync: &SyncContext,
    context: &FetchContext,
    (list, wanted): (&ListRequest, i64),
    known: &KnownNewest,
    etag: Option<&str>,
) -> Result<NewestResponse, SyncError> {
    let list = list.without_limit();
    let position = |offset, etag| PagePosition { offset, etag, ..PagePosition::default() };
    let first = match request_page(sync, context, &list, position(0, etag)).await? {
        PageResponse::Page(page) => page,
        PageResponse::Unchanged => return Ok(NewestResponse::Unchanged),
    };
    let total = first.total;
    let mut newest = NewestItems::new(wanted, first, known);
    while let Some(offset) = newest.next_offset() {
        if let PageResponse::Page(page) = request_page(sync, context, &list, position(offset, None)).await? {
            if let Some(anomaly) = find_endless(total, offset + page.served()) {
                return Ok(NewestResponse::Anomalous(anomaly));
            }
            newest.add_page(offset, &page);
        }
    }
    let (page, requests) = newest.into_page();
    Ok(NewestResponse::Page { page, requests })
}

#[cfg(test)]
mod tests;
