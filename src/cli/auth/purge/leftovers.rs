//! Finds the files that still mention a deleted user: copies, results of queries, job files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};

use crate::export::compressed_texts_match;
use crate::store::PurgedUser;
use crate::store::purge::written_forms;

/// No file of a job is in a deeper folder.
const MAX_DEPTH: usize = 12;

/// How much of a file is searched at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Ids that are shorter occur in a binary file by chance.
const SHORTEST_BINARY_MARK: usize = 6;

/// The files in these folders that mention a user, without the databases in `own`. Links are not followed.
pub(super) fn files_that_mention(user: &PurgedUser, folders: &[PathBuf], own: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    folders.iter().for_each(|folder| collect_files(folder, MAX_DEPTH, &mut files));
    let of_store = |path: &PathBuf| {
        own.iter().any(|database| {
            let name = path.as_os_str().as_encoded_bytes().strip_prefix(database.as_os_str().as_encoded_bytes());
            name.is_some_and(|rest| [&b""[..], b"-wal", b"-shm"].contains(&rest))
        })
    };
    files.retain(|path| !of_store(path) && mentions(path, user));
    files
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

/// Whether a file contains an id of the user, or a name as a whole cell or string.
fn mentions(path: &Path, user: &PurgedUser) -> bool {
    let Ok(mut file) = File::open(path) else { return false };
    let names: BTreeSet<String> = user.names().flat_map(written_forms).collect();
    let contains = |chunk: &[u8], is_binary: bool| {
        let has_id = |id: &str| match is_binary {
            true => id.len() >= SHORTEST_BINARY_MARK && positions(chunk, id).next().is_some(),
            false => is_apart(chunk, id, |byte| !byte.is_ascii_alphanumeric()),
        };
        let has_name = |name: &String| !is_binary && is_apart(chunk, name, |byte| b",;\t|\"'<>\r\n ".contains(&byte));
        user.ids().any(has_id) || names.iter().any(has_name)
    };
    let is_in_texts = file.try_clone().is_ok_and(|file| {
        // A file that only has the ending of such a format is searched as it is.
        compressed_texts_match(path, file, |texts| Ok(contains(texts, false)))
            .is_some_and(|found| found.unwrap_or(false))
    });
    if is_in_texts || file.rewind().is_err() {
        return is_in_texts;
    }
    let longest = user.ids().chain(names.iter().map(String::as_str)).map(str::len).max().unwrap_or(0);
    let mut chunk: Vec<u8> = Vec::new();
    let mut is_binary = None;
    loop {
        // The end of the last chunk is searched again, since a name may be cut in two.
        let overlap = chunk.len().min(longest + 2);
        chunk.drain(..chunk.len() - overlap);
        let before = chunk.len();
        if (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).is_err() {
            return false;
        }
        let is_binary = *is_binary.get_or_insert_with(|| chunk.contains(&0));
        if contains(&chunk, is_binary) {
            return true;
        }
        if chunk.len() == before {
            return false;
        }
    }
}

/// Whether a word occurs between two bytes that end a word, or at an end of the text.
fn is_apart(text: &[u8], word: &str, ends_word: impl Fn(u8) -> bool) -> bool {
    positions(text, word).any(|at| {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        let after = text.get(at + word.len());
        before.is_none_or(|byte| ends_word(*byte)) && after.is_none_or(|byte| ends_word(*byte))
    })
}

fn positions<'t>(text: &'t [u8], word: &'t str) -> impl Iterator<Item = usize> + 't {
    let word = word.as_bytes();
    text.windows(word.len().max(1)).enumerate().filter(move |(_, part)| *part == word).map(|(at, _)| at)
}
