//! `ids_file`: a CSV file with ids in one of its columns, made by a person, by another tool or by this program.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use super::csv_file::{InputRow, TextEncoding, read_rows};
use super::id_column::{IdColumn, find_id_column, named_column, references_in};
use crate::document::{Diagnostic, DocumentChecker, quote};
use spotify_client::{EntityKind, Reference};

/// More ids than anyone could read from Spotify within a reasonable time.
const MAX_IDS: usize = 1_000_000;
/// Number of rows without an id that are reported one by one.
const MAX_REPORTED: usize = 20;

/// The result of reading a file of ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdsFile {
    /// The name in the job file.
    pub name: String,
    /// The column with the ids, as messages name it.
    pub column: String,
    /// Rows without a usable id.
    pub skipped: Vec<SkippedRow>,
    /// Number of ids, each counted once.
    pub ids: usize,
}

/// A row of an input file that is skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedRow {
    /// Line, from 1.
    pub line: usize,
    /// The text in the column with the ids, or in another one if that cell is empty.
    pub text: String,
    /// Why it is not usable.
    pub why: String,
}

impl IdsFile {
    /// A summary in one line.
    pub fn summary(&self) -> String {
        let ids = if self.ids == 1 { "1 id".to_owned() } else { format!("{} ids", self.ids) };
        let read = format!("{ids} from {} of {}", self.column, self.name);
        match (self.skipped.len(), self.skipped.first()) {
            (0, _) | (_, None) => read,
            (1, Some(row)) => format!("{read}; 1 row is skipped: {row}"),
            (n, Some(row)) => format!("{read}; {n} rows are skipped, the first is {row}"),
        }
    }
}

impl std::fmt::Display for SkippedRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, {}: {}", self.line, quote(&self.text), self.why)
    }
}

/// The keys of a fetch that name its file of ids.
pub(super) struct IdsFileKeys<'a> {
    pub name: &'a str,
    pub span: Range<usize>,
    /// The column that the job names, and where.
    pub column: Option<(&'a str, Range<usize>)>,
}

/// Reads the ids of a file in order, without duplicates. Rows without a usable id are skipped and reported; a file
/// without a single one is an error.
pub(super) fn read_references(
    keys: IdsFileKeys<'_>,
    dir: &Path,
    kind: EntityKind,
    checker: &mut DocumentChecker<'_>,
) -> Option<(IdsFile, Vec<Reference>)> {
    let IdsFileKeys { name, span, column } = keys;
    let path = dir.join(name);
    let rows = match read_rows(&path, TextEncoding::Any) {
        Ok(rows) => rows,
        Err((0, why)) => {
            let problem = checker.report(span, "fetch.ids_file", format!("{} {why}", quote(name)));
            problem.hint = Some(format!("the program looks for the file at {}", path.display()));
            return None;
        }
        Err((line, why)) => {
            checker.problems.push(at_line(&display_name(checker, name), line, why));
            return None;
        }
    };
    let column = match column {
        None => find_id_column(&rows, kind),
        Some((wanted, span)) => match named_column(&rows, wanted, kind) {
            Ok(column) => column,
            Err(hint) => {
                let message = format!("{} has no column {}", quote(name), quote(wanted));
                checker.report(span, "fetch.ids_column", message).hint = Some(hint);
                return None;
            }
        },
    };
    let data = column.data(&rows);
    if data.is_empty() {
        let what = if rows.is_empty() { "is empty" } else { "contains a header but no ids" };
        checker.report(span, "fetch.ids_file", format!("{} {what}", quote(name)));
        return None;
    }
    if data.len() > MAX_IDS {
        let message = format!("{} contains {} rows; at most {MAX_IDS} are allowed", quote(name), data.len());
        checker.report(span, "fetch.ids_file", message);
        return None;
    }
    let found = parse_references(data, &column, kind);
    let Some(expected) = found.expected.clone().filter(|_| found.references.is_empty()) else {
        report_rows(&found, &display_name(checker, name), &mut checker.problems);
        let read = IdsFile {
            name: name.to_owned(),
            column: column.label(),
            skipped: found.skipped,
            ids: found.references.len(),
        };
        return Some((read, found.references));
    };
    let first = found.skipped.first().map(SkippedRow::to_string).unwrap_or_default();
    let message = format!("{} has no usable {kind} id in {}; {first}", quote(name), column.label());
    let problem = checker.report(span, "fetch.ids_file", message);
    problem.hint = Some(format!("expected {expected}; `ids_column` names another column"));
    None
}

/// The file name as messages show it: relative to the project folder.
fn display_name(checker: &DocumentChecker<'_>, name: &str) -> String {
    match checker.document.file.rsplit_once('/') {
        Some((dir, _)) => format!("{dir}/{name}"),
        None => name.to_owned(),
    }
}

/// What the rows of a file contain.
#[derive(Default)]
struct ParsedRows {
    references: Vec<Reference>,
    skipped: Vec<SkippedRow>,
    /// Lines with ids that earlier lines have, too.
    repeated: Vec<usize>,
    /// What would have been an id, if a row has none.
    expected: Option<String>,
}

fn parse_references(rows: &[InputRow], column: &IdColumn, kind: EntityKind) -> ParsedRows {
    let mut found = ParsedRows::default();
    let mut lines: HashMap<Reference, usize> = HashMap::new();
    for row in rows {
        let cell = row.cells.get(column.index).map_or("", String::as_str);
        match references_in(cell, kind) {
            Ok(references) => {
                let is_list = references.len() > 1;
                for reference in references {
                    match lines.insert(reference.clone(), row.line) {
                        None => found.references.push(reference),
                        // The lists of two rows may well have the same things in them.
                        Some(_) if !is_list => found.repeated.push(row.line),
                        Some(_) => {}
                    }
                }
            }
            Err(error) => {
                let is_empty = cell.is_empty();
                let other = row.cells.iter().find(|cell| !cell.is_empty()).map_or("", String::as_str);
                found.skipped.push(SkippedRow {
                    line: row.line,
                    text: if is_empty { other } else { cell }.to_owned(),
                    why: if is_empty { "the cell with the id is empty".to_owned() } else { error.why },
                });
                found.expected.get_or_insert(error.expected);
            }
        }
    }
    found
}

/// Reports the rows that are skipped, and those that are listed twice.
fn report_rows(found: &ParsedRows, file: &str, problems: &mut Vec<Diagnostic>) {
    for row in found.skipped.iter().take(MAX_REPORTED) {
        let problem = at_line(file, row.line, format!("{}: {}", quote(&row.text), row.why)).as_warning();
        problems.push(problem.with_hint("the row is skipped"));
    }
    if let Some(left) = found.skipped.len().checked_sub(MAX_REPORTED).filter(|left| *left > 0) {
        let message = format!("and {left} more rows without a usable id");
        problems.push(Diagnostic::for_file(file, message).for_key("fetch.ids_file").as_warning());
    }
    if let Some(first) = found.repeated.first() {
        let n = found.repeated.len();
        let what =
            if n == 1 { "an id is listed twice".to_owned() } else { format!("{n} ids are listed more than once") };
        problems.push(at_line(file, *first, what).as_warning().with_hint("each id is read once"));
    }
}

fn at_line(file: &str, line: usize, message: String) -> Diagnostic {
    let mut problem = Diagnostic::for_file(file, message).for_key("fetch.ids_file");
    problem.line = Some(line);
    problem
}
