//! Renders rows as Parquet, with the types of their columns.
//!
//! The rows of a group are collected by column and then written, so a file of any size needs the memory of one group. Only
//! common types are used: Spark refuses INT96 and nanoseconds.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::record::Field;
use parquet::schema::types::Type;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::csv_column::CsvColumn;
use super::output_file::RowSource;
use super::render::{ColumnStats, FileStats, FragmentCaches, InferredType, RenderError};
use super::row_spool::{RowSpool, SpooledRows};
use super::style::LIST_SEPARATOR;
use super::time_value::microseconds;
use super::typed_rows::{RowSink, RowValues, read_rows};
use crate::stream::ColumnType;

/// Most rows of a group.
const GROUP_ROWS: usize = 20_000;

/// A group with more bytes than this ends before it has all its rows.
const GROUP_BYTES: usize = 32 << 20;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ParquetType {
    Text,
    Integer,
    Number,
    Boolean,
    Time,
    List,
}

impl ParquetType {
    fn of(column: &ColumnStats) -> ParquetType {
        match (column.column.column_type, column.inferred) {
            (Some(ColumnType::Text), _) => ParquetType::Text,
            (Some(ColumnType::Integer), _) | (None, InferredType::Integer) => ParquetType::Integer,
            (Some(ColumnType::Boolean), _) => ParquetType::Boolean,
            (Some(ColumnType::Time), _) => ParquetType::Time,
            (Some(ColumnType::List), _) => ParquetType::List,
            (None, InferredType::Number) => ParquetType::Number,
            (None, InferredType::Text | InferredType::Empty) => ParquetType::Text,
        }
    }

    /// The column as the schema has it. Every value may be null.
    fn field(self, name: &str) -> Result<Type, ParquetError> {
        let value = |name: &str, physical, logical| {
            let field = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
            field.with_logical_type(logical).build()
        };
        match self {
            ParquetType::Text => value(name, PhysicalType::BYTE_ARRAY, Some(LogicalType::String)),
            ParquetType::Integer => value(name, PhysicalType::INT64, None),
            ParquetType::Number => value(name, PhysicalType::DOUBLE, None),
            ParquetType::Boolean => value(name, PhysicalType::BOOLEAN, None),
            ParquetType::Time => value(name, PhysicalType::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
            // The three levels that every reader knows.
            ParquetType::List => {
                let element = value("element", PhysicalType::BYTE_ARRAY, Some(LogicalType::String))?;
                let list = Type::group_type_builder("list").with_repetition(Repetition::REPEATED);
                let list = list.with_fields(vec![Arc::new(element)]).build()?;
                let field = Type::group_type_builder(name).with_repetition(Repetition::OPTIONAL);
                field.with_logical_type(Some(LogicalType::List)).with_fields(vec![Arc::new(list)]).build()
            }
        }
    }
}

/// The values of a column in the current group.
struct ColumnValues {
    kind: ParquetType,
    /// Whether each value is there: 0 or 1; of a list also whether it has an element, which is 3.
    present: Vec<i16>,
    /// Of a list: whether an element continues the list before it.
    continued: Vec<i16>,
    integers: Vec<i64>,
    numbers: Vec<f64>,
    booleans: Vec<bool>,
    text: Vec<u8>,
    text_ends: Vec<usize>,
}

impl ColumnValues {
    fn new(kind: ParquetType) -> ColumnValues {
        ColumnValues {
            kind,
            present: Vec::new(),
            continued: Vec::new(),
            integers: Vec::new(),
            numbers: Vec::new(),
            booleans: Vec::new(),
            text: Vec::new(),
            text_ends: Vec::new(),
        }
    }

    /// Adds a value. Returns whether it has the type of the column; if not, null is added.
    fn push(&mut self, value: ValueRef<'_>) -> bool {
        let is_null = matches!(value, ValueRef::Null);
        let is_pushed = !is_null && self.push_value(value);
        if self.kind != ParquetType::List || !is_pushed {
            self.present.push(i16::from(is_pushed));
        }
        if self.kind == ParquetType::List && !is_pushed {
            self.continued.push(0);
        }
        is_null || is_pushed
    }

