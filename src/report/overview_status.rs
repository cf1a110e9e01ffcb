//! How a job or a sign-in is, in words of this program, and what to type about it.

use super::dates::minute;
use super::overview::{OverviewJob, OverviewSignIn, time_text};
use super::page::{PageState, counted};
use crate::store::RunState;

/// A sign-in that ends within fewer days needs attention.
pub(super) const DAYS_LEFT: i64 = 14;

/// How a job is, why, and what to do about it.
pub(super) struct JobStatus {
    /// Its place: jobs with trouble are first.
    pub rank: u8,
    pub state: PageState,
    pub why: String,
    pub command: String,
}

/// The rank of a job that waits for calls and continues by itself. Those before it need attention.
pub(super) const WAITING: u8 = 4;

impl JobStatus {
    pub(super) fn of(job: &OverviewJob) -> JobStatus {
        let name = &job.name;
        let command = |command: &str| format!("cratedigger {command} {name}");
        let made = |rank, state: PageState, why: &str, command| JobStatus { rank, state, why: why.to_owned(), command };
        if job.is_broken {
            let state = PageState::new(RunState::Failed, "✗", "broken file");
            return made(0, state, "The job file has errors, so the job does not run.", command("check"));
        }
        let Some(newest) = job.runs.first() else {
            let state = PageState::new(RunState::Running, "…", "never ran");
            return made(6, state, "It has not run yet.", command("run"));
        };
        let state = RunState::from_word(&newest.state);
        if state == RunState::Failed {
            let (why, command) = match newest.exit_code {
                Some(77) => (
                    "A user or the owner of the app has to act: a sign-in, Premium, the list of users, or the credentials.",
                    "cratedigger doctor".to_owned(),
                ),
                Some(74) => ("The store or a file could not be read or written.", "cratedigger doctor".to_owned()),
                Some(2) => ("The job or a setting is not right.", command("check")),
                None => ("The program was ended before the run was over.", command("run")),
                Some(_) => ("Spotify could not be reached, or its answers could not be used.", command("history")),
            };
            return made(1, state.into(), why, command);
        }
        if let Some(since) = job.overdue_since {
            let state = PageState::new(RunState::Failed, "!", "overdue");
            let why = format!("No run was complete although two were due since {}.", time_text(since));
            return made(2, state, &why, command("run"));
        }
        match state {
            RunState::Partial => {
                let why = match newest.skipped {
                    n if n > 0 => format!("The run has reasons for {}.", counted(n.unsigned_abs(), "item")),
                    _ => "Something that was requested could not be read.".to_owned(),
                };
                made(3, state.into(), &why, command("skipped"))
            }
            RunState::Deferred => {
                let until = newest.not_before.as_deref().map_or(String::new(), |at| format!(" after {}", minute(at)));
                let why = format!("The budget or Spotify holds calls back. It continues by itself{until}.");
                made(WAITING, state.into(), &why, "cratedigger quota".to_owned())
            }
            RunState::Running => made(7, state.into(), "", String::new()),
            RunState::Complete | RunState::Failed => made(8, state.into(), "", String::new()),
        }
    }

    pub(super) fn needs_attention(&self) -> bool {
        self.rank < WAITING
    }
}

/// The worst that is wrong, as the state of the whole page.
pub(super) fn overall_state(jobs: &[(&OverviewJob, JobStatus)], troubled: usize) -> PageState {
    let verb = if troubled == 1 { "needs" } else { "need" };
    let words = format!("{troubled} of {} {verb} attention", counted(jobs.len() as u64, "job"));
    match jobs.first().map(|(_, status)| status.rank) {
        None => PageState::new(RunState::Running, "…", "no jobs"),
        Some(0..=2) => PageState::new(RunState::Failed, "✗", words),
        Some(3) => PageState::new(RunState::Partial, "◐", words),
        Some(_) => PageState::new(RunState::Complete, "✓", "nothing needs attention"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SignInState {
    Lapsed,
    Ending,
    Good,
}

impl OverviewSignIn {
    pub(super) fn status(&self) -> SignInState {
        match self.days_left {
            _ if !self.is_valid || self.lacks_scopes => SignInState::Lapsed,
            Some(days) if days < DAYS_LEFT => SignInState::Ending,
            _ => SignInState::Good,
        }
    }

    pub(super) fn state(&self) -> PageState {
        match (self.status(), self.lacks_scopes && self.is_valid) {
            (SignInState::Lapsed, true) => PageState::new(RunState::Partial, "◐", "lacks a permission"),
            (SignInState::Lapsed, false) => PageState::new(RunState::Failed, "✗", "must sign in"),
            (SignInState::Ending, _) => PageState::new(RunState::Partial, "!", "ends soon"),
            (SignInState::Good, _) => PageState::new(RunState::Complete, "✓", "signed in"),
        }
    }
}
