//! A batch that is much worse than what is stored does not replace it, whatever the list and however it is paged.

use serde_json::{Value, json};
use spotify_sandbox::{Fault, FaultAction, LibraryEdit, LibrarySection, QuotaMode, SandboxOptions, fixtures};

use super::users::signed_in;
use crate::support::calls_table::digging;
use crate::support::world::{Ran, World, fetch};

/// Lists of every kind of paging, in one job of home's.
fn all_lists() -> World {
    let artist = format!("ids = [\"{}\"]\ninclude_groups = [\"album\"]", fixtures::BUSY_ARTIST);
    let job = [
        "user = \"home\"\nmarket = \"DE\"\n".to_owned(),
        fetch("my_playlists", ""),
        fetch("saved_tracks", ""),
        fetch("saved_albums", ""),
        fetch("saved_shows", ""),
        fetch("saved_episodes", ""),
        fetch("followed_artists", ""),
        fetch("top_tracks", ""),
        fetch("artist_albums", &artist),
        fetch("album_tracks", &format!("ids = [\"{}\", \"{}\"]", fixtures::LONG_ALBUM, fixtures::EDGE_CASE_ALBUM)),
        fetch("show_episodes", &format!("ids = [\"{}\"]", fixtures::SHOW)),
        fetch("playlist_items", &format!("ids = [\"{}\"]", fixtures::HOME_PLAYLIST)),
    ];
    signed_in(World::development().job(&job.concat()), &[("home", fixtures::HOME_USER)])
}

/// Stream, path, what is spoiled and the new value, and what the message says of it.
fn spoiled_fields() -> Vec<(&'static str, &'static str, &'static str, Value, &'static str)> {
    let object = json!({"seconds": 1});
    vec![
        ("my_playlists", "/v1/me/playlists", "/items/*/name", json!(""), "have a blank name"),
        ("saved_tracks", "/v1/me/tracks", "/items/*/track/duration_ms", object, "an unreadable duration_ms (an object"),
        ("saved_albums", "/v1/me/albums", "/items/*/album/name", json!([]), "an unreadable name (a list"),
        ("saved_shows", "/v1/me/shows", "/items/*", Value::Null, "are null or have no id"),
        ("saved_episodes", "/v1/me/episodes", "/items/*/episode/release_date", json!("0000"), "a blank release_date"),
        ("followed_artists", "/v1/me/following", "/artists/items/*/name", json!({}), "an unreadable name (an object"),
        ("top_tracks", "/v1/me/top/tracks", "/items/*", json!({"name": "?"}), "are null or have no id"),
        ("artist_albums", "/v1/artists/*/albums", "/items/*/artists", json!([]), "a blank artists"),
        ("album_tracks", "/v1/albums/*", "/tracks/items/*/duration_ms", json!(0), "a blank duration_ms"),
        ("show_episodes", "/v1/shows/*/episodes", "/items/*/name", json!(true), "an unreadable name (a boolean"),
        ("playlist_items", "/v1/playlists/*", "/items/items/*/item", Value::Null, "are null or have no id"),
    ]
}

fn edit_playlist(world: &World) {
    let edit = json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 3, "count": 1});
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
}

fn files(world: &World, streams: &[&str]) -> Vec<Vec<u8>> {
    streams.iter().map(|stream| world.csv_bytes(&format!("{stream}.csv"))).collect()
}

/// Rows that some list no longer has, and changes of playlists.
fn removals(world: &World) -> String {
    let members = ["my_playlists", "saved_tracks", "saved_albums", "saved_shows", "saved_episodes", "followed_artists"];
    let members = members.into_iter().chain(["artist_releases", "album_tracks", "show_episodes"]);
    let removed = members.map(|table| format!("(SELECT count(*) FROM {table} WHERE removed_at IS NOT NULL)"));
    let all: Vec<String> = removed.chain(["(SELECT count(*) FROM playlist_changes)".to_owned()]).collect();
    world.one(&format!("SELECT {}", all.join(" + ")))
}

