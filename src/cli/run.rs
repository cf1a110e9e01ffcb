//! `run`: the named jobs, all, or those that are due.

mod question;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::args::Run;
use super::budget::order;
use super::preflight::room;
use super::pricing::{Desk, halted};
use super::progress::Watcher;
use super::standing;
use super::stopper::Stopper;
use super::summary::{Told, report_json, tell};
use super::workshop::{Workshop, runtime};
use super::{Context, Exit, Failure};
use crate::job::{Job, Users};
use crate::run::{Calls, Engine, Files, Halt, JobLock, JobPrice, LockTrouble, Looks, RunReport, run_job, stamp};
use crate::scheduler::{self, Past};
use crate::store::{Planned, RawKeeper, RunRow, Store};

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
    let jobs = loaded.jobs;
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
    let desk = Desk { context, workshop: &workshop, credentials: &credentials, store: &store };
    runtime()?.block_on(async {
        let stopper = Stopper::listening();
        for Ready { job, fire_at, price } in in_order(&desk, args, due).await? {
            if stopper.stopped() {
                exits.push(Exit::Deferred);
                break;
            }
            if !question::goes_on(&desk, args, &job, price.as_ref()).await? {
                context.say(&format!("{} was not run", job.name));
                continue;
            }
            let one = One { desk: &desk, context, workshop: &workshop, files: &files, store: &store, args };
            match one.run(&job, fire_at, price, &stopper).await {
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

/// A job that is run next, with its price if it could be worked out.
struct Ready {
    job: Job,
    fire_at: Option<DateTime<Utc>>,
    price: Option<JobPrice>,
}

/// The jobs in the order in which they are run: those that fit into what is left of the day first, by
/// priority, then those that take what these leave.
async fn in_order(desk: &Desk<'_>, args: &Run, due: Vec<ToRun>) -> Result<Vec<Ready>, Failure> {
    let left = desk.left()?;
    let mut ready = Vec::with_capacity(due.len());
    for (job, fire_at) in due {
        // Whatever keeps a job from being priced will be told of by its run.
        let price = desk.price(&job, args.full, &Looks::at_most(0)).await.ok();
        ready.push(Ready { job, fire_at, price });
    }
    let mut own = Vec::with_capacity(ready.len());
    for one in &ready {
        own.push((&one.job, one.price.as_ref(), left.for_job(&one.job, args.max_calls, desk.spent(&one.job)?)));
    }
    let places = order(&own, &left);
    let mut ready: Vec<Option<Ready>> = ready.into_iter().map(Some).collect();
    Ok(places.into_iter().filter_map(|place| ready[place].take()).collect())
}

/// What one run is given.
struct One<'a> {
    desk: &'a Desk<'a>,
    context: &'a Context,
    workshop: &'a Workshop<'a>,
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
        price: Option<JobPrice>,
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
        let most = self.desk.most(job, self.args.max_calls);
        let (api, app) = self.workshop.api(self.desk.credentials, most, Arc::clone(&watcher) as _)?;
        stopper.stops(&api);
        let grants = self.desk.grants(job)?;
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
        let start = self.desk.start(job, fire_at, grants)?;
        let (name, hash, now) = (job.name.clone(), job.hash.clone(), stamp(started_at));
        let fire = fire_at.map(stamp);
        let (whole, parts) = planned(price.as_ref());
        let begun = self.store.write(move |s| {
            let run = s.begin_run(&name, fire.as_deref(), &hash, &now)?;
            if let Some(whole) = whole {
                s.set_planned(run, whole, &[])?;
            }
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
        let report = run_job(&engine, job, &start, self.files).await;
        watcher.finish();
        stopper.release();
        let report = report.map_err(halted)?;
        if let Some(whole) = whole {
            let noted = self.store.write(move |s| s.set_planned(run, whole, &parts)).await;
            noted.map_err(|e| halted(Halt::Store(e)))?;
        }
        if !self.is_a_known_ban(&report, stopper) && !self.is_a_known_sign_in(&report, past.runs.first()) {
            tell(self.context, &report);
        }
        Ok(Some(report))
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

/// A price as the store keeps it: of the whole run, and of each fetch by its name and user.
fn planned(price: Option<&JobPrice>) -> (Option<Planned>, Vec<(String, String, Planned)>) {
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let kept = |calls: Calls| Planned { least: number(calls.least), most: calls.most.map(number) };
    let each = price.into_iter().flat_map(|price| &price.fetches);
    let each = each.map(|it| (it.fetch.clone(), it.user_id.clone(), kept(it.price.calls())));
    (price.map(|price| kept(price.whole().calls())), each.collect())
}
