//! `verify`: what it finds of what was changed behind the program's back, and what it calls sound.

use spotify_sandbox::fixtures;

use super::maintenance::{edit, home, tamper};
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
        assert!(ran.stdout.contains("cratedigger.db: sound") && ran.stdout.contains("csv: sound"), "{}", ran.stdout);
        edit(
            &world,
            serde_json::json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 3, "count": 2}),
        );
    }
    let report = world.cli(&["verify", "--json"]).exits(0).json();
    assert_eq!(report["sound"], true);
    assert_eq!(report["files"]["files"], 6);
    assert_eq!(report["store"]["histories"], 1);
    assert!(report["store"]["lists"].as_i64().unwrap() >= 8, "{report}");
    assert_eq!(world.cli(&["verify", "-q"]).exits(0).stdout, "");
}

#[test]
fn leftovers_of_an_export_are_no_difference() {
    let world = home();
    let left = world.csv_path(".cratedigger-1-1.journal");
    std::fs::write(&left, "").unwrap();
    let said = world.cli(&["verify"]).exits(0).stdout;
    assert!(said.contains("the next export takes it away") && left.exists(), "{said}");
    world.cli(&["verify", "--rewrite-csv"]).exits(0);
    assert!(!left.exists());
}

#[test]
fn verify_names_differences_in_the_store() {
    let spoilt = [
        ("DELETE FROM playlist_items WHERE position = 7", "119 rows for 120 places"),
        (
            "UPDATE playlist_items SET added_at = '2001-01-01T00:00:00Z' WHERE position = 7",
            "its rows are not those that were read",
        ),
        (
            "PRAGMA foreign_keys = OFF; DELETE FROM albums WHERE id IN (SELECT album_id FROM tracks LIMIT 1)",
            "of tracks without its row of albums",
        ),
        (
            "UPDATE lists SET stored = 5 WHERE kind = 'playlist_items'",
            "it differs from the record of the run that read it",
        ),
        ("INSERT INTO staged_items (list_id, position, kind) VALUES (1, 0, 'track')", "no checkpoint"),
        ("UPDATE run_fetches SET state = 'partial'", "is complete, but one of its fetches is not"),
        (
            "INSERT INTO playlist_changes (playlist_id, change, kind, position_after, seen_at)
             SELECT playlist_id, 'added', 'track', 900, '2030-01-01T00:00:00Z' FROM playlist_items LIMIT 1",
            "have no recorded version",
        ),
    ];
    for (sql, told) in spoilt {
        let world = home();
        tamper(&world, sql);
        let before = std::fs::read(world.database()).unwrap();
        let ran = world.cli(&["verify", "--rewrite-csv"]).exits(74).says("hint: keep this file");
        assert!(ran.stdout.contains(told), "{sql}: {}", ran.stdout);
        assert_eq!(std::fs::read(world.database()).unwrap(), before, "{sql}");
    }
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
    let ran = world.cli(&["verify"]).exits(74).says("--rewrite-csv");
    for told in ["missing     ", "tracks.csv", "changed     ", "another content", "stray       ", "mine.csv"] {
        assert!(ran.stdout.contains(told), "{told}: {}", ran.stdout);
    }
    assert!(!ran.stdout.contains("notes.txt"), "{}", ran.stdout);
    assert_eq!(world.csv_bytes("playlist_items.csv"), same_size, "nothing is mended unless asked");
    let ran = world.cli(&["verify", "--rewrite-csv"]).exits(74);
    assert!(ran.stdout.contains("written") && !ran.stdout.contains("changed"), "{}", ran.stdout);
    assert_eq!((world.csv_bytes("playlist_items.csv"), world.csv_bytes("tracks.csv")), (items, tracks));
    std::fs::remove_file(world.csv_path("mine.csv")).unwrap();
    world.cli(&["verify"]).exits(0);
    std::fs::remove_file(world.csv_path("datapackage.json")).unwrap();
    assert!(world.cli(&["verify"]).exits(74).stdout.contains("the store has a record of 2 files"));
    world.cli(&["verify", "--rewrite-csv"]).exits(0);
}

