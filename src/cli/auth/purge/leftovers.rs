//! Finds the files that still mention a deleted user: copies, results of queries, job files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::searched_words::{SearchedWords, is_apart};
use crate::store::PurgedUser;

/// No file of a job is in a deeper folder.
const MAX_DEPTH: usize = 12;

/// What a file still has, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mention {
    /// An id or a name of the user.
    User,
    /// The id of a deleted playlist.
    Playlist,
    /// The title of a deleted playlist, which may also be the title of something else.
    Title,
    /// It is compressed or encrypted in a way that cannot be searched.
    Unreadable,
}

/// The files in these folders that mention a user or a playlist of the user, by their names or in their bytes, without the
/// databases in `own`. Links are not followed.
pub(super) fn files_that_mention(
    user: &PurgedUser,
    folders: &[PathBuf],
    own: &[PathBuf],
) -> BTreeMap<PathBuf, Mention> {
    let mut files = BTreeSet::new();
    folders.iter().for_each(|folder| collect_files(folder, MAX_DEPTH, &mut files));
    let of_store = |path: &PathBuf| {
        own.iter().any(|database| {
            let name = path.as_os_str().as_encoded_bytes().strip_prefix(database.as_os_str().as_encoded_bytes());
            name.is_some_and(|rest| [&b""[..], b"-wal", b"-shm"].contains(&rest))
        })
    };
    files.retain(|path| !of_store(path));
    let words = SearchedWords::of(user);
    let in_name = |path: &Path| {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let has_id = words.ids.iter().any(|id| is_apart(name, id, |byte| !byte.is_ascii_alphanumeric()));
        let has_playlist = || words.has_playlist(name).then_some(Mention::Playlist);
        if has_id { Some(Mention::User) } else { has_playlist() }
    };
    let found = |path: PathBuf| {
        let mention = [in_name(&path), words.find_in(&path)].into_iter().flatten().min()?;
        Some((path, mention))
    };
    files.into_iter().filter_map(found).collect()
}

fn collect_files(folder: &Path, depth: usize, files: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => collect_files(&entry.path(), depth - 1, files),
            Ok(kind) if kind.is_file() => drop(files.insert(entry.path())),
            _ => {}
        }
    }
}
