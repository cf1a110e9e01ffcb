//! Deletes the files of earlier fires that are older than the retention, and those of lists that have another title now.
//!
//! A folder may contain other people's files, even under names that the job might use. So a file
//! is deleted only if the store records that the job wrote it, and if it still has the same
//! bytes. No link is followed, and the newest file of each fetch and query stays.

use super::error::ExportError;
use super::folder::OutputFolder;
use super::output_file::OutputFile;
use crate::store::OutdatedFile;

/// What happened to a file that should be deleted.
#[derive(Debug, PartialEq, Eq)]
enum PruneOutcome {
    /// It was deleted.
    Deleted,
    /// It did not exist any more.
    Gone,
    /// It has changed, so it stays.
    Foreign,
}

/// The files that may be deleted: not the current files of the job, and not the last file of a source that has no file
/// of this run in `standing`.
pub(super) fn files_to_delete(
    old: &[OutdatedFile],
    job: &str,
    sheets: &[OutputFile<'_>],
    standing: &[&str],
) -> Vec<OutdatedFile> {
    let goes = |file: &&OutdatedFile| {
        let is_current = sheets.iter().any(|sheet| file.path_below_job(job) == Some(sheet.path.as_str()));
        !is_current && (!file.is_newest || standing.contains(&file.source.as_str()))
    };
    old.iter().filter(goes).cloned().collect()
}

/// The outcome of deleting files: their number, the paths that no longer need a record, and those of them that stay
/// because they were changed by hand.
#[derive(Debug, Default)]
pub(super) struct Pruned {
    pub deleted: u64,
    pub forgotten: Vec<String>,
    pub edited: Vec<String>,
}

/// Deletes files of a job.
pub(super) fn delete(folder: &OutputFolder, job: &str, files: &[OutdatedFile]) -> Pruned {
    let Pruned { mut deleted, mut forgotten, mut edited } = Pruned::default();
    for file in files {
        let Some(path) = file.path_below_job(job) else { continue };
        match remove(folder, path, &file.sha256) {
            Ok(fate) => {
                deleted += u64::from(fate == PruneOutcome::Deleted);
                if fate == PruneOutcome::Foreign {
                    tracing::warn!(
                        job,
                        path,
                        "keeping a file of an earlier date or title because it was changed after the export"
                    );
                    edited.push(file.path.clone());
                }
                forgotten.push(file.path.clone());
            }
            Err(error) => tracing::warn!(job, path, "failed to delete a file of an earlier date or title: {error}"),
        }
    }
    Pruned { deleted, forgotten, edited }
}

/// Deletes a file and the folders that are empty afterwards.
fn remove(folder: &OutputFolder, path: &str, sha256: &str) -> Result<PruneOutcome, ExportError> {
    let Some((first, rest)) = path.split_once('/') else {
        return match folder.find(path) {
            Ok(None) => Ok(PruneOutcome::Gone),
            Ok(Some(_)) if folder.sha256(path)?.as_deref() == Some(sha256) => {
                folder.delete(path).map(|()| PruneOutcome::Deleted)
            }
            // An export never writes a link or a folder under this name.
            Ok(Some(_)) | Err(_) => Ok(PruneOutcome::Foreign),
        };
    };
    if !folder.has_folder(first) {
        return Ok(PruneOutcome::Gone);
    }
    let inner = folder.enter(first)?;
    let fate = remove(&inner, rest, sha256)?;
    inner.sweep()?;
    // `{date}/a.csv` would leave one empty folder per day.
    folder.delete_if_empty(first);
    Ok(fate)
}

#[cfg(test)]
mod tests;
