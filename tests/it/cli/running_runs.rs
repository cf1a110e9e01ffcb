//! Runs that are recorded as running: commands say whether they continue, were killed, or cannot be checked.

use std::process::Child;
use std::time::{Duration, Instant};

use spotify_sandbox::{Fault, FaultAction, fixtures};

use crate::support::world::{HUNG, World, by_ids};

/// Starts a run that gets no answer.
fn under_way() -> (World, Child) {
    let world = World::extended()
        .settings("[notify]\nprometheus_file = \"figures.prom\"")
        .job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    // The store has rows, so it stays bound to its state folder.
    world.run(&[]).exits(0);
    world.sandbox.inject(Fault::on_path("/v1/playlists/*", FaultAction::Stall));
    let child = world.spawn(&["--full"]);
    let began = Instant::now();
    while !world.cli(&["history"]).stdout.contains("running") {
        assert!(began.elapsed() < HUNG, "no run began");
        std::thread::sleep(Duration::from_millis(20));
    }
    (world, child)
}

/// The state of the newest run in `history` and `jobs`, called with these arguments.
fn states(world: &World, before: &[&str]) -> [String; 2] {
    let json = |command: &str| world.cli(&[before, &[command, "--json"]].concat()).exits(0).json();
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    [word(&json("history")["runs"][0]["state"]), word(&json("jobs")["jobs"][0]["last_state"])]
}

#[test]
fn run_is_dead_only_if_its_lock_is_free() {
    let (world, mut child) = under_way();
    assert_eq!(states(&world, &[]), ["running", "running"]);
    // State folders without the run: one that does not exist, and one that does.
    assert_eq!(states(&world, &["--state-dir", "nowhere"]), ["running", "running"]);
    world.cli(&["--state-dir", "elsewhere", "quota"]);
    assert!(world.project.root().join("elsewhere/id").exists());
    assert_eq!(states(&world, &["--state-dir", "elsewhere"]), ["running", "running"]);
    // Locks that cannot be read, like those of another user.
    let state = world.project.root().join(".local/state/cratedigger");
    let locks: Vec<_> = std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path()).collect();
    let lock = locks.into_iter().find(|path| path.file_name().unwrap().to_string_lossy().starts_with("job-")).unwrap();
    let aside = lock.with_extension("aside");
    std::fs::rename(&lock, &aside).unwrap();
    std::os::unix::fs::symlink(&lock, &lock).unwrap();
    assert_eq!(states(&world, &[]), ["running", "running"]);
    std::fs::remove_file(&lock).unwrap();
    std::fs::rename(&aside, &lock).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(states(&world, &["--state-dir", "elsewhere"]), ["running", "running"]);
    assert_eq!(states(&world, &[]), ["failed", "failed"]);
}

#[test]
fn killed_run_is_failed_everywhere() {
    let (world, mut child) = under_way();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(states(&world, &[]), ["failed", "failed"]);
    let why = "ended without a record";
    for command in ["history", "doctor"] {
        let page = world.cli(&[command]).stdout;
        assert!(page.contains(why), "{command}: {page}");
    }
    assert_eq!(world.cli(&["jobs", "--json"]).json()["jobs"][0]["last_reason"].as_str().unwrap().find(why), Some(0));
    // A start of the timer writes the metrics even if no job is due.
    world.run(&["--due"]).exits(0);
    let figures = std::fs::read_to_string(world.project.root().join("figures.prom")).unwrap();
    let runs: Vec<&str> = figures.lines().filter(|line| line.starts_with("cratedigger_runs{")).collect();
    let one = |state| format!("cratedigger_runs{{job=\"x\",state=\"{state}\"}} 1");
    assert_eq!(runs, [one("complete"), one("failed")]);
}
