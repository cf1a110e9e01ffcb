//! Requests that fail in all their attempts: each failure costs that id or list, the others are read, and the next run
//! tries what failed after them.

use spotify_sandbox::{ErrorBodyFormat, Fault, FaultAction, fixtures};

use super::users::signed_in;
use crate::support::world::{World, by_ids, fetch};

/// Ids of a kind that the sandbox has.
fn some_ids(world: &World, kind: &str, count: usize) -> Vec<String> {
    let ids = world.sandbox.catalog().ids();
    let ids = ids[kind].as_array().unwrap().iter().filter_map(|id| id.as_str().map(str::to_owned));
    ids.skip(2).take(count).collect()
}

fn reasons(world: &World, run: i64) -> Vec<Vec<String>> {
    world.rows(&format!("SELECT coalesce(item_id, '-'), reason FROM skipped_items WHERE run_id = {run} ORDER BY id"))
}

fn of_home(streams: &[&str]) -> World {
    let fetches: String = streams.iter().map(|stream| fetch(stream, "")).collect();
    let job = format!("user = \"home\"\n{fetches}");
    signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)])
}

#[test]
fn hint_names_a_proxy_only_where_one_shows() {
    let status =
        |code, body| FaultAction::Status { code, body, retry_after: Default::default(), message: None, reason: None };
    let empty = [204, 408, 500].map(|code| (status(code, ErrorBodyFormat::Empty), false));
    let others = [
        (FaultAction::Answer { code: 202, json: serde_json::json!({}) }, false),
        (FaultAction::Answer { code: 200, json: serde_json::json!(null) }, false),
        (FaultAction::Answer { code: 200, json: serde_json::json!([]) }, false),
        (FaultAction::Html200, true),
        (status(502, ErrorBodyFormat::Html), true),
    ];
    for (action, names_proxy) in empty.into_iter().chain(others) {
        let world = of_home(&["saved_tracks"]);
        world.sandbox.inject(Fault::on_path("/v1/me/tracks", action.clone()));
        let ran = world.run(&[]).exits(3);
        assert_eq!(ran.stderr.contains("PROXY"), names_proxy, "{action:?}: {}", ran.stderr);
    }
}

#[test]
fn run_answered_by_a_proxy_has_failed() {
    let portal = FaultAction::Redirect { code: 302, to: "http://127.0.0.1:9/portal".to_owned() };
    for action in [FaultAction::Html200, portal] {
        let ids = [fixtures::PLAIN_TRACK, fixtures::RELINKED_TRACK, fixtures::UNAVAILABLE_TRACK];
        let world = World::extended().job(&format!("schedule = \"0 6 * * *\"\n{}", by_ids("tracks", &ids)));
        world.sandbox.inject(Fault::on_path("/v1/*", action.clone()));
        let ran = world.cli(&["run", "--due"]).exits(1);
        assert!(ran.stderr.contains("it answered no call of this run; a proxy"), "{}", ran.stderr);
        assert_eq!(world.one("SELECT state FROM runs"), "failed");
        // The run is tried again after a quarter of an hour, and not at the next scheduled time.
        let next = world.cli(&["jobs", "--json"]).exits(0).json()["jobs"][0]["next_at"].as_str().unwrap().to_owned();
        let next: chrono::DateTime<chrono::Utc> = next.parse().unwrap();
        assert!(next - chrono::Utc::now() < chrono::TimeDelta::minutes(31), "{next}");
        world.sandbox.clear_faults();
        world.run(&[]).exits(0);
    }
    // One answer of Spotify shows that the connection is good.
    let both = format!("{}{}", by_ids("tracks", &[fixtures::PLAIN_TRACK]), by_ids("artists", &[fixtures::BUSY_ARTIST]));
    let world = World::extended().job(&both);
    world.sandbox.inject(Fault::on_path("/v1/tracks*", FaultAction::Html200));
    world.run(&[]).exits(3);
    assert_eq!(world.one("SELECT state FROM runs"), "partial");
}

