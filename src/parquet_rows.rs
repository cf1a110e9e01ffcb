//! Writes rows as Parquet, with the types of their columns.
//!
//! The rows of a group are collected by column and then written, so a file of any size needs the memory of one group. Only
//! common types are used: Spark refuses INT96 and nanoseconds.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as PhysicalType};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::record::Field;
use parquet::schema::types::Type;
use rusqlite::types::ValueRef;

use crate::store::microseconds;

/// Most rows of a group.
const GROUP_ROWS: usize = 20_000;

/// A group with more bytes than this ends before it has all its rows.
const GROUP_BYTES: usize = 32 << 20;

/// The type of a column in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParquetType {
    Text,
    Integer,
    Number,
    Boolean,
    Time,
    /// Texts, which are joined in the value of a row.
    List {
        separator: &'static str,
    },
}

impl ParquetType {
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
            ParquetType::List { .. } => {
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

    fn is_list(&self) -> bool {
        matches!(self.kind, ParquetType::List { .. })
    }

    /// Adds a value. Returns whether it has the type of the column; if not, null is added.
    fn push(&mut self, value: ValueRef<'_>) -> bool {
        let is_null = matches!(value, ValueRef::Null);
        let is_pushed = !is_null && self.push_value(value);
        if !self.is_list() || !is_pushed {
            self.present.push(i16::from(is_pushed));
        }
        if self.is_list() && !is_pushed {
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
            (ParquetType::List { separator }, ValueRef::Text(joined)) => self.push_list(joined, separator),
            (ParquetType::List { separator }, ValueRef::Integer(n)) => {
                self.push_list(n.to_string().as_bytes(), separator)
            }
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
                let separator = if let ParquetType::List { separator } = self.kind { separator } else { "" };
                self.push(ValueRef::Text(texts(list.elements()).join(separator).as_bytes()))
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

    fn push_list(&mut self, joined: &[u8], separator: &str) {
        let joined = String::from_utf8_lossy(joined);
        for (n, element) in joined.split(separator).enumerate() {
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
            ParquetType::Text | ParquetType::List { .. } => {
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
                let continued = self.is_list().then_some(self.continued.as_slice());
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
pub struct ParquetWriter<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    group: Vec<ColumnValues>,
    group_rows: usize,
}

impl<W: Write + Send> ParquetWriter<W> {
    /// Starts a file with these columns.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn start<'c>(
        out: W,
        columns: impl IntoIterator<Item = (&'c str, ParquetType)>,
    ) -> Result<ParquetWriter<W>, ParquetError> {
        let (mut fields, mut group) = (Vec::new(), Vec::new());
        for (name, kind) in columns {
            fields.push(Arc::new(kind.field(name)?));
            group.push(ColumnValues::new(kind));
        }
        let schema = Type::group_type_builder("rows").with_fields(fields).build()?;
        let options = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_offset_index_disabled(true)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let writer = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(options))?;
        Ok(ParquetWriter { writer, group, group_rows: 0 })
    }

    /// Adds the value of a column to the current row. Returns whether it has the type of the column; if not, null is added.
    pub fn push(&mut self, column: usize, value: ValueRef<'_>) -> bool {
        self.group.get_mut(column).is_some_and(|values| values.push(value))
    }

    /// Adds a row of another file with the same columns.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn copy_row<'f>(&mut self, fields: impl Iterator<Item = &'f Field>) -> Result<(), ParquetError> {
        self.group.iter_mut().zip(fields).for_each(|(values, field)| values.push_field(field));
        self.end_row()
    }

    /// Ends the current row, which has a value of each column.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn end_row(&mut self) -> Result<(), ParquetError> {
        self.group_rows += 1;
        // The size is looked at now and then, because that costs time.
        let is_large = self.group_rows.is_multiple_of(64)
            && self.group.iter().map(ColumnValues::bytes).sum::<usize>() > GROUP_BYTES;
        if self.group_rows == GROUP_ROWS || is_large { self.write_group() } else { Ok(()) }
    }

    /// The size of the groups that are written.
    pub fn bytes_written(&self) -> usize {
        self.writer.bytes_written()
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        if self.group_rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for values in &mut self.group {
            let Some(mut column) = group.next_column()? else { break };
            values.write(&mut column).and_then(|()| column.close())?;
        }
        group.close()?;
        self.group_rows = 0;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// If the output cannot be written.
    pub fn finish(&mut self) -> Result<&mut W, ParquetError> {
        self.write_group()?;
        self.writer.finish()?;
        Ok(self.writer.inner_mut())
    }
}
