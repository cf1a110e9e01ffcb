//! Says how things go: to the terminal or the log, and to people by `[notify]`.
//!
//! A timer looks every few minutes, and what lasts is said when it begins, not at every look. By
//! hand everything is said every time: somebody is there and has just asked.

use chrono::{DateTime, Utc};

use super::failure::Failure;
use super::summary::tell;
use super::workshop::local;
use super::{Context, Exit};
use crate::document::{Problem, printable};
use crate::job::{Job, Loaded};
use crate::notify::{Ended, Event, Message, Notifier, Ping, Trouble};
use crate::run::RunReport;
use crate::scheduler::{Past, overdue};
use crate::settings::Settings;
use crate::store::place_of;

/// All that a whole run puts right.
const PUT_RIGHT: &[Trouble] =
    &[Trouble::Failed, Trouble::Person, Trouble::Deferred, Trouble::Partial, Trouble::Overdue];

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
}

impl<'a> Herald<'a> {
    /// One for a command that a timer starts, or a person.
    pub(super) fn new(context: &'a Context, settings: &Settings, by: By) -> Herald<'a> {
        let project = &context.project;
        // Without a state folder nothing runs either, which is said elsewhere.
        let notifier = context.state_dir(settings).ok().map(|dir| {
            Notifier::new(&settings.notify, dir.path(), &place_of(&project.database(settings)), &project.root)
        });
        Herald { context, on: settings.notify.on.clone(), by, notifier }
    }

    /// The ping of a run that begins.
    pub(super) fn ping(&self, job: &str) -> Option<Ping<'_>> {
        self.notifier.as_ref()?.ping(job)
    }

    /// Who sends.
    pub(super) fn notifier(&self) -> Option<&Notifier> {
        self.notifier.as_ref()
    }