    fn push_value(&mut self, value: ValueRef<'_>) -> bool {
        match (self.kind, value) {
            (ParquetType::Integer, ValueRef::Integer(n)) => self.integers.push(n),
            (ParquetType::Boolean, ValueRef::Integer(n)) => self.booleans.push(n != 0),
            (ParquetType::Number, ValueRef::Real(n)) => self.numbers.push(n),
            #[expect(clippy::cast_precision_loss, reason = "the column also has decimals")]
            (ParquetType::Number, ValueRef::Integer(n)) => self.numbers.push(n as f64),
            (ParquetType::Time, ValueRef::Text(text)) => match microseconds(text) {
                Some(time) => self.integers.push(time),
                None => return false,
            },
            (ParquetType::Text, ValueRef::Text(text)) => self.push_text(text),
            (ParquetType::Text, ValueRef::Integer(n)) => self.push_text(n.to_string().as_bytes()),
            (ParquetType::Text, ValueRef::Real(n)) => self.push_text(n.to_string().as_bytes()),
            (ParquetType::Text, ValueRef::Blob(bytes)) => {
                let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
                self.push_text(hex.as_bytes());
            }
            (ParquetType::List, ValueRef::Text(joined)) => self.push_list(joined),
            (ParquetType::List, ValueRef::Integer(n)) => self.push_list(n.to_string().as_bytes()),
            _ => return false,
        }
        true
    }

    /// Adds a value of another file with the same column.
    fn push_field(&mut self, field: &Field) {
        let texts = |list: &[Field]| {
            list.iter()
                .map(|field| match field {
                    Field::Str(text) => text.clone(),
                    other => other.to_string(),
                })
                .collect::<Vec<_>>()
        };
        match field {
            Field::Bool(flag) => self.push(ValueRef::Integer(i64::from(*flag))),
            Field::Long(n) => self.push(ValueRef::Integer(*n)),
            Field::Double(n) => self.push(ValueRef::Real(*n)),
            Field::Str(text) => self.push(ValueRef::Text(text.as_bytes())),
            Field::ListInternal(list) => {
                self.push(ValueRef::Text(texts(list.elements()).join(LIST_SEPARATOR).as_bytes()))
            }
            Field::TimestampMicros(time) => {
                self.integers.push(*time);
                self.present.push(1);
                true
            }
            _ => self.push(ValueRef::Null),
        };
    }

    fn push_text(&mut self, text: &[u8]) {
        // Only a query with a cast can produce other bytes. The file stays UTF-8.
        self.text.extend_from_slice(String::from_utf8_lossy(text).as_bytes());
        self.text_ends.push(self.text.len());
    }

    fn push_list(&mut self, joined: &[u8]) {
        let joined = String::from_utf8_lossy(joined);
        for (n, element) in joined.split(LIST_SEPARATOR).enumerate() {
            self.text.extend_from_slice(element.as_bytes());
            self.text_ends.push(self.text.len());
            self.present.push(3);
            self.continued.push(i16::from(n > 0));
        }
    }

    fn bytes(&self) -> usize {
        // A text is also an object of the library while its column is written.
        self.text.len()
            + 48 * self.text_ends.len()
            + 8 * (self.integers.len() + self.numbers.len())
            + 2 * self.present.len()
    }

