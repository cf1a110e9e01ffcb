//! The circuit breaker: after failures of five resources in a row over all tasks, nothing is sent for a minute,
//! and then one call probes the server. If it fails too, the pause doubles, up to 15 minutes.
//!
//! A failure is a call without a response, or a 5xx. Any other response shows that the server is there.
//! Several attempts for one resource count once: a resource that fails is no reason to keep other calls
//! waiting, and neither is a page that is unusable by itself.

use std::collections::BTreeSet;
use std::time::Duration;

/// Timings of the breaker. Tests shorten them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRules {
    /// Number of failed resources in a row that opens it.
    pub failures: usize,
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl Default for BreakerRules {
    fn default() -> Self {
        BreakerRules { failures: 5, first: Duration::from_secs(60), longest: Duration::from_secs(900) }
    }
}

/// Counts failures in a row. Times are milliseconds of the steady clock.
#[derive(Debug, Default)]
pub struct CircuitBreaker {
    failed: BTreeSet<String>,
    pause_ms: i64,
    open_until_ms: Option<i64>,
    probing: bool,
}

/// Whether a call may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerDecision {
    /// The call may be sent.
    Free,
    /// This call alone may be sent, to probe the server. [`CircuitBreaker::finish_probe`] must follow.
    Probe,
    /// Another call is probing the server.
    Probing,
    /// No call may be sent for this many milliseconds.
    Shut(i64),
}

impl CircuitBreaker {
    /// Decides about a call at this time.
    pub fn check(&mut self, now_ms: i64) -> BreakerDecision {
        match self.open_until_ms {
            None => BreakerDecision::Free,
            Some(until) if now_ms < until => BreakerDecision::Shut(until - now_ms),
            Some(_) if self.probing => BreakerDecision::Probing,
            Some(_) => {
                self.probing = true;
                BreakerDecision::Probe
            }
        }
    }

    /// Records a response.
    pub fn record_success(&mut self) {
        *self = CircuitBreaker::default();
    }

    /// Records a failure of a resource. Returns whether that opened the breaker.
    pub fn record_failure(&mut self, resource: String, now_ms: i64, rules: &BreakerRules) -> bool {
        self.failed.insert(resource);
        let open = self.open_until_ms.is_some_and(|until| now_ms < until);
        if open || self.failed.len() < rules.failures {
            return false;
        }
        let (first, longest) = (ms(rules.first), ms(rules.longest));
        self.pause_ms = (self.pause_ms * 2).clamp(first, longest);
        self.open_until_ms = Some(now_ms + self.pause_ms);
        self.probing = false;
        true
    }

    /// Ends a probe, whatever its result.
    pub fn finish_probe(&mut self) {
        self.probing = false;
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}
