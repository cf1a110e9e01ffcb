//! The newest items of a list, if a job wants only some (`limit_per_parent`), however Spotify orders it.
//!
//! The first page shows the order. A list with its newest item first costs no more than its first pages. Of one
//! with its oldest item first, the end is read. A list in no order is read whole. Spotify may put a new item
//! elsewhere than before: if a list grew and its first page does not show by what, its end is looked at.
//!
//! The items become one page, newest first, which is committed like any other. A run and its estimate decide by
//! the same code.

use std::collections::{BTreeMap, HashSet};

use super::anomalies::{PageAnomaly, find_endless, rejected};
use super::estimate::call_count;
use super::page_reader::PageReader;
use super::read_outcome::ReadStop;
use super::release_order::{ReleaseOrder, ReleaseSpan, newest_places, release_order};
use crate::store::{Checkpoint, ListMember, ListRow, ProofKind, UnreadItem};
use spotify_client::page::RawPage;
use spotify_client::wire::scan;

/// The stored facts about a list, if only its newest items are wanted.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownNewest {
    /// Ids of the items that are stored, the newest first.
    ids: Vec<String>,
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

    /// Whether nothing is stored.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether the newest items are the first ones of the list, as far as they are on its first page, and all of these
    /// are known.
    pub(super) fn begins_with(&self, first_page: &RawPage, wanted: i64) -> bool {
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let ids: Vec<Option<String>> = first_page.entries().into_iter().take(wanted).map(id_of_entry).collect();
        !ids.is_empty()
            && ids.len() <= self.ids.len()
            && ids.iter().zip(&self.ids).all(|(id, known)| id.as_ref() == Some(known))
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
    /// How many items Spotify announces.
    announced: Option<i64>,
    page_size: i64,
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
        let is_known = |entry: &Option<&str>| id_of_entry(*entry).is_some_and(|id| known.ids.contains(&id));
        let new = first_page.entries().iter().take_while(|entry| !is_known(entry)).count();
        let grown = first_page.total.zip(known.total).map_or(0, |(now, before)| now - before);
        let mut newest = NewestItems {
            wanted,
            entries: BTreeMap::new(),
            announced: None,
            page_size: 1,
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
                Some(end_start) => (end_start - self.page_size).max(start_length),
                None if self.reached() > start_length => self.reached(),
                None => (self.total() - self.page_size).max(start_length),
            }),
        }
    }

    /// Adds a page.
    pub(super) fn add_page(&mut self, offset: i64, page: &RawPage) {
        self.requests += 1;
        self.announced = self.announced.or(page.total);
        self.page_size = self.page_size.max(page.limit.unwrap_or_else(|| page.served()));
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
        self.announced.unwrap_or(0).max(self.first_page.served())
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
        let pages = |items: i64| call_count((items.max(0) + self.page_size - 1) / self.page_size);
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

    /// The positions of the newest items, the newest first. In a list in no order, those that could not be read are
    /// among them, because nothing shows that they are older: each in the place of a known item that was not found.
    fn newest_positions(&self, unread: &[UnreadItem], known: &KnownNewest) -> Vec<i64> {
        if self.place() == NewestPlace::Start {
            return (0..self.start_length().min(self.wanted)).collect();
        }
        let (positions, dates): (Vec<i64>, Vec<_>) = self.entries.keys().copied().zip(self.dates()).unzip();
        let mut newest: Vec<i64> =
            newest_places(&dates, positions.len()).into_iter().map(|place| positions[place]).collect();
        let wanted = usize::try_from(self.wanted).unwrap_or(usize::MAX).min(newest.len());
        if self.order() != ReleaseOrder::Mixed {
            newest.truncate(wanted);
            return newest;
        }
        newest.retain(|position| unread.iter().all(|item| item.position != *position));
        newest.truncate(wanted.saturating_sub(unread.len()));
        let found = self.found_ids();
        let lost = (0..).zip(&known.ids).filter(|(_, id)| !found.contains(*id)).map(|(place, _)| place);
        for (item, place) in unread.iter().zip(lost.chain(std::iter::repeat(usize::MAX))).take(wanted - newest.len()) {
            newest.insert(place.min(newest.len()), item.position);
        }
        newest
    }

    fn found_ids(&self) -> HashSet<String> {
        self.entries.values().filter_map(|entry| id_of_entry(entry.as_deref())).collect()
    }

    /// The newest items as the first page of the list of the newest. Of `unread`, those remain that are among them.
    pub(super) fn into_page(self, unread: Vec<UnreadItem>, known: &KnownNewest) -> NewestPage {
        let positions = self.newest_positions(&unread, known);
        let entries: Vec<Option<&str>> = positions.iter().map(|position| self.entries[position].as_deref()).collect();
        let is_start = self.place() == NewestPlace::Start;
        let page = self.first_page.with_entries(&entries, self.announced, is_start && self.first_page.more);
        let place_of = |item: &UnreadItem| positions.iter().position(|position| *position == item.position);
        let unread = unread.into_iter().filter_map(|item| Some((row_count(place_of(&item)?), item))).collect();
        // That the end was looked at does not make the first page less of a proof.
        NewestPage { page, requests: if is_start { 1 } else { self.requests }, unread, is_last: !is_start }
    }

    /// The anomaly of a list that ends before its total and lacks items that were known and that the total still counts.
    /// Without it, a total that is too large is what Spotify has.
    fn find_lost_items(&self, known: &KnownNewest) -> Option<PageAnomaly> {
        let (reached, announced) = (self.length?, self.total());
        let fallen_by = (known.total? - announced).max(0);
        let found = self.found_ids();
        let unread = self.entries.len() - found.len().min(self.entries.len());
        let missing = known.ids.iter().filter(|id| !found.contains(*id)).count().saturating_sub(unread);
        let is_cut = self.place() == NewestPlace::Read && reached < announced && row_count(missing) > fallen_by;
        let cut_short =
            PageAnomaly::CutShort { reached, announced, is_plausible: false, is_first_read: false, is_accepted: false };
        is_cut.then_some(cut_short)
    }
}

