//! The pace: several processes share one, and an adaptive pace finds a limit that is not published.
//! Time and server are made up, with a rolling window. One test uses the sandbox, with a
//! window of a fraction of a second.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use spotify_client::family::EndpointFamily;
use spotify_client::http::breaker::BreakerRules;
use spotify_client::http::clock::Clock as _;
use spotify_client::http::limiter::{CallLimiter, LimiterRules};
use spotify_client::http::observer::{CallObserver, NoopObserver};
use spotify_client::state::{
    AdaptivePace, CallCeilings, CallPace, CallRequest, ClientIdentity, ClockReading, NewRefusal, Reservation, StateDb,
    StateDir,
};
use spotify_client::{DeferralReason, DeferralScope};
use tempfile::TempDir;

use super::limiter::open;
use crate::support::made_up_time::{Later as _, MadeUpTime, noon};

const WINDOW: Duration = Duration::from_secs(30);
const HOUR_MS: i64 = 3_600_000;

/// A server that allows a number of calls in any 30 seconds.
struct Server {
    limit: usize,
    let_in: VecDeque<i64>,
    answered: u32,
    refused: u32,
    early: u32,
    not_before: i64,
}

impl Server {
    fn of(limit: usize) -> Server {
        Server { limit, let_in: VecDeque::new(), answered: 0, refused: 0, early: 0, not_before: 0 }
    }

    /// Answers the call, or returns the number of seconds to wait.
    fn admit(&mut self, now_ms: i64) -> Result<(), u64> {
        while self.let_in.front().is_some_and(|at| at + 30_000 <= now_ms) {
            self.let_in.pop_front();
        }
        if now_ms < self.not_before {
            self.early += 1;
        }
        if self.let_in.len() < self.limit {
            self.let_in.push_back(now_ms);
            self.answered += 1;
            return Ok(());
        }
        self.refused += 1;
        let wait_ms = self.let_in[self.let_in.len() - self.limit] + 30_000 - now_ms;
        let secs = u64::try_from(wait_ms).unwrap().div_ceil(1_000).max(1);
        self.not_before = now_ms + i64::try_from(secs * 1_000).unwrap();
        Err(secs)
    }
}

fn pace(adapts: bool) -> CallPace {
    let least_interval = Duration::from_millis(100);
    CallPace {
        interval: Duration::from_millis(500),
        burst: if adapts { 1 } else { 2 },
        adapts: adapts.then_some(AdaptivePace { window: WINDOW, least_interval }),
    }
}

/// Sends calls back to back from `now` on for a period. Returns the time after the last call.
fn send(state: &StateDb, server: &mut Server, pace: CallPace, mut now: ClockReading, for_ms: i64) -> ClockReading {
    let who = ClientIdentity::new("app", "account");
    let until = now.plus_ms(for_ms);
    while now.wall < until.wall {
        let ask =
            CallRequest { identity: &who, family: "albums", pace, ceilings: CallCeilings::default(), spender: None };
        match state.ledger().reserve_call(&ask, now).unwrap() {
            Reservation::Slot { call, wait } => {
                now = now.plus_ms(i64::try_from(wait.as_micros().div_ceil(1_000)).unwrap());
                let status = match server.admit(now.wall_ms()) {
                    Ok(()) => 200,
                    Err(secs) => {
                        let wait = Duration::from_secs(secs);
                        let (reach, reason) = (DeferralScope::Client, DeferralReason::RateLimit);
                        let refused = NewRefusal {
                            scope: reach,
                            wait,
                            wait_is_stated: true,
                            reason,
                            evidence: "status 429",
                            call: None,
                        };
                        state
                            .cool_downs()
                            .record_refusal(&who, "albums", refused, CallCeilings::default(), now)
                            .unwrap();
                        429
                    }
                };
                state.ledger().record_outcome(call, status).unwrap();
            }
            Reservation::Blocked(_) => {
                let held = state.cool_downs().active(&who, "albums", now).unwrap().unwrap();
                now = now.plus_ms((held.deferral.until - now.wall).num_milliseconds().max(1));
            }
        }
    }
    now
}

#[test]
fn adaptive_pace_finds_an_unknown_limit() {
    for limit in [90, 180] {
        let folder = TempDir::new().unwrap();
        let (state, mut server) = (open(&folder), Server::of(limit));
        send(&state, &mut server, pace(true), noon(), 2 * HOUR_MS);
        let most = u32::try_from(limit * 240).unwrap();
        let share = f64::from(server.answered) / f64::from(most);
        eprintln!("limit {limit}: {:.1} % used, {} refusals in two hours", share * 100.0, server.refused);
        assert!(server.answered * 10 >= most * 9, "{} of {most}", server.answered);
        assert!(server.refused <= 10, "{} refusals in two hours", server.refused);
        assert_eq!(server.early, 0);
    }
}

#[test]
fn pace_of_two_fits_ninety_per_30_seconds() {
    let folder = TempDir::new().unwrap();
    let (state, mut server) = (open(&folder), Server::of(90));
    send(&state, &mut server, pace(false), noon(), 2 * HOUR_MS);
    assert_eq!(server.refused, 0);
    assert!(server.answered >= 14_400, "{}", server.answered);
}

