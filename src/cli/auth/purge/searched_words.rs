//! Searches files for the words that mention a deleted user, also the files within archives.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::Path;

use memchr::memmem::Finder;

use super::leftovers::Mention;
use super::packed_files::{PackedFormat, START_BYTES, packed_parts};
use crate::export::compressed_texts_match;
use crate::store::PurgedUser;
use crate::store::purge::written_forms;

/// How deep files within files are searched, such as a workbook in an archive that is compressed.
const MAX_NESTED: usize = 4;

/// How much of a file is searched at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Ids that are shorter occur in a binary file by chance.
const SHORTEST_BINARY_MARK: usize = 6;

/// A shorter title of a playlist is also the title of something else.
const SHORTEST_TITLE: usize = 4;

/// The words that are searched for.
pub(super) struct SearchedWords<'u> {
    pub(super) ids: Vec<Finder<'u>>,
    names: Vec<Finder<'static>>,
    playlists: HashSet<&'u [u8]>,
    titles: Vec<Finder<'static>>,
    /// Length of the longest one.
    longest: usize,
}

impl SearchedWords<'_> {
    pub(super) fn of(user: &PurgedUser) -> SearchedWords<'_> {
        let names: BTreeSet<String> = user.names().flat_map(written_forms).filter(|name| !name.is_empty()).collect();
        let titles = user.playlists.iter().filter_map(|(_, title)| title.as_deref());
        let titles = titles.filter(|title| title.trim().len() >= SHORTEST_TITLE).flat_map(written_forms);
        let titles: BTreeSet<String> = titles.filter(|title| !names.contains(title)).collect();
        let playlists: HashSet<&[u8]> = user.playlists.iter().map(|(id, _)| id.as_bytes()).collect();
        let texts = user.ids().chain(names.iter().chain(&titles).map(String::as_str)).map(str::len);
        let longest = texts.chain(playlists.iter().map(|id| id.len())).max().unwrap_or(0);
        let finders = |words: &BTreeSet<String>| words.iter().map(|word| Finder::new(word).into_owned()).collect();
        SearchedWords {
            ids: user.ids().filter(|id| !id.is_empty()).map(Finder::new).collect(),
            names: finders(&names),
            playlists,
            titles: finders(&titles),
            longest,
        }
    }

    pub(super) fn has_playlist(&self, text: &[u8]) -> bool {
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

    /// The gravest mention in a file, and in the files that it contains.
    pub(super) fn find_in(&self, path: &Path) -> Option<Mention> {
        self.find_in_file(path, File::open(path).ok()?, 0)
    }

    fn find_in_file(&self, name: &Path, mut file: File, depth: usize) -> Option<Mention> {
        let mut found = None;
        // A file that only has the ending of such a format is searched as it is.
        if let Ok(file) = file.try_clone() {
            let search = |texts: &[u8]| Ok(note(&mut found, self.mention_in(texts, false)));
            if matches!(compressed_texts_match(name, file, search), Some(Ok(true))) {
                return found;
            }
        }
        file.rewind().ok()?;
        let mut start = Vec::new();
        (&mut file).take(START_BYTES).read_to_end(&mut start).ok()?;
        file.rewind().ok()?;
        if depth < MAX_NESTED {
            let search =
                |name: &Path, inner: &mut dyn Read| note(&mut found, self.find_in_part(name, inner, depth + 1));
            let packed = match PackedFormat::of_start(&start) {
                None => Ok(()),
                Some(PackedFormat::Other) => Err(io::Error::from(io::ErrorKind::Unsupported)),
                Some(format) => file.try_clone().and_then(|file| packed_parts(format, name, file, search)),
            };
            if packed.is_err() {
                note(&mut found, Some(Mention::Unreadable));
            }
            if found == Some(Mention::User) || file.rewind().is_err() {
                return found;
            }
        }
        note(&mut found, self.find_in_bytes(&mut file));
        found
    }

    /// The gravest mention in a file within another one, which may be such a file itself.
    fn find_in_part(&self, name: &Path, inner: &mut dyn Read, depth: usize) -> Option<Mention> {
        let mut start = Vec::new();
        if (&mut *inner).take(START_BYTES).read_to_end(&mut start).is_err() {
            return Some(Mention::Unreadable);
        }
        let is_packed = depth < MAX_NESTED && PackedFormat::of_start(&start).is_some() || start.starts_with(b"PAR1");
        let mut whole = io::Cursor::new(start).chain(inner);
        if !is_packed {
            return self.find_in_bytes(&mut whole);
        }
        let spooled = tempfile::tempfile().and_then(|mut file| {
            io::copy(&mut whole, &mut file)?;
            file.rewind()?;
            Ok(file)
        });
        spooled.map_or(Some(Mention::Unreadable), |file| self.find_in_file(name, file, depth))
    }

    fn find_in_bytes(&self, file: &mut dyn Read) -> Option<Mention> {
        let mut found = None;
        let mut chunk: Vec<u8> = Vec::new();
        let mut is_binary = None;
        loop {
            // The end of the last chunk is searched again, since a name may be cut in two.
            let overlap = chunk.len().min(self.longest + 2);
            chunk.drain(..chunk.len() - overlap);
            let before = chunk.len();
            if (&mut *file).take(CHUNK_BYTES as u64).read_to_end(&mut chunk).is_err() {
                note(&mut found, Some(Mention::Unreadable));
                return found;
            }
            let is_binary = *is_binary.get_or_insert_with(|| chunk.contains(&0));
            if note(&mut found, self.mention_in(&chunk, is_binary)) || chunk.len() == before {
                return found;
            }
        }
    }
}

/// Keeps the gravest mention, and returns whether there can be no graver one.
fn note(found: &mut Option<Mention>, more: Option<Mention>) -> bool {
    *found = [*found, more].into_iter().flatten().min();
    *found == Some(Mention::User)
}

/// Whether a word occurs between two bytes that end a word, or at an end of the text.
pub(super) fn is_apart(text: &[u8], word: &Finder<'_>, ends_word: impl Fn(u8) -> bool) -> bool {
    word.find_iter(text).any(|at| {
        let before = at.checked_sub(1).and_then(|at| text.get(at));
        let after = text.get(at + word.needle().len());
        before.is_none_or(|byte| ends_word(*byte)) && after.is_none_or(|byte| ends_word(*byte))
    })
}
