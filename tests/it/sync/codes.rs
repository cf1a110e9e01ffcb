//! Jobs that name tracks and albums by ISRC or UPC instead of an id.

use serde_json::json;
use spotify_sandbox::{Fault, FaultAction, fixtures};

use crate::support::snapshot::Shows as _;
use crate::support::world::{World, fetch};

/// UPC of the album that the sandbox's plain track is on.
const UPC: &str = "0602445790098";

#[test]
fn upc_names_an_album_in_every_stream() {
    for stream in ["albums", "album_tracks"] {
        let world = World::extended().job(&fetch(stream, &format!("ids = [\"upc:{UPC}\", \"upc:00000000\"]")));
        let ran = world.run(&[]).exits(3).shows("upc_names_an_album_in_every_stream");
        assert!(!world.csv(&format!("{stream}.csv")).is_empty(), "{stream}: {}", ran.stderr);
        world.run(&[]).exits(0);
    }
}

/// A hit of the sandbox's plain track or its album that names this code, or none.
fn hit_names(kind: &str, field: &str, code: Option<&str>) -> Fault {
    let at = format!("/{kind}/items/*/external_ids");
    let codes = code.map_or(json!({}), |code| json!({ field: code }));
    Fault::on_path("/v1/search", FaultAction::Set { at, to: codes })
}

