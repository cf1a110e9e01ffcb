//! When a call may go: pace, deadlines, permits, the breaker. Made-up time, no sockets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use spotify_client::family::Family;
use spotify_client::http::breaker::BreakerRules;
use spotify_client::http::clock::Clock as _;
use spotify_client::http::gate::{Gate, GateRules, Shut, Why};
use spotify_client::http::observer::Observer;
use spotify_client::state::{Ceilings, Identity, Reach, Reason, Refused, State, StateDir};
use tempfile::TempDir;

use crate::support::made_up_time::MadeUpTime;

pub fn open(folder: &TempDir) -> Arc<State> {
    let path = folder.path().join("state");
    let dir = StateDir::resolve(Some(&path), None, |_| None).unwrap();
    Arc::new(State::open(dir).unwrap())
}

#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl Observer for Diary {
    fn waiting(&self, why: &str, until: DateTime<Utc>) {
        let line = format!("waiting until {}: {why}", until.format("%H:%M:%S"));
        self.0.lock().unwrap().push(line);
    }
    fn resumed(&self) {
        self.0.lock().unwrap().push("resumed".to_owned());
    }
}

fn rules() -> GateRules {
    GateRules {
        requests_per_second: 2.0,
        concurrency: 4,
        ceilings: Ceilings::default(),
        max_wait: Duration::from_secs(600),
        max_waits: Duration::from_secs(3_600),
        max_calls: None,
        breaker: BreakerRules::default(),
        adapts: None,
        spender: None,
    }
}

struct House {
    _folder: TempDir,
    state: Arc<State>,
    time: Arc<MadeUpTime>,
    diary: Arc<Diary>,
}

impl House {
    fn new() -> House {
        let folder = TempDir::new().unwrap();
        House { state: open(&folder), _folder: folder, time: MadeUpTime::new(), diary: Arc::default() }
    }

    /// A gate as another process would have it: with a handle of its own on the state.
    fn gate(&self, rules: GateRules) -> Arc<Gate> {
        self.gate_of("app", rules)
    }

    fn gate_of(&self, client: &str, rules: GateRules) -> Arc<Gate> {
        let dir = self.state.dir().clone();
        Arc::new(Gate::new(
            Arc::new(State::open(dir).unwrap()),
            Identity::new(client, "account"),
            rules,
            self.time.clone(),
            self.diary.clone(),
        ))
    }

    /// Sends so many calls and returns when each went out, in milliseconds.
    async fn send(&self, gate: &Gate, calls: usize) -> Vec<u128> {
        let mut sent = Vec::new();
        for _ in 0..calls {
            let pass = gate.enter(Family::ALBUMS).await.unwrap();
            sent.push(self.time.passed().as_millis());
            pass.answered(200, false).unwrap();
        }
        sent
    }
}

fn refused(reach: Reach, secs: u64) -> Refused<'static> {
    Refused {
        reach,
        wait: Duration::from_secs(secs),
        said: true,
        call: None,
        reason: if reach == Reach::Family { Reason::Quota } else { Reason::RateLimit },
        evidence: "status 429",
    }
}

#[tokio::test]
async fn calls_go_out_at_the_pace_with_two_at_once_after_a_pause() {
    let house = House::new();
    let gate = house.gate(rules());
    let sent = house.time.drive(house.send(&gate, 6)).await;
    assert_eq!(sent, [0, 0, 500, 1_000, 1_500, 2_000]);
}

#[tokio::test]
async fn two_processes_share_one_pace_and_neither_starves() {
    let house = House::new();
    let (one, other) = (house.gate(rules()), house.gate(rules()));
    let both = async { tokio::join!(house.send(&one, 40), house.send(&other, 40)) };
    let (first, second) = house.time.drive(both).await;
    let mut all: Vec<u128> = first.iter().chain(&second).copied().collect();
    all.sort_unstable();
    // 80 calls at 2 a second, two of them at once.
    assert_eq!(all.last(), Some(&39_000));
    for (start, at) in all.iter().enumerate() {
        let in_window = all[start..].iter().take_while(|it| **it < at + 30_000);
        assert!(in_window.count() <= 62);
    }
    assert!(first.last().unwrap().abs_diff(*second.last().unwrap()) <= 2_000);
}

