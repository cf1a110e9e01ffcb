//! Runs jobs, for `run` and `schedule` alike: what all runs of a process share, and one run of one
//! job from its lock to its report.
//!
//! The runs of a process share one gate (pace, calls in flight, the day's budget), one token of the
//! app and one writing thread of the store, so that jobs may go side by side.

use crate::store::{future_times, planned_calls, runs};
use std::cell::OnceCell;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::app::{App, RunCallLimits, ledger_error};
use super::preflight::require_free_space;
use super::pricing::{Desk, halted};
use super::progress::{LogObserver, ProgressDisplay};
use super::shutdown::Shutdown;
use super::sign_in_status;
use super::{CommandContext, CommandError, ExitStatus};
use crate::export::JobFiles;
use crate::job::{Job, JobUsers};
use crate::scheduler::{self, DueFire, JobHistory, NextStart, RunHistory, ScheduleTime, SignInSummary};
use crate::settings::credentials::Credentials;
use crate::settings::{ScheduleSettings as Rules, Settings};
use crate::store::timestamp;
use crate::store::{PlannedCalls, RawAnswers, Store};
use crate::sync::{
    AppFacts, CallRange, JobEstimate, JobLock, LockError, RunReport, SyncContext, SyncError, resume_start,
    retained_since, run_job,
};
use spotify_client::client::{RunAllowance, SpotifyClient};
use spotify_client::state::grants::GrantStore;
use spotify_client::state::{CallSpender, JobShare};

/// What all runs of a process share.
pub(super) struct JobRunner<'a> {
    pub context: &'a CommandContext,
    pub workshop: App<'a>,
    credentials: Credentials,
    files: JobFiles,
    store: Arc<Store>,
    api: SpotifyClient,
    facts: AppFacts,
    grants: OnceCell<Arc<GrantStore>>,
}

/// How a job is run.
#[derive(Debug, Clone, Default)]
pub(super) struct RunOptions {
    /// The fire that it serves; none if started by hand.
    pub due: Option<DueFire>,
    /// Since when somebody has been there to look for what is due.
    pub watching_since: DateTime<Utc>,
    /// No checkpoints, no change detection.
    pub full: bool,
    /// Calls that it may spend.
    pub max_calls: Option<u64>,
    /// What it was expected to cost, if that could be worked out.
    pub price: Option<JobEstimate>,
}

/// What came of it.
pub(super) enum JobOutcome {
    /// It ran.
    Finished(Box<RunReport>),
    /// An earlier run of the job is under way, or the store is being compacted.
    AlreadyRunning(String),
    /// Somebody else served the fire meanwhile.
    AlreadyServed,
}

impl<'a> JobRunner<'a> {
    /// Opens state folder and store, and finds the credentials. Sends nothing. Only what reads all anew
    /// (`full`) begins without a store that was there.
    pub(super) fn open(context: &'a CommandContext, full: bool) -> Result<JobRunner<'a>, CommandError> {
        let workshop = App::open(context)?;
        let credentials = context.credentials()?;
        let files = workshop.job_files()?;
        let store = if full { workshop.open_or_create_store()? } else { workshop.open_store()? };
        let (api, facts) = workshop.open_api(&credentials, RunCallLimits::default(), Arc::new(LogObserver))?;
        Ok(JobRunner { context, workshop, credentials, files, store, api, facts, grants: OnceCell::new() })
    }

    /// Runs one job. `begins` is called when it has begun: when nobody else runs it, and its record is
    /// made.
    pub(super) async fn run(
        &self,
        job: &Job,
        how: &RunOptions,
        stopper: &Shutdown,
        begins: impl FnOnce(),
    ) -> Result<JobOutcome, CommandError> {
        let settings = &self.workshop.settings;
        if job.users == JobUsers::None {
            // The app's own token needs it; users may have signed in without.
            self.context.require_secret(&self.credentials)?;
        }
        let _lock = match self.lock_job(job) {
            Ok(lock) => lock,
            Err(e @ (LockError::Running { .. } | LockError::Compacting { .. })) => {
                return Ok(JobOutcome::AlreadyRunning(e.to_string()));
            }
            Err(e @ LockError::Hangs { .. }) => {
                return Err(
                    CommandError::new(ExitStatus::Failed, e).with_hint("look at that process, and end it if it hangs")
                );
            }
            Err(e) => return Err(CommandError::new(ExitStatus::Storage, e)),
        };
        let past = RunHistory::read(self.store.path())
            .map_err(|e| CommandError::new(ExitStatus::Storage, e))?
            .job_or_default(&job.name);
        // Between the look and the lock somebody else may have served the fire.
        let ran_meanwhile = |due: DueFire| past.runs.first().map(|run| run.id) != due.after;
        let still_due = || {
            let sign_ins = |job: &Job| sign_ins(job, self.context, settings);
            let now = ScheduleTime { at: Utc::now(), watching_since: how.watching_since };
            next_start(job, past.clone(), &settings.schedule, now, sign_ins).due().is_some()
        };
        if how.due.is_some_and(ran_meanwhile) && !still_due() {
            return Ok(JobOutcome::AlreadyServed);
        }
        let grants = match job.users {
            JobUsers::None => None,
            JobUsers::Named(_) | JobUsers::All => Some(Arc::clone(self.grants()?)),
        };
        let keep = settings.output.keep_raw.then(|| RawAnswers::open_for_store(self.store.path(), self.files.access));
        let raw = keep.transpose().map_err(|e| halted(SyncError::Store(e)))?;
        let watcher = Arc::new(ProgressDisplay::new(self.context, &job.name, raw));
        let api = self.api.with_allowance(self.allowance(job, how), Arc::clone(&watcher) as _);
        let _stops = stopper.guard_api(&api);
        if let Some(grants) = &grants {
            // Clones share what is set here.
            drop(api.clone().with_grants(Arc::clone(grants), self.context.refresh_token()));
        }
        require_free_space(self.store.path(), &self.files.target.csv_dir, &job.name)?;
        // Before the first call: what cannot be written anyway need not be asked for.
        self.files.check(job).map_err(|e| {
            CommandError::new(ExitStatus::Storage, e)
                .with_hint("make the folder writable for this user, or name another output.csv_dir")
        })?;
        let started_at = api.now().wall;
        let fire_at = how.due.map(|due| due.fire);
        let (name, hash, now) = (job.name.clone(), job.hash.clone(), timestamp(started_at));
        let fire = fire_at.map(timestamp);
        let (clock, before) = (api.clone(), timestamp(started_at - TimeDelta::milliseconds(1)));
        let (whole, parts) = planned_calls(how.price.as_ref());
        let begun = self.store.write(move |s| {
            if let Some(fire) = &fire
                && !runs::claim_fire(s, &name, fire)?
            {
                return Ok(None);
            }
            let run = runs::start(s, &name, fire.as_deref(), &hash, &now)?;
            if let Some(whole) = whole {
                planned_calls::save(s, run, whole, &[])?;
            }
            // What another run has noted while this one waited for the store is no time in the future.
            future_times::reset(s, &timestamp(clock.now().wall), &before)?;
            Ok(Some((run, runs::resumes_since(s, run, &name)?)))
        });
        let Some((run, goes_on_from)) = begun.await.map_err(|e| halted(SyncError::Store(e)))? else {
            return Ok(JobOutcome::AlreadyServed);
        };
        begins();
        let facts = self.facts.with_api(api.clone());
        facts.apply_class_limits().map_err(ledger_error)?;
        let engine = SyncContext {
            app: facts,
            api,
            store: Arc::clone(&self.store),
            state_folder: self.workshop.state.path().to_path_buf(),
            observer: Arc::clone(&watcher) as _,
            run_id: run,
            started_at,
            resumes_from: resume_start(goes_on_from.as_deref(), started_at),
            retained_since: retained_since(job, &settings.retention, started_at),
            full: how.full,
        };
        let start = self.desk().start(&past, fire_at, grants);
        let report = run_job(&engine, job, &start, &self.files).await;
        watcher.finish();
        let report = report.map_err(halted)?;
        if let Some(whole) = whole {
            let noted = self.store.write(move |s| planned_calls::save(s, run, whole, &parts)).await;
            noted.map_err(|e| halted(SyncError::Store(e)))?;
        }
        Ok(JobOutcome::Finished(Box::new(report)))
    }

    /// Where runs are priced: with the same store and the same credentials.
    pub(super) fn desk(&self) -> Desk<'_> {
        let JobRunner { context, workshop, credentials, store, .. } = self;
        Desk { context, workshop, credentials, store }
    }

