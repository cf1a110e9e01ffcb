//! `schedule`: stays in the foreground and runs jobs when they are due, by the rules of `run --due`.
//!
//! Jobs go side by side, under one gate and one budget; one that does not fit into what is left of the
//! day goes alone, when those that fit have had theirs. While nothing runs, neither the store nor
//! credentials are open: it sleeps, never longer than [`LOOK`] at a time, and goes by what the wall
//! clock shows when it wakes, since timers stop while a machine is suspended.

mod change_watch;
mod job_board;
mod systemd;
#[cfg(test)]
mod year;

use std::rc::Rc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::app::{open_state, runtime};
use super::args::ScheduleArgs;
use super::job_runner::{JobOutcome, JobRunner, RunOptions, sign_ins};
use super::metrics;
use super::planner::{PlannedJob, RunInProgress, RunOverrides};
use super::print::count;
use super::reporter::{Reporter, StartedBy};
use super::run::{exit_status, is_known_deferral};
use super::shutdown::Shutdown;
use super::{CommandContext, CommandError, ExitStatus};
use crate::job::Job;
use crate::scheduler::DueFire;
use crate::settings::Settings;
use crate::store::timestamp;
use crate::sync::{LockError, SchedulerLock};
use change_watch::{ClockPair, FileWatcher};
use job_board::JobBoard;
use systemd::SystemdNotifier;

/// No sleep is longer: what the wall clock shows is looked at this often, and so are the job files.
const POLL_INTERVAL: Duration = Duration::from_secs(15);

/// The file for Prometheus is written this often, and after each run.
const METRICS_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// A job that could not even begin, or whose lock somebody else holds, is looked at again after this.
const RETRY_PAUSE: Duration = Duration::from_secs(60);

/// Runs until it is stopped.
pub fn run(_: &ScheduleArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    let state = open_state(context, &settings)?;
    let _lock = SchedulerLock::take(state.path(), &context.project.database(&settings)).map_err(|e| match e {
        LockError::Io { .. } => CommandError::new(ExitStatus::Storage, e),
        _ => CommandError::new(ExitStatus::Deferred, e).with_hint("one is enough: it runs all jobs of the project"),
    })?;
    drop(state);
    let scheduler = SchedulerLoop {
        context,
        settings: &settings,
        herald: Reporter::new(context, &settings, StartedBy::Schedule),
        stopper: Shutdown::listen(context),
        systemd: SystemdNotifier::from_environment(),
    };
    runtime()?.block_on(scheduler.herald.run_with_deliveries(&scheduler.stopper, scheduler.run_until_stopped()))
}

/// What one look needs.
struct SchedulerLoop<'a> {
    context: &'a CommandContext,
    settings: &'a Settings,
    herald: Reporter<'a>,
    stopper: Shutdown,
    systemd: SystemdNotifier,
}

/// How a run ended, and of which job.
struct FinishedRun {
    job: String,
    outcome: Result<JobOutcome, CommandError>,
}

