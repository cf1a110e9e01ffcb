//! What one job may take of a day, so that a backfill of thousands of calls leaves the others theirs.
//!
//! Calls are booked with the job that made them. Half of what a day holds, of the account and of each
//! family, is the most that a job gets in any 24 hours, whoever starts it and however often; a job
//! whose file says `max_calls` has said what it may take, and is held to that instead.

use std::path::Path;

use sha2::{Digest, Sha256};

/// A job in the books: a number that names nobody, the same for a store and a job at every start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job(i64);

impl Job {
    /// The job of this name, whose rows go into this store.
    pub fn of(store: &Path, name: &str) -> Job {
        let digest = Sha256::digest(format!("{}\n{name}", store.display()).as_bytes());
        let bytes: Vec<u8> = digest.iter().take(7).copied().collect();
        // 0 stands for no job.
        Job(bytes.iter().fold(0_i64, |number, byte| (number << 8) | i64::from(*byte)).max(1))
    }

    pub(super) fn number(self) -> i64 {
        self.0
    }
}

/// Who spends calls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spender {
    /// The job.
    pub job: Job,
    /// What it may take of what may be used in a day; `None`: all of it.
    pub share: Option<Share>,
}

/// A part of a day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(f64);

impl Share {
    /// What a job gets whose file says nothing of `max_calls`.
    pub const HALF: Share = Share(0.5);

    /// The calls of this share, one at least where there is any.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32 is one")]
    pub fn of(self, calls: u32) -> u32 {
        ((f64::from(calls) * self.0).floor() as u32).max(calls.min(1))
    }
}
