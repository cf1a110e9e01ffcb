//! The past runs of jobs, as far as the rules look back.

use std::path::Path;

use chrono::{DateTime, Utc};
use rustc_hash::FxHashMap;

use crate::store::{self, RunRow, StoreError};

/// Runs looked at for each job; beyond it nothing can matter.
const RUNS: u32 = 50;

/// The past runs of one job.
#[derive(Debug, Clone, Default)]
pub struct JobPast {
    /// Its runs, newest first.
    pub runs: Vec<RunRow>,
    /// When its newest complete or partial run began.
    pub last_good: Option<DateTime<Utc>>,
    /// When its newest complete run began.
    pub last_complete: Option<DateTime<Utc>>,
}

/// The past runs of all jobs.
#[derive(Debug, Default)]
pub struct Past {
    by_job: FxHashMap<String, JobPast>,
}

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
        for (job, newest) in store::newest_runs(database, RUNS)? {
            let good = |at: Option<String>| at.as_deref().and_then(parse);
            let of_job =
                JobPast { last_good: good(newest.good), last_complete: good(newest.complete), runs: newest.runs };
            past.by_job.insert(job, of_job);
        }
        Ok(past)
    }

    /// The past of one job.
    pub fn of(&self, job: &str) -> JobPast {
        self.by_job.get(job).cloned().unwrap_or_default()
    }

    /// The same, looked at in place.
    pub fn get(&self, job: &str) -> Option<&JobPast> {
        self.by_job.get(job)
    }
}

impl JobPast {
    /// Whether a run of this fire ended complete or partial.
    pub(super) fn served(&self, fire: DateTime<Utc>) -> bool {
        self.runs.iter().any(|run| is_good(run) && run.fire_at.as_deref().and_then(parse) == Some(fire))
    }
}

/// Whether a run serves its fire.
pub(super) fn is_good(run: &RunRow) -> bool {
    matches!(run.state.as_str(), "complete" | "partial")
}

pub(super) fn parse(text: &str) -> Option<DateTime<Utc>> {
    text.parse().ok()
}
