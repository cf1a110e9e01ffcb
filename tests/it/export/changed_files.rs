//! Many files from one store: only files with changed rows are rendered. `run_id` of
//! `published_files` says which run last rendered a file.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use spotify_sandbox::{PlaylistEdit, QuotaMode, SandboxOptions};

use crate::support::world::{World, by_ids};

const LISTS: usize = 12;
const ITEMS: usize = 40;

/// Playlists of the large project, in jobs with the largest allowed number of `[[fetch]]` tables.
const MANY: usize = 1_000;
const FETCHES: usize = 200;

/// A file for each of some playlists that share tracks, and their ids.
fn apart(tracks: usize) -> (World, Vec<String>) {
    let options = SandboxOptions {
        mode: QuotaMode::Extended,
        tracks,
        playlists: LISTS,
        playlist_items: ITEMS,
        ..SandboxOptions::default()
    };
    let world = World::with(options);
    let ids = world.sandbox.catalog().playlist_ids();
    let ids = ids[ids.len() - LISTS..].to_vec();
    let job = each(0, &ids);
    (world.job(&job), ids)
}

/// A job with a file for each of these playlists, numbered from `first`.
fn each(first: usize, ids: &[String]) -> String {
    let fetch = |(n, id): (usize, &String)| {
        format!("[[fetch]]\nname = \"list_{}\"\nstream = \"playlist_items\"\nids = [{id:?}]\n", first + n)
    };
    ids.iter().enumerate().map(fetch).collect()
}

/// Numbers of the lists with files that the newest run rendered.
fn rendered(world: &World) -> BTreeSet<usize> {
    let sql = "SELECT source FROM published_files WHERE run_id = (SELECT max(id) FROM runs) AND job = 'x'";
    world.rows(sql).iter().map(|row| row[0].trim_start_matches("list_").parse().unwrap()).collect()
}

fn files(world: &World) -> BTreeMap<usize, Vec<u8>> {
    (0..LISTS).map(|n| (n, world.csv_bytes(&format!("list_{n}.csv")))).collect()
}

/// Checks that the files are the same as after a complete export from the store.
fn hold_what_the_store_holds(world: &World) {
    let before = files(world);
    std::fs::remove_dir_all(world.csv_path("list_0.csv").parent().unwrap()).unwrap();
    world.cli(&["export"]).exits(0);
    assert!(before == files(world), "an outdated file was not rendered");
}

fn remove(world: &World, playlist: &str, position: usize) {
    let edit = PlaylistEdit::Remove { playlist: playlist.to_owned(), position, count: 1 };
    world.sandbox.catalog().edit(edit).unwrap();
}

#[test]
fn only_the_changed_playlist_is_rendered() {
    let (world, ids) = apart(300);
    world.run(&[]).exits(0);
    assert_eq!(rendered(&world).len(), LISTS);
    world.run(&[]).exits(0);
    assert_eq!(rendered(&world), BTreeSet::new());

    remove(&world, &ids[3], 0);
    world.run(&[]).exits(0);
    assert_eq!(rendered(&world), BTreeSet::from([3]));
    hold_what_the_store_holds(&world);

    // This track is new to the store and affects only this file.
    let known = world.rows("SELECT id FROM tracks").concat();
    let all = world.sandbox.catalog().ids();
    let strange = all["tracks"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned());
    let strange = strange.into_iter().find(|id| !known.contains(id)).unwrap();
    let edit = PlaylistEdit::Insert { playlist: ids[5].clone(), position: 1, items: vec![Some(strange)] };
    world.sandbox.catalog().edit(edit).unwrap();
    world.run(&[]).exits(0);
    assert_eq!(rendered(&world), BTreeSet::from([5]));
    hold_what_the_store_holds(&world);

    let edit = PlaylistEdit::Rename { playlist: ids[7].clone(), name: "Another name".into() };
    world.sandbox.catalog().edit(edit).unwrap();
    world.run(&[]).exits(0);
    assert_eq!(rendered(&world), BTreeSet::from([7]));
    hold_what_the_store_holds(&world);
}

