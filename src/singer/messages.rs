//! The messages, each on a line.

use std::io::{self, Write};

use chrono::{DateTime, Datelike, Timelike};
use rusqlite::Row;
use rusqlite::types::ValueRef;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value, json};

use crate::document::printable_json;
use crate::store::{FeedTable, FeedType, column_comment};

/// The version of the row.
pub(super) const ROW_VERSION: &str = "row_version";

/// When the row was deleted.
pub(super) const DELETED_AT: &str = "_sdc_deleted_at";

/// The JSON Schema of a table, with its columns in their order.
pub(super) struct TableSchema<'t>(pub &'t FeedTable);

impl Serialize for TableSchema<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("type", "object")?;
        map.serialize_entry("properties", &TableColumns(self.0))?;
        map.end()
    }
}

struct TableColumns<'t>(&'t FeedTable);

impl Serialize for TableColumns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let table = self.0;
        let mut map = serializer.serialize_map(Some(table.columns.len() + 2))?;
        for column in &table.columns {
            let is_key = table.key.contains(&column.name);
            map.serialize_entry(&column.name, &of_type(column.kind, is_key, column_comment(table.name, &column.name)))?;
        }
        let about = "version of the store at which the row last changed".to_owned();
        map.serialize_entry(ROW_VERSION, &of_type(FeedType::Integer, true, Some(about)))?;
        let about = "when the row was deleted; null while it exists".to_owned();
        map.serialize_entry(DELETED_AT, &of_type(FeedType::Time, false, Some(about)))?;
        map.end()
    }
}

fn of_type(kind: FeedType, is_never_null: bool, about: Option<String>) -> Value {
    let name = match kind {
        FeedType::Integer => "integer",
        FeedType::Boolean => "boolean",
        FeedType::Text | FeedType::Time => "string",
    };
    let mut schema = json!({ "type": if is_never_null { vec![name] } else { vec!["null", name] } });
    if kind == FeedType::Time {
        schema["format"] = json!("date-time");
    }
    if let Some(about) = about {
        schema["description"] = json!(about);
    }
    schema
}

#[derive(serde::Serialize)]
struct SchemaMessage<'t> {
    r#type: &'static str,
    stream: &'t str,
    schema: TableSchema<'t>,
    key_properties: &'t [String],
    bookmark_properties: [&'static str; 1],
}

/// Writes what a table has.
pub(super) fn write_schema(out: &mut dyn Write, table: &FeedTable) -> io::Result<()> {
    let message = SchemaMessage {
        r#type: "SCHEMA",
        stream: table.name,
        schema: TableSchema(table),
        key_properties: &table.key,
        bookmark_properties: [ROW_VERSION],
    };
    write_line(out, serde_json::to_string(&message)?)
}

/// Writes how far the tables were sent. The target prints it once it has the messages before it.
pub(super) fn write_state(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    write_line(out, format!("{{\"type\":\"STATE\",\"value\":{value}}}"))
}

/// Writes that all rows with an earlier version of a table can be deleted.
pub(super) fn write_activate_version(out: &mut dyn Write, table: &str, version: i64) -> io::Result<()> {
    let table = json!(table);
    write_line(out, format!("{{\"type\":\"ACTIVATE_VERSION\",\"stream\":{table},\"version\":{version}}}"))
}

fn write_line(out: &mut dyn Write, text: String) -> io::Result<()> {
    // Somebody may look at the messages on a terminal.
    let is_plain = text.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    let text = if is_plain { text } else { printable_json(&text) };
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")
}

/// Writes the rows of a table.
pub(super) struct RecordWriter {
    /// The message up to its first value.
    start: String,
    /// The name of each column as JSON, its type, and whether it is in the key.
    columns: Vec<(String, FeedType, bool)>,
    /// The message after its last value.
    end: String,
    /// Rows that exist.
    pub rows: u64,
    /// Deleted rows.
    pub deleted: u64,
    /// Times that no target can read, which became null.
    pub unreadable_times: u64,
    /// Rows with such a time in their key.
    pub left_out: u64,
}

