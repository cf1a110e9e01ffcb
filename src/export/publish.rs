//! From sheets to files, in the order that keeps readers safe: CSVs, the record, the data package.

use std::cell::{OnceCell, RefCell};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::error::ExportError;
use super::folder::Folder;
use super::journal::Journal;
use super::name::check_name;
use super::package::{self, Package};
use super::prune;
use super::render::{Kept, Page, RenderError, Tally};
use super::sheet::{Sheet, Source};
use super::style::Style;
use crate::store::query::is_volatile;
use crate::store::{self, Access, ChangedThings, KnownFile, OldFile, PublishedFile, Shows};

/// Where a job's files go.
#[derive(Debug, Clone)]
pub struct Target {
    /// Folder of all jobs' folders.
    pub csv_dir: PathBuf,
    /// Who may read them.
    pub access: Access,
}

/// How a run ended, as the data package says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All that was asked for is there.
    Complete,
    /// Something is missing; the reasons say what.
    Partial,
    /// It will go on later; files of unfinished fetches are older.
    Deferred,
    /// It failed; files of unfinished fetches are older.
    Failed,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            State::Complete => "complete",
            State::Partial => "partial",
            State::Deferred => "deferred",
            State::Failed => "failed",
        }
    }
}

/// The run whose results are published.
#[derive(Debug, Clone)]
pub struct RunInfo {
    /// Name of the job; also of its folder.
    pub job: String,
    /// The job's description, if it has one.
    pub description: Option<String>,
    /// Number of the run.
    pub id: i64,
    /// How it ended.
    pub state: State,
    /// Why it is not complete.
    pub reasons: Vec<String>,
    /// Now, ISO 8601 in UTC.
    pub created_at: String,
    /// Files of earlier fires that are older than somebody wants to keep.
    pub outdated: Vec<OldFile>,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is new or differs from before.
    Written,
    /// It was rendered, and every byte was as before.
    Same,
    /// It was made from the same inputs, so it was not even rendered.
    Unchanged,
    /// Its fetch is not finished, so it is as it was.
    Kept,
    /// Its fetch is not finished, and there was no file before.
    Missing,
}

/// One file of the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Where it is.
    pub path: PathBuf,
    /// What became of it.
    pub change: Change,
    /// Data rows.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// Cells that the formula guard changed.
    pub guarded: u64,
    /// Cells that are too long for Excel, if it was rendered.
    pub too_long_for_excel: u64,
}

/// What an export did. Queries fail one by one: the other files are written all the same.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Files, in the order of the sheets.
    pub files: Vec<Published>,
    /// Queries that are wrong or took too long; their files are as they were.
    pub failed: Vec<ExportError>,
    /// How many files of earlier fires were deleted.
    pub deleted: u64,
}

/// Rows beyond which Excel shows nothing, the header included.
const EXCEL_ROWS: u64 = 1_048_576;

/// Writes what has changed of a job's files, then its data package, and deletes what is outdated.
///
/// # Errors
/// The first that is not a query's: later files and the data package are as they were.
pub fn publish(
    store: &Connection,
    target: &Target,
    style: &Style,
    sheets: &[Sheet<'_>],
    run: &RunInfo,
) -> Result<Outcome, ExportError> {
    style.check()?;
    for name in sheets.iter().map(|sheet| &sheet.path).chain([&run.job]) {
        check_name(name).map_err(|source| ExportError::Name { path: name.clone(), source })?;
    }
    let folder = Folder::root(&target.csv_dir, target.access)?.enter(&run.job)?;
    folder.sweep()?;
    let job = Job {
        store,
        root: &target.csv_dir,
        folder: &folder,
        style,
        run,
        changed: OnceCell::new(),
        current: RefCell::default(),
        kept: RefCell::default(),
        journal: Journal::of(&folder),
    };
    let done = job.publish_all(sheets);
    if done.is_err() {
        job.journal.leave();
    }
    done
}

/// Whether files can be written into a job's folder. Nothing is left there.
///
/// # Errors
/// What stands in the way.
pub fn check_target(target: &Target, job: &str) -> Result<(), ExportError> {
    let folder = Folder::root(&target.csv_dir, target.access)?.enter(job)?;
    folder.sweep()?;
    folder.draft(package::FILE).map(drop)
}

struct Job<'a> {
    store: &'a Connection,
    root: &'a Path,
    folder: &'a Folder,
    style: &'a Style,
    run: &'a RunInfo,
    /// What has changed of the things that files show; read where a file asks.
    changed: OnceCell<ChangedThings>,
    /// Files that were compared with it and show nothing of it, with the version that they show now.
    current: RefCell<Vec<(String, i64)>>,
    /// Cells of things that several files show.
    kept: RefCell<Kept>,
    /// What was put in place and is not recorded yet.
    journal: Journal<'a>,
}

