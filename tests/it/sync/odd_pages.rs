//! Pages with unusual contents. A single wrong page costs one call and no row. A list that stays wrong is
//! given up. A page that only looks wrong, in a correct list, is stored as it is.

use std::collections::HashSet;

use serde_json::json;
use spotify_sandbox::{Fault, FaultAction, LibraryEdit, LibrarySection, QuotaMode, SandboxOptions, fixtures};

use crate::support::calls_table::{digging, remove, saved_by, truth};
use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::world::{World, by_ids};

pub const ITEMS: &str = "/v1/playlists/*/tracks";

/// A plain playlist of 260 items in pages of a hundred, with a job that reads it.
pub fn plain() -> (World, String) {
    let world =
        World::with(SandboxOptions { mode: QuotaMode::Extended, playlist_items: 260, ..SandboxOptions::default() });
    let id = {
        let catalog = world.sandbox.catalog();
        let plain = |id: &String| catalog.expected_rows(id).is_some_and(|rows| rows.len() == 260);
        catalog.playlist_ids().into_iter().filter(|id| *id != fixtures::LARGE_PLAYLIST).find(plain).unwrap()
    };
    let job = by_ids("playlist_items", &[&id]);
    (world.job(&job), id)
}

fn edit(world: &World, edit: serde_json::Value) {
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
}

/// Saves a track that the user has not saved yet.
pub fn save_another(world: &World) {
    let save = another_save(world);
    world.sandbox.catalog().edit_library(save).unwrap();
}

/// The edit that saves a track that the user has not saved yet.
fn another_save(world: &World) -> LibraryEdit {
    let there: HashSet<String> = truth(world).into_iter().map(|(id, _)| id).collect();
    let id = {
        let rows = world.sandbox.catalog().expected_rows(fixtures::LARGE_PLAYLIST).unwrap();
        rows.into_iter().filter_map(|row| row.id).find(|id| !there.contains(id)).unwrap()
    };
    let (user, section) = (fixtures::DIGGER_USER.to_owned(), LibrarySection::Tracks);
    LibraryEdit::Save { user, section, id, added_at_ms: None, twice: false }
}

pub fn stored_items(world: &World) -> Vec<String> {
    world.rows("SELECT coalesce(uri, '') FROM playlist_items ORDER BY position").concat()
}

pub fn expected_items(world: &World, id: &str) -> Vec<String> {
    let rows = world.sandbox.catalog().expected_rows(id).unwrap();
    rows.into_iter().map(|row| row.uri.unwrap_or_default()).collect()
}

#[test]
fn repeated_playlist_page_is_not_stored() {
    for (action, reason) in [(FaultAction::RepeatPage, "repeated_page"), (FaultAction::EmptyPage, "cut_short")] {
        for offset in ["offset=100", "offset=200"] {
            // A page that is wrong once or twice is read correctly by the next attempt or the next run.
            for times in [1, 2] {
                let (world, id) = plain();
                world.sandbox.inject(Fault::on_path(ITEMS, action.clone()).with_query(offset).times(times));
                let ran = world.run(&[]);
                match ran.code {
                    0 => assert_eq!(stored_items(&world), expected_items(&world, &id), "{reason} at {offset}"),
                    3 => {
                        ran.says(reason);
                        assert_eq!(stored_items(&world), [""; 0], "{reason} at {offset}");
                        world.run(&[]).exits(0);
                        assert_eq!(
                            stored_items(&world),
                            expected_items(&world, &id),
                            "{reason} at {offset}, the next run"
                        );
                    }
                    _ => panic!("{}", ran.stderr),
                }
                assert!(times == 2 || world.one("SELECT count(*) FROM skipped_items") == "0");
                world.cli(&["verify"]).exits(0);
            }
            // A repeated page that stays wrong leaves the old list in place. An empty one is read in smaller pages, of
            // which one has the same offset.
            let (world, id) = plain();
            world.run(&[]).exits(0);
            let before = stored_items(&world);
            edit(&world, json!({"do": "remove", "playlist": id, "position": 3, "count": 1}));
            world.sandbox.inject(Fault::on_path(ITEMS, action.clone()).with_query(offset));
            let ran = world.run(&[]).exits(3);
            if action == FaultAction::EmptyPage {
                assert_eq!(stored_items(&world), expected_items(&world, &id), "the last known row stays");
                assert_eq!(world.rows("SELECT reason FROM skipped_items"), [["unread_item"]]);
            } else {
                ran.shows("repeated_playlist_page_is_not_stored");
                assert_eq!(stored_items(&world), before);
                assert_eq!(world.rows("SELECT reason FROM skipped_items"), [[reason]]);
            }
            assert_eq!(world.one("SELECT count(*) FROM checkpoints"), "0");
            world.cli(&["verify"]).exits(0);
            world.sandbox.clear_faults();
            world.run(&[]).exits(0);
            assert_eq!(stored_items(&world), expected_items(&world, &id));
        }
    }
}

