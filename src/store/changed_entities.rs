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

use super::dependency_kind::{DependencyKind, ROW_UPDATED};
use super::row_write::RowWrite;
use super::{CellValue, info};

/// Maximum number of recorded entities. Reading them all takes some milliseconds.
const MAX_RECORDED: usize = 50_000;

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
        let changes = ChangedEntities::default();
        let updated = Arc::clone(&changes.row_updated);
        conn.create_scalar_function(ROW_UPDATED, 1, FunctionFlags::SQLITE_UTF8, move |call| {
            updated.store(true, Ordering::Relaxed);
            call.get::<rusqlite::types::Value>(0)
        })?;
        Ok(changes)
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

impl ChangedEntities {
    /// Saves what the transaction changed, under the version that it creates.
    pub(super) fn save(&mut self, conn: &Connection, version: i64) -> rusqlite::Result<()> {
        let number = self.changed_entities.len();
        if number == 0 && !self.all {
            return Ok(());
        }
        let written = match self.recorded {
            Some(written) => written,
            None => conn
                .prepare_cached("SELECT coalesce(sum(number), 0) FROM changed_things")?
                .query_row([], |row| row.get::<_, i64>(0))
                .map(|n| usize::try_from(n).unwrap_or(usize::MAX))?,
        };
        // Count again after rows were deleted.
        self.recorded = None;
        if self.all {
            return forget_until(conn, version);
        }
        let mut lines = String::new();
        for (kind, id) in &self.changed_entities {
            lines.push(kind.letter());
            lines.push_str(id);
            lines.push('\n');
        }
        conn.prepare_cached("INSERT INTO changed_things (version, number, things) VALUES (?1, ?2, ?3)")?
            .execute(params![version, i64::try_from(number).unwrap_or(i64::MAX), lines])?;
        if written.saturating_add(number) <= MAX_RECORDED {
            self.recorded = Some(written + number);
            return Ok(());
        }
        let oldest_half: Option<i64> = conn
            .prepare_cached(
                "SELECT max(version) FROM (SELECT version, sum(number) OVER (ORDER BY version DESC) AS kept
                 FROM changed_things) WHERE kept > ?1",
            )?
            .query_row([i64::try_from(MAX_RECORDED / 2).unwrap_or(i64::MAX)], |row| row.get(0))?;
        oldest_half.map_or(Ok(()), |version| forget_until(conn, version))
    }
}

/// Deletes changes up to a version: older files are rendered once more.
fn forget_until(conn: &Connection, version: i64) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM changed_things WHERE version <= ?1")?.execute([version])?;
    info::set_value(conn, "things_since", &version.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{CreditedEntity, EntityTable, StoreError, WriteTx};
    use crate::store::{children, entity};

    fn session() -> WriteTx {
        let conn = Connection::open_in_memory().unwrap();
        crate::store::schema::create_tables(&conn).unwrap();
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
        let mut s = session();
        s.transact(|s| artist(s, "a", "A").and_then(|()| track(s, "t", &["a"]))).unwrap();
        assert_eq!(lines(&s), [""; 0], "all of it is new");
        s.transact(|s| artist(s, "a", "A").and_then(|()| track(s, "t", &["a"]))).unwrap();
        assert_eq!(lines(&s), [""; 0], "nothing has changed");
        s.run_in_group(|s| artist(s, "a", "B").and_then(|()| artist(s, "n", "N"))).unwrap();
        s.run_in_group(|s| track(s, "t", &["a", "n"])).unwrap();
        s.transact(|s| track(s, "t", &["n"])).unwrap();
        let recorded: String = lines(&s).concat();
        assert!(recorded.contains("aa\n") && recorded.contains("tt\n") && !recorded.contains("an\n"), "{recorded}");
    }

    #[test]
    fn record_of_changes_is_bounded() {
        let mut s = session();
        let name = |n: usize| format!("a{n}");
        s.transact(|s| (0..MAX_RECORDED).try_for_each(|n| artist(s, &name(n), "A"))).unwrap();
        for part in 0..3 {
            s.transact(|s| (0..MAX_RECORDED / 2).try_for_each(|n| artist(s, &name(n), &part.to_string()))).unwrap();
        }
        let known: i64 = s.conn.query_row("SELECT sum(number) FROM changed_things", [], |row| row.get(0)).unwrap();
        assert!(usize::try_from(known).unwrap() <= MAX_RECORDED, "{known}");
        assert_eq!(info::get_value(&s.conn, "things_since").unwrap().as_deref(), Some("3"));
        s.transact(|s| {
            s.mark_all_changed();
            Ok(())
        })
        .unwrap();
        assert_eq!(lines(&s), [""; 0]);
        assert_eq!(info::get_value(&s.conn, "things_since").unwrap().as_deref(), Some("5"));
    }
}
