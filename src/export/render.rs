//! Renders rows as CSV.
//!
//! The `csv` crate joins cells and rows. The cells are already quoted by [`super::cell`]. One field
//! for the crate may contain several cells with delimiters between them: the cells of an entity that
//! occurs in many rows come from [`super::fragments`] as one piece.

use std::io::{self, Write};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Rows, Statement};
use rustc_hash::FxHashMap;

use super::cell;
use super::csv_column::CsvColumn;
use super::entity_cells::EntityCells;
use super::fragments::{CsvFragment, FragmentCache};
use super::output_file::FetchRows;
use super::style::CsvStyle;
use crate::report::ReportError;
use crate::settings::{LineEnding, TimeFormat};
use crate::store::query::{QueryError, QueryParameters, QueryReader};
use crate::store::views::SplitQuery;
use crate::stream::ColumnType;

/// Counters of a written file.
#[derive(Debug, Default)]
pub(super) struct FileStats {
    pub rows: u64,
    pub columns: Vec<ColumnStats>,
    /// The sheets of a workbook, with the number of their rows.
    pub sheets: Vec<(String, u64)>,
    /// What the file does not show, and why.
    pub warnings: Vec<String>,
}

/// Counters of one column.
#[derive(Debug, Clone)]
pub(super) struct ColumnStats {
    pub column: CsvColumn,
    /// Cells with a leading `'` from the formula guard.
    pub guarded: u64,
    /// Cells in which NUL was replaced with U+FFFD.
    pub nul: u64,
    /// Cells that Excel would cut off.
    pub long: u64,
    /// Values that do not have the type of the column, so that a file with types has null instead.
    pub unfit: u64,
    /// The type of its values, for queries.
    pub inferred: InferredType,
}

impl ColumnStats {
    pub(super) fn new(column: CsvColumn) -> ColumnStats {
        ColumnStats { column, guarded: 0, nul: 0, long: 0, unfit: 0, inferred: InferredType::Empty }
    }
}

/// The narrowest type that fits all values of a column. Null fits every type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum InferredType {
    Empty,
    Integer,
    Number,
    Text,
}

