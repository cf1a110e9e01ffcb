//! The recipes at the head of `docs/jobs.md` run, and their files have what they promise.

use std::path::Path;

use serde_json::json;
use spotify_sandbox::{Fault, FaultAction, fixtures};

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

/// Each recipe with the start of the name of a file of it, whether it has rows after the first run, and the exit code.
const FILES: [(&str, &str, bool, i32); 10] = [
    ("my-library", "liked-songs.csv", true, 0),
    ("new-releases", "new-releases-", false, 0),
    ("added-this-week", "added-", false, 0),
    // A code that Spotify does not have makes the run partial.
    ("isrc-list", "tracks-not-found.csv", true, 3),
    ("labels", "labels.csv", true, 0),
    ("duplicates", "duplicates.csv", true, 0),
    ("one-file-each", "playlist-Kitchen-radio", true, 0),
    ("own-columns", "songs.csv", true, 3),
    ("followers", "followers.csv", true, 0),
    ("new-episodes", "new-episodes-", true, 0),
];

#[test]
fn every_recipe_runs() {
    let world = signed_in(World::extended(), &[("home", fixtures::HOME_USER)]);
    // A code, a code that Spotify does not have, a URI and a link.
    let rows = world.sandbox.catalog().expected_rows(fixtures::HOME_PLAYLIST).unwrap();
    let other = rows
        .into_iter()
        .filter(|row| row.kind == "track")
        .filter_map(|row| row.id)
        .find(|id| id != fixtures::PLAIN_TRACK);
    let songs = format!(
        "my number,isrc,my note\n001,QZ-SBX-26-00001,ours\n002,ZZXXX0000000,not out yet\n003,spotify:track:{0},\n\
         004,https://open.spotify.com/track/{1}?si=x,\n",
        fixtures::PLAIN_TRACK,
        other.unwrap(),
    );
    let files = [
        ("artists.csv", format!("artist,id\nmine,{}\n", fixtures::BUSY_ARTIST)),
        ("songs.csv", songs),
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
        let lines = csv(&world, name, file).lines().count();
        assert_eq!(lines > 1, has_rows, "{name}: {lines} lines");
    }
    // Files that have no rows before something changes.
    let edit =
        json!({"do": "insert", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "items": [fixtures::PLAIN_TRACK]});
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
    world.run(&["my-library"]).exits(0);
    assert_eq!(csv(&world, "my-library", "changes.csv").matches(",\"added\",").count(), 1);
    world.run(&["added-this-week"]).exits(0);
    assert_eq!(csv(&world, "added-this-week", "added-").lines().count(), 2);
    // A second run of the day keeps the news of the first one.
    world.run(&["new-episodes"]).exits(0);
    assert!(csv(&world, "new-episodes", "new-episodes-").lines().count() > 1);
    assert!(csv(&world, "duplicates", "duplicates.csv").contains("; "));
    let songs = csv(&world, "own-columns", "songs.csv");
    assert_eq!(songs.lines().count(), 5, "{songs}");
    for number in ["001", "003", "004"] {
        let row = songs.lines().find(|row| row.contains(number)).unwrap();
        assert!(row.contains("open.spotify.com/track/"), "{row}");
    }
}

#[test]
fn owner_of_a_recording_is_in_its_p_line() {
    const LINES: [(&[&str], &str); 6] = [
        (&["© 1990 Artwork Ltd", "℗ 1990 4AD Ltd"], "4AD Ltd"),
        (&["© 2001 Artwork Ltd", "℗ 2001 4AD"], "4AD"),
        (&["© 2001 4AD"], "4AD"),
        (&["(C) 2001 Artwork Ltd", "(P) 2001 (Parlophone) 1979"], "(Parlophone) 1979"),
        (&["2001 Artwork Ltd", "2001 99 Records"], "99 Records"),
        (&["© 2001 Artwork Ltd", "℗ 12345 Records"], "12345 Records"),
    ];
    for (lines, owner) in LINES {
        let world = World::extended();
        world.project.write("jobs/artists.csv", format!("id\n{}\n", fixtures::BUSY_ARTIST));
        let (name, text) = recipes().into_iter().find(|(name, _)| name == "labels").unwrap();
        world.project.write(&format!("jobs/{name}.toml"), text);
        let lines: Vec<_> =
            lines.iter().zip(["C", "P"]).map(|(text, kind)| json!({ "text": text, "type": kind })).collect();
        let set = FaultAction::Set { at: "/albums/*/copyrights".to_owned(), to: json!(lines) };
        world.sandbox.inject(Fault::on_path("/v1/albums", set));
        world.run(&[&name]).exits(0);
        let file = csv(&world, &name, "labels.csv");
        assert!(
            file.lines().count() > 1 && file.lines().skip(1).all(|row| row.ends_with(&format!("\"{owner}\""))),
            "{file}"
        );
    }
}

/// The text of the file of a job whose name begins like this.
fn csv(world: &World, job: &str, start: &str) -> String {
    let folder = world.project.root().join("output/csv").join(job);
    let names = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{job}: {e}")).map(|it| it.unwrap().path());
    let path = names.into_iter().find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(start));
    std::fs::read_to_string(path.unwrap_or_else(|| panic!("{job}: no file {start}"))).unwrap()
}
