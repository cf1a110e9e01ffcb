//! The limiter: when may a call be sent?
//!
//! All calls of a client id pass through one limiter. A task waits for the deadline, then for the pace
//! and a permit, and then looks at the deadline again, because another task or process may have been
//! refused in the meantime. `governor` paces this process with a burst of 2. (Its `per_minute` allows a
//! burst of a whole minute, which lets twice the quota through a rolling window.) The slot in the state
//! folder paces all processes and has the last word.
//!
//! Short waits are waited out. A long wait ends the run: a process that sleeps for hours is killed, and
//! its successor calls too early. A deferral stays in force until its time has come.

mod permit;
mod rules;
mod run_counters;
mod shared;

pub use permit::CallPermit;
pub use rules::{CallIntent, LimitError, LimiterRules, RunAllowance};
pub use run_counters::MissingAnswer;
use run_counters::RunCounters;
use shared::{CallRates, GovernorClock, SharedLimits};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use governor::RateLimiter;
use tokio_util::sync::CancellationToken;

use crate::deferral::{Deferral, DeferralReason, DeferralScope};
use crate::http::breaker::BreakerDecision;
use crate::http::cancellation::{self, Stopped, until_stopped};
use crate::http::clock::Clock;
use crate::http::family::EndpointFamily;
use crate::http::observer::CallObserver;
use crate::state::{CallBlock, CallCeilings, CallRequest, CallSpender, ClientIdentity, Reservation, StateDb};

/// The longest sleep between two looks at the clock: timers stop while a machine is suspended.
const MAX_SLEEP: Duration = Duration::from_secs(30);
/// The sleep between two looks while another task probes the server.
const PROBE_POLL: Duration = Duration::from_millis(100);
/// A wait may exceed `max_wait` by this, because jitter was added to it.
const JITTER_GRACE: TimeDelta = TimeDelta::seconds(1);
/// The limiter of one client id.
pub struct CallLimiter {
    state: Arc<StateDb>,
    identity: ClientIdentity,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn CallObserver>,
    rules: LimiterRules,
    shared: Arc<SharedLimits>,
    stop: CancellationToken,
    counters: Mutex<RunCounters>,
}

impl CallLimiter {
    /// A limiter for one client id.
    pub fn new(
        state: Arc<StateDb>,
        identity: ClientIdentity,
        rules: LimiterRules,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn CallObserver>,
    ) -> CallLimiter {
        let shared = Arc::new(SharedLimits::new(&rules, &clock));
        CallLimiter {
            shared,
            stop: CancellationToken::new(),
            counters: Mutex::default(),
            state,
            identity,
            clock,
            observer,
            rules,
        }
    }

    /// A limiter for another run. Pace, calls in flight and ledger are shared; waits, counters and
    /// allowance are separate.
    pub fn with_allowance(&self, allowed: RunAllowance, observer: Arc<dyn CallObserver>) -> CallLimiter {
        let RunAllowance { max_calls, reserve, spender } = allowed;
        let ceilings = CallCeilings { reserve, ..self.rules.ceilings };
        CallLimiter {
            shared: Arc::clone(&self.shared),
            stop: CancellationToken::new(),
            counters: Mutex::default(),
            state: Arc::clone(&self.state),
            identity: self.identity.clone(),
            clock: Arc::clone(&self.clock),
            observer,
            rules: LimiterRules { max_calls, ceilings, spender, ..self.rules.clone() },
        }
    }

    /// Changes the rates once the class of the app is known.
    pub fn set_rates(&self, requests_per_second: f64, concurrency: usize, ceilings: CallCeilings) {
        let rates = CallRates::new(requests_per_second, ceilings, self.rules.adaptive, &self.clock);
        self.shared.set_rates(rates, concurrency);
    }

    fn rates(&self) -> Arc<CallRates> {
        self.shared.rates()
    }

