//! `verify` finds changes that were made behind the program's back, and accepts an unchanged store.

use spotify_sandbox::fixtures;

use super::maintenance::{edit, home, tamper};
use crate::support::snapshot::{Cases, Shows as _, assert_output, transcript};
use crate::support::strace::{At, Blow, can_inject};
use crate::support::world::{World, by_ids, fetch};

#[test]
fn verify_finds_sound_runs_sound() {
    let all = [
        by_ids("playlist_items", &[fixtures::HOME_PLAYLIST, fixtures::EDGE_CASE_PLAYLIST]),
        by_ids("album_tracks", &[fixtures::LONG_ALBUM, fixtures::EDGE_CASE_ALBUM]),
        fetch(
            "artist_albums",
            &format!("ids = [\"{}\"]\ninclude_groups = [\"album\", \"single\"]", fixtures::BUSY_ARTIST),
        ),
        fetch("search", "query = \"year:1990-1999\"\nmax_results = 60\ntypes = [\"track\"]"),
        fetch("categories", ""),
        fetch("markets", ""),
    ];
    let world = World::extended().job(&all.concat());
    for _ in 0..2 {
        world.run(&["--full"]).exits(0);
        let ran = world.cli(&["verify"]).exits(0);
        assert_output("verify_finds_sound_runs_sound", &ran.stdout);
        edit(
            &world,
            serde_json::json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 3, "count": 2}),
        );
    }
    let report = world.cli(&["verify", "--json"]).exits(0).json();
    assert_eq!(report["sound"], true);
    assert_eq!(report["files"]["files"], 7);
    assert_eq!(report["store"]["histories"], 1);
    assert!(report["store"]["lists"].as_i64().unwrap() >= 8, "{report}");
    assert_eq!(world.cli(&["verify", "-q"]).exits(0).stdout, "");
}

#[test]
fn leftovers_of_an_export_are_accepted() {
    let world = home();
    let left = world.csv_path(".cratedigger-1-1.journal");
    std::fs::write(&left, "").unwrap();
    let said = world.cli(&["verify"]).exits(0).stdout;
    assert!(said.contains("the next export removes it") && left.exists(), "{said}");
    world.cli(&["verify", "--rewrite-csv"]).exits(0);
    assert!(!left.exists());
}

#[test]
fn verify_names_differences_in_the_store() {
    let spoilt = [
        "DELETE FROM playlist_items WHERE position = 7",
        "UPDATE playlist_items SET added_at = '2001-01-01T00:00:00Z' WHERE position = 7",
        "PRAGMA foreign_keys = OFF; DELETE FROM albums WHERE id IN (SELECT album_id FROM tracks LIMIT 1)",
        "UPDATE lists SET stored = 5 WHERE kind = 'playlist_items'",
        "INSERT INTO staged_items (list_id, position, kind) VALUES (1, 0, 'track')",
        "UPDATE run_fetches SET state = 'partial'",
        "INSERT INTO playlist_changes (playlist_id, change, kind, position_after, seen_at)
             SELECT playlist_id, 'added', 'track', 900, '2030-01-01T00:00:00Z' FROM playlist_items LIMIT 1",
    ];
    let mut cases = Cases::new();
    for sql in spoilt {
        let world = home();
        tamper(&world, sql);
        let before = std::fs::read(world.database()).unwrap();
        let ran = world.cli(&["verify", "--rewrite-csv"]).exits(74);
        cases.add(sql, &transcript(&ran));
        assert_eq!(std::fs::read(world.database()).unwrap(), before, "{sql}");
    }
    cases.assert_output("verify_names_differences_in_the_store");
}

#[test]
fn verify_finds_a_corrupted_page() {
    let world = home();
    tamper(&world, "PRAGMA wal_checkpoint(TRUNCATE)");
    let mut bytes = std::fs::read(world.database()).unwrap();
    let page = bytes.len() / 4096 / 2;
    bytes[page * 4096..page * 4096 + 200].fill(0xa5);
    std::fs::write(world.database(), &bytes).unwrap();
    let ran = world.cli(&["verify"]);
    assert_eq!(ran.code, 74, "{}{}", ran.stdout, ran.stderr);
    assert_eq!(std::fs::read(world.database()).unwrap(), bytes);
}

