//! `ids_file`: a CSV file with ids in one of its columns.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use super::csv_file::{InputRow, read_rows};
use crate::document::{Diagnostic, DocumentChecker, quote};
use spotify_client::{EntityKind, InvalidId, Reference};

/// More ids than anyone could read from Spotify within a reasonable time.
const MAX_IDS: usize = 1_000_000;
/// Number of wrong lines that are reported one by one.
const MAX_REPORTED: usize = 20;

/// Reads the ids of a file in order, without duplicates.
pub(super) fn read_references(
    name: &str,
    dir: &Path,
    kind: EntityKind,
    span: Range<usize>,
    checker: &mut DocumentChecker<'_>,
) -> Vec<Reference> {
    let path = dir.join(name);
    let rows = match read_rows(&path) {
        Ok(rows) => rows,
        Err((0, why)) => {
            let problem = checker.report(span, "fetch.ids_file", format!("{} {why}", quote(name)));
            problem.hint = Some(format!("the program looks for the file at {}", path.display()));
            return Vec::new();
        }
        Err((line, why)) => {
            checker.problems.push(at_line(&display_name(checker, name), line, why));
            return Vec::new();
        }
    };
    let (column, data) = find_column(&rows, kind);
    if data.is_empty() {
        let what = if rows.is_empty() { "is empty" } else { "contains a header but no ids" };
        checker.report(span, "fetch.ids_file", format!("{} {what}", quote(name)));
        return Vec::new();
    }
    if data.len() > MAX_IDS {
        checker.report(
            span,
            "fetch.ids_file",
            format!("{} contains {} rows; at most {MAX_IDS} are allowed", quote(name), data.len()),
        );
        return Vec::new();
    }
    parse_references(data, column, kind, &display_name(checker, name), &mut checker.problems)
}

/// The file name as messages show it: relative to the project folder.
fn display_name(checker: &DocumentChecker<'_>, name: &str) -> String {
    match checker.document.file.rsplit_once('/') {
        Some((dir, _)) => format!("{dir}/{name}"),
        None => name.to_owned(),
    }
}

/// The index of the column with the ids, and the rows below the header, if there is a header. A first row that
/// looks like an id, even a wrong one, is not a header: otherwise a typo would be skipped silently.
fn find_column(rows: &[InputRow], kind: EntityKind) -> (usize, &[InputRow]) {
    let Some(first) = rows.first() else { return (0, rows) };
    let named = |wanted: &str| first.cells.iter().position(|cell| cell.eq_ignore_ascii_case(wanted));
    let own = [format!("{kind}_id"), format!("{kind}_uri")];
    let header = ["id", "uri", "url"].into_iter().chain(own.iter().map(String::as_str)).find_map(named);
    if let Some(column) = header {
        return (column, &rows[1..]);
    }
    let cell = first.cells.first().map_or("", String::as_str);
    let like_an_id = Reference::parse(cell, kind).is_ok() && kind != EntityKind::User
        || cell.contains([':', '/'])
        || (cell.len() >= 20 && !cell.contains([' ', '_']));
    if like_an_id || (kind == EntityKind::User && first.cells.len() == 1) { (0, rows) } else { (0, &rows[1..]) }
}

fn parse_references(
    rows: &[InputRow],
    column: usize,
    kind: EntityKind,
    file: &str,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Reference> {
    let mut found = Vec::new();
    let mut lines: HashMap<Reference, usize> = HashMap::new();
    let mut twice = Vec::new();
    let mut broken: Vec<(usize, String, InvalidId)> = Vec::new();
    for row in rows {
        let Some(cell) = row.cells.get(column).filter(|cell| !cell.is_empty()) else { continue };
        match Reference::parse(cell, kind) {
            Ok(reference) => match lines.insert(reference.clone(), row.line) {
                None => found.push(reference),
                Some(_) => twice.push(row.line),
            },
            Err(error) => broken.push((row.line, cell.clone(), error)),
        }
    }
    let left = broken.len().saturating_sub(MAX_REPORTED);
    for (line, cell, error) in broken.into_iter().take(MAX_REPORTED) {
        let problem = at_line(file, line, format!("{}: {}", quote(&cell), error.why));
        problems.push(problem.with_hint(format!("expected {}", error.expected)));
    }
    if left > 0 {
        problems.push(Diagnostic::for_file(file, format!("and {left} more rows without a valid {kind} id")));
    }
    if let Some(first) = twice.first() {
        let n = twice.len();
        let what =
            if n == 1 { "an id is listed twice".to_owned() } else { format!("{n} ids are listed more than once") };
        problems.push(at_line(file, *first, what).as_warning().with_hint("each id is read once"));
    }
    found
}

fn at_line(file: &str, line: usize, message: String) -> Diagnostic {
    let mut problem = Diagnostic::for_file(file, message).for_key("fetch.ids_file");
    problem.line = Some(line);
    problem
}
