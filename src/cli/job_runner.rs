//! Runs jobs for `run` and `schedule`, each from its lock to its report.
//!
//! All runs of a process share the rate limiter, the token of the app and the writing thread of the store,
//! so that jobs can run in parallel.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::app::{App, RunCallLimits};
use super::error_exits::{ledger_error, sync_error};
use super::owner_hints::name_signed_in_owners;
use super::planner::PlannedPrice;
use super::preflight::require_free_space;
use super::pricing::{grants_for, job_key, price_job, reserve, run_parameters};
use super::progress::{LogObserver, ProgressDisplay};
use super::reporter::{Reporter, ping_code, ping_lines};
use super::shutdown::Shutdown;
use super::sign_in_commands::complete_sign_ins;
use super::sign_in_status;
use super::{CommandContext, CommandError, ExitStatus, OrExit};
use crate::export::JobFiles;
use crate::job::{Job, JobUsers};
use crate::notify::RunPinger;
use crate::scheduler::{self, DueFire, JobHistory, NextStart, RunHistory, ScheduleTime, SignInSummary};
use crate::settings::{ScheduleSettings, Settings};
use crate::store::timestamp;
use crate::store::{self, PlannedCalls, RawAnswers, Store, future_times, runs};
use crate::sync::{
    AppFacts, CallRange, CauseScope, JobEstimate, JobLock, LockError, ProbeBudget, RunCause, RunParameters, RunReport,
    SyncContext, SyncError, resume_start, retained_since, run_job,
};
use spotify_client::client::{RunAllowance, SpotifyClient};
use spotify_client::state::{CallSpender, JobShare};

/// Runs jobs with what all runs of a process share.
pub(super) struct JobRunner<'a> {
    pub app: App<'a>,
    files: JobFiles,
    client: SpotifyClient,
    facts: AppFacts,
}

/// How to run a job.
#[derive(Debug, Clone, Default)]
pub(super) struct RunOptions {
    /// The fire that the run serves; none if a user started it.
    pub due: Option<DueFire>,
    /// Since when this process has been watching for due jobs.
    pub watching_since: DateTime<Utc>,
    /// Whether to ignore checkpoints and change detection.
    pub full: bool,
    /// The fetch with suspicious batches that the user accepts.
    pub accept: Option<String>,
    /// The maximum number of calls of the run.
    pub max_calls: Option<u64>,
    pub price: PlannedPrice,
}

/// The result of running a job.
pub(super) enum JobOutcome {
    Finished(Box<RunReport>),
    /// Another run of the job is in progress, or the store is being compacted.
    AlreadyRunning(String),
    /// Another process has served the fire.
    AlreadyServed,
}

