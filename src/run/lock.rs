//! One run of a job at a time: an advisory lock that the kernel frees when its holder dies.
//!
//! The lock lies in the state folder, which a store knows by its id, so two runs that could harm
//! each other meet there whatever started them.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::halt::Halt;
use sha2::{Digest, Sha256};

use crate::store::ListKey;

/// A lock that is held longer belongs to a run that hangs.
const HANGS: Duration = Duration::from_secs(24 * 3600);

/// A job's lock, held until it is dropped.
#[derive(Debug)]
pub struct JobLock {
    _file: File,
}

/// Why a lock was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockTrouble {
    /// The job is running.
    #[error("job {job} is running already, since {}", ago(*since))]
    Running {
        /// The job.
        job: String,
        /// For how long.
        since: Duration,
    },
    /// The job has been running for longer than a day.
    #[error("job {job} has been running for {}: it hangs", ago(*since))]
    Hangs {
        /// The job.
        job: String,
        /// For how long.
        since: Duration,
    },
    /// The lock file cannot be had.
    #[error("the lock {} cannot be taken", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's own words.
        #[source]
        source: std::io::Error,
    },
}

impl JobLock {
    /// Takes the lock of a job on a store.
    ///
    /// # Errors
    /// If another run holds it, or the file cannot be had.
    pub fn take(state_folder: &Path, store: &Path, job: &str) -> Result<JobLock, LockTrouble> {
        let name = Sha256::digest(format!("{}\n{job}", store.display()).as_bytes());
        let short: String = name.iter().take(8).map(|b| format!("{b:02x}")).collect();
        let path = state_folder.join(format!("job-{short}.lock"));
        let io = |source| LockTrouble::Io { path: path.clone(), source };
        let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {
                // The time tells the next one for how long this run has been going.
                file.set_modified(SystemTime::now()).map_err(io)?;
                Ok(JobLock { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                let began = file.metadata().and_then(|m| m.modified()).map_err(io)?;
                let since = began.elapsed().unwrap_or_default();
                let job = job.to_owned();
                Err(if since > HANGS { LockTrouble::Hangs { job, since } } else { LockTrouble::Running { job, since } })
            }
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }
}

/// Locks that the lists of a store share: two lists that meet in one wait for each other, which
/// costs a moment; a file for each list would never go away.
const LIST_LOCKS: u64 = 256;

/// How often a list that another run reads is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The right to read a list, held until it is dropped: what two runs staged of one list at once
/// would be of neither.
#[derive(Debug)]
pub struct ListLock {
    _file: File,
}

impl ListLock {
    /// Waits until nobody else reads the list.
    ///
    /// # Errors
    /// If the lock file cannot be had.
    pub(super) async fn take(
        state_folder: &Path,
        store: &Path,
        key: &ListKey,
        goes_on: impl Fn() -> Result<(), Halt>,
    ) -> Result<ListLock, Halt> {
        let named = [key.kind, &key.parent_id, &key.audience, &key.market, &key.variant];
        let (file, path) = Self::file(state_folder, store, named)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(ListLock { _file: file }),
                Err(TryLockError::WouldBlock) => {
                    goes_on()?;
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Err(TryLockError::Error(source)) => return Err(LockTrouble::Io { path, source }.into()),
            }
        }
    }

    /// The lock of a list unless somebody holds it; `named` are the parts of its key, in their order.
    ///
    /// # Errors
    /// If the lock file cannot be had.
    pub fn try_take(state_folder: &Path, store: &Path, named: [&str; 5]) -> Result<Option<ListLock>, LockTrouble> {
        let (file, path) = Self::file(state_folder, store, named)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(ListLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(LockTrouble::Io { path, source }),
        }
    }

    fn file(state_folder: &Path, store: &Path, named: [&str; 5]) -> Result<(File, PathBuf), LockTrouble> {
        let name = format!("{}\n{}", store.display(), named.join("\n"));
        let number = xxhash_rust::xxh3::xxh3_64(name.as_bytes()) % LIST_LOCKS;
        let path = state_folder.join(format!("list-{number:02x}.lock"));
        match OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path) {
            Ok(file) => Ok((file, path)),
            Err(source) => Err(LockTrouble::Io { path, source }),
        }
    }
}

fn ago(since: Duration) -> String {
    match since.as_secs() {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7200 => format!("{} min", s / 60),
        s => format!("{} h", s / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_job_runs_once_and_another_runs_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Path::new("/p/output/cratedigger.db");
        let first = JobLock::take(folder.path(), store, "a").unwrap();
        assert!(matches!(JobLock::take(folder.path(), store, "a"), Err(LockTrouble::Running { .. })));
        JobLock::take(folder.path(), store, "b").unwrap();
        drop(first);
        JobLock::take(folder.path(), store, "a").unwrap();
    }
}
