//! Permission to send one call. The holder reports the outcome, and dropping it returns the permit.

use tokio::sync::SemaphorePermit;

use super::CallLimiter;
use crate::http::family::EndpointFamily;
use crate::state::{CallId, StateError};

/// Leave to send one call. Tell it how the call ended.
#[must_use]
pub struct CallPermit<'a> {
    pub(super) limiter: &'a CallLimiter,
    pub(super) call: CallId,
    pub(super) family: EndpointFamily,
    pub(super) probe: bool,
    pub(super) _permit: SemaphorePermit<'a>,
}

impl CallPermit<'_> {
    /// The booking of the call.
    pub fn call_id(&self) -> CallId {
        self.call
    }

    /// The call was answered with this status; `refused`: with a deadline for the next one.
    ///
    /// # Errors
    ///
    /// If it cannot be booked.
    pub fn record_response(self, status: u16, refused: bool) -> Result<(), StateError> {
        let gate = self.limiter;
        gate.observer.answered(self.family, status);
        {
            let mut run = gate.counters();
            if status >= 500 && !refused {
                run.breaker.record_failure(gate.clock.now().steady_ms, &gate.rules.breaker);
            } else {
                run.breaker.record_success();
            }
            if !refused && status < 500 {
                run.unstated_refusals = 0;
                run.family_refusals.remove(&self.family);
            }
        }
        gate.state.ledger().record_outcome(self.call, status)
    }

    /// No answer came, or only part of one.
    ///
    /// # Errors
    ///
    /// If it cannot be booked.
    pub fn record_failure(self) -> Result<(), StateError> {
        let gate = self.limiter;
        let now_ms = gate.clock.now().steady_ms;
        gate.counters().breaker.record_failure(now_ms, &gate.rules.breaker);
        gate.state.ledger().record_outcome(self.call, 1)
    }
}

impl CallPermit<'_> {
    /// An answer came and cannot be used: the server is there, whatever it sends.
    ///
    /// # Errors
    ///
    /// If it cannot be booked.
    pub fn record_unusable(self) -> Result<(), StateError> {
        let gate = self.limiter;
        gate.counters().breaker.record_success();
        gate.state.ledger().record_outcome(self.call, 1)
    }
}

impl Drop for CallPermit<'_> {
    fn drop(&mut self) {
        self.limiter.finish_probe(self.probe);
    }
}
