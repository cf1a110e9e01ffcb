//! Writes that wait: the things met on a page, committed with it, brought to their tables later.
//!
//! Ids are random, so the hundred tracks of a page, with their artists, albums and pictures, touch
//! some 350 pages of the database, each of which a transaction writes whole; the same writes as one
//! blob take a dozen. They are brought to their tables many pages at a time, in the order of their
//! keys, by the transaction that needs them there: any but that of a page with more to come. They
//! are as durable as the page's checkpoint, and a store that was left with some brings them to their
//! tables when it is opened.

use super::session::When;
use super::statement::Write;
use super::touched::Touched;
use super::{Cell, Session, StoreError};

/// Bytes that wait at most, as some 100 pages of new tracks have; they are read into memory.
const MOST: usize = 4 << 20;

/// First byte of a page's writes: how they are laid out.
const LAYOUT: u8 = 1;

/// What waits, and what the transaction at hand adds.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// The writes of the transaction at hand, if they are to wait.
    page: Option<Vec<u8>>,
    /// Bytes that wait in the store.
    waiting: usize,
    /// What `waiting` becomes with the commit.
    after: usize,
}

impl Pending {
    /// The transaction at hand is over.
    pub(super) fn committed(&mut self, committed: bool) {
        self.page = None;
        if committed {
            self.waiting = self.after;
        }
    }
}

