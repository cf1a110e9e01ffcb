//! When a job is due: crontab(5) lines in a time zone.
//!
//! The `cron` crate is the engine, but not the dialect: it wants seconds, numbers weekdays from
//! Sunday = 1, and takes two day fields as AND where crontab(5) says OR. So a line is read by
//! [`mod@line`] first, which hands the engine one or two lines of its own dialect. The
//! engine counts in civil time; [`civil`] turns that into instants, since what a
//! schedule means on a DST night is ours to say:
//!
//! - fixed hours fire once: what falls into the gap of spring at the first instant after it, what
//!   autumn repeats at the first of the two;
//! - lines with `*` or `*/n` as hour go by the clock on the wall as it runs, so that `*/30` fires
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
    /// One, or two for the OR of both day fields.
    engines: Vec<cron::Schedule>,
}

/// Why a line is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScheduleError {
    /// What is wrong: a lower-case fragment.
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
    /// Reads a line, in UTC until [`Schedule::in_zone`].
    ///
    /// # Errors
    ///
    /// If it isn't five fields of crontab(5), or means nothing certain.
    pub fn parse(text: &str) -> Result<Schedule, ScheduleError> {
        let line = line::parse_line(text)?;
        let engines = line
            .engine_lines()
            .iter()
            .map(|l| cron::Schedule::from_str(l))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| ScheduleError::new(format!("the line cannot be read: {e}")))?;
        let follows_the_wall = line.follows_wall_clock();
        Ok(Schedule { text: text.trim().to_owned(), zone: Tz::UTC, follows_wall_clock: follows_the_wall, engines })
    }

    /// The same line in another zone.
    #[must_use]
    pub fn in_zone(mut self, zone: Tz) -> Schedule {
        self.zone = zone;
        self
    }

    /// Its zone.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The first fire after an instant; none if there is none in this century.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.follows_wall_clock { self.next_on_wall_clock(after) } else { self.next_fixed(after) }
    }

    /// The last fire at or before an instant; none if there was none in the twelve years before.
    pub fn last_at_or_before(&self, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // 29 February is the rarest date: eight years apart around a century.
        let mut newest = [1, 24, 24 * 32, 24 * 400, 24 * 366 * 12]
            .into_iter()
            .filter_map(|hours| self.next_after(until - TimeDelta::hours(hours)))
            .find(|fire| *fire <= until)?;
        // Nothing fires in (end, until]; halved until nothing fires between newest and end either.
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
