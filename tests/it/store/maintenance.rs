//! The commands that maintain and show the store: `backup`, `compact`, `reset`, `diff`, `show`.

use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;
use spotify_sandbox::{Fault, FaultAction, PlaylistEdit, QuotaMode, SandboxOptions, fixtures};

use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::world::{World, by_ids, ended, fetch, pause, signal};

/// Edits a playlist of the sandbox.
pub fn edit(world: &World, json: serde_json::Value) {
    let edit: PlaylistEdit = serde_json::from_value(json).unwrap();
    world.sandbox.catalog().edit(edit).unwrap();
}

pub fn home() -> World {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.run(&[]).exits(0);
    world
}

/// Runs SQL on the store behind the program's back.
pub fn tamper(world: &World, sql: &str) {
    Connection::open(world.database()).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn backup_during_a_run_is_complete() {
    let world =
        World::with(SandboxOptions { mode: QuotaMode::Extended, playlist_items: 900, ..SandboxOptions::default() });
    let ids = world.sandbox.catalog().playlist_ids();
    let long = |id: &&String| world.sandbox.catalog().expected_rows(id).is_some_and(|rows| rows.len() == 900);
    let ids: Vec<String> = ids.iter().filter(long).cloned().collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let world = world.job(&by_ids("playlist_items", &ids));
    let child = world.spawn(&[]);
    let mut copies = 0;
    while world.calls().len() < 80 {
        if !world.database().exists() {
            continue;
        }
        let copy = format!("copy{copies}.db");
        let ran = world.cli(&["backup", &copy]);
        if ran.code != 0 {
            // The file exists a moment before its schema does.
            assert!(copies == 0, "{}", ran.stderr);
            continue;
        }
        let store = Connection::open(world.project.root().join(&copy)).unwrap();
        let said: String = store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(said, "ok");
        let torn = "SELECT count(*) FROM (SELECT playlist_id FROM playlist_items GROUP BY 1 HAVING count(*) <> max(position) + 1)";
        assert_eq!(store.query_row(torn, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
        copies += 1;
    }
    assert!(copies > 0);
    crate::support::world::ended(child).exits(0);
    let path = world.project.root().join("copy0.db");
    let before = std::fs::read(&path).unwrap();
    world.cli(&["backup", "copy0.db"]).exits(74).shows("backup_during_a_run_is_complete");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let ran = world.cli(&["backup", "nowhere/copy.db"]).exits(74).shows("backup_during_a_run_is_complete_2");
    ran.shows("backup_during_a_run_is_complete_3");
    world.cli(&["backup", "file:x.db"]).exits(74).shows("backup_during_a_run_is_complete_4");
    let left: Vec<_> = std::fs::read_dir(world.project.root()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains(".tmp")), "{left:?}");
}

#[test]
fn compact_reclaims_space_beside_a_reader() {
    let world = home();
    let filled = "INSERT INTO skipped_items (fetch, stream, reason, seen_at, detail)
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)
         SELECT 'f', 's', 'malformed', '2026', hex(randomblob(1000)) FROM n";
    tamper(&world, &format!("{filled}; DELETE FROM skipped_items; PRAGMA wal_checkpoint(TRUNCATE)"));
    let items = "SELECT count(*) FROM playlist_items";
    let known = world.one(items);
    let reader = world.store();
    reader.execute_batch(&format!("BEGIN; {items}")).unwrap();
    let seen: i64 = reader.query_row(items, [], |row| row.get(0)).unwrap();
    let held = world.cli(&["compact", "--json"]).exits(0).json();
    assert!(held["store"]["wal_bytes"].as_u64().unwrap() > 0, "{held}");
    assert_eq!(reader.query_row(items, [], |row| row.get::<_, i64>(0)).unwrap(), seen);
    drop(reader);
    world.cli(&["compact"]).exits(0).shows("compact_reclaims_space_beside_a_reader");
    let size = std::fs::metadata(world.database()).unwrap().len();
    let again = world.cli(&["compact", "--json"]).exits(0).json();
    assert_eq!((&again["store"]["bytes_after"], &again["store"]["wal_bytes"]), (&size.into(), &0.into()));
    assert!(held["store"]["bytes_before"].as_u64().unwrap() > size + 4_000_000, "{held} {size}");
    assert_eq!((world.one(items), world.one("PRAGMA integrity_check")), (known, "ok".to_owned()));
    assert_eq!(world.one("PRAGMA freelist_count"), "0");
    world.cli(&["verify"]).exits(0);
    world.run(&[]).exits(0);
}

#[test]
fn compact_excludes_runs() {
    let job = format!("schedule = \"* * * * *\"\n{}", by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    let world = World::extended().job(&job);
    world.cli(&["compact"]).exits(74).shows("compact_excludes_runs");
    world.sandbox.inject(Fault::on_path("/v1/playlists/*/tracks", FaultAction::Latency { ms: 1_500 }).times(1));
    let run = world.spawn(&[]);
    world.wait_for_calls(1);
    pause(&world, &run);
    std::thread::sleep(std::time::Duration::from_millis(200));
    world.cli(&["compact"]).exits(75).shows("compact_excludes_runs_2");
    signal(&run, "CONT");
    ended(run).exits(0);

    let state = world.project.root().join(".local/state/cratedigger");
    let alone = cratedigger::sync::StoreLock::take(&state, &world.database()).unwrap();
    let before = world.calls().len();
    world.run(&["x"]).exits(75).shows("compact_excludes_runs_3");
    assert_eq!(world.run(&["--due"]).exits(0).stderr, "", "the job stays due until the next check");
    assert_eq!(world.calls().len(), before);
    drop(alone);
    world.cli(&["compact"]).exits(0);
    world.run(&["x"]).exits(0);
}

#[test]
fn reset_lists_dropped_checkpoints() {
    let options = SandboxOptions {
        mode: QuotaMode::Extended,
        playlist_page_max: 50,
        playlist_items: 260,
        ..SandboxOptions::default()
    };
    let world = World::with(options);
    let id = {
        let catalog = world.sandbox.catalog();
        let plain = |id: &String| catalog.expected_rows(id).is_some_and(|rows| rows.len() == 260);
        catalog.playlist_ids().into_iter().find(plain).unwrap()
    };
    let world = world.job(&[by_ids("tracks", &[fixtures::PLAIN_TRACK]), by_ids("playlist_items", &[&id])].concat());
    assert!(world.cli(&["reset", "x"]).code == 74, "there is no store yet");
    world.run(&["--max-calls", "4"]).exits(75);
    world.cli(&["reset", "x", "tracks"]).exits(0).shows("reset_without_a_checkpoint");
    world.cli(&["reset", "x", "trakcs"]).exits(2).shows("reset_lists_dropped_checkpoints");
    let said = world.cli(&["reset", "x", "playlist_items"]).exits(0).stdout;
    assert_output("reset_of_a_checkpoint", &said);
    assert_eq!(world.one("SELECT count(*) FROM checkpoints"), "0");
    assert_eq!(world.one("SELECT count(*) FROM staged_items"), "0");
    world.new_calls();
    world.run(&[]).exits(0);
    let calls = world.new_calls();
    assert!(calls.iter().any(|call| call.contains("offset=100")), "{calls:?}");
    assert!(
        !calls.iter().any(|call| call.starts_with("/tracks")),
        "the tracks of the other fetch are not read again: {calls:?}"
    );
    world.run(&["--full", "--max-calls", "2"]).exits(75);
    world.cli(&["reset", "x"]).exits(0);
    world.new_calls();
    world.run(&["--full"]).exits(0);
    assert!(
        world.new_calls().iter().any(|call| call.starts_with("/tracks")),
        "after a full reset the tracks are read again"
    );
}

#[test]
fn show_prints_a_playlist_at_any_time() {
    let world = home();
    let truth = |world: &World| -> Vec<String> {
        let rows = world.sandbox.catalog().expected_rows(fixtures::HOME_PLAYLIST).unwrap();
        rows.into_iter().map(|row| row.uri.unwrap_or_default()).collect()
    };
    let now = |world: &World| world.one("SELECT max(seen_at) FROM playlist_versions");
    let mut versions = vec![(now(&world), truth(&world))];
    for change in [
        serde_json::json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 5, "count": 3}),
        serde_json::json!({"do": "move", "playlist": fixtures::HOME_PLAYLIST, "from": 0, "count": 4, "to": 90}),
        serde_json::json!({"do": "insert", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "items": [fixtures::PLAIN_TRACK, fixtures::PLAIN_TRACK]}),
    ] {
        edit(&world, change);
        world.run(&[]).exits(0);
        versions.push((now(&world), truth(&world)));
    }
    for (at, wanted) in &versions {
        let shown = world.cli(&["show", fixtures::HOME_PLAYLIST, "--at", at, "--json"]).exits(0).json();
        let uris: Vec<&str> =
            shown["items"].as_array().unwrap().iter().map(|i| i["uri"].as_str().unwrap_or_default()).collect();
        assert_eq!(uris, *wanted, "{at}");
        assert_eq!(shown["seen_at"], *at);
    }
    let link = format!("https://open.spotify.com/playlist/{}?si=x", fixtures::HOME_PLAYLIST);
    for name in [link.as_str(), "Kitchen radio", "kitchen RADIO"] {
        let shown = world.cli(&["show", name]).exits(0).stdout;
        assert_output("show_prints_a_playlist_at_any_time", &shown);
    }
    world.cli(&["show", "Kitchen radio", "--at", "2020-01-01"]).exits(2).shows("show_prints_a_playlist_at_any_time_2");
    world.cli(&["show", "Kitchen radio", "--at", "soon"]).exits(2).shows("show_prints_a_playlist_at_any_time_3");
    world.cli(&["show", "nonsense"]).exits(2).shows("show_prints_a_playlist_at_any_time_4");
    for name in ["KITCHEN", "Kitchen radios"] {
        world.cli(&["show", name]).exits(2).says("did you mean \"Kitchen radio\"?");
    }
    world.cli(&["verify"]).exits(0);
}

