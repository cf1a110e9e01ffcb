//! Each exit code, and whether the message with it says what happened, where, and what to do.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rusqlite::Connection;
use spotify_sandbox::{Fault, FaultAction, RetryAfterHeader, fixtures};

use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::world::{World, by_ids, ended, fetch, pause, ran, signal, signal_until_end};

fn plain() -> World {
    World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]))
}

#[test]
fn exit_0_with_nothing_due_is_silent() {
    let job = format!("schedule = \"15 6 * * *\"\n{}", by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    let world = World::extended().job(&job);
    world.run(&["--due"]).exits(0).shows("exit_0_with_nothing_due_is_silent");
    world.sandbox.clear_log();
    let ran = world.run(&["--due"]).exits(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    assert_eq!(world.sandbox.log().len(), 0);
    // It works without credentials, because no due job needs them.
    let ran = ran_without_credentials(&world, &["run", "--due"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

fn ran_without_credentials(world: &World, args: &[&str]) -> crate::support::world::Ran {
    ran(&mut world.project.command(args))
}

#[test]
fn exit_1_when_spotify_is_unreachable() {
    let world = World::extended().job(&by_ids("artists", &[fixtures::BUSY_ARTIST]));
    let path = world.project.root().join("config/cratedigger.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    // No server listens on port 1.
    let accounts = format!("accounts_url = \"{}\"", world.sandbox.accounts_url());
    let unreachable = settings.replace(&accounts, "accounts_url = \"http://127.0.0.1:1\"");
    std::fs::write(&path, unreachable).unwrap();
    world.run(&[]).exits(1).shows("exit_1_when_spotify_is_unreachable");
    assert_eq!(world.one("SELECT state FROM runs"), "failed");
    std::fs::write(&path, settings).unwrap();
    world.run(&[]).exits(0);
}

#[test]
fn exit_2_leaves_other_jobs_running() {
    let world = plain();
    world.project.write("jobs/broken.toml", "[[fetch]]\nstream = \"artist\"\nids = [\"x\"]\ncolour = 1\n");
    world.run(&["broken"]).exits(2).shows("exit_2_leaves_other_jobs_running");
    assert_eq!(world.new_calls().len(), 0);
    world.run(&[]).exits(2).shows("exit_2_leaves_other_jobs_running_2");
    world.run(&["x"]).exits(0);
    world.run(&["nonsense"]).exits(2).shows("exit_2_leaves_other_jobs_running_3");
}

#[test]
fn exit_2_for_a_failed_query_writes_the_rest() {
    let more = "[[query]]\ncsv = \"slow.csv\"\nsql = \"SELECT abs(-9223372036854775808) AS x\"\n";
    let world = World::extended().job(&format!("{}{more}", by_ids("tracks", &[fixtures::PLAIN_TRACK])));
    world.run(&[]).exits(2).shows("exit_2_for_a_failed_query_writes_the_rest");
    assert_eq!(world.csv("tracks.csv").len(), 1);
}

#[test]
fn exit_3_names_each_missing_item() {
    let (one, two) = ("0000000000000000000000", "0000000000000000000001");
    let world = World::extended().job(&by_ids("playlist_items", &[one, two, fixtures::HOME_PLAYLIST]));
    world.run(&[]).exits(3).shows("exit_3_names_each_missing_item");
    assert_eq!(world.csv("playlist_items.csv").len(), 120);
    assert_eq!(
        world.rows("SELECT item_id, reason FROM skipped_items ORDER BY id"),
        [[one, "not_found"], [two, "not_found"]]
    );
    assert_eq!(world.one("SELECT count(*) FROM playlists WHERE name IS NULL"), "0", "a refused playlist has no row");
}

#[test]
fn exit_74_for_an_unwritable_folder() {
    let world = plain();
    let csv = world.project.root().join("output/csv");
    std::fs::create_dir_all(csv.parent().unwrap()).unwrap();
    std::fs::write(&csv, "a file where the folder should be").unwrap();
    world.run(&[]).exits(74).shows("exit_74_for_an_unwritable_folder");
    assert_eq!(world.sandbox.log().len(), 0, "no request, not even for a token");
}

#[test]
fn exit_74_for_a_file_that_is_no_store() {
    let world = plain();
    world
        .project
        .write("output/cratedigger.db", "this is no database, but it is long enough to be looked at".repeat(20));
    let before = std::fs::read(world.database()).unwrap();
    world.run(&[]).exits(74).shows("exit_74_for_a_file_that_is_no_store");
    assert_eq!(std::fs::read(world.database()).unwrap(), before);
    assert_eq!(world.sandbox.log().len(), 0);
}

#[test]
fn exit_74_for_a_foreign_or_newer_store() {
    let world = plain();
    std::fs::create_dir_all(world.database().parent().unwrap()).unwrap();
    Connection::open(world.database()).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    world.run(&[]).exits(74).shows("exit_74_for_a_foreign_or_newer_store");
    std::fs::remove_file(world.database()).unwrap();
    world.run(&[]).exits(0);
    Connection::open(world.database()).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    world.run(&[]).exits(74).shows("exit_74_for_a_foreign_or_newer_store_2");
}

#[test]
fn exit_74_for_a_corrupted_store() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::EDGE_CASE_PLAYLIST]));
    world.run(&[]).exits(0);
    let mut bytes = std::fs::read(world.database()).unwrap();
    let pages = bytes.len() / 4096;
    for page in 3..pages {
        bytes[page * 4096..page * 4096 + 64].fill(0xa5);
    }
    std::fs::write(world.database(), &bytes).unwrap();
    world.sandbox.clear_log();
    world.run(&[]).exits(74).shows("exit_74_for_a_corrupted_store");
    assert_eq!(std::fs::read(world.database()).unwrap(), bytes);
    assert_eq!(world.sandbox.log().len(), 0);
}

#[test]
fn exit_74_for_another_host_or_state_folder() {
    let world = plain();
    world.run(&[]).exits(0);
    let other = world.project.root().join("elsewhere");
    let other = other.to_str().unwrap();
    world.run(&["--state-dir", other]).exits(74).says(other).shows("exit_74_for_another_host_or_state_folder");
    let path = world.project.root().join("config/cratedigger.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    let api = world.sandbox.api_url();
    std::fs::write(&path, settings.replace(&api, "http://127.0.0.1:9/v1")).unwrap();
    let host = api.trim_start_matches("http://").trim_end_matches("/v1").to_owned();
    world.run(&[]).exits(74).says(&host).shows("exit_74_for_another_host_or_state_folder_2");
}

#[test]
fn replaced_state_folder_is_named_once() {
    let world = plain();
    world.run(&[]).exits(0);
    let folder = world.project.root().join(".local/state/cratedigger");
    std::fs::rename(&folder, world.project.root().join("former")).unwrap();
    world.run(&[]).exits(74).shows("replaced_state_folder_is_named_once");
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::rename(world.project.root().join("former"), &folder).unwrap();
    world.run(&[]).exits(0);
}

#[test]
fn empty_store_has_no_owner() {
    let world = plain();
    let path = world.project.root().join("config/cratedigger.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, settings.replace(&world.sandbox.accounts_url(), "http://127.0.0.1:1")).unwrap();
    world.run(&[]).exits(1);
    std::fs::write(&path, settings).unwrap();
    world.run(&[]).exits(0);
}

#[test]
fn exit_74_for_a_full_disk_keeps_commits() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::LARGE_PLAYLIST]));
    let binary = env!("CARGO_BIN_EXE_cratedigger");
    // A limit on file sizes. The signal is ignored, so that writing fails as on a full disk.
    let script = format!("trap '' XFSZ; ulimit -f 6000; exec {binary} run");
    let mut command = std::process::Command::new("bash");
    command.args(["-c", &script]).current_dir(world.project.root()).env_clear().env("HOME", world.project.root());
    command.env("SPOTIFY_CLIENT_ID", "sandbox-client").env("SPOTIFY_CLIENT_SECRET", "sandbox-secret");
    ran(&mut command).exits(74).says("cratedigger.db");
    assert_eq!(world.one("PRAGMA integrity_check"), "ok");
    let staged: usize = world.one("SELECT count(*) FROM staged_items").parse().unwrap();
    let reached: usize = world.one("SELECT next_offset FROM checkpoints").parse().unwrap();
    assert!(staged > 0 && staged == reached, "{staged} rows of {reached}");
    world.new_calls();
    world.run(&[]).exits(0);
    assert!(world.new_calls().len() < 503 - reached / 100 + 3);
    assert_eq!(world.csv("playlist_items.csv").len(), fixtures::LARGE_PLAYLIST_ITEMS);
}

