//! When a job is due: crontab(5) lines in a time zone.
//!
//! The `cron` crate computes the times, but its dialect is not crontab(5): it wants seconds, numbers weekdays from
//! Sunday = 1, and combines two day fields with AND where crontab(5) uses OR. So [`mod@line`] reads the line
//! first and gives the crate one or two lines in the crate's dialect. The crate computes in civil
//! time. [`civil`] converts that into instants, because this program decides what a
//! schedule means in a night with a clock change:
//!
//! - Fixed hours fire once: a time that spring skips fires at the first instant after the gap, a time that
//!   autumn repeats fires the first time.
//! - Lines with `*` or `*/n` as hour follow the wall clock, so that `*/30` fires
//!   every half hour through the night.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

mod civil;
mod field;
mod line;

/// When a job is due.
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    zone: Tz,
    follows_wall_clock: bool,
    /// One schedule, or two for the OR of both day fields.
    engines: Vec<cron::Schedule>,
}

/// Why a line is not a valid schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScheduleError {
    /// The problem, as a lower-case fragment.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl ScheduleError {
    fn new(message: impl Into<String>) -> ScheduleError {
        ScheduleError { message: message.into(), hint: None }
    }

    fn with_hint(mut self, hint: impl Into<String>) -> ScheduleError {
        self.hint = Some(hint.into());
        self
    }
}

impl Schedule {
    /// Parses a crontab line. The schedule is in UTC until [`Schedule::in_zone`].
    ///
    /// # Errors
    ///
    /// If the line is not five fields of crontab(5), or is ambiguous.
    pub fn parse(text: &str) -> Result<Schedule, ScheduleError> {
        let line = line::parse_line(text)?;
        let engines = line
            .engine_lines()
            .iter()
            .map(|l| cron::Schedule::from_str(l))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| ScheduleError::new(format!("failed to parse the schedule: {e}")))?;
        let follows_the_wall = line.follows_wall_clock();
        Ok(Schedule { text: text.trim().to_owned(), zone: Tz::UTC, follows_wall_clock: follows_the_wall, engines })
    }

    /// The same line in another zone.
    #[must_use]
    pub fn in_zone(mut self, zone: Tz) -> Schedule {
        self.zone = zone;
        self
    }

    /// The time zone.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The first fire after an instant, or none if there is none in this century.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.follows_wall_clock { self.next_on_wall_clock(after) } else { self.next_fixed(after) }
    }

    /// The last fire at or before an instant, or none if there was none in the twelve years before it.
    pub fn last_at_or_before(&self, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // 29 February is the rarest date: it can be eight years apart around the turn of a century.
        let mut newest = [1, 24, 24 * 32, 24 * 400, 24 * 366 * 12]
            .into_iter()
            .filter_map(|hours| self.next_after(until - TimeDelta::hours(hours)))
            .find(|fire| *fire <= until)?;
        // Nothing fires in (end, until]. The interval is halved until nothing fires between newest and end either.
        let mut end = until;
        while let Some(next) = self.next_after(newest).filter(|next| *next <= end) {
            let middle = next + (end - next) / 2;
            match self.next_after(middle).filter(|fire| *fire <= end) {
                Some(fire) => newest = fire,
                None => (newest, end) = (next, middle),
            }
        }
        Some(newest)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
