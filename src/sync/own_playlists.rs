//! The items of all playlists of a user. The list of playlists says which of them changed, and verifies,
//! one page at a time, that those that were read did not change meanwhile.
//!
//! Only a request shows whether a playlist can be read. Playlists of others, and those without a named owner,
//! are requested once for each version; a refusal is remembered and noted. So each listed playlist ends as rows
//! or as a row in `skipped_items`.

use std::collections::{HashMap, HashSet};

use super::change_detection::{self, ProofMethod};
use super::commit::publish_staged;
use super::context::{FetchContext, SyncContext};
use super::counts::RecordCounts;
use super::error::SyncError;
use super::estimate::{
    CallEstimate, CallRange, JobEstimator, ProbeOutcome, RowChanges, TotalTrust, call_count, check_total, reasons,
};
use super::gap_looks;
use super::list_reader::{finish_read, read_list};
use super::list_request::ListRequest;
use super::missing;
use super::open_list::OpenList;
use super::ordering::FailedRequests;
use super::page_request::{PagePosition, PageResponse, request_page};
use super::paged_list::{expected_drift, page_sizes};
use super::playlist::{
    INCLUDED_ITEMS, PlaylistItems, PlaylistReadEstimate, PlaylistState, estimate_unchanged, estimate_without_probe,
    item_page_sizes, playlist_items_request, playlist_key,
};
use super::playlist_proof::{leave_out, verify_group};
use super::publication::PublishOutcome;
use super::read_outcome::{PendingVerification, ReadOutcome};
use super::user_lists::user_list_request;
use super::users::confirm_account;
use super::work_result::{LibraryCounts, WorkResult};
use crate::store::timestamp;
use crate::store::{
    AccountIds, LibraryPlaylist, ListRow, OwnerClaim, PlaylistOwner, ProofKind, accounts, freshness, library_playlists,
    lists, skipped_items,
};
use crate::stream::{self, Stream};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::state::AppClass;
use spotify_client::wire::Playlist;

/// Reads the items of all playlists of a user that may be read: long lists after all others, so that they do not
/// keep them waiting. If an error stops that, the result has the playlists that were read.
pub(super) async fn read_own_playlists(
    sync: &SyncContext,
    context: &FetchContext,
    result: &mut WorkResult,
) -> Result<(), SyncError> {
    let lists = playlists_request(context);
    let own_before = library(sync, context).await?.into_iter().filter(LibraryPlaylist::is_own).map(|list| list.id);
    let own_before: HashSet<String> = own_before.collect();
    result.add(read_list(sync, context, &lists).await?);
    // The rows of this fetch are items. The lists are rows of another stream.
    result.counts.stored = 0;
    let mut listed = library(sync, context).await?;
    if has_lost_lists(&own_before, &listed) {
        // The owner of a playlist does not change, but the id of an account does.
        confirm_account(sync, context).await?;
        listed = library(sync, context).await?;
    }
    sync.observer.fetch_started(&context.fetch, listed.len());
    result.playlists = Some(count_entries(sync, context, listed.len()).await?);
    let parts = FetchContext { from_own_library: true, is_listed: true, ..context.clone() };
    let reader = OwnPlaylistsReader { sync, context: &parts };
    // Spotify refuses many lists of others, although the library names them.
    let parts_of_others = FetchContext { is_listed: false, ..parts.clone() };
    let reader_of_others = OwnPlaylistsReader { sync, context: &parts_of_others };
    let all = listed.clone();
    let (own, others): (Vec<_>, Vec<_>) = listed.into_iter().partition(LibraryPlaylist::is_own);
    let own = reader.changed_lists(own, result).await?;
    let size = sync.app.page_size(lists.family, &lists.path, lists.paging).map_err(ApiError::from)?;
    let (own, long): (Vec<_>, Vec<_>) = own.into_iter().partition(|list| !list.is_long());
    reader.read_own((&lists, size), own, result).await?;
    let others = reader_of_others.changed_lists(others, result).await?;
    let (others, long_of_others): (Vec<_>, Vec<_>) = others.into_iter().partition(|list| !list.is_long());
    reader_of_others.read_each(others, result).await?;
    reader.read_own((&lists, size), long, result).await?;
    reader_of_others.read_each(long_of_others, result).await?;
    // The refusals may have been a mistake.
    let unanswered = std::mem::take(&mut result.unanswered);
    for list in all.iter().filter(|list| unanswered.contains(&list.id)) {
        let context = FetchContext { is_second_look: true, is_listed: list.is_own(), ..parts.clone() };
        let reader = OwnPlaylistsReader { sync, context: &context };
        let read = reader.read_changed(list, false).await?;
        reader.add(result, read);
    }
    Ok(())
}

