//! The first rows of a query as a table.

use std::cell::RefCell;

use rusqlite::types::ValueRef;

use super::page::{PageCell, PageTable, counted};
use crate::store::query::{QueryError, QueryParameters, QueryReader};
use crate::store::report_rows::NamedLink;

/// A query whose first rows are shown.
pub struct PageQuery<'a> {
    /// The name of its file.
    pub path: String,
    pub sql: &'a str,
    pub reader: &'a QueryReader,
    pub bound: &'a QueryParameters,
}

/// Why reading rows ended.
enum RowsEnd {
    Enough,
    Failed,
}

impl From<QueryError> for RowsEnd {
    fn from(_: QueryError) -> Self {
        RowsEnd::Failed
    }
}

impl From<rusqlite::Error> for RowsEnd {
    fn from(_: rusqlite::Error) -> Self {
        RowsEnd::Failed
    }
}

/// The first rows of a query. An error is shown in the place of the rows, without the SQL.
pub(super) fn first_rows(query: &PageQuery<'_>, most: usize) -> PageTable {
    let table = RefCell::new(PageTable::new(query.path.clone(), &[]));
    let ended = query.reader.run(
        query.sql,
        query.bound,
        |names| {
            table.borrow_mut().heads = names.into_iter().map(|name| (name, false)).collect();
            Ok::<(), RowsEnd>(())
        },
        |row| {
            let mut table = table.borrow_mut();
            if table.rows.len() == most {
                return Err(RowsEnd::Enough);
            }
            let cells = (0..table.heads.len()).map(|n| Ok(cell(row.get_ref(n)?)));
            let cells = cells.collect::<rusqlite::Result<Vec<PageCell>>>()?;
            table.rows.push(cells);
            Ok(())
        },
    );
    let mut table = table.into_inner();
    for n in 0..table.heads.len() {
        table.heads[n].1 = table.rows.iter().any(|row| row[n].class == "n");
    }
    table.note = match ended {
        Err(RowsEnd::Enough) => Some(format!("The first {most} rows; all in {}.", query.path)),
        Err(RowsEnd::Failed) => Some("The query failed; `cratedigger check` says why.".to_owned()),
        Ok(()) if table.rows.is_empty() => Some("No rows.".to_owned()),
        Ok(()) => None,
    };
    table
}

fn cell(value: ValueRef<'_>) -> PageCell {
    match value {
        ValueRef::Null => PageCell::default(),
        ValueRef::Integer(n) => PageCell { text: n.to_string(), ..PageCell::number(0) },
        ValueRef::Real(n) => PageCell { text: n.to_string(), ..PageCell::number(0) },
        ValueRef::Text(text) => {
            let text = String::from_utf8_lossy(text).into_owned();
            PageCell::named(&NamedLink { url: Some(text.clone()), name: text })
        }
        ValueRef::Blob(bytes) => PageCell::text(counted(bytes.len() as u64, "byte")),
    }
}
