//! `run`: the named jobs, all, or those that are due.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::args::Run;
use super::preflight::room;
use super::progress::Watcher;
use super::standing;
use super::stopper::Stopper;
use super::summary::{Told, report_json, tell};
use super::workshop::{Most, Workshop, runtime};
use super::{Context, Exit, Failure};
use crate::job::{Job, Users};
use crate::run::{Engine, Files, Halt, JobLock, LockTrouble, RunReport, Start, run_job, stamp};
use crate::scheduler::{self, Past};
use crate::settings::credentials::Credentials;
use crate::state::{Job as Spends, Share, Spender};
use crate::store::{RawKeeper, RunRow, Store};

/// Runs jobs and says how it ended.
pub fn run(args: &Run, context: &Context) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    for name in settings.without_effect() {
        tracing::warn!(setting = name, "this setting has no effect: what it is for is not built in this version");
    }
    let loaded = context.jobs(&settings, &args.jobs);
    let mut exits = Vec::new();
    if loaded.has_errors() {
        let broken = Failure::Problems(loaded.problems);
        if !args.jobs.is_empty() {
            return Err(broken);
        }
        // The other jobs have done nothing wrong.
        context.tell(&broken);
        exits.push(Exit::Usage);
    }
    let mut jobs = loaded.jobs;
    jobs.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(&b.name)));
    let now = Utc::now();
    let watched = if context.json { jobs.clone() } else { Vec::new() };
    let grants = || match standing::open(context, &settings) {
        Ok(grants) => standing::of_all(&watched, grants.as_ref(), Utc::now()).unwrap_or_default(),
        // Whoever needs them says so; a line for programs is printed all the same.
        Err(_) => Vec::new(),
    };
    let due = if args.due { due_jobs(context, &settings, jobs, now)? } else { with_no_fire(jobs) };
    if due.is_empty() {
        let exit = Exit::of_all(exits);
        if context.json {
            report_json(&[], &Told { grants: grants(), ..Told::default() }, exit)?;
        }
        return Ok(exit);
    }
    let workshop = Workshop::open(context)?;
    let credentials = context.credentials()?;
    if due.iter().any(|(job, _)| job.users == Users::None) {
        // The app's own token needs it; users may have signed in without.
        context.secret(&credentials)?;
    }
    let files = workshop.files()?;
    let store = workshop.store()?;
    let (mut reports, mut told) = (Vec::new(), Told::default());
    runtime()?.block_on(async {
        let stopper = Stopper::listening();
        for (job, fire_at) in due {
            if stopper.stopped() {
                exits.push(Exit::Deferred);
                break;
            }
            let one =
                One { context, workshop: &workshop, credentials: &credentials, files: &files, store: &store, args };
            match one.run(&job, fire_at, &stopper).await {
                Ok(Some(report)) => {
                    exits.push(one.exit_of(&report, &stopper));
                    reports.push(report);
                }
                Ok(None) => {
                    if !args.due {
                        exits.push(Exit::Deferred);
                    }
                    told.running.push(job.name);
                }
                Err(failure) => {
                    context.tell(&failure);
                    exits.push(failure.exit());
                    told.errors.push(failure.to_string());
                }
            }
        }
        Ok::<(), Failure>(())
    })?;
    if let Ok(store) = Arc::try_unwrap(store) {
        store.close();
    }
    let exit = Exit::of_all(exits);
    if context.json {
        told.grants = grants();
        report_json(&reports, &told, exit)?;
    }
    Ok(if exit == Exit::Deferred && args.ok_if_deferred { Exit::Complete } else { exit })
}

/// A job to run, and the fire that the run serves, if it serves one.
type ToRun = (Job, Option<DateTime<Utc>>);

fn with_no_fire(jobs: Vec<Job>) -> Vec<ToRun> {
    jobs.into_iter().map(|job| (job, None)).collect()
}

/// The jobs with a fire that nobody served, read from the store without opening anything else.
fn due_jobs(
    context: &Context,
    settings: &crate::settings::Settings,
    jobs: Vec<Job>,
    now: DateTime<Utc>,
) -> Result<Vec<ToRun>, Failure> {
    let past = Past::read(&context.project.database(settings)).map_err(|e| Failure::new(Exit::Storage, e))?;
    let has_users = jobs.iter().any(|job| job.users != Users::None);
    // What is wrong with the grants is said by the jobs that need them.
    let grants = if has_users { standing::open(context, settings).ok().flatten() } else { None };
    let fire = |job: Job| {
        let mut past = past.of(&job.name);
        past.sign_ins = standing::sign_ins(&job, grants.as_ref()).unwrap_or_default();
        scheduler::due(&job, &past, &settings.schedule, now).map(|fire| (job, Some(fire)))
    };
    Ok(jobs.into_iter().filter_map(fire).collect())
}

/// What one run is given.
struct One<'a> {
    context: &'a Context,
    workshop: &'a Workshop<'a>,
    credentials: &'a Credentials,
    files: &'a Files,
    store: &'a Arc<Store>,
    args: &'a Run,
}

