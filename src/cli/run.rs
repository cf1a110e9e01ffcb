//! `run`: the named jobs, all, or those that are due.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::args::Run;
use super::progress::Watcher;
use super::workshop::{Workshop, local, runtime};
use super::{Context, Exit, Failure, print};
use crate::document::printable;
use crate::job::{Job, Users};
use crate::run::{Engine, Files, Halt, JobLock, LockTrouble, RunReport, Start, run_job, stamp};
use crate::scheduler::{self, Past};
use crate::settings::credentials::Credentials;
use crate::spotify::client::Api;
use crate::store::{RawKeeper, Store};

/// Runs jobs and says how it ended.
pub fn run(args: &Run, context: &Context) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    let loaded = context.jobs(&settings, &args.jobs);
    let mut exits = Vec::new();
    if loaded.has_errors() {
        let broken = Failure::Problems(loaded.problems);
        if !args.jobs.is_empty() {
            return Err(broken);
        }
        // The other jobs have done nothing wrong.
        print::stderr(&broken.report(context.colour));
        exits.push(Exit::Usage);
    }
    let mut jobs = loaded.jobs;
    jobs.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(&b.name)));
    let now = Utc::now();
    let due = if args.due { due_jobs(context, &settings, jobs, now)? } else { with_no_fire(jobs) };
    if due.is_empty() {
        if context.json {
            report_json(context, &[])?;
        }
        return Ok(Exit::of_all(exits));
    }
    let workshop = Workshop::open(context)?;
    let credentials = context.credentials()?;
    if due.iter().any(|(job, _)| job.users == Users::None) {
        // The app's own token needs it; users may have signed in without.
        context.secret(&credentials)?;
    }
    let files = workshop.files()?;
    let store = workshop.store()?;
    let mut reports = Vec::new();
    runtime()?.block_on(async {
        let stopper = Stopper::default();
        stopper.listen();
        for (job, fire_at) in due {
            if stopper.stopped() {
                exits.push(Exit::Deferred);
                break;
            }
            let one =
                One { context, workshop: &workshop, credentials: &credentials, files: &files, store: &store, args };
            match one.run(&job, fire_at, &stopper).await {
                Ok(Some(report)) => {
                    exits.push(exit_of(report.exit_code));
                    reports.push(report);
                }
                Ok(None) if args.due => {}
                Ok(None) => exits.push(Exit::Deferred),
                Err(failure) => {
                    print::stderr(&failure.report(context.colour));
                    exits.push(failure.exit());
                }
            }
        }
        Ok::<(), Failure>(())
    })?;
    if let Ok(store) = Arc::try_unwrap(store) {
        store.close();
    }
    if context.json {
        report_json(context, &reports)?;
    }
    let exit = Exit::of_all(exits);
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
    let fire =
        |job: Job| scheduler::due(&job, &past.of(&job.name), &settings.schedule, now).map(|fire| (job, Some(fire)));
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
                    print::stderr(&format!("{e}; nothing was sent\n"));
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
        let max_calls = self.args.max_calls.or(job.max_calls);
        let (api, app) = self.workshop.api(self.credentials, max_calls, Arc::clone(&watcher) as _)?;
        stopper.stops(&api);
        let grants = match job.users {
            Users::None => None,
            Users::Named(_) | Users::All => Some(self.workshop.grants(self.credentials)?),
        };
        if let Some(grants) = &grants {
            // Clones share what is set here.
            drop(api.clone().with_grants(Arc::clone(grants), self.context.refresh_token()));
        }
        let started_at = api.now().wall;
        let last_run_at =
            Past::read(self.store.path()).map_err(|e| Failure::new(Exit::Storage, e))?.of(&job.name).last_good;
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
        let report = report.map_err(halted)?;
        if !self.context.quiet || report.exit_code != 0 || !report.warnings.is_empty() {
            print::stderr(&summary(&report));
        }
        Ok(Some(report))
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

fn exit_of(code: u8) -> Exit {
    Exit::BY_PRECEDENCE.into_iter().find(|exit| exit.code() == code).unwrap_or(Exit::Failed)
}

/// What a person reads when a run has ended.
fn summary(report: &RunReport) -> String {
    let mut out = format!("{}: {}, {} calls, {} items\n", report.job, report.state, report.calls, report.rows);
    for fetch in &report.fetches {
        let name = fetch.user.as_ref().map_or_else(|| fetch.fetch.clone(), |user| format!("{} of {user}", fetch.fetch));
        out.push_str(&format!(
            "  {:<28} {:<9} {} of {} read, {} rows",
            printable(&name),
            fetch.state,
            fetch.asked - fetch.unchanged,
            fetch.asked,
            fetch.stored
        ));
        if fetch.skipped > 0 {
            out.push_str(&format!(", {} noted in skipped_items", fetch.skipped));
        }
        out.push('\n');
    }
    for warning in &report.warnings {
        out.push_str(&format!("  warning: {}\n", printable(warning)));
    }
    for reason in &report.reasons {
        out.push_str(&format!("  why: {}\n", printable(reason)));
    }
    for hint in &report.hints {
        out.push_str(&format!("  hint: {}\n", printable(hint)));
    }
    if let Some(at) = report.not_before.as_ref().and_then(|at| at.parse::<DateTime<Utc>>().ok()) {
        out.push_str(&format!(
            "  come back at {} ({})\n",
            local(at),
            at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
        ));
    }
    for file in &report.files {
        out.push_str(&format!("  {:<9} {} ({} rows)\n", file.outcome, printable(&file.path), file.rows));
    }
    out
}

fn report_json(_: &Context, reports: &[RunReport]) -> Result<(), Failure> {
    let exit = Exit::of_all(reports.iter().map(|r| exit_of(r.exit_code)));
    let not_before = reports.iter().filter_map(|r| r.not_before.clone()).max();
    let value = json!({
        "state": state_of(exit),
        "exit_code": exit.code(),
        "not_before": not_before,
        "calls": reports.iter().map(|r| r.calls).sum::<u64>(),
        "rows": reports.iter().map(|r| r.rows).sum::<i64>(),
        "files": reports.iter().flat_map(|r| &r.files).collect::<Vec<_>>(),
        "runs": reports,
    });
    print::json(&value).map_err(|e| Failure::new(Exit::Storage, e))
}

fn state_of(exit: Exit) -> &'static str {
    match exit {
        Exit::Complete => "complete",
        Exit::Partial => "partial",
        Exit::Deferred => "deferred",
        _ => "failed",
    }
}

/// SIGTERM and SIGINT: the first ends the page in hand, the second ends at once.
#[derive(Clone, Default)]
struct Stopper {
    inner: Arc<std::sync::Mutex<(bool, Option<Api>)>>,
}

impl Stopper {
    fn listen(&self) {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            return;
        };
        let this = self.clone();
        tokio::spawn(async move {
            let mut signals = 0;
            loop {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                signals += 1;
                if signals > 1 {
                    print::stderr("stopped at once; what was committed stays\n");
                    std::process::exit(i32::from(Exit::Deferred.code()));
                }
                print::stderr(
                    "stopping: the page in hand is committed, then the run ends; once more to stop at once\n",
                );
                let mut inner = this.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                inner.0 = true;
                if let Some(api) = &inner.1 {
                    api.stop();
                }
            }
        });
    }

    fn stops(&self, api: &Api) {
        let mut inner = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if inner.0 {
            api.stop();
        }
        inner.1 = Some(api.clone());
    }

    fn stopped(&self) -> bool {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0
    }
}
