//! `singer` with files that are wrong, targets that end, and another name.

use std::os::unix::process::CommandExt as _;
use std::process::Stdio;

use super::push::filled;
use crate::support::snapshot::Cases;
use crate::support::world::{World, ran};

#[test]
fn wrong_files_are_explained() {
    let world = World::extended();
    let mut cases = Cases::new();
    for (option, name, text) in [
        ("config", "no JSON", "{\n  \"project\": \"x\",\n  \"tables\" [\"tracks\"]\n}\n"),
        ("config", "no object", "[]"),
        (
            "config",
            "wrong keys",
            "{\n  \"projct\": \"x\",\n  \"start_date\": \"2026-01-01\",\n  \"shard\": \"17/16\",\n  \"tables\": [\"track\", 5]\n}\n",
        ),
        ("catalog", "no streams", "{\"tables\": []}"),
        ("catalog", "no list", "{\"streams\": {}}"),
        (
            "catalog",
            "wrong streams",
            "{\"streams\": [\n  {\"tap_stream_id\": \"trakcs\", \"selected\": true},\n  {\"tap_stream_id\": \"gone\", \"selected\": false},\n  {\"schema\": {}},\n  \
             {\"stream\": \"albums\", \"metadata\": [\n    {\"breadcrumb\": [], \"metadata\": {\"selected\": \"yes\"}},\n    \
             {\"breadcrumb\": [\"properties\", \"nme\"], \"metadata\": {\"selected\": true}}\n  ]},\n  \
             {\"stream\": \"tracks\", \"selected\": true, \"metadata\": [\n    {\"breadcrumb\": [\"properties\", \"nme\"], \"metadata\": {\"selected\": true}},\n    {}\n  ]}\n]}\n",
        ),
        ("state", "empty", "\n"),
        ("state", "a message instead of its value", "{\"type\": \"STATE\", \"value\": {}}"),
        ("state", "wrong bookmarks", "{\"bookmarks\": 5}"),
        (
            "state",
            "wrong values",
            "{\"bookmarks\": {\n  \"tracks\": {\"row_version\": \"5\", \"epoch\": \"x\"},\n  \"albums\": {\"epoch\": \"x\"},\n  \"artists\": 5,\n  \
             \"shows\": {\"row_version\": 5, \"epoch\": 7}\n}}\n",
        ),
    ] {
        world.project.write("file.json", text);
        let ran = world.cli(&["singer", &format!("--{option}"), "file.json"]).exits(2);
        assert_eq!(ran.stdout, "", "stdout is for messages");
        cases.add(&format!("{option}: {name}"), &ran.stderr);
    }
    for option in ["--config", "--catalog", "--state"] {
        let ran = world.cli(&["singer", option, "missing.json"]).exits(2);
        cases.add(&format!("{option}: missing"), &ran.stderr);
    }
    world.project.write("file.json", "{\"streams\": []}");
    cases.add("no store", &world.cli(&["singer"]).exits(74).stderr);
    cases.add("project without a store", &{
        world.project.write("config.json", "{\"project\": \"elsewhere\"}");
        world.cli(&["singer", "--config", "config.json"]).exits(74).stderr
    });
    cases.assert_text("wrong_files");
}

#[test]
fn target_that_ends_changes_nothing() {
    let world = filled();
    let before = std::fs::read(world.database()).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = world.command(&["singer", "--json"]);
    let ended = ran(command.stdout(writer).stderr(Stdio::piped()));
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("the target has ended before it read all messages"), "{}", ended.stderr);
    let output = world.command(&["singer"]).stdout(std::fs::File::create("/dev/full").unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(74), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read(world.database()).unwrap(), before);
}

#[test]
fn tap_has_the_name_of_taps() {
    let world = filled();
    let as_tap = |args: &[&str]| {
        let mut command = world.command(args);
        command.arg0("/usr/local/bin/tap-cratedigger");
        ran(&mut command)
    };
    let catalog = as_tap(&["--discover"]).exits(0).stdout;
    assert_eq!(catalog, world.cli(&["singer", "--discover"]).exits(0).stdout);
    world.project.write("elsewhere/config.json", format!("{{\"project\": {:?}}}", world.project.root()));
    let sent = as_tap(&["--project", "/nonexistent", "--config", "elsewhere/config.json"]).exits(0);
    assert!(sent.stdout.starts_with("{\"type\":\"SCHEMA\",\"stream\":\"artists\""), "{}", &sent.stdout[..99]);
    assert!(as_tap(&["--version"]).exits(0).stdout.starts_with("cratedigger "));
    as_tap(&["--catalgo", "x"]).exits(2).says("--catalog");
}

#[test]
fn shard_has_a_feed_of_its_own() {
    let world =
        crate::sync::users::both(World::extended().job("users = \"*\"\n[[fetch]]\nstream = \"saved_albums\"\n"));
    let mut rows = 0;
    for shard in ["1/2", "2/2"] {
        world.run(&["--shard", shard]).exits(0);
        world.project.write("config.json", format!("{{\"shard\": {shard:?}, \"tables\": [\"saved_albums\"]}}"));
        let sent = world.cli(&["singer", "--config", "config.json"]).exits(0);
        let flag = world.cli(&["singer", "--shard", shard, "--config", "config.json"]).exits(0);
        assert_eq!(flag.stdout.lines().count(), sent.stdout.lines().count());
        rows += sent.stdout.matches("\"type\":\"RECORD\"").count();
    }
    assert!(rows > 0);
}