fn reasons(world: &World, run: i64) -> Vec<(String, String)> {
    let rows = world.rows(&format!("SELECT fetch, reason FROM run_fetches WHERE run_id = {run} ORDER BY fetch"));
    rows.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
}

#[test]
fn spoiled_batch_replaces_no_list() {
    let world = all_lists();
    world.run(&[]).exits(0);
    let spoiled = spoiled_fields();
    // The edit of a playlist shows in the row of that playlist, too.
    let streams: Vec<&str> = spoiled.iter().map(|(stream, ..)| *stream).filter(|s| *s != "my_playlists").collect();
    let names = world.column("my_playlists.csv", "playlist_name");
    let before = files(&world, &streams);
    let spoil = || {
        for (_, path, at, to, _) in spoiled_fields() {
            world.sandbox.inject(Fault::on_path(path, FaultAction::set(at, to)));
        }
    };
    edit_playlist(&world);
    spoil();
    world.new_calls();
    let mut calls = Vec::new();
    for run in [2, 3] {
        world.run(&[]).exits(3).says("accept it: cratedigger run --accept x saved_tracks");
        for (stream, (now, before)) in streams.iter().zip(files(&world, &streams).iter().zip(&before)) {
            assert!(now == before, "{stream} in run {run}");
        }
        assert_eq!(world.column("my_playlists.csv", "playlist_name"), names);
        let reasons = reasons(&world, run);
        for (stream, _, _, _, text) in &spoiled {
            let (_, reason) = reasons.iter().find(|(fetch, _)| fetch == stream).unwrap();
            assert!(reason.contains("suspect_batch") && reason.contains(text), "{stream}: {reason}");
            let noted = format!(
                "SELECT count(*) FROM skipped_items WHERE run_id = {run} AND fetch = '{stream}' AND reason = 'suspect_batch'"
            );
            assert_ne!(world.one(&noted), "0", "{stream}");
        }
        assert_eq!(removals(&world), "0");
        calls.push(world.new_calls().len());
    }
    assert!(calls[1] <= calls[0], "the same batch costs no double read: {calls:?}");
    world.cli(&["verify"]).exits(0);
    // In order again: everything is as it truly is.
    world.sandbox.clear_faults();
    world.run(&[]).exits(0);
    let after = files(&world, &streams);
    for (stream, (before, after)) in streams.iter().zip(before.iter().zip(&after)) {
        assert_eq!(before == after, *stream != "playlist_items", "{stream}");
    }
    assert_eq!(world.rows("SELECT change, position_before FROM playlist_changes"), [["removed", "3"]]);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn accepted_batch_becomes_the_list() {
    for accept in [&["--accept", "x", "saved_tracks"][..], &["--full"]] {
        let job = format!("user = \"home\"\n{}{}", fetch("saved_tracks", ""), fetch("followed_artists", ""));
        let world = signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)]);
        world.run(&[]).exits(0);
        let rows = world.csv("saved_tracks.csv").len();
        let first = world.csv("saved_tracks.csv")[0]["duration_ms"].clone();
        let spoil = FaultAction::set("/items/*/track/duration_ms", json!({"seconds": 1}));
        world.sandbox.inject(Fault::on_path("/v1/me/tracks", spoil));
        world.run(&[]).exits(3);
        world.run(accept).exits(0);
        assert_eq!(world.csv("saved_tracks.csv").len(), rows, "the known values stay");
        assert_eq!(world.csv("saved_tracks.csv")[0]["duration_ms"], first);
        world.run(&[]).exits(0);
        world.run(&["--accept", "x", "followed_artists"]).exits(0);
        world.cli(&["verify"]).exits(0);
    }
    let world = World::extended().job(&fetch("markets", ""));
    world.run(&["--accept", "x", "saved_tracks"]).exits(2).says("its fetches: markets");
}

