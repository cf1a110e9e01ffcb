//! Which fire a job has to serve now.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::past::{JobPast, PERSON, SignIns, is_good, parse};
use crate::job::{FirstRun, Job, Missed};
use crate::settings::Schedule as Rules;
use crate::store::RunRow;

/// The longest wait between two tries of a failed run.
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3600);

/// A fire that is this late was missed. Long enough for a timer that looks every quarter of an
/// hour and has other jobs to run first.
const ON_TIME: TimeDelta = TimeDelta::minutes(30);

/// A run that began later than this from now was begun by a clock that was wrong. It says nothing
/// about fires but its own.
const WRONG_CLOCK: TimeDelta = TimeDelta::minutes(5);

/// A job whose first run is not over is new for so long: as long as a day of calls. A sweep that takes
/// many days for its first run gets what is left from then on, like any other.
pub(super) const NEW: TimeDelta = TimeDelta::hours(24);

/// A fire that nobody served yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The nominal time.
    pub fire: DateTime<Utc>,
    /// The newest run of the job that was known.
    pub after: Option<i64>,
    /// The job is new: no run of it ever ended complete or partial, and its first began less than
    /// [`NEW`] ago. What it needs nobody has planned for.
    pub first: bool,
}

/// The fire that `job` has to serve now, if there is one.
pub fn due(job: &Job, past: &JobPast, rules: &Rules, now: DateTime<Utc>) -> Option<Due> {
    let schedule = job.schedule.as_ref()?;
    let (first, after) = (is_new(past, now), past.runs.first().map(|run| run.id));
    let jitter = jitter(&job.name, job.jitter);
    let newest_fire = schedule.newest_at_or_before(now - jitter);
    let runs: Vec<&RunRow> =
        past.runs.iter().filter(|r| parse(&r.started_at).is_some_and(|at| at <= now + WRONG_CLOCK)).collect();
    let Some(newest) = runs.first() else {
        let fire = match job.first_run {
            // To begin at its next fire: the first that has come since the file was written.
            _ if !past.runs.is_empty() => newest_fire,
            FirstRun::Schedule => newest_fire.filter(|fire| written_at(job).is_none_or(|at| at < *fire)),
            FirstRun::Now => Some(now),
        };
        return fire.filter(|fire| !past.served(*fire)).map(|fire| Due { fire, after, first });
    };
    // A first run that the schedule did not ask for goes on as what it was.
    let begun = newest.fire_at.as_deref().and_then(parse).filter(|_| !is_good(newest));
    let fire = newest_fire.max(begun)?;
    if past.served(fire) || covered(&runs, fire) {
        return None;
    }
    if waits_for_a_person(newest, &past.sign_ins, fire, now) {
        return None;
    }
    let found = Due { fire, after, first };
    let since: Vec<&RunRow> = runs.iter().copied().take_while(|r| tried(r, fire)).collect();
    if since.is_empty() {
        let deferred = newest.not_before.as_deref().and_then(parse);
        if deferred.is_some_and(|at| at > now) {
            return None;
        }
        return (!is_missed(job, now - (fire + jitter))).then_some(found);
    }
    if let Some(at) = newest.not_before.as_deref().and_then(parse) {
        return (at <= now).then_some(found);
    }
    match newest.state.as_str() {
        "failed" if newest.exit_code == Some(PERSON) => Some(found),
        "failed" => (retry_at(&since, rules)? <= now).then_some(found),
        // Under way: its lock tells whether it is alive. What is killed at every try is not tried for ever.
        "running" => (failures(&since) <= rules.retries).then_some(found),
        "deferred" => Some(found),
        _ => None,
    }
}

