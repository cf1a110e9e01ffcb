//! `quota`, and the budgets that it shows, through the real binary.

use std::time::Duration;

use rusqlite::Connection;
use spotify_sandbox::{CallAllowance, Fault, FaultAction, QuotaMode, RetryAfterHeader, SandboxOptions, fixtures};

use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::world::{World, by_ids, ended, fetch};

pub fn ids(world: &World, kind: &str, most: usize) -> Vec<String> {
    let ids = world.sandbox.catalog().ids();
    ids[kind].as_array().unwrap().iter().take(most).map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// Ids of different tracks.
pub fn track_ids(world: &World, most: usize) -> Vec<String> {
    let rows = world.sandbox.catalog().expected_rows(fixtures::HOME_PLAYLIST).unwrap();
    let mut ids: Vec<String> = rows.into_iter().filter_map(|row| row.id).collect();
    ids.sort();
    ids.dedup();
    ids.truncate(most);
    assert_eq!(ids.len(), most);
    ids
}

pub fn tracks(world: &World, most: usize) -> String {
    by_ids("tracks", &track_ids(world, most).iter().map(String::as_str).collect::<Vec<_>>())
}

/// An app with the setting for Development Mode, so that no call is spent on finding its class.
pub fn development() -> World {
    said_to_be("development", World::development())
}

pub fn said_to_be(class: &str, world: World) -> World {
    let path = world.project.root().join("config/cratedigger.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, settings.replace("[spotify]", &format!("[spotify]\napp_mode = \"{class}\""))).unwrap();
    world
}

fn state_db(world: &World) -> std::path::PathBuf {
    world.project.root().join(".local/state/cratedigger/state.db")
}

fn quota(world: &World) -> serde_json::Value {
    world.cli(&["quota", "--json"]).exits(0).json()
}

fn endpoint(quota: &serde_json::Value, family: &str, token: &str) -> String {
    let rows = quota["endpoints"].as_array().unwrap();
    let row = rows.iter().find(|row| row["family"] == family && row["token"] == token).unwrap();
    row["state"].as_str().unwrap().to_owned()
}

