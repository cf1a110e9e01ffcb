//! The JSON Schema of job files against `check`, over correct and wrong jobs.

use cratedigger::document::Diagnostic;
use cratedigger::job::{self, json_schema};
use cratedigger::settings::{Project as Folder, Settings};

use crate::support::project::Project;

const ID: &str = "4aawyAB9vmqN3uQ7FjRGTy";

fn check(text: &str) -> Vec<Diagnostic> {
    let project = Project::with_job(text);
    project.write("jobs/ids.csv", format!("id\n{ID}\n"));
    project.write("jobs/q.csv", "isrc\nAA\n");
    job::load(&Folder::at(project.root()), &Settings::built_in(), &[])
        .problems
        .into_iter()
        .filter(Diagnostic::is_error)
        .collect()
}

/// TOML as the JSON Schema of an editor sees it: dates are text.
fn json(text: &str) -> serde_json::Value {
    fn convert(value: toml::Value) -> serde_json::Value {
        match value {
            toml::Value::Datetime(at) => at.to_string().into(),
            toml::Value::Array(items) => items.into_iter().map(convert).collect(),
            toml::Value::Table(table) => table.into_iter().map(|(k, v)| (k, convert(v))).collect(),
            toml::Value::String(text) => text.into(),
            toml::Value::Integer(number) => number.into(),
            toml::Value::Float(number) => number.into(),
            toml::Value::Boolean(flag) => flag.into(),
        }
    }
    convert(toml::Value::Table(text.parse().expect("toml")))
}

/// Beginnings of correct files. Each is tried with a fetch after it.
const GOOD: &[&str] = &[
    "",
    "description = \"x\"",
    "schedule = \"15 6 * * 1-5\"",
    "schedule = \"@daily\"",
    "timezone = \"Europe/Berlin\"",
    "user = \"home\"",
    "users = [\"home\", \"studio\"]",
    "users = \"*\"",
    "market = \"DE\"",
    "since = \"7d\"",
    "since = \"last_run\"",
    "since = \"2026-01-31\"",
    "since = 2026-01-31",
    "priority = -5",
    "max_calls = 100",
    "missed = \"skip\"",
    "first_run = \"schedule\"",
    "grace = \"6h\"",
    "overlap = \"skip\"",
    "jitter = \"0s\"",
    "retention = \"400d\"",
    "refresh_after = \"7d\"",
    "full_every = \"30d\"",
];

/// Beginnings of wrong files, as far as a JSON Schema can express the mistake.
const BAD: &[&str] = &[
    "descripton = \"x\"",
    "description = 1",
    "description = \" \"",
    "schedule = \"x\"",
    "schedule = 5",
    "timezone = \"Berlin\"",
    "user = \"a b\"",
    "user = [\"home\"]",
    "users = []",
    "users = \"home\"",
    "users = [1]",
    "user = \"a\"\nusers = [\"b\"]",
    "market = \"de\"",
    "market = \"DEU\"",
    "since = \"soon\"",
    "since = 5",
    "priority = 1.5",
    "priority = 5000",
    "max_calls = 0",
    "max_calls = \"5\"",
    "max_calls = true",
    "missed = \"never\"",
    "first_run = true",
    "grace = \"1 h\"",
    "grace = 5",
    "jitter = \"1h30m\"",
    "retention = \"100000d\"",
    "csv_options = 1",
    "fetch = []",
    "query = []",
    "fetch = 1",
];

const GOOD_FETCHES: &[&str] = &[
    "stream = \"markets\"",
    "stream = \"markets\"\ncsv = false",
    "stream = \"markets\"\ncsv = \"a/{date}-{job}.csv\"",
    "stream = \"markets\"\nname = \"m2\"\nmarket = \"DE\"",
    "stream = \"categories\"\nlocale = \"de_DE\"",
    "stream = \"albums\"\nids = [\"4aawyAB9vmqN3uQ7FjRGTy\"]",
    "stream = \"albums\"\nids = [\"upc:00602517737280\"]",
    "stream = \"albums\"\nids = [\" spotify:album:4aawyAB9vmqN3uQ7FjRGTy\"]\nids_file = \"ids.csv\"",
    "stream = \"tracks\"\nids = [\"isrc:us-rc1-76-07839\"]\nrefresh_after = \"1d\"",
    "stream = \"playlists\"\nids = [\"https://open.spotify.com/user/x/playlist/4aawyAB9vmqN3uQ7FjRGTy?si=1\"]",
    "stream = \"playlist_items\"\nids = [\"spotify:user:x:playlist:4aawyAB9vmqN3uQ7FjRGTy\", \"open.spotify.com/intl-de/playlist/37i9dQZF1DXcBWIGoYBM5M/\"]",
    "stream = \"user_playlists\"\nids = [\"some one\"]\nlimit_per_parent = 5\nfull_every = \"1d\"",
    "stream = \"artist_albums\"\nids_file = \"ids.csv\"\ninclude_groups = [\"appears_on\"]",
    "stream = \"search\"\nquery = \"x\"\ntypes = [\"track\", \"album\"]\nmax_results = 1000\nwindow = \"7d\"",
    "stream = \"artists\"\nids_file = \"./ids.csv\"",
    "stream = \"search\"\nqueries = [\"x\", \"y\"]",
    "stream = \"search\"\nqueries_file = \"q.csv\"\nquery = \"isrc:{isrc}\"",
    "stream = \"albums\"\nids = [\"4aawyAB9vmqN3uQ7FjRGTy\"]\ncolumns = [\"album_name\", \"label\", \"fetched_at\"]",
];

