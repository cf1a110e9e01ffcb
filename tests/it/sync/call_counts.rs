//! How many calls a run needs, and that a run with the fewest calls still stores exactly what Spotify has.

use std::collections::HashSet;

use spotify_sandbox::{
    Fault, FaultAction, LibraryEdit, LibrarySection, PlaylistEdit, QuotaMode, SandboxOptions, fixtures,
};

use super::users::signed_in;
use crate::support::calls_table::{Sizes, digging, is_proof, remove, save_new, saved_by, sign_in, table, truth};
use crate::support::world::{World, by_ids, fetch};

/// Large enough for every kind of page, proof and end of a list.
const SMALL: Sizes = Sizes { playlists: 60, items: 120, saved: 320, artists: 60, removed: [60, 150, 260] };

#[test]
fn exports_cost_the_fewest_calls() {
    for line in table(SMALL) {
        assert_eq!(line.sent, line.fewest, "{line:?}");
        assert!(line.sent <= line.plain, "{}: {line:?}", line.what);
        // One page of the list of playlists proves all the playlists on it.
        assert!(line.proofs <= 5, "{line:?}");
    }
}

const SAVED: &str = "[[fetch]]\nstream = \"saved_tracks\"\n";

fn library(tracks: usize) -> World {
    digging(QuotaMode::Development, SandboxOptions { digger_tracks: tracks, ..SandboxOptions::default() }, SAVED)
}

fn library_edit(world: &World, edit: LibraryEdit) {
    world.sandbox.catalog().edit_library(edit).unwrap();
}

fn save(world: &World, id: &str, added_at_ms: Option<i64>, twice: bool) {
    let (user, section, id) = (fixtures::DIGGER_USER.to_owned(), LibrarySection::Tracks, id.to_owned());
    library_edit(world, LibraryEdit::Save { user, section, id, added_at_ms, twice });
}

#[test]
fn library_read_from_its_head_is_right() {
    let world = library(230);
    world.run(&["x"]).exits(0);
    let mut dice = 7usize;
    let mut roll = |below: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % below
    };
    for round in 0..8 {
        for _ in 0..roll(4) {
            let there = truth(&world);
            match roll(3) {
                0 => save_new(&world, 1 + roll(4)),
                1 => remove(&world, roll(there.len())),
                _ => save(&world, &there[roll(there.len())].0, None, false),
            }
        }
        world.new_calls();
        world.run(&["x"]).exits(0);
        assert_eq!(saved_by(&world), truth(&world), "round {round}");
        assert!(world.new_calls().len() <= 5, "round {round}");
        let csv: Vec<String> = world.column("saved_tracks.csv", "track_id");
        assert_eq!(csv, truth(&world).into_iter().map(|(id, _)| id).collect::<Vec<_>>());
    }
    world.cli(&["verify"]).exits(0);
}

#[test]
fn assumptions_of_a_head_read_are_recorded() {
    let world = library(230);
    world.run(&["x"]).exits(0);
    let proof = "SELECT proof FROM lists WHERE kind = 'saved_tracks'";
    assert_eq!(world.one(proof), "end_reached");
    // One track is removed and one is saved, both below the first page, so the total does not change.
    remove(&world, 120);
    let old = truth(&world)[180].1.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_millis();
    save(&world, fixtures::PLAIN_TRACK, Some(old + 1_000), false);
    world.new_calls();
    world.run(&["x"]).exits(0);
    assert_eq!(world.new_calls().len(), 1);
    assert_ne!(saved_by(&world), truth(&world));
    assert_eq!(world.one(proof), "presumed");
    assert_eq!(world.one("SELECT presumed FROM run_fetches ORDER BY run_id DESC LIMIT 1"), "1");
    assert_eq!(world.one("SELECT read_at < checked_at FROM lists WHERE kind = 'saved_tracks'"), "1");
    let month = "UPDATE lists SET whole_at = '2020-01-01T00:00:00.000Z' WHERE kind = 'saved_tracks'";
    rusqlite::Connection::open(world.database()).unwrap().execute_batch(month).unwrap();
    world.run(&["x"]).exits(0);
    assert_eq!(world.new_calls().len(), 5, "a library is read completely every thirty days");
    assert_eq!(saved_by(&world), truth(&world));
    assert_eq!(world.one(proof), "end_reached");
}

