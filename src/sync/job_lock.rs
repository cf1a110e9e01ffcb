//! One run of a job at a time: an advisory lock that the kernel frees when its holder dies.
//!
//! The lock is in the state folder, which a store knows by its id. So two runs that could harm each other use the
//! same lock, whatever started them and by whatever path they name the store.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::store::canonical_path;

/// A job's lock, held until it is dropped.
#[derive(Debug)]
pub struct JobLock {
    _file: File,
    _store: StoreLock,
}

/// Why a lock was not acquired.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The job is running.
    #[error("job {job} has been running for {}", duration_text(*since))]
    Running {
        /// The job.
        job: String,
        /// For how long.
        since: Duration,
    },
    /// The job has been running for longer than `schedule.max_runtime`, a day unless set.
    #[error("job {job} has been running for {}{}: it hangs", duration_text(*since), process_suffix(*process))]
    Hangs {
        /// The job.
        job: String,
        /// For how long.
        since: Duration,
        /// The number of the process, if it left it.
        process: Option<u32>,
    },
    /// A command needs the store for itself.
    #[error("the store {} is being compacted or purged, since {}", store.display(), duration_text(*since))]
    Compacting {
        /// The store.
        store: PathBuf,
        /// For how long.
        since: Duration,
    },
    /// Runs or exports use the store.
    #[error("the store {} is in use", store.display())]
    InUse {
        /// The store.
        store: PathBuf,
    },
    /// Another scheduler runs the jobs of this store.
    #[error("another `schedule` runs the jobs of {}, since {}", store.display(), duration_text(*since))]
    Scheduled {
        /// The store.
        store: PathBuf,
        /// For how long.
        since: Duration,
    },
    /// The lock file cannot be opened or locked.
    #[error("failed to acquire lock {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's own words.
        #[source]
        source: std::io::Error,
    },
}

impl JobLock {
    /// Takes the lock of a job on a store. One that was taken longer ago than `hangs` belongs to a run
    /// that hangs.
    ///
    /// # Errors
    /// If another run holds it, the store is being compacted, or the file cannot be locked.
    pub fn take(state_folder: &Path, store: &Path, job: &str, hangs: Duration) -> Result<JobLock, LockError> {
        let shared = StoreLock::share(state_folder, store)?;
        match take_named(state_folder, "job", &format!("{}\n{job}", canonical_path(store).display()))? {
            Ok(mut file) => {
                // The number helps people to find the process. Only the lock counts.
                let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
                Ok(JobLock { _file: file, _store: shared })
            }
            Err(since) => Err(held_error(state_folder, store, job, since, hangs)),
        }
    }

    /// Whether the job is running. Nothing is created or changed.
    ///
    /// # Errors
    /// If it is running, hangs, or cannot be checked.
    pub fn check(state_folder: &Path, store: &Path, job: &str, hangs: Duration) -> Result<(), LockError> {
        match held_since(state_folder, "job", &format!("{}\n{job}", canonical_path(store).display()))? {
            Some(since) => Err(held_error(state_folder, store, job, since, hangs)),
            None => Ok(()),
        }
    }

    /// Whether the job may be running. A lock that cannot be checked may be held.
    pub fn is_held(state_folder: &Path, store: &Path, job: &str) -> bool {
        JobLock::check(state_folder, store, job, Duration::MAX).is_err()
    }
}

/// The error that says who holds the lock of a job, and for how long.
fn held_error(state_folder: &Path, store: &Path, job: &str, since: Duration, hangs: Duration) -> LockError {
    let path = lock_path(state_folder, "job", &format!("{}\n{job}", canonical_path(store).display()));
    let job = job.to_owned();
    if since <= hangs {
        return LockError::Running { job, since };
    }
    let left = std::fs::read_to_string(path).ok();
    LockError::Hangs { job, since, process: left.and_then(|text| text.trim().parse().ok()) }
}

/// A lock on a store until it is dropped: exclusive, without any run or export, or shared with them.
#[derive(Debug)]
pub struct StoreLock {
    _file: File,
}

impl StoreLock {
    /// Takes it for this command alone.
    ///
    /// # Errors
    /// If a run or an export holds the store, or the file cannot be locked.
    pub fn take(state_folder: &Path, store: &Path) -> Result<StoreLock, LockError> {
        // Runs and exports share the lock, each until its end.
        match take_with(open(state_folder, "store", &canonical_path(store).display().to_string())?, File::try_lock)? {
            Ok(file) => Ok(StoreLock { _file: file }),
            Err(_) => Err(LockError::InUse { store: store.to_path_buf() }),
        }
    }

