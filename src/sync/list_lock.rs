//! One read of a list at a time, across all jobs: an advisory lock like that of a job.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::SyncError;
use super::job_lock::{LockError, open_at};
use crate::store::{ListKey, canonical_path};

/// The number of locks that the lists of a store share. Two lists with the same lock wait for each other, which
/// costs a moment. A file for each list would never be deleted.
const LIST_LOCKS: u64 = 256;

/// How often the lock of a list that another run reads is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// The right to read a list, until it is dropped. Two runs that stage one list at once would mix their rows.
#[derive(Debug)]
pub struct ListLock {
    _file: File,
}

impl ListLock {
    /// Waits until no other run reads the list.
    ///
    /// # Errors
    /// If the lock file cannot be opened.
    pub(super) async fn take(
        state_folder: &Path,
        store: &Path,
        key: &ListKey,
        goes_on: impl Fn() -> Result<(), SyncError>,
    ) -> Result<ListLock, SyncError> {
        let named = [key.kind, &key.parent_id, &key.audience, &key.market, &key.variant];
        let (file, path) = Self::file(state_folder, store, named)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(ListLock { _file: file }),
                Err(TryLockError::WouldBlock) => {
                    goes_on()?;
                    tokio::time::sleep(RETRY_INTERVAL).await;
                }
                Err(TryLockError::Error(source)) => return Err(LockError::Io { path, source }.into()),
            }
        }
    }

    /// The lock of a list, unless another run holds it. `named` are the parts of its key, in their order.
    ///
    /// # Errors
    /// If the lock file cannot be opened.
    pub fn try_take(state_folder: &Path, store: &Path, named: [&str; 5]) -> Result<Option<ListLock>, LockError> {
        let (file, path) = Self::file(state_folder, store, named)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(ListLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(LockError::Io { path, source }),
        }
    }

    fn file(state_folder: &Path, store: &Path, named: [&str; 5]) -> Result<(File, PathBuf), LockError> {
        let name = format!("{}\n{}", canonical_path(store).display(), named.join("\n"));
        let number = xxhash_rust::xxh3::xxh3_64(name.as_bytes()) % LIST_LOCKS;
        open_at(state_folder.join(format!("list-{number:02x}.lock")))
    }
}
