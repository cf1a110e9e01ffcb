//! `ids_file`: a CSV file with ids in one of its columns, made by a person, by another tool or by this program.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use super::csv_file::{CsvFault, CsvFile, InputRow, MAX_ROWS, TextEncoding};
use super::id_column::{ColumnCounts, IdColumn, find_id_column, named_column, references_in};
use crate::document::{Diagnostic, DocumentChecker, quote};
use spotify_client::{EntityKind, Reference};

/// Number of rows without an id that are reported one by one.
const MAX_REPORTED: usize = 20;
/// Number of rows without an id that a run records one by one.
const MAX_KEPT: usize = 1_000;
/// Number of characters that are kept of a cell without an id.
const MAX_TEXT: usize = 200;

/// The result of reading a file of ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdsFile {
    /// The name in the job file.
    pub name: String,
    /// The column with the ids, as messages name it.
    pub column: String,
    /// Number of rows without a usable id.
    pub skipped: usize,
    /// The first of these rows.
    pub first_skipped: Vec<SkippedRow>,
    /// Number of ids, each counted once.
    pub ids: usize,
    /// The place of the column with the ids, from 0.
    pub id_column: usize,
    /// The cells of the first row.
    pub first_row: Vec<String>,
    /// Whether the first row is a header.
    pub has_header: bool,
}

/// A row of an input file that is skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedRow {
    /// Line, from 1.
    pub line: usize,
    /// The text in the column with the ids, or in another one if that cell is empty: its first 200 characters.
    pub text: String,
    /// Why it is not usable.
    pub why: String,
}

impl IdsFile {
    /// A summary in one line.
    pub fn summary(&self) -> String {
        let ids = if self.ids == 1 { "1 id".to_owned() } else { format!("{} ids", self.ids) };
        let read = format!("{ids} from {} of {}", self.column, self.name);
        match (self.skipped, self.first_skipped.first()) {
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
    let mut report = |fault: CsvFault| {
        if fault.line == 0 {
            let problem = checker.report(span.clone(), "fetch.ids_file", format!("{} {}", quote(name), fault.why));
            problem.hint = fault.hint;
        } else {
            let mut problem = at_line(&display_name(checker, name), fault.line, fault.why);
            problem.hint = fault.hint;
            checker.problems.push(problem);
        }
    };
    let file = CsvFile::read(dir, name, TextEncoding::Any).map_err(&mut report).ok()?;
    let counts = ColumnCounts::of_file(&file, kind).map_err(&mut report).ok()?;
    let column = match column {
        None => find_id_column(&counts, kind),
        Some((wanted, span)) => match named_column(&counts, wanted, kind) {
            Ok(column) => column,
            Err(hint) => {
                let message = format!("{} has no column {}", quote(name), quote(wanted));
                checker.report(span, "fetch.ids_column", message).hint = Some(hint);
                return None;
            }
        },
    };
    if counts.rows <= column.header_rows() {
        let what = if counts.rows == 0 { "is empty" } else { "contains a header but no ids" };
        checker.report(span, "fetch.ids_file", format!("{} {what}", quote(name)));
        return None;
    }
    let found = ParsedRows::of_file(&file, &column, kind).map_err(&mut report).ok()?;
    let Some(expected) = found.expected.clone().filter(|_| found.references.is_empty()) else {
        report_rows(&found, &display_name(checker, name), &mut checker.problems);
        let read = IdsFile {
            name: name.to_owned(),
            column: column.label(),
            skipped: found.skipped,
            first_skipped: found.first_skipped,
            ids: found.references.len(),
            id_column: column.index,
            has_header: column.header_rows() > 0,
            first_row: counts.first_row,
        };
        return Some((read, found.references));
    };
    let first = found.first_skipped.first().map(SkippedRow::to_string).unwrap_or_default();
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
    skipped: usize,
    first_skipped: Vec<SkippedRow>,
    /// Number of ids that are in earlier lines too, and the line of the first.
    repeated: usize,
    first_repeated: usize,
    /// What would have been an id, if a row has none.
    expected: Option<String>,
}

impl ParsedRows {
    fn of_file(file: &CsvFile, column: &IdColumn, kind: EntityKind) -> Result<ParsedRows, CsvFault> {
        let mut found = ParsedRows::default();
        let mut seen = HashSet::new();
        let mut headers = column.header_rows();
        file.for_each_row(|row| {
            if headers > 0 {
                headers -= 1;
                return Ok(());
            }
            found.add(row, column, kind, &mut seen);
            if found.references.len() > MAX_ROWS {
                let why = format!("exceeds the limit of {MAX_ROWS} ids");
                return Err(CsvFault { line: row.line, why, hint: None });
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn add(&mut self, row: &InputRow<'_>, column: &IdColumn, kind: EntityKind, seen: &mut HashSet<Reference>) {
        let cell = row.cells.get(column.index).copied().unwrap_or_default();
        match references_in(cell, kind) {
            Ok(references) => {
                let is_list = references.len() > 1;
                for reference in references {
                    if seen.insert(reference.clone()) {
                        self.references.push(reference);
                    } else if !is_list {
                        // The lists of two rows may well have the same things in them.
                        self.repeated += 1;
                        if self.repeated == 1 {
                            self.first_repeated = row.line;
                        }
                    }
                }
            }
            Err(error) => {
                self.skipped += 1;
                if self.first_skipped.len() < MAX_KEPT {
                    let other = row.cells.iter().find(|cell| !cell.is_empty()).copied().unwrap_or_default();
                    self.first_skipped.push(SkippedRow {
                        line: row.line,
                        text: if cell.is_empty() { other } else { cell }.chars().take(MAX_TEXT).collect(),
                        why: if cell.is_empty() { "the cell with the id is empty".to_owned() } else { error.why },
                    });
                }
                self.expected.get_or_insert(error.expected);
            }
        }
    }
}

/// Reports the rows that are skipped, and those that are listed twice.
fn report_rows(found: &ParsedRows, file: &str, problems: &mut Vec<Diagnostic>) {
    for row in found.first_skipped.iter().take(MAX_REPORTED) {
        let problem = at_line(file, row.line, format!("{}: {}", quote(&row.text), row.why)).as_warning();
        problems.push(problem.with_hint("the row is skipped"));
    }
    if let Some(left) = found.skipped.checked_sub(MAX_REPORTED).filter(|left| *left > 0) {
        let message = format!("and {left} more rows without a usable id");
        problems.push(Diagnostic::for_file(file, message).for_key("fetch.ids_file").as_warning());
    }
    if found.repeated > 0 {
        let n = found.repeated;
        let what =
            if n == 1 { "an id is listed twice".to_owned() } else { format!("{n} ids are listed more than once") };
        problems.push(at_line(file, found.first_repeated, what).as_warning().with_hint("each id is read once"));
    }
}

fn at_line(file: &str, line: usize, message: String) -> Diagnostic {
    let mut problem = Diagnostic::for_file(file, message).for_key("fetch.ids_file");
    problem.line = Some(line);
    problem
}
