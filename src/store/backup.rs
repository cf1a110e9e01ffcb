//! Copies the store at one moment, while other programs read and write it.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{CWD, FlockOperation, RenameFlags};
use rustix::io::Errno;

use super::{FileAccess, StoreError, open_reader, schema};

/// Copies the store into a new file and returns its size. The file gets its name when it is complete and on
/// disk.
///
/// `VACUUM INTO` reads one state of the store, whatever is written in the meantime. The copy has no WAL and no
/// unused pages, so any program can open it.
///
/// # Errors
/// If the store cannot be read, or the file exists or cannot be written. In that case no file is left behind.
pub fn backup(store: &Path, copy: &Path, access: FileAccess) -> Result<u64, StoreError> {
    let io = |what: &'static str| move |source| StoreError::Backup { path: copy.to_path_buf(), what, source };
    let taken = || std::io::Error::new(ErrorKind::AlreadyExists, "a file with this name already exists");
    if copy.to_string_lossy().starts_with("file:") {
        // `output.database` and other programs would not take it for a file name.
        let why = std::io::Error::new(ErrorKind::InvalidInput, "SQLite reads a name that starts with file: as a URI");
        return Err(io("was not created")(why));
    }
    if copy.symlink_metadata().is_ok() {
        return Err(io("was not created")(taken()));
    }
    let conn = open_reader(store)?;
    if schema::check_schema(&conn, store)? == 0 {
        return Err(StoreError::Empty { path: store.to_path_buf() });
    }
    let folder = copy.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    remove_abandoned_drafts(folder);
    let (draft, _alive) = create_draft(folder).map_err(io("cannot be written"))?;
    let inside = draft.path().join("copy.db");
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600 | access.mode)
        .open(&inside)
        .and_then(|file| access.apply(&file))
        .map_err(io("cannot be written"))?;
    conn.execute("VACUUM INTO ?1", [inside.to_string_lossy()]).map_err(|e| copy_error(store, copy, e))?;
    let file = File::open(&inside).map_err(io("cannot be written"))?;
    file.sync_all().map_err(io("cannot be written"))?;
    let size = file.metadata().map_err(io("cannot be written"))?.len();
    // Never replace a file that was created in the meantime. Not every file system supports this.
    let done = match rustix::fs::renameat_with(CWD, &inside, CWD, copy, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) if copy.symlink_metadata().is_err() => std::fs::rename(&inside, copy),
        Err(Errno::INVAL | Errno::NOSYS | Errno::EXIST) => Err(taken()),
        other => other.map_err(Into::into),
    };
    done.map_err(io("was not created"))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("cannot be written"))?;
    Ok(size)
}

/// Writes a consistent copy of any SQLite database to a new file in a private folder.
///
/// # Errors
/// If the database cannot be read, or the copy cannot be written.
pub fn copy_database(database: &Path, copy: &Path) -> Result<(), StoreError> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let read = |source| StoreError::Sqlite { path: database.to_path_buf(), what: "cannot be read", source };
    let conn = rusqlite::Connection::open_with_flags(database, flags).map_err(read)?;
    conn.busy_timeout(std::time::Duration::from_secs(10)).map_err(read)?;
    conn.execute("VACUUM INTO ?1", [copy.to_string_lossy()]).map_err(|e| copy_error(database, copy, e))?;
    Ok(())
}

/// Tells errors of the store (read) from errors of the copy (written).
fn copy_error(store: &Path, copy: &Path, source: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{CannotOpen, DiskFull, PermissionDenied, ReadOnly, SystemIoFailure};
    let kind = match source.sqlite_error_code() {
        Some(DiskFull) => ErrorKind::StorageFull,
        Some(CannotOpen | PermissionDenied | ReadOnly | SystemIoFailure) => ErrorKind::Other,
        _ => return StoreError::Sqlite { path: store.to_path_buf(), what: "cannot be read", source },
    };
    let source = std::io::Error::new(kind, source);
    StoreError::Backup { path: copy.to_path_buf(), what: "cannot be written", source }
}

/// Prefix of the draft folders.
const DRAFT_PREFIX: &str = ".cratedigger-backup-";

/// Creates a folder for the copy and its SQLite journal, next to the copy so that a rename stays within one
/// file system. The returned file holds a lock that shows that its creator is alive.
pub fn create_draft(folder: &Path) -> std::io::Result<(tempfile::TempDir, File)> {
    loop {
        let draft = tempfile::Builder::new().prefix(DRAFT_PREFIX).tempdir_in(folder)?;
        let alive = File::open(draft.path())?;
        rustix::fs::flock(&alive, FlockOperation::LockExclusive)?;
        // Another backup may have removed it before it was locked.
        if draft.path().exists() {
            return Ok((draft, alive));
        }
    }
}

/// Removes drafts of backups that were killed, which are those without a lock.
pub fn remove_abandoned_drafts(folder: &Path) {
    // A draft that cannot be removed does no harm; the next backup tries again.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_draft = entry.file_name().to_str().is_some_and(|name| name.starts_with(DRAFT_PREFIX));
        if !is_draft || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let Ok(dead) = File::open(entry.path()) else { continue };
        // Hold the lock until the draft is removed, so that a backup which has just created it waits and
        // creates another.
        if rustix::fs::flock(&dead, FlockOperation::NonBlockingLockExclusive).is_ok() {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}
