//! `--shard`: parts of the users with stores of their own.

use spotify_sandbox::fixtures;

use crate::support::sign_in::sign_in;
use crate::support::world::World;

/// The folders of the shards in which a file exists.
fn shards_with(world: &World, file: &str) -> Vec<String> {
    let output = world.project.root().join("output");
    let folders = std::fs::read_dir(output).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<String> =
        folders.filter(|folder| world.project.root().join("output").join(folder).join(file).exists()).collect();
    found.sort();
    found
}

#[test]
fn each_user_is_in_one_shard() {
    let world = World::extended().job("users = \"*\"\n[[fetch]]\nstream = \"saved_albums\"\ncsv = \"{user}.csv\"\n");
    world.project.write("jobs/catalog.toml", "[[fetch]]\nstream = \"markets\"\n");
    world.project.write("jobs/home.toml", "user = \"home\"\n[[fetch]]\nstream = \"saved_albums\"\n");
    sign_in(&world, "home", fixtures::HOME_USER);
    sign_in(&world, "studio", fixtures::STUDIO_USER);
    for shard in ["1/3", "2/3", "3/3"] {
        world.cli(&["run", "--shard", shard]).exits(0);
        world.cli(&["--shard", shard, "verify"]).exits(0);
        world.cli(&["export", "--shard", shard]).exits(0);
    }
    for file in ["csv/x/home.csv", "csv/x/studio.csv", "csv/catalog/markets.csv", "csv/home/saved_albums.csv"] {
        assert_eq!(shards_with(&world, file).len(), 1, "{file}");
    }
    assert_eq!(shards_with(&world, "csv/x/home.csv"), shards_with(&world, "csv/home/saved_albums.csv"));
    assert!(!world.project.root().join("output/cratedigger.db").exists());
    let asked = world.calls().iter().filter(|call| call.starts_with("/v1/me/albums")).count();
    let home = shards_with(&world, "csv/x/home.csv").remove(0).replace("shard-", "").replace("-of-", "/");
    let other = if home == "1/3" { "2/3" } else { "1/3" };
    let ran = world.cli(&["run", "home", "--shard", other]).exits(0);
    assert!(ran.stderr.contains(&format!("not read by shard {other}: home")), "{}", ran.stderr);
    assert_eq!(world.calls().iter().filter(|call| call.starts_with("/v1/me/albums")).count(), asked);
}

#[test]
fn wrong_shard_is_a_usage_error() {
    let world = World::extended();
    let ran = world.cli(&["run", "--shard", "4/3"]).exits(2);
    assert!(ran.stderr.contains("such as 1/16 to 16/16"), "{}", ran.stderr);
}
