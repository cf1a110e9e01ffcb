//! Backups that are made before the schema changes, and their removal.
//!
//! They are next to the store, named `cratedigger.db.schema-N` after the schema that they contain, and are
//! deleted when they are older than `retention.backups`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::Connection;

use super::{FileAccess, StoreError, backup, free_bytes, info, open_reader, schema};

/// Text between the name of the store and the schema number of the backup.
const BACKUP_SUFFIX: &str = ".schema-";

/// Offset of the application id in an SQLite file.
const APPLICATION_ID_AT: usize = 68;

/// The path of the first backup of a store with an older schema.
pub(super) fn backup_path(store: &Path, version: i64) -> PathBuf {
    with_suffix(store, &format!("{BACKUP_SUFFIX}{version}"))
}

/// Backs up a store with an older schema. The caller holds the write lock, so everything committed is included.
/// The same state is not backed up twice.
///
/// # Errors
/// If there is not enough space, or the backup cannot be written. In that case no file is left behind.
pub(super) fn create_backup(store: &Path, conn: &Connection, version: i64) -> Result<(), StoreError> {
    let read = |source| StoreError::Sqlite { path: store.to_path_buf(), what: "cannot be read", source };
    let now = store_state(conn).map_err(read)?;
    let names = std::iter::once(String::new()).chain((2..).map(|n| format!("-{n}")));
    for name in names {
        let copy = with_suffix(store, &format!("{BACKUP_SUFFIX}{version}{name}"));
        if copy.symlink_metadata().is_err() {
            return write_backup(store, conn, &copy);
        }
        // Left by a start that then failed to change the schema.
        if open_reader(&copy).is_ok_and(|conn| store_state(&conn).is_ok_and(|then| then == now)) {
            return Ok(());
        }
    }
    Ok(())
}

/// Values that tell two states of a store apart: schema, data version and newest run.
fn store_state(conn: &Connection) -> rusqlite::Result<(i64, i64, Option<i64>)> {
    let version = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let newest = conn.query_row("SELECT max(id) FROM runs", [], |row| row.get(0))?;
    Ok((version, info::data_version(conn)?, newest))
}

fn write_backup(store: &Path, conn: &Connection, copy: &Path) -> Result<(), StoreError> {
    let needed = super::compact::content_bytes(conn).map_err(|source| StoreError::Sqlite {
        path: store.to_path_buf(),
        what: "cannot be read",
        source,
    })?;
    if let Some(free) = free_bytes(copy).filter(|free| *free < needed) {
        let what = "a backup before its schema changes";
        return Err(StoreError::NoSpace { path: store.to_path_buf(), what, free, needed });
    }
    backup(store, copy, FileAccess::from_mode(0o600))?;
    tracing::info!(path = %copy.display(), "backed up the store before its schema changes");
    Ok(())
}

/// Deletes the backups that were made before a time and returns their number.
///
/// # Errors
/// If the folder cannot be read, or a backup cannot be deleted.
pub fn delete_old_backups(store: &Path, before: SystemTime) -> Result<u64, StoreError> {
    let deleted = delete_backups(store, |path| is_old(path, before))?;
    Ok(deleted.len() as u64)
}

/// Deletes all backups and returns their paths.
///
/// # Errors
/// If the folder cannot be read, or a backup cannot be deleted.
pub fn delete_all_backups(store: &Path) -> Result<Vec<PathBuf>, StoreError> {
    delete_backups(store, |_| true)
}

fn delete_backups(store: &Path, goes: impl Fn(&Path) -> bool) -> Result<Vec<PathBuf>, StoreError> {
    let folder = store.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| StoreError::Io { path, what: "is an old backup and cannot be deleted", source }
    };
    let mut deleted = Vec::new();
    for entry in fs::read_dir(folder).map_err(io(folder))? {
        let path = entry.map_err(io(folder))?.path();
        if is_migration_backup(store, &path) && goes(&path) {
            fs::remove_file(&path).map_err(io(&path))?;
            // Left by a program that opened the backup.
            for left in ["-wal", "-shm"] {
                drop(fs::remove_file(with_suffix(&path, left)));
            }
            deleted.push(path);
        }
    }
    Ok(deleted)
}

/// Whether a path has the name and the header of a backup of this store.
fn is_migration_backup(store: &Path, path: &Path) -> bool {
    let (Some(name), Some(of)) =
        (path.file_name().and_then(|n| n.to_str()), store.file_name().and_then(|n| n.to_str()))
    else {
        return false;
    };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let named = name.strip_prefix(of).and_then(|rest| rest.strip_prefix(BACKUP_SUFFIX));
    if !named.is_some_and(|rest| rest.splitn(2, '-').all(number)) {
        return false;
    }
    let mut head = [0; APPLICATION_ID_AT + 4];
    path.symlink_metadata().is_ok_and(|it| it.is_file())
        && File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok()
        && head[APPLICATION_ID_AT..] == schema::APPLICATION_ID.to_be_bytes()[4..]
}

