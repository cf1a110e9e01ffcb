//! Reads Parquet files for a purge: whether they mention a user, and their rows without those of the user.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{LogicalType, Type as PhysicalType};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::Type;

use super::csv_column::CsvColumn;
use super::parquet_file::{ParquetRows, failed};
use super::render::{ColumnStats, InferredType, RenderError};
use crate::stream::ColumnType;

/// How many bytes of text are looked at together.
const TEXT_BYTES: usize = 1 << 20;

/// Whether `is_mentioned` is true of the texts in a file, which it gets a line each.
pub(super) fn mentions(file: File, mut is_mentioned: impl FnMut(&[u8]) -> io::Result<bool>) -> io::Result<bool> {
    let mut texts = Vec::new();
    for row in open(file)? {
        for (_, field) in row.map_err(io::Error::other)?.get_column_iter() {
            add_texts(field, &mut texts);
        }
        if texts.len() > TEXT_BYTES {
            if is_mentioned(&texts)? {
                return Ok(true);
            }
            texts.clear();
        }
    }
    is_mentioned(&texts)
}

fn add_texts(field: &Field, texts: &mut Vec<u8>) {
    match field {
        Field::Str(text) => {
            texts.extend_from_slice(text.as_bytes());
            texts.push(b'\n');
        }
        Field::ListInternal(list) => list.elements().iter().for_each(|element| add_texts(element, texts)),
        _ => {}
    }
}

/// Copies a file without some rows, by the text in a column. Returns how many rows were kept and how many not; none, and
/// nothing is written, if there is no such column.
pub(super) fn copy_rows(
    file: File,
    column: &str,
    drop: impl Fn(&str) -> bool,
    out: impl Write + Send,
) -> Result<Option<(u64, u64)>, RenderError> {
    let reader = SerializedFileReader::new(file).map_err(failed)?;
    let fields: Vec<Arc<Type>> = reader.metadata().file_metadata().schema().get_fields().to_vec();
    let Some(at) = fields.iter().position(|field| field.name() == column) else { return Ok(None) };
    let mut copy = ParquetRows::new(out);
    copy.start(fields.iter().map(|field| column_of(field)).collect())?;
    let (mut kept, mut dropped) = (0, 0);
    for row in reader.into_iter() {
        let row: Row = row.map_err(failed)?;
        match row.get_column_iter().nth(at) {
            Some((_, Field::Str(name))) if drop(name) => dropped += 1,
            _ => {
                copy.copy_row(row.get_column_iter().map(|(_, field)| field))?;
                kept += 1;
            }
        }
    }
    copy.finish()?;
    Ok(Some((kept, dropped)))
}

fn open(file: File) -> io::Result<impl Iterator<Item = parquet::errors::Result<Row>>> {
    Ok(SerializedFileReader::new(file).map_err(io::Error::other)?.into_iter())
}

/// A column as its field in the schema describes it.
fn column_of(field: &Type) -> ColumnStats {
    let column_type = match (field.is_group(), field.get_basic_info().logical_type_ref()) {
        (true, _) => Some(ColumnType::List),
        (_, Some(LogicalType::Timestamp(_))) => Some(ColumnType::Time),
        _ => match field.get_physical_type() {
            PhysicalType::INT64 => Some(ColumnType::Integer),
            PhysicalType::BOOLEAN => Some(ColumnType::Boolean),
            PhysicalType::DOUBLE => None,
            _ => Some(ColumnType::Text),
        },
    };
    let header = field.name().to_owned().into();
    ColumnStats { inferred: InferredType::Number, ..ColumnStats::new(CsvColumn { header, column_type, about: "" }) }
}