/// The playlists in the user's library, as the store has them.
async fn library(sync: &SyncContext, context: &FetchContext) -> Result<Vec<LibraryPlaylist>, SyncError> {
    let (user, market) = (context.audience.clone(), context.market.clone());
    let recent = sync.full_read_span(context.full_every);
    Ok(sync.store.write(move |s| library_playlists::of_user(s, &user, &market, &recent)).await?)
}

/// Whether a playlist that was the user's belongs to another id now.
fn has_lost_lists(own_before: &HashSet<String>, listed: &[LibraryPlaylist]) -> bool {
    listed.iter().any(|list| list.owner == PlaylistOwner::Other && own_before.contains(&list.id))
}

/// The entries of the list of playlists: playlists, and what could not be read as one.
async fn count_entries(
    sync: &SyncContext,
    context: &FetchContext,
    playlists: usize,
) -> Result<LibraryCounts, SyncError> {
    let (run, user) = (sync.run_id, context.recorded_for.clone());
    let unread = sync.store.write(move |s| skipped_items::unread_playlist_entries(s, run, &user)).await?;
    let read = i64::try_from(playlists).unwrap_or(i64::MAX);
    Ok(LibraryCounts { listed: read + unread, read, skipped: unread })
}

fn has_changed(sync: &SyncContext, list: &LibraryPlaylist) -> bool {
    sync.full
        || list.has_unread
        || gap_looks::is_wanted(sync, &list.gaps)
        || list.snapshot_id.is_none()
        || list.snapshot_id != list.read_snapshot_id
}

/// Whether the answer about a playlist has all of its items, so that it needs no proof.
fn comes_in_one_answer(list: &LibraryPlaylist) -> bool {
    !list.reached_end && list.total.is_some_and(|total| total <= INCLUDED_ITEMS)
}

/// The request for the list of a user's playlists.
fn playlists_request(context: &FetchContext) -> ListRequest {
    user_list_request(my_playlists_stream(), context)
}

fn my_playlists_stream() -> &'static Stream {
    stream::find(stream::MY_PLAYLISTS).expect("my_playlists is in the table of streams")
}

/// Reads the playlists of one user.
struct OwnPlaylistsReader<'a> {
    sync: &'a SyncContext,
    context: &'a FetchContext,
}

