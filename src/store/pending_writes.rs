//! Writes that wait: the entities of a page are committed with it and written to their tables later.
//!
//! Ids are random, so the hundred tracks of a page, with their artists, albums and images, touch some 350 pages
//! of the database, and a transaction writes each of them completely. The same writes as one blob take a dozen
//! pages. They are written to their tables many pages at a time, in key order, by the next transaction that
//! needs them there, which is any transaction except that of a page with more to come. Until then they are as
//! durable as the checkpoint of the page. When a store with pending writes is opened, they are written to their
//! tables first.

use super::changed_entities::ChangedEntities;
use super::row_write::RowWrite;
use super::write_tx::WriteTiming;
use super::{CellValue, StoreError, WriteTx};

/// Maximum number of bytes that may wait, about 100 pages of new tracks. They are read into memory.
const MAX_WAITING_BYTES: usize = 4 << 20;

/// First byte of the writes of a page: the version of their encoding.
const LAYOUT_VERSION: u8 = 1;

/// The pending writes, and what the current transaction adds.
#[derive(Debug, Default)]
pub(super) struct PendingWrites {
    /// The writes of the current transaction, if they are deferred.
    current_page: Option<Vec<u8>>,
    /// Bytes that wait in the store.
    waiting_bytes: usize,
    /// Value of `waiting_bytes` after the commit.
    waiting_bytes_after_commit: usize,
}

impl PendingWrites {
    /// Ends the current transaction.
    pub(super) fn finish_transaction(&mut self, committed: bool) {
        self.current_page = None;
        if committed {
            self.waiting_bytes = self.waiting_bytes_after_commit;
        }
    }
}