#[test]
fn adaptive_pace_follows_a_halved_limit() {
    let folder = TempDir::new().unwrap();
    let (state, mut server) = (open(&folder), Server::of(90));
    let mut now = noon();
    let mut used = Vec::new();
    for limit in [90, 45, 90] {
        server.limit = limit;
        let before = server.answered;
        now = send(&state, &mut server, pace(true), now, 2 * HOUR_MS);
        used.push(f64::from(server.answered - before) / f64::from(u32::try_from(limit * 240).unwrap()));
    }
    eprintln!("90, 45, 90: {used:.3?}, {} refusals in six hours", server.refused);
    assert!(used.iter().all(|share| *share >= 0.8), "{used:?}");
    assert!(server.refused <= 36, "{}", server.refused);
    assert_eq!(server.early, 0);
}

#[test]
fn learned_pace_is_kept_for_seven_days() {
    let folder = TempDir::new().unwrap();
    let mut server = Server::of(90);
    let now = send(&open(&folder), &mut server, pace(true), noon(), HOUR_MS);
    let learned = server.refused;
    assert!(learned > 0);
    // The next morning it starts with the learned pace and not with a search: there is no refusal for a minute.
    let morning = now.plus_ms(10 * HOUR_MS);
    server.refused = 0;
    let mut before = server.answered;
    let now = send(&open(&folder), &mut server, pace(true), morning, 60_000);
    assert_eq!(server.refused, 0, "the pace survives an idle night");
    assert!((160..=180).contains(&(server.answered - before)), "{} in a minute", server.answered - before);
    // After a week the learned pace is forgotten, and the configured one is used.
    before = server.answered;
    send(&open(&folder), &mut server, pace(true), now.plus_ms(8 * 24 * HOUR_MS), 15_000);
    assert!((29..=32).contains(&(server.answered - before)), "{} in 15 s", server.answered - before);
}

#[test]
fn quarter_pace_after_a_long_ban() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    let mut server = Server::of(1_000);
    let who = ClientIdentity::new("app", "account");
    let ban = NewRefusal {
        scope: DeferralScope::Client,
        wait: Duration::from_secs(7_200),
        wait_is_stated: true,
        call: None,
        reason: DeferralReason::RateLimit,
        evidence: "status 429",
    };
    state.cool_downs().record_refusal(&who, "albums", ban, CallCeilings::default(), noon()).unwrap();
    let over = noon().plus_ms(2 * HOUR_MS);
    let now = send(&state, &mut server, pace(false), over, 60_000);
    assert!(server.answered <= 32, "{} in the first minute", server.answered);
    let first = server.answered;
    send(&state, &mut server, pace(false), now, 60_000);
    assert!(server.answered - first >= 115, "{} in the second", server.answered - first);
}

/// Sends calls until made-up time is over, with a pause after each, and returns their number.
async fn until(gate: &CallLimiter, time: &MadeUpTime, end: Duration, pause: Duration) -> usize {
    let mut sent = 0;
    while time.passed() < end {
        let pass = gate.acquire(EndpointFamily::ALBUMS).await.unwrap();
        sent += 1;
        time.sleep(pause).await;
        pass.record_response(200, false).unwrap();
    }
    sent
}

fn gate(folder: &TempDir, time: &Arc<MadeUpTime>) -> CallLimiter {
    // A limiter as in another process: with its own handle on the state.
    let dir = StateDir::resolve(Some(&folder.path().join("state")), None, |_| None).unwrap();
    let rules = LimiterRules {
        requests_per_second: 2.0,
        concurrency: 1,
        ceilings: CallCeilings::default(),
        max_wait: Duration::from_secs(600),
        max_waits: Duration::from_secs(3_600),
        max_calls: None,
        breaker: BreakerRules::default(),
        adaptive: None,
        spender: None,
    };
    let observer: Arc<dyn CallObserver> = Arc::new(NoopObserver);
    CallLimiter::new(
        Arc::new(StateDb::open(dir).unwrap()),
        ClientIdentity::new("app", "account"),
        rules,
        time.clone(),
        observer,
    )
}

#[tokio::test]
async fn four_processes_are_as_fast_as_one() {
    let end = Duration::from_secs(1_000);
    let quick = Duration::from_millis(150);
    let alone = {
        let (folder, time) = (TempDir::new().unwrap(), MadeUpTime::new());
        let gate = gate(&folder, &time);
        time.drive(until(&gate, &time, end, quick)).await
    };
    let (folder, time) = (TempDir::new().unwrap(), MadeUpTime::new());
    let gates: Vec<CallLimiter> = (0..4).map(|_| gate(&folder, &time)).collect();
    // The fourth is three times as slow as the others. Where processes poll for a slot, it would starve.
    let pauses = [quick, quick, quick, quick * 3];
    let each = async {
        let [a, b, c, d] = [0, 1, 2, 3].map(|n| until(&gates[n], &time, end, pauses[n]));
        let (a, b, c, d) = tokio::join!(a, b, c, d);
        [a, b, c, d]
    };
    let sent = time.drive(each).await;
    eprintln!("one: {alone}; four: {sent:?}");
    assert!(sent.iter().sum::<usize>() * 100 >= alone * 95, "{sent:?} against {alone}");
    assert!(sent.iter().min().unwrap() * 3 >= *sent.iter().max().unwrap(), "{sent:?}");
}
