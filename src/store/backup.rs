//! A copy of the store as it is at one moment, while others read and write it.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{CWD, FlockOperation, RenameFlags};
use rustix::io::Errno;

use super::{FileAccess, StoreError, migrations, open_reader};

/// Copies the store into a new file, which appears under its name when it is whole and on disk.
/// Returns its size.
///
/// `VACUUM INTO` reads one state of the store, whatever is written meanwhile, and makes a file without
/// a WAL and without holes: a copy that any program opens by itself.
///
/// # Errors
/// If the store cannot be read, the file is there already or cannot be written; then nothing stays.
pub fn backup(store: &Path, copy: &Path, access: FileAccess) -> Result<u64, StoreError> {
    let io = |what: &'static str| move |source| StoreError::Backup { path: copy.to_path_buf(), what, source };
    let taken = || std::io::Error::new(ErrorKind::AlreadyExists, "a file of this name is there already");
    if copy.to_string_lossy().starts_with("file:") {
        // Neither `output.database` nor other programs would take it for the name of a file.
        let why = std::io::Error::new(
            ErrorKind::InvalidInput,
            "a name that begins with file: is read as an address by SQLite",
        );
        return Err(io("was not made")(why));
    }
    if copy.symlink_metadata().is_ok() {
        return Err(io("was not made")(taken()));
    }
    let conn = open_reader(store)?;
    if migrations::check_schema(&conn, store)? == 0 {
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
    // Never in place of what came there meanwhile; not every file system can promise that.
    let done = match rustix::fs::renameat_with(CWD, &inside, CWD, copy, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) if copy.symlink_metadata().is_err() => std::fs::rename(&inside, copy),
        Err(Errno::INVAL | Errno::NOSYS | Errno::EXIST) => Err(taken()),
        other => other.map_err(Into::into),
    };
    done.map_err(io("was not made"))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("cannot be written"))?;
    Ok(size)
}

/// Whose the trouble is: the store's, which is read, or the copy's, which is written.
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

/// What folders of drafts are called.
const DRAFT_PREFIX: &str = ".cratedigger-backup-";

/// A folder for the copy and SQLite's journal of it, beside the copy, so that it gets its name within
/// one file system; and the lock that says that its maker is alive.
fn create_draft(folder: &Path) -> std::io::Result<(tempfile::TempDir, File)> {
    loop {
        let draft = tempfile::Builder::new().prefix(DRAFT_PREFIX).tempdir_in(folder)?;
        let alive = File::open(draft.path())?;
        rustix::fs::flock(&alive, FlockOperation::LockExclusive)?;
        // Another backup may have swept it before it was locked.
        if draft.path().exists() {
            return Ok((draft, alive));
        }
    }
}

/// Removes what backups left that were killed: drafts that nobody holds a lock on.
fn remove_abandoned_drafts(folder: &Path) {
    // What cannot be removed now is no harm to this copy, and the next one tries again.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_draft = entry.file_name().to_str().is_some_and(|name| name.starts_with(DRAFT_PREFIX));
        if !is_draft || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let Ok(dead) = File::open(entry.path()) else { continue };
        // Held until it is gone, so that whoever has just made one waits and makes another.
        if rustix::fs::flock(&dead, FlockOperation::NonBlockingLockExclusive).is_ok() {
            drop(std::fs::remove_dir_all(entry.path()));
        }
    }
}
