//! `run`: the named jobs, all, or those that are due.

mod question;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::args::Run;
use super::figures;
use super::herald::{By, Herald, last_lines};
use super::planner::{Ready, Said};
use super::runner::{How, Outcome, Runner, next_of, sign_ins};
use super::standing;
use super::stopper::Stopper;
use super::summary::{Told, report_cut_short, report_json, report_of};
use super::workshop::runtime;
use super::{Context, Exit, Failure, print};
use crate::job::{Job, Loaded};
use crate::notify::Ping;
use crate::run::{Cause, RunReport, Whose};
use crate::scheduler::{Due, Now, Past};
use crate::settings::Settings;

/// Runs jobs and says how it ended; a program gets its line whatever happens.
pub fn run(args: &Run, context: &Context) -> Result<Exit, Failure> {
    run_jobs(args, context).inspect_err(|failure| {
        if context.json {
            print::failed(&report_of(failure));
        }
    })
}

fn run_jobs(args: &Run, context: &Context) -> Result<Exit, Failure> {
    let settings = context.settings()?;
    let loaded = context.jobs(&settings, &args.jobs);
    if loaded.has_errors() && !args.jobs.is_empty() {
        return Err(Failure::Problems(loaded.problems));
    }
    let herald = Herald::new(context, &settings, if args.due { By::Timer } else { By::Hand });
    let mut all =
        All { args, context, settings: &settings, herald: &herald, awake_since: Utc::now(), done: Done::default() };
    if loaded.has_errors() {
        // The other jobs have done nothing wrong.
        all.done.failed(Failure::Problems(loaded.problems.clone()));
    }
    let first = if args.due { all.due(&loaded.jobs) } else { Ok(loaded.jobs.iter().map(|job| (job, None)).collect()) };
    let is_idle = first.as_ref().is_ok_and(Vec::is_empty) && !loaded.has_errors();
    if !is_idle || args.due && all.has_something_to_tell(&loaded) {
        let stopper = Stopper::listening(context);
        let work = async {
            herald.loaded(&loaded);
            all.keep_words(&stopper);
            let ended = match first {
                Ok(first) => all.rounds(&loaded.jobs, first, &stopper).await,
                Err(failure) => Err(failure),
            };
            if let Err(failure) = ended {
                if args.due {
                    herald.failed("", &failure);
                } else {
                    context.tell(&failure);
                }
                all.done.failed(failure);
            }
        };
        runtime()?.block_on(herald.beside(&stopper, work));
    }
    figures::write(context, &settings, &herald, &loaded.jobs);
    let Done { reports, mut told, exits, .. } = all.done;
    let exit = Exit::of_all(exits);
    if context.json {
        // Whoever needs the grants says what is wrong with them; a line for programs is printed all the same.
        let grants = standing::open(context, &settings).ok().flatten();
        told.grants = standing::of_all(&loaded.jobs, grants.as_ref(), Utc::now()).unwrap_or_default();
        report_json(&reports, &told, exit)?;
    }
    Ok(if exit == Exit::Deferred && args.ok_if_deferred { Exit::Complete } else { exit })
}

/// A job to run, and the fire that the run serves, if it serves one.
type ToRun<'j> = (&'j Job, Option<Due>);

/// All runs of a command.
struct All<'a> {
    args: &'a Run,
    context: &'a Context,
    settings: &'a Settings,
    herald: &'a Herald<'a>,
    awake_since: DateTime<Utc>,
    done: Done,
}

/// What came of them so far.
#[derive(Default)]
struct Done {
    reports: Vec<RunReport>,
    told: Told,
    exits: Vec<Exit>,
    /// Jobs that had their turn.
    jobs: BTreeSet<String>,
}

impl Done {
    /// Something could not be run at all.
    fn failed(&mut self, failure: Failure) {
        self.exits.push(failure.exit());
        self.told.failures.push(failure);
    }
}