#[test]
fn playlist_with_equal_pages_is_read() {
    let (world, id) = plain();
    edit(&world, json!({"do": "insert", "playlist": id, "position": 50, "items": vec![fixtures::PLAIN_TRACK; 400]}));
    world.run(&[]).exits(0);
    assert_eq!(stored_items(&world), expected_items(&world, &id));
    assert_eq!(stored_items(&world).len(), 660);
    let calls = world.new_calls();
    // The first page, six more and the proof; four pages begin with the items before them.
    let aside: Vec<&String> = calls.iter().filter(|call| call.ends_with("99")).collect();
    assert_eq!((calls.len(), aside.len()), (12, 4), "{calls:?}");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn accepted_second_answer_is_used() {
    let (world, id) = plain();
    edit(&world, json!({"do": "insert", "playlist": id, "position": 50, "items": vec![fixtures::PLAIN_TRACK; 400]}));
    // The first look at an offset that differs by one shows nothing, so that the page is requested once more.
    world.sandbox.inject(Fault::on_path(ITEMS, FaultAction::EmptyPage).with_query("offset=199").times(1));
    world.run(&[]).exits(0);
    assert_eq!(stored_items(&world), expected_items(&world, &id));
    let calls = world.new_calls();
    assert_eq!(calls.iter().filter(|call| call.ends_with("offset=200")).count(), 2, "{calls:?}");
}

#[test]
fn short_list_is_accepted_after_a_probe() {
    // The unchanged version proves the short playlist, and the difference is noted.
    let (world, id) = plain();
    world.sandbox.inject(Fault::on_path(ITEMS, FaultAction::EndsAfter { items: 230 }));
    world.run(&[]).exits(0);
    assert_eq!(stored_items(&world), expected_items(&world, &id)[..230]);
    assert_eq!(world.rows("SELECT reason FROM skipped_items"), [["wrong_total"]]);
    let calls = world.new_calls();
    assert_eq!(calls.len(), 6, "the first page, two more, an empty one, the probe, the proof: {calls:?}");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn repeated_album_page_removes_no_track() {
    let job = by_ids("album_tracks", &[fixtures::LONG_ALBUM]);
    let world = World::extended().job(&job);
    world.run(&[]).exits(0);
    let stood = world.csv_bytes("album_tracks.csv");
    // The album's own answer contains the first page.
    world.sandbox.inject(Fault::on_path("/v1/*", FaultAction::RepeatPage).with_query("offset=50").times(1));
    world.run(&["--full"]).exits(0);
    assert_eq!(world.csv_bytes("album_tracks.csv"), stood);
    assert_eq!(world.one("SELECT count(*) FROM album_tracks WHERE removed_at IS NOT NULL"), "0");
    assert_eq!(world.one("SELECT count(*) FROM skipped_items"), "0");
    world.sandbox.inject(Fault::on_path("/v1/*", FaultAction::RepeatPage).with_query("offset=50"));
    world.run(&["--full"]).exits(3).shows("repeated_album_page_removes_no_track");
    assert_eq!(world.csv_bytes("album_tracks.csv"), stood);
}

#[test]
fn repeated_page_after_a_kill_is_noticed() {
    let (world, id) = plain();
    // The two calls read the first page and the page at 100.
    world.run(&["--max-calls", "2"]).exits(75);
    assert_eq!(world.one("SELECT next_offset FROM checkpoints"), "200");
    world.sandbox.inject(Fault::on_path(ITEMS, FaultAction::RepeatPage).with_query("offset=200").times(1));
    world.run(&[]).exits(0).shows("repeated_page_after_a_kill_is_noticed");
    assert_eq!(stored_items(&world), expected_items(&world, &id));
}

#[test]
fn changed_head_restarts_a_read() {
    let options = SandboxOptions { digger_tracks: 268, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, options, "[[fetch]]\nstream = \"saved_tracks\"\n");
    world.run(&["x", "--max-calls", "4"]).exits(75);
    assert_eq!(world.one("SELECT next_offset FROM checkpoints"), "200");
    // The total stays the same, and so does the item at the offset where the read stopped.
    remove(&world, 5);
    save_another(&world);
    world.run(&["x"]).exits(0).shows("changed_head_restarts_a_read");
    assert_eq!(saved_by(&world), truth(&world));
    assert_eq!(world.one("SELECT count(*) FROM saved_tracks WHERE removed_at IS NOT NULL"), "0");
}

#[test]
fn overlapping_library_pages_are_read_again() {
    let options = SandboxOptions { digger_tracks: 268, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, options, "[[fetch]]\nstream = \"saved_tracks\"\n");
    world.run(&["x"]).exits(0);
    // The total stays the same, and the new item pushes one that was already read onto the next page.
    let (user, section) = (fixtures::DIGGER_USER.to_owned(), LibrarySection::Tracks);
    let remove = LibraryEdit::Remove { user: user.clone(), section, position: 240 };
    let edits = vec![another_save(&world), remove];
    let edit = LibraryEdit::WhenServed { user, section, offset: 100, edits };
    world.sandbox.catalog().edit_library(edit).unwrap();
    world.new_calls();
    world.run(&["--full", "x"]).exits(0);
    assert!(world.new_calls().len() > 6, "the list is read again");
    assert!(saved_by(&world) == truth(&world));
    assert_eq!(world.one("SELECT count(*) FROM skipped_items"), "0");
}

#[test]
fn endless_playlist_is_reported() {
    let (world, _) = plain();
    world.sandbox.inject(Fault::on_path(ITEMS, FaultAction::EndlessPages));
    let ran = world.run(&[]).exits(3);
    assert!(!ran.stderr.contains("moved"), "its version stayed the same: {}", ran.stderr);
    assert!(!ran.stderr.contains("the last whole list stays"), "there is none: {}", ran.stderr);
    assert!(ran.stderr.contains("endless") || ran.stderr.contains("repeated_page"), "{}", ran.stderr);
}

#[test]
fn history_covers_a_cut_first_read() {
    let (world, id) = plain();
    let wrong = Fault::on_path(ITEMS, FaultAction::EndsAfter { items: 230 });
    world.sandbox.inject(wrong);
    world.run(&[]).exits(0);
    let then = world.one("SELECT seen_at FROM playlist_versions");
    world.sandbox.clear_faults();
    // The version is unchanged although the list is different.
    world.run(&["--full"]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM playlist_changes WHERE change = 'added'"), "30");
    assert_eq!(world.one("SELECT count(*) FROM playlist_changes"), "30");
    world.cli(&["diff", "x", "--since", "1d"]).exits(0);
    let store = world.store();
    let as_of = |at: Option<&str>| cratedigger::store::playlist_at(&store, &id, at).unwrap().places.len();
    assert_eq!((as_of(Some(&then)), as_of(None)), (230, 260));
    world.cli(&["verify"]).exits(0);
}

#[test]
fn two_markets_record_edits_not_relinks() {
    let world = World::extended();
    let id = fixtures::HOME_PLAYLIST;
    edit(&world, json!({"do": "insert", "playlist": id, "position": 10, "items": vec![fixtures::RELINKED_TRACK; 4]}));
    let world = world.job(&format!("market = \"US\"\n{}", by_ids("playlist_items", &[id])));
    world.project.write("jobs/y.toml", by_ids("playlist_items", &[id]));
    world.run(&["x"]).exits(0);
    world.run(&["y"]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM playlist_changes"), "0", "one version, with two names for its items");
    // Items are distinguished by when they were added, to the second.
    world.sandbox.advance(std::time::Duration::from_secs(2));
    edit(&world, json!({"do": "insert", "playlist": id, "position": 0, "items": [fixtures::PLAIN_TRACK]}));
    for job in ["x", "y", "x"] {
        world.run(&[job]).exits(0);
        let changes = world.rows("SELECT change, position_after FROM playlist_changes");
        assert_eq!(changes, [["added", "0"]], "after {job}");
    }
    world.cli(&["verify"]).exits(0);
}

#[test]
fn missing_items_are_reported_once_per_job() {
    let gone = "0SandboxNoSuchList0000";
    let ids = [fixtures::STUDIO_PLAYLIST, gone, fixtures::HOME_PLAYLIST];
    let job = by_ids("playlist_items", &ids);
    let whole = World::extended().job(&job);
    whole.run(&[]).exits(3).shows("missing_items_are_reported_once_per_job");
    whole.run(&[]).exits(0);
    // A run that is deferred after the refusal reports it at once, and so does the run that finishes the job.
    let world = World::extended().settings("concurrency = 1").job(&job);
    let mut calls = 0;
    let refused = format!("/playlists/{gone}");
    while !world.calls().iter().any(|call| call.starts_with(&refused)) {
        calls += 1;
        assert!(calls < 20);
        world.run(&["--max-calls", "1"]);
    }
    let states = world.rows("SELECT DISTINCT state FROM runs");
    assert_eq!(states, [["deferred"]]);
    // Each of the two missing items was reported by the run that requested it.
    assert_eq!(world.one("SELECT count(*) FROM runs WHERE reason LIKE '%not found%'"), "2");
    let asked = world.calls().iter().filter(|call| call.starts_with(&refused)).count();
    world.run(&[]).exits(3).shows("missing_items_are_reported_once_per_job_2");
    assert_eq!(
        world.calls().iter().filter(|call| call.starts_with(&refused)).count(),
        asked,
        "the playlist is not requested again"
    );
    assert_eq!(world.csv_bytes("playlist_items.csv"), whole.csv_bytes("playlist_items.csv"));
    world.run(&[]).exits(0);
    // The other job has not reported the missing playlist yet.
    world.project.write("jobs/y.toml", by_ids("playlist_items", &[gone]));
    world.new_calls();
    world.run(&["y"]).exits(3).says(gone);
    assert_eq!(world.new_calls(), [""; 0]);
    world.run(&["y"]).exits(0);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn stopped_fetch_reports_missing_items() {
    let ids = ["0SandboxNoSuchList0000", fixtures::HOME_PLAYLIST];
    let world = World::extended().settings("concurrency = 1").job(&by_ids("playlist_items", &ids));
    world.run(&["--max-calls", "2"]).exits(3).shows("stopped_fetch_reports_missing_items");
}

#[test]
fn missing_items_are_reported_after_a_kill() {
    let gone = "0SandboxNoSuchList0000";
    let ids = [gone, fixtures::HOME_PLAYLIST];
    let world = World::extended().settings("concurrency = 1").job(&by_ids("playlist_items", &ids));
    world.sandbox.inject(Fault::on_path(&format!("/v1/playlists/{}", fixtures::HOME_PLAYLIST), FaultAction::Stall));
    let mut child = world.spawn(&[]);
    // A stalled call is logged only after its client has disconnected, so wait for the call before it.
    world.wait_for_calls(1);
    std::thread::sleep(std::time::Duration::from_millis(1_000));
    child.kill().unwrap();
    child.wait().unwrap();
    world.sandbox.clear_faults();
    let refused = format!("/playlists/{gone}");
    let asked = || world.calls().iter().filter(|call| call.starts_with(&refused)).count();
    assert_eq!(asked(), 1);
    let listed = world.cli(&["history"]);
    assert_output("missing_items_are_reported_after_a_kill", &listed.stdout);
    world.run(&[]).exits(3).shows("missing_items_are_reported_after_a_kill_2");
    assert_eq!(asked(), 1, "the playlist is not requested again");
    world.run(&[]).exits(0);
}

#[test]
fn killed_run_counts_committed_work() {
    let (world, id) = plain();
    world.sandbox.inject(Fault::on_path(ITEMS, FaultAction::Stall).with_query("offset=200"));
    let mut child = world.spawn(&[]);
    world.wait_for_stored("SELECT count(*) FROM staged_items", 200);
    child.kill().unwrap();
    child.wait().unwrap();
    world.sandbox.clear_faults();
    let run = &world.cli(&["history", "--json"]).json()["runs"][0];
    assert_eq!((run["state"].as_str(), run["rows"].as_i64()), (Some("failed"), Some(200)), "{run}");
    assert!(run["calls"].as_i64().unwrap() >= 2, "{run}");
    let ran = world.run(&["--json"]).exits(0).json();
    assert_eq!(stored_items(&world), expected_items(&world, &id));
    // The rows of this run and of the run before add up to the list.
    assert_eq!(ran["runs"][0]["rows"], 60, "{ran}");
    let taken_up = &ran["runs"][0]["fetches"][0]["taken_up"][0];
    assert_eq!((taken_up["at"].as_i64(), taken_up["goes_on"].as_bool()), (Some(200), Some(true)), "{ran}");
    assert_eq!(world.rows("SELECT state, rows FROM runs"), [["failed", "200"], ["complete", "60"]]);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn deferred_run_reports_its_items() {
    let (world, id) = plain();
    world.run(&["--max-calls", "2"]).exits(75).shows("deferred_run_reports_its_items");
    world.run(&[]).exits(0).shows("deferred_run_reports_its_items_2");
    assert_eq!(world.rows("SELECT served FROM run_fetches"), [["200"], ["60"]]);
    assert_eq!(stored_items(&world), expected_items(&world, &id));
}

#[test]
fn failed_read_is_recorded() {
    let (world, _) = plain();
    world.sandbox.inject(Fault::on_path(ITEMS, FaultAction::RepeatPage).with_query("offset=200"));
    world.run(&[]).exits(3);
    let sql = "SELECT reason, announced, served, staged, snapshot_before IS NOT NULL, length(content_hash) FROM unproved_lists";
    assert_eq!(world.rows(sql), [["repeated_page", "260", "200", "200", "1", "32"]]);
    assert_eq!(world.one("SELECT count(*) FROM run_lists"), "0");
    world.cli(&["verify"]).exits(0);
}
