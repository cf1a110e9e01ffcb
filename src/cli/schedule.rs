//! `schedule`: stays in the foreground and runs jobs when they are due, by the rules of `run --due`.
//!
//! Jobs go side by side, under one gate and one budget; one that does not fit into what is left of the
//! day goes alone, when those that fit have had theirs. While nothing runs, neither the store nor
//! credentials are open: it sleeps, never longer than [`LOOK`] at a time, and goes by what the wall
//! clock shows when it wakes, since timers stop while a machine is suspended.

mod board;
mod systemd;
mod watch;
#[cfg(test)]
mod year;

use std::rc::Rc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::args::Schedule;
use super::figures;
use super::herald::{By, Herald};
use super::planner::{Ready, Said, UnderWay};
use super::print::count;
use super::run::{exit_of, is_a_known_ban};
use super::runner::{How, Outcome, Runner, sign_ins};
use super::stopper::Stopper;
use super::workshop::{open_state, runtime};
use super::{Context, Exit, Failure};
use crate::job::Job;
use crate::run::{LockTrouble, SchedulerLock, stamp};
use crate::scheduler::Due;
use crate::settings::Settings;
use board::Board;
use systemd::Systemd;
use watch::{Clocks, Files};

/// No sleep is longer: what the wall clock shows is looked at this often, and so are the job files.
const LOOK: Duration = Duration::from_secs(15);

/// The file for Prometheus is written this often, and after each run.
const FIGURES: Duration = Duration::from_secs(5 * 60);

/// A job that could not even begin, or whose lock somebody else holds, is looked at again after this.
const PAUSE: Duration = Duration::from_secs(60);

/// Runs until it is stopped.
pub fn run(_: &Schedule, context: &Context) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    let state = open_state(context, &settings)?;
    let _lock = SchedulerLock::take(state.path(), &context.project.database(&settings)).map_err(|e| match e {
        LockTrouble::Io { .. } => Failure::new(Exit::Storage, e),
        _ => Failure::new(Exit::Deferred, e).with_hint("one is enough: it runs all jobs of the project"),
    })?;
    drop(state);
    let scheduler = Scheduler {
        context,
        settings: &settings,
        herald: Herald::new(context, &settings, By::Schedule),
        stopper: Stopper::listening(context),
        systemd: Systemd::from_environment(),
    };
    runtime()?.block_on(scheduler.herald.beside(&scheduler.stopper, scheduler.live()))
}

/// What one look needs.
struct Scheduler<'a> {
    context: &'a Context,
    settings: &'a Settings,
    herald: Herald<'a>,
    stopper: Stopper,
    systemd: Systemd,
}

/// How a run ended, and of which job.
struct Ended {
    job: String,
    outcome: Result<Outcome, Failure>,
}

