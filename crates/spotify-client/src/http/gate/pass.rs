//! Leave to send one call. Whoever holds it says how the call ended; the permit goes back with it.

use tokio::sync::SemaphorePermit;

use super::Gate;
use crate::http::family::Family;
use crate::state::{CallId, StateError};

/// Leave to send one call. Tell it how the call ended.
#[must_use]
pub struct Pass<'a> {
    pub(super) gate: &'a Gate,
    pub(super) call: CallId,
    pub(super) family: Family,
    pub(super) probe: bool,
    pub(super) _permit: SemaphorePermit<'a>,
}

impl Pass<'_> {
    /// The booking of the call.
    pub fn call(&self) -> CallId {
        self.call
    }

    /// The call was answered with this status; `refused`: with a deadline for the next one.
    ///
    /// # Errors
    ///
    /// If it cannot be booked.
    pub fn answered(self, status: u16, refused: bool) -> Result<(), StateError> {
        let gate = self.gate;
        gate.observer.answered(self.family, status);
        {
            let mut run = gate.run();
            if status >= 500 && !refused {
                run.breaker.failed(gate.clock.now().steady_ms, &gate.rules.breaker);
            } else {
                run.breaker.worked();
            }
            if !refused && status < 500 {
                run.unsaid = 0;
                run.refused.remove(&self.family);
            }
        }
        gate.state.settle(self.call, status)
    }

    /// No answer came, or only part of one.
    ///
    /// # Errors
    ///
    /// If it cannot be booked.
    pub fn lost(self) -> Result<(), StateError> {
        let gate = self.gate;
        let now_ms = gate.clock.now().steady_ms;
        gate.run().breaker.failed(now_ms, &gate.rules.breaker);
        gate.state.settle(self.call, 1)
    }
}

impl Pass<'_> {
    /// An answer came and cannot be used: the server is there, whatever it sends.
    ///
    /// # Errors
    ///
    /// If it cannot be booked.
    pub fn spoilt(self) -> Result<(), StateError> {
        let gate = self.gate;
        gate.run().breaker.worked();
        gate.state.settle(self.call, 1)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.gate.probe_over(self.probe);
    }
}