impl OwnPlaylistsReader<'_> {
    /// Of these lists, those that changed and were not refused before. The others are recorded.
    async fn changed_lists(
        &self,
        lists: Vec<LibraryPlaylist>,
        result: &mut WorkResult,
    ) -> Result<Vec<LibraryPlaylist>, SyncError> {
        let (changed, unchanged): (Vec<_>, Vec<_>) = lists.into_iter().partition(|list| has_changed(self.sync, list));
        self.record_unchanged(unchanged, result).await?;
        self.without_missing(changed, result).await
    }

    /// Of these lists, those that were not refused before. The others are recorded.
    async fn without_missing(
        &self,
        lists: Vec<LibraryPlaylist>,
        result: &mut WorkResult,
    ) -> Result<Vec<LibraryPlaylist>, SyncError> {
        let missing = missing::missing_playlists(self.sync, self.context, &lists).await?;
        let mut rest = Vec::with_capacity(lists.len());
        for (list, missing) in lists.into_iter().zip(missing) {
            match missing {
                Some(missing) => {
                    self.add(result, WorkResult::from_missing(missing));
                    count_as_skipped(result);
                }
                None => rest.push(list),
            }
        }
        self.in_reading_order(rest).await
    }

    /// The same lists: those that come in one answer first, and those last that failed when they were last requested.
    async fn in_reading_order(&self, lists: Vec<LibraryPlaylist>) -> Result<Vec<LibraryPlaylist>, SyncError> {
        let keys: Vec<_> = lists.iter().map(|list| playlist_key(self.context, &list.id)).collect();
        let ages = self.sync.store.write(move |s| freshness::checked_at(s, &keys)).await?;
        let failed = FailedRequests::of_fetch(self.sync, self.context).await?;
        let is_failing =
            |(list, age): &(LibraryPlaylist, Option<String>)| failed.is_failing(self.context, &list.id, age.as_deref());
        let (failing, good): (Vec<_>, Vec<_>) = lists.into_iter().zip(ages).partition(is_failing);
        let (first, good): (Vec<_>, Vec<_>) = good.into_iter().partition(|(list, _)| comes_in_one_answer(list));
        Ok(first.into_iter().chain(good).chain(failing).map(|(list, _)| list).collect())
    }

    /// Reads a playlist that changed, unless it was read to its end already and the list of playlists has
    /// verified that by now.
    async fn read_changed(&self, list: &LibraryPlaylist, deferred_verification: bool) -> Result<WorkResult, SyncError> {
        let (sync, context) = (self.sync, self.context);
        let items = PlaylistItems { id: &list.id, deferred_verification, is_listed: true };
        if list.reached_end && !sync.full {
            let open = OpenList::lock(sync, context, playlist_key(context, &list.id)).await?;
            if let Some(checkpoint) = open.row.checkpoint.clone().filter(|at| at.reached_end) {
                if list.verified && checkpoint.snapshot_id == list.snapshot_id {
                    // Nothing is requested any more, so either route will do.
                    let request = playlist_items_request(context, items, false);
                    let newest = open.row.shared.read_at.clone();
                    match publish_staged(&open, &request, &checkpoint, ProofKind::Snapshot, newest).await? {
                        PublishOutcome::Stored(stored) => {
                            let counts = RecordCounts::of_read(&checkpoint, stored, (checkpoint.next_offset, 0));
                            let counts = request.with_wrong_total(&checkpoint, counts);
                            return finish_read(&open, ReadOutcome::published(&checkpoint, counts)).await;
                        }
                        PublishOutcome::Suspect { detail } => return leave_out(&open, &checkpoint, detail).await,
                        PublishOutcome::Superseded => {}
                    }
                } else if deferred_verification {
                    let is_old_route = sync.app.class().map_err(ApiError::from)? == Some(AppClass::Extended);
                    let request = playlist_items_request(context, items, is_old_route);
                    let pending = vec![PendingVerification { request, row: open.row.clone(), checkpoint }];
                    return Ok(WorkResult { pending, ..WorkResult::default() });
                }
            }
        }
        read_list(sync, context, &items).await
    }

    /// Reads lists of the user that changed. Those on one page of the list of playlists are verified by that page.
    async fn read_own(
        &self,
        (lists, page_size): (&ListRequest, u16),
        changed: Vec<LibraryPlaylist>,
        result: &mut WorkResult,
    ) -> Result<(), SyncError> {
        let size = i64::from(page_size);
        let page_of = |list: &LibraryPlaylist| list.position / size;
        // One page at a time: few lists wait to be verified, so each is locked for a short while.
        for group in changed.chunk_by(|a, b| page_of(a) == page_of(b)) {
            let offset = group.first().map_or(0, |list| page_of(list) * size);
            let mut pending = Vec::new();
            for list in group {
                let mut read = self.read_changed(list, true).await?;
                match read.pending.pop() {
                    Some(one) => pending.push(one),
                    None => self.add(result, read),
                }
            }
            for verified in verify_group(self.sync, self.context, (lists, offset), pending).await? {
                self.add(result, verified);
            }
        }
        Ok(())
    }

    /// Reads the lists of others, and those of unknown owners. Spotify refuses some of them, or gives them
    /// without their items. Each is verified by itself.
    async fn read_each(&self, changed: Vec<LibraryPlaylist>, result: &mut WorkResult) -> Result<(), SyncError> {
        for list in changed {
            let read = self.read_changed(&list, false).await?;
            self.add(result, read);
        }
        Ok(())
    }

    async fn record_unchanged(&self, lists: Vec<LibraryPlaylist>, result: &mut WorkResult) -> Result<(), SyncError> {
        for list in &lists {
            result.counts.add(RecordCounts { unchanged: 1, stored: list.stored, ..RecordCounts::default() });
            self.sync.observer.item_done(&self.context.fetch);
        }
        let ids: Vec<String> = lists.into_iter().map(|list| list.id).collect();
        let (user, market) = (self.context.audience.clone(), self.context.market.clone());
        let now = timestamp(self.sync.now());
        Ok(self.sync.store.write(move |s| lists::mark_playlists_unchanged(s, &ids, &user, &market, &now)).await?)
    }

    /// Adds the result of one playlist. The list of playlists is recorded as requested for all of them.
    fn add(&self, result: &mut WorkResult, mut read: WorkResult) {
        read.requested.clear();
        if read.counts.read + read.counts.unchanged == 0 && read.unanswered.is_empty() {
            count_as_skipped(result);
        }
        result.add(read);
        self.sync.observer.item_done(&self.context.fetch);
    }
}

