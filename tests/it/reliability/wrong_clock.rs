//! Runs on a machine with a wrong clock: the process is shown another time.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use serde_json::json;
use spotify_sandbox::{Fault, FaultAction, fixtures};

use crate::store::maintenance::edit;
use crate::support::moved_clock::clock;
use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::world::{Ran, World, by_ids, fetch, ran};

const DAY: i64 = 86_400;

/// A run a number of seconds from now.
fn at(world: &World, seconds: i64, args: &[&str]) -> Ran {
    let mut command = world.command(args);
    let ran = ran(command.env("LD_PRELOAD", clock()).env("CLOCK_OFFSET", seconds.to_string()));
    let began: chrono::DateTime<chrono::Utc> =
        world.one("SELECT started_at FROM runs ORDER BY id DESC LIMIT 1").parse().unwrap();
    let off = (began - chrono::Utc::now()).num_seconds() - seconds;
    assert!(off.abs() <= 60, "the clock is off by {off} s");
    ran
}

fn change(world: &World) {
    edit(world, json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 5, "count": 1}));
}

#[test]
fn rows_read_under_a_wrong_clock_are_read_again() {
    for wrong in [2 * 3_600, 10 * DAY, 1_100 * DAY, -3, -2 * 3_600, -10 * DAY] {
        let job = [
            by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]),
            by_ids("tracks", &[fixtures::PLAIN_TRACK]),
            fetch("markets", ""),
        ];
        let world = World::extended().job(&job.concat());
        for (clock, rows) in [(0, 120), (wrong, 119), (0, 118), (0, 117)] {
            at(&world, clock, &["run"]).exits(0);
            assert_eq!(world.csv("playlist_items.csv").len(), rows, "{wrong} s, now {clock}");
            change(&world);
        }
        world.sandbox.clear_log();
        world.run(&[]).exits(0);
        assert_eq!(
            world.sandbox.log().iter().filter(|call| call.family.contains("/tracks/")).count(),
            0,
            "fresh again"
        );
        world.cli(&["verify"]).exits(0);
        assert_eq!(world.one("SELECT count(*) FROM runs"), "5", "nothing was deleted because of a wrong age");
    }
}

#[test]
fn run_over_a_clock_step_keeps_its_own_rows() {
    let job = [fetch("markets", ""), by_ids("playlist_items", &[fixtures::HOME_PLAYLIST])];
    let world = World::extended().job(&job.concat());
    at(&world, 3, &["run"]).exits(0);
    change(&world);
    world.sandbox.inject(Fault::on_path("/v1/markets", FaultAction::Latency { ms: 3_500 }).times(1));
    world.run(&["--full"]).exits(0);
    assert_eq!(world.csv("playlist_items.csv").len(), 119);
}

#[test]
fn history_order_survives_a_clock_set_back() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    let us = format!("market = \"US\"\n{}", by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.project.write("jobs/us.toml", &us);
    let rename = |name: &str| edit(&world, json!({"do": "rename", "playlist": fixtures::HOME_PLAYLIST, "name": name}));
    world.run(&[]).exits(0);
    rename("Ahead");
    change(&world);
    at(&world, 10 * DAY, &["run"]).exits(0);
    rename("Right again");
    change(&world);
    world.run(&[]).exits(0);
    world.cli(&["run", "us"]).exits(0);
    change(&world);
    world.cli(&["run", "us"]).exits(0);
    let rows = std::fs::read_to_string(world.project.root().join("output/csv/us/playlist_items.csv")).unwrap();
    assert_eq!(rows.lines().count(), 118);
    world.cli(&["export", "us"]).exits(0).shows("history_order_survives_a_clock_set_back");
    world.cli(&["verify"]).exits(0);
    let shown = world.cli(&["show", fixtures::HOME_PLAYLIST]).exits(0).stdout;
    assert_output("history_order_survives_a_clock_set_back_2", &shown);
    let printed = world.cli(&["diff", "x", "--since", "2020-01-01"]).exits(0).stdout;
    let order: Vec<usize> =
        ["to \"Ahead\"", "to \"Right again\""].iter().map(|name| printed.find(name).unwrap()).collect();
    assert!(order[0] < order[1], "{printed}");
}
