//! Decides whether the data of a job are older than its schedule promises.

use chrono::{DateTime, Utc};

use super::due::jitter;
use super::run_history::{JobHistory, parse_time};
use crate::job::Job;

/// Since when the data of a job are overdue, which means two fires without a complete run. `None` if they
/// are not overdue or the job has no schedule.
///
/// For a job without a complete run, counting starts at its first run. A job that never ran is not
/// overdue.
pub fn overdue(job: &Job, past: &JobHistory, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let schedule = job.schedule.as_ref()?;
    let until = now - jitter(&job.name, job.jitter);
    let from = past.last_complete.or_else(|| past.runs.iter().filter_map(|run| parse_time(&run.started_at)).min())?;
    // Few jobs are overdue, and the next fires are found more quickly than the last ones.
    schedule.next_after(schedule.next_after(from)?).filter(|second| *second <= until)?;
    let newest = schedule.last_at_or_before(until)?;
    schedule.last_at_or_before(newest - chrono::TimeDelta::seconds(1))
}
