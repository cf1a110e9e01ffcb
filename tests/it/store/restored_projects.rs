//! `backup --all` and `restore`: a project moves to another folder with another state folder.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use spotify_sandbox::fixtures;

use crate::support::sign_in::sign_in;
use crate::support::strace::{At, Blow, can_inject};
use crate::support::world::{Ran, World, fetch, ran};

/// A project with a user, a run and an archive of it.
fn archived(more: &[&str]) -> World {
    let job = format!("user = \"home\"\n{}", fetch("my_playlists", ""));
    let world = World::extended().job(&job);
    world.project.write("targets/notes.md", "who may read it");
    sign_in(&world, "home", fixtures::HOME_USER);
    world.run(&[]).exits(0);
    world.cli(&[&["backup", "--all", "all.tar.gz"], more].concat()).exits(0);
    world
}

/// A command of the project in the folder `new`, as on another machine.
fn on_new_machine(world: &World, args: &[&str]) -> Ran {
    let mut command = world.command(&[&["--project", "new"], args].concat());
    ran(command.env("HOME", world.project.root().join("other-home")))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The names in an archive.
fn names(archive: &Path) -> Vec<String> {
    let out = Command::new("tar").arg("-tzf").arg(archive).output().unwrap();
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn project_moves_with_its_sign_ins() {
    let world = archived(&["--with-keys"]);
    let root = world.project.root();
    assert_eq!(mode(&root.join("all.tar.gz")), 0o600);
    let args = ["restore", "all.tar.gz", "--state-dir", "new-state"];
    let restored = on_new_machine(&world, &args).exits(0).says("stop the old installation");
    assert!(!restored.stderr.contains("key"), "{}", restored.stderr);
    assert_eq!(std::fs::read_to_string(root.join("new/targets/notes.md")).unwrap(), "who may read it");
    assert_eq!((mode(&root.join("new-state")), mode(&root.join("new-state/grants.db"))), (0o700, 0o600));
    assert!(!root.join("new/.cratedigger-restore").exists());
    // The settings name the new state folder, the grants work there, and the store is the old one.
    let state = std::fs::read_to_string(root.join("new/config/cratedigger.toml")).unwrap();
    assert!(state.contains(&format!("dir = \"{}\"", root.join("new-state").display())), "{state}");
    on_new_machine(&world, &["export"]).exits(0);
    on_new_machine(&world, &["verify"]).exits(0);
    on_new_machine(&world, &["run"]).exits(0);
    let history = on_new_machine(&world, &["history", "--json"]).exits(0).json();
    assert_eq!(history["runs"].as_array().unwrap().len(), 2, "{history}");
    assert!(root.join("new/output/csv/x/my_playlists.csv").exists());
}

#[test]
fn archive_without_secrets_says_what_to_copy() {
    let world = archived(&[]);
    let root = world.project.root();
    let names = names(&root.join("all.tar.gz"));
    for name in ["store.db", "state/state.db", "state/grants.db", "project/jobs/x.toml", "project/targets/notes.md"] {
        assert!(names.iter().any(|known| known == name), "{name} is not in {names:?}");
    }
    assert!(!names.iter().any(|name| name.ends_with(".env") || name == "state/key" || name == "state/place"));
    let args = ["restore", "all.tar.gz", "--state-dir", "new-state"];
    let said = on_new_machine(&world, &args).exits(0).stderr;
    let key = root.join("new-state/key");
    assert!(said.contains(&format!("to {} with mode 0600", key.display())), "{said}");
    on_new_machine(&world, &["run"]).exits(77);
    // What it says is enough.
    std::fs::copy(root.join(".local/state/cratedigger/key"), &key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    on_new_machine(&world, &["run"]).exits(0);
}

#[test]
fn restore_replaces_only_on_request() {
    let world = archived(&[]);
    world.run(&["--full"]).exits(0);
    world.project.write("jobs/y.toml", fetch("my_playlists", ""));
    let runs = || world.one("SELECT count(*) FROM runs");
    let state = world.project.root().join(".local/state/cratedigger");
    world.cli(&["restore", "all.tar.gz"]).exits(2).says("--replace");
    assert_eq!(runs(), "2");
    assert!(world.project.root().join("jobs/y.toml").exists());
    world.cli(&["restore", "all.tar.gz", "--replace"]).exits(0);
    assert_eq!(runs(), "1");
    assert!(!world.project.root().join("jobs/y.toml").exists());
    // The key of the folder stays, so that the grants still open.
    assert!(state.join("key").exists());
    world.run(&[]).exits(0);
    world.cli(&["backup", "--all", "all.tar.gz"]).exits(74).says("already exists");
}

#[test]
fn broken_archives_change_nothing() {
    let world = archived(&[]);
    let root = world.project.root();
    let whole = std::fs::read(root.join("all.tar.gz")).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x55;
    std::fs::write(root.join("evil.txt"), "x").unwrap();
    let foreign = Command::new("tar").current_dir(root).args(["-czf", "foreign.tar.gz", "evil.txt"]).status().unwrap();
    assert!(foreign.success());
    let cases: [(&str, Vec<u8>); 5] = [
        ("cut", whole[..whole.len() - 40].to_vec()),
        ("half", whole[..middle].to_vec()),
        ("flipped", flipped),
        ("empty", Vec::new()),
        ("foreign", std::fs::read(root.join("foreign.tar.gz")).unwrap()),
    ];
    for (name, bytes) in cases {
        world.project.write("broken.tar.gz", bytes);
        let said = world.cli(&["restore", "broken.tar.gz", "--replace"]).exits(74).stderr;
        assert!(said.contains("nothing was changed"), "{name}: {said}");
        assert!(!root.join(".cratedigger-restore").exists(), "{name}");
        world.cli(&["verify"]).exits(0);
    }
    world.cli(&["restore", "missing.tar.gz"]).exits(74);
    world.cli(&["restore", "jobs"]).exits(74).says("not a regular file");
}

#[test]
fn killed_restore_leaves_a_whole_project() {
    let world = archived(&[]);
    world.run(&["--full"]).exits(0);
    let runs = || world.one("SELECT count(*) FROM runs");
    for delay in 0..10 {
        let mut child = world.command(&["restore", "all.tar.gz", "--replace"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay * 15));
        child.kill().unwrap();
        child.wait().unwrap();
        // Any command finishes what has begun. The files are those of the newest run, and `export` writes those of the store.
        world.cli(&["export"]).exits(0);
        world.cli(&["verify"]).exits(0);
        let found = runs();
        assert!(found == "2" || found == "1", "{delay}: {found}");
        if found == "1" {
            world.run(&["--full"]).exits(0);
        }
    }
    world.cli(&["restore", "all.tar.gz", "--replace"]).exits(0);
    assert_eq!(runs(), "1");
    world.run(&[]).exits(0);
}

/// All folders below this one in which files of a restore wait.
fn waiting_folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let folders = entries.filter(|path| path.is_dir() && !path.is_symlink());
    let waits = |path: &Path| path.file_name().unwrap() == ".cratedigger-restore";
    folders.flat_map(|path| if waits(&path) { vec![path] } else { waiting_folders(&path) }).collect()
}

#[test]
fn files_of_a_killed_restore_are_deleted() {
    if !can_inject() {
        return;
    }
    let world = archived(&["--with-keys"]);
    let root = world.project.root();
    let restore = ["--project", "new", "restore", "all.tar.gz", "--state-dir", "new-state"];
    let (mut deleted, mut in_several, mut finished) = (0, 0, 0);
    for nth in 1.. {
        let at = At { calls: "?rename,?renameat,renameat2", path: None, nth };
        if world.struck(&restore, at, Blow::Kill).code != -1 {
            break;
        }
        let left = waiting_folders(root);
        let has_list = root.join("new/.cratedigger-restore/moves.json").exists();
        let is_done = !root.join("new/.cratedigger-restore").exists();
        let says = match has_list {
            true => "the next command that opens the store finishes it",
            false => "the next command that opens the store deletes its files",
        };
        assert_eq!(on_new_machine(&world, &["check"]).stderr.contains(says), !is_done, "{nth}: {left:?}");
        assert_eq!(on_new_machine(&world, &["doctor", "--offline"]).stdout.contains(says), !is_done, "{nth}: {left:?}");
        assert_eq!(waiting_folders(root), left, "{nth}");

        let ran = on_new_machine(&world, &["jobs"]);
        assert_eq!(ran.stderr.contains("finishing a restore"), has_list && !is_done, "{nth}: {}", ran.stderr);
        assert_eq!(
            ran.stderr.contains("deleted the files of a restore"),
            !has_list && !is_done,
            "{nth}: {}",
            ran.stderr
        );
        assert!(waiting_folders(root).is_empty(), "{nth}");
        let whole = root.join("new/output/cratedigger.db").exists() && root.join("new/jobs/x.toml").exists();
        assert_eq!(whole, has_list || is_done, "{nth}");
        deleted += u32::from(!has_list && !is_done);
        in_several += u32::from(!has_list && left.len() > 1);
        finished += u32::from(has_list);
        for folder in ["new", "new-state"] {
            drop(std::fs::remove_dir_all(root.join(folder)));
        }
    }
    assert!(deleted > 1 && in_several > 0 && finished > 1, "{deleted} {in_several} {finished}");
}

#[test]
fn running_restore_keeps_its_files() {
    let world = archived(&[]);
    let waiting = world.project.root().join(".cratedigger-restore");
    std::fs::DirBuilder::new().mode(0o700).create(&waiting).unwrap();
    let folder = std::fs::File::open(&waiting).unwrap();
    folder.lock().unwrap();
    let ran = world.cli(&["jobs"]).exits(0);
    assert!(waiting.exists() && !ran.stderr.contains("restore"), "{}", ran.stderr);
    drop(folder);
    world.cli(&["jobs"]).exits(0).says("deleted the files of a restore");
    assert!(!waiting.exists());
}

#[test]
fn failed_restore_leaves_no_folder() {
    let world = World::extended();
    let root = world.project.root();
    std::fs::create_dir(root.join("kept")).unwrap();
    std::fs::write(root.join("broken.tar.gz"), "no archive").unwrap();
    for archive in ["missing.tar.gz", "broken.tar.gz"] {
        for folder in ["new/inner", "kept"] {
            let failed = world.cli(&["--project", folder, "restore", archive]);
            assert_ne!(failed.code, 0, "{}", failed.stderr);
        }
        assert!(!root.join("new").exists(), "{archive}");
        assert_eq!(std::fs::read_dir(root.join("kept")).unwrap().count(), 0, "{archive}");
    }
}
