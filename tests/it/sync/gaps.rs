//! When Spotify no longer serves a list, its last rows are kept, in the store and in every CSV, however
//! many runs ask for it.

use serde_json::{Value, json};
use spotify_sandbox::{Fault, FaultAction, fixtures};

use super::stray_refusals::age_refusals;
use super::users::{both, truth};
use crate::support::snapshot::Shows as _;
use crate::support::world::{World, by_ids, fetch};

#[test]
fn vanished_playlist_keeps_its_rows() {
    let world =
        World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST, fixtures::FOREIGN_PLAYLIST]));
    world.run(&[]).exits(0);
    let before = world.csv_bytes("playlist_items.csv");
    let delete = json!({"do": "delete", "playlist": fixtures::HOME_PLAYLIST});
    world.sandbox.catalog().edit(serde_json::from_value(delete).unwrap()).unwrap();
    world.new_calls();
    let gone = "SELECT count(*) FROM playlists WHERE gone_at IS NOT NULL";
    // A second look in the first run, and another one in each run of that day.
    for (run, code, calls) in [(2, 3, 2), (3, 3, 1), (4, 3, 1)] {
        world.run(&[]).exits(code);
        assert!(world.csv_bytes("playlist_items.csv") == before, "run {run}");
        let asked = world.new_calls().iter().filter(|call| call.contains(fixtures::HOME_PLAYLIST)).count();
        assert_eq!((asked, world.one(gone)), (calls, "0".to_owned()), "run {run}");
        assert_eq!(world.one(&format!("SELECT count(*) FROM skipped_items WHERE run_id = {run}")), "1");
    }
    age_refusals(&world, 24);
    world.run(&[]).exits(0);
    assert_eq!(world.one(gone), "1", "a day later it is still missing");
    world.new_calls();
    world.run(&[]).exits(0);
    assert!(world.new_calls().iter().all(|call| !call.contains(fixtures::HOME_PLAYLIST)), "it is a known gap");
    assert!(world.csv_bytes("playlist_items.csv") == before);
    assert_eq!(world.one("SELECT count(*) FROM playlist_changes"), "0");
}

#[test]
fn refused_list_keeps_its_rows() {
    let job = [
        fetch("artist_albums", &format!("ids = [\"{}\"]\ninclude_groups = [\"album\"]", fixtures::BUSY_ARTIST)),
        fetch("albums", "from = \"artist_albums\""),
    ];
    let world = World::extended().job(&job.concat());
    world.run(&[]).exits(0);
    let files = || ["artist_albums.csv", "albums.csv"].map(|file| world.csv_bytes(file));
    let before = files();
    // The old rows are also kept while the list is not requested again.
    world.sandbox.inject(Fault::on_path("/v1/artists/*/albums", FaultAction::status(404)));
    for (run, code) in [(2, 3), (3, 3), (4, 3)] {
        world.run(&[]).exits(code);
        assert!(files() == before, "run {run}");
    }
}

#[test]
fn unknown_code_keeps_its_old_meaning() {
    let world = World::extended().job(&fetch("tracks", "ids = [\"isrc:QZSBX2600001\"]"));
    world.run(&[]).exits(0);
    let before = world.csv_bytes("tracks.csv");
    let old = "UPDATE tracks SET fetched_at = '2020-01-01T00:00:00.000Z'";
    rusqlite::Connection::open(world.database()).unwrap().execute_batch(old).unwrap();
    world.sandbox.inject(Fault::on_path("/v1/search", FaultAction::set("/tracks/items", json!([]))));
    for code in [3, 0] {
        world.run(&[]).exits(code);
        assert!(world.csv_bytes("tracks.csv") == before);
    }
}

#[test]
fn lost_stream_keeps_its_last_csv() {
    let world = World::extended().job(&fetch("new_releases", ""));
    world.run(&[]).exits(0);
    let before = world.csv_bytes("new_releases.csv");
    assert_eq!(world.csv("new_releases.csv").len(), 100);
    let mut command = world.command(&["run"]);
    command.env("CRATEDIGGER__SPOTIFY__APP_MODE", "development");
    crate::support::world::ran(&mut command).exits(3).shows("lost_stream_keeps_its_last_csv");
    assert!(world.csv_bytes("new_releases.csv") == before, "refused before anything was sent");
    let removed = FaultAction::Status {
        code: 403,
        body: Default::default(),
        retry_after: Default::default(),
        message: Some("Forbidden.".to_owned()),
        reason: None,
    };
    world.sandbox.inject(Fault::on_path("/v1/browse/new-releases", removed));
    world.run(&[]).exits(3).shows("lost_stream_keeps_its_last_csv_2");
    assert!(world.csv_bytes("new_releases.csv") == before, "refused by Spotify");
}