#[test]
fn exit_75_for_a_running_job_sends_nothing() {
    let job = format!("schedule = \"0 6 1 1 *\"\n{}", by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    let world = World::extended().job(&job);
    world.sandbox.inject(Fault::on_path("/v1/playlists/*/tracks", FaultAction::Latency { ms: 1_500 }).times(1));
    let first = world.spawn(&[]);
    world.wait_for_calls(1);
    // The paused run keeps its lock and sends nothing while the others run.
    pause(&world, &first);
    std::thread::sleep(Duration::from_millis(200));
    let before = world.calls().len();
    world.run(&[]).exits(75).shows("exit_75_for_a_running_job_sends_nothing");
    world.run(&["--ok-if-deferred"]).exits(0);
    let json = world.run(&["--json"]).exits(75).json();
    assert_eq!((&json["state"], &json["running"][0]), (&"deferred".into(), &"x".into()));
    let due = world.run(&["--due"]).exits(0);
    assert_eq!(due.stderr, "");
    assert_eq!(world.calls().len(), before);
    signal(&first, "CONT");
    ended(first).exits(0);
}

#[test]
fn exit_75_for_a_long_ban_sends_nothing() {
    let job = format!("schedule = \"* * * * *\"\n{}", by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    let world = World::extended().job(&job);
    world
        .sandbox
        .inject(Fault::on_path("/v1/*", FaultAction::rate_limited(RetryAfterHeader::Seconds(86_400))).times(1));
    let ran = world.run(&[]).exits(75).shows("exit_75_for_a_long_ban_sends_nothing");
    ran.sat_out_nothing();
    let not_before = world.one("SELECT not_before FROM runs");
    assert!(not_before > chrono::Utc::now().to_rfc3339());
    world.sandbox.clear_log();
    for _ in 0..10 {
        world.run(&[]).exits(75).shows("exit_75_for_a_long_ban_sends_nothing_2");
    }
    let due = world.run(&["--due"]).exits(0);
    assert_eq!((due.stdout.as_str(), due.stderr.as_str()), ("", ""), "a known ban is not reported again");
    assert_eq!(world.sandbox.log().len(), 0, "no request, not even for a token");
    let json = world.run(&["--json"]).exits(75).json();
    assert_eq!(json["state"], "deferred");
    assert!(json["not_before"].as_str().is_some());
}

#[test]
fn short_wait_is_waited_out() {
    let world = plain();
    world
        .sandbox
        .inject(Fault::on_path("/v1/*/tracks", FaultAction::rate_limited(RetryAfterHeader::Seconds(2))).times(1));
    let ran = world.run(&[]).exits(0).says("waiting: ");
    assert!(ran.took >= Duration::from_secs(2), "{:?}", ran.took);
    assert_eq!(world.csv("playlist_items.csv").len(), 120);
}

#[test]
fn spent_quota_parks_one_family_only() {
    let job = [
        fetch("artist_albums", &format!("name = \"releases\"\nids = [\"{}\"]", fixtures::BUSY_ARTIST)),
        fetch("albums", "from = \"releases\""),
        by_ids("tracks", &[fixtures::PLAIN_TRACK]),
        by_ids("playlist_items", &["0000000000000000000000"]),
    ];
    let world = World::extended().job(&job.concat());
    world.sandbox.inject(Fault::on_path("/v1/artists/*/albums", FaultAction::quota_exceeded(50_000)));
    let ran = world.run(&[]).exits(3).shows("spent_quota_parks_one_family_only");
    assert_eq!(ran.stderr.matches("quota for calls to artist_albums").count(), 1, "reported once: {}", ran.stderr);
    assert_eq!(world.csv("tracks.csv").len(), 1);
    assert_eq!(world.one("SELECT state FROM runs"), "deferred", "deferred, because the quota ends later");
    assert_ne!(world.one("SELECT not_before FROM runs"), "-");
    world.new_calls();
    // No run has ended yet, so the playlist that was not found is reported again.
    world.run(&[]).exits(3).shows("spent_quota_parks_one_family_only_2");
    assert_eq!(world.new_calls(), [""; 0], "neither stored nor deferred items are requested");
}

#[test]
fn exit_77_names_the_variable() {
    let world = plain();
    let ran = ran_without_credentials(&world, &["run"]).exits(77);
    assert_output("exit_77_names_the_variable", &ran.stderr);
    let mut wrong = world.command(&["run"]);
    wrong.env("SPOTIFY_CLIENT_SECRET", "wrong");
    let refused = crate::support::world::ran(&mut wrong).exits(77).shows("exit_77_names_the_variable_2");
    assert!(!refused.stderr.contains("\"wrong\""), "{}", refused.stderr);
    let mut wrong = world.command(&["run"]);
    wrong.env("SPOTIFY_CLIENT_ID", "wrong");
    crate::support::world::ran(&mut wrong).exits(77).shows("exit_77_names_the_variable_3");
}

#[test]
fn token_is_renewed_in_the_middle_of_a_run() {
    let world = plain();
    world.sandbox.inject(Fault::on_path("/v1/*/tracks", FaultAction::status(401)).times(1));
    world.run(&[]).exits(0);
    let tokens = world.sandbox.log().iter().filter(|seen| seen.path == "/api/token").count();
    assert_eq!(tokens, 2);
    assert_eq!(world.csv("playlist_items.csv").len(), 120);
    let world = plain();
    world.sandbox.inject(Fault::on_path("/v1/*/tracks", FaultAction::status(401)));
    world.run(&[]).exits(77).shows("token_is_renewed_in_the_middle_of_a_run");
}

#[test]
fn two_processes_start_on_an_empty_folder() {
    for _ in 0..5 {
        let world = World::extended();
        for name in ["a", "b", "c"] {
            world.project.write(&format!("jobs/{name}.toml"), by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
        }
        let all: Vec<_> = ["a", "b", "c"].iter().map(|name| world.spawn(&[name])).collect();
        for child in all {
            ended(child).exits(0);
        }
        for name in ["a", "b", "c"] {
            let path = world.project.root().join(format!("output/csv/{name}/playlist_items.csv"));
            assert_eq!(csv::Reader::from_path(path).unwrap().records().count(), 120);
        }
        assert_eq!(world.one("PRAGMA integrity_check"), "ok");
        assert_eq!(world.one("SELECT count(*) FROM runs WHERE state = 'complete'"), "3");
    }
}

#[test]
fn run_waits_for_another_reader_or_writer() {
    let world = plain();
    world.run(&[]).exits(0);
    let analyst = Connection::open(world.database()).unwrap();
    analyst.execute_batch("BEGIN; SELECT count(*) FROM playlist_items;").unwrap();
    world.run(&["--full"]).exits(0);
    analyst.execute_batch("COMMIT; BEGIN IMMEDIATE;").unwrap();
    let child = world.spawn(&["--full"]);
    std::thread::sleep(Duration::from_secs(1));
    analyst.execute_batch("ROLLBACK").unwrap();
    ended(child).exits(0);
}

#[test]
fn only_the_group_may_read_the_output() {
    let world = plain();
    world.run(&[]).exits(0);
    let mode = |path: &str| std::fs::metadata(world.project.root().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("output/cratedigger.db"), 0o640);
    assert_eq!(mode("output/csv/x/playlist_items.csv"), 0o640);
    assert_eq!(mode("output/csv/x"), 0o750);
}

#[test]
fn json_logs_are_json_and_quiet_is_silent() {
    let world = plain();
    let ran = world.run(&["-q"]).exits(0);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""));
    let job = by_ids("playlist_items", &["0000000000000000000000", fixtures::HOME_PLAYLIST]);
    let world = world.job(&job);
    for args in [&["--log-format", "json"][..], &["--log-format", "json", "nonsense"]] {
        let ran = world.run(args);
        assert!(!ran.stderr.is_empty());
        for line in ran.stderr.lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
            assert!(event["level"].is_string());
        }
    }
    let json = world.run(&["--json"]).exits(0);
    assert_eq!(json.stdout.lines().count(), 1);
    let value = json.json();
    assert_eq!((&value["state"], &value["exit_code"]), (&"complete".into(), &0.into()));
    assert!(value["files"][0]["path"].is_string());
}

