//! Finds the files that still mention a deleted user: copies, results of queries, job files.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};

use memchr::memmem::Finder;

use crate::export::compressed_texts_match;
use crate::store::PurgedUser;
use crate::store::purge::written_forms;

/// No file of a job is in a deeper folder.
const MAX_DEPTH: usize = 12;

/// How much of a file is searched at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Ids that are shorter occur in a binary file by chance.
const SHORTEST_BINARY_MARK: usize = 6;

/// A shorter title of a playlist is also the title of something else.
const SHORTEST_TITLE: usize = 4;

/// What a file still has, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mention {
    /// An id or a name of the user.
    User,
    /// The id of a deleted playlist.
    Playlist,
    /// The title of a deleted playlist, which may also be the title of something else.
    Title,
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
    let words = Words::of(user);
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

/// What is searched.
struct Words<'u> {
    ids: Vec<Finder<'u>>,
    names: Vec<Finder<'static>>,
    playlists: HashSet<&'u [u8]>,
    titles: Vec<Finder<'static>>,
    /// Length of the longest one.
    longest: usize,
}

impl Words<'_> {
    fn of(user: &PurgedUser) -> Words<'_> {
        let names: BTreeSet<String> = user.names().flat_map(written_forms).filter(|name| !name.is_empty()).collect();
        let titles = user.playlists.iter().filter_map(|(_, title)| title.as_deref());
        let titles = titles.filter(|title| title.trim().len() >= SHORTEST_TITLE).flat_map(written_forms);
        let titles: BTreeSet<String> = titles.filter(|title| !names.contains(title)).collect();
        let playlists: HashSet<&[u8]> = user.playlists.iter().map(|(id, _)| id.as_bytes()).collect();
        let texts = user.ids().chain(names.iter().chain(&titles).map(String::as_str)).map(str::len);
        let longest = texts.chain(playlists.iter().map(|id| id.len())).max().unwrap_or(0);
        let finders = |words: &BTreeSet<String>| words.iter().map(|word| Finder::new(word).into_owned()).collect();
        Words {
            ids: user.ids().filter(|id| !id.is_empty()).map(Finder::new).collect(),
            names: finders(&names),
            playlists,
            titles: finders(&titles),
            longest,
        }
    }

    fn has_playlist(&self, text: &[u8]) -> bool {
        let is_playlist = |word: &[u8]| self.playlists.contains(word);
        !self.playlists.is_empty() && text.split(|byte| !byte.is_ascii_alphanumeric()).any(is_playlist)
    }

    /// What a text has: ids, or names and titles as whole cells or strings.
    fn mention_in(&self, text: &[u8], is_binary: bool) -> Option<Mention> {
        let has_id = |id: &Finder<'_>| match is_binary {
            true => id.needle().len() >= SHORTEST_BINARY_MARK && id.find(text).is_some(),
            false => is_apart(text, id, |byte| !byte.is_ascii_alphanumeric()),
        };
        let has_name =
            |name: &Finder<'_>| !is_binary && is_apart(text, name, |byte| b",;\t|\"'<>\r\n ".contains(&byte));
        // Words of a title are in many texts, so it counts only as a whole cell.
        let has_title =
            |title: &Finder<'_>| !is_binary && is_apart(text, title, |byte| b",;\t|\"<>\r\n".contains(&byte));
        if self.ids.iter().any(has_id) || self.names.iter().any(has_name) {
            return Some(Mention::User);
        }
        if self.has_playlist(text) {
            return Some(Mention::Playlist);
        }
        self.titles.iter().any(has_title).then_some(Mention::Title)
    }

    /// The gravest mention in a file.
    fn find_in(&self, path: &Path) -> Option<Mention> {
        let mut file = File::open(path).ok()?;
        let mut found: Option<Mention> = None;
        let mut search = |text: &[u8], is_binary: bool| {
            found = [found, self.mention_in(text, is_binary)].into_iter().flatten().min();
            found == Some(Mention::User)
        };
        // A file that only has the ending of such a format is searched as it is.
        let is_in_texts = file.try_clone().is_ok_and(|file| {
            let searched = compressed_texts_match(path, file, |texts| Ok(search(texts, false)));
            searched.is_some_and(|searched| searched.unwrap_or(false))
        });
        if is_in_texts || file.rewind().is_err() {
            return found;
        }
        let mut chunk: Vec<u8> = Vec::new();
        let mut is_binary = None;
        loop {
            // The end of the last chunk is searched again, since a name may be cut in two.
            let overlap = chunk.len().min(self.longest + 2);
            chunk.drain(..chunk.len() - overlap);
            let before = chunk.len();
            if (&mut file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).is_err() {
                return found;
            }
            let is_binary = *is_binary.get_or_insert_with(|| chunk.contains(&0));
            if search(&chunk, is_binary) || chunk.len() == before {
                return found;
            }
        }
    }
}

/// Whether a word occurs between two bytes that end a word, or at an end of the text.
fn is_apart(text: &[u8], word: &Finder<'_>, ends_word: impl Fn(u8) -> bool) -> bool {
    word.find_iter(text).any(|at| {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        let after = text.get(at + word.needle().len());
        before.is_none_or(|byte| ends_word(*byte)) && after.is_none_or(|byte| ends_word(*byte))
    })
}