#[test]
fn null_rows_and_duplicates_are_noted() {
    let world = library(130);
    let (user, section) = (fixtures::DIGGER_USER.to_owned(), LibrarySection::Tracks);
    library_edit(&world, LibraryEdit::Lose { user, section, position: 3 });
    let twice = truth_ids(&world)[40].clone();
    save(&world, &twice, None, true);
    world.run(&["x"]).exits(0);
    assert_eq!(
        world.rows("SELECT item_id, position FROM skipped_items WHERE reason = 'listed_twice'"),
        [[&twice, "41"]]
    );
    assert_eq!(world.one(&format!("SELECT count(*) FROM saved_tracks WHERE track_id = '{twice}'")), "1");
    world.new_calls();
    for _ in 0..2 {
        world.run(&["x"]).exits(0);
        assert_eq!(world.new_calls().len(), 1, "the null row and the duplicate do not spoil the count");
    }
    // The newer of the two entries is removed; the older one is still in the library.
    remove(&world, 0);
    world.run(&["x"]).exits(0);
    assert_eq!(world.one(&format!("SELECT removed_at IS NULL FROM saved_tracks WHERE track_id = '{twice}'")), "1");
}

/// The track ids of the library, with an empty string for a null entry.
fn truth_ids(world: &World) -> Vec<String> {
    let truth = world.truth("users", fixtures::DIGGER_USER);
    truth["saved_tracks"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap_or("").to_owned()).collect()
}

#[test]
fn no_url_is_requested_twice_in_a_run() {
    let mut job = String::from("user = \"studio\"\n");
    for stream in [
        "me",
        "my_playlists",
        "my_playlist_items",
        "saved_tracks",
        "saved_albums",
        "saved_shows",
        "saved_episodes",
        "followed_artists",
        "top_tracks",
        "recently_played",
    ] {
        job += &fetch(stream, "");
        job += &fetch(stream, &format!("name = \"{stream}_again\""));
    }
    job += &fetch("artist_albums", &format!("name = \"releases\"\nids = [\"{}\"]", fixtures::BUSY_ARTIST));
    job += &fetch(
        "albums",
        &format!("name = \"long\"\nids = [\"{}\", \"{}\"]", fixtures::LONG_ALBUM, fixtures::EDGE_CASE_ALBUM),
    );
    job += &fetch("album_tracks", "from = \"long\"");
    job += &fetch("artists", "from = \"saved_tracks\"");
    job += &fetch("artists", "name = \"artists_again\"\nfrom = \"saved_tracks\"");
    job += &fetch("tracks", "from = \"my_playlist_items\"");
    job += &by_ids("show_episodes", &[fixtures::SHOW]);
    job += &by_ids("shows", &[fixtures::SHOW]);
    for mode in [QuotaMode::Development, QuotaMode::Extended] {
        let world = World::with(SandboxOptions { mode, ..SandboxOptions::default() }).job(&job);
        let world = sign_in(world, "studio", fixtures::STUDIO_USER);
        world.run(&["x"]).exits(0);
        let calls = world.new_calls();
        assert!(calls.len() > 30, "{calls:?}");
        let mut before: HashSet<&str> = HashSet::new();
        for call in &calls {
            assert!(!before.contains(call.as_str()) || is_proof(call, &before), "{call} twice");
            before.insert(call);
        }
        assert!(
            !calls.iter().any(|call| call.starts_with("/tracks")),
            "the playlists' pages already contained complete tracks"
        );
    }
}

