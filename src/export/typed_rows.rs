//! The rows of a file as values, for formats with types.

use std::cell::RefCell;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::csv_column::CsvColumn;
use super::entity_cells::EntityCells;
use super::output_file::RowSource;
use super::render::{FragmentCaches, RenderError};
use super::value_bytes::{read_value, write_value};

/// What takes the rows of a file.
pub(super) trait RowSink {
    /// Takes the columns, before any row. Those of a query have no type.
    fn begin(&mut self, columns: Vec<CsvColumn>) -> Result<(), RenderError>;
    /// Takes one row.
    fn take_row(&mut self, row: &RowValues<'_>) -> Result<(), RenderError>;
}

/// The values of one row.
pub(super) enum RowValues<'r> {
    /// As SQLite returned them.
    Whole(&'r Row<'r>),
    /// Some as SQLite returned them, and those of the entity from a cache.
    Split { row: &'r Row<'r>, places: &'r [ValuePlace], bytes: &'r [u8], ends: &'r [u32] },
    /// As [`write_value`] wrote them.
    Bytes { bytes: &'r [u8], ends: &'r [u32] },
}

/// Where a value of a row is.
#[derive(Debug, Clone, Copy)]
pub(super) enum ValuePlace {
    Row(usize),
    Entity(usize),
}

impl RowValues<'_> {
    /// The value in a column.
    pub(super) fn get(&self, n: usize) -> rusqlite::Result<ValueRef<'_>> {
        match self {
            RowValues::Whole(row) => row.get_ref(n),
            RowValues::Split { row, places, bytes, ends } => match places[n] {
                ValuePlace::Row(n) => row.get_ref(n),
                ValuePlace::Entity(n) => Ok(value_in(bytes, ends, n)),
            },
            RowValues::Bytes { bytes, ends } => Ok(value_in(bytes, ends, n)),
        }
    }
}

fn value_in<'b>(bytes: &'b [u8], ends: &[u32], n: usize) -> ValueRef<'b> {
    let start = if n == 0 { 0 } else { ends[n - 1] as usize };
    read_value(&bytes[start..ends[n] as usize])
}

/// Reads all rows of a file. Values of entities in `fragments` are reused, which requires that the store does not change in
/// between.
pub(super) fn read_rows(
    store: &Connection,
    source: &RowSource<'_>,
    fragments: &mut FragmentCaches,
    sink: &mut dyn RowSink,
) -> Result<(), RenderError> {
    match source {
        RowSource::Fetch(rows) => {
            sink.begin(rows.columns.clone())?;
            let Some(halves) = rows.select.split() else {
                let mut statement = store.prepare(&rows.select.sql())?;
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    sink.take_row(&RowValues::Whole(row))?;
                }
                return Ok(());
            };
            let (mut own, mut theirs) = (0, 0);
            let places: Vec<ValuePlace> = halves
                .from_entity
                .iter()
                .map(|of_entity| {
                    let next = if *of_entity { &mut theirs } else { &mut own };
                    *next += 1;
                    if *of_entity { ValuePlace::Entity(*next - 1) } else { ValuePlace::Row(*next - 1) }
                })
                .collect();
            let mut entity = store.prepare(&halves.entity)?;
            let mut statement = store.prepare(&halves.rows)?;
            let mut rows = statement.query([])?;
            let mut cells = EntityCells::new(&halves, fragments.cache_for(&halves, theirs));
            while let Some(row) = rows.next()? {
                cells.load(row, &mut entity, |shown, fragment| {
                    for n in 0..theirs {
                        write_value(shown.get_ref(n)?, &mut fragment.bytes);
                        fragment.end_run()?;
                    }
                    Ok(())
                })?;
                let (bytes, ends) = (&cells.fragment.bytes, &cells.fragment.ends);
                sink.take_row(&RowValues::Split { row, places: &places, bytes, ends })?;
            }
            Ok(())
        }
        RowSource::Query { reader, sql, bound } => {
            let sink = RefCell::new(sink);
            let named = |header: String| CsvColumn { header: header.into(), column_type: None, about: "" };
            reader.run(
                sql,
                bound,
                |names| sink.borrow_mut().begin(names.into_iter().map(named).collect()),
                |row| sink.borrow_mut().take_row(&RowValues::Whole(row)),
            )
        }
        RowSource::Workbook(_) | RowSource::Page(_) | RowSource::Kept => Ok(()),
    }
}
