//! Another Unix user, who may read and not write, opens the store: at rest and during a run.
//!
//! SQLite needs the `-shm` of a WAL database even to read it, and such a user cannot make one.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::project::{Project, stderr, stdout};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).permissions().mode() & 0o777
}

/// A project on which a demo ran, whatever the umask.
fn demo() -> Project {
    let project = Project::new();
    let shell = format!("umask 077; exec '{}' -q demo --dir demo", env!("CARGO_BIN_EXE_cratedigger"));
    let mut command = std::process::Command::new("sh");
    let output = command.args(["-c", &shell]).current_dir(project.root()).env_clear().output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    project
}

#[test]
fn the_store_stays_readable_for_all_when_it_is_closed() {
    let project = demo();
    let output = project.root().join("demo/output");
    assert_eq!(mode(&output), 0o755);
    assert_eq!(mode(&project.root().join("demo/state")), 0o700);
    for name in ["cratedigger.db", "cratedigger.db-wal", "cratedigger.db-shm"] {
        assert_eq!(mode(&output.join(name)), 0o644, "{name}");
    }
    let wal = std::fs::metadata(output.join("cratedigger.db-wal")).unwrap();
    assert_eq!(wal.len(), 0, "the database file alone holds everything: it can be copied");

    // To root every folder is writable, and then this shows nothing more.
    std::fs::set_permissions(&output, std::fs::Permissions::from_mode(0o555)).unwrap();
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let store = rusqlite::Connection::open_with_flags(output.join("cratedigger.db"), flags).unwrap();
    let rows: i64 = store.query_row("SELECT count(*) FROM csv_playlist_items", [], |row| row.get(0)).unwrap();
    std::fs::set_permissions(&output, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(rows > 0);
}

#[test]
fn commands_that_show_the_store_leave_its_files_in_place() {
    let project = demo();
    let folder = project.root().join("demo/output");
    for args in [&["history"][..], &["jobs"], &["export"], &["history"]] {
        let output = project.command(args).args(["--project", "demo", "--state-dir", "demo/state"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", stderr(&output));
        assert_eq!(mode(&folder.join("cratedigger.db-shm")), 0o644, "{args:?}");
    }
}
