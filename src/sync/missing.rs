//! Ids and lists that Spotify refuses: each refusal is weighed and recorded, and remembered for a week once it is
//! settled.

use chrono::TimeDelta;

use super::context::{FetchContext, SyncContext};
use super::counts::RecordCounts;
use super::error::SyncError;
use super::open_list::requested_list;
use super::refusal_weight::{RefusalScale, RefusalWeight};
use super::work_result::{MissingId, WorkResult};
use crate::store::timestamp;
use crate::store::{
    LibraryPlaylist, ListKey, ListedPlaylist, MissingIdKey, PlaylistOwner, SkippedItem, StoreError, TimeSpan, WriteTx,
    entity, lists, missing_ids, skipped_items,
};
use crate::stream::StreamTable;
use spotify_client::error::ApiError;

/// The word for a refusal in `skipped_items`.
pub(super) fn skip_reason(e: &ApiError) -> &'static str {
    match e {
        ApiError::Refused { .. } => "forbidden",
        ApiError::NotFound { .. } | ApiError::Gone { .. } => "not_found",
        ApiError::BadRequest { .. } => "bad_request",
        ApiError::Unusable { .. } => "unusable_answer",
        ApiError::ServerError { .. } | ApiError::EndpointFails { .. } => "server_error",
        ApiError::NoAnswer { .. } => "no_answer",
        _ => "unexpected_status",
    }
}

/// Records that Spotify refused an id: the fetch is partial until the refusal is settled and a run of the job has
/// reported it, and the id counts as known to be missing from then on. A refusal that may be a mistake is not
/// recorded at first: the result names the id, so that it is requested once more.
pub(super) async fn record_missing(
    sync: &SyncContext,
    context: &FetchContext,
    id: &str,
    e: &ApiError,
) -> Result<WorkResult, SyncError> {
    let needs_market = context.stream.needs_market && skip_reason(e) == "not_found" && context.market.is_empty();
    let no_market = needs_market.then(|| "name a market: without one an app is shown no podcasts".to_owned());
    let hints = e.hint().or(no_market).into_iter().collect();
    let result = record_gap(sync, context, id, (skip_reason(e), e.to_string())).await?;
    // A gap that is known needs no hint.
    Ok(if result.problem.is_some() { WorkResult { hints, ..result } } else { result })
}

