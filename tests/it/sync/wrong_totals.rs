//! Lists that announce more items than they have. A constant difference is a fact: the list is published and the
//! difference is noted, and later runs cost no more than those of a list in order.

use serde_json::json;
use spotify_sandbox::{Fault, FaultAction, QuotaMode, SandboxOptions, fixtures};

use super::users::both;
use crate::support::calls_table::{digging, remove};
use crate::support::world::{World, by_ids};

/// Runs the job until the total is known, and returns the calls of the first and of a later run.
fn calls_of_two_runs(world: &World, csv: &str, rows: usize) -> (usize, usize) {
    let noted =
        "SELECT count(*) FROM skipped_items WHERE reason = 'wrong_total' AND run_id = (SELECT max(id) FROM runs)";
    world.new_calls();
    world.run(&["x"]).exits(0);
    let first = world.new_calls().len();
    assert_eq!((world.csv(csv).len(), world.one(noted)), (rows, "1".to_owned()), "{csv}");
    world.run(&["x"]).exits(0);
    world.new_calls();
    world.run(&["x"]).exits(0);
    let later = world.new_calls().len();
    assert_eq!(world.csv(csv).len(), rows, "{csv}");
    world.cli(&["verify"]).exits(0);
    (first, later)
}

#[test]
fn wrong_total_is_noted() {
    let options = SandboxOptions { digger_tracks: 118, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, options, "[[fetch]]\nstream = \"saved_tracks\"\n");
    world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::set("/total", json!(120))));
    // Three pages, an empty one, and a look at an offset that differs by one; later the first page alone.
    assert_eq!(calls_of_two_runs(&world, "saved_tracks.csv", 118), (5, 1));

    let world = both(World::development().job("user = \"home\"\n[[fetch]]\nstream = \"followed_artists\"\n"));
    world.sandbox.inject(Fault::on_path("/v1/me/following", FaultAction::set("/artists/total", json!(80))));
    // By cursor, the last page is requested twice, and the list is read once more.
    let (first, later) = calls_of_two_runs(&world, "followed_artists.csv", 64);
    assert!(first <= 7 && later <= 3, "{first}, {later}");

    // One item too many, by cursor.
    let world = both(World::development().job("user = \"home\"\n[[fetch]]\nstream = \"followed_artists\"\n"));
    world.sandbox.inject(Fault::on_path("/v1/me/following", FaultAction::set("/artists/total", json!(63))));
    assert_eq!(calls_of_two_runs(&world, "followed_artists.csv", 64), (3, 2));

    let job = by_ids("show_episodes", &[fixtures::SHOW]);
    let world = World::extended().job(&format!("market = \"US\"\n{job}"));
    world.sandbox.inject(Fault::on_path("/v1/shows/*/episodes", FaultAction::set("/total", json!(70))));
    // One of the 64 episodes is null.
    let (first, later) = calls_of_two_runs(&world, "show_episodes.csv", 63);
    assert!(first <= 5 && later <= 3, "{first}, {later}");
}

#[test]
fn total_that_differs_by_page_is_noted() {
    let options = SandboxOptions { digger_tracks: 118, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, options, "[[fetch]]\nstream = \"saved_tracks\"\n");
    let first = Fault::on_path("/v1/me/tracks", FaultAction::set("/total", json!(120))).with_query("offset=0");
    world.sandbox.inject(first);
    let (first, later) = calls_of_two_runs(&world, "saved_tracks.csv", 118);
    assert!(first <= 9 && later <= 1, "{first}, {later}");
}

#[test]
fn removed_item_of_a_short_list_is_removed() {
    let options = SandboxOptions { digger_tracks: 118, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, options, "[[fetch]]\nstream = \"saved_tracks\"\n");
    world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::set("/total", json!(120))));
    world.run(&["x"]).exits(0);
    remove(&world, 60);
    world.sandbox.clear_faults();
    world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::set("/total", json!(119))));
    world.run(&["x", "--full"]).exits(0);
    assert_eq!(world.csv("saved_tracks.csv").len(), 117);
    world.cli(&["verify"]).exits(0);
}
