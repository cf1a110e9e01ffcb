//! The ledger: ceilings of a rolling day, clock steps, and learned limits.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use spotify_client::family::EndpointFamily;
use spotify_client::state::{
    AppClass, CallBlock, CallCeilings, CallPace, CallRequest, CeilingReached, ClientIdentity, ClockReading,
    LearnedFacts, NewRefusal, Reservation, StateDb,
};
use spotify_client::{DeferralReason, DeferralScope};
use tempfile::TempDir;

use super::limiter::open;
use crate::support::made_up_time::{Later as _, noon};

const PACE: CallPace = CallPace { interval: Duration::ZERO, burst: 1, adapts: None };
const HOUR: i64 = 3_600_000;

fn ceilings(per_day: u32, per_family: u32, reserve: f64) -> CallCeilings {
    CallCeilings { per_day: Some(per_day), per_family: Some(per_family), reserve }
}

fn take(state: &StateDb, family: &str, ceilings: CallCeilings, now: ClockReading) -> Result<(), CeilingReached> {
    let who = ClientIdentity::new("app", "account");
    let ask = CallRequest { identity: &who, family, pace: PACE, ceilings, spender: None };
    match state.ledger().reserve_call(&ask, now).unwrap() {
        Reservation::Slot { .. } => Ok(()),
        Reservation::Blocked(CallBlock::CeilingReached(spent)) => Err(spent),
        Reservation::Blocked(other) => panic!("{other:?}"),
    }
}

#[test]
fn day_stops_at_the_limit_with_a_time() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    let limit = ceilings(20, 100, 0.05);
    for call in 0..19 {
        take(&state, "albums", limit, noon().plus_ms(call * 1_000)).unwrap();
    }
    let spent = take(&state, "tracks", limit, noon().plus_ms(HOUR)).unwrap_err();
    assert_eq!((spent.used, spent.usable), (19, 19));
    assert_eq!(spent.scope, DeferralScope::Account);
    assert_eq!(spent.free_at, noon().wall + TimeDelta::hours(24));
    take(&state, "tracks", limit, noon().plus_ms(24 * HOUR)).unwrap();
    take(&state, "tracks", limit, noon().plus_ms(24 * HOUR)).unwrap_err();
}

#[test]
fn family_limit_leaves_other_families() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    let limit = ceilings(1_000, 3, 0.0);
    for _ in 0..3 {
        take(&state, "albums", limit, noon()).unwrap();
    }
    let spent = take(&state, "albums", limit, noon()).unwrap_err();
    assert_eq!((spent.scope, spent.used), (DeferralScope::Family(EndpointFamily::ALBUMS), 3));
    take(&state, "tracks", limit, noon()).unwrap();
}

#[test]
fn calls_of_the_whole_account_count() {
    let folder = TempDir::new().unwrap();
    let (one, other) = (open(&folder), open(&folder));
    let limit = ceilings(4, 4, 0.0);
    take(&one, "albums", limit, noon()).unwrap();
    take(&other, "albums", limit, noon()).unwrap();
    let sister = ClientIdentity::new("another app", "account");
    let ask = CallRequest { identity: &sister, family: "albums", pace: PACE, ceilings: limit, spender: None };
    assert!(matches!(one.ledger().reserve_call(&ask, noon()).unwrap(), Reservation::Slot { .. }));
    take(&one, "albums", limit, noon()).unwrap();
    assert_eq!(take(&other, "albums", limit, noon()).unwrap_err().used, 4);
    drop((one, other));
    let restarted = open(&folder);
    assert_eq!(take(&restarted, "albums", limit, noon()).unwrap_err().used, 4);
}

#[test]
fn cancelled_call_does_not_count() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    let who = ClientIdentity::new("app", "account");
    let limit = ceilings(1, 1, 0.0);
    let ask = CallRequest { identity: &who, family: "albums", pace: PACE, ceilings: limit, spender: None };
    let Reservation::Slot { call, .. } = state.ledger().reserve_call(&ask, noon()).unwrap() else {
        panic!("free");
    };
    state.ledger().cancel_call(call).unwrap();
    take(&state, "albums", limit, noon()).unwrap();
}

#[test]
fn limit_of_zero_sends_nothing() {
    let folder = TempDir::new().unwrap();
    let spent = take(&open(&folder), "albums", ceilings(0, 5, 0.0), noon()).unwrap_err();
    assert_eq!(spent.free_at, noon().wall + TimeDelta::hours(24));
}

#[test]
fn clock_set_ahead_frees_nothing() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    let limit = ceilings(2, 2, 0.0);
    take(&state, "albums", limit, noon()).unwrap();
    take(&state, "albums", limit, noon()).unwrap();
    let mut ahead = noon().plus_ms(HOUR);
    ahead.wall += TimeDelta::hours(30);
    let spent = take(&state, "albums", limit, ahead).unwrap_err();
    assert_eq!(spent.free_at, ahead.wall + TimeDelta::hours(23));
    take(&state, "albums", limit, ahead.plus_ms(23 * HOUR)).unwrap();
}

