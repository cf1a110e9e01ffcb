//! Renders rows as Parquet, with the types of their columns.

use std::io::{self, Write};
use std::path::Path;

use parquet::basic::{LogicalType, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;
use rusqlite::Connection;

use super::csv_column::CsvColumn;
use super::output_file::RowSource;
use super::render::{ColumnStats, FileStats, FragmentCaches, InferredType, RenderError};
use super::row_spool::{RowSpool, SpooledRows};
use super::style::LIST_SEPARATOR;
use super::typed_rows::{RowSink, RowValues, read_rows};
use crate::parquet_rows::{ParquetType, ParquetWriter};
use crate::stream::ColumnType;

/// Writes all rows of a file. `folder` is for temporary files.
pub(super) fn write(
    store: &Connection,
    source: &RowSource<'_>,
    fragments: &mut FragmentCaches,
    folder: &Path,
    out: impl Write + Send,
) -> Result<FileStats, RenderError> {
    let RowSource::Query { reader, sql, .. } = source else {
        let mut file = ParquetRows::new(out);
        read_rows(store, source, fragments, &mut file)?;
        return file.finish();
    };
    // The types of some columns depend on all values.
    let mut spool = RowSpool::new(folder, reader.declared_types(sql)?);
    read_rows(store, source, fragments, &mut spool)?;
    write_spooled(spool.finish()?, out)
}

fn write_spooled(mut rows: SpooledRows, out: impl Write + Send) -> Result<FileStats, RenderError> {
    let mut file = ParquetRows::new(out);
    file.start(std::mem::take(&mut rows.stats.columns))?;
    rows.stats.columns.clone_from(&file.stats.columns);
    rows.read(|row| file.take_row(row))?;
    file.finish()
}

/// The type of a column in a file.
fn parquet_type(column: &ColumnStats) -> ParquetType {
    match (column.column.column_type, column.inferred) {
        (Some(ColumnType::Text), _) => ParquetType::Text,
        (Some(ColumnType::Integer), _) | (None, InferredType::Integer) => ParquetType::Integer,
        (Some(ColumnType::Boolean), _) => ParquetType::Boolean,
        (Some(ColumnType::Time), _) => ParquetType::Time,
        (Some(ColumnType::List), _) => ParquetType::List { separator: LIST_SEPARATOR },
        (None, InferredType::Number) => ParquetType::Number,
        (None, InferredType::Text | InferredType::Empty) => ParquetType::Text,
    }
}

/// Writes one file.
pub(super) struct ParquetRows<W: Write + Send> {
    /// The output until the columns are known.
    out: Option<W>,
    writer: Option<ParquetWriter<W>>,
    stats: FileStats,
}

impl<W: Write + Send> ParquetRows<W> {
    pub(super) fn new(out: W) -> Self {
        ParquetRows { out: Some(out), writer: None, stats: FileStats::default() }
    }

    /// Starts the file with these columns.
    pub(super) fn start(&mut self, columns: Vec<ColumnStats>) -> Result<(), RenderError> {
        if let Some(out) = self.out.take() {
            let fields = columns.iter().map(|column| (&*column.column.header, parquet_type(column)));
            self.writer = Some(ParquetWriter::start(out, fields).map_err(failed)?);
        }
        self.stats.columns = columns;
        Ok(())
    }

    /// Adds a row of another file with the same columns.
    pub(super) fn copy_row<'f>(&mut self, fields: impl Iterator<Item = &'f Field>) -> Result<(), RenderError> {
        self.stats.rows += 1;
        self.writer.as_mut().map_or(Ok(()), |writer| writer.copy_row(fields)).map_err(failed)
    }

    /// Ends the file.
    pub(super) fn finish(mut self) -> Result<FileStats, RenderError> {
        if let Some(mut writer) = self.writer.take() {
            writer.finish().map_err(failed)?;
        }
        Ok(self.stats)
    }
}

impl<W: Write + Send> RowSink for ParquetRows<W> {
    fn begin(&mut self, columns: Vec<CsvColumn>) -> Result<(), RenderError> {
        self.start(columns.into_iter().map(ColumnStats::new).collect())
    }

    fn take_row(&mut self, row: &RowValues<'_>) -> Result<(), RenderError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        for (n, column) in self.stats.columns.iter_mut().enumerate() {
            column.unfit += u64::from(!writer.push(n, row.get(n)?));
        }
        self.stats.rows += 1;
        writer.end_row().map_err(failed)
    }
}

/// The error of a file that cannot be written; that of the disk stays one.
pub(super) fn failed(error: ParquetError) -> RenderError {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => RenderError::Io(*error),
            Err(error) => RenderError::Format(error.to_string()),
        },
        other => RenderError::Format(other.to_string()),
    }
}

/// The names of the columns of a file, and the types that the data package states for them; none if it cannot be read.
pub(super) fn read_fields(file: std::fs::File) -> Vec<(String, &'static str)> {
    let Ok(reader) = SerializedFileReader::new(file) else { return Vec::new() };
    let schema = reader.metadata().file_metadata().schema();
    let kind = |field: &Type| match (field.get_basic_info().logical_type_ref(), field.is_group()) {
        (_, true) => "array",
        (Some(LogicalType::Timestamp(_)), _) => "datetime",
        (Some(LogicalType::String), _) => "string",
        _ => match field.get_physical_type() {
            PhysicalType::INT64 => "integer",
            PhysicalType::DOUBLE => "number",
            PhysicalType::BOOLEAN => "boolean",
            _ => "any",
        },
    };
    schema.get_fields().iter().map(|field| (field.name().to_owned(), kind(field))).collect()
}

#[cfg(test)]
mod tests;
