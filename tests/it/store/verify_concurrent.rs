//! `verify` during and after other commands: a purge, retention, a run that publishes files meanwhile.

use serde_json::json;
use spotify_sandbox::fixtures;
use spotify_sandbox::{Fault, FaultAction};

use super::maintenance::{edit, tamper};
use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::world::{World, by_ids, ended, fetch, signal};
use crate::sync::users::signed_in;

/// A playlist that was read by the app alone, then edited, then read by a user.
fn read_by_two() -> World {
    let ids = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]);
    let world = signed_in(World::extended().job(&ids), &[("home", fixtures::HOME_USER)]);
    world.project.write("jobs/y.toml", format!("user = \"home\"\n{ids}"));
    world.run(&["x"]).exits(0);
    edit(&world, json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 3, "count": 2}));
    world.run(&["y"]).exits(0);
    world
}

#[test]
fn purge_of_the_last_reader_keeps_store_sound() {
    let world = read_by_two();
    world.cli(&["auth", "logout", "home", "--purge"]).exits(0);
    world.cli(&["verify"]).exits(0);
    let audiences = "SELECT group_concat(substr(audience, 1, 9)) FROM (SELECT audience FROM lists ORDER BY id)";
    assert_eq!(world.one(audiences), "app,forgotten");
    assert_eq!(world.one("SELECT count(*) FROM playlist_items"), "118");
    // The next read compares the playlist with the stored rows.
    edit(&world, json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 9, "count": 1}));
    world.run(&["x"]).exits(0);
    assert_eq!(world.one("SELECT group_concat(change) FROM playlist_changes"), "removed,removed,removed");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn playlist_goes_with_its_last_reader() {
    let job = |user: &str| format!("user = \"{user}\"\n{}", by_ids("playlist_items", &[fixtures::EDGE_CASE_PLAYLIST]));
    let world = crate::sync::users::both(World::extended().job(&job("home")));
    world.project.write("jobs/y.toml", job("studio"));
    world.run(&[]).exits(0);
    world.cli(&["auth", "logout", "studio", "--purge"]).exits(0);
    assert_eq!(world.one("SELECT count(*) > 0 FROM playlist_items"), "1");
    world.cli(&["verify"]).exits(0);
    world.cli(&["auth", "logout", "home", "--purge"]).exits(0);
    for table in ["playlist_items", "playlists", "playlist_changes", "playlist_versions", "lists"] {
        assert_eq!(world.one(&format!("SELECT count(*) FROM {table}")), "0", "{table}");
    }
    world.cli(&["verify"]).exits(0);
}

#[test]
fn rows_without_reader_match_no_hash() {
    let world = read_by_two();
    // The state in which retention leaves the list of a user who has not read it for a long time.
    let emptied = format!(
        "UPDATE lists SET snapshot_id = NULL, content_hash = NULL, rows_hash = NULL, first_read_at = NULL, read_at = NULL,
         checked_at = NULL WHERE audience = '{0}'; DELETE FROM run_lists WHERE list_id = (SELECT id FROM lists WHERE audience = '{0}')",
        fixtures::HOME_USER
    );
    tamper(&world, &emptied);
    world.cli(&["verify"]).exits(0);
    // Earlier versions of `--purge` deleted the list itself.
    tamper(
        &world,
        &format!("DELETE FROM requested WHERE job = 'y'; DELETE FROM lists WHERE audience = '{}'", fixtures::HOME_USER),
    );
    world.cli(&["verify"]).exits(0);
    tamper(&world, "UPDATE playlist_items SET fetched_at = '2001' WHERE position = 7");
    assert!(world.cli(&["verify"]).exits(74).stdout.contains("its rows come from several reads"));
}

/// A job with two files of one track each.
fn two_fetches() -> String {
    let other = format!("name = \"other\"\nids = [\"{}\"]\ncsv = \"other.csv\"", fixtures::UNAVAILABLE_TRACK);
    [by_ids("tracks", &[fixtures::PLAIN_TRACK]), fetch("tracks", &other)].concat()
}

fn tracks() -> World {
    World::extended().job(&two_fetches())
}

/// Changes one byte of a file, which keeps its size.
fn spoil(world: &World, file: &str) {
    let mut bytes = world.csv_bytes(file);
    let last = bytes.len() - 3;
    bytes[last] ^= 1;
    std::fs::write(world.csv_path(file), bytes).unwrap();
}

