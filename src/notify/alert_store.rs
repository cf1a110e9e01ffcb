//! What was told, and what is still to be delivered: one small file in the state folder for each
//! store, so that all processes of a project know the same.

mod outbox;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::message::AlertMessage;
pub(super) use outbox::{DeliveryChannel, RunPing, START_PING};
use outbox::{PendingMessage, PendingPing};

/// While nothing can be written down, what lasts is told once in this time.
const UNSAVED_REPEAT: Duration = Duration::from_secs(24 * 3600);
/// Bits that nanoseconds have room for.
const MARK_BITS: u64 = 29;

/// What lasts until it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// Its file is wrong.
    BrokenFile,
    /// It could not do its work.
    Failed,
    /// A person must act.
    Person,
    /// Something could not be had.
    Partial,
    /// It waits for Spotify.
    Deferred,
    /// Its data are older than promised.
    Overdue,
    /// Nobody can be told by this way.
    Untold,
}

/// Whose a trouble is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertScope<'a> {
    /// Nothing runs.
    Project,
    /// One job's.
    Job(&'a str),
    /// A cause that several jobs may meet, one of which is this. It is told once for all of them, and
    /// over when one that had met it has got what it wanted.
    Shared {
        /// What names it.
        cause: &'a str,
        /// The job that met it.
        job: &'a str,
    },
    /// What the setting of this name is for.
    Channel(&'a str),
}

impl AlertScope<'_> {
    /// Its name in the book. No job has a slash in its name.
    fn key(&self) -> String {
        match self {
            AlertScope::Project => String::new(),
            AlertScope::Job(job) => (*job).to_owned(),
            AlertScope::Shared { cause, .. } => format!("cause/{}", normalize_reason(cause)),
            AlertScope::Channel(setting) => format!("way/{setting}"),
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct AlertState {
    /// By whose it is, then by trouble.
    open: BTreeMap<String, BTreeMap<AlertKind, OpenAlert>>,
    undelivered: Vec<PendingMessage>,
    /// By job: how its newest run ended.
    #[serde(default)]
    pings: BTreeMap<String, PendingPing>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OpenAlert {
    since: DateTime<Utc>,
    text: String,
    /// Of a shared cause: the jobs that met it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    jobs: BTreeSet<String>,
}

/// How new a trouble is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertTransition {
    /// It was not there, or for another reason.
    New,
    /// It was told of, but not that this job has met it.
    Joins,
    /// It was told of.
    Repeated,
}

/// A trouble that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedAlert {
    /// Which.
    pub kind: AlertKind,
    /// Since when it had lasted.
    pub since: DateTime<Utc>,
    /// Of a shared cause: the jobs that had met it.
    pub jobs: Vec<String>,
}

/// What was told about a store.
#[derive(Debug)]
pub struct AlertStore {
    file: PathBuf,
    lock: PathBuf,
    /// Messages that cannot be written down: this process alone knows them.
    unsaved: RefCell<Vec<(AlertMessage, Vec<DeliveryChannel>)>>,
}

impl AlertStore {
    /// The memory in this state folder.
    pub fn new(state_folder: &Path, store: &Path) -> AlertStore {
        let name = Sha256::digest(store.display().to_string().as_bytes());
        let short: String = name.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        AlertStore {
            file: state_folder.join(format!("told-{short}.json")),
            lock: state_folder.join(format!("told-{short}.lock")),
            unsaved: RefCell::default(),
        }
    }

    /// Notes that a trouble is there, and says whether that was known.
    pub fn start(&self, whose: AlertScope<'_>, trouble: AlertKind, text: &str, now: DateTime<Utc>) -> AlertTransition {
        let (key, text) = (whose.key(), normalize_reason(text));
        let noted = self.update(|book| {
            let of_key = book.open.entry(key.clone()).or_default();
            let known = of_key.get(&trouble).map(|open| open.text.clone());
            let fresh = || OpenAlert { since: now, text: text.clone(), jobs: BTreeSet::new() };
            let open = of_key.entry(trouble).or_insert_with(fresh);
            open.text.clone_from(&text);
            let news = known.as_ref() != Some(&text);
            let joins = matches!(whose, AlertScope::Shared { job, .. } if open.jobs.insert(job.to_owned()));
            let begun = match (news, joins) {
                (true, _) => AlertTransition::New,
                (false, true) => AlertTransition::Joins,
                (false, false) => AlertTransition::Repeated,
            };
            (begun, begun != AlertTransition::Repeated)
        });
        noted.unwrap_or_else(|_| {
            if self.is_first_today(&key, trouble) { AlertTransition::New } else { AlertTransition::Repeated }
        })
    }

    /// Notes that these troubles are over for whom they were, and for a job all shared causes that it
    /// had met; returns those that had been there.
    pub fn resolve(&self, whose: AlertScope<'_>, over: &[AlertKind]) -> Vec<ResolvedAlert> {
        if !self.file.exists() {
            return Vec::new();
        }
        let (key, job) = (whose.key(), matches!(whose, AlertScope::Job(_)));
        let ended = self.update(|book| {
            let mut ended = Vec::new();
            for (of, open) in &mut book.open {
                let is_over = |trouble: &AlertKind, it: &OpenAlert| {
                    over.contains(trouble) && (*of == key || job && it.jobs.contains(&key))
                };
                open.retain(|trouble, was| {
                    let is_over = is_over(trouble, was);
                    if is_over {
                        let jobs = was.jobs.iter().cloned().collect();
                        ended.push(ResolvedAlert { kind: *trouble, since: was.since, jobs });
                    }
                    !is_over
                });
            }
            book.open.retain(|_, open| !open.is_empty());
            let changed = !ended.is_empty();
            (ended, changed)
        });
        ended.unwrap_or_default()
    }

    /// What lasts, by job; what no job has is named by an empty one.
    pub fn open_alerts(&self) -> Vec<(String, AlertKind, DateTime<Utc>)> {
        let book = self.read().unwrap_or_default();
        let of = |(key, open): (String, BTreeMap<AlertKind, OpenAlert>)| {
            let each = |(trouble, it): (AlertKind, OpenAlert)| {
                let jobs = if it.jobs.is_empty() { vec![key.clone()] } else { it.jobs.into_iter().collect() };
                jobs.into_iter().map(move |job| (job, trouble, it.since)).collect::<Vec<_>>()
            };
            open.into_iter().flat_map(each).collect::<Vec<_>>()
        };
        book.open.into_iter().flat_map(of).collect()
    }

    /// Reads, changes and writes under the lock. The change says whether there is anything to write.
    fn update<T>(&self, change: impl FnOnce(&mut AlertState) -> (T, bool)) -> io::Result<T> {
        let lock = self.lock_file()?;
        lock.lock()?;
        let mut book = self.read()?;
        let (result, changed) = change(&mut book);
        if changed {
            let text = serde_json::to_vec_pretty(&book).map_err(io::Error::other)?;
            // One name, so that what a killed process left is written over: the lock is ours.
            let new = self.file.with_extension("new");
            private_file().create(true).truncate(true).open(&new)?.write_all(&text)?;
            std::fs::rename(&new, &self.file)?;
            lock.set_modified(SystemTime::UNIX_EPOCH)?;
        }
        Ok(result)
    }

    fn read(&self) -> io::Result<AlertState> {
        match std::fs::read(&self.file) {
            // What cannot be understood was written by nobody we know; what it said is told again.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(AlertState::default()),
            Err(e) => Err(e),
        }
    }

    /// While nothing can be written (a full disk), the time of the lock file is what remembers. It
    /// stands at 1970 while all is well; else at when the first of what lasts was told, and each bit of
    /// its nanoseconds stands for things that were.
    fn is_first_today(&self, key: &str, trouble: AlertKind) -> bool {
        let Ok(lock) = self.lock_file() else { return true };
        let time = lock.metadata().and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let told = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let is_recent = time.elapsed().is_ok_and(|ago| ago < UNSAVED_REPEAT);
        let mine = 1 << (xxhash_rust::xxh3::xxh3_64(format!("{trouble:?} {key}").as_bytes()) % MARK_BITS);
        let bits = if is_recent { told.subsec_nanos() } else { 0 };
        // Where a file system keeps whole seconds only, one bit has to do for all.
        if is_recent && (bits == 0 || bits & mine != 0) {
            return false;
        }
        let first = if is_recent { told } else { SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default() };
        let _ = lock.set_modified(SystemTime::UNIX_EPOCH + Duration::new(first.as_secs(), bits | mine));
        true
    }

    fn lock_file(&self) -> io::Result<File> {
        match private_file().create_new(true).open(&self.lock) {
            Ok(new) => new.set_modified(SystemTime::UNIX_EPOCH).map(|()| new),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => private_file().open(&self.lock),
            Err(e) => Err(e),
        }
    }
}

fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

/// A reason without what differs each time it is given: numbers.
fn normalize_reason(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
