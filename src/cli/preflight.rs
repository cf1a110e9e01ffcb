//! Checks before the first call: the file system of the store, and free space on the disks that a run
//! writes to.

use std::path::Path;

use super::{CommandError, ExitStatus};
use crate::store::{MIN_FREE_BYTES, free_bytes, largest_file};
use spotify_client::state::network_file_system;

/// Refuses a store on a network file system, where processes do not see each other's locks.
///
/// # Errors
/// If the store is on a network file system (exit 74).
pub(super) fn require_local_disk(database: &Path) -> Result<(), CommandError> {
    let there = database.ancestors().skip(1).map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
    let Some(folder) = there.into_iter().find(|folder| folder.is_dir()) else { return Ok(()) };
    match network_file_system(folder) {
        Ok(Some(kind)) => {
            let error = anyhow::anyhow!("the store {} is on a network file system ({kind})", database.display());
            Err(CommandError::new(ExitStatus::Storage, error).with_hint(
                "keep it on a local disk (output.database; in a container, on a local volume) and copy it with \
                 `cratedigger backup`; the CSV folder may stay where it is",
            ))
        }
        // If the check fails, opening the store fails too and has the better message.
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Refuses to start a run without enough free disk space.
///
/// # Errors
/// Which disk is too full, and how much space is missing (exit 74).
pub(super) fn require_free_space(database: &Path, csv_dir: &Path, job: &str) -> Result<(), CommandError> {
    // The new file exists next to the old one until it replaces it.
    let beside = largest_file(database, job).unwrap_or(0);
    for (what, path, needed) in
        [("the store", database, MIN_FREE_BYTES), ("the CSVs", csv_dir, MIN_FREE_BYTES / 4 + beside)]
    {
        if let Some(free) = free_bytes(path).filter(|free| *free < needed) {
            let error = anyhow::anyhow!(
                "not enough space for {what} at {}: {free} bytes free, {needed} needed",
                path.display()
            );
            return Err(CommandError::new(ExitStatus::Storage, error)
                .with_hint("free up space on that disk; nothing was sent to Spotify"));
        }
    }
    Ok(())
}