#[test]
fn control_characters_never_reach_the_terminal() {
    let world = plain();
    let message = "no\u{1b}[2J\u{1b}]0;owned\u{7} such \u{202e}list\nERROR forged";
    let action = FaultAction::Status {
        code: 404,
        body: Default::default(),
        retry_after: RetryAfterHeader::None,
        message: Some(message.to_owned()),
        reason: None,
    };
    world.sandbox.inject(Fault::on_path("/v1/*", action));
    let ran = world.run(&["-vv"]).exits(3);
    assert!(!ran.stderr.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", ran.stderr);
    assert!(!ran.stderr.lines().any(|line| line.starts_with("ERROR forged")));
}

#[test]
fn second_signal_stops_at_once() {
    let slow = || {
        let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
        world.sandbox.inject(Fault::on_path("/v1/playlists/*", FaultAction::Latency { ms: 3_000 }));
        let child = world.spawn(&[]);
        world.wait_for_calls(1);
        (world, child)
    };
    // A signal to the process and to its group, as `timeout` sends it.
    let (world, child) = slow();
    signal(&child, "TERM");
    std::thread::sleep(std::time::Duration::from_millis(100));
    signal(&child, "TERM");
    let ran = ended(child).exits(75);
    assert!(!ran.stderr.contains("stopped at once"), "{}", ran.stderr);
    assert_eq!(world.one("SELECT state FROM runs"), "deferred");
    let (world, child) = slow();
    signal_until_end(child, "TERM").exits(75).shows("second_signal_stops_at_once");
    assert_eq!(world.one("SELECT state FROM runs"), "running");
}
