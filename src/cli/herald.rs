//! Says how things go: to the terminal or the log, and to people by `[notify]`.
//!
//! A timer looks every few minutes, and what lasts is said when it begins, not at every look. By
//! hand everything is said every time: somebody is there and has just asked.

mod news;
mod overdue;

use std::cell::RefCell;
use std::time::Duration;

use chrono::Utc;

use super::failure::Failure;
use super::print::count;
use super::stopper::Stopper;
use super::summary::tell;
use super::workshop::local;
use super::{Context, Exit};
use crate::document::{Problem, printable};
use crate::job::{Loaded, Users};
use crate::notify::{Begun, Ended, Event, Message, Notifier, Ping, Subject, Trouble};
use crate::run::RunReport;
use crate::settings::Settings;
use crate::store::place_of;
use news::{News, trouble_of};

/// All that a whole run puts right.
const PUT_RIGHT: &[Trouble] =
    &[Trouble::Failed, Trouble::Person, Trouble::Deferred, Trouble::Partial, Trouble::Overdue];

/// For so long the end of a command waits for those who are told.
const PATIENCE: Duration = Duration::from_secs(60);

/// The same once a stop was asked for: supervisors kill after ten seconds.
const HURRY: Duration = Duration::from_secs(2);

/// Who started what is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// A person, who wants to hear all of it.
    Hand,
    /// A timer, every few minutes.
    Timer,
    /// `schedule`: one line an event.
    Schedule,
}

/// Says how things go.
pub(super) struct Herald<'a> {
    context: &'a Context,
    on: Vec<String>,
    by: By,
    notifier: Option<Notifier>,
    /// The jobs that are known, with the users that each names.
    jobs: RefCell<Vec<(String, Users)>>,
}

impl<'a> Herald<'a> {
    /// One for a command that a timer starts, or a person.
    pub(super) fn new(context: &'a Context, settings: &Settings, by: By) -> Herald<'a> {
        let project = &context.project;
        // Without a state folder nothing runs either, which is said elsewhere.
        let notifier = context
            .state_dir(settings)
            .ok()
            .map(|dir| (dir, place_of(&project.database(settings)), by == By::Hand))
            .map(|(dir, store, all)| Notifier::new(&settings.notify, dir.path(), &store, &project.root, all));
        Herald { context, on: settings.notify.on.clone(), by, notifier, jobs: RefCell::default() }
    }

    /// Does the work, and beside it delivers what is told. What is left at its end has a minute, but
    /// not when a stop was asked for.
    pub(super) async fn beside<T>(&self, stopper: &Stopper, work: impl Future<Output = T>) -> T {
        let Some(notifier) = &self.notifier else { return work.await };
        let patience = async {
            stopper.sleep(PATIENCE).await;
            if stopper.stopped() {
                tokio::time::sleep(HURRY).await;
            }
        };
        notifier.beside(work, patience).await
    }

    /// The pings of a run that begins.
    pub(super) fn ping(&self, job: &str) -> Option<Ping<'_>> {
        self.notifier.as_ref()?.ping(job)
    }

    /// Who sends.
    pub(super) fn notifier(&self) -> Option<&Notifier> {
        self.notifier.as_ref()
    }

    /// A run ended.
    pub(super) fn ended(&self, report: &RunReport) {
        let trouble = trouble_of(report);
        let news = trouble.map(|trouble| self.news_of(report, trouble)).unwrap_or_default();
        let is_news = trouble.is_none() || !news.is_empty();
        match self.by {
            By::Schedule => log_line(report, trouble.is_some() && is_news),
            By::Timer if !is_news && report.warnings.is_empty() => {
                if !self.context.quiet {
                    self.context.say(&format!("{}: {}, as before", printable(&report.job), report.state));
                }
            }
            By::Hand | By::Timer => tell(self.context, report),
        }
        let over = match trouble {
            None => PUT_RIGHT,
            Some(Trouble::Partial) => &[Trouble::Failed, Trouble::Person, Trouble::Deferred],
            Some(_) => &[],
        };
        self.recovered(Subject::Job(&report.job), over, report.state, Some(report));
        for warning in &report.warnings {
            self.send(Event::SignIn, &report.job, warning.clone(), Vec::new(), Some(report));
        }
        for News { event, text, details } in news {
            // A deferral goes on by itself.
            if trouble != Some(Trouble::Deferred) {
                self.send(event, &report.job, text, details, Some(report));
            }
        }
    }

