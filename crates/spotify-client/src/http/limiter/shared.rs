//! What all runs of a process share: the pace, and the number of calls in flight.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter, middleware::NoOpMiddleware};
use tokio::sync::Semaphore;

use super::rules::LimiterRules;
use crate::http::clock::Clock;
use crate::state::{AdaptivePace, CallCeilings, CallPace};

/// Calls without a gap after a pause. The worst case in a window is rate × window + burst.
const BURST: u32 = 2;
/// Below this interval `governor` is too coarse, as it gets milliseconds. The shared slot works in microseconds.
const MIN_GOVERNED_INTERVAL: Duration = Duration::from_millis(2);

/// What all runs of a process share.
pub(super) struct SharedLimits {
    rates: RwLock<Arc<CallRates>>,
    pub(super) permits: Semaphore,
    /// Maximum number of calls in flight.
    concurrency: Mutex<usize>,
}

impl SharedLimits {
    pub(super) fn new(rules: &LimiterRules, clock: &Arc<dyn Clock>) -> SharedLimits {
        let width = clamp_concurrency(rules.concurrency);
        let rates = CallRates::new(rules.requests_per_second, rules.ceilings, rules.adaptive, clock);
        SharedLimits {
            rates: RwLock::new(Arc::new(rates)),
            permits: Semaphore::new(width),
            concurrency: Mutex::new(width),
        }
    }

    pub(super) fn rates(&self) -> Arc<CallRates> {
        Arc::clone(&self.rates.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the rates and the number of calls in flight. Calls in flight beyond the new limit may finish.
    pub(super) fn set_rates(&self, rates: CallRates, concurrency: usize) {
        let mut known = self.rates.write().unwrap_or_else(PoisonError::into_inner);
        if (known.pace, known.ceilings) != (rates.pace, rates.ceilings) {
            *known = Arc::new(rates);
        }
        drop(known);
        let concurrency = clamp_concurrency(concurrency);
        let mut width = self.concurrency.lock().unwrap_or_else(PoisonError::into_inner);
        match concurrency.checked_sub(*width) {
            Some(more) => {
                self.permits.add_permits(more);
                *width += more;
            }
            None => *width -= self.permits.forget_permits(*width - concurrency),
        }
    }
}

/// The number of calls in flight, at least one.
fn clamp_concurrency(concurrency: usize) -> usize {
    concurrency.clamp(1, 1_000)
}

/// The limits that change once the class of the app is known.
pub(super) struct CallRates {
    pub(super) pace: CallPace,
    pub(super) pacer: Option<CallPacer>,
    pub(super) ceilings: CallCeilings,
}

impl CallRates {
    pub(super) fn new(
        requests_per_second: f64,
        ceilings: CallCeilings,
        adapts: Option<AdaptivePace>,
        clock: &Arc<dyn Clock>,
    ) -> CallRates {
        let interval = if requests_per_second > 0.0 {
            Duration::try_from_secs_f64(1.0 / requests_per_second).unwrap_or(Duration::ZERO)
        } else {
            Duration::ZERO
        };
        // Only the ledger knows a pace that adapts.
        let adapts = adapts.filter(|_| !interval.is_zero());
        let quota = Quota::with_period(interval).filter(|_| interval >= MIN_GOVERNED_INTERVAL && adapts.is_none());
        let burst = NonZeroU32::MIN.saturating_add(BURST - 1);
        CallRates {
            pacer: quota.map(|quota| {
                RateLimiter::direct_with_clock(quota.allow_burst(burst), GovernorClock(Arc::clone(clock)))
            }),
            pace: CallPace { interval, burst: BURST, adapts },
            ceilings,
        }
    }
}

pub(super) type CallPacer = RateLimiter<NotKeyed, InMemoryState, GovernorClock, NoOpMiddleware<Duration>>;

/// Our clock, in the form that `governor` needs.
#[derive(Debug, Clone)]
pub(super) struct GovernorClock(pub(super) Arc<dyn Clock>);

impl governor::clock::Clock for GovernorClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.now().steady_ms).unwrap_or(0))
    }
}
