//! The past runs of jobs, as far as the scheduler needs them.

use std::path::Path;

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use rustc_hash::FxHashMap;

use crate::store::{self, JobRuns, RunRow, StoreError};
use crate::sync::exit_codes;

/// The number of runs read for each job; older runs do not matter.
const RUNS_PER_JOB: u32 = 50;

/// The past runs of one job.
#[derive(Debug, Clone, Default)]
pub struct JobHistory {
    /// The runs, newest first.
    pub runs: Vec<RunRow>,
    /// When the newest complete or partial run started.
    pub last_good: Option<DateTime<Utc>>,
    /// When the newest complete run started.
    pub last_complete: Option<DateTime<Utc>>,
    /// The sign-in status of the users.
    pub sign_ins: SignInSummary,
}

/// The sign-in status of the users of a job.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SignInSummary {
    /// Whether a user has to sign in, or to grant more scopes, before a run can be complete.
    pub missing: bool,
    /// Whether the job can read nothing before a user has signed in.
    pub all_missing: bool,
    /// When the newest grant was given.
    pub newest: Option<DateTime<Utc>>,
}

/// The past runs of all jobs.
#[derive(Debug, Default)]
pub struct RunHistory {
    by_job: FxHashMap<String, JobHistory>,
}

impl RunHistory {
    /// Reads the history from a store. Without a store it is empty.
    ///
    /// # Errors
    /// If the store exists but cannot be read.
    pub fn read(database: &Path) -> Result<RunHistory, StoreError> {
        // If that cannot be found out, opening the store says why.
        if database.try_exists().is_ok_and(|exists| !exists) {
            return Ok(RunHistory::default());
        }
        Ok(RunHistory::from_newest(store::newest_runs_by_job(database, RUNS_PER_JOB)?))
    }

    /// Reads the history from an open store.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn from_store(store: &Connection) -> rusqlite::Result<RunHistory> {
        Ok(RunHistory::from_newest(store::newest_runs(store, RUNS_PER_JOB)?))
    }

    fn from_newest(newest: Vec<(String, JobRuns)>) -> RunHistory {
        let good = |at: Option<String>| at.as_deref().and_then(parse_time);
        let of_job = |(job, newest): (String, JobRuns)| {
            let (last_good, last_complete) = (good(newest.last_usable_at), good(newest.last_complete_at));
            (job, JobHistory { runs: newest.runs, last_good, last_complete, sign_ins: SignInSummary::default() })
        };
        RunHistory::from_jobs(newest.into_iter().map(of_job))
    }

    /// A history with the given runs.
    pub fn from_jobs(jobs: impl IntoIterator<Item = (String, JobHistory)>) -> RunHistory {
        RunHistory { by_job: jobs.into_iter().collect() }
    }

    /// The history of one job, which is empty if it never ran.
    pub fn job_or_default(&self, job: &str) -> JobHistory {
        self.by_job.get(job).cloned().unwrap_or_default()
    }

    /// The newest run of each job.
    pub fn newest_runs_mut(&mut self) -> impl Iterator<Item = &mut RunRow> {
        self.by_job.values_mut().filter_map(|job| job.runs.first_mut())
    }

    /// The names of all jobs that ever ran.
    pub fn job_names(&self) -> impl Iterator<Item = &str> {
        self.by_job.keys().map(String::as_str)
    }

    /// The history of one job, if it ever ran.
    pub fn job(&self, job: &str) -> Option<&JobHistory> {
        self.by_job.get(job)
    }
}

impl JobHistory {
    /// When the newest run that sent a call started.
    pub fn last_sent_at(&self) -> Option<DateTime<Utc>> {
        self.runs.iter().find(|run| run.calls > 0).and_then(|run| parse_time(&run.started_at))
    }

    /// Start of the period for which the newest complete or partial run shows changes: the end of the run before it, so
    /// that changes which other jobs have read since are included. A single run shows its own.
    pub fn start_of_newest_changes(&self) -> Option<DateTime<Utc>> {
        let before = self.runs.iter().filter(|run| is_successful(run)).nth(1);
        before.and_then(|run| parse_time(run.finished_at.as_deref()?)).or(self.last_good)
    }

    /// Whether the newest run needed a user action, so that the sign-in status matters.
    pub fn needed_user_action(&self) -> bool {
        self.runs.first().is_some_and(|run| run.exit_code == Some(exit_codes::USER_ACTION.into()))
    }

    /// Whether a run for this fire ended complete or partial.
    pub(super) fn is_served(&self, fire: DateTime<Utc>) -> bool {
        self.runs.iter().any(|run| is_successful(run) && run.fire_at.as_deref().and_then(parse_time) == Some(fire))
    }
}

/// Whether a run ended complete or partial.
pub(super) fn is_successful(run: &RunRow) -> bool {
    matches!(run.state.as_str(), "complete" | "partial")
}

pub(super) fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    text.parse().ok()
}
