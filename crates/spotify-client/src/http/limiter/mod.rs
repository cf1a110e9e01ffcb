//! The gate: when may a call go?
//!
//! One gate stands before all calls of a client id. A task waits for the deadline, then for the
//! pace and a permit, and then looks at the deadline again, since another task or process may have
//! been refused meanwhile. `governor` paces this process (burst 2: with its natural-looking
//! `per_minute` the burst is the whole minute and twice the quota goes through a rolling window);
//! the slot in the state folder paces all processes, and is the authority.
//!
//! Short waits are sat out, long ones end the run: a process that sleeps for hours is killed, and
//! its successor asks too early. What is deferred stays deferred here until its time has come.

mod permit;
mod run_counters;
mod shared;
mod shut;

pub use permit::CallPermit;
use run_counters::RunCounters;
use shared::{CallRates, GovernorClock, SharedLimits};
pub use shut::{CallIntent, LimitError, LimiterRules, RunAllowance};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use governor::RateLimiter;

use crate::deferral::{Deferral, DeferralReason, DeferralScope};
use crate::http::breaker::BreakerDecision;
use crate::http::clock::Clock;
use crate::http::family::EndpointFamily;
use crate::http::halt::Halt;
use crate::http::observer::CallObserver;
use crate::state::{CallBlock, CallCeilings, CallRequest, CallSpender, ClientIdentity, Reservation, StateDb};

/// Nobody sleeps longer without looking at the clock: timers stop while a machine is suspended.
const MAX_SLEEP: Duration = Duration::from_secs(30);
/// While another task probes, look again so often.
const PROBE_POLL: Duration = Duration::from_millis(100);
/// What a wait may exceed `max_wait` by and still be sat out: the jitter added to it.
const JITTER_GRACE: TimeDelta = TimeDelta::seconds(1);
/// The way in to one client id's calls.
pub struct CallLimiter {
    state: Arc<StateDb>,
    identity: ClientIdentity,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn CallObserver>,
    rules: LimiterRules,
    shared: Arc<SharedLimits>,
    halt: Halt,
    counters: Mutex<RunCounters>,
}

