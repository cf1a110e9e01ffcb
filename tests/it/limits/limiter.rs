//! When a call may be sent: pace, deadlines, permits and the breaker. Time is made up, and there are no sockets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use spotify_client::family::EndpointFamily;
use spotify_client::http::breaker::BreakerRules;
use spotify_client::http::clock::Clock as _;
use spotify_client::http::limiter::{CallLimiter, LimitError, LimiterRules};
use spotify_client::http::observer::CallObserver;
use spotify_client::state::{CallCeilings, ClientIdentity, NewRefusal, StateDb, StateDir};
use spotify_client::{DeferralReason, DeferralScope};
use tempfile::TempDir;

use crate::support::made_up_time::MadeUpTime;

pub fn open(folder: &TempDir) -> Arc<StateDb> {
    let path = folder.path().join("state");
    let dir = StateDir::resolve(Some(&path), None, |_| None).unwrap();
    Arc::new(StateDb::open(dir).unwrap())
}

#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl CallObserver for Diary {
    fn waiting(&self, why: &str, until: DateTime<Utc>) {
        let line = format!("waiting until {}: {why}", until.format("%H:%M:%S"));
        self.0.lock().unwrap().push(line);
    }
    fn resumed(&self) {
        self.0.lock().unwrap().push("resumed".to_owned());
    }
}

fn rules() -> LimiterRules {
    LimiterRules {
        requests_per_second: 2.0,
        concurrency: 4,
        ceilings: CallCeilings::default(),
        max_wait: Duration::from_secs(600),
        max_waits: Duration::from_secs(3_600),
        max_calls: None,
        breaker: BreakerRules::default(),
        adaptive: None,
        spender: None,
    }
}

struct House {
    _folder: TempDir,
    state: Arc<StateDb>,
    time: Arc<MadeUpTime>,
    diary: Arc<Diary>,
}

impl House {
    fn new() -> House {
        let folder = TempDir::new().unwrap();
        House { state: open(&folder), _folder: folder, time: MadeUpTime::new(), diary: Arc::default() }
    }

    /// A limiter as in another process: with its own handle on the state.
    fn gate(&self, rules: LimiterRules) -> Arc<CallLimiter> {
        self.gate_of("app", rules)
    }

    fn gate_of(&self, client: &str, rules: LimiterRules) -> Arc<CallLimiter> {
        let dir = self.state.dir().clone();
        Arc::new(CallLimiter::new(
            Arc::new(StateDb::open(dir).unwrap()),
            ClientIdentity::new(client, "account"),
            rules,
            self.time.clone(),
            self.diary.clone(),
        ))
    }

    /// Sends a number of calls and returns when each was sent, in milliseconds.
    async fn send(&self, gate: &CallLimiter, calls: usize) -> Vec<u128> {
        let mut sent = Vec::new();
        for _ in 0..calls {
            let pass = gate.acquire(EndpointFamily::ALBUMS).await.unwrap();
            sent.push(self.time.passed().as_millis());
            pass.record_response(200, false).unwrap();
        }
        sent
    }
}

fn refused(reach: DeferralScope, secs: u64) -> NewRefusal<'static> {
    NewRefusal {
        scope: reach,
        wait: Duration::from_secs(secs),
        wait_is_stated: true,
        call: None,
        reason: if reach.family().is_some() { DeferralReason::Quota } else { DeferralReason::RateLimit },
        evidence: "status 429",
    }
}

#[tokio::test]
async fn calls_keep_the_pace_after_a_burst_of_two() {
    let house = House::new();
    let gate = house.gate(rules());
    let sent = house.time.drive(house.send(&gate, 6)).await;
    assert_eq!(sent, [0, 0, 500, 1_000, 1_500, 2_000]);
}

#[tokio::test]
async fn two_processes_share_one_pace() {
    let house = House::new();
    let (one, other) = (house.gate(rules()), house.gate(rules()));
    let both = async { tokio::join!(house.send(&one, 40), house.send(&other, 40)) };
    let (first, second) = house.time.drive(both).await;
    let mut all: Vec<u128> = first.iter().chain(&second).copied().collect();
    all.sort_unstable();
    // 80 calls at 2 per second, two of them at once.
    assert_eq!(all.last(), Some(&39_000));
    for (start, at) in all.iter().enumerate() {
        let in_window = all[start..].iter().take_while(|it| **it < at + 30_000);
        assert!(in_window.count() <= 62);
    }
    assert!(first.last().unwrap().abs_diff(*second.last().unwrap()) <= 2_000);
}

