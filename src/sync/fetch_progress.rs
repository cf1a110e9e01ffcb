//! What happens on the way of a fetch and is told of it, whether or not it comes to its end.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// An interrupted read of a list that was met.
#[derive(Debug, Clone, Serialize)]
pub struct ResumedRead {
    /// The stream, and the id of what the list belongs to.
    pub list: String,
    /// Items that had been read.
    pub at: i64,
    /// Of so many.
    pub of: Option<i64>,
    /// The run that had read them.
    pub by: Option<String>,
    /// It was gone on with; else the list was another one, and was read from the start.
    pub goes_on: bool,
}

impl fmt::Display for ResumedRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ResumedRead { list, at, .. } = self;
        let of = self.of.map_or_else(String::new, |of| format!(" of {of}"));
        let by = self.by.as_deref().unwrap_or("an earlier run");
        if self.goes_on {
            write!(f, "{list}: goes on at item {at}{of}, up to which {by} had read it")
        } else {
            write!(f, "{list}: it changed since {by} had read {at}{of} items; it is read from the start")
        }
    }
}

/// What happened on the way; all parts of a fetch share it.
#[derive(Debug, Default)]
pub struct FetchProgress {
    unplaced_items: AtomicI64,
    resumed_reads: Mutex<Vec<ResumedRead>>,
    /// Where the job names an id, by itself or by a code that means it.
    claimed: Mutex<HashMap<String, Vec<usize>>>,
}

impl FetchProgress {
    /// Items were served of a list that is not in place: it goes on later, or was given up.
    pub(super) fn add_unplaced_items(&self, items: i64) {
        self.unplaced_items.fetch_add(items.max(0), Ordering::Relaxed);
    }

    /// Names an id at a place of the job; whether it is asked for there, and not where it was named before.
    pub(super) fn claim_id(&self, id: &str, place: usize) -> bool {
        let mut named = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        let places = named.entry(id.to_owned()).or_default();
        if !places.contains(&place) {
            places.push(place);
        }
        places.first() == Some(&place)
    }

    /// The first places in the job's order at which ids are named, for the places at which they were asked for.
    pub(super) fn first_places(&self, asked: &[usize]) -> Vec<usize> {
        let named = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        let twice = named.values().filter(|places| places.len() > 1);
        let earliest: HashMap<usize, usize> =
            twice.filter_map(|places| Some((*places.first()?, *places.iter().min()?))).collect();
        asked.iter().map(|place| earliest.get(place).copied().unwrap_or(*place)).collect()
    }

    /// An interrupted read was met.
    pub(super) fn record_resume(&self, list: ResumedRead) {
        self.resumed_reads.lock().unwrap_or_else(PoisonError::into_inner).push(list);
    }

    /// Items of lists that are not in place.
    pub(super) fn unplaced_items(&self) -> i64 {
        self.unplaced_items.load(Ordering::Relaxed)
    }

    /// The interrupted reads that were met.
    pub(super) fn resumed_reads(&self) -> Vec<ResumedRead> {
        self.resumed_reads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
