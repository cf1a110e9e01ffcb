//! What an export is given beside its sheets, and what it tells.

use std::path::PathBuf;

use super::error::ExportError;
use crate::store::{Access, OldFile};

/// Where a job's files go.
#[derive(Debug, Clone)]
pub struct Target {
    /// Folder of all jobs' folders.
    pub csv_dir: PathBuf,
    /// Who may read them.
    pub access: Access,
}

/// How a run ended, as the data package says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All that was asked for is there.
    Complete,
    /// Something is missing; the reasons say what.
    Partial,
    /// It will go on later; files of unfinished fetches are older.
    Deferred,
    /// It failed; files of unfinished fetches are older.
    Failed,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            State::Complete => "complete",
            State::Partial => "partial",
            State::Deferred => "deferred",
            State::Failed => "failed",
        }
    }
}

/// The run whose results are published.
#[derive(Debug, Clone)]
pub struct RunInfo {
    /// Name of the job; also of its folder.
    pub job: String,
    /// The job's description, if it has one.
    pub description: Option<String>,
    /// Number of the run.
    pub id: i64,
    /// How it ended.
    pub state: State,
    /// Why it is not complete.
    pub reasons: Vec<String>,
    /// Now, ISO 8601 in UTC.
    pub created_at: String,
    /// Files of earlier fires that are older than somebody wants to keep.
    pub outdated: Vec<OldFile>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new or differs from before.
    Written,
    /// It was rendered, and every byte was as before.
    Same,
    /// It was made from the same inputs, so it was not even rendered.
    Unchanged,
    /// Its fetch is not finished, so it is as it was.
    Kept,
    /// Its fetch is not finished, and there was no file before.
    Missing,
}

/// One file of the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Where it is.
    pub path: PathBuf,
    /// What became of it.
    pub change: Change,
    /// Data rows.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// Cells that the formula guard changed.
    pub guarded: u64,
    /// Cells that are too long for Excel, if it was rendered.
    pub too_long_for_excel: u64,
}

/// What an export did. What concerns one file alone, such as a wrong query, leaves the others to be written.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Files, in the order of the sheets.
    pub files: Vec<Published>,
    /// Queries that are wrong or took too long, and names that something else has; these files are as they were.
    pub failed: Vec<ExportError>,
    /// How many files of earlier fires were deleted.
    pub deleted: u64,
}