#[tokio::test]
async fn one_refusal_holds_all_tasks_and_processes() {
    let house = House::new();
    let (one, other) = (house.gate(rules()), house.gate(rules()));
    house.time.drive(house.send(&one, 1)).await;
    one.record_refusal(EndpointFamily::ALBUMS, refused(DeferralScope::Client, 60)).unwrap();
    let all = async { tokio::join!(house.send(&one, 3), house.send(&one, 3), house.send(&other, 3)) };
    let (first, second, third) = house.time.drive(all).await;
    let earliest = first.iter().chain(&second).chain(&third).min();
    assert!(*earliest.unwrap() >= 60_000);
    let diary = house.diary.0.lock().unwrap();
    let waits = diary.iter().filter(|line| line.starts_with("waiting"));
    assert_eq!(waits.count(), 2, "once for each process: {diary:?}");
    assert!(diary.contains(&"waiting until 12:01:00: status 429".to_owned()));
    assert!(diary.contains(&"resumed".to_owned()));
}

#[tokio::test]
async fn four_processes_fit_the_server_window() {
    let house = House::new();
    let gates: Vec<_> = (0..4).map(|_| house.gate(rules())).collect();
    let all = async {
        tokio::join!(
            house.send(&gates[0], 60),
            house.send(&gates[1], 60),
            house.send(&gates[2], 60),
            house.send(&gates[3], 60)
        )
    };
    let (a, b, c, d) = house.time.drive(all).await;
    let ends: Vec<u128> = [&a, &b, &c, &d].iter().map(|it| it[59]).collect();
    let mut sent = [a, b, c, d].concat();
    sent.sort_unstable();
    assert_eq!(sent.last(), Some(&119_000), "240 calls at 2 a second, none lost");
    assert!(sent.windows(62).all(|many| many[61] - many[0] >= 30_000));
    assert!(ends.iter().max().unwrap() - ends.iter().min().unwrap() <= 4_000, "{ends:?}");
}

#[tokio::test]
async fn deadline_never_moves_back() {
    let house = House::new();
    let gate = house.gate(rules());
    for secs in [60, 5] {
        gate.record_refusal(EndpointFamily::ALBUMS, refused(DeferralScope::Client, secs)).unwrap();
    }
    let sent = house.time.drive(house.send(&gate, 1)).await;
    assert!(sent[0] >= 60_000);
}

#[tokio::test]
async fn refusal_holds_tasks_that_wait_for_a_slot() {
    let house = House::new();
    let slow = LimiterRules { requests_per_second: 0.1, ..rules() };
    let gate = house.gate(slow);
    let later = async {
        house.time.sleep(Duration::from_secs(5)).await;
        gate.record_refusal(EndpointFamily::ALBUMS, refused(DeferralScope::Client, 100)).unwrap();
    };
    let both = async { tokio::join!(house.send(&gate, 3), later) };
    let (sent, ()) = house.time.drive(both).await;
    assert_eq!(sent[..2], [0, 0]);
    assert!(sent[2] >= 105_000, "{sent:?}");
    let used =
        house.state.ledger().usage(&ClientIdentity::new("app", "account"), CallCeilings::default(), house.time.now());
    assert_eq!(used.unwrap().account.used, 3, "the unused slot is not counted");
}

async fn shut(house: &House, gate: &CallLimiter, family: EndpointFamily) -> (DeferralReason, DeferralScope, i64) {
    match house.time.drive(gate.acquire(family)).await {
        Err(LimitError::Deferred(deferred)) => {
            let wait = deferred.until - house.time.now().wall;
            (deferred.reason, deferred.scope, wait.num_seconds())
        }
        Err(other) => panic!("not deferred but {other:?}"),
        Ok(_) => panic!("not deferred"),
    }
}

#[tokio::test]
async fn wait_beyond_the_limit_is_not_started() {
    let house = House::new();
    let gate = house.gate(rules());
    gate.record_refusal(EndpointFamily::ALBUMS, refused(DeferralScope::Client, 86_400)).unwrap();
    let expected = (DeferralReason::RateLimit, DeferralScope::Client, 86_400);
    assert_eq!(shut(&house, &gate, EndpointFamily::TRACKS).await, expected);
    assert_eq!(house.time.passed(), Duration::ZERO);
    let restarted = house.gate(rules());
    assert_eq!(shut(&house, &restarted, EndpointFamily::TRACKS).await, expected);
    assert!(matches!(restarted.may_send(EndpointFamily::ME), Err(LimitError::Deferred(_))));
}

#[tokio::test]
async fn over_an_hour_of_waits_ends_the_run() {
    let house = House::new();
    let gate = house.gate(rules());
    for _ in 0..6 {
        gate.record_refusal(EndpointFamily::ALBUMS, refused(DeferralScope::Client, 600)).unwrap();
        house.time.drive(house.send(&gate, 1)).await;
    }
    gate.record_refusal(EndpointFamily::ALBUMS, refused(DeferralScope::Client, 60)).unwrap();
    let (why, _, wait) = shut(&house, &gate, EndpointFamily::ALBUMS).await;
    assert_eq!((why, wait), (DeferralReason::RateLimit, 60));
    house.time.drive(house.time.sleep(Duration::from_secs(120))).await;
    let (why, ..) = shut(&house, &gate, EndpointFamily::TRACKS).await;
    assert_eq!(why, DeferralReason::RateLimit, "the run stays over, whatever the time");
}

