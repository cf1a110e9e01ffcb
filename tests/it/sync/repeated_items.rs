//! Libraries in which an item comes twice, once in place of another one.

use serde_json::json;
use spotify_sandbox::{Fault, FaultAction, QuotaMode, SandboxOptions, fixtures};

use super::users::both;
use crate::support::calls_table::{digging, saved_by, truth};
use crate::support::world::World;

/// The item at position 5 comes again at this position.
fn repeats_at(world: &World, position: usize) -> Fault {
    comes_again(world, 5, position)
}

/// The item at a position comes at another one, too.
fn comes_again(world: &World, item: usize, position: usize) -> Fault {
    comes_again_on_page(world, item, (position / 50 * 50, position % 50))
}

/// The same, in the pages of the second read.
fn repeats_in_other_pages(world: &World, position: usize) -> Fault {
    comes_again_on_page(world, 5, ((position - 38) / 50 * 50 + 38, (position - 38) % 50))
}

fn comes_again_on_page(world: &World, item: usize, (offset, place): (usize, usize)) -> Fault {
    let id = truth(world)[item].0.clone();
    let at = format!("/items/{place}/track");
    let set = |key: &str, to: String| FaultAction::set(&format!("{at}/{key}"), json!(to));
    let actions = vec![set("id", id.clone()), set("uri", format!("spotify:track:{id}"))];
    let page = format!("offset={offset}");
    Fault::on_path("/v1/me/tracks", FaultAction::Several { actions }).with_query(&page)
}

#[test]
fn item_in_place_of_another_is_noticed() {
    let tracks = SandboxOptions { digger_tracks: 120, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, tracks, "[[fetch]]\nstream = \"saved_tracks\"\n");
    let removed = "SELECT count(*) FROM saved_tracks WHERE removed_at IS NOT NULL";
    let mut ids: Vec<String> = truth(&world).into_iter().map(|row| row.0).collect();
    ids.sort();
    let stored = || {
        let mut ids: Vec<String> = saved_by(&world).into_iter().map(|row| row.0).collect();
        ids.sort();
        ids
    };
    // Once: the list is read once more, in a first read, a whole one and one from its start.
    for (position, arguments) in [(100, &["x"][..]), (100, &["x", "--full"]), (40, &["x"])] {
        world.sandbox.inject(repeats_at(&world, position).times(1));
        world.run(arguments).exits(0);
        assert!(saved_by(&world) == truth(&world), "{position} {arguments:?}");
        assert_eq!(world.one("SELECT count(*) FROM skipped_items"), "0", "{position} {arguments:?}");
    }
    // For good: the item whose place it has stays.
    for (position, arguments) in [(100, &["x", "--full"][..]), (40, &["x"])] {
        world.sandbox.clear_faults();
        world.sandbox.inject(repeats_at(&world, position));
        world.sandbox.inject(repeats_in_other_pages(&world, position));
        for most_calls in [6, 3] {
            world.new_calls();
            world.run(arguments).exits(0);
            assert!(stored() == ids, "{position}");
            assert_eq!(world.one(removed), "0", "{position}");
            let noted = "SELECT position, reason FROM skipped_items WHERE run_id = (SELECT max(id) FROM runs)";
            assert_eq!(world.rows(noted), [[position.to_string(), "listed_twice".to_owned()]]);
            let calls = world.new_calls();
            assert!(calls.len() <= most_calls, "{position}: {calls:?}");
        }
        world.cli(&["verify"]).exits(0);
    }
    world.sandbox.clear_faults();
    world.run(&["x", "--full"]).exits(0);
    assert!(saved_by(&world) == truth(&world));
    assert_eq!(world.one(removed), "0");
}

#[test]
fn known_item_stays_in_an_unstable_order() {
    // One item is nowhere, and the place that another one has twice is not near where it was.
    let tracks = SandboxOptions { digger_tracks: 120, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, tracks, "[[fetch]]\nstream = \"saved_tracks\"\n");
    world.run(&["x"]).exits(0);
    let positions = (0..120).filter(|position| *position != 52).chain([45]).collect();
    world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::Reordered { positions }));
    for _ in 0..3 {
        world.run(&["x", "--full"]).exits(0);
        assert_eq!(saved_by(&world).len(), 120);
        assert_eq!(world.one("SELECT count(*) FROM saved_tracks WHERE removed_at IS NOT NULL"), "0");
        world.cli(&["verify"]).exits(0);
    }
    // Where the total says that one was removed, it goes.
    world.sandbox.clear_faults();
    let positions = (0..120).filter(|position| *position != 52).collect();
    world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::Reordered { positions }));
    world.run(&["x", "--full"]).exits(0);
    assert_eq!(saved_by(&world).len(), 119);
}

#[test]
fn note_names_the_place_that_is_wrong() {
    // The later of the two places is the right one.
    let tracks = SandboxOptions { digger_tracks: 120, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, tracks, "[[fetch]]\nstream = \"saved_tracks\"\n");
    world.run(&["x"]).exits(0);
    let displaced = truth(&world)[20].0.clone();
    world.sandbox.inject(comes_again(&world, 100, 20));
    world.run(&["x", "--full"]).exits(0);
    assert!(saved_by(&world) == truth(&world));
    let noted = "SELECT position, reason, detail FROM skipped_items";
    let detail = format!("it came in place of {displaced}, and the last known row stays");
    assert_eq!(world.rows(noted), [["20".to_owned(), "listed_twice".to_owned(), detail]]);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn top_list_has_each_item_once() {
    let world = both(World::development().job("user = \"home\"\n[[fetch]]\nstream = \"top_tracks\"\n"));
    let set = |place: u8, key: &str, to: &str| FaultAction::set(&format!("/items/{place}/{key}"), json!(to));
    let (id, uri) = (fixtures::PLAIN_TRACK, format!("spotify:track:{}", fixtures::PLAIN_TRACK));
    let actions = [3, 5].iter().flat_map(|place| [set(*place, "id", id), set(*place, "uri", &uri)]).collect();
    let fault = Fault::on_path("/v1/me/top/tracks", FaultAction::Several { actions });
    world.sandbox.inject(fault.with_query("offset=0"));
    world.run(&[]).exits(0);
    assert_eq!(world.one("SELECT count(*) = count(DISTINCT time_range || item_id) FROM top_items"), "1");
    assert_eq!(world.one("SELECT count(*) FROM top_items WHERE rank = 6"), "0");
    assert_ne!(world.one("SELECT count(*) FROM skipped_items WHERE reason = 'listed_twice'"), "0");
    world.cli(&["verify"]).exits(0);
}
