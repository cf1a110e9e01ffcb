//! One run of a job, from its start to its record.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};

use super::accumulator::RunAccumulator;
use super::context::{SyncContext, timestamp};
use super::error::SyncError;
use super::exit_codes;
use super::job_files::{ExportedRun, JobExportReport, JobFiles, JobFilesError};
use super::report::{CauseScope, RunCause, RunReport};
use super::retention::delete_expired;
use crate::job::{Fetch, Job, JobUsers, SinceRule};
use crate::settings::{RefreshAges, RetentionSettings};
use crate::store::RunState;
use crate::store::query::QueryParameters;
use spotify_client::error::ApiError;
use spotify_client::state::grants::{GrantError, GrantStore};

/// How a run begins.
#[derive(Debug, Clone, Default)]
pub struct RunParameters {
    /// The fire that it serves; none if started by hand.
    pub fire_at: Option<DateTime<Utc>>,
    /// Start of the newest complete or partial run of the job.
    pub last_run_at: Option<DateTime<Utc>>,
    /// Market of jobs and fetches that name none.
    pub default_market: Option<String>,
    /// Age at which things are read again, by stream, as the settings have it.
    pub refresh_after: RefreshAges,
    /// How long things are kept.
    pub retention: RetentionSettings,
    /// The grants of the app's users, if a job needs any.
    pub grants: Option<Arc<GrantStore>>,
}

impl RunParameters {
    /// How old what a fetch reads by id may be. Streams that no setting gives an age are read at every fire.
    pub(super) fn refresh_age(&self, fetch: &Fetch) -> TimeDelta {
        let age = fetch.refresh_after.or_else(|| self.refresh_after.for_stream(fetch.stream.name)).unwrap_or_default();
        TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX)
    }

    /// The local names of the users of a job.
    pub(super) fn user_names(&self, job: &Job) -> Result<Vec<String>, SyncError> {
        Ok(match (&job.users, self.grants.as_deref()) {
            (JobUsers::None, _) => Vec::new(),
            (JobUsers::Named(names), _) => names.clone(),
            (JobUsers::All, Some(grants)) => {
                grants.list().map_err(ApiError::from)?.into_iter().map(|grant| grant.user).collect()
            }
            (JobUsers::All, None) => Vec::new(),
        })
    }
}

/// What the queries and `where` conditions of a run may name.
pub fn query_bindings(job: &Job, fire_at: DateTime<Utc>, last_run_at: Option<DateTime<Utc>>) -> QueryParameters {
    let last = last_run_at.unwrap_or(DateTime::UNIX_EPOCH);
    let since = match job.since {
        SinceRule::LastRun => last,
        SinceRule::Ago(span) => fire_at - TimeDelta::from_std(span).unwrap_or(TimeDelta::MAX),
        SinceRule::Date(day) => {
            let midnight = day.and_time(chrono::NaiveTime::MIN);
            job.timezone.from_local_datetime(&midnight).earliest().map_or_else(|| midnight.and_utc(), |at| at.to_utc())
        }
    };
    QueryParameters {
        since: Some(timestamp(since)),
        last_run_at: Some(timestamp(last)),
        fire_at: Some(timestamp(fire_at)),
        job: Some(job.name.clone()),
        user_id: None,
    }
}

/// Runs a job: its fetches in order, then its files. `engine.run` is the number of the run, which
/// was begun already; whatever stops it is recorded as its end.
///
/// # Errors
/// Only if that record cannot be written.
pub async fn run_job(
    engine: &SyncContext,
    job: &Job,
    start: &RunParameters,
    files: &JobFiles,
) -> Result<RunReport, SyncError> {
    let mut sum = RunAccumulator::default();
    let stopped = match fetch_and_export(engine, job, start, files, &mut sum).await {
        Ok(written) => return sum.finish(engine, job, start.fire_at, written).await,
        Err(halt) => halt,
    };
    sum.record_stop(job, &stopped);
    // A store that fails twice is told of by what failed first.
    sum.finish(engine, job, start.fire_at, JobExportReport::default()).await.map_err(|_| stopped)
}

/// What a run does between its begin and its end: the files that it wrote.
async fn fetch_and_export(
    engine: &SyncContext,
    job: &Job,
    start: &RunParameters,
    files: &JobFiles,
    sum: &mut RunAccumulator,
) -> Result<JobExportReport, SyncError> {
    let fire_at = start.fire_at.unwrap_or(engine.started_at);
    let bound = query_bindings(job, fire_at, start.last_run_at);
    let names = start.user_names(job)?;
    for name in &names {
        let due = match start.grants.as_deref().map(|grants| grants.take_due_warning(name, engine.now())) {
            // It is said of this user alone, where the account is asked for.
            None | Some(Err(GrantError::Unreadable { .. })) => None,
            Some(due) => due.map_err(ApiError::from)?,
        };
        if let Some(days) = due {
            let text = format!("{name} must sign in again within {days} days: cratedigger auth login {name}");
            engine.observer.note(&text);
            sum.warnings.push(text);
        }
    }
    sum.set_users(engine.identify_users(start.grants.as_ref(), &names).await?);
    for fetch in &job.fetches {
        sum.fetch(engine, job, start, fetch, &bound).await?;
    }
    delete_expired(engine, job, &start.retention).await?;
    let (state, _) = sum.final_state();
    let written = match write_files(engine, job, files, sum, state, &bound, fire_at).await? {
        Ok(written) => (written.failures(), written),
        Err(e) => (vec![(e.is_storage(), error_chain(&e))], JobExportReport::default()),
    };
    for (storage, message) in written.0 {
        sum.exits.push(if storage { exit_codes::STORAGE } else { exit_codes::USAGE });
        let whose = if storage { CauseScope::Storage } else { CauseScope::Run };
        sum.causes.push(RunCause { scope: whose, message: message.clone(), hint: None });
        sum.reasons.push(message);
    }
    if let Some(bytes) = engine.store.empty_wal().await? {
        let text = format!(
            "another program is reading the store: its -wal holds {} MiB, and is emptied by the first run after that",
            bytes >> 20
        );
        engine.observer.note(&text);
        sum.warnings.push(text);
    }
    Ok(written.1)
}

/// Writes the files by the store's own connection, whose cache has what was just written.
async fn write_files(
    engine: &SyncContext,
    job: &Job,
    files: &JobFiles,
    sum: &RunAccumulator,
    state: RunState,
    bound: &QueryParameters,
    fire_at: DateTime<Utc>,
) -> Result<Result<JobExportReport, JobFilesError>, SyncError> {
    let (job, files, bound, run) = (job.clone(), files.clone(), bound.clone(), engine.run_id);
    let (reasons, unfinished, lacks) =
        (sum.reasons.clone(), sum.unfinished.clone(), sum.exits.contains(&exit_codes::PARTIAL));
    let written = engine.store.with_connection(move |store| {
        let (reasons, unfinished) = (&reasons, &unfinished);
        let anew = &BTreeSet::new();
        let shown = ExportedRun {
            job: &job,
            run,
            state,
            is_incomplete: lacks,
            reasons,
            unfinished,
            bound: &bound,
            fire_at,
            force_render: anew,
        };
        files.write_with(store, &shown)
    });
    Ok(written.await?)
}

/// An error with its causes, in one line.
pub(super) fn error_chain(e: &dyn std::error::Error) -> String {
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