    /// Shares it, as runs and exports do.
    ///
    /// # Errors
    /// If a command needs the store for itself, or the file cannot be locked.
    pub fn share(state_folder: &Path, store: &Path) -> Result<StoreLock, LockError> {
        let (file, path) = open(state_folder, "store", &canonical_path(store).display().to_string())?;
        let io = |source| LockError::Io { path: path.clone(), source };
        match file.try_lock_shared() {
            Ok(()) => Ok(StoreLock { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(LockError::Compacting { store: store.to_path_buf(), since: held_for(&file).map_err(io)? })
            }
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }
}

/// The right to be the scheduler of a store, until it is dropped.
#[derive(Debug)]
pub struct SchedulerLock {
    _file: File,
}

impl SchedulerLock {
    /// Takes it.
    ///
    /// # Errors
    /// If another scheduler holds it, or the file cannot be locked.
    pub fn take(state_folder: &Path, store: &Path) -> Result<SchedulerLock, LockError> {
        match take_named(state_folder, "schedule", &canonical_path(store).display().to_string())? {
            Ok(file) => Ok(SchedulerLock { _file: file }),
            Err(since) => Err(LockError::Scheduled { store: store.to_path_buf(), since }),
        }
    }
}

impl SchedulerLock {
    /// Whether another scheduler is running. Nothing is created or changed.
    ///
    /// # Errors
    /// If another scheduler is running, or the lock cannot be checked.
    pub fn check(state_folder: &Path, store: &Path) -> Result<(), LockError> {
        match held_since(state_folder, "schedule", &canonical_path(store).display().to_string())? {
            Some(since) => Err(LockError::Scheduled { store: store.to_path_buf(), since }),
            None => Ok(()),
        }
    }
}

fn lock_path(state_folder: &Path, kind: &str, name: &str) -> PathBuf {
    let hash = Sha256::digest(name.as_bytes());
    let short: String = hash.iter().take(8).map(|b| format!("{b:02x}")).collect();
    state_folder.join(format!("{kind}-{short}.lock"))
}

/// The lock file of this name, and its path.
fn open(state_folder: &Path, kind: &str, name: &str) -> Result<(File, PathBuf), LockError> {
    open_at(lock_path(state_folder, kind, name))
}

/// A lock file, created where it is missing, and its path.
pub(super) fn open_at(path: PathBuf) -> Result<(File, PathBuf), LockError> {
    match OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path) {
        Ok(file) => Ok((file, path)),
        Err(source) => Err(LockError::Io { path, source }),
    }
}

/// For how long a lock has been held.
fn held_for(file: &File) -> std::io::Result<Duration> {
    Ok(file.metadata()?.modified()?.elapsed().unwrap_or_default())
}

/// For how long the lock of this name has been held, if it is. A lock that was never taken has no file. The check
/// takes the lock for a moment, but shared, which [`take_named`] can tell from the lock of a run.
fn held_since(state_folder: &Path, kind: &str, name: &str) -> Result<Option<Duration>, LockError> {
    let path = lock_path(state_folder, kind, name);
    let io = |source| LockError::Io { path: path.clone(), source };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(source) if source.kind() == ErrorKind::NotFound && state_folder.is_dir() => return Ok(None),
        Err(source) => return Err(io(source)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(held_for(&file).unwrap_or_default())),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

/// How often a lock that is only being checked is tried again, and after how long each time. A check takes
/// microseconds.
const CHECK_RETRIES: (u32, Duration) = (1000, Duration::from_millis(1));

/// Locks a file exclusively. Another exclusive holder keeps the lock. A shared holder only checks whether it is
/// held, and releases it at once.
fn lock_exclusively(file: &File) -> Result<(), TryLockError> {
    let (times, pause) = CHECK_RETRIES;
    for _ in 0..times {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {}
            done => return done,
        }
        file.try_lock_shared()?;
        file.unlock().map_err(TryLockError::Error)?;
        std::thread::sleep(pause);
    }
    file.try_lock()
}

/// Takes the lock of this name, which is shared only by checks, or returns for how long it has been held.
fn take_named(state_folder: &Path, kind: &str, name: &str) -> Result<Result<File, Duration>, LockError> {
    take_with(open(state_folder, kind, name)?, lock_exclusively)
}

/// Takes a lock file with the given way to lock it.
fn take_with(
    (file, path): (File, PathBuf),
    lock: impl FnOnce(&File) -> Result<(), TryLockError>,
) -> Result<Result<File, Duration>, LockError> {
    let io = |source| LockError::Io { path: path.clone(), source };
    match lock(&file) {
        Ok(()) => {
            // The time of the file is that of the lock.
            file.set_modified(SystemTime::now()).map_err(io)?;
            Ok(Ok(file))
        }
        Err(TryLockError::WouldBlock) => Ok(Err(held_for(&file).map_err(io)?)),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

fn process_suffix(process: Option<u32>) -> String {
    process.map_or_else(String::new, |number| format!(" in process {number}"))
}

fn duration_text(since: Duration) -> String {
    match since.as_secs() {
        s @ 0..120 => format!("{s} s"),
        s @ 120..7200 => format!("{} min", s / 60),
        s => format!("{} h", s / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ListLock;
    use super::*;

    #[test]
    fn only_other_jobs_run_at_the_same_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = Path::new("/p/output/cratedigger.db");
        let take = |job, hangs| JobLock::take(folder.path(), store, job, hangs);
        let day = Duration::from_secs(86_400);
        let first = take("a", day).unwrap();
        assert!(matches!(take("a", day), Err(LockError::Running { .. })));
        take("b", day).unwrap();
        first._file.set_modified(SystemTime::now() - Duration::from_secs(90_000)).unwrap();
        let hangs = take("a", day).unwrap_err().to_string();
        assert_eq!(hangs, format!("job a has been running for 25 h in process {}: it hangs", std::process::id()));
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
        let key = ["playlist_items", "p", "app", "", ""];
        let held = (
            JobLock::take(folder.path(), &store, "a", day).unwrap(),
            SchedulerLock::take(folder.path(), &store).unwrap(),
            ListLock::try_take(folder.path(), &store, key).unwrap().unwrap(),
        );
        // Before the store is there, and after.
        for _ in 0..2 {
            for name in names.map(|name| folder.path().join(name)).iter().chain([&store]) {
                let taken = JobLock::take(folder.path(), name, "a", day);
                assert!(matches!(taken, Err(LockError::Running { .. })), "{}", name.display());
                assert!(SchedulerLock::take(folder.path(), name).is_err(), "{}", name.display());
                assert!(SchedulerLock::check(folder.path(), name).is_err(), "{}", name.display());
                assert!(ListLock::try_take(folder.path(), name, key).unwrap().is_none(), "{}", name.display());
            }
            std::fs::write(&store, "").unwrap();
        }
        drop(held);
        let relative = Path::new("no/such/folder/cratedigger.db");
        assert_eq!(canonical_path(relative), std::env::current_dir().unwrap().canonicalize().unwrap().join(relative));
    }

    #[test]
    fn checking_a_lock_does_not_block_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let store = Path::new("/p/output/cratedigger.db");
        let path = lock_path(folder.path(), "job", &format!("{}\na", canonical_path(store).display()));
        assert!(!JobLock::is_held(folder.path(), store, "a"), "it never ran");
        assert!(!path.exists(), "a look makes nothing");
        drop(JobLock::take(folder.path(), store, "a", Duration::MAX).unwrap());
        assert!(!JobLock::is_held(folder.path(), store, "a"));
        // A check that takes its time.
        let looked_at = File::open(&path).unwrap();
        looked_at.try_lock_shared().unwrap();
        let (tell, hear) = std::sync::mpsc::channel();
        let looks = std::thread::spawn(move || {
            tell.send(()).unwrap();
            std::thread::sleep(CHECK_RETRIES.1 * 5);
            drop(looked_at);
        });
        hear.recv().unwrap();
        let taken = JobLock::take(folder.path(), store, "a", Duration::ZERO).unwrap();
        assert!(JobLock::is_held(folder.path(), store, "a"));
        looks.join().unwrap();
        drop(taken);
    }

    #[test]
    fn unreadable_lock_counts_as_held() {
        let folder = tempfile::tempdir().unwrap();
        let store = Path::new("/p/output/cratedigger.db");
        let path = lock_path(folder.path(), "job", &format!("{}\na", canonical_path(store).display()));
        // A link to itself is unreadable for every user, root included.
        std::os::unix::fs::symlink(&path, &path).unwrap();
        assert!(JobLock::is_held(folder.path(), store, "a"));
        let cannot_tell = JobLock::check(folder.path(), store, "a", Duration::MAX).unwrap_err().to_string();
        assert_eq!(cannot_tell, format!("failed to acquire lock {}", path.display()));
        assert!(JobLock::is_held(&folder.path().join("not there"), store, "a"), "nor where the folder is not there");
    }

    #[test]
    fn exclusive_store_excludes_runs() {
        let folder = tempfile::tempdir().unwrap();
        let store = Path::new("/p/output/cratedigger.db");
        let run = |job| JobLock::take(folder.path(), store, job, Duration::MAX);
        let runs = [run("a").unwrap(), run("b").unwrap()];
        let refused = StoreLock::take(folder.path(), store).unwrap_err().to_string();
        assert_eq!(refused, "the store /p/output/cratedigger.db is in use");
        drop(runs);
        let alone = StoreLock::take(folder.path(), store).unwrap();
        assert!(matches!(run("a"), Err(LockError::Compacting { .. })));
        StoreLock::take(folder.path(), Path::new("/q/output/cratedigger.db")).unwrap();
        drop(alone);
        run("a").unwrap();
    }
}
