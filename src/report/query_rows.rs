//! The first rows of a query as a table.

use rusqlite::types::Value;

use super::dates::time_of;
use super::page::{PageCell, PageTable, counted};
use crate::store::query::{QueryParameters, QueryReader};
use crate::store::report_rows::NamedLink;

/// A query. The page shows its first rows.
pub struct PageQuery<'a> {
    /// The name of its file.
    pub path: String,
    pub sql: &'a str,
    pub reader: &'a QueryReader,
    pub bound: &'a QueryParameters,
}

/// The first rows of a query. An error is shown in the place of the rows, without the SQL.
pub(super) fn first_rows(query: &PageQuery<'_>, most: usize, people: bool) -> PageTable {
    let mut table = PageTable::new(query.path.clone(), &[]);
    let found = match query.reader.first_rows(query.sql, query.bound, most) {
        Ok(found) => found,
        Err(_) => {
            table.note = Some("The query failed; `cratedigger export` shows why.".to_owned());
            return table;
        }
    };
    let is_shown = |name: &String| people || !names_a_person(name);
    let shown: Vec<usize> = (0..found.columns.len()).filter(|n| is_shown(&found.columns[*n])).collect();
    table.rows = found.rows.iter().map(|row| shown.iter().map(|n| cell(&row[*n])).collect()).collect();
    let has_number = |n: usize| table.rows.iter().any(|row| row[n].class == "n");
    table.heads = shown.iter().enumerate().map(|(n, of)| (found.columns[*of].clone(), has_number(n))).collect();
    let note = if found.has_more {
        Some(format!(
            "Only the first {} are shown. All are in {}.",
            counted(found.rows.len() as u64, "row"),
            query.path
        ))
    } else {
        table.rows.is_empty().then(|| "The query has no rows.".to_owned())
    };
    let left_out: Vec<&str> = found.columns.iter().filter(|name| !is_shown(name)).map(String::as_str).collect();
    let left_out = match left_out.as_slice() {
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

fn cell(value: &Value) -> PageCell {
    match value {
        Value::Null => PageCell::default(),
        Value::Integer(n) => PageCell { text: n.to_string(), ..PageCell::number(0) },
        Value::Real(n) => PageCell { text: n.to_string(), ..PageCell::number(0) },
        Value::Text(text) => {
            let text = text.clone();
            match time_of(&text) {
                Some(time) => PageCell::unbroken(time),
                // Ids and codes are not broken.
                None if text.len() <= 40 && !text.contains(char::is_whitespace) => PageCell::unbroken(text),
                None if text.starts_with("https://") => {
                    PageCell { class: "w", ..PageCell::named(&NamedLink { url: Some(text.clone()), name: text }) }
                }
                None => PageCell::text(text),
            }
        }
        // The first rows of a query have the size of a blob as text.
        Value::Blob(_) => PageCell::default(),
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
            let cell = cell(&Value::Text(text.to_owned()));
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
