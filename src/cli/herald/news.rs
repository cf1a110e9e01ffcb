//! What of a run's trouble is news. What other jobs meet alike is told once for all.

use super::Herald;
use crate::cli::Exit;
use crate::job::Users;
use crate::notify::{Begun, Event, Subject, Trouble};
use crate::run::{Cause, RunReport, Whose};

/// What is news of a run: a message, but for what all messages of a run have.
pub(super) struct News {
    pub event: Event,
    pub text: String,
    pub details: Vec<String>,
}

/// What is not as it should be about a run.
pub(super) fn trouble_of(report: &RunReport) -> Option<Trouble> {
    match (report.state, report.exit_code) {
        (_, code) if code == Exit::Person.code() => Some(Trouble::Person),
        ("complete", _) => None,
        ("partial", _) => Some(Trouble::Partial),
        ("deferred", _) => Some(Trouble::Deferred),
        _ => Some(Trouble::Failed),
    }
}

impl Herald<'_> {
    /// What of a run's trouble was not told yet. What other jobs meet alike is told once for all.
    pub(super) fn news_of(&self, report: &RunReport, trouble: Trouble) -> Vec<News> {
        let job = report.job.as_str();
        let is_storage = report.exit_code == Exit::Storage.code();
        let mut shared: Vec<(&Whose, String, Vec<String>)> = Vec::new();
        for Cause { whose, words, hint } in &report.causes {
            let is_it = match whose {
                Whose::User(_) | Whose::App => trouble == Trouble::Person,
                Whose::Storage => is_storage,
                Whose::Run | Whose::HeldBack => false,
            };
            if is_it {
                let place = shared.iter().position(|(it, ..)| *it == whose).unwrap_or(shared.len());
                if place == shared.len() {
                    shared.push((whose, String::new(), Vec::new()));
                }
                let (_, text, details) = &mut shared[place];
                *text = if text.is_empty() { words.clone() } else { format!("{text}; {words}") };
                details.extend(hint.clone().filter(|hint| !details.contains(hint)));
            }
        }
        let mut news = Vec::new();
        for (whose, words, mut details) in shared {
            let met = Subject::Shared { cause: &words, job };
            if self.begins(met, trouble, "") != Begun::New {
                continue;
            }
            let (event, text) = match whose {
                Whose::User(user) => {
                    details.push(format!("jobs that read for {user}: {}", self.jobs_of(user, job).join(", ")));
                    (Event::SignIn, format!("{user} must sign in: {words}"))
                }
                Whose::App => (Event::SignIn, format!("a person is needed, as job {job} found: {words}")),
                _ => (Event::Failure, format!("job {job} failed: {words}")),
            };
            if !matches!(whose, Whose::User(_)) {
                details.push("other jobs that meet the same are not told of apart".to_owned());
            }
            news.push(News { event, text, details });
        }
        let alone = report.causes.is_empty() || !(trouble == Trouble::Person || is_storage);
        let why = report.reasons.join("; ");
        if alone && self.begins(Subject::Job(job), trouble, &why) == Begun::New {
            let (event, text) = match trouble {
                Trouble::Person => (Event::SignIn, format!("job {job} needs a person: {why}")),
                Trouble::Partial => (Event::Partial, format!("job {job} is partial: {why}")),
                _ => (Event::Failure, format!("job {job} failed: {why}")),
            };
            let details = report.reasons.iter().skip(1).chain(&report.hints).cloned().collect();
            news.push(News { event, text, details });
        }
        news
    }

    /// The jobs that read for a user; `met` does in any case.
    fn jobs_of(&self, user: &str, met: &str) -> Vec<String> {
        let reads = |(job, users): &&(String, Users)| match users {
            Users::None => false,
            Users::All => true,
            Users::Named(names) => job == met || names.iter().any(|name| name == user),
        };
        let found: Vec<String> = self.jobs.borrow().iter().filter(reads).map(|(job, _)| job.clone()).collect();
        if found.is_empty() { vec![met.to_owned()] } else { found }
    }
}
