//! Compares playlists with the sandbox's own data, value for value, and counts the calls that they cost.

use spotify_sandbox::{ExpectedRow, PlaylistEdit, QuotaMode, SandboxOptions, fixtures};

use crate::support::snapshot::Shows as _;
use crate::support::world::{Row, World, by_ids};
use crate::sync::users::signed_in;

fn text(value: &Option<String>) -> String {
    value.clone().unwrap_or_default()
}

fn number<T: ToString>(value: Option<T>) -> String {
    value.map(|n| n.to_string()).unwrap_or_default()
}

/// The CSV cells for a row of the sandbox. NUL is the one character that a CSV may not contain.
fn expected(row: &ExpectedRow) -> Vec<(&'static str, String)> {
    let is_track = row.kind == "track";
    let artists = row.artist_names.join("; ");
    let of_track = |value: String| if is_track { value } else { String::new() };
    vec![
        ("position", row.position.to_string()),
        ("kind", row.kind.clone()),
        ("uri", text(&row.uri)),
        ("added_at", text(&row.added_at)),
        ("added_by", text(&row.added_by)),
        ("track_id", of_track(text(&row.id))),
        ("track_name", if row.kind == "episode" { String::new() } else { text(&row.name) }),
        ("artist_ids", row.artist_ids.join("; ")),
        ("artist_names", artists),
        ("album_id", text(&row.album_id)),
        ("album_name", text(&row.album_name)),
        ("album_type", text(&row.album_type)),
        ("release_date", text(&row.release_date)),
        ("release_date_precision", text(&row.release_date_precision)),
        ("duration_ms", number(row.duration_ms)),
        ("disc_number", of_track(number(row.disc_number))),
        ("track_number", of_track(number(row.track_number))),
        ("isrc", text(&row.isrc)),
        ("episode_id", if row.kind == "episode" { text(&row.id) } else { String::new() }),
        ("episode_name", if row.kind == "episode" { text(&row.name) } else { String::new() }),
        ("show_id", text(&row.show_id)),
        ("show_name", text(&row.show_name)),
    ]
}

fn compare(rows: &[Row], truth: &[ExpectedRow]) {
    assert_eq!(rows.len(), truth.len());
    for (row, truth) in rows.iter().zip(truth) {
        for (column, value) in expected(truth) {
            let Some(cell) = row.get(column) else { continue };
            assert_eq!(*cell, value.replace('\0', "\u{fffd}"), "{column} of {truth:?}");
        }
    }
}

const PLAIN: &str = "\n[csv_options]\nformula_guard = \"off\"\n";

#[test]
fn odd_playlist_is_exact_in_the_csv() {
    let job = by_ids("playlist_items", &[fixtures::EDGE_CASE_PLAYLIST]) + PLAIN;
    let world = World::extended().job(&job);
    world.run(&[]).exits(0);
    let truth = world.sandbox.catalog().expected_rows(fixtures::EDGE_CASE_PLAYLIST).unwrap();
    compare(&world.csv("playlist_items.csv"), &truth);
    let nulls = truth.iter().filter(|row| row.kind == "unavailable").count();
    let noted = "SELECT count(*) FROM skipped_items WHERE reason = 'null_item'";
    assert_eq!(world.one(noted), nulls.to_string());
    assert!(nulls > 0);
}

#[test]
fn odd_rows_beyond_50000_are_exact() {
    let job = by_ids("playlist_items", &[fixtures::LARGE_PLAYLIST]) + PLAIN;
    let world = World::extended().job(&job);
    world.run(&[]).exits(0);
    let truth = world.sandbox.catalog().expected_rows(fixtures::LARGE_PLAYLIST).unwrap();
    assert_eq!(truth.len(), fixtures::LARGE_PLAYLIST_ITEMS);
    compare(&world.csv("playlist_items.csv"), &truth);
}

#[test]
fn unchanged_playlist_leaves_the_file_alone() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::EDGE_CASE_PLAYLIST]));
    world.run(&[]).exits(0);
    let before = (world.csv_bytes("playlist_items.csv"), world.csv_path("playlist_items.csv").metadata().unwrap());
    world.new_calls();
    world.run(&[]).exits(0).shows("unchanged_playlist_leaves_the_file_alone");
    // The version, and one look at the places that were empty.
    assert_eq!(world.new_calls().len(), 2);
    let after = (world.csv_bytes("playlist_items.csv"), world.csv_path("playlist_items.csv").metadata().unwrap());
    assert_eq!(before.0, after.0);
    assert_eq!(before.1.modified().unwrap(), after.1.modified().unwrap());
    assert_eq!(world.sandbox.log().len(), 0);
}