impl Session {
    /// Makes a write, now or with those that wait.
    pub(super) fn make(&mut self, write: Write, cells: &[Cell<'_>]) -> Result<(), StoreError> {
        if let Some(page) = &mut self.pending.page {
            encode(write, cells, page);
            return Ok(());
        }
        let mut statement = self.prepare(write.sql())?;
        let changed = write.execute(&self.conn, &mut statement, cells.iter().copied());
        drop(statement);
        if changed.map_err(|e| self.error("cannot be written", e))? {
            self.changed = true;
            if let [first, second, ..] = cells {
                self.touched.note(write, *first, *second);
            }
        }
        Ok(())
    }

    /// To be called where a transaction begins.
    pub(super) fn begin_writes(&mut self, when: When) -> Result<(), StoreError> {
        self.pending.after = self.pending.waiting;
        match when {
            When::Later => self.pending.page = Some(vec![LAYOUT]),
            When::Now if self.pending.waiting > 0 => self.settle()?,
            When::Now => {}
        }
        Ok(())
    }

    /// To be called before a transaction is committed.
    pub(super) fn end_writes(&mut self) -> Result<(), StoreError> {
        let Some(page) = self.pending.page.take().filter(|page| page.len() > 1) else { return Ok(()) };
        self.prepare("INSERT INTO pending_writes (writes) VALUES (?1)")?
            .execute([&page])
            .map_err(|e| self.error("cannot be written", e))?;
        self.pending.after += page.len();
        if self.pending.after > MOST { self.settle() } else { Ok(()) }
    }

    /// Brings what an interrupted run left to its tables.
    pub(super) fn settle_interrupted(&mut self) -> Result<(), StoreError> {
        let any = self.conn.query_row("SELECT EXISTS (SELECT 1 FROM pending_writes)", [], |row| row.get(0));
        if any.map_err(|e| self.error("cannot be read", e))? {
            self.pending.waiting = 1;
            self.transact(When::Now, |_| Ok(()))?;
        }
        Ok(())
    }

    fn settle(&mut self) -> Result<(), StoreError> {
        let pages: Vec<Vec<u8>> = {
            let mut statement = self.prepare("SELECT writes FROM pending_writes ORDER BY id")?;
            let pages = statement.query_map([], |row| row.get(0)).and_then(Iterator::collect);
            pages.map_err(|e| self.error("cannot be read", e))?
        };
        let mut writes = Vec::new();
        for page in &pages {
            let laid_out = page.split_first().filter(|(layout, _)| **layout == LAYOUT);
            let all = laid_out.and_then(|(_, rest)| decode(rest, &mut writes));
            all.ok_or_else(|| self.other_layout())?;
        }
        // Stable: of two writes about one thing, the later one stays the later one.
        writes.sort_by(|a, b| (a.write.rank(), a.key).cmp(&(b.write.rank(), b.key)));
        let (mut changed, mut touched) = (false, std::mem::take(&mut self.touched));
        let made = writes
            .chunk_by(|a, b| a.write.rank() == b.write.rank())
            .try_for_each(|same| self.execute_all(same, &mut touched).map(|some| changed |= some));
        self.touched = touched;
        made.map_err(|e| self.error("cannot be written", e))?;
        self.prepare("DELETE FROM pending_writes")?.execute([]).map_err(|e| self.error("cannot be written", e))?;
        self.changed |= changed;
        self.pending.after = 0;
        Ok(())
    }

    /// Makes writes of one table.
    fn execute_all(&self, writes: &[Waiting<'_>], touched: &mut Touched) -> rusqlite::Result<bool> {
        let mut changed = false;
        let (mut puts, mut trims) = (None, None);
        for waiting in writes {
            let statement = if waiting.write as u8 == waiting.write.rank() { &mut puts } else { &mut trims };
            let statement = match statement {
                Some(statement) => statement,
                None => statement.insert(self.conn.prepare_cached(waiting.write.sql())?),
            };
            if waiting.write.execute(&self.conn, statement, Cells(waiting.cells))? {
                changed = true;
                let mut cells = Cells(waiting.cells);
                if let (Some(first), Some(second)) = (cells.next(), cells.next()) {
                    touched.note(waiting.write, first, second);
                }
            }
        }
        Ok(changed)
    }

    fn other_layout(&self) -> StoreError {
        let why = "a run of another version was killed and left writes that this one cannot read; \
                   run that version once more"
            .to_owned();
        StoreError::Mismatch { path: self.path().to_path_buf(), why }
    }
}

/// Whether a page that waits is laid out as this version does it.
pub(super) fn can_be_read(page: &[u8]) -> bool {
    let mut writes = Vec::new();
    page.split_first()
        .filter(|(layout, _)| **layout == LAYOUT)
        .and_then(|(_, rest)| decode(rest, &mut writes))
        .is_some()
}

/// A write that waits.
struct Waiting<'a> {
    write: Write,
    /// What it is about.
    key: &'a [u8],
    cells: &'a [u8],
}

fn encode(write: Write, cells: &[Cell<'_>], out: &mut Vec<u8>) {
    out.push(write as u8);
    let head = out.len();
    out.extend([0; 8]);
    let mut key = 0;
    for (n, cell) in cells.iter().enumerate() {
        match cell {
            Cell::Absent | Cell::Null => out.push(b'n'),
            Cell::Int(number) => {
                out.push(b'i');
                out.extend(number.to_le_bytes());
            }
            Cell::Text(text) => {
                out.push(b't');
                out.extend(size(text.len()));
                out.extend(text.as_bytes());
            }
        }
        if n + 1 == write.keys() {
            key = out.len() - head - 8;
        }
    }
    let len = out.len() - head - 8;
    out[head..head + 4].copy_from_slice(&size(key));
    out[head + 4..head + 8].copy_from_slice(&size(len));
}

/// No answer, and so no text in it, is larger than 16 MiB.
fn size(len: usize) -> [u8; 4] {
    u32::try_from(len).expect("a text of over 4 GiB").to_le_bytes()
}

/// Adds all writes of a page; `None` if they are laid out in another way.
fn decode<'a>(mut page: &'a [u8], into: &mut Vec<Waiting<'a>>) -> Option<()> {
    while let Some((number, rest)) = page.split_first() {
        let (key, rest) = take_size(rest)?;
        let (len, rest) = take_size(rest)?;
        let (cells, rest) = rest.split_at_checked(len)?;
        into.push(Waiting { write: Write::numbered(*number)?, key: cells.get(..key)?, cells });
        page = rest;
    }
    Some(())
}

fn take_size(from: &[u8]) -> Option<(usize, &[u8])> {
    let (size, rest) = from.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_le_bytes(*size)).ok()?, rest))
}

/// The cells of a write.
struct Cells<'a>(&'a [u8]);

impl<'a> Iterator for Cells<'a> {
    type Item = Cell<'a>;

    fn next(&mut self) -> Option<Cell<'a>> {
        let (kind, rest) = self.0.split_first()?;
        let (cell, rest) = match kind {
            b'i' => {
                let (number, rest) = rest.split_first_chunk::<8>()?;
                (Cell::Int(i64::from_le_bytes(*number)), rest)
            }
            b't' => {
                let (len, rest) = take_size(rest)?;
                let (text, rest) = rest.split_at_checked(len)?;
                (Cell::Text(std::str::from_utf8(text).ok()?), rest)
            }
            _ => (Cell::Null, rest),
        };
        self.0 = rest;
        Some(cell)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::Connection;