    /// The lock of a job, which a run that hangs holds for too long.
    fn lock_job(&self, job: &Job) -> Result<JobLock, LockError> {
        let hangs = self.workshop.settings.schedule.max_runtime;
        JobLock::take(self.workshop.state.path(), self.store.path(), &job.name, hangs)
    }

    /// What a run of the job may spend: what is left of the job's share, and what was said for this run.
    fn allowance(&self, job: &Job, how: &RunOptions) -> RunAllowance {
        let spender =
            Some(CallSpender { job: self.desk().spends(job), share: Some(JobShare::from_max_calls(job.max_calls)) });
        RunAllowance { max_calls: how.max_calls, reserve: self.desk().reserve(how.due), spender }
    }

    /// The grants of the app's users.
    pub(super) fn grants(&self) -> Result<&Arc<GrantStore>, CommandError> {
        if let Some(grants) = self.grants.get() {
            return Ok(grants);
        }
        let opened = self.workshop.open_grants(&self.credentials)?;
        Ok(self.grants.get_or_init(|| opened))
    }

    /// Closes the store, once all runs have ended.
    pub(super) fn close(self) {
        let JobRunner { store, facts, api, .. } = self;
        drop((facts, api));
        if let Ok(store) = Arc::try_unwrap(store) {
            store.close();
        }
    }
}

/// The fire that a job has to serve now, or when there will be one.
pub(super) fn next_start(
    job: &Job,
    mut past: JobHistory,
    rules: &Rules,
    now: impl Into<ScheduleTime>,
    sign_ins: impl Fn(&Job) -> SignInSummary,
) -> NextStart {
    if past.needed_user_action() {
        past.sign_ins = sign_ins(job);
    }
    scheduler::next_start(job, &past, rules, now)
}

/// How the sign-ins of a job's users stand. What is wrong with the grants is said by the jobs that
/// need them.
pub(super) fn sign_ins(job: &Job, context: &CommandContext, settings: &Settings) -> SignInSummary {
    let grants = sign_in_status::open_existing_grants(context, settings).ok().flatten();
    sign_in_status::sign_ins(job, grants.as_ref()).unwrap_or_default()
}

/// A price as the store keeps it: of the whole run, and of each fetch by its name and user.
fn planned_calls(price: Option<&JobEstimate>) -> (Option<PlannedCalls>, Vec<(String, String, PlannedCalls)>) {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let kept = |calls: CallRange| PlannedCalls { least: number(calls.at_least), most: calls.at_most.map(number) };
    let each = price.into_iter().flat_map(|price| &price.fetches);
    let each = each.map(|it| (it.fetch.clone(), it.user_id.clone(), kept(it.estimate.calls())));
    (price.map(|price| kept(price.total().calls())), each.collect())
}