#[test]
fn verify_names_and_rewrites_files() {
    let world = World::extended().job(
        &[by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]), by_ids("tracks", &[fixtures::PLAIN_TRACK])].concat(),
    );
    world.run(&[]).exits(0);
    let (items, tracks) = (world.csv_bytes("playlist_items.csv"), world.csv_bytes("tracks.csv"));
    std::fs::remove_file(world.csv_path("tracks.csv")).unwrap();
    let mut same_size = items.clone();
    let last = same_size.len() - 3;
    same_size[last] ^= 1;
    std::fs::write(world.csv_path("playlist_items.csv"), &same_size).unwrap();
    std::fs::write(world.csv_path("mine.csv"), "a\n").unwrap();
    std::fs::write(world.csv_path("notes.txt"), "mine").unwrap();
    let ran = world.cli(&["verify"]).exits(74).shows("verify_names_and_rewrites_files");
    assert!(!ran.stdout.contains("notes.txt"), "{}", ran.stdout);
    assert_eq!(world.csv_bytes("playlist_items.csv"), same_size, "verify repairs nothing without --rewrite-csv");
    let ran = world.cli(&["verify", "--rewrite-csv"]).exits(74);
    assert!(ran.stdout.contains("written") && !ran.stdout.contains("changed"), "{}", ran.stdout);
    assert_eq!((world.csv_bytes("playlist_items.csv"), world.csv_bytes("tracks.csv")), (items, tracks));
    std::fs::remove_file(world.csv_path("mine.csv")).unwrap();
    world.cli(&["verify"]).exits(0);
    std::fs::remove_file(world.csv_path("datapackage.json")).unwrap();
    assert!(world.cli(&["verify"]).exits(74).stdout.contains("the store has records of 2 files"));
    world.cli(&["verify", "--rewrite-csv"]).exits(0);
}

/// A playlist with a history of three versions, an album, and an item that Spotify did not serve.
fn with_history() -> World {
    let world = World::extended().job(
        &[
            by_ids("playlist_items", &[fixtures::HOME_PLAYLIST, fixtures::EDGE_CASE_PLAYLIST]),
            by_ids("album_tracks", &[fixtures::LONG_ALBUM]),
        ]
        .concat(),
    );
    world.run(&[]).exits(0);
    for change in [
        serde_json::json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 5, "count": 3}),
        serde_json::json!({"do": "move", "playlist": fixtures::HOME_PLAYLIST, "from": 0, "count": 4, "to": 90}),
        serde_json::json!({"do": "insert", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "items": [fixtures::PLAIN_TRACK]}),
    ] {
        edit(&world, change);
        world.run(&[]).exits(0);
    }
    world
}

#[test]
fn verify_finds_changed_records() {
    let world = with_history();
    world.cli(&["verify"]).exits(0);
    tamper(&world, "PRAGMA wal_checkpoint(TRUNCATE)");
    let sound = std::fs::read(world.database()).unwrap();
    let spoilt = [
        "DELETE FROM playlist_changes",
        "DELETE FROM playlist_changes WHERE id = (SELECT max(id) FROM playlist_changes)",
        "DELETE FROM playlist_changes WHERE id = (SELECT min(id) FROM playlist_changes)",
        "UPDATE playlist_changes SET position_after = position_after + 1 WHERE change = 'added'",
        "UPDATE playlist_changes SET position_before = position_before + 1 WHERE change = 'removed'",
        "UPDATE playlist_changes SET added_at = '2001-01-01T00:00:00Z' WHERE change = 'added'",
        "UPDATE playlist_changes SET added_at = '2001-01-01T00:00:00Z' WHERE change = 'removed'",
        "UPDATE playlist_changes SET seen_at = '2030-01-01T00:00:00.000Z' WHERE change = 'removed'",
        "UPDATE playlist_changes SET snapshot_after = 'x' WHERE change = 'added'",
        "DELETE FROM playlist_versions",
        "DELETE FROM playlist_versions WHERE seen_at = (SELECT min(seen_at) FROM playlist_changes)",
        "UPDATE playlist_versions SET items = items + 1",
        "UPDATE playlist_versions SET snapshot_id = 'x'",
        "DELETE FROM playlist_details",
        "DELETE FROM run_lists",
        "UPDATE run_lists SET announced = 5",
        "UPDATE run_lists SET snapshot_after = 'b' WHERE proof = 'version'",
        "UPDATE run_lists SET proof = 'trust'",
        "UPDATE run_lists SET stored = 5 WHERE proof = 'version'",
        "UPDATE run_fetches SET skipped = 700 WHERE run_id = 2",
        "DELETE FROM skipped_items",
        "UPDATE skipped_items SET run_id = 4 WHERE run_id = 1",
        "UPDATE playlist_changes SET change = 'added' WHERE change = 'moved'",
        "UPDATE playlist_changes SET seen_before_at = '2019'",
        "UPDATE playlist_items SET first_seen_at = '2099'",
        "DELETE FROM run_fetches",
        "DELETE FROM store_info",
        "UPDATE lists SET rows_hash = NULL",
        "UPDATE lists SET snapshot_id = 'x'",
        "UPDATE lists SET kind = 'foo' WHERE kind = 'album_tracks'",
        "UPDATE runs SET exit_code = 3",
    ];
    let mut cases = Cases::new();
    for sql in spoilt {
        std::fs::write(world.database(), &sound).unwrap();
        let _ = std::fs::remove_file(world.database().with_extension("db-wal"));
        let _ = std::fs::remove_file(world.database().with_extension("db-shm"));
        tamper(&world, sql);
        cases.add(sql, &transcript(&world.cli(&["verify"]).exits(74)));
    }
    cases.assert_output("verify_finds_changed_records");
}