    /// Writes the values, and forgets them.
    fn write(&mut self, column: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let present = Some(self.present.as_slice());
        match self.kind {
            ParquetType::Integer | ParquetType::Time => {
                column.typed::<Int64Type>().write_batch(&self.integers, present, None)?;
            }
            ParquetType::Number => {
                column.typed::<DoubleType>().write_batch(&self.numbers, present, None)?;
            }
            ParquetType::Boolean => {
                column.typed::<BoolType>().write_batch(&self.booleans, present, None)?;
            }
            ParquetType::Text | ParquetType::List => {
                let text = Bytes::from(std::mem::take(&mut self.text));
                let mut start = 0;
                let values: Vec<ByteArray> = self
                    .text_ends
                    .iter()
                    .map(|end| {
                        let value = text.slice(start..*end);
                        start = *end;
                        ByteArray::from(value)
                    })
                    .collect();
                let continued = (self.kind == ParquetType::List).then_some(self.continued.as_slice());
                column.typed::<ByteArrayType>().write_batch(&values, present, continued)?;
            }
        }
        self.present.clear();
        self.continued.clear();
        self.integers.clear();
        self.numbers.clear();
        self.booleans.clear();
        self.text_ends.clear();
        Ok(())
    }
}

/// Writes one file.
pub(super) struct ParquetRows<W: Write + Send> {
    /// The output until the columns are known.
    out: Option<W>,
    writer: Option<SerializedFileWriter<W>>,
    group: Vec<ColumnValues>,
    group_rows: usize,
    stats: FileStats,
}

impl<W: Write + Send> ParquetRows<W> {
    pub(super) fn new(out: W) -> Self {
        ParquetRows { out: Some(out), writer: None, group: Vec::new(), group_rows: 0, stats: FileStats::default() }
    }

    /// Starts the file with these columns.
    pub(super) fn start(&mut self, columns: Vec<ColumnStats>) -> Result<(), RenderError> {
        let kinds: Vec<ParquetType> = columns.iter().map(ParquetType::of).collect();
        let fields = kinds.iter().zip(&columns).map(|(kind, column)| kind.field(&column.column.header).map(Arc::new));
        let fields = fields.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let schema = Type::group_type_builder("rows").with_fields(fields).build().map_err(failed)?;
        let options = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        self.group = kinds.into_iter().map(ColumnValues::new).collect();
        self.stats.columns = columns;
        if let Some(out) = self.out.take() {
            let writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(options));
            self.writer = Some(writer.map_err(failed)?);
        }
        Ok(())
    }

    fn write_group(&mut self) -> Result<(), RenderError> {
        let Some(writer) = self.writer.as_mut().filter(|_| self.group_rows > 0) else { return Ok(()) };
        let mut group = writer.next_row_group().map_err(failed)?;
        for values in &mut self.group {
            let Some(mut column) = group.next_column().map_err(failed)? else { break };
            values.write(&mut column).and_then(|()| column.close()).map_err(failed)?;
        }
        group.close().map_err(failed)?;
        self.group_rows = 0;
        Ok(())
    }

    /// Adds a row of another file with the same columns.
    pub(super) fn copy_row<'f>(&mut self, fields: impl Iterator<Item = &'f Field>) -> Result<(), RenderError> {
        self.group.iter_mut().zip(fields).for_each(|(values, field)| values.push_field(field));
        self.end_row()
    }

    fn end_row(&mut self) -> Result<(), RenderError> {
        self.stats.rows += 1;
        self.group_rows += 1;
        // The size is looked at now and then, because that costs time.
        let is_large = self.group_rows.is_multiple_of(64)
            && self.group.iter().map(ColumnValues::bytes).sum::<usize>() > GROUP_BYTES;
        if self.group_rows == GROUP_ROWS || is_large { self.write_group() } else { Ok(()) }
    }

    /// Ends the file.
    pub(super) fn finish(mut self) -> Result<FileStats, RenderError> {
        self.write_group()?;
        if let Some(writer) = self.writer.take() {
            writer.close().map_err(failed)?;
        }
        Ok(self.stats)
    }
}

impl<W: Write + Send> RowSink for ParquetRows<W> {
    fn begin(&mut self, columns: Vec<CsvColumn>) -> Result<(), RenderError> {
        self.start(columns.into_iter().map(ColumnStats::new).collect())
    }

    fn take_row(&mut self, row: &RowValues<'_>) -> Result<(), RenderError> {
        for (n, (values, column)) in self.group.iter_mut().zip(&mut self.stats.columns).enumerate() {
            column.unfit += u64::from(!values.push(row.get(n)?));
        }
        self.end_row()
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
