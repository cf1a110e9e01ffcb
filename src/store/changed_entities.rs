//! Catalog entities that a transaction changed and that existed before.
//!
//! A file of playlist items depends on its lists and on the entities in them. The lists themselves record
//! whether they changed. Changed entities are recorded here, so that one new title does not cause a thousand
//! files to be rendered. A new entity needs no record: no list that was exported before can contain it.
//!
//! The number of records is limited. `things_since` has the `data_version` since which they are complete. An
//! older file is rendered, and left alone if it is the same.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, params};
use rustc_hash::FxHashSet;
use xxhash_rust::xxh3::xxh3_64;

use super::row_write::RowWrite;
use super::{CellValue, StoreError, WriteTx, info};

/// Maximum number of recorded entities. Reading them all takes some milliseconds.
const MAX_RECORDED: usize = 50_000;

/// The SQL function that an upsert calls when it changes an existing row. An upsert does not report whether it
/// inserted or updated, and a query before each write would cost more than the write.
pub(super) const ROW_UPDATED: &str = "met_again";

/// A kind of entity that a file of playlist items depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum DependencyKind {
    Track,
    Album,
    Artist,
    Episode,
    Show,
    User,
    LocalFile,
}

impl DependencyKind {
    const ALL: [(DependencyKind, char); 7] = [
        (DependencyKind::Track, 't'),
        (DependencyKind::Album, 'l'),
        (DependencyKind::Artist, 'a'),
        (DependencyKind::Episode, 'e'),
        (DependencyKind::Show, 's'),
        (DependencyKind::User, 'u'),
        (DependencyKind::LocalFile, 'f'),
    ];

    fn letter(self) -> char {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or('t', |(_, letter)| *letter)
    }

    /// Returns kind and id of a line.
    pub(super) fn parse_line(line: &str) -> Option<(DependencyKind, &str)> {
        let mut rest = line.chars();
        let letter = rest.next()?;
        Self::ALL.iter().find(|(_, l)| *l == letter).map(|(kind, _)| (*kind, rest.as_str()))
    }
}

/// What the current transaction did to catalog entities.
#[derive(Debug, Default)]
pub(super) struct ChangedEntities {
    /// SQLite sets this when an upsert changes an existing row.
    row_updated: Arc<AtomicBool>,
    /// Hashes of new entities.
    new_entities: FxHashSet<u64>,
    /// Existing entities that changed.
    changed_entities: BTreeSet<(DependencyKind, String)>,
    /// More changed than can be recorded.
    all: bool,
    /// Number of entities recorded in the store; none before they were counted.
    recorded: Option<usize>,
}

impl ChangedEntities {
    /// Registers the SQL function that reports updates on this connection.
    pub(super) fn register(conn: &Connection) -> rusqlite::Result<ChangedEntities> {
        let touched = ChangedEntities::default();
        let heard = Arc::clone(&touched.row_updated);
        conn.create_scalar_function(ROW_UPDATED, 1, FunctionFlags::SQLITE_UTF8, move |call| {
            heard.store(true, Ordering::Relaxed);
            call.get::<rusqlite::types::Value>(0)
        })?;
        Ok(touched)
    }

    /// Call this at the start of a transaction.
    pub(super) fn start(&mut self) {
        self.new_entities.clear();
        self.changed_entities.clear();
        self.all = false;
        self.row_updated.store(false, Ordering::Relaxed);
    }

    /// Call this when the transaction failed.
    pub(super) fn reset_count(&mut self) {
        self.recorded = None;
    }

    /// Records that too much changed to list: all files are rendered once more.
    pub(super) fn mark_all(&mut self) {
        self.all = true;
    }

    /// Records that a write changed a row. The first two cells identify the entity.
    pub(super) fn record(&mut self, write: RowWrite, first: CellValue<'_>, second: CellValue<'_>) {
        let updated = self.row_updated.swap(false, Ordering::Relaxed);
        let Some((kind, id)) = write.dependency(first, second) else { return };
        let hash = xxh3_64(id.as_bytes()) ^ kind as u64;
        if write.is_entity() && !updated {
            self.new_entities.insert(hash);
        } else if !self.all && !self.new_entities.contains(&hash) {
            self.changed_entities.insert((kind, id.to_owned()));
            self.all = self.changed_entities.len() > MAX_RECORDED;
        }
    }
}