impl SchedulerLoop<'_> {
    async fn run_until_stopped(&self) -> Result<ExitStatus, CommandError> {
        let mut files = FileWatcher::new(self.context, self.settings);
        let mut board = JobBoard::new(self.settings);
        let mut clocks = ClockPair::new();
        let mut runs = FuturesUnordered::new();
        let mut runner: Option<Rc<JobRunner<'_>>> = None;
        let mut figures_at = Instant::now();
        let (mut under_way, mut exits) = (Vec::new(), Vec::new());
        self.load_jobs(&mut board);
        board.wake(Utc::now());
        metrics::write_metrics(self.context, self.settings, &self.herald, &board.jobs());
        tracing::info!(jobs = board.scheduled(), "the scheduler begins");
        self.systemd.notify_ready();
        while !self.stopper.is_stopping() {
            let now = Utc::now();
            if let Some(moved) = clocks.moved() {
                tracing::info!(seconds = moved, "the clock moved on without us: all jobs are looked at again");
                board.wake(now);
            }
            if files.jobs_changed() {
                self.load_jobs(&mut board);
            }
            if runs.is_empty() && files.store_changed() {
                board.recheck_all();
            }
            let free = usize::try_from(self.settings.schedule.parallel_jobs).unwrap_or(1).saturating_sub(runs.len());
            let due = if free > 0 { self.due_jobs(&mut board, now) } else { Vec::new() };
            if let Some((runner, ready)) = self.plan_due_jobs(&mut runner, due, &under_way, &mut board, now).await {
                for ready in
                    startable(ready, free, under_way.len(), |job| board.wait_for_run_end(job, now, POLL_INTERVAL))
                {
                    let PlannedJob { job, due, price, fits } = ready;
                    board.start(&job.name, now);
                    let (fire_at, late_s) = due.map(|due| (due.fire, (now - due.fire).num_seconds())).unzip();
                    tracing::info!(job = job.name, fire_at = fire_at.map(timestamp), late_s, "run begins");
                    let spent_before = runner.desk().spent(&job).unwrap_or(0);
                    // What does not fit takes what is left: nothing is set aside for it.
                    under_way.push(RunInProgress {
                        job: job.clone(),
                        price: price.clone().filter(|_| fits),
                        spent_before,
                    });
                    runs.push(self.run_one(
                        Rc::clone(&runner),
                        job,
                        RunOptions { due, price, watching_since: board.watching_since(now), ..RunOptions::default() },
                    ));
                }
            }
            self.update_status(&board, runs.len());
            self.report_hanging(&mut board, now);
            if figures_at.elapsed() >= METRICS_INTERVAL {
                metrics::write_metrics(self.context, self.settings, &self.herald, &board.jobs());
                figures_at = Instant::now();
            }
            // With all hands full nothing can begin before a run ends.
            let idle = runs.len() < usize::try_from(self.settings.schedule.parallel_jobs).unwrap_or(1);
            let next = if idle { board.time_until_next(now) } else { POLL_INTERVAL };
            let rest = next.min(POLL_INTERVAL).min(files.rest()).min(self.systemd.interval());
            tokio::select! {
                Some(ended) = runs.next(), if !runs.is_empty() => {
                    under_way.retain(|run| run.job.name != ended.job);
                    exits.extend(self.run_finished(ended, &mut board));
                }
                () = self.stopper.sleep(rest) => {}
            }
            if runs.is_empty()
                && let Some(Ok(runner)) = runner.take().map(Rc::try_unwrap)
            {
                runner.close();
                files.note_store();
                board.recheck_sign_ins();
            }
        }
        self.systemd.notify_stopping();
        exits.clear();
        while let Some(ended) = runs.next().await {
            exits.extend(self.run_finished(ended, &mut board));
        }
        tracing::info!("the scheduler ends");
        // What was cut short is deferred; a scheduler that was at rest has ended as it was asked to.
        Ok(if exits.contains(&ExitStatus::Deferred) { ExitStatus::Deferred } else { ExitStatus::Complete })
    }

    /// Reads the job files; a broken one leaves its job as it was.
    fn load_jobs(&self, board: &mut JobBoard) {
        let loaded = self.context.jobs(self.settings, &[]);
        self.herald.jobs_loaded(&loaded);
        board.replace(loaded);
    }

    /// The jobs that are due.
    fn due_jobs(&self, board: &mut JobBoard, now: DateTime<Utc>) -> Vec<(Job, DueFire)> {
        if !board.needs_check(now) {
            return Vec::new();
        }
        let past = match crate::scheduler::RunHistory::read(&self.context.project.database(self.settings)) {
            Ok(past) => past,
            Err(e) => {
                self.herald.job_failed("", &CommandError::new(ExitStatus::Storage, e));
                board.postpone_all(now, RETRY_PAUSE);
                return Vec::new();
            }
        };
        let looked_at = board.check(&past, now, &|job| sign_ins(job, self.context, self.settings));
        // What is due gets its chance first.
        self.herald.report_overdue(&looked_at.resting, &past, now);
        // What the job file and its lists of ids say now, if they can be read.
        looked_at.due.into_iter().map(|(job, due)| (self.reload_job(job), due)).collect()
    }

    /// The jobs that are due in the order in which they go, and what runs them.
    async fn plan_due_jobs<'r>(
        &'r self,
        open: &mut Option<Rc<JobRunner<'r>>>,
        due: Vec<(Job, DueFire)>,
        under_way: &[RunInProgress],
        board: &mut JobBoard,
        now: DateTime<Utc>,
    ) -> Option<(Rc<JobRunner<'r>>, Vec<PlannedJob<Job>>)> {
        let mut jobs = Vec::with_capacity(due.len());
        for (job, due) in due {
            if self.open_runner(open, &job, board, now).is_some() {
                jobs.push((job, Some(due)));
            }
        }
        let runner = open.clone().filter(|_| !jobs.is_empty())?;
        let names: Vec<String> = jobs.iter().map(|(job, _)| job.name.clone()).collect();
        match runner.desk().plan_jobs(jobs, RunOverrides::default(), under_way).await {
            Ok(ready) => Some((runner, ready)),
            Err(failure) => {
                self.herald.job_failed("", &failure);
                names.iter().for_each(|job| board.postpone(job, now, RETRY_PAUSE));
                None
            }
        }
    }

    fn reload_job(&self, job: Job) -> Job {
        let mut loaded = self.context.jobs(self.settings, std::slice::from_ref(&job.name));
        loaded.jobs.pop().unwrap_or(job)
    }

    /// What runs share, opened for the first of them.
    fn open_runner<'r>(
        &'r self,
        open: &mut Option<Rc<JobRunner<'r>>>,
        job: &Job,
        board: &mut JobBoard,
        now: DateTime<Utc>,
    ) -> Option<Rc<JobRunner<'r>>> {
        if let Some(runner) = open {
            return Some(Rc::clone(runner));
        }
        match JobRunner::open(self.context, false) {
            Ok(runner) => {
                self.herald.project_recovered();
                Some(Rc::clone(open.insert(Rc::new(runner))))
            }
            Err(failure) => {
                self.herald.job_failed("", &failure);
                board.postpone(&job.name, now, RETRY_PAUSE);
                None
            }
        }
    }

    async fn run_one(&self, runner: Rc<JobRunner<'_>>, job: Job, how: RunOptions) -> FinishedRun {
        let outcome = runner.run_and_ping(&job, &how, &self.stopper, &self.herald).await;
        FinishedRun { job: job.name, outcome }
    }

    fn run_finished(&self, ended: FinishedRun, board: &mut JobBoard) -> Option<ExitStatus> {
        let (job, now) = (ended.job, Utc::now());
        board.finish(&job);
        let exit = match ended.outcome {
            Ok(JobOutcome::Finished(report)) => {
                if is_known_deferral(&report, &self.stopper) {
                    tracing::info!(job, run = report.run, not_before = report.not_before.as_deref(), "still deferred");
                    self.herald.run_still_deferred(&report);
                } else {
                    self.herald.run_finished(&report);
                }
                let again = report.not_before.is_some() || report.state == "deferred";
                board.postpone(&job, now, if again { RETRY_PAUSE } else { Duration::ZERO });
                Some(exit_status(&report))
            }
            Ok(JobOutcome::AlreadyRunning(words)) => {
                tracing::debug!(job, "{words}");
                board.postpone(&job, now, RETRY_PAUSE);
                None
            }
            Ok(JobOutcome::AlreadyServed) => {
                tracing::info!(job, "somebody else served the fire");
                board.postpone(&job, now, Duration::ZERO);
                None
            }
            Err(failure) => {
                self.herald.job_failed(&job, &failure);
                board.postpone(&job, now, RETRY_PAUSE);
                Some(failure.exit())
            }
        };
        metrics::write_metrics(self.context, self.settings, &self.herald, &board.jobs());
        exit
    }

    /// A run of ours that takes longer than `schedule.max_runtime`.
    fn report_hanging(&self, board: &mut JobBoard, now: DateTime<Utc>) {
        for (job, since) in board.hanging(now, self.settings.schedule.max_runtime) {
            let why = anyhow::anyhow!("job {job} has been running for {} h: it hangs", (now - since).num_hours());
            let failure = CommandError::new(ExitStatus::Failed, why)
                .with_hint("restart the scheduler: the run goes on where it is");
            self.herald.job_failed(&job, &failure);
        }
    }

    /// Tells systemd that we are alive, and what we do.
    fn update_status(&self, board: &JobBoard, running: usize) {
        let next = board.next().map_or_else(String::new, |(at, job)| match at {
            at if at <= Utc::now() => format!("; {job} is due"),
            at => format!("; next {job} at {}", at.format("%Y-%m-%d %H:%M:%SZ")),
        });
        self.systemd.notify_status(&format!("{}, {running} running{next}", count(board.scheduled(), "job")));
    }
}

/// Those of the jobs in order that begin now, where so many hands are free and so many runs are under
/// way. What does not fit takes what the others leave: so it begins when there is no other run, and no
/// other begins beside it now. With ceilings a day's calls are sent in minutes: the wait is short.
fn startable(
    ready: Vec<PlannedJob<Job>>,
    free: usize,
    under_way: usize,
    mut waits: impl FnMut(&str),
) -> Vec<PlannedJob<Job>> {
    let mut now: Vec<PlannedJob<Job>> = Vec::new();
    for ready in ready {
        if !ready.fits && under_way + now.len() > 0 {
            waits(&ready.job.name);
        } else if now.len() < free {
            now.push(ready);
        }
    }
    now
}
