//! How much memory the ids and searches that jobs read from files may take.
//!
//! The limits of one file are not enough: a job has up to 200 fetches, and a project up to 1,000 jobs.

use std::cell::Cell;

/// The most bytes of one job, and of all jobs that are loaded together.
#[derive(Debug, Clone, Copy)]
pub(super) struct InputLimits {
    pub of_job: usize,
    pub of_all: usize,
}

impl InputLimits {
    /// One job cannot use up what all have, so that it cannot keep the others from being loaded.
    pub(super) const USUAL: InputLimits = InputLimits { of_job: 128 << 20, of_all: 256 << 20 };
}

/// What one job may still use.
#[derive(Debug)]
pub(super) struct InputBudget {
    limits: InputLimits,
    used_by_others: usize,
    used: Cell<usize>,
}

impl InputBudget {
    /// The budget of a job when jobs that were loaded before it use so many bytes.
    pub(super) fn beside(used_by_others: usize, limits: InputLimits) -> InputBudget {
        InputBudget { limits, used_by_others, used: Cell::new(0) }
    }

    /// Adds the ids or searches of one file.
    ///
    /// # Errors
    /// The limit that they exceed. The text continues a sentence that starts with the name of the file.
    pub(super) fn add(&self, bytes: usize) -> Result<(), String> {
        self.used.set(self.used.get().saturating_add(bytes));
        let exceeded = |whose: &str, limit: usize| {
            Err(format!("brings the ids and searches of {whose} to more than {} MiB, which is the limit", limit >> 20))
        };
        if self.used.get() > self.limits.of_job {
            exceeded("this job", self.limits.of_job)
        } else if self.used.get() + self.used_by_others > self.limits.of_all {
            exceeded("all jobs", self.limits.of_all)
        } else {
            Ok(())
        }
    }

    /// The bytes that the job uses.
    pub(super) fn used(&self) -> usize {
        self.used.get()
    }
}
