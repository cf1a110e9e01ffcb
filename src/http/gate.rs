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

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter, middleware::NoOpMiddleware};
use rustc_hash::FxHashMap;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::breaker::{Breaker, BreakerRules, Way};
use super::clock::Clock;
use super::family::Family;
use super::halt::{Halt, Stopped};
use super::observer::Observer;
use crate::state::{
    Ask, CallId, Ceilings, Held, Identity, Pace, Reach, Reason, Refused, State, StateError, Turn,
};

/// Calls back to back after a pause. 1 to 3: worst case in a window is rate × window + burst.
const BURST: u32 = 2;
/// Nobody sleeps longer without looking at the clock: timers stop while a machine is suspended.
const SLICE: Duration = Duration::from_secs(30);
/// While another task probes, look again so often.
const PROBING: Duration = Duration::from_millis(100);
/// What a wait may exceed `max_wait` by and still be sat out: the jitter added to it.
const GRACE: TimeDelta = TimeDelta::seconds(1);
/// Below this no limiter of milliseconds can pace; the shared slot does, in microseconds.
const FINEST: Duration = Duration::from_millis(2);

/// What a gate is told.
#[derive(Debug, Clone)]
pub struct GateRules {
    /// Calls a second over all processes. Zero or less, or not a number: no limit.
    pub requests_per_second: f64,
    /// Calls in flight in this process.
    pub concurrency: usize,
    /// Calls of a rolling day.
    pub ceilings: Ceilings,
    /// A longer wait ends the run.
    pub max_wait: Duration,
    /// So do more waits than this, together.
    pub max_waits: Duration,
    /// Calls of this run.
    pub max_calls: Option<u64>,
    /// When to stop asking a server that is down.
    pub breaker: BreakerRules,
}

/// Why a scope is closed, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deferred {
    /// The next call may go then.
    pub not_before: DateTime<Utc>,
    /// What is closed.
    pub reach: Reach,
    /// Why.
    pub why: Why,
    /// The evidence, in the server's words where there are any.
    pub words: String,
}

/// Why something is deferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The server asked for a longer wait.
    RateLimit,
    /// Its quota is spent.
    Quota,
    /// Our own ceiling is reached: stopped before the refusal.
    Budget,
    /// The calls of this run are used.
    MaxCalls,
    /// The server has not answered for too long.
    Breaker,
}

/// Why the gate does not open.
#[derive(Debug)]
pub enum Shut {
    /// Come back later.
    Deferred(Deferred),
    /// The run was stopped.
    Stopped,
    /// The call cannot be booked.
    State(StateError),
}

impl From<Stopped> for Shut {
    fn from(Stopped: Stopped) -> Self {
        Shut::Stopped
    }
}

impl From<StateError> for Shut {
    fn from(error: StateError) -> Self {
        Shut::State(error)
    }
}

/// The way in to one client id's calls.
pub struct Gate {
    state: Arc<State>,
    who: Identity,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    rules: GateRules,
    pace: Pace,
    pacer: Option<Pacer>,
    permits: Semaphore,
    halt: Halt,
    run: Mutex<Run>,
}

type Pacer = RateLimiter<NotKeyed, InMemoryState, Ticks, NoOpMiddleware<Duration>>;

/// What this run has done and waited.
#[derive(Debug, Default)]
struct Run {
    calls: u64,
    retries: u64,
    waited: TimeDelta,
    charged_until: Option<DateTime<Utc>>,
    announced: Option<DateTime<Utc>>,
    closed: Option<Deferred>,
    breaker: Breaker,
    unsaid: u32,
    refused: FxHashMap<Family, u32>,
}

/// Leave to send one call. Tell it how the call ended.
#[must_use]
pub struct Pass<'a> {
    gate: &'a Gate,
    call: CallId,
    family: Family,
    probe: bool,
    _permit: SemaphorePermit<'a>,
}

/// Our clock, as governor wants it.
#[derive(Debug, Clone)]
struct Ticks(Arc<dyn Clock>);

impl governor::clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.now().steady_ms).unwrap_or(0))
    }
}

