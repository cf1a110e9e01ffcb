//! What one run has done, waited and been refused so far, and what follows from it.

use chrono::{DateTime, TimeDelta, Utc};
use rustc_hash::FxHashMap;

use super::CallLimiter;
use crate::deferral::{Deferral, DeferralReason};
use crate::http::breaker::CircuitBreaker;
use crate::http::clock::Clock;
use crate::http::family::EndpointFamily;
use crate::http::halt::Halt;
use crate::state::{NewRefusal, StateError};

/// What this run has done and waited.
#[derive(Debug, Default)]
pub(super) struct RunCounters {
    pub(super) calls: u64,
    pub(super) retries: u64,
    pub(super) waited: TimeDelta,
    pub(super) charged_until: Option<DateTime<Utc>>,
    pub(super) announced: Option<DateTime<Utc>>,
    pub(super) closed: Option<Deferral>,
    pub(super) breaker: CircuitBreaker,
    pub(super) unstated_refusals: u32,
    pub(super) family_refusals: FxHashMap<EndpointFamily, u32>,
}

impl CallLimiter {
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
    pub fn calls_sent(&self) -> u64 {
        self.counters().calls
    }

    /// Whether the run may retry once more: 20, and one for every ten calls.
    pub fn may_retry(&self) -> bool {
        let run = self.counters();
        run.retries < 20 + run.calls / 10
    }

    /// Counts a retry.
    pub fn count_retry(&self) {
        self.counters().retries += 1;
    }

    /// Refusals in a row: those that did not say how long, and those of calls to one family.
    pub fn refusals(&self, family: EndpointFamily) -> (u32, u32) {
        let run = self.counters();
        (run.unstated_refusals, run.family_refusals.get(&family).copied().unwrap_or(0))
    }

    /// Holds a scope back, here and in every process, for longer than it may be held already.
    ///
    /// # Errors
    ///
    /// If it cannot be written down; then nothing more is sent.
    pub fn record_refusal(&self, family: EndpointFamily, refused: NewRefusal<'_>) -> Result<(), StateError> {
        {
            let mut run = self.counters();
            if matches!(refused.reason, DeferralReason::RateLimit | DeferralReason::Quota) {
                *run.family_refusals.entry(family).or_default() += 1;
            }
            if !refused.wait_is_stated {
                run.unstated_refusals += 1;
            }
        }
        let (ceilings, now) = (self.rates().ceilings, self.clock.now());
        self.state.record_refusal(&self.identity, family.as_str(), refused, ceilings, now)?;
        Ok(())
    }
}
