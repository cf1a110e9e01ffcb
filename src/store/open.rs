//! Opening the file: who may read it, which pragmas hold, what is refused.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{FileAccess, StoreError, migrations};

/// SQLite before 3.51.3 can lose commits when two connections reset the WAL at once.
const SAFE_WAL: i32 = 3_051_003;

/// How long to wait for another program's lock on the store.
const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// After so long it is said that somebody is waited for.
const WARN_AFTER: Duration = Duration::from_secs(5);

/// Longest pause between two looks at a lock.
const MAX_PAUSE: Duration = Duration::from_millis(50);

/// Lets a connection wait for another program's lock for as long as [`BUSY`], and say so.
fn set_busy_handler(conn: &mut Connection) -> rusqlite::Result<()> {
    conn.busy_handler(Some(wait_for_lock))
}

thread_local! {
    /// When the wait under way began.
    static WAIT_STARTED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Waits a moment for a lock that was refused so many times; false if that was long enough.
fn wait_for_lock(refused: i32) -> bool {
    // Short at first: nearly every lock is that of a commit.
    const FIRST: [u64; 5] = [1, 2, 5, 10, 25];
    let pause = usize::try_from(refused).ok().and_then(|refused| FIRST.get(refused));
    let pause = pause.map_or(MAX_PAUSE, |ms| Duration::from_millis(*ms));
    let began = WAIT_STARTED.get().filter(|_| refused > 0).unwrap_or_else(Instant::now);
    WAIT_STARTED.set(Some(began));
    let waited = began.elapsed();
    if waited >= BUSY_TIMEOUT {
        return false;
    }
    std::thread::sleep(pause);
    // Once: of all looks only one falls into the pause in which patience ends.
    if waited < WARN_AFTER && began.elapsed() >= WARN_AFTER {
        tracing::warn!("another program holds the store; waiting for it, each time for a minute at most");
    }
    true
}

/// Statements kept prepared: every upsert of every table fits.
const STATEMENT_CACHE_SIZE: usize = 160;

/// Where a store lies, by a name that it has from everywhere: cron names the project by its whole path,
/// somebody in its folder does not, and they must meet. Whoever keeps something by the store's path
/// keeps it by this one.
pub fn canonical_path(path: &Path) -> PathBuf {
    // The file may not be there yet.
    let there = path.ancestors().find_map(|above| {
        let known = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        Some((above, known.canonicalize().ok()?))
    });
    let Some((above, real)) = there else { return path.to_path_buf() };
    // Joined with nothing it would be another name, one with a slash at its end.
    match path.strip_prefix(above) {
        Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
        _ => real,
    }
}

/// Opens the store for writing, creating file and folder, and brings its schema up to date.
///
/// # Errors
/// If it cannot be opened, is not ours, or is newer.
pub fn open_writer(path: &Path, access: FileAccess) -> Result<Connection, StoreError> {
    refuse_uri(path)?;
    assert!(rusqlite::version_number() >= SAFE_WAL, "the bundled SQLite has the WAL-reset bug");
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        create_folder(folder, access).map_err(|source| StoreError::Io {
            path: folder.to_path_buf(),
            what: "has no folder to lie in",
            source,
        })?;
    }
    create_file(path, access)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(sqlite_error(path, "cannot be opened"))?;
    set_busy_handler(&mut conn).map_err(sqlite_error(path, "cannot be opened"))?;
    // Before any pragma that writes: a file of another program must stay as it is.
    migrations::check_schema(&conn, path)?;
    enable_wal(&conn).map_err(sqlite_error(path, "cannot be opened"))?;
    conn.execute_batch(
        "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;
         PRAGMA mmap_size=0; PRAGMA cache_size=-16384; PRAGMA wal_autocheckpoint=2000; PRAGMA journal_size_limit=16777216;
         PRAGMA temp_store=MEMORY;",
    )
    .map_err(sqlite_error(path, "cannot be opened"))?;
    // The last one to close a database takes its `-wal` and `-shm` away. Who may read the file but not
    // write in its folder could then not open it (SQLite would have to make them), so they stay.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(sqlite_error(path, "cannot be opened"))?;
    // Without it each binding of a range plans the statement anew, which costs more than it does.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(sqlite_error(path, "cannot be opened"))?;
    conn.set_prepared_statement_cache_capacity(STATEMENT_CACHE_SIZE);
    migrations::migrate(&mut conn, path)?;
    refresh_views(&mut conn).map_err(sqlite_error(path, "cannot be brought up to date"))?;
    reapply_access(path, access)?;
    Ok(conn)
}

