//! Notices that the clock of this machine is wrong, by the `Date` header of the accounts service.
//!
//! The days left of a consent, the schedules and the rolling day of the ledger all depend on the local
//! clock. A wrong clock is therefore reported, once, with the direction and the amount.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

/// A smaller difference is due to a slow network and to rounding to seconds.
const MAX_SKEW: TimeDelta = TimeDelta::minutes(5);

/// How the local clock differs from the server's, and whether that was reported.
#[derive(Debug, Default)]
pub(super) struct ClockSkew {
    reported: AtomicBool,
    ahead: AtomicBool,
}

impl ClockSkew {
    /// A message about the clock, the first time that it is wrong.
    pub(super) fn observe(&self, server: DateTime<Utc>, now: DateTime<Utc>) -> Option<String> {
        let ahead = now - server;
        self.ahead.store(ahead > MAX_SKEW, Ordering::Relaxed);
        if ahead.abs() <= MAX_SKEW || self.reported.swap(true, Ordering::Relaxed) {
            return None;
        }
        let direction = if ahead > TimeDelta::zero() { "ahead of" } else { "behind" };
        Some(format!(
            "this machine's clock is {} {direction} Spotify's: set it, since schedules and the days left of a sign-in go by it",
            format_duration(ahead.abs())
        ))
    }

    /// Whether the clock was ahead of Spotify's at the last response.
    pub(super) fn is_ahead(&self) -> bool {
        self.ahead.load(Ordering::Relaxed)
    }
}

/// The server's time if the local clock is wrong, else the local one.
pub(super) fn believed_time(server: Option<DateTime<Utc>>, now: DateTime<Utc>) -> DateTime<Utc> {
    server.filter(|server| (now - *server).abs() > MAX_SKEW).unwrap_or(now)
}

pub(crate) fn format_duration(time: TimeDelta) -> String {
    match (time.num_days(), time.num_hours(), time.num_minutes()) {
        (0, 0, 0) => format!("{} s", time.num_seconds()),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {} min", minutes % 60),
        (days, hours, _) => format!("{days} days {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_skew_is_reported_with_direction() {
        let server: DateTime<Utc> = "2026-11-23T12:00:00Z".parse().unwrap();
        let skew = ClockSkew::default();
        assert_eq!(skew.observe(server, server + TimeDelta::minutes(5)), None);
        let words = skew.observe(server, server - TimeDelta::minutes(125)).unwrap();
        assert!(words.contains("is 2 h 5 min behind Spotify's"), "{words}");
        assert_eq!(skew.observe(server, server - TimeDelta::minutes(125)), None);
        assert!(!skew.is_ahead());
        let skew = ClockSkew::default();
        let words = skew.observe(server, server + TimeDelta::hours(50)).unwrap();
        assert!(skew.is_ahead());
        assert!(words.contains("is 2 days 2 h ahead of Spotify's"), "{words}");
    }

    #[test]
    fn server_clock_is_trusted() {
        let server: DateTime<Utc> = "2026-11-23T12:00:00Z".parse().unwrap();
        let near = server + TimeDelta::seconds(3);
        assert_eq!(believed_time(Some(server), near), near);
        assert_eq!(believed_time(Some(server), server + TimeDelta::days(9)), server);
        assert_eq!(believed_time(None, near), near);
    }
}
