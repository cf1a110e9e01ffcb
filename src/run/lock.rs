//! One run of a job at a time: an advisory lock that the kernel frees when its holder dies.
//!
//! The lock lies in the state folder, which a store knows by its id, so two runs that could harm
//! each other meet there whatever started them, and however each of them names the store.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::halt::Halt;
use sha2::{Digest, Sha256};

use crate::store::{ListKey, place_of};

/// A job's lock, held until it is dropped.
#[derive(Debug)]
pub struct JobLock {
    _file: File,
    /// Shared by the runs of a store.
    _store: File,
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
    /// The job has been running for longer than `schedule.max_runtime`, a day unless set.
    #[error("job {job} has been running for {}: it hangs", ago(*since))]
    Hangs {
        /// The job.
        job: String,
        /// For how long.
        since: Duration,
    },
    /// The store is being written anew.
    #[error("the store {} is being compacted, since {}", store.display(), ago(*since))]
    Compacting {
        /// The store.
        store: PathBuf,
        /// For how long.
        since: Duration,
    },
    /// Runs write into the store.
    #[error("the store {} is in use", store.display())]
    InUse {
        /// The store.
        store: PathBuf,
    },
    /// Another scheduler runs the jobs of this store.
    #[error("another `schedule` runs the jobs of {}, since {}", store.display(), ago(*since))]
    Scheduled {
        /// The store.
        store: PathBuf,
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
    /// Takes the lock of a job on a store. One that is held for longer than `hangs` belongs to a run
    /// that hangs.
    ///
    /// # Errors
    /// If another run holds it, the store is being written anew, or the file cannot be had.
    pub fn take(state_folder: &Path, store: &Path, job: &str, hangs: Duration) -> Result<JobLock, LockTrouble> {
        let shared = StoreLock::share(state_folder, store)?;
        match take(state_folder, "job", &format!("{}\n{job}", place_of(store).display()))? {
            Ok(file) => Ok(JobLock { _file: file, _store: shared }),
            Err(since) => {
                let job = job.to_owned();
                Err(if since > hangs { LockTrouble::Hangs { job, since } } else { LockTrouble::Running { job, since } })
            }
        }
    }
}

/// The right to have a store to oneself, without any run, held until it is dropped.
#[derive(Debug)]
pub struct StoreLock {
    _file: File,
}

impl StoreLock {
    /// Takes it.
    ///
    /// # Errors
    /// If a run holds the store, or the file cannot be had.
    pub fn take(state_folder: &Path, store: &Path) -> Result<StoreLock, LockTrouble> {
        match take(state_folder, "store", &place_of(store).display().to_string())? {
            Ok(file) => Ok(StoreLock { _file: file }),
            Err(_) => Err(LockTrouble::InUse { store: store.to_path_buf() }),
        }
    }

    /// What a run holds of it.
    fn share(state_folder: &Path, store: &Path) -> Result<File, LockTrouble> {
        let (file, path) = open(state_folder, "store", &place_of(store).display().to_string())?;
        let io = |source| LockTrouble::Io { path: path.clone(), source };
        match file.try_lock_shared() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                Err(LockTrouble::Compacting { store: store.to_path_buf(), since: held_for(&file).map_err(io)? })
            }
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }
}

/// The right to be the scheduler of a store, held until it is dropped.
#[derive(Debug)]
pub struct SchedulerLock {
    _file: File,
}

impl SchedulerLock {
    /// Takes it.
    ///
    /// # Errors
    /// If another scheduler holds it, or the file cannot be had.
    pub fn take(state_folder: &Path, store: &Path) -> Result<SchedulerLock, LockTrouble> {
        match take(state_folder, "schedule", &place_of(store).display().to_string())? {
            Ok(file) => Ok(SchedulerLock { _file: file }),
            Err(since) => Err(LockTrouble::Scheduled { store: store.to_path_buf(), since }),
        }
    }
}

impl SchedulerLock {
    /// Whether one is held, without making or touching anything.
    ///
    /// # Errors
    /// That another scheduler holds it.
    pub fn look(state_folder: &Path, store: &Path) -> Result<(), LockTrouble> {
        let path = path_of(state_folder, "schedule", &place_of(store).display().to_string());
        let Ok(file) = File::open(&path) else { return Ok(()) };
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                let since = held_for(&file).unwrap_or_default();
                Err(LockTrouble::Scheduled { store: store.to_path_buf(), since })
            }
            _ => Ok(()),
        }
    }
}

fn path_of(state_folder: &Path, kind: &str, name: &str) -> PathBuf {
    let hash = Sha256::digest(name.as_bytes());
    let short: String = hash.iter().take(8).map(|b| format!("{b:02x}")).collect();
    state_folder.join(format!("{kind}-{short}.lock"))
}

