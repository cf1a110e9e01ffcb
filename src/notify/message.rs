//! The messages of alerts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What happened; the values of `notify.on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertEvent {
    /// A job failed or hangs, or its file is broken.
    Failure,
    /// Some data could not be read.
    Partial,
    /// A user must sign in now or soon.
    SignIn,
    /// No complete run for two intervals.
    Overdue,
    /// An alert is resolved.
    Recovery,
    /// A run is complete.
    Success,
    /// A summary of all jobs since the last one.
    Digest,
}

impl AlertEvent {
    /// The value in `notify.on`.
    pub fn as_str(self) -> &'static str {
        match self {
            AlertEvent::Failure => "failure",
            AlertEvent::Partial => "partial",
            AlertEvent::SignIn => "sign_in",
            AlertEvent::Overdue => "overdue",
            AlertEvent::Recovery => "recovery",
            AlertEvent::Success => "success",
            AlertEvent::Digest => "digest",
        }
    }
}

/// A message. A webhook gets it as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertMessage {
    pub event: AlertEvent,
    pub job: String,
    /// What happened, in one sentence.
    pub text: String,
    /// Reasons and what to do.
    pub details: Vec<String>,
    /// The number of the run, if there was one.
    pub run: Option<i64>,
    /// `complete`, `partial`, `deferred` or `failed`, if there was a run.
    pub state: Option<String>,
    pub exit_code: Option<u8>,
    pub project: String,
    pub at: DateTime<Utc>,
}

impl AlertMessage {
    /// The message as text: one line, and the details below it.
    pub fn to_text(&self) -> String {
        let mut out = format!("cratedigger: {}\n", self.text);
        for line in &self.details {
            out.push_str(&format!("  {line}\n"));
        }
        out.push_str(&format!("\nproject {}, at {}\n", self.project, self.at.format("%Y-%m-%d %H:%M:%SZ")));
        out
    }
}
