//! Watches the job files, writes of other processes, and the clocks.
//!
//! It polls instead of using inotify: two hundred files take a millisecond, and polling works on every file
//! system and mount.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use crate::cli::CommandContext;
use crate::settings::Settings;

/// A folder that has just changed is checked again after this time, since an editor may still be writing.
const SETTLE_TIME: Duration = Duration::from_secs(1);

/// The difference between the clocks, in seconds, that a slow check explains.
const SLOW: i64 = 5;

/// The metadata of files that reveal every change.
type FileFingerprint = Vec<(PathBuf, u64, i64, i64, u64)>;

/// Watches the files of the project.
pub(super) struct FileWatcher {
    jobs: PathBuf,
    settings: PathBuf,
    others: Vec<PathBuf>,
    seen: FileFingerprint,
    settling: Option<FileFingerprint>,
    settings_seen: FileFingerprint,
    others_seen: FileFingerprint,
}

impl FileWatcher {
    /// Starts with the current state of the files.
    pub(super) fn new(context: &CommandContext, settings: &Settings) -> FileWatcher {
        let store = context.project.database(settings);
        let mut others = vec![with(&store, "-wal"), store];
        if let Ok(state) = context.state_dir(settings) {
            others.extend(["grants.db", "grants.db-wal"].map(|name| state.path().join(name)));
        }
        let mut files = FileWatcher {
            jobs: context.project.jobs_dir.clone(),
            settings: context.project.config_file.clone(),
            others,
            seen: FileFingerprint::new(),
            settling: None,
            settings_seen: FileFingerprint::new(),
            others_seen: FileFingerprint::new(),
        };
        files.seen = folder(&files.jobs);
        files.settings_seen = fingerprint(std::slice::from_ref(&files.settings));
        files.note_store();
        files
    }

    /// Whether the job folder has changed and is stable now.
    pub(super) fn jobs_changed(&mut self) -> bool {
        let settings = fingerprint(std::slice::from_ref(&self.settings));
        if settings != self.settings_seen {
            self.settings_seen = settings;
            tracing::warn!(
                path = %self.settings.display(),
                "the settings have changed; restart `schedule` to use them"
            );
        }
        let now = folder(&self.jobs);
        if now == self.seen {
            self.settling = None;
            return false;
        }
        if self.settling.as_ref() == Some(&now) {
            self.seen = now;
            self.settling = None;
            return true;
        }
        self.settling = Some(now);
        false
    }

    /// The time until the next check is needed.
    pub(super) fn rest(&self) -> Duration {
        if self.settling.is_some() { SETTLE_TIME } else { Duration::MAX }
    }

    /// Whether another process wrote to the store or signed in since the last check.
    pub(super) fn store_changed(&mut self) -> bool {
        let now = fingerprint(&self.others);
        let wrote = now != self.others_seen;
        self.others_seen = now;
        wrote
    }

    /// Ignores the changes so far, which are our own.
    pub(super) fn note_store(&mut self) {
        self.others_seen = fingerprint(&self.others);
    }
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The files of a folder without hidden files, which editors create.
fn folder(path: &Path) -> FileFingerprint {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let shown = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with(['.', '#']));
    let mut paths: Vec<PathBuf> = shown.map(|entry| entry.path()).collect();
    paths.sort();
    fingerprint(&paths)
}

fn fingerprint(paths: &[PathBuf]) -> FileFingerprint {
    let of = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some((path.clone(), found.ino(), found.mtime(), found.mtime_nsec(), found.len()))
    };
    paths.iter().filter_map(of).collect()
}

/// The wall clock and the monotonic clock.
pub(super) struct ClockPair {
    wall: SystemTime,
    steady: Instant,
}

impl ClockPair {
    pub(super) fn new() -> ClockPair {
        ClockPair { wall: SystemTime::now(), steady: Instant::now() }
    }

    /// By how many seconds the wall clock moved against the monotonic clock, because the machine was suspended
    /// or the clock was set.
    pub(super) fn moved(&mut self) -> Option<i64> {
        self.moved_until(ClockPair::new())
    }

    fn moved_until(&mut self, now: ClockPair) -> Option<i64> {
        let signed = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        let wall = match now.wall.duration_since(self.wall) {
            Ok(ahead) => signed(ahead),
            Err(back) => -signed(back.duration()),
        };
        let moved = (wall - signed(now.steady - self.steady)) / 1000;
        *self = now;
        (moved.abs() > SLOW).then_some(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_change_and_suspend_are_noticed() {
        let (wall, steady) = (SystemTime::now(), Instant::now());
        let later = |secs: u64| Duration::from_secs(secs);
        let at = |wall: SystemTime, awake: u64| ClockPair { wall, steady: steady + later(awake) };
        let mut clocks = at(wall, 0);
        assert_eq!(clocks.moved_until(at(wall + later(15), 15)), None);
        // A machine that is busy looks late by both clocks.
        assert_eq!(clocks.moved_until(at(wall + later(900), 900)), None);
        // Asleep for eight hours: one clock stood still.
        assert_eq!(clocks.moved_until(at(wall + later(900 + 28_800), 901)), Some(28_799));
        assert_eq!(clocks.moved_until(at(wall + later(900 + 28_815), 916)), None, "reported once");
        // The user sets it an hour back, then forward.
        assert_eq!(clocks.moved_until(at(wall + later(900 + 28_830 - 3_600), 931)), Some(-3_600));
        assert_eq!(clocks.moved_until(at(wall + later(900 + 28_845), 946)), Some(3_600));
    }
}