impl InferredType {
    pub(super) fn of(value: ValueRef<'_>) -> InferredType {
        match value {
            ValueRef::Null => InferredType::Empty,
            ValueRef::Integer(_) => InferredType::Integer,
            ValueRef::Real(_) => InferredType::Number,
            ValueRef::Text(_) | ValueRef::Blob(_) => InferredType::Text,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum RenderError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Csv(#[from] csv::Error),
    #[error(transparent)]
    Store(#[from] rusqlite::Error),
    #[error(transparent)]
    Query(#[from] QueryError),
    #[error(transparent)]
    Page(#[from] askama::Error),
    /// The library for a format of files failed.
    #[error("{0}")]
    Format(String),
}

impl From<ReportError> for RenderError {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Store(error) => RenderError::Store(error),
            ReportError::Template(error) => RenderError::Page(error),
        }
    }
}

/// Writes one CSV file.
pub(super) struct CsvWriter<'a, W: Write> {
    csv: csv::Writer<W>,
    style: &'a CsvStyle,
    tally: FileStats,
    line: Vec<u8>,
}

impl<'a, W: Write> CsvWriter<'a, W> {
    pub(super) fn new(mut out: W, style: &'a CsvStyle) -> io::Result<Self> {
        if style.bom {
            out.write_all("\u{feff}".as_bytes())?;
        }
        let terminator = match style.line_ending {
            LineEnding::Lf => csv::Terminator::Any(b'\n'),
            LineEnding::Crlf => csv::Terminator::CRLF,
        };
        let csv = csv::WriterBuilder::new()
            .delimiter(style.delimiter)
            .terminator(terminator)
            .quote_style(csv::QuoteStyle::Never)
            .flexible(true)
            .buffer_capacity(1 << 16)
            .from_writer(out);
        Ok(CsvWriter { csv, style, tally: FileStats::default(), line: Vec::new() })
    }

    /// Writes the rows of a fetch. Fragments from other files with the same style in `kept` are reused,
    /// which requires that the store does not change in between.
    pub(super) fn write_fetch(
        &mut self,
        store: &Connection,
        sheet: &FetchRows<'_>,
        kept: &mut FragmentCaches,
    ) -> Result<(), RenderError> {
        let Some(halves) = sheet.select.split() else { return self.write_whole_rows(store, sheet) };
        self.write_header(sheet.columns.clone())?;
        let mut thing = store.prepare(&halves.entity)?;
        let mut statement = store.prepare(&halves.rows)?;
        JoinedRows::new(&halves, kept).write(self, &mut statement.query([])?, &mut thing)
    }

    /// Writes the rows of a fetch without the fragment cache.
    pub(super) fn write_whole_rows(&mut self, store: &Connection, sheet: &FetchRows<'_>) -> Result<(), RenderError> {
        self.write_header(sheet.columns.clone())?;
        let mut statement = store.prepare(&sheet.select.sql())?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.write_row(row)?;
        }
        Ok(())
    }

    /// Writes the rows of a query.
    pub(super) fn write_query(
        &mut self,
        reader: &QueryReader,
        sql: &str,
        bound: &QueryParameters,
    ) -> Result<(), RenderError> {
        // As stored, a time is a text like any other.
        let declared = match self.style.time_format {
            TimeFormat::Spreadsheet => reader.declared_types(sql)?,
            TimeFormat::Iso => FxHashMap::default(),
        };
        let time = |header: &str| declared.get(header).copied().filter(|kind| *kind == ColumnType::Time);
        let page = std::cell::RefCell::new(self);
        let named = |header: String| CsvColumn { column_type: time(&header), header: header.into(), about: "" };
        reader.run(
            sql,
            bound,
            |names| page.borrow_mut().write_header(names.into_iter().map(named).collect()),
            |row| page.borrow_mut().write_row(row),
        )
    }

    /// Flushes the file and returns its counters.
    pub(super) fn finish(mut self) -> io::Result<(W, FileStats)> {
        self.csv.flush()?;
        let out = self.csv.into_inner().map_err(|e| io::Error::new(e.error().kind(), e.error().to_string()))?;
        Ok((out, self.tally))
    }

    fn write_header(&mut self, columns: Vec<CsvColumn>) -> Result<(), RenderError> {
        for column in &columns {
            self.line.clear();
            cell::write_text(self.style, column.header.as_bytes(), &mut self.line);
            self.csv.write_field(&self.line)?;
        }
        self.tally.columns = columns.into_iter().map(ColumnStats::new).collect();
        self.end_row()
    }

    fn write_row(&mut self, row: &Row<'_>) -> Result<(), RenderError> {
        for n in 0..self.tally.columns.len() {
            self.line.clear();
            self.write_cell(n, row.get_ref(n)?);
            self.csv.write_field(&self.line)?;
        }
        self.tally.rows += 1;
        self.end_row()
    }

    /// Appends a cell to the line and counts its marks.
    fn write_cell(&mut self, n: usize, value: ValueRef<'_>) {
        let column = &mut self.tally.columns[n];
        let mark = cell::write_cell(self.style, column.column.column_type, value, &mut self.line);
        column.guarded += u64::from(mark.guarded);
        column.nul += u64::from(mark.nul);
        column.long += u64::from(mark.long);
        column.inferred = column.inferred.max(InferredType::of(value));
    }

    fn end_row(&mut self) -> Result<(), RenderError> {
        Ok(self.csv.write_record(None::<&[u8]>)?)
    }
}

/// Neighbouring columns that all come from the row, or all from its entity.
struct ColumnRun {
    of_thing: bool,
    columns: std::ops::Range<usize>,
}

/// Fragments that are kept between files, with the query that produced them.
#[derive(Default)]
pub(super) struct FragmentCaches {
    made_by: Option<(String, Vec<bool>)>,
    fragments: FragmentCache,
}

impl FragmentCaches {
    /// The fragments that were produced by the same query as `halves`.
    pub(super) fn cache_for(&mut self, halves: &SplitQuery, runs: usize) -> &mut FragmentCache {
        let made_by = (halves.entity.clone(), halves.from_entity.clone());
        if self.made_by.as_ref() != Some(&made_by) {
            *self = FragmentCaches { made_by: Some(made_by), fragments: FragmentCache::new(runs) };
        }
        &mut self.fragments
    }
}

/// Rows that are joined with the cells of their entity.
struct JoinedRows<'k> {
    runs: Vec<ColumnRun>,
    /// The positions of the entity's columns in the file.
    theirs: Vec<usize>,
    entity: EntityCells<'k>,
}

impl<'k> JoinedRows<'k> {
    fn new(halves: &SplitQuery, kept: &'k mut FragmentCaches) -> Self {
        let mut runs: Vec<ColumnRun> = Vec::new();
        for (n, of_thing) in halves.from_entity.iter().enumerate() {
            match runs.last_mut() {
                Some(run) if run.of_thing == *of_thing => run.columns.end = n + 1,
                _ => runs.push(ColumnRun { of_thing: *of_thing, columns: n..n + 1 }),
            }
        }
        let theirs: Vec<usize> = (0..halves.from_entity.len()).filter(|n| halves.from_entity[*n]).collect();
        assert!(theirs.len() <= 64, "marks of a fragment are 64 bits");
        let kept = kept.cache_for(halves, runs.iter().filter(|run| run.of_thing).count());
        JoinedRows { runs, theirs, entity: EntityCells::new(halves, kept) }
    }