#[test]
fn failing_resource_costs_itself_only() {
    let world = World::extended().settings("concurrency = 1");
    let ids = some_ids(&world, "artists", 4);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let job = [
        fetch("artist_albums", &format!("ids = {ids:?}\ninclude_groups = [\"album\", \"single\"]")),
        by_ids("tracks", &[fixtures::PLAIN_TRACK]),
    ];
    let world = world.job(&job.concat());
    let path = format!("/v1/artists/{}/albums", ids[1]);
    world.sandbox.inject(Fault::on_path(&path, FaultAction::status(500)));
    let asked = |calls: &[String]| calls.iter().filter(|call| call.contains(ids[1])).count();
    // Both groups of that artist, and after the failure of the whole, two of its items.
    let ran = world.run(&[]).exits(3).says("Spotify failed 5 times");
    assert!(!ran.stderr.contains("PROXY"), "{}", ran.stderr);
    assert_eq!(reasons(&world, 1), [[ids[1], "server_error"], [ids[1], "server_error"]]);
    assert_eq!(world.csv("tracks.csv").len(), 1);
    let read = "SELECT count(DISTINCT parent_id) FROM lists WHERE kind = 'artist_albums' AND whole_at IS NOT NULL";
    assert_eq!(world.one(read), "3");
    assert!(asked(&world.new_calls()) <= 14);
    // The next run tries it last, and less often.
    world.run(&["--full"]).exits(3);
    let calls = world.new_calls();
    let last_good = calls.iter().rposition(|call| call.contains("/artists/") && !call.contains(ids[1])).unwrap();
    let first_bad = calls.iter().position(|call| call.contains(ids[1])).unwrap();
    assert!(last_good < first_bad, "{calls:?}");
    assert!(asked(&calls) <= 8, "{calls:?}");
    world.sandbox.clear_faults();
    world.run(&[]).exits(0);
    assert_eq!(world.one(read), "4");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn failing_id_is_found_in_its_batch() {
    let world = World::extended();
    let ids = some_ids(&world, "artists", 20);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let world = world.job(&by_ids("artists", &ids));
    world.sandbox.inject(Fault::on_path("/v1/artists", FaultAction::status(503)).with_query(ids[6]));
    world.sandbox.inject(Fault::on_path(&format!("/v1/artists/{}", ids[6]), FaultAction::status(503)));
    world.run(&[]).exits(3);
    assert_eq!(reasons(&world, 1), [[ids[6], "server_error"]]);
    assert_eq!(world.csv("artists.csv").len(), 19);
    let calls = world.new_calls();
    assert!(calls.len() <= 20, "{calls:?}");
    // It does not spoil a batch again.
    world.run(&["--full"]).exits(3);
    let calls = world.new_calls();
    assert_eq!(calls.len(), 3, "{calls:?}");
    assert!(calls[1].contains(ids[6]) && calls[2].contains(ids[6]), "{calls:?}");
}

#[test]
fn stray_refusal_of_a_batch_costs_one_call() {
    for (stream, kind) in [("artists", "artists"), ("tracks", "tracks"), ("albums", "albums")] {
        for status in [400, 418, 422] {
            let world = World::extended();
            let ids = some_ids(&world, kind, 12);
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let world = world.job(&by_ids(stream, &ids));
            let path = format!("/v1/{kind}");
            world.sandbox.inject(Fault::on_path(&path, FaultAction::status(status)).times(1));
            world.run(&[]).exits(0);
            let calls = world.new_calls();
            assert_eq!(calls.len(), 2, "{stream} {status}: {calls:?}");
            assert_eq!(world.csv(&format!("{stream}.csv")).len(), 12, "{stream} {status}");
        }
    }
}

#[test]
fn refused_id_is_found_in_its_batch() {
    for (kind, status) in [("artists", 400), ("tracks", 422), ("albums", 400)] {
        let world = World::extended();
        let ids = some_ids(&world, kind, 20);
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let world = world.job(&by_ids(kind, &ids));
        world.sandbox.inject(Fault::on_path(&format!("/v1/{kind}"), FaultAction::status(status)).with_query(ids[6]));
        world.sandbox.inject(Fault::on_path(&format!("/v1/{kind}/{}", ids[6]), FaultAction::status(status)));
        world.run(&[]).exits(3);
        assert_eq!(reasons(&world, 1), [[ids[6], "bad_request"]]);
        assert_eq!(world.csv(&format!("{kind}.csv")).len(), 19);
        let calls = world.new_calls();
        assert!(calls.len() <= 12, "{calls:?}");
        // It does not spoil a batch again.
        world.run(&["--full"]).exits(3);
        let calls = world.new_calls();
        assert_eq!(calls.len(), 2, "{calls:?}");
        assert!(calls[1].contains(ids[6]), "{calls:?}");
    }
}

#[test]
fn any_5xx_is_worth_a_retry() {
    for status in [500, 505, 520, 599] {
        let world = World::development().job(&by_ids("tracks", &[fixtures::PLAIN_TRACK]));
        world.sandbox.inject(Fault::on_path("/v1/tracks/*", FaultAction::status(status)).times(1));
        world.run(&[]).exits(0);
        assert_eq!(world.csv("tracks.csv").len(), 1, "{status}");
        assert_eq!(world.new_calls().len(), 2, "{status}");
    }
}

#[test]
fn failing_lists_of_a_user_stop_no_other() {
    // By cursor, in one answer, and by offset.
    for path in ["/v1/me/following", "/v1/me/top/tracks", "/v1/me/tracks"] {
        let world = of_home(&["followed_artists", "top_tracks", "saved_tracks", "saved_shows"]);
        world.sandbox.inject(Fault::on_path(path, FaultAction::status(502)));
        world.run(&[]).exits(3);
        let states = "SELECT count(*) FILTER (WHERE state = 'complete'), count(*) FILTER (WHERE state = 'partial') FROM run_fetches WHERE run_id = (SELECT max(run_id) FROM run_fetches)";
        assert_eq!(world.rows(states), [["3", "1"]], "{path}");
        world.sandbox.clear_faults();
        world.run(&[]).exits(0);
    }
}

#[test]
fn silent_resource_costs_itself_only() {
    for action in [FaultAction::Reset, FaultAction::CloseBeforeHeaders, FaultAction::CutBody] {
        let world = of_home(&["saved_tracks", "saved_shows"]);
        world.sandbox.inject(Fault::on_path("/v1/me/tracks", action.clone()));
        let ran = world.run(&[]).exits(3);
        assert!(!ran.stderr.contains("unreachable"), "{}", ran.stderr);
        let states = "SELECT fetch, state FROM run_fetches ORDER BY fetch";
        assert_eq!(world.rows(states), [["saved_shows", "complete"], ["saved_tracks", "partial"]], "{}", action.name());
    }
}

#[test]
fn outage_asks_nothing_more() {
    // Of several resources in a row, each fails.
    let world = World::development();
    let ids = some_ids(&world, "artists", 12);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let world = world.job(&[by_ids("tracks", &[fixtures::PLAIN_TRACK]), by_ids("artists", &ids)].concat());
    world.sandbox.inject(Fault::on_path("/v1/*", FaultAction::status(500)));
    world.run(&[]).exits(1);
    assert!(world.new_calls().len() <= 27);
    // No call is answered.
    let world = World::development().job(&by_ids("artists", &ids[..2]));
    world.sandbox.inject(Fault::on_path("/v1/*", FaultAction::Reset));
    world.run(&[]).exits(1);
}

#[test]
fn ids_that_always_fail_are_no_outage() {
    let world = World::development().settings("concurrency = 1");
    let ids = some_ids(&world, "artists", 12);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let job = [by_ids("artists", &ids), by_ids("tracks", &[fixtures::PLAIN_TRACK])].concat();
    let world = world.job(&job);
    let fail = |id: &str| world.sandbox.inject(Fault::on_path(&format!("/v1/artists/{id}"), FaultAction::status(500)));
    ids.iter().skip(1).step_by(2).take(5).for_each(|id| fail(id));
    // Later runs request them last, and so in a row.
    for run in 1..=3 {
        let ran = world.run(&["--full"]).exits(3);
        assert!(!ran.stderr.contains("PROXY"), "{run}: {}", ran.stderr);
        assert_eq!(reasons(&world, run).len(), 5, "{run}");
        assert_eq!(world.csv("artists.csv").len(), 7, "{run}");
        assert_eq!(world.csv("tracks.csv").len(), 1, "{run}");
    }
    // An outage of everything is one.
    world.sandbox.inject(Fault::on_path("/v1/*", FaultAction::status(500)));
    world.run(&["--full"]).exits(1);
}

#[test]
fn failing_endpoint_costs_its_fetch_only() {
    // Entities by id, and lists of two endpoints.
    for (stream, kind, path) in [
        ("artists", "artists", "/v1/artists/*"),
        ("artist_albums", "artists", "/v1/artists/*/albums"),
        ("show_episodes", "shows", "/v1/shows/*/episodes"),
    ] {
        for action in [FaultAction::status(500), FaultAction::CloseBeforeHeaders] {
            let world = World::development().settings("concurrency = 1");
            let ids = some_ids(&world, kind, if kind == "shows" { 6 } else { 12 });
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let market = if kind == "shows" { "market = \"DE\"\n" } else { "" };
            let failing = fetch(stream, &format!("{market}ids = {ids:?}"));
            let albums = some_ids(&world, "albums", 1);
            let job = [by_ids("tracks", &[fixtures::PLAIN_TRACK]), failing, by_ids("albums", &[&albums[0]])].concat();
            let world = world.job(&job);
            world.sandbox.inject(Fault::on_path(path, action.clone()));
            // The first run does not know yet that these ids fail.
            for run in 1..=2 {
                let ran = world.run(&["--full"]).exits(3);
                assert!(!ran.stderr.contains("PROXY"), "{stream} {run}: {}", ran.stderr);
                let states = "SELECT state FROM run_fetches WHERE run_id = (SELECT max(id) FROM runs) ORDER BY fetch = 'tracks', state";
                assert_eq!(world.rows(states), [["complete"], ["partial"], ["complete"]], "{stream} {run}");
                let calls = world.new_calls();
                assert!(calls.len() <= if stream == "artists" { 24 } else { 60 }, "{stream} {run}: {calls:?}");
            }
            assert_eq!((world.csv("tracks.csv").len(), world.csv("albums.csv").len()), (1, 1), "{stream}");
            world.sandbox.clear_faults();
            world.run(&[]).exits(0);
            world.cli(&["verify"]).exits(0);
        }
    }
}

#[test]
fn failing_album_costs_its_own_tracks() {
    let whole = World::development();
    let mut ids = some_ids(&whole, "albums", 3);
    ids.insert(1, fixtures::LONG_ALBUM.to_owned());
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let job = by_ids("album_tracks", &ids);
    let whole = whole.job(&job);
    whole.run(&[]).exits(0);
    let tracks_of =
        |world: &World, id: &str| world.csv("album_tracks.csv").into_iter().filter(|row| row["album_id"] == id).count();
    // The album itself, and the rest of its tracks.
    for path in ["", "/tracks"] {
        for at_first in [true, false] {
            let world = World::development().settings("concurrency = 1").job(&job);
            if !at_first {
                world.run(&[]).exits(0);
            }
            let bad = fixtures::LONG_ALBUM;
            world.sandbox.inject(Fault::on_path(&format!("/v1/albums/{bad}{path}"), FaultAction::status(500)));
            world.run(&["--full"]).exits(3).says("Spotify failed 5 times");
            for id in ids.iter().filter(|id| **id != bad) {
                assert_eq!(tracks_of(&world, id), tracks_of(&whole, id), "{path}");
            }
            assert_eq!(tracks_of(&world, bad), if at_first { 0 } else { tracks_of(&whole, bad) }, "{path}");
            // The next run tries it last, and less often.
            world.new_calls();
            world.run(&["--full"]).exits(3);
            let calls = world.new_calls();
            let last_good = calls.iter().rposition(|call| !call.contains(bad)).unwrap();
            let first_bad = calls.iter().position(|call| call.contains(bad)).unwrap();
            assert!(last_good < first_bad, "{calls:?}");
            assert!(calls.len() - first_bad <= 6, "{calls:?}");
            world.sandbox.clear_faults();
            world.run(&[]).exits(0);
            assert!(world.csv_bytes("album_tracks.csv") == whole.csv_bytes("album_tracks.csv"), "{path}");
            world.cli(&["verify"]).exits(0);
        }
    }
}

#[test]
fn html_for_one_id_is_no_proxy() {
    let portal = |code| FaultAction::Status {
        code,
        body: ErrorBodyFormat::Html,
        retry_after: Default::default(),
        message: None,
        reason: None,
    };
    for (kind, action) in [("tracks", FaultAction::Html200), ("artists", portal(502)), ("albums", FaultAction::Html200)]
    {
        for failing in [0, 2] {
            let world = World::development();
            let ids = some_ids(&world, kind, 3);
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let world = world.job(&by_ids(kind, &ids));
            world.sandbox.inject(Fault::on_path(&format!("/v1/{kind}/{}", ids[failing]), action.clone()));
            let ran = world.run(&[]).exits(3).says("the next run requests it again, after the others");
            assert!(!ran.stderr.contains("PROXY"), "{kind} {failing}: {}", ran.stderr);
        }
    }
}

#[test]
fn answer_without_a_body_is_unusable() {
    let no_content = || FaultAction::Status {
        code: 204,
        body: ErrorBodyFormat::Empty,
        retry_after: Default::default(),
        message: None,
        reason: None,
    };
    let world = World::development();
    let ids = some_ids(&world, "tracks", 3);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let job =
        [by_ids("tracks", &ids), by_ids("artist_albums", &[fixtures::BUSY_ARTIST]), fetch("search", "query = \"a\"\n")];
    let world = world.job(&job.concat());
    for path in [&format!("/v1/tracks/{}", ids[1]), "/v1/artists/*/albums", "/v1/search"] {
        world.sandbox.inject(Fault::on_path(path, no_content()));
    }
    world.run(&[]).exits(3).says("5 answers in a row were unusable: the answer is empty (status 204)");
    let noted = world.rows("SELECT DISTINCT fetch, reason FROM skipped_items ORDER BY 1");
    let expected = ["artist_albums", "search", "tracks"].map(|fetch| [fetch, "unusable_answer"]);
    assert_eq!(noted, expected);
    // A single answer.
    world.sandbox.clear_faults();
    let empty = FaultAction::Answer { code: 200, json: serde_json::json!({}) };
    world.sandbox.inject(Fault::on_path(&format!("/v1/tracks/{}", ids[1]), empty));
    world.run(&[]).exits(3).says("tracks: the answer was unusable: it has neither id nor URI");
}
