//! However a run ends, four sources agree: the summary on stderr, `history`, `--json` and the exit code.

use serde_json::Value;
use spotify_sandbox::{Fault, FaultAction, RetryAfterHeader, fixtures};

use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::world::{World, by_ids, ended, fetch, signal};

const MISSING_ID: &str = "0000000000000000000000";

fn two() -> String {
    [by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]), by_ids("tracks", &[fixtures::PLAIN_TRACK])].concat()
}

/// A way to end, with its state and its exit code.
type End = (&'static str, String, fn(&World), &'static str, i32);

fn ends() -> Vec<End> {
    vec![
        ("all well", two(), |_| {}, "complete", 0),
        ("nulls and local files", by_ids("playlist_items", &[fixtures::EDGE_CASE_PLAYLIST]), |_| {}, "complete", 0),
        ("a missing id", by_ids("tracks", &[MISSING_ID, fixtures::PLAIN_TRACK]), |_| {}, "partial", 3),
        ("a missing playlist", by_ids("playlist_items", &[MISSING_ID, fixtures::HOME_PLAYLIST]), |_| {}, "partial", 3),
        (
            "a 403",
            two(),
            |w| w.sandbox.inject(Fault::on_path("/v1/playlists/*", FaultAction::status(403))),
            "partial",
            3,
        ),
        (
            "pages that stay unusable",
            two(),
            |w| w.sandbox.inject(Fault::on_path("/v1/playlists/*/tracks", FaultAction::MalformedJson)),
            "partial",
            3,
        ),
        (
            "a ban",
            two(),
            |w| {
                w.sandbox
                    .inject(Fault::on_path("/v1/tracks*", FaultAction::rate_limited(RetryAfterHeader::Seconds(80_000))))
            },
            "deferred",
            75,
        ),
        (
            "a spent quota",
            two(),
            |w| w.sandbox.inject(Fault::on_path("/v1/playlists/*/tracks", FaultAction::quota_exceeded(50_000))),
            "deferred",
            75,
        ),
        (
            "a ban, and an id that is none",
            [by_ids("tracks", &[MISSING_ID]), by_ids("playlist_items", &[fixtures::HOME_PLAYLIST])].concat(),
            |w| {
                w.sandbox.inject(Fault::on_path(
                    "/v1/playlists/*",
                    FaultAction::rate_limited(RetryAfterHeader::Seconds(80_000)),
                ))
            },
            "deferred",
            3,
        ),
        (
            "a server that is down",
            two(),
            |w| w.sandbox.inject(Fault::on_path("/v1/*", FaultAction::status(500))),
            "failed",
            1,
        ),
        (
            "a token that is refused",
            two(),
            |w| w.sandbox.inject(Fault::on_path("/v1/*", FaultAction::status(401))),
            "failed",
            77,
        ),
        (
            "a query that fails",
            format!("{}[[query]]\ncsv = \"q.csv\"\nsql = \"SELECT abs(-9223372036854775808) AS x\"\n", two()),
            |_| {},
            "failed",
            2,
        ),
    ]
}

fn newest(world: &World) -> Value {
    world.cli(&["history", "--json"]).exits(0).json()["runs"][0].clone()
}

