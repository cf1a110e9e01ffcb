//! Rows in the text format of COPY.

use std::fmt::Write;

use chrono::{DateTime, Datelike};
use rusqlite::types::ValueRef;
use rusqlite::{Rows, Statement};

use crate::push::{PushReport, PushedTable};
use crate::store::{FeedTable, FeedType};

/// A row, with its line break.
#[derive(Debug, Default)]
pub(super) struct RowText(pub String);

/// The rows of a query of the feed, one at a time.
pub(super) struct RowTexts<'q> {
    rows: Rows<'q>,
    kinds: Vec<FeedType>,
    /// The column `deleted_at`.
    deleted_at: usize,
    /// The columns of the key.
    keys: Vec<usize>,
    /// The first cell of each row.
    store: Option<String>,
    sent: u64,
    /// Deleted rows that were sent.
    deleted: u64,
    /// Times that cannot be stored, which became null.
    unreadable_times: u64,
    /// Rows with such a time in their key.
    left_out: u64,
}

impl<'q> RowTexts<'q> {
    pub(super) fn start(
        query: &'q mut Statement<'_>,
        table: &FeedTable,
        store: Option<&str>,
        with_deleted_at: bool,
    ) -> rusqlite::Result<RowTexts<'q>> {
        let mut kinds: Vec<FeedType> = table.columns.iter().map(|column| column.kind).collect();
        // The version of the row.
        kinds.push(FeedType::Integer);
        let deleted_at = kinds.len();
        kinds.extend(with_deleted_at.then_some(FeedType::Time));
        let keys = (0..table.columns.len()).filter(|n| table.key.contains(&table.columns[*n].name)).collect();
        let store = store.map(str::to_owned);
        let rows = query.query([])?;
        Ok(RowTexts { rows, kinds, deleted_at, keys, store, sent: 0, deleted: 0, unreadable_times: 0, left_out: 0 })
    }

    /// The next row.
    pub(super) fn next(&mut self) -> rusqlite::Result<Option<RowText>> {
        'rows: while let Some(row) = self.rows.next()? {
            let mut text = String::with_capacity(128);
            if let Some(store) = &self.store {
                text.push_str(store);
                text.push('\t');
            }
            let mut unreadable = 0;
            for (n, kind) in self.kinds.iter().enumerate() {
                if n > 0 {
                    text.push('\t');
                }
                let value = row.get_ref(n)?;
                if !write_cell(&mut text, *kind, value) {
                    if self.keys.contains(&n) {
                        self.left_out += 1;
                        continue 'rows;
                    }
                    unreadable += 1;
                }
            }
            text.push('\n');
            self.unreadable_times += unreadable;
            let is_deleted = row.get_ref(self.deleted_at)? != ValueRef::Null;
            *(if is_deleted { &mut self.deleted } else { &mut self.sent }) += 1;
            return Ok(Some(RowText(text)));
        }
        Ok(None)
    }

    /// The counts of the sent rows of a table. Adds to the report what could not be sent.
    pub(super) fn end(self, name: &'static str, full: bool, report: &mut PushReport) -> PushedTable {
        report.unreadable_times += self.unreadable_times;
        report.left_out += self.left_out;
        PushedTable { name, full, rows: self.sent, deleted: self.deleted }
    }
}

/// Adds a cell. Returns false if it is a time that PostgreSQL cannot store, and null was added.
fn write_cell(out: &mut String, kind: FeedType, value: ValueRef<'_>) -> bool {
    match (kind, value) {
        (_, ValueRef::Null) => out.push_str("\\N"),
        (FeedType::Boolean, ValueRef::Integer(number)) => out.push(if number == 0 { 'f' } else { 't' }),
        (_, ValueRef::Integer(number)) => drop(write!(out, "{number}")),
        (_, ValueRef::Real(number)) => drop(write!(out, "{number}")),
        (FeedType::Time, ValueRef::Text(text)) => {
            let text = String::from_utf8_lossy(text);
            let is_time = DateTime::parse_from_rfc3339(&text).is_ok_and(|time| time.year() > 0);
            if !is_time {
                out.push_str("\\N");
                return false;
            }
            out.push_str(&text);
        }
        (_, ValueRef::Text(text) | ValueRef::Blob(text)) => {
            for c in String::from_utf8_lossy(text).chars() {
                match c {
                    '\\' => out.push_str("\\\\"),
                    '\n' => out.push_str("\\n"),
                    '\r' => out.push_str("\\r"),
                    '\t' => out.push_str("\\t"),
                    // PostgreSQL cannot store it.
                    '\0' => out.push('\u{fffd}'),
                    c => out.push(c),
                }
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_written_as_copy_reads_them() {
        let cell = |kind, value| {
            let mut out = String::new();
            let is_good = write_cell(&mut out, kind, value);
            (out, is_good)
        };
        let text = |text: &'static str| ValueRef::Text(text.as_bytes());
        assert_eq!(cell(FeedType::Text, ValueRef::Null).0, "\\N");
        assert_eq!(cell(FeedType::Text, text("a\tb\\N\n\r\0ü")).0, "a\\tb\\\\N\\n\\r\u{fffd}ü");
        assert_eq!(cell(FeedType::Boolean, ValueRef::Integer(1)).0, "t");
        assert_eq!(cell(FeedType::Integer, ValueRef::Integer(-1)).0, "-1");
        assert_eq!(cell(FeedType::Time, text("2026-01-01T00:00:00Z")), ("2026-01-01T00:00:00Z".into(), true));
        for odd in ["", "yesterday", "0000-00-00T00:00:00Z", "0000-01-01T00:00:00Z"] {
            assert_eq!(cell(FeedType::Time, text(odd)), ("\\N".into(), false), "{odd}");
        }
    }
}
