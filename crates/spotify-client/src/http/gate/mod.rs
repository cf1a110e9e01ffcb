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

mod lane;
mod pass;
mod run;
mod shut;

use lane::{Lane, Rates, Ticks};
pub use pass::Pass;
use run::Run;
pub use shut::{Allowance, Deferred, GateRules, Shut, Why, Wish};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use governor::RateLimiter;

use crate::http::breaker::Way;
use crate::http::clock::Clock;
use crate::http::family::Family;
use crate::http::halt::Halt;
use crate::http::observer::Observer;
use crate::state::{Ask, Ceilings, Held, Identity, Reach, Reason, Share, Spender, State, Turn};

/// Nobody sleeps longer without looking at the clock: timers stop while a machine is suspended.
const SLICE: Duration = Duration::from_secs(30);
/// While another task probes, look again so often.
const PROBING: Duration = Duration::from_millis(100);
/// What a wait may exceed `max_wait` by and still be sat out: the jitter added to it.
const GRACE: TimeDelta = TimeDelta::seconds(1);
/// The way in to one client id's calls.
pub struct Gate {
    state: Arc<State>,
    who: Identity,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    rules: GateRules,
    lane: Arc<Lane>,
    halt: Halt,
    run: Mutex<Run>,
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
        let lane = Arc::new(Lane::new(&rules, &clock));
        Gate { lane, halt: Halt::default(), run: Mutex::default(), state, who, clock, observer, rules }
    }

    /// A gate for another run beside this one: the same pace, the same calls in flight, the same
    /// books; what it waits, counts and may spend is its own.
    pub fn beside(&self, allowed: Allowance, observer: Arc<dyn Observer>) -> Gate {
        let Allowance { max_calls, reserve, spender } = allowed;
        let ceilings = Ceilings { reserve, ..self.rules.ceilings };
        Gate {
            lane: Arc::clone(&self.lane),
            halt: Halt::default(),
            run: Mutex::default(),
            state: Arc::clone(&self.state),
            who: self.who.clone(),
            clock: Arc::clone(&self.clock),
            observer,
            rules: GateRules { max_calls, ceilings, spender, ..self.rules.clone() },
        }
    }

    /// Goes on by other rates: the class of the app was found out.
    pub fn go_by(&self, requests_per_second: f64, concurrency: usize, ceilings: Ceilings) {
        let rates = Rates::new(requests_per_second, ceilings, self.rules.adapts, &self.clock);
        self.lane.go_by(rates, concurrency);
    }

    fn rates(&self) -> Arc<Rates> {
        self.lane.rates()
    }

    /// Waits until a call may go, and books it.
    ///
    /// # Errors
    ///
    /// [`Shut`]; then nothing was sent or booked.
    pub async fn enter(&self, wish: impl Into<Wish>) -> Result<Pass<'_>, Shut> {
        let wish = wish.into();
        loop {
            self.halt.check()?;
            if let Some(closed) = self.closed() {
                return Err(Shut::Deferred(closed));
            }
            let permit = self.halt.or(self.lane.permits.acquire()).await?;
            let Ok(permit) = permit else {
                return Err(Shut::Stopped);
            };
            self.paced(wish).await?;
            let Some(probe) = self.breaker().await? else {
                continue;
            };
            let turn = self.state.take_turn(&self.ask(wish), self.clock.now());
            let (call, wait) = match turn {
                Ok(Turn::Slot { call, wait }) => (call, wait),
                Ok(Turn::Held(_)) => {
                    self.probe_over(probe);
                    // Others may use the permit meanwhile; the deadline is looked at again above.
                    drop(permit);
                    self.clear(wish).await?;
                    continue;
                }
                Err(error) => {
                    self.probe_over(probe);
                    return Err(error.into());
                }
            };
            let pass = Pass { gate: self, call, family: wish.family, probe, _permit: permit };
            if !wait.is_zero() && !self.still_free_after(wait, &pass).await? {
                continue;
            }
            if let Err(used) = self.count_call() {
                self.state.cancel(pass.call)?;
                return Err(Shut::Deferred(used));
            }
            self.observer.sent(wish.family);
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

    /// Sits out what holds a call back, or says that it takes too long. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`Shut`].
    pub async fn clear(&self, wish: impl Into<Wish>) -> Result<(), Shut> {
        let wish = wish.into();
        while let Some(deferred) = self.held(wish)? {
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
        match self.held(family.into())? {
            Some(deferred) if self.too_far(&deferred) => Err(Shut::Deferred(deferred)),
            _ => Ok(()),
        }
    }

    /// The deadline ahead of a call. What no wait can change is an error already.
    fn held(&self, wish: Wish) -> Result<Option<Deferred>, Shut> {
        self.halt.check()?;
        if let Some(closed) = self.closed() {
            return Err(Shut::Deferred(closed));
        }
        match self.state.look(&self.ask(wish), self.clock.now())? {
            None => Ok(None),
            Some(Held::Spent(spent)) => Err(Shut::Deferred(Deferred {
                not_before: spent.back_at,
                reach: spent.reach,
                why: match spent.share {
                    None => Why::Budget,
                    Some(Share::Half) => Why::Share,
                    Some(Share::Calls(_)) => Why::JobCalls,
                },
                words: format!(
                    "{} calls{} in the last 24 hours, {} may be used",
                    spent.used,
                    if spent.share.is_some() { " of this job" } else { "" },
                    spent.usable
                ),
            })),
            Some(Held::CoolDown(cool_down)) => Ok(Some(Deferred {
                not_before: cool_down.until,
                reach: cool_down.reach,
                why: match cool_down.reason {
                    Reason::Quota => Why::Quota,
                    Reason::RateLimit | Reason::Unavailable | Reason::Accounts => Why::RateLimit,
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
    async fn paced(&self, wish: Wish) -> Result<(), Shut> {
        let rates = self.rates();
        while let Some(Err(busy)) = rates.pacer.as_ref().map(RateLimiter::check) {
            if let Some(deferred) = self.held(wish)?
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

    fn ask(&self, wish: Wish) -> Ask<'_> {
        let rates = self.rates();
        let (mut ceilings, mut spender) = (rates.ceilings, self.rules.spender);
        // A run may have to leave more alone than the rest does.
        ceilings.reserve = ceilings.reserve.max(self.rules.ceilings.reserve);
        if wish.probes {
            (ceilings.per_day, ceilings.per_family) = (None, None);
            spender = spender.map(|it| Spender { share: None, ..it });
        }
        Ask { who: &self.who, family: wish.family.as_str(), pace: rates.pace, ceilings, spender }
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
