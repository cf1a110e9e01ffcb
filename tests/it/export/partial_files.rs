//! A fetch that is interrupted before it has ever finished shows what is whole so far, if the job wants it.

use spotify_sandbox::fixtures;

use crate::support::world::{World, by_ids};

const PLAYLISTS: [&str; 3] = [fixtures::HOME_PLAYLIST, fixtures::FOREIGN_PLAYLIST, fixtures::EDGE_CASE_PLAYLIST];

fn job(key: &str) -> String {
    format!("{key}{}", by_ids("playlist_items", &PLAYLISTS))
}

fn rows_of(world: &World, playlist: &str) -> usize {
    world.column("playlist_items.csv", "playlist_id").iter().filter(|id| *id == playlist).count()
}

#[test]
fn interrupted_first_fetch_shows_whole_lists() {
    let world = World::extended().job(&job("publish_partial = true\n"));
    let first =
        world.run(&["--max-calls", "3"]).exits(75).says("the files of playlist_items have what is whole so far");
    assert!(first.stderr.contains("deferred"), "{}", first.stderr);
    let expected = |id: &str| world.sandbox.catalog().expected_rows(id).unwrap().len();
    let read: Vec<usize> = PLAYLISTS.iter().map(|id| rows_of(&world, id)).collect();
    assert!(read.iter().sum::<usize>() > 0 && read.contains(&0), "{read:?}");
    for (id, rows) in PLAYLISTS.iter().zip(&read) {
        assert!(*rows == 0 || *rows == expected(id), "{id}: {rows}");
    }
    let package: serde_json::Value = serde_json::from_slice(&world.csv_bytes("datapackage.json")).unwrap();
    assert_eq!(package["run"]["state"], "deferred", "{package}");
    world.cli(&["verify"]).exits(0);
    world.cli(&["export"]).exits(0);
    assert_eq!(PLAYLISTS.iter().map(|id| rows_of(&world, id)).collect::<Vec<_>>(), read);
    // A run that comes less far takes nothing away.
    world.run(&["--max-calls", "1"]).exits(75);
    assert!(PLAYLISTS.iter().zip(&read).all(|(id, rows)| rows_of(&world, id) >= *rows));
    let last = world.run(&[]).exits_one_of(&[0, 3]);
    assert!(!last.stderr.contains("so far"), "{}", last.stderr);
    for id in PLAYLISTS {
        assert_eq!(rows_of(&world, id), expected(id), "{id}");
    }
    // From now on, the files of an interrupted fetch stay as they are.
    let before = world.csv_bytes("playlist_items.csv");
    let rename = serde_json::json!({"do": "rename", "playlist": fixtures::HOME_PLAYLIST, "name": "Other"});
    world.sandbox.catalog().edit(serde_json::from_value(rename).unwrap()).unwrap();
    let again = world.run(&["--full", "--max-calls", "1"]).exits(75);
    assert!(!again.stderr.contains("so far"), "{}", again.stderr);
    assert_eq!(world.csv_bytes("playlist_items.csv"), before);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn other_jobs_show_finished_fetches_only() {
    for key in ["", "publish_partial = false\n"] {
        let world = World::extended().job(&job(key));
        world.run(&["--max-calls", "3"]).exits(75);
        assert!(!world.csv_path("playlist_items.csv").exists(), "{key}");
        world.cli(&["export"]).exits(0);
        assert!(!world.csv_path("playlist_items.csv").exists(), "{key}");
        world.run(&[]).exits_one_of(&[0, 3]);
        // A partial run writes no file if the job says so.
        assert_eq!(
            world.csv_path("playlist_items.csv").exists(),
            key.is_empty() || world.one("SELECT state FROM runs ORDER BY id DESC LIMIT 1") == "complete"
        );
    }
}
