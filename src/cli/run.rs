//! `run`: runs the named jobs, all jobs, or the jobs that are due.

mod confirmation;

use std::cell::OnceCell;
use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::args::RunArgs;
use super::divided::check_division;
use super::job_runner::{JobOutcome, JobRunner, RunOptions, is_known_deferral, next_start, read_sign_ins};
use super::metrics;
use super::overview::write_overview;
use super::planner::{PlannedJob, PlannedPrice, RunOverrides, plan_jobs};
use super::push;
use super::reporter::{Reporter, StartedBy};
use super::runtime::runtime;
use super::shutdown::Shutdown;
use super::sign_in_status;
use super::summary::{JsonExtras, failed_report_json, report_cut_short, report_json};
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::job::{Job, LoadedJobs};
use crate::notify::Notifier;
use crate::scheduler::{DueFire, RunHistory, ScheduleTime};
use crate::settings::Settings;
use crate::sync::RunReport;

/// Runs jobs. With `--json`, exactly one line goes to stdout whatever happens.
pub fn run(args: &RunArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    run_jobs(args, context).inspect_err(|error| {
        if context.json {
            print::write_error_object(&failed_report_json(error));
        }
    })
}

fn run_jobs(args: &RunArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = match context.settings_with_hooks() {
        Ok(settings) => settings,
        Err(error) if args.due => return report_invalid_settings(context, &error),
        Err(error) => return Err(error),
    };
    check_division(context, &settings)?;
    let loaded = context.jobs(&settings, args.job_names());
    if loaded.has_errors() && !args.job_names().is_empty() {
        return Err(CommandError::Problems(loaded.problems));
    }
    if !args.job_names().is_empty()
        && let (Some(shard), false) = (settings.shard, loaded.elsewhere.is_empty())
    {
        context.notice(&format!("not read by shard {shard}: {}", loaded.elsewhere.join(", ")));
    }
    if let (Some(fetch), [job]) = (args.accepted_fetch(), &loaded.jobs[..]) {
        require_fetch(job, fetch)?;
    }
    let started_by = if args.due { StartedBy::Timer } else { StartedBy::User };
    let reporter = Reporter::new(context, &settings, started_by);
    let mut command = RunCommand {
        args,
        context,
        settings: &settings,
        reporter: &reporter,
        watching_since: Utc::now(),
        results: RunResults::default(),
        all_jobs: OnceCell::new(),
    };
    if loaded.has_errors() {
        // Broken job files do not stop the other jobs.
        command.results.add_error(CommandError::Problems(loaded.problems.clone()));
    }
    let first = if args.due { command.due_jobs(&loaded.jobs) } else { Ok(Round::of_all(&loaded.jobs)) };
    let is_idle = first.as_ref().is_ok_and(|first| first.jobs.is_empty()) && !loaded.has_errors();
    let is_pending = || first.as_ref().is_ok_and(|first| command.has_pending_alerts(&loaded, first));
    if !is_idle || args.due && is_pending() {
        let shutdown = Shutdown::listen(context);
        let work = async {
            reporter.jobs_loaded(&loaded);
            command.keep_result(&shutdown);
            let ended = match first {
                Ok(first) => command.run_rounds(&loaded.jobs, first, &shutdown).await,
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                if args.due {
                    reporter.job_failed("", &error);
                } else {
                    context.report(&error);
                }
                command.results.add_error(error);
            }
            command.send_digest(&loaded.jobs);
        };
        runtime()?.block_on(reporter.run_with_deliveries(&shutdown, work));
    }
    // The Prometheus file has all jobs, also after a run of some.
    let has_others = !args.job_names().is_empty() && reporter.notifier().is_some_and(Notifier::has_metrics);
    let all = has_others.then(|| context.jobs(&settings, &[]));
    metrics::write_metrics(context, &settings, &reporter, all.as_ref().map_or(&loaded.jobs, |all| &all.jobs));
    let RunResults { reports, mut extras, exits, .. } = command.results;
    let exit = ExitStatus::most_severe(exits);
    if context.json {
        // Jobs that need the grants report errors in them; the line is printed all the same.
        let grants = sign_in_status::open_existing_grants(context, &settings).ok().flatten();
        extras.grants = sign_in_status::users_as_json(&loaded.jobs, grants.as_ref(), Utc::now()).unwrap_or_default();
        report_json(&reports, &extras, exit)?;
    }
    Ok(if exit == ExitStatus::Deferred && args.ok_if_deferred { ExitStatus::Complete } else { exit })
}

