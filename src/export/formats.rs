//! The formats of files. This is the only place where the rows of a file are written differently: publishing, records, the
//! journal and `verify` are the same for all of them.

use std::io::Write;

use rusqlite::Connection;

use super::json_lines;
use super::output_file::{OutputFile, RowSource};
use super::render::{CsvWriter, FileStats, FragmentCaches, RenderError};
use super::style::CsvStyle;
use crate::report::render_job_page;
use crate::settings::FileFormat;

/// Writes the rows of a file in its format.
pub(super) fn write_rows(
    store: &Connection,
    sheet: &OutputFile<'_>,
    style: &CsvStyle,
    fragments: &mut FragmentCaches,
    out: impl Write,
) -> Result<FileStats, RenderError> {
    match sheet.format() {
        FileFormat::Csv => write_csv(store, &sheet.source, style, fragments, out),
        FileFormat::JsonL => json_lines::write(store, &sheet.source, out),
        FileFormat::Html => write_page(store, &sheet.source, out),
    }
}

/// Writes a page, whose numbers are those of other files and of the store.
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
        RowSource::Page(_) | RowSource::Kept => {}
    }
    Ok(page.finish()?.1)
}