#[test]
fn quota_shows_usage_without_calls() {
    let world = development();
    let world = world.settings("calls_per_day = 100\ncalls_per_family = 50");
    let world = {
        let job = tracks(&world, 7);
        world.job(&job)
    };
    world.run(&[]).exits(0);
    world.new_calls();
    let shown = quota(&world);
    let account = &shown["account"];
    assert_eq!((&account["used"], &account["ceiling"], &account["left"]), (&7.into(), &100.into(), &88.into()));
    assert_eq!(account["becomes_free"][0]["calls"], 7);
    let at = account["next_free_at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let hours = (at - chrono::Utc::now()).num_minutes();
    assert!((1_430..=1_440).contains(&hours), "{hours} minutes");
    let families = shown["families"].as_array().unwrap();
    assert_eq!((&families[0]["family"], &families[0]["left"]), (&"tracks".into(), &40.into()));
    assert_eq!((shown["cool_downs"].as_array().unwrap().len(), shown["refusals"].as_array().unwrap().len()), (0, 0));
    let text = world.cli(&["quota"]).exits(0).stdout;
    assert_output("quota_shows_usage_without_calls", &text);
    assert_eq!(world.sandbox.log().len(), 0, "no request, not even for a token");
}

#[test]
fn client_ids_of_one_account_share_a_budget() {
    let world = development().settings("calls_per_day = 100");
    let path = world.project.root().join("config/cratedigger.toml");
    let settings = std::fs::read_to_string(&path).unwrap().replace("[spotify]", "[spotify]\naccount = \"ours\"");
    std::fs::write(&path, settings).unwrap();
    let job = tracks(&world, 3);
    let world = world.job(&job);
    world.run(&[]).exits(0);
    let sister = |account: &str| {
        let mut command = world.command(&["quota", "--json"]);
        command.env("SPOTIFY_CLIENT_ID", "a-sister-app").env("CRATEDIGGER__SPOTIFY__ACCOUNT", account);
        crate::support::world::ran(&mut command).exits(0).json()["account"]["used"].clone()
    };
    assert_eq!(sister("ours"), 3);
    assert_eq!(sister("theirs"), 0);
}

#[test]
fn quota_shows_permissions_relearn_forgets() {
    let world = World::development();
    let job = format!("{}{}", tracks(&world, 1), fetch("markets", ""));
    let world = world.job(&job);
    assert_eq!(endpoint(&quota(&world), "tracks", "app"), "unknown");
    world.run(&[]).exits(3);
    let shown = quota(&world);
    assert_eq!(endpoint(&shown, "tracks", "app"), "allowed");
    assert_eq!(endpoint(&shown, "tracks", "user"), "unknown");
    assert_eq!(endpoint(&shown, "markets", "app"), "refused");
    assert_eq!(shown["app_class"], "development");
    let markets = shown["endpoints"].as_array().unwrap().iter().find(|row| row["family"] == "markets").unwrap();
    assert_eq!(markets["how"], "refused with 403");
    assert!(markets["learned_at"].is_string() && markets["evidence"].as_str().unwrap().contains("403"));
    let checked = world.cli(&["check"]).exits(0).stdout;
    assert_output("quota_shows_permissions_relearn_forgets", &checked);
    world.cli(&["quota", "--relearn"]).exits(0).shows("quota_shows_permissions_relearn_forgets_2");
    let shown = quota(&world);
    assert_eq!(endpoint(&shown, "tracks", "app"), "unknown");
    assert_eq!(endpoint(&shown, "markets", "app"), "unknown");
    assert!(shown["app_class"].is_null());
}

#[test]
fn facts_expire_after_a_month() {
    let world = World::development();
    let world = {
        let job = format!("{}{}", tracks(&world, 1), fetch("markets", ""));
        world.job(&job)
    };
    world.run(&[]).exits(3);
    let db = Connection::open(state_db(&world)).unwrap();
    db.execute("UPDATE learned SET learned_ms = learned_ms - 31 * 86400000", ()).unwrap();
    let shown = quota(&world);
    assert_eq!((endpoint(&shown, "tracks", "app"), endpoint(&shown, "markets", "app")).0, "unknown");
    world.new_calls();
    world.run(&[]).exits(3);
    assert!(world.new_calls().iter().any(|call| call == "/markets"), "it is requested again");
    let checked = world.cli(&["check"]).exits(0).stdout;
    assert_output("facts_expire_after_a_month", &checked);
}

#[test]
fn endless_429_is_learned_as_refused() {
    let world = World::development();
    let world = {
        let job = tracks(&world, 2);
        world.job(&job)
    };
    world.sandbox.inject(Fault::on_path("/v1/tracks/*", FaultAction::rate_limited(RetryAfterHeader::Seconds(1))));
    world.run(&[]).exits(75);
    let shown = quota(&world);
    assert_eq!(endpoint(&shown, "tracks", "app"), "refused");
    assert_eq!(shown["cool_downs"].as_array().unwrap().iter().filter(|it| it["holds"] == "family").count(), 1);
}

#[test]
fn run_stops_at_the_reserve_and_resumes() {
    let world = said_to_be(
        "development",
        World::with(SandboxOptions {
            mode: QuotaMode::Development,
            calls_per_day: Some(20),
            punishment: Some(Duration::from_secs(86_400)),
            ..SandboxOptions::default()
        }),
    );
    let world = world.settings("calls_per_day = 20\nreserve = \"10%\"");
    let job = format!("max_calls = 1000\n{}", tracks(&world, 40));
    let world = world.job(&job);
    let ran = world.run(&["--json"]).exits(75).json();
    assert_eq!(world.new_calls().len(), 18, "20 less a tenth");
    assert_eq!(world.sandbox.limit_counts().refused, 0);
    assert!(ran["not_before"].is_string());
    let shown = quota(&world);
    assert_eq!((&shown["account"]["used"], &shown["account"]["left"]), (&18.into(), &0.into()));
    // Another start sends nothing now.
    world.run(&[]).exits(75).shows("run_stops_at_the_reserve_and_resumes");
    assert_eq!(world.sandbox.log().len(), 0);
    for day in 1..=2 {
        a_day_later(&world);
        let expected = if day == 1 { (75, 18) } else { (0, 4) };
        world.run(&[]).exits(expected.0);
        assert_eq!(world.new_calls().len(), expected.1, "day {day}");
    }
    assert_eq!(world.sandbox.limit_counts().refused, 0);
    assert_eq!(world.csv("tracks.csv").len(), 40);
}

/// Moves the sandbox's clock a day ahead, and all stored times of the project a day back.
pub fn a_day_later(world: &World) {
    world.sandbox.advance(Duration::from_secs(86_400));
    let db = Connection::open(state_db(world)).unwrap();
    db.execute_batch("UPDATE calls SET at_ms = at_ms - 86400000; UPDATE cool_downs SET set_ms = set_ms - 86400000, until_ms = until_ms - 86400000").unwrap();
    let store = Connection::open(world.database()).unwrap();
    store.execute_batch("UPDATE runs SET not_before = strftime('%Y-%m-%dT%H:%M:%fZ', not_before, '-1 day')").unwrap();
}

#[test]
fn quota_exceeded_twice_parks_the_account() {
    let world = said_to_be(
        "development",
        World::with(SandboxOptions {
            mode: QuotaMode::Development,
            calls_per_family_per_day: Some(3),
            ..SandboxOptions::default()
        }),
    );
    let world = world.settings("calls_per_day = \"unlimited\"\ncalls_per_family = \"unlimited\"");
    let artists = ids(&world, "artists", 5);
    let artists: Vec<&str> = artists.iter().map(String::as_str).collect();
    let job = format!("{}{}{}", tracks(&world, 5), by_ids("artists", &artists), fetch("search", "query = \"a\""));
    let world = world.job(&job);
    world.run(&[]).exits(75).shows("quota_exceeded_twice_parks_the_account");
    let shown = quota(&world);
    let held: Vec<_> = shown["cool_downs"].as_array().unwrap().iter().map(|it| it["holds"].clone()).collect();
    assert_eq!(held.iter().filter(|it| **it == "family").count(), 2, "{held:?}");
    assert_eq!(held.iter().filter(|it| **it == "account").count(), 1, "{held:?}");
    assert_eq!(shown["refusals"].as_array().unwrap().len(), 2);
    assert_eq!(shown["refusals"][0]["reason"], "quota");
    let learned = shown["learned_ceilings"].as_array().unwrap();
    assert_eq!(learned.len(), 3, "two families and the account");
    assert!(learned.iter().all(|it| it["evidence"].as_str().unwrap().contains("429")));
    assert_eq!(world.sandbox.limit_counts().early, 0);
    let calls = world.new_calls();
    assert!(!calls.iter().any(|call| call.starts_with("/search")), "the account is deferred: {calls:?}");
    let text = world.cli(&["quota"]).exits(0).stdout;
    // The two families are refused at almost the same time, in either order.
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    assert_output("quota_exceeded_twice_parks_the_account_2", &lines.join("\n"));
}

#[test]
fn ten_restarts_in_a_ban_send_nothing() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.sandbox.ban(Duration::from_secs(80_000));
    world.run(&[]).exits(75).shows("ten_restarts_in_a_ban_send_nothing");
    assert_eq!(world.new_calls().len(), 1);
    for _ in 0..10 {
        let ran = world.run(&["--json"]).exits(75);
        let at: chrono::DateTime<chrono::Utc> = ran.json()["not_before"].as_str().unwrap().parse().unwrap();
        let left = (at - chrono::Utc::now()).num_seconds();
        assert!((79_900..=80_001).contains(&left), "{left} s");
    }
    assert_eq!(world.sandbox.log().len(), 0, "no request, not even for a token");
    assert_eq!(world.sandbox.limit_counts().early, 0);
}

