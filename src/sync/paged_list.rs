//! Lists that come in pages: how they are read, and what that costs.
//!
//! A list costs nothing where this run has read it, one page where the pages so far show that the rest
//! is unchanged, and otherwise all of its pages.

use std::collections::HashSet;

use serde_json::Value;

use super::change_detection;
use super::context::FetchContext;
use super::error::SyncError;
use super::estimate::{
    CallEstimate, CallRange, JobEstimator, ProbeOutcome, RowChanges, TotalTrust, call_count, check_total,
    is_whole_list, reasons,
};
use super::gap_looks;
use super::incremental::{IncrementalRead, PreviousRows};
use super::list_reader::{ListStrategy, read_pages, useful_etag};
use super::list_request::{ListRequest, Prefetch};
use super::missing;
use super::newest_items::{KnownNewest, NewestItems};
use super::open_list::OpenList;
use super::page_request::{PagePosition, PageResponse, request_page};
use super::read_outcome::ReadOutcome;
use super::short_page::short_page_end;
use crate::store::{Checkpoint, ListKey, ListMember, ListRow, members};
use crate::stream::{EntryKind, Paging};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::page::RawPage;
use spotify_client::wire::Playlist;

impl ListStrategy for ListRequest {
    fn key(&self, _context: &FetchContext) -> ListKey {
        self.key.clone()
    }

    fn remembered_id(&self) -> Option<&str> {
        Some(self.key.parent_id.as_str()).filter(|id| !id.is_empty())
    }

    async fn read(&self, open: &OpenList<'_>) -> Result<ReadOutcome, SyncError> {
        read_pages(open, self, Prefetch::default()).await
    }

    async fn estimate(
        &self,
        estimator: &mut JobEstimator<'_>,
        context: &FetchContext,
    ) -> Result<CallEstimate, SyncError> {
        let row = estimator.stored_row(&self.key).await?;
        if !estimator.lists.insert(self.key.clone()) || estimator.sync.is_from_this_run(row.checked_at.as_ref()) {
            return Ok(CallEstimate::for_unchanged());
        }
        if self.paging == Paging::Whole || self.family == EndpointFamily::RECENTLY_PLAYED {
            return Ok(CallEstimate::for_one(self.family, CallRange::exactly(1)));
        }
        if estimator.take_probe() {
            let position = PagePosition::default();
            let dated = self.wanted_newest().map(|_| self.without_limit());
            let answer = request_page(estimator.sync, context, dated.as_ref().unwrap_or(self), position).await;
            match estimator.classify_probe(answer)? {
                ProbeOutcome::Found(PageResponse::Page(page)) => {
                    return estimate_with_first_page(estimator, context, (self, &row), &page).await;
                }
                ProbeOutcome::Found(PageResponse::Unchanged) => {
                    let one = CallEstimate::for_one(self.family, CallRange::exactly(1));
                    return Ok(one.with_changes(RowChanges::None));
                }
                ProbeOutcome::Refused(e) => {
                    let id = self.remembered_id().unwrap_or(context.stream.name);
                    let calls = missing::calls_for_refusal(estimator.sync, context, id, &e).await?;
                    let estimate = CallEstimate::for_one(self.family, CallRange::exactly(calls));
                    return Ok(estimate.with_changes(RowChanges::None));
                }
                ProbeOutcome::NotAsked => {}
            }
        }
        estimate_without_probe(estimator, context, self, &row)
    }
}

/// How many items a list may have gained or lost since it was read.
pub(super) fn expected_drift(items: i64) -> i64 {
    5.max(items / 10)
}

/// The smallest and the largest size that the pages of a list may have.
pub(super) fn page_sizes(estimator: &JobEstimator<'_>, list: &ListRequest) -> Result<(u16, u16), SyncError> {
    let size = estimator.sync.app.page_size(list.family, &list.path, list.paging).map_err(ApiError::from)?;
    Ok(match list.paging {
        Paging::Offset { development, .. } if estimator.may_learn_page_size(list.family, list.paging, size)? => {
            (development, size)
        }
        _ => (size, size),
    })
}

