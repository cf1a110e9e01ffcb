//! When a job is due: a pure function of its schedule, its past runs and the time.
//!
//! A fire (a job's nominal time) is served by a complete or partial run that began at or after it,
//! whoever started that run: cron, systemd, a person. So the same line may be started as often as
//! one likes.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rustc_hash::FxHashMap;

use crate::job::{FirstRun, Job, Missed};
use crate::settings::Schedule as Rules;
use crate::store::{self, RunRow, StoreError};

/// The longest wait between two tries of a failed run.
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);

/// The past runs of one job.
#[derive(Debug, Clone, Default)]
pub struct JobPast {
    /// Its runs, newest first.
    pub runs: Vec<RunRow>,
    /// When its newest complete or partial run began.
    pub last_good: Option<DateTime<Utc>>,
    /// How the sign-ins of its users stand.
    pub sign_ins: SignIns,
}

/// How the sign-ins of a job's users stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SignIns {
    /// Somebody has to sign in, or to grant more, before the job can be whole.
    pub missing: bool,
    /// Until somebody has signed in, there is nothing at all that it could read.
    pub nobody: bool,
    /// When the newest of the grants was given.
    pub newest: Option<DateTime<Utc>>,
}

/// The past runs of all jobs.
#[derive(Debug, Default)]
pub struct Past {
    by_job: FxHashMap<String, JobPast>,
}

/// Runs looked at for each job; beyond it nothing can matter.
const RUNS: u32 = 50;

impl Past {
    /// Reads the past from a store; there is none where there is no store.
    ///
    /// # Errors
    /// If the store is there but cannot be read.
    pub fn read(database: &Path) -> Result<Past, StoreError> {
        if !database.exists() {
            return Ok(Past::default());
        }
        let mut past = Past::default();
        for run in store::past_runs(database, RUNS)? {
            let job = past.by_job.entry(run.job.clone()).or_default();
            if job.last_good.is_none() && matches!(run.state.as_str(), "complete" | "partial") {
                job.last_good = run.started_at.parse().ok();
            }
            job.runs.push(run);
        }
        Ok(past)
    }

    /// The past of one job.
    pub fn of(&self, job: &str) -> JobPast {
        self.by_job.get(job).cloned().unwrap_or_default()
    }
}

/// The fire that `job` has to serve now, if there is one.
pub fn due(job: &Job, past: &JobPast, rules: &Rules, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let schedule = job.schedule.as_ref()?;
    if past.runs.is_empty() && job.first_run == FirstRun::Now {
        return Some(now);
    }
    let jitter = jitter(&job.name, job.jitter);
    let fire = schedule.newest_at_or_before(now - jitter)?;
    if past.runs.is_empty() {
        // To begin at its next fire: the first that has come since the file was written.
        return written_at(job).is_none_or(|at| at < fire).then_some(fire);
    }
    let since: Vec<&RunRow> =
        past.runs.iter().take_while(|r| parse(&r.started_at).is_some_and(|at| at >= fire)).collect();
    let Some(newest) = since.first() else {
        // Nobody has tried to serve it.
        let deferred = past.runs.first().and_then(|r| r.not_before.as_deref()).and_then(parse);
        if deferred.is_some_and(|at| at > now) {
            return None;
        }
        let late = now - (fire + jitter);
        let grace = job.grace.and_then(|g| TimeDelta::from_std(g).ok());
        if grace.is_some_and(|grace| late > grace) || (job.missed == Missed::Skip && late > ON_TIME) {
            return None;
        }
        // A new fire is no reason to say the same once more.
        let waits = past.runs.first().and_then(|newest| waits_for_sign_in(newest, &past.sign_ins));
        if past.sign_ins.nobody && waits == Some(true) {
            return None;
        }
        return Some(fire);
    };
    if let Some(at) = newest.not_before.as_deref().and_then(parse) {
        return (at <= now).then_some(fire);
    }
    if let Some(waits) = waits_for_sign_in(newest, &past.sign_ins) {
        return (!waits).then_some(fire);
    }
    match newest.state.as_str() {
        "deferred" => Some(fire),
        "failed" => {
            let failures = u32::try_from(since.iter().filter(|r| r.state == "failed").count()).unwrap_or(u32::MAX);
            if failures > rules.retries {
                return None;
            }
            let pause =
                rules.retry_after.saturating_mul(1u32.checked_shl(failures - 1).unwrap_or(u32::MAX)).min(LONGEST_PAUSE);
            let ended = newest.finished_at.as_deref().and_then(parse).or_else(|| parse(&newest.started_at))?;
            (ended + TimeDelta::from_std(pause).ok()? <= now).then_some(fire)
        }
        // Complete, partial, or under way: its lock tells whether it is alive.
        "running" => Some(fire),
        _ => None,
    }
}

/// Whether a run that ended for want of a sign-in still lacks it. `None`: it ended for another reason.
fn waits_for_sign_in(run: &RunRow, sign_ins: &SignIns) -> Option<bool> {
    let began = parse(&run.started_at)?;
    if run.exit_code != Some(NEEDS_A_PERSON) {
        return None;
    }
    match sign_ins.newest.is_some_and(|at| at > began) {
        true => Some(false),
        // With all grants in order it was the app's credentials, or Premium: worth another try.
        false => sign_ins.missing.then_some(true),
    }
}

/// The exit code of a run that a person has to help.
const NEEDS_A_PERSON: i64 = 77;

/// A fire that is this late was missed; a timer may look every few minutes.
const ON_TIME: TimeDelta = TimeDelta::minutes(10);

/// The job's own part of its jitter: the same every day.
fn jitter(job: &str, spread: Duration) -> TimeDelta {
    let millis = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
    let part = if millis == 0 { 0 } else { xxhash_rust::xxh3::xxh3_64(job.as_bytes()) % millis };
    TimeDelta::milliseconds(i64::try_from(part).unwrap_or(0))
}

fn written_at(job: &Job) -> Option<DateTime<Utc>> {
    std::fs::metadata(&job.path).and_then(|m| m.modified()).ok().map(DateTime::from)
}

fn parse(text: &str) -> Option<DateTime<Utc>> {
    text.parse().ok()
}
