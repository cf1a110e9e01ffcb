//! Parquet files: the rows of the CSV files with types, under the same rules.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use spotify_sandbox::fixtures;

use crate::support::parquet_text::{parquet_rows, parquet_schema};
use crate::support::sign_in::sign_in;
use crate::support::snapshot::Cases;
use crate::support::world::{World, by_ids, fetch};

/// The types of the columns in the data package.
fn described(world: &World, path: &str) -> Vec<(String, String)> {
    let package: Value = serde_json::from_slice(&world.csv_bytes("datapackage.json")).unwrap();
    let resources = package["resources"].as_array().unwrap();
    let resource = resources.iter().find(|resource| resource["path"] == path).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let fields = resource["schema"]["fields"].as_array().unwrap();
    fields.iter().map(|field| (text(&field["name"]), text(&field["type"]))).collect()
}

fn assert_same_rows(world: &World, file: &str) {
    let typed = parquet_rows(&world.csv_path(&format!("{file}.parquet")));
    let cells = world.csv(&format!("{file}.csv"));
    assert_eq!(typed.len(), cells.len(), "{file}");
    for (row, cells) in typed.iter().zip(&cells) {
        assert_eq!(row.len(), cells.len(), "{file}");
        for (name, value) in row {
            assert_eq!(value.replace('\0', "\u{fffd}"), cells[name], "{name} in {file}");
        }
    }
}

#[test]
fn typed_rows_are_those_of_the_csv() {
    let items = [fixtures::HOME_PLAYLIST, fixtures::EDGE_CASE_PLAYLIST, fixtures::EMPTY_PLAYLIST];
    let job = [
        by_ids("playlist_items", &items),
        by_ids("artist_albums", &[fixtures::SEMICOLON_ARTIST]),
        fetch("tracks", "from = \"playlist_items\"\nwhere = \"kind = 'track'\""),
        format!("{}name = \"none\"\n", by_ids("playlist_items", &[fixtures::EMPTY_PLAYLIST])),
        "[[query]]\ncsv = \"sub/counts.csv\"\nsql = \"SELECT kind, count(*) AS n, avg(duration_ms) AS length, NULL AS \
         missing, min(added_at) AS added_at, max(explicit) AS most FROM playlist_items GROUP BY 1 ORDER BY 1\"\n"
            .to_owned(),
    ]
    .concat();
    let settings = "[output]\nformats = [\"csv\", \"parquet\"]\n[csv]\nformula_guard = \"off\"";
    let world = World::extended().settings(settings).job(&job);
    world.run(&[]).exits(0);
    let mut cases = Cases::default();
    for file in ["playlist_items", "artist_albums", "tracks", "none", "sub/counts"] {
        assert_same_rows(&world, file);
        let path = format!("{file}.parquet");
        if ["tracks", "none"].contains(&file) {
            continue;
        }
        let schema = parquet_schema(&world.csv_path(&path));
        let types: Vec<String> =
            described(&world, &path).iter().map(|(name, kind)| format!("{name}: {kind}")).collect();
        cases.add(file, &format!("{schema}\n{}\n", types.join("\n")));
    }
    cases.assert_text("types_of_columns");
    world.cli(&["verify"]).exits(0);
    // The list with a separator in a name is a list of whole names.
    let names: BTreeSet<String> = parquet_rows(&world.csv_path("artist_albums.parquet"))
        .iter()
        .map(|row| row["album_artist_names"].clone())
        .collect();
    assert!(names.iter().any(|name| name.contains(';')), "{names:?}");
}

