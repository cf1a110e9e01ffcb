//! Lists that announce more items than they have. A constant difference is a fact: the list is published and the
//! difference is noted, and later runs cost at most one call more than those of a list in order.

use serde_json::json;
use spotify_sandbox::{Fault, FaultAction, QuotaMode, SandboxOptions, fixtures};

use super::late_items::{age_looks, paged_list};
use super::odd_pages::{ITEMS, plain, stored_items};
use super::users::both;
use crate::support::calls_table::{digging, remove, save_new, saved_by, truth};
use crate::support::world::{World, by_ids, fetch};

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
    // Three pages, an empty one, and a look at an offset that differs by one; later the first page, and the first item
    // that did not come.
    assert_eq!(calls_of_two_runs(&world, "saved_tracks.csv", 118), (5, 2));

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
    assert!(first <= 9 && later <= 2, "{first}, {later}");
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

/// Runs the job, and returns the exit code, the number of calls, and the reasons that were noted.
fn run_once(world: &World, arguments: &[&str]) -> (i32, usize, String) {
    world.new_calls();
    let code = world.run(arguments).code;
    let reasons =
        "SELECT coalesce(group_concat(reason), '') FROM skipped_items WHERE run_id = (SELECT max(id) FROM runs)";
    (code, world.new_calls().len(), world.one(reasons))
}

#[test]
fn total_that_becomes_wrong_is_learned() {
    // By offset; the library grows before each run.
    let options = SandboxOptions { digger_tracks: 118, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, options, "[[fetch]]\nstream = \"saved_tracks\"\n");
    world.run(&["x"]).exits(0);
    let mut seen = Vec::new();
    for _ in 0..4 {
        save_new(&world, 1);
        world.sandbox.clear_faults();
        let total = json!(truth(&world).len() + 2);
        world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::set("/total", total)));
        seen.push(run_once(&world, &["x"]));
    }
    let [cut_short, wrong_total] = ["cut_short", "wrong_total"].map(str::to_owned);
    // Three pages and an empty one, which is requested twice, and the first and the last missing item alone. The next
    // run looks at an offset that differs by one. From then on, a run looks once behind the end.
    let expected =
        [(3, 7, cut_short.clone()), (0, 5, wrong_total.clone()), (0, 2, String::new()), (0, 2, String::new())];
    assert_eq!(seen, expected);
    assert!(saved_by(&world) == truth(&world));
    world.cli(&["verify"]).exits(0);

    // By cursor: two pages, of which the last is requested twice; the first run reads the list once more.
    let world = both(World::development().job("user = \"home\"\n[[fetch]]\nstream = \"followed_artists\"\n"));
    world.run(&["x"]).exits(0);
    world.sandbox.inject(Fault::on_path("/v1/me/following", FaultAction::set("/artists/total", json!(80))));
    let seen: Vec<_> = (0..3).map(|_| run_once(&world, &["x"])).collect();
    let expected = [(3, 6, cut_short.clone()), (0, 3, wrong_total.clone()), (0, 2, wrong_total.clone())];
    assert_eq!(seen, expected);
    assert_eq!(world.csv("followed_artists.csv").len(), 64);

    // The episodes of a show.
    let job = by_ids("show_episodes", &[fixtures::SHOW]);
    let world = World::extended().job(&format!("market = \"US\"\n{job}"));
    world.run(&["x"]).exits(0);
    world.sandbox.inject(Fault::on_path("/v1/shows/*/episodes", FaultAction::set("/total", json!(70))));
    let seen: Vec<_> = (0..3).map(|_| run_once(&world, &["x", "--full"])).collect();
    assert_eq!(seen.iter().map(|(code, ..)| *code).collect::<Vec<_>>(), [3, 0, 0], "{seen:?}");
    assert_eq!(world.csv("show_episodes.csv").len(), 63);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn end_that_loses_known_rows_needs_a_person() {
    let options = SandboxOptions { digger_tracks: 118, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, options, "[[fetch]]\nstream = \"saved_tracks\"\n");
    world.run(&["x"]).exits(0);
    let before = world.csv_bytes("saved_tracks.csv");
    world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::EndsAfter { items: 110 }));
    world.run(&["x", "--full"]).exits(3).says("accept it: cratedigger run --accept x saved_tracks");
    for _ in 0..2 {
        world.run(&["x"]).exits(3).says("accept the end: cratedigger run --accept x saved_tracks");
        assert!(world.csv_bytes("saved_tracks.csv") == before);
    }
    world.run(&["--accept", "x", "saved_tracks"]).exits(0);
    assert_eq!(world.csv("saved_tracks.csv").len(), 110);
    assert_eq!(world.one("SELECT count(*) FROM saved_tracks WHERE removed_at IS NOT NULL"), "8");
    assert_eq!(run_once(&world, &["x"]), (0, 2, String::new()));
    world.cli(&["verify"]).exits(0);
}