const BAD_FETCHES: &[&str] = &[
    "",
    "stream = \"market\"",
    "stream = 1",
    "stream = \"markets\"\ncsv = true",
    "stream = \"markets\"\ncsv = \"../x.csv\"",
    "stream = \"markets\"\ncsv = \"/x.csv\"",
    "stream = \"markets\"\ncsv = \"a/.x\"",
    "stream = \"markets\"\ncsv = \"{x}.csv\"",
    "stream = \"markets\"\ncsv = \"{user}.csv\"",
    "stream = \"markets\"\ncsv = \"é.csv\"",
    "stream = \"markets\"\ncsv = \"a\\\\b\"",
    "stream = \"markets\"\nname = \"A\"",
    "stream = \"markets\"\nname = \"csv_x\"",
    "stream = \"markets\"\nids = [\"x\"]",
    "stream = \"markets\"\nwhere = \"1\"",
    "stream = \"markets\"\ncolumns = [\"isrc\"]",
    "stream = \"markets\"\ncolumns = []",
    "stream = \"markets\"\ncolumns = [\"market\", \"market\"]",
    "stream = \"markets\"\nwindow = \"7d\"",
    "stream = \"markets\"\nlocale = \"de_DE\"",
    "stream = \"albums\"",
    "stream = \"albums\"\nids = \"4aawyAB9vmqN3uQ7FjRGTy\"",
    "stream = \"albums\"\nids = [\"4aawyAB9vmqN3uQ7FjRGT\"]",
    "stream = \"albums\"\nids = [\"spotify:track:4aawyAB9vmqN3uQ7FjRGTy\"]",
    "stream = \"albums\"\nids = [\"isrc:USRC17607839\"]",
    "stream = \"albums\"\nids = [\"https://evil.example/album/4aawyAB9vmqN3uQ7FjRGTy\"]",
    "stream = \"albums\"\nquery = \"x\"",
    "stream = \"albums\"\nids = [\"4aawyAB9vmqN3uQ7FjRGTy\"]\nfrom = \"x\"",
    "stream = \"albums\"\nids = [\"4aawyAB9vmqN3uQ7FjRGTy\"]\ninclude_groups = [\"album\"]",
    "stream = \"artist_albums\"\nids_file = \"ids.csv\"\ninclude_groups = [\"ep\"]",
    "stream = \"artists\"\nids_file = \"/etc/passwd\"",
    "stream = \"artists\"\nids_file = \"../ids.csv\"",
    "stream = \"artists\"\nids_file = \"a/../../ids.csv\"",
    "stream = \"artists\"\nids_file = \"..\"",
    "stream = \"search\"\nqueries_file = \"../.env\"",
    "stream = \"search\"",
    "stream = \"search\"\nids = [\"x\"]",
    "stream = \"search\"\nquery = \"x\"\nmax_results = 1001",
    "stream = \"search\"\nquery = \"x\"\ntypes = [\"user\"]",
    "stream = \"saved_tracks\"",
];

const QUERIES: &[(&str, bool)] = &[
    ("csv = \"a.csv\"\nsql = \"SELECT 1 ORDER BY 1\"", true),
    ("csv = \"a.csv\"", false),
    ("sql = \"SELECT 1\"", false),
    ("csv = false\nsql = \"SELECT 1\"", false),
    ("csv = \"a.csv\"\nsql = \"DELETE FROM x\"", false),
    ("csv = \"a.csv\"\nsql = 5", false),
];

