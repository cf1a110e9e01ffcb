//! The items of all playlists of a user: the list of playlists says which of them changed, and
//! proves, a page of it at a time, that those that were read did not move meanwhile.

use crate::store::{library_playlists, lists, missing_ids, staging};
use std::collections::HashMap;

use super::change_detection::{self, ProofMethod};
use super::context::{FetchContext, RecordCounts, SyncContext, timestamp};
use super::error::SyncError;
use super::list::{ListOutcome, ListRequest, MAX_RESTARTS, Prefetch};
use super::page_request::{PagePosition, PageResponse, is_about_the_list};
use super::playlist::{PendingVerification, PlaylistOutcome, playlist_items_request, playlist_key};
use super::user_lists::user_list_request;
use super::work_result::{WorkResult, skip_reason};
use crate::store::{Checkpoint, LibraryPlaylist, ListRow, MissingIdKey, ProofKind};
use crate::stream::{self, Stream};
use spotify_client::error::ApiError;
use spotify_client::state::AppClass;
use spotify_client::wire::Playlist;

impl SyncContext {
    /// The items of all lists that may be read.
    pub(super) async fn read_own_playlists(&self, frame: &FetchContext) -> Result<WorkResult, SyncError> {
        let lists = user_list_request(my_playlists_stream(), frame);
        let mut end = self.read_user_list(frame, &lists).await?;
        // The rows of this fetch are items; the lists are those of another stream.
        end.counts.stored = 0;
        let (user, market) = (frame.audience.clone(), frame.market.clone());
        let whole = self.full_read_span(frame.full_every);
        let mine = self.store.write(move |s| library_playlists::of_user(s, &user, &market, &whole)).await?;
        self.observer.fetch_started(&frame.fetch, mine.len());
        let parts = FetchContext { from_own_library: true, ..frame.clone() };
        let (own, foreign): (Vec<_>, Vec<_>) = mine.into_iter().partition(|list| list.is_own);
        let (changed, same): (Vec<_>, Vec<_>) = own.into_iter().partition(|list| self.has_changed(list));
        self.record_unchanged(frame, same, &mut end).await?;
        let changed = self.without_missing(&parts, changed, &mut end).await?;
        let page = self.app.page_size(lists.family, &lists.path, lists.paging).map_err(ApiError::from)?;
        let page_of = |list: &LibraryPlaylist| list.position / i64::from(page);
        // A page at a time: so few lists wait for their proof that each is locked for a short while.
        for group in changed.chunk_by(|a, b| page_of(a) == page_of(b)) {
            let offset = group.first().map_or(0, |list| page_of(list) * i64::from(page));
            let mut waiting = Vec::new();
            for list in group {
                match self.read_changed_playlist(&parts, list, true).await? {
                    PlaylistOutcome::Done(done) => self.add_playlist_result(frame, &mut end, done),
                    PlaylistOutcome::Pending(one) => waiting.push(*one),
                }
            }
            self.verify_group(&parts, &lists, offset, waiting, &mut end).await?;
        }
        self.read_foreign_playlists(&parts, foreign, &mut end).await?;
        Ok(end)
    }

    pub(super) fn has_changed(&self, list: &LibraryPlaylist) -> bool {
        self.full || list.snapshot_id.is_none() || list.snapshot_id != list.read_snapshot_id
    }

    /// Of these lists, those that were not refused within a week; the others are noted.
    async fn without_missing(
        &self,
        parts: &FetchContext,
        lists: Vec<LibraryPlaylist>,
        end: &mut WorkResult,
    ) -> Result<Vec<LibraryPlaylist>, SyncError> {
        let ids: Vec<String> = lists.iter().map(|list| list.id.clone()).collect();
        let gaps = self.missing_ids(parts, &ids).await?;
        let mut rest = Vec::with_capacity(lists.len());
        for (list, gap) in lists.into_iter().zip(gaps) {
            match gap {
                Some(gap) => self.add_playlist_result(parts, end, WorkResult::from_missing(Vec::new(), gap)),
                None => rest.push(list),
            }
        }
        Ok(rest)
    }

    /// A playlist that is not as it was: read, unless it was read already and the list of playlists
    /// has proved that by now.
    async fn read_changed_playlist(
        &self,
        parts: &FetchContext,
        list: &LibraryPlaylist,
        proved_later: bool,
    ) -> Result<PlaylistOutcome, SyncError> {
        if list.reached_end && !self.full {
            let key = playlist_key(parts, &list.id);
            let _reading = self.lock_list(&key).await?;
            let row = self.open_list(&key).await?;
            if let Some(at) = row.checkpoint.clone().filter(|at| at.reached_end) {
                if list.verified && at.snapshot_id == list.snapshot_id {
                    // The route is of no matter any more.
                    let items = playlist_items_request(parts, &list.id, false, proved_later);
                    let stored = self.publish_staged(parts, &items, row.id, &at, ProofKind::Snapshot).await?;
                    let tally = items.with_wrong_total(&at, RecordCounts { stored, ..RecordCounts::default() });
                    return Ok(PlaylistOutcome::Done(WorkResult::whole(Vec::new(), tally)));
                }
                if proved_later {
                    let old_name = self.app.class().map_err(ApiError::from)? == Some(AppClass::Extended);
                    let list = playlist_items_request(parts, &list.id, old_name, true);
                    let id = list.key.parent_id.clone();
                    return Ok(PlaylistOutcome::Pending(Box::new(PendingVerification {
                        id,
                        list,
                        row,
                        at,
                        requested: Vec::new(),
                    })));
                }
            }
        }
        self.read_playlist_until_verification(parts, &list.id, proved_later).await
    }

