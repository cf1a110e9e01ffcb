//! Runs jobs, for `run` and `schedule` alike: what all runs of a process share, and one run of one
//! job from its lock to its report.
//!
//! The runs of a process share one gate (pace, calls in flight, the day's budget), one token of the
//! app and one writing thread of the store, so that jobs may go side by side.

use std::cell::OnceCell;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::preflight::room;
use super::pricing::{Desk, halted};
use super::progress::{Spoken, Watcher};
use super::standing;
use super::stopper::Stopper;
use super::workshop::{Most, Workshop, booked};
use super::{Context, Exit, Failure};
use crate::job::{Job, Users};
use crate::run::{
    AppFacts, Calls, Engine, Files, Halt, JobLock, JobPrice, LockTrouble, RunReport, kept_since, run_job, stamp,
    went_on_from,
};
use crate::scheduler::{self, Due, JobPast, Next, Now, Past, SignIns};
use crate::settings::credentials::Credentials;
use crate::settings::{Schedule as Rules, Settings};
use crate::store::{Planned, RawKeeper, Store};
use spotify_client::client::{Allowance, Api};
use spotify_client::state::grants::Grants;
use spotify_client::state::{Share, Spender};

/// What all runs of a process share.
pub(super) struct Runner<'a> {
    pub context: &'a Context,
    pub workshop: Workshop<'a>,
    credentials: Credentials,
    files: Files,
    store: Arc<Store>,
    api: Api,
    facts: AppFacts,
    grants: OnceCell<Arc<Grants>>,
}

/// How a job is run.
#[derive(Debug, Clone, Default)]
pub(super) struct How {
    /// The fire that it serves; none if started by hand.
    pub due: Option<Due>,
    /// Since when somebody has been there to look for what is due.
    pub awake_since: DateTime<Utc>,
    /// No checkpoints, no change detection.
    pub full: bool,
    /// Calls that it may spend.
    pub max_calls: Option<u64>,
    /// What it was expected to cost, if that could be worked out.
    pub price: Option<JobPrice>,
}

/// What came of it.
pub(super) enum Outcome {
    /// It ran.
    Ended(Box<RunReport>),
    /// An earlier run of the job is under way, or the store is being compacted.
    Running(String),
    /// Somebody else served the fire meanwhile.
    Served,
}

impl<'a> Runner<'a> {
    /// Opens state folder and store, and finds the credentials. Sends nothing. Only what reads all anew
    /// (`full`) begins without a store that was there.
    pub(super) fn open(context: &'a Context, full: bool) -> Result<Runner<'a>, Failure> {
        let workshop = Workshop::open(context)?;
        let credentials = context.credentials()?;
        let files = workshop.files()?;
        let store = if full { workshop.store_or_new()? } else { workshop.store()? };
        let (api, facts) = workshop.api(&credentials, Most::default(), Arc::new(Spoken))?;
        Ok(Runner { context, workshop, credentials, files, store, api, facts, grants: OnceCell::new() })
    }

    /// Runs one job. `begins` is called when it has begun: when nobody else runs it, and its record is
    /// made.
    pub(super) async fn run(
        &self,
        job: &Job,
        how: &How,
        stopper: &Stopper,
        begins: impl FnOnce(),
    ) -> Result<Outcome, Failure> {
        let settings = &self.workshop.settings;
        if job.users == Users::None {
            // The app's own token needs it; users may have signed in without.
            self.context.secret(&self.credentials)?;
        }
        let _lock = match self.lock(job) {
            Ok(lock) => lock,
            Err(e @ (LockTrouble::Running { .. } | LockTrouble::Compacting { .. })) => {
                return Ok(Outcome::Running(e.to_string()));
            }
            Err(e @ LockTrouble::Hangs { .. }) => {
                return Err(Failure::new(Exit::Failed, e).with_hint("look at that process, and end it if it hangs"));
            }
            Err(e) => return Err(Failure::new(Exit::Storage, e)),
        };
        let past = Past::read(self.store.path()).map_err(|e| Failure::new(Exit::Storage, e))?.of(&job.name);
        // Between the look and the lock somebody else may have served the fire.
        let ran_meanwhile = |due: Due| past.runs.first().map(|run| run.id) != due.after;
        let still_due = || {
            let sign_ins = |job: &Job| sign_ins(job, self.context, settings);
            let now = Now { at: Utc::now(), awake_since: how.awake_since };
            next_of(job, past.clone(), &settings.schedule, now, sign_ins).due().is_some()
        };
        if how.due.is_some_and(ran_meanwhile) && !still_due() {
            return Ok(Outcome::Served);
        }
        let grants = match job.users {
            Users::None => None,
            Users::Named(_) | Users::All => Some(Arc::clone(self.grants()?)),
        };
        let keep = settings.output.keep_raw.then(|| RawKeeper::beside(self.store.path(), self.files.access));
        let raw = keep.transpose().map_err(|e| halted(Halt::Store(e)))?;
        let watcher = Arc::new(Watcher::new(self.context, &job.name, raw));
        let api = self.api.beside(self.allowance(job, how), Arc::clone(&watcher) as _);
        let _stops = stopper.stops(&api);
        if let Some(grants) = &grants {
            // Clones share what is set here.
            drop(api.clone().with_grants(Arc::clone(grants), self.context.refresh_token()));
        }
        room(self.store.path(), &self.files.target.csv_dir, &job.name)?;
        // Before the first call: what cannot be written anyway need not be asked for.
        self.files.check(job).map_err(|e| {
            Failure::new(Exit::Storage, e)
                .with_hint("make the folder writable for this user, or name another output.csv_dir")
        })?;
        let started_at = api.now().wall;
        let fire_at = how.due.map(|due| due.fire);
        let (name, hash, now) = (job.name.clone(), job.hash.clone(), stamp(started_at));
        let fire = fire_at.map(stamp);
        let (clock, before) = (api.clone(), stamp(started_at - TimeDelta::milliseconds(1)));
        let (whole, parts) = planned(how.price.as_ref());
        let begun = self.store.write(move |s| {
            if let Some(fire) = &fire
                && !s.take_fire(&name, fire)?
            {
                return Ok(None);
            }
            let run = s.begin_run(&name, fire.as_deref(), &hash, &now)?;
            if let Some(whole) = whole {
                s.set_planned(run, whole, &[])?;
            }
            // What another run has noted while this one waited for the store is no time that lies ahead.
            s.take_back_times(&stamp(clock.now().wall), &before)?;
            Ok(Some((run, s.goes_on_from(run, &name)?)))
        });
        let Some((run, goes_on_from)) = begun.await.map_err(|e| halted(Halt::Store(e)))? else {
            return Ok(Outcome::Served);
        };
        begins();
        let facts = self.facts.beside(api.clone());
        facts.go_by_class().map_err(booked)?;
        let engine = Engine {
            app: facts,
            api,
            store: Arc::clone(&self.store),
            locks: self.workshop.state.path().to_path_buf(),
            progress: Arc::clone(&watcher) as _,
            run,
            started_at,
            goes_on_from: went_on_from(goes_on_from.as_deref(), started_at),
            kept_since: kept_since(job, &settings.retention, started_at),
            full: how.full,
        };
        let start = self.desk().start(&past, fire_at, grants);
        let report = run_job(&engine, job, &start, &self.files).await;
        watcher.finish();
        let report = report.map_err(halted)?;
        if let Some(whole) = whole {
            let noted = self.store.write(move |s| s.set_planned(run, whole, &parts)).await;
            noted.map_err(|e| halted(Halt::Store(e)))?;
        }
        Ok(Outcome::Ended(Box::new(report)))
    }

    /// Where runs are priced: with the same store and the same credentials.
    pub(super) fn desk(&self) -> Desk<'_> {
        let Runner { context, workshop, credentials, store, .. } = self;
        Desk { context, workshop, credentials, store }
    }

