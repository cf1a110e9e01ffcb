//! Files of renamed or deleted jobs: `forget` removes exactly the missing ones from the record.

use spotify_sandbox::fixtures;

use crate::support::sign_in::sign_in;
use crate::support::snapshot::Shows as _;
use crate::support::world::{World, by_ids, fetch};

/// A project with one job that was renamed from `x` to `y`; both have run.
fn renamed() -> World {
    let job = [by_ids("tracks", &[fixtures::PLAIN_TRACK]), by_ids("albums", &[fixtures::LONG_ALBUM])].concat();
    let world = World::extended().job(&job);
    world.run(&[]).exits(0);
    let jobs = world.project.root().join("jobs");
    std::fs::rename(jobs.join("x.toml"), jobs.join("y.toml")).unwrap();
    world.run(&[]).exits(0);
    world.cli(&["verify"]).exits(0);
    world
}

#[test]
fn missing_file_of_a_renamed_job_is_forgotten() {
    let world = renamed();
    std::fs::remove_file(world.csv_path("albums.csv")).unwrap();
    world.cli(&["verify"]).exits(74).says("let `cratedigger export` forget it");
    world.cli(&["verify", "--rewrite-csv"]).exits(74).says("let `cratedigger export` forget it");
    // An export of one job ignores other jobs, and so does one that cannot read the jobs.
    world.cli(&["export", "y"]).exits(0);
    let jobs = world.project.root().join("jobs");
    std::fs::rename(&jobs, world.project.root().join("away")).unwrap();
    assert_ne!(world.cli(&["export"]).code, 0);
    std::fs::rename(world.project.root().join("away"), &jobs).unwrap();
    world.cli(&["verify"]).exits(74);
    let forgotten = world.cli(&["export", "--json"]).exits(0).json()["files_forgotten"].clone();
    assert_eq!(forgotten, serde_json::json!(["x/albums.csv"]));
    world.cli(&["verify"]).exits(0);
    let package: serde_json::Value = serde_json::from_slice(&world.csv_bytes("datapackage.json")).unwrap();
    assert_eq!(package["resources"].as_array().unwrap().len(), 1);

    let tracks = world.csv_bytes("tracks.csv");
    std::fs::write(world.csv_path("tracks.csv"), "changed\n").unwrap();
    world.cli(&["export"]).exits(0);
    world.cli(&["verify"]).exits(74).says("restore what has changed, or delete it");
    std::fs::write(world.csv_path("tracks.csv"), tracks).unwrap();
    std::fs::remove_file(world.csv_path("datapackage.json")).unwrap();
    world.cli(&["export"]).exits(0);
    let report = world.cli(&["verify", "--json"]).exits(0).json();
    assert_eq!(report["files"]["findings"], serde_json::json!([]), "it is described again");

    std::fs::remove_dir_all(world.csv_path("")).unwrap();
    world.cli(&["verify"]).exits(74);
    world.cli(&["export"]).exits(0).shows("missing_file_of_a_renamed_job_is_forgotten");
    world.cli(&["verify"]).exits(0);
    assert!(!world.csv_path("").exists());
}

#[test]
fn purge_describes_what_is_left_of_a_deleted_job() {
    for also_tracks in [true, false] {
        let world = World::extended();
        let saved = fetch("saved_tracks", "csv = \"saved-{user}.csv\"");
        let tracks = if also_tracks { by_ids("tracks", &[fixtures::PLAIN_TRACK]) } else { String::new() };
        let world = world.job(&format!("user = \"home\"\n{saved}{tracks}"));
        sign_in(&world, "home", fixtures::HOME_USER);
        world.run(&[]).exits(0);
        std::fs::remove_file(world.project.root().join("jobs/x.toml")).unwrap();
        world.cli(&["auth", "logout", "home", "--purge"]).exits(0);
        assert!(!world.csv_path("saved-home.csv").exists());
        let report = world.cli(&["verify", "--json"]).exits(0).json();
        assert_eq!(report["files"]["findings"], serde_json::json!([]));
        assert_eq!(world.csv_path("").exists(), also_tracks, "an empty folder is removed");
    }
}