#[tokio::test]
async fn one_refusal_holds_every_task_and_process_until_its_deadline() {
    let house = House::new();
    let (one, other) = (house.gate(rules()), house.gate(rules()));
    house.time.drive(house.send(&one, 1)).await;
    one.refuse(Family::ALBUMS, refused(Reach::Client, 60)).unwrap();
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
async fn four_processes_and_a_window_of_the_server_none_is_refused_or_starves() {
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
async fn a_deadline_never_moves_back() {
    let house = House::new();
    let gate = house.gate(rules());
    for secs in [60, 5] {
        gate.refuse(Family::ALBUMS, refused(Reach::Client, secs)).unwrap();
    }
    let sent = house.time.drive(house.send(&gate, 1)).await;
    assert!(sent[0] >= 60_000);
}

#[tokio::test]
async fn a_refusal_that_comes_while_others_wait_for_their_slot_holds_them_too() {
    let house = House::new();
    let slow = GateRules { requests_per_second: 0.1, ..rules() };
    let gate = house.gate(slow);
    let later = async {
        house.time.sleep(Duration::from_secs(5)).await;
        gate.refuse(Family::ALBUMS, refused(Reach::Client, 100)).unwrap();
    };
    let both = async { tokio::join!(house.send(&gate, 3), later) };
    let (sent, ()) = house.time.drive(both).await;
    assert_eq!(sent[..2], [0, 0]);
    assert!(sent[2] >= 105_000, "{sent:?}");
    let used = house.state.usage(&Identity::new("app", "account"), Ceilings::default(), house.time.now());
    assert_eq!(used.unwrap().account.used, 3, "the slot that was not used is not booked");
}

async fn shut(house: &House, gate: &Gate, family: Family) -> (Why, Reach, i64) {
    match house.time.drive(gate.enter(family)).await {
        Err(Shut::Deferred(deferred)) => {
            let wait = deferred.not_before - house.time.now().wall;
            (deferred.why, deferred.reach, wait.num_seconds())
        }
        Err(other) => panic!("not deferred but {other:?}"),
        Ok(_) => panic!("not deferred"),
    }
}

#[tokio::test]
async fn a_wait_beyond_the_limit_is_not_begun() {
    let house = House::new();
    let gate = house.gate(rules());
    gate.refuse(Family::ALBUMS, refused(Reach::Client, 86_400)).unwrap();
    let expected = (Why::RateLimit, Reach::Client, 86_400);
    assert_eq!(shut(&house, &gate, Family::TRACKS).await, expected);
    assert_eq!(house.time.passed(), Duration::ZERO);
    let restarted = house.gate(rules());
    assert_eq!(shut(&house, &restarted, Family::TRACKS).await, expected);
    assert!(matches!(restarted.may_send(Family::ME), Err(Shut::Deferred(_))));
}

#[tokio::test]
async fn more_than_an_hour_of_waits_ends_the_run() {
    let house = House::new();
    let gate = house.gate(rules());
    for _ in 0..6 {
        gate.refuse(Family::ALBUMS, refused(Reach::Client, 600)).unwrap();
        house.time.drive(house.send(&gate, 1)).await;
    }
    gate.refuse(Family::ALBUMS, refused(Reach::Client, 60)).unwrap();
    let (why, _, wait) = shut(&house, &gate, Family::ALBUMS).await;
    assert_eq!((why, wait), (Why::RateLimit, 60));
    house.time.drive(house.time.sleep(Duration::from_secs(120))).await;
    let (why, ..) = shut(&house, &gate, Family::TRACKS).await;
    assert_eq!(why, Why::RateLimit, "it stays over, whatever the time");
}

#[tokio::test]
async fn a_spent_family_leaves_the_others_and_a_second_one_parks_the_account() {
    let house = House::new();
    let gate = house.gate(rules());
    gate.refuse(Family::SHOW_EPISODES, refused(Reach::Family, 50_000)).unwrap();
    let family = (Why::Quota, Reach::Family, 50_000);
    assert_eq!(shut(&house, &gate, Family::SHOW_EPISODES).await, family);
    house.time.drive(house.send(&gate, 1)).await;
    gate.refuse(Family::ARTISTS, refused(Reach::Family, 60_000)).unwrap();
    let account = (Why::Quota, Reach::Account, 60_000);
    assert_eq!(shut(&house, &gate, Family::TRACKS).await, account);
    let sister = house.gate_of("another app", rules());
    assert_eq!(shut(&house, &sister, Family::TRACKS).await, account);
}

#[tokio::test]
async fn after_a_long_ban_the_first_minute_goes_at_a_quarter_of_the_pace() {
    let house = House::new();
    let patient = GateRules { max_wait: Duration::from_secs(3_000), ..rules() };
    let gate = house.gate(patient);
    gate.refuse(Family::ALBUMS, refused(Reach::Client, 1_200)).unwrap();
    let sent = house.time.drive(house.send(&gate, 4)).await;
    assert_eq!(sent, [1_200_000, 1_202_000, 1_204_000, 1_206_000]);
}

#[tokio::test]
async fn a_stop_ends_every_wait_at_once() {
    let house = House::new();
    let gate = house.gate(rules());
    gate.refuse(Family::ALBUMS, refused(Reach::Client, 300)).unwrap();
    let stop = async {
        house.time.sleep(Duration::from_secs(3)).await;
        gate.stop();
    };
    let both = async { tokio::join!(gate.enter(Family::ALBUMS), stop) };
    let (entered, ()) = house.time.drive(both).await;
    assert!(matches!(entered, Err(Shut::Stopped)));
    assert_eq!(house.time.passed(), Duration::from_secs(3));
}

#[tokio::test]
async fn no_more_calls_than_a_run_may_have() {
    let house = House::new();
    let gate = house.gate(GateRules { max_calls: Some(3), ..rules() });
    house.time.drive(house.send(&gate, 3)).await;
    let (why, ..) = shut(&house, &gate, Family::ALBUMS).await;
    assert_eq!((why, gate.calls()), (Why::MaxCalls, 3));
}

#[tokio::test]
async fn permits_bound_the_calls_in_flight() {
    let house = House::new();
    let gate = house.gate(GateRules { concurrency: 1, ..rules() });
    let first = house.time.drive(gate.enter(Family::ALBUMS)).await.unwrap();
    let wait = house.time.sleep(Duration::from_secs(60));
    let second = async {
        tokio::select! { _ = gate.enter(Family::ALBUMS) => true, () = wait => false }
    };
    assert!(!house.time.drive(second).await);
    drop(first);
    house.time.drive(house.send(&gate, 1)).await;
}

#[tokio::test]
async fn five_failures_in_a_row_open_the_breaker_and_one_call_probes() {
    let house = House::new();
    let gate = house.gate(rules());
    for _ in 0..5 {
        let pass = house.time.drive(gate.enter(Family::ALBUMS)).await.unwrap();
        pass.lost().unwrap();
    }
    let opened = house.time.passed();
    let probe = house.time.drive(gate.enter(Family::ALBUMS)).await.unwrap();
    assert_eq!(house.time.passed() - opened, Duration::from_secs(60));
    let second = async {
        tokio::join!(gate.enter(Family::TRACKS), async {
            house.time.sleep(Duration::from_secs(10)).await;
            probe.answered(502, false).unwrap();
        })
    };
    let (second, ()) = house.time.drive(second).await;
    let waited = house.time.passed() - opened;
    assert!(waited >= Duration::from_secs(60 + 10 + 120), "{waited:?}");
    second.unwrap().answered(404, false).unwrap();
    let before = house.time.passed();
    house.time.drive(house.send(&gate, 1)).await;
    assert!(house.time.passed() - before < Duration::from_secs(1));
}
