//! What is told.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What happened; the words of `notify.on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertEvent {
    /// A job failed, or hangs, or its file is broken.
    Failure,
    /// Something asked for could not be had.
    Partial,
    /// A person must sign in, or will have to soon.
    SignIn,
    /// No complete run for two intervals.
    Overdue,
    /// What was told before is over.
    Recovery,
}

impl AlertEvent {
    /// Its word in `notify.on`.
    pub fn as_str(self) -> &'static str {
        match self {
            AlertEvent::Failure => "failure",
            AlertEvent::Partial => "partial",
            AlertEvent::SignIn => "sign_in",
            AlertEvent::Overdue => "overdue",
            AlertEvent::Recovery => "recovery",
        }
    }
}

/// One message. Its JSON is what a webhook gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertMessage {
    /// What happened.
    pub event: AlertEvent,
    /// The job.
    pub job: String,
    /// What happened, in a sentence.
    pub text: String,
    /// More of it: reasons, and what to do.
    pub details: Vec<String>,
    /// Number of the run, if there was one.
    pub run: Option<i64>,
    /// complete, partial, deferred or failed, if there was a run.
    pub state: Option<String>,
    /// The exit code, if there was one.
    pub exit_code: Option<u8>,
    /// The project folder.
    pub project: String,
    /// When it happened.
    pub at: DateTime<Utc>,
}

impl AlertMessage {
    /// The whole of it for a person: a line, and the details below.
    pub fn to_text(&self) -> String {
        let mut out = format!("cratedigger: {}\n", self.text);
        for line in &self.details {
            out.push_str(&format!("  {line}\n"));
        }
        out.push_str(&format!("\nproject {}, at {}\n", self.project, self.at.format("%Y-%m-%d %H:%M:%SZ")));
        out
    }
}
