//! The entities of the pages of an open group, which are written to their tables just before the group is committed.
//!
//! Ids are random, so the hundred tracks of a page, with their artists, albums and images, touch some 350 pages of the
//! database. Written for many pages at once, in the order of their keys and each table by one statement, they need half
//! the time. They also stay out of the savepoint of their page, which would copy each page of the database that they touch.

use rusqlite::{CachedStatement, Connection};

use super::changed_entities::ChangedEntities;
use super::row_write::RowWrite;
use super::{CellValue, WriteTx};

/// The writes of a group, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct PendingWrites {
    rows: Vec<PendingRow>,
    cells: Vec<PendingCell>,
    /// The texts of all cells.
    text: String,
}

#[derive(Debug, Clone, Copy)]
struct PendingRow {
    write: RowWrite,
    first_cell: usize,
    cells: usize,
}

#[derive(Debug, Clone, Copy)]
enum PendingCell {
    Null,
    Int(i64),
    /// Start and end in the text.
    Text(usize, usize),
}

/// A place in the pending writes.
#[derive(Debug, Clone, Copy)]
pub(super) struct PendingMark {
    rows: usize,
    cells: usize,
    text: usize,
}

impl PendingWrites {
    pub(super) fn push(&mut self, write: RowWrite, cells: &[CellValue<'_>]) {
        self.rows.push(PendingRow { write, first_cell: self.cells.len(), cells: cells.len() });
        for cell in cells {
            self.cells.push(match cell {
                CellValue::Absent | CellValue::Null | CellValue::KeptNull => PendingCell::Null,
                CellValue::Int(number) | CellValue::BlankInt(number) => PendingCell::Int(*number),
                CellValue::Text(text) | CellValue::BlankText(text) | CellValue::EmptyText(text) => {
                    let start = self.text.len();
                    self.text.push_str(text);
                    PendingCell::Text(start, self.text.len())
                }
            });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes of memory that the writes take.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&self.rows[..]) + size_of_val(&self.cells[..]) + self.text.len()
    }

    /// The place after the last write.
    pub(super) fn mark(&self) -> PendingMark {
        PendingMark { rows: self.rows.len(), cells: self.cells.len(), text: self.text.len() }
    }

    /// Drops the writes after a place.
    pub(super) fn truncate(&mut self, mark: PendingMark) {
        self.rows.truncate(mark.rows);
        self.cells.truncate(mark.cells);
        self.text.truncate(mark.text);
    }

    fn cells(&self, row: PendingRow) -> impl Iterator<Item = CellValue<'_>> {
        self.cells[row.first_cell..row.first_cell + row.cells].iter().map(|cell| match *cell {
            PendingCell::Null => CellValue::Null,
            PendingCell::Int(number) => CellValue::Int(number),
            PendingCell::Text(start, end) => CellValue::Text(&self.text[start..end]),
        })
    }

    /// The texts that identify the entity.
    fn key(&self, row: PendingRow) -> [&str; 2] {
        let mut cells = self.cells(row).take(row.write.key_cells()).map(|cell| match cell {
            CellValue::Text(text) => text,
            _ => "",
        });
        [cells.next().unwrap_or_default(), cells.next().unwrap_or_default()]
    }
}

/// Writes everything that is pending to its tables.
pub(super) fn flush(tx: &mut WriteTx) -> rusqlite::Result<()> {
    if tx.pending.is_empty() {
        return Ok(());
    }
    let mut pending = std::mem::take(&mut tx.pending);
    let mut rows = std::mem::take(&mut pending.rows);
    // The sort is stable: of two writes for one entity, the later stays later.
    rows.sort_by(|a, b| (a.write.rank(), pending.key(*a)).cmp(&(b.write.rank(), pending.key(*b))));
    for same in rows.chunk_by(|a, b| a.write.rank() == b.write.rank()) {
        tx.changed |= write_rows(&tx.conn, &pending, same, &mut tx.changed_entities)?;
    }
    Ok(())
}

