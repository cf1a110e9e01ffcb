//! Output for programs and for people where the store or the ledger cannot be opened.

use std::io::BufRead as _;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use spotify_sandbox::{Fault, FaultAction, fixtures};

use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::world::{HUNG, World, by_ids, ended, fetch, signal_until_end};

fn plain() -> World {
    World::extended().job(&by_ids("tracks", &[fixtures::PLAIN_TRACK]))
}

/// Every command with output for programs, with the arguments that bring it as far as the store.
const FOR_PROGRAMS: &[&[&str]] = &[
    &["run"],
    &["run", "--due"],
    &["export"],
    &["history"],
    &["jobs"],
    &["plan"],
    &["verify"],
    &["backup", "copy.db"],
    &["compact"],
    &["reset", "x"],
    &["diff", "x", "--since", "1d"],
    &["show", "Kitchen radio"],
];

#[test]
fn unreadable_store_gives_one_json_object() {
    let fails = |world: &World, args: &[&str]| {
        let ran = world.cli(&[args, &["--json"]].concat());
        let said: serde_json::Value = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|e| panic!("{args:?}: {e}: {:?} {}", ran.stdout, ran.stderr));
        assert_eq!(ran.stdout.lines().count(), 1, "{args:?}: {}", ran.stdout);
        assert_eq!(ran.code, 74, "{args:?}: {} {}", ran.stdout, ran.stderr);
        is_a_failure(&said, 74);
        said
    };
    let world = plain();
    world
        .project
        .write("output/cratedigger.db", "this is no database, but it is long enough to be looked at".repeat(20));
    for args in FOR_PROGRAMS {
        let said = fails(&world, args);
        assert!(said["error"].as_str().unwrap().contains("is not a cratedigger store"), "{args:?}: {said}");
        assert!(said["hint"].as_str().unwrap().contains("move the file away"), "{args:?}: {said}");
    }
    let said = fails(&world, &["run"]);
    assert!(said["runs"].as_array().unwrap().is_empty() && said["calls"] == 0 && said["hint"].is_string(), "{said}");
    // The same with an unreadable ledger.
    let world = plain();
    world.run(&[]).exits(0);
    let ledger = world.project.root().join(".local/state/cratedigger/state.db");
    assert!(ledger.exists(), "the ledger exists");
    std::fs::write(&ledger, "no ledger").unwrap();
    for args in [&["run"][..], &["quota"], &["export"]] {
        fails(&world, args);
    }
    is_a_failure(&world.cli(&["run", "nothing", "--json"]).exits(2).json(), 2);
}

/// Checks the keys that every failure has.
#[track_caller]
fn is_a_failure(said: &serde_json::Value, code: i32) {
    assert_eq!((&said["state"], &said["exit_code"]), (&"failed".into(), &code.into()), "{said}");
    assert!(said["error"].is_string() && said["causes"].is_array(), "{said}");
    assert!(said["hint"].is_string() || said.as_object().unwrap()["hint"].is_null(), "{said}");
}

#[test]
fn usage_errors_have_the_failure_keys() {
    let world = plain();
    for args in [&["run", "--json", "--nosuch"][..], &["--json", "nosuch"], &["show", "--json"], &["--json"]] {
        let ran = world.cli(args).exits(2);
        is_a_failure(&ran.json(), 2);
        assert!(
            ran.stderr.contains("Usage:") && ran.json()["hint"].is_string(),
            "{args:?}: {} {}",
            ran.stdout,
            ran.stderr
        );
    }
    let said = world.cli(&["run", "--json", "--nosuch"]).json();
    assert_eq!(said["error"], "unexpected argument '--nosuch' found", "{said}");
    assert_eq!(world.cli(&["run", "--nosuch"]).exits(2).stdout, "");
    // A broken job: called by its name, nothing runs. Among others, the others run and the problem is reported.
    world.project.write("jobs/y.toml", "shedule = 1\n");
    for (args, runs) in [(&["run", "y", "--json"][..], 0), (&["run", "--json"], 1), (&["run", "--due", "--json"], 0)] {
        let said = world.cli(args).exits(2).json();
        is_a_failure(&said, 2);
        assert_eq!(said["runs"].as_array().unwrap().len(), runs, "{args:?}: {said}");
        assert!(said["error"].as_str().unwrap().starts_with("jobs/y.toml:1:1: "), "{args:?}: {said}");
        assert_eq!((&said["errors"][0], &said["problems"][0]["line"]), (&said["error"], &1.into()), "{args:?}: {said}");
    }
    std::fs::remove_file(world.project.root().join("jobs/y.toml")).unwrap();
    let said = world.run(&["--json"]).exits(0).json();
    assert_eq!((&said["error"], &said["hint"], &said["causes"]), (&().into(), &().into(), &serde_json::json!([])));
}