/// The lock file of this name, and its path.
fn open(state_folder: &Path, kind: &str, name: &str) -> Result<(File, PathBuf), LockTrouble> {
    let path = path_of(state_folder, kind, name);
    match OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path) {
        Ok(file) => Ok((file, path)),
        Err(source) => Err(LockTrouble::Io { path, source }),
    }
}

/// For how long a lock that cannot be had has been held.
fn held_for(file: &File) -> std::io::Result<Duration> {
    Ok(file.metadata()?.modified()?.elapsed().unwrap_or_default())
}

/// Takes the lock of this name, or tells for how long somebody has held it.
fn take(state_folder: &Path, kind: &str, name: &str) -> Result<Result<File, Duration>, LockTrouble> {
    let (file, path) = open(state_folder, kind, name)?;
    let io = |source| LockTrouble::Io { path: path.clone(), source };
    match file.try_lock() {
        Ok(()) => {
            // The time tells the next one for how long this has been going.
            file.set_modified(SystemTime::now()).map_err(io)?;
            Ok(Ok(file))
        }
        Err(TryLockError::WouldBlock) => Ok(Err(held_for(&file).map_err(io)?)),
        Err(TryLockError::Error(source)) => Err(io(source)),
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
        let name = format!("{}\n{}", place_of(store).display(), named.join("\n"));
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
        let take = |job, hangs| JobLock::take(folder.path(), store, job, hangs);
        let day = Duration::from_secs(86_400);
        let first = take("a", day).unwrap();
        assert!(matches!(take("a", day), Err(LockTrouble::Running { .. })));
        take("b", day).unwrap();
        first._file.set_modified(SystemTime::now() - Duration::from_secs(90_000)).unwrap();
        let hangs = take("a", day).unwrap_err().to_string();
        assert_eq!(hangs, "job a has been running for 25 h: it hangs");
        drop(first);
        take("a", day).unwrap();
    }

    #[test]
    fn a_store_has_one_lock_however_it_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("project");
        std::fs::create_dir_all(project.join("output")).unwrap();
        std::os::unix::fs::symlink(&project, folder.path().join("link")).unwrap();
        let store = project.join("output/cratedigger.db");
        let day = Duration::from_secs(86_400);
        let names = ["link/output/cratedigger.db", "project/./output/../output/cratedigger.db"];
        let mut places = Vec::new();
        // Before the store is there, as after.
        for _ in 0..2 {
            let job = JobLock::take(folder.path(), &store, "a", day).unwrap();
            let scheduler = SchedulerLock::take(folder.path(), &store).unwrap();
            let key = ["playlist_items", "p", "app", "", ""];
            let list = ListLock::try_take(folder.path(), &store, key).unwrap().unwrap();
            for name in names.map(|name| folder.path().join(name)) {
                let taken = JobLock::take(folder.path(), &name, "a", day);
                assert!(matches!(taken, Err(LockTrouble::Running { .. })), "{}", name.display());
                assert!(SchedulerLock::take(folder.path(), &name).is_err(), "{}", name.display());
                assert!(SchedulerLock::look(folder.path(), &name).is_err(), "{}", name.display());
                assert!(ListLock::try_take(folder.path(), &name, key).unwrap().is_none(), "{}", name.display());
            }
            drop((job, scheduler, list));
            places.push(place_of(&store).into_os_string());
            std::fs::write(&store, "").unwrap();
        }
        assert_eq!(places[0], places[1], "to the letter, since locks are named after it");
        let relative = Path::new("no/such/folder/cratedigger.db");
        assert_eq!(place_of(relative), std::env::current_dir().unwrap().canonicalize().unwrap().join(relative));
    }

    #[test]
    fn a_store_is_had_alone_when_no_run_holds_it_and_then_no_run_begins() {
        let folder = tempfile::tempdir().unwrap();
        let store = Path::new("/p/output/cratedigger.db");
        let run = |job| JobLock::take(folder.path(), store, job, Duration::MAX);
        let runs = [run("a").unwrap(), run("b").unwrap()];
        let refused = StoreLock::take(folder.path(), store).unwrap_err().to_string();
        assert_eq!(refused, "the store /p/output/cratedigger.db is in use");
        drop(runs);
        let alone = StoreLock::take(folder.path(), store).unwrap();
        assert!(matches!(run("a"), Err(LockTrouble::Compacting { .. })));
        StoreLock::take(folder.path(), Path::new("/q/output/cratedigger.db")).unwrap();
        drop(alone);
        run("a").unwrap();
    }
}