#[test]
fn playlist_with_unstable_version_by_content() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    let playlist = fixtures::HOME_PLAYLIST.to_owned();
    let edit = Box::new(PlaylistEdit::Touch { playlist: playlist.clone() });
    world.sandbox.catalog().edit(PlaylistEdit::WhenServed { playlist, page: 1, times: 1_000, edit }).unwrap();
    world.run(&[]).exits(0);
    assert_eq!(world.one("SELECT proof FROM lists"), "content");
    let file = world.csv_bytes("playlist_items.csv");
    for _ in 0..2 {
        world.new_calls();
        world.run(&[]).exits(0);
        assert_eq!(world.new_calls().len(), 2, "one call for each page; the playlist's version proves nothing");
    }
    assert_eq!(world.csv_bytes("playlist_items.csv"), file);
    assert_eq!(world.one("SELECT count(*) FROM playlist_changes"), "0");
    assert_eq!(world.one("SELECT count(*) FROM playlist_versions"), "1");
    let remove = PlaylistEdit::Remove { playlist: fixtures::HOME_PLAYLIST.to_owned(), position: 5, count: 1 };
    world.sandbox.catalog().edit(remove).unwrap();
    world.run(&[]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM playlist_changes"), "1");
}

#[test]
fn renamed_items_endpoint_is_followed() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.sandbox.inject(Fault::on_path("/v1/playlists/*/tracks", FaultAction::status(403)));
    world.run(&[]).exits(0);
    assert_eq!(world.csv("playlist_items.csv").len(), 120);
    let old = |calls: &[String]| calls.iter().filter(|call| call.contains("/tracks")).count();
    assert_eq!(old(&world.new_calls()), 1);
    world.run(&["--full"]).exits(0);
    let calls = world.new_calls();
    assert_eq!(old(&calls), 0, "the renamed endpoint is remembered: {calls:?}");
    assert!(calls.iter().any(|call| call.contains("/items?") && call.contains("limit=50")), "{calls:?}");
}

#[test]
fn etags_avoid_unchanged_answers() {
    let options = SandboxOptions { digger_tracks: 120, etags: true, ..SandboxOptions::default() };
    let job = format!(
        "{SAVED}{}",
        fetch("artists", &format!("ids = [\"{}\"]\nrefresh_after = \"0s\"", fixtures::BUSY_ARTIST))
    );
    let world = digging(QuotaMode::Development, options, &job);
    world.run(&["x"]).exits(0);
    let fetched = "SELECT fetched_at FROM artists WHERE fetched_at IS NOT NULL";
    let before = world.one(fetched);
    world.new_calls();
    world.run(&["x"]).exits(0);
    let seen: Vec<u16> = world.sandbox.log().iter().filter(|s| s.path.starts_with("/v1/")).map(|s| s.status).collect();
    assert_eq!(seen, [304, 304], "the library's first page and the artist");
    assert!(world.one(fetched) > before);
    assert_eq!(saved_by(&world), truth(&world));
    save_new(&world, 2);
    world.run(&["x"]).exits(0);
    assert_eq!(saved_by(&world), truth(&world));
}

#[test]
fn partial_discography_is_a_separate_list() {
    let ids = format!("ids = [\"{}\"]\ninclude_groups = [\"album\"]", fixtures::BUSY_ARTIST);
    let job = [
        fetch("artist_albums", &format!("name = \"few\"\n{ids}\nlimit_per_parent = 3")),
        fetch("artist_albums", &format!("name = \"all\"\n{ids}")),
    ];
    let world = World::extended().job(&job.concat());
    world.run(&[]).exits(0);
    let all = world.true_ids("artists", fixtures::BUSY_ARTIST, "album");
    assert_eq!(world.column("all.csv", "album_id"), all);
    assert_eq!(world.column("few.csv", "album_id"), all[..3]);
    assert!(world.csv("few.csv").iter().all(|row| row["album_group"] == "album"));
    world.new_calls();
    world.run(&[]).exits(0);
    assert_eq!(world.new_calls().len(), 2, "the complete list is read from its newest entry");
    assert_eq!(world.column("all.csv", "album_id"), all);
}

