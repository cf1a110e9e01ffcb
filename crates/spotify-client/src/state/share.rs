//! What one job may take of a day, so that a backfill of thousands of calls leaves the others theirs.
//!
//! Calls are booked with the job that made them. Half of what a day holds, of the account and of each
//! family, is the most that a job gets in any 24 hours, whoever starts it and however often; a job
//! whose file says `max_calls` gets so many instead. What one run may spend (`run --max-calls`) is
//! bounded at the gate and changes nothing about the share.

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spender {
    /// The job.
    pub job: Job,
    /// What it may take of any 24 hours; `None`: all that may be used.
    pub share: Option<Share>,
}

/// What one job may take of any 24 hours, over all its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Half of what the day holds, of the account and of each family: what a job gets whose file says
    /// nothing of `max_calls`.
    Half,
    /// So many calls, to whatever family and however many the day holds.
    Calls(u32),
}

impl Share {
    /// The share of a job whose file says this of `max_calls`.
    pub fn said(max_calls: Option<u64>) -> Share {
        max_calls.map_or(Share::Half, |calls| Share::Calls(u32::try_from(calls).unwrap_or(u32::MAX)))
    }

    /// The calls of all families, where the account may use so many; `None`: no ceiling.
    pub fn of_account(self, usable: Option<u32>) -> Option<u32> {
        match self {
            Share::Half => usable.map(half),
            Share::Calls(most) => Some(usable.map_or(most, |calls| calls.min(most))),
        }
    }

    /// The calls of one family, where it may use so many; `None`: no ceiling.
    pub fn of_family(self, usable: Option<u32>) -> Option<u32> {
        match self {
            Share::Half => usable.map(half),
            Share::Calls(_) => usable,
        }
    }
}

/// One call at least, where there is any.
fn half(calls: u32) -> u32 {
    (calls / 2).max(calls.min(1))
}
