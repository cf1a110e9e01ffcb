//! Two client ids of one developer account share one day, and a refusal of the account defers both.

use std::time::Duration;

use spotify_sandbox::{QuotaMode, SandboxOptions, fixtures};

use super::quota::{said_to_be, track_ids};
use crate::support::snapshot::Shows as _;
use crate::support::world::{Ran, World, by_ids, ran};

/// A world with two registered apps of one account and these limits in the settings.
fn sisters(options: SandboxOptions, limits: &str) -> World {
    let sister_client_ids = vec!["sister-client".to_owned()];
    let world = World::with(SandboxOptions { mode: QuotaMode::Development, sister_client_ids, ..options });
    let world = said_to_be("development", world);
    let path = world.project.root().join("config/cratedigger.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, settings.replace("[spotify]", "[spotify]\naccount = \"ours\"")).unwrap();
    world.settings(&format!("reserve = \"0%\"\n{limits}"))
}

/// `run` with the other app.
fn sister_runs(world: &World, job: &str) -> Ran {
    ran(world.command(&["run", job, "--json"]).env("SPOTIFY_CLIENT_ID", "sister-client"))
}

fn list(world: &World, name: &str, ids: &[String]) {
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    world.project.write(&format!("jobs/{name}.toml"), format!("max_calls = 1000\n{}", by_ids("tracks", &ids)));
}

/// Answered calls of each app.
fn sent(world: &World) -> (usize, usize) {
    let log = world.sandbox.log();
    let of = |id: &str| {
        log.iter().filter(|seen| seen.path.starts_with("/v1/") && seen.client_id.as_deref() == Some(id)).count()
    };
    (of("sandbox-client"), of("sister-client"))
}

#[test]
fn sister_apps_share_one_day() {
    let limits = "calls_per_day = 20\ncalls_per_family = \"unlimited\"";
    let world = sisters(SandboxOptions { calls_per_day: Some(20), ..SandboxOptions::default() }, limits);
    let ids = track_ids(&world, 30);
    list(&world, "a", &ids[..12]);
    list(&world, "b", &ids[12..24]);
    list(&world, "c", &ids[24..]);
    world.run(&["a"]).exits(0);
    let stopped = sister_runs(&world, "b").exits(75);
    assert_eq!(stopped.json()["calls"], 8, "what the other app left of the day");
    assert_eq!(sent(&world), (12, 8));
    // The first app has nothing left either. It knows that without a refusal by Spotify.
    world.run(&["c"]).exits(75).shows("sister_apps_share_one_day");
    assert_eq!(sent(&world), (12, 8));
    assert_eq!(world.sandbox.limit_counts().refused, 0);
    // Renaming the account does not start a new day.
    let renamed = |state: &str| {
        let mut command = world.command(&["run", "c"]);
        command.env("SPOTIFY_CLIENT_ID", "sister-client").env("CRATEDIGGER__SPOTIFY__ACCOUNT", "another");
        command.env("CRATEDIGGER__OUTPUT__DATABASE", format!("{state}.db"));
        ran(command.env("XDG_STATE_HOME", world.project.root().join(state))).exits(75);
        (sent(&world), world.sandbox.limit_counts().refused)
    };
    assert_eq!(renamed(".local/state"), ((12, 8), 0));
    // A ledger without the account's other app would send more.
    assert_eq!(renamed("elsewhere"), ((12, 9), 1));
}

#[test]
fn naming_the_account_keeps_the_ledger() {
    let options =
        SandboxOptions { mode: QuotaMode::Development, calls_per_family_per_day: Some(3), ..SandboxOptions::default() };
    let world = said_to_be("development", World::with(options)).settings("reserve = \"0%\"\ncalls_per_day = 40");
    let ids = track_ids(&world, 10);
    list(&world, "a", &ids[..5]);
    list(&world, "b", &ids[5..]);
    let books = || {
        let said = world.cli(&["quota", "--json"]).exits(0).json();
        ["account", "families", "cool_downs", "refusals"].map(|key| said[key].clone())
    };
    world.run(&["a"]).exits(75).shows("naming_the_account_keeps_the_ledger");
    assert_eq!((sent(&world), world.sandbox.limit_counts().refused), ((4, 0), 1));
    let before = books();
    assert_eq!((&before[0]["used"], before[2].as_array().unwrap().len()), (&4.into(), 1));
    let path = world.project.root().join("config/cratedigger.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    let names = ["[spotify]\naccount = \"ours\"", "[spotify]\naccount = \"the team\"", "[spotify]"];
    for name in names {
        std::fs::write(&path, settings.replace("[spotify]", name)).unwrap();
        assert_eq!(books(), before, "{name}");
        world.run(&["b"]).exits(75);
        assert_eq!((sent(&world), world.sandbox.limit_counts().early), ((4, 0), 0), "{name}");
    }
}

#[test]
fn quota_exceeded_parks_the_sister_family_too() {
    let limits = "calls_per_day = \"unlimited\"\ncalls_per_family = \"unlimited\"";
    let world = sisters(SandboxOptions { calls_per_family_per_day: Some(3), ..SandboxOptions::default() }, limits);
    let ids = track_ids(&world, 10);
    list(&world, "a", &ids[..5]);
    list(&world, "b", &ids[5..]);
    world.project.write("jobs/artists.toml", by_ids("artists", &[fixtures::BUSY_ARTIST, fixtures::SEMICOLON_ARTIST]));
    world.run(&["a"]).exits(75).shows("quota_exceeded_parks_the_sister_family_too");
    assert_eq!((sent(&world), world.sandbox.limit_counts().refused), ((4, 0), 1));
    let held = sister_runs(&world, "b").exits(75);
    assert!(held.json()["not_before"].is_string(), "{}", held.stdout);
    assert_eq!(sent(&world), (4, 0), "the other app knows it from the ledger");
    sister_runs(&world, "artists").exits(0);
    assert_eq!(sent(&world), (4, 2), "other families are not deferred");
    // When a second family is refused, on the other app, the account is deferred for both.
    let artists: Vec<String> = world.sandbox.catalog().ids()["artists"].as_array().unwrap()[2..6]
        .iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect();
    world
        .project
        .write("jobs/artists.toml", by_ids("artists", &artists.iter().map(String::as_str).collect::<Vec<_>>()));
    sister_runs(&world, "artists").exits(75);
    assert_eq!((sent(&world), world.sandbox.limit_counts().refused), ((4, 4), 2));
    world.project.write("jobs/albums.toml", by_ids("albums", &[fixtures::EDGE_CASE_ALBUM]));
    world.run(&["albums"]).exits(75);
    sister_runs(&world, "albums").exits(75);
    assert_eq!((sent(&world), world.sandbox.limit_counts().early), ((4, 4), 0));
}

#[test]
fn rate_limit_holds_one_client_id() {
    let limits = "max_wait = \"1s\"";
    let options =
        SandboxOptions { rate_limit: Some(3), rate_window: Duration::from_secs(600), ..SandboxOptions::default() };
    let world = sisters(options, limits);
    let ids = track_ids(&world, 10);
    list(&world, "a", &ids[..5]);
    list(&world, "b", &ids[5..7]);
    world.run(&["a"]).exits(75);
    assert_eq!((sent(&world), world.sandbox.limit_counts().refused), ((4, 0), 1));
    sister_runs(&world, "b").exits(0);
    world.run(&["a"]).exits(75);
    assert_eq!((sent(&world), world.sandbox.limit_counts().early), ((4, 2), 0));
}