#[test]
fn small_losses_are_everyday_life() {
    let job = format!("user = \"home\"\n{}{}", fetch("saved_tracks", ""), fetch("followed_artists", ""));
    let world = signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)]);
    // A first read has nothing to protect.
    world.sandbox.inject(Fault::on_path("/v1/me/following", FaultAction::set("/artists/items/*/name", json!(""))));
    world.run(&[]).exits(0);
    world.sandbox.clear_faults();
    world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::set("/items/0", Value::Null)));
    world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::set("/items/1/track/name", json!(""))));
    world.run(&["--accept", "x", "saved_tracks"]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM unproved_lists"), "0");
}

/// A total of 0, as Spotify sends it where a list is really empty.
fn no_items(path: &str, envelope: &str) -> Fault {
    let set = |key: &str, to: Value| FaultAction::set(&format!("{envelope}/{key}"), to);
    let actions = vec![set("items", json!([])), set("total", json!(0)), set("next", Value::Null)];
    Fault::on_path(path, FaultAction::Several { actions })
}

const EMPTIED: [(&str, &str, &str); 9] = [
    ("my_playlists", "/v1/me/playlists", ""),
    ("saved_tracks", "/v1/me/tracks", ""),
    ("saved_albums", "/v1/me/albums", ""),
    ("saved_episodes", "/v1/me/episodes", ""),
    ("followed_artists", "/v1/me/following", "/artists"),
    ("top_tracks", "/v1/me/top/tracks", ""),
    ("artist_albums", "/v1/artists/*/albums", ""),
    ("album_tracks", "/v1/albums/*", "/tracks"),
    ("show_episodes", "/v1/shows/*/episodes", ""),
];

#[test]
fn one_total_of_zero_empties_nothing() {
    let world = all_lists();
    world.run(&[]).exits(0);
    let streams = EMPTIED.map(|(stream, ..)| stream);
    let before = files(&world, &streams);
    // One odd answer costs one call. The answer about an album is one of a kind, so its tracks wait.
    for (_, path, envelope) in EMPTIED.into_iter().filter(|(stream, ..)| *stream != "album_tracks") {
        world.sandbox.inject(no_items(path, envelope).times(1));
    }
    world.new_calls();
    world.run(&[]).exits(0);
    assert!(files(&world, &streams) == before);
    assert_eq!(removals(&world), "0");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn second_answer_confirms_an_empty_list() {
    let world = all_lists();
    world.run(&[]).exits(0);
    for (_, path, envelope) in EMPTIED {
        world.sandbox.inject(no_items(path, envelope));
    }
    // The tracks of an album come in one answer, so they wait for the next run.
    let ran = world.run(&[]).exits(3).says("album_tracks: 0SandboxOddAlbum000000: suspect_batch");
    assert!(!ran.stderr.contains("saved_tracks of home: suspect_batch"), "{}", ran.stderr);
    for table in
        ["saved_tracks", "saved_albums", "saved_episodes", "followed_artists", "artist_releases", "show_episodes"]
    {
        assert_eq!(world.one(&format!("SELECT count(*) FROM {table} WHERE removed_at IS NULL")), "0", "{table}");
    }
    world.run(&[]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM album_tracks WHERE removed_at IS NULL"), "0");
    world.run(&[]).exits(0);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn library_without_playlists_is_believed() {
    let job = format!("user = \"home\"\n{}", fetch("my_playlist_items", ""));
    let world = signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)]);
    world.delete_large_playlist();
    world.run(&[]).exits(0);
    world.new_calls();
    world.sandbox.inject(no_items("/v1/me/playlists", ""));
    world.run(&[]).exits(0);
    assert_eq!(world.new_calls().len(), 2, "the list of playlists, twice");
    assert_eq!(world.csv("my_playlist_items.csv").len(), 0);
    assert_eq!(world.one("SELECT count(*) FROM my_playlists WHERE removed_at IS NULL"), "0");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn short_head_of_a_library_is_partial() {
    // The first rows are known and the total is as before, but nothing follows them.
    let options = SandboxOptions { digger_tracks: 40, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, options, "[[fetch]]\nstream = \"saved_tracks\"\n");
    world.run(&["x"]).exits(0);
    world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::EndsAfter { items: 2 }));
    for _ in 0..2 {
        world.new_calls();
        world.run(&["x"]).exits(3).says("cut_short: it ended after 2 of the 40 items");
        assert!(world.new_calls().len() <= 5, "two answers at each place, and the last item alone");
        assert_eq!(world.csv("saved_tracks.csv").len(), 40);
    }
    // Most of the known rows have no id.
    world.sandbox.clear_faults();
    world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::set("/items/*/track", json!({"name": "?"}))));
    world.run(&["x"]).exits(3).says("40 of 40 items are null or have no id");
    assert_eq!(world.csv("saved_tracks.csv").len(), 40);
    world.sandbox.clear_faults();
    world.run(&["x"]).exits(0);
}

