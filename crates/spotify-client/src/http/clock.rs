//! Where time comes from: the system, or a test.
//!
//! Sleeping goes through the same trait. The timers of tokio stop while the machine is suspended and do
//! not follow the wall clock. A task that waits for a deadline therefore sleeps in short slices and
//! looks at the clock again after each.

use std::fmt::Debug;
use std::fs;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use crate::state::ClockReading;

/// A future that sleeps.
pub type SleepFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A source of time that can also sleep.
pub trait Clock: Debug + Send + Sync {
    /// A reading of both clocks.
    fn now(&self) -> ClockReading;
    /// Sleeps for at least this long.
    fn sleep(&self, how_long: Duration) -> SleepFuture<'_>;
}

/// The clocks of this machine.
#[derive(Debug)]
pub struct SystemClock {
    boot: Option<i64>,
    last: Mutex<ClockBase>,
}

/// Readings taken at one instant.
#[derive(Debug, Clone, Copy)]
struct ClockBase {
    taken: Instant,
    wall: DateTime<Utc>,
    steady_ms: i64,
}

/// `Instant` does not count suspends, and the wall clock may be set. If the two differ by more than
/// this, the time since boot is read from the kernel again.
const MAX_DRIFT_MS: i64 = 100;

impl SystemClock {
    /// Reads the clocks once.
    pub fn new() -> SystemClock {
        let up_ms = uptime_ms();
        SystemClock {
            boot: up_ms.and_then(|_| boot()),
            last: Mutex::new(ClockBase { taken: Instant::now(), wall: Utc::now(), steady_ms: up_ms.unwrap_or(0) }),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> ClockReading {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (taken, wall) = (Instant::now(), Utc::now());
        let passed_ms = i64::try_from(taken.duration_since(last.taken).as_millis()).unwrap_or(i64::MAX / 4);
        let mut steady_ms = last.steady_ms + passed_ms;
        let wall_passed_ms = (wall - last.wall).num_milliseconds();
        if (wall_passed_ms - passed_ms).abs() > MAX_DRIFT_MS {
            steady_ms = uptime_ms().unwrap_or(steady_ms).max(steady_ms);
            *last = ClockBase { taken, wall, steady_ms };
        }
        ClockReading { wall, steady_ms, boot: self.boot }
    }

    fn sleep(&self, how_long: Duration) -> SleepFuture<'_> {
        Box::pin(tokio::time::sleep(how_long))
    }
}

/// Milliseconds since boot, suspends included.
fn uptime_ms() -> Option<i64> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    let (whole, rest) = text.split_whitespace().next()?.split_once('.')?;
    let (whole, hundredths): (i64, i64) = (whole.parse().ok()?, rest.parse().ok()?);
    Some(whole * 1_000 + hundredths * 10)
}

/// The name of this boot, as a number.
fn boot() -> Option<i64> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let hex: String = text.chars().filter(char::is_ascii_hexdigit).take(15).collect();
    i64::from_str_radix(&hex, 16).ok()
}