fn followed() -> (World, Vec<u8>) {
    let world = both(World::development().job("user = \"home\"\n[[fetch]]\nstream = \"followed_artists\"\n"));
    world.run(&[]).exits(0);
    assert_eq!(
        world.column("followed_artists.csv", "artist_id"),
        truth(&world, fixtures::HOME_USER, "followed_artists")
    );
    let before = world.csv_bytes("followed_artists.csv");
    (world, before)
}

#[test]
fn short_cursor_list_is_partial() {
    let page = |action| Fault::on_path("/v1/me/following", action);
    let no_cursor = FaultAction::set("/artists/cursors", Value::Null);
    for (fault, word) in [
        (page(FaultAction::EmptyPage), "cut_short"),
        (page(FaultAction::EmptyPage).with_query("after="), "cut_short"),
        (page(FaultAction::ShortPage), "cut_short"),
        (page(no_cursor), "no_cursor"),
    ] {
        let (world, before) = followed();
        world.sandbox.inject(fault);
        world.run(&["--full"]).exits(3).says(word).shows("short_cursor_list_is_partial");
        assert!(world.csv_bytes("followed_artists.csv") == before, "{word}");
        assert_eq!(world.one("SELECT count(*) FROM followed_artists WHERE removed_at IS NOT NULL"), "0");
    }
}

#[test]
fn cursor_list_ends_where_its_total_does() {
    let path = "/v1/me/following";
    let at = |at: &str, to: Value| FaultAction::set(&format!("/artists/{at}"), to);
    let several = |actions| FaultAction::Several { actions };
    // A full page that names no cursor; a whole list whose last page says that more follows.
    let ended = several(vec![at("next", Value::Null), at("cursors", Value::Null)]);
    let more = several(vec![at("next", json!("x")), at("cursors", Value::Null)]);
    for (fault, calls) in [(Fault::on_path(path, ended), 2), (Fault::on_path(path, more).with_query("after="), 2)] {
        let (world, before) = followed();
        world.sandbox.inject(fault);
        world.new_calls();
        world.run(&["--full"]).exits(0);
        assert!(world.csv_bytes("followed_artists.csv") == before);
        let pages = world.new_calls().into_iter().filter(|call| call.contains("following")).count();
        assert_eq!(pages, calls);
    }
    // An empty page with another cursor, which is followed.
    let world = both(World::development().job("user = \"home\"\n[[fetch]]\nstream = \"followed_artists\"\n"));
    world.sandbox.inject(Fault::on_path(path, FaultAction::EmptyPage).times(1));
    world.run(&["--full"]).exits(0);
    assert_eq!(world.csv("followed_artists.csv").len(), 64);
    // Nothing of what is announced is no end, however often it comes.
    let world = both(World::development().job("user = \"home\"\n[[fetch]]\nstream = \"followed_artists\"\n"));
    world.sandbox.inject(Fault::on_path(path, FaultAction::EmptyPage));
    for _ in 0..3 {
        world.run(&[]).exits(3).says("cut_short");
    }
}

#[test]
fn two_ends_by_cursor_prove_nothing() {
    let world = both(World::development().job("user = \"home\"\n[[fetch]]\nstream = \"followed_artists\"\n"));
    let path = "/v1/me/following";
    // The first pass ends after 25 of 64 artists, the second after 57.
    let end = |at: &str| FaultAction::set(at, Value::Null);
    let actions = vec![FaultAction::ShortPage, end("/artists/next"), end("/artists/cursors")];
    world.sandbox.inject(Fault::on_path(path, FaultAction::Several { actions }).times(2));
    world.sandbox.inject(Fault::on_path(path, FaultAction::ShortPage).with_query("after="));
    world.run(&[]).exits(3).says("cut_short");
    assert_eq!(world.one("SELECT count(*) FROM followed_artists"), "0");
    // The next run sees the same end twice.
    world.run(&[]).exits(0);
    assert_eq!(world.csv("followed_artists.csv").len(), 57);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn short_cursor_page_is_read_again() {
    for action in [FaultAction::EmptyPage, FaultAction::ShortPage, FaultAction::set("/artists/cursors", Value::Null)] {
        let (world, before) = followed();
        world.sandbox.inject(Fault::on_path("/v1/me/following", action.clone()).times(1));
        world.run(&["--full"]).exits(0);
        assert!(world.csv_bytes("followed_artists.csv") == before, "{}", action.name());
    }
}

#[test]
fn empty_first_page_is_partial() {
    let world = both(World::development().job("user = \"home\"\n[[fetch]]\nstream = \"saved_tracks\"\n"));
    world.run(&[]).exits(0);
    let before = world.csv_bytes("saved_tracks.csv");
    world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::EmptyPage));
    world.run(&["--full"]).exits(3).shows("empty_first_page_is_partial");
    assert!(world.csv_bytes("saved_tracks.csv") == before);
}
