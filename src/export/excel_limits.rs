//! Warns of CSV files that Excel does not show whole.

use super::output_file::OutputFile;
use super::render::FileStats;
use super::style::CsvStyle;
use crate::settings::FileFormat;

/// Maximum number of rows that Excel shows, including the header.
const EXCEL_ROWS: u64 = 1_048_576;

/// Warns of rows and texts that Excel cuts off, if the style is meant for it.
pub(super) fn warn(sheet: &OutputFile<'_>, style: &CsvStyle, tally: &FileStats) {
    let excel = style.bom && sheet.format() == FileFormat::Csv;
    if excel && tally.rows + 1 > EXCEL_ROWS {
        tracing::warn!(path = sheet.path, rows = tally.rows, "Excel shows only the first 1,048,575 rows of this file");
    }
    for column in tally.columns.iter().filter(|column| excel && column.long > 0) {
        tracing::warn!(path = sheet.path, column = %column.column.header, cells = column.long, "Excel cuts off cells of more than 32,767 characters");
    }
}