/// Reports once that the settings stop all jobs, through what they still say about messages.
fn report_invalid_settings(context: &CommandContext, error: &CommandError) -> Result<ExitStatus, CommandError> {
    let settings = context.valid_settings();
    let reporter = Reporter::new(context, &settings, StartedBy::Timer);
    let shutdown = Shutdown::listen(context);
    runtime()?.block_on(reporter.run_with_deliveries(&shutdown, async { reporter.settings_invalid(error) }));
    if context.json {
        print::write_error_object(&failed_report_json(error));
    }
    Ok(error.exit())
}

/// Whether a job has a fetch with this name.
fn require_fetch(job: &Job, fetch: &str) -> Result<(), CommandError> {
    if job.fetches.iter().any(|known| known.name == fetch) {
        return Ok(());
    }
    let names: Vec<&str> = job.fetches.iter().map(|known| known.name.as_str()).collect();
    let error = anyhow::anyhow!("the job {} has no fetch named {fetch}", job.name);
    Err(CommandError::new(ExitStatus::Usage, error).with_hint(format!("its fetches: {}", names.join(", "))))
}

/// The jobs to run next, each with the fire that its run serves.
struct Round<'j> {
    jobs: Vec<(&'j Job, Option<DueFire>)>,
    /// The past runs, if they have been read to find the jobs.
    history: Option<RunHistory>,
}

impl<'j> Round<'j> {
    fn of_all(jobs: &'j [Job]) -> Round<'j> {
        Round { jobs: jobs.iter().map(|job| (job, None)).collect(), history: None }
    }
}

/// All runs of a command.
struct RunCommand<'a> {
    args: &'a RunArgs,
    context: &'a CommandContext,
    settings: &'a Settings,
    reporter: &'a Reporter<'a>,
    watching_since: DateTime<Utc>,
    results: RunResults,
    /// All jobs of the project, for the overview.
    all_jobs: OnceCell<LoadedJobs>,
}

/// The results of the runs so far.
#[derive(Default)]
struct RunResults {
    reports: Vec<RunReport>,
    extras: JsonExtras,
    exits: Vec<ExitStatus>,
    /// The jobs that have had their turn.
    jobs: BTreeSet<String>,
}

impl RunResults {
    /// Adds a job that could not run, or an error that stopped all jobs.
    fn add_error(&mut self, error: CommandError) {
        self.exits.push(error.exit());
        self.extras.failures.push(error);
    }
}

