//! `sql` runs one SELECT with the views and bound values of a job, and never writes.

use std::io::Write as _;
use std::process::Stdio;

use spotify_sandbox::fixtures;

use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::world::{World, by_ids, ended};
use crate::sync::users::{LIBRARY, both};

fn filled() -> World {
    let job = format!("{}name = \"items\"\n", by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    let world = World::extended().job(&job);
    world.run(&[]).exits(0);
    world
}

#[test]
fn infinity_is_a_word_in_json() {
    let world = filled();
    let json = world.cli(&["--json", "sql", "SELECT 9e999 AS a, -9e999 AS b, 0.5 AS c, NULL AS d"]).exits(0).json();
    assert_eq!(json["rows"], serde_json::json!([{"a": "Infinity", "b": "-Infinity", "c": 0.5, "d": null}]));
}

const ITEMS: &str = "SELECT position, track_name, added_at, NULL AS missing FROM items ORDER BY position LIMIT 3";

#[test]
fn rows_come_as_table_csv_and_json() {
    let world = filled();
    world.cli(&["sql", "x", ITEMS]).exits(0).shows("rows_come_as_table");
    let csv = world.cli(&["sql", "x", "--csv", ITEMS]).exits(0).stdout;
    assert_eq!(csv.lines().next(), Some("\"position\",\"track_name\",\"added_at\",\"missing\""));
    let json = world.cli(&["--json", "sql", "x", ITEMS]).exits(0).json();
    assert_eq!(json["columns"], serde_json::json!(["position", "track_name", "added_at", "missing"]));
    let rows = json["rows"].as_array().unwrap();
    let mut read = csv::Reader::from_reader(csv.as_bytes());
    let names: Vec<String> = read.records().map(|row| row.unwrap()[1].to_owned()).collect();
    assert_eq!(names, rows.iter().map(|row| row["track_name"].as_str().unwrap()).collect::<Vec<_>>());
    assert!(rows.len() == 3 && rows[0]["position"] == 0 && rows[0]["missing"].is_null());
    // From stdin, without a job: only the tables and views of the store.
    let mut command = world.command(&["sql", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"SELECT count(*) AS n FROM csv_playlist_items;\n").unwrap();
    assert_eq!(ended(child).exits(0).stdout.lines().next().map(str::trim), Some("n"));
}

#[test]
fn names_of_the_job_are_bound() {
    let world = both(World::development().job(LIBRARY));
    world.run(&["x"]).exits(0);
    let since = world.one("SELECT max(started_at) FROM runs");
    let sql =
        "SELECT :job AS job, :since AS since, :last_run_at AS last, :last_file_at IS NULL AS no_file, :user_id AS user";
    let row =
        |args: &[&str]| world.cli(&[&["--json", "sql", "x"], args, &[sql]].concat()).exits(0).json()["rows"][0].clone();
    let bound = row(&[]);
    assert_eq!((bound["job"].as_str(), bound["since"].as_str()), (Some("x"), Some(since.as_str())));
    assert!(bound["user"].is_null() && bound["no_file"] == 0, "{bound}");
    assert_eq!(row(&["--user", "studio"])["user"], fixtures::STUDIO_USER);
    world.cli(&["sql", "--user", "studio", sql]).exits(2).says("--user needs a job");
    world.cli(&["sql", "x", "--user", "nobody", sql]).exits(2).says("has read nothing for a user nobody");
}

#[test]
fn wrong_sql_names_the_place_and_the_nearest_name() {
    let world = filled();
    let before = std::fs::read(world.database()).unwrap();
    let cases = [
        ("column", "SELECT track_nmae FROM items"),
        ("table", "SELECT 1\nFROM itmes"),
        ("syntax", "SELECT FROM items WHERE"),
        ("write", "DELETE FROM tracks"),
        ("attach", "ATTACH 'x.db' AS x"),
        ("parameter", "SELECT :sinse AS since"),
        ("two", "SELECT 1 AS a; SELECT 2 AS b"),
        ("names", "SELECT id, id FROM tracks"),
    ];
    let mut all = String::new();
    for (name, sql) in cases {
        let ran = world.cli(&["sql", "x", sql]).exits(2);
        assert!(ran.stdout.is_empty(), "{name}: {}", ran.stdout);
        all.push_str(&format!("## {name}\n{}", ran.stderr));
        assert!(!world.cli(&["--json", "sql", "x", sql]).exits(2).json()["error"].is_null(), "{name}");
    }
    assert_output("wrong_sql_names_the_place_and_the_nearest_name", &all);
    assert_eq!(std::fs::read(world.database()).unwrap(), before);
    world.cli(&["sql", "nojob", "SELECT 1 AS a"]).exits(2);
    world.cli(&["sql", "SELECT * FROM items"]).exits(2).says("also knows the fetches of a job");
}

#[test]
fn table_is_cut_and_says_so() {
    let world = filled();
    let many =
        "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1500) SELECT n FROM c ORDER BY n";
    let table = world.cli(&["sql", many]).exits(0).stdout;
    assert_eq!(table.lines().count(), 1_002);
    assert!(table.ends_with("the first 1000 rows; --csv and --json print all\n"), "{table}");
    assert_eq!(world.cli(&["sql", "--csv", many]).exits(0).stdout.lines().count(), 1_501);
}
