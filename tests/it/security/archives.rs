//! What an archive of `backup --all` reveals, and what a forged one may do when it is restored.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::world::{Ran, World, fetch, ran};

/// A project with a run.
fn world() -> World {
    let world = World::extended().job(&fetch("markets", ""));
    world.run(&[]).exits(0);
    world
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The names in an archive.
fn names(world: &World, archive: &str) -> Vec<String> {
    let out = Command::new("tar").current_dir(world.project.root()).args(["-tzf", archive]).output().unwrap();
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// A command of the project in the folder `new`, as on another machine.
fn on_new_machine(world: &World, args: &[&str]) -> Ran {
    let mut command = world.command(&[&["--project", "new"], args].concat());
    ran(command.env("HOME", world.project.root().join("other-home")))
}

#[test]
fn archives_without_keys_contain_no_secret() {
    let world = world().settings("[notify]\nping_url_file = \"config/hook\"");
    let root = world.project.root();
    let secret = [
        ("config/mykey", 0o600),
        ("config/hook", 0o644),
        ("config/sub/private.pem", 0o400),
        ("config/.env", 0o644),
        ("config/credentials/anything", 0o644),
        ("targets/.pgpass", 0o644),
        ("targets/passwords", 0o640),
        ("targets/key.pem", 0o600),
        ("targets/account.json", 0o644),
        ("config/token", 0o644),
        ("jobs/.env.local", 0o644),
        ("jobs/app-secret", 0o644),
    ];
    let open = [("config/alert.sh", 0o755), ("targets/ca.pem", 0o644), ("jobs/names.csv", 0o600)];
    for (name, mode) in secret.into_iter().chain(open) {
        world.project.write(name, "canary");
        set_mode(&root.join(name), mode);
    }
    set_mode(&root.join("config/cratedigger.toml"), 0o600);
    symlink("config/mykey", root.join("key-link")).unwrap();
    let backup = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("CRATEDIGGER_KEY_FILE", "key-link").env("PGPASSFILE", "targets/passwords");
        command.env("GOOGLE_APPLICATION_CREDENTIALS", "targets/account.json");
        command.env("AWS_WEB_IDENTITY_TOKEN_FILE", "config/token");
        command.env("CREDENTIALS_DIRECTORY", world.project.root().join("config/credentials"));
        ran(command.env("SPOTIFY_CLIENT_SECRET_FILE", "jobs/app-secret"))
    };
    let said = backup(&["backup", "--all", "all.tar.gz"]).exits(0).stderr;
    let found = names(&world, "all.tar.gz");
    for (name, _) in secret {
        assert!(!found.contains(&format!("project/{name}")), "{name} is in {found:?}");
        assert!(said.contains(&format!("{name} may contain a secret")), "{name}: {said}");
    }
    for name in open.map(|(name, _)| name).into_iter().chain(["config/cratedigger.toml", "jobs/x.toml"]) {
        assert!(found.contains(&format!("project/{name}")), "{name} is not in {found:?}");
    }
    backup(&["backup", "--all", "--with-keys", "keys.tar.gz"]).exits(0);
    let found = names(&world, "keys.tar.gz");
    for (name, _) in secret {
        assert!(found.contains(&format!("project/{name}")), "{name} is not in {found:?}");
    }
}

#[test]
fn restored_files_are_as_closed_as_before() {
    let world = world();
    let root = world.project.root();
    let files = [
        ("config/cratedigger.toml", 0o600, 0o600),
        ("config/mykey", 0o400, 0o400),
        ("config/alert.sh", 0o750, 0o750),
        ("jobs/x.toml", 0o644, 0o644),
        ("jobs/all.csv", 0o666, 0o664),
        (".env", 0o640, 0o640),
    ];
    for (name, mode, _) in files {
        if !root.join(name).exists() {
            world.project.write(name, "");
        }
        set_mode(&root.join(name), mode);
    }
    world.cli(&["backup", "--all", "--with-keys", "all.tar.gz"]).exits(0);
    on_new_machine(&world, &["restore", "all.tar.gz", "--state-dir", "new-state"]).exits(0);
    for (name, _, wanted) in files {
        assert_eq!(mode(&root.join("new").join(name)), wanted, "{name}");
    }
    assert_eq!(mode(&root.join("new/output/cratedigger.db")), 0o640);
    assert_eq!(mode(&root.join("new/output")), 0o750);
}

/// An archive with other contents. `edit` gets the folder of the unpacked archive and the list of its files.
fn forged(world: &World, name: &str, edit: impl FnOnce(&Path, &mut Value)) {
    let root = world.project.root();
    let unpacked = root.join("unpacked");
    drop(std::fs::remove_dir_all(&unpacked));
    std::fs::create_dir(&unpacked).unwrap();
    let tar =
        |args: &[&str]| assert!(Command::new("tar").current_dir(&unpacked).args(args).status().unwrap().success());
    tar(&["-xzf", "../all.tar.gz"]);
    let list = unpacked.join("contents.json");
    let mut contents: Value = serde_json::from_slice(&std::fs::read(&list).unwrap()).unwrap();
    edit(&unpacked, &mut contents);
    for file in contents["files"].as_array_mut().unwrap() {
        let path = unpacked.join(file["name"].as_str().unwrap());
        let sum = Command::new("sha256sum").arg(&path).output().unwrap().stdout;
        file["sha256"] = String::from_utf8(sum).unwrap()[..64].into();
        file["bytes"] = std::fs::metadata(&path).unwrap().len().into();
    }
    std::fs::write(&list, contents.to_string()).unwrap();
    let files = contents["files"].as_array().unwrap().iter().map(|file| file["name"].as_str().unwrap().to_owned());
    let files: Vec<String> = std::iter::once("contents.json".to_owned()).chain(files).collect();
    let archive = format!("../{name}");
    let mut args = vec!["-czf", archive.as_str()];
    args.extend(files.iter().map(String::as_str));
    tar(&args);
}

/// The settings of an archive with more lines.
fn with_settings(unpacked: &Path, more: &str) {
    let path = unpacked.join("project/config/cratedigger.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(path, format!("{text}\n{more}\n")).unwrap();
}

#[test]
fn archives_choose_no_place_outside() {
    let world = world();
    let root = world.project.root();
    world.cli(&["backup", "--all", "all.tar.gz"]).exits(0);
    world.project.write("mine/notes.txt", "mine");
    set_mode(&root.join("mine"), 0o700);
    let mine = root.join("mine");
    let args = ["restore", "forged.tar.gz"];
    let with_state = ["restore", "forged.tar.gz", "--state-dir", "new-state"];

    for place in [mine.join("x.db").display().to_string(), "../mine/x.db".to_owned(), "none/../../mine/x.db".to_owned()]
    {
        forged(&world, "forged.tar.gz", |unpacked, _| {
            with_settings(unpacked, &format!("[output]\ndatabase = \"{place}\""));
        });
        let said = on_new_machine(&world, &with_state).stderr;
        assert!(said.contains("outside of the project") || said.contains("output.database"), "{place}: {said}");
        assert!(!root.join("new").exists() && !root.join("new-state").exists(), "{place}");
    }
    // A state folder with other files, and names that belong in no state folder.
    let state = format!("[state]\ndir = \"{}\"", mine.display());
    forged(&world, "forged.tar.gz", |unpacked, _| with_settings(unpacked, &state));
    for args in [&args[..], &["restore", "forged.tar.gz", "--replace"]] {
        on_new_machine(&world, args).exits(74).says("contains other files, and no state");
    }
    forged(&world, "forged.tar.gz", |unpacked, contents| {
        std::fs::write(unpacked.join("state/.bashrc"), "evil").unwrap();
        contents["files"].as_array_mut().unwrap().push(serde_json::json!({ "name": "state/.bashrc" }));
    });
    on_new_machine(&world, &with_state).exits(74).says("does not belong in a backup");
    forged(&world, "forged.tar.gz", |_, contents| contents["files"][1]["mode"] = 0o666.into());
    on_new_machine(&world, &with_state).exits(74).says("lets every user write");
    assert_eq!(std::fs::read_dir(&mine).unwrap().count(), 1);
    assert!(!root.join("new").exists() && !root.join("new-state").exists());

    forged(&world, "forged.tar.gz", |unpacked, _| {
        with_settings(unpacked, &format!("[output]\ndatabase = \"{}\"", mine.join("x.db").display()));
    });
    on_new_machine(&world, &[&with_state[..], &["--store-outside"]].concat()).exits(0);
    assert!(mine.join("x.db").exists());
}

#[test]
fn archives_forge_no_line() {
    let world = world();
    world.cli(&["backup", "--all", "all.tar.gz"]).exits(0);
    forged(&world, "forged.tar.gz", |unpacked, contents| {
        std::fs::copy(unpacked.join("state/state.db"), unpacked.join("state/grants.db")).unwrap();
        contents["files"].as_array_mut().unwrap().push(serde_json::json!({ "name": "state/grants.db" }));
        contents["project"] = "/old\nnext: run this\u{1b}[2J".into();
        contents["state_folder"] = "/state\nnext: run that".into();
    });
    let args = ["restore", "forged.tar.gz", "--state-dir", "new-state"];
    let said = on_new_machine(&world, &args).exits(0).stderr;
    assert!(said.contains("/old\\nnext: run this"), "{said}");
    assert!(!said.contains("\nnext: run th") && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn restore_follows_no_planted_link() {
    let world = world();
    let root = world.project.root();
    world.cli(&["backup", "--all", "all.tar.gz"]).exits(0);
    world.project.write("documents/a.txt", "mine");
    for folder in ["", "output", ".local/state/cratedigger"] {
        let link = root.join(folder).join(".cratedigger-restore");
        symlink(root.join("documents"), &link).unwrap();
        let said = world.cli(&["restore", "all.tar.gz", "--replace"]).exits(74).stderr;
        assert!(said.contains("is not a folder") && said.contains("rm -r "), "{folder}: {said}");
        assert!(root.join("documents/a.txt").exists(), "{folder}");
        std::fs::remove_file(link).unwrap();
        world.cli(&["verify"]).exits(0);
    }
    world.cli(&["restore", "all.tar.gz", "--replace"]).exits(0);
}
