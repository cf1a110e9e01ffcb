//! Decides which fire a job has to serve now.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::run_history::{JobHistory, SignInSummary, is_successful, parse_time};
use crate::job::{FirstRunPolicy, Job, MissedPolicy};
use crate::settings::ScheduleSettings as Rules;
use crate::store::RunRow;
use crate::sync::exit_codes;

/// The longest pause between two attempts of a failed run.
const MAX_RETRY_PAUSE: Duration = Duration::from_secs(6 * 3600);

/// A fire that is later than this was missed. It is long enough for a timer that runs every 15 minutes and
/// has other jobs to run first.
const ON_TIME: TimeDelta = TimeDelta::minutes(30);

/// A run that started later than this in the future was started with a wrong clock. It serves only its own
/// fire.
const CLOCK_TOLERANCE: TimeDelta = TimeDelta::minutes(5);

/// A job without a finished first run counts as new for this time, which is a day of calls. A job with a
/// first run of many days is treated like any other job after that.
pub(super) const NEW_JOB_PERIOD: TimeDelta = TimeDelta::hours(24);

/// A fire that no run has served yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueFire {
    /// The nominal start time.
    pub fire: DateTime<Utc>,
    /// The newest run of the job at that time.
    pub after: Option<i64>,
    /// The job is new: no run of it ever ended complete or partial, and its first began less than
    /// [`NEW_JOB_PERIOD`] ago. No budget has been planned for it yet.
    pub is_new: bool,
}

/// When a job starts next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStart {
    /// It has a fire to serve now.
    Due(DueFire),
    /// Not before this time: the next fire, the end of a deferral, or the next attempt.
    At(DateTime<Utc>),
    /// Not by itself.
    Never,
}

impl NextStart {
    /// The fire to serve now.
    pub fn due(self) -> Option<DueFire> {
        match self {
            NextStart::Due(due) => Some(due),
            NextStart::At(_) | NextStart::Never => None,
        }
    }
}

/// The current time, and since when due jobs have been watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduleTime {
    /// The wall clock.
    pub at: DateTime<Utc>,
    /// Since when this process has been watching. A fire that came while it was busy with other jobs was not
    /// missed.
    pub watching_since: DateTime<Utc>,
}

impl From<DateTime<Utc>> for ScheduleTime {
    /// A process that has just started.
    fn from(at: DateTime<Utc>) -> ScheduleTime {
        ScheduleTime { at, watching_since: at }
    }
}

/// Returns the fire that `job` has to serve now, or when there may be one.
pub fn next_start(job: &Job, past: &JobHistory, rules: &Rules, now: impl Into<ScheduleTime>) -> NextStart {
    let now = now.into();
    let Some(schedule) = job.schedule.as_ref() else { return NextStart::Never };
    let jitter = jitter(&job.name, job.jitter);
    let at = match pending_fire(job, past, rules, now) {
        PendingFire::Now(due) => return NextStart::Due(due),
        PendingFire::At(at) => Some(at),
        PendingFire::Nothing => None,
    };
    let fire = schedule.next_after(now.at - jitter).map(|fire| fire + jitter);
    // A new fire is due no matter what the previous one waits for, but not before the end of a deferral.
    let newest = past.runs.first().filter(|run| !is_successful(run));
    let not_before = newest.and_then(|run| run.not_before.as_deref()).and_then(parse_time);
    match at.into_iter().chain(fire).filter(|at| *at > now.at).min() {
        Some(at) => NextStart::At(not_before.map_or(at, |until| at.max(until))),
        None => NextStart::Never,
    }
}

/// What to do about the newest fire.
enum PendingFire {
    Now(DueFire),
    At(DateTime<Utc>),
    /// Nothing until the next fire.
    Nothing,
}

fn pending_fire(job: &Job, past: &JobHistory, rules: &Rules, now: ScheduleTime) -> PendingFire {
    let Some(schedule) = job.schedule.as_ref() else { return PendingFire::Nothing };
    let ScheduleTime { at: now, watching_since: awake_since } = now;
    let (first, after) = (is_new(past, now), past.runs.first().map(|run| run.id));
    let jitter = jitter(&job.name, job.jitter);
    let newest_fire = schedule.last_at_or_before(now - jitter);
    let runs: Vec<&RunRow> =
        past.runs.iter().filter(|r| parse_time(&r.started_at).is_some_and(|at| at <= now + CLOCK_TOLERANCE)).collect();
    let Some(newest) = runs.first() else {
        let fire = match job.first_run {
            // With `first_run = "schedule"`, the first fire after the file was written.
            _ if !past.runs.is_empty() => newest_fire,
            FirstRunPolicy::Schedule => newest_fire.filter(|fire| written_at(job).is_none_or(|at| at < *fire)),
            FirstRunPolicy::Now => Some(now),
        };
        let fire = fire.filter(|fire| !past.is_served(*fire));
        return fire.map_or(PendingFire::Nothing, |fire| PendingFire::Now(DueFire { fire, after, is_new: first }));
    };
    // A first run without a fire of the schedule keeps its own fire time.
    let begun = newest.fire_at.as_deref().and_then(parse_time).filter(|_| !is_successful(newest));
    let Some(fire) = newest_fire.max(begun) else { return PendingFire::Nothing };
    if past.is_served(fire) || is_covered(&runs, fire) {
        return PendingFire::Nothing;
    }
    match waits_for_user_action(newest, &past.sign_ins, fire) {
        Some(until) if until.is_none_or(|until| until > now) => {
            return until.map_or(PendingFire::Nothing, PendingFire::At);
        }
        _ => {}
    }
    let found = PendingFire::Now(DueFire { fire, after, is_new: first });
    let at = |at: Option<DateTime<Utc>>| match at {
        Some(at) if at > now => PendingFire::At(at),
        Some(_) => PendingFire::Now(DueFire { fire, after, is_new: first }),
        None => PendingFire::Nothing,
    };
    let not_before = newest.not_before.as_deref().and_then(parse_time);
    let since: Vec<&RunRow> = runs.iter().copied().take_while(|r| is_attempt_at(r, fire)).collect();
    if since.is_empty() {
        // Waiting for a deferral or for other jobs of this process does not count as missing the fire.
        let could = (fire + jitter).max(not_before.unwrap_or(fire + jitter));
        let late = now.min(awake_since.max(could)) - could;
        return if is_missed(job, late) { PendingFire::Nothing } else { at(Some(not_before.unwrap_or(now))) };
    }
    if not_before.is_some() {
        return at(not_before);
    }
    match newest.state.as_str() {
        "failed" if newest.exit_code == Some(exit_codes::USER_ACTION.into()) => found,
        "failed" => at(retry_at(&since, rules)),
        // Its lock shows whether the run is alive. A run that is killed every time is not tried forever.
        "running" if count_failures(&since) <= rules.retries => found,
        "deferred" => found,
        _ => PendingFire::Nothing,
    }
}

