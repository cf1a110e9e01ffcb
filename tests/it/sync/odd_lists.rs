//! Lists, searches and users with unusual answers: the store holds what Spotify has, no request is repeated,
//! and a problem in one list does not affect the others.

use serde_json::{Value, json};
use spotify_sandbox::{Fault, FaultAction, SandboxOptions, fixtures};

use super::stray_refusals::age_refusals;
use super::users::{both, signed_in};
use crate::support::snapshot::Shows as _;
use crate::support::world::{World, by_ids, fetch, ran};

/// A job that reads `streams` for the user home.
pub(super) fn of_home(streams: &[&str]) -> String {
    let fetches: String = streams.iter().map(|stream| fetch(stream, "")).collect();
    format!("user = \"home\"\n{fetches}")
}

/// The playlists of the user home, except the one that takes a thousand calls.
fn lists_of_home() -> World {
    let world = signed_in(World::development().job(&of_home(&["my_playlist_items"])), &[("home", fixtures::HOME_USER)]);
    world.delete_large_playlist();
    world
}

#[test]
fn search_without_a_page_is_partial() {
    for (at, to) in [("", json!({})), ("/tracks", Value::Null), ("/tracks/items", json!("x")), ("/artists", json!(5))] {
        let job = fetch("search", "queries = [\"one\"]\ntypes = [\"track\", \"artist\"]");
        let world = World::extended().job(&job);
        world.sandbox.inject(Fault::on_path("/v1/search", FaultAction::set(at, to.clone())));
        world.run(&[]).exits(3).shows("search_without_a_page_is_partial");
        // A bad page of one type costs the hits of that type.
        let has_hits = world.one("SELECT count(*) FROM search_results") != "0";
        assert_eq!(has_hits, at == "/artists", "{at} {to}");
        world.sandbox.clear_faults();
        world.sandbox.inject(Fault::on_path("/v1/search", FaultAction::set(at, to)).times(1));
        world.run(&[]).exits(0);
        assert_ne!(world.one("SELECT count(*) FROM search_results"), "0");
    }
}

