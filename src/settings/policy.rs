//! What a schedule does about missed fires, first runs and overlaps. Set in the settings or in a job.

use serde::{Deserialize, Serialize};

/// What happens to missed fires after downtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedPolicy {
    /// The newest missed fire runs once.
    RunOnce,
    /// No missed fire runs.
    Skip,
}

/// When a job that has never run is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstRunPolicy {
    /// It is due at once.
    Now,
    /// It is due at its next fire.
    Schedule,
}

/// What happens to a fire while the job is still running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverlapPolicy {
    /// The fire is skipped.
    Skip,
}

/// How often a digest is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DigestInterval {
    /// Every day at 08:00.
    Daily,
    /// On Mondays at 08:00.
    #[default]
    Weekly,
}

impl DigestInterval {
    /// Its times as a crontab line.
    pub fn cron_line(self) -> &'static str {
        match self {
            DigestInterval::Daily => "0 8 * * *",
            DigestInterval::Weekly => "0 8 * * 1",
        }
    }
}

/// The words of [`DigestInterval`].
pub fn digest_words() -> Vec<&'static str> {
    vec!["daily", "weekly"]
}

/// The words of [`MissedPolicy`].
pub fn missed_words() -> Vec<&'static str> {
    vec!["run_once", "skip"]
}

/// The words of [`FirstRunPolicy`].
pub fn first_run_words() -> Vec<&'static str> {
    vec!["now", "schedule"]
}

/// The words of [`OverlapPolicy`].
pub fn overlap_words() -> Vec<&'static str> {
    vec!["skip"]
}
