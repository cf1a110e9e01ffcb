//! Since when, and until when, something that was read counts.

use rusqlite::params;

use super::{StoreError, WriteTx};

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

/// By what it is told whether something was read, and when.
const READ_TIMES: [(&str, &str); 14] = [
    ("lists", "checked_at"),
    ("lists", "whole_at"),
    ("checkpoints", "started_at"),
    ("checkpoints", "updated_at"),
    ("known_gaps", "checked_at"),
    ("artists", "fetched_at"),
    ("albums", "fetched_at"),
    ("tracks", "fetched_at"),
    ("shows", "fetched_at"),
    ("episodes", "fetched_at"),
    ("audiobooks", "fetched_at"),
    ("chapters", "fetched_at"),
    ("playlists", "fetched_at"),
    ("users", "fetched_at"),
];

impl WriteTx {
    /// Takes times that lie ahead, by a day at most, back to just before a run: else that run would take them
    /// for its own once it has lasted so long. What lies further ahead no run comes to.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn tx_reset_future_times(&mut self, now: &str, to: &str) -> Result<(), StoreError> {
        let ahead = "SELECT EXISTS (SELECT 1 FROM runs WHERE started_at > ?1 OR finished_at > ?1)
                     OR EXISTS (SELECT 1 FROM lists WHERE checked_at > ?1)";
        if !self.tx_query_one::<bool>(ahead, params![now])?.unwrap_or(false) {
            return Ok(());
        }
        for (table, column) in READ_TIMES {
            let sql = format!(
                "UPDATE {table} SET {column} = ?2
                 WHERE {column} > ?1 AND {column} < strftime('%Y-%m-%dT%H:%M:%fZ', ?1, '+1 day')"
            );
            self.tx_execute(&sql, params![now, to])?;
        }
        Ok(())
    }
}
