//! The order in which a fetch is done: what was never had first, then what is oldest, so that a sweep
//! that takes many days goes over everything evenly, wherever it was stopped.
//!
//! The job's own order is that of the rows; it is kept as the place of each reference and restored at
//! the end.

use crate::store::freshness;
use std::collections::HashSet;

use super::context::{FetchContext, SyncContext};
use super::error::SyncError;
use super::work_items::WorkItem;
use crate::store::{EntityTable, ListKey, RequestedItem};
use spotify_client::{EntityKind, Reference};

/// A reference and its place in the job.
#[derive(Debug, Clone)]
pub(super) struct IndexedReference {
    pub place: usize,
    pub reference: Reference,
}

impl SyncContext {
    /// References to things, the stalest first; codes whose thing is not known yet before all.
    pub(super) async fn oldest_first(
        &self,
        kind: EntityKind,
        references: Vec<Reference>,
    ) -> Result<Vec<IndexedReference>, SyncError> {
        let ids: Vec<String> = references.iter().map(|r| reference_id(r).unwrap_or_default().to_owned()).collect();
        let table = EntityTable::for_kind(kind);
        let ages = self.store.write(move |s| freshness::fetched_at(s, table, &ids)).await?;
        let placed = references.into_iter().enumerate().map(|(place, reference)| IndexedReference { place, reference });
        Ok(sort_by_age(placed.zip(ages)))
    }

    /// The same for albums whose tracks are read, by the age of the list of tracks.
    pub(super) async fn oldest_lists_first(
        &self,
        references: Vec<Reference>,
        key: impl Fn(&str) -> ListKey,
    ) -> Result<Vec<IndexedReference>, SyncError> {
        let keys: Vec<ListKey> = references.iter().map(|r| key(reference_id(r).unwrap_or_default())).collect();
        let ages = self.store.write(move |s| freshness::checked_at(s, &keys)).await?;
        let placed = references.into_iter().enumerate().map(|(place, reference)| IndexedReference { place, reference });
        Ok(sort_by_age(placed.zip(ages)))
    }

    /// The order in which units are done: lists that were never read, then the oldest. Things are in
    /// such an order already.
    pub(super) async fn item_order(&self, frame: &FetchContext, units: &[WorkItem]) -> Result<Vec<usize>, SyncError> {
        let keys: Option<Vec<ListKey>> = units.iter().map(|unit| unit.list_key(frame)).collect();
        let Some(keys) = keys else { return Ok((0..units.len()).collect()) };
        let ages = self.store.write(move |s| freshness::checked_at(s, &keys)).await?;
        Ok(sort_by_age((0..units.len()).zip(ages)))
    }
}

/// Stable: of the same age, in the order in which they came.
fn sort_by_age<T>(aged: impl Iterator<Item = (T, Option<String>)>) -> Vec<T> {
    let mut aged: Vec<(T, Option<String>)> = aged.collect();
    aged.sort_by(|(_, a), (_, b)| a.cmp(b));
    aged.into_iter().map(|(one, _)| one).collect()
}

/// Restores the job's order of what was asked for; what two ids of the job mean stands there once.
pub(super) fn in_job_order(mut requested: Vec<RequestedItem>, places: &[usize]) -> Vec<RequestedItem> {
    if places.len() == requested.len() {
        let mut placed: Vec<(usize, RequestedItem)> = places.iter().copied().zip(requested).collect();
        placed.sort_by_key(|(place, _)| *place);
        requested = placed.into_iter().map(|(_, requested)| requested).collect();
    }
    let mut met = HashSet::new();
    requested.retain(|one| met.insert(one.clone()));
    requested
}

fn reference_id(reference: &Reference) -> Option<&str> {
    match reference {
        Reference::Id(id) => Some(id.as_str()),
        // `check` lets codes stand only where a search can turn them into ids.
        Reference::Isrc(_) | Reference::Upc(_) => None,
    }
}
