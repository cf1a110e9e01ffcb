//! Tells a copy of a state folder from the folder itself.
//!
//! Two folders with the same grants would refresh them independently of each other: a server that rotates
//! refresh tokens then takes one of them for a thief and ends the grant of both. So the folder keeps the
//! identity of one of its files, which no copy shares: its number in the file system and the time at which
//! it was made. Names do not count: a folder may be moved, mounted elsewhere, and containers change
//! their host's name. A copy of a whole disk cannot be told.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::error::StateError;
use super::{filesystem, private};

/// The file with the identity.
const FILE: &str = "place";

/// What stands in it where nothing tells a copy.
const ANYWHERE: &str = "-";

/// The file, which is there once grants are.
pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Notes where these grants lie.
pub(super) fn note(folder: &Path, witness: &Path) -> Result<(), StateError> {
    let here = identity(folder, witness)?.unwrap_or_else(|| ANYWHERE.to_owned());
    private::written_whole(&file(folder), |file| writeln!(file, "{here}"))
}

/// Refuses a folder that was copied; notes the place of one that has none yet.
pub(super) fn check(folder: &Path, witness: &Path) -> Result<(), StateError> {
    let Some(here) = identity(folder, witness)? else { return Ok(()) };
    let file = file(folder);
    private::existing_file(&file)?;
    match fs::read_to_string(&file) {
        Ok(text) if text.trim() == here => Ok(()),
        Ok(text) if ["", ANYWHERE].contains(&text.trim()) => note(folder, witness),
        Ok(_) => Err(StateError::Copied { path: folder.to_owned() }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => note(folder, witness),
        Err(error) => Err(StateError::io("read", &file)(error)),
    }
}

/// What no copy of the file shares; `None` where file systems number files anew at each mount.
fn identity(folder: &Path, witness: &Path) -> Result<Option<String>, StateError> {
    if !filesystem::numbers_last(folder)? {
        return Ok(None);
    }
    let found = fs::metadata(witness).map_err(StateError::io("look at", witness))?;
    let born = found.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map_or(0, |at| at.as_nanos());
    Ok(Some(format!("{} {born}", found.ino())))
}
