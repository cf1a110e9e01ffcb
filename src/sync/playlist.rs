//! The items of one playlist: one call says whether it changed and brings the first page.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;

use super::change_detection;
use super::commit::mark_unchanged;
use super::context::{FetchContext, SyncContext};
use super::error::{SyncError, is_about_one_list};
use super::estimate::{
    CallEstimate, CallRange, JobEstimator, ProbeOutcome, RowChanges, TotalTrust, call_count, check_total,
    is_whole_list, reasons,
};
use super::gap_looks;
use super::list_reader::{ListStrategy, read_pages, reads_whole};
use super::list_request::{ListRequest, Prefetch};
use super::missing;
use super::open_list::OpenList;
use super::paged_list::expected_drift;
use super::read_outcome::ReadOutcome;
use super::skip_notes::SkipNotes;
use super::unread_items::{UnchangedList, finish_unchanged};
use crate::ingest::{self, IngestError};
use crate::store::{Checkpoint, ListKey, ListRow, OwnerClaim, PlaylistOwner, TimeSpan, accounts, freshness};
use crate::stream::{ChangeDetection, EntryKind, PLAYLIST_ITEMS, Paging};
use spotify_client::client::{ApiCaller, ApiRequest, ApiResponse, UnusableResponse};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::forbidden::ForbiddenReason;
use spotify_client::page::{Envelope, RawPage};
use spotify_client::state::AppClass;
use spotify_client::wire::Playlist;
use spotify_client::{EntityKind, path_segment};

/// Without this parameter, episodes come as tracks that do not exist, or as null.
const ITEM_TYPES: (&str, &str) = ("additional_types", "track,episode");

/// What Spotify says about a playlist itself.
const FIELDS_WITHOUT_ITEMS: &str = "collaborative,description,external_urls,followers,href,id,images,name,owner,\
                                    primary_color,public,snapshot_id,type,uri";

/// Pages of a playlist's items, behind those that come with the playlist.
const ITEM_PAGES: Paging = Paging::Offset { development: 50, extended: 100 };

/// Items that come with the playlist itself.
pub(super) const INCLUDED_ITEMS: i64 = 100;

/// The items of one playlist.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlaylistItems<'p> {
    pub id: &'p str,
    /// The caller verifies the list later, together with others.
    pub deferred_verification: bool,
    /// It comes from a library, and the caller has looked up the refusals.
    pub is_listed: bool,
}

/// What the answer about a playlist says.
struct PlaylistMetadata {
    body: bytes::Bytes,
    snapshot_id: Option<String>,
    etag: Option<String>,
    page: Option<RawPage>,
    /// Its items came under the name of the old route alone.
    is_old_route_only: bool,
    /// Its items came under the names of both routes.
    is_on_both_routes: bool,
    /// Its items were not requested with it, because a request for both fails.
    is_without_items: bool,
    /// It has a page of items, which cannot be used because it begins elsewhere.
    has_odd_page: bool,
    owner_id: Option<String>,
    owner_account_id: Option<String>,
    is_collaborative: bool,
}

impl PlaylistMetadata {
    /// Whether the items are requested by the old route. Where both names hold items, the class of the app
    /// decides.
    fn is_old_route(&self, class: Option<AppClass>) -> bool {
        match self.is_without_items {
            // An app that has lost the old route finds out when it requests the items.
            true => class != Some(AppClass::Development),
            false => self.is_old_route_only || (self.is_on_both_routes && class == Some(AppClass::Extended)),
        }
    }

    /// Whether Spotify gave the playlist without its items, as it does for the lists of others in Development Mode.
    fn has_no_items(&self, class: Option<AppClass>) -> bool {
        self.page.is_none() && !self.is_old_route_only && !self.is_without_items && class != Some(AppClass::Extended)
    }

