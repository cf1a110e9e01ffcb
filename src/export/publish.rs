//! Writes the files of a job in an order that is safe for readers: files with rows, the record in the store, the data package.

use std::cell::{OnceCell, RefCell};
use std::path::Path;

use rusqlite::Connection;

use super::described_files::record_described_files;
use super::error::ExportError;
use super::excel_limits;
use super::folder::{DraftFile, FoundFile, OutputFolder};
use super::formats::{self, FormatCaches};
use super::journal::{AbandonedJournals, ExportJournal, JournalEntry};
use super::name::{DATA_PACKAGE, check_name};
use super::outcome::{ExportOutcome, ExportTarget, ExportedFile, FileChange, RunInfo};
use super::output_file::{OutputFile, RowSource};
use super::package::DataPackage;
use super::prune;
use super::render::RenderError;
use super::style::CsvStyle;
use crate::settings::FileFormat;
use crate::store::{self, EntityChanges, FetchRef, KnownFile, PublishedFile, RecordedFile};

/// Writes the changed files of a job, then its data package, and deletes outdated files.
///
/// # Errors
/// The first error that affects more than one file. Later files stay as they were. Files that were written are recorded and
/// described as far as possible.
pub fn publish(
    store: &Connection,
    target: &ExportTarget,
    style: &CsvStyle,
    sheets: &[OutputFile<'_>],
    run: &RunInfo,
) -> Result<ExportOutcome, ExportError> {
    style.check()?;
    for name in sheets.iter().map(|sheet| &sheet.path).chain([&run.job]) {
        check_name(name).map_err(|source| ExportError::Name { path: name.clone(), source })?;
    }
    let folder = OutputFolder::root(&target.csv_dir, target.access)?.enter(&run.job)?;
    let depth = sheets.iter().map(|sheet| sheet.path.matches('/').count()).max().unwrap_or(0);
    folder.sweep_below(depth)?;
    let job = JobExport {
        store,
        root: &target.csv_dir,
        folder: &folder,
        style,
        run,
        changed: OnceCell::new(),
        current: RefCell::default(),
        caches: RefCell::default(),
        journal: ExportJournal::new(&folder),
        warnings: RefCell::default(),
    };
    job.publish_all(sheets)
}

/// Checks that files can be written into a job's folder, without leaving anything there.
///
/// # Errors
/// Why they cannot be written.
pub fn check_target(target: &ExportTarget, job: &str) -> Result<(), ExportError> {
    let folder = OutputFolder::root(&target.csv_dir, target.access)?.enter(job)?;
    folder.sweep()?;
    match folder.draft(DATA_PACKAGE) {
        // The folder was tested, and no file was meant to be written.
        Err(ExportError::Write { source, .. }) => Err(ExportError::Folder { path: target.csv_dir.join(job), source }),
        other => other.map(drop),
    }
}

struct JobExport<'a> {
    store: &'a Connection,
    root: &'a Path,
    folder: &'a OutputFolder,
    style: &'a CsvStyle,
    run: &'a RunInfo,
    /// The changed entities, read when a file needs them.
    changed: OnceCell<EntityChanges>,
    /// Files that contain no changed entity, with the store version that they now show.
    current: RefCell<Vec<(String, i64)>>,
    /// The cached parts of entities that occur in several files.
    caches: RefCell<FormatCaches>,
    /// Files that are published and not recorded yet.
    journal: ExportJournal<'a>,
    /// What files do not show, and why.
    warnings: RefCell<Vec<String>>,
}

/// The results of an export so far.
struct ExportProgress {
    package: DataPackage,
    outcome: ExportOutcome,
    records: Vec<PublishedFile>,
}