impl CallLimiter {
    /// A gate for one client id.
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
            halt: Halt::default(),
            counters: Mutex::default(),
            state,
            identity,
            clock,
            observer,
            rules,
        }
    }

    /// A gate for another run beside this one: the same pace, the same calls in flight, the same
    /// books; what it waits, counts and may spend is its own.
    pub fn with_allowance(&self, allowed: RunAllowance, observer: Arc<dyn CallObserver>) -> CallLimiter {
        let RunAllowance { max_calls, reserve, spender } = allowed;
        let ceilings = CallCeilings { reserve, ..self.rules.ceilings };
        CallLimiter {
            shared: Arc::clone(&self.shared),
            halt: Halt::default(),
            counters: Mutex::default(),
            state: Arc::clone(&self.state),
            identity: self.identity.clone(),
            clock: Arc::clone(&self.clock),
            observer,
            rules: LimiterRules { max_calls, ceilings, spender, ..self.rules.clone() },
        }
    }

    /// Goes on by other rates: the class of the app was found out.
    pub fn set_rates(&self, requests_per_second: f64, concurrency: usize, ceilings: CallCeilings) {
        let rates = CallRates::new(requests_per_second, ceilings, self.rules.adaptive, &self.clock);
        self.shared.set_rates(rates, concurrency);
    }

    fn rates(&self) -> Arc<CallRates> {
        self.shared.rates()
    }

    /// Waits until a call may go, and books it.
    ///
    /// # Errors
    ///
    /// [`Shut`]; then nothing was sent or booked.
    pub async fn acquire(&self, wish: impl Into<CallIntent>) -> Result<CallPermit<'_>, LimitError> {
        let wish = wish.into();
        loop {
            self.halt.check()?;
            if let Some(closed) = self.closed_by() {
                return Err(LimitError::Deferred(closed));
            }
            let permit = self.halt.or(self.shared.permits.acquire()).await?;
            let Ok(permit) = permit else {
                return Err(LimitError::Stopped);
            };
            self.wait_for_pace(wish).await?;
            let Some(probe) = self.pass_breaker().await? else {
                continue;
            };
            let turn = self.state.reserve_call(&self.call_request(wish), self.clock.now());
            let (call, wait) = match turn {
                Ok(Reservation::Slot { call, wait }) => (call, wait),
                Ok(Reservation::Blocked(_)) => {
                    self.finish_probe(probe);
                    // Others may use the permit meanwhile; the deadline is looked at again above.
                    drop(permit);
                    self.wait_until_clear(wish).await?;
                    continue;
                }
                Err(error) => {
                    self.finish_probe(probe);
                    return Err(error.into());
                }
            };
            let pass = CallPermit { limiter: self, call, family: wish.family, probe, _permit: permit };
            if !wait.is_zero() && !self.still_free_after(wait, &pass).await? {
                continue;
            }
            if let Err(used) = self.count_call() {
                self.state.cancel_call(pass.call)?;
                return Err(LimitError::Deferred(used));
            }
            self.observer.sent(wish.family);
            return Ok(pass);
        }
    }

    /// Counts a call of this run and ends what was announced as a wait.
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

    /// Waits for a slot and looks at the deadline again; takes the booking back if it moved.
    async fn still_free_after(&self, wait: Duration, pass: &CallPermit<'_>) -> Result<bool, LimitError> {
        let slept = self.halt.sleep(&*self.clock, wait).await;
        let held = match slept {
            Ok(()) => {
                let family = pass.family.as_str();
                self.state.active_cool_down(&self.identity, family, self.clock.now())?
            }
            Err(_) => None,
        };
        if slept.is_err() || held.is_some() {
            self.state.cancel_call(pass.call)?;
        }
        slept?;
        Ok(held.is_none())
    }

    /// Sits out what holds a call back, or says that it takes too long. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`Shut`].
    pub async fn wait_until_clear(&self, wish: impl Into<CallIntent>) -> Result<(), LimitError> {
        let wish = wish.into();
        while let Some(deferred) = self.current_deferral(wish)? {
            self.wait_out(deferred).await?;
        }
        Ok(())
    }

    /// Whether a call of this family could be sent now, at most after a wait that is sat out.
    ///
    /// # Errors
    ///
    /// [`Shut`].
    pub fn may_send(&self, family: EndpointFamily) -> Result<(), LimitError> {
        match self.current_deferral(family.into())? {
            Some(deferred) if self.exceeds_max_wait(&deferred) => Err(LimitError::Deferred(deferred)),
            _ => Ok(()),
        }
    }

    /// The deadline ahead of a call. What no wait can change is an error already.
    fn current_deferral(&self, wish: CallIntent) -> Result<Option<Deferral>, LimitError> {
        self.halt.check()?;
        if let Some(closed) = self.closed_by() {
            return Err(LimitError::Deferred(closed));
        }
        match self.state.check_call(&self.call_request(wish), self.clock.now())? {
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

    /// Waits for a deadline if that is allowed.
    async fn wait_out(&self, deferred: Deferral) -> Result<(), LimitError> {
        let until = deferred.until;
        let now = self.clock.now().wall;
        if self.exceeds_max_wait(&deferred) {
            return Err(LimitError::Deferred(deferred));
        }
        let (too_long, first) = {
            let mut run = self.counters();
            // Many tasks wait for one deadline: it is charged once, and from where the last ended.
            let from = run.charged_until.map_or(now, |charged| charged.max(now));
            let waits = run.waited + (until - from).max(TimeDelta::zero());
            let most = TimeDelta::from_std(self.rules.max_waits).unwrap_or(TimeDelta::MAX);
            let too_long = waits > most;
            if too_long {
                // Everything ends then, whatever the last deadline reached.
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
        // A slice at a time; the caller looks at the deadline again, which may have moved.
        let rest = (until - self.clock.now().wall).to_std().unwrap_or_default();
        self.halt.sleep(&*self.clock, rest.min(MAX_SLEEP)).await?;
        Ok(())
    }

    /// Waits for this process's pace. Whoever has to wait looks at the deadline first: a call
    /// that will be deferred need not queue for it.
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
            self.halt.sleep(&*self.clock, wait).await?;
        }
        Ok(())
    }

    /// Waits while the breaker is open. `Some(true)`: this call is the probe; `None`: look again.
    async fn pass_breaker(&self) -> Result<Option<bool>, LimitError> {
        let now = self.clock.now();
        let way = self.counters().breaker.check(now.steady_ms);
        match way {
            BreakerDecision::Free => Ok(Some(false)),
            BreakerDecision::Probe => Ok(Some(true)),
            BreakerDecision::Probing => {
                self.halt.sleep(&*self.clock, PROBE_POLL).await?;
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

    /// What this run may no longer ask for.
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
            evidence: format!("{} calls were allowed", self.rules.max_calls.unwrap_or(0)),
        }
    }

    fn call_request(&self, wish: CallIntent) -> CallRequest<'_> {
        let rates = self.rates();
        let (mut ceilings, mut spender) = (rates.ceilings, self.rules.spender);
        // A run may have to leave more alone than the rest does.
        ceilings.reserve = ceilings.reserve.max(self.rules.ceilings.reserve);
        if wish.is_probe {
            (ceilings.per_day, ceilings.per_family) = (None, None);
            spender = spender.map(|it| CallSpender { share: None, ..it });
        }
        CallRequest { identity: &self.identity, family: wish.family.as_str(), pace: rates.pace, ceilings, spender }
    }

    fn counters(&self) -> MutexGuard<'_, RunCounters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