#[test]
fn unproved_playlists_survive_a_kill() {
    let options = SandboxOptions { digger_playlists: 5, playlist_items: 120, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, options, "[[fetch]]\nstream = \"my_playlist_items\"\n");
    world.sandbox.inject(Fault { skip: 1, ..Fault::on_path("/v1/me/playlists", FaultAction::Stall) });
    let mut child = world.spawn(&["x"]);
    world.wait_for_stored("SELECT count(*) FROM checkpoints WHERE ended", 5);
    child.kill().unwrap();
    child.wait().unwrap();
    world.sandbox.clear_faults();
    world.new_calls();
    assert_eq!(world.one("SELECT count(*) FROM checkpoints WHERE ended"), "5");
    world.run(&["x"]).exits(0);
    let calls = world.new_calls();
    assert_eq!(calls.len(), 1, "the list of playlists proves them: {calls:?}");
    assert_eq!(world.one("SELECT count(*) FROM playlist_items"), "600");
    assert_eq!(world.one("SELECT count(*) FROM checkpoints"), "0");
}

#[test]
fn unread_items_go_first_then_the_oldest() {
    let world = World::development();
    let ids: Vec<String> = {
        let ids = world.sandbox.catalog().ids();
        ids["artists"].as_array().unwrap().iter().take(6).map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    let names: Vec<&str> = ids.iter().map(String::as_str).collect();
    let world = world.job(&by_ids("artists", &names[..4]));
    world.run(&[]).exits(0);
    let age =
        |n: usize, day: &str| format!("UPDATE artists SET fetched_at = '{day}T00:00:00.000Z' WHERE id = '{}';", ids[n]);
    let ages = [age(0, "2020-01-03"), age(1, "2020-01-01"), age(2, "2020-01-02"), age(3, "2020-01-04")].concat();
    rusqlite::Connection::open(world.database()).unwrap().execute_batch(&ages).unwrap();
    let world = world.job(&by_ids("artists", &names));
    world.new_calls();
    world.run(&[]).exits(0);
    let asked: Vec<String> =
        world.new_calls().iter().map(|call| call.trim_start_matches("/artists/").to_owned()).collect();
    assert_eq!(asked, [4, 5, 1, 2, 0, 3].map(|n| ids[n].clone()));
    assert_eq!(world.column("artists.csv", "artist_id"), ids);
}

#[test]
fn fetches_share_playlist_details() {
    let chain = "user = \"home\"\n[[fetch]]\nstream = \"my_playlists\"\n[[fetch]]\nstream = \"playlist_items\"\nfrom = \"my_playlists\"\n";
    let both = [fixtures::HOME_PLAYLIST, fixtures::FOREIGN_PLAYLIST];
    let both = format!("{}{}", by_ids("playlists", &both), by_ids("playlist_items", &both));
    // The versions are known from the list of playlists, and from the answer about each playlist.
    for (job, unchanged) in [(chain, 1), (&*both, 2)] {
        let world = signed_in(World::extended(), &[("home", "sandbox-home")]).job(job);
        world.run(&[]).exits(0);
        world.new_calls();
        let exact = world.cli(&["plan", "--probe", "--json"]).exits(0).json()["jobs"][0]["calls"].clone();
        world.new_calls();
        world.run(&[]).exits(0);
        // A playlist with nulls or a wrong total is looked at: one page, and the item behind its end.
        let (looks, calls): (Vec<String>, Vec<String>) =
            world.new_calls().into_iter().partition(|call| call.contains("/tracks?"));
        assert_eq!(calls.len(), unchanged, "{job}");
        let with_nulls = "SELECT count(*) FROM lists WHERE kind = 'playlist_items' AND gaps IS NOT NULL";
        assert!(looks.len() <= 2 * world.one(with_nulls).parse::<usize>().unwrap(), "{looks:?}");
        if unchanged == 1 {
            assert_eq!(exact["least"], 1, "{exact}");
        }
        // A playlist that did change is read.
        world
            .sandbox
            .catalog()
            .edit(PlaylistEdit::Remove { playlist: fixtures::HOME_PLAYLIST.to_owned(), position: 0, count: 1 })
            .unwrap();
        world.run(&[]).exits(0);
        let calls = world.new_calls();
        assert!(
            calls.len() > unchanged && calls.iter().any(|call| call.contains(fixtures::HOME_PLAYLIST)),
            "{calls:?}"
        );
    }
}
