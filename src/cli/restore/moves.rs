//! The moves that put restored files in their places, and their completion after a kill.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::leftovers;
use super::places::folder_of;
use super::waiting::{LIST, WaitingFolder};
use crate::cli::backup::archive::{ENV_FILE, PROJECT_PARTS, is_state_file};
use crate::input_file::{self, InputFileError};

/// A longer list was not written by this program.
const MAX_LIST_BYTES: u64 = 16 * 1024 * 1024;

/// The inner folders in which the parts wait.
pub(super) const PROJECT: &str = "project";
pub(super) const STORE: &str = "store";
pub(super) const STATE: &str = "state";

/// The grants, which do not fit to the restored state if they are those of another project.
const GRANTS: &str = "grants.db";
/// The mark of a state folder, which belongs to its old grants.
const COPY_MARK: &str = "place";

/// All moves of a restore. Each can be repeated. The list names only what waits below the project folder, below the folder of
/// the store and below the state folder, and each of these things has one place: next to the folder in which it waits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MoveList {
    /// The id that all folders of this restore contain.
    pub(super) id: String,
    /// The path of the store, absolute.
    pub(super) database: PathBuf,
    /// The state folder, absolute.
    pub(super) state: PathBuf,
    pub(super) state_files: Vec<String>,
    /// Whether the archive contains grants. Others are deleted.
    pub(super) has_grants: bool,
}

impl MoveList {
    /// Writes the list. From here on, the moves are finished in any case.
    pub(super) fn write(&self, waiting: &WaitingFolder) -> anyhow::Result<()> {
        waiting.write(LIST, &serde_json::to_vec(self)?).context("failed to write the list of moves")
    }

    /// Refuses paths and names that no restore writes.
    fn check(&self) -> anyhow::Result<()> {
        let is_plain = |path: &Path| {
            path.is_absolute()
                && path.file_name().is_some()
                && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
        };
        if !is_plain(&self.database) || !is_plain(&self.state) {
            bail!("its paths are not absolute");
        }
        match self.state_files.iter().find(|name| !is_state_file(name)) {
            Some(name) => bail!("{name:?} does not belong in a state folder"),
            None => Ok(()),
        }
    }
}

/// Whether moves are left in a project.
pub(super) fn are_left(root: &Path) -> anyhow::Result<bool> {
    Ok(WaitingFolder::open(root)?.is_some_and(|waiting| waiting.has(LIST)))
}

/// The part of a restore that was left when it was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeftRestore {
    /// Its moves, which are finished.
    Moves,
    /// Files that it had unpacked before it changed anything, which are deleted.
    Files,
}

/// Makes the moves that are left, and removes the list; or deletes the files of a restore that has no list. Calls `says`
/// before the first move, or after the files are deleted.
///
/// # Errors
/// If anything is not as this program left it; then nothing is moved. Or if a move fails.
pub(super) fn finish(root: &Path, says: impl FnOnce(LeftRestore)) -> anyhow::Result<()> {
    let Some(waiting) = WaitingFolder::open(root)? else { return Ok(()) };
    let Some(file) = waiting.file(LIST)? else {
        if leftovers::remove(root, &waiting)? {
            says(LeftRestore::Files);
        }
        return Ok(());
    };
    // Two commands may start after a kill.
    rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
    if !waiting.still_has(LIST, &file) {
        return Ok(());
    }
    let path = waiting.path().join(LIST);
    let odd = || format!("{} is not a list of moves that this version writes", path.display());
    let bytes = input_file::read_limited(&file, MAX_LIST_BYTES).map_err(InputFileError::into_io).with_context(odd)?;
    let list: MoveList = serde_json::from_slice(&bytes).with_context(odd)?;
    list.check().with_context(odd)?;
    let prepared = |parent: &Path| -> anyhow::Result<WaitingFolder> {
        match WaitingFolder::open(parent)? {
            Some(waiting) if waiting.belongs_to(&list.id)? => Ok(waiting),
            _ => bail!("{} names {}, where nothing waits for it", path.display(), parent.display()),
        }
    };
    if !waiting.belongs_to(&list.id)? {
        bail!("{} belongs to another restore", path.display());
    }
    let at_database = prepared(folder_of(&list.database))?;
    let at_state = prepared(&list.state)?;
    says(LeftRestore::Moves);

    if !list.has_grants {
        at_state.remove_beside(OsStr::new(GRANTS))?;
    }
    at_state.remove_beside(OsStr::new(COPY_MARK))?;
    for part in PROJECT_PARTS.into_iter().chain([ENV_FILE]) {
        let part = OsStr::new(part);
        waiting.put(PROJECT, part, part).with_context(|| failed(&root.join(part)))?;
    }
    for (name, target) in [("store.db", list.database.clone()), ("raw.db", list.database.with_extension("raw.db"))] {
        put_database(&at_database, STORE, name, &target)?;
    }
    for name in &list.state_files {
        put_database(&at_state, STATE, name, &list.state.join(name))?;
    }
    waiting.remove_file(LIST)?;
    for folder in [&at_database, &at_state, &waiting] {
        // A folder that stays is deleted by the next command. One may be two of these.
        drop(folder.remove());
    }
    Ok(())
}

