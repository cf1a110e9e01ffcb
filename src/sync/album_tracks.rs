//! The tracks of albums. The answer about an album holds the first of them, or all.

use std::collections::HashSet;

use chrono::TimeDelta;

use super::album_list::album_tracks_key;
use super::by_id::EntityReader;
use super::change_detection;
use super::context::{FetchContext, SyncContext};
use super::counts::RecordCounts;
use super::error::SyncError;
use super::estimate::{CallEstimate, CallRange, JobEstimator, RowChanges, TotalTrust, call_count, reasons};
use super::list_reader::{finish_read, read_pages};
use super::list_request::{ListRequest, Prefetch};
use super::missing;
use super::open_list::{OpenList, list_row, lock_list};
use super::ordering::IndexedReference;
use super::references::{estimate_references, resolve_references};
use super::work_result::WorkResult;
use crate::store::{EntityTable, ListKey, entity, freshness, lists};
use crate::stream::{ALBUM_TRACKS, ChangeDetection, EntryKind, Paging};
use spotify_client::family::EndpointFamily;
use spotify_client::page::Envelope;
use spotify_client::{EntityKind, path_segment};

/// Tracks that the answer about an album holds, and tracks of a page of the rest.
const ALBUM_PAGE: u16 = 50;

/// Reads the tracks of albums. If an error stops that, the result has the albums whose tracks were read.
pub(super) async fn read_album_tracks(
    sync: &SyncContext,
    context: &FetchContext,
    references: &[IndexedReference],
    result: &mut WorkResult,
) -> Result<(), SyncError> {
    let mut resolved = resolve_references(sync, context, references).await?;
    let albums = resolved.ids.clone();
    let asked = context.asked(sync.now());
    // One lock for all albums: a batch starts twenty lists, and runs that lock them one by one could wait
    // for each other.
    let _lock = lock_list(sync, &album_tracks_key("", &asked)).await?;
    let span = sync.fresh_span(TimeDelta::zero());
    let all = albums.clone();
    let answered = sync.store.write(move |s| freshness::are_fresh(s, EntityTable::albums(), &all, &span)).await?;
    // An album that this run has requested already is not requested again: its tracks are a list of
    // their own.
    let (mut wanted, mut listed) = (Vec::new(), HashSet::new());
    for (album, answered) in albums.iter().zip(answered) {
        let row = list_row(sync, &album_tracks_key(album, &asked)).await?;
        if !sync.is_from_this_run(row.checked_at.as_ref()) && row.checkpoint.is_none() {
            if answered {
                listed.insert(album);
            } else {
                wanted.push(album.clone());
            }
        }
    }
    let mut ended = EntityReader::for_album_tracks().read(sync, context, &wanted, result).await;
    result.requested.clear();
    result.counts = RecordCounts { skipped: result.counts.skipped, ..RecordCounts::default() };
    let wrong = match &ended {
        Ok(()) => resolved.check_codes(sync, context).await?,
        Err(_) => resolved.unverified_ids(),
    };
    result.add(resolved.result);
    let mut places = Vec::with_capacity(albums.len());
    let kept = albums.iter().zip(&resolved.places).filter(|(album, _)| !wrong.contains(*album));
    for (album, place) in kept {
        let key = album_tracks_key(album, &asked);
        let came_with_album = wanted.contains(album);
        // What the answer about the album has just started is no earlier read, also where everything is
        // read again.
        let row = if came_with_album {
            let key = key.clone();
            sync.store.write(move |s| lists::open(s, &key)).await?
        } else {
            list_row(sync, &key).await?
        };
        let open = OpenList::with_row(sync, context, key, row);
        let is_read = open.is_read();
        if result.unanswered.contains(album) {
            continue;
        }
        if open.row.checkpoint.is_some() || (listed.contains(album) && !is_read) {
            if ended.is_err() {
                continue;
            }
            let list = album_tracks_request(context, open.key.clone());
            let parent_answers = came_with_album || listed.contains(album);
            let prefetch = Prefetch { is_from_parent: came_with_album, parent_answers, ..Prefetch::default() };
            let read = match read_pages(&open, &list, prefetch).await {
                Ok(outcome) => finish_read(&open, outcome).await,
                Err(e) => Err(e),
            };
            match read {
                Ok(read) => {
                    places.push(*place);
                    result.add(read);
                }
                Err(e) => ended = Err(e),
            }
            continue;
        }
        places.push(*place);
        let requested = vec![open.requested()];
        if is_read {
            let stored = open.row.stored.unwrap_or(0);
            let (served, unchanged) = if came_with_album { (stored, 0) } else { (0, 1) };
            let counts = RecordCounts { unchanged, served, stored, ..RecordCounts::default() };
            result.add(WorkResult::complete(requested, counts));
        } else {
            result.add(WorkResult { requested, ..WorkResult::default() });
        }
    }
    result.places = places;
    ended
}

