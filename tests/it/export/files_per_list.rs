//! Names with `{playlist}`, `{artist}` and so on: one file for each list of a fetch.

use serde_json::json;
use spotify_sandbox::fixtures;

use crate::store::maintenance::edit;
use crate::support::project::Project;
use crate::support::world::{World, by_ids, fetch};
use crate::sync::users::signed_in;

/// The names of the files of job `x`, sorted, without the data package.
fn files(world: &World) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(world.csv_path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "datapackage.json")
        .collect();
    names.sort();
    names
}

/// The file whose name contains this id.
fn file_of(world: &World, id: &str) -> String {
    let names = files(world);
    let found: Vec<&String> = names.iter().filter(|name| name.contains(id)).collect();
    assert_eq!(found.len(), 1, "{id} in {names:?}");
    found[0].clone()
}

fn rename(world: &World, playlist: &str, name: &str) {
    edit(world, json!({"do": "rename", "playlist": playlist, "name": name}));
}

const PLAYLISTS: [&str; 3] = [fixtures::EDGE_CASE_PLAYLIST, fixtures::HOME_PLAYLIST, fixtures::EMPTY_PLAYLIST];

fn playlists(name: &str) -> World {
    let job = by_ids("playlist_items", &PLAYLISTS);
    World::extended().job(&format!("{job}csv = \"{name}\"\njsonl = true\n"))
}

#[test]
fn each_playlist_has_a_file() {
    let world = playlists("{playlist}.csv");
    rename(&world, fixtures::HOME_PLAYLIST, "../Früh & spät/..");
    rename(&world, fixtures::EMPTY_PLAYLIST, "夜");
    world.run(&[]);
    let home = format!("Frueh-spaet-{}.csv", fixtures::HOME_PLAYLIST);
    assert_eq!(file_of(&world, &format!("{}.csv", fixtures::HOME_PLAYLIST)), home);
    assert_eq!(file_of(&world, &format!("{}.csv", fixtures::EMPTY_PLAYLIST)), "0SandboxNilPlaylist000.csv");
    assert_eq!(files(&world).len(), 6, "{:?}", files(&world));
    for id in PLAYLISTS {
        let rows = world.csv(&file_of(&world, &format!("{id}.csv")));
        let expected = world.sandbox.catalog().expected_rows(id).unwrap().len();
        assert_eq!(rows.len(), expected, "{id}");
        let lines = world.csv_bytes(&file_of(&world, &format!("{id}.jsonl")));
        assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), expected, "{id}");
    }
    let package: serde_json::Value = serde_json::from_slice(&world.csv_bytes("datapackage.json")).unwrap();
    assert_eq!(package["resources"].as_array().unwrap().len(), 6);
    world.cli(&["verify"]).exits(0);

    // A changed list changes its own file only.
    let before = world.csv_bytes(&file_of(&world, &format!("{}.csv", fixtures::EDGE_CASE_PLAYLIST)));
    edit(&world, json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "count": 1}));
    let report = world.run(&["--json"]).json();
    let written = report["files"].as_array().unwrap().iter().filter(|file| file["outcome"] == "written").count();
    assert_eq!(written, 2, "{report}");
    assert_eq!(world.csv_bytes(&file_of(&world, &format!("{}.csv", fixtures::EDGE_CASE_PLAYLIST))), before);
}

#[test]
fn renamed_list_moves_its_file() {
    let world = playlists("lists/{playlist}.csv").settings("[output]\nformats = [\"csv\"]");
    let path = |name: &str| world.csv_path(&format!("lists/{name}"));
    rename(&world, fixtures::HOME_PLAYLIST, "First");
    rename(&world, fixtures::EMPTY_PLAYLIST, "Mine");
    world.run(&[]);
    let [first, second] = ["First", "Second"].map(|name| format!("{name}-{}.csv", fixtures::HOME_PLAYLIST));
    let [mine, yours] = ["Mine", "Yours"].map(|name| format!("{name}-{}.csv", fixtures::EMPTY_PLAYLIST));
    let text = std::fs::read_to_string(path(&first)).unwrap();
    std::fs::write(path(&mine), "edited by hand").unwrap();
    rename(&world, fixtures::HOME_PLAYLIST, "Second");
    rename(&world, fixtures::EMPTY_PLAYLIST, "Yours");
    world.run(&["--full"]);
    assert!(!path(&first).exists() && path(&second).exists());
    assert_eq!(std::fs::read_to_string(path(&second)).unwrap().lines().count(), text.lines().count());
    // A file that someone has changed is theirs.
    assert!(path(&mine).exists() && path(&yours).exists());
    let package = String::from_utf8(world.csv_bytes("datapackage.json")).unwrap();
    assert!(!package.contains(&first) && package.contains(&second));
    let found = world.cli(&["verify"]);
    assert!(found.stdout.contains("  edited      ") && !found.stdout.contains("stray"), "{}", found.stdout);
    let found = world.cli(&["verify", "--json"]).stdout;
    assert!(found.contains("\"matter\":\"edited\""), "{found}");
    std::fs::remove_file(path(&mine)).unwrap();
    world.cli(&["verify"]).exits(0);
}

