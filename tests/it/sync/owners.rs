//! Whose playlists a library lists: odd owners, readable lists of others, refusals, a user with a new id.

use serde_json::{Value, json};
use spotify_sandbox::{Fault, FaultAction, PlaylistEdit, QuotaMode, SandboxOptions, fixtures};

use super::users::signed_in;
use crate::support::world::{World, fetch};

const MODES: [QuotaMode; 2] = [QuotaMode::Development, QuotaMode::Extended];

const JOB: &str = "user = \"digger\"\n[[fetch]]\nstream = \"my_playlist_items\"\n";

/// A world with one user and so many playlists of five items, and their ids in the order of the library.
fn library(mode: QuotaMode, lists: usize, job: &str) -> (World, Vec<String>) {
    let options =
        SandboxOptions { mode, digger_playlists: lists, playlists: 0, playlist_items: 5, ..SandboxOptions::default() };
    let world = signed_in(World::with(options).job(job), &[("digger", fixtures::DIGGER_USER)]);
    let ids = world.sandbox.catalog().playlist_ids();
    (world, ids[ids.len() - lists..].to_vec())
}

/// Changes what the list of playlists says.
fn listing(world: &World, actions: Vec<FaultAction>) {
    world.sandbox.inject(Fault::on_path("/v1/me/playlists", FaultAction::Several { actions }));
}

fn set(at: &str, to: Value) -> FaultAction {
    FaultAction::Set { at: at.to_owned(), to }
}

fn remove(at: &str) -> FaultAction {
    FaultAction::Remove { at: at.to_owned() }
}

/// The position in the library of each playlist with rows, once for each row.
fn rows(world: &World, ids: &[String]) -> Vec<usize> {
    let playlists = world.column("my_playlist_items.csv", "playlist_id");
    playlists.iter().map(|id| ids.iter().position(|it| it == id).unwrap()).collect()
}

fn five_of(lists: &[usize]) -> Vec<usize> {
    lists.iter().flat_map(|list| [*list; 5]).collect()
}

/// What the newest run noted: id or position, and reason.
fn notes(world: &World) -> Vec<String> {
    let newest = "SELECT coalesce(item_id, position) || ' ' || reason || ' ' || known_gap FROM skipped_items
                  WHERE run_id = (SELECT max(id) FROM runs) ORDER BY id";
    world.rows(newest).concat()
}

/// What the newest run says about the playlists of the library.
fn counts(world: &World) -> Value {
    let ran = world.run(&["x", "--json"]);
    ran.json()["runs"][0]["fetches"][0]["playlists"].clone()
}

/// Calls for a playlist or its items.
fn asked(calls: &[String]) -> Vec<&String> {
    calls.iter().filter(|call| call.starts_with("/playlists/")).collect()
}