impl All<'_> {
    /// Keeps what a program is told if the command is stopped at once from now on.
    fn keep_words(&self, stopper: &Stopper) {
        if self.context.json {
            stopper.keep_words(report_cut_short(&self.done.reports, &self.done.told));
        }
    }

    /// Runs jobs; then those that became due meanwhile, since a timer starts no second copy of what
    /// is running. Each job has one turn.
    async fn rounds<'j>(
        &mut self,
        jobs: &'j [Job],
        mut round: Vec<ToRun<'j>>,
        stopper: &Stopper,
    ) -> Result<(), Failure> {
        let mut runner = None;
        while !round.is_empty() && !stopper.stopped() {
            let open = match runner.take() {
                Some(open) => open,
                None => {
                    let open = Runner::open(self.context, self.args.full)?;
                    self.herald.opened();
                    open
                }
            };
            let said = Said { full: self.args.full, max_calls: self.args.max_calls };
            for Ready { job, due, price, .. } in open.desk().in_order(round, said, &[]).await? {
                if stopper.stopped() {
                    self.done.exits.push(Exit::Deferred);
                    break;
                }
                self.done.jobs.insert(job.name.clone());
                if !question::goes_on(&open.desk(), self.args, job, price.as_ref()).await? {
                    self.context.say(&format!("{} was not run", job.name));
                    continue;
                }
                let (full, max_calls, awake_since) = (self.args.full, self.args.max_calls, self.awake_since);
                let how = How { due, awake_since, full, max_calls, price };
                self.one(&open, job, &how, stopper).await;
            }
            runner = Some(open);
            round = if self.args.due { self.due(jobs)? } else { Vec::new() };
        }
        if let Some(runner) = runner {
            runner.close();
        }
        if self.args.due && !stopper.stopped() {
            let past = self.past()?;
            self.herald.look_for_overdue(jobs, &past, Utc::now());
        }
        Ok(())
    }

    async fn one(&mut self, runner: &Runner<'_>, job: &Job, how: &How, stopper: &Stopper) {
        let done = &mut self.done;
        match runner.run_and_ping(job, how, stopper, self.herald).await {
            Ok(Outcome::Ended(report)) => {
                let known_ban = how.due.is_some() && is_a_known_ban(&report, stopper);
                if known_ban {
                    self.herald.waits(&report);
                } else {
                    self.herald.ended(&report);
                }
                done.exits.push(if known_ban { Exit::Complete } else { exit_of(&report) });
                done.reports.push(*report);
            }
            Ok(Outcome::Running(words)) => {
                if !self.args.due {
                    self.context.say(&format!("{words}; nothing was sent"));
                    done.exits.push(Exit::Deferred);
                }
                done.told.running.push(job.name.clone());
            }
            Ok(Outcome::Served) => {}
            Err(failure) => {
                self.herald.failed(&job.name, &failure);
                done.failed(failure);
            }
        }
        self.keep_words(stopper);
    }

    /// The jobs with a fire that nobody served and that had no turn yet, read from the store without
    /// opening anything else.
    fn due<'j>(&self, jobs: &'j [Job]) -> Result<Vec<ToRun<'j>>, Failure> {
        let past = self.past()?;
        let left = jobs.iter().filter(|job| !self.done.jobs.contains(&job.name));
        let (now, rules) = (Now { at: Utc::now(), awake_since: self.awake_since }, &self.settings.schedule);
        let sign_ins = |job: &Job| sign_ins(job, self.context, self.settings);
        let due = |job: &'j Job| Some((job, Some(next_of(job, past.of(&job.name), rules, now, sign_ins).due()?)));
        Ok(left.filter_map(due).collect())
    }

    fn past(&self) -> Result<Past, Failure> {
        Past::read(&self.context.project.database(self.settings)).map_err(|e| Failure::new(Exit::Storage, e))
    }

    fn has_something_to_tell(&self, loaded: &Loaded) -> bool {
        self.past().is_ok_and(|past| self.herald.has_something(loaded, &past, Utc::now()))
    }
}

/// Whether a timer's start only met what was known before: nothing was sent, since Spotify or our own
/// ceilings hold calls back until a time that is known.
pub(super) fn is_a_known_ban(report: &RunReport, stopper: &Stopper) -> bool {
    let is_held_back = |cause: &Cause| cause.whose == Whose::HeldBack;
    report.exit_code == Exit::Deferred.code()
        && report.calls == 0
        && report.causes.iter().all(is_held_back)
        && !stopper.stopped()
}

/// The exit code that a report asks for.
pub(super) fn exit_of(report: &RunReport) -> Exit {
    Exit::BY_PRECEDENCE.into_iter().find(|exit| exit.code() == report.exit_code).unwrap_or(Exit::Failed)
}

impl Runner<'_> {
    /// Runs one job, with the pings of its start and its end. What could not begin is told of by
    /// [`Herald::failed`], and a run of somebody else's is that one's to tell.
    pub(super) async fn run_and_ping(
        &self,
        job: &Job,
        how: &How,
        stopper: &Stopper,
        herald: &Herald<'_>,
    ) -> Result<Outcome, Failure> {
        let ping = herald.ping(&job.name);
        let begins = || ping.iter().for_each(Ping::start);
        let outcome = self.run(job, how, stopper, begins).await;
        if let (Ok(Outcome::Ended(report)), Some(ping)) = (&outcome, &ping) {
            ping.end(report.exit_code, &last_lines(report));
        }
        outcome
    }
}
