//! Clocks that were wrong and are corrected, and runs that hang, with the real binary. A test cannot set the
//! clock. It can change what a wrong clock leaves behind: stored times, compared with the monotonic
//! clock.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use spotify_sandbox::{Fault, FaultAction, RetryAfterHeader, fixtures};

use super::foreground::Foreground;
use crate::support::hook_server::Hooks;
use crate::support::snapshot::Shows as _;
use crate::support::world::{World, by_ids, ended, pause, signal};

const HOUR_MS: i64 = 3_600_000;

fn state_db(world: &World) -> PathBuf {
    world.project.root().join(".local/state/cratedigger/state.db")
}

/// Changes stored times as if the wall clock had been ahead by this much. It is right again now.
fn was_ahead(world: &World, ms: i64) {
    let state = Connection::open(state_db(world)).unwrap();
    let all =
        "UPDATE calls SET at_ms = at_ms + :ms; UPDATE cool_downs SET set_ms = set_ms + :ms, until_ms = until_ms + :ms;
         UPDATE pace SET slot_us = slot_us + 1000 * :ms; UPDATE clock SET wall_ms = wall_ms + :ms";
    state.execute_batch(&all.replace(":ms", &ms.to_string())).unwrap();
    let store = Connection::open(world.database()).unwrap();
    let seconds = ms / 1_000;
    for (table, column) in [
        ("runs", "started_at"),
        ("runs", "finished_at"),
        ("runs", "fire_at"),
        ("runs", "not_before"),
        ("fires", "fire_at"),
        ("fires", "served_at"),
    ] {
        let moved = format!("strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '{seconds} seconds')");
        store
            .execute(&format!("UPDATE OR REPLACE {table} SET {column} = {moved} WHERE {column} IS NOT NULL"), [])
            .unwrap();
    }
}

fn banned_until(world: &World) -> i64 {
    let state = Connection::open(state_db(world)).unwrap();
    state.query_row("SELECT max(until_ms) FROM cool_downs", [], |row| row.get(0)).unwrap()
}