impl<'a> JobRunner<'a> {
    /// Opens the store and finds the credentials, without any call. Only a full run may replace a lost store.
    pub(super) fn open(
        context: &'a CommandContext,
        settings: &'a Settings,
        full: bool,
    ) -> Result<JobRunner<'a>, CommandError> {
        let app = App::open(context, settings)?;
        app.credentials()?;
        let files = app.job_files()?;
        app.use_store(if full { app.open_or_create_store()? } else { app.open_store()? });
        let (client, facts) = app.open_client(RunCallLimits::default(), Arc::new(LogObserver))?;
        Ok(JobRunner { app, files, client, facts })
    }

    /// Runs a job and sends the pings about its start and its end. Errors are left to
    /// [`Reporter::job_failed`].
    pub(super) async fn run_and_ping(
        &self,
        job: &Job,
        options: &RunOptions,
        shutdown: &Shutdown,
        reporter: &Reporter<'_>,
    ) -> Result<JobOutcome, CommandError> {
        let pinger = reporter.ping(&job.name);
        let on_start = || pinger.iter().for_each(RunPinger::start);
        let outcome = self.run(job, options, shutdown, on_start).await;
        if let (Ok(JobOutcome::Finished(report)), Some(pinger)) = (&outcome, &pinger) {
            pinger.finish(ping_code(report.exit_code), &ping_lines(report));
        }
        outcome
    }

    /// Runs a job. `on_start` is called when the run has a record.
    async fn run(
        &self,
        job: &Job,
        options: &RunOptions,
        shutdown: &Shutdown,
        on_start: impl FnOnce(),
    ) -> Result<JobOutcome, CommandError> {
        let (app, store) = (&self.app, self.app.store()?);
        if job.users == JobUsers::None {
            // Without users the run needs the app's own token.
            app.context.require_secret(app.credentials()?)?;
        }
        let _lock = match lock_job(app, job) {
            Ok(lock) => lock,
            Err(e @ (LockError::Running { .. } | LockError::Compacting { .. })) => {
                return Ok(JobOutcome::AlreadyRunning(e.to_string()));
            }
            Err(e @ LockError::Hangs { .. }) => {
                return Err(
                    CommandError::new(ExitStatus::Failed, e).with_hint("check that process, and kill it if it hangs")
                );
            }
            Err(e) => return Err(CommandError::new(ExitStatus::Storage, e)),
        };
        let history = RunHistory::read(store.path()).or_exit(ExitStatus::Storage)?.job_or_default(&job.name);
        if is_served(app, job, options, &history) {
            return Ok(JobOutcome::AlreadyServed);
        }
        let price = match &options.price {
            PlannedPrice::NotAsked => price_job(app, job, &history, options.full, &ProbeBudget::at_most(0)).await.ok(),
            planned => planned.known().cloned(),
        };
        let grants = grants_for(app, job)?;
        let raw = app.settings.output.keep_raw.then(|| RawAnswers::open_for_store(store.path(), self.files.access));
        let raw = raw.transpose().map_err(|e| sync_error(SyncError::Store(e)))?;
        let display = Arc::new(ProgressDisplay::new(app.context, &job.name, raw));
        let client = self.client.with_allowance(self.allowance(job, options), Arc::clone(&display) as _);
        let _guard = shutdown.guard_api(&client);
        if let Some(grants) = &grants {
            // Clones of the client share the grants.
            drop(client.clone().with_grants(Arc::clone(grants), app.context.refresh_token()));
        }
        require_free_space(store.path(), &self.files.target.csv_dir, &job.name)?;
        // Before the first call: data that cannot be written need not be read.
        self.files.check(job).map_err(|e| {
            CommandError::new(ExitStatus::Storage, e)
                .with_hint("make the folder writable for this user, or choose another output.csv_dir")
        })?;
        let started_at = client.now().wall;
        let fire_at = options.due.map(|due| due.fire);
        let planned = price.as_ref().map(|price| planned_calls(price.total().calls()));
        let Some(started) = start_run(store, &client, job, fire_at, planned, started_at).await? else {
            return Ok(JobOutcome::AlreadyServed);
        };
        on_start();
        let facts = self.facts.with_api(client.clone());
        facts.apply_class_limits().map_err(ledger_error)?;
        let sync = SyncContext {
            app: facts,
            api: client,
            store: Arc::clone(store),
            state_folder: app.state.path().to_path_buf(),
            observer: Arc::clone(&display) as _,
            run_id: started.run_id,
            started_at,
            resumes_from: resume_start(started.resumes_from.as_deref(), started_at),
            retained_since: retained_since(job, &app.settings.retention, started_at),
            full: options.full,
        };
        let accept = options.accept.clone();
        let parameters = RunParameters { accept, ..run_parameters(app, &history, fire_at, grants) };
        let report = run_job(&sync, job, &parameters, &self.files).await;
        display.finish();
        let mut report = report.map_err(sync_error)?;
        name_signed_in_owners(app, job, &mut report);
        let hints = report.hints.iter_mut().chain(report.causes.iter_mut().filter_map(|cause| cause.hint.as_mut()));
        hints.for_each(|hint| *hint = complete_sign_ins(app.context, hint));
        if let Some(price) = &price {
            save_planned_calls(store, started.run_id, price).await?;
        }
        Ok(JobOutcome::Finished(Box::new(report)))
    }

    /// The calls that a run of the job may send: the rest of the job's share, and at most `max_calls`.
    fn allowance(&self, job: &Job, options: &RunOptions) -> RunAllowance {
        let share = Some(JobShare::from_max_calls(job.max_calls));
        let spender = Some(CallSpender { job: job_key(&self.app, job), share });
        RunAllowance { max_calls: options.max_calls, reserve: reserve(&self.app, options.due), spender }
    }

    /// Closes the store after all runs have ended.
    pub(super) fn close(self) {
        let JobRunner { app, facts, client, .. } = self;
        drop((facts, client));
        app.close();
    }
}

