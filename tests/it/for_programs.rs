//! What commands say, to programs and to people, where the store or the books cannot be opened.

use std::time::{Duration, Instant};

use cratedigger::sandbox::{Action, Fault, known};
use rusqlite::Connection;

use crate::world::{HUNG, World, by_ids, ended};

fn plain() -> World {
    World::extended().job(&by_ids("tracks", &[known::PLAIN_TRACK]))
}

/// Every command that answers programs, with what it needs to get as far as the store.
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
fn a_program_gets_one_object_from_every_command_that_cannot_open_its_store_or_its_books() {
    let fails = |world: &World, args: &[&str]| {
        let ran = world.cli(&[args, &["--json"]].concat());
        let said: serde_json::Value = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|e| panic!("{args:?}: {e}: {:?} {}", ran.stdout, ran.stderr));
        assert_eq!(ran.stdout.lines().count(), 1, "{args:?}: {}", ran.stdout);
        assert_eq!(ran.code, 74, "{args:?}: {} {}", ran.stdout, ran.stderr);
        assert_eq!((&said["state"], &said["exit_code"]), (&"failed".into(), &74.into()), "{args:?}: {said}");
        said
    };
    let world = plain();
    world
        .project
        .write("output/cratedigger.db", "this is no database, but it is long enough to be looked at".repeat(20));
    for args in FOR_PROGRAMS {
        let said = fails(&world, args);
        let whole = said["error"].as_str().or(said["errors"][0].as_str()).unwrap_or_default().to_owned();
        assert!(whole.contains("is not a cratedigger store"), "{args:?}: {said}");
    }
    let said = fails(&world, &["run"]);
    assert!(said["runs"].as_array().unwrap().is_empty() && said["calls"] == 0 && said["hint"].is_string(), "{said}");
    // The ledger is the same to it.
    let world = plain();
    world.run(&[]).exits(0);
    let ledger = world.project.root().join(".local/state/cratedigger/state.db");
    assert!(ledger.exists(), "where the books lie");
    std::fs::write(&ledger, "no ledger").unwrap();
    for args in [&["run"][..], &["quota"], &["export"]] {
        fails(&world, args);
    }
    let said = world.cli(&["run", "nothing", "--json"]).exits(2).json();
    assert_eq!((&said["state"], &said["exit_code"]), (&"failed".into(), &2.into()), "{said}");
}

#[test]
fn a_store_of_another_program_gets_the_same_hint_from_every_command() {
    let world = plain();
    world
        .project
        .write("output/cratedigger.db", "this is no database, but it is long enough to be looked at".repeat(20));
    for args in FOR_PROGRAMS {
        world.cli(args).exits(74).says("hint: move the file away");
    }
}

#[test]
fn history_tells_programs_how_each_run_ended_and_what_it_stored() {
    let world = World::extended().job(&by_ids("tracks", &[known::PLAIN_TRACK, "0SandboxNoSuchTrack000"]));
    world.run(&[]).exits(3);
    let run = world.cli(&["history", "--json"]).exits(0).json()["runs"][0].clone();
    assert_eq!((&run["exit_code"], &run["stored"], &run["skipped"]), (&3.into(), &1.into(), &1.into()), "{run}");
}

#[test]
fn it_is_said_that_a_store_is_waited_for_by_each_run_of_a_process() {
    let world = plain();
    world.project.write("jobs/y.toml", by_ids("artists", &[known::BUSY_ARTIST]));
    world.run(&[]).exits(0);
    // The first run of the process has ended when the store is taken, and the second waits for an answer.
    world.sandbox.inject(Fault::on("/v1/artists*", Action::Latency { ms: 3_000 }));
    let other = Connection::open(world.database()).unwrap();
    let child = world.spawn(&["x", "y", "--full"]);
    let began = Instant::now();
    while world.one("SELECT count(*) FROM runs WHERE job = 'y'") != "2" {
        assert!(began.elapsed() < HUNG, "y has not begun");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(world.one("SELECT count(*) FROM runs WHERE job = 'x' AND state = 'complete'"), "2");
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::sleep(Duration::from_secs(10));
    other.execute_batch("COMMIT").unwrap();
    let waited = ended(child).exits(0).says("another program holds the store; waiting for it, each time for a minute");
    assert_eq!(waited.stderr.matches("another program holds").count(), 1, "{}", waited.stderr);
}
