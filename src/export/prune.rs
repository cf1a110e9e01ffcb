//! Deleting the files of earlier fires, once nobody wants to keep them any more.
//!
//! A folder may hold files of other people's, also under names that the job might have given. So what
//! is deleted is on record as written by the job, and still holds what was written then, byte for
//! byte. No link is followed on the way, and the newest file of each fetch and query stays.

use super::error::ExportError;
use super::folder::OutputFolder;
use super::output_file::OutputFile;
use crate::store::OutdatedFile;

/// What became of a file that was to go.
#[derive(Debug, PartialEq, Eq)]
enum PruneOutcome {
    /// It is deleted.
    Deleted,
    /// It was there no more.
    Gone,
    /// Something else stands under its name, which stays.
    Foreign,
}

/// Those of the files that may go: not what the job has now, nor the last file of a source of which no file of
/// this run is `standing`.
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

/// Deletes a job's files; tells how many were deleted, and which are not to be thought of any more.
pub(super) fn delete(folder: &OutputFolder, job: &str, files: &[OutdatedFile]) -> (u64, Vec<String>) {
    let (mut deleted, mut forgotten) = (0, Vec::new());
    for file in files {
        let Some(path) = file.path_below_job(job) else { continue };
        match remove(folder, path, &file.sha256) {
            Ok(fate) => {
                deleted += u64::from(fate == PruneOutcome::Deleted);
                if fate == PruneOutcome::Foreign {
                    tracing::warn!(job, path, "an old dated CSV is no longer what was written, so it is left alone");
                }
                forgotten.push(file.path.clone());
            }
            Err(error) => tracing::warn!(job, path, "an old dated CSV cannot be deleted: {error}"),
        }
    }
    (deleted, forgotten)
}

/// Deletes a file below a folder, and the folders that are empty then.
fn remove(folder: &OutputFolder, path: &str, sha256: &str) -> Result<PruneOutcome, ExportError> {
    let Some((first, rest)) = path.split_once('/') else {
        return match folder.find(path) {
            Ok(None) => Ok(PruneOutcome::Gone),
            Ok(Some(_)) if folder.sha256(path)?.as_deref() == Some(sha256) => {
                folder.delete(path).map(|()| PruneOutcome::Deleted)
            }
            // A link or a folder was written by nobody of us either.
            Ok(Some(_)) | Err(_) => Ok(PruneOutcome::Foreign),
        };
    };
    if !folder.has_folder(first) {
        return Ok(PruneOutcome::Gone);
    }
    let inner = folder.enter(first)?;
    let fate = remove(&inner, rest, sha256)?;
    inner.sweep()?;
    // `{date}/a.csv` would leave a folder a day.
    folder.delete_if_empty(first);
    Ok(fate)
}

#[cfg(test)]
mod tests;
