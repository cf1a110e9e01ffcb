//! The time range in which a read counts.

/// A time range including both ends, in the store's time format. A time after now was written while the clock
/// was ahead. When that read really happened is unknown, so it does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeSpan {
    pub since: String,
    /// The end, which is now.
    pub until: String,
}

impl TimeSpan {
    /// All times, whatever the clock said.
    pub fn all_time() -> TimeSpan {
        TimeSpan { since: String::new(), until: "9999".into() }
    }

    pub fn contains(&self, at: Option<&str>) -> bool {
        at.is_some_and(|at| self.since.as_str() <= at && at <= self.until.as_str())
    }
}
