//! The first rows of a query as a table.

use std::cell::RefCell;

use rusqlite::types::ValueRef;

use super::dates::time_of;
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
    let (shown, left_out) = (RefCell::new(Vec::new()), RefCell::new(Vec::new()));
    let ended = query.reader.run(
        query.sql,
        query.bound,
        |names| {
            for (n, name) in names.into_iter().enumerate() {
                if names_a_person(&name) {
                    left_out.borrow_mut().push(name);
                } else {
                    shown.borrow_mut().push(n);
                    table.borrow_mut().heads.push((name, false));
                }
            }
            Ok::<(), RowsEnd>(())
        },
        |row| {
            let mut table = table.borrow_mut();
            if table.rows.len() == most {
                return Err(RowsEnd::Enough);
            }
            let shown = shown.borrow();
            let cells = shown.iter().map(|n| Ok(cell(row.get_ref(*n)?)));
            let cells = cells.collect::<rusqlite::Result<Vec<PageCell>>>()?;
            table.rows.push(cells);
            Ok(())
        },
    );
    let mut table = table.into_inner();
    for n in 0..table.heads.len() {
        table.heads[n].1 = table.rows.iter().any(|row| row[n].class == "n");
    }
    let note = match ended {
        Err(RowsEnd::Enough) => Some(format!("Only the first {most} rows are shown. All are in {}.", query.path)),
        Err(RowsEnd::Failed) => Some("The query failed; `cratedigger export` shows why.".to_owned()),
        Ok(()) if table.rows.is_empty() => Some("The query has no rows.".to_owned()),
        Ok(()) => None,
    };
    let left_out = match left_out.into_inner().as_slice() {
        [] => None,
        [one] => Some(format!("The column {one} is left out: pages do not show who added what.")),
        all => Some(format!("The columns {} are left out: pages do not show who added what.", all.join(", "))),
    };
    let notes: Vec<String> = note.into_iter().chain(left_out).collect();
    table.note = (!notes.is_empty()).then(|| notes.join(" "));
    table
}

/// Whether a column says by its name who added something: `added_by`, `added_by_name`, `Added By`.
fn names_a_person(column: &str) -> bool {
    let letters: String = column.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    letters.contains("addedby")
}

fn cell(value: ValueRef<'_>) -> PageCell {
    match value {
        ValueRef::Null => PageCell::default(),
        ValueRef::Integer(n) => PageCell { text: n.to_string(), ..PageCell::number(0) },
        ValueRef::Real(n) => PageCell { text: n.to_string(), ..PageCell::number(0) },
        ValueRef::Text(text) => {
            let text = String::from_utf8_lossy(text).into_owned();
            match time_of(&text) {
                Some(time) => PageCell::unbroken(time),
                // Ids and codes are not broken.
                None if text.len() <= 24 && !text.contains(char::is_whitespace) => PageCell::unbroken(text),
                None if text.starts_with("https://") => {
                    PageCell { class: "w", ..PageCell::named(&NamedLink { url: Some(text.clone()), name: text }) }
                }
                None => PageCell::text(text),
            }
        }
        ValueRef::Blob(bytes) => PageCell::text(counted(bytes.len() as u64, "byte")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_people_are_known_by_name() {
        for name in ["added_by", "added_by_name", "i.added_by_uri", "Added By", "addedBy", "who_added_by"] {
            assert!(names_a_person(name), "{name}");
        }
        for name in ["added_at", "added", "by", "owner_id", "released_by", ""] {
            assert!(!names_a_person(name), "{name}");
        }
    }

    #[test]
    fn only_whole_times_are_shortened() {
        let shown = |text: &str| {
            let cell = cell(ValueRef::Text(text.as_bytes()));
            (cell.text, cell.class)
        };
        for time in ["2026-11-30T06:17:02Z", "2026-11-30T06:17:02.123Z", "2026-11-30T08:17:02+02:00"] {
            assert_eq!(shown(time), ("2026-11-30 06:17".to_owned(), "t"));
        }
        assert_eq!(shown("2026-11-30"), ("2026-11-30".to_owned(), "t"));
        for text in ["2026", "2026-11", "2026-11-30T", "2026-13-30", "1999-12-31T23:59:59Z, live", "ünf-zehn-1"] {
            assert_eq!(shown(text).0, text);
        }
    }
}
