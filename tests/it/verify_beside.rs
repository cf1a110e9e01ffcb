//! `verify` beside and after what other commands do: a purge, retention, a run that publishes meanwhile.

use cratedigger::sandbox::known;
use serde_json::json;

use crate::keeping::{edit, tamper};
use crate::run_users::signed_in;
use crate::world::{World, by_ids};

/// One playlist, read by the app alone and then by a user, who saw it otherwise.
fn read_by_two() -> World {
    let ids = by_ids("playlist_items", &[known::HOME_PLAYLIST]);
    let world = signed_in(World::extended().job(&ids), &[("home", known::HOME)]);
    world.project.write("jobs/y.toml", format!("user = \"home\"\n{ids}"));
    world.run(&["x"]).exits(0);
    edit(&world, json!({"do": "remove", "playlist": known::HOME_PLAYLIST, "position": 3, "count": 2}));
    world.run(&["y"]).exits(0);
    world
}

#[test]
fn a_purge_of_whoever_read_a_shared_playlist_last_leaves_a_store_that_is_sound() {
    let world = read_by_two();
    world.cli(&["auth", "logout", "home", "--purge"]).exits(0);
    world.cli(&["verify"]).exits(0);
    let audiences = "SELECT group_concat(substr(audience, 1, 9)) FROM (SELECT audience FROM lists ORDER BY id)";
    assert_eq!(world.one(audiences), "app,forgotten");
    assert_eq!(world.one("SELECT count(*) FROM playlist_items"), "118");
    // The next to read it goes on from what stands.
    edit(&world, json!({"do": "remove", "playlist": known::HOME_PLAYLIST, "position": 9, "count": 1}));
    world.run(&["x"]).exits(0);
    assert_eq!(world.one("SELECT group_concat(change) FROM playlist_changes"), "removed,removed,removed");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn a_playlist_that_only_forgotten_people_have_read_is_forgotten_with_the_last_of_them() {
    let job = |user: &str| format!("user = \"{user}\"\n{}", by_ids("playlist_items", &[known::ODD_PLAYLIST]));
    let world = crate::run_users::both(World::extended().job(&job("home")));
    world.project.write("jobs/y.toml", job("studio"));
    world.run(&[]).exits(0);
    world.cli(&["auth", "logout", "studio", "--purge"]).exits(0);
    assert_eq!(world.one("SELECT count(*) > 0 FROM playlist_items"), "1");
    world.cli(&["verify"]).exits(0);
    world.cli(&["auth", "logout", "home", "--purge"]).exits(0);
    for table in ["playlist_items", "playlists", "playlist_changes", "playlist_versions", "lists"] {
        assert_eq!(world.one(&format!("SELECT count(*) FROM {table}")), "0", "{table}");
    }
    world.cli(&["verify"]).exits(0);
}

#[test]
fn rows_whose_reader_retention_has_let_go_are_held_against_nobody_elses_hash() {
    let world = read_by_two();
    // As retention leaves the list of somebody who has not looked for so long.
    let emptied = format!(
        "UPDATE lists SET snapshot_id = NULL, content_hash = NULL, rows_hash = NULL, first_read_at = NULL, read_at = NULL,
         checked_at = NULL WHERE audience = '{0}'; DELETE FROM run_lists WHERE list_id = (SELECT id FROM lists WHERE audience = '{0}')",
        known::HOME
    );
    tamper(&world, &emptied);
    world.cli(&["verify"]).exits(0);
    // A purge used to delete the list itself.
    tamper(
        &world,
        &format!("DELETE FROM requested WHERE job = 'y'; DELETE FROM lists WHERE audience = '{}'", known::HOME),
    );
    world.cli(&["verify"]).exits(0);
    tamper(&world, "UPDATE playlist_items SET fetched_at = '2001' WHERE position = 7");
    assert!(world.cli(&["verify"]).exits(74).stdout.contains("its rows are of several reads"));
}
