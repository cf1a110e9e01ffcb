//! `push` keeps a lake in a folder equal to the store. Files are never written again.

use std::path::PathBuf;

use serde_json::json;
use spotify_sandbox::fixtures;

use super::lake_reader::{all_files, alter_manifest, assert_lake_equal, manifest, named_files};
use super::push::{change, filled};
use crate::support::has_bytes;
use crate::support::parquet_text::parquet_schema;
use crate::support::snapshot::{assert_output, assert_text};
use crate::support::world::World;

/// Adds the target `w`, a folder, to a project.
pub fn add_lake(world: &World, more: &str) -> PathBuf {
    world.project.write("targets/w.toml", format!("url = \"lake\"\n{more}\n"));
    world.project.root().join("lake")
}

#[test]
fn lake_equals_the_store() {
    let world = filled();
    let root = add_lake(&world, "after = \"never\"");
    world.cli(&["push"]).exits(0).says("51 tables completely");
    assert_lake_equal(&world, &root);
    let items = |file: &String| file.starts_with("playlist_items/");
    let baseline = named_files(&root).into_iter().find(items).unwrap();
    assert!(baseline.contains("/000000000000-0000000000"), "{baseline}");
    assert_text("playlist_items", &parquet_schema(&root.join(&baseline)));
    let first = all_files(&root);
    let before = manifest(&root);
    world.cli(&["push"]).exits(0).says("w: unchanged");
    assert_eq!(manifest(&root), before, "an unchanged push writes nothing");

    change(&world);
    let report = world.cli(&["push", "--json"]).exits(0).json();
    let result = &report["targets"][0];
    assert_eq!((&result["state"], &report["exit_code"]), (&json!("pushed"), &json!(0)));
    let table = result["tables"].as_array().unwrap().iter().find(|t| t["name"] == "playlist_items").unwrap();
    assert!(table["full"] == false && table["deleted"].as_u64().unwrap() > 0, "{table}");
    assert!(result["files"].as_u64().unwrap() < 20, "only tables with changes: {result}");
    assert_lake_equal(&world, &root);
    assert_eq!(manifest(&root)["epoch"], before["epoch"]);
    assert!(manifest(&root)["first_deletion_at"].is_string());
    let now = all_files(&root);
    assert!(first.iter().all(|(path, bytes)| now.get(path) == Some(bytes)), "a file was written again");
    assert_eq!(now.len(), named_files(&root).len());

    world.cli(&["push", "--full"]).exits(0).says("51 tables completely, because of `--full`");
    assert_lake_equal(&world, &root);
    assert_eq!(manifest(&root)["superseded"][0]["epoch"], before["epoch"]);
    let kept = all_files(&root);
    assert!(now.keys().all(|path| kept.contains_key(path)), "readers may still read the files of before");
    assert!(kept.len() > now.len() && named_files(&root).iter().all(|path| !now.contains_key(path)));
    alter_manifest(&root, |manifest| manifest["superseded"][0]["delete_after"] = json!("2020-01-01T00:00:00Z"));
    world.cli(&["push"]).exits(0).says("w: unchanged");
    assert_eq!(all_files(&root).into_keys().collect::<Vec<_>>(), sorted(named_files(&root)));
    assert_lake_equal(&world, &root);
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[test]
fn old_epochs_end_in_time() {
    let world = filled();
    let root = add_lake(&world, "after = \"never\"\ntables = [\"playlist_items\", \"tracks\"]\nkeep = \"0s\"");
    world.cli(&["push"]).exits(0);
    // A table that is added later is sent completely, in the same epoch.
    let epoch = manifest(&root)["epoch"].clone();
    add_lake(&world, "after = \"never\"\ntables = [\"playlist_items\", \"tracks\", \"albums\"]\nkeep = \"0s\"");
    world.cli(&["push"]).exits(0).says("1 table completely");
    assert_eq!(manifest(&root)["epoch"], epoch);
    assert_lake_equal(&world, &root);

    let early = json!("2020-01-01T00:00:00Z");
    for (key, why) in [
        ("epoch_began_at", "because the files have the age of `full_every`"),
        ("first_deletion_at", "because they contain rows that were deleted before `retention.tombstones`"),
    ] {
        let epoch = manifest(&root)["epoch"].clone();
        alter_manifest(&root, |manifest| manifest[key] = early.clone());
        world.cli(&["push"]).exits(0).says(why);
        assert_ne!(manifest(&root)["epoch"], epoch);
        assert_lake_equal(&world, &root);
        // `keep` is no time at all, so nothing of before is left.
        assert_eq!(all_files(&root).into_keys().collect::<Vec<_>>(), sorted(named_files(&root)));
    }
    // The columns of a new version of the program.
    alter_manifest(&root, |manifest| drop(manifest["tables"][0]["columns"].as_array_mut().unwrap().pop()));
    world.cli(&["push"]).exits(0).says("because the columns of a table changed");
    assert_lake_equal(&world, &root);
    // A restored backup gives versions a second time.
    world.cli(&["backup", "copy.db"]).exits(0);
    change(&world);
    world.cli(&["push"]).exits(0);
    world.put_back("copy.db");
    change(&world);
    change(&world);
    world.cli(&["push"]).exits(0).says("because the store was replaced");
    assert_lake_equal(&world, &root);
}

#[test]
fn lakes_are_shown_by_commands() {
    let world = filled();
    let root = add_lake(&world, "store = \"berlin\"\ntables = [\"albums\"]");
    world.project.write("targets/later.toml", "url = \"s3://bucket/lake\"\nafter = \"never\"\n");
    let shown = format!("{}/berlin", root.display());
    let check = world.cli(&["check"]).exits(0);
    for line in [
        format!("targets/w.toml: ok, 1 table to {shown}, after each run"),
        "targets/later.toml: ok, 51 tables to s3://bucket/lake, by name".to_owned(),
    ] {
        assert!(check.stdout.contains(&line), "{line}: {}", check.stdout);
    }
    let checked = world.cli(&["check", "--json"]).exits(0).json();
    assert_eq!((&checked["targets"][1]["kind"], &checked["targets"][1]["schema"]), (&json!("lake"), &json!(null)));
    let doctor = |expected: &str| {
        let shown = world.cli(&["doctor"]).stdout;
        assert!(shown.contains(expected), "{expected}: {shown}");
    };
    std::fs::remove_file(world.project.root().join("targets/later.toml")).unwrap();
    doctor("has no rows of this store");
    assert!(!root.exists(), "looking creates nothing");
    let plan = world.cli(&["plan"]).exits(0);
    assert!(plan.stdout.contains(&format!("then a push to w ({shown}), without calls")), "{}", plan.stdout);
    let plan = world.cli(&["plan", "--json"]).exits(0).json();
    assert_eq!((&plan["targets"][0]["target"], &plan["targets"][0]["after"]), (&json!("w"), &json!("run")));
    // A run pushes by itself.
    change(&world);
    doctor("has all rows");
    assert_lake_equal(&world, &root.join("berlin"));
    let schema = parquet_schema(&root.join("berlin").join(&named_files(&root.join("berlin"))[0]));
    assert!(schema.contains("OPTIONAL BYTE_ARRAY store (STRING)"), "{schema}");
    add_lake(&world, "store = \"berlin\"\ntables = [\"albums\"]\nafter = \"never\"");
    change(&world);
    doctor("lacks what changed in");

    // The folder is a file: the run does not fail, and `jobs` shows since when.
    std::fs::rename(&root, world.project.root().join("away")).unwrap();
    std::fs::write(&root, "x").unwrap();
    add_lake(&world, "store = \"berlin\"\ntables = [\"albums\"]");
    world.run(&[]).exits(0).says("target w refuses the rows");
    let jobs = world.cli(&["jobs"]).exits(0);
    assert!(jobs.stdout.contains("failing since") && jobs.stdout.contains(&shown), "{}", jobs.stdout);
    world.cli(&["push"]).exits(74).says("something else has the name of a folder");
}

#[test]
fn views_are_printed_for_four_engines() {
    let world = filled();
    add_lake(&world, "after = \"never\"\ntables = [\"tracks\"]");
    world.cli(&["schema", "feed", "--sql", "duckdb"]).exits(74).says("nothing was pushed to it yet");
    world.cli(&["push"]).exits(0);
    change(&world);
    world.cli(&["push"]).exits(0);
    let epoch = manifest(&world.project.root().join("lake"))["epoch"].as_str().unwrap().to_owned();
    let versions = regex::Regex::new(r"\d{12}|version \d+").unwrap();
    for engine in ["duckdb", "bigquery", "snowflake", "spark"] {
        let sql = world.cli(&["schema", "feed", "--sql", engine]).exits(0).stdout.replace(&epoch, "[epoch]");
        assert_output(engine, &versions.replace_all(&sql, "[version]"));
    }
    world.cli(&["schema", "feed"]).exits(2).says("--sql");
    world.cli(&["schema", "job", "--sql", "duckdb"]).exits(2).says("for the tables of a lake");
    world.cli(&["schema", "feed", "--sql", "duckdb", "--target", "v"]).exits(2).says("there is no target named `v`");
    world.project.write("targets/v.toml", "url = \"s3://bucket/lake\"\n");
    world.cli(&["schema", "feed", "--sql", "spark"]).exits(2).says("there are 2 lakes");
    world.project.write("targets/v.toml", "url = \"postgres://db/music\"\n");
    world.cli(&["schema", "feed", "--sql", "spark", "--target", "v"]).exits(2).says("a database and not a lake");
}

#[test]
fn purge_reaches_the_lake_at_once() {
    let world = crate::sync::users::both(World::development().job(crate::sync::users::LIBRARY));
    let root = add_lake(&world, "");
    world.run(&["x"]).exits(0);
    world.cli(&["push", "--full"]).exits(0);
    let mentions = |user: &str| {
        let has = |bytes: &[u8]| has_bytes(bytes, user);
        all_files(&root)
            .into_iter()
            .filter(|(path, bytes)| path.starts_with("saved_") && has(bytes))
            .map(|(path, _)| path)
            .collect::<Vec<_>>()
    };
    assert_ne!(mentions(fixtures::STUDIO_USER), Vec::<String>::new());
    // What a killed push has left, in an epoch that no manifest names and in the current one.
    let stray = named_files(&root).into_iter().find(|path| path.starts_with("saved_tracks/")).unwrap();
    let unnamed = root.join("saved_tracks/epoch=0123456789abcdef");
    std::fs::create_dir(&unnamed).unwrap();
    std::fs::copy(root.join(&stray), unnamed.join("000000000000-000000000009.parquet")).unwrap();
    std::fs::copy(root.join(&stray), root.join(&stray).with_file_name(".push-abc")).unwrap();

    let purge = world.cli(&["auth", "logout", "studio", "--purge"]).exits(0);
    assert!(purge.stderr.contains("because rows were purged"), "{}", purge.stderr);
    assert!(!purge.stderr.contains("still has the deleted rows"), "{}", purge.stderr);
    assert_eq!(mentions(fixtures::STUDIO_USER), Vec::<String>::new());
    assert_eq!(all_files(&root).into_keys().collect::<Vec<_>>(), sorted(named_files(&root)), "`keep` does not count");
    assert!(!root.join(&stray).parent().unwrap().exists(), "the draft is deleted too");
    assert_lake_equal(&world, &root);
    world.cli(&["push"]).exits(0).says("unchanged");

    // A purge while the folder is away.
    let away = world.project.root().join("away");
    std::fs::rename(&root, &away).unwrap();
    std::fs::write(&root, "x").unwrap();
    world.cli(&["auth", "logout", "home", "--purge"]).exits(3).says("target w still has the deleted rows");
    std::fs::remove_file(&root).unwrap();
    std::fs::rename(&away, &root).unwrap();
    assert_ne!(mentions(fixtures::HOME_USER), Vec::<String>::new());
    world.cli(&["push"]).exits(0).says("because rows were purged");
    assert_eq!(mentions(fixtures::HOME_USER), Vec::<String>::new());
    assert_lake_equal(&world, &root);
}
