//! Hashes of rows, by which the content of a list is recognized.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Params};
use xxhash_rust::xxh3::Xxh3;

/// Returns a hash of the rows of a query, in order.
pub(super) fn hash_rows(conn: &Connection, sql: &str, parameters: impl Params) -> rusqlite::Result<String> {
    let mut hash = RowsHasher::default();
    let mut statement = conn.prepare_cached(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            hash.value(row.get_ref(column)?);
        }
    }
    Ok(hash.finish())
}

/// Hashes rows value by value.
#[derive(Default)]
pub(super) struct RowsHasher(Xxh3);

impl RowsHasher {
    /// Adds a text or null.
    pub(super) fn text(&mut self, text: Option<&str>) {
        self.value(text.map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes())));
    }

    fn value(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Text(text) | ValueRef::Blob(text) => self.0.update(text),
            ValueRef::Integer(number) => self.0.update(number.to_string().as_bytes()),
            ValueRef::Real(number) => self.0.update(number.to_string().as_bytes()),
            ValueRef::Null => self.0.update(&[0xff]),
        }
        self.0.update(&[0xfe]);
    }

    /// Returns the hash as hexadecimal text.
    pub(super) fn finish(&self) -> String {
        format!("{:032x}", self.0.digest128())
    }
}
