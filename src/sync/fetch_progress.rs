//! What happens during a fetch and is reported whether or not the fetch finishes.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// An interrupted read of a list that the fetch found.
#[derive(Debug, Clone, Serialize)]
pub struct ResumedRead {
    /// The stream, and the id of the list's parent.
    pub list: String,
    /// Items that were read before.
    pub at: i64,
    /// Items that the list has, if that is known.
    pub of: Option<i64>,
    /// The run that read them.
    pub by: Option<String>,
    /// The read was continued. Otherwise the list had changed, and was read from the start.
    pub goes_on: bool,
}

impl fmt::Display for ResumedRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ResumedRead { list, at, .. } = self;
        let of = self.of.map_or_else(String::new, |of| format!(" of {of}"));
        let by = self.by.as_deref().unwrap_or("an earlier run");
        if self.goes_on {
            write!(f, "{list}: continues at item {at}{of}, where {by} stopped")
        } else {
            write!(f, "{list}: it changed since {by} had read {at}{of} items; it is read from the start")
        }
    }
}

/// Attempts for an id that failed in an earlier run, so that it does not use up the calls of a day.
const ATTEMPTS_AFTER_FAILURE: u32 = 2;

/// A fetch looks at the gaps of this many lists that seem to be unchanged. The next run looks at others.
const MAX_LOOKS: i64 = 10;

/// Counters and notes that all work items of a fetch share.
#[derive(Debug, Default)]
pub struct FetchProgress {
    unplaced_items: AtomicI64,
    resumed_reads: Mutex<Vec<ResumedRead>>,
    /// The positions in the job at which an id is named, as itself or by a code.
    claimed: Mutex<HashMap<String, Vec<usize>>>,
    /// Ids that failed when they were last requested.
    failing: Mutex<HashSet<String>>,
    /// Number of lists with gaps that the fetch has looked at.
    looks: AtomicI64,
}

impl FetchProgress {
    /// Adds items of a list that is not published: its read is resumed later, or was abandoned.
    pub(super) fn add_unplaced_items(&self, items: i64) {
        self.unplaced_items.fetch_add(items.max(0), Ordering::Relaxed);
    }

    /// Whether the fetch may look at the gaps of another list.
    pub(super) fn take_look(&self) -> bool {
        self.looks.fetch_add(1, Ordering::Relaxed) < MAX_LOOKS
    }

    /// Claims an id for a position in the job. Returns false if another position has claimed it before.
    pub(super) fn claim(&self, id: &str, place: usize) -> bool {
        let mut claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        let places = claimed.entry(id.to_owned()).or_default();
        if !places.contains(&place) {
            places.push(place);
        }
        places.first() == Some(&place)
    }

    /// The first position in the job of each id, given the positions at which the ids were requested.
    pub(super) fn first_places(&self, requested: &[usize]) -> Vec<usize> {
        let claimed = self.claimed.lock().unwrap_or_else(PoisonError::into_inner);
        let twice = claimed.values().filter(|places| places.len() > 1);
        let earliest: HashMap<usize, usize> =
            twice.filter_map(|places| Some((*places.first()?, *places.iter().min()?))).collect();
        requested.iter().map(|place| earliest.get(place).copied().unwrap_or(*place)).collect()
    }

    /// Notes that an id failed when it was last requested.
    pub(super) fn note_failing(&self, id: &str) {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
    }

    /// How often an id may be requested in vain, if that is less often than usual.
    pub(super) fn max_attempts(&self, id: &str) -> Option<u32> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).contains(id).then_some(ATTEMPTS_AFTER_FAILURE)
    }

    /// Records that an interrupted read was found.
    pub(super) fn record_resume(&self, read: ResumedRead) {
        self.resumed_reads.lock().unwrap_or_else(PoisonError::into_inner).push(read);
    }

    /// Items of lists that are not published.
    pub(super) fn unplaced_items(&self) -> i64 {
        self.unplaced_items.load(Ordering::Relaxed)
    }

    /// The interrupted reads that were found.
    pub(super) fn resumed_reads(&self) -> Vec<ResumedRead> {
        self.resumed_reads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
