//! A copy of the store as it is at one moment, while others read and write it.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use super::{StoreError, migrations, open_reader};

/// Copies the store into a new file, which appears under its name when it is whole and on disk.
/// Returns its size.
///
/// `VACUUM INTO` reads one state of the store, whatever is written meanwhile, and makes a file without
/// a WAL and without holes: a copy that any program opens by itself.
///
/// # Errors
/// If the store cannot be read, the file is there already or cannot be written; then nothing stays.
pub fn backup(store: &Path, copy: &Path, mode: u32) -> Result<u64, StoreError> {
    let io = |what: &'static str| move |source| StoreError::Io { path: copy.to_path_buf(), what, source };
    let taken = || std::io::Error::new(ErrorKind::AlreadyExists, "a file of this name is there already");
    if copy.symlink_metadata().is_ok() {
        return Err(io("was not copied there")(taken()));
    }
    let conn = open_reader(store)?;
    if migrations::check(&conn, store)? == 0 {
        let why = "nothing has been written to it yet".to_owned();
        return Err(StoreError::NotOurs { path: store.to_path_buf(), why });
    }
    let folder = copy.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Beside the copy, so that it gets its name by a link within one file system.
    let draft = tempfile::Builder::new().prefix(".cratedigger-").suffix(".tmp").tempdir_in(folder);
    let draft = draft.map_err(io("cannot be written"))?;
    let inside = draft.path().join("copy.db");
    std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&inside)
        .and_then(|file| file.set_permissions(std::fs::Permissions::from_mode(mode)))
        .map_err(io("cannot be written"))?;
    let sql = |source| StoreError::Sqlite { path: copy.to_path_buf(), what: "cannot be written as a copy", source };
    conn.execute("VACUUM INTO ?1", [inside.to_string_lossy()]).map_err(sql)?;
    let file = File::open(&inside).map_err(io("cannot be written"))?;
    file.sync_all().map_err(io("cannot be written"))?;
    let size = file.metadata().map_err(io("cannot be written"))?.len();
    // Never in place of what came there meanwhile; not every file system can promise that.
    let done = match rustix::fs::renameat_with(CWD, &inside, CWD, copy, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) if copy.symlink_metadata().is_err() => std::fs::rename(&inside, copy),
        Err(Errno::INVAL | Errno::NOSYS | Errno::EXIST) => Err(taken()),
        other => other.map_err(Into::into),
    };
    done.map_err(io("was not copied there"))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("cannot be written"))?;
    Ok(size)
}
