//! Opening the file: access, pragmas, and files that are refused.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{FileAccess, StoreError, schema};
use crate::input_file;

/// How long to wait for another program's lock on the store.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// After this time a message says that the store is locked.
const WARN_AFTER: Duration = Duration::from_secs(5);

/// Longest pause between two attempts to get a lock.
pub(super) const MAX_LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Makes a connection wait up to [`BUSY_TIMEOUT`] for another program's lock and report the wait.
pub(super) fn set_busy_handler(conn: &mut Connection) -> rusqlite::Result<()> {
    conn.busy_handler(Some(wait_for_lock))
}

thread_local! {
    /// When the current wait started.
    static WAIT_STARTED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Waits a moment after a lock was refused `refused` times. Returns false when the total wait was long enough.
fn wait_for_lock(refused: i32) -> bool {
    // Short at first: nearly every lock belongs to a commit.
    const FIRST: [u64; 3] = [1, 2, 5];
    let pause = usize::try_from(refused).ok().and_then(|refused| FIRST.get(refused));
    let pause = pause.map_or(MAX_LOCK_PAUSE, |ms| Duration::from_millis(*ms));
    let began = WAIT_STARTED.get().filter(|_| refused > 0).unwrap_or_else(Instant::now);
    WAIT_STARTED.set(Some(began));
    let waited = began.elapsed();
    if waited >= BUSY_TIMEOUT {
        return false;
    }
    std::thread::sleep(pause);
    // This is true once: only one attempt is followed by the pause in which the limit is crossed.
    if waited < WARN_AFTER && began.elapsed() >= WARN_AFTER {
        tracing::warn!("another program has locked the store; waiting for at most a minute");
    }
    true
}

/// Returns the absolute path of a store. Cron uses the full path of the project and a user in its folder a
/// relative one; both must get the same name. Use this path as a key for anything that belongs to a store.
pub fn canonical_path(path: &Path) -> PathBuf {
    // The file may not exist yet.
    let there = path.ancestors().find_map(|above| {
        let known = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        Some((above, known.canonicalize().ok()?))
    });
    let Some((above, real)) = there else { return path.to_path_buf() };
    // Joining with an empty path would add a trailing slash.
    match path.strip_prefix(above) {
        Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
        _ => real,
    }
}

/// Moves the content of the WAL to the database and empties the WAL, as far as no reader needs it. Closing does
/// not do this, because the files stay.
pub(super) fn truncate_wal(conn: &mut Connection) {
    // What cannot be moved now is safe in the WAL, and a later run moves it.
    drop(conn.busy_timeout(Duration::ZERO));
    drop(conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    drop(set_busy_handler(conn));
}

/// Checks the pages of a store with `PRAGMA quick_check`.
///
/// # Errors
/// If it is corrupted.
pub fn quick_check(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let read = sqlite_error(path, "cannot be read");
    let found: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(&read)?;
    if found == "ok" {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(read(rusqlite::Error::SqliteFailure(code, Some(found))))
}

/// Opens the store for reading only.
///
/// # Errors
/// If it does not exist, cannot be opened, is not a cratedigger store, or has a newer schema.
pub fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let mut conn = open_plain(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    set_busy_handler(&mut conn).map_err(sqlite_error(path, "cannot be opened"))?;
    match schema::check_schema(&conn, path) {
        Err(StoreError::Sqlite { source, .. }) if needs_recovery(&source) => {
            recover(path).map_err(sqlite_error(path, "cannot be recovered"))?;
            schema::check_schema(&conn, path)?;
        }
        other => drop(other?),
    }
    conn.execute_batch(
        "PRAGMA trusted_schema=OFF; PRAGMA mmap_size=0; PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY;",
    )
    .map_err(sqlite_error(path, "cannot be opened"))?;
    Ok(conn)
}

/// Opens a database that is a regular file, and not behind a link.
///
/// # Errors
/// If it is something else, or cannot be opened.
pub(super) fn open_plain(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    refuse_odd_path(path)?;
    // SQLite refuses links in every part of the path, and folders may be links.
    let folder = path.parent().map(canonical_path).unwrap_or_default();
    let plain = path.file_name().map_or_else(|| path.to_path_buf(), |name| folder.join(name));
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    Connection::open_with_flags(plain, flags).map_err(sqlite_error(path, "cannot be opened"))
}

/// Whether a killed writer left a transaction that only a writer can roll back.
fn needs_recovery(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ReadOnly)
}

/// Lets SQLite roll back the transaction of a killed writer. Nothing else is written.
fn recover(path: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags)?;
    set_busy_handler(&mut conn)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

/// Opens a store of the current schema for reading.
///
/// # Errors
/// See [`open_reader`]; also if the schema is older or the store is empty.
pub fn open_current_schema(path: &Path) -> Result<Connection, StoreError> {
    let conn = open_reader(path)?;
    match (schema::check_schema(&conn, path)?, schema::CURRENT_SCHEMA) {
        (0, _) => Err(StoreError::Empty { path: path.to_path_buf() }),
        (found, known) if found < known => Err(StoreError::OlderSchema { path: path.to_path_buf(), found, known }),
        _ => Ok(conn),
    }
}

/// Sets the mode at creation, whatever the umask: analysts must be able to read the file, and SQLite gives its
/// `-wal` and `-shm` files the mode of the database.
pub(super) fn create_file(path: &Path, access: FileAccess) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600 | access.mode).open(path) {
        Ok(file) => access.apply(&file),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => access.reapply_at(path),
        Err(e) => Err(e),
    }
    .map_err(|source| StoreError::Io { path: path.to_path_buf(), what: "cannot be created", source })
}

/// Gives the files that SQLite keeps next to a database the same access.
pub(super) fn reapply_access(path: &Path, access: FileAccess) -> Result<(), StoreError> {
    for suffix in ["-wal", "-shm"] {
        let mut path = path.to_path_buf();
        path.as_mut_os_string().push(suffix);
        access.reapply_at(&path).map_err(|source| StoreError::Io {
            path: path.clone(),
            what: "cannot get the configured mode and group",
            source,
        })?;
    }
    Ok(())
}

/// SQLite would read `file:…?…` as a URI with options, wait for a pipe, and follow a link that somebody has put into the
/// folder.
pub(super) fn refuse_odd_path(path: &Path) -> Result<(), StoreError> {
    if path.to_string_lossy().starts_with("file:") {
        let why = "its path starts with file:, which SQLite reads as a URI".to_owned();
        return Err(StoreError::ForeignFile { path: path.to_path_buf(), why });
    }
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut path = path.to_path_buf();
        path.as_mut_os_string().push(suffix);
        if let Some(kind) = input_file::special_at(&path) {
            return Err(StoreError::ForeignFile { path, why: format!("it is {kind} and not a file") });
        }
        if path.is_symlink() {
            return Err(StoreError::ForeignFile { path, why: "it is a link and not a file".to_owned() });
        }
    }
    Ok(())
}

pub(super) fn sqlite_error(path: &Path, what: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |source| StoreError::Sqlite { path: path.to_path_buf(), what, source }
}