#[test]
fn two_cron_lines_share_pace_and_budget() {
    let world = said_to_be(
        "development",
        World::with(SandboxOptions {
            mode: QuotaMode::Development,
            rate_limit: Some(20),
            rate_window: Duration::from_secs(1),
            punishment: Some(Duration::from_secs(3_600)),
            calls_per_day: Some(40),
            ..SandboxOptions::default()
        }),
    );
    let world = world.settings("calls_per_day = 40\nreserve = \"0%\"\n[schedule]\nfirst_run_share = \"100%\"");
    let path = world.project.root().join("config/cratedigger.toml");
    let settings =
        std::fs::read_to_string(&path).unwrap().replace("requests_per_second = 100", "requests_per_second = 15");
    std::fs::write(&path, settings).unwrap();
    let all = track_ids(&world, 50);
    for (name, part) in [("a", &all[..25]), ("b", &all[25..])] {
        let list: Vec<&str> = part.iter().map(String::as_str).collect();
        let job = format!("schedule = \"0 6 * * *\"\nmax_calls = 100\n{}", by_ids("tracks", &list));
        world.project.write(&format!("jobs/{name}.toml"), job);
    }
    let (one, other) = (world.spawn(&["--due"]), world.spawn(&["--due"]));
    let (one, other) = (ended(one), ended(other));
    let codes = [one.code, other.code];
    assert!(codes.iter().all(|code| [0, 75].contains(code)) && codes.contains(&75), "{one:?}\n{other:?}");
    assert_eq!(world.calls().len(), 40, "exactly the day's ceiling");
    let counted = world.sandbox.limit_counts();
    assert_eq!((counted.refused, counted.early), (0, 0));
    let used: i64 = Connection::open(state_db(&world))
        .unwrap()
        .query_row("SELECT count(*) FROM calls WHERE outcome = 200", (), |row| row.get(0))
        .unwrap();
    assert_eq!(used, 40);
}

