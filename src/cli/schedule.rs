//! `schedule`: stays in the foreground and runs jobs when they are due, with the rules of `run --due`.
//!
//! Jobs run in parallel with one rate limiter and one budget. A job that does not fit into today's budget
//! runs alone, after the jobs that fit. While no job runs, neither the store nor the credentials are open.
//! The loop sleeps for at most [`POLL_INTERVAL`] and then reads the wall clock, since timers stop while a
//! machine is suspended.

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

use super::app::open_state;
use super::args::ScheduleArgs;
use super::divided::check_division;
use super::job_runner::{JobOutcome, JobRunner, RunOptions, is_known_deferral, read_sign_ins};
use super::local_time::format_local;
use super::metrics;
use super::overview::write_overview;
use super::planner::{PlannedJob, RunInProgress, RunOverrides, plan_jobs};
use super::pricing::calls_spent;
use super::print::count;
use super::push;
use super::reporter::{Reporter, StartedBy};
use super::runtime::runtime;
use super::shutdown::Shutdown;
use super::{CommandContext, CommandError, ExitStatus};
use crate::job::Job;
use crate::scheduler::{DueFire, RunHistory};
use crate::settings::Settings;
use crate::store::timestamp;
use crate::sync::{LockError, SchedulerLock};
use change_watch::{ClockPair, FileWatcher};
use job_board::JobBoard;
use systemd::SystemdNotifier;

/// The longest sleep: the wall clock and the job files are checked this often.
const POLL_INTERVAL: Duration = Duration::from_secs(15);

/// The Prometheus file is written this often, and after each run.
const METRICS_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// A job that could not start, or that another process has locked, is checked again after this time.
const RETRY_PAUSE: Duration = Duration::from_secs(60);

/// Runs until a signal arrives.
pub fn run(_: &ScheduleArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings_with_hooks()?;
    check_division(context, &settings)?;
    let state = open_state(context, &settings)?;
    let _lock = SchedulerLock::take(state.path(), &context.project.database(&settings)).map_err(|e| match e {
        LockError::Io { .. } => CommandError::new(ExitStatus::Storage, e),
        _ => CommandError::new(ExitStatus::Deferred, e).with_hint("one scheduler runs all jobs of the project"),
    })?;
    drop(state);
    let scheduler = SchedulerLoop {
        context,
        settings: &settings,
        reporter: Reporter::new(context, &settings, StartedBy::Schedule),
        shutdown: Shutdown::listen(context),
        systemd: SystemdNotifier::from_environment(),
    };
    runtime()?.block_on(scheduler.reporter.run_with_deliveries(&scheduler.shutdown, scheduler.run_until_stopped()))
}

/// What the loop needs in every round.
struct SchedulerLoop<'a> {
    context: &'a CommandContext,
    settings: &'a Settings,
    reporter: Reporter<'a>,
    shutdown: Shutdown,
    systemd: SystemdNotifier,
}

