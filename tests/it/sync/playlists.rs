//! Playlists against the sandbox's own truth, value for value, and the calls that they cost.

use spotify_sandbox::{Edit, Mode, Options, TrueRow, known};

use crate::support::world::{Row, World, by_ids};

fn text(value: &Option<String>) -> String {
    value.clone().unwrap_or_default()
}

fn number<T: ToString>(value: Option<T>) -> String {
    value.map(|n| n.to_string()).unwrap_or_default()
}

/// What the CSV must hold for a true row. NUL is the one character that a CSV may not have.
fn expected(row: &TrueRow) -> Vec<(&'static str, String)> {
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

fn compare(rows: &[Row], truth: &[TrueRow]) {
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
fn the_odd_playlist_is_in_the_csv_value_for_value() {
    let job = by_ids("playlist_items", &[known::ODD_PLAYLIST]) + PLAIN;
    let world = World::extended().job(&job);
    world.run(&[]).exits(0);
    let truth = world.sandbox.catalog().playlist_rows(known::ODD_PLAYLIST).unwrap();
    compare(&world.csv("playlist_items.csv"), &truth);
    let nulls = truth.iter().filter(|row| row.kind == "unavailable").count();
    let noted = "SELECT count(*) FROM skipped_items WHERE reason = 'null_item'";
    assert_eq!(world.one(noted), nulls.to_string());
    assert!(nulls > 0);
}

#[test]
fn odd_rows_beyond_position_50000_are_in_the_csv_value_for_value() {
    let job = by_ids("playlist_items", &[known::LARGE_PLAYLIST]) + PLAIN;
    let world = World::extended().job(&job);
    world.run(&[]).exits(0);
    let truth = world.sandbox.catalog().playlist_rows(known::LARGE_PLAYLIST).unwrap();
    assert_eq!(truth.len(), known::LARGE_PLAYLIST_ITEMS);
    compare(&world.csv("playlist_items.csv"), &truth);
}

#[test]
fn an_unchanged_playlist_costs_one_call_and_leaves_the_file_alone() {
    let world = World::extended().job(&by_ids("playlist_items", &[known::ODD_PLAYLIST]));
    world.run(&[]).exits(0);
    let before = (world.csv_bytes("playlist_items.csv"), world.csv_path("playlist_items.csv").metadata().unwrap());
    world.new_calls();
    world.run(&[]).exits(0).says("unchanged");
    assert_eq!(world.new_calls().len(), 1);
    let after = (world.csv_bytes("playlist_items.csv"), world.csv_path("playlist_items.csv").metadata().unwrap());
    assert_eq!(before.0, after.0);
    assert_eq!(before.1.modified().unwrap(), after.1.modified().unwrap());
    assert_eq!(world.sandbox.log().len(), 0);
}

#[test]
fn a_short_playlist_costs_one_call_and_a_longer_one_its_pages_and_a_proof() {
    let world = World::extended().job(&by_ids("playlist_items", &[known::EMPTY_PLAYLIST]));
    world.run(&[]).exits(0);
    assert_eq!(world.new_calls().len(), 1, "its first page is inside the answer");
    assert_eq!(world.csv("playlist_items.csv").len(), 0);
    let world = World::extended().job(&by_ids("playlist_items", &[known::HOME_PLAYLIST]));
    world.run(&[]).exits(0);
    let calls = world.new_calls();
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert!(calls[1].contains("limit=100&offset=100"), "{calls:?}");
    assert!(calls[2].contains("fields=snapshot_id"), "{calls:?}");
}

#[test]
fn a_page_of_100_is_tried_once_and_what_was_learned_is_remembered() {
    let options = Options { mode: Mode::Extended, playlist_page_max: 50, ..Options::default() };
    let world = World::with(options).job(&by_ids("playlist_items", &[known::HOME_PLAYLIST]));
    world.run(&[]).exits(0);
    let wide = |calls: &[String]| calls.iter().filter(|call| call.contains("limit=100")).count();
    assert_eq!(wide(&world.new_calls()), 1);
    assert_eq!(world.csv("playlist_items.csv").len(), 120);
    world.run(&["--full"]).exits(0);
    assert_eq!(wide(&world.new_calls()), 0);
}

#[test]
fn what_changed_is_recorded_once_and_the_first_sight_is_no_change() {
    let world = World::extended().job(&by_ids("playlist_items", &[known::HOME_PLAYLIST]));
    world.run(&[]).exits(0);
    let changes = "SELECT change, position_before, position_after FROM playlist_changes ORDER BY id";
    assert_eq!(world.rows(changes), Vec::<Vec<String>>::new());
    let remove: Edit = serde_json::from_value(serde_json::json!(
        {"playlist": known::HOME_PLAYLIST, "do": "remove", "position": 3, "count": 1}
    ))
    .unwrap();
    world.sandbox.catalog().edit(remove).unwrap();
    world.run(&[]).exits(0);
    world.run(&[]).exits(0);
    assert_eq!(world.rows(changes), [["removed", "3", "-"]]);
    let truth = world.sandbox.catalog().playlist_rows(known::HOME_PLAYLIST).unwrap();
    compare(&world.csv("playlist_items.csv"), &truth);
}

#[test]
fn a_foreign_playlist_in_development_mode_costs_one_call_and_then_none_for_a_week() {
    let world = World::development().job(&by_ids("playlist_items", &[known::FOREIGN_PLAYLIST]));
    world.run(&[]).exits(3).says("only the owner and collaborators");
    assert_eq!(world.new_calls().len(), 1);
    world.run(&[]).exits(0);
    assert_eq!(world.new_calls().len(), 0);
    world.run(&["--full"]).exits(0);
    assert_eq!(world.new_calls().len(), 1, "--full looks again");
}

#[test]
fn a_playlist_read_in_two_markets_has_no_changes_by_that() {
    let world = World::extended();
    for (name, market) in [("a", "DE"), ("b", "US")] {
        let job = format!("market = \"{market}\"\n{}", by_ids("playlist_items", &[known::ODD_PLAYLIST]));
        world.project.write(&format!("jobs/{name}.toml"), job);
    }
    for _ in 0..2 {
        world.run(&["a"]).exits(0);
        world.run(&["b"]).exits(0);
    }
    assert_eq!(world.one("SELECT count(*) FROM playlist_changes"), "0");
}