    /// Waits until a call may be sent, and records it.
    ///
    /// # Errors
    ///
    /// [`LimitError`]. Nothing was sent or recorded then.
    pub async fn acquire(&self, wish: impl Into<CallIntent>) -> Result<CallPermit<'_>, LimitError> {
        let wish = wish.into();
        loop {
            self.check_stopped()?;
            if let Some(closed) = self.closed_by() {
                return Err(LimitError::Deferred(closed));
            }
            let permit = until_stopped(&self.stop, self.shared.permits.acquire()).await?;
            let Ok(permit) = permit else {
                return Err(LimitError::Stopped);
            };
            self.wait_for_pace(wish).await?;
            let Some(probe) = self.pass_breaker().await? else {
                continue;
            };
            let turn = self.state.ledger().reserve_call(&self.call_request(wish), self.clock.now());
            let (call, wait) = match turn {
                Ok(Reservation::Slot { call, wait }) => (call, wait),
                Ok(Reservation::Blocked(_)) => {
                    self.finish_probe(probe);
                    // Other tasks may use the permit in the meantime. The deadline is checked again above.
                    drop(permit);
                    self.wait_until_clear(wish).await?;
                    continue;
                }
                Err(error) => {
                    self.finish_probe(probe);
                    return Err(error.into());
                }
            };
            let pass = CallPermit { limiter: self, call, family: wish.family, probe, resource: None, _permit: permit };
            if !wait.is_zero() && !self.still_free_after(wait, &pass).await? {
                continue;
            }
            if let Err(used) = self.count_call() {
                self.state.ledger().cancel_call(pass.call)?;
                return Err(LimitError::Deferred(used));
            }
            self.observer.sent(wish.family);
            return Ok(pass);
        }
    }

    /// Counts a call of this run and reports the end of a wait.
    fn count_call(&self) -> Result<(), Deferral> {
        let mut run = self.counters();
        if self.rules.max_calls.is_some_and(|most| run.calls >= most) {
            drop(run);
            return Err(self.calls_used());
        }
        run.calls += 1;
        let waited = run.announced.take().is_some();
        drop(run);
        if waited {
            self.observer.resumed();
        }
        Ok(())
    }

    /// Waits for a slot and looks at the deadline again. If it moved, the reserved call is cancelled.
    async fn still_free_after(&self, wait: Duration, pass: &CallPermit<'_>) -> Result<bool, LimitError> {
        let slept = cancellation::sleep(&self.stop, &*self.clock, wait).await;
        let held = match slept {
            Ok(()) => {
                let family = pass.family.as_str();
                self.state.cool_downs().active(&self.identity, family, self.clock.now())?
            }
            Err(_) => None,
        };
        if slept.is_err() || held.is_some() {
            self.state.ledger().cancel_call(pass.call)?;
        }
        slept?;
        Ok(held.is_none())
    }

    /// Waits until no deferral blocks a call, or fails if that takes too long. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`LimitError`].
    pub async fn wait_until_clear(&self, wish: impl Into<CallIntent>) -> Result<(), LimitError> {
        let wish = wish.into();
        while let Some(deferred) = self.current_deferral(wish)? {
            self.wait_out(deferred).await?;
        }
        Ok(())
    }

    /// Checks whether a call to this family could be sent now, or after a wait that is short enough.
    ///
    /// # Errors
    ///
    /// [`LimitError`].
    pub fn may_send(&self, family: EndpointFamily) -> Result<(), LimitError> {
        match self.current_deferral(family.into())? {
            Some(deferred) if self.exceeds_max_wait(&deferred) => Err(LimitError::Deferred(deferred)),
            _ => Ok(()),
        }
    }

    /// The deferral that blocks a call. One that no wait can lift is an error.
    fn current_deferral(&self, wish: CallIntent) -> Result<Option<Deferral>, LimitError> {
        self.check_stopped()?;
        if let Some(closed) = self.closed_by() {
            return Err(LimitError::Deferred(closed));
        }
        match self.state.ledger().check_call(&self.call_request(wish), self.clock.now())? {
            None => Ok(None),
            Some(CallBlock::CeilingReached(reached)) => Err(LimitError::Deferred(reached.into())),
            Some(CallBlock::CoolDown(cool_down)) => Ok(Some(cool_down.deferral)),
        }
    }

    fn exceeds_max_wait(&self, deferred: &Deferral) -> bool {
        let max_wait = TimeDelta::from_std(self.rules.max_wait).unwrap_or(TimeDelta::MAX);
        let wait = deferred.until - self.clock.now().wall;
        wait > max_wait.checked_add(&JITTER_GRACE).unwrap_or(max_wait)
    }

    /// Waits for a deadline if the wait is short enough.
    async fn wait_out(&self, deferred: Deferral) -> Result<(), LimitError> {
        let until = deferred.until;
        let now = self.clock.now().wall;
        if self.exceeds_max_wait(&deferred) {
            return Err(LimitError::Deferred(deferred));
        }
        let (too_long, first) = {
            let mut run = self.counters();
            // Many tasks wait for one deadline. It is charged once, from the end of the last wait on.
            let from = run.charged_until.map_or(now, |charged| charged.max(now));
            let waits = run.waited + (until - from).max(TimeDelta::zero());
            let most = TimeDelta::from_std(self.rules.max_waits).unwrap_or(TimeDelta::MAX);
            let too_long = waits > most;
            if too_long {
                // The whole run ends then, whatever scope the last deadline had.
                run.closed = Some(deferred.clone());
            } else {
                run.waited = waits;
                run.charged_until = Some(from.max(until));
            }
            let first = run.announced.is_none_or(|announced| announced < until);
            if first {
                run.announced = Some(until);
            }
            (too_long, first)
        };
        if too_long {
            return Err(LimitError::Deferred(deferred));
        }
        if first {
            self.observer.waiting(&deferred.evidence, until);
        }
        // Sleeps a slice at a time. The caller looks at the deadline again, which may have moved.
        let rest = (until - self.clock.now().wall).to_std().unwrap_or_default();
        cancellation::sleep(&self.stop, &*self.clock, rest.min(MAX_SLEEP)).await?;
        Ok(())
    }

    /// Waits for the pace of this process. A task that has to wait looks at the deadline first, because
    /// a call that will be deferred need not queue.
    async fn wait_for_pace(&self, wish: CallIntent) -> Result<(), LimitError> {
        let rates = self.rates();
        while let Some(Err(busy)) = rates.pacer.as_ref().map(RateLimiter::check) {
            if let Some(deferred) = self.current_deferral(wish)?
                && self.exceeds_max_wait(&deferred)
            {
                return Err(LimitError::Deferred(deferred));
            }
            let now = governor::clock::Clock::now(&GovernorClock(Arc::clone(&self.clock)));
            let wait = busy.wait_time_from(now).max(Duration::from_millis(1));
            cancellation::sleep(&self.stop, &*self.clock, wait).await?;
        }
        Ok(())
    }

    /// Waits while the breaker is open. `Some(true)` means that this call is the probe, `None` that the
    /// caller must check again.
    async fn pass_breaker(&self) -> Result<Option<bool>, LimitError> {
        let now = self.clock.now();
        let way = self.counters().breaker.check(now.steady_ms);
        match way {
            BreakerDecision::Free => Ok(Some(false)),
            BreakerDecision::Probe => Ok(Some(true)),
            BreakerDecision::Probing => {
                cancellation::sleep(&self.stop, &*self.clock, PROBE_POLL).await?;
                Ok(None)
            }
            BreakerDecision::Shut(ms) => {
                let until = now.wall + TimeDelta::milliseconds(ms);
                self.wait_out(Deferral {
                    until,
                    scope: DeferralScope::Client,
                    reason: DeferralReason::Outage,
                    evidence: "the server does not answer".to_owned(),
                })
                .await?;
                Ok(None)
            }
        }
    }

    fn finish_probe(&self, probe: bool) {
        if probe {
            self.counters().breaker.finish_probe();
        }
    }

    /// Why this run may send no more calls, if that is so.
    fn closed_by(&self) -> Option<Deferral> {
        let run = self.counters();
        let calls_used = self.rules.max_calls.is_some_and(|most| run.calls >= most);
        let closed = run.closed.clone();
        drop(run);
        closed.or_else(|| calls_used.then(|| self.calls_used()))
    }

    fn calls_used(&self) -> Deferral {
        Deferral {
            until: self.clock.now().wall,
            scope: DeferralScope::Client,
            reason: DeferralReason::MaxCalls,
            evidence: match self.rules.max_calls.unwrap_or(0) {
                1 => "1 call was allowed".to_owned(),
                calls => format!("{calls} calls were allowed"),
            },
        }
    }

    fn call_request(&self, wish: CallIntent) -> CallRequest<'_> {
        let rates = self.rates();
        let (mut ceilings, mut spender) = (rates.ceilings, self.rules.spender);
        // A run may have a larger reserve than the others.
        ceilings.reserve = ceilings.reserve.max(self.rules.ceilings.reserve);
        if wish.is_probe {
            (ceilings.per_day, ceilings.per_family) = (None, None);
            spender = spender.map(|it| CallSpender { share: None, ..it });
        }
        CallRequest { identity: &self.identity, family: wish.family.as_str(), pace: rates.pace, ceilings, spender }
    }

    fn check_stopped(&self) -> Result<(), Stopped> {
        if self.stop.is_cancelled() { Err(Stopped) } else { Ok(()) }
    }

    fn counters(&self) -> MutexGuard<'_, RunCounters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
