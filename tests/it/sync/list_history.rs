//! The history of a list is a baseline and then only its changes. A list that was cut short is reported.

use spotify_sandbox::{Fault, FaultAction, QuotaMode, SandboxOptions, fixtures};

use crate::store::maintenance::tamper;
use crate::support::snapshot::Shows as _;
use crate::support::world::{World, by_ids, fetch};

/// The number of rows in each table of the history.
fn rows(world: &World) -> [String; 3] {
    ["playlist_changes", "playlist_versions", "playlist_details"]
        .map(|table| world.one(&format!("SELECT count(*) FROM {table}")))
}

#[test]
fn insert_at_the_head_is_one_change() {
    let world = World::with(SandboxOptions {
        mode: QuotaMode::Extended,
        playlist_items: 10_000,
        playlists: 1,
        ..SandboxOptions::default()
    });
    let id = {
        let catalog = world.sandbox.catalog();
        let long = |id: &String| catalog.expected_rows(id).is_some_and(|rows| rows.len() == 10_000);
        catalog.playlist_ids().into_iter().find(long).unwrap()
    };
    let world = world.job(&by_ids("playlist_items", &[&id]));
    world.run(&[]).exits(0);
    assert_eq!(rows(&world), ["0", "1", "1"], "the first read is a baseline");
    for args in [&[][..], &["--full"]] {
        world.run(args).exits(0);
        assert_eq!(rows(&world), ["0", "1", "1"], "{args:?}");
    }
    let edit = serde_json::json!({"do": "insert", "playlist": id, "position": 0, "items": [fixtures::PLAIN_TRACK]});
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
    world.run(&[]).exits(0);
    assert_eq!(rows(&world), ["1", "2", "1"]);
    assert_eq!(
        world.rows("SELECT change, position_before, position_after FROM playlist_changes"),
        [["added", "-", "0"]]
    );
    assert_eq!(world.one("SELECT count(*) FROM playlist_items"), "10001");
}

#[test]
fn short_list_is_never_silently_complete() {
    let world = World::extended().job(&format!("market = \"US\"\n{}", by_ids("show_episodes", &[fixtures::SHOW])));
    world.run(&[]).exits(0);
    let (before, current_rows) =
        (world.csv_bytes("show_episodes.csv"), "SELECT count(*) FROM show_episodes WHERE removed_at IS NULL");
    let rows_before = world.one(current_rows);
    world.sandbox.inject(Fault::on_path("/v1/shows/*/episodes", FaultAction::EmptyPage).with_query("offset=50"));
    world.run(&["--full"]).exits(3).shows("short_list_is_never_silently_complete");
    assert_eq!(world.csv_bytes("show_episodes.csv"), before);
    assert_eq!(world.one(current_rows), rows_before, "no row is marked as removed");
    world.cli(&["verify"]).exits(0);
    // Spotify sometimes announces more releases than it has, but known ones do not vanish.
    let job = fetch("artist_albums", &format!("ids = [\"{}\"]\ninclude_groups = [\"album\"]", fixtures::BUSY_ARTIST));
    let world = World::development().job(&job);
    world.run(&[]).exits(0);
    world.sandbox.inject(Fault::on_path("/v1/artists/*/albums", FaultAction::EndsAfter { items: 10 }));
    world.run(&["--full"]).exits(3);
    assert_eq!(world.rows("SELECT reason FROM skipped_items"), [["cut_short"]]);
    assert_eq!(world.one("SELECT count(*) FROM artist_releases WHERE removed_at IS NOT NULL"), "0");
    assert_eq!(world.one("SELECT reason FROM unproved_lists"), "cut_short");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn diff_shows_items_that_came_back() {
    let job = fetch("artist_albums", &format!("ids = [\"{}\"]\ninclude_groups = [\"album\"]", fixtures::BUSY_ARTIST));
    let world = World::extended().job(&job);
    world.run(&[]).exits(0);
    // As if one read had not seen the release, so that the list was different then.
    let gone = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";
    tamper(&world, &format!("UPDATE artist_releases SET removed_at = {gone} WHERE position = 2"));
    tamper(&world, "UPDATE lists SET content_hash = 'another'");
    world.run(&["--full"]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM artist_releases WHERE removed_at IS NOT NULL"), "0");
    let diff = world.cli(&["diff", "x", "--json", "--since", "1d"]).exits(0).json();
    let changes: Vec<&str> =
        diff["changes"].as_array().unwrap().iter().map(|c| c["change"]["change"].as_str().unwrap()).collect();
    assert_eq!(changes, ["first_read", "removed", "added"]);
    world.cli(&["diff", "x", "--since", "1d"]).exits(0);
    world.cli(&["verify"]).exits(0);
    world.run(&["--full"]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM returned_members"), "1", "an unchanged list adds nothing");
}