/// The cost of a list with a known first page.
async fn estimate_with_first_page(
    estimator: &mut JobEstimator<'_>,
    context: &FetchContext,
    (list, row): (&ListRequest, &ListRow),
    page: &RawPage,
) -> Result<CallEstimate, SyncError> {
    // The size that has just worked.
    let (_, size) = page_sizes(estimator, list)?;
    if list.entry_kind == EntryKind::Playlists && context.stream.yields_versions {
        note_versions(estimator, page);
    }
    let one_call = CallEstimate::for_one(list.family, CallRange::exactly(1));
    let Some(total) = page.total else {
        let has_more = page.more && list.max_items.is_none_or(|max| page.served() < max);
        if has_more {
            return Ok(CallEstimate::for_one(list.family, CallRange::at_least(2)).with_reason(reasons::NEVER));
        }
        return Ok(one_call);
    };
    let items = list.max_items.map_or(total, |max| max.min(total));
    let all_pages = call_count(change_detection::page_count(items, size));
    let (id, kind) = (row.id, list.key.kind);
    let members = estimator.sync.store.write(move |s| members::current(s, id, kind)).await?;
    if let Some(wanted) = list.wanted_newest()
        && row.checkpoint.is_none()
    {
        if page.etag.is_some() && page.etag == useful_etag(estimator.sync, context, (list, row)) {
            return Ok(one_call.with_changes(RowChanges::None));
        }
        let known = KnownNewest::new(row, members);
        let is_short = short_page_end(list, &Checkpoint::default(), page, 0).is_some();
        let newest = NewestItems::new(wanted, page.clone(), &known);
        let mut estimate = estimate_newest(estimator, context, (list, row), newest).await?;
        if is_short && !known.begins_with(page, wanted) {
            // The page behind a short one shows whether it lacks items.
            estimate.add_calls(list.family, CallRange::between(0, 1));
            estimate.add_reason(reasons::NEWEST);
        }
        return Ok(estimate);
    }
    let served = page_rows(page, 0, list.entry_kind);
    if row.checkpoint.is_none() && row.unread.is_empty() && is_whole_list(page, items) {
        let changes = changes_in_first_page(&members, &served, members.len() == served.len());
        return Ok(one_call.with_changes(changes));
    }
    let recent = estimator.sync.full_read_span(context.full_every);
    let all_new = RowChanges::UpTo(call_count(items));
    if row.checkpoint.is_some() {
        let rest = estimate_resumed(list, row, Some(total), (size, size));
        return Ok(with_doubtful_total(rest, list, row).with_changes(all_new));
    }
    let known = TotalTrust::from_last_read(row, list.max_items);
    if !change_detection::can_read_incrementally(row, list.changes, list.max_items, estimator.sync.full, &recent) {
        let trust = check_total(estimator, context, (list, row), total).await?;
        let at_least = 1 + u64::from(page.more && page.served() < items);
        let estimate = CallEstimate::for_one(list.family, trust.calls(all_pages, at_least));
        return Ok(estimate.with_reason(trust.reason()).with_changes(all_new));
    }
    let changes = changes_in_first_page(&members, &served, row.announced == Some(total));
    let previous = PreviousRows::new(members, row.served.unwrap_or(0), row.announced.unwrap_or(0));
    let mut read = IncrementalRead::new(previous);
    read.add_rows(served, page.served());
    if read.is_enough(total) && row.unread.is_empty() {
        let looks = gap_looks::calls_of_look(estimator.sync, &row.gaps);
        if looks == 0 {
            return Ok(one_call.with_changes(changes));
        }
        let estimate = CallEstimate::for_one(list.family, CallRange::roughly(1 + looks, 1));
        return Ok(estimate.with_reason(reasons::GAPS).with_changes(all_new));
    }
    let calls = if known == TotalTrust::Counted { CallRange::between(2, all_pages) } else { known.calls(all_pages, 2) };
    let estimate = CallEstimate::for_one(list.family, calls).with_reason(reasons::HEAD);
    Ok(estimate.with_reason(known.reason()).with_changes(all_new))
}