#[test]
fn stopped_run_reports_its_work_as_json() {
    let world = plain();
    world.project.write("jobs/y.toml", by_ids("artists", &[fixtures::BUSY_ARTIST]));
    world.run(&["x"]).exits(0);
    world.sandbox.inject(Fault::on_path("/v1/artists*", FaultAction::Latency { ms: 5_000 }));
    let child = world.spawn(&["x", "y", "--json"]);
    let began = Instant::now();
    // The call is logged when it arrives. Its answer takes seconds, which keeps the first signal from ending the run.
    while !world.calls().iter().any(|call| call.starts_with("/artists")) {
        assert!(began.elapsed() < HUNG, "y has not begun");
        std::thread::sleep(Duration::from_millis(20));
    }
    let ran = signal_until_end(child, "INT").exits(75).shows("stopped_run_reports_its_work_as_json");
    let said = ran.json();
    assert_eq!((&said["state"], &said["exit_code"]), (&"deferred".into(), &75.into()), "{said}");
    assert_eq!(said["error"], "stopped at once; committed data are kept", "{said}");
    assert_eq!((&said["runs"][0]["job"], &said["runs"][1]), (&"x".into(), &().into()), "{said}");
}

#[test]
fn failed_diff_is_one_json_object() {
    let releases = fetch("artist_albums", &format!("ids = [\"{}\"]", fixtures::BUSY_ARTIST));
    let world = World::extended().job(&[by_ids("playlist_items", &[fixtures::EDGE_CASE_PLAYLIST]), releases].concat());
    world.run(&[]).exits(0);
    let fails = |table: &str| {
        Connection::open(world.database()).unwrap().execute_batch(&format!("DROP TABLE {table}")).unwrap();
        let said = world.cli(&["diff", "x", "--since", "1d", "--json"]).exits(74).json();
        is_a_failure(&said, 74);
        assert!(said["error"].as_str().unwrap().contains("cratedigger.db cannot be read"), "{said}");
        assert!(said["causes"][0].as_str().unwrap().contains(table), "{said}");
        said["changes"].as_array().map(Vec::len)
    };
    let changes = fails("returned_members");
    assert!(changes.is_some_and(|count| count > 0), "printed changes stay: {changes:?}");
    let changes = fails("playlist_versions");
    assert!(changes.is_none(), "nothing was printed: {changes:?}");
}

#[test]
fn foreign_store_gets_one_hint_everywhere() {
    let world = plain();
    world
        .project
        .write("output/cratedigger.db", "this is no database, but it is long enough to be looked at".repeat(20));
    for args in FOR_PROGRAMS {
        world.cli(args).exits(74).shows("foreign_store_gets_one_hint_everywhere");
    }
}

#[test]
fn history_json_has_exit_code_and_rows() {
    let world = World::extended().job(&by_ids("tracks", &[fixtures::PLAIN_TRACK, "0SandboxNoSuchTrack000"]));
    world.run(&[]).exits(3);
    let run = world.cli(&["history", "--json"]).exits(0).json()["runs"][0].clone();
    assert_eq!((&run["exit_code"], &run["stored"], &run["skipped"]), (&3.into(), &1.into(), &1.into()), "{run}");
}

#[test]
fn waiting_for_the_store_is_reported() {
    let world = plain();
    world.project.write("jobs/y.toml", by_ids("artists", &[fixtures::BUSY_ARTIST]));
    world.run(&[]).exits(0);
    // The first run of the process has ended when the store is locked, and the second waits for an answer.
    world.sandbox.inject(Fault::on_path("/v1/artists*", FaultAction::Latency { ms: 3_000 }));
    let other = Connection::open(world.database()).unwrap();
    let mut child = world.spawn(&["x", "y", "--full"]);
    let stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let (sender, lines) = std::sync::mpsc::channel();
    std::thread::spawn(move || stderr.lines().try_for_each(|line| sender.send(line.unwrap())));
    let began = Instant::now();
    while world.one("SELECT count(*) FROM runs WHERE job = 'y'") != "2" {
        assert!(began.elapsed() < HUNG, "y has not begun");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(world.one("SELECT count(*) FROM runs WHERE job = 'x' AND state = 'complete'"), "2");
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let is_warning = |line: &String| line.contains(" WARN ");
    let warning = std::iter::from_fn(|| lines.recv_timeout(HUNG).ok()).find(is_warning).unwrap();
    assert_output("waiting_for_the_store_is_reported", &warning);
    other.execute_batch("COMMIT").unwrap();
    ended(child).exits(0);
    assert_eq!(lines.iter().filter(is_warning).count(), 0, "the warning comes once");
}
