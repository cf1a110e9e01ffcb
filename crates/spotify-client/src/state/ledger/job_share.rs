//! What one job may use of a day, so that a backfill of thousands of calls leaves some to other jobs.
//!
//! Calls are recorded with the job that sent them. A job may send half of a day's calls, of the account
//! and of each family, in any 24 hours, however it is started and however often. A job with `max_calls` in its
//! file may send that many instead. `run --max-calls` limits one run in the limiter and does not change
//! the share.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

/// A job in the ledger: a number that reveals no name, and is the same at every start for a store and a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobKey(i64);

impl JobKey {
    /// The job with this name, which writes to this store.
    pub fn new(store: &Path, name: &str) -> JobKey {
        let digest = Sha256::digest(format!("{}\n{name}", store.display()).as_bytes());
        let bytes: Vec<u8> = digest.iter().take(7).copied().collect();
        // 0 means no job.
        JobKey(bytes.iter().fold(0_i64, |number, byte| (number << 8) | i64::from(*byte)).max(1))
    }

    pub(in crate::state) fn number(self) -> i64 {
        self.0
    }
}

/// The job that spends calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallSpender {
    /// The job.
    pub job: JobKey,
    /// The calls that it may send in any 24 hours. `None` means all usable calls.
    pub share: Option<JobShare>,
}

/// The calls that one job has sent in the last 24 hours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallsByJob {
    /// To all endpoint families.
    pub all: u32,
    /// By endpoint family.
    pub families: BTreeMap<String, u32>,
}

/// What one job may take of any 24 hours, over all its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobShare {
    /// Half of the day's calls, of the account and of each family. It is the default without `max_calls`.
    Half,
    /// This many calls, to any family and independent of the ceilings.
    Calls(u32),
}

impl JobShare {
    /// The share of a job with this `max_calls` in its file.
    pub fn from_max_calls(max_calls: Option<u64>) -> JobShare {
        max_calls.map_or(JobShare::Half, |calls| JobShare::Calls(u32::try_from(calls).unwrap_or(u32::MAX)))
    }

    /// The calls to all families, if the account may use this many. `None` means no ceiling.
    pub fn account_limit(self, usable: Option<u32>) -> Option<u32> {
        match self {
            JobShare::Half => usable.map(half_rounded_up),
            JobShare::Calls(most) => Some(usable.map_or(most, |calls| calls.min(most))),
        }
    }

    /// The calls to one family, if it may use this many. `None` means no ceiling.
    pub fn family_limit(self, usable: Option<u32>) -> Option<u32> {
        match self {
            JobShare::Half => usable.map(half_rounded_up),
            JobShare::Calls(_) => usable,
        }
    }
}

/// At least one call, if there is any.
fn half_rounded_up(calls: u32) -> u32 {
    (calls / 2).max(calls.min(1))
}
