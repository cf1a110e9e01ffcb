//! Files of JSON Lines: the rows of the CSV files with types, under the same rules.

use serde_json::{Map, Value, json};
use spotify_sandbox::fixtures;

use crate::support::project::Project;
use crate::support::snapshot::Cases;
use crate::support::world::{World, by_ids, fetch};

fn lines(world: &World, file: &str) -> Vec<Map<String, Value>> {
    let text = String::from_utf8(world.csv_bytes(file)).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The description of a file in the data package.
fn resource(world: &World, path: &str) -> Value {
    let package: Value = serde_json::from_slice(&world.csv_bytes("datapackage.json")).unwrap();
    package["resources"].as_array().unwrap().iter().find(|resource| resource["path"] == path).unwrap().clone()
}

/// A typed value as a CSV file shows it.
fn as_cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(|item| item.as_str().unwrap()).collect::<Vec<_>>().join("; "),
        other => other.to_string(),
    }
}

#[test]
fn typed_rows_are_those_of_the_csv() {
    let job = [
        by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]),
        by_ids("artist_albums", &[fixtures::SEMICOLON_ARTIST]),
        fetch("tracks", "from = \"playlist_items\"\nwhere = \"kind = 'track'\""),
        "[[query]]\ncsv = \"sub/counts.csv\"\nsql = \"SELECT kind, count(*) AS n, avg(duration_ms) AS length, NULL AS \
         missing FROM playlist_items GROUP BY 1 ORDER BY 1\"\n"
            .to_owned(),
    ]
    .concat();
    let settings = "[output]\nformats = [\"csv\", \"jsonl\"]\n[csv]\nformula_guard = \"off\"";
    let world = World::extended().settings(settings).job(&job);
    world.run(&[]).exits(0);
    let mut kinds = std::collections::BTreeSet::new();
    for file in ["playlist_items", "artist_albums", "tracks", "sub/counts"] {
        let (typed, cells) = (lines(&world, &format!("{file}.jsonl")), world.csv(&format!("{file}.csv")));
        assert!(!typed.is_empty() && typed.len() == cells.len(), "{file}");
        let described = resource(&world, &format!("{file}.jsonl"));
        let names = described["schema"]["fields"].as_array().unwrap().iter().map(|field| field["name"].to_string());
        let text = String::from_utf8(world.csv_bytes(&format!("{file}.jsonl"))).unwrap();
        let places: Vec<usize> = names.map(|name| text.find(&format!("{name}:")).unwrap()).collect();
        assert!(places.is_sorted() && places.len() == typed[0].len(), "{file}");
        for (row, cells) in typed.iter().zip(&cells) {
            for (name, value) in row {
                assert_eq!(as_cell(value), cells[name], "{name} in {file}");
                kinds.insert(match value {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(n) if n.is_f64() => "decimal",
                    Value::Number(_) => "integer",
                    Value::String(_) => "text",
                    Value::Array(_) => "list",
                    Value::Object(_) => "object",
                });
            }
        }
    }
    assert_eq!(Vec::from_iter(kinds), ["boolean", "decimal", "integer", "list", "null", "text"]);
    let described = resource(&world, "playlist_items.jsonl");
    assert_eq!((&described["format"], &described["mediatype"]), (&json!("jsonl"), &json!("application/jsonl")));
    world.cli(&["verify"]).exits(0);
}

#[test]
fn unchanged_rows_leave_the_file_untouched() {
    let items = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]);
    let world = World::extended().job(&format!("{items}csv = false\njsonl = \"items.ndjson\"\n"));
    world.run(&[]).exits(0);
    assert!(!world.csv_path("playlist_items.csv").exists());
    let state = || {
        let written = std::fs::metadata(world.csv_path("items.ndjson")).unwrap().modified().unwrap();
        (written, world.csv_bytes("items.ndjson"))
    };
    let first = state();
    world.run(&[]).exits(0);
    world.cli(&["export"]).exits(0);
    assert_eq!(first, state());
    std::fs::write(world.csv_path("items.ndjson"), "{}\n").unwrap();
    world.cli(&["verify"]).exits(74);
    world.cli(&["export"]).exits(0);
    assert_eq!(first.1, state().1);
    std::fs::write(world.csv_path("stray.jsonl"), "{}\n").unwrap();
    let found = world.cli(&["verify", "--json"]).json();
    assert_eq!(found["files"]["findings"][0]["matter"], "stray");
}

#[test]
fn missing_items_are_listed_in_the_same_format() {
    let job = fetch("tracks", "ids = [\"isrc:QQAAA0000001\"]\ncsv = false\njsonl = true");
    let world = World::extended().job(&job);
    world.run(&[]).exits(3);
    assert_eq!(lines(&world, "tracks.jsonl"), []);
    assert_eq!(lines(&world, "tracks-not-found.jsonl").len(), 1);
    assert_eq!(
        world.rows("SELECT source FROM published_files WHERE job = 'x' ORDER BY 1").concat(),
        ["tracks as jsonl", "tracks not found as jsonl"]
    );
}

#[test]
fn wrong_names_lead_to_the_right_key() {
    let mut cases = Cases::default();
    let artists = "[[fetch]]\nstream = \"artists\"\nids = [\"4Z8W4fKeB5YxbbsqsVdVSj\"]\n";
    for (name, line) in [
        ("lines in a csv", "csv = \"artists.jsonl\""),
        ("workbook", "csv = \"artists.xlsx\""),
        ("csv in lines", "jsonl = \"artists.csv\""),
        ("json", "csv = \"artists.json\""),
        ("page", "csv = \"artists.html\""),
        ("parquet in a csv", "csv = \"a/artists.Parquet\""),
        ("parquet in lines", "jsonl = \"artists.parquet\""),
        ("csv in parquet", "parquet = \"artists.csv\""),
        ("lines in parquet", "parquet = \"artists.ndjson\""),
        ("workbook in parquet", "parquet = \"artists.xlsx\""),
        ("number", "jsonl = 1"),
        ("same file", "csv = \"a.csv\"\njsonl = \"a.csv/b.jsonl\""),
        ("user", "jsonl = \"{user}.jsonl\""),
    ] {
        cases.add(name, &Project::with_job(&format!("{artists}{line}\n")).check().1);
    }
    let query = "[[query]]\nsql = \"SELECT 1 AS x ORDER BY 1\"\n";
    for (name, line) in [("query without a file", ""), ("query without a name", "jsonl = true\n")] {
        cases.add(name, &Project::with_job(&format!("{query}{line}")).check().1);
    }
    cases.assert_text("wrong_names");
}
