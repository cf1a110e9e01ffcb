//! The first rows of a query, for pages. A query that has just filled a file need not run again for its page.

use std::cell::RefCell;
use std::collections::HashMap;

use rusqlite::Row;
use rusqlite::types::{Value, ValueRef};

use super::{QueryError, QueryParameters, QueryReader};

/// The longest text of a value. A page shows no more, and its memory has to be bounded.
const MAX_TEXT_BYTES: usize = 1_000;

/// Bytes of all values of a query together.
const MAX_BYTES: usize = 4 << 20;

/// The first rows of a query.
#[derive(Debug, Clone, Default)]
pub struct FirstRows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
    /// Whether there are more.
    pub has_more: bool,
    bytes: usize,
}

impl FirstRows {
    /// Adds a row, with short values. Returns false if no more rows are needed.
    fn add(&mut self, row: &Row<'_>, most: usize) -> rusqlite::Result<bool> {
        if self.rows.len() == most || self.bytes > MAX_BYTES {
            self.has_more = true;
            return Ok(false);
        }
        let mut values = Vec::with_capacity(self.columns.len());
        for column in 0..self.columns.len() {
            let value = short_value(row.get_ref(column)?);
            self.bytes += size_of::<Value>() + if let Value::Text(text) = &value { text.len() } else { 0 };
            values.push(value);
        }
        self.rows.push(values);
        Ok(true)
    }
}

/// A value as far as a page shows it: the beginning of a long text, and the size of a blob.
fn short_value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Text(bytes) if bytes.len() > MAX_TEXT_BYTES => {
            let start = String::from_utf8_lossy(&bytes[..MAX_TEXT_BYTES]);
            Value::Text(format!("{}…", start.trim_end_matches(char::REPLACEMENT_CHARACTER)))
        }
        ValueRef::Text(bytes) => Value::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob([_]) => Value::Text("1 byte".to_owned()),
        ValueRef::Blob(bytes) => Value::Text(format!("{} bytes", bytes.len())),
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
    }
}

/// What a reader remembers of the queries that it has run.
#[derive(Debug, Default)]
pub(super) struct FirstRowsMemory {
    /// Number of rows to remember of each query; none without a page.
    most: usize,
    by_query: RefCell<HashMap<String, FirstRows>>,
}

impl FirstRowsMemory {
    fn key(sql: &str, bound: &QueryParameters) -> String {
        format!("{sql}\0{:?}", bound.used_in(sql))
    }

    /// Starts remembering a query, if anything is to be remembered.
    pub(super) fn begin(&self, columns: &[String]) -> Option<FirstRows> {
        (self.most > 0).then(|| FirstRows { columns: columns.to_vec(), ..FirstRows::default() })
    }

    /// Adds a row. Returns false when no more rows are needed.
    pub(super) fn add(&self, rows: &mut FirstRows, row: &Row<'_>) -> rusqlite::Result<bool> {
        rows.add(row, self.most)
    }

    pub(super) fn keep(&self, sql: &str, bound: &QueryParameters, rows: FirstRows) {
        self.by_query.borrow_mut().insert(Self::key(sql, bound), rows);
    }
}

/// Why reading rows ended.
enum RowsEnd {
    Enough,
    Failed(QueryError),
}

impl From<QueryError> for RowsEnd {
    fn from(error: QueryError) -> RowsEnd {
        RowsEnd::Failed(error)
    }
}

impl QueryReader {
    /// Remembers this number of rows of each query that it runs.
    #[must_use]
    pub fn remembering(mut self, most: usize) -> QueryReader {
        self.memory.most = most;
        self
    }

    /// Returns the first rows of a query. It runs only if it has not run with these parameters before.
    ///
    /// # Errors
    /// The problem in the SQL with its position.
    pub fn first_rows(&self, sql: &str, bound: &QueryParameters, most: usize) -> Result<FirstRows, QueryError> {
        if most <= self.memory.most
            && let Some(known) = self.memory.by_query.borrow().get(&FirstRowsMemory::key(sql, bound))
        {
            let has_more = known.has_more || known.rows.len() > most;
            let rows = known.rows.iter().take(most).cloned().collect();
            return Ok(FirstRows { columns: known.columns.clone(), rows, has_more, bytes: known.bytes });
        }
        let found = RefCell::new(FirstRows::default());
        let ended = self.run(
            sql,
            bound,
            |columns| {
                found.borrow_mut().columns = columns;
                Ok::<(), RowsEnd>(())
            },
            |row| {
                let added = found.borrow_mut().add(row, most).map_err(|error| RowsEnd::Failed(error.into()))?;
                if added { Ok(()) } else { Err(RowsEnd::Enough) }
            },
        );
        match ended {
            Err(RowsEnd::Failed(error)) => Err(error),
            Ok(()) | Err(RowsEnd::Enough) => Ok(found.into_inner()),
        }
    }
}
