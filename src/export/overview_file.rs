//! Publishes the overview of all jobs, which is in the CSV folder itself and belongs to no job.
//!
//! It follows the rules of other files: replaced in one step, written only if a byte differs, recorded, and known to
//! `verify` even after a kill between the rename and the record. Several processes may end a run at the same time, so
//! each holds a lock on the CSV folder while it reads the store and writes. The last one then shows what all have done.

use std::io::Write as _;

use rusqlite::Connection;

use super::error::ExportError;
use super::folder::OutputFolder;
use super::journal::{AbandonedJournals, ExportJournal, JournalEntry};
use super::outcome::{ExportTarget, ExportedFile, FileChange};
use crate::report::ReportError;
use crate::store::{self, OVERVIEW_SOURCE, PublishedFile};

/// The name of the overview.
pub const OVERVIEW_FILE: &str = "index.html";

/// What the beginning of every page of this program contains.
const GENERATOR: &str = "<meta name=\"generator\" content=\"cratedigger ";

/// How much of a file is searched for [`GENERATOR`].
const START_BYTES: u64 = 2_048;

/// Writes the overview if its bytes have changed. `run` is the newest run that it shows. `render` is called under the lock.
///
/// # Errors
/// If the store cannot be read, or the file cannot be written. A page of another program with this name stays.
pub fn publish_overview(
    store: &Connection,
    target: &ExportTarget,
    written_at: &str,
    render: impl FnOnce() -> Result<(Vec<u8>, i64), ReportError>,
) -> Result<ExportedFile, ExportError> {
    let path = target.csv_dir.join(OVERVIEW_FILE);
    let unreadable = |source| ExportError::Store { path: path.clone(), source };
    let root = OutputFolder::root(&target.csv_dir, target.access)?;
    root.lock()?;
    root.sweep()?;
    let known = store::known_file(store, OVERVIEW_FILE).map_err(unreadable)?;
    let found = root.find(OVERVIEW_FILE)?;
    if found.is_some() && known.is_none() && !is_ours(&root) {
        return Err(ExportError::OtherPage { path });
    }
    let abandoned = AbandonedJournals::read(&root)?;
    let (bytes, run) = render().map_err(|error| match error {
        ReportError::Store(source) => unreadable(source),
        ReportError::Template(_) => {
            ExportError::Write { path: path.clone(), written: 0, source: std::io::Error::other(error) }
        }
    })?;
    let mut draft = root.draft(OVERVIEW_FILE)?;
    draft.write_all(&bytes).map_err(|e| draft.failed(e))?;
    let written = draft.written();
    let entry = JournalEntry {
        run,
        published_at: written_at.to_owned(),
        record: PublishedFile {
            path: OVERVIEW_FILE.into(),
            source: OVERVIEW_SOURCE.into(),
            // It is always rendered, since that takes no longer than comparing its inputs.
            inputs: "rendered".into(),
            sha256: written.sha256.clone(),
            bytes: written.bytes,
            rows: 0,
            guarded: 0,
            data_version: None,
        },
        resource: serde_json::json!({ "path": OVERVIEW_FILE }),
    };
    let journal = ExportJournal::new(&root);
    let replaced = draft.publish_with(|| journal.record(&entry))?;
    let is_recorded = known.is_some_and(|known| known.sha256 == written.sha256 && known.inputs == entry.record.inputs);
    if !is_recorded && let Err(error) = store::record_files(store, "", run, written_at, &[entry.record]) {
        journal.keep_on_disk();
        return Err(unreadable(error));
    }
    abandoned.delete(&root)?;
    let change = if replaced { FileChange::Written } else { FileChange::Unchanged };
    Ok(ExportedFile { path, change, rows: 0, bytes: written.bytes, guarded: 0, too_long_for_excel: 0 })
}

/// Deletes the overview after it was switched off, unless someone has changed it. Returns whether it was deleted.
///
/// # Errors
/// If the store cannot be read, or the file cannot be deleted.
pub fn remove_overview(store: &Connection, target: &ExportTarget) -> Result<bool, ExportError> {
    let unreadable = |source| ExportError::Store { path: target.csv_dir.join(OVERVIEW_FILE), source };
    let Some(known) = store::known_file(store, OVERVIEW_FILE).map_err(unreadable)? else { return Ok(false) };
    if !target.csv_dir.is_dir() {
        return Ok(false);
    }
    let root = OutputFolder::root(&target.csv_dir, target.access)?;
    root.lock()?;
    root.sweep()?;
    let abandoned = AbandonedJournals::read(&root)?;
    let sha256 = root.sha256(OVERVIEW_FILE)?;
    let is_ours = sha256.as_ref() == Some(&known.sha256) || sha256.is_some() && is_ours(&root);
    if is_ours {
        root.delete(OVERVIEW_FILE)?;
    }
    store::forget_files(store, &[OVERVIEW_FILE.to_owned()]).map_err(unreadable)?;
    abandoned.delete(&root)?;
    Ok(is_ours)
}

/// Whether the file was written by this program, as far as its beginning shows. A new store knows no files.
fn is_ours(root: &OutputFolder) -> bool {
    let start = root.read_start(OVERVIEW_FILE, START_BYTES).unwrap_or_default();
    String::from_utf8_lossy(&start).contains(GENERATOR)
}