    /// Lists of others: Development Mode gives them without their items. They are listed, and that is
    /// all there is to have.
    async fn read_foreign_playlists(
        &self,
        parts: &FetchContext,
        lists: Vec<LibraryPlaylist>,
        end: &mut WorkResult,
    ) -> Result<(), SyncError> {
        if lists.is_empty() {
            return Ok(());
        }
        if self.class_for_foreign(parts).await? != Some(AppClass::Extended) {
            lists.iter().for_each(|_| self.observer.item_done(&parts.fetch));
            return Ok(());
        }
        let (changed, same): (Vec<_>, Vec<_>) = lists.into_iter().partition(|list| self.has_changed(list));
        self.record_unchanged(parts, same, end).await?;
        for list in self.without_missing(parts, changed, end).await? {
            if let PlaylistOutcome::Done(done) = self.read_changed_playlist(parts, &list, false).await? {
                self.add_playlist_result(parts, end, done);
            }
        }
        Ok(())
    }

    /// The class of the app, which tells whether lists of others can be had; found out if nothing has
    /// told it yet. Where the call that would tell brings neither answer nor refusal, the limits of an
    /// unknown class hold, and it is not sent again for a week.
    async fn class_for_foreign(&self, parts: &FetchContext) -> Result<Option<AppClass>, SyncError> {
        let known = self.app.class().map_err(ApiError::from)?;
        let told_nothing = MissingIdKey {
            stream: stream::MARKETS,
            id: "the class of the app".to_owned(),
            audience: "app".to_owned(),
            market: String::new(),
        };
        if known.is_some() || self.is_missing(&told_nothing).await? {
            return Ok(known);
        }
        match self.app.probe(&parts.bearer).await {
            Ok(class) => Ok(class),
            Err(e) if is_about_one_endpoint(&e) => {
                tracing::debug!(error = %e, "the class of the app could not be found out");
                let (text, now) = (e.to_string(), timestamp(self.now()));
                self.store.write(move |s| missing_ids::record(s, &told_nothing, skip_reason(&e), &text, &now)).await?;
                Ok(None)
            }
            Err(e) => Err(e.into()),
        }
    }

    async fn record_unchanged(
        &self,
        frame: &FetchContext,
        lists: Vec<LibraryPlaylist>,
        end: &mut WorkResult,
    ) -> Result<(), SyncError> {
        for list in &lists {
            end.counts.add(RecordCounts { unchanged: 1, stored: list.stored, ..RecordCounts::default() });
            self.observer.item_done(&frame.fetch);
        }
        let ids: Vec<String> = lists.into_iter().map(|list| list.id).collect();
        let (user, market, now) = (frame.audience.clone(), frame.market.clone(), timestamp(self.now()));
        Ok(self.store.write(move |s| lists::mark_playlists_unchanged(s, &ids, &user, &market, &now)).await?)
    }

    /// Adds what came of one playlist; that the list of playlists was asked for stands for all.
    fn add_playlist_result(&self, frame: &FetchContext, end: &mut WorkResult, mut done: WorkResult) {
        done.requested.clear();
        end.add(done);
        self.observer.item_done(&frame.fetch);
    }

    /// Proves lists that stand on one page of the list of playlists, and puts them in place. What
    /// moved is read and proved again.
    async fn verify_group(
        &self,
        parts: &FetchContext,
        lists: &ListRequest,
        offset: i64,
        mut waiting: Vec<PendingVerification>,
        end: &mut WorkResult,
    ) -> Result<(), SyncError> {
        while !waiting.is_empty() {
            let listed = match change_detection::cheapest_proof(waiting.len(), 1) {
                ProofMethod::ByPlaylistList => self.request_listed_versions(parts, lists, offset).await?,
                ProofMethod::OneByOne => HashMap::new(),
            };
            let mut again = Vec::new();
            for one in waiting {
                match self.verify_playlist(parts, &listed, one).await? {
                    PlaylistOutcome::Done(done) => self.add_playlist_result(parts, end, done),
                    PlaylistOutcome::Pending(one) => again.push(*one),
                }
            }
            waiting = again;
        }
        Ok(())
    }