#[test]
fn full_run_accepts_only_a_reported_end() {
    for name in ["saved_tracks", "playlist_items", "artist_albums", "show_episodes", "followed_artists"] {
        let list = paged_list(name);
        list.ends_early();
        list.world.run(&["x"]).exits(0);
        let short = list.rows();
        let list = paged_list(name);
        list.world.run(&["x"]).exits(0);
        let all = list.rows();
        list.ends_early();
        list.world.run(&["x", "--full"]).exits(3).says("cut_short");
        assert_eq!(list.rows(), all, "{name}: a person could not look at it yet");
        list.world.run(&["x", "--full"]).exits(0);
        assert_eq!(list.rows(), short, "{name}");
        list.world.cli(&["verify"]).exits(0);
        // An end that lacks more has to be reported again.
        list.world.sandbox.clear_faults();
        list.world.run(&["x", "--full"]).exits(0);
        assert_eq!(list.rows(), all, "{name}");
    }
}

#[test]
fn known_end_costs_less_and_less() {
    let cases = [
        (of_home("my_playlists"), "/v1/me/playlists", "/total"),
        (World::extended().job(&fetch("categories", "")), "/v1/browse/categories", "/categories/total"),
        (of_home("top_artists"), "/v1/me/top/artists", "/total"),
    ];
    for (world, path, at) in cases {
        for _ in 0..2 {
            world.new_calls();
            world.run(&[]).exits(0);
        }
        let (calls, total) = (world.new_calls(), "SELECT announced + 2 FROM lists WHERE announced > 0");
        let (fewest, total): (_, u64) = (calls.len(), world.one(total).parse().unwrap());
        world.sandbox.inject(Fault::on_path(path, FaultAction::set(at, json!(total))));
        for _ in 0..2 {
            world.run(&[]);
        }
        world.new_calls();
        let calls = |_| {
            world.run(&[]).exits(0);
            world.new_calls().len() - fewest
        };
        assert_eq!((0..7).map(calls).collect::<Vec<_>>(), [1, 1, 1, 1, 1, 0, 0], "{path}");
        age_looks(&world, 1);
        assert_eq!((0..2).map(calls).collect::<Vec<_>>(), [1, 0], "{path}");
        world.cli(&["verify"]).exits(0);
    }
}

fn of_home(stream: &str) -> World {
    both(World::development().job(&format!("user = \"home\"\n[[fetch]]\nstream = \"{stream}\"\n")))
}

#[test]
fn playlist_keeps_rows_that_its_total_counts() {
    let (world, id) = plain();
    world.run(&[]).exits(0);
    let before = stored_items(&world);
    // Less than a quarter of the rows, at the end. The total says that one was removed.
    let removed = json!({"do": "remove", "playlist": id, "position": 3, "count": 1});
    world.sandbox.catalog().edit(serde_json::from_value(removed).unwrap()).unwrap();
    let ends = |path| world.sandbox.inject(Fault::on_path(path, FaultAction::EndsAfter { items: 230 }));
    ends(ITEMS);
    for _ in 0..2 {
        world.run(&[]).exits(3).says("it ended after 230 of the 259 items");
        assert!(stored_items(&world) == before);
        assert_eq!(world.one("SELECT count(*) FROM playlist_changes"), "0");
    }
    world.run(&["--accept", "x", "playlist_items"]).exits(0);
    assert_eq!(stored_items(&world).len(), 230);
    assert_eq!(run_once(&world, &[]), (0, 2, String::new()));
    world.cli(&["verify"]).exits(0);
}
