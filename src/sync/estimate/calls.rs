//! Numbers of calls: exact where they are known, ranges where only Spotify knows.

/// A number of calls: at least, and at most where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallRange {
    pub at_least: u64,
    /// `None`: no upper bound is known.
    pub at_most: Option<u64>,
    /// The number to plan with where no upper bound is known.
    expected: u64,
}

impl CallRange {
    /// No calls.
    pub const NONE: CallRange = CallRange { at_least: 0, at_most: Some(0), expected: 0 };

    /// Exactly this many calls.
    pub fn exactly(calls: u64) -> CallRange {
        CallRange { at_least: calls, at_most: Some(calls), expected: calls }
    }

    /// Between two numbers of calls.
    pub fn between(at_least: u64, at_most: u64) -> CallRange {
        CallRange { at_least: at_least.min(at_most), at_most: Some(at_most), expected: at_most }
    }

    /// This many calls or more.
    pub fn at_least(calls: u64) -> CallRange {
        CallRange { at_least: calls, at_most: None, expected: calls }
    }

    /// This many calls as far as is known, but at least `at_least`.
    pub fn roughly(calls: u64, at_least: u64) -> CallRange {
        CallRange { at_least: at_least.min(calls), at_most: None, expected: calls }
    }

    /// The sum of two ranges.
    #[must_use]
    pub fn plus(self, other: CallRange) -> CallRange {
        CallRange {
            at_least: self.at_least + other.at_least,
            at_most: self.at_most.zip(other.at_most).map(|(one, two)| one + two),
            expected: self.expected + other.expected,
        }
    }

    /// The number to plan with: the upper bound, or the calls known so far.
    pub fn expected_calls(self) -> u64 {
        self.at_most.unwrap_or(self.expected)
    }
}

/// How long this many calls take at a rate, in seconds. The first two are sent at once.
pub fn seconds_for_calls(calls: u64, requests_per_second: f64) -> f64 {
    if requests_per_second > 0.0 { calls.saturating_sub(2) as f64 / requests_per_second } else { 0.0 }
}

/// A count as a number of calls; a negative count is none.
pub(in crate::sync) fn call_count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