#[test]
fn odd_owners_are_read() {
    for mode in MODES {
        let (world, ids) = library(mode, 9, JOB);
        listing(
            &world,
            vec![
                set("/items/0/owner", Value::Null),
                set("/items/1/owner/id", Value::Null),
                set("/items/2/owner/id", json!(fixtures::DIGGER_USER.to_uppercase())),
                set("/items/3/owner", json!({})),
                set("/items/4/owner/id", json!(12345)),
                remove("/items/5/owner"),
                // Lists of another user, which Spotify serves.
                set("/items/6/owner/id", json!("stranger")),
                set("/items/7/owner/id", json!("stranger")),
                set("/items/7/collaborative", json!(true)),
            ],
        );
        world.run(&["x"]).exits(0);
        assert_eq!(rows(&world, &ids), five_of(&[0, 1, 2, 3, 4, 5, 6, 7, 8]), "{mode:?}");
        assert_eq!(asked(&world.new_calls()).len(), 9, "{mode:?}: one call for each");
        assert_eq!(notes(&world), [""; 0]);
        // Nothing changed, so nothing is requested. A new version is read.
        world.run(&["x"]).exits(0);
        assert_eq!(asked(&world.new_calls()).len(), 0, "{mode:?}");
        for list in [0, 2, 6] {
            let edit = PlaylistEdit::Remove { playlist: ids[list].clone(), position: 0, count: 5 };
            world.sandbox.catalog().edit(edit).unwrap();
        }
        world.run(&["x"]).exits(0);
        assert_eq!(rows(&world, &ids), five_of(&[1, 3, 4, 5, 7, 8]), "{mode:?}");
        assert_eq!(counts(&world), json!({"listed": 9, "read": 9, "skipped": 0}));
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn odd_included_page_is_not_a_refusal() {
    let (world, ids) = library(QuotaMode::Development, 1, JOB);
    let path = format!("/v1/playlists/{}", ids[0]);
    let pages =
        [Value::Null, json!([]), json!({}), json!({"href": "x", "total": 5}), json!("x"), json!({"items": null})];
    let odd =
        pages.map(|page| set("/items", page)).into_iter().chain([remove("/items"), set("/items/offset", json!(7))]);
    for (n, action) in odd.enumerate() {
        world.sandbox.clear_faults();
        world.sandbox.inject(Fault::on_path(&path, action));
        world.run(&["x", "--full"]).exits(0);
        assert_eq!(rows(&world, &ids), five_of(&[0]), "{n}");
        assert!(notes(&world).is_empty(), "{n}: {:?}", notes(&world));
    }
    // The route of the items alone says that they are refused.
    world.sandbox.clear_faults();
    world.sandbox.inject(Fault::on_path(&path, remove("/items")));
    world.sandbox.inject(Fault::on_path(&format!("{path}/items"), FaultAction::status(403)));
    world.run(&["x", "--full"]);
    // It was read before, so one refusal does not settle it.
    assert_eq!(notes(&world), [format!("{} forbidden 0", ids[0])]);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn lists_without_a_version_are_requested() {
    let at = "/items/0/snapshot_id";
    let odd = [Value::Null, json!(""), json!(" "), json!(7), json!({})].map(|value| set(at, value));
    for (n, action) in odd.into_iter().chain([remove(at)]).enumerate() {
        let (world, ids) = library(MODES[n % 2], 2, JOB);
        world.run(&["x"]).exits(0);
        listing(&world, vec![action]);
        for left in [4, 3] {
            let edit = PlaylistEdit::Remove { playlist: ids[0].clone(), position: 0, count: 1 };
            world.sandbox.catalog().edit(edit).unwrap();
            world.run(&["x"]).exits(0);
            assert_eq!(rows(&world, &ids).iter().filter(|list| **list == 0).count(), left, "{n}");
        }
        // The playlist itself names the version that is known.
        world.new_calls();
        world.run(&["x"]).exits(0);
        assert_eq!(asked(&world.new_calls()).len(), 1, "{n}");
        // Nor does the playlist itself name a version.
        let fault = if n == 5 { remove("/snapshot_id") } else { set("/snapshot_id", json!(7)) };
        world.sandbox.inject(Fault::on_path("/v1/playlists/*", fault));
        for left in [2, 1] {
            let edit = PlaylistEdit::Remove { playlist: ids[0].clone(), position: 0, count: 1 };
            world.sandbox.catalog().edit(edit).unwrap();
            world.run(&["x"]).exits(0);
            assert_eq!(rows(&world, &ids).iter().filter(|list| **list == 0).count(), left, "{n}");
        }
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn refused_lists_are_noted_and_tried_once() {
    for mode in MODES {
        let (world, ids) = library(mode, 6, JOB);
        listing(
            &world,
            vec![
                set("/items/0/owner/id", json!("stranger")),
                set("/items/1/owner", Value::Null),
                set("/items/4", Value::Null),
            ],
        );
        let refused = |list: usize| {
            let path = format!("/v1/playlists/{}", ids[list]);
            world.sandbox.inject(Fault::on_path(&path, FaultAction::status(403)));
        };
        (0..3).for_each(refused);
        // Without items, as Spotify gives the lists of others in Development Mode.
        let metadata = FaultAction::Several { actions: vec![remove("/items"), remove("/tracks")] };
        let is_given = mode == QuotaMode::Extended;
        if !is_given {
            world.sandbox.inject(Fault::on_path(&format!("/v1/playlists/{}", ids[3]), metadata));
            let items = format!("/v1/playlists/{}/items", ids[3]);
            world.sandbox.inject(Fault::on_path(&items, FaultAction::status(403)));
        }
        let expected = |id: usize, reason: &str| format!("{} {reason} 1", ids[id]);
        world.run(&["x"]).exits(0).says("6 playlists listed: ");
        assert_eq!(rows(&world, &ids), five_of(if is_given { &[3, 5] } else { &[5] }), "{mode:?}");
        let noted = notes(&world);
        for list in if is_given { &[0, 1, 2][..] } else { &[0, 1, 2, 3] } {
            assert!(noted.contains(&expected(*list, "forbidden")), "{mode:?} {list}: {noted:?}");
        }
        assert!(noted.contains(&"4 null_item 0".to_owned()), "{mode:?}: {noted:?}");
        assert_eq!(world.one("SELECT skipped FROM run_fetches"), noted.len().to_string());
        world.new_calls();
        // One try for a version; the notes stay complete.
        let skipped = noted.len();
        assert_eq!(counts(&world), json!({"listed": 6, "read": 6 - skipped, "skipped": skipped}), "{mode:?}");
        assert_eq!(asked(&world.new_calls()).len(), 0, "{mode:?}");
        let sorted = |mut notes: Vec<String>| {
            notes.sort();
            notes
        };
        assert_eq!(sorted(notes(&world)), sorted(noted), "{mode:?}");
        // A new version is tried again, but for a list that belongs to another user.
        world.sandbox.clear_faults();
        listing(&world, vec![set("/items/0/owner/id", json!("stranger")), set("/items/1/owner", Value::Null)]);
        for list in &ids {
            world.sandbox.catalog().edit(PlaylistEdit::Touch { playlist: list.clone() }).unwrap();
        }
        world.run(&["x"]).exits(0);
        assert_eq!(rows(&world, &ids), five_of(&[1, 2, 3, 4, 5]), "{mode:?}");
        world.run(&["x", "--full"]).exits(0);
        assert_eq!(rows(&world, &ids), five_of(&[0, 1, 2, 3, 4, 5]), "{mode:?}");
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn odd_listing_entries_are_counted() {
    for mode in MODES {
        let (world, ids) = library(mode, 8, JOB);
        let uri = format!("spotify:playlist:{}", ids[5]);
        listing(
            &world,
            vec![
                set("/items/2", Value::Null),
                // A list twice, and one without an id.
                set("/items/4/id", json!(ids[5])),
                set("/items/4/uri", json!(uri)),
                remove("/items/6/id"),
                set("/items/7", json!("a text")),
            ],
        );
        for _ in 0..2 {
            let ran = world.run(&["x", "--json"]).exits(0);
            let playlists = ran.json()["runs"][0]["fetches"][0]["playlists"].clone();
            let read = rows(&world, &ids);
            assert!(read.starts_with(&five_of(&[0, 1, 3, 5])), "{mode:?}: {read:?}");
            let noted = notes(&world).join(", ");
            assert!(noted.contains("2 null_item 0") && noted.contains("7 malformed 0"), "{mode:?}: {noted}");
            assert!(noted.contains("listed_twice"), "{mode:?}: {noted}");
            // A URI alone is enough to read a list.
            assert_eq!(read, five_of(&[0, 1, 3, 5, 6]), "{mode:?}");
            assert_eq!(playlists, json!({"listed": 7, "read": 5, "skipped": 2}), "{mode:?}");
        }
        world.cli(&["verify"]).exits(0);
    }
}

/// Everything that `/me` and the owners of playlists say about the user, with another id.
fn change_id(world: &World, lists: usize, id: &str) {
    let me =
        FaultAction::Several { actions: vec![set("/id", json!(id)), set("/uri", json!(format!("spotify:user:{id}")))] };
    world.sandbox.inject(Fault::on_path("/v1/me", me));
    listing(world, (0..lists).map(|n| set(&format!("/items/{n}/owner/id"), json!(id))).collect());
    world.sandbox.inject(Fault::on_path("/v1/playlists/*", FaultAction::set("/owner/id", json!(id))));
}

#[test]
fn user_with_a_new_id_keeps_the_data() {
    for mode in MODES {
        let job = format!("{JOB}{}{}{}", fetch("my_playlists", ""), fetch("saved_tracks", ""), fetch("me", ""));
        let (world, ids) = library(mode, 4, &job);
        world.run(&["x"]).exits(0);
        let saved = world.csv_bytes("saved_tracks.csv");
        let lists = "SELECT id, kind, parent_id, audience FROM lists ORDER BY id";
        let before = world.rows(lists);
        world.new_calls();
        change_id(&world, 4, "new-id");
        let change = |world: &World, list: usize| {
            let edit = PlaylistEdit::Remove { playlist: ids[list].clone(), position: 0, count: 1 };
            world.sandbox.catalog().edit(edit).unwrap();
        };
        let without_first = |lists: &[usize]| {
            let mut rows = five_of(&[0, 1, 2, 3]);
            for list in lists {
                rows.remove(rows.iter().position(|row| row == list).unwrap());
            }
            rows
        };
        change(&world, 1);
        world.run(&["x"]).exits(0);
        // One call says that it is the same account.
        assert_eq!(asked(&world.new_calls()).len(), 1, "{mode:?}");
        assert_eq!(rows(&world, &ids), without_first(&[1]), "{mode:?}");
        for _ in 0..2 {
            assert_eq!(world.rows(lists), before, "{mode:?}");
            assert!(world.csv_bytes("saved_tracks.csv") == saved, "{mode:?}");
            assert_eq!(world.column("me.csv", "user"), ["digger"], "{mode:?}");
            assert_eq!(world.one("SELECT count(DISTINCT user_id) FROM requested WHERE user_id IS NOT NULL"), "1");
            assert_eq!(world.one("SELECT count(*) FROM playlist_changes"), "1", "{mode:?}");
            assert_eq!(notes(&world), [""; 0]);
            world.cli(&["verify"]).exits(0);
            // The user signs in again, and the grant has the new id.
            let world = signed_in_again(&world);
            world.run(&["x"]).exits(0);
        }
        change(&world, 2);
        world.run(&["x"]).exits(0);
        assert_eq!(rows(&world, &ids), without_first(&[1, 2]), "{mode:?}");
        // Everything of the account goes together.
        world.cli(&["auth", "logout", "digger", "--purge"]).exits(0);
        assert_eq!(world.one("SELECT count(*) FROM my_playlists"), "0");
        assert_eq!(world.one("SELECT count(*) FROM users WHERE account_id IS NOT NULL OR stored_as IS NOT NULL"), "0");
        world.cli(&["verify"]).exits(0);
    }
}

/// The same world after another sign-in of its user, which a file brings.
fn signed_in_again(world: &World) -> &World {
    use crate::support::world::SCOPES;
    let token = world.sandbox.sign_in(fixtures::DIGGER_USER, SCOPES, false).refresh_token;
    let line = json!({
        "user": "digger", "refresh_token": token, "scopes": SCOPES, "client_id": "sandbox-client", "flow": "code",
    });
    world.project.write("grant.json", format!("{line}\n"));
    world.cli(&["auth", "import", "--replace", "grant.json"]).exits(0);
    world
}

#[test]
fn account_without_a_stable_id_works() {
    for mode in MODES {
        let options =
            SandboxOptions { mode, digger_playlists: 3, playlists: 0, playlist_items: 5, ..SandboxOptions::default() };
        let world = World::with(options).job(JOB);
        world.sandbox.inject(Fault::on_path("/v1/me", remove("/account_id")));
        let world = signed_in(world, &[("digger", fixtures::DIGGER_USER)]);
        let ids = world.sandbox.catalog().playlist_ids();
        let ids = ids[ids.len() - 3..].to_vec();
        world.run(&["x"]).exits(0);
        assert_eq!(rows(&world, &ids), five_of(&[0, 1, 2]), "{mode:?}");
        // The id changes under the same grant, and later answers have the stable id.
        world.sandbox.clear_faults();
        change_id(&world, 3, "later");
        world.sandbox.catalog().edit(PlaylistEdit::Touch { playlist: ids[1].clone() }).unwrap();
        world.run(&["x"]).exits(0);
        assert_eq!(rows(&world, &ids), five_of(&[0, 1, 2]), "{mode:?}");
        assert_eq!(world.one("SELECT count(DISTINCT user_id) FROM my_playlists"), "1");
        assert_eq!(world.one("SELECT count(*) FROM playlist_changes"), "0");
        world.cli(&["verify"]).exits(0);
    }
}