impl Job<'_> {
    /// Writes the files, the record, and the data package.
    fn publish_all(&self, sheets: &[Sheet<'_>]) -> Result<Outcome, ExportError> {
        let (store, run) = (self.store, self.run);
        let mut package = Package::read(self.folder)?;
        let (mut outcome, mut records) = (Outcome::default(), Vec::new());
        {
            // One snapshot for all fetches. Nothing is written in it, so nothing is lost by its end.
            let _snapshot = match store.is_autocommit() {
                true => Some(store.unchecked_transaction().map_err(|e| self.unreadable(package::FILE, e))?),
                false => None,
            };
            for sheet in sheets {
                match self.publish(sheet, &mut package) {
                    Ok((file, record)) => {
                        outcome.files.push(file);
                        records.extend(record);
                    }
                    Err(error @ ExportError::Query { .. }) if !error.is_storage() => {
                        package.keep(&sheet.path);
                        outcome.failed.push(error);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        // Fewer lines to go through the next time; without it the file would be compared again.
        store::still_shown(store, &self.current.take()).map_err(|e| self.unreadable(package::FILE, e))?;
        store::record_files(store, &run.job, run.id, &run.created_at, &records)
            .map_err(|e| self.unreadable(package::FILE, e))?;
        let to_go = prune::to_go(&run.outdated, &run.job, sheets, &outcome.files);
        // The package first: it never describes what is not there.
        package.write(self.folder, run, &to_go)?;
        let (deleted, forgotten) = prune::delete(self.folder, &run.job, &to_go);
        store::forget_files(store, &forgotten).map_err(|e| self.unreadable(package::FILE, e))?;
        self.forget_absent(sheets)?;
        self.folder.sweep_journals()?;
        outcome.deleted = deleted;
        Ok(outcome)
    }

    /// Forgets files of earlier runs that somebody has deleted: the data package speaks of them no more either.
    fn forget_absent(&self, sheets: &[Sheet<'_>]) -> Result<(), ExportError> {
        let unreadable = |e| self.unreadable(package::FILE, e);
        let recorded = store::recorded_files(self.store, Some(&self.run.job)).map_err(unreadable)?;
        let is_ours = |path: &str| sheets.iter().any(|sheet| sheet.path == path);
        let absent = recorded.iter().filter(|file| {
            let path = file.below_job();
            !is_ours(path) && check_name(path).is_ok() && !self.folder.holds(path)
        });
        let absent: Vec<String> = absent.map(|file| file.path.clone()).collect();
        store::forget_files(self.store, &absent).map_err(unreadable)
    }

    fn publish(
        &self,
        sheet: &Sheet<'_>,
        package: &mut Package,
    ) -> Result<(Published, Option<PublishedFile>), ExportError> {
        let parts: Vec<&str> = sheet.path.split('/').collect();
        let (name, above) = parts.split_last().expect("a split has at least one part");
        let mut inner: Option<Folder> = None;
        for part in above {
            let next = inner.as_ref().unwrap_or(self.folder).enter(part)?;
            next.sweep()?;
            inner = Some(next);
        }
        let folder = inner.as_ref().unwrap_or(self.folder);
        let found = folder.find(name)?;
        if found.is_some() && matches!(sheet.source, Source::Kept) {
            folder.admit(name)?;
        }
        if let Source::Kept = sheet.source {
            package.keep(&sheet.path);
            let change = if found.is_some() { Change::Kept } else { Change::Missing };
            let (rows, guarded) = package.counts(&sheet.path);
            let bytes = found.map_or(0, |f| f.bytes);
            return Ok((self.file(sheet, change, rows, bytes, guarded), None));
        }
        let inputs = self.inputs(sheet);
        let volatile = matches!(&sheet.source, Source::Query { sql, .. } if is_volatile(sql));
        if let (Some(found), false) = (found, volatile) {
            let known = self.known(sheet)?.filter(|known| known.inputs == inputs && known.bytes == found.bytes);
            if let Some(known) = known.filter(|known| package.describes(&sheet.path, &known.sha256))
                && self.is_current(sheet, &known)?
            {
                folder.admit(name)?;
                package.keep(&sheet.path);
                let (rows, guarded) = package.counts(&sheet.path);
                return Ok((self.file(sheet, Change::Unchanged, rows, found.bytes, guarded), None));
            }
        }
        let mut draft = folder.draft(name)?;
        let rendered = self.render(sheet, &mut draft);
        let tally = rendered.map_err(|error| match error {
            RenderError::Io(source) => draft.failed(source),
            RenderError::Csv(error) => draft.failed(error.into()),
            RenderError::Store(error) => self.unreadable(&sheet.path, error),
            RenderError::Query(source) => ExportError::Query { path: sheet.path.clone(), source },
        })?;
        let written = draft.written();
        let note = |written: &_| self.journal.note(&sheet.path, written);
        let change = if draft.publish_noted(note)? { Change::Written } else { Change::Same };
        self.warn(sheet, &tally);
        let guarded = tally.columns.iter().map(|c| c.guarded).sum();
        let mut file = self.file(sheet, change, tally.rows, written.bytes, guarded);
        file.too_long_for_excel = tally.columns.iter().map(|c| c.long).sum();
        package.put(sheet, self.style, &tally, &written, self.keys(sheet)?);
        let record = PublishedFile {
            path: self.below_root(sheet),
            source: sheet.name.clone(),
            inputs,
            sha256: written.sha256,
            bytes: written.bytes,
            rows: tally.rows,
            guarded,
            data_version: sheet.version,
        };
        Ok((file, Some(record)))
    }

    /// Whether the things that a file shows are as they were; where `inputs` tells all, they are.
    fn is_current(&self, sheet: &Sheet<'_>, known: &KnownFile) -> Result<bool, ExportError> {
        let (Some(version), Source::Fetch(rows)) = (sheet.version, &sheet.source) else { return Ok(true) };
        let unreadable = |e| self.unreadable(&sheet.path, e);
        let changed = match self.changed.get() {
            Some(changed) => changed,
            None => {
                let read = ChangedThings::read(self.store).map_err(unreadable)?;
                self.changed.get_or_init(|| read)
            }
        };
        let of = Shows { job: rows.job, fetch: rows.fetch };
        let current = !changed.are_shown(self.store, of, known.data_version).map_err(unreadable)?;
        if current && known.data_version.is_some_and(|known| changed.any_after(known)) {
            self.current.borrow_mut().push((self.below_root(sheet), version));
        }
        Ok(current)
    }

    fn render(&self, sheet: &Sheet<'_>, draft: &mut super::folder::Draft<'_>) -> Result<Tally, RenderError> {
        let mut page = Page::new(draft, self.style)?;
        match &sheet.source {
            Source::Fetch(rows) => page.fetch(self.store, rows, &mut self.kept.borrow_mut())?,
            Source::Query { reader, sql, bound } => page.query(reader, sql, bound)?,
            Source::Kept => {}
        }
        Ok(page.finish()?.1)
    }

    /// Columns that name one row, unless the job asked for the same thing twice.
    fn keys(&self, sheet: &Sheet<'_>) -> Result<Vec<&'static str>, ExportError> {
        let Source::Fetch(rows) = &sheet.source else { return Ok(Vec::new()) };
        let twice =
            store::asked_twice(self.store, rows.job, rows.fetch).map_err(|e| self.unreadable(&sheet.path, e))?;
        Ok(if twice { Vec::new() } else { rows.keys.clone() })
    }

    /// Fingerprint of everything the file is made from.
    fn inputs(&self, sheet: &Sheet<'_>) -> String {
        let (sql, columns) = match &sheet.source {
            Source::Fetch(rows) => (rows.select.sql(), format!("{:?}", rows.columns)),
            Source::Query { sql, bound, .. } => ((*sql).to_owned(), format!("{:?}", bound.used_in(sql))),
            Source::Kept => Default::default(),
        };
        let all = format!("{}\0{:?}\0{sql}\0{columns}\0{}", sheet.inputs, self.style, env!("CARGO_PKG_VERSION"));
        format!("{:032x}", xxhash_rust::xxh3::xxh3_128(all.as_bytes()))
    }

    fn known(&self, sheet: &Sheet<'_>) -> Result<Option<KnownFile>, ExportError> {
        store::known_file(self.store, &self.below_root(sheet)).map_err(|e| self.unreadable(&sheet.path, e))
    }

    fn warn(&self, sheet: &Sheet<'_>, tally: &Tally) {
        let excel = self.style.bom;
        if excel && tally.rows + 1 > EXCEL_ROWS {
            tracing::warn!(
                path = sheet.path,
                rows = tally.rows,
                "Excel shows the first 1,048,575 rows of this file only"
            );
        }
        for column in tally.columns.iter().filter(|column| excel && column.long > 0) {
            tracing::warn!(path = sheet.path, column = %column.column.header, cells = column.long, "Excel cuts cells of over 32,767 characters");
        }
    }

    fn file(&self, sheet: &Sheet<'_>, change: Change, rows: u64, bytes: u64, guarded: u64) -> Published {
        let path = self.root.join(&self.run.job).join(&sheet.path);
        Published { path, change, rows, bytes, guarded, too_long_for_excel: 0 }
    }

    fn below_root(&self, sheet: &Sheet<'_>) -> String {
        format!("{}/{}", self.run.job, sheet.path)
    }

    fn unreadable(&self, path: &str, source: rusqlite::Error) -> ExportError {
        ExportError::Store { path: self.root.join(&self.run.job).join(path), source }
    }
}

#[cfg(test)]
mod tests;