    /// Whether the playlist is somebody else's, so that its items are not given to the user of the fetch.
    async fn is_of_others(&self, sync: &SyncContext, context: &FetchContext) -> Result<bool, SyncError> {
        if self.has_odd_page {
            return Ok(false);
        }
        if matches!(context.bearer, ApiCaller::App) {
            return Ok(true);
        }
        let user = context.audience.clone();
        let account = sync.store.write(move |s| accounts::ids_of(s, &user)).await?;
        let claim = OwnerClaim {
            user_id: self.owner_id.as_deref(),
            account_id: self.owner_account_id.as_deref(),
            is_collaborative: self.is_collaborative,
        };
        Ok(account.owner_of(&claim) == PlaylistOwner::Other)
    }
}

impl ListStrategy for PlaylistItems<'_> {
    fn key(&self, context: &FetchContext) -> ListKey {
        playlist_key(context, self.id)
    }

    fn remembered_id(&self) -> Option<&str> {
        (!self.is_listed).then_some(self.id)
    }

    async fn read(&self, open: &OpenList<'_>) -> Result<ReadOutcome, SyncError> {
        let (sync, context, row) = (open.sync, open.context, &open.row);
        let recent = sync.full_read_span(context.full_every);
        let full = reads_whole(sync, context, row);
        let is_unchanged = |version: Option<&str>| change_detection::is_unchanged(row, full, &recent, version);
        let (mut reads_unread, mut late_items) = (false, Vec::new());
        if is_unchanged(known_snapshot(sync, self.id).await?.as_deref()) {
            let is_old_route = sync.app.class().map_err(ApiError::from)? == Some(AppClass::Extended);
            let list = playlist_items_request(context, *self, is_old_route);
            match finish_unchanged(open, &list, None).await? {
                UnchangedList::Finished(outcome) => return Ok(outcome),
                UnchangedList::ReadAgain(late) => (reads_unread, late_items) = (true, late),
            }
        }
        let is_recent = !reads_unread && change_detection::is_full_read_recent(row, full, &recent);
        // A version that another reader has replaced is requested whole.
        let is_published = row.published_version() == row.snapshot_id.as_deref();
        let has_gaps = !row.unread.is_empty() || gap_looks::is_wanted(sync, &row.gaps);
        let etag = row.etag.clone().filter(|_| is_recent && is_published && row.checkpoint.is_none() && !has_gaps);
        let playlist = match request_playlist(sync, context, self.id, (etag, fails_included(row))).await {
            Ok(Some(playlist)) => playlist,
            Ok(None) => {
                mark_unchanged(open).await?;
                return Ok(ReadOutcome::Unchanged(open.unchanged()));
            }
            Err(e) => return ReadOutcome::from_error(e),
        };
        write_playlist(sync, context, &playlist).await?;
        let class = sync.app.class().map_err(ApiError::from)?;
        if !reads_unread && is_unchanged(playlist.snapshot_id.as_deref()) {
            let list = playlist_items_request(context, *self, playlist.is_old_route(class));
            match finish_unchanged(open, &list, playlist.page.as_ref()).await? {
                UnchangedList::Finished(ReadOutcome::Unchanged(counts)) => return Ok(ReadOutcome::Complete(counts)),
                UnchangedList::Finished(outcome) => return Ok(outcome),
                UnchangedList::ReadAgain(late) => late_items = late,
            }
        }
        let has_no_items = playlist.has_no_items(class);
        if has_no_items && playlist.is_of_others(sync, context).await? {
            // Requesting the items would be a call for a 403.
            sync.app.learn(AppClass::Development, "a playlist came without its contents").map_err(ApiError::from)?;
            let message = "Spotify gave the playlist without its items, as it does for lists of others".to_owned();
            let (family, kind) = (EndpointFamily::PLAYLIST_ITEMS, ForbiddenReason::NotYourPlaylist);
            return Ok(ReadOutcome::Refused(ApiError::Refused { family, kind, message }));
        }
        let is_old_route = playlist.is_old_route(sync.app.class().map_err(ApiError::from)?);
        if playlist.is_old_route_only {
            let evidence = "a playlist came with its contents under the old name";
            sync.app.learn(AppClass::Extended, evidence).map_err(ApiError::from)?;
        }
        let list = playlist_items_request(context, *self, is_old_route);
        let PlaylistMetadata { page, snapshot_id, etag, .. } = playlist;
        let prefetch = Prefetch {
            page,
            snapshot_id,
            etag,
            parent_answers: true,
            // Where the items did not come with the playlist, their own route says whether they may be read.
            may_be_forbidden: has_no_items,
            late_items,
            ..Prefetch::default()
        };
        read_pages(open, &list, prefetch).await
    }

    async fn estimate(
        &self,
        estimator: &mut JobEstimator<'_>,
        context: &FetchContext,
    ) -> Result<CallEstimate, SyncError> {
        let key = playlist_key(context, self.id);
        let row = estimator.stored_row(&key).await?;
        if !estimator.lists.insert(key) || estimator.sync.is_from_this_run(row.checked_at.as_ref()) {
            return Ok(CallEstimate::for_unchanged());
        }
        let full = estimator.sync.full;
        let recent = estimator.sync.full_read_span(context.full_every);
        let known = estimator.snapshots.get(self.id).cloned();
        if known.as_ref().is_some_and(|known| change_detection::is_unchanged(&row, full, &recent, known.as_deref())) {
            return Ok(estimate_unchanged(estimator.sync, &row));
        }
        let mut estimate = self.estimate_request(estimator, context, (&row, &recent)).await?;
        let is_recent = change_detection::is_full_read_recent(&row, full, &recent);
        if known.is_none() && estimator.versions_may_be_known && is_recent {
            estimate.add_reason(reasons::FOUND_EARLIER);
            estimate.make_optional();
        }
        Ok(estimate)
    }
}

