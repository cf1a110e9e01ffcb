//! Shards as processes: one budget and one pace, whatever happens to one of them. `make bench-shards` runs more of them.

use std::process::Child;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use spotify_sandbox::{QuotaMode, SandboxOptions, fixtures};

use crate::support::world::{Ran, World, ended, signal};
use crate::sync::users::signed_in;

const SHARDS: usize = 3;
const USERS: usize = 30;

/// A world with made-up users, whose sandbox refuses calls above a rate.
fn world() -> World {
    let world = World::with(SandboxOptions {
        mode: QuotaMode::Extended,
        rate_limit: Some(100),
        rate_window: Duration::from_secs(1),
        ..SandboxOptions::default()
    });
    let names: Vec<(String, String)> = (0..USERS).map(|n| (format!("user-{n}"), format!("made-up-{n}"))).collect();
    let users: Vec<(&str, &str)> = names.iter().map(|(name, id)| (name.as_str(), id.as_str())).collect();
    let ids = world.sandbox.catalog().ids();
    let albums = ids["albums"].as_array().unwrap();
    for (number, (_, id)) in users.iter().enumerate() {
        let album = &albums[number % albums.len()];
        let save = serde_json::json!({"do": "save", "user": id, "shelf": "albums", "id": album});
        world.sandbox.catalog().edit_library(serde_json::from_value(save).unwrap()).unwrap();
    }
    let settings = format!(
        "[spotify]\napi_url = \"{}\"\naccounts_url = \"{}\"\napp_mode = \"extended\"\n[limits]\nrequests_per_second = 60\nadaptive = false\n",
        world.sandbox.api_url(),
        world.sandbox.accounts_url()
    );
    world.project.write("config/cratedigger.toml", settings);
    signed_in(world, &users).job("users = \"*\"\n[[fetch]]\nstream = \"saved_albums\"\n")
}

fn shard(number: usize) -> String {
    format!("{}/{SHARDS}", number + 1)
}

fn start(world: &World) -> Vec<Child> {
    (0..SHARDS).map(|number| world.spawn(&["--shard", &shard(number), "-q"])).collect()
}

fn run_all(world: &World, codes: &[i32]) -> Vec<Ran> {
    start(world).into_iter().map(|child| ended(child).exits_one_of(codes)).collect()
}

/// Calls in the ledger that may have been sent.
fn booked(world: &World) -> usize {
    let folder = world.project.root().join(".local/state/cratedigger");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let count = |path: std::path::PathBuf| -> Option<usize> {
        let ledger = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        ledger
            .query_row("SELECT count(*) FROM calls WHERE outcome >= 0", [], |row| row.get::<_, isize>(0))
            .ok()?
            .try_into()
            .ok()
    };
    files.filter(|path| path.extension().is_some_and(|ext| ext == "db")).find_map(count).unwrap()
}

/// Saved albums in the store of each shard.
fn rows(world: &World) -> Vec<usize> {
    let of = |number: usize| {
        let path = format!("output/shard-{}-of-{SHARDS}/cratedigger.db", number + 1);
        let store = Connection::open_with_flags(world.project.root().join(path), OpenFlags::SQLITE_OPEN_READ_ONLY);
        store
            .unwrap()
            .query_row("SELECT count(*) FROM saved_albums", [], |row| row.get::<_, isize>(0))
            .unwrap()
            .try_into()
            .unwrap()
    };
    (0..SHARDS).map(of).collect()
}

#[test]
fn shard_without_users_has_nothing_to_do() {
    let world = signed_in(World::development(), &[("home", fixtures::HOME_USER)]);
    let world = world.job("users = \"*\"\n[[fetch]]\nstream = \"saved_albums\"\n");
    // Shard 11 of 16 has the user.
    let plan = |shard: &str| world.cli(&["plan", "--json", "--shard", shard]).exits(0).json()["jobs"][0].clone();
    assert_eq!(plan("11/16")["fetches"].as_array().unwrap().len(), 1);
    let empty = plan("12/16");
    assert_eq!((&empty["waits_for_a_person"], &empty["fits"]), (&false.into(), &true.into()));
    assert_eq!((&empty["calls"]["most"], empty["fetches"].as_array().unwrap().len()), (&0.into(), 0));
    let shown = world.cli(&["plan", "--shard", "12/16"]).exits(0).stdout;
    assert!(!shown.contains("sign in"), "{shown}");
}

#[test]
fn shards_keep_to_one_budget() {
    let world = world();
    run_all(&world, &[0]);
    let calls = world.calls().len();
    assert!(calls >= USERS);
    assert_eq!((booked(&world), world.sandbox.limit_counts().refused), (calls, 0));
    let before = rows(&world);
    assert_eq!(before.iter().sum::<usize>(), USERS);
    assert!(before.iter().all(|rows| *rows > 0), "{before:?}");

    // A forgotten `--shard`, or another number of them, would read everything again.
    for (args, why) in [(&[][..], "`--shard` is missing"), (&["--shard", "1/4"], "this is shard 1/4")] {
        for command in ["run", "plan"] {
            let refused = world.cli(&[&[command], args].concat()).exits(2);
            refused.says(&format!("the project is divided into 3 shards, and {why}")).says("--shard 1/3");
        }
    }
    assert_eq!((world.calls().len(), world.database().exists()), (calls, false));

    // Each is killed once, after another number of calls.
    for number in 0..SHARDS {
        let calls = world.calls().len();
        let child = world.spawn(&["--shard", &shard(number), "-q"]);
        world.wait_for_calls(calls + 1 + number);
        signal(&child, "KILL");
        ended(child);
    }
    run_all(&world, &[0]);
    assert_eq!(rows(&world), before);
    for number in 0..SHARDS {
        world.cli(&["--shard", &shard(number), "verify"]).exits(0);
    }
    let calls = world.calls().len();
    // A killed process may have booked calls that it did not send.
    assert!((calls..=calls + 2 * SHARDS * 4).contains(&booked(&world)), "{calls} calls, {} booked", booked(&world));
    assert_eq!(world.sandbox.limit_counts().refused, 0);

    // One hears of a ban, and the others send nothing.
    world.sandbox.ban(Duration::from_secs(80_000));
    world.run(&["--shard", "1/3", "-q"]).exits(75);
    let heard = world.calls().len();
    run_all(&world, &[75]);
    assert_eq!(world.calls().len(), heard);
}