impl Gate {
    /// A gate for one client id.
    pub fn new(
        state: Arc<State>,
        who: Identity,
        rules: GateRules,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Gate {
        let interval = if rules.requests_per_second > 0.0 {
            Duration::try_from_secs_f64(1.0 / rules.requests_per_second).unwrap_or(Duration::ZERO)
        } else {
            Duration::ZERO
        };
        let quota = Quota::with_period(interval).filter(|_| interval >= FINEST);
        let burst = NonZeroU32::MIN.saturating_add(BURST - 1);
        Gate {
            pacer: quota.map(|quota| {
                RateLimiter::direct_with_clock(quota.allow_burst(burst), Ticks(Arc::clone(&clock)))
            }),
            pace: Pace {
                interval,
                burst: BURST,
            },
            permits: Semaphore::new(rules.concurrency.clamp(1, 1_000)),
            halt: Halt::default(),
            run: Mutex::default(),
            state,
            who,
            clock,
            observer,
            rules,
        }
    }

    /// Waits until a call of this family may go, and books it.
    ///
    /// # Errors
    ///
    /// [`Shut`]; then nothing was sent or booked.
    pub async fn enter(&self, family: Family) -> Result<Pass<'_>, Shut> {
        loop {
            self.halt.check()?;
            if let Some(closed) = self.closed() {
                return Err(Shut::Deferred(closed));
            }
            let permit = self.halt.or(self.permits.acquire()).await?;
            let Ok(permit) = permit else {
                return Err(Shut::Stopped);
            };
            self.paced(family).await?;
            let Some(probe) = self.breaker().await? else {
                continue;
            };
            let turn = self.state.take_turn(&self.ask(family), self.clock.now());
            let (call, wait) = match turn {
                Ok(Turn::Slot { call, wait }) => (call, wait),
                Ok(Turn::Held(_)) => {
                    self.probe_over(probe);
                    // Others may use the permit meanwhile; the deadline is looked at again above.
                    drop(permit);
                    self.clear(family).await?;
                    continue;
                }
                Err(error) => {
                    self.probe_over(probe);
                    return Err(error.into());
                }
            };
            let pass = Pass {
                gate: self,
                call,
                family,
                probe,
                _permit: permit,
            };
            if !wait.is_zero() && !self.still_free_after(wait, &pass).await? {
                continue;
            }
            if let Err(used) = self.count_call() {
                self.state.cancel(pass.call)?;
                return Err(Shut::Deferred(used));
            }
            self.observer.sent(family);
            return Ok(pass);
        }
    }

