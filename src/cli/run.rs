//! `run`: the named jobs, all, or those that are due.

mod confirmation;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::app::runtime;
use super::args::RunArgs;
use super::job_runner::{JobOutcome, JobRunner, RunOptions, next_start, sign_ins};
use super::metrics;
use super::planner::{PlannedJob, RunOverrides};
use super::reporter::{Reporter, StartedBy, ping_lines};
use super::shutdown::Shutdown;
use super::sign_in_status;
use super::summary::{JsonExtras, failed_report_json, report_cut_short, report_json};
use super::{CommandContext, CommandError, ExitStatus, print};
use crate::job::{Job, LoadedJobs};
use crate::notify::RunPinger;
use crate::scheduler::{DueFire, RunHistory, ScheduleTime};
use crate::settings::Settings;
use crate::sync::{CauseScope, RunCause, RunReport};

/// Runs jobs and says how it ended; a program gets its line whatever happens.
pub fn run(args: &RunArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    run_jobs(args, context).inspect_err(|failure| {
        if context.json {
            print::write_error_object(&failed_report_json(failure));
        }
    })
}

fn run_jobs(args: &RunArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    let loaded = context.jobs(&settings, &args.jobs);
    if loaded.has_errors() && !args.jobs.is_empty() {
        return Err(CommandError::Problems(loaded.problems));
    }
    let herald = Reporter::new(context, &settings, if args.due { StartedBy::Timer } else { StartedBy::User });
    let mut all = RunCommand {
        args,
        context,
        settings: &settings,
        herald: &herald,
        awake_since: Utc::now(),
        done: RunResults::default(),
    };
    if loaded.has_errors() {
        // The other jobs have done nothing wrong.
        all.done.add_error(CommandError::Problems(loaded.problems.clone()));
    }
    let first =
        if args.due { all.due_jobs(&loaded.jobs) } else { Ok(loaded.jobs.iter().map(|job| (job, None)).collect()) };
    let is_idle = first.as_ref().is_ok_and(Vec::is_empty) && !loaded.has_errors();
    if !is_idle || args.due && all.has_pending_alerts(&loaded) {
        let stopper = Shutdown::listen(context);
        let work = async {
            herald.jobs_loaded(&loaded);
            all.keep_result(&stopper);
            let ended = match first {
                Ok(first) => all.run_rounds(&loaded.jobs, first, &stopper).await,
                Err(failure) => Err(failure),
            };
            if let Err(failure) = ended {
                if args.due {
                    herald.job_failed("", &failure);
                } else {
                    context.report(&failure);
                }
                all.done.add_error(failure);
            }
        };
        runtime()?.block_on(herald.run_with_deliveries(&stopper, work));
    }
    metrics::write_metrics(context, &settings, &herald, &loaded.jobs);
    let RunResults { reports, mut told, exits, .. } = all.done;
    let exit = ExitStatus::most_severe(exits);
    if context.json {
        // Whoever needs the grants says what is wrong with them; a line for programs is printed all the same.
        let grants = sign_in_status::open_existing_grants(context, &settings).ok().flatten();
        told.grants = sign_in_status::users_as_json(&loaded.jobs, grants.as_ref(), Utc::now()).unwrap_or_default();
        report_json(&reports, &told, exit)?;
    }
    Ok(if exit == ExitStatus::Deferred && args.ok_if_deferred { ExitStatus::Complete } else { exit })
}

/// A job to run, and the fire that the run serves, if it serves one.
type RequestedRun<'j> = (&'j Job, Option<DueFire>);

/// All runs of a command.
struct RunCommand<'a> {
    args: &'a RunArgs,
    context: &'a CommandContext,
    settings: &'a Settings,
    herald: &'a Reporter<'a>,
    awake_since: DateTime<Utc>,
    done: RunResults,
}

/// What came of them so far.
#[derive(Default)]
struct RunResults {
    reports: Vec<RunReport>,
    told: JsonExtras,
    exits: Vec<ExitStatus>,
    /// Jobs that had their turn.
    jobs: BTreeSet<String>,
}

impl RunResults {
    /// Something could not be run at all.
    fn add_error(&mut self, failure: CommandError) {
        self.exits.push(failure.exit());
        self.told.failures.push(failure);
    }
}

