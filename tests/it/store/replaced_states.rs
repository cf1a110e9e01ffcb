//! Which state folder a restore may replace, and what archives say about secrets that they do not contain.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use spotify_sandbox::fixtures;

use crate::support::sign_in::sign_in;
use crate::support::strace::{At, Blow, can_inject};
use crate::support::world::{Ran, World, fetch, ran};

/// A project with a user, an archive of it, and a run since then.
fn archived() -> World {
    let job = format!("user = \"home\"\n{}", fetch("my_playlists", ""));
    let world = World::extended().job(&job);
    sign_in(&world, "home", fixtures::HOME_USER);
    world.run(&[]).exits(0);
    world.cli(&["backup", "--all", "all.tar.gz"]).exits(0);
    world.run(&["--full"]).exits(0);
    world
}

/// The state folder of the project in the world.
fn live(world: &World) -> PathBuf {
    world.project.root().join(".local/state/cratedigger")
}

fn contents(folder: &Path) -> Vec<Vec<u8>> {
    ["state.db", "grants.db", "id", "place"].map(|name| std::fs::read(folder.join(name)).unwrap()).to_vec()
}

fn restore(world: &World, project: &str, more: &[&str]) -> Ran {
    world.cli(&[&["--project", project, "restore", "all.tar.gz"], more].concat())
}

#[test]
fn replaced_projects_keep_their_state_folder() {
    let world = archived();
    let root = world.project.root();
    let before = contents(&live(&world));
    restore(&world, "second", &["--state-dir", "second-state"]).exits(0);
    world.cli(&["--project", "second", "export"]).exits(0);
    // The settings in the archive name the folder of the living project.
    let said = restore(&world, "second", &["--replace"]).exits(0).stderr;
    assert!(said.contains(&root.join("second-state").display().to_string()), "{said}");
    assert_eq!(contents(&live(&world)), before);
    let settings = std::fs::read_to_string(root.join("second/config/cratedigger.toml")).unwrap();
    assert!(settings.contains("second-state\""), "{settings}");
    // The next command finds the same folder.
    world.cli(&["--project", "second", "export"]).exits(0);
    restore(&world, "second", &["--replace"]).exits(0);
    world.cli(&["--project", "second", "verify"]).exits_one_of(&[0, 74]);
    assert_eq!(contents(&live(&world)), before);
    // A project that another one shares its folder with.
    world.project.write("third/jobs/x.toml", fetch("markets", ""));
    world.project.write("third/config/cratedigger.toml", std::fs::read(root.join("config/cratedigger.toml")).unwrap());
    world.cli(&["--project", "third", "run"]).exits(0);
    let before = contents(&live(&world));
    for project in ["third", "."] {
        restore(&world, project, &["--replace"]).exits(2).says("is also used by other projects").says("--state-dir");
    }
    assert_eq!(contents(&live(&world)), before);
}

#[test]
fn foreign_state_folders_are_not_replaced() {
    let world = archived();
    let root = world.project.root();
    let folder = live(&world);
    let before = contents(&folder);
    let named = folder.display().to_string();
    for more in [&["--replace"][..], &["--replace", "--state-dir", &named]] {
        let said = restore(&world, "new", more).exits(2).says("belongs to another project").stderr;
        assert!(said.contains(&format!("--state-dir {}", root.join("new-state").display())), "{said}");
        assert!(!root.join("new").exists());
    }
    // A new project that has not run yet and names the folder.
    world.project.write("young/config/cratedigger.toml", format!("[state]\ndir = \"{named}\"\n"));
    restore(&world, "young", &["--replace"]).exits(2).says("belongs to another project");
    // Settings that cannot be read name no folder.
    world.project.write("broken/config/cratedigger.toml", "[state\n");
    restore(&world, "broken", &["--replace"]).exits(2).says("do not say where the state folder").says("--state-dir");
    assert_eq!(contents(&folder), before);

    // A folder that says nothing about projects is replaced only by name.
    let home = root.join("other-home");
    let unknown = home.join(".local/state/cratedigger");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&unknown).unwrap();
    std::fs::copy(folder.join("grants.db"), unknown.join("grants.db")).unwrap();
    let on_new_machine = |more: &[&str]| {
        let mut command = world.command(&[&["--project", "new", "restore", "all.tar.gz", "--replace"], more].concat());
        ran(command.env("HOME", &home))
    };
    on_new_machine(&[]).exits(2).says("does not say which project it belongs to");
    on_new_machine(&["--state-dir", &unknown.display().to_string()]).exits(0);
}