    /// A run ended.
    pub(super) async fn ended(&self, report: &RunReport) {
        let now = Utc::now();
        let trouble = match (report.state, report.exit_code) {
            (_, code) if code == Exit::Person.code() => Some(Trouble::Person),
            ("complete", _) => None,
            ("partial", _) => Some(Trouble::Partial),
            ("deferred", _) => Some(Trouble::Deferred),
            _ => Some(Trouble::Failed),
        };
        let why = report.reasons.join("; ");
        let news = trouble.is_none_or(|trouble| self.begins(&report.job, trouble, &why, now));
        match self.by {
            By::Schedule => log_line(report, trouble.is_some() && news),
            By::Timer if !news && report.warnings.is_empty() => {
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
        self.recovered(&report.job, over, report.state, Some(report)).await;
        for warning in &report.warnings {
            self.send(Event::SignIn, &report.job, warning.clone(), Vec::new(), Some(report)).await;
        }
        let event = match trouble.filter(|_| news) {
            Some(Trouble::Person) => Event::SignIn,
            Some(Trouble::Partial) => Event::Partial,
            Some(Trouble::Failed) => Event::Failure,
            _ => return,
        };
        let text = match event {
            Event::SignIn => format!("job {} needs a person: {why}", report.job),
            Event::Partial => format!("job {} is partial: {why}", report.job),
            _ => format!("job {} failed: {why}", report.job),
        };
        let details = report.reasons.iter().skip(1).chain(&report.hints).cloned().collect();
        self.send(event, &report.job, text, details, Some(report)).await;
    }

    /// A job could not be run, or (`job` is empty) none could.
    pub(super) async fn failed(&self, job: &str, failure: &Failure) {
        let (trouble, event) = match failure.exit() {
            Exit::Person => (Trouble::Person, Event::SignIn),
            _ => (Trouble::Failed, Event::Failure),
        };
        let news = self.begins(job, trouble, &failure.to_string(), Utc::now());
        match self.by {
            By::Schedule if news => {
                let lines: Vec<String> = failure.report(false).lines().map(str::to_owned).collect();
                let job = Some(job).filter(|job| !job.is_empty());
                tracing::error!(job, exit_code = failure.exit().code(), "{}", lines.join("; "));
            }
            By::Hand => self.context.tell(failure),
            By::Timer if news => self.context.tell(failure),
            By::Timer | By::Schedule => {}
        }
        if news {
            let report = failure.report(false);
            let mut lines = report.lines().map(|line| line.trim_start_matches("error: ").to_owned());
            let first = lines.next().unwrap_or_default();
            let text = if job.is_empty() { format!("no job runs: {first}") } else { format!("job {job}: {first}") };
            self.send(event, job, text, lines.collect(), None).await;
        }
    }

    /// What kept all jobs from running is over.
    pub(super) async fn opened(&self) {
        self.recovered("", &[Trouble::Failed, Trouble::Person], "running", None).await;
    }

    /// Jobs whose files were broken when it was told last, and are not.
    fn mended(&self, loaded: &Loaded) -> Vec<String> {
        let open = self.notifier.as_ref().map(|notifier| notifier.memory().open()).unwrap_or_default();
        let good = |job: &String| !loaded.broken.contains(job) && (!job.is_empty() || !loaded.has_errors());
        let broken = open.into_iter().filter(|(_, trouble, _)| *trouble == Trouble::BrokenFile);
        broken.map(|(job, ..)| job).filter(good).collect()
    }

    /// Job files were read: tells of those that are broken now, and of those that were.
    pub(super) async fn loaded(&self, loaded: &Loaded) {
        if self.notifier.is_none() {
            if loaded.has_errors() {
                self.context.tell(&Failure::Problems(loaded.problems.clone()));
            }
            return;
        }
        for job in self.mended(loaded) {
            let state = if loaded.jobs.iter().any(|it| it.name == job) { "good" } else { "gone" };
            self.recovered(&job, &[Trouble::BrokenFile], state, None).await;
        }
        if !loaded.has_errors() {
            return;
        }
        let now = Utc::now();
        let mut news = Vec::new();
        let nowhere = [String::new()];
        // An error that is no file's own, such as a folder that cannot be read.
        let broken = if loaded.broken.is_empty() { &nowhere[..] } else { &loaded.broken };
        for job in broken {
            let file = format!("{job}.toml");
            let of_job = |p: &&Problem| p.is_error() && (job.is_empty() || p.file.ends_with(&file));
            let told: Vec<String> = loaded.problems.iter().filter(of_job).map(ToString::to_string).collect();
            if self.begins(job, Trouble::BrokenFile, &told.join("; "), now) {
                news.push((job, told));
            }
        }
        match self.by {
            By::Schedule if !news.is_empty() => loaded.problems.iter().for_each(|problem| {
                let (file, line, column) = (problem.file.as_str(), problem.line, problem.column);
                tracing::warn!(file, line, column, hint = problem.hint.as_deref(), "{}", problem.message);
            }),
            By::Timer if news.is_empty() => {}
            By::Schedule => {}
            By::Hand | By::Timer => self.context.tell(&Failure::Problems(loaded.problems.clone())),
        }
        for (job, told) in news {
            let text = format!("the file of job {job} is wrong: it does not run as written");
            self.send(Event::Failure, job, text, told, None).await;
        }
    }

    /// Tells of jobs whose data are overdue, and delivers what is left over.
    pub(super) async fn look_for_overdue(&self, jobs: &[Job], past: &Past, now: DateTime<Utc>) {
        for (job, since) in overdue_jobs(jobs, past, now) {
            if !self.begins(&job.name, Trouble::Overdue, "", now) {
                continue;
            }
            let last = past.get(&job.name).and_then(|past| past.last_complete);
            let last = last.map_or_else(|| "it was never complete".to_owned(), |at| format!("last {}", local(at)));
            let text =
                format!("job {} is overdue: two of its fires have passed without a complete run ({last})", job.name);
            self.context.say(&format!("warning: {text}"));
            let details =
                vec![format!("since {}; `cratedigger history {}` shows what came of them", local(since), job.name)];
            self.send(Event::Overdue, &job.name, text, details, None).await;
        }
        if let Some(notifier) = &self.notifier {
            notifier.deliver(now).await;
        }
    }

    /// Whether there is anything to tell of now, without any run.
    pub(super) fn has_something(&self, loaded: &Loaded, past: &Past, now: DateTime<Utc>) -> bool {
        let left_over = self.notifier.as_ref().is_some_and(|notifier| notifier.has_left_over(now));
        left_over || overdue_jobs(&loaded.jobs, past, now).next().is_some() || !self.mended(loaded).is_empty()
    }

    /// The project folder, as somebody elsewhere can name it.
    fn project(&self) -> String {
        let root = &self.context.project.root;
        root.canonicalize().unwrap_or_else(|_| root.clone()).display().to_string()
    }

    fn begins(&self, job: &str, trouble: Trouble, text: &str, now: DateTime<Utc>) -> bool {
        self.notifier.as_ref().is_none_or(|notifier| notifier.memory().begins(job, trouble, text, now))
    }

    async fn recovered(&self, job: &str, over: &[Trouble], state: &str, report: Option<&RunReport>) {
        let Some(notifier) = &self.notifier else { return };
        let ended: Vec<Ended> = notifier.memory().ends(job, over);
        let told =
            |ended: &&Ended| event_of(ended.trouble).is_some_and(|event| self.on.iter().any(|on| on == event.word()));
        let Some(first) = ended.iter().filter(told).min_by_key(|ended| ended.since) else { return };
        let what = match first.trouble {
            Trouble::BrokenFile => "its file was wrong",
            Trouble::Person => "a person was needed",
            Trouble::Overdue => "its data were overdue",
            Trouble::Partial => "it was partial",
            Trouble::Failed | Trouble::Deferred => "it had failed",
        };
        let name = if job.is_empty() { "jobs are".to_owned() } else { format!("job {job} is") };
        let text = format!("{name} {state} again; {what} since {}", local(first.since));
        self.send(Event::Recovery, job, text, Vec::new(), report).await;
    }

    async fn send(&self, event: Event, job: &str, text: String, details: Vec<String>, report: Option<&RunReport>) {
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
        notifier.tell(message, Utc::now()).await;
    }
}

fn overdue_jobs<'j>(
    jobs: &'j [Job],
    past: &Past,
    now: DateTime<Utc>,
) -> impl Iterator<Item = (&'j Job, DateTime<Utc>)> {
    jobs.iter().filter_map(move |job| Some((job, overdue(job, past.get(&job.name)?, now)?)))
}

fn event_of(trouble: Trouble) -> Option<Event> {
    match trouble {
        Trouble::BrokenFile | Trouble::Failed => Some(Event::Failure),
        Trouble::Person => Some(Event::SignIn),
        Trouble::Partial => Some(Event::Partial),
        Trouble::Overdue => Some(Event::Overdue),
        Trouble::Deferred => None,
    }
}

/// A run's end in one line: a warning where it is news that a person may have to see to.
fn log_line(report: &RunReport, warns: bool) {
    let (job, run, state, exit_code) = (report.job.as_str(), report.run, report.state, report.exit_code);
    let (calls, items, not_before) = (report.calls, report.rows, report.not_before.as_deref());
    let why = Some(report.reasons.join("; ")).filter(|why| !why.is_empty());
    let why = why.as_deref();
    for text in &report.warnings {
        tracing::warn!(job, "{text}");
    }
    if warns {
        tracing::warn!(job, run, state, exit_code, calls, items, not_before, why, "run ends");
    } else {
        tracing::info!(job, run, state, exit_code, calls, items, not_before, why, "run ends");
    }
}

/// The last lines of what is said of a run, for a ping.
pub(super) fn last_lines(report: &RunReport) -> Vec<String> {
    let head = format!(
        "{}: {}, run {}, exit {}, {} calls, {} items",
        report.job, report.state, report.run, report.exit_code, report.calls, report.rows
    );
    let until = report.not_before.as_ref().map(|at| format!("deferred until {at}"));
    std::iter::once(head)
        .chain(report.reasons.iter().cloned())
        .chain(report.hints.iter().cloned())
        .chain(until)
        .collect()
}
