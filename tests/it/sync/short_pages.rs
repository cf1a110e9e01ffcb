//! Pages with fewer or more items than they should have: what a page lacks is read in smaller pages.

use serde_json::{Value, json};
use spotify_sandbox::{Fault, FaultAction, LibraryEdit, LibrarySection, QuotaMode, SandboxOptions, fixtures};

use super::odd_pages::{ITEMS, expected_items, plain, stored_items};
use super::users::both;
use crate::support::calls_table::{digging, saved_by, truth};
use crate::support::world::{World, fetch};

#[test]
fn short_page_is_read_again() {
    // The playlist's own answer contains the first page.
    let first = Fault::on_path("/v1/playlists/*", FaultAction::HolePage);
    let second = Fault::on_path(ITEMS, FaultAction::HolePage).with_query("offset=100");
    for fault in [first, second.clone()] {
        let (world, id) = plain();
        world.sandbox.inject(fault.times(1));
        world.run(&[]).exits(0);
        assert_eq!(stored_items(&world), expected_items(&world, &id));
        assert_eq!(world.one("SELECT count(*) FROM skipped_items"), "0");
    }
    // The page stays short: smaller pages are whole.
    let (world, id) = plain();
    world.sandbox.inject(second);
    world.run(&[]).exits(0);
    assert_eq!(stored_items(&world), expected_items(&world, &id));
    let calls = world.new_calls();
    assert!(calls.len() <= 5 + 2 * 7, "{calls:?}");
    // If a server cuts pages short but lets the next offset continue there, the list is complete and not doubted.
    let (world, id) = plain();
    world.run(&[]).exits(0);
    let fewest = world.new_calls().len();
    world.sandbox.inject(Fault::on_path(ITEMS, FaultAction::ShortPage).with_query("offset=100"));
    world.run(&["--full"]).exits(0);
    assert_eq!(stored_items(&world), expected_items(&world, &id));
    assert_eq!(world.new_calls().len(), fewest + 1, "the rest of the page");
}

#[test]
fn page_without_two_items_is_noticed() {
    // A playlist and a library.
    let tracks = SandboxOptions { digger_tracks: 268, ..SandboxOptions::default() };
    let library = digging(QuotaMode::Development, tracks, "[[fetch]]\nstream = \"saved_tracks\"\n");
    for (world, path) in [(plain().0, ITEMS), (library, "/v1/me/tracks")] {
        let lacking = Fault::on_path(path, FaultAction::MissingItems { from: 120, count: 2 });
        // Once, the list is read again; for good, it is partial.
        world.sandbox.inject(lacking.clone().with_query("offset=100").times(1));
        world.run(&["x"]).exits(0);
        assert_eq!(world.one("SELECT count(*) FROM skipped_items"), "0");
        // Smaller pages are whole.
        world.sandbox.inject(lacking.clone().with_query("offset=100"));
        world.run(&["x", "--full"]).exits(0);
        assert_eq!(world.one("SELECT count(*) FROM skipped_items"), "0");
        // No page has the items.
        world.sandbox.clear_faults();
        world.sandbox.inject(lacking);
        world.new_calls();
        let noted =
            "SELECT position FROM skipped_items WHERE reason = 'unread_item' ORDER BY run_id DESC, position LIMIT 2";
        for most_calls in [30, 12] {
            world.run(&["x", "--full"]).exits(3).says("the items at offsets 120, 121 cannot be read");
            assert_eq!(world.rows(noted), [["120"], ["121"]]);
            let calls = world.new_calls();
            assert!(calls.len() <= most_calls, "{} calls: {calls:?}", calls.len());
        }
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn short_page_that_is_known_costs_one_call() {
    let tracks = SandboxOptions { digger_tracks: 268, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, tracks, "[[fetch]]\nstream = \"saved_tracks\"\n");
    // The server cuts the first page short, and the next offset continues there.
    world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::ShortPage).with_query("offset=0"));
    world.run(&["x"]).exits(0);
    world.new_calls();
    world.run(&["x"]).exits(0);
    assert_eq!(world.new_calls().len(), 1);
    assert!(saved_by(&world) == truth(&world));
}

#[test]
fn failing_page_is_looked_at_once_more() {
    let (world, _) = plain();
    world.sandbox.inject(Fault::on_path(ITEMS, FaultAction::ShortPage).with_query("offset=100"));
    world.sandbox.inject(Fault::on_path(ITEMS, FaultAction::FailingItems { from: 155, count: 1, code: 500 }));
    for most in [6, 1] {
        world.new_calls();
        world.run(&["--full"]).exits(3).says("the item at offset 155 cannot be read");
        let calls = world.new_calls();
        let failing = calls.iter().filter(|call| call.contains("limit=100&offset=150")).count();
        assert!(failing <= most, "{calls:?}");
    }
}

#[test]
fn page_with_more_items_than_asked_is_used() {
    let (world, id) = plain();
    // The page states a smaller size than it has.
    world.sandbox.inject(Fault::on_path(ITEMS, FaultAction::set("/limit", json!(30))));
    world.run(&[]).exits(0);
    assert_eq!(stored_items(&world), expected_items(&world, &id));
    world.cli(&["verify"]).exits(0);
}

#[test]
fn playlist_that_shrinks_below_the_offset() {
    // While its second page is served, the playlist loses all items behind it, and some more.
    let (world, id) = plain();
    let shrink = json!({"do": "remove", "playlist": id, "position": 60, "count": 200});
    let edit = json!({"do": "when_served", "playlist": id, "page": 1, "times": 1, "edit": shrink});
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
    world.run(&[]).exits(0);
    assert_eq!(stored_items(&world), expected_items(&world, &id));
    assert_eq!(stored_items(&world).len(), 60);
    assert_eq!(world.one("SELECT count(*) FROM skipped_items"), "0");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn reread_library_keeps_notes_of_other_users() {
    let job = format!("users = [\"home\", \"studio\"]\n{}", fetch("saved_tracks", ""));
    let world = both(World::development().job(&job));
    let edit = |edit| world.sandbox.catalog().edit_library(edit).unwrap();
    let section = LibrarySection::Tracks;
    edit(LibraryEdit::Lose { user: fixtures::HOME_USER.to_owned(), section, position: 3 });
    // The library of the second user changes while it is read, so that it is read again.
    let user = fixtures::STUDIO_USER.to_owned();
    edit(LibraryEdit::Lose { user: user.clone(), section, position: 5 });
    let remove = LibraryEdit::Remove { user: user.clone(), section, position: 0 };
    edit(LibraryEdit::WhenServed { user, section, offset: 0, edits: vec![remove] });
    world.run(&[]).exits(0);
    let noted = "SELECT user_id, position FROM skipped_items WHERE reason = 'null_item' ORDER BY position";
    assert_eq!(world.rows(noted), [[fixtures::HOME_USER, "3"], [fixtures::STUDIO_USER, "4"]]);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn full_page_without_a_total_is_no_end() {
    let tracks = SandboxOptions { digger_tracks: 120, ..SandboxOptions::default() };
    for total in [Value::Null, json!(0), json!("many"), json!({})] {
        let world = digging(QuotaMode::Development, tracks.clone(), "[[fetch]]\nstream = \"saved_tracks\"\n");
        let actions = vec![FaultAction::set("/total", total.clone()), FaultAction::set("/next", Value::Null)];
        world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::Several { actions }));
        world.run(&["x"]).exits(0);
        assert!(saved_by(&world) == truth(&world), "{total}");
        assert_eq!(world.new_calls().len(), 4, "three pages, and the empty one behind the short one");
        world.cli(&["verify"]).exits(0);
    }
}