#[test]
fn all_outputs_agree_on_how_a_run_ended() {
    for (name, job, arrange, state, code) in ends() {
        let world = World::extended().job(&job);
        arrange(&world);
        let ran = world.run(&["--json"]);
        assert_eq!(ran.code, code, "{name}: {}", ran.stderr);
        let (json, history) = (ran.json(), newest(&world));
        assert_eq!(json["exit_code"], code, "{name}");
        assert_eq!(json["runs"][0]["exit_code"], code, "{name}");
        assert_eq!(json["runs"][0]["state"], state, "{name}: {json}");
        assert_eq!(history["state"], state, "{name}");
        assert!(ran.stderr.contains(&format!("x: {state}, ")), "{name}: {}", ran.stderr);
        assert_eq!(world.one("SELECT exit_code FROM runs"), code.to_string(), "{name}");
        for key in ["calls", "rows", "not_before", "started_at"] {
            assert_eq!(json["runs"][0][key], history[key], "{name}: {key}");
        }
        assert_eq!(json["runs"][0]["reasons"].get(0).unwrap_or(&Value::Null), &history["reason"], "{name}");
        if state != "complete" {
            let reason = history["reason"].as_str().unwrap_or_else(|| panic!("{name}: no reason"));
            let message = reason.split(": status").next().unwrap();
            assert!(ran.stderr.contains(message), "{name}: {reason}: {}", ran.stderr);
        }
        if let Some(at) = history["not_before"].as_str() {
            assert!(ran.stderr.contains("come back at") && at > "2026", "{name}: {}", ran.stderr);
        }
        for fetched in json["runs"][0]["fetches"].as_array().unwrap() {
            let sql = format!("SELECT state FROM run_fetches WHERE fetch = '{}'", fetched["fetch"].as_str().unwrap());
            assert_eq!(world.one(&sql), fetched["state"].as_str().unwrap(), "{name}");
        }
        let package = world.csv_path("datapackage.json");
        if let Ok(text) = std::fs::read(package) {
            let package: Value = serde_json::from_slice(&text).unwrap();
            // A query fails only when the files are written.
            assert!(package["run"]["state"] == state || code == 2, "{name}: {}", package["run"]);
        }
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn stopped_run_is_reported_everywhere() {
    let world = World::extended().job(&two());
    world.sandbox.inject(Fault::on_path("/v1/playlists/*/tracks", FaultAction::Latency { ms: 2_000 }));
    let child = world.spawn(&["--json"]);
    world.wait_for_calls(1);
    std::thread::sleep(std::time::Duration::from_millis(300));
    signal(&child, "TERM");
    let ran = ended(child).exits(75);
    assert_eq!((&ran.json()["state"], &newest(&world)["state"]), (&"deferred".into(), &"deferred".into()));
    assert_output("stopped_run_is_reported_everywhere", &ran.stderr);
}

#[test]
fn partial_files_follow_the_setting() {
    let job = [by_ids("playlist_items", &[fixtures::HOME_PLAYLIST, MISSING_ID]), fetch("categories", "")].concat();
    let world = World::extended().job(&job);
    world.run(&[]).exits(3);
    let package = |world: &World| -> Value { serde_json::from_slice(&world.csv_bytes("datapackage.json")).unwrap() };
    assert_eq!(package(&world)["run"]["state"], "partial");
    assert!(package(&world)["run"]["reasons"][0].as_str().unwrap().contains("not found"));
    assert_eq!(world.csv("playlist_items.csv").len(), 120);
    let world = World::extended()
        .settings("[output]\npublish_partial = false")
        .job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.run(&[]).exits(0);
    let (csv, before) = (world.csv_bytes("playlist_items.csv"), package(&world));
    let world = world.job(&job);
    let edit = serde_json::json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "count": 9});
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
    let ran = world.run(&[]).exits(3);
    assert!(ran.stderr.contains("kept") || ran.stderr.contains("missing"), "{}", ran.stderr);
    assert_eq!(world.csv_bytes("playlist_items.csv"), csv, "the last complete file stays");
    assert_eq!(package(&world)["resources"][0]["hash"], before["resources"][0]["hash"]);
    // The missing playlist is known now, so it is noted, and the run is complete.
    world.run(&[]).exits(0);
    assert_eq!(world.csv("playlist_items.csv").len(), 111);
}

#[test]
fn unread_list_has_no_empty_file() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    let moving = serde_json::json!({
        "do": "when_served", "playlist": fixtures::HOME_PLAYLIST, "page": 1, "times": 50,
        "edit": {"do": "move", "playlist": fixtures::HOME_PLAYLIST, "from": 0, "count": 1, "to": 90},
    });
    crate::store::maintenance::edit(&world, moving);
    let report = world.run(&["--json"]).exits(3).json();
    assert_eq!(report["runs"][0]["files"][0]["outcome"], "missing", "{report}");
    assert!(!world.csv_path("playlist_items.csv").exists());
    world.cli(&["export"]).exits(0).shows("unread_list_has_no_empty_file");
    world.cli(&["verify"]).exits(0);
}
