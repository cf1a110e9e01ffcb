//! The first rows of a query, for pages. A query that has just filled a file need not run again for its page.

use std::cell::RefCell;
use std::collections::HashMap;

use rusqlite::Row;
use rusqlite::types::Value;

use super::{QueryError, QueryParameters, QueryReader};

/// The first rows of a query.
#[derive(Debug, Clone, Default)]
pub struct FirstRows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Value>>,
    /// Whether there are more.
    pub has_more: bool,
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
        if rows.rows.len() == self.most {
            rows.has_more = true;
            return Ok(false);
        }
        rows.rows.push((0..rows.columns.len()).map(|n| row.get(n)).collect::<rusqlite::Result<_>>()?);
        Ok(true)
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
            return Ok(FirstRows { columns: known.columns.clone(), rows, has_more });
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
                let found = &mut *found.borrow_mut();
                if found.rows.len() == most {
                    found.has_more = true;
                    return Err(RowsEnd::Enough);
                }
                let values = (0..found.columns.len()).map(|n| row.get(n)).collect::<rusqlite::Result<_>>();
                found.rows.push(values.map_err(|error| RowsEnd::Failed(error.into()))?);
                Ok(())
            },
        );
        match ended {
            Err(RowsEnd::Failed(error)) => Err(error),
            Ok(()) | Err(RowsEnd::Enough) => Ok(found.into_inner()),
        }
    }
}