#[test]
fn verify_compares_files_with_the_record() {
    let world = World::extended().job(&by_ids("tracks", &[fixtures::PLAIN_TRACK, fixtures::UNAVAILABLE_TRACK]));
    world.run(&[]).exits(0);
    let (csv, package) = (world.csv_bytes("tracks.csv"), world.csv_bytes("datapackage.json"));
    let text = String::from_utf8(package.clone()).unwrap();
    let wrong = |csv: &[u8]| {
        use sha2::Digest;
        let hash = |bytes: &[u8]| sha2::Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect::<String>();
        text.replace(&hash(&world.csv_bytes("tracks.csv")), &hash(csv))
    };
    let mut other = csv.clone();
    let last = other.len() - 3;
    other[last] ^= 1;
    let cases = [
        (None, r#"{"resources": []}"#.to_owned(), "missing file"),
        (Some(&other), wrong(&other), "another file"),
        (Some(&csv), text.replace("\"rows\": 2", "\"rows\": 1"), "another number of rows"),
        (Some(&csv), text.replace("\"complete\"", "\"partial\""), "another state"),
        (Some(&csv), "[]".to_owned(), "no data package"),
        (Some(&csv), wrong(&other), "package of another file"),
    ];
    let mut shown = Cases::new();
    for (file, said, name) in cases {
        match file {
            Some(bytes) => std::fs::write(world.csv_path("tracks.csv"), bytes).unwrap(),
            None => std::fs::remove_file(world.csv_path("tracks.csv")).unwrap(),
        }
        assert_ne!(said, text, "{name}");
        std::fs::write(world.csv_path("datapackage.json"), said).unwrap();
        shown.add(name, &transcript(&world.cli(&["verify"]).exits(74)));
        world.cli(&["verify", "--rewrite-csv"]).exits(0);
        assert_eq!(world.csv_bytes("tracks.csv"), csv, "{name}");
        let mended: serde_json::Value = serde_json::from_slice(&world.csv_bytes("datapackage.json")).unwrap();
        assert_eq!((&mended["resources"][0]["rows"], &mended["run"]["state"]), (&2.into(), &"complete".into()));
    }
    shown.assert_output("verify_compares_files_with_the_record");
}

#[test]
fn deleted_old_file_is_dropped_by_export() {
    let both = [by_ids("tracks", &[fixtures::PLAIN_TRACK]), by_ids("albums", &[fixtures::LONG_ALBUM])].concat();
    let world = World::extended().job(&both);
    world.run(&[]).exits(0);
    let world = world.job(&by_ids("tracks", &[fixtures::PLAIN_TRACK]));
    world.cli(&["verify"]).exits(0);
    std::fs::remove_file(world.csv_path("albums.csv")).unwrap();
    world.cli(&["verify"]).exits(74);
    world.cli(&["export"]).exits(0);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn kill_in_a_file_swap_is_repaired_by_export() {
    if !can_inject() {
        return;
    }
    let job =
        [by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]), by_ids("tracks", &[fixtures::PLAIN_TRACK])].concat();
    let undisturbed = World::extended().job(&job);
    undisturbed.run(&[]).exits(0);
    let wanted = |file| undisturbed.csv_bytes(file);
    for nth in [2, 3] {
        let world = World::extended().job(&job);
        let at = At { calls: "renameat,renameat2", path: Some("output/csv/x"), nth };
        world.struck(&["run"], at, Blow::Kill);
        assert_eq!(world.one("SELECT state FROM runs"), "running");
        let ran = world.cli(&["verify"]).exits(0);
        assert_output("kill_in_a_file_swap_is_repaired_by_export", &ran.stdout);
        // A file that no job wrote is still reported as a stray.
        std::fs::write(world.csv_path("mine.csv"), "a\n").unwrap();
        assert!(world.cli(&["verify"]).exits(74).stdout.contains("stray"));
        std::fs::remove_file(world.csv_path("mine.csv")).unwrap();
        world.sandbox.clear_log();
        // A second export that is killed before it writes anything does no further harm.
        world.struck(&["export"], At { nth: 1, ..at }, Blow::Kill);
        world.cli(&["verify"]).exits(0);
        world.cli(&["export", "x"]).exits(0).shows("kill_in_a_file_swap_is_repaired_by_export_2");
        assert_eq!(world.sandbox.log().len(), 0);
        for file in ["playlist_items.csv", "tracks.csv"] {
            assert!(world.csv_bytes(file) == wanted(file), "{file}");
        }
        let report = world.cli(&["verify", "--json"]).exits(0).json();
        assert_eq!(report["files"]["findings"], serde_json::json!([]));
        // In a later run, the store has a record of the file that is replaced.
        world.run(&[]).exits(0);
        edit(
            &world,
            serde_json::json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 5, "count": 3}),
        );
        world.struck(&["run"], At { nth: nth - 1, ..at }, Blow::Kill);
        world.cli(&["verify"]).exits(0);
        world.cli(&["export", "x"]).exits(0);
        let report = world.cli(&["verify", "--json"]).exits(0).json();
        assert_eq!(report["files"]["findings"], serde_json::json!([]));
        assert!(world.csv_bytes("playlist_items.csv") != wanted("playlist_items.csv"));
    }
}