#[test]
fn renamed_playlist_is_found_by_old_name() {
    let world = home();
    let before = world.one("SELECT max(seen_at) FROM playlist_versions");
    edit(&world, serde_json::json!({"do": "rename", "playlist": fixtures::HOME_PLAYLIST, "name": "Cellar radio"}));
    world.run(&[]).exits(0);
    let then = world.cli(&["show", "Kitchen radio", "--at", &before, "--json"]).exits(0).json();
    assert_eq!(then["name"], "Kitchen radio");
    assert_eq!(world.cli(&["show", "Cellar radio", "--json"]).exits(0).json()["name"], "Cellar radio");
    let printed = world.cli(&["diff", "x"]).exits(0).stdout;
    assert_output("renamed_playlist_is_found_by_old_name", &printed);
    // The diff shows where each rename belongs in time.
    let insert = serde_json::json!({"do": "insert", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "items": [fixtures::PLAIN_TRACK]});
    edit(&world, insert.clone());
    world.run(&[]).exits(0);
    edit(&world, serde_json::json!({"do": "rename", "playlist": fixtures::HOME_PLAYLIST, "name": "Attic radio"}));
    world.run(&["--full"]).exits(0);
    let json = world.cli(&["diff", "x", "--json", "--since", "1d"]).exits(0).json();
    let changes: Vec<&str> =
        json["changes"].as_array().unwrap().iter().map(|c| c["change"]["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["first_read", "renamed", "added", "renamed"]);
    assert_eq!(
        (&json["changes"][0]["change"]["items"], &json["changes"][0]["change"]["title"]),
        (&120.into(), &serde_json::Value::Null)
    );
    edit(&world, serde_json::json!({"do": "rename", "playlist": fixtures::HOME_PLAYLIST, "name": "Cellar radio"}));
    world.run(&["--full"]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM playlist_details"), "4", "an unchanged name adds nothing");
}

#[test]
fn diff_has_what_other_jobs_read_meanwhile() {
    let job = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]);
    let world = World::extended().job(&job);
    world.run(&["x"]).exits(0);
    world.project.write("jobs/y.toml", &job);
    edit(&world, serde_json::json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 3, "count": 1}));
    world.run(&["y"]).exits(0);
    world.run(&["x"]).exits(0);
    let changes = |job| world.cli(&["diff", job, "--json"]).exits(0).json()["changes"].as_array().unwrap().len();
    assert_eq!((changes("x"), changes("y")), (1, 1));
    world.run(&["x"]).exits(0);
    assert_eq!(changes("x"), 0);
}