fn row_count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn id_of_entry(entry: Option<&str>) -> Option<String> {
    let [id] = scan::find_values(entry?, ["id"]);
    Some(id?.trim_matches('"').to_owned())
}

/// The newest items of a list, as one page.
#[derive(Debug)]
pub(super) struct NewestPage {
    pub page: RawPage,
    /// How many requests it took.
    pub requests: i64,
    /// Items of the page that could not be read, with their places in it.
    pub unread: Vec<(i64, UnreadItem)>,
    /// All items that are wanted are in it. Otherwise they follow in the order of the list.
    pub is_last: bool,
}

/// Reads the newest items of a list. Its pages lack no item, but for those that cannot be read.
pub(super) async fn read_newest(
    pages: &mut PageReader<'_>,
    at: &mut Checkpoint,
    (wanted, known): (i64, &KnownNewest),
) -> Result<NewestPage, ReadStop> {
    let is_stored = |page: &RawPage| known.begins_with(page, wanted);
    let first_page = pages.whole_page(at, 0, is_stored).await?;
    let mut newest = NewestItems::new(wanted, first_page.clone(), known);
    // The first items alone do not show the order, but if they are the known ones, they still are the newest.
    let is_known = known.begins_with(&first_page, wanted) && first_page.served() >= wanted.min(newest.total());
    // An item that cannot be read announces no total.
    let largest = pages.largest_page()?;
    let in_first_page = |newest: &NewestItems| newest.announced.map_or(largest, |total| total.min(largest));
    while !is_known && newest.start_length() < in_first_page(&newest) && newest.length.is_none() {
        let offset = newest.start_length();
        let page = pages.whole_page(at, offset, |_| false).await?;
        newest.add_page(offset, &page);
    }
    while let Some(offset) = newest.next_offset() {
        let page = pages.whole_page(at, offset, |_| false).await?;
        if let Some(anomaly) = find_endless(at.announced, offset + page.served()) {
            return Err(rejected(&anomaly).into());
        }
        newest.add_page(offset, &page);
    }
    if let Some(anomaly) = newest.find_lost_items(known).filter(|_| !pages.accepts_batch()) {
        return Err(rejected(&anomaly).into());
    }
    // If no page follows, these items are not requested once more after it.
    if newest.place() != NewestPlace::Start || newest.start_length() >= wanted {
        let positions = newest.newest_positions(&at.unread, known);
        for item in at.unread.clone().into_iter().filter(|item| positions.contains(&item.position)) {
            if let Some(page) = pages.retry_item(item.position).await {
                newest.entries.insert(item.position, page.entries().into_iter().next().flatten().map(str::to_owned));
                at.unread.retain(|unread| *unread != item);
            }
        }
    }
    Ok(newest.into_page(std::mem::take(&mut at.unread), known))
}

#[cfg(test)]
mod tests;