#[test]
fn rank_is_spotifys_place_with_nulls() {
    let job = fetch("search", "queries = [\"one\"]\nmax_results = 4");
    let world = World::extended().job(&job);
    world.sandbox.inject(Fault::on_path("/v1/search", FaultAction::set("/tracks/items/1", Value::Null)));
    world.run(&[]).exits(0);
    let ranks = "SELECT rank FROM search_results WHERE kind = 'track' ORDER BY rank";
    assert_eq!(world.rows(ranks), [["1"], ["3"]]);
    let world = both(World::development().job(&of_home(&["top_tracks"])));
    world.sandbox.inject(Fault::on_path("/v1/me/top/tracks", FaultAction::set("/items/0", Value::Null)).times(1));
    world.run(&[]).exits(0);
    assert_eq!(world.one("SELECT min(rank) FROM top_items"), "2");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn limited_list_has_each_place_once() {
    let more = format!("ids = [\"{}\"]\ninclude_groups = [\"album\"]\nlimit_per_parent = 3", fixtures::BUSY_ARTIST);
    let world = World::development().job(&fetch("artist_albums", &more));
    world.run(&[]).exits(0);
    let before = world.column("artist_albums.csv", "album_id");
    assert_eq!(before.len(), 3);
    // One new release comes first; of the three known ones, two still fit the limit.
    let new = json!({"id": fixtures::LONG_ALBUM, "name": "New", "album_type": "album"});
    world.sandbox.inject(Fault::on_path("/v1/artists/*/albums", FaultAction::set("/items/0", new)));
    world.run(&[]).exits(0);
    let now = world.column("artist_albums.csv", "album_id");
    assert_eq!(now, [fixtures::LONG_ALBUM, &before[1], &before[2]]);
    let places = "SELECT position FROM artist_releases WHERE removed_at IS NULL ORDER BY 1";
    assert_eq!(world.rows(places), [["0"], ["1"], ["2"]]);
    assert_eq!(world.one("SELECT proof FROM run_lists ORDER BY run_id DESC LIMIT 1"), "cut");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn foreign_list_is_asked_without_a_probe() {
    let world = lists_of_home();
    for asked in [1, 0] {
        world.run(&[]).exits(0);
        let calls = world.new_calls();
        let foreign = calls.iter().filter(|call| call.contains(fixtures::FOREIGN_PLAYLIST)).count();
        assert_eq!(foreign, asked, "{calls:?}");
        assert!(!calls.iter().any(|call| call.starts_with("/markets")), "{calls:?}");
        assert!(world.csv("my_playlist_items.csv").iter().any(|row| row["playlist_id"] == fixtures::HOME_PLAYLIST));
    }
}

#[test]
fn missing_playlist_is_known_after_a_day() {
    let world = lists_of_home();
    let gone = format!("/v1/playlists/{}*", fixtures::HOME_PLAYLIST);
    world.sandbox.inject(Fault::on_path(&gone, FaultAction::status(404)));
    for (run, code, calls) in [(1, 3, 2), (2, 3, 2), (3, 0, 1), (4, 0, 0)] {
        if run == 3 {
            age_refusals(&world, 24);
        }
        world.run(&[]).exits(code);
        let asked = world.new_calls().iter().filter(|call| call.contains(fixtures::HOME_PLAYLIST)).count();
        assert_eq!(asked, calls, "run {run}");
        let noted = format!(
            "SELECT count(*) FROM skipped_items WHERE run_id = {run} AND item_id = '{}'",
            fixtures::HOME_PLAYLIST
        );
        assert_eq!(world.one(&noted), "1", "run {run}");
    }
    age_refusals(&world, 24 * 8);
    world.sandbox.clear_faults();
    world.run(&[]).exits(0);
    assert!(world.csv("my_playlist_items.csv").iter().any(|row| row["playlist_id"] == fixtures::HOME_PLAYLIST));
}

#[test]
fn users_without_account_have_a_row_each() {
    let job = format!("users = [\"a\", \"b\"]\n{}", fetch("saved_tracks", ""));
    let world = World::development().job(&job);
    world.run(&[]).exits(77);
    assert_eq!(world.rows("SELECT user_id FROM run_fetches ORDER BY 1"), [["a"], ["b"]]);
}

#[test]
fn playlist_without_version_proved_by_content() {
    let options =
        SandboxOptions { mode: spotify_sandbox::QuotaMode::Extended, playlist_items: 260, ..SandboxOptions::default() };
    let world = World::with(options);
    let id = {
        let catalog = world.sandbox.catalog();
        let long = |id: &String| catalog.expected_rows(id).is_some_and(|rows| rows.len() == 260);
        catalog.playlist_ids().into_iter().find(long).unwrap()
    };
    let world = world.job(&by_ids("playlist_items", &[&id]));
    world.sandbox.inject(
        Fault::on_path("/v1/playlists/*", FaultAction::set("/snapshot_id", Value::Null)).with_query("additional"),
    );
    world
        .sandbox
        .inject(Fault::on_path("/v1/playlists/*", FaultAction::set("/snapshot_id", Value::Null)).with_query("fields"));
    let edit = json!({
        "do": "when_served", "playlist": id, "page": 1, "times": 1,
        "edit": {"do": "remove", "playlist": id, "position": 0, "count": 1},
    });
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
    world.run(&[]).exits(0);
    let truth = world.sandbox.catalog().expected_rows(&id).unwrap();
    let truth: Vec<String> = truth.into_iter().map(|row| row.uri.unwrap_or_default()).collect();
    assert_eq!(world.column("playlist_items.csv", "uri"), truth);
    assert_eq!(world.one("SELECT proof FROM lists WHERE kind = 'playlist_items'"), "content");
}

#[test]
fn reread_playlist_drops_foreign_etags() {
    let options =
        SandboxOptions { mode: spotify_sandbox::QuotaMode::Extended, etags: true, ..SandboxOptions::default() };
    let world = World::with(options).job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    let edit = json!({
        "do": "when_served", "playlist": fixtures::HOME_PLAYLIST, "page": 1, "times": 1,
        "edit": {"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "count": 1},
    });
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
    world.run(&[]).exits(0);
    assert!(world.new_calls().iter().any(|call| call.contains("/tracks?") && call.contains("offset=0")), "read again");
    assert_eq!(world.one("SELECT etag FROM lists WHERE kind = 'playlist_items'"), "-");
}

#[test]
fn removed_batch_reads_are_tried_once() {
    for status in [404, 410] {
        let ids = |n: usize| -> String {
            let ids = [
                fixtures::PLAIN_TRACK,
                fixtures::RELINKED_TRACK,
                fixtures::UNAVAILABLE_TRACK,
                "0SandboxOddTrack000003",
            ];
            format!("name = \"t{n}\"\nids = {:?}", &ids[n * 2..n * 2 + 2])
        };
        let world = World::extended().job(&[fetch("tracks", &ids(0)), fetch("tracks", &ids(1))].concat());
        world.sandbox.inject(Fault::on_path("/v1/tracks", FaultAction::status(status)));
        world.run(&[]).exits(0);
        let calls = world.new_calls();
        assert_eq!(calls.iter().filter(|call| call.contains("ids=")).count(), 1, "{status}: {calls:?}");
        assert_eq!((world.csv("t0.csv").len(), world.csv("t1.csv").len()), (2, 2));
    }
}

#[test]
fn one_refused_batch_proves_nothing() {
    let ids = [fixtures::PLAIN_TRACK, fixtures::RELINKED_TRACK, fixtures::UNAVAILABLE_TRACK];
    for status in [404, 403, 410] {
        let world = World::extended().job(&by_ids("tracks", &ids));
        world.run(&["--full"]).exits(0);
        world.sandbox.inject(Fault::on_path("/v1/tracks", FaultAction::status(status)).times(1));
        for calls in [2, 1] {
            world.new_calls();
            world.run(&["--full"]).exits(0);
            let made = world.new_calls();
            assert_eq!(made.len(), calls, "{status}: {made:?}");
        }
    }
}

#[test]
fn market_free_items_are_read_once() {
    let job = [
        fetch("categories", "name = \"de\"\nmarket = \"DE\""),
        fetch("categories", "name = \"us\"\nmarket = \"US\""),
        fetch("markets", "market = \"DE\""),
    ];
    let world = World::extended().job(&job.concat());
    world.run(&[]).exits(0);
    let calls = world.new_calls();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(!calls.iter().any(|call| call.contains("market=")), "{calls:?}");
    assert_eq!(world.csv_bytes("de.csv"), world.csv_bytes("us.csv"));
}

#[test]
fn stopped_run_reports_its_rows() {
    let world = World::development();
    let ids = world.sandbox.catalog().ids();
    // Each of these artists has one page of albums.
    let ids: Vec<&str> =
        ids["artists"].as_array().unwrap().iter().skip(2).take(5).filter_map(|id| id.as_str()).collect();
    let world = world.job(&fetch("artist_albums", &format!("ids = {ids:?}\ninclude_groups = [\"album\"]")));
    let run = |args: &[&str]| {
        let mut command = world.command(&[&["run"], args].concat());
        ran(command.env("CRATEDIGGER__SPOTIFY__APP_MODE", "development"))
    };
    run(&["--max-calls", "2"]).exits(75).shows("stopped_run_reports_its_rows");
    run(&[]).exits(0).shows("stopped_run_reports_its_rows_2");
    // An artist that Spotify refuses does not count as read.
    let world = World::development().job(&by_ids("artists", &["0000000000000000000000"]));
    world.run(&[]).exits(3).shows("stopped_run_reports_its_rows_3");
}

#[test]
fn album_named_twice_is_read_once() {
    let album = fixtures::LONG_ALBUM;
    let world = World::extended();
    let upc = world.truth("albums", album)["upc"].as_str().unwrap().to_owned();
    let job = [by_ids("albums", &[album]), by_ids("album_tracks", &[album, &format!("upc:{upc}")])];
    let world = world.job(&job.concat());
    world.run(&[]).exits(0);
    let pages = world.new_calls().iter().filter(|call| call.contains("/tracks")).count();
    assert_eq!(pages, 3);
    assert_eq!(world.one("SELECT count(*) FROM album_tracks"), "120");
    let counts = "SELECT asked, unchanged, served, stored FROM run_fetches WHERE fetch = 'album_tracks'";
    assert_eq!(world.rows(counts), [["2", "1", "120", "120"]]);
    assert_eq!(world.csv("album_tracks.csv").len(), 120);
    // An album named by code and by id has the place of its first mention, whichever of the two is requested first.
    let odd = fixtures::EDGE_CASE_ALBUM;
    let code = format!("upc:{upc}");
    let world = World::extended().job(&by_ids("albums", &[&code, odd, album]));
    for _ in 0..2 {
        world.run(&[]).exits(0);
        assert_eq!(world.column("albums.csv", "album_id"), [album, odd]);
    }
    // The album's own answer contains its first tracks, which count as served, too.
    let world = World::extended().job(&by_ids("album_tracks", &[&code, album]));
    world.run(&[]).exits(0);
    assert_eq!(world.rows(counts), [["2", "1", "120", "120"]]);
    // When the album's own answer contains all its tracks, each still counts as served once.
    let world = World::extended().job(&by_ids("album_tracks", &[fixtures::EDGE_CASE_ALBUM]));
    world.run(&[]).exits(0);
    let served = "SELECT served = stored FROM run_fetches";
    assert_eq!(world.one(served), "1");
    world.run(&["--full"]).exits(0);
}

#[test]
fn run_without_a_fetch_is_recorded_as_failed() {
    let job = format!("users = \"*\"\n{}", fetch("saved_tracks", ""));
    let world = both(World::development().job(&job));
    world.run(&[]).exits(0);
    let before = world.csv_bytes("saved_tracks.csv");
    let grants = world.project.root().join(".local/state/cratedigger/grants.db");
    // The user signed in almost half a year ago, so a warning is due, but recording it fails.
    let spoil =
        "CREATE TRIGGER full BEFORE UPDATE OF warned_days ON grants BEGIN SELECT raise(FAIL, 'the disk is full'); END;
                 UPDATE grants SET authorized_ms = authorized_ms - 177 * 86400000";
    rusqlite::Connection::open(grants).unwrap().execute_batch(spoil).unwrap();
    let code = 74;
    world.run(&[]).exits(code).shows("run_without_a_fetch_is_recorded_as_failed");
    let ended = "SELECT state, exit_code FROM runs WHERE finished_at IS NOT NULL ORDER BY id DESC LIMIT 1";
    assert_eq!(world.rows(ended), [["failed", &code.to_string()]]);
    assert_eq!(world.one("SELECT count(*) FROM runs WHERE state = 'running'"), "0");
    assert!(world.csv_bytes("saved_tracks.csv") == before);
}

#[test]
fn project_with_two_names_runs_a_job_once() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.sandbox.inject(Fault::on_path("/v1/playlists/*/tracks", FaultAction::Latency { ms: 1_500 }).times(1));
    let first = world.spawn(&[]);
    world.wait_for_calls(1);
    crate::support::world::pause(&world, &first);
    let link = world.project.root().join("link");
    std::os::unix::fs::symlink(world.project.root(), &link).unwrap();
    for name in [world.project.root(), link.as_path()] {
        let mut command = world.command(&["run", "--project", name.to_str().unwrap()]);
        ran(&mut command).exits(75).shows("project_with_two_names_runs_a_job_once");
    }
    crate::support::world::signal(&first, "CONT");
    crate::support::world::ended(first).exits(0);
    assert_eq!(world.rows("SELECT state FROM runs"), [["complete"]]);
}

#[test]
fn episode_as_a_track_is_not_read_whole() {
    let items = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]);
    let job = format!("user = \"home\"\nmarket = \"US\"\n{items}{}", by_ids("episodes", &[fixtures::EPISODE]));
    let show = json!({"type": "show", "id": fixtures::SHOW, "uri": format!("spotify:show:{}", fixtures::SHOW)});
    let like_a_track =
        json!({"type": "episode", "id": fixtures::EPISODE, "name": "Part", "album": show, "artists": []});
    let whole = json!({"type": "episode", "id": fixtures::EPISODE, "name": "Part", "show": show});
    for (episode, is_requested) in [(like_a_track, true), (whole, false)] {
        let world = signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)]);
        let change = FaultAction::set("/items/items/7/item", episode);
        world.sandbox.inject(Fault::on_path("/v1/playlists/*", change));
        world.run(&[]).exits(0);
        let requested = world.new_calls().iter().any(|call| call.starts_with("/episodes/"));
        assert_eq!(requested, is_requested);
        world.sandbox.clear_faults();
        world.run(&[]).exits(0);
        assert!(!world.new_calls().iter().any(|call| call.starts_with("/episodes/")), "it was read then");
    }
}