/// The due jobs and the history that shows it.
#[derive(Default)]
struct DueJobs {
    jobs: Vec<(Job, DueFire)>,
    history: RunHistory,
}

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
        // At most one push: while it goes on, the end of the next runs is remembered.
        let (mut pushes, mut is_push_wanted) = (FuturesUnordered::new(), false);
        let mut runner: Option<Rc<JobRunner<'_>>> = None;
        let mut metrics_at = Instant::now();
        let (mut under_way, mut exits) = (Vec::new(), Vec::new());
        self.load_jobs(&mut board);
        board.wake(Utc::now());
        metrics::write_metrics(self.context, self.settings, &self.reporter, &board.jobs());
        tracing::info!(jobs = board.scheduled(), "the scheduler has started");
        self.systemd.notify_ready();
        while !self.shutdown.is_stopping() {
            let now = Utc::now();
            if let Some(moved) = clocks.moved() {
                tracing::info!(
                    seconds = moved,
                    "the clock moved (a suspend or a clock change): checking all jobs again"
                );
                board.wake(now);
            }
            if files.jobs_changed() {
                self.load_jobs(&mut board);
            }
            if runs.is_empty() && files.store_changed() {
                board.recheck_all();
            }
            let free = usize::try_from(self.settings.schedule.parallel_jobs).unwrap_or(1).saturating_sub(runs.len());
            let due = if free > 0 { self.due_jobs(&mut board, now) } else { DueJobs::default() };
            if let Some((runner, ready)) = self.plan_due_jobs(&mut runner, due, &under_way, &mut board, now).await {
                for ready in
                    startable(ready, free, under_way.len(), |job| board.wait_for_run_end(job, now, POLL_INTERVAL))
                {
                    let PlannedJob { job, due, price, fits } = ready;
                    board.start(&job.name, now);
                    let (fire_at, late_s) = due.map(|due| (due.fire, (now - due.fire).num_seconds())).unzip();
                    tracing::info!(job = job.name, fire_at = fire_at.map(timestamp), late_s, "run started");
                    let spent_before = calls_spent(&runner.app, &job).map_or(0, |calls| calls.all);
                    // A run that does not fit takes the rest, so no calls are reserved for it.
                    under_way.push(RunInProgress {
                        job: job.clone(),
                        price: price.known().filter(|_| fits).cloned(),
                        spent_before,
                    });
                    runs.push(self.run_one(
                        Rc::clone(&runner),
                        job,
                        RunOptions { due, price, watching_since: board.watching_since(now), ..RunOptions::default() },
                    ));
                }
            }
            // Slow targets neither delay the next runs nor the watchdog.
            if pushes.is_empty() && std::mem::take(&mut is_push_wanted) {
                pushes.push(push::push_after_run(self.context, self.settings, &self.reporter, &self.shutdown));
            }
            self.update_status(&board, runs.len());
            self.report_hanging(&mut board, now);
            if metrics_at.elapsed() >= METRICS_INTERVAL {
                metrics::write_metrics(self.context, self.settings, &self.reporter, &board.jobs());
                self.reporter.send_digest(self.settings, &board.jobs(), now);
                metrics_at = Instant::now();
            }
            // With all slots in use, nothing can start before a run ends.
            let idle = runs.len() < usize::try_from(self.settings.schedule.parallel_jobs).unwrap_or(1);
            let next = if idle { board.time_until_next(now) } else { POLL_INTERVAL };
            let rest = next.min(POLL_INTERVAL).min(files.rest()).min(self.systemd.interval());
            tokio::select! {
                Some(ended) = runs.next(), if !runs.is_empty() => {
                    under_way.retain(|run| run.job.name != ended.job);
                    exits.extend(self.run_finished(ended, &mut board));
                }
                Some(()) = pushes.next(), if !pushes.is_empty() => {}
                () = self.shutdown.sleep(rest) => {}
            }
            if runs.is_empty()
                && let Some(Ok(runner)) = runner.take().map(Rc::try_unwrap)
            {
                runner.close();
                is_push_wanted = true;
                files.note_store();
                board.recheck_sign_ins();
            }
        }
        self.systemd.notify_stopping();
        exits.clear();
        while let Some(ended) = runs.next().await {
            exits.extend(self.run_finished(ended, &mut board));
        }
        tracing::info!("the scheduler has stopped");
        // Interrupted runs are deferred; stopping an idle scheduler is a success.
        Ok(if exits.contains(&ExitStatus::Deferred) { ExitStatus::Deferred } else { ExitStatus::Complete })
    }

    /// Reads the job files. A job with a broken file keeps its last valid version.
    fn load_jobs(&self, board: &mut JobBoard) {
        let loaded = self.context.jobs(self.settings, &[]);
        self.reporter.jobs_loaded(&loaded);
        board.replace(loaded);
    }

    fn due_jobs(&self, board: &mut JobBoard, now: DateTime<Utc>) -> DueJobs {
        if !board.needs_check(now) {
            return DueJobs::default();
        }
        let history = match RunHistory::read(&self.context.project.database(self.settings)) {
            Ok(history) => history,
            Err(e) => {
                self.reporter.job_failed("", &CommandError::new(ExitStatus::Storage, e));
                board.postpone_all(now, RETRY_PAUSE);
                return DueJobs::default();
            }
        };
        let checked = board.check(&history, now, &|job| read_sign_ins(job, self.context, self.settings));
        // A job that is due runs first, before it is reported as overdue.
        self.reporter.report_overdue(&checked.resting, &history, now);
        // Use the current version of the job file and its lists of ids.
        let jobs = checked.due.into_iter().map(|(job, due)| (self.reload_job(job), due)).collect();
        DueJobs { jobs, history }
    }

    /// The due jobs in the order in which they run, and the runner for them.
    async fn plan_due_jobs<'r>(
        &'r self,
        open: &mut Option<Rc<JobRunner<'r>>>,
        due: DueJobs,
        under_way: &[RunInProgress],
        board: &mut JobBoard,
        now: DateTime<Utc>,
    ) -> Option<(Rc<JobRunner<'r>>, Vec<PlannedJob<Job>>)> {
        let mut jobs = Vec::with_capacity(due.jobs.len());
        for (job, fire) in due.jobs {
            if self.open_runner(open, &job, board, now).is_some() {
                jobs.push((job, Some(fire)));
            }
        }
        let runner = open.clone().filter(|_| !jobs.is_empty())?;
        let names: Vec<String> = jobs.iter().map(|(job, _)| job.name.clone()).collect();
        match plan_jobs(&runner.app, jobs, RunOverrides::default(), &due.history, under_way).await {
            Ok(ready) => Some((runner, ready)),
            Err(failure) => {
                self.reporter.job_failed("", &failure);
                names.iter().for_each(|job| board.postpone(job, now, RETRY_PAUSE));
                None
            }
        }
    }

    fn reload_job(&self, job: Job) -> Job {
        let mut loaded = self.context.jobs(self.settings, std::slice::from_ref(&job.name));
        loaded.jobs.pop().unwrap_or(job)
    }

    /// The runner, which is opened for the first job.
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
        match JobRunner::open(self.context, self.settings, false) {
            Ok(runner) => {
                self.reporter.project_recovered();
                self.reporter.project_warnings(&runner.app.logo_warnings());
                Some(Rc::clone(open.insert(Rc::new(runner))))
            }
            Err(failure) => {
                self.reporter.job_failed("", &failure);
                board.postpone(&job.name, now, RETRY_PAUSE);
                None
            }
        }
    }

    async fn run_one(&self, runner: Rc<JobRunner<'_>>, job: Job, how: RunOptions) -> FinishedRun {
        let outcome = runner.run_and_ping(&job, &how, &self.shutdown, &self.reporter).await;
        FinishedRun { job: job.name, outcome }
    }

    fn run_finished(&self, ended: FinishedRun, board: &mut JobBoard) -> Option<ExitStatus> {
        let (job, now) = (ended.job, Utc::now());
        board.finish(&job);
        let exit = match ended.outcome {
            Ok(JobOutcome::Finished(report)) => {
                if is_known_deferral(&report, &self.shutdown) {
                    tracing::info!(job, run = report.run, not_before = report.not_before.as_deref(), "still deferred");
                    self.reporter.run_still_deferred(&report);
                } else {
                    self.reporter.run_finished(&report);
                }
                let again = report.not_before.is_some() || report.state == "deferred";
                board.postpone(&job, now, if again { RETRY_PAUSE } else { Duration::ZERO });
                Some(ExitStatus::from_code(report.exit_code))
            }
            Ok(JobOutcome::AlreadyRunning(words)) => {
                tracing::debug!(job, "{words}");
                board.postpone(&job, now, RETRY_PAUSE);
                None
            }
            Ok(JobOutcome::AlreadyServed) => {
                tracing::info!(job, "another process has served the fire");
                board.postpone(&job, now, Duration::ZERO);
                None
            }
            Err(failure) => {
                self.reporter.job_failed(&job, &failure);
                board.postpone(&job, now, RETRY_PAUSE);
                Some(failure.exit())
            }
        };
        metrics::write_metrics(self.context, self.settings, &self.reporter, &board.jobs());
        // After a failure of the disk, nothing more is written.
        if exit != Some(ExitStatus::Storage)
            && let Err(error) = write_overview(self.context, self.settings, &board.jobs(), &board.broken())
        {
            error.log(None);
        }
        exit
    }

    /// Reports runs that take longer than `schedule.max_runtime`.
    fn report_hanging(&self, board: &mut JobBoard, now: DateTime<Utc>) {
        for (job, since) in board.hanging(now, self.settings.schedule.max_runtime) {
            let why = anyhow::anyhow!("job {job} has been running for {} h: it hangs", (now - since).num_hours());
            let failure = CommandError::new(ExitStatus::Failed, why)
                .with_hint("restart the scheduler; the next run continues where this one stopped");
            self.reporter.job_failed(&job, &failure);
        }
    }

    /// Sends a watchdog signal and the status to systemd.
    fn update_status(&self, board: &JobBoard, running: usize) {
        let next = board.next().map_or_else(String::new, |(at, job)| match at {
            at if at <= Utc::now() => format!("; {job} is due"),
            at => format!("; next {job} at {}", format_local(at)),
        });
        self.systemd.notify_status(&format!("{}, {running} running{next}", count(board.scheduled(), "job")));
    }
}

/// The jobs that start now, in order, with `free` slots and `under_way` runs in progress. A job that does
/// not fit into the budget takes what the others leave, so it starts only without other runs. The wait is
/// short, since the calls of a day take minutes.
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
