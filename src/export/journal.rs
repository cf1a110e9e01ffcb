//! A journal of files that an export has published but not yet recorded, so that they do not count as strays.
//!
//! The process may be killed after a CSV file was renamed and before the store and the data package record it. Until
//! then, a file in the job's folder lists such files with their records and descriptions. The next export of the job
//! takes over what the journal lists, because it may write files with other names, and removes the journal when it
//! has finished.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::Path;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ExportError;
use super::folder::{AbandonedJournal, DraftFile, OutputFolder, is_journal};
use super::name::check_name;
use super::package::DataPackage;
use crate::input_file;
use crate::store::{self, PublishedFile, RecordedFile};

/// A larger journal is not read: it would list tens of thousands of files.
pub(super) const MAX_JOURNAL_BYTES: u64 = 256 << 20;

/// One line of a journal, as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct JournalEntry {
    /// The run that published the file.
    pub run: i64,
    /// When it did so.
    pub published_at: String,
    /// The record that the store gets.
    pub record: PublishedFile,
    /// The description that the data package gets.
    pub resource: Value,
}

impl JournalEntry {
    /// The path below the job's folder.
    fn path(&self) -> &str {
        self.resource["path"].as_str().unwrap_or_default()
    }

    /// Whether the file exists with the content that the entry names.
    fn is_on_disk(&self, folder: &OutputFolder) -> bool {
        check_name(self.path()).is_ok()
            && folder.has(self.path(), Some(self.record.bytes))
            && folder.sha256_below(self.path()).as_deref() == Some(self.record.sha256.as_str())
    }
}

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
    pub(super) fn record(&self, entry: &JournalEntry) -> Result<(), ExportError> {
        let mut draft = self.draft.borrow_mut();
        let is_new = draft.is_none();
        let draft = match &mut *draft {
            Some(draft) => draft,
            none => none.insert(self.folder.journal(entry.path())?),
        };
        let mut line = serde_json::to_vec(entry).expect("a journal entry can be written as JSON");
        line.push(b'\n');
        draft.write_all(&line).map_err(|e| draft.failed(e))?;
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

/// The journals of killed exports of a job.
pub(super) struct AbandonedJournals(Vec<AbandonedJournal>);

impl AbandonedJournals {
    /// Reads the journals that no process has locked.
    pub(super) fn read(folder: &OutputFolder) -> Result<AbandonedJournals, ExportError> {
        Ok(AbandonedJournals(folder.abandoned_journals()?))
    }

    /// Records and describes the listed files that still have the content which the killed export gave them.
    pub(super) fn adopt(
        &self,
        store: &Connection,
        job: &str,
        folder: &OutputFolder,
        package: &mut DataPackage,
    ) -> rusqlite::Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let recorded = store::recorded_files(store, Some(job))?;
        let is_recorded = |entry: &JournalEntry| {
            let same = |known: &RecordedFile| known.path == entry.record.path && known.sha256 == entry.record.sha256;
            recorded.iter().any(same)
        };
        for mut entry in self.0.iter().flat_map(|journal| entries(&journal.bytes)) {
            if entry.record.path != format!("{job}/{}", entry.path()) || !entry.is_on_disk(folder) {
                continue;
            }
            package.adopt_resource(entry.resource.take());
            if !is_recorded(&entry) {
                tracing::info!(path = entry.record.path, "recorded a CSV file of an interrupted export");
                // The store may have been restored from a backup since, so these inputs prove nothing.
                entry.record.inputs.clear();
                store::record_files(store, job, entry.run, &entry.published_at, &[entry.record])?;
            }
        }
        Ok(())
    }

    /// Deletes the journals, once their files are recorded and described.
    pub(super) fn delete(&self, folder: &OutputFolder) -> Result<(), ExportError> {
        self.0.iter().try_for_each(|journal| folder.delete_journal(journal))
    }
}

/// The complete lines of a journal. A kill may have cut off the last one. Its file was then not renamed.
fn entries(bytes: &[u8]) -> impl Iterator<Item = JournalEntry> {
    bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}

/// Path and hash of the files that unfinished exports have published in a job's folder below the CSV folder.
pub(super) fn read(csv_dir: &Path, job: &Path) -> BTreeSet<(String, String)> {
    let Ok(entries) = input_file::list_without_links(csv_dir, job) else { return BTreeSet::new() };
    let journals = entries.into_iter().filter(|(name, _)| name.to_str().is_some_and(is_journal));
    journals.filter_map(|(name, _)| read_paths(csv_dir, &job.join(name))).flatten().collect()
}

fn read_paths(csv_dir: &Path, path: &Path) -> Option<Vec<(String, String)>> {
    let mut bytes = Vec::new();
    let file = input_file::open_without_links(csv_dir, path).ok()?;
    file.take(MAX_JOURNAL_BYTES).read_to_end(&mut bytes).ok()?;
    Some(entries(&bytes).map(|entry| (entry.path().to_owned(), entry.record.sha256)).collect())
}