#[tokio::test]
async fn second_spent_family_parks_the_account() {
    let house = House::new();
    let gate = house.gate(rules());
    gate.record_refusal(
        EndpointFamily::SHOW_EPISODES,
        refused(DeferralScope::Family(EndpointFamily::SHOW_EPISODES), 50_000),
    )
    .unwrap();
    let family = (DeferralReason::Quota, DeferralScope::Family(EndpointFamily::SHOW_EPISODES), 50_000);
    assert_eq!(shut(&house, &gate, EndpointFamily::SHOW_EPISODES).await, family);
    house.time.drive(house.send(&gate, 1)).await;
    gate.record_refusal(EndpointFamily::ARTISTS, refused(DeferralScope::Family(EndpointFamily::ARTISTS), 60_000))
        .unwrap();
    let account = (DeferralReason::Quota, DeferralScope::Account, 60_000);
    assert_eq!(shut(&house, &gate, EndpointFamily::TRACKS).await, account);
    let sister = house.gate_of("another app", rules());
    assert_eq!(shut(&house, &sister, EndpointFamily::TRACKS).await, account);
}

#[tokio::test]
async fn quarter_pace_after_a_long_ban() {
    let house = House::new();
    let patient = LimiterRules { max_wait: Duration::from_secs(3_000), ..rules() };
    let gate = house.gate(patient);
    gate.record_refusal(EndpointFamily::ALBUMS, refused(DeferralScope::Client, 1_200)).unwrap();
    let sent = house.time.drive(house.send(&gate, 4)).await;
    assert_eq!(sent, [1_200_000, 1_202_000, 1_204_000, 1_206_000]);
}

#[tokio::test]
async fn stop_ends_every_wait_at_once() {
    let house = House::new();
    let gate = house.gate(rules());
    gate.record_refusal(EndpointFamily::ALBUMS, refused(DeferralScope::Client, 300)).unwrap();
    let stop = async {
        house.time.sleep(Duration::from_secs(3)).await;
        gate.stop();
    };
    let both = async { tokio::join!(gate.acquire(EndpointFamily::ALBUMS), stop) };
    let (entered, ()) = house.time.drive(both).await;
    assert!(matches!(entered, Err(LimitError::Stopped)));
    assert_eq!(house.time.passed(), Duration::from_secs(3));
}

#[tokio::test]
async fn run_stays_within_its_calls() {
    let house = House::new();
    let gate = house.gate(LimiterRules { max_calls: Some(3), ..rules() });
    house.time.drive(house.send(&gate, 3)).await;
    let (why, ..) = shut(&house, &gate, EndpointFamily::ALBUMS).await;
    assert_eq!((why, gate.calls_sent()), (DeferralReason::MaxCalls, 3));
}

#[tokio::test]
async fn permits_limit_calls_in_flight() {
    let house = House::new();
    let gate = house.gate(LimiterRules { concurrency: 1, ..rules() });
    let first = house.time.drive(gate.acquire(EndpointFamily::ALBUMS)).await.unwrap();
    let wait = house.time.sleep(Duration::from_secs(60));
    let second = async {
        tokio::select! { _ = gate.acquire(EndpointFamily::ALBUMS) => true, () = wait => false }
    };
    assert!(!house.time.drive(second).await);
    drop(first);
    house.time.drive(house.send(&gate, 1)).await;
}

#[tokio::test]
async fn five_failures_open_the_breaker() {
    let house = House::new();
    let gate = house.gate(rules());
    for _ in 0..5 {
        let pass = house.time.drive(gate.acquire(EndpointFamily::ALBUMS)).await.unwrap();
        pass.record_failure().unwrap();
    }
    let opened = house.time.passed();
    let probe = house.time.drive(gate.acquire(EndpointFamily::ALBUMS)).await.unwrap();
    assert_eq!(house.time.passed() - opened, Duration::from_secs(60));
    let second = async {
        tokio::join!(gate.acquire(EndpointFamily::TRACKS), async {
            house.time.sleep(Duration::from_secs(10)).await;
            probe.record_response(502, false).unwrap();
        })
    };
    let (second, ()) = house.time.drive(second).await;
    let waited = house.time.passed() - opened;
    assert!(waited >= Duration::from_secs(60 + 10 + 120), "{waited:?}");
    second.unwrap().record_response(404, false).unwrap();
    let before = house.time.passed();
    house.time.drive(house.send(&gate, 1)).await;
    assert!(house.time.passed() - before < Duration::from_secs(1));
}