#[test]
fn emptied_playlist_is_believed_at_once() {
    let job =
        format!("user = \"home\"\n{}", fetch("playlist_items", &format!("ids = [\"{}\"]", fixtures::HOME_PLAYLIST)));
    let world = signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)]);
    world.run(&[]).exits(0);
    let before = world.csv_bytes("playlist_items.csv");
    edit_playlist(&world);
    // The playlist says 0, and its items are there.
    world.sandbox.inject(no_items("/v1/playlists/*", "/items"));
    world.run(&[]).exits(0);
    assert_eq!(world.csv("playlist_items.csv").len(), 119);
    world.sandbox.clear_faults();
    let empty = json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "count": 119});
    world.sandbox.catalog().edit(serde_json::from_value(empty).unwrap()).unwrap();
    world.new_calls();
    world.run(&[]).exits(0);
    assert_eq!(world.csv("playlist_items.csv").len(), 0, "its version has changed, and two answers agree");
    assert_eq!(world.new_calls().len(), 3, "the playlist, its items and its version");
    assert!(!before.is_empty());
}

#[test]
fn stated_shrink_is_real() {
    let job = format!("user = \"home\"\n{}", fetch("saved_tracks", ""));
    let world = signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)]);
    world.run(&[]).exits(0);
    let rows = world.csv("saved_tracks.csv").len();
    let half = rows / 2;
    for _ in 0..half {
        let (user, section) = (fixtures::HOME_USER.to_owned(), LibrarySection::Tracks);
        let remove = LibraryEdit::Remove { user, section, position: 0 };
        world.sandbox.catalog().edit_library(remove).unwrap();
    }
    world.run(&[]).exits(0);
    assert_eq!(world.csv("saved_tracks.csv").len(), rows - half);
}

#[test]
fn converted_values_keep_every_row() {
    // Values of another type with a plain meaning, and lists that are longer by one.
    let artist = format!("ids = [\"{}\"]\ninclude_groups = [\"album\"]", fixtures::BUSY_ARTIST);
    let job = [
        "user = \"home\"\n".to_owned(),
        fetch("saved_tracks", ""),
        fetch("artist_albums", &artist),
        fetch("playlist_items", &format!("ids = [\"{}\"]", fixtures::HOME_PLAYLIST)),
    ];
    let world = signed_in(World::development().job(&job.concat()), &[("home", fixtures::HOME_USER)]);
    world.run(&[]).exits(0);
    let streams = ["saved_tracks", "artist_albums", "playlist_items"];
    let rows = |world: &World| streams.map(|stream| world.csv(&format!("{stream}.csv")).len());
    let before = rows(&world);
    edit_playlist(&world);
    let (user, section) = (fixtures::HOME_USER.to_owned(), LibrarySection::Tracks);
    let save =
        LibraryEdit::Save { user, section, id: fixtures::PLAIN_TRACK.to_owned(), added_at_ms: None, twice: false };
    world.sandbox.catalog().edit_library(save).unwrap();
    for (path, at, to) in [
        ("/v1/me/tracks", "/items/*/track/duration_ms", json!({"totalMilliseconds": 1000})),
        ("/v1/artists/*/albums", "/items/*/total_tracks", json!("10")),
        ("/v1/playlists/*/items", "/items/*/item/duration_ms", json!({"totalMilliseconds": 1000})),
        ("/v1/playlists/*", "/items/items/*/item/duration_ms", json!({"totalMilliseconds": 1000})),
    ] {
        world.sandbox.inject(Fault::on_path(path, FaultAction::set(at, to)));
    }
    world.run(&[]).exits(0);
    let after = rows(&world);
    assert!(after[0] >= before[0] && after[1] == before[1] && after[2] == before[2] - 1, "{before:?} {after:?}");
    assert!(world.column("playlist_items.csv", "uri").iter().all(|uri| !uri.is_empty()));
    assert_eq!(world.csv("saved_tracks.csv")[0]["duration_ms"], "1000");
    assert_eq!(world.csv("artist_albums.csv")[0]["total_tracks"], "10");
}