/// Whether a job is new.
fn is_new(past: &JobHistory, now: DateTime<Utc>) -> bool {
    let began = past.runs.last().and_then(|run| parse_time(&run.started_at));
    past.last_good.is_none() && began.is_none_or(|began| now - began < NEW_JOB_PERIOD)
}

/// Whether a run was an attempt at this fire or at a later one.
fn is_attempt_at(run: &RunRow, fire: DateTime<Utc>) -> bool {
    let own = run.fire_at.as_deref().and_then(parse_time);
    parse_time(&run.started_at).is_some_and(|at| at >= fire) || own == Some(fire)
}

/// Whether a successful run started after the fire or was in progress at that time. The fire is skipped
/// then (`overlap = "skip"`).
fn is_covered(runs: &[&RunRow], fire: DateTime<Utc>) -> bool {
    runs.iter().filter(|run| is_successful(run)).any(|run| finished_at(run).is_some_and(|ended| ended >= fire))
}

fn finished_at(run: &RunRow) -> Option<DateTime<Utc>> {
    run.finished_at.as_deref().and_then(parse_time).or_else(|| parse_time(&run.started_at))
}

/// Whether a fire is too late to serve. A job's `grace` takes precedence.
fn is_missed(job: &Job, late: TimeDelta) -> bool {
    let grace = job.grace.and_then(|grace| TimeDelta::from_std(grace).ok());
    grace.or((job.missed == MissedPolicy::Skip).then_some(ON_TIME)).is_some_and(|grace| late > grace)
}

/// Until when a fire waits because the newest run needs a user action. `Some(None)` means until a user has
/// signed in.
///
/// After a lost sign-in the fire is due again when a user has signed in; a later fire is due only if there
/// is anything else to read, since a new fire is no reason to report the same problem again. If all grants
/// are valid, the cause was the app's credentials, Premium or the allow-list. That cannot be checked here,
/// so the job is tried again a few times a day.
fn waits_for_user_action(
    newest: &RunRow,
    sign_ins: &SignInSummary,
    fire: DateTime<Utc>,
) -> Option<Option<DateTime<Utc>>> {
    if newest.state != "failed" || newest.exit_code != Some(exit_codes::USER_ACTION.into()) {
        return None;
    }
    let began = parse_time(&newest.started_at);
    if sign_ins.newest.zip(began).is_some_and(|(given, began)| given > began) {
        return None;
    }
    if sign_ins.missing {
        return (sign_ins.all_missing || is_attempt_at(newest, fire)).then_some(None);
    }
    let pause = TimeDelta::from_std(MAX_RETRY_PAUSE).unwrap_or(TimeDelta::MAX);
    finished_at(newest).filter(|_| is_attempt_at(newest, fire)).map(|ended| Some(ended + pause))
}

/// When a fire may be tried again after these attempts. `None` means never.
fn retry_at<R: std::ops::Deref<Target = RunRow>>(since: &[R], rules: &Rules) -> Option<DateTime<Utc>> {
    let newest = since.first()?;
    let failures = count_failures(since);
    if failures > rules.retries {
        return None;
    }
    let factor = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    let pause = rules.retry_after.saturating_mul(factor).min(MAX_RETRY_PAUSE);
    Some(finished_at(newest)? + TimeDelta::from_std(pause).ok()?)
}

fn count_failures<R: std::ops::Deref<Target = RunRow>>(since: &[R]) -> u32 {
    u32::try_from(since.iter().filter(|r| r.state == "failed").count()).unwrap_or(u32::MAX)
}

/// The start times of a job after an instant: its fires, delayed by its own part of the jitter.
pub fn starts_after(job: &Job, after: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
    let jitter = jitter(&job.name, job.jitter);
    let schedule = job.schedule.as_ref();
    let next = move |after: DateTime<Utc>| schedule?.next_after(after);
    std::iter::successors(next(after - jitter), move |fire| next(*fire)).map(move |fire| fire + jitter)
}

/// The job's own part of the jitter, which is the same every day.
pub(super) fn jitter(job: &str, spread: Duration) -> TimeDelta {
    let millis = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
    let part = if millis == 0 { 0 } else { xxhash_rust::xxh3::xxh3_64(job.as_bytes()) % millis };
    TimeDelta::milliseconds(i64::try_from(part).unwrap_or(0))
}

fn written_at(job: &Job) -> Option<DateTime<Utc>> {
    std::fs::metadata(&job.path).and_then(|m| m.modified()).ok().map(DateTime::from)
}
