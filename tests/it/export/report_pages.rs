//! The page of a job: what it shows, when it is written, and what it never does.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use serde_json::json;
use spotify_sandbox::{PlaylistEdit, fixtures};

use crate::support::moved_clock::clock;
use crate::support::project::Project;
use crate::support::snapshot::{Cases, assert_output};
use crate::support::world::{Ran, World, by_ids, fetch, ran};
use crate::sync::users::signed_in;

fn run_on_day(world: &World, day: i64) -> Ran {
    let mut command = world.command(&["run"]);
    ran(command.env("LD_PRELOAD", clock()).env("CLOCK_OFFSET", (day * 86_400).to_string()))
}

fn edit(world: &World, edit: serde_json::Value) {
    let edit: PlaylistEdit = serde_json::from_value(edit).unwrap();
    world.sandbox.catalog().edit(edit).unwrap();
}

fn job() -> String {
    [
        "description = \"Tables <of> music\"\nschedule = \"15 6 * * *\"\n".to_owned(),
        by_ids("playlist_items", &[fixtures::HOME_PLAYLIST, fixtures::EDGE_CASE_PLAYLIST]),
        by_ids("artist_albums", &[fixtures::SEMICOLON_ARTIST]),
        "[[query]]\ncsv = \"kinds.csv\"\nsql = \"SELECT kind, count(*) AS n FROM playlist_items GROUP BY 1 ORDER BY 1\"\n"
            .to_owned(),
        "[report]\nsince = \"30d\"\nrows = 5\n".to_owned(),
    ]
    .concat()
}

/// A page as lines of text: one element a line, without attributes.
pub fn text(page: &str) -> String {
    let body = page.split("<body>").nth(1).unwrap();
    let mut lines = String::new();
    for part in body.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        let name = tag.split(' ').next().unwrap();
        // Days of charts are not the same tomorrow.
        let text = match name {
            "text" | "title" | "/text" | "label" => "",
            "dt" => text.split(" since ").next().unwrap(),
            _ => text,
        };
        let is_cell = tag.starts_with("/td") || tag.starts_with("/th");
        let is_line = [
            "p",
            "/p",
            "h1",
            "h2",
            "/tr",
            "caption",
            "/caption",
            "figcaption",
            "desc",
            "/desc",
            "dt",
            "/dd",
            "summary",
        ];
        if is_cell {
            lines.push_str(" | ");
        } else if is_line.contains(&name) {
            lines.push('\n');
        }
        lines.push_str(text.trim_matches('\n'));
    }
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

fn page(world: &World) -> String {
    String::from_utf8(world.csv_bytes("report.html")).unwrap()
}

#[test]
fn page_shows_what_the_store_has() {
    let world = World::extended().job(&job());
    run_on_day(&world, 0);
    let first = text(&page(&world));
    for said in ["read the playlists for the first time", "read the releases for the first time", "| first read |"] {
        assert!(first.contains(said), "{said}: {first}");
    }
    for not_said in ["added since", "new since", "earlier", "No release"] {
        assert!(!page(&world).contains(not_said), "{not_said}");
    }
    for day in 1..4 {
        edit(&world, json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 1, "count": day}));
        let track = fixtures::PLAIN_TRACK;
        edit(
            &world,
            json!({"do": "insert", "playlist": fixtures::EDGE_CASE_PLAYLIST, "position": 0, "items": [track]}),
        );
        run_on_day(&world, day * 7);
    }
    let page = page(&world);
    let total = world.one("SELECT count(*) FROM playlist_changes WHERE change <> 'moved'");
    assert!(page.contains(&format!("5 of {total} changes are shown. <code>cratedigger diff x --since ")));
    assert!(page.contains("<bdi>") && page.len() < 1 << 20 && !page.contains("<script"));
    assert_output("several_runs", &text(&page));
    world.cli(&["verify"]).exits(0);
}

fn sections(page: &str) -> Vec<&str> {
    page.split("<section id=\"").skip(1).map(|part| part.split('"').next().unwrap()).collect()
}

