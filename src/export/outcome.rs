//! The target and the results of an export.

use std::path::PathBuf;

use super::error::ExportError;
use crate::store::{FileAccess, OutdatedFile, RunState};

/// Where the files of a job are written.
#[derive(Debug, Clone)]
pub struct ExportTarget {
    /// The folder that contains the folders of all jobs.
    pub csv_dir: PathBuf,
    /// Who may read the files.
    pub access: FileAccess,
}

/// The state of a run in the data package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageRunState {
    /// Everything was fetched.
    Complete,
    /// Something is missing. The reasons say what.
    Partial,
    /// The run continues later. Files of unfinished fetches are older.
    Deferred,
    /// The run failed. Files of unfinished fetches are older.
    Failed,
}

impl PackageRunState {
    pub(super) fn from_run(state: RunState) -> PackageRunState {
        match state {
            RunState::Complete => PackageRunState::Complete,
            RunState::Partial => PackageRunState::Partial,
            RunState::Deferred | RunState::Running => PackageRunState::Deferred,
            RunState::Failed => PackageRunState::Failed,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            PackageRunState::Complete => "complete",
            PackageRunState::Partial => "partial",
            PackageRunState::Deferred => "deferred",
            PackageRunState::Failed => "failed",
        }
    }
}

/// The run with the results that are published.
#[derive(Debug, Clone)]
pub struct RunInfo {
    /// The name of the job and of its folder.
    pub job: String,
    /// The job's description, if it has one.
    pub description: Option<String>,
    /// The number of the run.
    pub id: i64,
    /// The state of the run.
    pub state: PackageRunState,
    /// Why the run is not complete.
    pub reasons: Vec<String>,
    /// The current time, ISO 8601 in UTC.
    pub created_at: String,
    /// Files of earlier fires that are older than the retention.
    pub outdated: Vec<OutdatedFile>,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileChange {
    /// It is new or has changed.
    Written,
    /// It was rendered, and its bytes have not changed.
    Same,
    /// Its inputs have not changed, so it was not rendered.
    Unchanged,
    /// Its fetch is not finished, so the old file was kept.
    Kept,
    /// Its fetch is not finished, and there is no old file.
    Missing,
}

/// The result for one file of the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedFile {
    /// The path of the file.
    pub path: PathBuf,
    /// What happened to it.
    pub change: FileChange,
    /// Number of data rows.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// Number of cells that the formula guard changed.
    pub guarded: u64,
    /// Number of cells that are too long for Excel, if it was rendered.
    pub too_long_for_excel: u64,
}

/// The result of an export. An error of one file, such as a wrong query, does not stop the others.
#[derive(Debug, Default)]
pub struct ExportOutcome {
    /// The files, in the given order.
    pub files: Vec<ExportedFile>,
    /// Errors of single files: queries that are wrong or too slow, and names that are taken. These files stay as they were.
    pub failed: Vec<ExportError>,
    /// Number of deleted files of earlier fires.
    pub deleted: u64,
    /// What files do not show, and why.
    pub warnings: Vec<String>,
}

impl ExportOutcome {
    /// The rows of the file at a path below a job's folder, if it shows the results of the run.
    pub fn rows_of_run(&self, job: &str, path: &str) -> Option<u64> {
        let file = self.files.iter().find(|file| file.path.ends_with(format!("{job}/{path}")))?;
        (!matches!(file.change, FileChange::Kept | FileChange::Missing)).then_some(file.rows)
    }
}