#[test]
fn publishing_files_is_no_difference() {
    let world = tracks();
    world.run(&["x"]).exits(0);
    // Each export finds a new delimiter, so it rewrites every file, its record and the data package.
    for delimiter in [";", ","].into_iter().cycle().take(20) {
        std::thread::scope(|threads| {
            let looking = threads.spawn(|| world.cli(&["verify"]));
            world.command(&["export", "-q"]).env("CRATEDIGGER__CSV__DELIMITER", delimiter).status().unwrap();
            looking.join().unwrap().exits(0);
        });
        let text = String::from_utf8(world.csv_bytes("tracks.csv")).unwrap();
        assert!(text.lines().next().unwrap().contains(delimiter), "the file is rewritten: {text}");
    }
}

#[test]
fn record_stays_if_the_file_cannot_be_written() {
    let world = tracks();
    world.run(&[]).exits(0);
    let world = world.job(&by_ids("tracks", &[fixtures::PLAIN_TRACK]));
    spoil(&world, "other.csv");
    spoil(&world, "tracks.csv");
    for _ in 0..2 {
        let ran = world.cli(&["verify", "--rewrite-csv"]).exits(74).shows("record_stays_if_the_file_cannot_be_written");
        assert!(!ran.stdout.contains("x/tracks.csv:") && !ran.stdout.contains("stray"), "{}", ran.stdout);
    }
    assert_eq!(world.one("SELECT count(*) FROM published_files WHERE job <> ''"), "2");
    std::fs::remove_file(world.csv_path("other.csv")).unwrap();
    world.cli(&["verify", "--rewrite-csv"]).exits(0);
}

#[test]
fn broken_job_does_not_make_csvs_stray() {
    let world = tracks();
    world.run(&[]).exits(0);
    spoil(&world, "tracks.csv");
    let world = world.job("[[fetch]]\nstream = \"trakcs\"\n");
    let ran = world.cli(&["verify", "--rewrite-csv"]).exits(74).shows("broken_job_does_not_make_csvs_stray");
    assert!(!ran.stderr.contains("delete") && ran.stdout.contains("x/tracks.csv"), "{}{}", ran.stdout, ran.stderr);
    world.job(&two_fetches()).cli(&["verify", "--rewrite-csv"]).exits(0);
}

#[test]
fn blocked_file_leaves_other_jobs_alone() {
    let world = tracks();
    world.project.write("jobs/y.toml", by_ids("tracks", &[fixtures::PLAIN_TRACK]));
    world.run(&[]).exits(0);
    let of_y = world.project.root().join("output/csv/y/tracks.csv");
    let wanted = std::fs::read(&of_y).unwrap();
    std::fs::remove_file(world.csv_path("tracks.csv")).unwrap();
    std::os::unix::fs::symlink(&of_y, world.csv_path("tracks.csv")).unwrap();
    for command in [&["export", "--json"][..], &["verify", "--rewrite-csv", "--json"]] {
        std::fs::remove_file(&of_y).unwrap();
        std::fs::remove_file(world.csv_path("other.csv")).unwrap();
        let report = world.cli(command).exits(74).shows("blocked_file_leaves_other_jobs_alone").json();
        assert!(report["files"].as_array().is_none_or(|files| files.len() == 2), "{report}");
        assert_eq!(std::fs::read(&of_y).unwrap(), wanted);
        assert!(world.csv_path("other.csv").exists(), "other files of the same job are written, too");
    }
    world.cli(&["verify"]).exits(74).shows("blocked_file_leaves_other_jobs_alone_2");
}

#[test]
fn verify_reads_through_no_link_or_pipe() {
    let world = tracks();
    world.run(&[]).exits(0);
    let (folder, elsewhere) = (world.csv_path("."), world.project.root().join("elsewhere"));
    let replace_with_pipe = |name: &str| {
        let kept = std::fs::read(folder.join(name)).unwrap();
        std::fs::remove_file(folder.join(name)).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(folder.join(name)).status().unwrap().success());
        let seen = world.cli(&["verify"]).exits(74);
        assert!(seen.stdout.contains(&format!("{name}: it is a named pipe and not a file")), "{}", seen.stdout);
        std::fs::remove_file(folder.join(name)).unwrap();
        std::fs::write(folder.join(name), kept).unwrap();
    };
    replace_with_pipe("datapackage.json");
    replace_with_pipe("tracks.csv");
    let pipe = folder.join(".cratedigger-1-1.journal");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    world.cli(&["verify"]).exits(0);
    std::fs::remove_file(pipe).unwrap();
    // The right files, but behind a link.
    std::fs::rename(folder.parent().unwrap().join("x"), &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, folder.parent().unwrap().join("x")).unwrap();
    let seen = world.cli(&["verify"]).exits(74);
    assert!(seen.stdout.contains("tracks.csv: it is behind a link"), "{}", seen.stdout);
}

