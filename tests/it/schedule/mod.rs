//! Runs that start by themselves, and notifications about them.

pub mod clock_steps;
pub mod cron;
mod digests;
pub mod foreground;
pub mod notifications;
pub mod notified_once;
pub mod systemd_units;
mod warned_once;