    /// Proves one list by its version now, or reads it again.
    async fn verify_playlist(
        &self,
        parts: &FetchContext,
        listed: &HashMap<String, Option<String>>,
        read: PendingVerification,
    ) -> Result<PlaylistOutcome, SyncError> {
        let snapshot_id = match (listed.get(&read.id), &read.list.version) {
            (Some(snapshot_id), _) => snapshot_id.clone(),
            (None, Some(version)) => match self.request_version(parts, version).await {
                Ok(snapshot_id) => snapshot_id,
                Err(SyncError::Api(e)) if is_about_the_list(&e) => {
                    return Ok(PlaylistOutcome::Done(self.record_missing(parts, &read.id, read.requested, &e).await?));
                }
                Err(e) => return Err(e),
            },
            (None, None) => None,
        };
        // While it waited, anybody could read it: what is staged may not be ours any more.
        let _reading = self.lock_list(&read.list.key).await?;
        let key = read.list.key.clone();
        let row = self.store.write(move |s| lists::open(s, &key)).await?;
        if row.checkpoint.as_ref() != Some(&read.at) {
            return self.finish_after_other_run(parts, read, &row).await;
        }
        let at = &read.at;
        if snapshot_id.is_some() && snapshot_id == at.snapshot_id {
            let stored = self.publish_staged(parts, &read.list, read.row.id, at, ProofKind::Snapshot).await?;
            self.clear_missing(parts, &read.id).await?;
            let (announced, served, skipped) = (at.announced, at.next_offset, at.skipped);
            let tally = RecordCounts { announced, served, stored, skipped, ..RecordCounts::default() };
            return Ok(PlaylistOutcome::Done(WorkResult::whole(read.requested, read.list.with_wrong_total(at, tally))));
        }
        if at.restarts >= MAX_RESTARTS {
            self.abandon_read(read.row.id, at, snapshot_id, "moved").await?;
            return self.finish_playlist(parts, read, ListOutcome::moved()).await;
        }
        let id = read.row.id;
        let content = Some(self.store.write(move |s| staging::hash(s, id)).await?);
        self.clear_skips(parts, &read.list).await?;
        let opening = Prefetch { snapshot_id, content_hash: content, ..Prefetch::default() };
        let begun: Checkpoint = self.start_read(id, &opening, at.restarts + 1).await?;
        let row = ListRow { checkpoint: Some(begun), ..read.row.clone() };
        let end = self.read_list(parts, &read.list, &row, opening).await?;
        self.finish_playlist(parts, read, end).await
    }

    /// Another run has taken the list up meanwhile: it put it in place, or this one reads it again.
    async fn finish_after_other_run(
        &self,
        parts: &FetchContext,
        read: PendingVerification,
        row: &ListRow,
    ) -> Result<PlaylistOutcome, SyncError> {
        if row.checkpoint.is_none() && self.is_from_this_run(row.checked_at.as_ref()) {
            let tally = RecordCounts { unchanged: 1, stored: row.stored.unwrap_or(0), ..RecordCounts::default() };
            return Ok(PlaylistOutcome::Done(WorkResult::whole(read.requested, tally)));
        }
        let snapshot_id = row.checkpoint.as_ref().and_then(|at| at.snapshot_id.clone());
        let opening = Prefetch { snapshot_id, ..Prefetch::default() };
        let list = ListRequest { deferred_verification: false, ..read.list.clone() };
        let row = ListRow { checkpoint: None, ..row.clone() };
        let end = self.read_list(parts, &list, &row, opening).await?;
        self.finish_playlist(parts, read, end).await
    }

    /// The versions that a page of the list of playlists names now.
    async fn request_listed_versions(
        &self,
        parts: &FetchContext,
        lists: &ListRequest,
        offset: i64,
    ) -> Result<HashMap<String, Option<String>>, SyncError> {
        let page = match self.request_page(parts, lists, PagePosition { offset, cursor: None, etag: None }).await {
            Ok(PageResponse::Page(page)) => page,
            // Each can still be asked by itself.
            Ok(PageResponse::Unchanged) => return Ok(HashMap::new()),
            Err(SyncError::Api(e)) if is_about_the_list(&e) => return Ok(HashMap::new()),
            Err(e) => return Err(e),
        };
        let read = |entry: Option<&str>| {
            let list: Playlist<'_> = serde_json::from_str(entry?).ok()?;
            Some((list.id.value()?.to_string(), list.snapshot_id.value().map(|id| id.to_string())))
        };
        Ok(page.entries().into_iter().filter_map(read).collect())
    }
}

/// Whether what came of a probe concerns that one endpoint: nothing else of the run would meet it.
fn is_about_one_endpoint(e: &ApiError) -> bool {
    match e {
        ApiError::Deferred(deferral) => deferral.family().is_some(),
        e => is_about_the_list(e),
    }
}

/// What `my_playlist_items` needs of its other half.
pub(super) fn my_playlists_stream() -> &'static Stream {
    stream::find(stream::MY_PLAYLISTS).expect("my_playlists is in the table of streams")
}