/// A playlist has a row in `skipped_items` and was not read.
fn count_as_skipped(result: &mut WorkResult) {
    if let Some(counts) = &mut result.playlists {
        counts.read -= 1;
        counts.skipped += 1;
    }
}

/// A playlist as the list of playlists has it, with its length if that is known.
type PlaylistListing = (LibraryPlaylist, Option<i64>);

/// Lists that one page of the list of playlists may verify.
#[derive(Default)]
struct ProofGroup {
    /// Lists that will wait for it.
    waiting: usize,
    /// There may be more lists, or these may not wait. True: as far as is known, one of them will.
    others: Option<bool>,
}

impl ProofGroup {
    fn add(&mut self, read: &PlaylistReadEstimate) {
        if read.is_certain {
            self.waiting += usize::from(read.needs_proof);
        } else {
            self.others = Some(self.others == Some(true) || read.needs_proof);
        }
    }
}

/// What the items of all of a user's playlists cost.
pub(super) async fn estimate_own_playlists(
    estimator: &mut JobEstimator<'_>,
    context: &FetchContext,
) -> Result<CallEstimate, SyncError> {
    let sync = estimator.sync;
    let lists = playlists_request(context);
    let row = estimator.stored_row(&lists.key).await?;
    let known = library(sync, context).await?;
    if sync.is_from_this_run(row.checked_at.as_ref()) {
        estimator.versions_may_be_known = true;
        let each = known.into_iter().map(|list| (list, None)).collect();
        let mut estimate = estimate_each_playlist(estimator, context, &lists, each).await?;
        estimate.asked += 1;
        estimate.unchanged += 1;
        return Ok(estimate);
    }
    // An earlier fetch of the same run may read the list of playlists.
    let listed_before = !estimator.lists.insert(lists.key.clone());
    if let Some((listed, mut estimate)) = probe_own_playlists(estimator, context, &lists, &known).await? {
        if listed_before {
            estimate = CallEstimate::for_unchanged();
        }
        let versions = listed.iter().map(|(list, _)| (list.id.clone(), list.snapshot_id.clone()));
        estimator.snapshots.extend(versions.filter(|(_, version)| version.is_some()));
        let own_before = known.iter().filter(|list| list.is_own()).map(|list| list.id.clone()).collect();
        let now: Vec<LibraryPlaylist> = listed.iter().map(|(list, _)| list.clone()).collect();
        if has_lost_lists(&own_before, &now) {
            // The account is looked up, and the playlists may be its own after that.
            estimate.add_calls(EndpointFamily::ME, CallRange::exactly(1));
            estimate.add_calls(lists.family, CallRange::at_least(0));
            estimate.add_reason(reasons::FOREIGN);
        }
        estimate.add(estimate_each_playlist(estimator, context, &lists, listed).await?);
        return Ok(estimate);
    }
    estimator.versions_may_be_known = true;
    let mut estimate = estimate_list_of_playlists(estimator, &lists, &row)?;
    if listed_before {
        estimate.by_family.remove(&lists.family);
    }
    if last_length(&row).is_some() {
        let refused = missing::are_missing_playlists(sync, context, &known).await?;
        for (list, refused) in known.iter().zip(refused) {
            let key = playlist_key(context, &list.id);
            let row = estimator.stored_row(&key).await?;
            let row = ListRow { announced: row.announced.or(list.total), ..row };
            let read_before = !estimator.lists.insert(key);
            if read_before || refused || sync.is_from_this_run(row.checked_at.as_ref()) {
                estimate.add(CallEstimate::for_unchanged());
                continue;
            }
            let mut one = estimate_without_probe(sync, &list.id, &row, true)?;
            // The list of playlists says whether the playlist changed, and Spotify whether others may read it.
            let may_be_unchanged = list.read_snapshot_id.is_some() || !list.is_own();
            for calls in one.by_family.values_mut() {
                calls.at_least = if may_be_unchanged { 0 } else { calls.at_least.min(1) };
            }
            estimate.add(one);
        }
        estimate.add_reason(reasons::CHANGED);
        estimate.add_reason(reasons::LAST_TIME);
    }
    Ok(estimate)
}

