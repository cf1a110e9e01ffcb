//! The order of jobs: one planner for `run`, `run --due`, `schedule` and `plan`.
//!
//! Jobs that fit into today's budget run first, by priority. The other jobs then take the rest, by
//! priority and then by the longest wait, so that jobs larger than a day take turns. The calls that runs in
//! progress will still send are reserved for them.

use std::borrow::Borrow;
use std::cmp::Reverse;

use chrono::{DateTime, Utc};

use super::app::App;
use super::budget::RemainingBudget;
use super::pricing::{calls_spent, price_job, remaining_budget};
use super::{CommandError, ExitStatus};
use crate::job::Job;
use crate::scheduler::{DueFire, JobHistory, RunHistory};
use crate::sync::{JobEstimate, ProbeBudget};

/// A job with its place in the order.
pub(super) struct PlannedJob<J> {
    pub job: J,
    /// The fire that the run serves, if any.
    pub due: Option<DueFire>,
    pub price: PlannedPrice,
    /// Whether the run can finish today.
    pub fits: bool,
}

/// The price of a planned job.
#[derive(Debug, Clone, Default)]
pub(super) enum PlannedPrice {
    /// It was not needed so far.
    #[default]
    NotAsked,
    /// The job cannot be priced; its run reports the reason.
    Unknown,
    Known(Box<JobEstimate>),
}

impl PlannedPrice {
    pub(super) fn known(&self) -> Option<&JobEstimate> {
        match self {
            PlannedPrice::Known(price) => Some(price),
            PlannedPrice::NotAsked | PlannedPrice::Unknown => None,
        }
    }
}

impl From<Option<JobEstimate>> for PlannedPrice {
    fn from(price: Option<JobEstimate>) -> PlannedPrice {
        price.map_or(PlannedPrice::Unknown, |price| PlannedPrice::Known(Box::new(price)))
    }
}

/// The options of the command line that affect all jobs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RunOverrides {
    pub full: bool,
    pub max_calls: Option<u64>,
}

/// A run in progress that has not sent all of its calls yet.
pub(super) struct RunInProgress {
    pub job: Job,
    /// The price for which calls are reserved.
    pub price: Option<JobEstimate>,
    /// The calls of the job in the ledger when the run started.
    pub spent_before: u32,
}

/// A job that waits for its place in the order.
pub(super) struct QueuedJob<'a> {
    pub job: &'a Job,
    pub is_new: bool,
    /// When the newest run that sent a call started.
    pub last_run_at: Option<DateTime<Utc>>,
    pub price: Option<&'a JobEstimate>,
    /// What this job alone may spend.
    pub left: RemainingBudget,
}

/// The place of a job in the order.
pub(super) struct QueueSlot {
    /// The index of the job in the input.
    pub index: usize,
    /// Whether the run can finish today, after the jobs before it.
    pub fits: bool,
    /// What the jobs before it leave.
    pub left: RemainingBudget,
}

/// Orders jobs.
pub(super) fn order_jobs(queue: &[QueuedJob<'_>], left: &RemainingBudget) -> Vec<QueueSlot> {
    let mut by_priority: Vec<usize> = (0..queue.len()).collect();
    by_priority.sort_by(|a, b| {
        let (a, b) = (&queue[*a], &queue[*b]);
        // Established jobs run before new jobs.
        b.job.priority.cmp(&a.job.priority).then(a.is_new.cmp(&b.is_new)).then_with(|| a.job.name.cmp(&b.job.name))
    });
    // A job without a price counts as free; its run fails soon anyway.
    let total = |index: usize| queue[index].price.map(JobEstimate::total).unwrap_or_default();
    let (mut left, mut slots, mut later) = (left.clone(), Vec::new(), Vec::new());
    for index in by_priority {
        let own = queue[index].left.tighter_of(&left);
        if own.fits(&total(index)) {
            left.spend(&total(index));
            slots.push(QueueSlot { index, fits: true, left: own });
        } else {
            later.push(index);
        }
    }
    later.sort_by_key(|index| {
        let queued = &queue[*index];
        (Reverse(queued.job.priority), queued.is_new, queued.last_run_at)
    });
    for index in later {
        let own = queue[index].left.tighter_of(&left);
        // Only the part of the price that can be spent today counts.
        let today = own.clone().spend(&total(index));
        left.reserve(&total(index), total(index).calls().expected_calls().saturating_sub(today));
        slots.push(QueueSlot { index, fits: false, left: own });
    }
    slots
}

/// Prices jobs and orders them, next to the runs in progress.
pub(super) async fn plan_jobs<J: Borrow<Job>>(
    app: &App<'_>,
    jobs: Vec<(J, Option<DueFire>)>,
    overrides: RunOverrides,
    history: &RunHistory,
    in_progress: &[RunInProgress],
) -> Result<Vec<PlannedJob<J>>, CommandError> {
    let mut left = remaining_budget(app, None)?;
    for run in in_progress {
        let spent = calls_spent(app, &run.job)?.all.saturating_sub(run.spent_before);
        left.reserve(&run.price.as_ref().map(JobEstimate::total).unwrap_or_default(), spent.into());
    }
    let (mut planned, mut is_store_free) = (Vec::with_capacity(jobs.len()), true);
    for (job, due) in jobs {
        let mut price = None;
        // If another program blocks the store, wait for it once and not for each job.
        if is_store_free {
            let past = history.job_or_default(&job.borrow().name);
            let found = price_job(app, job.borrow(), &past, overrides.full, &ProbeBudget::at_most(0)).await;
            is_store_free = !found.as_ref().is_err_and(|error| error.exit() == ExitStatus::Storage);
            price = found.ok();
        }
        planned.push(PlannedJob { job, due, price: price.into(), fits: false });
    }
    let mut queue = Vec::with_capacity(planned.len());
    for PlannedJob { job, due, price, .. } in &planned {
        queue.push(queued_job(app, job.borrow(), *due, overrides.max_calls, price.known(), history)?);
    }
    let slots = order_jobs(&queue, &left);
    let mut planned: Vec<Option<PlannedJob<J>>> = planned.into_iter().map(Some).collect();
    let take = |slot: QueueSlot| Some(PlannedJob { fits: slot.fits, ..planned[slot.index].take()? });
    Ok(slots.into_iter().filter_map(take).collect())
}

/// What the order of a job depends on.
pub(super) fn queued_job<'j>(
    app: &App<'_>,
    job: &'j Job,
    due: Option<DueFire>,
    max_calls: Option<u64>,
    price: Option<&'j JobEstimate>,
    history: &RunHistory,
) -> Result<QueuedJob<'j>, CommandError> {
    let left = remaining_budget(app, due)?.for_job(job, max_calls, &calls_spent(app, job)?);
    let last_run_at = history.job(&job.name).and_then(JobHistory::last_sent_at);
    Ok(QueuedJob { job, is_new: due.is_some_and(|due| due.is_new), last_run_at, price, left })
}