/// Makes the writes of one table.
fn write_rows(
    conn: &Connection,
    pending: &PendingWrites,
    rows: &[PendingRow],
    touched: &mut ChangedEntities,
) -> rusqlite::Result<bool> {
    let mut changed = false;
    // A table has at most three kinds of writes.
    let mut statements: Vec<(RowWrite, CachedStatement<'_>)> = Vec::new();
    for row in rows {
        let known = statements.iter().position(|(write, _)| *write == row.write);
        let place = match known {
            Some(place) => place,
            None => {
                statements.push((row.write, conn.prepare_cached(row.write.sql())?));
                statements.len() - 1
            }
        };
        if row.write.execute(conn, &mut statements[place].1, pending.cells(*row))? {
            changed = true;
            let mut cells = pending.cells(*row);
            if let (Some(first), Some(second)) = (cells.next(), cells.next()) {
                touched.record(row.write, first, second);
            }
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use crate::store::{children, entity};
    use proptest::prelude::*;

    use super::super::{CreditedEntity, EntityTable, StoreError};
    use super::*;

    fn session() -> WriteTx {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        crate::store::schema::create_tables(&conn).unwrap();
        WriteTx::new(conn, "test".into())
    }

    fn thing(
        s: &mut WriteTx,
        table: &'static EntityTable,
        id: &str,
        name: &str,
        whole: bool,
    ) -> Result<(), StoreError> {
        let mut cells = vec![CellValue::Absent; table.columns.len()];
        cells[0] = CellValue::Text(name);
        entity::upsert(s, table, id, &cells, name, whole)
    }

    fn failure() -> StoreError {
        StoreError::Closed { why: "a test".into(), hint: None }
    }

    /// Returns the content of the tables as text.
    fn dump(s: &WriteTx) -> Vec<String> {
        let mut all = Vec::new();
        for table in ["artists", "tracks", "track_artists", "images", "metrics"] {
            let mut statement = s.conn.prepare(&format!("SELECT * FROM {table}")).unwrap();
            // Without the version, which depends on the transaction.
            let columns = statement.column_count() - 1;
            let mut rows = statement.query([]).unwrap();
            while let Some(row) = rows.next().unwrap() {
                let values: Vec<_> = (0..columns).map(|n| row.get::<_, rusqlite::types::Value>(n).unwrap()).collect();
                all.push(format!("{table} {values:?}"));
            }
        }
        all
    }

    /// What one page may do, small enough that the same entities appear again and again.
    fn page(s: &mut WriteTx, seed: u8) -> Result<(), StoreError> {
        let (track, name) = (format!("t{}", seed % 5), format!("n{}", seed % 3));
        let artists = ["a1", "a2", "a3"].split_at(usize::from(seed % 4).min(3)).0;
        for artist in artists {
            thing(s, EntityTable::artists(), artist, &name, seed.is_multiple_of(7))?;
        }
        thing(s, EntityTable::tracks(), &track, &name, seed.is_multiple_of(2))?;
        if seed.is_multiple_of(3) {
            children::add_artists(s, CreditedEntity::Track, &track, artists)?;
        } else {
            children::set_artists(s, CreditedEntity::Track, &track, artists)?;
        }
        let images = [("u1", Some(1), None), ("u2", None, Some(i64::from(seed)))];
        children::set_images(s, "album", "b", images.split_at(usize::from(seed % 3)).0)?;
        children::set_metrics(s, "track", &track, "2026-11-23", None, Some(i64::from(seed)))
    }

    proptest! {
        #[test]
        fn pending_rows_end_as_rows_at_once_do(seeds in prop::collection::vec(any::<u8>(), 0..40)) {
            let (mut at_once, mut later) = (session(), session());
            for seed in seeds {
                at_once.transact(|s| page(s, seed)).unwrap();
                later.run_in_group(|s| page(s, seed)).unwrap();
            }
            later.transact(|_| Ok(())).unwrap();
            prop_assert_eq!(dump(&at_once), dump(&later));
        }
    }

    #[test]
    fn pending_rows_reach_their_tables_in_time() {
        let mut s = session();
        s.run_in_group(|s| thing(s, EntityTable::artists(), "a", "A", true)).unwrap();
        assert_eq!(dump(&s).len(), 0);
        // A task that is no page may need them.
        assert_eq!(s.transact(|s| Ok(dump(s).len())).unwrap(), 1);
        s.run_in_group(|s| thing(s, EntityTable::artists(), "b", "B", true)).unwrap();
        s.commit_group().unwrap();
        assert!(s.changed);
        assert_eq!(dump(&s).len(), 2);
    }

    #[test]
    fn pending_rows_of_a_failed_page_are_dropped() {
        let mut s = session();
        s.run_in_group(|s| thing(s, EntityTable::artists(), "a", "A", true)).unwrap();
        let failed: Result<(), _> = s.run_in_group(|s| {
            thing(s, EntityTable::artists(), "b", "B", true)?;
            Err(failure())
        });
        assert!(failed.is_err());
        let failed: Result<(), _> = s.transact(|_| Err(failure()));
        assert!(failed.is_err());
        s.commit_group().unwrap();
        assert_eq!(dump(&s).len(), 1);
    }
}
