//! The write connection and what it remembers during a run: which rows were already written, and whether
//! anything changed that a CSV file may contain.

use std::path::PathBuf;

use rusqlite::{CachedStatement, Connection, ToSql};
use rustc_hash::FxHashMap;

use super::changed_entities::ChangedEntities;
use super::pending_writes::PendingWrites;
use super::wal::WalLimit;
use super::{StoreError, info, pending_writes};

/// Maximum number of remembered rows. Beyond it everything is forgotten, which costs only time.
const MAX_REMEMBERED: usize = 200_000;

/// The write connection. Functions that write take it as their first argument, inside a transaction.
#[derive(Debug)]
pub struct WriteTx {
    pub(super) conn: Connection,
    path: PathBuf,
    /// The current transaction changed a row that a CSV file may contain.
    pub(super) changed: bool,
    /// Hash of the last written content for each key, so that nothing is written twice in a run.
    written: FxHashMap<u128, u64>,
    /// Keys remembered by the current transaction, to be forgotten if it fails.
    uncommitted: Vec<u128>,
    pub(super) pending: PendingWrites,
    pub(super) changed_entities: ChangedEntities,
    pub(super) wal: WalLimit,
}

/// When the writes of a transaction reach their tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteTiming {
    /// With its commit, after all pending writes.
    Now,
    /// Later: they are committed in a cheaper form, see [`super::pending_writes`].
    Deferred,
}

impl WriteTx {
    pub(super) fn new(conn: Connection, path: PathBuf) -> WriteTx {
        let changed_entities = ChangedEntities::register(&conn).expect("an open connection takes functions");
        WriteTx {
            conn,
            wal: WalLimit::for_store(&path),
            path,
            changed: false,
            written: FxHashMap::default(),
            uncommitted: Vec::new(),
            pending: PendingWrites::default(),
            changed_entities,
        }
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Returns the connection, for reading inside the transaction.
    pub fn conn(&self) -> &Connection {
        &self.conn
    }

    /// Records that rows in CSV files may have changed, without saying which.
    pub fn mark_all_changed(&mut self) {
        self.changed = true;
        self.changed_entities.mark_all();
    }

    /// Runs `work` between `BEGIN IMMEDIATE` and `COMMIT`.
    pub(super) fn transact<T>(
        &mut self,
        when: WriteTiming,
        work: impl FnOnce(&mut WriteTx) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.changed = false;
        self.uncommitted.clear();
        self.changed_entities.start();
        self.run_batch("BEGIN IMMEDIATE", "is locked by another program")?;
        let result = pending_writes::start(self, when).and_then(|()| work(self)).and_then(|value| {
            pending_writes::finish(self)?;
            self.bump_data_version()?;
            Ok(value)
        });
        self.pending.finish_transaction(result.is_ok());
        match result {
            Ok(value) => {
                if let Err(source) = self.conn.execute_batch("COMMIT") {
                    if !self.conn.is_autocommit() {
                        // Nothing was written (busy): the transaction is still open and can be rolled back.
                        let _ = self.conn.execute_batch("ROLLBACK");
                    }
                    self.forget_uncommitted();
                    return Err(StoreError::OutcomeUnknown { path: self.path.clone(), source });
                }
                self.wal.check_after_commit(&mut self.conn);
                Ok(value)
            }
            Err(error) => {
                self.forget_uncommitted();
                if !self.conn.is_autocommit() {
                    // SQLite itself rolls back on a full disk; do it here if it has not.
                    if let Err(undo) = self.run_batch("ROLLBACK", "failed to roll back a transaction") {
                        tracing::warn!(error = %undo, "after a failure");
                    }
                }
                Err(error)
            }
        }
    }

    fn bump_data_version(&mut self) -> Result<(), StoreError> {
        if !self.changed {
            return Ok(());
        }
        let version = info::data_version(&self.conn).map_err(|e| self.error("cannot be read", e))? + 1;
        info::set_value(&self.conn, "data_version", &version.to_string())
            .map_err(|e| self.error("cannot be written", e))?;
        self.changed_entities.save(&self.conn, version).map_err(|e| self.error("cannot be written", e))
    }

    fn run_batch(&self, sql: &str, what: &'static str) -> Result<(), StoreError> {
        self.conn.execute_batch(sql).map_err(|e| self.error(what, e))
    }

    pub(super) fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, StoreError> {
        self.conn.prepare_cached(sql).map_err(|e| self.error("cannot be read", e))
    }

    /// Adds the path of the store to an error of SQLite.
    pub fn error(&self, what: &'static str, source: rusqlite::Error) -> StoreError {
        StoreError::Sqlite { path: self.path.clone(), what, source }
    }

    /// Whether this content was already written for this key in this run.
    pub fn was_written(&self, key: u128, content: u64) -> bool {
        self.written.get(&key) == Some(&content)
    }

    /// Remembers the values that were written for a key, until the run ends or the transaction fails.
    pub fn remember_written(&mut self, key: u128, content: u64) {
        if self.written.len() >= MAX_REMEMBERED {
            self.written.clear();
        }
        self.written.insert(key, content);
        self.uncommitted.push(key);
    }

    /// Forgets the values that were written, after a run has fetched everything.
    pub(super) fn forget_written(&mut self) {
        self.written = FxHashMap::default();
    }

    pub(super) fn query_one<T: rusqlite::types::FromSql>(
        &self,
        sql: &str,
        parameters: &[&dyn ToSql],
    ) -> Result<Option<T>, StoreError> {
        use rusqlite::OptionalExtension as _;
        let value = self.prepare(sql)?.query_row(parameters, |row| row.get::<_, Option<T>>(0)).optional();
        Ok(value.map_err(|e| self.error("cannot be read", e))?.flatten())
    }

    pub(super) fn execute_counted(&self, sql: &str, parameters: &[&dyn ToSql]) -> Result<i64, StoreError> {
        self.prepare(sql)?.execute(parameters).map(row_count).map_err(|e| self.error("cannot be written", e))
    }

    pub(super) fn execute(&self, sql: &str, parameters: &[&dyn rusqlite::ToSql]) -> Result<(), StoreError> {
        self.prepare(sql)?.execute(parameters).map_err(|e| self.error("cannot be written", e))?;
        Ok(())
    }

    fn forget_uncommitted(&mut self) {
        self.changed_entities.reset_count();
        for key in self.uncommitted.drain(..) {
            self.written.remove(&key);
        }
    }
}

pub(super) fn row_count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
