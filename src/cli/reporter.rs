//! Reports the outcome of runs on the terminal or in the log, and sends alerts through `[notify]`.
//!
//! A timer starts the program every few minutes, so a lasting problem is reported only when it starts.
//! A command that a user types reports everything every time.

mod digest;
mod job_files;
mod overdue;
mod run_alerts;
mod run_warnings;

use std::cell::RefCell;
use std::time::Duration;

use chrono::Utc;

use super::command_error::CommandError;
use super::local_time::{format_local, format_stored};
use super::print::{count, file_content};
use super::shutdown::Shutdown;
use super::sign_in_commands::complete_sign_ins;
use super::summary::{describe_changes, report_run, report_warnings};
use super::{CommandContext, ExitStatus};
use crate::document::printable;
use crate::job::JobUsers;
use crate::notify::{
    AlertEvent, AlertKind, AlertMessage, AlertScope, AlertTransition, Notifier, ResolvedAlert, RunPinger,
};
use crate::settings::Settings;
use crate::store::{RunState, canonical_path};
use crate::sync::RunReport;
use job_files::recovery_text;
use run_alerts::{RunAlert, alert_kind};

/// The alerts that a complete run resolves.
const RESOLVED_BY_COMPLETE_RUN: &[AlertKind] =
    &[AlertKind::Failed, AlertKind::Person, AlertKind::Deferred, AlertKind::Partial, AlertKind::Overdue];

/// How long a command waits at its end for deliveries.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(60);

/// How long it waits after a signal; supervisors kill after ten seconds.
const STOP_DELIVERY_TIMEOUT: Duration = Duration::from_secs(2);

/// Who started the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StartedBy {
    /// A user, who wants to see everything.
    User,
    /// A timer, every few minutes.
    Timer,
    /// `schedule`, which logs one line per event.
    Schedule,
}