impl PlaylistItems<'_> {
    /// The cost of a playlist if no earlier fetch finds its version.
    async fn estimate_request(
        &self,
        estimator: &mut JobEstimator<'_>,
        context: &FetchContext,
        (row, recent): (&ListRow, &TimeSpan),
    ) -> Result<CallEstimate, SyncError> {
        let sync = estimator.sync;
        let is_recent = change_detection::is_full_read_recent(row, sync.full, recent);
        if !estimator.take_probe() {
            estimator.versions_may_be_known = true;
            return estimate_without_probe(sync, self.id, row, is_recent);
        }
        let answer = request_playlist(sync, context, self.id, (None, fails_included(row))).await;
        let one_call =
            CallEstimate::for_one(EndpointFamily::PLAYLISTS, CallRange::exactly(1)).with_changes(RowChanges::None);
        let playlist = match estimator.classify_probe(answer)? {
            ProbeOutcome::Found(Some(playlist)) => playlist,
            ProbeOutcome::Found(None) => return Ok(one_call),
            ProbeOutcome::Refused(e) => {
                let calls = missing::calls_for_refusal(sync, context, self.id, &e).await?;
                // That a library lost it makes a second look needless.
                let is_library_read = estimator.streams_before.iter().any(|stream| stream.yields_versions);
                let at_least = if is_library_read { 1 } else { calls };
                let estimate = CallEstimate::for_one(EndpointFamily::PLAYLISTS, CallRange::between(at_least, calls));
                let reason = (at_least < calls).then_some(reasons::REFUSED);
                return Ok(estimate.with_reason(reason).with_changes(RowChanges::None));
            }
            ProbeOutcome::NotAsked => {
                estimator.versions_may_be_known = true;
                return estimate_without_probe(sync, self.id, row, is_recent);
            }
        };
        // Another fetch of the same playlist finds the version that this one has found.
        if playlist.etag.is_some() && playlist.etag == row.etag {
            // An answer that nothing changed names no version.
            estimator.versions_may_be_known = true;
        } else {
            estimator.snapshots.insert(self.id.to_owned(), playlist.snapshot_id.clone());
        }
        let class = sync.app.class().map_err(ApiError::from)?;
        if change_detection::is_unchanged(row, sync.full, recent, playlist.snapshot_id.as_deref()) {
            let mut estimate = one_call;
            estimate.add(estimate_unchanged(sync, row));
            return Ok(CallEstimate { asked: 1, ..estimate });
        }
        if playlist.has_no_items(class) && playlist.is_of_others(sync, context).await? {
            return Ok(one_call);
        }
        let is_old_route = playlist.is_old_route(class);
        let page = playlist.page.as_ref();
        let total = match page {
            Some(page) => page.total,
            None if playlist.is_without_items => row.announced,
            None => Some(0),
        };
        let is_whole =
            page.map_or(!playlist.is_without_items, |page| total.is_some_and(|all| is_whole_list(page, all)));
        let total_trust = match total {
            Some(total) if !is_whole => {
                let list = playlist_items_request(context, *self, is_old_route);
                check_total(estimator, context, (&list, row), total).await?
            }
            _ => TotalTrust::Counted,
        };
        let page_size = item_page_size(sync, self.id, is_old_route)?;
        let state = PlaylistState {
            snapshot_id: playlist.snapshot_id.clone(),
            total,
            total_trust,
            included: page.map_or(0, RawPage::served),
            page_sizes: (page_size, page_size),
        };
        Ok(state.estimate_read(row).with_own_proof())
    }
}

