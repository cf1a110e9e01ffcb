//! Network faults, one per test: no row of a damaged answer is stored, a temporary fault is
//! retried, and a lasting one costs only its list.

use spotify_sandbox::{Fault, FaultAction, QuotaMode, SandboxOptions, fixtures};

use crate::support::snapshot::Shows as _;
use crate::support::world::{World, by_ids, fetch};

/// A discography, which has no version, and another fetch that must not be affected.
fn job() -> String {
    [
        fetch("artist_albums", &format!("ids = [\"{}\"]\ninclude_groups = [\"album\"]", fixtures::BUSY_ARTIST)),
        by_ids("tracks", &[fixtures::PLAIN_TRACK]),
    ]
    .concat()
}

fn small_pages() -> World {
    World::with(SandboxOptions { mode: QuotaMode::Development, ..SandboxOptions::default() }).job(&job())
}

fn truth(world: &World) -> Vec<String> {
    world.true_ids("artists", fixtures::BUSY_ARTIST, "album")
}

const PAGE: &str = "/v1/artists/*/albums";

#[test]
fn temporary_fault_leaves_no_trace() {
    let faults = [
        FaultAction::CutBody,
        FaultAction::ShortLength,
        FaultAction::NoLength,
        FaultAction::CutChunks,
        FaultAction::MalformedJson,
        FaultAction::InvalidUtf8,
        FaultAction::LoneSurrogate,
        FaultAction::Html200,
        FaultAction::Reset,
        FaultAction::CloseBeforeHeaders,
        FaultAction::GarbageStatusLine,
        FaultAction::EmptyPage,
        FaultAction::ShortPage,
        FaultAction::RepeatPage,
        FaultAction::status(500),
        FaultAction::status(502),
        FaultAction::status(503),
        FaultAction::GzipBomb { mib: 64 },
    ];
    for action in faults {
        let name = action.name();
        let world = small_pages();
        world.sandbox.inject(Fault::on_path(PAGE, action).with_query("offset=10").times(1));
        let ran = world.run(&[]);
        assert_eq!(ran.code, 0, "{name}: {}", ran.stderr);
        assert_eq!(world.column("artist_albums.csv", "album_id"), truth(&world), "{name}");
        assert_eq!(world.one("SELECT count(*) FROM skipped_items"), "0", "{name}");
    }
}

