//! The formats of files. This is the only place where the rows of a file are written differently: publishing, records, the
//! journal and `verify` are the same for all of them.

use std::io::Write;
use std::path::Path;

use rusqlite::Connection;

use super::json_lines;
use super::output_file::{OutputFile, RowSource};
#[cfg(feature = "lake")]
use super::parquet_file;
use super::render::{CsvWriter, FileStats, FragmentCaches, RenderError};
use super::style::CsvStyle;
use super::workbook;
use crate::report::render_job_page;
use crate::settings::FileFormat;

/// The error of a program without the feature.
#[cfg(not(feature = "lake"))]
const NO_PARQUET: &str = "this program was built without Parquet";

/// The cached parts of entities that occur in several files.
#[derive(Default)]
pub(super) struct FormatCaches {
    /// Cells of CSV files.
    cells: FragmentCaches,
    /// Values, for the formats with types.
    values: FragmentCaches,
}

/// Writes the rows of a file in its format. Temporary files are in `folder` and have no name.
pub(super) fn write_rows(
    store: &Connection,
    sheet: &OutputFile<'_>,
    style: &CsvStyle,
    caches: &mut FormatCaches,
    folder: &Path,
    out: impl Write + Send,
) -> Result<FileStats, RenderError> {
    match sheet.format() {
        FileFormat::Csv => write_csv(store, &sheet.source, style, &mut caches.cells, out),
        FileFormat::JsonL => json_lines::write(store, &sheet.source, &mut caches.values, out),
        #[cfg(feature = "lake")]
        FileFormat::Parquet => parquet_file::write(store, &sheet.source, &mut caches.values, folder, out),
        #[cfg(not(feature = "lake"))]
        FileFormat::Parquet => Err(RenderError::Format(NO_PARQUET.into())),
        FileFormat::Xlsx => match &sheet.source {
            RowSource::Workbook(shown) => workbook::write(store, shown, &mut caches.values, folder, out),
            _ => Ok(FileStats::default()),
        },
        FileFormat::Html => write_page(store, &sheet.source, out),
    }
}

/// Writes a page. Its numbers are those of other files and of the store.
fn write_page(store: &Connection, source: &RowSource<'_>, mut out: impl Write) -> Result<FileStats, RenderError> {
    if let RowSource::Page(page) = source {
        let rendered = render_job_page(store, page)?;
        out.write_all(&rendered.bytes)?;
        return Ok(FileStats { warnings: rendered.warnings, ..FileStats::default() });
    }
    Ok(FileStats::default())
}

fn write_csv(
    store: &Connection,
    source: &RowSource<'_>,
    style: &CsvStyle,
    fragments: &mut FragmentCaches,
    out: impl Write,
) -> Result<FileStats, RenderError> {
    let mut page = CsvWriter::new(out, style)?;
    match source {
        RowSource::Fetch(rows) => page.write_fetch(store, rows, fragments)?,
        RowSource::Query { reader, sql, bound } => page.write_query(reader, sql, bound)?,
        RowSource::Workbook(_) | RowSource::Page(_) | RowSource::Kept => {}
    }
    Ok(page.finish()?.1)
}
