//! A client id that is said to belong to another account: its books come along.

use std::time::Duration;

use spotify_client::state::{Ask, Ceilings, Held, Identity, Moment, Pace, Reach, Reason, Refused, State, Turn};
use tempfile::TempDir;

use super::limiter::open;
use crate::support::made_up_time::{Later as _, noon};

const PACE: Pace = Pace { interval: Duration::ZERO, burst: 1, adapts: None };
const HOUR: i64 = 3_600_000;

/// `QUOTA_EXCEEDED` for the family of albums, at noon.
fn refuse(state: &State, client: &str, account: &str, seconds: u64) {
    let (wait, evidence) = (Duration::from_secs(seconds), "status 429, QUOTA_EXCEEDED");
    let refused = Refused { reach: Reach::Family, wait, said: true, call: None, reason: Reason::Quota, evidence };
    state.refuse(&Identity::new(client, account), "albums", refused, Ceilings::default(), noon()).unwrap();
}

/// What the books hold of a client under an account: calls in a day, those of `albums`, families held
/// back, and the ceilings learned.
fn seen(state: &State, client: &str, account: &str, now: Moment) -> (u32, u32, usize, Vec<u32>) {
    let usage = state.usage(&Identity::new(client, account), Ceilings::default(), now).unwrap();
    let albums = usage.families.iter().find(|it| it.family == "albums").map_or(0, |it| it.used);
    (usage.account.used, albums, usage.cool_downs.len(), usage.learned.iter().map(|it| it.calls).collect())
}

fn take_as(state: &State, client: &str, account: &str, now: Moment) -> Turn {
    let who = Identity::new(client, account);
    let ask = Ask { who: &who, family: "albums", pace: PACE, ceilings: Ceilings::default(), spender: None };
    state.take_turn(&ask, now).unwrap()
}

#[test]
fn a_client_id_under_another_account_brings_its_books_and_leaves_them_there() {
    let folder = TempDir::new().unwrap();
    let (state, another_process) = (open(&folder), open(&folder));
    for _ in 0..3 {
        take_as(&state, "app", "account", noon());
    }
    refuse(&state, "app", "account", 20 * 3_600);
    let before = (3, 3, 1, vec![250]);
    assert_eq!(seen(&another_process, "app", "account", noon()), before);
    // There and back again, by a look and by a call, nothing is lost, freed or counted twice.
    for account in ["ours", "team", "account", "ours"] {
        assert!(matches!(take_as(&state, "app", account, noon()), Turn::Held(Held::CoolDown(_))), "{account}");
        assert_eq!(seen(&another_process, "app", account, noon()), before, "{account}");
    }
    assert_eq!(seen(&state, "nobody", "account", noon()), before, "the old account keeps its own");
    // Later calls are the new account's alone, and a day later both are free.
    let later = noon().plus_ms(21 * HOUR);
    assert!(matches!(take_as(&state, "app", "ours", later), Turn::Slot { .. }));
    assert_eq!(seen(&state, "nobody", "ours", later).0, 4);
    assert_eq!(seen(&state, "nobody", "account", later).0, 3);
    let next_day = noon().plus_ms(25 * HOUR);
    assert_eq!(seen(&another_process, "app", "ours", next_day).0, 1);
    assert_eq!(seen(&state, "nobody", "account", next_day).0, 0);
}

#[test]
fn client_ids_that_come_under_one_account_add_up_and_the_lower_ceiling_holds() {
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
fn books_written_before_accounts_were_noted_come_along_too() {
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
fn calls_that_were_brought_are_pruned_with_the_others() {
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
