//! What an export is given beside its sheets, and what it tells.

use std::path::PathBuf;

use super::error::ExportError;
use crate::store::{FileAccess, OutdatedFile};

/// Where a job's files go.
#[derive(Debug, Clone)]
pub struct ExportTarget {
    /// Folder of all jobs' folders.
    pub csv_dir: PathBuf,
    /// Who may read them.
    pub access: FileAccess,
}

/// How a run ended, as the data package says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageRunState {
    /// All that was asked for is there.
    Complete,
    /// Something is missing; the reasons say what.
    Partial,
    /// It will go on later; files of unfinished fetches are older.
    Deferred,
    /// It failed; files of unfinished fetches are older.
    Failed,
}

impl PackageRunState {
    pub(super) fn name(self) -> &'static str {
        match self {
            PackageRunState::Complete => "complete",
            PackageRunState::Partial => "partial",
            PackageRunState::Deferred => "deferred",
            PackageRunState::Failed => "failed",
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
    pub state: PackageRunState,
    /// Why it is not complete.
    pub reasons: Vec<String>,
    /// Now, ISO 8601 in UTC.
    pub created_at: String,
    /// Files of earlier fires that are older than somebody wants to keep.
    pub outdated: Vec<OutdatedFile>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileChange {
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
pub struct ExportedFile {
    /// Where it is.
    pub path: PathBuf,
    /// What became of it.
    pub change: FileChange,
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
pub struct ExportOutcome {
    /// Files, in the order of the sheets.
    pub files: Vec<ExportedFile>,
    /// Queries that are wrong or took too long, and names that something else has; these files are as they were.
    pub failed: Vec<ExportError>,
    /// How many files of earlier fires were deleted.
    pub deleted: u64,
}