impl One<'_> {
    /// Runs one job; `None` if it is running already.
    async fn run(
        &self,
        job: &Job,
        fire_at: Option<DateTime<Utc>>,
        stopper: &Stopper,
    ) -> Result<Option<RunReport>, Failure> {
        let _lock = match JobLock::take(self.workshop.state.path(), self.store.path(), &job.name) {
            Ok(lock) => lock,
            Err(e @ LockTrouble::Running { .. }) => {
                if !self.args.due {
                    self.context.say(&format!("{e}; nothing was sent"));
                }
                return Ok(None);
            }
            Err(e @ LockTrouble::Hangs { .. }) => {
                return Err(Failure::new(Exit::Failed, e).with_hint("look at that process, and end it if it hangs"));
            }
            Err(e @ LockTrouble::Io { .. }) => return Err(Failure::new(Exit::Storage, e)),
        };
        let settings = &self.workshop.settings;
        let keep = settings.output.keep_raw.then(|| RawKeeper::beside(self.store.path(), settings.output.mode));
        let raw = keep.transpose().map_err(|e| halted(Halt::Store(e)))?;
        let watcher = Arc::new(Watcher::new(self.context, &job.name, raw));
        let most = self.most(job);
        let (api, app) = self.workshop.api(self.credentials, most, Arc::clone(&watcher) as _)?;
        stopper.stops(&api);
        let grants = match job.users {
            Users::None => None,
            Users::Named(_) | Users::All => Some(self.workshop.grants(self.credentials)?),
        };
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
        let past = Past::read(self.store.path()).map_err(|e| Failure::new(Exit::Storage, e))?.of(&job.name);
        let last_run_at = past.last_good;
        let (name, hash, now) = (job.name.clone(), job.hash.clone(), stamp(started_at));
        let fire = fire_at.map(stamp);
        let begun = self.store.write(move |s| {
            let run = s.begin_run(&name, fire.as_deref(), &hash, &now)?;
            Ok((run, s.goes_on_from(run, &name)?))
        });
        let (run, goes_on_from) = begun.await.map_err(|e| halted(Halt::Store(e)))?;
        let engine = Engine {
            api,
            store: Arc::clone(self.store),
            app,
            locks: self.workshop.state.path().to_path_buf(),
            progress: Arc::clone(&watcher) as _,
            run,
            started_at,
            goes_on_from: goes_on_from.and_then(|at| at.parse().ok()).unwrap_or(started_at),
            full: self.args.full,
        };
        let start = Start {
            fire_at,
            last_run_at,
            default_market: self.workshop.settings.defaults.market.clone(),
            refresh_after: self.workshop.settings.refresh_after.clone(),
            grants,
            retention: settings.retention.clone(),
        };
        let report = run_job(&engine, job, &start, self.files).await;
        watcher.finish();
        stopper.release();
        let report = report.map_err(halted)?;
        if !self.is_a_known_ban(&report, stopper) && !self.is_a_known_sign_in(&report, past.runs.first()) {
            tell(self.context, &report);
        }
        Ok(Some(report))
    }
}

impl One<'_> {
    /// What a run of the job may spend: what was said, else half of a day.
    fn most(&self, job: &Job) -> Most {
        let calls = self.args.max_calls.or(job.max_calls);
        let path = self.store.path();
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let share = calls.is_none().then_some(Share::HALF);
        Most { calls, spender: Some(Spender { job: Spends::of(&path, &job.name), share }) }
    }
}

impl One<'_> {
    /// Whether a timer's start only met what was known before: nothing was sent, and it is no news.
    fn is_a_known_ban(&self, report: &RunReport, stopper: &Stopper) -> bool {
        self.args.due && report.exit_code == Exit::Deferred.code() && report.calls == 0 && !stopper.stopped()
    }

    /// Whether `-q` has nothing new to say: the same sign-in is missing as at the fire before.
    fn is_a_known_sign_in(&self, report: &RunReport, before: Option<&RunRow>) -> bool {
        let quiet = self.context.quiet && self.args.due && report.warnings.is_empty() && report.reasons.len() == 1;
        let person = report.exit_code == Exit::Person.code();
        let same = |run: &RunRow| {
            run.exit_code == Some(report.exit_code.into()) && run.reason == report.reasons.first().cloned()
        };
        quiet && person && before.is_some_and(same)
    }

    fn exit_of(&self, report: &RunReport, stopper: &Stopper) -> Exit {
        let asked = Exit::BY_PRECEDENCE.into_iter().find(|exit| exit.code() == report.exit_code);
        if self.is_a_known_ban(report, stopper) { Exit::Complete } else { asked.unwrap_or(Exit::Failed) }
    }
}

fn halted(halt: Halt) -> Failure {
    let hint = halt.hint();
    let failure = Failure::new(Exit::Storage, halt);
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}