#[test]
fn four_processes_share_one_refusal() {
    let world = World::extended();
    let path = world.project.root().join("config/cratedigger.toml");
    let settings =
        std::fs::read_to_string(&path).unwrap().replace("requests_per_second = 100", "requests_per_second = 4");
    std::fs::write(&path, settings).unwrap();
    let all = ids(&world, "artists", 16);
    for (n, name) in ["a", "b", "c", "d"].iter().enumerate() {
        let list: Vec<&str> = all[n * 4..n * 4 + 4].iter().map(String::as_str).collect();
        world.project.write(&format!("jobs/{name}.toml"), by_ids("artist_albums", &list));
    }
    let running: Vec<_> = ["a", "b", "c", "d"].iter().map(|name| world.spawn(&[name])).collect();
    world.wait_for_calls(3);
    world.sandbox.ban(Duration::from_secs(2));
    for ran in running.into_iter().map(ended) {
        ran.exits(0);
    }
    let counted = world.sandbox.limit_counts();
    assert_eq!((counted.refused, counted.early), (1, 0), "one process was refused, and the others waited, too");
    assert!(world.calls().len() > 16);
    // Each process got a share. None had to wait until another one ended.
    let mine =
        |part: &[String]| world.calls().iter().filter(|call| part.iter().any(|id| call.contains(id.as_str()))).count();
    assert!(all.chunks(4).all(|part| mine(part) > 0));
}

#[test]
fn unusable_ledger_stops_all_calls() {
    let world = development();
    let world = {
        let job = tracks(&world, 1);
        world.job(&job)
    };
    world.run(&[]).exits(0);
    world.new_calls();
    let path = state_db(&world);
    let whole = std::fs::read(&path).unwrap();
    let check = |bytes: &[u8]| {
        for command in [&["run"][..], &["quota"], &["plan"]] {
            std::fs::write(&path, bytes).unwrap();
            world.cli(command).exits(74).shows("unusable_ledger_stops_all_calls");
            assert_eq!(std::fs::read(&path).unwrap(), bytes, "{command:?} left it as it was");
        }
        assert_eq!(world.sandbox.log().len(), 0);
    };
    let mut damaged = whole.clone();
    for page in 2..damaged.len() / 4096 {
        damaged[page * 4096..page * 4096 + 64].fill(0xa5);
    }
    check(&damaged);
    check(&whole[..whole.len() / 2]);
    check(b"this is no database at all");
    check(b"");
    std::fs::write(&path, &whole).unwrap();
    let db = Connection::open(&path).unwrap();
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    world.run(&[]).exits(74).shows("unusable_ledger_stops_all_calls_2");
    db.pragma_update(None, "user_version", version).unwrap();
    db.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let kept = world.csv_bytes("tracks.csv");
    world.run(&[]).exits(74).says("is locked by another process").shows("unusable_ledger_stops_all_calls_3");
    assert_eq!(world.csv_bytes("tracks.csv"), kept);
    assert_eq!(world.rows("SELECT state FROM runs ORDER BY id DESC LIMIT 1"), [["failed"]]);
    db.execute_batch("ROLLBACK").unwrap();
    assert_eq!(world.sandbox.log().len(), 0);
    world.run(&[]).exits(0);
}

#[test]
fn ledger_from_the_future_frees_nothing_early() {
    let world = development().settings("calls_per_day = 5\nreserve = \"0%\"");
    let world = {
        let job = format!("max_calls = 100\n{}", tracks(&world, 9));
        world.job(&job)
    };
    world.run(&[]).exits(75);
    world.new_calls();
    let db = Connection::open(state_db(&world)).unwrap();
    // As if it had been written on another machine, three days ahead of this one.
    db.execute_batch(
        "UPDATE calls SET at_ms = at_ms + 3 * 86400000; UPDATE clock SET wall_ms = wall_ms + 3 * 86400000, boot = 1",
    )
    .unwrap();
    drop(db);
    let ran = world.run(&["--json"]).exits(75).shows("ledger_from_the_future_frees_nothing_early");
    let at: chrono::DateTime<chrono::Utc> = ran.json()["not_before"].as_str().unwrap().parse().unwrap();
    let hours = (at - chrono::Utc::now()).num_hours();
    assert!((23..=24).contains(&hours), "{hours}");
    assert_eq!(world.sandbox.log().len(), 0);
}

#[test]
fn sandbox_limits_follow_its_clock() {
    let world = development();
    let world = {
        let job = tracks(&world, 4);
        world.job(&job)
    };
    world.sandbox.set_allowance(CallAllowance { calls_per_day: Some(2), ..CallAllowance::default() });
    world.run(&[]).exits(75).shows("sandbox_limits_follow_its_clock");
    assert_eq!((world.sandbox.limit_counts().in_day, world.sandbox.limit_counts().refused), (2, 1));
    world.sandbox.advance(Duration::from_secs(86_401));
    assert_eq!(world.sandbox.limit_counts().in_day, 0);
}
