//! A state folder in a bad state, as the real binary finds it: a clear error, no change to the folder, and no
//! effect on jobs that need no user.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use serde_json::json;
use spotify_sandbox::{SandboxOptions, TokenRotation, fixtures};

use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::world::{Ran, World, ran};
use crate::sync::users::both;

fn world() -> World {
    let world =
        both(World::development().job("users = [\"home\", \"studio\"]\n[[fetch]]\nstream = \"saved_tracks\"\n"));
    let other = format!("[[fetch]]\nstream = \"artists\"\nids = [\"{}\"]\n", fixtures::BUSY_ARTIST);
    world.project.write("jobs/other.toml", other);
    world.run(&["x"]).exits(0);
    world
}

fn folder(world: &World) -> PathBuf {
    world.project.root().join(".local/state/cratedigger")
}

/// Runs all jobs: the job of users fails with this text and code, the other one is complete.
fn refused(world: &World, name: &str, code: i32, says: &[&str]) {
    let database = fs::read(folder(world).join("grants.db")).unwrap();
    let ran = world.run(&[]).exits(code).shows(name);
    for part in says {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    assert!(fs::read(folder(world).join("grants.db")).unwrap() == database, "the grants are as they were");
}

fn sql(world: &World, script: &str) {
    let db = Connection::open(folder(world).join("grants.db")).unwrap();
    db.execute_batch(script).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

#[test]
fn corrupted_token_file_is_left_alone() {
    let world = world();
    let path = folder(&world).join("grants.db");
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[4096..8192].fill(0x5a);
    fs::write(&path, &bad).unwrap();
    refused(&world, "damaged_token_file", 74, &["grants.db", "is damaged", "hint: it holds the grants: put a backup"]);
    fs::write(&path, b"no database at all, but of some length").unwrap();
    refused(&world, "token_file_that_is_no_database", 74, &["grants.db"]);
    fs::write(&path, &good).unwrap();
    world.run(&["x"]).exits(0);
}

#[test]
fn an_emptied_token_file_is_no_new_one() {
    let world = world();
    let path = folder(&world).join("grants.db");
    let good = fs::read(&path).unwrap();
    fs::write(&path, b"").unwrap();
    refused(&world, "empty_token_file", 74, &["grants.db", "it is empty", "hint: it holds the grants: put a backup"]);
    fs::write(&path, &good).unwrap();
    world.run(&["x"]).exits(0);
}

#[test]
fn a_token_file_of_a_newer_version_is_refused() {
    let world = world();
    sql(&world, "PRAGMA user_version = 99");
    refused(
        &world,
        "newer_token_file",
        74,
        &["was written by a newer cratedigger (schema 99", "hint: install the newer version again"],
    );
}

#[test]
fn token_in_another_row_costs_one_user() {
    let world = world();
    sql(
        &world,
        "UPDATE grants SET refresh_token_enc = (SELECT refresh_token_enc FROM grants WHERE user = 'studio'), expires_ms = 0
         WHERE user = 'home'",
    );
    let ran = world.run(&["x"]).exits(77);
    assert_output("token_in_another_row_costs_one_user", &ran.stderr);
}

#[test]
fn each_wrong_key_has_a_message_and_exits_77() {
    let world = world();
    let key = folder(&world).join("key");
    let good = fs::read(&key).unwrap();
    fs::write(&key, "another key, which is long enough to be a key\n").unwrap();
    refused(&world, "other_key", 77, &["were sealed with another key than", "hint: bring the key back"]);
    fs::remove_file(&key).unwrap();
    refused(&world, "missing_key", 77, &["the key of the grants in", "is missing", "hint: bring the key back"]);
    assert!(!key.exists(), "no new key is created for grants that it cannot decrypt");
    fs::write(&key, &good).unwrap();
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    refused(&world, "open_key", 77, &["is open to other users (mode 0644)", "hint: chmod 600"]);
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();

    let mut command = world.command(&["run", "x"]);
    let missing = ran(command.env("CRATEDIGGER_KEY_FILE", world.project.root().join("nowhere")));
    missing.exits(77).shows("each_wrong_key_has_a_message_and_exits_77");
    world.run(&["x"]).exits(0);
}

#[test]
fn unreadable_credentials_make_no_key() {
    let world = World::extended().job("user = \"home\"\n[[fetch]]\nstream = \"me\"\n");
    // Root may read every folder, so something that is no folder stands for one that cannot be read.
    world.project.write("credentials", "x");
    let mut command = world.command(&["auth", "list"]);
    let listed = ran(command.env("CREDENTIALS_DIRECTORY", world.project.root().join("credentials")));
    assert_ne!(listed.code, 0, "{}", listed.stdout);
    assert!(listed.stderr.contains("credentials/cratedigger_key"), "{}", listed.stderr);
    assert!(!folder(&world).join("key").exists());
    let mut command = world.project.command(&["run", "x"]);
    let no_secret = ran(command.env("CREDENTIALS_DIRECTORY", world.project.root().join("credentials"))).exits(77);
    assert!(no_secret.stderr.contains("failed to read the client id from"), "{}", no_secret.stderr);
}

#[test]
fn readable_state_folder_is_refused() {
    let world = world();
    for entry in fs::read_dir(folder(&world)).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o7777, 0o600, "{}", entry.path().display());
    }
    fs::set_permissions(folder(&world), Permissions::from_mode(0o750)).unwrap();
    world.run(&["x"]).exits(74).shows("readable_state_folder_is_refused");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn copied_state_folder_is_noticed() {
    let world = world();
    let (one, other) = (folder(&world), world.project.root().join("copied"));
    copy(&one, &other);
    let with = |args: &[&str]| -> Ran { ran(world.command(args).arg("--state-dir").arg(&other)) };
    let said = with(&["run"]).exits(77).shows("copied_state_folder_is_noticed");
    let typed = format!("rm '{}'", other.join("place").display());
    assert!(said.stderr.contains(&typed), "{}", said.stderr);
    assert!(with(&["jobs"]).exits(0).stderr.contains("is a copy"), "jobs lists the jobs nevertheless");
    // The folder itself works, also under another name.
    world.run(&["x"]).exits(0);
    let moved = world.project.root().join("moved");
    fs::rename(&one, &moved).unwrap();
    ran(world.command(&["run", "x"]).arg("--state-dir").arg(&moved)).exits(0);
    // The copy works, too, once the user has chosen it.
    fs::remove_file(other.join("place")).unwrap();
    with(&["run", "x"]).exits(0);
    with(&["run", "x"]).exits(0);
}

/// In its own mount namespace: a small file system, filled to the last few pages. One run, then more space, one run.
const SWEEP: &str = r#"
mount -t tmpfs -o size=600k,mode=0700 none "$S" || exit 99
for k in $(seq 0 4 12) $(seq 16 28) 60; do
  rm -rf "$S"/* ; printf 'k=%s ' $k
  "$B" --state-dir "$S" auth import "grant-$k.jsonl" 2>>"$L" || exit 98
  free=$(stat -f -c %a "$S")
  dd if=/dev/zero of="$S/filler" bs=4096 count=$((free > k ? free - k : 0)) 2>/dev/null; chmod 600 "$S/filler"
  "$B" --state-dir "$S" run x >>"$L" 2>"$L.one"; printf '%s ' $?
  grep -q 'it is kept in' "$L.one" && printf 'kept ' || printf 'no '
  rm -f "$S/filler"
  "$B" --state-dir "$S" run x >>"$L" 2>"$L.two"; printf '%s ' $?
  grep -q 'could not be saved earlier was recovered' "$L.two" && echo recovered || echo no
  cat "$L.one" "$L.two" >>"$L"
  rm -rf output
done
"#;

#[test]
fn full_disk_during_refresh_keeps_the_grant() {
    let may_mount = Command::new("unshare").args(["-Urm", "true"]).status().is_ok_and(|status| status.success());
    if !may_mount {
        eprintln!("not tried: this machine gives no mount namespace");
        return;
    }
    let options = SandboxOptions { rotation: TokenRotation::Always, ..SandboxOptions::default() };
    let world = World::with(options).job("user = \"home\"\n[[fetch]]\nstream = \"me\"\n");
    for k in 0..=60 {
        let token =
            world.sandbox.sign_in(fixtures::HOME_USER, &["user-read-private", "user-read-email"], false).refresh_token;
        let line = json!({ "user": "home", "refresh_token": token, "client_id": "sandbox-client", "flow": "code" });
        world.project.write(&format!("grant-{k}.jsonl"), format!("{line}\n"));
    }
    let state = world.project.root().join("small");
    fs::create_dir(&state).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", SWEEP]).current_dir(world.project.root());
    command.env("S", &state).env("L", world.project.root().join("log")).env("B", env!("CARGO_BIN_EXE_cratedigger"));
    command.env("SPOTIFY_CLIENT_ID", "sandbox-client").env("SPOTIFY_CLIENT_SECRET", "sandbox-secret");
    let swept = ran(&mut command).exits(0);
    let lines: Vec<Vec<&str>> = swept.stdout.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(lines.len(), 18, "{}", swept.stdout);
    for line in &lines {
        // Whatever the first run left, the grant works once there is space, and no new sign-in is needed.
        assert!(line[3] == "0" && ["0", "74"].contains(&line[1]), "{line:?}\n{}", swept.stdout);
        assert_eq!(line[2] == "kept", line[4] == "recovered", "{line:?}\n{}", swept.stdout);
    }
    assert!(lines.iter().any(|line| line[1] == "74") && lines.iter().any(|line| line[1] == "0"), "{}", swept.stdout);
    assert!(lines.iter().any(|line| line[2] == "kept"), "the disk was never full at the save:\n{}", swept.stdout);
}
