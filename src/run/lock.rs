//! One run of a job at a time: an advisory lock that the kernel frees when its holder dies.
//!
//! The lock lies in the state folder, which a store knows by its id, so two runs that could harm
//! each other meet there whatever started them.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

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