/// Whether the playlist does not come with its items: one of them failed when it was last read.
fn fails_included(row: &ListRow) -> bool {
    row.unread.iter().any(|item| item.position < INCLUDED_ITEMS)
}

/// The cost of a playlist that is known to be unchanged: items that could not be read or did not come are requested
/// again.
pub(super) fn estimate_unchanged(sync: &SyncContext, row: &ListRow) -> CallEstimate {
    let (unread, looks) = (row.unread.len() as u64, gap_looks::calls_of_look(sync, &row.gaps));
    if unread + looks == 0 {
        return CallEstimate::for_unchanged();
    }
    let calls = CallRange::roughly(unread + looks, u64::from(unread > 0));
    let mut estimate = CallEstimate::for_one(EndpointFamily::PLAYLIST_ITEMS, calls);
    if unread > 0 {
        estimate.add_reason(reasons::UNREAD);
    }
    if looks > 0 {
        estimate.add_reason(reasons::GAPS);
    }
    // The playlist is read again if one of them can be read now.
    estimate.add_calls(EndpointFamily::PLAYLISTS, CallRange::at_least(0));
    CallEstimate { unchanged: 1, ..estimate }
}

/// What Spotify says about a playlist now, or is assumed to say.
pub(super) struct PlaylistState {
    pub snapshot_id: Option<String>,
    pub total: Option<i64>,
    pub total_trust: TotalTrust,
    /// Items that come with the playlist.
    pub included: i64,
    /// The smallest and the largest size that the pages behind them may have.
    pub page_sizes: (u16, u16),
}

/// What reading a changed playlist costs.
pub(super) struct PlaylistReadEstimate {
    /// The request for the playlist, and the pages behind it.
    pub estimate: CallEstimate,
    /// It comes in several answers, so it has to be verified.
    pub needs_proof: bool,
    /// That is practically certain; otherwise the end of the read will tell.
    pub is_certain: bool,
}

impl PlaylistReadEstimate {
    /// The cost with the call that verifies this one list by itself.
    pub(super) fn with_own_proof(self) -> CallEstimate {
        let mut estimate = self.estimate;
        if self.needs_proof {
            let is_certain = self.is_certain && estimate.reasons.is_empty();
            let calls = if is_certain { CallRange::exactly(1) } else { CallRange::between(0, 1) };
            estimate.add_calls(EndpointFamily::PLAYLISTS, calls);
        }
        estimate
    }
}