#[test]
fn files_of_a_running_job_are_not_rewritten() {
    let world = tracks();
    world.run(&[]).exits(0);
    spoil(&world, "tracks.csv");
    let spoilt = world.csv_bytes("tracks.csv");
    world.sandbox.inject(Fault::on_path("/v1/tracks*", FaultAction::Stall));
    world.sandbox.clear_log();
    let child = world.spawn(&["--full"]);
    world.wait_for_calls(1);
    let ran = world.cli(&["verify", "--rewrite-csv"]).exits(74).shows("files_of_a_running_job_are_not_rewritten");
    assert!(!ran.stderr.contains("delete"), "{}", ran.stderr);
    assert_eq!(world.csv_bytes("tracks.csv"), spoilt);
    signal(&child, "TERM");
    ended(child).exits(75);
    world.cli(&["verify", "--rewrite-csv"]).exits(0);
}

/// Corrupts the first page of a table.
fn spoil_page_of(world: &World, table: &str) {
    let root = format!("SELECT rootpage FROM sqlite_schema WHERE name = '{table}'");
    let page: usize = world.one(&root).parse().unwrap();
    tamper(world, "PRAGMA wal_checkpoint(TRUNCATE)");
    let mut bytes = std::fs::read(world.database()).unwrap();
    bytes[(page - 1) * 4096..(page - 1) * 4096 + 200].fill(0xa5);
    std::fs::write(world.database(), &bytes).unwrap();
}

#[test]
fn corrupted_page_is_reported_by_every_command() {
    let world = super::maintenance::home();
    spoil_page_of(&world, "playlist_versions");
    for command in [&["show", fixtures::HOME_PLAYLIST][..], &["diff", "x", "--since", "7d"]] {
        let refused = world.cli(command).exits(74).shows("corrupted_page_is_reported_by_every_command");
        assert_eq!(refused.stdout, "");
        let report = world.cli(&[command, &["--json"]].concat()).exits(74).json();
        assert!(report["hint"].is_string() && report["state"] == "failed", "{report}");
    }
}

#[test]
fn lists_from_the_future_are_noted() {
    let world = super::maintenance::home();
    tamper(&world, "UPDATE lists SET checked_at = '2099-01-01T00:00:00.000Z'");
    let ran = world.cli(&["verify"]).exits(0);
    assert_output("lists_from_the_future_are_noted", &ran.stdout);
}

#[test]
fn unreadable_file_record_is_one_finding() {
    let world = tracks();
    world.run(&[]).exits(0);
    tamper(&world, "UPDATE runs SET exit_code = 3");
    spoil_page_of(&world, "published_files");
    let ran = world.cli(&["verify"]).exits(74);
    for finding in
        ["run 1", "integrity", "files       the store", "cratedigger.db is corrupted", "hint: keep this file"]
    {
        assert!(
            ran.stdout.contains(finding) || ran.stderr.contains(finding),
            "{finding}: {}{}",
            ran.stdout,
            ran.stderr
        );
    }
    assert!(!ran.stdout.contains("\\n") && !ran.stdout.contains("***"), "{}", ran.stdout);
    let report = world.cli(&["verify", "--json"]).exits(74).json();
    assert!(report["store"]["counts"]["files"] == 1 && report["store"]["counts"]["run"] == 1, "{report}");
}

#[test]
fn data_package_matches_runs_of_its_job() {
    let world = tracks();
    world.project.write("jobs/y.toml", by_ids("tracks", &[fixtures::PLAIN_TRACK]));
    world.run(&["x"]).exits(0);
    world.cli(&["backup", "before.db"]).exits(0);
    world.run(&["y"]).exits(0);
    let package = world.project.root().join("output/csv/y/datapackage.json");
    let said = std::fs::read_to_string(&package).unwrap().replace("\"complete\"", "\"partial\"");
    std::fs::write(&package, said).unwrap();
    world.cli(&["verify"]).exits(74);
    // After the backup is restored, the next run gets the number that y's run had.
    std::fs::copy(world.project.root().join("before.db"), world.database()).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", world.database().display()));
    }
    world.run(&["x", "--full"]).exits(0);
    assert_eq!(world.one("SELECT max(id) FROM runs"), "2");
    world.cli(&["verify"]).exits(0);
}