/// Makes a write now, or adds it to the pending writes.
pub(super) fn write_row(tx: &mut WriteTx, write: RowWrite, cells: &[CellValue<'_>]) -> Result<(), StoreError> {
    if let Some(page) = &mut tx.pending.current_page {
        encode(write, cells, page);
        return Ok(());
    }
    let mut statement = tx.prepare(write.sql())?;
    let changed = write.execute(&tx.conn, &mut statement, cells.iter().copied());
    drop(statement);
    if changed.map_err(|e| tx.error("cannot be written", e))? {
        tx.changed = true;
        if let [first, second, ..] = cells {
            tx.changed_entities.record(write, *first, *second);
        }
    }
    Ok(())
}

/// Call this at the start of a transaction.
pub(super) fn start(tx: &mut WriteTx, when: WriteTiming) -> Result<(), StoreError> {
    tx.pending.waiting_bytes_after_commit = tx.pending.waiting_bytes;
    match when {
        WriteTiming::Deferred => tx.pending.current_page = Some(vec![LAYOUT_VERSION]),
        WriteTiming::Now if tx.pending.waiting_bytes > 0 => flush(tx)?,
        WriteTiming::Now => {}
    }
    Ok(())
}

/// Call this before a transaction is committed.
pub(super) fn finish(tx: &mut WriteTx) -> Result<(), StoreError> {
    let Some(page) = tx.pending.current_page.take().filter(|page| page.len() > 1) else { return Ok(()) };
    tx.prepare("INSERT INTO pending_writes (writes) VALUES (?1)")?
        .execute([&page])
        .map_err(|e| tx.error("cannot be written", e))?;
    tx.pending.waiting_bytes_after_commit += page.len();
    if tx.pending.waiting_bytes_after_commit > MAX_WAITING_BYTES { flush(tx) } else { Ok(()) }
}

/// Writes what an interrupted run left to its tables.
pub(super) fn flush_interrupted(tx: &mut WriteTx) -> Result<(), StoreError> {
    let any = tx.conn.query_row("SELECT EXISTS (SELECT 1 FROM pending_writes)", [], |row| row.get(0));
    if any.map_err(|e| tx.error("cannot be read", e))? {
        tx.pending.waiting_bytes = 1;
        tx.transact(WriteTiming::Now, |_| Ok(()))?;
    }
    Ok(())
}

fn flush(tx: &mut WriteTx) -> Result<(), StoreError> {
    let pages: Vec<Vec<u8>> = {
        let mut statement = tx.prepare("SELECT writes FROM pending_writes ORDER BY id")?;
        let pages = statement.query_map([], |row| row.get(0)).and_then(Iterator::collect);
        pages.map_err(|e| tx.error("cannot be read", e))?
    };
    let mut writes = Vec::new();
    for page in &pages {
        let laid_out = page.split_first().filter(|(layout, _)| **layout == LAYOUT_VERSION);
        let all = laid_out.and_then(|(_, rest)| decode(rest, &mut writes));
        all.ok_or_else(|| layout_mismatch(tx))?;
    }
    // The sort is stable: of two writes for one entity, the later stays later.
    writes.sort_by(|a, b| (a.write.rank(), a.key).cmp(&(b.write.rank(), b.key)));
    let (mut changed, mut touched) = (false, std::mem::take(&mut tx.changed_entities));
    let made = writes
        .chunk_by(|a, b| a.write.rank() == b.write.rank())
        .try_for_each(|same| execute_all(tx, same, &mut touched).map(|some| changed |= some));
    tx.changed_entities = touched;
    made.map_err(|e| tx.error("cannot be written", e))?;
    tx.prepare("DELETE FROM pending_writes")?.execute([]).map_err(|e| tx.error("cannot be written", e))?;
    tx.changed |= changed;
    tx.pending.waiting_bytes_after_commit = 0;
    Ok(())
}

/// Makes the writes of one table.
fn execute_all(tx: &WriteTx, writes: &[PendingWrite<'_>], touched: &mut ChangedEntities) -> rusqlite::Result<bool> {
    let mut changed = false;
    let (mut puts, mut trims) = (None, None);
    for waiting in writes {
        let statement = if waiting.write as u8 == waiting.write.rank() { &mut puts } else { &mut trims };
        let statement = match statement {
            Some(statement) => statement,
            None => statement.insert(tx.conn.prepare_cached(waiting.write.sql())?),
        };
        if waiting.write.execute(&tx.conn, statement, CellReader(waiting.cells))? {
            changed = true;
            let mut cells = CellReader(waiting.cells);
            if let (Some(first), Some(second)) = (cells.next(), cells.next()) {
                touched.record(waiting.write, first, second);
            }
        }
    }
    Ok(changed)
}

fn layout_mismatch(tx: &WriteTx) -> StoreError {
    let why = "a run of another version was killed and left writes that this version cannot read; \
               run that version once more"
        .to_owned();
    StoreError::Mismatch { path: tx.path().to_path_buf(), why }
}

/// Whether a pending page has the encoding of this version.
pub(super) fn is_readable(page: &[u8]) -> bool {
    let mut writes = Vec::new();
    page.split_first()
        .filter(|(layout, _)| **layout == LAYOUT_VERSION)
        .and_then(|(_, rest)| decode(rest, &mut writes))
        .is_some()
}

struct PendingWrite<'a> {
    write: RowWrite,
    /// Encoded cells that identify the entity.
    key: &'a [u8],
    cells: &'a [u8],
}

fn encode(write: RowWrite, cells: &[CellValue<'_>], out: &mut Vec<u8>) {
    out.push(write as u8);
    let head = out.len();
    out.extend([0; 8]);
    let mut key = 0;
    for (n, cell) in cells.iter().enumerate() {
        match cell {
            CellValue::Absent | CellValue::Null => out.push(b'n'),
            CellValue::Int(number) | CellValue::BlankInt(number) => {
                out.push(b'i');
                out.extend(number.to_le_bytes());
            }
            CellValue::Text(text) | CellValue::BlankText(text) => {
                out.push(b't');
                out.extend(size(text.len()));
                out.extend(text.as_bytes());
            }
        }
        if n + 1 == write.key_cells() {
            key = out.len() - head - 8;
        }
    }
    let len = out.len() - head - 8;
    out[head..head + 4].copy_from_slice(&size(key));
    out[head + 4..head + 8].copy_from_slice(&size(len));
}

/// No response, and so no text in it, is larger than 16 MiB.
fn size(len: usize) -> [u8; 4] {
    u32::try_from(len).expect("a text of over 4 GiB").to_le_bytes()
}

/// Adds all writes of a page; `None` if they have another encoding.
fn decode<'a>(mut page: &'a [u8], into: &mut Vec<PendingWrite<'a>>) -> Option<()> {
    while let Some((number, rest)) = page.split_first() {
        let (key, rest) = take_size(rest)?;
        let (len, rest) = take_size(rest)?;
        let (cells, rest) = rest.split_at_checked(len)?;
        into.push(PendingWrite { write: RowWrite::from_number(*number)?, key: cells.get(..key)?, cells });
        page = rest;
    }
    Some(())
}

fn take_size(from: &[u8]) -> Option<(usize, &[u8])> {
    let (size, rest) = from.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*size)).ok()?, rest))
}

