//! What an export has put in place and not yet recorded, so that nobody takes it for a stray.
//!
//! Between the moment in which a CSV gets its name and the one in which store and data package know of it, a
//! kill may come. A file in the job's folder says until then which files these are; the next export that comes
//! to its end takes it away.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use super::error::ExportError;
use super::folder::{DraftFile, OutputFolder, WrittenFile, is_journal};

/// Beyond this no journal is read: it would be of some 100,000 files.
const MAX_BYTES: u64 = 16 << 20;

/// The journal of one export, there from the first file that it changes on.
pub(super) struct ExportJournal<'a> {
    folder: &'a OutputFolder,
    draft: RefCell<Option<DraftFile<'a>>>,
}

impl<'a> ExportJournal<'a> {
    pub(super) fn new(folder: &'a OutputFolder) -> ExportJournal<'a> {
        ExportJournal { folder, draft: RefCell::new(None) }
    }

    /// Notes a file that is about to get its name: on disk before that, or a power cut could leave the file
    /// without the note.
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

    /// Lets it lie, where what it names is in place and could not be recorded.
    pub(super) fn keep_on_disk(&self) {
        if let Some(draft) = self.draft.take() {
            draft.keep_temporary();
        }
    }
}

/// The files that exports without an end have put in place below a job's folder: path and hash.
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