/// As [`record_missing`], for a reason that need not be an error of the API.
pub(super) async fn record_gap(
    sync: &SyncContext,
    context: &FetchContext,
    id: &str,
    (reason, detail): (&'static str, String),
) -> Result<WorkResult, SyncError> {
    let is_mismatch = reason == "code_mismatch";
    let is_lasting = is_lasting(context, id, reason);
    let scale = RefusalScale::new(sync, context);
    let (stream, key, now, run) = (context.stream, context.missing_key(id), timestamp(sync.now()), sync.run_id);
    let is_playlist = stream.table == StreamTable::PlaylistItems;
    let (fetch, id, text, reporting) = (context.fetch.clone(), id.to_owned(), detail.clone(), Reporting::of(context));
    let problem = format!("{id}: {detail}");
    let unanswered = id.clone();
    let recorded = sync
        .store
        .write(move |s| {
            let weight = match is_lasting {
                // Spotify has answered, and its hit has another code.
                true if is_mismatch => RefusalWeight { is_settled: true, ..RefusalWeight::PASSING },
                true => scale.weigh(s, &key, reason)?,
                false => RefusalWeight::PASSING,
            };
            if weight.wants_second_look {
                return Ok(None);
            }
            let was_known = is_lasting && missing_ids::record(s, &key, reason, &text, &now)?;
            if is_lasting && !weight.is_settled {
                missing_ids::mark_unsettled(s, &key)?;
            }
            let is_known = weight.is_settled
                && (was_known || reporting.is_own_library)
                && reporting.is_settled(s, run, stream.name, &id)?;
            if weight.is_gone && is_playlist {
                entity::mark_playlist_gone(s, &id, &now)?;
            }
            let skip = SkippedItem {
                fetch,
                stream: stream.name,
                item_id: Some(id),
                reason,
                detail: Some(text),
                already_known: is_known,
                user_id: Some(reporting.reader),
                ..SkippedItem::default()
            };
            skipped_items::record(s, run, &skip, &now)?;
            Ok(Some(is_known))
        })
        .await?;
    let Some(is_known) = recorded else {
        return Ok(WorkResult { unanswered: vec![unanswered], ..WorkResult::default() });
    };
    let counts = RecordCounts { skipped: 1, ..RecordCounts::default() };
    if is_known {
        return Ok(WorkResult { counts, ..WorkResult::default() });
    }
    Ok(WorkResult::incomplete(Vec::new(), counts, problem))
}

/// Whether a refusal is likely to be the same next time, so that it is remembered. A user always has a library.
fn is_lasting(context: &FetchContext, id: &str, reason: &str) -> bool {
    let is_own_list = context.stream.needs_user() && id == context.stream.name;
    reason == "code_mismatch" || matches!(reason, "forbidden" | "not_found") && !is_own_list
}

/// The job to which a refusal is reported, and whether that was done already.
struct Reporting {
    /// The owner of the used token, as the run records it; empty for the app.
    reader: String,
    is_own_library: bool,
}

impl Reporting {
    fn of(context: &FetchContext) -> Reporting {
        Reporting { reader: context.recorded_for.clone(), is_own_library: context.from_own_library }
    }

    /// Whether a refusal leaves the fetch complete: the job reported it to this reader, or the id comes from the
    /// user's own library, where the note is enough.
    fn is_settled(&self, s: &WriteTx, run: i64, stream: &str, id: &str) -> Result<bool, StoreError> {
        Ok(self.is_own_library || skipped_items::was_reported(s, run, stream, id, &self.reader)?)
    }
}

/// The result of a list that was refused within a week; `None`: the list is requested. The fetch keeps
/// the published rows of the list.
pub(super) async fn find_missing_list(
    sync: &SyncContext,
    context: &FetchContext,
    id: &str,
    key: &ListKey,
) -> Result<Option<WorkResult>, SyncError> {
    let Some(missing) = missing_ids(sync, context, &[id.to_owned()]).await?.pop().flatten() else { return Ok(None) };
    let find = key.clone();
    let list = sync.store.write(move |s| lists::find(s, &find)).await?;
    let requested = list.map(|list| requested_list(context, key, list.id)).into_iter().collect();
    Ok(Some(WorkResult::from_missing(missing).with_requested(requested)))
}

/// Of these ids, those that were refused within a week. They are recorded as skipped.
pub(super) async fn missing_ids(
    sync: &SyncContext,
    context: &FetchContext,
    ids: &[String],
) -> Result<Vec<Option<MissingId>>, SyncError> {
    let (span, keys) = (missing_span(sync), ids.iter().map(|id| context.missing_key(id)).collect::<Vec<_>>());
    let refusals = sync.store.write(move |s| missing_ids::find(s, &keys, &span)).await?;
    note_missing(sync, context, ids.to_vec(), refusals).await
}

/// Of these playlists of a library, those that were refused in their version, or lately. They are recorded as
/// skipped.
pub(super) async fn missing_playlists(
    sync: &SyncContext,
    context: &FetchContext,
    lists: &[LibraryPlaylist],
) -> Result<Vec<Option<MissingId>>, SyncError> {
    let refusals = refused_playlists(sync, context, lists).await?;
    note_missing(sync, context, lists.iter().map(|list| list.id.clone()).collect(), refusals).await
}

/// Whether each of these playlists of a library was refused in its version, or lately. Nothing is recorded.
pub(super) async fn are_missing_playlists(
    sync: &SyncContext,
    context: &FetchContext,
    lists: &[LibraryPlaylist],
) -> Result<Vec<bool>, SyncError> {
    Ok(refused_playlists(sync, context, lists).await?.iter().map(Option::is_some).collect())
}

/// The refusals of playlists of a library: one try for each version, and for the lists of others one in a week.
async fn refused_playlists(
    sync: &SyncContext,
    context: &FetchContext,
    lists: &[LibraryPlaylist],
) -> Result<Vec<Option<(String, String)>>, SyncError> {
    let recent = missing_span(sync);
    let always = if sync.full { missing_span(sync) } else { sync.full_read_span(context.full_every) };
    let listed: Vec<ListedPlaylist> = lists
        .iter()
        .map(|list| ListedPlaylist {
            key: context.missing_key(&list.id),
            snapshot_id: list.snapshot_id.clone(),
            is_foreign: list.owner == PlaylistOwner::Other,
        })
        .collect();
    Ok(sync.store.write(move |s| missing_ids::find_playlists(s, &listed, &recent, &always)).await?)
}

/// Records refusals of items that are not requested again.
async fn note_missing(
    sync: &SyncContext,
    context: &FetchContext,
    ids: Vec<String>,
    refusals: Vec<Option<(String, String)>>,
) -> Result<Vec<Option<MissingId>>, SyncError> {
    let (stream, run, now) = (context.stream.name, sync.run_id, timestamp(sync.now()));
    let (fetch, reporting) = (context.fetch.clone(), Reporting::of(context));
    let missing = sync.store.write(move |s| {
        let mut missing = Vec::with_capacity(ids.len());
        for (id, refusal) in ids.iter().zip(refusals) {
            let Some((reason, detail)) = refusal else {
                missing.push(None);
                continue;
            };
            let reason = match reason.as_str() {
                "forbidden" => "forbidden",
                "code_mismatch" => "code_mismatch",
                _ => "not_found",
            };
            let is_settled = reporting.is_settled(s, run, stream, id)?;
            let new_problem = (!is_settled).then(|| format!("{id}: {detail}"));
            let skip = SkippedItem {
                fetch: fetch.clone(),
                stream,
                item_id: Some(id.clone()),
                reason,
                detail: Some(detail),
                already_known: is_settled,
                user_id: Some(reporting.reader.clone()),
                ..SkippedItem::default()
            };
            skipped_items::record(s, run, &skip, &now)?;
            missing.push(Some(MissingId { new_problem }));
        }
        Ok(missing)
    });
    Ok(missing.await?)
}

/// Whether each of these ids was refused within a week. Nothing is recorded.
pub(super) async fn are_missing(
    sync: &SyncContext,
    context: &FetchContext,
    ids: &[String],
) -> Result<Vec<bool>, SyncError> {
    let (span, keys) = (missing_span(sync), ids.iter().map(|id| context.missing_key(id)).collect::<Vec<_>>());
    let refusals = sync.store.write(move |s| missing_ids::find(s, &keys, &span));
    Ok(refusals.await?.iter().map(Option::is_some).collect())
}

/// How many calls a run spends on an id that Spotify refuses now: one, or two if it may be a mistake.
pub(super) async fn calls_for_refusal(
    sync: &SyncContext,
    context: &FetchContext,
    id: &str,
    e: &ApiError,
) -> Result<u64, SyncError> {
    let reason = skip_reason(e);
    if !is_lasting(context, id, reason) {
        return Ok(1);
    }
    let (scale, key) = (RefusalScale::new(sync, context), context.missing_key(id));
    let weight = sync.store.write(move |s| scale.weigh(s, &key, reason)).await?;
    Ok(1 + u64::from(weight.wants_second_look))
}

/// Whether each of these ids was refused before and is requested again. Nothing is recorded.
pub(super) async fn were_refused(
    sync: &SyncContext,
    context: &FetchContext,
    ids: &[String],
) -> Result<Vec<bool>, SyncError> {
    let keys: Vec<MissingIdKey> = ids.iter().map(|id| context.missing_key(id)).collect();
    let known = sync.store.write(move |s| {
        let s: &WriteTx = s;
        keys.iter().map(|key| missing_ids::is_known(s, key)).collect::<Result<Vec<bool>, StoreError>>()
    });
    Ok(known.await?)
}

/// Records that Spotify answers for an id again.
pub(super) async fn clear_missing(sync: &SyncContext, context: &FetchContext, id: &str) -> Result<(), SyncError> {
    let key = context.missing_key(id);
    Ok(sync.store.write(move |s| missing_ids::clear(s, &key)).await?)
}

/// A refusal in this time is not tried again.
fn missing_span(sync: &SyncContext) -> TimeSpan {
    sync.known_span(TimeDelta::days(7))
}
