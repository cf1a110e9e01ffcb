//! One run of a job, from its start to its record.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};

use super::engine::{Engine, stamp};
use super::exit;
use super::files::{Files, FilesError, Shown, Written};
use super::halt::Halt;
use super::report::{Cause, RunReport, Whose};
use super::retention::forget;
use super::sum::Sum;
use crate::job::{Fetch, Job, Since, Users};
use crate::settings::{RefreshAfter, Retention};
use crate::store::RunState;
use crate::store::query::Bound;
use spotify_client::error::ApiError;
use spotify_client::state::grants::{GrantError, Grants};

/// How a run begins.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// The fire that it serves; none if started by hand.
    pub fire_at: Option<DateTime<Utc>>,
    /// Start of the newest complete or partial run of the job.
    pub last_run_at: Option<DateTime<Utc>>,
    /// Market of jobs and fetches that name none.
    pub default_market: Option<String>,
    /// Age at which things are read again, by stream, as the settings have it.
    pub refresh_after: RefreshAfter,
    /// How long things are kept.
    pub retention: Retention,
    /// The grants of the app's users, if a job needs any.
    pub grants: Option<Arc<Grants>>,
}

impl Start {
    /// How old what a fetch reads by id may be. Streams that no setting gives an age are read at every fire.
    pub(super) fn age(&self, fetch: &Fetch) -> TimeDelta {
        let age = fetch.refresh_after.or_else(|| self.refresh_after.of(fetch.stream.name)).unwrap_or_default();
        TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX)
    }

    /// The local names of the users of a job.
    pub(super) fn names(&self, job: &Job) -> Result<Vec<String>, Halt> {
        Ok(match (&job.users, self.grants.as_deref()) {
            (Users::None, _) => Vec::new(),
            (Users::Named(names), _) => names.clone(),
            (Users::All, Some(grants)) => {
                grants.list().map_err(ApiError::from)?.into_iter().map(|grant| grant.user).collect()
            }
            (Users::All, None) => Vec::new(),
        })
    }
}

/// What the queries and `where` conditions of a run may name.
pub fn bound(job: &Job, fire_at: DateTime<Utc>, last_run_at: Option<DateTime<Utc>>) -> Bound {
    let last = last_run_at.unwrap_or(DateTime::UNIX_EPOCH);
    let since = match job.since {
        Since::LastRun => last,
        Since::Ago(span) => fire_at - TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX),
        Since::Date(day) => {
            let midnight = day.and_time(chrono::NaiveTime::MIN);
            job.timezone.from_local_datetime(&midnight).earliest().map_or_else(|| midnight.and_utc(), |at| at.to_utc())
        }
    };
    Bound {
        since: Some(stamp(since)),
        last_run_at: Some(stamp(last)),
        fire_at: Some(stamp(fire_at)),
        job: Some(job.name.clone()),
        user_id: None,
    }
}

/// Runs a job: its fetches in order, then its files. `engine.run` is the number of the run, which
/// was begun already; whatever stops it is recorded as its end.
///
/// # Errors
/// Only if that record cannot be written.
pub async fn run_job(engine: &Engine, job: &Job, start: &Start, files: &Files) -> Result<RunReport, Halt> {
    let mut sum = Sum::default();
    let stopped = match fetch_and_write(engine, job, start, files, &mut sum).await {
        Ok(written) => return sum.close(engine, job, start.fire_at, written).await,
        Err(halt) => halt,
    };
    sum.stopped(job, &stopped);
    // A store that fails twice is told of by what failed first.
    sum.close(engine, job, start.fire_at, Written::default()).await.map_err(|_| stopped)
}

/// What a run does between its begin and its end: the files that it wrote.
async fn fetch_and_write(
    engine: &Engine,
    job: &Job,
    start: &Start,
    files: &Files,
    sum: &mut Sum,
) -> Result<Written, Halt> {
    let fire_at = start.fire_at.unwrap_or(engine.started_at);
    let bound = bound(job, fire_at, start.last_run_at);
    let names = start.names(job)?;
    for name in &names {
        let due = match start.grants.as_deref().map(|grants| grants.warn_once(name, engine.now())) {
            // It is said of this user alone, where the account is asked for.
            None | Some(Err(GrantError::Unreadable { .. })) => None,
            Some(due) => due.map_err(ApiError::from)?,
        };
        if let Some(days) = due {
            let text = format!("{name} must sign in again within {days} days: cratedigger auth login {name}");
            engine.progress.note(&text);
            sum.warnings.push(text);
        }
    }
    sum.begin(engine.users(start.grants.as_ref(), &names).await?);
    for fetch in &job.fetches {
        sum.fetch(engine, job, start, fetch, &bound).await?;
    }
    forget(engine, job, &start.retention).await?;
    let (state, _) = sum.verdict();
    let written = match write_files(engine, job, files, sum, state, &bound, fire_at).await? {
        Ok(written) => (written.failures(), written),
        Err(e) => (vec![(e.is_storage(), chain(&e))], Written::default()),
    };
    for (storage, message) in written.0 {
        sum.exits.push(if storage { exit::STORAGE } else { exit::USAGE });
        let whose = if storage { Whose::Storage } else { Whose::Run };
        sum.causes.push(Cause { whose, words: message.clone(), hint: None });
        sum.reasons.push(message);
    }
    if let Some(bytes) = engine.store.empty_wal().await? {
        let text = format!(
            "another program is reading the store: its -wal holds {} MiB, and is emptied by the first run after that",
            bytes >> 20
        );
        engine.progress.note(&text);
        sum.warnings.push(text);
    }
    Ok(written.1)
}

/// Writes the files by the store's own connection, whose cache has what was just written.
async fn write_files(
    engine: &Engine,
    job: &Job,
    files: &Files,
    sum: &Sum,
    state: RunState,
    bound: &Bound,
    fire_at: DateTime<Utc>,
) -> Result<Result<Written, FilesError>, Halt> {
    let (job, files, bound, run) = (job.clone(), files.clone(), bound.clone(), engine.run);
    let (reasons, unfinished, lacks) =
        (sum.reasons.clone(), sum.unfinished.clone(), sum.exits.contains(&exit::PARTIAL));
    let written = engine.store.lend(move |store| {
        let (reasons, unfinished) = (&reasons, &unfinished);
        let anew = &BTreeSet::new();
        let shown = Shown { job: &job, run, state, lacks, reasons, unfinished, bound: &bound, fire_at, anew };
        files.write_by(store, &shown)
    });
    Ok(written.await?)
}

/// An error with its causes, in one line.
pub(super) fn chain(e: &dyn std::error::Error) -> String {
    let mut out = e.to_string();
    let mut cause = e.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        cause = inner.source();
    }
    out
}