    /// The lock of a job, which a run that hangs holds for too long.
    fn lock(&self, job: &Job) -> Result<JobLock, LockTrouble> {
        let hangs = self.workshop.settings.schedule.max_runtime;
        JobLock::take(self.workshop.state.path(), self.store.path(), &job.name, hangs)
    }

    /// What a run of the job may spend: what is left of the job's share, and what was said for this run.
    fn allowance(&self, job: &Job, how: &How) -> Allowance {
        let spender = Some(Spender { job: self.desk().spends(job), share: Some(Share::said(job.max_calls)) });
        Allowance { max_calls: how.max_calls, reserve: self.desk().reserve(how.due), spender }
    }

    /// The grants of the app's users.
    pub(super) fn grants(&self) -> Result<&Arc<Grants>, Failure> {
        if let Some(grants) = self.grants.get() {
            return Ok(grants);
        }
        let opened = self.workshop.grants(&self.credentials)?;
        Ok(self.grants.get_or_init(|| opened))
    }

    /// Closes the store, once all runs have ended.
    pub(super) fn close(self) {
        let Runner { store, facts, api, .. } = self;
        drop((facts, api));
        if let Ok(store) = Arc::try_unwrap(store) {
            store.close();
        }
    }
}

/// The fire that a job has to serve now, or when there will be one.
pub(super) fn next_of(
    job: &Job,
    mut past: JobPast,
    rules: &Rules,
    now: impl Into<Now>,
    sign_ins: impl Fn(&Job) -> SignIns,
) -> Next {
    if past.needed_a_person() {
        past.sign_ins = sign_ins(job);
    }
    scheduler::next(job, &past, rules, now)
}

/// How the sign-ins of a job's users stand. What is wrong with the grants is said by the jobs that
/// need them.
pub(super) fn sign_ins(job: &Job, context: &Context, settings: &Settings) -> SignIns {
    let grants = standing::open(context, settings).ok().flatten();
    standing::sign_ins(job, grants.as_ref()).unwrap_or_default()
}

/// A price as the store keeps it: of the whole run, and of each fetch by its name and user.
fn planned(price: Option<&JobPrice>) -> (Option<Planned>, Vec<(String, String, Planned)>) {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let kept = |calls: Calls| Planned { least: number(calls.least), most: calls.most.map(number) };
    let each = price.into_iter().flat_map(|price| &price.fetches);
    let each = each.map(|it| (it.fetch.clone(), it.user_id.clone(), kept(it.price.calls())));
    (price.map(|price| kept(price.whole().calls())), each.collect())
}
