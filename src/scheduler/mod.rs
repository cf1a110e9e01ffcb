//! When a job is due: pure functions of its schedule, its past runs and the time.
//!
//! A fire (a job's nominal time) is served by a complete or partial run that began at or after it,
//! whoever started that run: cron, systemd, a person. So the same line may be started as often as
//! one likes, and `schedule` asks the same functions as `run --due`.
//!
//! - [`next`]: which fire a job has to serve now, or when there will be one;
//! - [`overdue()`]: whether a job's data are older than its schedule promises;
//! - [`Past`]: the past runs, read from the store.

mod due;
mod overdue;
mod run_history;
#[cfg(test)]
mod tests;

pub use due::{DueFire, NextStart, ScheduleTime, next_start, starts_after};
pub use overdue::overdue;
pub use run_history::{JobHistory, RunHistory, SignInSummary};