/// The cost of the newest items of a list with a known first page.
async fn estimate_newest(
    estimator: &mut JobEstimator<'_>,
    context: &FetchContext,
    (list, row): (&ListRequest, &ListRow),
    mut newest: NewestItems,
) -> Result<CallEstimate, SyncError> {
    let changes = RowChanges::UpTo(call_count(list.max_items.unwrap_or(0)));
    let whole = list.without_limit();
    while let Some(offset) = newest.next_offset().filter(|_| newest.requests_left().is_none()) {
        if !estimator.take_probe() {
            break;
        }
        let position = PagePosition { offset, ..PagePosition::default() };
        let answer = request_page(estimator.sync, context, &whole, position).await;
        match estimator.classify_probe(answer)? {
            ProbeOutcome::Found(PageResponse::Page(page)) => newest.add_page(offset, &page),
            _ => break,
        }
    }
    let so_far = newest.requests();
    let Some(left) = newest.requests_left() else {
        let calls = CallRange::roughly(so_far + 1, so_far + 1);
        return Ok(CallEstimate::for_one(list.family, calls).with_reason(reasons::NEWEST).with_changes(changes));
    };
    let trust = match left {
        _ if !row.unread.is_empty() => TotalTrust::from_last_read(row, list.max_items),
        0 => TotalTrust::Counted,
        _ if newest.is_end_known() => TotalTrust::Counted,
        _ if newest.is_read_whole() => TotalTrust::Announced,
        _ => check_total(estimator, context, (list, row), newest.total()).await?,
    };
    let calls = trust.calls(so_far + left, so_far + left.min(1));
    Ok(CallEstimate::for_one(list.family, calls).with_reason(trust.reason()).with_changes(changes))
}

