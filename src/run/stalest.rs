//! The order in which a fetch is done: what was never had first, then what is oldest, so that a sweep
//! that takes many days goes over everything evenly, wherever it was stopped.
//!
//! The job's own order is that of the rows; it is kept as the place of each reference and restored at
//! the end.

use std::collections::HashSet;

use super::engine::{Engine, FetchFrame};
use super::halt::Halt;
use super::units::Unit;
use crate::ingest;
use crate::store::{ListKey, Requested};
use spotify_client::{Kind, Reference};

/// A reference and its place in the job.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub place: usize,
    pub reference: Reference,
}

impl Engine {
    /// References to things, the stalest first; codes whose thing is not known yet before all.
    pub(super) async fn stalest_first(&self, kind: Kind, references: Vec<Reference>) -> Result<Vec<Placed>, Halt> {
        let ids: Vec<String> = references.iter().map(|r| id_of(r).unwrap_or_default().to_owned()).collect();
        let table = ingest::table_of(kind);
        let ages = self.store.write(move |s| s.fetched_at(table, &ids)).await?;
        let placed = references.into_iter().enumerate().map(|(place, reference)| Placed { place, reference });
        Ok(by_age(placed.zip(ages)))
    }

    /// The same for albums whose tracks are read, by the age of the list of tracks.
    pub(super) async fn stalest_lists_first(
        &self,
        references: Vec<Reference>,
        key: impl Fn(&str) -> ListKey,
    ) -> Result<Vec<Placed>, Halt> {
        let keys: Vec<ListKey> = references.iter().map(|r| key(id_of(r).unwrap_or_default())).collect();
        let ages = self.store.write(move |s| s.checked_at(&keys)).await?;
        let placed = references.into_iter().enumerate().map(|(place, reference)| Placed { place, reference });
        Ok(by_age(placed.zip(ages)))
    }

    /// The order in which units are done: lists that were never read, then the oldest. Things are in
    /// such an order already.
    pub(super) async fn order(&self, frame: &FetchFrame, units: &[Unit]) -> Result<Vec<usize>, Halt> {
        let keys: Option<Vec<ListKey>> = units.iter().map(|unit| unit.list_key(frame)).collect();
        let Some(keys) = keys else { return Ok((0..units.len()).collect()) };
        let ages = self.store.write(move |s| s.checked_at(&keys)).await?;
        Ok(by_age((0..units.len()).zip(ages)))
    }
}

/// Stable: of the same age, in the order in which they came.
fn by_age<T>(aged: impl Iterator<Item = (T, Option<String>)>) -> Vec<T> {
    let mut aged: Vec<(T, Option<String>)> = aged.collect();
    aged.sort_by(|(_, a), (_, b)| a.cmp(b));
    aged.into_iter().map(|(one, _)| one).collect()
}

/// Restores the job's order of what was asked for; what two ids of the job mean stands there once.
pub(super) fn in_places(mut requested: Vec<Requested>, places: &[usize]) -> Vec<Requested> {
    if places.len() == requested.len() {
        let mut placed: Vec<(usize, Requested)> = places.iter().copied().zip(requested).collect();
        placed.sort_by_key(|(place, _)| *place);
        requested = placed.into_iter().map(|(_, requested)| requested).collect();
    }
    let mut met = HashSet::new();
    requested.retain(|one| met.insert(one.clone()));
    requested
}

fn id_of(reference: &Reference) -> Option<&str> {
    match reference {
        Reference::Id(id) => Some(id.as_str()),
        // `check` lets codes stand only where a search can turn them into ids.
        Reference::Isrc(_) | Reference::Upc(_) => None,
    }
}
