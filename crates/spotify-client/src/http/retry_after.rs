//! Parses `Retry-After`: seconds or a date, and what servers send in practice.
//!
//! A wait is never shortened. A date is compared with the server's own `Date`, so that a wrong local
//! clock does not matter. Zero, negative and unreadable values count as missing, and the caller uses its
//! own doubling wait. More than seven days is taken as a mistake. `httpdate` parses the dates; no crate
//! covers fractions, overflow and implausible values.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

/// The longest wait that is credible.
pub const MAX_BELIEVED_WAIT: Duration = Duration::from_secs(7 * 86_400);

/// The meaning of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// Missing, zero, negative or unreadable.
    Nothing,
    /// Wait for this long.
    Wait(Duration),
    /// More than [`MAX_BELIEVED_WAIT`].
    Absurd,
}

/// Parses the header of a response that arrived `now` and has this `Date`.
pub fn read(header: Option<&str>, date: Option<&str>, now: DateTime<Utc>) -> RetryAfter {
    let Some(text) = header.map(str::trim).filter(|text| !text.is_empty()) else {
        return RetryAfter::Nothing;
    };
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that overflow are a number all the same, and a large one.
        return judge(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return if seconds.is_finite() && seconds > 0.0 {
            judge(Duration::try_from_secs_f64(seconds.ceil()).unwrap_or(Duration::MAX))
        } else {
            RetryAfter::Nothing
        };
    }
    let Ok(until) = httpdate::parse_http_date(text) else {
        return RetryAfter::Nothing;
    };
    let sent =
        date.and_then(|text| httpdate::parse_http_date(text.trim()).ok()).unwrap_or_else(|| SystemTime::from(now));
    judge(until.duration_since(sent).unwrap_or(Duration::ZERO))
}

fn judge(wait: Duration) -> RetryAfter {
    match wait {
        Duration::ZERO => RetryAfter::Nothing,
        wait if wait > MAX_BELIEVED_WAIT => RetryAfter::Absurd,
        wait => RetryAfter::Wait(wait),
    }
}