/// Reports the outcome of runs.
pub(super) struct Reporter<'a> {
    context: &'a CommandContext,
    events: Vec<String>,
    started_by: StartedBy,
    notifier: Option<Notifier>,
    /// The loaded jobs with the users that each of them names.
    jobs: RefCell<Vec<(String, JobUsers)>>,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(context: &'a CommandContext, settings: &Settings, started_by: StartedBy) -> Reporter<'a> {
        let project = &context.project;
        // Without a state folder no job runs; the error for that is reported elsewhere.
        let notifier = context
            .state_dir(settings)
            .ok()
            .map(|dir| (dir, canonical_path(&project.database(settings)), started_by == StartedBy::User))
            .map(|(dir, store, all)| Notifier::new(&settings.notify, dir.path(), &store, &project.root, all));
        Reporter { context, events: settings.notify.on.clone(), started_by, notifier, jobs: RefCell::default() }
    }

    /// Runs `work` and delivers messages at the same time. Deliveries that are left at its end get another
    /// minute, or two seconds after a signal.
    pub(super) async fn run_with_deliveries<T>(&self, shutdown: &Shutdown, work: impl Future<Output = T>) -> T {
        let Some(notifier) = &self.notifier else { return work.await };
        let patience = async {
            shutdown.sleep(DELIVERY_TIMEOUT).await;
            if shutdown.is_stopping() {
                tokio::time::sleep(STOP_DELIVERY_TIMEOUT).await;
            }
        };
        notifier.run_with_deliveries(work, patience).await
    }

    /// The pings of a run that starts.
    pub(super) fn ping(&self, job: &str) -> Option<RunPinger<'_>> {
        self.notifier.as_ref()?.ping(job)
    }

    pub(super) fn notifier(&self) -> Option<&Notifier> {
        self.notifier.as_ref()
    }

    /// Reports a finished run.
    pub(super) fn run_finished(&self, report: &RunReport) {
        let trouble = alert_kind(report);
        let news = trouble.map(|trouble| self.new_alerts(report, trouble)).unwrap_or_default();
        let is_news = !news.is_empty();
        let warnings = self.new_warnings(report);
        match self.started_by {
            StartedBy::Schedule => log_run_end(report, is_news, &warnings),
            StartedBy::Timer if trouble.is_some() && !is_news => {
                if !self.context.quiet {
                    self.context.notice(&format!("{}: {}, as before", printable(&report.job), report.state));
                }
                report_warnings(self.context, &report.job, &warnings);
            }
            StartedBy::Timer if trouble.is_none() && self.context.quiet => {
                report_warnings(self.context, &report.job, &warnings);
            }
            StartedBy::User | StartedBy::Timer => report_run(self.context, report),
        }
        let over = match trouble {
            None => RESOLVED_BY_COMPLETE_RUN,
            Some(AlertKind::Partial) => &[AlertKind::Failed, AlertKind::Person, AlertKind::Deferred],
            Some(_) => &[],
        };
        self.resolve_alerts(AlertScope::Job(&report.job), over, report.state, Some(report));
        if trouble.is_none() && report.state == RunState::Complete.as_str() {
            let (text, details) = success_message(report);
            self.send(AlertEvent::Success, &report.job, text, details, Some(report));
        }
        for grant in &report.expiring_grants {
            self.send(AlertEvent::SignIn, &report.job, grant.to_string(), Vec::new(), Some(report));
        }
        for RunAlert { event, text, details } in news {
            // A deferred run continues by itself.
            if trouble != Some(AlertKind::Deferred) {
                self.send(event, &report.job, text, details, Some(report));
            }
        }
    }

    /// Records a run that is still deferred. Nothing is reported, but its data may become overdue.
    pub(super) fn run_still_deferred(&self, report: &RunReport) {
        self.start_alert(AlertScope::Job(&report.job), AlertKind::Deferred, &report.reasons.join("; "));
    }

    /// Reports a job that could not run, or with an empty name that no job could run.
    pub(super) fn job_failed(&self, job: &str, failure: &CommandError) {
        let (trouble, event) = match failure.exit() {
            ExitStatus::UserAction => (AlertKind::Person, AlertEvent::SignIn),
            _ => (AlertKind::Failed, AlertEvent::Failure),
        };
        let (words, report) = (failure.to_string(), failure.report(false));
        let begun = match failure.exit() {
            _ if job.is_empty() => self.start_alert(AlertScope::Project, trouble, &words),
            // Other jobs use the same disk and the same app.
            ExitStatus::UserAction | ExitStatus::Storage => {
                self.start_alert(AlertScope::Shared { cause: &words, job }, trouble, "")
            }
            _ => self.start_alert(AlertScope::Job(job), trouble, &words),
        };
        let news = begun == AlertTransition::New;
        if (begun != AlertTransition::Repeated || self.started_by == StartedBy::User)
            && let Some(ping) = self.ping(job).filter(|_| !job.is_empty())
        {
            ping.finish(ping_code(failure.exit().code()), std::slice::from_ref(&report));
        }
        match self.started_by {
            StartedBy::Schedule if news => failure.log(Some(job).filter(|job| !job.is_empty())),
            StartedBy::User => self.context.report(failure),
            StartedBy::Timer if news => self.context.report(failure),
            StartedBy::Timer | StartedBy::Schedule => {}
        }
        if news {
            let mut lines = report.lines().map(|line| line.trim_start_matches("error: ").to_owned());
            let first = lines.next().unwrap_or_default();
            let text = match job {
                "" => format!("no job can run: {first}"),
                _ if first.starts_with(&format!("job {job} ")) => first,
                _ => format!("job {job}: {first}"),
            };
            self.send(event, job, text, lines.collect(), None);
        }
    }

    /// Reports a target that could not be pushed to after a run. The run itself has not failed.
    pub(super) fn push_failed(&self, target: &str, failure: &CommandError) {
        let text = failure.to_string();
        let is_news = self.start_alert(AlertScope::Target(target), AlertKind::Failed, &text) == AlertTransition::New;
        if is_news || self.started_by == StartedBy::User {
            match self.started_by {
                StartedBy::Schedule => failure.log(None),
                StartedBy::User | StartedBy::Timer => self.context.report(failure),
            }
        }
        if is_news {
            let hint = failure.report(false).lines().skip(1).map(str::to_owned).collect();
            self.send(AlertEvent::Failure, "", text, hint, None);
        }
    }

    /// Records that a target has all rows.
    pub(super) fn push_succeeded(&self, target: &str) {
        let scope = AlertScope::Target(target);
        let ended =
            self.notifier.as_ref().map(|it| it.alerts().resolve(scope, &[AlertKind::Failed])).unwrap_or_default();
        let is_wanted = self.events.iter().any(|on| on == AlertEvent::Failure.as_str());
        if let Some(first) = ended.iter().min_by_key(|ended| ended.since).filter(|_| is_wanted) {
            let text =
                format!("target {target} has all rows again; pushes had failed since {}", format_local(first.since));
            self.send(AlertEvent::Recovery, "", text, Vec::new(), None);
        }
    }

    /// Records that jobs can run again.
    pub(super) fn project_recovered(&self) {
        self.resolve_alerts(AlertScope::Project, &[AlertKind::Failed, AlertKind::Person], "running", None);
    }

    /// The absolute path of the project folder.
    fn project(&self) -> String {
        let root = &self.context.project.root;
        root.canonicalize().unwrap_or_else(|_| root.clone()).display().to_string()
    }

    fn start_alert(&self, scope: AlertScope<'_>, trouble: AlertKind, text: &str) -> AlertTransition {
        let memory = self.notifier.as_ref().map(Notifier::alerts);
        memory.map_or(AlertTransition::New, |memory| memory.start(scope, trouble, text, Utc::now()))
    }

    fn resolve_alerts(&self, scope: AlertScope<'_>, over: &[AlertKind], state: &str, report: Option<&RunReport>) {
        let Some(notifier) = &self.notifier else { return };
        let ended: Vec<ResolvedAlert> = notifier.alerts().resolve(scope, over);
        let is_reported = |ended: &&ResolvedAlert| {
            alert_event(ended.kind).is_some_and(|event| self.events.iter().any(|on| on == event.as_str()))
        };
        let Some(first) = ended.iter().filter(is_reported).min_by_key(|ended| ended.since) else { return };
        let job = if let AlertScope::Job(job) = scope { job } else { "" };
        let text = recovery_text(job, first, state);
        let mut others: Vec<&str> = ended.iter().flat_map(|it| &it.jobs).map(String::as_str).collect();
        others.retain(|other| *other != job);
        others.sort_unstable();
        others.dedup();
        let details =
            if others.is_empty() { Vec::new() } else { vec![format!("this also affected {}", others.join(", "))] };
        self.send(AlertEvent::Recovery, job, text, details, report);
    }

    fn send(&self, event: AlertEvent, job: &str, text: String, details: Vec<String>, report: Option<&RunReport>) {
        let Some(notifier) = &self.notifier else { return };
        let message = AlertMessage {
            event,
            job: job.to_owned(),
            // Reasons contain names that strangers chose.
            text: printable(&complete_sign_ins(self.context, &text)),
            details: details.iter().map(|line| printable(&complete_sign_ins(self.context, line))).collect(),
            run: report.map(|r| r.run),
            state: report.map(|r| r.state.to_owned()),
            exit_code: report.map(|r| r.exit_code),
            project: self.project(),
            at: Utc::now(),
        };
        notifier.notify(&message, Utc::now());
    }
}