#[test]
fn hit_with_another_isrc_is_no_hit() {
    for stream in ["tracks", "search"] {
        let job = match stream {
            "search" => fetch("search", "query = \"isrc:QZSBX2600001\""),
            _ => fetch("tracks", "ids = [\"QZ-SBX-26-00001\"]\nrefresh_after = \"30d\""),
        };
        let world = World::extended().job(&job);
        world.sandbox.inject(hit_names("tracks", "isrc", Some("USRC17607839")));
        world.run(&[]).exits(if stream == "search" { 0 } else { 3 });
        assert!(world.csv(&format!("{stream}.csv")).is_empty(), "{stream}");
        assert_eq!(world.one("SELECT count(*) FROM tracks"), "0", "{stream}");
        assert_eq!(world.one("SELECT reason FROM skipped_items WHERE reason = 'code_mismatch'"), "code_mismatch");
        let asked = world.column(&format!("{stream}-not-found.csv"), "requested");
        assert_eq!(asked, ["isrc:QZSBX2600001"], "{stream}");
        world.new_calls();
        world.run(&[]).exits(0);
        assert_eq!(world.new_calls().len(), usize::from(stream == "search"), "{stream}: a code is known to be wrong");
        // The same code in another spelling is the same.
        world.sandbox.clear_faults();
        world.sandbox.inject(hit_names("tracks", "isrc", Some("qz-sbx-26-00001")));
        if stream == "search" {
            world.run(&[]).exits(0);
            assert_eq!(world.column("search.csv", "id"), [fixtures::PLAIN_TRACK]);
            assert!(world.csv("search-not-found.csv").is_empty());
        }
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn hit_without_a_code_is_kept_unverified() {
    for stream in ["tracks", "search"] {
        let job = match stream {
            "search" => fetch("search", "query = \"isrc:QZSBX2600001\""),
            _ => fetch("tracks", "ids = [\"isrc:QZSBX2600001\"]\nrefresh_after = \"30d\""),
        };
        let world = World::extended().job(&job);
        world.sandbox.inject(hit_names("tracks", "isrc", None));
        let id = if stream == "search" { "id" } else { "track_id" };
        for calls in [1, usize::from(stream == "search")] {
            world.new_calls();
            world.run(&[]).exits(0);
            let ids = world.column(&format!("{stream}.csv"), id);
            assert_eq!(ids.last().map(String::as_str), Some(fixtures::PLAIN_TRACK), "{stream}");
            let noted = "SELECT count(*) FROM skipped_items WHERE reason = 'unverified_code' AND run_id =
                         (SELECT max(id) FROM runs)";
            assert_eq!(world.one(noted), "1", "{stream}");
            assert_eq!(world.new_calls().len(), calls, "{stream}");
        }
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn album_with_another_upc_is_no_hit() {
    for stream in ["albums", "album_tracks"] {
        let world = World::extended().job(&fetch(stream, "ids = [\"0602445790098\"]"));
        let other = json!({ "upc": "5099902894225" });
        for path in ["/v1/albums/*", "/v1/albums"] {
            let at = if path.ends_with('*') { "/external_ids" } else { "/albums/*/external_ids" };
            world.sandbox.inject(Fault::on_path(path, FaultAction::Set { at: at.to_owned(), to: other.clone() }));
        }
        world.run(&[]).exits(3);
        assert!(world.csv(&format!("{stream}.csv")).is_empty(), "{stream}");
        assert_eq!(world.one("SELECT group_concat(reason) FROM skipped_items"), "code_mismatch", "{stream}");
        assert_eq!(world.column(&format!("{stream}-not-found.csv"), "requested"), ["upc:0602445790098"]);
        world.new_calls();
        world.run(&[]).exits(0);
        assert_eq!(world.new_calls(), [""; 0], "{stream}");
        world.cli(&["verify"]).exits(0);
        // Spotify corrects the code of the album, and the stored one is outdated.
        world.sandbox.clear_faults();
        world.run(&["--full"]).exits(0);
        assert!(!world.csv(&format!("{stream}.csv")).is_empty(), "{stream}");
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn best_of_several_hits_has_the_code() {
    let job = fetch("tracks", "ids = [\"isrc:QZSBX2600001\"]\nrefresh_after = \"30d\"");
    let world = World::extended().job(&job);
    let hit = |id: &str, ids: serde_json::Value| json!({ "id": id, "name": id, "type": "track", "external_ids": ids });
    let items = json!([
        hit("0000000000000000000001", json!({ "isrc": "USRC17607839" })),
        hit("0000000000000000000002", json!({})),
        null,
        hit("0000000000000000000003", json!({ "isrc": "qzsbx2600001" })),
    ]);
    let page = json!({ "tracks": { "items": items, "total": 4, "limit": 10, "offset": 0, "next": null } });
    world.sandbox.inject(Fault::on_path("/v1/search", FaultAction::Answer { code: 200, json: page }));
    world.run(&[]).exits(0);
    assert_eq!(world.column("tracks.csv", "track_id"), ["0000000000000000000003"]);
    assert_eq!(world.one("SELECT count(*) FROM tracks"), "1", "no other hit is stored");
}

#[test]
fn isrc_example_lists_codes_without_a_track() {
    let job = include_str!("../../../jobs/tracks-by-isrc.toml");
    let world = World::development().job(job);
    let known = "QZSBX2600001";
    world.project.write("jobs/isrcs.csv", format!("isrc\n{known}\nZZXXX0000000\n"));
    world.run(&["x"]).exits(0);
    assert_eq!(world.column("tracks-by-isrc.csv", "isrc")[0], known);
    assert_eq!(world.csv("tracks-by-isrc-not-found.csv").len(), 1);
    assert!(String::from_utf8(world.csv_bytes("tracks-by-isrc-not-found.csv")).unwrap().contains("ZZXXX0000000"));
}

#[test]
fn code_of_another_spelling_is_searched_once() {
    // Stream, id, path and field of the code, and the code as Spotify sends it.
    let table = [
        ("albums", UPC, "/v1/albums*", json!({"ean": "0602445790098"})),
        ("albums", UPC, "/v1/albums*", json!({"upc": " 0602445790098 "})),
        ("album_tracks", UPC, "/v1/albums*", json!({"ean": "00602445790098"})),
        ("tracks", "isrc:QZSBX2600001", "/v1/search", json!({"isrc": " QZ SBX 26 00001 "})),
    ];
    for (stream, id, path, codes) in table {
        let world = World::extended().job(&fetch(
            stream,
            &format!(
                "ids = [\"{id}\"]\n{}",
                match stream {
                    "album_tracks" => "",
                    _ => "refresh_after = \"30d\"",
                }
            ),
        ));
        let [one, list, hit] = ["/external_ids", "/albums/*/external_ids", "/tracks/items/*/external_ids"];
        for at in [one, list, hit] {
            let set = FaultAction::Set { at: at.to_owned(), to: codes.clone() };
            match path {
                "/v1/search" if at == hit => world.sandbox.inject(Fault::on_path(path, set)),
                "/v1/albums*" if at == one => world.sandbox.inject(Fault::on_path("/v1/albums/*", set)),
                "/v1/albums*" if at == list => world.sandbox.inject(Fault::on_path("/v1/albums", set)),
                _ => {}
            }
        }
        world.run(&[]).exits(0);
        for run in [2, 3] {
            world.new_calls();
            world.run(&[]).exits(0);
            let calls = world.new_calls();
            assert!(calls.iter().all(|call| !call.starts_with("/search")), "{stream} {codes} in run {run}: {calls:?}");
            assert!(!world.csv(&format!("{stream}.csv")).is_empty(), "{stream} {codes}");
        }
        world.cli(&["verify"]).exits(0);
    }
}
