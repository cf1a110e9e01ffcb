//! What one run has done, waited and been refused so far, and what follows from it.

use chrono::{DateTime, TimeDelta, Utc};
use rustc_hash::FxHashMap;

use super::{Deferred, Gate};
use crate::http::breaker::Breaker;
use crate::http::clock::Clock;
use crate::http::family::Family;
use crate::http::halt::Halt;
use crate::state::{Reason, Refused, StateError};

/// What this run has done and waited.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) calls: u64,
    pub(super) retries: u64,
    pub(super) waited: TimeDelta,
    pub(super) charged_until: Option<DateTime<Utc>>,
    pub(super) announced: Option<DateTime<Utc>>,
    pub(super) closed: Option<Deferred>,
    pub(super) breaker: Breaker,
    pub(super) unsaid: u32,
    pub(super) refused: FxHashMap<Family, u32>,
}

impl Gate {
    /// Ends all waits; nothing more is sent.
    pub fn stop(&self) {
        self.halt.stop();
    }

    /// What ends all waits.
    pub fn halt(&self) -> &Halt {
        &self.halt
    }

    /// The present.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Calls sent in this run.
    pub fn calls(&self) -> u64 {
        self.run().calls
    }

    /// Whether the run may retry once more: 20, and one for every ten calls.
    pub fn may_retry(&self) -> bool {
        let run = self.run();
        run.retries < 20 + run.calls / 10
    }

    /// Counts a retry.
    pub fn retried(&self) {
        self.run().retries += 1;
    }

    /// Refusals in a row: those that did not say how long, and those of calls to one family.
    pub fn refusals(&self, family: Family) -> (u32, u32) {
        let run = self.run();
        (run.unsaid, run.refused.get(&family).copied().unwrap_or(0))
    }

    /// Holds a scope back, here and in every process, for longer than it may be held already.
    ///
    /// # Errors
    ///
    /// If it cannot be written down; then nothing more is sent.
    pub fn refuse(&self, family: Family, refused: Refused<'_>) -> Result<(), StateError> {
        {
            let mut run = self.run();
            if matches!(refused.reason, Reason::RateLimit | Reason::Quota) {
                *run.refused.entry(family).or_default() += 1;
            }
            if !refused.said {
                run.unsaid += 1;
            }
        }
        let (ceilings, now) = (self.rates().ceilings, self.clock.now());
        self.state.refuse(&self.who, family.as_str(), refused, ceilings, now)?;
        Ok(())
    }
}
