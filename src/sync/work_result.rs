//! What came of one work item of a fetch: an id, a list or a search.

use super::counts::RecordCounts;
use super::read_outcome::PendingVerification;
use crate::store::RequestedItem;

/// An id that Spotify refused within a week.
#[derive(Debug)]
pub(super) struct MissingId {
    /// Why it is missing, unless the job reported that before.
    pub new_problem: Option<String>,
}

/// What came of a work item, or of several.
#[derive(Debug, Default)]
pub(super) struct WorkResult {
    /// The requested ids, lists or searches, for the record of the fetch.
    pub requested: Vec<RequestedItem>,
    /// The positions of these in the job, where they were not requested in its order.
    pub places: Vec<usize>,
    pub counts: RecordCounts,
    /// Why it is incomplete: reason and detail, unless the job reported that before.
    pub problem: Option<String>,
    /// How many parts of it are incomplete.
    pub problem_count: usize,
    /// What people can do about that.
    pub hints: Vec<String>,
    /// What people should know although it is complete.
    pub warnings: Vec<String>,
    /// Ids that were refused, perhaps by mistake, and are requested once more before anything is recorded.
    pub unanswered: Vec<String>,
    /// Lists that were read to their end and are still to be verified.
    pub pending: Vec<PendingVerification>,
    /// What came of the playlists in a library.
    pub playlists: Option<LibraryCounts>,
}

/// What came of the playlists in a user's library: each one has its rows or a row in `skipped_items`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct LibraryCounts {
    /// Entries of the list of playlists.
    pub listed: i64,
    /// Playlists that were read or found unchanged.
    pub read: i64,
    /// Playlists that cannot be read, and entries that are no playlist.
    pub skipped: i64,
}

impl WorkResult {
    /// A work item that found or read everything.
    pub(super) fn complete(requested: Vec<RequestedItem>, counts: RecordCounts) -> WorkResult {
        let read = i64::from(counts.unchanged == 0);
        WorkResult { requested, counts: RecordCounts { read, ..counts }, ..WorkResult::default() }
    }

    /// A work item that is not complete.
    pub(super) fn incomplete(requested: Vec<RequestedItem>, counts: RecordCounts, problem: String) -> WorkResult {
        WorkResult { requested, counts, problem: Some(problem), problem_count: 1, ..WorkResult::default() }
    }

    /// A work item that was refused before, so that nothing was requested. It is complete only for a job
    /// that reported the refusal.
    pub(super) fn from_missing(missing: MissingId) -> WorkResult {
        let counts = RecordCounts { unchanged: 1, skipped: 1, ..RecordCounts::default() };
        match missing.new_problem {
            None => WorkResult::complete(Vec::new(), counts),
            Some(problem) => WorkResult::incomplete(Vec::new(), counts, problem),
        }
    }

    /// The same result with the requested ids.
    pub(super) fn with_requested(self, requested: Vec<RequestedItem>) -> WorkResult {
        WorkResult { requested, ..self }
    }

    /// Why it is incomplete, in one line.
    pub(super) fn problem_summary(&self) -> Option<String> {
        let first = self.problem.as_ref()?;
        Some(match self.problem_count {
            0 | 1 => first.clone(),
            n => format!("{first} (and {} more, see skipped_items)", n - 1),
        })
    }

    /// Adds the result of another work item.
    pub(super) fn add(&mut self, other: WorkResult) {
        self.requested.extend(other.requested);
        self.places.extend(other.places);
        self.counts.add(other.counts);
        self.problem_count += other.problem_count;
        self.warnings.extend(other.warnings);
        self.unanswered.extend(other.unanswered);
        self.pending.extend(other.pending);
        self.playlists = self.playlists.or(other.playlists);
        for hint in other.hints {
            if !self.hints.contains(&hint) {
                self.hints.push(hint);
            }
        }
        if self.problem.is_none() {
            self.problem = other.problem;
        }
    }
}