#[test]
fn lasting_fault_costs_one_list_only() {
    let faults = [
        FaultAction::CutBody,
        FaultAction::MalformedJson,
        FaultAction::InvalidUtf8,
        FaultAction::Html200,
        FaultAction::RepeatPage,
    ];
    for action in faults {
        let name = action.name();
        let world = small_pages();
        // The old list stays where there is one.
        world.run(&[]).exits(0);
        let before = world.csv_bytes("artist_albums.csv");
        world.sandbox.inject(Fault::on_path(PAGE, action).with_query("offset=10"));
        let ran = world.run(&["--full"]);
        assert_eq!(ran.code, 3, "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains(fixtures::BUSY_ARTIST), "{name}: {}", ran.stderr);
        assert_eq!(world.csv_bytes("artist_albums.csv"), before, "{name}");
        assert_eq!(world.csv("tracks.csv").len(), 1, "{name}");
        assert_eq!(world.one("SELECT count(*) FROM skipped_items WHERE run_id = 2"), "1", "{name}");
        world.sandbox.clear_faults();
        world.run(&[]).exits(0);
    }
}

#[test]
fn endless_pages_are_not_stored() {
    let world = small_pages();
    world.sandbox.inject(Fault::on_path(PAGE, FaultAction::EndlessPages));
    let ran = world.run(&[]);
    assert!(ran.code == 3, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("endless") || ran.stderr.contains("repeated_page") || ran.stderr.contains("moved"),
        "{}",
        ran.stderr
    );
    assert!(world.calls().len() < 200);
    assert!(!world.csv_path("artist_albums.csv").exists(), "it was never read completely");
    assert_eq!(world.csv("tracks.csv").len(), 1);
}

#[test]
fn foreign_links_are_not_followed() {
    let elsewhere = World::extended();
    let host = elsewhere.sandbox.accounts_url();
    let world = small_pages();
    world.sandbox.inject(Fault::on_path(PAGE, FaultAction::ForeignNext { host: host.clone() }));
    world.run(&[]).exits(0);
    assert_eq!(world.column("artist_albums.csv", "album_id"), truth(&world));
    world.sandbox.clear_faults();
    for code in [301, 302, 307, 308] {
        let world = small_pages();
        world.sandbox.inject(Fault::on_path(PAGE, FaultAction::Redirect { code, to: format!("{host}/v1/markets") }));
        world.run(&[]).exits(3).says(&format!("unexpected status {code}"));
        assert_eq!(world.csv("tracks.csv").len(), 1);
    }
    assert_eq!(elsewhere.sandbox.log().len(), 0, "nothing reached the other host");
}

#[test]
fn failing_page_is_tried_again_next_time() {
    let world = small_pages();
    world.sandbox.inject(Fault::on_path(PAGE, FaultAction::status(500)).with_query("offset=10"));
    world.run(&[]).exits(3).shows("failing_page_is_tried_again_next_time");
    world.sandbox.clear_faults();
    world.new_calls();
    world.run(&[]).exits(0);
    let calls = world.new_calls();
    let of_page = |page: &str| calls.iter().filter(|call| call.contains(page)).count();
    assert_eq!(of_page("offset=0"), 1, "one request of the first page, and no read: {calls:?}");
    assert_eq!(world.column("artist_albums.csv", "album_id"), truth(&world));
}

fn edit_when_served(times: u32) -> World {
    let options = SandboxOptions { mode: QuotaMode::Extended, playlist_items: 260, ..SandboxOptions::default() };
    let world = World::with(options);
    let id = {
        let catalog = world.sandbox.catalog();
        let plain = |id: &String| catalog.expected_rows(id).is_some_and(|rows| rows.len() == 260);
        catalog.playlist_ids().into_iter().filter(|id| *id != fixtures::LARGE_PLAYLIST).find(plain).unwrap()
    };
    let world = world.job(&by_ids("playlist_items", &[&id]));
    world.run(&[]).exits(0);
    let edit = serde_json::json!({
        "do": "when_served", "playlist": id, "page": 1, "times": times,
        "edit": {"do": "remove", "playlist": id, "position": 0, "count": 1},
    });
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
    // Edits, so that there is something to read.
    let edit = serde_json::json!({"do": "remove", "playlist": id, "position": 7, "count": 1});
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
    world.sandbox.clear_log();
    world
}

fn uris(world: &World) -> Vec<String> {
    let id = world.one("SELECT DISTINCT playlist_id FROM playlist_items");
    world.sandbox.catalog().expected_rows(&id).unwrap().into_iter().map(|row| row.uri.unwrap_or_default()).collect()
}

#[test]
fn moving_list_is_read_again() {
    for times in [1, 2] {
        let world = edit_when_served(times);
        world.run(&[]).exits(0);
        assert_eq!(world.column("playlist_items.csv", "uri"), uris(&world));
        assert_eq!(
            world.one("SELECT count(*) FROM playlist_changes WHERE change = 'removed'"),
            (times + 1).to_string()
        );
        assert_eq!(world.one("SELECT count(*) FROM playlist_changes WHERE change <> 'removed'"), "0");
    }
}

#[test]
fn list_that_keeps_moving_is_partial() {
    let world = edit_when_served(50);
    let before = world.csv_bytes("playlist_items.csv");
    world.run(&[]).exits(3).shows("list_that_keeps_moving_is_partial");
    assert_eq!(world.csv_bytes("playlist_items.csv"), before);
    let first_pages = world.new_calls().iter().filter(|call| call.contains("offset=0")).count();
    assert_eq!(first_pages, 2, "the first request had the first page, which is read again at most twice");
    assert_eq!(world.rows("SELECT reason FROM skipped_items"), [["moved"]]);
    assert_eq!(world.one("SELECT count(*) FROM checkpoints"), "0");
}

#[test]
fn wrong_total_with_one_version_is_complete() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::EDGE_CASE_PLAYLIST]));
    world.run(&[]).exits(0);
    let note = world.rows("SELECT reason, detail FROM skipped_items WHERE reason = 'wrong_total'");
    assert_eq!(note.len(), 1, "{note:?}");
    let rows = world.sandbox.catalog().expected_rows(fixtures::EDGE_CASE_PLAYLIST).unwrap().len();
    assert!(note[0][1].contains(&format!("ended after {rows}")), "{note:?}");
}

