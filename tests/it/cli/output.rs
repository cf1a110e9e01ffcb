//! The output of every command in one project, as text and as JSON.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use spotify_sandbox::fixtures;

use crate::store::maintenance::edit;
use crate::support::snapshot::{assert_output, assert_text, transcript};
use crate::support::world::{World, by_ids, fetch};
use crate::sync::users::signed_in;

/// Every command that ends by itself, in an order in which each has something to print.
const COMMANDS: &[(&str, &[&str])] = &[
    ("run", &["run"]),
    ("run_again", &["run"]),
    ("run_due", &["run", "--due"]),
    ("run_unknown_job", &["run", "nosuch"]),
    ("plan", &["plan"]),
    ("plan_full", &["plan", "--full"]),
    ("jobs", &["jobs"]),
    ("history", &["history"]),
    ("diff", &["diff", "x", "--since", "1d"]),
    ("show", &["show", fixtures::EDGE_CASE_PLAYLIST]),
    ("skipped", &["skipped"]),
    ("quota", &["quota"]),
    ("check", &["check"]),
    ("doctor", &["doctor"]),
    ("streams", &["streams"]),
    ("stream", &["streams", "playlist_items"]),
    ("verify", &["verify"]),
    ("export", &["export"]),
    ("reset", &["reset", "x"]),
    ("backup", &["backup", "copy.db"]),
    ("compact", &["compact"]),
    ("auth_list", &["auth", "list"]),
    ("auth_logout", &["auth", "logout", "nosuch"]),
    ("init", &["init", "other"]),
    ("demo", &["demo", "--dir", "demo"]),
];

fn world() -> World {
    let job = [
        "schedule = \"15 6 * * *\"\nuser = \"home\"\n".to_owned(),
        by_ids("playlist_items", &[fixtures::EDGE_CASE_PLAYLIST, fixtures::HOME_PLAYLIST]),
        by_ids("tracks", &[fixtures::PLAIN_TRACK, "0SandboxNoSuchTrack000"]),
        fetch("artist_albums", &format!("ids = [\"{}\"]", fixtures::BUSY_ARTIST)),
        fetch("saved_shows", ""),
        "[[query]]\ncsv = \"count.csv\"\nsql = \"SELECT count(*) AS n FROM tracks ORDER BY 1\"\n".to_owned(),
    ];
    signed_in(World::extended().job(&job.concat()), &[("home", fixtures::HOME_USER)])
}

/// Runs one command. After the first run it edits a playlist, so that later commands have changes to show.
fn ran(world: &World, name: &str, args: &[&str]) -> crate::support::world::Ran {
    if name == "run_again" {
        for change in [
            json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 5, "count": 3}),
            json!({"do": "move", "playlist": fixtures::HOME_PLAYLIST, "from": 0, "count": 4, "to": 90}),
        ] {
            edit(world, change);
        }
    }
    world.cli(args)
}

#[test]
fn every_command_has_its_text() {
    let world = world();
    for (name, args) in COMMANDS {
        let ran = ran(&world, name, args);
        // These lines depend on the machine and not on the project.
        let of_the_machine = |line: &str| {
            *name == "doctor"
                && (["timer", "time zones", "disk"].iter().any(|what| line.contains(&format!("  {what} ")))
                    || line.contains("-> cratedigger init --systemd"))
        };
        let text: String = transcript(&ran).split_inclusive('\n').filter(|line| !of_the_machine(line)).collect();
        assert_output(name, &text);
    }
}

/// Types of the values by their paths.
fn keys(value: &Value, path: &str, found: &mut BTreeMap<String, BTreeSet<&'static str>>) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(items) => {
            items.iter().for_each(|item| keys(item, &format!("{path}[]"), found));
            "array"
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(key, field)| keys(field, &format!("{path}.{key}"), found));
            "object"
        }
    };
    found.entry(path.to_owned()).or_default().insert(kind);
}

#[test]
fn every_json_output_has_its_keys() {
    let world = world();
    let mut text = String::new();
    for (name, args) in COMMANDS {
        let ran = ran(&world, name, &[*args, &["--json"]].concat());
        text.push_str(&format!("=== {name}: exit code {}\n", ran.code));
        if ran.stdout.is_empty() {
            text.push_str("no output\n\n");
            continue;
        }
        let value: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{name}: {e}: {}", ran.stdout));
        let mut found = BTreeMap::new();
        keys(&value, "", &mut found);
        for (path, kinds) in found {
            let kinds: Vec<&str> = kinds.into_iter().collect();
            text.push_str(&format!("{}: {}\n", if path.is_empty() { "." } else { &path }, kinds.join(" or ")));
        }
        text.push('\n');
    }
    assert_text("json_keys", &text);
}
