//! The name of the parent of a list, where the items do not state it: the show of the episodes, the audiobook of the
//! chapters, the artist of the releases of others. Where the store has no name, the parent is requested before its
//! list is read whole. That costs one call, and a refusal costs no more than the name.

use bytes::Bytes;

use super::change_detection::is_full_read_recent;
use super::context::{FetchContext, SyncContext};
use super::error::{SyncError, is_about_one_list};
use super::estimate::{CallEstimate, CallRange, JobEstimator, reasons};
use super::list_request::ListRequest;
use super::missing;
use crate::ingest::{IngestError, ingest_entity};
use crate::job::{AlbumGroup, Fetch};
use crate::store::{EntityTable, ListRow, MissingIdKey, entity, lists, missing_ids, runs};
use crate::stream::{EntryKind, Stream};
use spotify_client::EntityKind;
use spotify_client::client::{ApiRequest, ApiResponse, UnusableResponse};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::page::utf8;

/// The kind of the parents, if only they themselves state their names, with the column of the name.
fn unnamed_parent(fetch: &Fetch) -> Option<(EntityKind, &'static str)> {
    match fetch.stream.entries? {
        EntryKind::Episodes => Some((EntityKind::Show, "show_name")),
        EntryKind::Chapters => Some((EntityKind::Audiobook, "audiobook_name")),
        // An artist is named by each release of their own.
        EntryKind::Albums if fetch.include_groups == [AlbumGroup::AppearsOn] => {
            Some((EntityKind::Artist, "artist_name"))
        }
        _ => None,
    }
}

/// Whether the names of the parents are requested where the store lacks them: the CSV file of the fetch has them.
pub(super) fn wants_parent_names(fetch: &Fetch) -> bool {
    let is_written = |column: &str| {
        fetch.columns.as_ref().is_none_or(|columns| columns.iter().any(|written| written.name == column))
    };
    unnamed_parent(fetch).is_some_and(|(_, column)| is_written(column))
}

/// Whether the rows of a stream may bring the names of parents of this kind.
fn may_name(stream: &Stream, kind: EntityKind) -> bool {
    let is_list_of_parent = matches!(stream.entries, Some(EntryKind::Episodes | EntryKind::Chapters));
    let column = match kind {
        EntityKind::Show => "show_name",
        EntityKind::Audiobook => "audiobook_name",
        _ => "artist_names",
    };
    let names_parent = stream.column(column).is_some() || stream.references.iter().any(|(named, _)| *named == kind);
    names_parent && !is_list_of_parent
}

/// The kind and id of the parent of a list, if its name is requested before the list.
async fn unknown_parent(
    sync: &SyncContext,
    context: &FetchContext,
    (list, row): (&ListRequest, &ListRow),
) -> Result<Option<(EntityKind, String)>, SyncError> {
    let Some(kind) = list.parent.filter(|_| context.wants_parent_names) else { return Ok(None) };
    let recent = sync.full_read_span(context.full_every);
    if is_full_read_recent(row, sync.full, &recent) {
        return Ok(None);
    }
    let (id, table) = (list.key.parent_id.clone(), EntityTable::for_kind(kind));
    let parent = id.clone();
    // A fetch that reads these entities by id has the name of their kind.
    let refused = MissingIdKey { stream: kind.plural(), ..context.missing_key(&id) };
    let is_known = sync
        .store
        .write(move |s| Ok(entity::has_name(s, table, &parent)? || missing_ids::is_known(s, &refused)?))
        .await?;
    if is_known || missing::are_missing(sync, context, std::slice::from_ref(&id)).await? == [true] {
        return Ok(None);
    }
    Ok(Some((kind, id)))
}

fn family(kind: EntityKind) -> EndpointFamily {
    match kind {
        EntityKind::Show => EndpointFamily::SHOWS,
        EntityKind::Audiobook => EndpointFamily::AUDIOBOOKS,
        _ => EndpointFamily::ARTISTS,
    }
}

/// Requests the parent of a list, if its name is unknown.
///
/// # Errors
/// If the store cannot be read or written, or the request is deferred.
pub(super) async fn read_parent_name(
    sync: &SyncContext,
    context: &FetchContext,
    list: &ListRequest,
) -> Result<(), SyncError> {
    // A second look is about the list: its name was requested before the first.
    if !context.wants_parent_names || context.is_second_look {
        return Ok(());
    }
    let key = list.key.clone();
    let row = sync.store.write(move |s| lists::find(s, &key)).await?.unwrap_or_default();
    if sync.is_from_this_run(row.checked_at.as_ref()) {
        return Ok(());
    }
    let Some((kind, id)) = unknown_parent(sync, context, (list, &row)).await? else { return Ok(()) };
    let path = format!("/{}/{}", kind.plural(), spotify_client::path_segment(&id));
    let mut request = ApiRequest::new(family(kind), path);
    request.query = context.query();
    request.max_attempts = context.progress.max_attempts(&id);
    let check = |answer: &ApiResponse| {
        if utf8(&answer.body)?.trim_start().starts_with('{') {
            Ok(answer.body.clone())
        } else {
            Err(UnusableResponse::new("the answer is not an object"))
        }
    };
    match sync.api.get_checked(&context.bearer, &request, check).await {
        Ok(body) => write_parent(sync, context, kind, body).await,
        Err(e) if is_about_one_list(&e) => {
            note_unnamed(sync, kind, &id, &e);
            Ok(())
        }
        Err(e) => Err(e.into()),
    }
}

async fn write_parent(
    sync: &SyncContext,
    context: &FetchContext,
    kind: EntityKind,
    body: Bytes,
) -> Result<(), SyncError> {
    let (asked, run, calls) = (context.asked(sync.now()), sync.run_id, sync.calls());
    let written = sync.store.write(move |s| {
        let text = std::str::from_utf8(&body).unwrap_or_default();
        match ingest_entity(s, kind, text, &asked) {
            Ok(_) => runs::update_counts(s, run, calls, 0),
            // The list does not need it.
            Err(IngestError::Malformed(_)) => Ok(()),
            Err(IngestError::Store(e)) => Err(e),
        }
    });
    Ok(written.await?)
}

fn note_unnamed(sync: &SyncContext, kind: EntityKind, id: &str, e: &ApiError) {
    sync.observer.note(&format!("the name of {} {id} stays blank: {e}", kind.as_str()));
}

/// What the name of the parent of a list costs.
pub(super) async fn estimate_parent_name(
    estimator: &mut JobEstimator<'_>,
    context: &FetchContext,
    list: &ListRequest,
) -> Result<CallEstimate, SyncError> {
    let row = estimator.stored_row(&list.key).await?;
    let mut estimate = CallEstimate::default();
    if estimator.lists.contains(&list.key) || estimator.sync.is_from_this_run(row.checked_at.as_ref()) {
        return Ok(estimate);
    }
    let Some((kind, id)) = unknown_parent(estimator.sync, context, (list, &row)).await? else { return Ok(estimate) };
    let is_read = estimator.read.get(EntityTable::for_kind(kind).name).is_some_and(|ids| ids.contains(&id));
    if is_read || !estimator.named_parents.insert((kind, id)) {
        return Ok(estimate);
    }
    if estimator.streams_before.iter().any(|stream| may_name(stream, kind)) {
        estimate.add_calls(family(kind), CallRange::between(0, 1));
        estimate.add_reason(reasons::ALONG);
    } else {
        estimate.add_calls(family(kind), CallRange::exactly(1));
    }
    Ok(estimate)
}