/// Moves a database, or another file, to its place.
fn put_database(waiting: &WaitingFolder, inside: &str, name: &str, target: &Path) -> anyhow::Result<()> {
    let name = OsStr::new(name);
    let Some(file_name) = target.file_name().filter(|_| waiting.waits(inside, name)) else { return Ok(()) };
    // SQLite would apply the changes of the old database to the new one.
    for suffix in ["-wal", "-shm", "-journal"] {
        let mut beside = file_name.to_owned();
        beside.push(suffix);
        waiting.remove_beside(&beside).with_context(|| failed(target))?;
    }
    waiting.put(inside, name, file_name).with_context(|| failed(target))
}

fn failed(target: &Path) -> String {
    format!("failed to write {}", target.display())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn killed_moves_are_finished() {
        // Killed before any move, after each of them, and while an old folder is out of the way.
        for done in 0..4 {
            let root = tempfile::tempdir().unwrap();
            let at = |name: &str| root.path().join(name);
            let write = |name: &str, text: &str| {
                fs::create_dir_all(at(name).parent().unwrap()).unwrap();
                fs::write(at(name), text).unwrap();
            };
            write("jobs/old.toml", "old");
            write("output/store.db", "old");
            write("output/store.db-wal", "old");
            write("state/place", "old");
            write("state/grants.db", "old");
            let folders =
                ["", "output", "state"].map(|parent| WaitingFolder::create(&at(parent), "an id", root.path()).unwrap());
            write(".cratedigger-restore/project/jobs/new.toml", "new");
            write("output/.cratedigger-restore/store/store.db", "new");
            write("state/.cratedigger-restore/state/state.db", "new");
            let list = MoveList {
                id: "an id".to_owned(),
                database: at("output/store.db"),
                state: at("state"),
                state_files: vec!["state.db".to_owned(), "id".to_owned()],
                has_grants: false,
            };
            list.write(&folders[0]).unwrap();
            match done {
                0 => {}
                1 => fs::rename(at("jobs"), at(".cratedigger-restore/project/jobs.old")).unwrap(),
                2 => folders[0].put(PROJECT, OsStr::new("jobs"), OsStr::new("jobs")).unwrap(),
                _ => put_database(&folders[1], STORE, "store.db", &list.database).unwrap(),
            }
            let mut begun = false;
            finish(root.path(), |left| begun = left == LeftRestore::Moves).unwrap();
            assert!(begun);
            for name in ["jobs/new.toml", "output/store.db", "state/state.db"] {
                assert_eq!(fs::read_to_string(at(name)).unwrap(), "new", "{done}: {name}");
            }
            for gone in [
                "jobs/old.toml",
                "output/store.db-wal",
                "state/place",
                "state/grants.db",
                ".cratedigger-restore",
                "output/.cratedigger-restore",
                "state/.cratedigger-restore",
            ] {
                assert!(!at(gone).exists(), "{done}: {gone}");
            }
        }
    }
}