impl Scheduler<'_> {
    async fn live(&self) -> Result<Exit, Failure> {
        let mut files = Files::new(self.context, self.settings);
        let mut board = Board::new(self.settings);
        let mut clocks = Clocks::new();
        let mut runs = FuturesUnordered::new();
        let mut runner: Option<Rc<Runner<'_>>> = None;
        let mut figures_at = Instant::now();
        let (mut under_way, mut exits) = (Vec::new(), Vec::new());
        self.load(&mut board);
        board.wakes(Utc::now());
        figures::write(self.context, self.settings, &self.herald, &board.jobs());
        tracing::info!(jobs = board.scheduled(), "the scheduler begins");
        self.systemd.ready();
        while !self.stopper.stopped() {
            let now = Utc::now();
            if let Some(moved) = clocks.moved() {
                tracing::info!(seconds = moved, "the clock moved on without us: all jobs are looked at again");
                board.wakes(now);
            }
            if files.jobs_changed() {
                self.load(&mut board);
            }
            if runs.is_empty() && files.others_wrote() {
                board.look_at_all();
            }
            let free = usize::try_from(self.settings.schedule.parallel_jobs).unwrap_or(1).saturating_sub(runs.len());
            let due = if free > 0 { self.due(&mut board, now) } else { Vec::new() };
            if let Some((runner, ready)) = self.in_order(&mut runner, due, &under_way, &mut board, now).await {
                for ready in next(ready, free, under_way.len(), |job| board.waits(job, now, LOOK)) {
                    let Ready { job, due, price, fits } = ready;
                    board.begins(&job.name, now);
                    let (fire_at, late_s) = due.map(|due| (due.fire, (now - due.fire).num_seconds())).unzip();
                    tracing::info!(job = job.name, fire_at = fire_at.map(stamp), late_s, "run begins");
                    let spent_before = runner.desk().spent(&job).unwrap_or(0);
                    // What does not fit takes what is left: nothing is set aside for it.
                    under_way.push(UnderWay { job: job.clone(), price: price.clone().filter(|_| fits), spent_before });
                    runs.push(self.one(
                        Rc::clone(&runner),
                        job,
                        How { due, price, awake_since: board.awake_since(now), ..How::default() },
                    ));
                }
            }
            self.report(&board, runs.len());
            self.report_hanging(&mut board, now);
            if figures_at.elapsed() >= FIGURES {
                figures::write(self.context, self.settings, &self.herald, &board.jobs());
                figures_at = Instant::now();
            }
            // With all hands full nothing can begin before a run ends.
            let idle = runs.len() < usize::try_from(self.settings.schedule.parallel_jobs).unwrap_or(1);
            let next = if idle { board.rest(now) } else { LOOK };
            let rest = next.min(LOOK).min(files.rest()).min(self.systemd.interval());
            tokio::select! {
                Some(ended) = runs.next(), if !runs.is_empty() => {
                    under_way.retain(|run| run.job.name != ended.job);
                    exits.extend(self.ended(ended, &mut board));
                }
                () = self.stopper.sleep(rest) => {}
            }
            if runs.is_empty()
                && let Some(Ok(runner)) = runner.take().map(Rc::try_unwrap)
            {
                runner.close();
                files.note_others();
                board.look_for_sign_ins();
            }
        }
        self.systemd.stopping();
        exits.clear();
        while let Some(ended) = runs.next().await {
            exits.extend(self.ended(ended, &mut board));
        }
        tracing::info!("the scheduler ends");
        // What was cut short is deferred; a scheduler that was at rest has ended as it was asked to.
        Ok(if exits.contains(&Exit::Deferred) { Exit::Deferred } else { Exit::Complete })
    }

    /// Reads the job files; a broken one leaves its job as it was.
    fn load(&self, board: &mut Board) {
        let loaded = self.context.jobs(self.settings, &[]);
        self.herald.loaded(&loaded);
        board.replace(loaded);
    }

    /// The jobs that are due.
    fn due(&self, board: &mut Board, now: DateTime<Utc>) -> Vec<(Job, Due)> {
        if !board.wants_a_look(now) {
            return Vec::new();
        }
        let past = match crate::scheduler::Past::read(&self.context.project.database(self.settings)) {
            Ok(past) => past,
            Err(e) => {
                self.herald.failed("", &Failure::new(Exit::Storage, e));
                board.all_later(now, PAUSE);
                return Vec::new();
            }
        };
        let looked_at = board.look(&past, now, &|job| sign_ins(job, self.context, self.settings));
        // What is due gets its chance first.
        self.herald.look_for_overdue(&looked_at.resting, &past, now);
        // What the job file and its lists of ids say now, if they can be read.
        looked_at.due.into_iter().map(|(job, due)| (self.fresh(job), due)).collect()
    }

    /// The jobs that are due in the order in which they go, and what runs them.
    async fn in_order<'r>(
        &'r self,
        open: &mut Option<Rc<Runner<'r>>>,
        due: Vec<(Job, Due)>,
        under_way: &[UnderWay],
        board: &mut Board,
        now: DateTime<Utc>,
    ) -> Option<(Rc<Runner<'r>>, Vec<Ready<Job>>)> {
        let mut jobs = Vec::with_capacity(due.len());
        for (job, due) in due {
            if self.runner(open, &job, board, now).is_some() {
                jobs.push((job, Some(due)));
            }
        }
        let runner = open.clone().filter(|_| !jobs.is_empty())?;
        let names: Vec<String> = jobs.iter().map(|(job, _)| job.name.clone()).collect();
        match runner.desk().in_order(jobs, Said::default(), under_way).await {
            Ok(ready) => Some((runner, ready)),
            Err(failure) => {
                self.herald.failed("", &failure);
                names.iter().for_each(|job| board.later(job, now, PAUSE));
                None
            }
        }
    }

    fn fresh(&self, job: Job) -> Job {
        let mut loaded = self.context.jobs(self.settings, std::slice::from_ref(&job.name));
        loaded.jobs.pop().unwrap_or(job)
    }

    /// What runs share, opened for the first of them.
    fn runner<'r>(
        &'r self,
        open: &mut Option<Rc<Runner<'r>>>,
        job: &Job,
        board: &mut Board,
        now: DateTime<Utc>,
    ) -> Option<Rc<Runner<'r>>> {
        if let Some(runner) = open {
            return Some(Rc::clone(runner));
        }
        match Runner::open(self.context, false) {
            Ok(runner) => {
                self.herald.opened();
                Some(Rc::clone(open.insert(Rc::new(runner))))
            }
            Err(failure) => {
                self.herald.failed("", &failure);
                board.later(&job.name, now, PAUSE);
                None
            }
        }
    }

    async fn one(&self, runner: Rc<Runner<'_>>, job: Job, how: How) -> Ended {
        let outcome = runner.run_and_ping(&job, &how, &self.stopper, &self.herald).await;
        Ended { job: job.name, outcome }
    }

    fn ended(&self, ended: Ended, board: &mut Board) -> Option<Exit> {
        let (job, now) = (ended.job, Utc::now());
        board.ends(&job);
        let exit = match ended.outcome {
            Ok(Outcome::Ended(report)) => {
                if is_a_known_ban(&report, &self.stopper) {
                    tracing::info!(job, run = report.run, not_before = report.not_before.as_deref(), "still deferred");
                    self.herald.waits(&report);
                } else {
                    self.herald.ended(&report);
                }
                let again = report.not_before.is_some() || report.state == "deferred";
                board.later(&job, now, if again { PAUSE } else { Duration::ZERO });
                Some(exit_of(&report))
            }
            Ok(Outcome::Running(words)) => {
                tracing::debug!(job, "{words}");
                board.later(&job, now, PAUSE);
                None
            }
            Ok(Outcome::Served) => {
                tracing::info!(job, "somebody else served the fire");
                board.later(&job, now, Duration::ZERO);
                None
            }
            Err(failure) => {
                self.herald.failed(&job, &failure);
                board.later(&job, now, PAUSE);
                Some(failure.exit())
            }
        };
        figures::write(self.context, self.settings, &self.herald, &board.jobs());
        exit
    }

    /// A run of ours that takes longer than `schedule.max_runtime`.
    fn report_hanging(&self, board: &mut Board, now: DateTime<Utc>) {
        for (job, since) in board.hanging(now, self.settings.schedule.max_runtime) {
            let why = anyhow::anyhow!("job {job} has been running for {} h: it hangs", (now - since).num_hours());
            let failure =
                Failure::new(Exit::Failed, why).with_hint("restart the scheduler: the run goes on where it is");
            self.herald.failed(&job, &failure);
        }
    }

    /// Tells systemd that we are alive, and what we do.
    fn report(&self, board: &Board, running: usize) {
        let next = board.next().map_or_else(String::new, |(at, job)| match at {
            at if at <= Utc::now() => format!("; {job} is due"),
            at => format!("; next {job} at {}", at.format("%Y-%m-%d %H:%M:%SZ")),
        });
        self.systemd.alive(&format!("{}, {running} running{next}", count(board.scheduled(), "job")));
    }
}

/// Those of the jobs in order that begin now, where so many hands are free and so many runs are under
/// way. What does not fit takes what the others leave: so it begins when there is no other run, and no
/// other begins beside it now. With ceilings a day's calls are sent in minutes: the wait is short.
fn next(ready: Vec<Ready<Job>>, free: usize, under_way: usize, mut waits: impl FnMut(&str)) -> Vec<Ready<Job>> {
    let mut now: Vec<Ready<Job>> = Vec::new();
    for ready in ready {
        if !ready.fits && under_way + now.len() > 0 {
            waits(&ready.job.name);
        } else if now.len() < free {
            now.push(ready);
        }
    }
    now
}
