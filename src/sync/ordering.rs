//! The order in which a fetch is done: items that were never read come first, then the oldest. So a job that takes
//! many days refreshes everything evenly, wherever it was stopped. What failed at the last try comes after all others.
//!
//! The rows are in the job's own order. It is kept as the position of each reference and restored at the
//! end.

use std::collections::{HashMap, HashSet};

use super::context::{FetchContext, SyncContext};
use super::error::SyncError;
use crate::store::{EntityTable, ListKey, RequestedItem, freshness, skipped_items};
use spotify_client::{EntityKind, Reference};

/// A reference and its position in the job.
#[derive(Debug, Clone)]
pub(super) struct IndexedReference {
    pub place: usize,
    pub reference: Reference,
}

/// When the requests for ids of a stream last failed.
#[derive(Debug)]
pub(super) struct FailedRequests(HashMap<String, String>);

impl FailedRequests {
    /// The failures that earlier runs recorded for the stream of a fetch.
    pub(super) async fn of_fetch(sync: &SyncContext, context: &FetchContext) -> Result<FailedRequests, SyncError> {
        let stream = context.stream.name;
        Ok(FailedRequests(sync.store.write(move |s| skipped_items::failed_ids(s, stream)).await?))
    }

    /// Whether the newest request for an id failed, if it was last read at that time. The fetch then requests it
    /// with fewer attempts.
    pub(super) fn is_failing(&self, context: &FetchContext, id: &str, read_at: Option<&str>) -> bool {
        let is_failing = self.0.get(id).is_some_and(|failed_at| read_at.is_none_or(|at| failed_at.as_str() > at));
        if is_failing {
            context.progress.note_failing(id);
        }
        is_failing
    }
}

/// References to entities, the oldest first; codes of unknown entities come before all others. Those that
/// failed at the last try are apart.
pub(super) async fn oldest_first(
    (sync, context): (&SyncContext, &FetchContext),
    kind: EntityKind,
    references: Vec<Reference>,
) -> Result<[Vec<IndexedReference>; 2], SyncError> {
    let ids: Vec<String> = references.iter().map(|r| reference_id(r).unwrap_or_default().to_owned()).collect();
    let table = EntityTable::for_kind(kind);
    let ages = sync.store.write(move |s| freshness::fetched_at(s, table, &ids)).await?;
    Ok(split_by_failure(context, &FailedRequests::of_fetch(sync, context).await?, references, ages))
}

/// References to what lists belong to, those of the oldest lists first. Those that failed at the last try are apart.
pub(super) async fn oldest_lists_first(
    (sync, context): (&SyncContext, &FetchContext),
    references: Vec<Reference>,
    key: impl Fn(&str) -> ListKey,
) -> Result<[Vec<IndexedReference>; 2], SyncError> {
    let keys: Vec<ListKey> = references.iter().map(|r| key(reference_id(r).unwrap_or_default())).collect();
    let ages = sync.store.write(move |s| freshness::checked_at(s, &keys)).await?;
    Ok(split_by_failure(context, &FailedRequests::of_fetch(sync, context).await?, references, ages))
}

fn split_by_failure(
    context: &FetchContext,
    failed: &FailedRequests,
    references: Vec<Reference>,
    ages: Vec<Option<String>>,
) -> [Vec<IndexedReference>; 2] {
    let is_failing = |(indexed, age): &(IndexedReference, Option<String>)| {
        reference_id(&indexed.reference).is_some_and(|id| failed.is_failing(context, id, age.as_deref()))
    };
    let (failing, good): (Vec<_>, Vec<_>) = indexed(references).zip(ages).partition(is_failing);
    [good, failing].map(|part| sort_by_age(part.into_iter()))
}

fn indexed(references: Vec<Reference>) -> impl Iterator<Item = IndexedReference> {
    references.into_iter().enumerate().map(|(place, reference)| IndexedReference { place, reference })
}

/// Sorts by age; items of the same age stay in their order.
pub(super) fn sort_by_age<T, A: Ord>(aged: impl Iterator<Item = (T, A)>) -> Vec<T> {
    let mut aged: Vec<(T, A)> = aged.collect();
    aged.sort_by(|(_, a), (_, b)| a.cmp(b));
    aged.into_iter().map(|(one, _)| one).collect()
}

/// Restores the job's order of the requested items. Two references with the same id become one.
pub(super) fn in_job_order(mut requested: Vec<RequestedItem>, places: &[usize]) -> Vec<RequestedItem> {
    if places.len() == requested.len() {
        let mut placed: Vec<(usize, RequestedItem)> = places.iter().copied().zip(requested).collect();
        placed.sort_by_key(|(place, _)| *place);
        requested = placed.into_iter().map(|(_, requested)| requested).collect();
    }
    let mut seen = HashSet::new();
    requested.retain(|one| seen.insert(one.clone()));
    requested
}

fn reference_id(reference: &Reference) -> Option<&str> {
    match reference {
        Reference::Id(id) => Some(id.as_str()),
        // `check` accepts codes only where a search can turn them into ids.
        Reference::Isrc(_) | Reference::Upc(_) => None,
    }
}
