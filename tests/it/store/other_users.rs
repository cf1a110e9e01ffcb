//! Another Unix user with read access only opens the store, while it is closed and during a run.
//!
//! SQLite needs the `-shm` of a WAL database even to read it, and such a user cannot make one.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use spotify_sandbox::fixtures;

use crate::support::project::{Project, stderr, stdout};
use crate::support::world::{World, by_ids};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).permissions().mode() & 0o777
}

/// A project in which `demo` has run under a strict umask.
fn demo() -> Project {
    let project = Project::new();
    let shell = format!("umask 077; exec '{}' -q demo --dir demo", env!("CARGO_BIN_EXE_cratedigger"));
    let mut command = std::process::Command::new("sh");
    let output = command.args(["-c", &shell]).current_dir(project.root()).env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    project
}

#[test]
fn closed_store_is_readable_for_the_group() {
    let project = demo();
    let output = project.root().join("demo/output");
    assert_eq!(mode(&output), 0o750);
    assert_eq!(mode(&project.root().join("demo/state")), 0o700);
    for name in ["cratedigger.db", "cratedigger.db-wal", "cratedigger.db-shm"] {
        assert_eq!(mode(&output.join(name)), 0o640, "{name}");
    }
    let wal = std::fs::metadata(output.join("cratedigger.db-wal")).unwrap();
    assert_eq!(wal.len(), 0, "the database file alone holds all data, so it can be copied");

    // Root may write to every folder, so for root this part of the test proves nothing.
    std::fs::set_permissions(&output, std::fs::Permissions::from_mode(0o555)).unwrap();
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let store = rusqlite::Connection::open_with_flags(output.join("cratedigger.db"), flags).unwrap();
    let rows: i64 = store.query_row("SELECT count(*) FROM csv_playlist_items", [], |row| row.get(0)).unwrap();
    std::fs::set_permissions(&output, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(rows > 0);
}

#[test]
fn read_commands_leave_the_files_alone() {
    let project = demo();
    let folder = project.root().join("demo/output");
    for args in [&["history"][..], &["jobs"], &["export"], &["history"]] {
        let output = project.command(args).args(["--project", "demo", "--state-dir", "demo/state"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
        assert_eq!(mode(&folder.join("cratedigger.db-shm")), 0o640, "{args:?}");
    }
}

/// The output folder and every path below it.
fn output(world: &World) -> Vec<PathBuf> {
    let mut all = vec![world.project.root().join("output")];
    let mut next = 0;
    while let Some(path) = all.get(next).cloned() {
        next += 1;
        if path.is_dir() {
            all.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    all
}

/// A group that this process may give files to, other than its own if there is one.
fn a_group() -> u32 {
    let groups = std::process::Command::new("id").arg("-G").output().unwrap();
    let groups: Vec<u32> = stdout(&groups).split_whitespace().map(|id| id.parse().unwrap()).collect();
    match is_root() {
        true => 54_321,
        false => *groups.last().unwrap(),
    }
}

fn is_root() -> bool {
    let id = std::process::Command::new("id").arg("-u").output().unwrap();
    stdout(&id).trim() == "0"
}

#[test]
fn mode_and_group_apply_to_all_files() {
    let job = by_ids("playlist_items", &[fixtures::EMPTY_PLAYLIST]);
    let group = a_group();
    for before in [None, Some("0600"), Some("0644")] {
        let world = World::extended().job(&job).settings("[output]\nkeep_raw = true");
        let path = world.project.root().join("config/cratedigger.toml");
        let plain = std::fs::read_to_string(&path).unwrap();
        if let Some(before) = before {
            std::fs::write(&path, format!("{plain}mode = \"{before}\"\n")).unwrap();
            world.run(&[]).exits(0);
        }
        std::fs::write(&path, format!("{plain}mode = \"0640\"\ngroup = \"{group}\"\n")).unwrap();
        reaches_all(&world, group);
    }
}

fn reaches_all(world: &World, group: u32) {
    world.run(&[]).exits(0);
    let all = output(world);
    let names: Vec<&str> = all.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    for name in
        ["cratedigger.db-wal", "cratedigger.db-shm", "cratedigger.raw.db", "playlist_items.csv", "datapackage.json"]
    {
        assert!(names.contains(&name), "{names:?}");
    }
    for path in &all {
        let found = std::fs::metadata(path).unwrap();
        assert_eq!(found.gid(), group, "{}", path.display());
        assert_eq!(mode(path), if path.is_dir() { 0o750 } else { 0o640 }, "{}", path.display());
    }
    let copy = world.project.root().join("copy.db");
    world.cli(&["backup", copy.to_str().unwrap()]).exits(0);
    assert_eq!(mode(&copy), 0o600, "a backup is for its owner");
}

#[test]
fn narrowed_modes_stay_without_a_setting() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::EMPTY_PLAYLIST]));
    world.run(&[]).exits(0);
    let narrowed = [world.database(), world.csv_path("playlist_items.csv")];
    for path in &narrowed {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    world.run(&[]).exits(0);
    assert!(narrowed.iter().all(|path| mode(path) == 0o600));
    let world = world.settings("[output]\nmode = \"0644\"");
    world.run(&[]).exits(0);
    assert!(narrowed.iter().all(|path| mode(path) == 0o644));
}

/// Runs a command as a user without any group of the project. Only root can do that.
fn as_stranger(world: &World, args: &[&str]) -> crate::support::world::Ran {
    let mut command = std::process::Command::new("setpriv");
    command.args(["--reuid=54321", "--regid=54321", "--clear-groups", env!("CARGO_BIN_EXE_cratedigger")]);
    command.args(args).current_dir(world.project.root()).env_clear().env("HOME", "/nonexistent").env("TZ", "UTC");
    crate::support::world::ran(&mut command)
}

#[test]
fn user_without_access_gets_no_falsehoods() {
    if !is_root() {
        return;
    }
    let job = format!("schedule = \"0 6 * * *\"\n{}", by_ids("tracks", &[fixtures::PLAIN_TRACK]));
    let world = World::extended().job(&job);
    world.run(&[]).exits(0);
    let root = world.project.root();
    // The project is readable for all, and the output only for its group.
    for path in [root.to_path_buf(), root.join("jobs"), root.join("config")] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    for file in ["jobs/x.toml", "config/cratedigger.toml"] {
        std::fs::set_permissions(root.join(file), std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    std::fs::set_permissions(root.join("output"), std::fs::Permissions::from_mode(0o750)).unwrap();
    // The binary itself may be in a folder that the user cannot enter.
    if as_stranger(&world, &["--version"]).code != 0 {
        return;
    }
    for args in [&["jobs"][..], &["history"], &["sql", "SELECT 1"]] {
        let ran = as_stranger(&world, args).exits(74);
        assert!(ran.stderr.contains("permission denied: this user may not read "), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("usermod -a -G "), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{args:?}");
    }
    let checked = as_stranger(&world, &["check"]).exits(0);
    assert!(checked.stderr.contains("past runs cannot be read: permission denied"), "{}", checked.stderr);
    assert!(!checked.stdout.contains("first run"), "{}", checked.stdout);
}