/// Saves what the transaction changed, under the version that it creates.
pub(super) fn record(tx: &mut WriteTx, version: i64) -> Result<(), StoreError> {
    let number = tx.touched.changed_entities.len();
    if number == 0 && !tx.touched.all {
        return Ok(());
    }
    let written = match tx.touched.recorded {
        Some(written) => written,
        None => tx
            .prepare("SELECT coalesce(sum(number), 0) FROM changed_things")?
            .query_row([], |row| row.get::<_, i64>(0))
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX))
            .map_err(|e| tx.error("cannot be read", e))?,
    };
    // Count again after rows were deleted.
    tx.touched.recorded = None;
    if tx.touched.all {
        return forget_until(tx, version);
    }
    let mut things = String::new();
    for (kind, id) in &tx.touched.changed_entities {
        things.push(kind.letter());
        things.push_str(id);
        things.push('\n');
    }
    tx.prepare("INSERT INTO changed_things (version, number, things) VALUES (?1, ?2, ?3)")?
        .execute(params![version, i64::try_from(number).unwrap_or(i64::MAX), things])
        .map_err(|e| tx.error("cannot be written", e))?;
    if written.saturating_add(number) <= MAX_RECORDED {
        tx.touched.recorded = Some(written + number);
        return Ok(());
    }
    let oldest_half: Option<i64> = tx
        .prepare(
            "SELECT max(version) FROM (SELECT version, sum(number) OVER (ORDER BY version DESC) AS kept
             FROM changed_things) WHERE kept > ?1",
        )?
        .query_row([i64::try_from(MAX_RECORDED / 2).unwrap_or(i64::MAX)], |row| row.get(0))
        .map_err(|e| tx.error("cannot be read", e))?;
    oldest_half.map_or(Ok(()), |version| forget_until(tx, version))
}

/// Deletes changes up to a version: older files are rendered once more.
fn forget_until(tx: &WriteTx, version: i64) -> Result<(), StoreError> {
    tx.prepare("DELETE FROM changed_things WHERE version <= ?1")?
        .execute([version])
        .map_err(|e| tx.error("cannot be written", e))?;
    info::set_value(&tx.conn, "things_since", &version.to_string()).map_err(|e| tx.error("cannot be written", e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::write_tx::WriteTiming;
    use crate::store::{CreditedEntity, EntityTable};
    use crate::store::{children, entity};

    fn session() -> WriteTx {
        let conn = Connection::open_in_memory().unwrap();
        crate::store::migrations::create_tables(&conn).unwrap();
        WriteTx::new(conn, "test".into())
    }

    fn artist(s: &mut WriteTx, id: &str, name: &str) -> Result<(), StoreError> {
        let mut cells = vec![CellValue::Absent; EntityTable::artists().columns.len()];
        cells[0] = CellValue::Text(name);
        entity::upsert(s, EntityTable::artists(), id, &cells, "t1", false)
    }

    fn track(s: &mut WriteTx, id: &str, artists: &[&str]) -> Result<(), StoreError> {
        let cells = vec![CellValue::Absent; EntityTable::tracks().columns.len()];
        entity::upsert(s, EntityTable::tracks(), id, &cells, "t1", false)?;
        children::set_artists(s, CreditedEntity::Track, id, artists)
    }

    fn lines(s: &WriteTx) -> Vec<String> {
        let mut all = s.conn.prepare("SELECT version || ' ' || things FROM changed_things ORDER BY version").unwrap();
        all.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn only_what_was_known_is_written_down() {
        for when in [WriteTiming::Now, WriteTiming::Deferred] {
            let mut s = session();
            s.transact(when, |s| artist(s, "a", "A").and_then(|()| track(s, "t", &["a"]))).unwrap();
            s.transact(WriteTiming::Now, |_| Ok(())).unwrap();
            assert_eq!(lines(&s), [""; 0], "all of it is new");
            s.transact(when, |s| artist(s, "a", "A").and_then(|()| track(s, "t", &["a"]))).unwrap();
            s.transact(WriteTiming::Now, |_| Ok(())).unwrap();
            assert_eq!(lines(&s), [""; 0], "nothing has changed");
            s.transact(when, |s| artist(s, "a", "B").and_then(|()| artist(s, "n", "N"))).unwrap();
            s.transact(when, |s| track(s, "t", &["a", "n"])).unwrap();
            s.transact(when, |s| track(s, "t", &["n"])).unwrap();
            s.transact(WriteTiming::Now, |_| Ok(())).unwrap();
            let told: String = lines(&s).concat();
            assert!(told.contains("aa\n") && told.contains("tt\n") && !told.contains("an\n"), "{told}");
        }
    }

    #[test]
    fn what_is_written_down_is_bounded_and_says_from_where_on_it_is_complete() {
        let mut s = session();
        let name = |n: usize| format!("a{n}");
        s.transact(WriteTiming::Now, |s| (0..MAX_RECORDED).try_for_each(|n| artist(s, &name(n), "A"))).unwrap();
        for part in 0..3 {
            s.transact(WriteTiming::Now, |s| {
                (0..MAX_RECORDED / 2).try_for_each(|n| artist(s, &name(n), &part.to_string()))
            })
            .unwrap();
        }
        let known: i64 = s.conn.query_row("SELECT sum(number) FROM changed_things", [], |row| row.get(0)).unwrap();
        assert!(usize::try_from(known).unwrap() <= MAX_RECORDED, "{known}");
        assert_eq!(info::get_value(&s.conn, "things_since").unwrap().as_deref(), Some("3"));
        s.transact(WriteTiming::Now, |s| {
            s.mark_all_changed();
            Ok(())
        })
        .unwrap();
        assert_eq!(lines(&s), [""; 0]);
        assert_eq!(info::get_value(&s.conn, "things_since").unwrap().as_deref(), Some("5"));
    }
}