#[test]
fn clock_set_back_holds_nothing_longer() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    let limit = ceilings(1, 1, 0.0);
    take(&state, "albums", limit, noon()).unwrap();
    let mut back = noon().plus_ms(HOUR);
    back.wall -= TimeDelta::hours(5);
    let spent = take(&state, "albums", limit, back).unwrap_err();
    assert_eq!(spent.free_at, back.wall + TimeDelta::hours(23));
}

#[test]
fn future_calls_after_a_reboot_count_as_now() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    let limit = ceilings(1, 1, 0.0);
    take(&state, "albums", limit, noon()).unwrap();
    let rebooted = ClockReading { wall: noon().wall - TimeDelta::days(365), steady_ms: 5_000, boot: Some(2) };
    let spent = take(&state, "albums", limit, rebooted).unwrap_err();
    assert_eq!(spent.free_at, rebooted.wall + TimeDelta::hours(24));
}

#[test]
fn new_uptime_is_no_clock_step() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    let limit = ceilings(1, 1, 0.0);
    take(&state, "albums", limit, noon()).unwrap();
    let restarted = ClockReading { steady_ms: 10, ..noon().plus_ms(HOUR) };
    let spent = take(&state, "albums", limit, restarted).unwrap_err();
    assert_eq!(spent.free_at, noon().wall + TimeDelta::hours(24));
}

fn refuse(state: &StateDb, reach: DeferralScope, reason: DeferralReason, hours: u64, now: ClockReading) {
    let who = ClientIdentity::new("app", "account");
    let refused = NewRefusal {
        scope: reach,
        wait: Duration::from_secs(hours * 3_600),
        wait_is_stated: true,
        call: None,
        reason,
        evidence: "status 429, Too many requests (QUOTA_EXCEEDED)",
    };
    state.cool_downs().record_refusal(&who, "albums", refused, CallCeilings::default(), now).unwrap();
}

#[test]
fn ban_ignores_wall_clock_steps() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    let who = ClientIdentity::new("app", "account");
    take(&state, "albums", CallCeilings::default(), noon()).unwrap();
    refuse(&state, DeferralScope::Client, DeferralReason::RateLimit, 10, noon());
    for step in [TimeDelta::hours(48), TimeDelta::hours(-48)] {
        let folder_state = &state;
        let mut stepped = noon().plus_ms(9 * HOUR);
        stepped.wall += step;
        let held = folder_state.cool_downs().active(&who, "tracks", stepped).unwrap();
        assert_eq!(held.unwrap().deferral.until, stepped.wall + TimeDelta::hours(1));
    }
    let mut over = noon().plus_ms(10 * HOUR + 1);
    over.wall += TimeDelta::hours(-48);
    assert_eq!(state.cool_downs().active(&who, "tracks", over).unwrap(), None);
}

/// A reading after the wall clock was set ahead by this number of milliseconds.
fn ahead_by(ms: i64, now: ClockReading) -> ClockReading {
    ClockReading { wall: now.wall + TimeDelta::milliseconds(ms), ..now }
}

#[test]
fn small_clock_steps_add_up_and_free_nothing() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    let who = ClientIdentity::new("app", "account");
    let limit = ceilings(1, 1, 0.0);
    take(&state, "albums", limit, noon()).unwrap();
    let wait = Duration::from_secs(28);
    let evidence = "status 429";
    let ban = NewRefusal {
        scope: DeferralScope::Client,
        wait,
        wait_is_stated: true,
        call: None,
        reason: DeferralReason::RateLimit,
        evidence,
    };
    state.cool_downs().record_refusal(&who, "albums", ban, CallCeilings::default(), noon()).unwrap();
    let at_once = ahead_by(29_000, noon().plus_ms(10));
    let until = state.cool_downs().active(&who, "tracks", at_once).unwrap().unwrap().deferral.until;
    assert_eq!((until - at_once.wall).num_milliseconds(), 27_990);
    // A time service corrects the clock by a fifth of a second each second. Each step is within the tolerance.
    let mut seconds = 0;
    while state
        .cool_downs()
        .active(&who, "tracks", ahead_by(29_000 + 200 * seconds, noon().plus_ms(10 + 1_100 * seconds)))
        .unwrap()
        .is_some()
    {
        seconds += 1;
    }
    let real_ms = 10 + 1_100 * seconds;
    assert!((27_750..30_200).contains(&real_ms), "free after {real_ms} ms of 28,000");
    let before = 24 * HOUR - 10_000;
    take(&state, "albums", limit, ahead_by(60_000, noon().plus_ms(before))).unwrap_err();
    take(&state, "albums", limit, ahead_by(60_000, noon().plus_ms(24 * HOUR + 2_000))).unwrap();
}

#[test]
fn small_clock_differences_move_nothing() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    let limit = ceilings(1, 1, 0.0);
    take(&state, "albums", limit, noon()).unwrap();
    for second in 1..100 {
        let jitter = [0, 200, -200][second as usize % 3];
        let now = ahead_by(jitter, noon().plus_ms(1_500 * second));
        let spent = take(&state, "albums", limit, now).unwrap_err();
        assert_eq!(spent.free_at, noon().wall + TimeDelta::hours(24));
    }
}