#[test]
fn short_playlist_costs_one_call() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::EMPTY_PLAYLIST]));
    world.run(&[]).exits(0);
    assert_eq!(world.new_calls().len(), 1, "the playlist's own answer contains its first page");
    assert_eq!(world.csv("playlist_items.csv").len(), 0);
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.run(&[]).exits(0);
    let calls = world.new_calls();
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert!(calls[1].contains("limit=100&offset=100"), "{calls:?}");
    assert!(calls[2].contains("fields=snapshot_id"), "{calls:?}");
}

#[test]
fn page_of_100_is_tried_once() {
    let options = SandboxOptions { mode: QuotaMode::Extended, playlist_page_max: 50, ..SandboxOptions::default() };
    let world = World::with(options).job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.run(&[]).exits(0);
    let wide = |calls: &[String]| calls.iter().filter(|call| call.contains("limit=100")).count();
    assert_eq!(wide(&world.new_calls()), 1);
    assert_eq!(world.csv("playlist_items.csv").len(), 120);
    world.run(&["--full"]).exits(0);
    assert_eq!(wide(&world.new_calls()), 0);
}

#[test]
fn changes_are_recorded_once() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.run(&[]).exits(0);
    let changes = "SELECT change, position_before, position_after FROM playlist_changes ORDER BY id";
    assert_eq!(world.rows(changes), Vec::<Vec<String>>::new());
    let remove: PlaylistEdit = serde_json::from_value(serde_json::json!(
        {"playlist": fixtures::HOME_PLAYLIST, "do": "remove", "position": 3, "count": 1}
    ))
    .unwrap();
    world.sandbox.catalog().edit(remove).unwrap();
    world.run(&[]).exits(0);
    world.run(&[]).exits(0);
    assert_eq!(world.rows(changes), [["removed", "3", "-"]]);
    let truth = world.sandbox.catalog().expected_rows(fixtures::HOME_PLAYLIST).unwrap();
    compare(&world.csv("playlist_items.csv"), &truth);
}

#[test]
fn foreign_playlist_costs_one_call_a_week() {
    let world = World::development().job(&by_ids("playlist_items", &[fixtures::FOREIGN_PLAYLIST]));
    world.run(&[]).exits(3).shows("foreign_playlist_costs_one_call_a_week");
    assert_eq!(world.new_calls().len(), 1);
    world.run(&[]).exits(0);
    assert_eq!(world.new_calls().len(), 0);
    world.run(&["--full"]).exits(0);
    assert_eq!(world.new_calls().len(), 1, "--full reads the playlist again");
}

#[test]
fn signed_in_owner_of_a_refusal_is_named() {
    let job = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]);
    let world = knows_home(&job);
    let run = world.run(&["x"]).exits(3);
    let hint = "the owner of a refused playlist is signed in as me.at.home: the job needs user = \"me.at.home\"";
    assert!(run.stderr.contains(hint) && !run.stderr.contains("auth login USER"), "{}", run.stderr);
    // Another playlist, whose owner is not signed in.
    let job = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST, fixtures::FOREIGN_PLAYLIST]);
    let world = knows_home(&job);
    let run = world.run(&["x"]).exits(3);
    assert!(run.stderr.contains(hint) && run.stderr.contains("auth login USER"), "{}", run.stderr);
    world.project.write(
        "jobs/x.toml",
        format!("user = \"me.at.home\"\n{}", by_ids("playlist_items", &[fixtures::HOME_PLAYLIST])),
    );
    world.run(&["x"]).exits(0);
}

/// A world with a job in which a user has signed in whose account is known.
fn knows_home(job: &str) -> World {
    let world = signed_in(World::development().job(job), &[("me.at.home", fixtures::HOME_USER)]);
    world.project.write("jobs/me.toml", "user = \"me.at.home\"\n[[fetch]]\nstream = \"me\"\n");
    world.run(&["me"]).exits(0);
    world
}

#[test]
fn two_markets_make_no_changes() {
    let world = World::extended();
    for (name, market) in [("a", "DE"), ("b", "US")] {
        let job = format!("market = \"{market}\"\n{}", by_ids("playlist_items", &[fixtures::EDGE_CASE_PLAYLIST]));
        world.project.write(&format!("jobs/{name}.toml"), job);
    }
    for _ in 0..2 {
        world.run(&["a"]).exits(0);
        world.run(&["b"]).exits(0);
    }
    assert_eq!(world.one("SELECT count(*) FROM playlist_changes"), "0");
}