/// The length of a list as it was last announced, also during a read that was interrupted.
fn last_length(row: &ListRow) -> Option<i64> {
    row.announced.or(row.checkpoint.as_ref().and_then(|at| at.announced))
}

/// The cost of the list of playlists without a probe.
fn estimate_list_of_playlists(
    estimator: &JobEstimator<'_>,
    lists: &ListRequest,
    row: &ListRow,
) -> Result<CallEstimate, SyncError> {
    let (size, _) = page_sizes(estimator, lists)?;
    Ok(match last_length(row) {
        Some(last) => {
            let drift = expected_drift(last);
            let pages = |items: i64| call_count(change_detection::page_count(items.max(0), size));
            CallEstimate::for_one(lists.family, CallRange::between(pages(last - drift), pages(last + drift)))
        }
        None => {
            let mut estimate = CallEstimate::for_one(lists.family, CallRange::at_least(1)).with_reason(reasons::NEVER);
            estimate.add_calls(EndpointFamily::PLAYLISTS, CallRange::at_least(0));
            estimate.add_calls(EndpointFamily::PLAYLIST_ITEMS, CallRange::at_least(0));
            estimate
        }
    })
}

/// The list of playlists as it is now, with what that costs a run; `None` if no probe may be sent.
async fn probe_own_playlists(
    estimator: &mut JobEstimator<'_>,
    context: &FetchContext,
    lists: &ListRequest,
    known: &[LibraryPlaylist],
) -> Result<Option<(Vec<PlaylistListing>, CallEstimate)>, SyncError> {
    let known: HashMap<&str, &LibraryPlaylist> = known.iter().map(|list| (list.id.as_str(), list)).collect();
    let user = context.audience.clone();
    let account = estimator.sync.store.write(move |s| accounts::ids_of(s, &user)).await?;
    let (mut listed, mut offset, mut pages) = (Vec::<PlaylistListing>::new(), 0, 0);
    loop {
        if !estimator.take_probe() {
            return Ok(None);
        }
        let position = PagePosition { offset, ..PagePosition::default() };
        let answer = request_page(estimator.sync, context, lists, position).await;
        let page = match estimator.classify_probe(answer)? {
            ProbeOutcome::Found(PageResponse::Page(page)) => page,
            ProbeOutcome::Refused(_) => {
                return Ok(Some((listed, CallEstimate::for_one(lists.family, CallRange::exactly(1)))));
            }
            ProbeOutcome::Found(PageResponse::Unchanged) | ProbeOutcome::NotAsked => return Ok(None),
        };
        pages += 1;
        for (position, entry) in (offset..).zip(page.entries()) {
            let Some(list) = entry.and_then(|entry| serde_json::from_str::<Playlist<'_>>(entry).ok()) else {
                continue;
            };
            listed.extend(current_listing(&list, position, &account, &known));
        }
        offset += page.served();
        if page.served() == 0 || (!page.more && page.total.is_none_or(|total| offset >= total)) {
            // A list that is not there any more takes its rows along.
            let is_gone = |list: &LibraryPlaylist| listed.iter().all(|(it, _)| it.id != list.id);
            let changes = if known.values().any(|list| is_gone(list)) { RowChanges::UpTo(0) } else { RowChanges::None };
            let estimate = CallEstimate::for_one(lists.family, CallRange::exactly(pages));
            return Ok(Some((listed, estimate.with_changes(changes))));
        }
    }
}

