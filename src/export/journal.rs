//! A journal of files that an export has published but not yet recorded, so that they do not count as strays.
//!
//! The process may be killed after a CSV file was renamed and before the store and the data package record it. Until
//! then, a file in the job's folder lists such files. The next export that
//! finishes removes it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use super::error::ExportError;
use super::folder::{DraftFile, OutputFolder, WrittenFile, is_journal};

/// A larger journal is not read: it would list more than 100,000 files.
const MAX_BYTES: u64 = 16 << 20;

/// The journal of one export. Its file exists from the first changed file on.
pub(super) struct ExportJournal<'a> {
    folder: &'a OutputFolder,
    draft: RefCell<Option<DraftFile<'a>>>,
}

impl<'a> ExportJournal<'a> {
    pub(super) fn new(folder: &'a OutputFolder) -> ExportJournal<'a> {
        ExportJournal { folder, draft: RefCell::new(None) }
    }

    /// Adds a file that is about to be renamed. The entry is on disk before the rename, because a power cut could otherwise
    /// leave the file without an entry.
    pub(super) fn record(&self, path: &str, written: &WrittenFile) -> Result<(), ExportError> {
        let mut draft = self.draft.borrow_mut();
        let is_new = draft.is_none();
        let draft = match &mut *draft {
            Some(draft) => draft,
            none => none.insert(self.folder.journal(path)?),
        };
        let line = format!("{} {path}\n", written.sha256);
        draft.write_all(line.as_bytes()).map_err(|e| draft.failed(e))?;
        draft.sync()?;
        if is_new { self.folder.sync() } else { Ok(()) }
    }

    /// Keeps the journal because its files are published and could not be recorded.
    pub(super) fn keep_on_disk(&self) {
        if let Some(draft) = self.draft.take() {
            draft.keep_temporary();
        }
    }
}

/// Path and hash of the files that unfinished exports have published in a job's folder.
pub(super) fn read(folder: &Path) -> BTreeSet<(String, String)> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    let journals = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(is_journal));
    let files = journals.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    files.filter_map(|entry| read_entries(&entry.path())).flatten().collect()
}

fn read_entries(path: &Path) -> Option<Vec<(String, String)>> {
    let mut text = String::new();
    File::open(path).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    let entry = |line: &str| line.split_once(' ').map(|(hash, path)| (path.to_owned(), hash.to_owned()));
    Some(text.lines().filter_map(entry).collect())
}