#[test]
fn bad_id_in_a_batch_costs_itself_only() {
    let ids = [fixtures::PLAIN_TRACK, fixtures::UNAVAILABLE_TRACK, fixtures::RELINKED_TRACK];
    let world = World::extended().job(&by_ids("tracks", &ids));
    world.sandbox.inject(Fault::on_path("/v1/tracks", FaultAction::status(400)));
    world
        .sandbox
        .inject(Fault::on_path(&format!("/v1/tracks/{}", fixtures::UNAVAILABLE_TRACK), FaultAction::status(400)));
    world.run(&[]).exits(3).says(fixtures::UNAVAILABLE_TRACK);
    assert_eq!(world.csv("tracks.csv").len(), 2);
}

#[test]
fn playlist_deleted_in_a_read_costs_itself_only() {
    let world =
        World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST, fixtures::EDGE_CASE_PLAYLIST]));
    world
        .sandbox
        .inject(Fault::on_path("/v1/playlists/*", FaultAction::status(404)).with_query("fields=snapshot_id").times(1));
    world.run(&[]).exits(3).shows("playlist_deleted_in_a_read_costs_itself_only");
    assert!(!world.csv("playlist_items.csv").is_empty());
}

#[test]
fn refused_search_costs_itself_only() {
    let job = [
        fetch("tracks", "ids = [\"isrc:QZSBX2600001\", \"isrc:ZZZZZ0000000\"]"),
        fetch("search", "queries = [\"one\", \"two\"]"),
        by_ids("artists", &[fixtures::BUSY_ARTIST]),
    ];
    let world = World::extended().job(&job.concat());
    world.sandbox.inject(Fault::on_path("/v1/search", FaultAction::status(400)).with_query("ZZZZZ"));
    world.sandbox.inject(Fault::on_path("/v1/search", FaultAction::status(404)).with_query("q=two"));
    world.run(&[]).exits(3).shows("refused_search_costs_itself_only");
    assert_eq!(world.csv("tracks.csv").len(), 1);
    assert_eq!(world.csv("artists.csv").len(), 1);
}

#[test]
fn one_probe_settles_an_unknown_class() {
    // Artists read one by one reveal no app class. 1 % of 500 calls are soon sent.
    let ids = |world: &World| -> Vec<String> {
        let ids = world.sandbox.catalog().ids();
        ids["artists"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).take(12).collect()
    };
    for (world, probed) in [(World::extended(), 0), (World::development(), 75)] {
        let named = |(n, id): (usize, &String)| fetch("artists", &format!("name = \"a{n}\"\nids = [\"{id}\"]"));
        let job: String = ids(&world).iter().enumerate().map(named).collect();
        let world = world.job(&job);
        let mut command = world.command(&["run"]);
        command.env("CRATEDIGGER__LIMITS__RESERVE", "99%");
        let ran = crate::support::world::ran(&mut command);
        assert_eq!(ran.code, probed, "{}", ran.stderr);
        let probes = world.new_calls().iter().filter(|call| *call == "/markets").count();
        assert_eq!(probes, 1);
        if probed == 75 {
            crate::support::world::ran(&mut command).exits(75).shows("one_probe_settles_an_unknown_class");
            assert_eq!(world.new_calls(), [""; 0]);
        }
    }
}
