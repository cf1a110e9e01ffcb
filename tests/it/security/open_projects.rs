//! Projects that every user of the machine can change, and links that somebody has put into their folders.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::project::{Project, stderr, stdout};
use crate::support::world::{World, fetch};

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o777
}

/// Every file and folder below a folder.
fn all_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
            found.push(entry.path());
        }
        found.push(folder);
    }
    found
}

#[test]
fn projects_that_all_can_change_are_reported() {
    let world = World::extended().job(&fetch("markets", ""));
    let root = world.project.root();
    world.project.write("targets/notes.md", "");
    world.project.write("config/deep/alert.sh", "");
    world.run(&[]).exits(0);
    let healthy = world.cli(&["doctor", "--offline"]);
    assert!(!healthy.stdout.contains("can change"), "{}", healthy.stdout);
    let open =
        ["config", "jobs", "targets", "output", "config/cratedigger.toml", "config/deep/alert.sh", "targets/notes.md"];
    for name in open {
        let path = root.join(name);
        let before = mode(&path);
        set_mode(&path, before | 0o002);
        let problem = format!("every user can change ./{name} (mode");
        let doctor = world.cli(&["doctor", "--offline"]).exits_one_of(&[77]).stdout;
        assert!(doctor.contains(&problem) && doctor.contains(&format!("chmod o-w ./{name}")), "{name}: {doctor}");
        world.run(&[]).exits(0).says(&problem);
        set_mode(&path, before);
    }
    set_mode(root, 0o777);
    let doctor = world.cli(&["doctor", "--offline"]).exits(77).stdout;
    assert!(doctor.contains("every user can change . (mode 0777)"), "{doctor}");
    set_mode(root, 0o700);
    let strange = root.join("config/cratedigger.toml");
    if std::os::unix::fs::chown(&strange, Some(65_534), None).is_ok() {
        let doctor = world.cli(&["doctor", "--offline"]).exits(77).stdout;
        assert!(doctor.contains("the user 65534, who does not own the project, can change ./config/crate"), "{doctor}");
    }
}

#[test]
fn no_umask_opens_a_new_project() {
    let project = Project::new();
    let script = format!("umask 000; '{0}' init new && '{0}' -q demo --dir demo", env!("CARGO_BIN_EXE_cratedigger"));
    let output = Command::new("sh").current_dir(project.root()).args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    for path in all_below(&project.root().join("new")).into_iter().chain(all_below(&project.root().join("demo"))) {
        assert_eq!(mode(&path) & 0o022, 0, "{}: {:04o}", path.display(), mode(&path));
    }
    assert_eq!(mode(&project.root().join("new")), 0o755);
    assert_eq!(mode(&project.root().join("demo/output")), 0o750);
    assert_eq!(mode(&project.root().join("demo/output/cratedigger.db")), 0o640);
}

#[test]
fn no_store_is_opened_through_a_link() {
    let new_world = || World::extended().job(&fetch("markets", "")).settings("[output]\nkeep_raw = true");
    for (name, exists) in [("cratedigger.raw.db", false), ("cratedigger.raw.db", true), ("cratedigger.db", false)] {
        let world = new_world();
        let root = world.project.root();
        let (trap, output) = (root.join("trap"), root.join("output"));
        std::fs::create_dir_all(&trap).unwrap();
        std::fs::create_dir_all(&output).unwrap();
        if exists {
            std::fs::write(trap.join("file"), "").unwrap();
        }
        symlink(trap.join("file"), output.join(name)).unwrap();
        world.run(&[]).exits(74).says("it is a link and not a file");
        assert_eq!(std::fs::metadata(trap.join("file")).map_or(0, |found| found.len()), 0, "{name}");
        assert_eq!(trap.join("file").exists(), exists, "{name}");
    }
    // A folder may be a link: the disk for the output is another one.
    let world = new_world();
    let root = world.project.root();
    std::fs::create_dir(root.join("disk")).unwrap();
    if root.join("output").exists() {
        std::fs::remove_dir_all(root.join("output")).unwrap();
    }
    symlink("disk", root.join("output")).unwrap();
    world.run(&[]).exits(0);
    assert_eq!(mode(&root.join("disk/cratedigger.raw.db")), 0o640);
}

#[test]
fn open_output_is_closed_again() {
    let world = World::extended().job(&fetch("markets", "")).settings("[output]\nkeep_raw = true");
    world.run(&[]).exits(0);
    let root = world.project.root();
    let paths = ["output/cratedigger.db", "output/cratedigger.raw.db", "output/csv/x/markets.csv"];
    for path in paths {
        let path = root.join(path);
        set_mode(&path, mode(&path) | 0o022);
    }
    world.run(&[]).exits(0);
    for path in paths {
        assert_eq!(mode(&root.join(path)) & 0o002, 0, "{path}");
    }
}

#[test]
fn refused_state_folder_gets_no_file() {
    let world = World::extended().job(&fetch("markets", ""));
    let state = world.project.root().join("state");
    std::fs::create_dir(&state).unwrap();
    set_mode(&state, 0o755);
    assert_ne!(world.cli(&["--state-dir", "state", "run"]).code, 0);
    // Nothing is due, so nothing is opened.
    world.cli(&["--state-dir", "state", "run", "--due"]);
    assert_eq!(std::fs::read_dir(&state).unwrap().count(), 0);
}
