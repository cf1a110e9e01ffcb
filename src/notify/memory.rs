//! What was told, and what is still to be delivered: one small file in the state folder for each
//! store, so that all processes of a project know the same.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::message::Message;

/// A message that could not be delivered is given up after this.
const STALE: TimeDelta = TimeDelta::hours(24);
/// Between two tries to deliver.
const PAUSE: TimeDelta = TimeDelta::minutes(5);
/// Messages kept for delivery.
const MOST: usize = 100;
/// While nothing can be written down, what lasts is told once in this time.
const FORGETFUL: Duration = Duration::from_secs(24 * 3600);

/// What lasts until it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
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
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Book {
    /// By job, then by trouble.
    open: BTreeMap<String, BTreeMap<Trouble, Open>>,
    undelivered: Vec<Undelivered>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Open {
    since: DateTime<Utc>,
    text: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Undelivered {
    message: Message,
    from: DateTime<Utc>,
    tried: Option<DateTime<Utc>>,
}

impl Undelivered {
    fn is_ripe(&self, now: DateTime<Utc>) -> bool {
        self.tried.is_none_or(|at| (now - at).abs() >= PAUSE)
    }
}

/// A trouble that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub trouble: Trouble,
    /// Since when it had lasted.
    pub since: DateTime<Utc>,
}

/// What was told about a store.
#[derive(Debug)]
pub struct Memory {
    file: PathBuf,
    lock: PathBuf,
}

impl Memory {
    /// The memory in this state folder.
    pub fn new(state_folder: &Path, store: &Path) -> Memory {
        let name = Sha256::digest(store.display().to_string().as_bytes());
        let short: String = name.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Memory {
            file: state_folder.join(format!("told-{short}.json")),
            lock: state_folder.join(format!("told-{short}.lock")),
        }
    }

    /// Notes that a trouble is there; true if that is news: it was not, or for another reason.
    pub fn begins(&self, job: &str, trouble: Trouble, text: &str, now: DateTime<Utc>) -> bool {
        let text = essence(text);
        let noted = self.change(|book| {
            let open = book.open.entry(job.to_owned()).or_default();
            match open.get_mut(&trouble) {
                Some(known) if known.text == text => (false, false),
                Some(known) => {
                    known.text.clone_from(&text);
                    (true, true)
                }
                None => {
                    open.insert(trouble, Open { since: now, text: text.clone() });
                    (true, true)
                }
            }
        });
        noted.unwrap_or_else(|_| self.not_lately())
    }

    /// Notes that these troubles of a job are over, and returns those that had been there.
    pub fn ends(&self, job: &str, over: &[Trouble]) -> Vec<Ended> {
        if !self.file.exists() {
            return Vec::new();
        }
        let ended = self.change(|book| {
            let mut ended = Vec::new();
            if let Some(open) = book.open.get_mut(job) {
                for trouble in over {
                    if let Some(was) = open.remove(trouble) {
                        ended.push(Ended { trouble: *trouble, since: was.since });
                    }
                }
                if open.is_empty() {
                    book.open.remove(job);
                }
            }
            let changed = !ended.is_empty();
            (ended, changed)
        });
        ended.unwrap_or_default()
    }

    /// What lasts, by job.
    pub fn open(&self) -> Vec<(String, Trouble, DateTime<Utc>)> {
        let book = self.read().unwrap_or_default();
        let of = |(job, open): (String, BTreeMap<Trouble, Open>)| {
            open.into_iter().map(move |(trouble, it)| (job.clone(), trouble, it.since)).collect::<Vec<_>>()
        };
        book.open.into_iter().flat_map(of).collect()
    }

    /// Whether a message waits that may be tried now.
    pub fn has_undelivered(&self, now: DateTime<Utc>) -> bool {
        let book = self.read().unwrap_or_default();
        book.undelivered.iter().any(|it| it.is_ripe(now))
    }

    /// Keeps a message until it is delivered.
    pub(super) fn to_deliver(&self, message: Message, now: DateTime<Utc>) {
        let kept = self.change(|book| {
            book.undelivered.push(Undelivered { message, from: now, tried: None });
            if book.undelivered.len() > MOST {
                book.undelivered.remove(0);
            }
            ((), true)
        });
        if let Err(e) = kept {
            tracing::warn!(path = %self.file.display(), "a message cannot be kept for delivery: {e}");
        }
    }

    /// The messages to deliver now; each is handed out to one process at a time.
    pub(super) fn undelivered(&self, now: DateTime<Utc>) -> Vec<Message> {
        if !self.file.exists() {
            return Vec::new();
        }
        let taken = self.change(|book| {
            let before = book.undelivered.len();
            book.undelivered.retain(|it| now - it.from < STALE);
            let mut taken = Vec::new();
            for it in book.undelivered.iter_mut().filter(|it| it.is_ripe(now)) {
                it.tried = Some(now);
                taken.push(it.message.clone());
            }
            let changed = !taken.is_empty() || book.undelivered.len() < before;
            (taken, changed)
        });
        taken.unwrap_or_default()
    }

    pub(super) fn delivered(&self, message: &Message) {
        // If it cannot be noted, it is delivered once more: better than not at all.
        let _ = self.change(|book| {
            book.undelivered.retain(|it| it.message != *message);
            ((), true)
        });
    }

    /// Reads, changes and writes under the lock. The change says whether there is anything to write.
    fn change<T>(&self, change: impl FnOnce(&mut Book) -> (T, bool)) -> io::Result<T> {
        let lock = self.lock_file()?;
        lock.lock()?;
        let mut book = self.read()?;
        let (result, changed) = change(&mut book);
        if changed {
            let text = serde_json::to_vec_pretty(&book).map_err(io::Error::other)?;
            let mut new =
                tempfile::Builder::new().prefix(".told").tempfile_in(self.file.parent().unwrap_or(Path::new(".")))?;
            new.write_all(&text)?;
            new.persist(&self.file).map_err(|e| e.error)?;
            lock.set_modified(SystemTime::UNIX_EPOCH)?;
        }
        Ok(result)
    }

    fn read(&self) -> io::Result<Book> {
        match std::fs::read(&self.file) {
            // What cannot be understood was written by nobody we know; what it said is told again.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Book::default()),
            Err(e) => Err(e),
        }
    }

    /// While nothing can be written (a full disk), the time of the lock file is what remembers: it
    /// stands at 1970 while all is well.
    fn not_lately(&self) -> bool {
        let Ok(lock) = self.lock_file() else { return true };
        let told = lock.metadata().and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        if told.elapsed().is_ok_and(|ago| ago < FORGETFUL) {
            return false;
        }
        let _ = lock.set_modified(SystemTime::now());
        true
    }

    fn lock_file(&self) -> io::Result<File> {
        match private().create_new(true).open(&self.lock) {
            Ok(new) => new.set_modified(SystemTime::UNIX_EPOCH).map(|()| new),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => private().open(&self.lock),
            Err(e) => Err(e),
        }
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

/// A reason without what differs each time it is given: numbers.
fn essence(text: &str) -> String {
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
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn what_lasts_is_news_once_and_its_end_is_news_once() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::new(folder.path(), Path::new("/p/output/cratedigger.db"));
        let now = at("2026-11-23T12:00:00Z");
        assert!(memory.begins("x", Trouble::Failed, "status 503 after 4 attempts, 17 s", now));
        assert!(!memory.begins("x", Trouble::Failed, "status 503 after 4 attempts, 2041 s", now));
        assert!(memory.begins("y", Trouble::Failed, "status 503 after 4 attempts, 17 s", now));
        assert!(memory.begins("x", Trouble::Failed, "the disk is full", now), "another reason is news");
        let ended = memory.ends("x", &[Trouble::Failed, Trouble::Partial]);
        assert_eq!(ended, [Ended { trouble: Trouble::Failed, since: now }]);
        assert_eq!(memory.ends("x", &[Trouble::Failed]), []);
        assert_eq!(memory.open(), [("y".to_owned(), Trouble::Failed, now)]);
    }

    #[test]
    fn where_nothing_can_be_written_it_is_told_once_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::new(folder.path(), Path::new("/p/output/cratedigger.db"));
        // A folder stands where the file should: nothing can be written down, as on a full disk.
        std::fs::create_dir(&memory.file).unwrap();
        let now = at("2026-11-23T12:00:00Z");
        assert!(memory.begins("x", Trouble::Failed, "no space left", now));
        assert!(!memory.begins("x", Trouble::Failed, "no space left", now));
        let yesterday = SystemTime::now() - FORGETFUL - Duration::from_secs(60);
        memory.lock_file().unwrap().set_modified(yesterday).unwrap();
        assert!(memory.begins("x", Trouble::Failed, "no space left", now));
    }
}