#[test]
fn moved_projects_find_their_state_folder() {
    let world = archived();
    let root = world.project.root();
    // The project is gone, and its state folder is not.
    for part in ["config", "jobs", "output"] {
        std::fs::remove_dir_all(root.join(part)).unwrap();
    }
    restore(&world, "new", &[]).exits(2).says("--replace");
    restore(&world, "new", &["--replace"]).exits(0).says(&live(&world).display().to_string());
    world.cli(&["--project", "new", "run"]).exits(0);
}

#[test]
fn archives_say_where_the_secrets_are() {
    let world = archived();
    let root = world.project.root();
    // As on a server: the key and the credentials are in a folder of their own.
    let secrets = root.join("etc");
    std::fs::create_dir(&secrets).unwrap();
    std::fs::rename(live(&world).join("key"), secrets.join("cratedigger_key")).unwrap();
    for (name, text) in [("spotify_client_id", "sandbox-client"), ("spotify_client_secret", "sandbox-secret")] {
        std::fs::write(secrets.join(name), text).unwrap();
    }
    for entry in std::fs::read_dir(&secrets).unwrap() {
        std::fs::set_permissions(entry.unwrap().path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let server = |project: &str, args: &[&str]| {
        let mut command = world.project.command(&[&["--project", project], args].concat());
        command.env("CREDENTIALS_DIRECTORY", &secrets).env_remove("SPOTIFY_CLIENT_ID");
        ran(command.env_remove("SPOTIFY_CLIENT_SECRET"))
    };
    // The project is not the parent of that folder.
    std::fs::create_dir(root.join("srv")).unwrap();
    for part in ["config", "jobs", "output"] {
        std::fs::rename(root.join(part), root.join("srv").join(part)).unwrap();
    }
    for (args, file) in [(&["--with-keys"][..], "keys.tar.gz"), (&[], "plain.tar.gz")] {
        let said = server("srv", &[&["backup", "--all", file], args].concat()).exits(0).stderr;
        assert!(!said.contains("it contains .env"), "{said}");
        assert!(said.contains(&format!("copy it yourself: {}", secrets.display())), "{said}");
    }
    let json = server("srv", &["--json", "backup", "--all", "--with-keys", "again.tar.gz"]).exits(0).json();
    assert_eq!(json["not_included"][0], secrets.display().to_string());
    // On the new machine there are neither.
    let mut command =
        world.project.command(&["--project", "new", "restore", "keys.tar.gz", "--state-dir", "new-state"]);
    let said = ran(command.env("HOME", root.join("other-home"))).exits(0).stderr;
    assert!(
        said.contains(&format!("copy {} from the old machine", secrets.join("cratedigger_key").display())),
        "{said}"
    );
    assert!(said.contains(&format!("came from {}", secrets.join("spotify_client_id").display())), "{said}");

    // What is in the archive is named, and nothing else.
    std::fs::copy(secrets.join("cratedigger_key"), live(&world).join("key")).unwrap();
    let said = world.cli(&["--project", "srv", "backup", "--all", "--with-keys", "key.tar.gz"]).exits(0).stderr;
    assert!(said.contains("it contains the key of the sign-ins: keep it like a password"), "{said}");
    assert!(!said.contains("copy it yourself"), "{said}");
}

#[test]
fn failed_restores_name_the_true_reason() {
    let world = archived();
    world.cli(&["backup", "copy.db"]).exits(0);
    let said = world.cli(&["restore", "copy.db", "--replace"]).exits(74).stderr;
    assert!(said.contains("it is a copy of the store alone") && said.contains("while nothing runs"), "{said}");
    if !can_inject() {
        return;
    }
    // Before the archive is read, and in the middle of it.
    for nth in [1, 4] {
        let at = At { calls: "fsync,fdatasync", path: None, nth };
        let args = ["--project", "new", "restore", "all.tar.gz", "--state-dir", "new-state"];
        let said = world.struck(&args, at, Blow::Fails("ENOSPC")).exits(74).stderr;
        assert!(said.contains("No space left") && said.contains("free up space"), "{nth}: {said}");
        assert!(!said.contains("damaged"), "{nth}: {said}");
        assert!(!world.project.root().join("new").exists());
    }
}
