//! The moves that put restored files in their places, and their completion after a kill.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

/// All moves of a restore. Each can be repeated.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Moves {
    moves: Vec<(PathBuf, PathBuf)>,
    /// Files that do not fit to the restored ones.
    removed: Vec<PathBuf>,
    /// Folders in which files waited, in addition to the one with the list.
    staging: Vec<PathBuf>,
}

impl Moves {
    /// The file with the list of moves.
    pub(super) fn path(folder: &Path) -> PathBuf {
        folder.join("moves.json")
    }

    pub(super) fn add(&mut self, from: PathBuf, to: PathBuf) {
        if from.exists() {
            self.moves.push((absolute(from), absolute(to)));
        }
    }

    pub(super) fn remove(&mut self, path: PathBuf) {
        self.removed.push(absolute(path));
    }

    pub(super) fn add_staging(&mut self, folder: PathBuf) {
        self.staging.push(absolute(folder));
    }

    /// Writes the list. From here on, the moves are finished in any case.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.as_file().sync_all()?;
        file.persist(Moves::path(folder)).map_err(|e| e.error)?;
        File::open(folder)?.sync_all()
    }

    /// Makes the moves that are left, and removes the list.
    pub(super) fn finish(folder: &Path) -> io::Result<()> {
        let path = Moves::path(folder);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
        };
        // Two commands may start after a kill.
        rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
        if !path.exists() {
            return Ok(());
        }
        let list: Moves = serde_json::from_slice(&fs::read(&path)?)?;
        for gone in &list.removed {
            remove(gone)?;
        }
        for (from, to) in &list.moves {
            put(from, to)?;
        }
        fs::remove_file(&path)?;
        for folder in list.staging.iter().map(PathBuf::as_path).chain([folder]) {
            drop(fs::remove_dir_all(folder));
        }
        Ok(())
    }
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// Moves a file or folder to its place, over what is there.
fn put(from: &Path, to: &Path) -> io::Result<()> {
    if from.symlink_metadata().is_err() {
        return Ok(());
    }
    if to.is_dir() {
        let old = from.with_file_name(format!("{}.old", from.file_name().unwrap_or_default().to_string_lossy()));
        remove(&old)?;
        fs::rename(to, &old)?;
    }
    // SQLite would apply the changes of the old database to the new one.
    for suffix in ["-wal", "-shm", "-journal"] {
        let mut beside = to.as_os_str().to_owned();
        beside.push(suffix);
        remove(Path::new(&beside))?;
    }
    fs::rename(from, to)?;
    File::open(to.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
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
            write("store.db", "old");
            write("store.db-wal", "old");
            write("place", "old");
            write("staging/jobs/new.toml", "new");
            write("staging/store.db", "new");
            let mut list = Moves::default();
            list.add(at("staging/jobs"), at("jobs"));
            list.add(at("staging/store.db"), at("store.db"));
            list.add(at("staging/missing"), at("missing"));
            list.remove(at("place"));
            list.write(&at("staging")).unwrap();
            match done {
                3 => fs::rename(at("jobs"), at("staging/jobs.old")).unwrap(),
                _ => list.moves.iter().take(done).for_each(|(from, to)| put(from, to).unwrap()),
            }
            Moves::finish(&at("staging")).unwrap();
            assert_eq!(fs::read_to_string(at("jobs/new.toml")).unwrap(), "new", "{done}");
            assert_eq!(fs::read_to_string(at("store.db")).unwrap(), "new", "{done}");
            for gone in ["jobs/old.toml", "store.db-wal", "place", "staging", "missing"] {
                assert!(!at(gone).exists(), "{done}: {gone}");
            }
        }
    }
}