#[test]
fn types_of_a_query_do_not_follow_its_rows() {
    let sql = |rows: &str| {
        format!(
            "SELECT track_name, popularity, explicit, added_at, popularity AS pop, artist_names, disc_number / 2.0 AS half \
             FROM saved_tracks {rows} ORDER BY 1"
        )
    };
    let query = |name: &str, rows: &str| format!("[[query]]\nparquet = \"{name}.parquet\"\nsql = \"{}\"\n", sql(rows));
    let job = format!(
        "user = \"home\"\n{}{}{}",
        fetch("saved_tracks", "csv = false"),
        query("all", ""),
        query("no", "WHERE 0")
    );
    // An app in Development Mode gets no popularity.
    let world = World::development().job(&job);
    sign_in(&world, "home", fixtures::HOME_USER);
    world.run(&[]).exits(0);
    let rows = parquet_rows(&world.csv_path("all.parquet"));
    assert!(rows.len() > 2 && rows.iter().all(|row| row["popularity"].is_empty()));
    assert!(parquet_rows(&world.csv_path("no.parquet")).is_empty());
    let (all, no) = (described(&world, "all.parquet"), described(&world, "no.parquet"));
    let kinds: Vec<&str> = all.iter().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(kinds, ["string", "integer", "boolean", "datetime", "integer", "string", "number"]);
    // Only the value that is computed has no declared type.
    assert_eq!((&all[..6], no[6].1.as_str()), (&no[..6], "string"));
}

#[test]
fn values_that_are_not_of_their_type_stay() {
    let sql = "SELECT substr(added_at, 1, 10) AS added_at, 5 * explicit AS explicit, 'x' || track_number AS track_number, \
               avg(disc_number) OVER () AS disc_number, CAST(x'61ff' AS TEXT) AS track_name FROM playlist_items ORDER BY 1";
    let query = format!("[[query]]\ncsv = \"q.csv\"\nparquet = true\nsql = \"{sql}\"\n");
    let world = World::extended().job(&[by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]), query].concat());
    world.run(&[]).exits(0);
    assert_same_rows(&world, "q");
    let kinds: Vec<String> = described(&world, "q.parquet").into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, ["string", "integer", "string", "number", "string"]);
}

#[test]
fn unchanged_rows_leave_the_file_untouched() {
    let items = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]);
    let world = World::extended().job(&format!("{items}csv = false\nparquet = \"sub/items.parquet\"\n"));
    world.run(&[]).exits(0);
    assert!(!world.csv_path("playlist_items.csv").exists());
    let state = || {
        let written = std::fs::metadata(world.csv_path("sub/items.parquet")).unwrap().modified().unwrap();
        (written, world.csv_bytes("sub/items.parquet"))
    };
    let first = state();
    world.run(&[]).exits(0);
    world.cli(&["export"]).exits(0);
    assert_eq!(first, state());
    // Rendered again, it has the same bytes.
    for damage in ["PAR1", ""] {
        std::fs::write(world.csv_path("sub/items.parquet"), damage).unwrap();
        world.cli(&["verify"]).exits(74);
        world.cli(&["verify", "--rewrite-csv"]).exits(0);
        assert!(first.1 == state().1);
    }
    std::fs::write(world.csv_path("stray.parquet"), "PAR1").unwrap();
    let found = world.cli(&["verify", "--json"]).json();
    assert_eq!(found["files"]["findings"][0]["matter"], "stray");
    // A data package that was lost is described again from the file.
    std::fs::remove_file(world.csv_path("stray.parquet")).unwrap();
    let before = described(&world, "sub/items.parquet");
    std::fs::remove_file(world.csv_path("datapackage.json")).unwrap();
    world.cli(&["export"]).exits(0);
    assert_eq!(before, described(&world, "sub/items.parquet"));
}

#[test]
fn missing_items_are_listed_in_the_same_format() {
    let job = fetch("tracks", "ids = [\"isrc:QQAAA0000001\"]\ncsv = false\nparquet = true");
    let world = World::extended().job(&job);
    world.run(&[]).exits(3);
    assert!(parquet_rows(&world.csv_path("tracks.parquet")).is_empty());
    assert_eq!(parquet_rows(&world.csv_path("tracks-not-found.parquet")).len(), 1);
    let sources = world.rows("SELECT source FROM published_files WHERE job = 'x' ORDER BY 1").concat();
    assert_eq!(json!(sources), json!(["tracks as parquet", "tracks not found as parquet"]));
}