impl JobExport<'_> {
    /// Writes the files, the record and the data package.
    fn publish_all(&self, sheets: &[OutputFile<'_>]) -> Result<ExportOutcome, ExportError> {
        let mut package = DataPackage::read(self.folder)?;
        let abandoned = AbandonedJournals::read(self.folder)?;
        abandoned
            .adopt(self.store, &self.run.job, self.folder, &mut package)
            .and_then(|()| record_described_files(self.store, self.run, self.folder, &package))
            .map_err(|e| self.unreadable(DATA_PACKAGE, e))?;
        let mut so_far = ExportProgress { package, outcome: ExportOutcome::default(), records: Vec::new() };
        let written = self.write_all(sheets, &mut so_far);
        let recorded = match &written {
            Ok(standing) => self.record(&so_far.records).and_then(|()| self.finish(sheets, standing, so_far)),
            // Written files stay published. After the error, the other files are left as they were.
            Err(_) => self.record(&so_far.records).and_then(|()| {
                so_far.package.write(self.folder, self.run, &self.recorded_files()?, &[])?;
                Ok(so_far.outcome)
            }),
        };
        // What the journals list is recorded and described now.
        let recorded = recorded.and_then(|outcome| abandoned.delete(self.folder).map(|()| outcome));
        if recorded.is_err() {
            self.journal.keep_on_disk();
        }
        written.and(recorded)
    }

    /// Writes the files. Returns the sources of the files that show the result of this run.
    fn write_all<'s>(
        &self,
        sheets: &'s [OutputFile<'_>],
        so_far: &mut ExportProgress,
    ) -> Result<Vec<&'s str>, ExportError> {
        // One snapshot for all fetches. Nothing is written in this transaction, so it can simply be dropped.
        let _snapshot = match self.store.is_autocommit() {
            true => Some(self.store.unchecked_transaction().map_err(|e| self.unreadable(DATA_PACKAGE, e))?),
            false => None,
        };
        let mut standing = Vec::new();
        for (at, sheet) in sheets.iter().enumerate() {
            match self.publish(sheet, &mut so_far.package) {
                Ok((file, record)) => {
                    if !matches!(file.change, FileChange::Kept | FileChange::Missing) {
                        standing.push(sheet.name.as_str());
                    }
                    so_far.outcome.files.push(file);
                    so_far.records.extend(record);
                }
                Err(error) if error.concerns_one_file() => {
                    so_far.package.keep_resource(&sheet.path);
                    so_far.outcome.failed.push(error);
                }
                Err(error) => {
                    sheets[at..].iter().for_each(|sheet| so_far.package.keep_resource(&sheet.path));
                    return Err(error);
                }
            }
        }
        Ok(standing)
    }

    /// Records the files that were rendered.
    fn record(&self, records: &[PublishedFile]) -> Result<(), ExportError> {
        let (store, run) = (self.store, self.run);
        // This saves work in the next export, which would otherwise compare these files again.
        store::confirm_files(store, &self.current.take())
            .and_then(|()| store::record_files(store, &run.job, run.id, &run.created_at, records))
            .map_err(|e| self.unreadable(DATA_PACKAGE, e))
    }

    /// Writes the data package and deletes outdated files.
    fn finish(
        &self,
        sheets: &[OutputFile<'_>],
        standing: &[&str],
        so_far: ExportProgress,
    ) -> Result<ExportOutcome, ExportError> {
        let ExportProgress { package, mut outcome, .. } = so_far;
        let run = self.run;
        let recorded = self.recorded_files()?;
        let mut to_go = prune::files_to_delete(&run.outdated, &run.job, sheets, standing);
        // A file that turned out to be newer than the store is not outdated.
        to_go.retain(|file| recorded.iter().any(|known| known.path == file.path && known.sha256 == file.sha256));
        // The package comes first, so that it never describes a deleted file.
        package.write(self.folder, run, &recorded, &to_go)?;
        let pruned = prune::delete(self.folder, &run.job, &to_go);
        store::note_edited_files(self.store, &pruned.edited)
            .and_then(|()| store::forget_files(self.store, &pruned.forgotten))
            .map_err(|e| self.unreadable(DATA_PACKAGE, e))?;
        self.forget_absent(sheets)?;
        outcome.deleted = pruned.deleted;
        outcome.warnings = self.warnings.take();
        Ok(outcome)
    }

    /// Removes the records of files of earlier runs that were deleted by someone else. The data package no longer lists them.
    fn forget_absent(&self, sheets: &[OutputFile<'_>]) -> Result<(), ExportError> {
        let recorded = self.recorded_files()?;
        let is_ours = |path: &str| sheets.iter().any(|sheet| sheet.path == path);
        let absent = recorded.iter().filter(|file| {
            let path = file.path_below_job();
            !is_ours(path) && check_name(path).is_ok() && self.folder.is_missing(path)
        });
        let absent: Vec<String> = absent.map(|file| file.path.clone()).collect();
        store::forget_files(self.store, &absent).map_err(|e| self.unreadable(DATA_PACKAGE, e))
    }

    fn recorded_files(&self) -> Result<Vec<RecordedFile>, ExportError> {
        store::recorded_files(self.store, Some(&self.run.job)).map_err(|e| self.unreadable(DATA_PACKAGE, e))
    }

    /// Writes one file if necessary. Returns the result, and the record if the file was rendered.
    fn publish(
        &self,
        sheet: &OutputFile<'_>,
        package: &mut DataPackage,
    ) -> Result<(ExportedFile, Option<PublishedFile>), ExportError> {
        let (inner, name) = self.folder_of(sheet)?;
        let folder = inner.as_ref().unwrap_or(self.folder);
        let found = folder.find(name)?;
        let inputs = self.inputs(sheet);
        let stays = match (&sheet.source, &found) {
            (RowSource::Kept, Some(_)) => Some(FileChange::Kept),
            (RowSource::Kept, None) => Some(FileChange::Missing),
            (_, Some(found)) if self.is_unchanged(sheet, found, &inputs, package)? => Some(FileChange::Unchanged),
            _ => None,
        };
        let Some(change) = stays else {
            let (file, record) = self.rewrite(sheet, folder.draft(name)?, inputs, package)?;
            return Ok((file, Some(record)));
        };
        folder.admit(name)?;
        package.keep_resource(&sheet.path);
        let (rows, guarded) = package.counts(&sheet.path);
        Ok((self.exported_file(sheet, change, rows, found.map_or(0, |f| f.bytes), guarded), None))
    }

    /// The folder of a file, if it is not the job's folder, and the file's name in it.
    fn folder_of<'s>(&self, sheet: &'s OutputFile<'_>) -> Result<(Option<OutputFolder>, &'s str), ExportError> {
        let mut inner: Option<OutputFolder> = None;
        let mut rest = sheet.path.as_str();
        while let Some((part, below)) = rest.split_once('/') {
            let next = inner.as_ref().unwrap_or(self.folder).enter(part)?;
            next.sweep()?;
            (inner, rest) = (Some(next), below);
        }
        Ok((inner, rest))
    }

    /// Whether the existing file was made from the same inputs, so that it need not be rendered.
    fn is_unchanged(
        &self,
        sheet: &OutputFile<'_>,
        found: &FoundFile,
        inputs: &str,
        package: &DataPackage,
    ) -> Result<bool, ExportError> {
        if sheet.force || sheet.source.is_volatile() {
            return Ok(false);
        }
        let Some(known) = self.known_file(sheet)? else { return Ok(false) };
        Ok(known.inputs == inputs
            && known.bytes == found.bytes
            && package.describes(&sheet.path, &known.sha256)
            && self.is_current(sheet, &known)?)
    }

    /// Renders a file, publishes it if its bytes have changed, and describes it.
    fn rewrite(
        &self,
        sheet: &OutputFile<'_>,
        mut draft: DraftFile<'_>,
        inputs: String,
        package: &mut DataPackage,
    ) -> Result<(ExportedFile, PublishedFile), ExportError> {
        let folder = self.folder.path_of("");
        let caches = &mut self.caches.borrow_mut();
        let rendered = formats::write_rows(self.store, sheet, self.style, caches, &folder, &mut draft);
        let tally = rendered.map_err(|error| match error {
            RenderError::Io(source) => draft.failed(source),
            RenderError::Csv(error) => draft.failed(error.into()),
            RenderError::Page(error) => draft.failed(std::io::Error::other(error)),
            RenderError::Format(why) => draft.failed(std::io::Error::other(why)),
            RenderError::Store(error) => self.unreadable(&sheet.path, error),
            RenderError::Query(source) => ExportError::Query { path: sheet.path.clone(), source },
        })?;
        let written = draft.written();
        let guarded = tally.columns.iter().map(|c| c.guarded).sum();
        let entry = JournalEntry {
            run: self.run.id,
            published_at: self.run.created_at.clone(),
            record: PublishedFile {
                path: self.below_root(sheet),
                source: sheet.name.clone(),
                inputs,
                sha256: written.sha256.clone(),
                bytes: written.bytes,
                rows: tally.rows,
                guarded,
                data_version: sheet.version,
            },
            resource: DataPackage::describe(sheet, self.style, &tally, &written, &self.keys(sheet)?),
        };
        let replaced = draft.publish_with(|| self.journal.record(&entry))?;
        let change = if replaced { FileChange::Written } else { FileChange::Same };
        excel_limits::warn(sheet, self.style, &tally);
        self.warnings.borrow_mut().extend(tally.warnings);
        let mut file = self.exported_file(sheet, change, tally.rows, written.bytes, guarded);
        file.too_long_for_excel = tally.columns.iter().map(|c| c.long).sum();
        package.add_resource(entry.resource);
        Ok((file, entry.record))
    }

    /// Whether the entities in a file are unchanged. Always true if `inputs` covers everything.
    fn is_current(&self, sheet: &OutputFile<'_>, known: &KnownFile) -> Result<bool, ExportError> {
        let (Some(version), RowSource::Fetch(rows)) = (sheet.version, &sheet.source) else { return Ok(true) };
        let unreadable = |e| self.unreadable(&sheet.path, e);
        let changed = match self.changed.get() {
            Some(changed) => changed,
            None => {
                let read = EntityChanges::read(self.store).map_err(unreadable)?;
                self.changed.get_or_init(|| read)
            }
        };
        let of = FetchRef { job: rows.job, fetch: rows.fetch };
        let current = !changed.affect_file(self.store, of, known.data_version).map_err(unreadable)?;
        if current && known.data_version.is_some_and(|known| changed.has_changes_after(known)) {
            self.current.borrow_mut().push((self.below_root(sheet), version));
        }
        Ok(current)
    }

    /// The key columns of a file, or none if the job requested the same entity twice.
    fn keys(&self, sheet: &OutputFile<'_>) -> Result<Vec<&'static str>, ExportError> {
        let RowSource::Fetch(rows) = &sheet.source else { return Ok(Vec::new()) };
        let twice = store::has_duplicate_requests(self.store, rows.job, rows.fetch)
            .map_err(|e| self.unreadable(&sheet.path, e))?;
        Ok(if twice { Vec::new() } else { rows.keys.clone() })
    }

    /// A fingerprint of everything that the file is made from.
    fn inputs(&self, sheet: &OutputFile<'_>) -> String {
        let (sql, columns) = sheet.source.rows_fingerprint();
        let style = match sheet.format() {
            FileFormat::Csv => format!("{:?}", self.style),
            format => format.as_str().to_owned(),
        };
        let all = format!("{}\0{style}\0{sql}\0{columns}\0{}", sheet.inputs, env!("CARGO_PKG_VERSION"));
        format!("{:032x}", xxhash_rust::xxh3::xxh3_128(all.as_bytes()))
    }

    fn known_file(&self, sheet: &OutputFile<'_>) -> Result<Option<KnownFile>, ExportError> {
        store::known_file(self.store, &self.below_root(sheet)).map_err(|e| self.unreadable(&sheet.path, e))
    }

    fn exported_file(
        &self,
        sheet: &OutputFile<'_>,
        change: FileChange,
        rows: u64,
        bytes: u64,
        guarded: u64,
    ) -> ExportedFile {
        let path = self.root.join(&self.run.job).join(&sheet.path);
        ExportedFile { path, change, rows, bytes, guarded, too_long_for_excel: 0 }
    }

    fn below_root(&self, sheet: &OutputFile<'_>) -> String {
        format!("{}/{}", self.run.job, sheet.path)
    }

    fn unreadable(&self, path: &str, source: rusqlite::Error) -> ExportError {
        ExportError::Store { path: self.root.join(&self.run.job).join(path), source }
    }
}

#[cfg(test)]
mod tests;
