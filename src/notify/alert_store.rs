//! The open alerts and pending deliveries: one small file per store in the state folder, shared by all processes.

mod outbox;
mod warnings;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::message::AlertMessage;
pub(super) use outbox::{DeliveryChannel, RunPing, START_PING};
use outbox::{PendingMessage, PendingPing};

/// If the file cannot be written, a lasting problem is reported once in this time.
const UNSAVED_REPEAT: Duration = Duration::from_secs(24 * 3600);
/// The number of bits that fit into the nanoseconds of a timestamp.
const MARK_BITS: u64 = 29;

/// A kind of lasting problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// The job file is invalid.
    BrokenFile,
    /// The job failed.
    Failed,
    /// A user must act.
    Person,
    /// Some data could not be read.
    Partial,
    /// The job waits for Spotify.
    Deferred,
    /// The data are older than the schedule promises.
    Overdue,
    /// A delivery channel does not work.
    Untold,
}

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertScope<'a> {
    /// The whole project: no job runs.
    Project,
    /// One job.
    Job(&'a str),
    /// A cause that several jobs may share. It is reported once for all, and resolved when one of them succeeds.
    Shared {
        /// The text that identifies the cause.
        cause: &'a str,
        /// The job that has the problem.
        job: &'a str,
    },
    /// A target that rows are pushed to.
    Target(&'a str),
    /// The delivery channel of a setting.
    Channel(&'a str),
}

impl AlertScope<'_> {
    /// The key in the file. Job names contain no slash.
    fn key(&self) -> String {
        match self {
            AlertScope::Project => String::new(),
            AlertScope::Job(job) => (*job).to_owned(),
            AlertScope::Shared { cause, .. } => format!("cause/{}", normalize_reason(cause)),
            AlertScope::Target(name) => format!("target/{name}"),
            AlertScope::Channel(setting) => format!("way/{setting}"),
        }
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct AlertState {
    /// By scope, then by kind.
    open: BTreeMap<String, BTreeMap<AlertKind, OpenAlert>>,
    undelivered: Vec<PendingMessage>,
    /// By job: the ping about its newest finished run.
    #[serde(default)]
    pings: BTreeMap<String, PendingPing>,
    /// The end of the period that digests have covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest_until: Option<DateTime<Utc>>,
    /// By job or part of a job, or an empty name for the project: the warnings that were reported and last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    warnings: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct OpenAlert {
    since: DateTime<Utc>,
    text: String,
    /// The jobs that share the cause.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    jobs: BTreeSet<String>,
    /// Whether an earlier version opened the alert. Its reasons had other wordings, so the text is not compared.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    upgraded: bool,
}

impl AlertState {
    /// Moves an alert of an earlier version to the key of its cause in the present wording.
    fn rename_upgraded(&mut self, scope: &AlertScope<'_>, kind: AlertKind) {
        let AlertScope::Shared { job, .. } = scope else { return };
        let is_it = |open: &OpenAlert| open.upgraded && open.jobs.contains(*job);
        let old = self.open.iter().find(|(_, alerts)| alerts.get(&kind).is_some_and(is_it));
        let Some(old_key) = old.map(|(key, _)| key.clone()) else { return };
        if let Some(alert) = self.open.get_mut(&old_key).and_then(|alerts| alerts.remove(&kind)) {
            self.open.entry(scope.key()).or_default().entry(kind).or_insert(alert);
        }
        self.open.retain(|_, alerts| !alerts.is_empty());
    }
}

/// How new an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertTransition {
    /// The alert is new, or has a new reason.
    New,
    /// The alert is open, and now concerns another job.
    Joins,
    /// The alert is open.
    Repeated,
}

/// An alert that was open and is resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedAlert {
    pub kind: AlertKind,
    /// When the alert started.
    pub since: DateTime<Utc>,
    /// The jobs that shared the cause.
    pub jobs: Vec<String>,
}

/// The alerts and pending deliveries of a store.
#[derive(Debug)]
pub struct AlertStore {
    file: PathBuf,
    lock: PathBuf,
    /// The name of the file in earlier versions. It is read until the first change writes the new file, so that no
    /// alert is repeated after an upgrade.
    old_file: PathBuf,
    /// Messages that could not be saved, known to this process only.
    unsaved: RefCell<Vec<(AlertMessage, Vec<DeliveryChannel>)>>,
}

impl AlertStore {
    pub fn new(state_folder: &Path, store: &Path) -> AlertStore {
        let name = Sha256::digest(store.display().to_string().as_bytes());
        let short: String = name.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        AlertStore {
            file: state_folder.join(format!("alerts-{short}.json")),
            lock: state_folder.join(format!("alerts-{short}.lock")),
            old_file: state_folder.join(format!("told-{short}.json")),
            unsaved: RefCell::default(),
        }
    }

    /// Records a problem and returns whether it is new.
    pub fn start(&self, scope: AlertScope<'_>, kind: AlertKind, text: &str, now: DateTime<Utc>) -> AlertTransition {
        let (key, text) = (scope.key(), normalize_reason(text));
        let noted = self.update(|state| {
            state.rename_upgraded(&scope, kind);
            let alerts = state.open.entry(key.clone()).or_default();
            let known = alerts.get(&kind).map(|open| (open.text.clone(), open.upgraded));
            let fresh = || OpenAlert { since: now, text: text.clone(), jobs: BTreeSet::new(), upgraded: false };
            let open = alerts.entry(kind).or_insert_with(fresh);
            open.text.clone_from(&text);
            open.upgraded = false;
            let was_upgraded = known.as_ref().is_some_and(|(_, upgraded)| *upgraded);
            let is_new = !was_upgraded && known.is_none_or(|(old, _)| old != text);
            let joins = matches!(scope, AlertScope::Shared { job, .. } if open.jobs.insert(job.to_owned()));
            let transition = match (is_new, joins) {
                (true, _) => AlertTransition::New,
                (false, true) => AlertTransition::Joins,
                (false, false) => AlertTransition::Repeated,
            };
            (transition, was_upgraded || transition != AlertTransition::Repeated)
        });
        noted.unwrap_or_else(|_| {
            if self.is_first_today(&key, kind) { AlertTransition::New } else { AlertTransition::Repeated }
        })
    }

    /// Resolves the alerts of these kinds, for a job also those with shared causes. Returns those that were open.
    pub fn resolve(&self, scope: AlertScope<'_>, over: &[AlertKind]) -> Vec<ResolvedAlert> {
        if !self.file.exists() && !self.old_file.exists() {
            return Vec::new();
        }
        let (key, job) = (scope.key(), matches!(scope, AlertScope::Job(_)));
        let ended = self.update(|state| {
            let mut ended = Vec::new();
            for (of, open) in &mut state.open {
                let is_over = |kind: &AlertKind, it: &OpenAlert| {
                    over.contains(kind) && (*of == key || job && it.jobs.contains(&key))
                };
                open.retain(|kind, was| {
                    let is_over = is_over(kind, was);
                    if is_over {
                        let jobs = was.jobs.iter().cloned().collect();
                        ended.push(ResolvedAlert { kind: *kind, since: was.since, jobs });
                    }
                    !is_over
                });
            }
            state.open.retain(|_, open| !open.is_empty());
            let changed = !ended.is_empty();
            (ended, changed)
        });
        ended.unwrap_or_default()
    }

    /// Deletes the alerts and warnings that mention a deleted user, and also the messages and pings of jobs that
    /// read for the user: they name files, and so playlists. Returns their number.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn forget_mentions(
        &self,
        is_mentioned: impl Fn(&str) -> bool,
        read_for_them: impl Fn(&str) -> bool,
    ) -> io::Result<usize> {
        if !self.file.exists() && !self.old_file.exists() {
            return Ok(0);
        }
        self.update(|state| {
            let mut forgotten = 0;
            for (key, alerts) in &mut state.open {
                let before = alerts.len();
                alerts.retain(|_, alert| !is_mentioned(key) && !is_mentioned(&alert.text));
                forgotten += before - alerts.len();
            }
            state.open.retain(|_, alerts| !alerts.is_empty());
            for texts in state.warnings.values_mut() {
                let before = texts.len();
                texts.retain(|text| !is_mentioned(text));
                forgotten += before - texts.len();
            }
            state.warnings.retain(|_, texts| !texts.is_empty());
            forgotten += state.forget_deliveries(is_mentioned, read_for_them);
            (forgotten, forgotten > 0)
        })
    }

    /// The end of the period that digests have covered. The first call sets it to the present.
    pub fn digest_until(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if let Some(until) = self.read().ok()?.digest_until {
            // A clock that was ahead must not silence the digests.
            return Some(until.min(now));
        }
        self.update(|state| (*state.digest_until.get_or_insert(now), true)).ok()
    }

    /// Notes that a digest tells of the time from one instant to another. Returns whether no other process has done so.
    pub fn claim_digest(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> bool {
        let claimed = self.update(|state| {
            let is_first = state.digest_until.is_none_or(|known| known <= from || known > until);
            if is_first {
                state.digest_until = Some(until);
            }
            (is_first, is_first)
        });
        claimed.unwrap_or(false)
    }

    /// The open alerts by job. Alerts of the whole project have an empty name.
    pub fn open_alerts(&self) -> Vec<(String, AlertKind, DateTime<Utc>)> {
        let state = self.read().unwrap_or_default();
        let of = |(key, open): (String, BTreeMap<AlertKind, OpenAlert>)| {
            let each = |(kind, it): (AlertKind, OpenAlert)| {
                let jobs = if it.jobs.is_empty() { vec![key.clone()] } else { it.jobs.into_iter().collect() };
                jobs.into_iter().map(move |job| (job, kind, it.since)).collect::<Vec<_>>()
            };
            open.into_iter().flat_map(each).collect::<Vec<_>>()
        };
        state.open.into_iter().flat_map(of).collect()
    }

    /// Since when pushes to a target have failed.
    pub fn target_failing_since(&self, name: &str) -> Option<DateTime<Utc>> {
        let state = self.read().ok()?;
        state.open.get(&AlertScope::Target(name).key())?.values().map(|open| open.since).min()
    }

    /// Reads, changes and writes the file under its lock. `change` returns whether there is anything to write.
    fn update<T>(&self, change: impl FnOnce(&mut AlertState) -> (T, bool)) -> io::Result<T> {
        self.check_folder()?;
        let lock = self.lock_file()?;
        lock.lock()?;
        let mut state = self.read()?;
        let (result, changed) = change(&mut state);
        if changed {
            let text = serde_json::to_vec_pretty(&state).map_err(io::Error::other)?;
            // A fixed name, so that the leftover of a killed process is overwritten. We hold the lock.
            let new = self.file.with_extension("new");
            private_file().create(true).truncate(true).open(&new)?.write_all(&text)?;
            std::fs::rename(&new, &self.file)?;
            self.remove_old_file();
            lock.set_modified(SystemTime::UNIX_EPOCH)?;
        }
        Ok(result)
    }

    /// Writes nothing into a state folder that everything else refuses.
    fn check_folder(&self) -> io::Result<()> {
        let Some(folder) = self.file.parent() else { return Ok(()) };
        // The first problem may come before the first run, and has to be remembered too.
        if !folder.exists() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let found = std::fs::metadata(folder)?;
        match found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o077 == 0 {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::PermissionDenied, "the state folder is not private")),
        }
    }

    fn read(&self) -> io::Result<AlertState> {
        // An unknown format counts as empty, so its alerts are reported again.
        let parse = |bytes: Vec<u8>| serde_json::from_slice::<AlertState>(&bytes).unwrap_or_default();
        match std::fs::read(&self.file) {
            Ok(bytes) => Ok(parse(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => match std::fs::read(&self.old_file) {
                Ok(bytes) => {
                    let mut state = parse(bytes);
                    state.open.values_mut().flat_map(BTreeMap::values_mut).for_each(|open| open.upgraded = true);
                    Ok(state)
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(AlertState::default()),
                Err(e) => Err(e),
            },
            Err(e) => Err(e),
        }
    }

    /// If the file cannot be written (a full disk), the timestamp of the lock file stores that it was reported:
    /// 1970 means nothing. Otherwise it is the time of the first report, and each bit of its nanoseconds marks
    /// some reported alerts.
    fn is_first_today(&self, key: &str, kind: AlertKind) -> bool {
        let Ok(lock) = self.lock_file() else { return true };
        let time = lock.metadata().and_then(|m| m.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let reported = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let is_recent = time.elapsed().is_ok_and(|ago| ago < UNSAVED_REPEAT);
        let mine = 1 << (xxhash_rust::xxh3::xxh3_64(format!("{kind:?} {key}").as_bytes()) % MARK_BITS);
        let bits = if is_recent { reported.subsec_nanos() } else { 0 };
        // On a file system with whole seconds, any report counts for all alerts.
        if is_recent && (bits == 0 || bits & mine != 0) {
            return false;
        }
        let first = if is_recent { reported } else { SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default() };
        let _ = lock.set_modified(SystemTime::UNIX_EPOCH + Duration::new(first.as_secs(), bits | mine));
        true
    }

    fn remove_old_file(&self) {
        // The old file is not read any more; one that cannot be removed does no harm.
        if self.old_file.exists() {
            drop(std::fs::remove_file(&self.old_file));
            drop(std::fs::remove_file(self.old_file.with_extension("lock")));
        }
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

/// The reason with all numbers masked, since they differ each time.
pub fn normalize_reason(text: &str) -> String {
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