impl RunCommand<'_> {
    /// Sets the JSON result for an immediate exit from now on.
    fn keep_result(&self, shutdown: &Shutdown) {
        if self.context.json {
            shutdown.keep_result(report_cut_short(&self.results.reports, &self.results.extras));
        }
    }

    /// Runs jobs, and then the jobs that have become due meanwhile, since a timer does not start a second
    /// copy of a running service. Each job runs once.
    async fn run_rounds<'j>(
        &mut self,
        jobs: &'j [Job],
        mut round: Round<'j>,
        shutdown: &Shutdown,
    ) -> Result<(), CommandError> {
        let mut runner = None;
        while !round.jobs.is_empty() && !shutdown.is_stopping() {
            let open = match runner.take() {
                Some(open) => open,
                None => {
                    let open = JobRunner::open(self.context, self.settings, self.args.full)?;
                    self.reporter.project_recovered();
                    self.reporter.project_warnings(&open.app.logo_warnings());
                    open
                }
            };
            for PlannedJob { job, due, mut price, .. } in self.plan(&open, round).await? {
                if shutdown.is_stopping() {
                    self.results.exits.push(ExitStatus::Deferred);
                    break;
                }
                self.results.jobs.insert(job.name.clone());
                if !confirmation::confirm_run(&open.app, self.args, job, &mut price).await? {
                    self.context.notice(&format!("{} did not run", job.name));
                    continue;
                }
                let (full, max_calls, watching_since) = (self.args.full, self.args.max_calls, self.watching_since);
                let accept = self.args.accepted_fetch().map(str::to_owned);
                let options = RunOptions { due, watching_since, full, accept, max_calls, price };
                self.run_one(&open, job, &options, shutdown).await;
            }
            runner = Some(open);
            round = if self.args.due { self.due_jobs(jobs)? } else { Round { jobs: Vec::new(), history: None } };
        }
        if let Some(runner) = runner {
            runner.close();
            let is_sound = !self.results.exits.contains(&ExitStatus::Storage);
            if is_sound && !shutdown.is_stopping() {
                push::push_after_run(self.context, self.settings, self.reporter, shutdown).await;
            }
        }
        if self.args.due && !shutdown.is_stopping() {
            let history = self.read_history()?;
            self.reporter.report_overdue(jobs, &history, Utc::now());
        }
        Ok(())
    }

    /// The order of the jobs. A single job needs no order, and so no price yet.
    async fn plan<'j>(
        &self,
        runner: &JobRunner<'_>,
        round: Round<'j>,
    ) -> Result<Vec<PlannedJob<&'j Job>>, CommandError> {
        if let [(job, due)] = round.jobs[..] {
            return Ok(vec![PlannedJob { job, due, price: PlannedPrice::NotAsked, fits: true }]);
        }
        let overrides = RunOverrides { full: self.args.full, max_calls: self.args.max_calls };
        let history = round.history.map_or_else(|| self.read_history(), Ok)?;
        plan_jobs(&runner.app, round.jobs, overrides, &history, &[]).await
    }

    async fn run_one(&mut self, runner: &JobRunner<'_>, job: &Job, options: &RunOptions, shutdown: &Shutdown) {
        let results = &mut self.results;
        match runner.run_and_ping(job, options, shutdown, self.reporter).await {
            Ok(JobOutcome::Finished(report)) => {
                let is_known = options.due.is_some() && is_known_deferral(&report, shutdown);
                if is_known {
                    self.reporter.run_still_deferred(&report);
                } else {
                    self.reporter.run_finished(&report);
                }
                let exit = if is_known { ExitStatus::Complete } else { ExitStatus::from_code(report.exit_code) };
                results.exits.push(exit);
                results.reports.push(*report);
            }
            Ok(JobOutcome::AlreadyRunning(reason)) => {
                if !self.args.due {
                    self.context.notice(&format!("{reason}; nothing was sent"));
                    results.exits.push(ExitStatus::Deferred);
                }
                results.extras.running.push(job.name.clone());
            }
            Ok(JobOutcome::AlreadyServed) => {}
            Err(error) => {
                self.reporter.job_failed(&job.name, &error);
                results.add_error(error);
            }
        }
        // After a failure of the disk, nothing more is written: a later sync may claim to have saved lost data.
        if self.results.exits.last() != Some(&ExitStatus::Storage) {
            self.write_overview();
        }
        self.keep_result(shutdown);
    }

    /// Writes the overview after each run, so that a kill leaves the page of the last one.
    fn write_overview(&mut self) {
        let all = self.all_jobs.get_or_init(|| self.context.jobs(self.settings, &[]));
        if let Err(error) = write_overview(self.context, self.settings, &all.jobs, &all.broken) {
            self.context.report(&error);
            self.results.add_error(error);
        }
    }

    /// The due jobs that have not had their turn. Only the store is opened to find them.
    fn due_jobs<'j>(&self, jobs: &'j [Job]) -> Result<Round<'j>, CommandError> {
        let history = self.read_history()?;
        let (now, rules) =
            (ScheduleTime { at: Utc::now(), watching_since: self.watching_since }, &self.settings.schedule);
        let sign_ins = |job: &Job| read_sign_ins(job, self.context, self.settings);
        let due_fire = |job: &Job| next_start(job, history.job_or_default(&job.name), rules, now, sign_ins).due();
        let waiting = jobs.iter().filter(|job| !self.results.jobs.contains(&job.name));
        let due = waiting.filter_map(|job| Some((job, Some(due_fire(job)?)))).collect();
        Ok(Round { jobs: due, history: Some(history) })
    }

    /// Sends the digest if its time has come. It tells of all jobs, also after a run of some.
    fn send_digest(&self, loaded: &[Job]) {
        if !self.reporter.has_digest(self.settings, Utc::now()) {
            return;
        }
        let is_some = !self.args.job_names().is_empty();
        let all = is_some.then(|| self.context.jobs(self.settings, &[]).jobs);
        self.reporter.send_digest(self.settings, all.as_deref().unwrap_or(loaded), Utc::now());
    }

    fn read_history(&self) -> Result<RunHistory, CommandError> {
        RunHistory::read(&self.context.project.database(self.settings)).or_exit(ExitStatus::Storage)
    }

    /// Whether alerts wait although no job is due.
    fn has_pending_alerts(&self, loaded: &LoadedJobs, idle: &Round<'_>) -> bool {
        let history = idle.history.as_ref();
        history.is_some_and(|history| self.reporter.has_pending(self.settings, loaded, history, Utc::now()))
    }
}
