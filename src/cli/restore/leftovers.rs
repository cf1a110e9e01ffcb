//! Files of a restore that was killed before its list of moves existed. It has changed nothing, so they are deleted.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::waiting::{LIST, WaitingFolder};
use crate::input_file::{self, InputFileError};

/// The file in the project's folder that names the other folders next to which files wait, each after a zero byte.
const PARENTS: &str = "parents";
const MAX_PARENTS_BYTES: u64 = 64 * 1024;

/// Records where else files are going to wait.
pub(super) fn record_parents(waiting: &WaitingFolder, parents: [&Path; 2]) -> std::io::Result<()> {
    let mut text = Vec::new();
    for parent in parents {
        text.push(0);
        text.extend_from_slice(std::path::absolute(parent)?.as_os_str().as_bytes());
    }
    waiting.write(PARENTS, &text)
}

fn parents(waiting: &WaitingFolder) -> anyhow::Result<Vec<PathBuf>> {
    let Some(file) = waiting.file(PARENTS)? else { return Ok(Vec::new()) };
    let bytes = input_file::read_limited(&file, MAX_PARENTS_BYTES).map_err(InputFileError::into_io)?;
    let paths = bytes.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    Ok(paths.map(|path| PathBuf::from(OsString::from_vec(path.to_vec()))).collect())
}

/// Whether a project contains such files, and no restore is running that needs them.
pub(super) fn are_left(root: &Path) -> anyhow::Result<bool> {
    let Some(waiting) = WaitingFolder::open(root)? else { return Ok(false) };
    can_go(&waiting, root)
}

/// Takes the lock of a folder, if its files may be deleted.
fn can_go(waiting: &WaitingFolder, root: &Path) -> anyhow::Result<bool> {
    Ok(waiting.try_lock() && !waiting.has(LIST) && waiting.other_project(root)?.is_none())
}

/// Deletes such files. Returns whether there were any.
///
/// # Errors
/// If anything is not as this program left it, or a file cannot be deleted.
pub(super) fn remove(root: &Path, waiting: &WaitingFolder) -> anyhow::Result<bool> {
    if !can_go(waiting, root)? {
        return Ok(false);
    }
    for parent in parents(waiting)? {
        // A folder that is not private to this user, or belongs to another restore, was not left by this one.
        let other = WaitingFolder::open(&parent).ok().flatten();
        if let Some(other) = other
            && waiting.prepared(&other)
            && other.try_lock()
        {
            other.remove().with_context(|| format!("failed to delete {}", other.path().display()))?;
        }
    }
    waiting.remove().with_context(|| format!("failed to delete {}", waiting.path().display()))?;
    Ok(true)
}