impl PlaylistState {
    /// The cost of reading the changed playlist, before it is verified.
    pub(super) fn estimate_read(&self, row: &ListRow) -> PlaylistReadEstimate {
        let mut estimate = CallEstimate::for_one(EndpointFamily::PLAYLISTS, CallRange::exactly(1));
        let Some(total) = self.total else {
            estimate.add_calls(EndpointFamily::PLAYLIST_ITEMS, CallRange::at_least(0));
            estimate.add_calls(EndpointFamily::PLAYLISTS, CallRange::at_least(0));
            let estimate = estimate.with_reason(reasons::NEVER);
            return PlaylistReadEstimate { estimate, needs_proof: true, is_certain: false };
        };
        estimate.changes = RowChanges::UpTo(call_count(total));
        let is_same = |at: &&Checkpoint| at.snapshot_id.is_some() && at.snapshot_id == self.snapshot_id;
        let resumed = row.checkpoint.as_ref().filter(is_same);
        let served = match resumed {
            Some(at) if at.next_offset > 0 => at.next_offset,
            _ => self.included,
        };
        let is_read = resumed.is_some_and(|at| at.reached_end);
        let (smallest, largest) = self.page_sizes;
        let rest = |size| {
            if total > served && !is_read { call_count(change_detection::page_count(total - served, size)) } else { 0 }
        };
        if rest(smallest) != rest(largest) {
            estimate.add_reason(reasons::CLASS);
        }
        let total_trust = if is_read { TotalTrust::Counted } else { self.total_trust };
        let (at_least, rest) = (rest(largest), rest(smallest));
        if total_trust == TotalTrust::Counted {
            estimate.add_calls(EndpointFamily::PLAYLIST_ITEMS, CallRange::between(at_least, rest));
        } else {
            estimate.add_calls(EndpointFamily::PLAYLIST_ITEMS, total_trust.calls(rest, 0));
            // A total that changes during the read costs a request for the version.
            estimate.add_calls(EndpointFamily::PLAYLISTS, CallRange::at_least(0));
            estimate = estimate.with_reason(total_trust.reason());
        }
        if row.unstable_version {
            let again = call_count(change_detection::page_count(total, smallest));
            estimate.add_calls(EndpointFamily::PLAYLIST_ITEMS, CallRange::between(0, again * 2));
            estimate.add_reason(reasons::RESTLESS);
        }
        let needs_proof = rest > 0 || served > self.included || is_read;
        PlaylistReadEstimate { estimate, needs_proof, is_certain: total_trust == TotalTrust::Counted }
    }
}

/// The cost of a playlist without a probe.
pub(super) fn estimate_without_probe(
    sync: &SyncContext,
    id: &str,
    row: &ListRow,
    may_be_unchanged: bool,
) -> Result<CallEstimate, SyncError> {
    let announced = row.announced.or(row.checkpoint.as_ref().and_then(|at| at.announced));
    let Some(last) = announced.or(row.served) else {
        return Ok(CallEstimate::for_one(EndpointFamily::PLAYLISTS, CallRange::at_least(1)).with_reason(reasons::NEVER));
    };
    let page_sizes = item_page_sizes(sync, id)?;
    let from_start = ListRow { checkpoint: None, ..row.clone() };
    let estimate_for = |total: i64| {
        let state = PlaylistState {
            snapshot_id: None,
            total: Some(total.max(0)),
            total_trust: TotalTrust::from_last_read(row, None),
            included: INCLUDED_ITEMS,
            page_sizes,
        };
        state.estimate_read(&from_start).with_own_proof()
    };
    let drift = expected_drift(last);
    let (mut estimate, lower) = (estimate_for(last + drift), estimate_for(last - drift));
    for (family, calls) in &mut estimate.by_family {
        calls.at_least = match (may_be_unchanged, *family) {
            (true, EndpointFamily::PLAYLISTS) => 1,
            (true, _) => 0,
            (false, family) => lower.by_family.get(&family).map_or(0, |calls| calls.at_least),
        };
    }
    if row.checkpoint.is_some() {
        estimate.by_family.entry(EndpointFamily::PLAYLIST_ITEMS).or_default().at_least = 0;
        estimate.add_reason(reasons::CONTINUES);
    }
    estimate.add_reason(reasons::LAST_TIME);
    Ok(if may_be_unchanged { estimate.with_reason(reasons::CHANGED) } else { estimate })
}

