//! Parquet files as text, read with the library's own reader of rows.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, SecondsFormat};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::printer::print_schema;

fn open(path: &Path) -> SerializedFileReader<std::fs::File> {
    let file = std::fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    SerializedFileReader::new(file).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The rows of a file, with each value as a CSV file shows it.
pub fn parquet_rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let rows = open(path).into_iter();
    rows.map(|row| row.unwrap().get_column_iter().map(|(name, field)| (name.clone(), as_cell(field))).collect())
        .collect()
}

/// The schema of a file in the language of Parquet.
pub fn parquet_schema(path: &Path) -> String {
    let mut out = Vec::new();
    print_schema(&mut out, open(path).metadata().file_metadata().schema());
    String::from_utf8(out).unwrap()
}

fn as_cell(field: &Field) -> String {
    match field {
        Field::Null => String::new(),
        Field::Bool(flag) => flag.to_string(),
        Field::Long(n) => n.to_string(),
        Field::Double(n) => n.to_string(),
        Field::Str(text) => text.clone(),
        Field::TimestampMicros(time) => {
            DateTime::from_timestamp_micros(*time).unwrap().to_rfc3339_opts(SecondsFormat::AutoSi, true)
        }
        Field::ListInternal(list) => list.elements().iter().map(as_cell).collect::<Vec<_>>().join("; "),
        other => panic!("{other:?}"),
    }
}