    /// A run was deferred by what was known before it: nothing is said, but its data may grow old.
    pub(super) fn waits(&self, report: &RunReport) {
        self.begins(Subject::Job(&report.job), Trouble::Deferred, &report.reasons.join("; "));
    }

    /// A job could not be run, or (`job` is empty) none could.
    pub(super) fn failed(&self, job: &str, failure: &Failure) {
        let (trouble, event) = match failure.exit() {
            Exit::Person => (Trouble::Person, Event::SignIn),
            _ => (Trouble::Failed, Event::Failure),
        };
        let (words, report) = (failure.to_string(), failure.report(false));
        let begun = match failure.exit() {
            _ if job.is_empty() => self.begins(Subject::Project, trouble, &words),
            // The disk and the app are those of other jobs too.
            Exit::Person | Exit::Storage => self.begins(Subject::Shared { cause: &words, job }, trouble, ""),
            _ => self.begins(Subject::Job(job), trouble, &words),
        };
        let news = begun == Begun::New;
        if (begun != Begun::Known || self.by == By::Hand)
            && let Some(ping) = self.ping(job).filter(|_| !job.is_empty())
        {
            ping.end(failure.exit().code(), std::slice::from_ref(&report));
        }
        match self.by {
            By::Schedule if news => failure.log(Some(job).filter(|job| !job.is_empty())),
            By::Hand => self.context.tell(failure),
            By::Timer if news => self.context.tell(failure),
            By::Timer | By::Schedule => {}
        }
        if news {
            let mut lines = report.lines().map(|line| line.trim_start_matches("error: ").to_owned());
            let first = lines.next().unwrap_or_default();
            let text = match job {
                "" => format!("no job runs: {first}"),
                _ if first.starts_with(&format!("job {job} ")) => first,
                _ => format!("job {job}: {first}"),
            };
            self.send(event, job, text, lines.collect(), None);
        }
    }

    /// What kept all jobs from running is over.
    pub(super) fn opened(&self) {
        self.recovered(Subject::Project, &[Trouble::Failed, Trouble::Person], "running", None);
    }

    /// Jobs whose files were broken when it was told last, and are not.
    fn mended(&self, loaded: &Loaded) -> Vec<String> {
        let open = self.notifier.as_ref().map(|notifier| notifier.memory().open()).unwrap_or_default();
        let good = |job: &String| !loaded.broken.contains(job) && (!job.is_empty() || !loaded.has_errors());
        let broken = open.into_iter().filter(|(_, trouble, _)| *trouble == Trouble::BrokenFile);
        broken.map(|(job, ..)| job).filter(good).collect()
    }

    /// Job files were read: tells of those that are broken now, and of those that were.
    pub(super) fn loaded(&self, loaded: &Loaded) {
        *self.jobs.borrow_mut() = loaded.jobs.iter().map(|job| (job.name.clone(), job.users.clone())).collect();
        if self.notifier.is_none() {
            if loaded.has_errors() {
                self.context.tell(&Failure::Problems(loaded.problems.clone()));
            }
            return;
        }
        for job in self.mended(loaded) {
            let state = if loaded.jobs.iter().any(|it| it.name == job) { "good" } else { "gone" };
            self.recovered(of(&job), &[Trouble::BrokenFile], state, None);
        }
        if !loaded.has_errors() {
            return;
        }
        let mut news = Vec::new();
        let nowhere = [String::new()];
        // An error that is no file's own, such as a folder that cannot be read.
        let broken = if loaded.broken.is_empty() { &nowhere[..] } else { &loaded.broken };
        for job in broken {
            let file = format!("{job}.toml");
            let is_its = |path: &str| std::path::Path::new(path).file_name().is_some_and(|name| name == file.as_str());
            let of_job = |p: &&Problem| p.is_error() && (job.is_empty() || is_its(&p.file));
            let told: Vec<String> = loaded.problems.iter().filter(of_job).map(ToString::to_string).collect();
            if self.begins(of(job), Trouble::BrokenFile, &told.join("; ")) == Begun::New {
                news.push((job, told));
            }
        }
        match self.by {
            // The last good version holds on.
            By::Schedule if !news.is_empty() => loaded.problems.iter().for_each(|problem| {
                let (file, line, column) = (problem.file.as_str(), problem.line, problem.column);
                let (key, hint) = (problem.key.as_deref(), problem.hint.as_deref());
                tracing::warn!(file, line, column, key, hint, "{}", problem.message);
            }),
            By::Timer if news.is_empty() => {}
            By::Schedule => {}
            By::Hand | By::Timer => self.context.tell(&Failure::Problems(loaded.problems.clone())),
        }
        for (job, told) in news {
            let text = format!("the file of job {job} is wrong: it does not run as written");
            self.send(Event::Failure, job, text, told, None);
        }
    }