/// The request for the tracks of an album.
fn album_tracks_request(context: &FetchContext, key: ListKey) -> ListRequest {
    ListRequest {
        family: EndpointFamily::ALBUM_TRACKS,
        path: format!("/albums/{}/tracks", path_segment(&key.parent_id)),
        key,
        query: context.query(),
        entry_kind: EntryKind::AlbumTracks,
        envelope: Envelope::Bare,
        paging: Paging::Offset { development: ALBUM_PAGE, extended: ALBUM_PAGE },
        changes: ChangeDetection::WholeList,
        total_is_unreliable: false,
        max_items: None,
        version: None,
        deferred_verification: false,
        parent: Some(EntityKind::Album),
    }
}

/// What the tracks of albums cost.
pub(super) async fn estimate_album_tracks(
    estimator: &mut JobEstimator<'_>,
    context: &FetchContext,
    references: &[IndexedReference],
) -> Result<CallEstimate, SyncError> {
    let sync = estimator.sync;
    let (albums, mut estimate) = estimate_references(estimator, context, references).await?;
    let asked = context.asked(sync.now());
    let refused = missing::are_missing(sync, context, &albums).await?;
    let keys: Vec<ListKey> = albums.iter().map(|album| album_tracks_key(album, &asked)).collect();
    let (ids, span) = (albums.clone(), sync.fresh_span(TimeDelta::zero()));
    let stored = sync.store.write(move |s| {
        let rows = keys.iter().map(|key| lists::find(s, key)).collect::<Result<Vec<_>, _>>()?;
        Ok((rows, entity::album_track_counts(s, &ids)?, freshness::are_fresh(s, EntityTable::albums(), &ids, &span)?))
    });
    let (rows, totals, answered) = stored.await?;
    let mut requested_albums = 0;
    for (place, album) in albums.into_iter().enumerate() {
        estimate.asked += 1;
        let row = rows[place].clone().unwrap_or_default();
        // An album that this run has requested by then is not requested again: its answer held the tracks,
        // or they are a list of their own.
        let read_by_then = estimator.read.get(EntityTable::albums().name).is_some_and(|read| read.contains(&album));
        let is_requested = row.checkpoint.is_none() && (answered[place] || read_by_then);
        let is_first = estimator.read.entry(ALBUM_TRACKS).or_default().insert(album);
        let came_whole = read_by_then && totals[place].is_some_and(|total| total <= i64::from(ALBUM_PAGE));
        if !is_first || came_whole || refused[place] || sync.is_from_this_run(row.checked_at.as_ref()) {
            estimate.unchanged += 1;
            continue;
        }
        let served = match &row.checkpoint {
            Some(at) => at.next_offset,
            None if is_requested => 0,
            None => {
                requested_albums += 1;
                i64::from(ALBUM_PAGE)
            }
        };
        match totals[place] {
            Some(total) if total > served => {
                let rest = call_count(change_detection::page_count(total - served, ALBUM_PAGE));
                let trust = TotalTrust::from_last_read(&row, None);
                estimate.add_calls(EndpointFamily::ALBUM_TRACKS, trust.calls(rest, 0));
                estimate = estimate.with_reason(trust.reason());
            }
            Some(_) => {}
            None => {
                estimate.add_calls(EndpointFamily::ALBUM_TRACKS, CallRange::at_least(0));
                estimate.add_reason(reasons::ALBUMS);
            }
        }
        if row.checkpoint.is_some() {
            estimate.add_reason(reasons::CONTINUES);
        }
    }
    EntityReader::for_album_tracks().add_calls(estimator, requested_albums, &mut estimate)?;
    if estimate.calls() != CallRange::NONE {
        estimate.changes = RowChanges::AnyChange;
    }
    Ok(estimate)
}
