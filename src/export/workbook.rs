//! The workbook of a job: a sheet about it, and a sheet for each fetch and query with the rows of its files.
//!
//! All rows are read first and kept in temporary files without a name, since a table and the way of writing depend on their
//! number.

use std::io::Write;
use std::path::Path;

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Workbook, XlsxError};
use rustc_hash::FxHashMap;

use super::output_file::RowSource;
use super::render::{FileStats, FragmentCaches, RenderError};
use super::row_spool::{RowSpool, SpooledRows};
use super::typed_rows::read_rows;
use crate::job::Job;
use crate::store::{RunState, report_rows};

mod about;
mod files;
mod mentions;
mod names;
mod plan;
mod quiet_panic;
mod sheet;

use about::{AboutSheet, write_about};
use names::{UniqueNames, sheet_name};
use sheet::{CellFormats, MOST_ROWS, SheetLosses, columns_of};

pub(super) use files::workbook_files;
pub(super) use mentions::workbook_mentions;
pub(super) use plan::planned_sheets;

/// Up to this number of cells, equal texts are stored once. With more, that would take too much memory.
const SHARED_CELLS: u64 = 1_000_000;

/// The name of the first sheet.
const ABOUT: &str = "about";

/// What a workbook shows.
pub struct JobWorkbook<'a> {
    pub job: &'a Job,
    /// The run that the workbook shows.
    pub run: i64,
    pub state: RunState,
    pub reasons: &'a [String],
    /// Local name of the user that the workbook is for; empty if it is for all users.
    pub user: &'a str,
    pub sheets: Vec<WorkbookSheet<'a>>,
}

/// The rows of a sheet.
pub struct WorkbookSheet<'a> {
    /// The name of the fetch or of the query's file.
    pub name: String,
    /// What one row is.
    pub title: String,
    /// A file with the same rows.
    pub file: Option<String>,
    /// The rows; [`RowSource::Kept`] if the fetch was never read.
    pub source: RowSource<'a>,
}

/// Writes a workbook. `folder` is for temporary files.
pub(super) fn write(
    store: &Connection,
    shown: &JobWorkbook<'_>,
    fragments: &mut FragmentCaches,
    folder: &Path,
    out: impl Write + Send,
) -> Result<FileStats, RenderError> {
    let mut sheets = Vec::new();
    for sheet in &shown.sheets {
        let declared = match &sheet.source {
            RowSource::Query { reader, sql, .. } => reader.declared_types(sql)?,
            _ => FxHashMap::default(),
        };
        let mut spool = RowSpool::new(folder, declared);
        read_rows(store, &sheet.source, fragments, &mut spool)?;
        sheets.push((sheet, spool.finish()?));
    }
    let started: DateTime<Utc> = report_rows::run_started_at(store, shown.run)?.parse().unwrap_or_default();
    // The library panics if a temporary file cannot be written, for example because the disk is full.
    quiet_panic::catch(|| write_sheets(shown, started, &mut sheets, folder, out))
}

fn write_sheets(
    shown: &JobWorkbook<'_>,
    started: DateTime<Utc>,
    sheets: &mut [(&WorkbookSheet<'_>, SpooledRows)],
    folder: &Path,
    out: impl Write + Send,
) -> Result<FileStats, RenderError> {
    let cells = |rows: &SpooledRows| rows.stats.rows * rows.stats.columns.len() as u64;
    let shares_texts = sheets.iter().map(|(_, rows)| cells(rows)).sum::<u64>() <= SHARED_CELLS;
    let mut workbook = Workbook::new();
    workbook.set_tempdir(folder).map_err(failed)?;
    let created = ExcelDateTime::from_timestamp(started.timestamp()).map_err(failed)?;
    let properties = DocProperties::new().set_title(&shown.job.name).set_author("cratedigger");
    workbook.set_properties(&properties.set_creation_datetime(&created));
    workbook.add_worksheet().set_name(ABOUT).map_err(failed)?;
    let mut names = UniqueNames::default();
    names.take(ABOUT, ABOUT.len());
    let formats = CellFormats::new();
    let (mut about, mut stats) = (Vec::new(), FileStats::default());
    for (sheet, rows) in sheets {
        let name = sheet_name(&mut names, &sheet.name);
        let columns = columns_of(&rows.stats.columns);
        let count = rows.stats.rows;
        let is_shown = !columns.is_empty() && count <= MOST_ROWS;
        let mut losses = SheetLosses::default();
        if is_shown {
            let added = match shares_texts {
                true => workbook.add_worksheet_with_low_memory(),
                false => workbook.add_worksheet_with_constant_memory(),
            };
            let added = added.and_then(|added| added.set_name(&name)).map_err(failed)?;
            losses = sheet::write(added, &name, &columns, rows, &formats)?;
        } else {
            let added = workbook.add_worksheet().set_name(&name).map_err(failed)?;
            added.write_string(0, 0, about::why_no_rows(sheet, count)).map_err(failed)?;
        }
        stats.rows += if is_shown { count } else { 0 };
        stats.sheets.push((name.clone(), count));
        about.push(AboutSheet { name, sheet, columns, rows: count, is_shown, losses });
    }
    let warned = about.iter().filter(|about| about.rows > 0 && !about.notes().is_empty());
    stats.warnings = warned.map(|about| format!("workbook, sheet `{}`: {}", about.name, about.notes())).collect();
    write_about(workbook.worksheet_from_index(0).map_err(failed)?, shown, started, &about)?;
    workbook.save_to_writer(out).map_err(failed)?;
    Ok(stats)
}

/// The error of a workbook that cannot be written; that of the disk stays one.
fn failed(error: XlsxError) -> RenderError {
    match error {
        XlsxError::IoError(error) | XlsxError::TempFileError(_, error) => RenderError::Io(error),
        other => RenderError::Format(other.to_string()),
    }
}
