//! A store that was restored from a backup is older than the files with a date in their names.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use serde_json::json;
use spotify_sandbox::fixtures;

use crate::store::maintenance::edit;
use crate::support::moved_clock::clock;
use crate::support::world::{Ran, World, by_ids, ran};

fn run_on_day(world: &World, day: i64) -> Ran {
    let mut command = world.command(&["run"]);
    ran(command.env("LD_PRELOAD", clock()).env("CLOCK_OFFSET", (day * 86_400).to_string()))
}

fn remove_item(world: &World) {
    edit(world, json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 1, "count": 1}));
}

fn dated_files(world: &World) -> usize {
    std::fs::read_dir(world.csv_path(""))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "csv"))
        .count()
}

#[test]
fn files_newer_than_the_store_are_recorded() {
    for has_record in [true, false] {
        let items = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]);
        let world = World::extended().settings("[retention]\ndated_csv = \"30d\"");
        let world = world.job(&format!("{items}csv = \"items-{{date}}.csv\"\n"));
        // The backup knows the file of day 1 with other content, or not at all.
        run_on_day(&world, i64::from(has_record)).exits(0);
        world.cli(&["backup", "copy.db"]).exits(0);
        remove_item(&world);
        run_on_day(&world, 1).exits(0);
        let copy = world.project.root().join("copy.db");
        for suffix in ["-wal", "-shm"] {
            drop(std::fs::remove_file(format!("{}{suffix}", world.database().display())));
        }
        std::fs::copy(copy, world.database()).unwrap();

        remove_item(&world);
        run_on_day(&world, 2).exits(0);
        let found = world.cli(&["verify", "--json"]).exits(0).json();
        assert_eq!(found["files"]["findings"], json!([]), "{has_record}");
        assert_eq!(world.one("SELECT count(*) FROM published_files WHERE job = 'x'"), dated_files(&world).to_string());

        // Files that are too old are deleted, and nothing is left that no run knows.
        run_on_day(&world, 40).exits(0);
        assert_eq!(dated_files(&world), 1, "{has_record}");
        let found = world.cli(&["verify", "--json"]).exits(0).json();
        assert_eq!(found["files"]["findings"], json!([]), "{has_record}");
    }
}
