//! A client id that is moved to another account takes its recorded calls along.

use std::time::Duration;

use spotify_client::family::EndpointFamily;
use spotify_client::state::{
    CallBlock, CallCeilings, CallPace, CallRequest, ClientIdentity, ClockReading, NewRefusal, Reservation, StateDb,
};
use spotify_client::{DeferralReason, DeferralScope};
use tempfile::TempDir;

use super::limiter::open;
use crate::support::made_up_time::{Later as _, noon};

const PACE: CallPace = CallPace { interval: Duration::ZERO, burst: 1, adapts: None };
const HOUR: i64 = 3_600_000;

/// `QUOTA_EXCEEDED` for the family of albums, at noon.
fn refuse(state: &StateDb, client: &str, account: &str, seconds: u64) {
    let (wait, evidence) = (Duration::from_secs(seconds), "status 429, QUOTA_EXCEEDED");
    let refused = NewRefusal {
        scope: DeferralScope::Family(EndpointFamily::ALBUMS),
        wait,
        wait_is_stated: true,
        call: None,
        reason: DeferralReason::Quota,
        evidence,
    };
    state
        .cool_downs()
        .record_refusal(&ClientIdentity::new(client, account), "albums", refused, CallCeilings::default(), noon())
        .unwrap();
}

/// What the ledger has for a client under an account: calls in a day, those of `albums`, deferred families,
/// and learned ceilings.
fn seen(state: &StateDb, client: &str, account: &str, now: ClockReading) -> (u32, u32, usize, Vec<u32>) {
    let usage = state.ledger().usage(&ClientIdentity::new(client, account), CallCeilings::default(), now).unwrap();
    let albums = usage.families.iter().find(|it| it.family == "albums").map_or(0, |it| it.used);
    (usage.account.used, albums, usage.cool_downs.len(), usage.learned.iter().map(|it| it.calls).collect())
}

fn take_as(state: &StateDb, client: &str, account: &str, now: ClockReading) -> Reservation {
    let who = ClientIdentity::new(client, account);
    let ask =
        CallRequest { identity: &who, family: "albums", pace: PACE, ceilings: CallCeilings::default(), spender: None };
    state.ledger().reserve_call(&ask, now).unwrap()
}

#[test]
fn client_id_brings_its_calls_to_a_new_account() {
    let folder = TempDir::new().unwrap();
    let (state, another_process) = (open(&folder), open(&folder));
    for _ in 0..3 {
        take_as(&state, "app", "account", noon());
    }
    refuse(&state, "app", "account", 20 * 3_600);
    let before = (3, 3, 1, vec![250]);
    assert_eq!(seen(&another_process, "app", "account", noon()), before);
    // There and back again, by a reservation and by a call: nothing is lost, freed or counted twice.
    for account in ["ours", "team", "account", "ours"] {
        assert!(
            matches!(take_as(&state, "app", account, noon()), Reservation::Blocked(CallBlock::CoolDown(_))),
            "{account}"
        );
        assert_eq!(seen(&another_process, "app", account, noon()), before, "{account}");
    }
    assert_eq!(seen(&state, "other", "account", noon()), before, "the old account keeps its own");
    // Later calls count for the new account only, and a day later both are free.
    let later = noon().plus_ms(21 * HOUR);
    assert!(matches!(take_as(&state, "app", "ours", later), Reservation::Slot { .. }));
    assert_eq!(seen(&state, "other", "ours", later).0, 4);
    assert_eq!(seen(&state, "other", "account", later).0, 3);
    let next_day = noon().plus_ms(25 * HOUR);
    assert_eq!(seen(&another_process, "app", "ours", next_day).0, 1);
    assert_eq!(seen(&state, "other", "account", next_day).0, 0);
}

#[test]
fn joined_client_ids_add_up_their_calls() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    for (client, calls) in [("one", 300), ("two", 5)] {
        for _ in 0..calls {
            take_as(&state, client, client, noon());
        }
        refuse(&state, client, client, if client == "one" { 60 } else { 3_600 });
    }
    assert_eq!(seen(&state, "one", "one", noon()), (300, 300, 1, vec![299]));
    assert_eq!(seen(&state, "one", "both", noon()), (300, 300, 1, vec![299]));
    assert_eq!(seen(&state, "two", "both", noon()), (305, 305, 1, vec![250]));
    assert_eq!(seen(&state, "one", "both", noon().plus_ms(120_000)), (305, 305, 1, vec![250]), "the longer wait holds");
    assert_eq!(seen(&state, "two", "two", noon()).3, [250]);
}

#[test]
fn calls_from_before_accounts_are_kept() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    take_as(&state, "app", "account", noon());
    drop(state);
    let path = folder.path().join("state/state.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("DROP TABLE stores; DROP TABLE brought; DROP TABLE clients; PRAGMA user_version = 2;").unwrap();
    drop(db);
    assert_eq!(seen(&open(&folder), "app", "ours", noon()).0, 1);
}

#[test]
fn moved_calls_are_pruned_too() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    for call in 0..3_000 {
        let account = if call % 100 < 50 { "ours" } else { "theirs" };
        take_as(&state, "app", account, noon().plus_ms(call * 300_000));
    }
    let db = rusqlite::Connection::open(state.database()).unwrap();
    let rows: i64 = db.query_row("SELECT count(*) FROM brought", (), |row| row.get(0)).unwrap();
    assert!((1..2_000).contains(&rows), "{rows} rows for three days of 288");
}
