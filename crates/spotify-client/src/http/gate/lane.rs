//! What all runs of a process share at the gate: the pace, and the calls in flight.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter, middleware::NoOpMiddleware};
use tokio::sync::Semaphore;

use super::GateRules;
use crate::http::clock::Clock;
use crate::state::{Adapts, Ceilings, Pace};

/// Calls back to back after a pause. 1 to 3: worst case in a window is rate × window + burst.
const BURST: u32 = 2;
/// Below this no limiter of milliseconds can pace; the shared slot does, in microseconds.
const FINEST: Duration = Duration::from_millis(2);

/// What all runs of a process share.
pub(super) struct Lane {
    rates: RwLock<Arc<Rates>>,
    pub(super) permits: Semaphore,
    /// Calls that may be in flight.
    width: Mutex<usize>,
}

impl Lane {
    pub(super) fn new(rules: &GateRules, clock: &Arc<dyn Clock>) -> Lane {
        let width = allowed(rules.concurrency);
        let rates = Rates::new(rules.requests_per_second, rules.ceilings, rules.adapts, clock);
        Lane { rates: RwLock::new(Arc::new(rates)), permits: Semaphore::new(width), width: Mutex::new(width) }
    }

    pub(super) fn rates(&self) -> Arc<Rates> {
        Arc::clone(&self.rates.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Goes on by other rates; the same again change nothing. What is in flight beyond the new width
    /// may arrive.
    pub(super) fn go_by(&self, rates: Rates, concurrency: usize) {
        let mut known = self.rates.write().unwrap_or_else(PoisonError::into_inner);
        if (known.pace, known.ceilings) != (rates.pace, rates.ceilings) {
            *known = Arc::new(rates);
        }
        drop(known);
        let concurrency = allowed(concurrency);
        let mut width = self.width.lock().unwrap_or_else(PoisonError::into_inner);
        match concurrency.checked_sub(*width) {
            Some(more) => {
                self.permits.add_permits(more);
                *width += more;
            }
            None => *width -= self.permits.forget_permits(*width - concurrency),
        }
    }
}

/// Calls in flight, at least one.
fn allowed(concurrency: usize) -> usize {
    concurrency.clamp(1, 1_000)
}

/// How fast and how much: what changes once the class of the app is found out.
pub(super) struct Rates {
    pub(super) pace: Pace,
    pub(super) pacer: Option<Pacer>,
    pub(super) ceilings: Ceilings,
}

impl Rates {
    pub(super) fn new(
        requests_per_second: f64,
        ceilings: Ceilings,
        adapts: Option<Adapts>,
        clock: &Arc<dyn Clock>,
    ) -> Rates {
        let interval = if requests_per_second > 0.0 {
            Duration::try_from_secs_f64(1.0 / requests_per_second).unwrap_or(Duration::ZERO)
        } else {
            Duration::ZERO
        };
        // A pace that adapts is known to the books alone.
        let adapts = adapts.filter(|_| !interval.is_zero());
        let quota = Quota::with_period(interval).filter(|_| interval >= FINEST && adapts.is_none());
        let burst = NonZeroU32::MIN.saturating_add(BURST - 1);
        Rates {
            pacer: quota
                .map(|quota| RateLimiter::direct_with_clock(quota.allow_burst(burst), Ticks(Arc::clone(clock)))),
            pace: Pace { interval, burst: BURST, adapts },
            ceilings,
        }
    }
}

pub(super) type Pacer = RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>;

/// Our clock, as governor wants it.
#[derive(Debug, Clone)]
pub(super) struct Ticks(pub(super) Arc<dyn Clock>);

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.now().steady_ms).unwrap_or(0))
    }
}