    /// The project folder, as somebody elsewhere can name it.
    fn project(&self) -> String {
        let root = &self.context.project.root;
        root.canonicalize().unwrap_or_else(|_| root.clone()).display().to_string()
    }

    fn begins(&self, whose: Subject<'_>, trouble: Trouble, text: &str) -> Begun {
        let memory = self.notifier.as_ref().map(Notifier::memory);
        memory.map_or(Begun::New, |memory| memory.begins(whose, trouble, text, Utc::now()))
    }

    fn recovered(&self, whose: Subject<'_>, over: &[Trouble], state: &str, report: Option<&RunReport>) {
        let Some(notifier) = &self.notifier else { return };
        let ended: Vec<Ended> = notifier.memory().ends(whose, over);
        let told =
            |ended: &&Ended| event_of(ended.trouble).is_some_and(|event| self.on.iter().any(|on| on == event.word()));
        let Some(first) = ended.iter().filter(told).min_by_key(|ended| ended.since) else { return };
        let what = match first.trouble {
            Trouble::BrokenFile => "its file was wrong",
            Trouble::Person => "a person was needed",
            Trouble::Overdue => "its data were overdue",
            Trouble::Partial => "it was partial",
            Trouble::Failed | Trouble::Deferred | Trouble::Untold => "it had failed",
        };
        let job = if let Subject::Job(job) = whose { job } else { "" };
        let name = if job.is_empty() { "jobs are".to_owned() } else { format!("job {job} is") };
        let text = format!("{name} {state} again; {what} since {}", local(first.since));
        let mut others: Vec<&str> = ended.iter().flat_map(|it| &it.jobs).map(String::as_str).collect();
        others.retain(|other| *other != job);
        others.sort_unstable();
        others.dedup();
        let details =
            if others.is_empty() { Vec::new() } else { vec![format!("it was so for {} too", others.join(", "))] };
        self.send(Event::Recovery, job, text, details, report);
    }

    fn send(&self, event: Event, job: &str, text: String, details: Vec<String>, report: Option<&RunReport>) {
        let Some(notifier) = &self.notifier else { return };
        let message = Message {
            event,
            job: job.to_owned(),
            text,
            details,
            run: report.map(|r| r.run),
            state: report.map(|r| r.state.to_owned()),
            exit_code: report.map(|r| r.exit_code),
            project: self.project(),
            at: Utc::now(),
        };
        notifier.tell(&message, Utc::now());
    }
}

/// A job's own, or where it has no name the project's.
fn of(job: &str) -> Subject<'_> {
    if job.is_empty() { Subject::Project } else { Subject::Job(job) }
}

fn event_of(trouble: Trouble) -> Option<Event> {
    match trouble {
        Trouble::BrokenFile | Trouble::Failed => Some(Event::Failure),
        Trouble::Person => Some(Event::SignIn),
        Trouble::Partial => Some(Event::Partial),
        Trouble::Overdue => Some(Event::Overdue),
        Trouble::Deferred | Trouble::Untold => None,
    }
}

/// A run's end in one line: a warning where it is news that a person may have to see to.
fn log_line(report: &RunReport, warns: bool) {
    let (job, run, state, exit_code) = (report.job.as_str(), report.run, report.state, report.exit_code);
    let (calls, rows, not_before) = (report.calls, report.rows, report.not_before.as_deref());
    let why = Some(report.reasons.join("; ")).filter(|why| !why.is_empty());
    let why = why.as_deref();
    for text in &report.warnings {
        tracing::warn!(job, "{text}");
    }
    if warns {
        tracing::warn!(job, run, state, exit_code, calls, rows, not_before, why, "run ends");
    } else {
        tracing::info!(job, run, state, exit_code, calls, rows, not_before, why, "run ends");
    }
}

/// The last lines of what is said of a run, for a ping.
pub(super) fn last_lines(report: &RunReport) -> Vec<String> {
    let head = format!(
        "{}: {}, run {}, exit {}, {}, {}",
        report.job,
        report.state,
        report.run,
        report.exit_code,
        count(report.calls, "call"),
        count(report.rows.unsigned_abs(), "item")
    );
    let until = report.not_before.as_ref().map(|at| format!("deferred until {at}"));
    std::iter::once(head)
        .chain(report.reasons.iter().cloned())
        .chain(report.hints.iter().cloned())
        .chain(until)
        .collect()
}