/// When something about a job that is not due now can change by itself: its next fire, the end of
/// a deferral, the next try.
pub fn look_again(job: &Job, past: &JobPast, rules: &Rules, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let schedule = job.schedule.as_ref()?;
    let jitter = jitter(&job.name, job.jitter);
    let next = schedule.next_after(now - jitter).map(|fire| fire + jitter);
    let newest = past.runs.first();
    let deferred = newest.and_then(|r| r.not_before.as_deref()).and_then(parse);
    let retry = newest.filter(|r| r.state == "failed").and_then(|r| {
        let fire = r.fire_at.as_deref().and_then(parse)?;
        retry_at(&past.runs.iter().take_while(|r| tried(r, fire)).collect::<Vec<_>>(), rules)
    });
    [next, deferred, retry].into_iter().flatten().filter(|at| *at > now).min()
}

/// Whether a job has only just come.
fn is_new(past: &JobPast, now: DateTime<Utc>) -> bool {
    let began = past.runs.last().and_then(|run| parse(&run.started_at));
    past.last_good.is_none() && began.is_none_or(|began| now - began < NEW)
}

/// Whether a run was a try at this fire, or at a later one.
fn tried(run: &RunRow, fire: DateTime<Utc>) -> bool {
    let own = run.fire_at.as_deref().and_then(parse);
    parse(&run.started_at).is_some_and(|at| at >= fire) || own == Some(fire)
}

/// Whether a run that got what it wanted began after the fire, or was under way when it came: the
/// fire is left out then (`overlap = "skip"`).
fn covered(runs: &[&RunRow], fire: DateTime<Utc>) -> bool {
    runs.iter().filter(|run| is_good(run)).any(|run| ended(run).is_some_and(|ended| ended >= fire))
}

fn ended(run: &RunRow) -> Option<DateTime<Utc>> {
    run.finished_at.as_deref().and_then(parse).or_else(|| parse(&run.started_at))
}

fn is_missed(job: &Job, late: TimeDelta) -> bool {
    let grace = job.grace.and_then(|grace| TimeDelta::from_std(grace).ok());
    grace.is_some_and(|grace| late > grace) || (job.missed == Missed::Skip && late > ON_TIME)
}

/// Whether the newest run needed a person who has not come yet.
///
/// A lost sign-in is waited for: the fire is due again when somebody has signed in, and the next
/// fire only if there is anything left to read; a new fire is no reason to say the same once more.
/// With all grants in order it was the app's credentials, Premium or the allow-list, which cannot be
/// seen from here: it is tried again a few times a day.
fn waits_for_a_person(newest: &RunRow, sign_ins: &SignIns, fire: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    if newest.state != "failed" || newest.exit_code != Some(PERSON) {
        return false;
    }
    let began = parse(&newest.started_at);
    if sign_ins.newest.zip(began).is_some_and(|(given, began)| given > began) {
        return false;
    }
    if sign_ins.missing {
        return sign_ins.nobody || tried(newest, fire);
    }
    let pause = TimeDelta::from_std(LONGEST_PAUSE).unwrap_or(TimeDelta::MAX);
    tried(newest, fire) && ended(newest).is_some_and(|ended| ended + pause > now)
}

/// When a fire that failed so often may be tried again; none: never.
fn retry_at<R: std::ops::Deref<Target = RunRow>>(since: &[R], rules: &Rules) -> Option<DateTime<Utc>> {
    let newest = since.first()?;
    let failures = failures(since);
    if failures > rules.retries {
        return None;
    }
    let factor = 1u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    let pause = rules.retry_after.saturating_mul(factor).min(LONGEST_PAUSE);
    Some(ended(newest)? + TimeDelta::from_std(pause).ok()?)
}

fn failures<R: std::ops::Deref<Target = RunRow>>(since: &[R]) -> u32 {
    u32::try_from(since.iter().filter(|r| r.state == "failed").count()).unwrap_or(u32::MAX)
}

/// The job's own part of its jitter: the same every day.
pub(super) fn jitter(job: &str, spread: Duration) -> TimeDelta {
    let millis = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
    let part = if millis == 0 { 0 } else { xxhash_rust::xxh3::xxh3_64(job.as_bytes()) % millis };
    TimeDelta::milliseconds(i64::try_from(part).unwrap_or(0))
}

fn written_at(job: &Job) -> Option<DateTime<Utc>> {
    std::fs::metadata(&job.path).and_then(|m| m.modified()).ok().map(DateTime::from)
}