/// The version of a playlist that an earlier fetch of this run found, in the playlist itself or in a list of
/// playlists.
async fn known_snapshot(sync: &SyncContext, playlist: &str) -> Result<Option<String>, SyncError> {
    let (id, span) = (playlist.to_owned(), sync.fresh_span(TimeDelta::zero()));
    Ok(sync.store.write(move |s| freshness::known_snapshot(s, &id, &span)).await?)
}

/// What Spotify says about a playlist; `None` if nothing changed since `etag`. Where that fails, perhaps because of one
/// of the items that come with it, the playlist is requested without them.
async fn request_playlist(
    sync: &SyncContext,
    context: &FetchContext,
    playlist: &str,
    (etag, fails_included): (Option<String>, bool),
) -> Result<Option<PlaylistMetadata>, SyncError> {
    let mut request = ApiRequest::new(EndpointFamily::PLAYLISTS, format!("/playlists/{}", path_segment(playlist)));
    request.query = context.query();
    request = request.with_query(ITEM_TYPES.0, ITEM_TYPES.1);
    request.max_attempts = context.progress.max_attempts(playlist);
    let without_items = request.clone().with_query("fields", FIELDS_WITHOUT_ITEMS);
    let as_without_items =
        |playlist: PlaylistMetadata| PlaylistMetadata { page: None, is_without_items: true, ..playlist };
    if fails_included {
        return Ok(send_playlist_request(sync, context, &without_items).await?.map(as_without_items));
    }
    request.etag = etag;
    match send_playlist_request(sync, context, &request).await {
        Err(e) if e.is_failure() => match send_playlist_request(sync, context, &without_items.with_attempts(1)).await {
            Ok(Some(playlist)) => Ok(Some(as_without_items(playlist))),
            Err(second) if !is_about_one_list(&second) => Err(second.into()),
            Ok(None) | Err(_) => Err(e.into()),
        },
        other => Ok(other?),
    }
}

