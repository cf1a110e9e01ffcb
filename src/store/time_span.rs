//! Since when, and until when, something that was read counts.

/// A stretch of time, both ends in it, as the store writes times. What bears a later one than now was
/// written under a clock that was ahead: when it was read is not known, so it does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeSpan {
    /// Its beginning.
    pub since: String,
    /// Its end: now.
    pub until: String,
}

impl TimeSpan {
    /// All that ever was, whatever the clock said.
    pub fn all_time() -> TimeSpan {
        TimeSpan { since: String::new(), until: "9999".into() }
    }

    /// Whether a time is in it.
    pub fn contains(&self, at: Option<&str>) -> bool {
        at.is_some_and(|at| self.since.as_str() <= at && at <= self.until.as_str())
    }
}