#[test]
fn ban_lasts_as_told_under_a_wrong_clock() {
    let job = format!("schedule = \"0 6 * * *\"\n{}", by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    let world = World::extended().job(&job);
    world.sandbox.inject(Fault::on_path("/v1/*", FaultAction::rate_limited(RetryAfterHeader::Seconds(7_200))).times(1));
    world.run(&["x"]).exits(75);
    let until = banned_until(&world);
    for ahead in [HOUR_MS, -3 * HOUR_MS, 26 * HOUR_MS] {
        was_ahead(&world, ahead);
        assert!((banned_until(&world) - until - ahead).abs() < HOUR_MS / 60);
        world.new_calls();
        world.run(&["x"]).exits(75).shows("ban_lasts_as_told_under_a_wrong_clock");
        assert!(world.new_calls().is_empty());
        let off = (banned_until(&world) - until).abs();
        assert!(off < HOUR_MS / 60, "{ahead}: off by {off} ms");
    }
}

#[test]
fn fire_served_a_day_early_is_not_repeated() {
    // Half a day away from the scheduled time, so that the job is not due while the test runs.
    let line = (chrono::Utc::now() + chrono::TimeDelta::hours(12)).format("%-M %-H * * *");
    let job = format!("schedule = \"{line}\"\n{}", by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    let world = World::extended().job(&job);
    world.run(&["--due"]).exits(0);
    was_ahead(&world, -3 * 24 * HOUR_MS);
    world.run(&["--due"]).exits(0).shows("fire_served_a_day_early_is_not_repeated");
    // By the corrected clock that was tomorrow's run. Today's is still due, once.
    was_ahead(&world, 24 * HOUR_MS);
    world.run(&["--due"]).exits(0).shows("fire_served_a_day_early_is_not_repeated_2");
    assert_eq!(world.run(&["--due"]).exits(0).stderr, "");
    // A day later the job is due again, but that run has been done.
    was_ahead(&world, -24 * HOUR_MS);
    assert_eq!(world.run(&["--due"]).exits(0).stderr, "");
    assert_eq!(world.one("SELECT count(*) FROM runs"), "3");
    was_ahead(&world, -24 * HOUR_MS);
    world.run(&["--due"]).exits(0).shows("fire_served_a_day_early_is_not_repeated_3");
}

/// Two jobs. The answer for `x` takes this long.
fn slow(ms: u64, hooks: &Hooks) -> World {
    let job = |id: &str| format!("schedule = \"0 6 1 1 *\"\n{}", by_ids("playlist_items", &[id]));
    let world = World::extended()
        .job(&job(fixtures::HOME_PLAYLIST))
        .settings(&format!("[schedule]\nmax_runtime = \"1s\"\n[notify]\nwebhook_url = \"{}\"", hooks.url("/hook")));
    world.project.write("jobs/y.toml", job(fixtures::FOREIGN_PLAYLIST));
    let path = format!("/v1/playlists/{}", fixtures::HOME_PLAYLIST);
    world.sandbox.inject(Fault::on_path(&path, FaultAction::Latency { ms }).times(1));
    world
}

/// Events and texts of the messages that were sent.
fn messages(hooks: &Hooks) -> Vec<(String, String)> {
    let message = |body: &str| -> serde_json::Value { serde_json::from_str(body).unwrap() };
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    hooks.came().iter().map(|came| message(&came.body)).map(|it| (text(&it["event"]), text(&it["text"]))).collect()
}

#[test]
fn hanging_run_is_reported_once() {
    let hooks = Hooks::listening();
    let world = slow(1_500, &hooks);
    let hung = world.spawn(&["--due"]);
    world.wait_for_calls(1);
    pause(&world, &hung);
    let began = Instant::now();
    let found = loop {
        let tick = world.cli(&["-q", "run", "--due"]);
        if tick.code != 0 {
            break tick;
        }
        assert_eq!(tick.stderr, "");
        assert!(began.elapsed() < Duration::from_secs(60), "no start reported the hanging run");
        std::thread::sleep(Duration::from_millis(100));
    };
    let found = found.exits(1).shows("hanging_run_is_reported_once");
    assert_eq!(found.stdout, "");
    assert_eq!(world.cli(&["-q", "run", "--due"]).exits(1).stderr, "", "it is not reported again");
    assert_eq!(world.one("SELECT state FROM runs WHERE job = 'y'"), "complete");
    let [(event, text)] = &messages(&hooks)[..] else { panic!("{:?}", messages(&hooks)) };
    assert!(event == "failure" && text.contains("it hangs"), "{event}: {text}");
    signal(&hung, "CONT");
    ended(hung).exits(0);
    world.cli(&["-q", "run", "--due"]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM runs WHERE state = 'complete'"), "2");
    let events: Vec<String> = messages(&hooks).into_iter().map(|(event, _)| event).collect();
    assert_eq!(events, ["failure", "recovery"]);
}

#[test]
fn scheduler_reports_its_hanging_run() {
    let hooks = Hooks::listening();
    let world = slow(4_000, &hooks);
    let mut it = Foreground::start(&world);
    it.until_said("job x has been running for");
    it.until("the end of both", |it| it.said().matches("run finished").count() == 2);
    let (code, said) = it.stop();
    assert_eq!((code, said.matches("job x has been running for").count()), (0, 1), "{said}");
    let overlapping = "SELECT max(started_at) < min(finished_at) FROM runs WHERE state = 'complete'";
    assert_eq!(world.one(overlapping), "1", "{:?}", world.rows("SELECT job, started_at, finished_at FROM runs"));
    // On a busy machine the other run may take long enough to be reported, too.
    let of_x = messages(&hooks).into_iter().filter(|(_, text)| text.contains("job x"));
    assert_eq!(of_x.map(|(event, _)| event).collect::<Vec<_>>(), ["failure", "recovery"]);
}