    /// Counts a call of this run and ends what was announced as a wait.
    fn count_call(&self) -> Result<(), Deferred> {
        let mut run = self.run();
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
    async fn still_free_after(&self, wait: Duration, pass: &Pass<'_>) -> Result<bool, Shut> {
        let slept = self.halt.sleep(&*self.clock, wait).await;
        let held = match slept {
            Ok(()) => {
                let family = pass.family.as_str();
                self.state.cooling(&self.who, family, self.clock.now())?
            }
            Err(_) => None,
        };
        if slept.is_err() || held.is_some() {
            self.state.cancel(pass.call)?;
        }
        slept?;
        Ok(held.is_none())
    }

    /// Sits out what holds this family back, or says that it takes too long. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`Shut`].
    pub async fn clear(&self, family: Family) -> Result<(), Shut> {
        while let Some(deferred) = self.held(family)? {
            self.sit_out(deferred).await?;
        }
        Ok(())
    }

    /// Whether a call of this family could be sent now, at most after a wait that is sat out.
    ///
    /// # Errors
    ///
    /// [`Shut`].
    pub fn may_send(&self, family: Family) -> Result<(), Shut> {
        match self.held(family)? {
            Some(deferred) if self.too_far(&deferred) => Err(Shut::Deferred(deferred)),
            _ => Ok(()),
        }
    }

    /// The deadline ahead of this family. What no wait can change is an error already.
    fn held(&self, family: Family) -> Result<Option<Deferred>, Shut> {
        self.halt.check()?;
        if let Some(closed) = self.closed() {
            return Err(Shut::Deferred(closed));
        }
        match self.state.look(&self.ask(family), self.clock.now())? {
            None => Ok(None),
            Some(Held::Spent(spent)) => Err(Shut::Deferred(Deferred {
                not_before: spent.free_at,
                reach: spent.reach,
                why: Why::Budget,
                words: format!(
                    "{} calls in the last 24 hours, {} may be used",
                    spent.used, spent.usable
                ),
            })),
            Some(Held::CoolDown(cool_down)) => Ok(Some(Deferred {
                not_before: cool_down.until,
                reach: cool_down.reach,
                why: match cool_down.reason {
                    Reason::Quota => Why::Quota,
                    Reason::RateLimit => Why::RateLimit,
                },
                words: cool_down.evidence,
            })),
        }
    }

    fn too_far(&self, deferred: &Deferred) -> bool {
        let max_wait = TimeDelta::from_std(self.rules.max_wait).unwrap_or(TimeDelta::MAX);
        let wait = deferred.not_before - self.clock.now().wall;
        wait > max_wait.checked_add(&GRACE).unwrap_or(max_wait)
    }

    /// Waits for a deadline if that is allowed.
    async fn sit_out(&self, deferred: Deferred) -> Result<(), Shut> {
        let until = deferred.not_before;
        let now = self.clock.now().wall;
        if self.too_far(&deferred) {
            return Err(Shut::Deferred(deferred));
        }
        let (too_long, first) = {
            let mut run = self.run();
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
            return Err(Shut::Deferred(deferred));
        }
        if first {
            self.observer.waiting(&deferred.words, until);
        }
        // A slice at a time; the caller looks at the deadline again, which may have moved.
        let rest = (until - self.clock.now().wall).to_std().unwrap_or_default();
        self.halt.sleep(&*self.clock, rest.min(SLICE)).await?;
        Ok(())
    }

    /// Waits for this process's pace. Whoever has to wait looks at the deadline first: a call
    /// that will be deferred need not queue for it.
    async fn paced(&self, family: Family) -> Result<(), Shut> {
        while let Some(Err(busy)) = self.pacer.as_ref().map(RateLimiter::check) {
            if let Some(deferred) = self.held(family)?
                && self.too_far(&deferred)
            {
                return Err(Shut::Deferred(deferred));
            }
            let now = governor::clock::Clock::now(&Ticks(Arc::clone(&self.clock)));
            let wait = busy.wait_time_from(now).max(Duration::from_millis(1));
            self.halt.sleep(&*self.clock, wait).await?;
        }
        Ok(())
    }

    /// Waits while the breaker is open. `Some(true)`: this call is the probe; `None`: look again.
    async fn breaker(&self) -> Result<Option<bool>, Shut> {
        let now = self.clock.now();
        let way = self.run().breaker.ask(now.steady_ms);
        match way {
            Way::Free => Ok(Some(false)),
            Way::Probe => Ok(Some(true)),
            Way::Probing => {
                self.halt.sleep(&*self.clock, PROBING).await?;
                Ok(None)
            }
            Way::Shut(ms) => {
                let until = now.wall + TimeDelta::milliseconds(ms);
                self.sit_out(Deferred {
                    not_before: until,
                    reach: Reach::Client,
                    why: Why::Breaker,
                    words: "the server does not answer".to_owned(),
                })
                .await?;
                Ok(None)
            }
        }
    }

    fn probe_over(&self, probe: bool) {
        if probe {
            self.run().breaker.probed();
        }
    }

    /// What this run may no longer ask for.
    fn closed(&self) -> Option<Deferred> {
        let run = self.run();
        let calls_used = self.rules.max_calls.is_some_and(|most| run.calls >= most);
        let closed = run.closed.clone();
        drop(run);
        closed.or_else(|| calls_used.then(|| self.calls_used()))
    }

    fn calls_used(&self) -> Deferred {
        Deferred {
            not_before: self.clock.now().wall,
            reach: Reach::Client,
            why: Why::MaxCalls,
            words: format!("{} calls were allowed", self.rules.max_calls.unwrap_or(0)),
        }
    }

    fn ask(&self, family: Family) -> Ask<'_> {
        Ask {
            who: &self.who,
            family: family.as_str(),
            pace: self.pace,
            ceilings: self.rules.ceilings,
        }
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
    pub fn calls(&self) -> u64 {
        self.run().calls
    }

    /// Whether the run may retry once more: 20, and one for every ten calls.
    pub fn may_retry(&self) -> bool {
        let run = self.run();
        run.retries < 20 + run.calls / 10
    }

    /// Counts a retry.
    pub fn retried(&self) {
        self.run().retries += 1;
    }

    /// Refusals in a row: those that did not say how long, and those of one family.
    pub fn refusals(&self, family: Family) -> (u32, u32) {
        let run = self.run();
        (run.unsaid, run.refused.get(&family).copied().unwrap_or(0))
    }

    /// Holds a scope back, here and in every process, for longer than it may be held already.
    ///
    /// # Errors
    ///
    /// If it cannot be written down; then nothing more is sent.
    pub fn refuse(
        &self,
        family: Family,
        refused: Refused<'_>,
        said: bool,
    ) -> Result<(), StateError> {
        {
            let mut run = self.run();
            *run.refused.entry(family).or_default() += 1;
            if !said {
                run.unsaid += 1;
            }
        }
        let now = self.clock.now();
        self.state
            .refuse(&self.who, family.as_str(), refused, now)?;
        Ok(())
    }
}

impl Pass<'_> {
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
                run.breaker
                    .failed(gate.clock.now().steady_ms, &gate.rules.breaker);
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