#[test]
fn playlists_of_a_library_fill_all_sections() {
    let job = [
        "user = \"studio\"\n".to_owned(),
        fetch("my_playlist_items", ""),
        fetch("saved_tracks", ""),
        "[[query]]\ncsv = \"who.csv\"\nsql = \"SELECT added_at, added_by, added_by AS 'Added By' FROM my_playlist_items \
         WHERE added_by IS NOT NULL ORDER BY position LIMIT 3\"\n[report]\nsince = \"30d\"\n"
            .to_owned(),
    ]
    .concat();
    let world = signed_in(World::extended().job(&job), &[("studio", fixtures::STUDIO_USER)]);
    let list_alone = format!("user = \"studio\"\n{}[report]\n", fetch("my_playlists", ""));
    world.project.write("jobs/names.toml", list_alone);
    run_on_day(&world, 0).exits(0);
    let all = ["changes", "growth", "codes", "duplicates", "metrics", "fetches", "queries"];
    let first = page(&world);
    assert_eq!(sections(&first), all);
    assert!(first.contains("read the playlists for the first time"), "{}", text(&first));
    let playlist = &world.column("my_playlist_items.csv", "playlist_id")[0];
    edit(&world, json!({"do": "remove", "playlist": playlist, "position": 1, "count": 2}));
    run_on_day(&world, 7).exits(0);
    let second = page(&world);
    assert_eq!(sections(&second), all);
    let lists = world.one("SELECT count(DISTINCT playlist_id) FROM playlist_versions");
    let found = text(&second);
    for said in [format!("1 of {lists} playlists changed since the first read"), ": 0 added, 2 removed.".to_owned()] {
        assert!(found.contains(&said), "{said}: {found}");
    }
    let mut tracks =
        [world.column("my_playlist_items.csv", "track_id"), world.column("saved_tracks.csv", "track_id")].concat();
    tracks.retain(|id| !id.is_empty());
    tracks.sort();
    tracks.dedup();
    assert!(found.contains(&format!("different tracks{}\n", tracks.len())), "{} tracks: {found}", tracks.len());
    // Who added what is in the CSV only, and times are written as elsewhere.
    let added = &world.csv("who.csv")[0];
    assert_eq!(added["added_by"], added["Added By"]);
    assert!(!second.contains(&added["added_by"]) && !second.contains(&added["added_at"]), "{found}");
    assert!(found.contains("The columns added_by, Added By are left out"), "{found}");
    // The list of playlists alone has no items, though the store does.
    let names = std::fs::read_to_string(world.project.root().join("output/csv/names/report.html")).unwrap();
    assert_eq!(sections(&names), ["fetches"]);
}

#[test]
fn requests_without_result_are_counted() {
    let job = "[[fetch]]\nstream = \"tracks\"\nids_file = \"ids.csv\"\n[report]\n";
    let world = World::extended().job(job);
    let ids = "id\nQZ-SBX-26-00001\nisrc:ZZXXX0000000\nisrc:ZZXXX0000001\nnot an id\n";
    world.project.write("jobs/ids.csv", ids);
    world.run(&[]).exits(3);
    assert_output("without_result", &text(&page(&world)));
    // Without any track, the codes are still there.
    world.project.write("jobs/ids.csv", "id\nisrc:ZZXXX0000001\n");
    world.run(&[]);
    let page = page(&world);
    assert_eq!(sections(&page), ["codes", "fetches"]);
    assert!(text(&page).contains("Spotify has nothing for 1 code that this job requests."), "{}", text(&page));
}

#[test]
fn unchanged_page_is_not_touched() {
    let world = World::extended().job(&job());
    world.run(&[]);
    let (bytes, written) =
        (page(&world), std::fs::metadata(world.csv_path("report.html")).unwrap().modified().unwrap());
    world.cli(&["export"]);
    assert_eq!(std::fs::metadata(world.csv_path("report.html")).unwrap().modified().unwrap(), written);
    // A changed page is found, and written again with the same bytes.
    std::fs::write(world.csv_path("report.html"), "changed").unwrap();
    world.cli(&["verify"]).exits(74);
    world.cli(&["export"]);
    assert_eq!(page(&world), bytes);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn sections_are_those_of_the_job_file() {
    let chosen = job().replace("rows = 5", "sections = [\"fetches\", \"codes\"]");
    let world = World::extended().job(&chosen);
    world.run(&[]);
    let page = page(&world);
    assert_eq!(sections(&page), ["codes", "fetches"]);
}

#[test]
fn wrong_keys_are_reported() {
    let mut cases = Cases::default();
    let artists = "[[fetch]]\nstream = \"artists\"\nids = [\"4Z8W4fKeB5YxbbsqsVdVSj\"]\n[report]\n";
    for (name, line) in [
        ("section", "sections = [\"change\"]"),
        ("key", "week = 3"),
        ("rows", "rows = 0"),
        ("no sections", "sections = []"),
    ] {
        cases.add(name, &Project::with_job(&format!("{artists}{line}\n")).check().1);
    }
    cases.assert_text("wrong_keys");
}
