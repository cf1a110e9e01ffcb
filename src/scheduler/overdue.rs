//! Whether the data of a job are older than its schedule promises.

use chrono::{DateTime, Utc};

use super::due::jitter;
use super::run_history::{JobHistory, parse_time};
use crate::job::Job;

/// Since when the data of a job are overdue: two of its fires came, and no complete run since. None
/// if they are not, or if the job has no schedule.
///
/// Of a job that never had a complete run, the first run that was tried is where counting begins:
/// a job that nobody ever started is not watched yet.
pub fn overdue(job: &Job, past: &JobHistory, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let schedule = job.schedule.as_ref()?;
    let newest = schedule.last_at_or_before(now - jitter(&job.name, job.jitter))?;
    let before = schedule.last_at_or_before(newest - chrono::TimeDelta::seconds(1))?;
    let from = past.last_complete.or_else(|| past.runs.iter().filter_map(|run| parse_time(&run.started_at)).min())?;
    (from < before).then_some(before)
}
