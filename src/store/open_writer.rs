//! Opening the store for writing: access, pragmas, schema and views.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::open::{
    BUSY_TIMEOUT, create_file, open_plain, quick_check, reapply_access, refuse_odd_path, set_busy_handler, sqlite_error,
};
use super::{FileAccess, StoreError, migrations, schema};

const SAFE_WAL: i32 = 3_051_003;

/// Number of prepared statements to keep; every upsert of every table fits.
const STATEMENT_CACHE_SIZE: usize = 160;

/// A store up to this size is checked at each start, which takes a tenth of a second. A larger one is checked
/// by the run that follows a killed run.
const QUICK_CHECK_LIMIT: u64 = 64 << 20;

/// Opens the store for writing, creates file and folder if needed, and brings its schema up to date.
///
/// # Errors
/// If it cannot be opened, is not a cratedigger store, or has a newer schema.
pub fn open_writer(path: &Path, access: FileAccess) -> Result<Connection, StoreError> {
    refuse_odd_path(path)?;
    assert!(rusqlite::version_number() >= SAFE_WAL, "the bundled SQLite has the WAL-reset bug");
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        create_folder(folder, access).map_err(|source| StoreError::Io {
            path: folder.to_path_buf(),
            what: "has no folder, and it cannot be created",
            source,
        })?;
    }
    create_file(path, access)?;
    let mut conn = open_plain(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    set_busy_handler(&mut conn).map_err(sqlite_error(path, "cannot be opened"))?;
    // Check before any pragma that writes: a file of another program must stay unchanged.
    schema::check_schema(&conn, path)?;
    enable_wal(&conn).map_err(sqlite_error(path, "cannot be opened"))?;
    conn.execute_batch(
        "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;
         PRAGMA mmap_size=0; PRAGMA cache_size=-16384; PRAGMA wal_autocheckpoint=4000; PRAGMA journal_size_limit=16777216;
         PRAGMA temp_store=MEMORY;",
    )
    .map_err(sqlite_error(path, "cannot be opened"))?;
    // By default the last connection to close a database removes its `-wal` and `-shm` files. Users who may
    // read the file but not write to its folder could then not open it, because SQLite would have to create
    // them. So they stay.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(sqlite_error(path, "cannot be opened"))?;
    // Without this, each binding of a range prepares the statement again, which costs more than running it.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(sqlite_error(path, "cannot be opened"))?;
    conn.set_prepared_statement_cache_capacity(STATEMENT_CACHE_SIZE);
    migrations::migrate(&mut conn, path)?;
    refresh_views(&mut conn).map_err(sqlite_error(path, "cannot be brought up to date"))?;
    reapply_access(path, access)?;
    Ok(conn)
}

/// Switches to WAL mode. When two processes convert a new file at the same time, each waits for the other's
/// lock, so SQLite refuses one of them instead of letting it wait. That one tries again.
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

/// Creates the views again if they are not those of this version; one process at a time.
fn refresh_views(conn: &mut Connection) -> rusqlite::Result<()> {
    if super::views::are_current(conn)? {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    super::views::create_all(&tx)?;
    tx.commit()
}

/// Refuses a corrupted store before anything is added to it.
///
/// # Errors
/// If it is corrupted.
pub(super) fn check_small_store(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    if std::fs::metadata(path).map_or(0, |file| file.len()) > QUICK_CHECK_LIMIT {
        return Ok(());
    }
    quick_check(conn, path)
}

/// Users who may read the file may enter its folder, whatever the umask.
fn create_folder(folder: &Path, access: FileAccess) -> std::io::Result<()> {
    if folder.is_dir() {
        return access.reapply_at(folder);
    }
    std::fs::create_dir_all(folder)?;
    access.apply_to_folder(&std::fs::File::open(folder)?)
}
