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

/// A way by which a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// `notify.webhook_url`
    Webhook,
    /// `notify.command`
    Command,
}

impl Way {
    /// All of them.
    pub(super) const ALL: [Way; 2] = [Way::Webhook, Way::Command];

    /// The setting that names it.
    pub(super) fn setting(self) -> &'static str {
        match self {
            Way::Webhook => "notify.webhook_url",
            Way::Command => "notify.command",
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Book {
    /// By job, then by trouble.
    open: BTreeMap<String, BTreeMap<Trouble, Open>>,
    undelivered: Vec<Undelivered>,
    /// By job: how its newest run ended.
    #[serde(default)]
    pings: BTreeMap<String, WaitingPing>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Open {
    since: DateTime<Utc>,
    text: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Undelivered {
    message: Message,
    /// Those that have not taken it yet.
    #[serde(default = "all_ways")]
    ways: Vec<Way>,
    from: DateTime<Utc>,
    tried: Option<DateTime<Utc>>,
}

fn all_ways() -> Vec<Way> {
    Way::ALL.to_vec()
}

/// The end of a run, as a ping tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EndPing {
    /// The exit code.
    pub what: String,
    /// The name of the run on its start and its end.
    pub rid: String,
    /// Its last lines.
    pub body: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct WaitingPing {
    ping: EndPing,
    from: DateTime<Utc>,
    tried: DateTime<Utc>,
}

/// Whether what was last tried then may be tried again.
fn is_ripe(tried: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    tried.is_none_or(|at| (now - at).abs() >= PAUSE)
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

    /// Whether a message or a ping waits that may be tried now.
    pub fn has_undelivered(&self, now: DateTime<Utc>) -> bool {
        let book = self.read().unwrap_or_default();
        book.undelivered.iter().any(|it| is_ripe(it.tried, now))
            || book.pings.values().any(|it| is_ripe(Some(it.tried), now))
    }

    /// Keeps a message until each of these ways has taken it.
    pub(super) fn to_deliver(&self, message: Message, ways: &[Way], now: DateTime<Utc>) {
        let kept = self.change(|book| {
            book.undelivered.push(Undelivered { message, ways: ways.to_vec(), from: now, tried: None });
            if book.undelivered.len() > MOST {
                book.undelivered.remove(0);
            }
            ((), true)
        });
        if let Err(e) = kept {
            tracing::warn!(path = %self.file.display(), "a message cannot be kept for delivery: {e}");
        }
    }

    /// The messages to deliver now, with the ways that have not taken them, as far as there are `ways`;
    /// each is handed out to one process at a time.
    pub(super) fn undelivered(&self, ways: &[Way], now: DateTime<Utc>) -> Vec<(Message, Vec<Way>)> {
        if !self.file.exists() {
            return Vec::new();
        }
        let taken = self.change(|book| {
            let before = book.undelivered.len();
            book.undelivered.iter_mut().for_each(|it| it.ways.retain(|way| ways.contains(way)));
            for old in book.undelivered.extract_if(.., |it| it.ways.is_empty() || now - it.from >= STALE) {
                for way in old.ways {
                    let (job, event) = (old.message.job.as_str(), old.message.event.word());
                    tracing::warn!(job, event, "{} took a message in no try of a day: it is given up", way.setting());
                }
            }
            let mut taken = Vec::new();
            for it in book.undelivered.iter_mut().filter(|it| is_ripe(it.tried, now)) {
                it.tried = Some(now);
                taken.push((it.message.clone(), it.ways.clone()));
            }
            let changed = !taken.is_empty() || book.undelivered.len() < before;
            (taken, changed)
        });
        taken.unwrap_or_default()
    }

    /// Notes that a way has taken a message.
    pub(super) fn delivered(&self, message: &Message, way: Way) {
        // If it cannot be noted, it is delivered once more: better than not at all.
        let _ = self.change(|book| {
            for it in book.undelivered.iter_mut().filter(|it| it.message == *message) {
                it.ways.retain(|left| *left != way);
            }
            book.undelivered.retain(|it| !it.ways.is_empty());
            ((), true)
        });
    }

    /// Keeps the end of a run of a job until it is taken, in place of what waited of the job: how an
    /// earlier run ended, told later, would be taken for how things are.
    pub(super) fn keep_ping(&self, job: &str, ping: EndPing, now: DateTime<Utc>) {
        let kept = self.change(|book| {
            book.pings.insert(job.to_owned(), WaitingPing { ping, from: now, tried: now });
            ((), true)
        });
        if let Err(e) = kept {
            tracing::warn!(path = %self.file.display(), job, "a ping cannot be kept: {e}");
        }
    }

    /// The pings to send now, by job; each is handed out to one process at a time.
    pub(super) fn waiting_pings(&self, now: DateTime<Utc>) -> Vec<(String, EndPing)> {
        if !self.read().is_ok_and(|book| book.pings.values().any(|it| is_ripe(Some(it.tried), now))) {
            return Vec::new();
        }
        let taken = self.change(|book| {
            book.pings.retain(|_, it| now - it.from < STALE);
            let mut taken = Vec::new();
            for (job, it) in book.pings.iter_mut().filter(|(_, it)| is_ripe(Some(it.tried), now)) {
                it.tried = now;
                taken.push((job.clone(), it.ping.clone()));
            }
            (taken, true)
        });
        taken.unwrap_or_default()
    }

    /// Notes that nobody is to be pinged any more.
    pub(super) fn forget_pings(&self) {
        if self.read().is_ok_and(|book| !book.pings.is_empty()) {
            let _ = self.change(|book| (book.pings.clear(), true));
        }
    }

    /// Notes that a later run of a job was told of, or this one (`rid`).
    pub(super) fn forget_ping(&self, job: &str, rid: Option<&str>) {
        let is_it = |it: &WaitingPing| rid.is_none_or(|rid| it.ping.rid == rid);
        if !self.read().is_ok_and(|book| book.pings.get(job).is_some_and(is_it)) {
            return;
        }
        let _ = self.change(|book| {
            let found = book.pings.get(job).is_some_and(is_it);
            if found {
                book.pings.remove(job);
            }
            ((), found)
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
            // One name, so that what a killed process left is written over: the lock is ours.
            let new = self.file.with_extension("new");
            private().create(true).truncate(true).open(&new)?.write_all(&text)?;
            std::fs::rename(&new, &self.file)?;
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
mod tests;