/// Decodes the cells of a write.
struct CellReader<'a>(&'a [u8]);

impl<'a> Iterator for CellReader<'a> {
    type Item = CellValue<'a>;

    fn next(&mut self) -> Option<CellValue<'a>> {
        let (kind, rest) = self.0.split_first()?;
        let (cell, rest) = match kind {
            b'i' => {
                let (number, rest) = rest.split_first_chunk::<8>()?;
                (CellValue::Int(i64::from_le_bytes(*number)), rest)
            }
            b't' => {
                let (len, rest) = take_size(rest)?;
                let (text, rest) = rest.split_at_checked(len)?;
                (CellValue::Text(std::str::from_utf8(text).ok()?), rest)
            }
            _ => (CellValue::Null, rest),
        };
        self.0 = rest;
        Some(cell)
    }
}

#[cfg(test)]
mod tests {
    use crate::store::{children, entity};
    use proptest::prelude::*;
    use rusqlite::Connection;

    use super::super::{CreditedEntity, EntityTable};
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
            let columns = statement.column_count();
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
        children::set_artists(s, CreditedEntity::Track, &track, artists)?;
        let images = [("u1", Some(1), None), ("u2", None, Some(i64::from(seed)))];
        children::set_images(s, "album", "b", images.split_at(usize::from(seed % 3)).0)?;
        children::set_metrics(s, "track", &track, "2026-11-23", None, Some(i64::from(seed)))
    }

    proptest! {
        #[test]
        fn deferred_writes_equal_immediate_ones(seeds in prop::collection::vec(any::<u8>(), 0..40)) {
            let (mut at_once, mut later) = (session(), session());
            for seed in seeds {
                at_once.transact(WriteTiming::Now, |s| page(s, seed)).unwrap();
                later.transact(WriteTiming::Deferred, |s| page(s, seed)).unwrap();
            }
            later.transact(WriteTiming::Now, |_| Ok(())).unwrap();
            prop_assert_eq!(dump(&at_once), dump(&later));
        }
    }

    #[test]
    fn deferred_writes_precede_a_dependent_commit() {
        let mut s = session();
        s.transact(WriteTiming::Deferred, |s| thing(s, EntityTable::artists(), "a", "A", true)).unwrap();
        assert_eq!(dump(&s).len(), 0);
        assert!(!s.changed, "no CSV shows it yet");
        s.transact(WriteTiming::Now, |s| {
            assert_eq!(dump(s).len(), 1);
            Ok(())
        })
        .unwrap();
        assert!(s.changed);
    }

    #[test]
    fn failed_commit_keeps_the_deferred_writes() {
        let mut s = session();
        s.transact(WriteTiming::Deferred, |s| thing(s, EntityTable::artists(), "a", "A", true)).unwrap();
        let failed: Result<(), _> = s.transact(WriteTiming::Now, |_| Err(failure()));
        assert!(failed.is_err());
        let failed: Result<(), _> = s.transact(WriteTiming::Deferred, |s| {
            thing(s, EntityTable::artists(), "b", "B", true)?;
            Err(failure())
        });
        assert!(failed.is_err());
        s.transact(WriteTiming::Now, |_| Ok(())).unwrap();
        assert_eq!(dump(&s).len(), 1);
    }

    #[test]
    fn writes_of_another_layout_are_refused() {
        let mut s = session();
        s.conn.execute("INSERT INTO pending_writes (writes) VALUES (x'ff00')", []).unwrap();
        let refused = flush_interrupted(&mut s).unwrap_err().to_string();
        assert!(refused.contains("run that version once more"), "{refused}");
        assert_eq!(s.conn.query_row("SELECT count(*) FROM pending_writes", [], |r| r.get(0)), Ok(1));
    }

    #[test]
    fn each_number_stands_for_one_write() {
        for number in 0..=u8::MAX {
            assert!(RowWrite::from_number(number).is_none_or(|write| write as u8 == number));
        }
        let conn = session().conn;
        for write in (0..=u8::MAX).filter_map(RowWrite::from_number) {
            conn.prepare(write.sql()).unwrap();
        }
    }
}
