//! Tells a copy of a state folder from the original.
//!
//! Two folders with the same grants would refresh them independently. A server that rotates refresh tokens
//! then takes one of them for a thief and ends the grant of both. The folder therefore stores the identity
//! of one of its files, which no copy shares: its inode number and the time at which it was created. Names
//! do not count: a folder may be moved or mounted elsewhere, and containers change their host name. A copy
//! of a whole disk is not noticed.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::state::error::StateError;
use crate::state::folder::file_system as filesystem;
use crate::state::folder::private_files as private;

/// The file with the identity.
const IDENTITY_FILE: &str = "place";

/// The content of that file if a copy cannot be recognised.
const UNKNOWN_IDENTITY: &str = "-";

/// The file, which is there once grants are.
pub(in crate::state) fn identity_file(folder: &Path) -> PathBuf {
    folder.join(IDENTITY_FILE)
}

/// Records the identity of this folder.
pub(in crate::state) fn record_identity(folder: &Path, witness: &Path) -> Result<(), StateError> {
    let here = file_identity(folder, witness)?.unwrap_or_else(|| UNKNOWN_IDENTITY.to_owned());
    private::write_atomically(&identity_file(folder), |file| writeln!(file, "{here}"))
}

/// Refuses a folder that was copied. Records the identity of a folder that has none yet.
pub(in crate::state) fn refuse_copy(folder: &Path, witness: &Path) -> Result<(), StateError> {
    let Some(here) = file_identity(folder, witness)? else { return Ok(()) };
    let file = identity_file(folder);
    private::check_file(&file)?;
    match fs::read_to_string(&file) {
        Ok(text) if text.trim() == here => Ok(()),
        Ok(text) if ["", UNKNOWN_IDENTITY].contains(&text.trim()) => record_identity(folder, witness),
        Ok(_) => Err(StateError::Copied { path: folder.to_owned() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => record_identity(folder, witness),
        Err(error) => Err(StateError::io("read", &file)(error)),
    }
}

/// What no copy of the file shares, or `None` if the file system assigns new inode numbers at each mount.
fn file_identity(folder: &Path, witness: &Path) -> Result<Option<String>, StateError> {
    if !filesystem::has_stable_inodes(folder)? {
        return Ok(None);
    }
    let found = fs::metadata(witness).map_err(StateError::io("inspect", witness))?;
    let born = found.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map_or(0, |at| at.as_nanos());
    Ok(Some(format!("{} {born}", found.ino())))
}