/// A playlist with a history of three versions, beside an album and what could not be had.
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
        ("DELETE FROM playlist_changes", "are not there"),
        ("DELETE FROM playlist_changes WHERE id = (SELECT max(id) FROM playlist_changes)", "are not there"),
        ("DELETE FROM playlist_changes WHERE id = (SELECT min(id) FROM playlist_changes)", "and 120 were seen"),
        ("UPDATE playlist_changes SET position_after = position_after + 1 WHERE change = 'added'", "does not fit"),
        (
            "UPDATE playlist_changes SET position_before = position_before + 1 WHERE change = 'removed'",
            "not the list that was read then",
        ),
        ("UPDATE playlist_changes SET added_at = '2001-01-01T00:00:00Z' WHERE change = 'added'", "does not fit"),
        (
            "UPDATE playlist_changes SET added_at = '2001-01-01T00:00:00Z' WHERE change = 'removed'",
            "not the list that was read then",
        ),
        (
            "UPDATE playlist_changes SET seen_at = '2030-01-01T00:00:00.000Z' WHERE change = 'removed'",
            "have no recorded version",
        ),
        ("UPDATE playlist_changes SET snapshot_after = 'x' WHERE change = 'added'", "name different snapshots"),
        ("DELETE FROM playlist_versions", "no version is recorded"),
        (
            "DELETE FROM playlist_versions WHERE seen_at = (SELECT min(seen_at) FROM playlist_changes)",
            "have no recorded version",
        ),
        ("UPDATE playlist_versions SET items = items + 1", "number of items differs from its newest version"),
        ("UPDATE playlist_versions SET snapshot_id = 'x'", "differs from the record of the run that saw it"),
        ("DELETE FROM playlist_details", "name or description"),
        ("DELETE FROM run_lists", "no run has a record of the read"),
        ("UPDATE run_lists SET announced = 5", "do not match the recorded proof"),
        ("UPDATE run_lists SET snapshot_after = 'b' WHERE proof = 'version'", "do not match the recorded proof"),
        ("UPDATE run_lists SET proof = 'trust'", "do not match the recorded proof"),
        ("UPDATE run_lists SET stored = 5 WHERE proof = 'version'", "different numbers of rows and items"),
        ("UPDATE run_fetches SET skipped = 700 WHERE run_id = 2", "run 2 counts 700 skipped items of"),
        ("DELETE FROM skipped_items", "but 0 are recorded"),
        ("UPDATE skipped_items SET run_id = 4 WHERE run_id = 1", "run 1 counts"),
        ("UPDATE playlist_changes SET change = 'added' WHERE change = 'moved'", "does not match its positions"),
        ("UPDATE playlist_changes SET seen_before_at = '2019'", "before the previous read"),
        ("UPDATE playlist_items SET first_seen_at = '2099'", "first seen after its last read"),
        ("DELETE FROM run_fetches", "has no record of a fetch"),
        ("DELETE FROM store_info", "does not name the host"),
        ("UPDATE lists SET rows_hash = NULL", "no hash"),
        ("UPDATE lists SET snapshot_id = 'x'", "it differs from the record of the run that read it"),
        ("UPDATE lists SET kind = 'foo' WHERE kind = 'album_tracks'", "no stream reads"),
        ("UPDATE runs SET exit_code = 3", "exit code"),
        ("INSERT INTO pending_writes (writes) VALUES (x'01ff')", "cannot be read"),
    ];
    let mut missed = Vec::new();
    for (sql, told) in spoilt {
        std::fs::write(world.database(), &sound).unwrap();
        let _ = std::fs::remove_file(world.database().with_extension("db-wal"));
        let _ = std::fs::remove_file(world.database().with_extension("db-shm"));
        tamper(&world, sql);
        let ran = world.cli(&["verify"]);
        if ran.code != 74 || !ran.stdout.contains(told) {
            missed.push(format!("{sql}: {} {}{}", ran.code, ran.stdout, ran.stderr));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
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
        (None, r#"{"resources": []}"#.to_owned(), "a run wrote it"),
        (Some(&other), wrong(&other), "with another content"),
        (
            Some(&csv),
            text.replace("\"rows\": 2", "\"rows\": 1"),
            "rows in the data package: 1; rows that were written: 2",
        ),
        (Some(&csv), text.replace("\"complete\"", "\"partial\""), "it says run 1 was partial; the store says complete"),
        (Some(&csv), "[]".to_owned(), "it is no data package"),
        (Some(&csv), wrong(&other), "the file is right, the data package describes another one"),
    ];
    for (file, said, told) in cases {
        match file {
            Some(bytes) => std::fs::write(world.csv_path("tracks.csv"), bytes).unwrap(),
            None => std::fs::remove_file(world.csv_path("tracks.csv")).unwrap(),
        }
        assert_ne!(said, text, "{told}");
        std::fs::write(world.csv_path("datapackage.json"), said).unwrap();
        let ran = world.cli(&["verify"]).exits(74);
        assert!(ran.stdout.contains(told), "{told}: {}", ran.stdout);
        world.cli(&["verify", "--rewrite-csv"]).exits(0);
        assert_eq!(world.csv_bytes("tracks.csv"), csv, "{told}");
        let mended: serde_json::Value = serde_json::from_slice(&world.csv_bytes("datapackage.json")).unwrap();
        assert_eq!((&mended["resources"][0]["rows"], &mended["run"]["state"]), (&2.into(), &"complete".into()));
    }
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
        assert!(ran.stdout.contains("note"), "killed at rename {nth}: {}", ran.stdout);
        // A stray is one all the same.
        std::fs::write(world.csv_path("mine.csv"), "a\n").unwrap();
        assert!(world.cli(&["verify"]).exits(74).stdout.contains("stray"));
        std::fs::remove_file(world.csv_path("mine.csv")).unwrap();
        world.sandbox.clear_log();
        // Another start that is killed before it writes anything takes nothing away.
        world.struck(&["export"], At { nth: 1, ..at }, Blow::Kill);
        world.cli(&["verify"]).exits(0);
        world.cli(&["export", "x"]).exits(0).says("rows");
        assert_eq!(world.sandbox.log().len(), 0);
        for file in ["playlist_items.csv", "tracks.csv"] {
            assert!(world.csv_bytes(file) == wanted(file), "{file}");
        }
        let report = world.cli(&["verify", "--json"]).exits(0).json();
        assert_eq!(report["files"]["findings"], serde_json::json!([]));
        // In a later run, what stood before is on record.
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