/// Has changes kept in a WAL. Of two that turn a new file to that at once, each waits for the other to let go
/// of it, so SQLite tells one of them so instead of letting it wait: that one tries again.
fn enable_wal(conn: &Connection) -> rusqlite::Result<()> {
    let began = Instant::now();
    loop {
        match conn.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(())) {
            Err(e)
                if e.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                    && began.elapsed() < BUSY_TIMEOUT =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

/// Writes what the WAL holds into the database and empties the WAL, as far as no reader is in the way:
/// closing does not do it, since the files stay.
pub(super) fn truncate_wal(conn: &mut Connection) {
    // Whatever cannot be moved now is as safe in the WAL, and is moved by a later run.
    drop(conn.busy_timeout(Duration::ZERO));
    drop(conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    drop(set_busy_handler(conn));
}

/// Makes the views anew where they are not those of this version; one process at a time.
fn refresh_views(conn: &mut Connection) -> rusqlite::Result<()> {
    if super::views::are_current(conn)? {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    super::views::create_all(&tx)?;
    tx.commit()
}

/// A store up to this size is looked over at each start, which takes a tenth of a second; a larger
/// one by the run that comes after one that was killed.
const QUICK_CHECK_LIMIT: u64 = 64 << 20;

/// Refuses a store whose pages do not fit together, before anything is added to it.
///
/// # Errors
/// If it is corrupted.
pub(super) fn check_small_store(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    if std::fs::metadata(path).map_or(0, |file| file.len()) > QUICK_CHECK_LIMIT {
        return Ok(());
    }
    quick_check(conn, path)
}

/// Looks whether the pages of a store fit together.
///
/// # Errors
/// If they do not.
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
/// If it is not there, cannot be opened, is not ours, or is newer.
pub fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    refuse_uri(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags).map_err(sqlite_error(path, "cannot be opened"))?;
    set_busy_handler(&mut conn).map_err(sqlite_error(path, "cannot be opened"))?;
    match migrations::check_schema(&conn, path) {
        Err(StoreError::Sqlite { source, .. }) if needs_recovery(&source) => {
            recover(path).map_err(sqlite_error(path, "cannot be recovered"))?;
            migrations::check_schema(&conn, path)?;
        }
        other => drop(other?),
    }
    conn.execute_batch(
        "PRAGMA trusted_schema=OFF; PRAGMA mmap_size=0; PRAGMA cache_size=-8192; PRAGMA temp_store=MEMORY;",
    )
    .map_err(sqlite_error(path, "cannot be opened"))?;
    Ok(conn)
}

/// Whether a writer was killed over a transaction that only a writer may take back.
fn needs_recovery(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ReadOnly)
}

/// Lets SQLite take back what a killed writer had begun; that is all that is written.
fn recover(path: &Path) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags)?;
    set_busy_handler(&mut conn)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

/// Opens the store for reading what this version keeps in it.
///
/// # Errors
/// As [`open_reader`], and if an older version wrote it.
pub fn open_current_schema(path: &Path) -> Result<Connection, StoreError> {
    let conn = open_reader(path)?;
    match (migrations::check_schema(&conn, path)?, migrations::CURRENT_SCHEMA) {
        (0, _) => Err(StoreError::Empty { path: path.to_path_buf() }),
        (found, known) if found < known => Err(StoreError::OlderSchema { path: path.to_path_buf(), found, known }),
        _ => Ok(conn),
    }
}

/// Who may read the file may enter its folder, whatever the umask.
fn create_folder(folder: &Path, access: FileAccess) -> std::io::Result<()> {
    if folder.is_dir() {
        return access.reapply_at(folder);
    }
    std::fs::create_dir_all(folder)?;
    access.apply_to_folder(&std::fs::File::open(folder)?)
}

/// The mode is set at creation, whatever the umask: analysts must be able to read the file, and
/// SQLite gives its `-wal` and `-shm` the mode of the file itself.
pub(super) fn create_file(path: &Path, access: FileAccess) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600 | access.mode).open(path) {
        Ok(file) => access.apply(&file),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => access.reapply_at(path),
        Err(e) => Err(e),
    }
    .map_err(|source| StoreError::Io { path: path.to_path_buf(), what: "cannot be created", source })
}

/// Gives what SQLite keeps beside a database to those who may read that.
pub(super) fn reapply_access(path: &Path, access: FileAccess) -> Result<(), StoreError> {
    for beside in ["-wal", "-shm"] {
        let mut path = path.to_path_buf();
        path.as_mut_os_string().push(beside);
        access.reapply_at(&path).map_err(|source| StoreError::Io {
            path: path.clone(),
            what: "cannot be given to those who may read it",
            source,
        })?;
    }
    Ok(())
}

/// SQLite would read `file:…?…` as an address with options.
fn refuse_uri(path: &Path) -> Result<(), StoreError> {
    if path.to_string_lossy().starts_with("file:") {
        let why = "its path begins with file:, which SQLite reads as an address".to_owned();
        return Err(StoreError::ForeignFile { path: path.to_path_buf(), why });
    }
    Ok(())
}

fn sqlite_error(path: &Path, what: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |source| StoreError::Sqlite { path: path.to_path_buf(), what, source }
}
