//! A store that has disappeared is reported by the project that it belonged to, and by no other.

use spotify_sandbox::fixtures;

use crate::support::snapshot::Shows as _;
use crate::support::world::{World, by_ids, ran};

fn plain() -> World {
    World::extended().job(&by_ids("tracks", &[fixtures::PLAIN_TRACK]))
}

#[test]
fn history_without_a_store_says_so() {
    let world = plain();
    let said = world.cli(&["history"]).exits(0);
    assert!(said.stderr.contains("there is no store at ./output/cratedigger.db yet"), "{}", said.stderr);
    assert!(said.stdout.is_empty() && !world.database().exists());
    world.run(&[]).exits(0);
    assert!(world.cli(&["history"]).exits(0).stdout.contains("complete"));
}

#[test]
fn moved_project_keeps_its_store() {
    let world = plain();
    world.run(&[]).exits(0);
    let root = world.project.root().to_path_buf();
    let state = root.join(".local/state/cratedigger");
    let at = |project: &str| {
        let root = root.join(project);
        let mut command = world.command(&["--state-dir", state.to_str().unwrap(), "run"]);
        ran(command.args(["--project", root.to_str().unwrap()]))
    };
    for project in ["moved", "other"] {
        std::fs::create_dir(root.join(project)).unwrap();
        for folder in ["config", "jobs"] {
            std::fs::create_dir(root.join(project).join(folder)).unwrap();
        }
        for file in ["config/cratedigger.toml", "jobs/x.toml"] {
            std::fs::copy(root.join(file), root.join(project).join(file)).unwrap();
        }
    }
    std::fs::rename(root.join("output"), root.join("moved/output")).unwrap();
    at("moved").exits(0).shows("moved_project_keeps_its_store");
    at("other").exits(0).shows("moved_project_keeps_its_store_2");
    // The missing store is reported; the other project, which shares the state folder, is not affected.
    std::fs::remove_dir_all(root.join("moved/output")).unwrap();
    at("moved").exits(74).shows("moved_project_keeps_its_store_3");
    at("other").exits(0);
    // A backup in the same place is accepted.
    std::fs::create_dir(root.join("moved/output")).unwrap();
    std::fs::copy(root.join("other/output/cratedigger.db"), root.join("moved/output/cratedigger.db")).unwrap();
    at("moved").exits(0);
}

#[test]
fn only_a_full_run_starts_a_new_store() {
    let world = plain();
    world.run(&[]).exits(0);
    let gone = || std::fs::remove_dir_all(world.project.root().join("output")).unwrap();
    gone();
    let said = world.run(&["--json"]).exits(74).json();
    assert!(said["error"].as_str().unwrap().contains("is missing"), "{said}");
    assert!(said["hint"].as_str().unwrap().contains("`cratedigger run --full`"), "{said}");
    // Commands that only read report their usual error, with the reason.
    world.cli(&["verify"]).exits(74).shows("only_a_full_run_starts_a_new_store");
    world.run(&["--full", "x"]).exits(0).shows("only_a_full_run_starts_a_new_store_2");
    world.run(&[]).exits(0);
    gone();
    world.run(&[]).exits(74).shows("only_a_full_run_starts_a_new_store_3");
}
