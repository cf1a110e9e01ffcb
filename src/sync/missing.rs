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
use crate::store::{ListKey, MissingIdKey, SkippedItem, TimeSpan, entity, lists, missing_ids, skipped_items};
use crate::stream::StreamTable;
use spotify_client::error::ApiError;

/// The word for a refusal in `skipped_items`.
pub(super) fn skip_reason(e: &ApiError) -> &'static str {
    match e {
        ApiError::Refused { .. } => "forbidden",
        ApiError::NotFound { .. } | ApiError::Gone { .. } => "not_found",
        ApiError::BadRequest { .. } => "bad_request",
        ApiError::Unusable { .. } => "unusable_answer",
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
    // Only a refusal that is likely to be the same next time is remembered. A user always has a library.
    let is_own_list = context.stream.needs_user() && id == context.stream.name;
    let is_mismatch = reason == "code_mismatch";
    let is_lasting = is_mismatch || (matches!(reason, "forbidden" | "not_found") && !is_own_list);
    let scale = RefusalScale::new(sync, context);
    let (stream, key, now, run) = (context.stream, context.missing_key(id), timestamp(sync.now()), sync.run_id);
    let is_playlist = stream.table == StreamTable::PlaylistItems;
    let (fetch, id, text, own) = (context.fetch.clone(), id.to_owned(), detail.clone(), context.from_own_library);
    let problem = format!("{id}: {detail}");
    let unanswered = id.clone();
    let recorded = sync
        .store
        .write(move |s| {
            let weight = match is_lasting {
                // Spotify has answered: what it found has another code.
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
            let is_known =
                weight.is_settled && ((was_known && skipped_items::was_reported(s, run, stream.name, &id)?) || own);
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

/// The result of a list that was refused within a week; `None`: the list is requested. What was published
/// of the list before stays among what the fetch requested.
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
    let span = missing_span(sync);
    let (stream, run, now) = (context.stream.name, sync.run_id, timestamp(sync.now()));
    let (fetch, keys) = (context.fetch.clone(), ids.iter().map(|id| context.missing_key(id)).collect::<Vec<_>>());
    let missing = sync.store.write(move |s| {
        let mut missing = Vec::with_capacity(keys.len());
        for (MissingIdKey { id, .. }, refusal) in keys.iter().zip(missing_ids::find(s, &keys, &span)?) {
            let Some((reason, detail)) = refusal else {
                missing.push(None);
                continue;
            };
            let reason = match reason.as_str() {
                "forbidden" => "forbidden",
                "code_mismatch" => "code_mismatch",
                _ => "not_found",
            };
            let was_reported = skipped_items::was_reported(s, run, stream, id)?;
            let new_problem = (!was_reported).then(|| format!("{id}: {detail}"));
            let skip = SkippedItem {
                fetch: fetch.clone(),
                stream,
                item_id: Some(id.clone()),
                reason,
                detail: Some(detail),
                already_known: was_reported,
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

/// Whether a request was refused within a week.
pub(super) async fn is_missing(sync: &SyncContext, key: &MissingIdKey) -> Result<bool, SyncError> {
    let (span, keys) = (missing_span(sync), [key.clone()]);
    Ok(sync.store.write(move |s| missing_ids::find(s, &keys, &span)).await?.iter().any(Option::is_some))
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
