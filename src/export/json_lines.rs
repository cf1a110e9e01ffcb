//! Renders rows as JSON Lines: one object a line, with the columns as keys, in their order.
//!
//! Values have the types of their columns: numbers, booleans, lists as arrays, times as ISO 8601 texts, and null. Texts are
//! exact, so no value is guarded or replaced. In a query, each value has the type that SQLite gives it.

use std::io::{self, BufWriter, Write};

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Deserializer};

use super::csv_column::CsvColumn;
use super::output_file::RowSource;
use super::render::{ColumnStats, FileStats, FragmentCaches, InferredType, RenderError};
use super::style::LIST_SEPARATOR;
use super::typed_rows::{RowSink, RowValues, read_rows};
use crate::stream::ColumnType;

/// Writes all rows of a file.
pub(super) fn write(
    store: &Connection,
    source: &RowSource<'_>,
    fragments: &mut FragmentCaches,
    out: impl Write,
) -> Result<FileStats, RenderError> {
    let mut lines = JsonLines::new(out);
    read_rows(store, source, fragments, &mut lines)?;
    lines.out.flush()?;
    Ok(lines.stats)
}

/// The names of the columns of a file that starts with these bytes; none if it has no rows.
pub(super) fn read_names(start: &[u8]) -> Vec<String> {
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice(line).map(|ColumnNames(names)| names).unwrap_or_default()
}

/// The keys of an object in their order, which `serde_json::Map` does not keep.
struct ColumnNames(Vec<String>);

impl<'de> Deserialize<'de> for ColumnNames {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(ColumnNames(Vec::new()))
    }
}

impl<'de> Visitor<'de> for ColumnNames {
    type Value = ColumnNames;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut row: A) -> Result<ColumnNames, A::Error> {
        while let Some((name, IgnoredAny)) = row.next_entry()? {
            self.0.push(name);
        }
        Ok(self)
    }
}

struct JsonLines<W: Write> {
    out: BufWriter<W>,
    stats: FileStats,
    /// For each column: what precedes its value, such as `,"name":`.
    keys: Vec<Vec<u8>>,
    line: Vec<u8>,
}

impl<W: Write> JsonLines<W> {
    fn new(out: W) -> Self {
        let out = BufWriter::with_capacity(1 << 16, out);
        JsonLines { out, stats: FileStats::default(), keys: Vec::new(), line: Vec::new() }
    }
}

impl<W: Write> RowSink for JsonLines<W> {
    fn begin(&mut self, columns: Vec<CsvColumn>) -> Result<(), RenderError> {
        for column in &columns {
            let mut key = if self.keys.is_empty() { b"{".to_vec() } else { b",".to_vec() };
            write_json(&column.header, &mut key)?;
            key.push(b':');
            self.keys.push(key);
        }
        self.stats.columns = columns.into_iter().map(ColumnStats::new).collect();
        Ok(())
    }

    fn take_row(&mut self, row: &RowValues<'_>) -> Result<(), RenderError> {
        self.line.clear();
        for (n, (key, column)) in self.keys.iter().zip(&mut self.stats.columns).enumerate() {
            let value = row.get(n)?;
            column.inferred = column.inferred.max(InferredType::of(value));
            self.line.extend_from_slice(key);
            write_value(column.column.column_type, value, &mut self.line)?;
        }
        self.line.extend_from_slice(b"}\n");
        self.stats.rows += 1;
        Ok(self.out.write_all(&self.line)?)
    }
}

fn write_value(kind: Option<ColumnType>, value: ValueRef<'_>, out: &mut Vec<u8>) -> io::Result<()> {
    match (value, kind) {
        (ValueRef::Null, _) => out.extend_from_slice(b"null"),
        (ValueRef::Integer(n), Some(ColumnType::Boolean)) => write_json(&(n != 0), out)?,
        (ValueRef::Integer(n), None | Some(ColumnType::Integer)) => write_json(&n, out)?,
        (ValueRef::Integer(n), Some(ColumnType::List)) => write_list(&n.to_string(), out)?,
        (ValueRef::Integer(n), Some(ColumnType::Text | ColumnType::Time)) => write_json(&n.to_string(), out)?,
        (ValueRef::Real(n), _) if n.is_finite() => write_json(&n, out)?,
        // JSON has no infinity.
        (ValueRef::Real(n), _) => write_json(if n > 0.0 { "Infinity" } else { "-Infinity" }, out)?,
        (ValueRef::Text(bytes), Some(ColumnType::List)) => write_list(&String::from_utf8_lossy(bytes), out)?,
        (ValueRef::Text(bytes), _) => write_json(&*String::from_utf8_lossy(bytes), out)?,
        (ValueRef::Blob(bytes), _) => {
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            write_json(&hex, out)?;
        }
    }
    Ok(())
}

fn write_list(joined: &str, out: &mut Vec<u8>) -> io::Result<()> {
    let mut json = serde_json::Serializer::new(out);
    let mut list = json.serialize_seq(None)?;
    joined.split(LIST_SEPARATOR).try_for_each(|value| list.serialize_element(value))?;
    Ok(list.end()?)
}

fn write_json<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> io::Result<()> {
    Ok(serde_json::to_writer(out, value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_columns_keep_their_order() {
        assert_eq!(read_names(b"{\"b\":[1],\"a\":null}\n{\"c\":1}\n"), ["b", "a"]);
        assert_eq!(read_names(b""), Vec::<String>::new());
    }

    #[test]
    fn values_have_the_types_of_their_columns() {
        use ColumnType::{Boolean, Integer, List, Text, Time};
        for (kind, value, expected) in [
            (Some(Text), ValueRef::Null, "null"),
            (Some(Text), ValueRef::Text(b""), "\"\""),
            (Some(Text), ValueRef::Text(b"007"), "\"007\""),
            (Some(Text), ValueRef::Integer(7), "\"7\""),
            (Some(Text), ValueRef::Text(b"=1\0\"\n"), "\"=1\\u0000\\\"\\n\""),
            (Some(Time), ValueRef::Text(b"2026-01-02T03:04:05Z"), "\"2026-01-02T03:04:05Z\""),
            (Some(Integer), ValueRef::Integer(i64::MIN), "-9223372036854775808"),
            (Some(Boolean), ValueRef::Integer(1), "true"),
            (Some(List), ValueRef::Text("a; b\u{1f}c".as_bytes()), "[\"a; b\",\"c\"]"),
            (Some(List), ValueRef::Text(b"a"), "[\"a\"]"),
            (None, ValueRef::Integer(1), "1"),
            (None, ValueRef::Real(0.1), "0.1"),
            (None, ValueRef::Real(f64::NEG_INFINITY), "\"-Infinity\""),
            (None, ValueRef::Blob(&[0xff, 0]), "\"ff00\""),
            (None, ValueRef::Text(&[b'a', 0xff]), "\"a\u{fffd}\""),
        ] {
            let mut out = Vec::new();
            write_value(kind, value, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{kind:?} {value:?}");
        }
    }
}