/// What the playlists of a user cost.
async fn estimate_each_playlist(
    estimator: &mut JobEstimator<'_>,
    context: &FetchContext,
    lists: &ListRequest,
    listed: Vec<PlaylistListing>,
) -> Result<CallEstimate, SyncError> {
    let sync = estimator.sync;
    let class = sync.app.class().map_err(ApiError::from)?;
    let (_, size) = page_sizes(estimator, lists)?;
    let recent = sync.full_read_span(context.full_every);
    let (mut estimate, mut groups) = (CallEstimate::default(), HashMap::<(bool, i64), ProofGroup>::new());
    let lists_now: Vec<LibraryPlaylist> = listed.iter().map(|(list, _)| list.clone()).collect();
    let refused = missing::are_missing_playlists(sync, context, &lists_now).await?;
    for ((list, total), refused) in listed.into_iter().zip(refused) {
        let key = playlist_key(context, &list.id);
        let row = estimator.stored_row(&key).await?;
        let at = row.checkpoint.as_ref();
        let is_verified =
            at.is_some_and(|at| at.reached_end && at.snapshot_id.is_some() && at.snapshot_id == list.snapshot_id);
        let read_before = !estimator.lists.insert(key);
        if read_before
            || refused
            || !has_changed(sync, &list)
            || (is_verified && !sync.full)
            || sync.is_from_this_run(row.checked_at.as_ref())
        {
            estimate.add(CallEstimate::for_unchanged());
            continue;
        }
        if change_detection::is_unchanged(&row, sync.full, &recent, list.snapshot_id.as_deref()) {
            estimate.add(estimate_unchanged(sync, &row));
            continue;
        }
        let page_sizes = item_page_sizes(sync, &list.id)?;
        let group = groups.entry((list.is_long(), list.position / i64::from(size)));
        // An interrupted read of this version has its total too, and the list of playlists names one.
        let same = at.filter(|at| at.snapshot_id.is_some() && at.snapshot_id == list.snapshot_id);
        let total = total.or(same.and_then(|at| at.announced)).or(list.total).or(row.announced);
        if list.is_own() && at.is_some_and(|at| at.reached_end) && !sync.full {
            // It was read to its end, waits to be verified, and is read again if that fails.
            let again = total.map_or(0, |total| call_count(change_detection::page_count(total, page_sizes.0)));
            group.or_default().waiting += 1;
            let mut one = CallEstimate::for_one(EndpointFamily::PLAYLIST_ITEMS, CallRange::between(0, again))
                .with_reason(reasons::CONTINUES);
            one.add_calls(EndpointFamily::PLAYLISTS, CallRange::between(0, 1));
            one.add_calls(lists.family, CallRange::between(0, 1));
            estimate.add(one);
            continue;
        }
        let total_trust = match total {
            Some(total) => {
                let items = PlaylistItems { id: &list.id, deferred_verification: true, is_listed: true };
                let request = playlist_items_request(context, items, class == Some(AppClass::Extended));
                check_total(estimator, context, (&request, &row), total).await?
            }
            None => TotalTrust::Announced,
        };
        let snapshot_id = list.snapshot_id.clone();
        let state = PlaylistState { snapshot_id, total, total_trust, included: INCLUDED_ITEMS, page_sizes };
        let read = state.estimate_read(&row);
        let has_version = list.snapshot_id.is_some();
        if list.is_own() && has_version {
            group.or_default().add(&read);
            estimate.add(read.estimate);
        } else {
            let mut one = read.with_own_proof();
            // It may come without its items, or name the version that is known.
            if class != Some(AppClass::Extended) || !has_version {
                one.make_optional();
                one.by_family.entry(EndpointFamily::PLAYLISTS).or_default().at_least = 1;
                one.add_reason(if list.is_own() { reasons::CHANGED } else { reasons::FOREIGN });
            }
            estimate.add(one);
        }
    }
    for ProofGroup { waiting, others } in groups.into_values() {
        match (change_detection::cheapest_proof(waiting, 1), others) {
            (_, None) if waiting == 0 => {}
            (ProofMethod::ByPlaylistList, _) => estimate.add_calls(lists.family, CallRange::exactly(1)),
            (ProofMethod::OneByOne, None) => {
                estimate.add_calls(EndpointFamily::PLAYLISTS, CallRange::exactly(waiting as u64));
            }
            // One list that waits alone is requested by itself, more of them by the list of playlists.
            (ProofMethod::OneByOne, Some(any)) => {
                estimate.add_calls(lists.family, CallRange::roughly(u64::from(any || waiting > 0), 0));
                estimate.add_calls(EndpointFamily::PLAYLISTS, CallRange::at_least(0));
            }
        }
    }
    Ok(estimate)
}