const CSV_OPTIONS: &[(&str, bool)] = &[
    (
        "profile = \"excel\"\nbom = true\ndelimiter = \"\\t\"\nline_ending = \"crlf\"\nlist_separator = \" | \"\nnull = \"\"\ntime_format = \"iso\"\nformula_guard = \"off\"",
        true,
    ),
    ("profile = \"exel\"", false),
    ("bom = 1", false),
    ("delimiter = \"x\"", false),
    ("null = \"a\\nb\"", false),
    ("nul = \"\"", false),
];

#[test]
fn schema_accepts_what_check_accepts() {
    let schema = jsonschema::draft7::new(&json_schema()).expect("a schema");
    let mut corpus: Vec<(String, bool)> = Vec::new();
    let behind = |top: &str| format!("{top}\n[[fetch]]\nstream = \"markets\"\n");
    corpus.extend(GOOD.iter().map(|t| (behind(t), true)));
    corpus.extend(
        BAD.iter().map(|t| if t.starts_with("fetch =") { ((*t).to_owned(), false) } else { (behind(t), false) }),
    );
    corpus.extend(GOOD_FETCHES.iter().map(|t| (format!("[[fetch]]\n{t}\n"), true)));
    corpus.extend(BAD_FETCHES.iter().map(|t| (format!("[[fetch]]\n{t}\n"), false)));
    for stream in cratedigger::stream::all().filter(|s| s.needs_user()) {
        corpus.push((format!("[[fetch]]\nstream = \"{}\"\n", stream.name), false));
        corpus.push((
            format!("user = \"home\"\n[[fetch]]\nstream = \"{}\"\ncsv = \"{{user}}.csv\"\n", stream.name),
            true,
        ));
    }
    corpus.push(("users = \"*\"\n[[fetch]]\nstream = \"top_tracks\"\ntime_range = \"long_term\"\n".to_owned(), true));
    corpus.push((
        "users = \"*\"\n[[fetch]]\nstream = \"top_tracks\"\ntime_range = [\"long_term\", \"short_term\"]\n".to_owned(),
        true,
    ));
    corpus.push(("users = \"*\"\n[[fetch]]\nstream = \"top_tracks\"\ntime_range = \"ever\"\n".to_owned(), false));
    corpus.push(("[[fetch]]\nstream = \"new_releases\"\n[[fetch]]\nstream = \"albums\"\nfrom = \"new_releases\"\nwhere = \"release_date > :since\"\n".to_owned(), true));
    corpus.extend(QUERIES.iter().map(|(t, good)| (format!("[[query]]\n{t}\n"), *good)));
    corpus.extend(
        CSV_OPTIONS.iter().map(|(t, good)| (format!("[csv_options]\n{t}\n[[fetch]]\nstream = \"markets\"\n"), *good)),
    );
    corpus.push(("description = \"neither\"\n".to_owned(), false));
    let mut wrong = Vec::new();
    for (text, good) in &corpus {
        let problems = check(text);
        if problems.is_empty() != *good {
            wrong.push(format!("check, expected {good}:\n{text}{problems:?}\n"));
        }
        let value = json(text);
        if schema.is_valid(&value) != *good {
            let why: Vec<String> = schema.iter_errors(&value).map(|e| e.to_string()).collect();
            wrong.push(format!("schema, expected {good}:\n{text}{why:?}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn check_covers_what_a_schema_cannot() {
    let schema = jsonschema::draft7::new(&json_schema()).expect("a schema");
    for text in [
        "schedule = \"0 0 30 2 *\"\n[[fetch]]\nstream = \"markets\"\n",
        "[[fetch]]\nstream = \"markets\"\n[[fetch]]\nstream = \"markets\"\n",
        "[[fetch]]\nstream = \"albums\"\nfrom = \"nothing\"\n",
        "[[fetch]]\nstream = \"albums\"\nids_file = \"gone.csv\"\n",
        "[[query]]\ncsv = \"a.csv\"\nsql = \"SELECT 1; SELECT 2\"\n",
        "[[fetch]]\nstream = \"markets\"\ncsv = \"con.csv\"\n",
    ] {
        assert!(schema.is_valid(&json(text)), "{text}");
        assert!(!check(text).is_empty(), "{text}");
    }
}

#[test]
fn example_jobs_pass_schema_and_check() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let schema = jsonschema::draft7::new(&json_schema()).expect("a schema");
    let loaded = job::load(&Folder::at(root), &Settings::built_in(), &[]);
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    assert!(loaded.jobs.len() >= 6);
    for job in &loaded.jobs {
        let text = std::fs::read_to_string(&job.path).expect("a job");
        assert!(schema.is_valid(&json(&text)), "{}", job.name);
        for word in ["# App class:", "# User:", "# Calls:"] {
            assert!(text.contains(word), "{}: {word}", job.name);
        }
    }
}
