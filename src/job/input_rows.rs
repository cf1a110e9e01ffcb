//! The rows of `ids_file` and `queries_file`, for the queries of the job: what the fetch reads from each row, and the
//! file's own columns.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::csv_file::{CsvFault, CsvFile, InputRow, TextEncoding};
use super::id_column::references_in;
use super::reference_file::IdsFile;
use super::search_file::FileSearches;
use crate::document::TableValues;
use crate::store::query::{InputRowSink, InputRows, QueryError};
use crate::stream::{Stream, StreamInput};
use spotify_client::{EntityKind, Reference};

/// The column with the line of the row.
const LINE: &str = "input_row";
/// The column with the id or the code that the fetch reads from the row.
const ID: &str = "input_id";
/// The column with the search expression of the row.
const SEARCH: &str = "input_query";

/// Further columns of a file are left out. SQLite has a limit, too.
const MAX_COLUMNS: usize = 400;
/// The longest name of a column, in characters.
const MAX_NAME: usize = 100;

/// An input file and how a fetch reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    folder: PathBuf,
    name: String,
    key: InputKey,
    has_header: bool,
    /// The names of the columns in queries: the line, the key, and those of the file.
    columns: Vec<String>,
}

/// What a fetch reads from a row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum InputKey {
    Ids { column: usize, kind: EntityKind },
    Searches { template: Option<String> },
}

impl InputFile {
    /// The input file of a fetch, if it has one that can be read.
    pub(super) fn of_fetch(
        values: &TableValues<'_, '_>,
        folder: &Path,
        stream: &Stream,
        ids_file: Option<&IdsFile>,
    ) -> Option<InputFile> {
        let (name, key, header, width) = match (stream.input, ids_file) {
            (StreamInput::Ids(kind), Some(file)) => {
                let header = file.has_header.then_some(&file.first_row);
                let key = InputKey::Ids { column: file.id_column, kind };
                (file.name.clone(), key, header.cloned(), file.first_row.len())
            }
            (StreamInput::Queries, _) => {
                let name = values.text("queries_file")?.to_owned();
                let template = values.text("query").map(str::to_owned);
                let first = first_row(folder, &name)?;
                let is_header = FileSearches::has_header(&first, template.as_deref());
                let width = first.len();
                (name, InputKey::Searches { template }, is_header.then_some(first), width)
            }
            _ => return None,
        };
        let key_name = if matches!(key, InputKey::Ids { .. }) { ID } else { SEARCH };
        let has_header = header.is_some();
        let columns = column_names(key_name, &header.unwrap_or_default(), width);
        Some(InputFile { folder: folder.to_owned(), name, key, has_header, columns })
    }

    fn read(&self) -> Result<CsvFile, CsvFault> {
        let encoding = match self.key {
            InputKey::Ids { .. } => TextEncoding::Any,
            InputKey::Searches { .. } => TextEncoding::Unicode,
        };
        CsvFile::read(&self.folder, &self.name, encoding)
    }

    /// A fingerprint of the file, for the files that depend on it. None if it cannot be read.
    pub fn fingerprint(&self) -> Option<String> {
        let file = self.read().ok()?;
        Some(format!("{:032x}", xxhash_rust::xxh3::xxh3_128(file.text())))
    }
}

impl InputRows for InputFile {
    fn source(&self) -> String {
        format!("{} {:?}", self.name, self.key)
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn for_each_row(&self, each: &mut InputRowSink<'_>) -> Result<(), QueryError> {
        let unreadable = |fault: CsvFault| {
            let line = if fault.line == 0 { String::new() } else { format!(", line {}", fault.line) };
            QueryError::Inputs(format!("{}{line} {}", self.name, fault.why))
        };
        let file = self.read().map_err(unreadable)?;
        let mut is_header = self.has_header;
        let mut searches = FileSearches::default();
        let mut failure = None;
        let read = file.for_each_row(|row| {
            let keys = match &self.key {
                InputKey::Ids { column, kind } => ids_in(row, *column, *kind),
                InputKey::Searches { template } => vec![searches.of_row(row, template.as_deref())],
            };
            if std::mem::take(&mut is_header) {
                return Ok(());
            }
            let line = row.line.to_string();
            for key in keys {
                if let Err(error) = each(&self.cells(row, &line, key.as_deref())) {
                    failure = Some(error);
                    // This ends the reading. The error itself is the other one.
                    return Err(CsvFault { line: row.line, why: String::new(), hint: None });
                }
            }
            Ok(())
        });
        match (failure, read) {
            (Some(error), _) => Err(error),
            (None, read) => read.map_err(unreadable),
        }
    }
}

impl InputFile {
    fn cells<'r>(&self, row: &'r InputRow<'_>, line: &'r str, key: Option<&'r str>) -> Vec<Option<&'r str>> {
        let mut cells = vec![Some(line), key];
        cells.extend(row.cells.iter().map(|cell| Some(*cell).filter(|cell| !cell.is_empty())));
        cells.resize(self.columns.len(), None);
        cells
    }
}

/// The ids of a row, and `None` if it has no usable one. A cell may hold a list of ids, and each gets a row.
fn ids_in(row: &InputRow<'_>, column: usize, kind: EntityKind) -> Vec<Option<String>> {
    let cell = row.cells.get(column).copied().unwrap_or_default();
    let text = |reference: Reference| match reference {
        Reference::Id(id) => id.as_str().to_owned(),
        Reference::Isrc(code) | Reference::Upc(code) => code,
    };
    references_in(cell, kind).map_or_else(|_| vec![None], |all| all.into_iter().map(|it| Some(text(it))).collect())
}

/// The cells of the first row of a file.
fn first_row(folder: &Path, name: &str) -> Option<Vec<String>> {
    let file = CsvFile::read(folder, name, TextEncoding::Unicode).ok()?;
    let mut first = None;
    // The error ends the reading after the first row.
    let read = file.for_each_row(|row| {
        first = Some(row.cells.iter().map(|cell| (*cell).to_owned()).collect());
        Err(CsvFault { line: row.line, why: String::new(), hint: None })
    });
    drop(read);
    first
}

/// Different names for the columns of a file, as SQLite compares names: without regard to case.
fn column_names(key: &str, header: &[String], width: usize) -> Vec<String> {
    let mut names = vec![LINE.to_owned(), key.to_owned()];
    let mut taken: HashSet<String> = names.iter().cloned().collect();
    for n in 0..width.min(MAX_COLUMNS) {
        let written: String = header.get(n).map(|name| name.chars().take(MAX_NAME).collect()).unwrap_or_default();
        let plain = if written.is_empty() || written.contains('\0') { format!("column_{}", n + 1) } else { written };
        let numbered = (2..).map(|count| format!("{plain}_{count}"));
        let free = std::iter::once(plain.clone()).chain(numbered).find(|name| taken.insert(name.to_ascii_lowercase()));
        names.extend(free);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_columns_differ() {
        let header = ["id", "ID", "", "input_row", "Größe", "id_2"].map(str::to_owned);
        let names = column_names(ID, &header, header.len());
        assert_eq!(
            names,
            ["input_row", "input_id", "id", "ID_2", "column_3", "input_row_2", "Größe", "id_2_2"].map(str::to_owned)
        );
        assert_eq!(column_names(SEARCH, &[], 2), ["input_row", "input_query", "column_1", "column_2"]);
        assert_eq!(column_names(ID, &[], 9_000).len(), MAX_COLUMNS + 2);
    }
}