/// A playlist as the list of playlists has it now, with the state of its items.
fn current_listing(
    list: &Playlist<'_>,
    position: i64,
    account: &AccountIds,
    known: &HashMap<&str, &LibraryPlaylist>,
) -> Option<PlaylistListing> {
    let id = list.id_or_uri()?;
    let before = known.get(id.as_str());
    let owner = list.owner.value();
    let claim = OwnerClaim {
        user_id: owner.and_then(|owner| owner.id.value()).map(|id| &**id).filter(|id| !id.is_empty()),
        account_id: owner.and_then(|owner| owner.account_id.value()).map(|id| &**id).filter(|id| !id.is_empty()),
        is_collaborative: list.collaborative.value().copied().unwrap_or(false),
    };
    let total =
        [&list.items, &list.tracks].into_iter().flatten().find_map(|page| page.total.value().map(|total| total.0));
    let listed = LibraryPlaylist {
        snapshot_id: list.snapshot_id.value().map(|id| id.to_string()),
        // Where Spotify names no owner, the one that is known stays.
        owner: match (account.owner_of(&claim), before) {
            (PlaylistOwner::Unknown, Some(before)) => before.owner,
            (owner, _) => owner,
        },
        read_snapshot_id: before.and_then(|list| list.read_snapshot_id.clone()),
        has_unread: before.is_some_and(|list| list.has_unread),
        gaps: before.map(|list| list.gaps.clone()).unwrap_or_default(),
        stored: before.map_or(0, |list| list.stored),
        total,
        position,
        verified: false,
        reached_end: false,
        id,
    };
    Some((listed, total))
}
