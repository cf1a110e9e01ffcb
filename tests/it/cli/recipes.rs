//! The recipes at the head of `docs/jobs.md` run, and their files have what they promise.

use std::path::Path;

use spotify_sandbox::fixtures;

use crate::support::world::World;
use crate::sync::users::signed_in;

/// The names and texts of the recipes.
fn recipes() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/jobs.md");
    let text = std::fs::read_to_string(path).unwrap();
    let recipe = |part: &str| {
        let (name, rest) = part.split_once(" -->\n```toml\n").unwrap();
        (name.to_owned(), rest.split_once("\n```").unwrap().0.to_owned())
    };
    text.split("<!-- recipe: ").skip(1).map(recipe).collect()
}

/// Each recipe with a file of it, whether it has rows after the first run, and the exit code.
const FILES: [(&str, &str, bool, i32); 10] = [
    ("my-library", "liked-songs.csv", true, 0),
    ("new-releases", "new-releases.csv", false, 0),
    ("added-this-week", "", false, 0),
    // A code that Spotify does not have makes the run partial.
    ("isrc-list", "tracks-not-found.csv", true, 3),
    ("labels", "labels.csv", true, 0),
    ("duplicates", "duplicates.csv", true, 0),
    ("one-file-each", "evening.csv", true, 0),
    ("own-columns", "songs.csv", true, 3),
    ("followers", "followers.csv", true, 0),
    ("new-episodes", "new-episodes.csv", true, 0),
];

#[test]
fn every_recipe_runs() {
    let world = signed_in(World::extended(), &[("home", fixtures::HOME_USER)]);
    let files = [
        ("artists.csv", format!("artist,id\nmine,{}\n", fixtures::BUSY_ARTIST)),
        ("songs.csv", "my number,isrc,my note\n001,QZ-SBX-26-00001,ours\n002,ZZXXX0000000,not out yet\n".to_owned()),
        ("shows.csv", format!("{}\n", fixtures::SHOW)),
    ];
    for (name, text) in files {
        world.project.write(&format!("jobs/{name}"), text);
    }
    let recipes = recipes();
    let names: Vec<&str> = recipes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, FILES.map(|(name, ..)| name));
    for (name, text) in &recipes {
        let ours = [
            ("3cEYpjA9oz9GiPac4AsH4n", fixtures::HOME_PLAYLIST),
            ("5ieJqeLJjjI8iJWaxeBLuK", fixtures::FOREIGN_PLAYLIST),
        ];
        let text = ours.iter().fold(text.clone(), |text, (example, real)| text.replace(example, real));
        world.project.write(&format!("jobs/{name}.toml"), text);
    }
    let checked = world.cli(&["check"]).exits(0);
    assert!(!checked.stderr.contains("warning"), "{}", checked.stderr);
    for (name, file, has_rows, exit) in FILES {
        world.run(&[name]).exits(exit);
        let path = world.project.root().join(format!("output/csv/{name}/{file}"));
        if !file.is_empty() {
            let lines = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}")).lines().count();
            assert_eq!(lines > 1, has_rows, "{name}: {lines} lines");
        }
    }
    // Files that have no rows before something changes.
    let edit = serde_json::json!({"do": "insert", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "items": [fixtures::PLAIN_TRACK]});
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
    let csv = |name: &str| std::fs::read_to_string(world.project.root().join("output/csv").join(name)).unwrap();
    world.run(&["my-library"]).exits(0);
    assert_eq!(csv("my-library/changes.csv").matches(",\"added\",").count(), 1);
    world.run(&["added-this-week"]).exits(0);
    let folder = std::fs::read_dir(world.project.root().join("output/csv/added-this-week")).unwrap();
    let dated: Vec<String> = folder.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    let added = dated.iter().find(|name| name.starts_with("added-")).unwrap();
    assert_eq!(csv(&format!("added-this-week/{added}")).lines().count(), 2);
    assert!(csv("own-columns/songs.csv").contains("\"001\"") && csv("labels/labels.csv").contains("\"owner\""));
}
