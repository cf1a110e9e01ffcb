//! The price of the items of a user's own playlists: the list of playlists tells which changed, fifty a
//! call, and proves those that were read.

use crate::store::library_playlists;
use std::collections::HashMap;

use super::playlists::{INCLUDED_ITEMS, PlaylistReadEstimate, PlaylistState};
use super::totals::TotalTrust;
use super::{CallEstimate, CallRange, JobEstimator, ProbeOutcome, RowChanges, call_count, reasons};
use crate::store::{LibraryPlaylist, ListRow};
use crate::sync::change_detection::{self, ProofMethod};
use crate::sync::context::FetchContext;
use crate::sync::error::SyncError;
use crate::sync::list::ListRequest;
use crate::sync::own_playlists::my_playlists_stream;
use crate::sync::page_request::{PagePosition, PageResponse};
use crate::sync::playlist::{playlist_items_request, playlist_key};
use crate::sync::user_lists::user_list_request;
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::state::AppClass;
use spotify_client::wire::Playlist;

/// Lists that one page of the list of playlists may prove.
#[derive(Default)]
struct ProofGroup {
    /// Of those that will wait for it, how many.
    waiting: usize,
    /// There may be more, or they may not wait: as far as is known, any will.
    others: Option<bool>,
}

impl ProofGroup {
    fn add_read(&mut self, read: &PlaylistReadEstimate) {
        if read.is_certain {
            self.waiting += usize::from(read.needs_proof);
        } else {
            self.others = Some(self.others == Some(true) || read.needs_proof);
        }
    }
}

