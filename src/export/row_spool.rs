//! Rows in a temporary file, for formats that must know all rows before they write the first one.

use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use rusqlite::types::ValueRef;
use rustc_hash::FxHashMap;
use tempfile::SpooledTempFile;

use super::csv_column::CsvColumn;
use super::render::{ColumnStats, FileStats, InferredType, RenderError};
use super::typed_rows::{RowSink, RowValues};
use super::value_bytes::write_value;
use crate::store::microseconds;
use crate::stream::ColumnType;

/// More bytes than this are kept in a file and not in memory.
const MEMORY_BYTES: usize = 8 << 20;

/// Takes rows and keeps them. The file has no name, so it disappears with the process.
pub(super) struct RowSpool {
    file: BufWriter<SpooledTempFile>,
    declared: FxHashMap<String, ColumnType>,
    stats: FileStats,
    cell: Vec<u8>,
}

/// All rows of a file, with their statistics.
pub(super) struct SpooledRows {
    pub stats: FileStats,
    file: BufReader<SpooledTempFile>,
}

impl RowSpool {
    /// A spool with its temporary file in this folder. `declared` are the types of the columns of a query, by name.
    pub(super) fn new(folder: &Path, declared: FxHashMap<String, ColumnType>) -> RowSpool {
        let file = BufWriter::new(tempfile::spooled_tempfile_in(MEMORY_BYTES, folder));
        RowSpool { file, declared, stats: FileStats::default(), cell: Vec::new() }
    }

    /// Ends the rows. A column of a query has its declared type if all its values have it.
    pub(super) fn finish(self) -> io::Result<SpooledRows> {
        let (mut file, mut stats) = (self.file.into_inner().map_err(io::IntoInnerError::into_error)?, self.stats);
        file.seek(SeekFrom::Start(0))?;
        for column in &mut stats.columns {
            if column.unfit > 0 && self.declared.contains_key(column.column.header.as_ref()) {
                column.column.column_type = None;
                column.unfit = 0;
            }
        }
        Ok(SpooledRows { stats, file: BufReader::with_capacity(1 << 16, file) })
    }
}

impl RowSink for RowSpool {
    fn begin(&mut self, mut columns: Vec<CsvColumn>) -> Result<(), RenderError> {
        for column in &mut columns {
            let declared = self.declared.get(column.header.as_ref()).copied();
            column.column_type = column.column_type.or(declared);
        }
        self.stats.columns = columns.into_iter().map(ColumnStats::new).collect();
        Ok(())
    }

    fn take_row(&mut self, row: &RowValues<'_>) -> Result<(), RenderError> {
        for (n, column) in self.stats.columns.iter_mut().enumerate() {
            let value = row.get(n)?;
            column.inferred = column.inferred.max(InferredType::of(value));
            column.unfit += u64::from(!column.column.column_type.is_none_or(|kind| fits(kind, value)));
            self.cell.clear();
            write_value(value, &mut self.cell);
            let length = u32::try_from(self.cell.len()).map_err(|_| io::Error::other("a value of over 4 GiB"))?;
            self.file.write_all(&length.to_le_bytes())?;
            self.file.write_all(&self.cell)?;
        }
        self.stats.rows += 1;
        Ok(())
    }
}

impl SpooledRows {
    /// Reads all rows.
    pub(super) fn read(
        &mut self,
        mut each: impl FnMut(&RowValues<'_>) -> Result<(), RenderError>,
    ) -> Result<(), RenderError> {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for _ in 0..self.stats.rows {
            bytes.clear();
            ends.clear();
            for _ in 0..self.stats.columns.len() {
                let mut length = [0; 4];
                self.file.read_exact(&mut length)?;
                let start = bytes.len();
                bytes.resize(start + u32::from_le_bytes(length) as usize, 0);
                self.file.read_exact(&mut bytes[start..])?;
                ends.push(u32::try_from(bytes.len()).map_err(|_| io::Error::other("a row of over 4 GiB"))?);
            }
            each(&RowValues::Bytes { bytes: &bytes, ends: &ends })?;
        }
        Ok(())
    }
}

/// Whether a value has this type.
pub(super) fn fits(kind: ColumnType, value: ValueRef<'_>) -> bool {
    match (kind, value) {
        (_, ValueRef::Null) | (ColumnType::Integer, ValueRef::Integer(_)) => true,
        (ColumnType::Text | ColumnType::List, ValueRef::Text(_) | ValueRef::Integer(_)) => true,
        (ColumnType::Boolean, ValueRef::Integer(n)) => n == 0 || n == 1,
        (ColumnType::Time, ValueRef::Text(text)) => microseconds(text).is_some(),
        _ => false,
    }
}
