//! What one run has sent, waited and been refused so far.

use chrono::{DateTime, TimeDelta, Utc};
use rustc_hash::FxHashMap;
use tokio_util::sync::CancellationToken;

use super::CallLimiter;
use crate::deferral::{Deferral, DeferralReason};
use crate::http::breaker::CircuitBreaker;
use crate::http::clock::Clock;
use crate::http::family::EndpointFamily;
use crate::state::{NewRefusal, StateError};

/// The counters of one run.
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
    /// Stops the run: all waits end, and nothing more is sent.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// The token that ends all waits.
    pub fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// The source of time.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Calls sent in this run.
    pub fn calls_sent(&self) -> u64 {
        self.counters().calls
    }

    /// Whether the run may retry once more. It has 20 retries, and one more for every ten calls.
    pub fn may_retry(&self) -> bool {
        let run = self.counters();
        run.retries < 20 + run.calls / 10
    }

    /// Counts a retry.
    pub fn count_retry(&self) {
        self.counters().retries += 1;
    }

    /// Refusals in a row: those without a stated time, and those of one family.
    pub fn refusals(&self, family: EndpointFamily) -> (u32, u32) {
        let run = self.counters();
        (run.unstated_refusals, run.family_refusals.get(&family).copied().unwrap_or(0))
    }

    /// Records a refusal, which holds its scope back in every process. A deadline that is further ahead stays.
    ///
    /// # Errors
    ///
    /// If it cannot be recorded. Nothing more is sent then.
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
        self.state.cool_downs().record_refusal(&self.identity, family.as_str(), refused, ceilings, now)?;
        Ok(())
    }
}