    use super::super::{ArtistsOf, Table};
    use super::*;

    fn session() -> Session {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        crate::store::migrations::create(&conn).unwrap();
        Session::new(conn, "test".into())
    }

    fn thing(s: &mut Session, table: &'static Table, id: &str, name: &str, whole: bool) -> Result<(), StoreError> {
        let mut cells = vec![Cell::Absent; table.columns.len()];
        cells[0] = Cell::Text(name);
        s.upsert(table, id, &cells, name, whole)
    }

    fn failure() -> StoreError {
        StoreError::Closed { why: "a test".into(), hint: None }
    }

    /// What the tables hold, as text.
    fn dump(s: &Session) -> Vec<String> {
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

    /// What one page may do, small enough that the same things are met again and again.
    fn page(s: &mut Session, seed: u8) -> Result<(), StoreError> {
        let (track, name) = (format!("t{}", seed % 5), format!("n{}", seed % 3));
        let artists = ["a1", "a2", "a3"].split_at(usize::from(seed % 4).min(3)).0;
        for artist in artists {
            thing(s, Table::artists(), artist, &name, seed.is_multiple_of(7))?;
        }
        thing(s, Table::tracks(), &track, &name, seed.is_multiple_of(2))?;
        s.set_artists(ArtistsOf::Track, &track, artists)?;
        let images = [("u1", Some(1), None), ("u2", None, Some(i64::from(seed)))];
        s.set_images("album", "b", images.split_at(usize::from(seed % 3)).0)?;
        s.set_metrics("track", &track, "2026-11-23", None, Some(i64::from(seed)))
    }

    proptest! {
        #[test]
        fn writes_that_waited_leave_what_writes_at_once_leave(seeds in prop::collection::vec(any::<u8>(), 0..40)) {
            let (mut at_once, mut later) = (session(), session());
            for seed in seeds {
                at_once.transact(When::Now, |s| page(s, seed)).unwrap();
                later.transact(When::Later, |s| page(s, seed)).unwrap();
            }
            later.transact(When::Now, |_| Ok(())).unwrap();
            prop_assert_eq!(dump(&at_once), dump(&later));
        }
    }

    #[test]
    fn what_waits_reaches_its_tables_with_the_next_transaction_that_may_need_it() {
        let mut s = session();
        s.transact(When::Later, |s| thing(s, Table::artists(), "a", "A", true)).unwrap();
        assert_eq!(dump(&s).len(), 0);
        assert!(!s.changed, "no CSV shows it yet");
        s.transact(When::Now, |s| {
            assert_eq!(dump(s).len(), 1);
            Ok(())
        })
        .unwrap();
        assert!(s.changed);
    }

    #[test]
    fn a_transaction_that_fails_leaves_what_waited_waiting() {
        let mut s = session();
        s.transact(When::Later, |s| thing(s, Table::artists(), "a", "A", true)).unwrap();
        let failed: Result<(), _> = s.transact(When::Now, |_| Err(failure()));
        assert!(failed.is_err());
        let failed: Result<(), _> = s.transact(When::Later, |s| {
            thing(s, Table::artists(), "b", "B", true)?;
            Err(failure())
        });
        assert!(failed.is_err());
        s.transact(When::Now, |_| Ok(())).unwrap();
        assert_eq!(dump(&s).len(), 1);
    }

    #[test]
    fn writes_of_another_layout_are_refused_and_stay() {
        let mut s = session();
        s.conn.execute("INSERT INTO pending_writes (writes) VALUES (x'ff00')", []).unwrap();
        let refused = s.settle_interrupted().unwrap_err().to_string();
        assert!(refused.contains("run that version once more"), "{refused}");
        assert_eq!(s.conn.query_row("SELECT count(*) FROM pending_writes", [], |r| r.get(0)), Ok(1));
    }

    #[test]
    fn each_number_stands_for_one_write() {
        for number in 0..=u8::MAX {
            assert!(Write::numbered(number).is_none_or(|write| write as u8 == number));
        }
        let conn = session().conn;
        for write in (0..=u8::MAX).filter_map(Write::numbered) {
            conn.prepare(write.sql()).unwrap();
        }
    }
}