/// Locks a job. A lock that was taken longer ago than `schedule.max_runtime` belongs to a run that hangs.
fn lock_job(app: &App<'_>, job: &Job) -> Result<JobLock, LockError> {
    JobLock::take(app.state.path(), &app.database_path(), &job.name, app.settings.schedule.max_runtime)
}

/// Whether another process has served the fire since it was found to be due.
fn is_served(app: &App<'_>, job: &Job, options: &RunOptions, history: &JobHistory) -> bool {
    let has_newer_run = options.due.is_some_and(|due| history.runs.first().map(|run| run.id) != due.after);
    has_newer_run && {
        let now = ScheduleTime { at: Utc::now(), watching_since: options.watching_since };
        let sign_ins = |job: &Job| read_sign_ins(job, app.context, app.settings);
        next_start(job, history.clone(), &app.settings.schedule, now, sign_ins).due().is_none()
    }
}

/// A run with a record in the store.
struct StartedRun {
    run_id: i64,
    resumes_from: Option<String>,
}

/// Records the start of a run. `None` if another process has claimed the fire.
async fn start_run(
    store: &Store,
    client: &SpotifyClient,
    job: &Job,
    fire_at: Option<DateTime<Utc>>,
    planned: Option<PlannedCalls>,
    started_at: DateTime<Utc>,
) -> Result<Option<StartedRun>, CommandError> {
    let (name, hash, now) = (job.name.clone(), job.hash.clone(), timestamp(started_at));
    let fire = fire_at.map(timestamp);
    let (clock, before) = (client.clone(), timestamp(started_at - TimeDelta::milliseconds(1)));
    let started = store.write(move |s| {
        if let Some(fire) = &fire
            && !runs::claim_fire(s, &name, fire)?
        {
            return Ok(None);
        }
        let run_id = runs::start(s, &name, fire.as_deref(), &hash, &now)?;
        if let Some(planned) = planned {
            store::planned_calls::save(s, run_id, planned, &[])?;
        }
        // Other runs may have written times while this one waited for the store; those are not in the future.
        future_times::reset(s, &timestamp(clock.now().wall), &before)?;
        Ok(Some(StartedRun { run_id, resumes_from: runs::resumes_since(s, run_id, &name)? }))
    });
    started.await.map_err(|e| sync_error(SyncError::Store(e)))
}

/// Records the price of a finished run: the total, and the part of each fetch and user.
async fn save_planned_calls(store: &Store, run_id: i64, price: &JobEstimate) -> Result<(), CommandError> {
    let total = planned_calls(price.total().calls());
    let parts: Vec<(String, String, PlannedCalls)> = price
        .fetches
        .iter()
        .map(|it| (it.fetch.clone(), it.user_id.clone(), planned_calls(it.estimate.calls())))
        .collect();
    let saved = store.write(move |s| store::planned_calls::save(s, run_id, total, &parts)).await;
    saved.map_err(|e| sync_error(SyncError::Store(e)))
}

fn planned_calls(calls: CallRange) -> PlannedCalls {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    PlannedCalls { least: number(calls.at_least), most: calls.at_most.map(number) }
}

/// Returns the fire that a job has to serve now, or when it starts next.
pub(super) fn next_start(
    job: &Job,
    mut history: JobHistory,
    rules: &ScheduleSettings,
    now: impl Into<ScheduleTime>,
    sign_ins: impl Fn(&Job) -> SignInSummary,
) -> NextStart {
    if history.needed_user_action() {
        history.sign_ins = sign_ins(job);
    }
    scheduler::next_start(job, &history, rules, now)
}

/// The sign-in status of the users of a job. Jobs that need grants report errors in them.
pub(super) fn read_sign_ins(job: &Job, context: &CommandContext, settings: &Settings) -> SignInSummary {
    let grants = sign_in_status::open_existing_grants(context, settings).ok().flatten();
    sign_in_status::sign_ins(job, grants.as_ref()).unwrap_or_default()
}

/// Whether a scheduled run sent nothing because Spotify or our own ceilings hold calls back until a known
/// time.
pub(super) fn is_known_deferral(report: &RunReport, shutdown: &Shutdown) -> bool {
    let is_held_back = |cause: &RunCause| cause.scope == CauseScope::Deferred;
    report.exit_code == ExitStatus::Deferred.code()
        && report.calls == 0
        && report.causes.iter().all(is_held_back)
        && !shutdown.is_stopping()
}
