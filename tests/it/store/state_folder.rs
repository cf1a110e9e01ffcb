//! The state folder: its location, its permissions, and the folders that are refused.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use spotify_client::state::{StateDb, StateDir, StateDirSource, StateError};
use tempfile::TempDir;

fn at(path: &Path) -> StateDir {
    StateDir::resolve(Some(path), None, |_| None).unwrap()
}

#[test]
fn first_setting_names_the_folder() {
    let env = |pairs: &'static [(&'static str, &'static str)]| {
        move |name: &str| -> Option<OsString> {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        }
    };
    let all: &[_] = &[("STATE_DIRECTORY", "/var/lib/a:/var/lib/b"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h")];
    let resolve = |flag: Option<&str>, setting: Option<&str>, pairs| {
        let dir = StateDir::resolve(flag.map(Path::new), setting.map(Path::new), env(pairs)).unwrap();
        (dir.path().to_owned(), dir.source())
    };
    let expect = |path: &str, chosen| (PathBuf::from(path), chosen);
    assert_eq!(resolve(Some("/f"), Some("/s"), all), expect("/f", StateDirSource::Flag));
    assert_eq!(resolve(None, Some("/s"), all), expect("/s", StateDirSource::Setting));
    assert_eq!(resolve(None, None, all), expect("/var/lib/a", StateDirSource::StateDirectory));
    assert_eq!(resolve(None, None, &all[1..]), expect("/x/cratedigger", StateDirSource::XdgStateHome));
    let home = expect("/h/.local/state/cratedigger", StateDirSource::Home);
    assert_eq!(resolve(None, None, &all[2..]), home);
    let odd: &[_] = &[("STATE_DIRECTORY", ""), ("XDG_STATE_HOME", "relative"), ("HOME", "/h")];
    assert_eq!(resolve(None, None, odd), home);
    let nothing = StateDir::resolve(None, None, |_| None);
    assert!(matches!(nothing, Err(StateError::NoFolder)));
    let uri = StateDir::resolve(Some(Path::new("file:state")), None, |_| None);
    assert!(matches!(uri, Err(StateError::FileUri { .. })));
}

/// Another test starts this one as a separate process with its own umask. In an ordinary run it does nothing.
#[test]
fn child_opens_its_state() {
    let Some(path) = std::env::var_os("CRATEDIGGER_TEST_STATE") else {
        return;
    };
    let state = StateDb::open(at(Path::new(&path))).unwrap();
    let usage = state.ledger().usage(
        &spotify_client::state::ClientIdentity::new("app", "app"),
        spotify_client::state::CallCeilings::default(),
        crate::support::made_up_time::noon(),
    );
    assert_eq!(usage.unwrap().account.used, 0);
    // Check while the database is open, because its `-wal` and `-shm` files exist only then.
    let mut modes: Vec<String> = fs::read_dir(&path)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode() & 0o7777;
            format!("{} {mode:04o}", entry.file_name().display())
        })
        .collect();
    modes.sort();
    fs::write(Path::new(&path).with_extension("modes"), modes.join("\n")).unwrap();
}

#[test]
fn files_are_private_under_any_umask() {
    for umask in ["000", "022", "777"] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("state");
        let status = Command::new("sh")
            .arg("-c")
            .arg(format!("umask {umask}; exec \"$0\" --exact store::state_folder::child_opens_its_state"))
            .arg(std::env::current_exe().unwrap())
            .env("CRATEDIGGER_TEST_STATE", &path)
            .output()
            .unwrap();
        assert!(status.status.success(), "{status:?}");
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o700, "umask {umask}");
        let modes = path.with_extension("modes");
        fs::set_permissions(&modes, Permissions::from_mode(0o600)).unwrap();
        let expected = "id 0600\nstate.db 0600\nstate.db-shm 0600\nstate.db-wal 0600";
        assert_eq!(fs::read_to_string(&modes).unwrap(), expected, "umask {umask}");
    }
}

#[test]
fn readable_folder_or_file_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state");
    drop(StateDb::open(at(&path)).unwrap());
    for (name, mode) in [("", 0o750), ("state.db", 0o640), ("id", 0o604)] {
        let whole = path.join(name);
        let before = fs::metadata(&whole).unwrap().permissions();
        fs::set_permissions(&whole, Permissions::from_mode(mode)).unwrap();
        let error = StateDb::open(at(&path)).unwrap_err();
        assert!(matches!(error, StateError::TooOpen { .. }), "{name}: {error}");
        assert!(error.hint().unwrap().starts_with("chmod "));
        fs::set_permissions(&whole, before).unwrap();
    }
    StateDb::open(at(&path)).unwrap();
}

#[test]
fn link_instead_of_database_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state");
    drop(StateDb::open(at(&path)).unwrap());
    fs::rename(path.join("state.db"), folder.path().join("elsewhere")).unwrap();
    symlink(folder.path().join("elsewhere"), path.join("state.db")).unwrap();
    let error = StateDb::open(at(&path)).unwrap_err();
    assert!(matches!(error, StateError::NotPlain { .. }), "{error}");
}

#[test]
fn network_file_system_is_refused() {
    // /proc is not a disk. It must be refused with an error, not with a crash.
    let error = StateDb::open(at(Path::new("/proc/cratedigger"))).unwrap_err();
    assert!(matches!(error, StateError::Io { .. }), "{error}");
}

#[test]
fn the_id_is_random_and_stays() {
    let folder = TempDir::new().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    let id = StateDb::open(at(&one)).unwrap().id().to_owned();
    assert_eq!(StateDb::open(at(&one)).unwrap().id(), id);
    assert_ne!(StateDb::open(at(&other)).unwrap().id(), id);
    assert_eq!(id.len(), 32);
}

#[test]
fn unusable_database_is_left_alone() {
    let folder = TempDir::new().unwrap();
    let make = |name: &str| {
        let path = folder.path().join(name);
        drop(StateDb::open(at(&path)).unwrap());
        path
    };
    let newer = make("newer");
    let db = rusqlite::Connection::open(newer.join("state.db")).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    let foreign = make("foreign");
    fs::remove_file(foreign.join("state.db")).unwrap();
    let db = rusqlite::Connection::open(foreign.join("state.db")).unwrap();
    db.execute_batch("CREATE TABLE mine (x)").unwrap();
    drop(db);
    fs::set_permissions(foreign.join("state.db"), Permissions::from_mode(0o600)).unwrap();
    let damaged = make("damaged");
    let mut bytes = fs::read(damaged.join("state.db")).unwrap();
    bytes[4_096..8_192].fill(0x5a);
    fs::write(damaged.join("state.db"), &bytes).unwrap();
    let garbage = make("garbage");
    fs::write(garbage.join("state.db"), "this is not a database, however you look at it").unwrap();
    for (path, word) in
        [(newer, "newer"), (foreign, "not a state database"), (damaged, "damaged"), (garbage, "damaged")]
    {
        let before = fs::read(path.join("state.db")).unwrap();
        let error = StateDb::open(at(&path)).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert!(error.hint().is_some());
        assert_eq!(fs::read(path.join("state.db")).unwrap(), before, "{word}");
    }
}

#[test]
fn many_starts_on_an_empty_folder_succeed() {
    for _ in 0..5 {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("deep/state");
        let ids: Vec<String> = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..8).map(|_| scope.spawn(|| StateDb::open(at(&path)).unwrap().id().to_owned())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(ids.iter().all(|id| *id == ids[0]));
    }
}
