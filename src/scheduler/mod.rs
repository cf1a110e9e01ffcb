//! Decides when a job is due: pure functions of its schedule, its past runs and the time.
//!
//! A fire (a nominal start time of a job) is served by a complete or partial run that started at or after
//! it, no matter what started that run. So `run --due` may be started any number of times, and `schedule`
//! uses the same functions.
//!
//! - [`next_start`]: which fire a job has to serve now, or when there will be one;
//! - [`overdue()`]: whether a job's data are older than its schedule promises;
//! - [`RunHistory`]: the past runs, read from the store.

mod due;
mod overdue;
mod run_history;
#[cfg(test)]
mod tests;

pub use due::{DueFire, NextStart, ScheduleTime, next_start, starts_after};
pub use overdue::overdue;
pub use run_history::{JobHistory, RunHistory, SignInSummary};