async fn send_playlist_request(
    sync: &SyncContext,
    context: &FetchContext,
    request: &ApiRequest,
) -> Result<Option<PlaylistMetadata>, ApiError> {
    let was_odd = AtomicBool::new(false);
    let check = |answer: &ApiResponse| {
        if answer.status == 304 {
            return Ok(None);
        }
        let object: Playlist<'_> = serde_json::from_slice(&answer.body)
            .map_err(|e| UnusableResponse::new(format!("the answer is not what Spotify documents: {e}")))?;
        if object.id.value().is_none() {
            return Err(UnusableResponse::new("the playlist has no id"));
        }
        let has_items = |page: &Option<_>| {
            page.as_ref().is_some_and(|page: &spotify_client::wire::PageObject<'_>| page.items.is_some())
        };
        let (page, is_unusable) = match RawPage::read(answer, Envelope::InPlaylist) {
            Ok(page) => (page, false),
            Err(unusable) if !was_odd.swap(true, Ordering::Relaxed) => return Err(unusable),
            // The second answer is odd, too. The route of the items has them.
            Err(_) => (None, true),
        };
        let has_odd_page = is_unusable || page.as_ref().is_some_and(|page| page.offset.unwrap_or(0) != 0);
        let owner = object.owner.value();
        let filled = |id: &str| Some(id.to_owned()).filter(|id| !id.is_empty());
        Ok(Some(PlaylistMetadata {
            has_odd_page,
            owner_id: owner.and_then(|owner| filled(owner.id.value()?)),
            owner_account_id: owner.and_then(|owner| filled(owner.account_id.value()?)),
            is_collaborative: object.collaborative.value().copied().unwrap_or(false),
            body: answer.body.clone(),
            snapshot_id: object.snapshot_id.value().map(|s| s.to_string()),
            etag: answer.etag.clone(),
            page: page.filter(|_| !has_odd_page),
            is_on_both_routes: has_items(&object.tracks) && has_items(&object.items),
            is_old_route_only: object.tracks.is_some() && !has_items(&object.items),
            is_without_items: false,
        }))
    };
    sync.api.get_checked(&context.bearer, request, check).await
}

async fn write_playlist(
    sync: &SyncContext,
    context: &FetchContext,
    playlist: &PlaylistMetadata,
) -> Result<(), SyncError> {
    let (body, asked) = (playlist.body.clone(), context.asked(sync.now()));
    let notes = SkipNotes::new(sync, context, None, asked.now.clone());
    let written = sync.store.write(move |s| {
        match ingest::ingest_entity(s, EntityKind::Playlist, std::str::from_utf8(&body).unwrap_or_default(), &asked) {
            Ok(id) => notes.record_fields(s, None, &asked.take_findings(Some(&id))),
            Err(IngestError::Malformed(_)) => Ok(()),
            Err(IngestError::Store(e)) => Err(e),
        }
    });
    Ok(written.await?)
}

/// The path of a playlist's items, by the old or the new name of their route.
fn items_path(playlist: &str, is_old_route: bool) -> String {
    format!("/playlists/{}/{}", path_segment(playlist), if is_old_route { "tracks" } else { "items" })
}

/// The sizes that the pages behind the first may have, the smallest first.
pub(super) fn item_page_sizes(sync: &SyncContext, id: &str) -> Result<(u16, u16), SyncError> {
    Ok(match sync.app.class().map_err(ApiError::from)? {
        Some(class) => {
            let size = item_page_size(sync, id, class == AppClass::Extended)?;
            (size, size)
        }
        None => (item_page_size(sync, id, false)?, item_page_size(sync, id, true)?),
    })
}

fn item_page_size(sync: &SyncContext, id: &str, is_old_route: bool) -> Result<u16, SyncError> {
    let path = sync.app.current_path(&items_path(id, is_old_route)).map_err(ApiError::from)?;
    Ok(sync.app.page_size(EndpointFamily::PLAYLIST_ITEMS, &path, ITEM_PAGES).map_err(ApiError::from)?)
}

/// The key of the list of a playlist's items.
pub(super) fn playlist_key(context: &FetchContext, playlist: &str) -> ListKey {
    ListKey {
        kind: PLAYLIST_ITEMS,
        parent_id: playlist.to_owned(),
        audience: context.audience.clone(),
        market: context.market.clone(),
        variant: String::new(),
    }
}

/// The request for a playlist's items.
pub(super) fn playlist_items_request(
    context: &FetchContext,
    playlist: PlaylistItems<'_>,
    is_old_route: bool,
) -> ListRequest {
    let id = playlist.id;
    let mut query = context.query();
    query.push((ITEM_TYPES.0, ITEM_TYPES.1.to_owned()));
    let version = ApiRequest::new(EndpointFamily::PLAYLISTS, format!("/playlists/{}", path_segment(id)))
        .with_query("fields", "snapshot_id");
    ListRequest {
        key: playlist_key(context, id),
        family: EndpointFamily::PLAYLIST_ITEMS,
        path: items_path(id, is_old_route),
        query,
        entry_kind: EntryKind::PlaylistItems,
        envelope: Envelope::Bare,
        paging: ITEM_PAGES,
        changes: ChangeDetection::Version,
        total_is_unreliable: false,
        max_items: None,
        version: Some(version),
        deferred_verification: playlist.deferred_verification,
        parent: Some(EntityKind::Playlist),
    }
}