impl JobEstimator<'_> {
    /// What the items of all of a user's playlists cost.
    pub(super) async fn estimate_own_playlists(&mut self, frame: &FetchContext) -> Result<CallEstimate, SyncError> {
        let lists = user_list_request(my_playlists_stream(), frame);
        let row = self.stored_row(&lists).await?;
        let (user, market) = (frame.audience.clone(), frame.market.clone());
        let whole = self.engine.full_read_span(frame.full_every);
        let known = self.engine.store.write(move |s| library_playlists::of_user(s, &user, &market, &whole)).await?;
        if self.engine.is_from_this_run(row.checked_at.as_ref()) {
            let each = known.into_iter().map(|list| (list, None)).collect();
            let mut price = self.estimate_each_playlist(frame, &lists, each).await?;
            price.asked += 1;
            price.unchanged += 1;
            return Ok(price);
        }
        // The list of playlists may be read by an earlier fetch of the same run.
        let listed_before = !self.lists.insert(lists.key.clone());
        if let Some((listed, mut price)) = self.probe_own_playlists(frame, &lists, &known).await? {
            if listed_before {
                price = CallEstimate::for_unchanged();
            }
            price.add(self.estimate_each_playlist(frame, &lists, listed).await?);
            return Ok(price);
        }
        let mut price = self.estimate_unprobed_own_playlists(&lists, &row)?;
        if listed_before {
            price.by_family.remove(&lists.family);
        }
        if row.announced.is_some() {
            for list in known.iter().filter(|list| list.is_own) {
                let row = self.playlist_row(frame, &list.id).await?;
                let read_before = !self.lists.insert(playlist_key(frame, &list.id));
                if read_before || self.engine.is_from_this_run(row.checked_at.as_ref()) {
                    price.add(CallEstimate::for_unchanged());
                    continue;
                }
                let mut one = self.estimate_unprobed_playlist(&list.id, &row, true)?;
                // The list of playlists tells whether it changed.
                let stands = list.read_snapshot_id.is_some();
                one.by_family
                    .values_mut()
                    .for_each(|calls| calls.at_least = if stands { 0 } else { calls.at_least.min(1) });
                price.add(one);
            }
            price.add_reason(reasons::CHANGED);
            price.add_reason(reasons::LAST_TIME);
        }
        Ok(price)
    }

    /// The list of playlists without a look.
    fn estimate_unprobed_own_playlists(
        &mut self,
        lists: &ListRequest,
        row: &ListRow,
    ) -> Result<CallEstimate, SyncError> {
        let (size, _) = self.page_sizes(lists)?;
        Ok(match row.announced {
            Some(last) => {
                let around = 5.max(last / 10);
                let pages = |items: i64| call_count(change_detection::page_count(items.max(0), size));
                CallEstimate::for_one(lists.family, CallRange::between(pages(last - around), pages(last + around)))
            }
            None => {
                let mut price = CallEstimate::for_one(lists.family, CallRange::at_least(1)).with_reason(reasons::NEVER);
                price.add_calls(EndpointFamily::PLAYLISTS, CallRange::at_least(0));
                price.add_calls(EndpointFamily::PLAYLIST_ITEMS, CallRange::at_least(0));
                price
            }
        })
    }

    /// The list of playlists as it is now, with what that costs a run; nothing if it may not be asked for.
    async fn probe_own_playlists(
        &mut self,
        frame: &FetchContext,
        lists: &ListRequest,
        known: &[LibraryPlaylist],
    ) -> Result<Option<(Vec<(LibraryPlaylist, Option<i64>)>, CallEstimate)>, SyncError> {
        let known: HashMap<&str, &LibraryPlaylist> = known.iter().map(|list| (list.id.as_str(), list)).collect();
        let (mut listed, mut offset, mut pages) = (Vec::new(), 0, 0);
        loop {
            if !self.take_probe() {
                return Ok(None);
            }
            let looked =
                self.engine.request_page(frame, lists, PagePosition { offset, cursor: None, etag: None }).await;
            let page = match self.classify_probe(looked)? {
                ProbeOutcome::Found(PageResponse::Page(page)) => page,
                ProbeOutcome::Refused => {
                    return Ok(Some((listed, CallEstimate::for_one(lists.family, CallRange::exactly(1)))));
                }
                ProbeOutcome::Found(PageResponse::Unchanged) | ProbeOutcome::NotAsked => return Ok(None),
            };
            pages += 1;
            for (place, entry) in (offset..).zip(page.entries()) {
                let Some(list) = entry.and_then(|entry| serde_json::from_str::<Playlist<'_>>(entry).ok()) else {
                    continue;
                };
                listed.extend(current_listing(&list, place, &frame.audience, &known));
            }
            offset += page.served();
            if page.served() == 0 || (!page.more && page.total.is_none_or(|total| offset >= total)) {
                // A list that stands there no more takes its rows along.
                let gone = known.values().any(|list| list.is_own && listed.iter().all(|(it, _)| it.id != list.id));
                let news = if gone { RowChanges::UpTo(0) } else { RowChanges::None };
                return Ok(Some((
                    listed,
                    CallEstimate::for_one(lists.family, CallRange::exactly(pages)).with_changes(news),
                )));
            }
        }
    }

    /// What the playlists of a list cost, each with its length if that is known.
    async fn estimate_each_playlist(
        &mut self,
        frame: &FetchContext,
        lists: &ListRequest,
        listed: Vec<(LibraryPlaylist, Option<i64>)>,
    ) -> Result<CallEstimate, SyncError> {
        let class = self.engine.app.class().map_err(ApiError::from)?;
        let (_, size) = self.page_sizes(lists)?;
        let (mut price, mut groups) = (CallEstimate::default(), HashMap::<i64, ProofGroup>::new());
        let foreign = listed.iter().any(|(list, _)| !list.is_own);
        if foreign && class.is_none() {
            price.add_calls(EndpointFamily::MARKETS, CallRange::between(0, 1));
            price.add_reason(reasons::FOREIGN);
        }
        let ids: Vec<String> = listed.iter().map(|(list, _)| list.id.clone()).collect();
        let refused = self.engine.are_missing(frame, &ids).await?;
        for ((list, total), refused) in listed.into_iter().zip(refused) {
            if !list.is_own && class == Some(AppClass::Development) {
                continue;
            }
            let row = self.playlist_row(frame, &list.id).await?;
            let at = row.checkpoint.as_ref();
            let proved =
                at.is_some_and(|at| at.reached_end && at.snapshot_id.is_some() && at.snapshot_id == list.snapshot_id);
            let read_before = !self.lists.insert(playlist_key(frame, &list.id));
            if read_before
                || refused
                || !self.engine.has_changed(&list)
                || (proved && !self.engine.full)
                || self.engine.is_from_this_run(row.checked_at.as_ref())
            {
                price.add(CallEstimate::for_unchanged());
                continue;
            }
            let pages = self.item_page_sizes(&list.id)?;
            if list.is_own && at.is_some_and(|at| at.reached_end) && !self.engine.full {
                // What was read to its end waits for its proof, and is read again if that fails.
                let again =
                    total.or(row.announced).map_or(0, |total| call_count(change_detection::page_count(total, pages.0)));
                groups.entry(list.position / i64::from(size)).or_default().waiting += 1;
                let mut one = CallEstimate::for_one(EndpointFamily::PLAYLIST_ITEMS, CallRange::between(0, again))
                    .with_reason(reasons::GOES_ON);
                one.add_calls(EndpointFamily::PLAYLISTS, CallRange::between(0, 1));
                one.add_calls(lists.family, CallRange::between(0, 1));
                price.add(one);
                continue;
            }
            let total = total.or(row.announced);
            let old_name = class == Some(AppClass::Extended);
            let counted = match total {
                Some(total) => {
                    self.check_total(frame, &playlist_items_request(frame, &list.id, old_name, true), &row, total)
                        .await?
                }
                None => TotalTrust::Announced,
            };
            let now = PlaylistState {
                snapshot_id: list.snapshot_id.clone(),
                total,
                total_trust: counted,
                included: INCLUDED_ITEMS,
                page_sizes: pages,
            };
            let read = self.estimate_playlist_read(&row, &now);
            if !list.is_own && class.is_none() {
                let mut one = self.with_own_proof(read);
                one.by_family.values_mut().for_each(|calls| calls.at_least = 0);
                price.add(one);
            } else if list.is_own {
                groups.entry(list.position / i64::from(size)).or_default().add_read(&read);
                price.add(read.estimate);
            } else {
                price.add(self.with_own_proof(read));
            }
        }
        for ProofGroup { waiting, others } in groups.into_values() {
            match (change_detection::cheapest_proof(waiting, 1), others) {
                (_, None) if waiting == 0 => {}
                (ProofMethod::ByPlaylistList, _) => price.add_calls(lists.family, CallRange::exactly(1)),
                (ProofMethod::OneByOne, None) => {
                    price.add_calls(EndpointFamily::PLAYLISTS, CallRange::exactly(waiting as u64))
                }
                // One that waits alone is asked for by itself, more of them by the list.
                (ProofMethod::OneByOne, Some(any)) => {
                    price.add_calls(lists.family, CallRange::roughly(u64::from(any || waiting > 0), 0));
                    price.add_calls(EndpointFamily::PLAYLISTS, CallRange::at_least(0));
                }
            }
        }
        Ok(price)
    }
}

/// A playlist as the list of playlists has it now, beside what is known of its items.
fn current_listing(
    list: &Playlist<'_>,
    position: i64,
    user: &str,
    known: &HashMap<&str, &LibraryPlaylist>,
) -> Option<(LibraryPlaylist, Option<i64>)> {
    let id = list.id.value()?.to_string();
    let before = known.get(id.as_str());
    let owner = list.owner.value().and_then(|owner| owner.id.value().map(|id| id.to_string()));
    let total =
        [&list.items, &list.tracks].into_iter().flatten().find_map(|page| page.total.value().map(|total| total.0));
    let own = owner.as_deref() == Some(user) || list.collaborative.value().copied().unwrap_or(false);
    let listed = LibraryPlaylist {
        snapshot_id: list.snapshot_id.value().map(|id| id.to_string()),
        is_own: own,
        read_snapshot_id: before.and_then(|list| list.read_snapshot_id.clone()),
        stored: before.map_or(0, |list| list.stored),
        position,
        verified: false,
        reached_end: false,
        id,
    };
    Some((listed, total))
}
