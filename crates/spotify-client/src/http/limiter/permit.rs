//! Permission to send one call. The holder reports the outcome, and dropping it returns the permit.

use tokio::sync::SemaphorePermit;

use super::CallLimiter;
use crate::http::family::EndpointFamily;
use crate::state::{CallId, StateError};

/// Permission to send one call. Report how the call ended.
#[must_use]
pub struct CallPermit<'a> {
    pub(super) limiter: &'a CallLimiter,
    pub(super) call: CallId,
    pub(super) family: EndpointFamily,
    pub(super) probe: bool,
    pub(super) resource: Option<String>,
    pub(super) _permit: SemaphorePermit<'a>,
}

impl CallPermit<'_> {
    /// The record of the call in the ledger.
    pub fn call_id(&self) -> CallId {
        self.call
    }

    /// Names the resource that is requested. Without a name, each call is for a resource of its own.
    pub fn for_resource(mut self, path: &str) -> Self {
        self.resource = Some(path.to_owned());
        self
    }

    fn failed_resource(&mut self) -> String {
        self.resource.take().unwrap_or_else(|| format!("{:?}", self.call))
    }

    /// Records a response of this status. `refused` means that it set a deadline for the next call.
    ///
    /// # Errors
    ///
    /// If it cannot be recorded.
    pub fn record_response(mut self, status: u16, refused: bool) -> Result<(), StateError> {
        let limiter = self.limiter;
        limiter.observer.answered(self.family, status);
        let resource = self.failed_resource();
        {
            let mut run = limiter.counters();
            if status >= 500 && !refused {
                run.breaker.record_failure(resource, limiter.clock.now().steady_ms, &limiter.rules.breaker);
            } else {
                run.record_answer();
            }
            if !refused && status < 500 {
                run.unstated_refusals = 0;
                run.family_refusals.remove(&self.family);
            }
        }
        limiter.state.ledger().record_outcome(self.call, status)
    }

    /// Records that no response arrived, or only part of one.
    ///
    /// # Errors
    ///
    /// If it cannot be recorded.
    pub fn record_failure(mut self) -> Result<(), StateError> {
        let limiter = self.limiter;
        let (now_ms, resource) = (limiter.clock.now().steady_ms, self.failed_resource());
        limiter.counters().breaker.record_failure(resource, now_ms, &limiter.rules.breaker);
        limiter.state.ledger().record_outcome(self.call, 1)
    }
}

impl CallPermit<'_> {
    /// Records an unusable response. The server is reachable, whatever it sends.
    ///
    /// # Errors
    ///
    /// If it cannot be recorded.
    pub fn record_unusable(self) -> Result<(), StateError> {
        let limiter = self.limiter;
        limiter.counters().record_answer();
        limiter.state.ledger().record_outcome(self.call, 1)
    }
}

impl Drop for CallPermit<'_> {
    fn drop(&mut self) {
        self.limiter.finish_probe(self.probe);
    }
}