/// What a complete run did, and the files that it wrote.
fn success_message(report: &RunReport) -> (String, Vec<String>) {
    let mut text =
        format!("job {} is complete: {}, {}", report.job, count(report.calls, "call"), count(report.rows, "item"));
    if let Some(changes) = describe_changes(&report.changes) {
        text.push_str(&format!("; {changes}"));
    }
    let written = report.files.iter().filter(|file| file.outcome == "written");
    (text, written.map(|file| format!("{} ({})", file.path, file_content(&file.path, file.rows))).collect())
}

/// The scope of a job, or of the project if the name is empty.
fn alert_scope(job: &str) -> AlertScope<'_> {
    if job.is_empty() { AlertScope::Project } else { AlertScope::Job(job) }
}

fn alert_event(trouble: AlertKind) -> Option<AlertEvent> {
    match trouble {
        AlertKind::BrokenFile | AlertKind::Failed => Some(AlertEvent::Failure),
        AlertKind::Person => Some(AlertEvent::SignIn),
        AlertKind::Partial => Some(AlertEvent::Partial),
        AlertKind::Overdue => Some(AlertEvent::Overdue),
        AlertKind::Deferred | AlertKind::Untold => None,
    }
}

/// Logs the end of a run in one line: as a warning if it is a new problem. Warnings that are not new are only
/// information.
fn log_run_end(report: &RunReport, warns: bool, new_warnings: &[String]) {
    let (job, run, state, exit_code) = (report.job.as_str(), report.run, report.state, report.exit_code);
    let (calls, rows, not_before) = (report.calls, report.rows, report.not_before.as_deref());
    let why = Some(report.reasons.join("; ")).filter(|why| !why.is_empty());
    let why = why.as_deref();
    for text in &report.warnings {
        if new_warnings.contains(text) {
            tracing::warn!(job, "{text}");
        } else {
            tracing::info!(job, "{text}");
        }
    }
    if warns {
        tracing::warn!(job, run, state, exit_code, calls, rows, not_before, why, "run finished");
    } else {
        tracing::info!(job, run, state, exit_code, calls, rows, not_before, why, "run finished");
    }
}

/// The exit code in a ping. A deferred run continues by itself, so it counts as a success.
pub(super) fn ping_code(exit_code: u8) -> u8 {
    if exit_code == ExitStatus::Deferred.code() { ExitStatus::Complete.code() } else { exit_code }
}

/// The text of a ping about a finished run.
pub(super) fn ping_lines(report: &RunReport) -> Vec<String> {
    let head = format!(
        "{}: {}, run {}, exit {}, {}, {}",
        report.job,
        report.state,
        report.run,
        report.exit_code,
        count(report.calls, "call"),
        count(report.rows.unsigned_abs(), "item")
    );
    let until = report.not_before.as_ref().map(|at| format!("deferred until {}", format_stored(at)));
    std::iter::once(head)
        .chain(report.reasons.iter().cloned())
        .chain(report.hints.iter().cloned())
        .chain(until)
        .collect()
}
