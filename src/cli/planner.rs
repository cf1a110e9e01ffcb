//! Which job runs next: one planner for `run`, `run --due`, `schedule` and what `plan` shows.
//!
//! Jobs that fit into what is left of the day go first, by priority; those that do not take what these
//! leave, by priority too, and among equals the one that has waited longest: sweeps that are larger than
//! a day take turns. What is left is what the books say less what runs under way have still to spend.

use std::borrow::Borrow;
use std::cmp::Reverse;

use chrono::{DateTime, Utc};

use super::budget::RemainingBudget;
use super::pricing::Desk;
use super::{CommandError, ExitStatus};
use crate::job::Job;
use crate::scheduler::{DueFire, JobHistory, RunHistory};
use crate::sync::{JobEstimate, ProbeBudget};

/// A job in its place, with its price if that could be worked out.
pub(super) struct PlannedJob<J> {
    pub job: J,
    /// The fire that the run serves, if it serves one.
    pub due: Option<DueFire>,
    pub price: Option<JobEstimate>,
    /// All of it can be done today.
    pub fits: bool,
}

/// What was said on the command line for all jobs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RunOverrides {
    pub full: bool,
    pub max_calls: Option<u64>,
}

/// A run under way, which has not spent all of its calls yet.
pub(super) struct RunInProgress {
    pub job: Job,
    /// What is set aside for it, less what it has spent.
    pub price: Option<JobEstimate>,
    /// Calls of the job in the books when it began.
    pub spent_before: u32,
}

/// A job that waits for its place.
pub(super) struct QueuedJob<'a> {
    pub job: &'a Job,
    /// It is new.
    pub is_new: bool,
    /// When its newest run that sent anything began.
    pub last_run_at: Option<DateTime<Utc>>,
    pub price: Option<&'a JobEstimate>,
    /// What is left to it alone.
    pub left: RemainingBudget,
}

/// A job's turn.
pub(super) struct QueueSlot {
    /// Its place in what was given.
    pub index: usize,
    /// All of it can be done today, after those before it.
    pub fits: bool,
    /// What those before it leave to it.
    pub left: RemainingBudget,
}

/// The order of jobs.
pub(super) fn order_jobs(waiting: &[QueuedJob<'_>], left: &RemainingBudget) -> Vec<QueueSlot> {
    let mut by_priority: Vec<usize> = (0..waiting.len()).collect();
    let of = |place: usize| &waiting[place];
    by_priority.sort_by(|a, b| {
        let (a, b) = (of(*a), of(*b));
        // Those that have served before come before those that are new.
        b.job.priority.cmp(&a.job.priority).then(a.is_new.cmp(&b.is_new)).then_with(|| a.job.name.cmp(&b.job.name))
    });
    // What has no price fails by itself soon enough.
    let whole = |place: usize| of(place).price.map(JobEstimate::total).unwrap_or_default();
    let (mut left, mut turns, mut later) = (left.clone(), Vec::new(), Vec::new());
    for place in by_priority {
        let own = of(place).left.tighter_of(&left);
        if own.fits(&whole(place)) {
            left.spend(&whole(place));
            turns.push(QueueSlot { index: place, fits: true, left: own });
        } else {
            later.push(place);
        }
    }
    later.sort_by_key(|place| (Reverse(of(*place).job.priority), of(*place).is_new, of(*place).last_run_at));
    for place in later {
        let own = of(place).left.tighter_of(&left);
        // Of its price only that much: the rest is for another day.
        let today = own.clone().spend(&whole(place));
        left.reserve(&whole(place), whole(place).calls().expected_calls().saturating_sub(today));
        turns.push(QueueSlot { index: place, fits: false, left: own });
    }
    turns
}

impl Desk<'_> {
    /// The jobs in the order in which they are to be run beside what is under way.
    pub(super) async fn plan_jobs<J: Borrow<Job>>(
        &self,
        jobs: Vec<(J, Option<DueFire>)>,
        said: RunOverrides,
        under_way: &[RunInProgress],
    ) -> Result<Vec<PlannedJob<J>>, CommandError> {
        let past = self.past()?;
        let mut left = self.left(None)?;
        for run in under_way {
            let spent = self.spent(&run.job)?.saturating_sub(run.spent_before);
            left.reserve(&run.price.as_ref().map(JobEstimate::total).unwrap_or_default(), spent.into());
        }
        let (mut ready, mut priced) = (Vec::with_capacity(jobs.len()), true);
        for (job, due) in jobs {
            // Whatever keeps a job from being priced will be told of by its run; a store that another program
            // holds is waited for once, and not for each of them.
            let mut price = None;
            if priced {
                let found = self.price(job.borrow(), said.full, &ProbeBudget::at_most(0)).await;
                priced = !found.as_ref().is_err_and(|failure| failure.exit() == ExitStatus::Storage);
                price = found.ok();
            }
            ready.push(PlannedJob { job, due, price, fits: false });
        }
        let mut waiting = Vec::with_capacity(ready.len());
        for PlannedJob { job, due, price, .. } in &ready {
            waiting.push(self.queued_job(job.borrow(), *due, said.max_calls, price.as_ref(), &past)?);
        }
        let order = order_jobs(&waiting, &left);
        let mut ready: Vec<Option<PlannedJob<J>>> = ready.into_iter().map(Some).collect();
        Ok(order.into_iter().filter_map(|it| Some(PlannedJob { fits: it.fits, ..ready[it.index].take()? })).collect())
    }

    /// What the order of jobs goes by.
    pub(super) fn queued_job<'j>(
        &self,
        job: &'j Job,
        due: Option<DueFire>,
        max_calls: Option<u64>,
        price: Option<&'j JobEstimate>,
        past: &RunHistory,
    ) -> Result<QueuedJob<'j>, CommandError> {
        let left = self.left(due)?.for_job(job, max_calls, self.spent(job)?);
        let last_run_at = past.job(&job.name).and_then(JobHistory::last_sent_at);
        Ok(QueuedJob { job, is_new: due.is_some_and(|due| due.is_new), last_run_at, price, left })
    }
}
