//! Pages of a playlist that begin too early and hold the last items of the page before once more. A playlist may also
//! really hold an item twice in a row.

use serde_json::json;
use spotify_sandbox::{Fault, FaultAction, QuotaMode, SandboxOptions, fixtures};

use super::late_items::paged_list;
use crate::support::world::{World, by_ids};

const ITEMS: &str = "/v1/playlists/*/tracks";

/// A playlist of 260 items in pages of 100, 100 and 60.
fn world() -> (World, String) {
    let options = SandboxOptions { mode: QuotaMode::Extended, playlist_items: 260, ..SandboxOptions::default() };
    let world = World::with(options);
    let id = {
        let catalog = world.sandbox.catalog();
        let has_260 = |id: &String| catalog.expected_rows(id).is_some_and(|rows| rows.len() == 260);
        catalog.playlist_ids().into_iter().find(has_260).unwrap()
    };
    let job = by_ids("playlist_items", &[&id]);
    (world.job(&job), id)
}

fn edit(world: &World, edit: serde_json::Value) {
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
}

fn stored(world: &World) -> Vec<String> {
    world.rows("SELECT coalesce(uri, '') FROM playlist_items ORDER BY position").concat()
}

fn expected(world: &World, id: &str) -> Vec<String> {
    let rows = world.sandbox.catalog().expected_rows(id).unwrap();
    rows.into_iter().map(|row| row.uri.unwrap_or_default()).collect()
}

#[test]
fn page_that_begins_too_early_adds_no_row() {
    // The total adds up for the page in the middle: its last item is missing, and its first one is there twice.
    for (from, by) in [(100, 1), (100, 7), (200, 1), (200, 30)] {
        let shifted = || Fault::on_path(ITEMS, FaultAction::ShiftedPages { from, by });
        let at = format!("offset={from}");
        let (world, id) = world();
        world.sandbox.inject(shifted().with_query(&at).times(1));
        world.run(&[]).exits(0);
        let before = stored(&world);
        assert_eq!(before, expected(&world, &id), "{from} by {by}");
        assert_eq!(world.one("SELECT count(*) FROM skipped_items"), "0");
        // A page that stays wrong replaces nothing.
        edit(&world, json!({"do": "remove", "playlist": id, "position": 3, "count": 1}));
        world.sandbox.inject(shifted().with_query(&at));
        world.run(&[]).exits(3).says("repeated_page");
        assert_eq!(stored(&world), before, "{from} by {by}");
        world.sandbox.clear_faults();
        world.run(&[]).exits(0);
        assert_eq!(stored(&world), expected(&world, &id), "{from} by {by}");
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn item_twice_at_the_edge_of_a_page_is_real() {
    for items in [1, 8] {
        let (world, id) = world();
        let tracks = vec![fixtures::PLAIN_TRACK; 2 * items];
        edit(&world, json!({"do": "insert", "playlist": id, "position": 100 - items, "items": tracks}));
        world.run(&[]).exits(0);
        assert_eq!(stored(&world), expected(&world, &id), "{items}");
        // Three pages, the version, and the list at an offset that differs by one.
        assert_eq!(world.calls().len(), 5, "{:?}", world.calls());
    }
}

#[test]
fn insertion_during_a_read_costs_one_more_read() {
    let (world, id) = world();
    let insert = json!({"do": "insert", "playlist": id, "position": 3, "items": [fixtures::PLAIN_TRACK]});
    edit(&world, json!({"do": "when_served", "playlist": id, "page": 1, "times": 1, "edit": insert}));
    world.run(&[]).exits(0);
    assert_eq!(stored(&world), expected(&world, &id));
    // The page that shows the insertion ends the first read.
    assert!(world.calls().len() <= 10, "{:?}", world.calls());
    world.cli(&["verify"]).exits(0);
}

#[test]
fn other_pages_show_what_an_early_page_hides() {
    // A page in the middle that begins one place early repeats an item, and its last one is missing.
    for (stream, from) in [("saved_tracks", 50), ("artist_albums", 10)] {
        let all = paged_list(stream);
        all.world.run(&[]).exits(0);
        let early = paged_list(stream);
        let action = FaultAction::ShiftedPages { from, by: 1 };
        early.world.sandbox.inject(Fault::on_path(early.path, action).with_query(&format!("offset={from}")));
        early.world.run(&[]).exits(0);
        assert_eq!(early.rows(), all.rows(), "{stream}");
        assert_eq!(early.world.one("SELECT count(*) FROM skipped_items"), "0", "{stream}");
        early.world.cli(&["verify"]).exits(0);
    }
}