    fn write<W: Write>(
        &mut self,
        page: &mut CsvWriter<'_, W>,
        rows: &mut Rows<'_>,
        thing: &mut Statement<'_>,
    ) -> Result<(), RenderError> {
        while let Some(row) = rows.next()? {
            self.load_fragment(page, row, thing)?;
            let fragment = &self.entity.fragment;
            let (mut own, mut piece, mut from) = (0, 0, 0);
            for run in &self.runs {
                if run.of_thing {
                    let to = fragment.ends[piece] as usize;
                    page.csv.write_field(&fragment.bytes[from..to])?;
                    (piece, from) = (piece + 1, to);
                    continue;
                }
                page.line.clear();
                for n in run.columns.clone() {
                    if n > run.columns.start {
                        page.line.push(page.style.delimiter);
                    }
                    page.write_cell(n, row.get_ref(own)?);
                    own += 1;
                }
                page.csv.write_field(&page.line)?;
            }
            self.count(&mut page.tally);
            page.tally.rows += 1;
            page.end_row()?;
        }
        Ok(())
    }

    /// Loads the cells of the row's entity into the current fragment.
    fn load_fragment<W: Write>(
        &mut self,
        page: &CsvWriter<'_, W>,
        row: &Row<'_>,
        thing: &mut Statement<'_>,
    ) -> Result<(), RenderError> {
        let runs = &self.runs;
        self.entity.load(row, thing, |shown, fragment| {
            let mut theirs = 0;
            for run in runs.iter().filter(|run| run.of_thing) {
                for n in run.columns.clone() {
                    if n > run.columns.start {
                        fragment.bytes.push(page.style.delimiter);
                    }
                    let kind: Option<ColumnType> = page.tally.columns[n].column.column_type;
                    let mark = cell::write_cell(page.style, kind, shown.get_ref(theirs)?, &mut fragment.bytes);
                    fragment.mark(theirs, mark);
                    theirs += 1;
                }
                fragment.end_run()?;
            }
            Ok(())
        })
    }

    fn count(&self, tally: &mut FileStats) {
        let CsvFragment { guarded, nul, long, .. } = self.entity.fragment;
        if guarded | nul | long == 0 {
            return;
        }
        for (bit, n) in self.theirs.iter().enumerate() {
            let column = &mut tally.columns[*n];
            column.guarded += guarded >> bit & 1;
            column.nul += nul >> bit & 1;
            column.long += long >> bit & 1;
        }
    }
}

#[cfg(test)]
mod tests;