#[test]
fn file_of_a_gone_list_stays() {
    let world = playlists("{playlist}.csv");
    world.run(&[]);
    let gone = file_of(&world, &format!("{}.csv", fixtures::EDGE_CASE_PLAYLIST));
    let before = world.csv_bytes(&gone);
    let job = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]);
    let world = world.job(&format!("{job}csv = \"{{playlist}}.csv\"\n"));
    world.run(&[]).exits(0);
    assert_eq!(world.csv_bytes(&gone), before);
    assert!(String::from_utf8(world.csv_bytes("datapackage.json")).unwrap().contains(&gone));
    world.cli(&["verify"]).exits(0);
}

#[test]
fn other_lists_have_files_too() {
    let job = [
        by_ids("artist_albums", &[fixtures::BUSY_ARTIST, fixtures::SEMICOLON_ARTIST]) + "csv = \"a/{artist}.csv\"",
        by_ids("show_episodes", &[fixtures::SHOW]) + "csv = \"s/{date}/{show}.csv\"",
        by_ids("album_tracks", &[fixtures::LONG_ALBUM, fixtures::EDGE_CASE_ALBUM]) + "csv = \"t/{album}.csv\"",
        by_ids("audiobook_chapters", &[fixtures::AUDIOBOOK]) + "csv = \"b/{audiobook}.csv\"",
    ];
    let world = World::extended().job(&format!("market = \"US\"\n{}\n", job.join("\n")));
    let ran = world.run(&[]);
    let count = |folder: &str| std::fs::read_dir(world.csv_path(folder)).map_or(0, Iterator::count);
    assert_eq!((count("a"), count("t"), count("b")), (2, 2, 1), "{}", ran.stderr);
    let day = std::fs::read_dir(world.csv_path("s")).unwrap().next().unwrap().unwrap().path();
    assert!(std::fs::read_dir(day).unwrap().next().unwrap().unwrap().path().to_str().unwrap().contains(fixtures::SHOW));
    world.cli(&["verify"]).exits(0);
}

#[test]
fn placeholder_must_fit_the_stream() {
    for (job, error) in [
        (by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]) + "csv = \"{artist}.csv\"", "write {playlist}"),
        (by_ids("albums", &[fixtures::LONG_ALBUM]) + "csv = \"{album}.csv\"", "are not in lists"),
        (by_ids("albums", &[fixtures::LONG_ALBUM]) + "csv = \"{playlists}.csv\"", "did you mean `playlist`"),
        (
            "[[query]]\ncsv = \"{playlist}.csv\"\nsql = \"SELECT 1 AS n ORDER BY n\"".to_owned(),
            "only the file of a [[fetch]]",
        ),
    ] {
        let (code, said) = Project::with_job(&job).check();
        assert_eq!(code, 2, "{job}\n{said}");
        assert!(said.contains(error) && said.contains("jobs/x.toml"), "{said}");
    }
}

#[test]
fn purge_takes_the_titles_of_lists() {
    let job = format!("users = [\"home\", \"studio\"]\n{}", fetch("my_playlist_items", "csv = \"{playlist}.csv\""));
    let world = World::extended().job(&job);
    world.delete_large_playlist();
    let world = signed_in(world, &[("home", fixtures::HOME_USER), ("studio", fixtures::STUDIO_USER)]);
    let ran = world.run(&[]);
    assert!(ran.code == 0 || ran.code == 3, "{}", ran.stderr);
    let (home, shared) = (file_of(&world, fixtures::HOME_PLAYLIST), file_of(&world, fixtures::SHARED_PLAYLIST));
    let users = |file: &str| {
        let mut users = world.column(file, "user");
        users.sort();
        users.dedup();
        users
    };
    assert_eq!(users(&shared), ["home", "studio"]);
    world.cli(&["auth", "logout", "home", "--purge"]);
    assert!(!files(&world).contains(&home), "{:?}", files(&world));
    assert_eq!(users(&shared), ["studio"]);
    let named = format!("SELECT count(*) FROM published_files WHERE path LIKE '%{}%'", fixtures::HOME_PLAYLIST);
    assert_eq!(world.one(&named), "0");
    assert!(!String::from_utf8(world.csv_bytes("datapackage.json")).unwrap().contains(&home));
}
