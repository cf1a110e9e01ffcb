//! What can be known to fail is known before the first call: the file system of the store, and room on
//! the disks that a run writes to.

use std::path::Path;

use super::{CommandError, ExitStatus};
use crate::store::{MIN_FREE_BYTES, free_bytes, largest_file};
use spotify_client::state::network_file_system;

/// Refuses a store on a network file system: readers and writers would not see each other's locks.
///
/// # Errors
/// Where it lies, and what to do instead (exit 74).
pub(super) fn require_local_disk(database: &Path) -> Result<(), CommandError> {
    let there = database.ancestors().skip(1).map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
    let Some(folder) = there.into_iter().find(|folder| folder.is_dir()) else { return Ok(()) };
    match network_file_system(folder) {
        Ok(Some(kind)) => {
            let error = anyhow::anyhow!("the store {} would lie on a network file system ({kind})", database.display());
            Err(CommandError::new(ExitStatus::Storage, error).with_hint(
                "keep it on a local disk (output.database; in a container, on a local volume) and copy it out with \
                 `cratedigger backup`; the CSV folder may stay where it is",
            ))
        }
        // What cannot be looked at cannot be opened either, which says more.
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Refuses to begin where there is no room for what a run writes.
///
/// # Errors
/// Where room is missing, and how much (exit 74).
pub(super) fn require_free_space(database: &Path, csv_dir: &Path, job: &str) -> Result<(), CommandError> {
    // The new file stands beside the old one until it takes its place.
    let beside = largest_file(database, job).unwrap_or(0);
    for (what, path, needed) in
        [("the store", database, MIN_FREE_BYTES), ("the CSVs", csv_dir, MIN_FREE_BYTES / 4 + beside)]
    {
        if let Some(free) = free_bytes(path).filter(|free| *free < needed) {
            let error = anyhow::anyhow!("no room for {what} at {}: {free} bytes free, {needed} wanted", path.display());
            return Err(CommandError::new(ExitStatus::Storage, error)
                .with_hint("free space on that disk; nothing was sent to Spotify"));
        }
    }
    Ok(())
}
