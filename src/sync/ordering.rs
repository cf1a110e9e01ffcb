//! The order in which a fetch is done: what was never read first, then the oldest. So a job that takes
//! many days refreshes everything evenly, wherever it was stopped.
//!
//! The rows are in the job's own order. It is kept as the position of each reference and restored at the
//! end.

use std::collections::HashSet;

use super::context::SyncContext;
use super::error::SyncError;
use crate::store::{EntityTable, ListKey, RequestedItem, freshness};
use spotify_client::{EntityKind, Reference};

/// A reference and its position in the job.
#[derive(Debug, Clone)]
pub(super) struct IndexedReference {
    pub place: usize,
    pub reference: Reference,
}

/// References to entities, the oldest first; codes whose entity is not known yet before all others.
pub(super) async fn oldest_first(
    sync: &SyncContext,
    kind: EntityKind,
    references: Vec<Reference>,
) -> Result<Vec<IndexedReference>, SyncError> {
    let ids: Vec<String> = references.iter().map(|r| reference_id(r).unwrap_or_default().to_owned()).collect();
    let table = EntityTable::for_kind(kind);
    let ages = sync.store.write(move |s| freshness::fetched_at(s, table, &ids)).await?;
    Ok(sort_by_age(indexed(references).zip(ages)))
}

/// References to what lists belong to, those of the oldest lists first.
pub(super) async fn oldest_lists_first(
    sync: &SyncContext,
    references: Vec<Reference>,
    key: impl Fn(&str) -> ListKey,
) -> Result<Vec<IndexedReference>, SyncError> {
    let keys: Vec<ListKey> = references.iter().map(|r| key(reference_id(r).unwrap_or_default())).collect();
    let ages = sync.store.write(move |s| freshness::checked_at(s, &keys)).await?;
    Ok(sort_by_age(indexed(references).zip(ages)))
}

fn indexed(references: Vec<Reference>) -> impl Iterator<Item = IndexedReference> {
    references.into_iter().enumerate().map(|(place, reference)| IndexedReference { place, reference })
}

/// Sorts by age; items of the same age stay in their order.
pub(super) fn sort_by_age<T>(aged: impl Iterator<Item = (T, Option<String>)>) -> Vec<T> {
    let mut aged: Vec<(T, Option<String>)> = aged.collect();
    aged.sort_by(|(_, a), (_, b)| a.cmp(b));
    aged.into_iter().map(|(one, _)| one).collect()
}

/// Restores the job's order of what was requested. Two references with the same id become one.
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
