//! An instant as the state sees it: the wall clock, and a clock that nobody can set.
//!
//! Deadlines must hold over restarts, so they are kept by the wall clock. But the wall clock gets
//! stepped: a laptop wakes, NTP corrects, somebody types `date -s`. Beside it therefore stands the
//! time since boot (suspends included) and the name of that boot; the difference between the two
//! tells a step from time that really passed.

use chrono::{DateTime, Utc};

/// A reading of both clocks. Cheap to copy; every function of the state takes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// The wall clock.
    pub wall: DateTime<Utc>,
    /// Milliseconds on a clock that only moves forward and counts suspends.
    pub steady_ms: i64,
    /// Which boot `steady_ms` counts from; `None` where the system does not say, and then it is
    /// good for durations within this process only.
    pub boot: Option<i64>,
}

impl ClockReading {
    /// The wall clock in milliseconds since 1970.
    pub fn wall_ms(&self) -> i64 {
        self.wall.timestamp_millis()
    }
}

/// Milliseconds since 1970 as a time; a number out of range becomes the largest time there is,
/// so that a damaged deadline blocks rather than frees.
pub(crate) fn time_from_ms(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
