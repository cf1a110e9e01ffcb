//! What a schedule does when things don't go by the clock; said in the settings or by a job.

use serde::{Deserialize, Serialize};

/// After downtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedPolicy {
    /// The newest missed fire runs once.
    RunOnce,
    /// None runs.
    Skip,
}

/// Of a job that never ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstRunPolicy {
    /// It is due at once.
    Now,
    /// It is due at its next fire.
    Schedule,
}

/// When a fire comes while the job is still running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverlapPolicy {
    /// The fire is left out.
    Skip,
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