impl RecordWriter {
    pub(super) fn of(table: &FeedTable, version: Option<i64>, extracted_at: &str) -> RecordWriter {
        let of_column = |name: &str, kind, is_key| (format!("{}:", json!(name)), kind, is_key);
        let mut columns: Vec<_> =
            table.columns.iter().map(|c| of_column(&c.name, c.kind, table.key.contains(&c.name))).collect();
        columns.push(of_column(ROW_VERSION, FeedType::Integer, true));
        columns.push(of_column(DELETED_AT, FeedType::Time, false));
        let version = version.map_or(String::new(), |version| format!(",\"version\":{version}"));
        RecordWriter {
            start: format!("{{\"type\":\"RECORD\",\"stream\":{},\"record\":{{", json!(table.name)),
            columns,
            end: format!("}}{version},\"time_extracted\":{}}}", json!(extracted_at)),
            rows: 0,
            deleted: 0,
            unreadable_times: 0,
            left_out: 0,
        }
    }

    /// Writes a row of the feed. Its last value is the time when it was deleted.
    pub(super) fn write(&mut self, out: &mut dyn Write, row: &Row<'_>) -> io::Result<()> {
        let mut text = String::with_capacity(256);
        text.push_str(&self.start);
        let (mut unreadable, mut is_deleted) = (0, false);
        for (place, (name, kind, is_key)) in self.columns.iter().enumerate() {
            if place > 0 {
                text.push(',');
            }
            text.push_str(name);
            let value = row.get_ref(place).map_err(io::Error::other)?;
            is_deleted = value != ValueRef::Null;
            if !write_value(&mut text, *kind, value) {
                if *is_key {
                    self.left_out += 1;
                    return Ok(());
                }
                unreadable += 1;
            }
        }
        text.push_str(&self.end);
        self.unreadable_times += unreadable;
        *(if is_deleted { &mut self.deleted } else { &mut self.rows }) += 1;
        write_line(out, text)
    }
}

/// Adds a value. Returns false if it is a time that no target can read, and null was added.
fn write_value(out: &mut String, kind: FeedType, value: ValueRef<'_>) -> bool {
    match (kind, value) {
        (_, ValueRef::Null) => out.push_str("null"),
        (FeedType::Boolean, ValueRef::Integer(number)) => out.push_str(if number == 0 { "false" } else { "true" }),
        (_, ValueRef::Integer(number)) => out.push_str(&number.to_string()),
        (_, ValueRef::Real(number)) => out.push_str(&json!(number).to_string()),
        (kind, ValueRef::Text(text) | ValueRef::Blob(text)) => {
            let text = String::from_utf8_lossy(text);
            if kind == FeedType::Time && !is_time(&text) {
                out.push_str("null");
                return false;
            }
            // Many databases cannot store this character.
            out.push_str(&Value::String(text.replace('\0', "\u{fffd}")).to_string());
        }
    }
    true
}

/// Whether a text is a time that every target can read: with a year of the calendar, and no leap second.
fn is_time(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text).is_ok_and(|time| time.year() > 0 && time.nanosecond() < 1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_targets_read_them() {
        let written = |kind, value| {
            let mut out = String::new();
            let is_good = write_value(&mut out, kind, value);
            (out, is_good)
        };
        let text = |text: &'static str| ValueRef::Text(text.as_bytes());
        assert_eq!(written(FeedType::Text, ValueRef::Null).0, "null");
        assert_eq!(written(FeedType::Text, text("a\"\n\0ü")).0, "\"a\\\"\\n\u{fffd}ü\"");
        assert_eq!(written(FeedType::Boolean, ValueRef::Integer(1)).0, "true");
        assert_eq!(written(FeedType::Integer, ValueRef::Integer(-1)).0, "-1");
        assert_eq!(written(FeedType::Time, text("2026-01-01T00:00:00Z")), ("\"2026-01-01T00:00:00Z\"".into(), true));
        for odd in ["", "yesterday", "0000-01-01T00:00:00Z", "2016-12-31T23:59:60Z"] {
            assert_eq!(written(FeedType::Time, text(odd)), ("null".into(), false), "{odd}");
        }
    }
}
