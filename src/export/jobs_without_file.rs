//! The files of jobs that have no job file any more, because it was renamed or deleted.
//!
//! No run writes these files again, so their records and their data package are not brought up to date by a run. If
//! such a file is deleted, by hand or by a purge, nothing can bring it back, and its record and its description go too.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::error::ExportError;
use super::folder::OutputFolder;
use super::journal::AbandonedJournals;
use super::name::{DATA_PACKAGE, check_name};
use super::outcome::ExportTarget;
use super::package::DataPackage;
use crate::store::{self, RecordedFile};

/// How deep a folder of a job is searched for temporary files: no name has more slashes.
const MAX_DEPTH: usize = 8;

/// Forgets the missing files of all jobs except those in `with_file`. Returns their paths below the CSV folder.
///
/// # Errors
/// If the store or a data package cannot be read or written.
pub fn forget_missing_files_of_other_jobs(
    store: &Connection,
    target: &ExportTarget,
    with_file: &BTreeSet<String>,
) -> Result<Vec<String>, ExportError> {
    // A CSV folder that is not there at all may be a disk that is not mounted.
    if !target.csv_dir.is_dir() {
        return Ok(Vec::new());
    }
    let root = OutputFolder::root(&target.csv_dir, target.access)?;
    let recorded = store::recorded_files(store, None).map_err(|e| unreadable(target, "", e))?;
    let mut jobs: BTreeSet<String> = recorded.into_iter().map(|file| file.job).collect();
    jobs.extend(root.names()?);
    let mut forgotten = Vec::new();
    for job in jobs.difference(with_file).filter(|job| check_name(job).is_ok()) {
        forgotten.extend(forget_missing_files_in(store, target, &root, job)?);
    }
    Ok(forgotten)
}

/// Forgets the missing files of one job. Returns their paths below the CSV folder.
///
/// # Errors
/// If the store or the data package cannot be read or written.
pub fn forget_missing_files(store: &Connection, target: &ExportTarget, job: &str) -> Result<Vec<String>, ExportError> {
    if !target.csv_dir.is_dir() || check_name(job).is_err() {
        return Ok(Vec::new());
    }
    forget_missing_files_in(store, target, &OutputFolder::root(&target.csv_dir, target.access)?, job)
}

fn forget_missing_files_in(
    store: &Connection,
    target: &ExportTarget,
    root: &OutputFolder,
    job: &str,
) -> Result<Vec<String>, ExportError> {
    let failed = |e| unreadable(target, job, e);
    let Some(folder) = root.open_folder(job) else {
        // A link or a file with this name is for its owner to move away.
        if !root.is_missing(job) {
            return Ok(Vec::new());
        }
        let recorded = store::recorded_files(store, Some(job)).map_err(failed)?;
        return forget(store, &recorded, |_| true).map_err(failed);
    };
    let mut package = DataPackage::read(&folder)?;
    let recorded = store::recorded_files(store, Some(job)).map_err(failed)?;
    if recorded.is_empty() && !package.is_ours() {
        return Ok(Vec::new());
    }
    folder.sweep_below(MAX_DEPTH)?;
    let abandoned = AbandonedJournals::read(&folder)?;
    abandoned.adopt(store, job, &folder, &mut package).map_err(failed)?;
    let is_missing = |path: &str| check_name(path).is_ok() && folder.is_missing(path);
    let recorded = store::recorded_files(store, Some(job)).map_err(failed)?;
    let forgotten = forget(store, &recorded, is_missing).map_err(failed)?;
    let left: Vec<RecordedFile> = recorded.into_iter().filter(|file| !forgotten.contains(&file.path)).collect();
    let ended = package.run_id().map(|run| store::run_state(store, run, job)).transpose().map_err(failed)?;
    package.write_without_job(&folder, job, &left, ended.flatten())?;
    abandoned.delete(&folder)?;
    root.delete_if_empty(job);
    Ok(forgotten)
}

/// Deletes the records of the files that are missing, and returns their paths.
fn forget(
    store: &Connection,
    recorded: &[RecordedFile],
    is_missing: impl Fn(&str) -> bool,
) -> rusqlite::Result<Vec<String>> {
    let missing = recorded.iter().filter(|file| is_missing(file.path_below_job()));
    let missing: Vec<String> = missing.map(|file| file.path.clone()).collect();
    store::forget_files(store, &missing)?;
    Ok(missing)
}

fn unreadable(target: &ExportTarget, job: &str, source: rusqlite::Error) -> ExportError {
    ExportError::Store { path: target.csv_dir.join(job).join(DATA_PACKAGE), source }
}
