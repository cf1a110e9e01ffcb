//! The past runs of jobs, as far as the rules look back.

use std::path::Path;

use chrono::{DateTime, Utc};
use rustc_hash::FxHashMap;

use crate::store::{self, RunRow, StoreError};

/// The exit code of a run that a person has to help.
pub(super) const PERSON: i64 = 77;

/// Runs looked at for each job; beyond it nothing can matter.
const RUNS_PER_JOB: u32 = 50;

/// The past runs of one job.
#[derive(Debug, Clone, Default)]
pub struct JobHistory {
    /// Its runs, newest first.
    pub runs: Vec<RunRow>,
    /// When its newest complete or partial run began.
    pub last_good: Option<DateTime<Utc>>,
    /// When its newest complete run began.
    pub last_complete: Option<DateTime<Utc>>,
    /// How the sign-ins of its users stand.
    pub sign_ins: SignInSummary,
}

/// How the sign-ins of a job's users stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SignInSummary {
    /// Somebody has to sign in, or to grant more, before the job can be whole.
    pub missing: bool,
    /// Until somebody has signed in, there is nothing at all that it could read.
    pub all_missing: bool,
    /// When the newest of the grants was given.
    pub newest: Option<DateTime<Utc>>,
}

/// The past runs of all jobs.
#[derive(Debug, Default)]
pub struct RunHistory {
    by_job: FxHashMap<String, JobHistory>,
}

impl RunHistory {
    /// Reads the past from a store; there is none where there is no store.
    ///
    /// # Errors
    /// If the store is there but cannot be read.
    pub fn read(database: &Path) -> Result<RunHistory, StoreError> {
        if !database.exists() {
            return Ok(RunHistory::default());
        }
        let mut past = RunHistory::default();
        for (job, newest) in store::newest_runs_by_job(database, RUNS_PER_JOB)? {
            let good = |at: Option<String>| at.as_deref().and_then(parse_time);
            let (last_good, last_complete) = (good(newest.last_usable_at), good(newest.last_complete_at));
            let of_job = JobHistory { runs: newest.runs, last_good, last_complete, sign_ins: SignInSummary::default() };
            past.by_job.insert(job, of_job);
        }
        Ok(past)
    }

    /// A past that is made up.
    pub fn from_jobs(jobs: impl IntoIterator<Item = (String, JobHistory)>) -> RunHistory {
        RunHistory { by_job: jobs.into_iter().collect() }
    }

    /// The past of one job.
    pub fn job_or_default(&self, job: &str) -> JobHistory {
        self.by_job.get(job).cloned().unwrap_or_default()
    }

    /// The same, looked at in place.
    pub fn job(&self, job: &str) -> Option<&JobHistory> {
        self.by_job.get(job)
    }
}

impl JobHistory {
    /// When its newest run that sent a call began.
    pub fn last_sent_at(&self) -> Option<DateTime<Utc>> {
        self.runs.iter().find(|run| run.calls > 0).and_then(|run| parse_time(&run.started_at))
    }

    /// Whether the newest run needed a person: then it matters who is signed in.
    pub fn needed_user_action(&self) -> bool {
        self.runs.first().is_some_and(|run| run.exit_code == Some(PERSON))
    }

    /// Whether a run of this fire ended complete or partial.
    pub(super) fn is_served(&self, fire: DateTime<Utc>) -> bool {
        self.runs.iter().any(|run| is_successful(run) && run.fire_at.as_deref().and_then(parse_time) == Some(fire))
    }
}

/// Whether a run serves its fire.
pub(super) fn is_successful(run: &RunRow) -> bool {
    matches!(run.state.as_str(), "complete" | "partial")
}

pub(super) fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    text.parse().ok()
}