fn is_old(path: &Path, before: SystemTime) -> bool {
    path.symlink_metadata().and_then(|it| it.modified()).is_ok_and(|at| at < before)
}

/// Appends text to the file name of a path.
fn with_suffix(path: &Path, more: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(more);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::store::{Store, StoreIdentity};
    use std::time::Duration;

    /// A store with the previous schema and one run.
    fn older_store(folder: &Path, mode: u32) -> PathBuf {
        let path = folder.join("a.db");
        super::super::open::create_file(&path, FileAccess::from_mode(mode)).unwrap();
        let conn = Connection::open(&path).unwrap();
        let all = schema::MIGRATIONS.len();
        for script in &schema::MIGRATIONS[..all - 1] {
            conn.execute_batch(script).unwrap();
        }
        conn.pragma_update(None, "user_version", schema::CURRENT_SCHEMA - 1).unwrap();
        conn.pragma_update(None, "application_id", schema::APPLICATION_ID).unwrap();
        conn.execute("INSERT INTO runs (job, state, started_at, version) VALUES ('x', 'complete', '', '')", [])
            .unwrap();
        path
    }

    fn open(path: &Path) {
        let identity = StoreIdentity { host: "h".into(), state_id: "s".into(), state_folder: "f".into() };
        Store::open(path, FileAccess::from_mode(0o640), &identity).unwrap().close();
    }

    fn copies(folder: &Path) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        found.retain(|path| path.to_str().unwrap().contains(BACKUP_SUFFIX));
        found.sort();
        found
    }

    #[test]
    fn private_copy_is_kept_before_migrating() {
        let folder = tempfile::tempdir().unwrap();
        let path = older_store(folder.path(), 0o640);
        open(&path);
        let copy = with_suffix(&path, &format!("{BACKUP_SUFFIX}{}", schema::CURRENT_SCHEMA - 1));
        assert_eq!(copies(folder.path()), std::slice::from_ref(&copy));
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        let conn = Connection::open(&copy).unwrap();
        let (version, _, newest) = store_state(&conn).unwrap();
        assert_eq!((version, newest), (schema::CURRENT_SCHEMA - 1, Some(1)));
        drop(conn);
        // The schema does not change again, so there is no further backup.
        open(&path);
        assert_eq!(copies(folder.path()).len(), 1);
        // A backup that was restored and then written to is a different state.
        fs::copy(&copy, &path).unwrap();
        for left in ["-wal", "-shm"] {
            drop(fs::remove_file(with_suffix(&path, left)));
        }
        open(&path);
        assert_eq!(copies(folder.path()).len(), 1, "the same state is not kept twice");
        fs::copy(&copy, &path).unwrap();
        for left in ["-wal", "-shm"] {
            drop(fs::remove_file(with_suffix(&path, left)));
        }
        let conn = Connection::open(&path).unwrap();
        conn.execute("INSERT INTO runs (job, state, started_at, version) VALUES ('x', 'complete', '', '')", [])
            .unwrap();
        drop(conn);
        open(&path);
        assert_eq!(copies(folder.path()).len(), 2);
    }

    #[test]
    fn only_old_copies_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let path = older_store(folder.path(), 0o644);
        open(&path);
        let real = copies(folder.path()).remove(0);
        let young = with_suffix(&path, ".schema-1");
        fs::copy(&real, &young).unwrap();
        let others =
            [".schema-", ".schema-x", ".schema-2-x", ".schema-3", ".schema-2.bak"].map(|more| with_suffix(&path, more));
        for other in &others {
            fs::write(other, "no copy of a store, however long it may be: it has no header of SQLite's in front of it")
                .unwrap();
        }
        std::os::unix::fs::symlink(&real, with_suffix(&path, ".schema-4")).unwrap();
        let year = Duration::from_secs(365 * 86_400);
        let old = SystemTime::now() - year;
        for file in others.iter().chain([&real]) {
            File::options().write(true).open(file).unwrap().set_modified(old).unwrap();
        }
        assert_eq!(delete_old_backups(&path, old - year).unwrap(), 0);
        assert_eq!(delete_old_backups(&path, old + year / 2).unwrap(), 1);
        assert!(!real.exists() && young.exists() && others.iter().all(|other| other.exists()));
        assert!(with_suffix(&path, ".schema-4").symlink_metadata().is_ok());
    }
}
