//! Folders and files that only their owner can read, from the first byte.
//!
//! The mode is given when a file is created and set again at once, so neither a wide nor a narrow umask
//! matters. Existing files are checked as ssh checks its keys: owned by us, plain, and closed to group and
//! others. Others are refused and not repaired, because another user may already have read them. SQLite
//! gives its `-wal` and `-shm` files the mode of the database.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::state::error::StateError;
use crate::{hex, random};

/// How long another start may take to create or migrate the database.
const OPENING_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes sure that the folder exists and is private.
pub(in crate::state) fn ensure_folder(path: &Path) -> Result<(), StateError> {
    if !path.exists() {
        if let Some(parent) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(parent)
                .map_err(StateError::io("create the folder", parent))?;
        }
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => fs::set_permissions(path, Permissions::from_mode(0o700))
                .map_err(StateError::io("set the mode of", path))?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(StateError::io("create the folder", path)(error)),
        }
    }
    // The folder itself may be reached through a link (systemd makes /var/lib/NAME one).
    let found = fs::metadata(path).map_err(StateError::io("inspect", path))?;
    if !found.is_dir() {
        return Err(StateError::NotPlain { path: path.to_owned(), expected: "folder" });
    }
    check_private(path, &found, 0o700)
}

/// Creates the file (0600) if it is missing; checks it if it is not.
pub(in crate::state) fn ensure_file(path: &Path) -> Result<(), StateError> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match created {
        Ok(file) => {
            file.set_permissions(Permissions::from_mode(0o600)).map_err(StateError::io("set the mode of", path))
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => check_file(path),
        Err(error) => Err(StateError::io("create", path)(error)),
    }
}

/// Checks a file that is there; one that is not is fine.
pub(in crate::state) fn check_file(path: &Path) -> Result<(), StateError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => check_private(path, &found, 0o600),
        Ok(_) => Err(StateError::NotPlain { path: path.to_owned(), expected: "file" }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StateError::io("inspect", path)(error)),
    }
}

pub(in crate::state) fn check_private(path: &Path, found: &fs::Metadata, wanted: u32) -> Result<(), StateError> {
    let me = rustix::process::geteuid().as_raw();
    if found.uid() != me {
        return Err(StateError::NotOurs { path: path.to_owned(), owner: found.uid(), me });
    }
    let mode = found.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(StateError::TooOpen { path: path.to_owned(), mode, wanted });
    }
    Ok(())
}

/// Refuses a database that was emptied: it would say that no call was sent, or that no user is signed in.
/// The witness is a file that is made after the database has its tables, so where it is, they were.
pub(in crate::state) fn refuse_emptied(database: &Path, witness: &Path) -> Result<(), StateError> {
    let Ok(found) = fs::metadata(database) else { return Ok(()) };
    let waiting = fs::metadata(database.with_extension("db-wal")).is_ok_and(|it| it.len() > 0);
    if found.len() > 0 || waiting || !witness.exists() {
        return Ok(());
    }
    Err(StateError::Damaged { path: database.to_owned(), detail: "it is empty".into() })
}

/// Lets one process at a time create and migrate; held until dropped.
pub(in crate::state) fn lock_for_opening(folder: &Path) -> Result<File, StateError> {
    let handle = File::open(folder).map_err(StateError::io("open", folder))?;
    let started = Instant::now();
    loop {
        match handle.try_lock() {
            Ok(()) => return Ok(handle),
            Err(fs::TryLockError::WouldBlock) if started.elapsed() < OPENING_TIMEOUT => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(fs::TryLockError::WouldBlock) => {
                return Err(StateError::Busy { path: folder.to_owned() });
            }
            Err(fs::TryLockError::Error(error)) => {
                return Err(StateError::io("lock", folder)(error));
            }
        }
    }
}

/// Reads the random name of this folder, or gives it one.
pub(in crate::state) fn state_id(path: &Path) -> Result<String, StateError> {
    check_file(path)?;
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(StateError::io("read", path)(error)),
    }
    let bytes: [u8; 16] = random::random_bytes().map_err(StateError::io("draw random bytes for", path))?;
    let id = hex::prefix(&bytes, 16);
    write_atomically(path, |file| writeln!(file, "{id}"))?;
    Ok(id)
}

/// Writes a file (0600) that is there with all of its bytes, on disk, or not at all.
pub(in crate::state) fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut tempfile::NamedTempFile) -> std::io::Result<()>,
) -> Result<(), StateError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".new-")
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(folder)
        .map_err(StateError::io("create a file in", folder))?;
    write(&mut file)
        .and_then(|()| file.as_file().set_permissions(Permissions::from_mode(0o600)))
        .and_then(|()| file.as_file().sync_all())
        .map_err(StateError::io("write", path))?;
    file.persist(path).map_err(|error| StateError::io("write", path)(error.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(StateError::io("sync", folder))
}