/// The number of files with each outcome in the `--json` of a command, and the files that were rendered.
fn outcomes(stdout: &str) -> (BTreeMap<String, usize>, Vec<String>) {
    let (mut counts, mut rendered) = (BTreeMap::new(), Vec::new());
    for line in stdout.lines() {
        let report: serde_json::Value = serde_json::from_str(line).unwrap();
        for file in report["files"].as_array().unwrap() {
            let outcome = file["outcome"].as_str().unwrap();
            *counts.entry(outcome.to_owned()).or_default() += 1;
            if outcome != "unchanged" {
                rendered.push(file["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned());
            }
        }
    }
    (counts, rendered)
}

/// Checks the number of rendered files with both commands that write files.
#[test]
fn one_of_a_thousand_files_is_rendered() {
    let options = SandboxOptions {
        mode: QuotaMode::Extended,
        tracks: 300,
        playlists: MANY,
        playlist_items: 5,
        ..SandboxOptions::default()
    };
    let world = World::with(options);
    let settings = std::fs::read_to_string(world.project.root().join("config/cratedigger.toml")).unwrap();
    world
        .project
        .write("config/cratedigger.toml", settings.replace("requests_per_second = 100", "requests_per_second = 1000"));
    let ids = world.sandbox.catalog().playlist_ids();
    let ids = &ids[ids.len() - MANY..];
    let jobs: Vec<String> = (0..MANY / FETCHES).map(|n| format!("each_{n}")).collect();
    for (n, job) in jobs.iter().enumerate() {
        let from = n * FETCHES;
        world.project.write(&format!("jobs/{job}.toml"), each(from, &ids[from..from + FETCHES]));
    }
    let words =
        |command: &[&str]| -> Vec<String> { command.iter().map(ToString::to_string).chain(jobs.clone()).collect() };
    let all = |command: &[&str]| {
        let words = words(command);
        let ran = world.cli(&words.iter().map(String::as_str).collect::<Vec<_>>()).exits(0);
        outcomes(&ran.stdout)
    };
    let one_of_many = BTreeMap::from([("unchanged".to_owned(), MANY - 1), ("written".to_owned(), 1)]);
    assert_eq!(all(&["run", "--quiet", "--json"]).0, BTreeMap::from([("written".to_owned(), MANY)]));

    remove(&world, &ids[777], 2);
    assert_eq!(all(&["run", "--quiet", "--json"]), (one_of_many.clone(), vec!["list_777.csv".to_owned()]));

    // Another job reads a list. An export finds the change in the store.
    remove(&world, &ids[333], 1);
    world.project.write("jobs/y.toml", by_ids("playlist_items", &[&ids[333]]));
    world.run(&["y"]).exits(0);
    assert_eq!(all(&["export", "--quiet", "--json"]), (one_of_many, vec!["list_333.csv".to_owned()]));
    assert_eq!(all(&["export", "--quiet", "--json"]).0, BTreeMap::from([("unchanged".to_owned(), MANY)]));
}

#[test]
fn other_jobs_make_no_file_stale() {
    let (world, ids) = apart(300);
    world.run(&["x"]).exits(0);
    let other = format!("[[fetch]]\nstream = \"playlist_items\"\nids = [{:?}]\n", ids[2]);
    world.project.write("jobs/y.toml", other);
    world.run(&["y"]).exits(0);
    world.run(&["x"]).exits(0);
    assert_eq!(rendered(&world), BTreeSet::new());
}

/// A track that Spotify renamed is read again with one list. Other lists with the track
/// are not read, but their files show the new name, too.
#[test]
fn change_reaches_every_file_that_shows_it() {
    for (table, column, of_track) in [
        ("tracks", "name", "SELECT id FROM tracks WHERE id = ?"),
        ("albums", "name", "SELECT album_id FROM tracks WHERE id = ?"),
        ("artists", "name", "SELECT artist_id FROM track_artists WHERE track_id = ? AND position = 0"),
    ] {
        let (world, ids) = apart(150);
        world.run(&[]).exits(0);
        let track = world.one(&format!(
            "SELECT track_id FROM playlist_items WHERE playlist_id = '{}' AND track_id IS NOT NULL ORDER BY position DESC LIMIT 1",
            ids[4]
        ));
        let thing = world.one(&of_track.replace('?', &format!("'{track}'")));
        // As if Spotify had used this name so far, and an older version had written it.
        let store = Connection::open(world.database()).unwrap();
        store.execute(&format!("UPDATE {table} SET {column} = 'As it was' WHERE id = ?1"), [&thing]).unwrap();
        drop(store);
        std::fs::remove_dir_all(world.csv_path("list_0.csv").parent().unwrap()).unwrap();
        world.cli(&["export"]).exits(0);
        let before = files(&world);

        remove(&world, &ids[4], 0);
        world.run(&[]).exits(0);
        let after = files(&world);
        let changed: BTreeSet<usize> = (0..LISTS).filter(|n| before[n] != after[n]).collect();
        assert!(changed.len() > 1, "{table}: only the list that was read");
        assert!(changed.contains(&4));
        assert_eq!(rendered(&world), changed, "{table}");
        hold_what_the_store_holds(&world);
        world.run(&[]).exits(0);
        assert_eq!(rendered(&world), BTreeSet::new(), "{table}");
    }
}
