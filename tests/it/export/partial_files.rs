//! A fetch that is interrupted before it has ever finished shows what is whole so far, if the job wants it.

use std::collections::BTreeSet;

use spotify_sandbox::fixtures;

use crate::support::world::{World, by_ids, fetch};
use crate::sync::users::signed_in;

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

#[test]
fn short_playlists_of_a_library_come_first() {
    let job = format!("publish_partial = true\nuser = \"home\"\n{}", fetch("my_playlist_items", ""));
    let world = signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)]);
    let some = world.run(&["--max-calls", "5"]).exits(75).says("have what is whole so far");
    let playlists = || world.column("my_playlist_items.csv", "playlist_id").into_iter().collect::<BTreeSet<_>>();
    assert!(playlists().len() > 1, "{:?}", playlists());
    assert!(!some.stderr.contains(" 0 of 1 read"), "{}", some.stderr);
    for playlist in playlists() {
        let expected = world.sandbox.catalog().expected_rows(&playlist).unwrap().len();
        let rows = world.column("my_playlist_items.csv", "playlist_id").iter().filter(|id| **id == playlist).count();
        assert_eq!(rows, expected, "{playlist}");
    }
    // The playlist of 50,020 items keeps no other one waiting.
    world.run(&["--max-calls", "60"]).exits(75);
    let others = "SELECT m.playlist_id FROM my_playlists m JOIN playlists p ON p.id = m.playlist_id
                  WHERE p.total_items BETWEEN 1 AND 1000 AND p.owner_id = m.user_id";
    let others: BTreeSet<String> = world.rows(others).into_iter().map(|mut row| row.remove(0)).collect();
    assert!(others.len() > 5, "{others:?}");
    assert!(others.is_subset(&playlists()), "{:?}", others.difference(&playlists()));
    assert!(!playlists().contains(fixtures::LARGE_PLAYLIST));
    let large = format!(
        "SELECT next_offset > 0 FROM checkpoints c JOIN lists l ON l.id = c.list_id WHERE l.parent_id = '{}'",
        fixtures::LARGE_PLAYLIST
    );
    assert_eq!(world.one(&large), "1");
    world.delete_large_playlist();
    world.run(&[]).exits_one_of(&[0, 3]);
    world.cli(&["verify"]).exits(0);
}

/// Runs the job `x` with few calls, and returns the number of rows after that and after the whole run.
fn rows_of_both_runs(world: &World, file: &str, calls: &str) -> (usize, usize) {
    world.run(&["--max-calls", calls]).exits(75).says("have what is whole so far");
    let some = world.csv(file).len();
    world.run(&[]).exits(0);
    (some, world.csv(file).len())
}

#[test]
fn stopped_parts_of_any_fetch_are_shown() {
    let key = "publish_partial = true\n";
    let world = World::development();
    let ids = world.sandbox.catalog().ids();
    let first = |kind: &str, count: usize| ids[kind].as_array().unwrap()[2..2 + count].to_vec();
    let job = |kind: &str, count: usize| {
        let ids = first(kind, count);
        let ids: Vec<&str> = ids.iter().map(|id| id.as_str().unwrap()).collect();
        let stream = if kind == "albums" { "album_tracks" } else { kind };
        format!("{key}{}", by_ids(stream, &ids))
    };
    let world = world.job(&job("tracks", 8));
    // The first call finds out that the app has no batches.
    assert_eq!(rows_of_both_runs(&world, "tracks.csv", "3"), (2, 8));
    let world = World::development().job(&job("albums", 6));
    let (some, all) = rows_of_both_runs(&world, "album_tracks.csv", "3");
    assert!(some > 0 && some < all, "{some} of {all}");
    let tops = fetch("top_tracks", "time_range = [\"short_term\", \"medium_term\", \"long_term\"]\n");
    let world = World::development().job(&format!("{key}user = \"home\"\n{tops}"));
    let world = signed_in(world, &[("home", fixtures::HOME_USER)]);
    let (some, all) = rows_of_both_runs(&world, "top_tracks.csv", "4");
    assert!(some > 0 && some < all, "{some} of {all}");
}