impl RunCommand<'_> {
    /// Keeps what a program is told if the command is stopped at once from now on.
    fn keep_result(&self, stopper: &Shutdown) {
        if self.context.json {
            stopper.keep_result(report_cut_short(&self.done.reports, &self.done.told));
        }
    }

    /// Runs jobs; then those that became due meanwhile, since a timer starts no second copy of what
    /// is running. Each job has one turn.
    async fn run_rounds<'j>(
        &mut self,
        jobs: &'j [Job],
        mut round: Vec<RequestedRun<'j>>,
        stopper: &Shutdown,
    ) -> Result<(), CommandError> {
        let mut runner = None;
        while !round.is_empty() && !stopper.is_stopping() {
            let open = match runner.take() {
                Some(open) => open,
                None => {
                    let open = JobRunner::open(self.context, self.args.full)?;
                    self.herald.project_recovered();
                    open
                }
            };
            let said = RunOverrides { full: self.args.full, max_calls: self.args.max_calls };
            for PlannedJob { job, due, price, .. } in open.desk().plan_jobs(round, said, &[]).await? {
                if stopper.is_stopping() {
                    self.done.exits.push(ExitStatus::Deferred);
                    break;
                }
                self.done.jobs.insert(job.name.clone());
                if !confirmation::confirm_run(&open.desk(), self.args, job, price.as_ref()).await? {
                    self.context.notice(&format!("{} was not run", job.name));
                    continue;
                }
                let (full, max_calls, awake_since) = (self.args.full, self.args.max_calls, self.awake_since);
                let how = RunOptions { due, watching_since: awake_since, full, max_calls, price };
                self.run_one(&open, job, &how, stopper).await;
            }
            runner = Some(open);
            round = if self.args.due { self.due_jobs(jobs)? } else { Vec::new() };
        }
        if let Some(runner) = runner {
            runner.close();
        }
        if self.args.due && !stopper.is_stopping() {
            let past = self.past()?;
            self.herald.report_overdue(jobs, &past, Utc::now());
        }
        Ok(())
    }

    async fn run_one(&mut self, runner: &JobRunner<'_>, job: &Job, how: &RunOptions, stopper: &Shutdown) {
        let done = &mut self.done;
        match runner.run_and_ping(job, how, stopper, self.herald).await {
            Ok(JobOutcome::Finished(report)) => {
                let known_ban = how.due.is_some() && is_known_deferral(&report, stopper);
                if known_ban {
                    self.herald.run_still_deferred(&report);
                } else {
                    self.herald.run_finished(&report);
                }
                done.exits.push(if known_ban { ExitStatus::Complete } else { exit_status(&report) });
                done.reports.push(*report);
            }
            Ok(JobOutcome::AlreadyRunning(words)) => {
                if !self.args.due {
                    self.context.notice(&format!("{words}; nothing was sent"));
                    done.exits.push(ExitStatus::Deferred);
                }
                done.told.running.push(job.name.clone());
            }
            Ok(JobOutcome::AlreadyServed) => {}
            Err(failure) => {
                self.herald.job_failed(&job.name, &failure);
                done.add_error(failure);
            }
        }
        self.keep_result(stopper);
    }

    /// The jobs with a fire that nobody served and that had no turn yet, read from the store without
    /// opening anything else.
    fn due_jobs<'j>(&self, jobs: &'j [Job]) -> Result<Vec<RequestedRun<'j>>, CommandError> {
        let past = self.past()?;
        let left = jobs.iter().filter(|job| !self.done.jobs.contains(&job.name));
        let (now, rules) = (ScheduleTime { at: Utc::now(), watching_since: self.awake_since }, &self.settings.schedule);
        let sign_ins = |job: &Job| sign_ins(job, self.context, self.settings);
        let due = |job: &'j Job| {
            Some((job, Some(next_start(job, past.job_or_default(&job.name), rules, now, sign_ins).due()?)))
        };
        Ok(left.filter_map(due).collect())
    }

    fn past(&self) -> Result<RunHistory, CommandError> {
        RunHistory::read(&self.context.project.database(self.settings))
            .map_err(|e| CommandError::new(ExitStatus::Storage, e))
    }

    fn has_pending_alerts(&self, loaded: &LoadedJobs) -> bool {
        self.past().is_ok_and(|past| self.herald.has_pending(loaded, &past, Utc::now()))
    }
}

/// Whether a timer's start only met what was known before: nothing was sent, since Spotify or our own
/// ceilings hold calls back until a time that is known.
pub(super) fn is_known_deferral(report: &RunReport, stopper: &Shutdown) -> bool {
    let is_held_back = |cause: &RunCause| cause.scope == CauseScope::Deferred;
    report.exit_code == ExitStatus::Deferred.code()
        && report.calls == 0
        && report.causes.iter().all(is_held_back)
        && !stopper.is_stopping()
}

/// The exit code that a report asks for.
pub(super) fn exit_status(report: &RunReport) -> ExitStatus {
    ExitStatus::BY_PRECEDENCE.into_iter().find(|exit| exit.code() == report.exit_code).unwrap_or(ExitStatus::Failed)
}

impl JobRunner<'_> {
    /// Runs one job, with the pings of its start and its end. What could not begin is told of by
    /// [`Herald::failed`], and a run of somebody else's is that one's to tell.
    pub(super) async fn run_and_ping(
        &self,
        job: &Job,
        how: &RunOptions,
        stopper: &Shutdown,
        herald: &Reporter<'_>,
    ) -> Result<JobOutcome, CommandError> {
        let ping = herald.ping(&job.name);
        let begins = || ping.iter().for_each(RunPinger::start);
        let outcome = self.run(job, how, stopper, begins).await;
        if let (Ok(JobOutcome::Finished(report)), Some(ping)) = (&outcome, &ping) {
            ping.finish(report.exit_code, &ping_lines(report));
        }
        outcome
    }
}