/// Notes the versions of the playlists on a page that the run will read.
fn note_versions(estimator: &mut JobEstimator<'_>, page: &RawPage) {
    let listed = page.entries().into_iter().filter_map(|entry| serde_json::from_str::<Playlist<'_>>(entry?).ok());
    let versions = listed.filter_map(|it| Some((it.id_or_uri()?, it.snapshot_id.value()?.to_string())));
    estimator.snapshots.extend(versions.map(|(id, version)| (id, Some(version))));
    // Those on the pages behind it are found by the run.
    estimator.versions_may_be_known |= page.more || page.total.is_none_or(|total| total > page.served());
}

/// The cost of a list without a probe.
fn estimate_without_probe(
    estimator: &mut JobEstimator<'_>,
    context: &FetchContext,
    list: &ListRequest,
    row: &ListRow,
) -> Result<CallEstimate, SyncError> {
    let (smallest, largest) = page_sizes(estimator, list)?;
    estimator.versions_may_be_known |= context.stream.yields_versions;
    let learns = u64::from(smallest < largest && estimator.tried_pages.insert(list.family));
    let mut estimate = if row.checkpoint.is_some() {
        estimate_resumed(list, row, row.announced, (smallest, largest))
    } else if let Some(last) = row.announced.or(row.served) {
        let max_items = list.max_items.filter(|_| list.wanted_newest().is_none());
        let around = |more: i64| {
            let items = (last + more).max(0);
            max_items.map_or(items, |max| max.min(items))
        };
        let at_most = call_count(change_detection::page_count(around(expected_drift(last)), smallest));
        let recent = estimator.sync.full_read_span(context.full_every);
        if change_detection::can_read_incrementally(row, list.changes, list.max_items, estimator.sync.full, &recent) {
            let reason = if at_most > 1 { reasons::HEAD } else { reasons::LAST_TIME };
            let looks = gap_looks::calls_of_look(estimator.sync, &row.gaps);
            let mut estimate = CallEstimate::for_one(list.family, CallRange::between(1, at_most)).with_reason(reason);
            if looks > 0 {
                estimate.add_calls(list.family, CallRange::between(0, looks));
                estimate.add_reason(reasons::GAPS);
            }
            estimate
        } else if list.wanted_newest().is_some() {
            // The end may be looked at before the whole list is read.
            let calls = CallRange::between(1, at_most + 2);
            CallEstimate::for_one(list.family, calls).with_reason(reasons::NEWEST)
        } else {
            let at_least = call_count(change_detection::page_count(around(-expected_drift(last)), largest));
            CallEstimate::for_one(list.family, CallRange::between(at_least, at_most)).with_reason(reasons::LAST_TIME)
        }
    } else if let Some(max_items) = list.max_items.filter(|_| list.wanted_newest().is_none()) {
        let at_most = call_count(change_detection::page_count(max_items, smallest));
        let estimate = CallEstimate::for_one(list.family, CallRange::between(1, at_most));
        if at_most > 1 { estimate.with_reason(reasons::NEVER) } else { estimate }
    } else {
        CallEstimate::for_one(list.family, CallRange::at_least(1)).with_reason(reasons::NEVER)
    };
    if learns > 0 {
        estimate.add_calls(list.family, CallRange::between(0, learns));
        estimate.add_reason(reasons::CLASS);
    }
    Ok(with_doubtful_total(estimate, list, row))
}

/// The cost of a list if its total was wrong before, or if it is half read and its total was never checked.
fn with_doubtful_total(mut estimate: CallEstimate, list: &ListRequest, row: &ListRow) -> CallEstimate {
    let known = TotalTrust::from_last_read(row, list.max_items);
    let is_counted = row.checkpoint.is_some() || row.announced.is_some();
    if is_counted && known != TotalTrust::Counted {
        estimate.add_calls(list.family, CallRange::at_least(0));
        return estimate.with_reason(known.reason());
    }
    estimate
}

/// The cost of the rest of an interrupted read, or of the whole list if it changed meanwhile.
fn estimate_resumed(
    list: &ListRequest,
    row: &ListRow,
    total: Option<i64>,
    (smallest, largest): (u16, u16),
) -> CallEstimate {
    let Some(at) = &row.checkpoint else { return CallEstimate::default() };
    let Some(total) = at.announced.or(total) else {
        return CallEstimate::for_one(list.family, CallRange::at_least(1)).with_reason(reasons::CONTINUES);
    };
    let rest = call_count(change_detection::page_count((total - at.next_offset).max(1), largest));
    let all_pages = call_count(change_detection::page_count(total + expected_drift(total), smallest));
    CallEstimate::for_one(list.family, CallRange::between(rest.min(1), rest + all_pages))
        .with_reason(reasons::CONTINUES)
}

/// How a first page changes the published rows; `is_same_count` says that no row was removed.
fn changes_in_first_page(members: &[ListMember], served: &[ListMember], is_same_count: bool) -> RowChanges {
    let known: HashSet<&str> = members.iter().map(|row| row.id.as_str()).collect();
    let new = served.iter().filter(|row| !known.contains(row.id.as_str())).count();
    if new == 0 && is_same_count { RowChanges::None } else { RowChanges::UpTo(new as u64) }
}

/// The rows of the page at an offset, as an incremental read compares them.
pub(super) fn page_rows(page: &RawPage, offset: i64, kind: EntryKind) -> Vec<ListMember> {
    let row = |(position, entry): (i64, Option<&str>)| {
        let entry: Value = serde_json::from_str(entry?).ok()?;
        let entity = match kind {
            EntryKind::Saved(kind) => &entry[kind.as_str()],
            _ => &entry,
        };
        let added_at = entry["added_at"].as_str().map(str::to_owned);
        Some(ListMember { position, id: entity["id"].as_str()?.to_owned(), added_at })
    };
    (offset..).zip(page.entries()).filter_map(row).collect()
}
