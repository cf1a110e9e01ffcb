//! The clock of the sandbox: real time plus an offset that tests change.
//!
//! Token lifetimes, windows, quotas and consents of six months use this clock, so that tests need not wait.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};

/// Real time plus an offset.
#[derive(Debug)]
pub(crate) struct SandboxClock {
    offset_ms: AtomicI64,
    started_at_ms: i64,
}

impl SandboxClock {
    pub(crate) fn new() -> Self {
        Self { offset_ms: AtomicI64::new(0), started_at_ms: real_now_ms() }
    }

    /// Milliseconds since 1970 on the clock of the sandbox.
    pub(crate) fn now_ms(&self) -> i64 {
        real_now_ms() + self.offset_ms.load(Ordering::SeqCst)
    }

    /// Milliseconds since the start of the sandbox, including advanced time.
    pub(crate) fn since_start_ms(&self) -> i64 {
        self.now_ms() - self.started_at_ms
    }

    pub(crate) fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 4);
        self.offset_ms.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn set_offset_ms(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::SeqCst);
    }
}

/// A time in the format of Spotify: `2026-05-04T03:02:01Z`.
pub(crate) fn timestamp(ms: i64) -> String {
    utc(ms).format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time with milliseconds, as in recently played tracks.
pub(crate) fn timestamp_ms(ms: i64) -> String {
    utc(ms).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A time in the format of HTTP headers.
pub(crate) fn http_date(ms: i64) -> String {
    utc(ms).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The same day and time `months` calendar months later.
pub(crate) fn months_after(ms: i64, months: u32) -> i64 {
    utc(ms).checked_add_months(chrono::Months::new(months)).map_or(i64::MAX, |then| then.timestamp_millis())
}

fn utc(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}

fn real_now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_moves_by_its_offset() {
        let clock = SandboxClock::new();
        clock.advance(Duration::from_secs(3600));
        assert!((3_600_000..3_601_000).contains(&clock.since_start_ms()));
        clock.set_offset_ms(0);
        assert!(clock.since_start_ms() < 1000);
    }

    #[test]
    fn times_have_the_expected_formats() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp_ms(1_500), "1970-01-01T00:00:01.500Z");
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
    }

    #[test]
    fn six_months_are_calendar_months() {
        let august_31 = 1_788_134_400_000;
        assert_eq!(timestamp(august_31), "2026-08-31T00:00:00Z");
        assert_eq!(timestamp(months_after(august_31, 6)), "2027-02-28T00:00:00Z");
    }
}