#[test]
fn diff_prints_the_newest_changes() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.cli(&["diff", "x"]).exits(74).shows("diff_prints_the_newest_changes");
    world.run(&[]).exits(0);
    let printed = world.cli(&["diff", "x"]).exits(0).stdout;
    assert_output("diff_prints_the_newest_changes_2", &printed);
    world.run(&[]).exits(0);
    assert!(world.cli(&["diff", "x"]).exits(0).stdout.starts_with("nothing changed since "));
    edit(&world, serde_json::json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 100, "count": 1}));
    edit(
        &world,
        serde_json::json!({"do": "move", "playlist": fixtures::HOME_PLAYLIST, "from": 50, "count": 1, "to": 60}),
    );
    edit(
        &world,
        serde_json::json!({"do": "insert", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "items": [fixtures::PLAIN_TRACK]}),
    );
    world.run(&[]).exits(0);
    let printed = world.cli(&["diff", "x"]).exits(0).stdout;
    let name = world.one(&format!("SELECT name FROM tracks WHERE id = '{}'", fixtures::PLAIN_TRACK));
    for line in [
        &*format!("  added      \"{name}\" by "),
        ", at 0, ",
        "  removed    \"",
        ", from 100",
        ", from 50 to 61",
        "3 changes since ",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    let json = world.cli(&["diff", "x", "--json", "--since", "1d"]).exits(0).json();
    let changes: Vec<&str> =
        json["changes"].as_array().unwrap().iter().map(|c| c["change"]["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["first_read", "removed", "added", "moved"]);
    world.cli(&["diff", "x", "--since", "1d"]).exits(0);
    world.cli(&["diff", "nothing"]).exits(2);
}

#[test]
fn diff_prints_releases_and_removals() {
    let job = fetch("artist_albums", &format!("ids = [\"{}\"]\ninclude_groups = [\"album\"]", fixtures::BUSY_ARTIST));
    let world = World::extended().job(&job);
    world.run(&[]).exits(0);
    // As if the last release were new, and another one had been removed since.
    tamper(&world, "UPDATE artist_releases SET first_seen_at = '2998-01-01T00:00:00.000Z' WHERE position = 2");
    tamper(&world, "UPDATE artist_releases SET removed_at = '2998-01-02T00:00:00.000Z' WHERE position = 4");
    let printed = world.cli(&["diff", "x", "--since", "2997-01-01"]).exits(0).stdout;
    assert_output("diff_prints_releases_and_removals", &printed);
}

#[test]
fn example_job_writes_new_additions_only() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/jobs");
    let job = std::fs::read_to_string(format!("{root}/weekly-additions.toml")).unwrap();
    world.project.write("jobs/weekly-additions.toml", job.replace("additions-{date}.csv", "additions.csv"));
    world.project.write("jobs/playlists.csv", format!("id\n{}\n", fixtures::HOME_PLAYLIST));
    let additions = || {
        let path = world.project.root().join("output/csv/weekly-additions/additions.csv");
        let mut reader = csv::Reader::from_path(path).unwrap();
        let rows: Vec<Vec<String>> = reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect();
        rows
    };
    world.run(&["weekly-additions"]).exits(0);
    assert_eq!(additions().len(), 0, "the first read is a baseline");
    let insert = |position: usize| {
        edit(
            &world,
            serde_json::json!({"do": "insert", "playlist": fixtures::HOME_PLAYLIST, "position": position, "items": [fixtures::PLAIN_TRACK]}),
        );
    };
    insert(0);
    // Another job reads the playlist in between.
    world.run(&["x"]).exits(0);
    insert(7);
    world.run(&["weekly-additions"]).exits(0);
    let rows = additions();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!((rows[0][0].as_str(), rows[0][7].as_str(), rows[1][7].as_str()), ("Kitchen radio", "0", "7"));
    world.run(&["weekly-additions"]).exits(0);
    assert_eq!(additions().len(), 0);
}
