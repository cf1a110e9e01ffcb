//! Which problems of a run are new. A cause that several jobs share is reported once.

use super::Reporter;
use crate::cli::ExitStatus;
use crate::job::JobUsers;
use crate::notify::{AlertEvent, AlertKind, AlertScope, AlertTransition};
use crate::sync::{CauseScope, RunCause, RunReport};

/// A new problem of a run.
pub(super) struct RunAlert {
    pub event: AlertEvent,
    pub text: String,
    pub details: Vec<String>,
}

/// The kind of problem that a run has, if any.
pub(super) fn alert_kind(report: &RunReport) -> Option<AlertKind> {
    match (report.state, report.exit_code) {
        (_, code) if code == ExitStatus::UserAction.code() => Some(AlertKind::Person),
        ("complete", _) => None,
        ("partial", _) => Some(AlertKind::Partial),
        ("deferred", _) => Some(AlertKind::Deferred),
        _ => Some(AlertKind::Failed),
    }
}

impl Reporter<'_> {
    /// The problems of a run that have not been reported yet.
    pub(super) fn new_alerts(&self, report: &RunReport, trouble: AlertKind) -> Vec<RunAlert> {
        let job = report.job.as_str();
        let is_storage = report.exit_code == ExitStatus::Storage.code();
        let mut shared: Vec<(&CauseScope, String, Vec<String>)> = Vec::new();
        for RunCause { scope, message, hint } in &report.causes {
            let is_it = match scope {
                CauseScope::User(_) | CauseScope::App => trouble == AlertKind::Person,
                CauseScope::Storage => is_storage,
                CauseScope::Run | CauseScope::Deferred => false,
            };
            if is_it {
                let place = shared.iter().position(|(it, ..)| *it == scope).unwrap_or(shared.len());
                if place == shared.len() {
                    shared.push((scope, String::new(), Vec::new()));
                }
                let (_, text, details) = &mut shared[place];
                *text = if text.is_empty() { message.clone() } else { format!("{text}; {message}") };
                details.extend(hint.clone().filter(|hint| !details.contains(hint)));
            }
        }
        let mut news = Vec::new();
        for (scope, words, mut details) in shared {
            let met = AlertScope::Shared { cause: &words, job };
            if self.start_alert(met, trouble, "") != AlertTransition::New {
                continue;
            }
            let (event, text) = match scope {
                CauseScope::User(user) => {
                    details.push(format!("jobs that read for {user}: {}", self.jobs_of_user(user, job).join(", ")));
                    let start = format!("user `{user}` has to sign in: ");
                    let why = words.strip_prefix(&start).unwrap_or(&words);
                    (AlertEvent::SignIn, format!("{user} must sign in: {why}"))
                }
                CauseScope::App => (AlertEvent::SignIn, format!("a user must act (found by job {job}): {words}")),
                _ => (AlertEvent::Failure, format!("job {job} failed: {words}")),
            };
            if !matches!(scope, CauseScope::User(_)) {
                details.push("other jobs with the same problem are not reported separately".to_owned());
            }
            news.push(RunAlert { event, text, details });
        }
        let alone = report.causes.is_empty() || !(trouble == AlertKind::Person || is_storage);
        let why = report.reasons.join("; ");
        if alone && self.start_alert(AlertScope::Job(job), trouble, &why) == AlertTransition::New {
            let (event, text) = match trouble {
                AlertKind::Person => (AlertEvent::SignIn, format!("job {job} needs a user to act: {why}")),
                AlertKind::Partial => (AlertEvent::Partial, format!("job {job} is partial: {why}")),
                _ => (AlertEvent::Failure, format!("job {job} failed: {why}")),
            };
            let details = report.reasons.iter().skip(1).chain(&report.hints).cloned().collect();
            news.push(RunAlert { event, text, details });
        }
        news
    }

    /// The jobs that read the data of a user, including `met`.
    fn jobs_of_user(&self, user: &str, met: &str) -> Vec<String> {
        let reads = |(job, users): &&(String, JobUsers)| match users {
            JobUsers::None => false,
            JobUsers::All(_) => users.may_include(user),
            JobUsers::Named(names) => job == met || names.iter().any(|name| name == user),
        };
        let found: Vec<String> = self.jobs.borrow().iter().filter(reads).map(|(job, _)| job.clone()).collect();
        if found.is_empty() { vec![met.to_owned()] } else { found }
    }
}