#[test]
fn learned_limit_rises_slowly_to_the_setting() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    let who = ClientIdentity::new("app", "account");
    let unlimited = CallCeilings::default();
    for _ in 0..601 {
        take(&state, "albums", unlimited, noon()).unwrap();
    }
    refuse(&state, DeferralScope::Family(EndpointFamily::ALBUMS), DeferralReason::Quota, 20, noon());
    let ceiling = |limits, days: i64| {
        let now = noon().plus_ms(days * 24 * HOUR);
        let usage = state.ledger().usage(&who, limits, now).unwrap();
        let found = usage.families.iter().find(|it| it.family == "albums");
        found.map(|it| (it.ceiling, it.used))
    };
    assert_eq!(ceiling(unlimited, 0), Some((Some(600), 601)));
    assert_eq!(ceiling(ceilings(1_000, 500, 0.0), 0), Some((Some(500), 601)));
    let day_later = noon().plus_ms(24 * HOUR + 1);
    for _ in 0..630 {
        take(&state, "albums", unlimited, day_later).unwrap();
    }
    let spent = take(&state, "albums", unlimited, day_later).unwrap_err();
    assert_eq!(spent.usable, 630);
}

#[test]
fn usage_shows_used_left_and_next_free() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    let who = ClientIdentity::new("app", "account");
    let limit = ceilings(100, 50, 0.1);
    for call in 0..10 {
        let family = if call < 7 { "albums" } else { "tracks" };
        take(&state, family, limit, noon().plus_ms(call)).unwrap();
    }
    refuse(&state, DeferralScope::Family(EndpointFamily::ALBUMS), DeferralReason::Quota, 2, noon().plus_ms(HOUR));
    let usage = state.ledger().usage(&who, limit, noon().plus_ms(HOUR)).unwrap();
    assert_eq!((usage.account.used, usage.account.left), (10, Some(80)));
    let families: Vec<_> = usage.families.iter().map(|it| (it.family.as_str(), it.used)).collect();
    assert_eq!(families, [("albums", 7), ("tracks", 3)]);
    assert_eq!(usage.account.next_free_at, Some(noon().wall + TimeDelta::hours(24)));
    assert_eq!(usage.cool_downs.len(), 1);
    assert_eq!(usage.cool_downs[0].deferral.scope, DeferralScope::Family(EndpointFamily::ALBUMS));
    assert!(usage.refusals[0].evidence.contains("QUOTA_EXCEEDED"));
    assert_eq!(usage.blocked_until(), None);
}

#[test]
fn old_calls_are_pruned() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    for call in 0..3_000 {
        let now = noon().plus_ms(call * 300_000);
        take(&state, "albums", CallCeilings::default(), now).unwrap();
    }
    let db = rusqlite::Connection::open(state.database()).unwrap();
    let rows: i64 = db.query_row("SELECT count(*) FROM calls", (), |row| row.get(0)).unwrap();
    assert!(rows < 2_000, "{rows} rows for three days of 288");
}

#[test]
fn learned_facts_survive_per_client_id() {
    let folder = TempDir::new().unwrap();
    let who = ClientIdentity::new("app", "account");
    {
        let learned = LearnedFacts::new(&open(&folder), &who);
        assert_eq!(learned.cached_class(noon().wall).unwrap(), None);
        learned.learn_class(AppClass::Development, "403 on /markets", noon()).unwrap();
        learned.set("page_size.playlist_items", "50", "400", noon()).unwrap();
    }
    let state: Arc<StateDb> = open(&folder);
    let learned = LearnedFacts::new(&state, &who);
    assert_eq!(learned.cached_class(noon().wall).unwrap(), Some(AppClass::Development));
    assert_eq!(learned.cached_class(noon().wall + TimeDelta::days(30)).unwrap(), None);
    let fact = learned.fact("app_class").unwrap().unwrap();
    assert_eq!((fact.evidence.as_str(), fact.learned_at), ("403 on /markets", noon().wall));
    let other = LearnedFacts::new(&state, &ClientIdentity::new("another app", "account"));
    assert_eq!(other.all().unwrap(), []);
    assert_eq!(learned.forget("page_size.").unwrap(), 1);
    assert_eq!(learned.all().unwrap().len(), 1);
}

#[test]
fn one_turn_takes_under_100_microseconds() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    let limit = ceilings(100_000, 100_000, 0.0);
    for call in 0..1_000 {
        take(&state, "albums", limit, noon().plus_ms(call)).unwrap();
    }
    let before = cpu();
    for call in 0..2_000 {
        take(&state, "albums", limit, noon().plus_ms(1_000 + call)).unwrap();
    }
    let each = (cpu() - before) / 2_000;
    eprintln!("a turn takes {each:?} of CPU");
    // This is not optimized. Optimized code takes about a third.
    assert!(each < Duration::from_micros(300), "{each:?}");
}

/// CPU time of this thread, which other tests do not change.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}
