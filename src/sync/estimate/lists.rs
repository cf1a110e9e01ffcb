//! The price of a list: none where this run has read it, a page where it is read from its head to what
//! is known, else all of its pages.

use crate::store::{lists, members};
use std::collections::HashSet;

use serde_json::Value;

use super::totals::{TotalTrust, is_whole_list};
use super::{CallEstimate, CallRange, JobEstimator, ProbeOutcome, RowChanges, call_count, reasons};
use crate::job::Fetch;
use crate::store::{ListMember, ListRow};
use crate::stream::{EntryKind, Paging, ReadStrategy};
use crate::sync::change_detection;
use crate::sync::context::FetchContext;
use crate::sync::error::SyncError;
use crate::sync::incremental::{IncrementalRead, PreviousRows};
use crate::sync::list::ListRequest;
use crate::sync::page_request::{PagePosition, PageResponse};
use crate::sync::user_lists::user_stream_lists;
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::page::RawPage;
use spotify_client::wire::Playlist;

/// How many items a list may have won or lost since the last look, for a price without asking.
fn expected_drift(items: i64) -> i64 {
    5.max(items / 10)
}

impl JobEstimator<'_> {
    /// What a user's own costs.
    pub(super) async fn estimate_user_stream(
        &mut self,
        fetch: &Fetch,
        frame: &FetchContext,
    ) -> Result<CallEstimate, SyncError> {
        match frame.stream.strategy {
            ReadStrategy::Profile => Ok(CallEstimate::for_one(EndpointFamily::ME, CallRange::exactly(1))),
            ReadStrategy::OwnPlaylists => self.estimate_own_playlists(frame).await,
            _ => {
                let mut price = CallEstimate::default();
                for list in user_stream_lists(fetch, frame) {
                    price.add(self.estimate_list(frame, &list).await?);
                }
                Ok(price)
            }
        }
    }

    /// What a list costs.
    pub(super) async fn estimate_list(
        &mut self,
        frame: &FetchContext,
        list: &ListRequest,
    ) -> Result<CallEstimate, SyncError> {
        let row = self.stored_row(list).await?;
        if !self.lists.insert(list.key.clone()) || self.engine.is_from_this_run(row.checked_at.as_ref()) {
            return Ok(CallEstimate::for_unchanged());
        }
        if list.paging == Paging::Whole || list.family == EndpointFamily::RECENTLY_PLAYED {
            return Ok(CallEstimate::for_one(list.family, CallRange::exactly(1)));
        }
        if self.take_probe() {
            let place = PagePosition { offset: 0, cursor: None, etag: None };
            let looked = self.engine.request_page(frame, list, place).await;
            match self.classify_probe(looked)? {
                ProbeOutcome::Found(PageResponse::Page(page)) => {
                    return self.estimate_probed_list(frame, list, &row, &page).await;
                }
                ProbeOutcome::Found(PageResponse::Unchanged) | ProbeOutcome::Refused => {
                    return Ok(CallEstimate::for_one(list.family, CallRange::exactly(1)).with_changes(RowChanges::None));
                }
                ProbeOutcome::NotAsked => {}
            }
        }
        self.estimate_unprobed_list(frame, list, &row)
    }

    /// What is known of a list, by its key.
    pub(super) async fn stored_row(&self, list: &ListRequest) -> Result<ListRow, SyncError> {
        let (key, full) = (list.key.clone(), self.engine.full);
        let row = self.engine.store.write(move |s| lists::find(s, &key)).await?.unwrap_or_default();
        Ok(ListRow { checkpoint: row.checkpoint.filter(|_| !full), ..row })
    }

    /// The price of a list whose first page is in hand.
    async fn estimate_probed_list(
        &mut self,
        frame: &FetchContext,
        list: &ListRequest,
        row: &ListRow,
        page: &RawPage,
    ) -> Result<CallEstimate, SyncError> {
        // What has just worked.
        let (_, size) = self.page_sizes(list)?;
        let Some(total) = page.total else {
            let more = page.more && list.max_items.is_none_or(|most| page.served() < most);
            let calls = if more { CallRange::at_least(2) } else { CallRange::exactly(1) };
            let price = CallEstimate::for_one(list.family, calls);
            return Ok(if more { price.with_reason(reasons::NEVER) } else { price });
        };
        let items = list.max_items.map_or(total, |most| most.min(total));
        let whole = call_count(change_detection::page_count(items, size));
        let (id, kind) = (row.id, list.key.kind);
        let standing = self.engine.store.write(move |s| members::current(s, id, kind)).await?;
        let served = rows_of(page, list.entry_kind);
        if list.entry_kind == EntryKind::Playlists {
            self.note_versions(page);
        }
        if row.checkpoint.is_none() && is_whole_list(page, items) {
            let came = changes_in_first_page(&standing, &served, standing.len() == served.len());
            return Ok(CallEstimate::for_one(list.family, CallRange::exactly(1)).with_changes(came));
        }
        let when = self.engine.full_read_span(frame.full_every);
        let all_new = RowChanges::UpTo(call_count(items));
        if row.checkpoint.is_some() {
            let rest = self.estimate_resumed_list(list, row, Some(total), (size, size));
            return Ok(self.with_doubtful_total(rest, list, row).with_changes(all_new));
        }
        let known = TotalTrust::from_last_read(row, list.max_items);
        if !change_detection::can_read_incrementally(row, list.changes, list.max_items, self.engine.full, &when) {
            let counted = self.check_total(frame, list, row, total).await?;
            let least = 1 + u64::from(page.more && page.served() < items);
            let price = CallEstimate::for_one(list.family, counted.calls(whole, least)).with_reason(counted.reason());
            return Ok(price.with_changes(all_new));
        }
        let came = changes_in_first_page(&standing, &served, row.announced == Some(total));
        let mut head =
            IncrementalRead::new(PreviousRows::new(standing, row.served.unwrap_or(0), row.announced.unwrap_or(0)));
        head.add_rows(served, page.served());
        if head.is_enough(total) {
            return Ok(CallEstimate::for_one(list.family, CallRange::exactly(1)).with_changes(came));
        }
        let whole = if known == TotalTrust::Counted { CallRange::between(2, whole) } else { known.calls(whole, 2) };
        Ok(CallEstimate::for_one(list.family, whole)
            .with_reason(reasons::HEAD)
            .with_reason(known.reason())
            .with_changes(all_new))
    }

    /// Notes the versions of the playlists on a page that a run will read.
    fn note_versions(&mut self, page: &RawPage) {
        let listed = page.entries().into_iter().filter_map(|entry| serde_json::from_str::<Playlist<'_>>(entry?).ok());
        let versions = listed.filter_map(|it| Some((it.id.value()?.to_string(), it.snapshot_id.value()?.to_string())));
        self.snapshots.extend(versions.map(|(id, version)| (id, Some(version))));
    }

    /// The price of a list that nobody looks at.
    fn estimate_unprobed_list(
        &mut self,
        frame: &FetchContext,
        list: &ListRequest,
        row: &ListRow,
    ) -> Result<CallEstimate, SyncError> {
        let (smallest, largest) = self.page_sizes(list)?;
        let learns = u64::from(smallest < largest && self.tried_pages.insert(list.family));
        let mut price = if row.checkpoint.is_some() {
            self.estimate_resumed_list(list, row, row.announced, (smallest, largest))
        } else if let Some(last) = row.announced.or(row.served) {
            let around = |more: i64| {
                let items = (last + more).max(0);
                list.max_items.map_or(items, |most| most.min(items))
            };
            let most = call_count(change_detection::page_count(around(expected_drift(last)), smallest));
            let when = self.engine.full_read_span(frame.full_every);
            if change_detection::can_read_incrementally(row, list.changes, list.max_items, self.engine.full, &when) {
                CallEstimate::for_one(list.family, CallRange::between(1, most)).with_reason(if most > 1 {
                    reasons::HEAD
                } else {
                    reasons::LAST_TIME
                })
            } else {
                let least = call_count(change_detection::page_count(around(-expected_drift(last)), largest));
                CallEstimate::for_one(list.family, CallRange::between(least, most)).with_reason(reasons::LAST_TIME)
            }
        } else if let Some(most) = list.max_items {
            let most = call_count(change_detection::page_count(most, smallest));
            let price = CallEstimate::for_one(list.family, CallRange::between(1, most));
            if most > 1 { price.with_reason(reasons::NEVER) } else { price }
        } else {
            CallEstimate::for_one(list.family, CallRange::at_least(1)).with_reason(reasons::NEVER)
        };
        if learns > 0 {
            price.add_calls(list.family, CallRange::between(0, learns));
            price.add_reason(reasons::CLASS);
        }
        Ok(self.with_doubtful_total(price, list, row))
    }

    /// The price of a list that Spotify was wrong about, or of a half that nobody has compared with its total.
    fn with_doubtful_total(&self, mut price: CallEstimate, list: &ListRequest, row: &ListRow) -> CallEstimate {
        let known = TotalTrust::from_last_read(row, list.max_items);
        let counts = row.checkpoint.is_some() || row.announced.is_some();
        if counts && known != TotalTrust::Counted {
            price.add_calls(list.family, CallRange::at_least(0));
            return price.with_reason(known.reason());
        }
        price
    }

    /// The rest of a list whose read was interrupted, or all of it, should it have changed.
    fn estimate_resumed_list(
        &self,
        list: &ListRequest,
        row: &ListRow,
        total: Option<i64>,
        (smallest, largest): (u16, u16),
    ) -> CallEstimate {
        let Some(at) = &row.checkpoint else { return CallEstimate::default() };
        let Some(total) = at.announced.or(total) else {
            return CallEstimate::for_one(list.family, CallRange::at_least(1)).with_reason(reasons::GOES_ON);
        };
        let rest = call_count(change_detection::page_count((total - at.next_offset).max(1), largest));
        let whole = call_count(change_detection::page_count(total + expected_drift(total), smallest));
        CallEstimate::for_one(list.family, CallRange::between(rest.min(1), rest + whole)).with_reason(reasons::GOES_ON)
    }

    /// The smallest and the largest size that the pages of a list may have.
    pub(super) fn page_sizes(&self, list: &ListRequest) -> Result<(u16, u16), SyncError> {
        let size = self.engine.app.page_size(list.family, &list.path, list.paging).map_err(ApiError::from)?;
        Ok(match list.paging {
            Paging::Offset { development, .. } if self.may_learn_page_size(list.family, list.paging, size)? => {
                (development, size)
            }
            _ => (size, size),
        })
    }
}

/// What a first page brings to what stands; `as_many` says that no row went.
fn changes_in_first_page(standing: &[ListMember], served: &[ListMember], as_many: bool) -> RowChanges {
    let known: HashSet<&str> = standing.iter().map(|row| row.id.as_str()).collect();
    let new = served.iter().filter(|row| !known.contains(row.id.as_str())).count();
    if new == 0 && as_many { RowChanges::None } else { RowChanges::UpTo(new as u64) }
}

/// The rows of a page as the arithmetic of heads wants them.
fn rows_of(page: &RawPage, shape: EntryKind) -> Vec<ListMember> {
    let row = |(position, entry): (i64, Option<&str>)| {
        let entry: Value = serde_json::from_str(entry?).ok()?;
        let thing = match shape {
            EntryKind::Saved(kind) => &entry[kind.as_str()],
            _ => &entry,
        };
        let added_at = entry["added_at"].as_str().map(str::to_owned);
        Some(ListMember { position, id: thing["id"].as_str()?.to_owned(), added_at })
    };
    (0..).zip(page.entries()).filter_map(row).collect()
}