#[test]
fn rows_that_do_not_come_stay() {
    // The total counts what the pages lack: by offset, by cursor, and in one answer.
    let world = all_lists();
    world.run(&[]).exits(0);
    let streams = ["saved_tracks", "followed_artists", "artist_albums"];
    let before = files(&world, &streams);
    for (path, envelope) in [("/v1/me/tracks", ""), ("/v1/me/following", "/artists"), ("/v1/artists/*/albums", "")] {
        let set = |key: &str, to: Value| FaultAction::set(&format!("{envelope}/{key}"), to);
        let actions = vec![set("items", json!([])), set("next", Value::Null)];
        world.sandbox.inject(Fault::on_path(path, FaultAction::Several { actions }));
    }
    let ran: Ran = world.run(&["--accept", "x", "top_tracks"]);
    ran.exits(3);
    assert!(files(&world, &streams) == before);
    assert_eq!(removals(&world), "0");
}

#[test]
fn own_playlists_keep_their_items() {
    // Lists that are verified together, by a page of the list of playlists.
    let job = format!("user = \"home\"\n{}", fetch("my_playlist_items", ""));
    let world = signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)]);
    let edit = |edit: Value| world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
    edit(json!({"do": "delete", "playlist": fixtures::LARGE_PLAYLIST}));
    world.run(&[]).exits(0);
    let before = world.csv_bytes("my_playlist_items.csv");
    for playlist in [fixtures::HOME_PLAYLIST, fixtures::EDGE_CASE_PLAYLIST, fixtures::SHARED_PLAYLIST] {
        edit(json!({"do": "remove", "playlist": playlist, "position": 0, "count": 1}));
    }
    for (path, at) in [("/v1/playlists/*/items", "/items/*/item"), ("/v1/playlists/*", "/items/items/*/item")] {
        world.sandbox.inject(Fault::on_path(path, FaultAction::set(at, Value::Null)));
    }
    for _ in 0..2 {
        world.run(&[]).exits(3).says("suspect_batch");
        assert!(world.csv_bytes("my_playlist_items.csv") == before);
        assert_eq!(world.one("SELECT count(*) FROM playlist_changes"), "0");
    }
    world.cli(&["verify"]).exits(0);
    world.sandbox.clear_faults();
    world.run(&[]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM playlist_changes WHERE change = 'removed'"), "3");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn chapters_have_a_brake_too() {
    let job =
        format!("market = \"US\"\n{}", fetch("audiobook_chapters", &format!("ids = [\"{}\"]", fixtures::AUDIOBOOK)));
    for world in [World::extended(), World::development()] {
        let world = world.job(&job);
        world.run(&[]).exits(0);
        let before = world.csv_bytes("audiobook_chapters.csv");
        let spoil = FaultAction::set("/items/*/duration_ms", json!({"seconds": 1}));
        world.sandbox.inject(Fault::on_path("/v1/audiobooks/*/chapters", spoil));
        world.run(&[]).exits(3).says("items have an unreadable duration_ms (an object");
        assert!(world.csv_bytes("audiobook_chapters.csv") == before);
        world.sandbox.clear_faults();
        world.run(&[]).exits(0);
    }
}
