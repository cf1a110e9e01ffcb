//! An instant: the wall clock, and a clock that cannot be set.
//!
//! Deadlines must survive restarts, so they are kept by the wall clock. But the wall clock jumps: a
//! laptop wakes up, NTP corrects it, a user types `date -s`. The reading therefore also holds the time
//! since boot (including suspends) and the number of that boot. The difference between the two clocks
//! tells a jump from time that has really passed.

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
