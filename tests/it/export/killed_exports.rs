//! Exports that are killed between any two steps, with names that change from day to day: after the next run the files,
//! the records and the data package agree again.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use serde_json::json;
use spotify_sandbox::fixtures;

use crate::store::maintenance::edit;
use crate::support::moved_clock::clock;
use crate::support::strace::{At, Blow, can_inject};
use crate::support::world::{Ran, World, by_ids, ran};

const DAY: i64 = 86_400;

/// A run on a later day.
fn run_on_day(world: &World, day: i64) -> Ran {
    let mut command = world.command(&["run"]);
    ran(command.env("LD_PRELOAD", clock()).env("CLOCK_OFFSET", (day * DAY).to_string()))
}

fn findings(world: &World) -> serde_json::Value {
    world.cli(&["verify", "--json"]).exits(0).json()["files"]["findings"].clone()
}

/// A job with files that have the same name every day, a date in the name, or a date in the folder.
fn job() -> String {
    let items = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]);
    format!(
        "xlsx = true\n{items}csv = \"items-{{date}}.csv\"\njsonl = true\nparquet = true\n{}name = \"folder\"\ncsv = \"{{date}}/items.csv\"\n\
         [[query]]\ncsv = \"plain.csv\"\nsql = \"SELECT position, track_name FROM playlist_items\"\n[report]\n",
        by_ids("playlist_items", &[fixtures::HOME_PLAYLIST])
    )
}

#[test]
fn next_run_repairs_a_kill_at_every_step() {
    if !can_inject() {
        return;
    }
    let world = World::extended().job(&job());
    run_on_day(&world, 0).exits(0);
    // Most syncs are those of the store and the ledger, so a sample of them is enough.
    for (calls, step) in [("renameat,renameat2,unlinkat", 1), ("fsync,fdatasync", 6)] {
        for nth in (1..).step_by(step) {
            // The next day comes after the kill: no later run writes the files of this day again.
            edit(&world, json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 1, "count": 1}));
            let killed = world.struck(&["run"], At { calls, path: None, nth }, Blow::Kill);
            world.cli(&["verify"]).exits(0);
            edit(&world, json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 1, "count": 1}));
            run_on_day(&world, 1).exits(0);
            assert_eq!(findings(&world), json!([]), "killed at call {nth} of {calls}");
            let home = |track: &str| json!({"do": "insert", "playlist": fixtures::HOME_PLAYLIST, "position": 50, "items": [track, track]});
            edit(&world, home(fixtures::PLAIN_TRACK));
            std::fs::remove_dir_all(world.csv_path("")).unwrap();
            world.run(&[]).exits(0);
            if killed.code != -1 {
                assert!(nth > 4, "only {nth} calls of {calls}");
                break;
            }
        }
    }
}