#[test]
fn odd_album_totals_lose_no_track() {
    let job = by_ids("album_tracks", &[fixtures::LONG_ALBUM]);
    let rows = "SELECT count(*) FROM album_tracks WHERE removed_at IS NULL";
    let odd = [json!(0), json!(null), json!("120 items"), json!({}), json!(-1), json!(50)].map(Some);
    for (n, total) in odd.into_iter().chain([None]).enumerate() {
        let world = if n % 2 == 0 { World::extended() } else { World::development() }.job(&job);
        for (path, at) in [("/v1/albums/*", "/tracks/total"), ("/v1/albums/*/tracks", "/total")] {
            let action = match &total {
                Some(total) => FaultAction::set(at, total.clone()),
                None => FaultAction::Remove { at: at.to_owned() },
            };
            world.sandbox.inject(Fault::on_path(path, action));
        }
        for arguments in [&[][..], &["--full"], &[]] {
            world.run(arguments).exits(0);
            assert_eq!(world.one(rows), "120", "{total:?}");
        }
        assert_eq!(world.one("SELECT count(*) FROM album_tracks"), "120", "{total:?}");
        world.cli(&["verify"]).exits(0);
    }
    // A page that is in order in itself, and lacks most of the album's tracks.
    for (at, page) in [("/tracks/total", 50), ("/tracks/total", 120)] {
        let world = World::development().job(&job);
        let actions = vec![FaultAction::set(at, json!(page)), FaultAction::set("/tracks/next", Value::Null)];
        world.sandbox.inject(Fault::on_path("/v1/albums/*", FaultAction::Several { actions }));
        for _ in 0..2 {
            world.run(&[]).exits(0);
            assert_eq!(world.one(rows), "120", "{page}");
        }
        assert_eq!(world.one("SELECT count(*) FROM skipped_items"), "0");
    }
    // An album that says of itself that it has more tracks than its list: that costs two calls once. It is noted where
    // the list announces them, too.
    for is_announced in [false, true] {
        let world = World::development().job(&by_ids("album_tracks", &[fixtures::EDGE_CASE_ALBUM]));
        if is_announced {
            world.sandbox.inject(Fault::on_path("/v1/albums/*/tracks", FaultAction::set("/total", json!(200))));
        }
        world.sandbox.inject(Fault::on_path("/v1/albums/*", FaultAction::set("/total_tracks", json!(200))));
        for calls in [3, 1, 1] {
            world.new_calls();
            world.run(&["--full"]).exits(0);
            assert_eq!((world.new_calls().len(), world.one(rows)), (calls, "40".to_owned()), "{is_announced}");
            let last = "SELECT count(*) FROM skipped_items WHERE reason = 'wrong_total' AND run_id = (SELECT max(id) FROM runs)";
            assert_eq!(world.one(last), i64::from(is_announced).to_string());
            world.cli(&["verify"]).exits(0);
        }
    }
    // An album without a page of tracks: they are requested by themselves.
    for tracks in [json!({}), json!({"error": {"status": 500}}), json!(null), json!({"items": null})] {
        let world = World::extended().job(&job);
        world.sandbox.inject(Fault::on_path("/v1/albums/*", FaultAction::set("/tracks", tracks.clone())));
        for _ in 0..2 {
            world.new_calls();
            world.run(&[]).exits(0);
            assert_eq!(world.one(rows), "120", "{tracks}");
            let pages = world.new_calls().iter().filter(|call| call.contains("/tracks")).count();
            assert!(pages >= 3, "{tracks}: {pages}");
        }
    }
}
