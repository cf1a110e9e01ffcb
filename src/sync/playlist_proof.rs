//! The proof of playlists in groups: those on one page of the list of playlists are verified by that page.

use std::collections::HashMap;

use super::brake::SUSPECT_BATCH;
use super::change_detection::{self, ProofMethod};
use super::commit::{abandon_read, clear_skips, publish_staged, staged_hash, start_read};
use super::context::{FetchContext, SyncContext};
use super::counts::RecordCounts;
use super::error::{SyncError, is_about_one_list};
use super::list_reader::{MAX_RESTARTS, finish_read, read_pages};
use super::list_request::{ListRequest, Prefetch};
use super::missing;
use super::open_list::{OpenList, lock_list};
use super::page_request::{PagePosition, PageResponse, request_page, request_version};
use super::publication::PublishOutcome;
use super::read_outcome::{PendingVerification, ReadOutcome};
use super::work_result::WorkResult;
use crate::store::{Checkpoint, ListRow, ProofKind, lists};
use spotify_client::wire::Playlist;

/// Versions of playlists by their ids. A playlist that is listed without a version is not in it.
type ListedVersions = HashMap<String, String>;

/// Verifies lists that are on one page of the list of playlists, and publishes them. A list that changed
/// is read and verified again.
pub(super) async fn verify_group(
    sync: &SyncContext,
    context: &FetchContext,
    (lists, offset): (&ListRequest, i64),
    mut pending: Vec<PendingVerification>,
) -> Result<Vec<WorkResult>, SyncError> {
    let mut results = Vec::with_capacity(pending.len());
    while !pending.is_empty() {
        let listed = match change_detection::cheapest_proof(pending.len(), 1) {
            ProofMethod::ByPlaylistList => request_versions(sync, context, lists, offset).await?,
            ProofMethod::OneByOne => HashMap::new(),
        };
        let mut again = Vec::new();
        for one in pending {
            let mut read = verify(sync, context, &listed, one).await?;
            match read.pending.pop() {
                Some(one) => again.push(one),
                None => results.push(read),
            }
        }
        pending = again;
    }
    Ok(results)
}

/// Verifies one list by its version now, or reads it again.
async fn verify(
    sync: &SyncContext,
    context: &FetchContext,
    listed: &ListedVersions,
    read: PendingVerification,
) -> Result<WorkResult, SyncError> {
    let (list, at) = (&read.request, &read.checkpoint);
    let id = &list.key.parent_id;
    let snapshot_id = match (listed.get(id), &list.version) {
        (Some(snapshot_id), _) => Some(snapshot_id.clone()),
        (None, Some(version)) => match request_version(sync, context, version).await {
            Ok(snapshot_id) => snapshot_id,
            Err(SyncError::Api(e)) if is_about_one_list(&e) => {
                return missing::record_missing(sync, context, id, &e).await;
            }
            Err(e) => return Err(e),
        },
        (None, None) => None,
    };
    // While the list waited, another run could read it: the staged rows may not be ours any more.
    let _lock = lock_list(sync, &list.key).await?;
    let key = list.key.clone();
    let row = sync.store.write(move |s| lists::open(s, &key)).await?;
    if row.checkpoint.as_ref() != Some(at) {
        return finish_after_other_run(sync, context, &read, row).await;
    }
    let open = OpenList::with_row(sync, context, list.key.clone(), read.row.clone());
    if snapshot_id.is_some() && snapshot_id == at.snapshot_id {
        let newest = read.row.shared.read_at.clone();
        match publish_staged(&open, list, at, ProofKind::Snapshot, newest).await? {
            PublishOutcome::Stored(stored) => {
                let counts = RecordCounts::of_read(at, stored, 0);
                return finish_read(&open, ReadOutcome::published(at, list.with_wrong_total(at, counts))).await;
            }
            PublishOutcome::Suspect { detail } => return leave_out(&open, at, detail).await,
            PublishOutcome::Superseded => {}
        }
    }
    if at.restarts >= MAX_RESTARTS {
        abandon_read(&open, at, snapshot_id, "moved").await?;
        return finish_read(&open, ReadOutcome::Moved).await;
    }
    let content_hash = Some(staged_hash(&open).await?);
    clear_skips(&open).await?;
    let prefetch = Prefetch { snapshot_id, content_hash, ..Prefetch::default() };
    let started = start_read(&open, &prefetch, at.restarts + 1).await?;
    let row = ListRow { checkpoint: Some(started), shared: row.shared, ..read.row.clone() };
    let open = OpenList::with_row(sync, context, list.key.clone(), row);
    let outcome = read_pages(&open, list, prefetch).await?;
    finish_read(&open, outcome).await
}

/// Another run has read the list meanwhile: it published the list, or this run reads it again.
async fn finish_after_other_run(
    sync: &SyncContext,
    context: &FetchContext,
    read: &PendingVerification,
    row: ListRow,
) -> Result<WorkResult, SyncError> {
    let snapshot_id = row.checkpoint.as_ref().and_then(|at| at.snapshot_id.clone());
    let is_published = row.checkpoint.is_none();
    let row = ListRow { checkpoint: None, ..row };
    let open = OpenList::with_row(sync, context, read.request.key.clone(), row);
    if is_published && open.is_read() {
        return Ok(WorkResult::complete(vec![open.requested()], open.unchanged()));
    }
    let list = ListRequest { deferred_verification: false, ..read.request.clone() };
    let outcome = read_pages(&open, &list, Prefetch { snapshot_id, ..Prefetch::default() }).await?;
    finish_read(&open, outcome).await
}

/// The versions that a page of the list of playlists has now.
async fn request_versions(
    sync: &SyncContext,
    context: &FetchContext,
    lists: &ListRequest,
    offset: i64,
) -> Result<ListedVersions, SyncError> {
    let position = PagePosition { offset, ..PagePosition::default() };
    let page = match request_page(sync, context, lists, position).await {
        Ok(PageResponse::Page(page)) => page,
        // Each list can still be requested by itself.
        Ok(PageResponse::Unchanged) => return Ok(HashMap::new()),
        Err(SyncError::Api(e)) if is_about_one_list(&e) => return Ok(HashMap::new()),
        Err(e) => return Err(e),
    };
    let version = |entry: Option<&str>| {
        let list: Playlist<'_> = serde_json::from_str(entry?).ok()?;
        Some((list.id_or_uri()?, list.snapshot_id.value()?.to_string()))
    };
    Ok(page.entries().into_iter().filter_map(version).collect())
}

/// Discards a suspicious batch. The old list stays.
pub(super) async fn leave_out(open: &OpenList<'_>, at: &Checkpoint, detail: String) -> Result<WorkResult, SyncError> {
    abandon_read(open, at, None, SUSPECT_BATCH).await?;
    finish_read(open, ReadOutcome::Unproved { reason: SUSPECT_BATCH, detail, reached: None }).await
}
