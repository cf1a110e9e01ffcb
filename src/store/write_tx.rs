//! The write connection: the group of tasks that is not committed yet, and the facts that a run remembers: which rows
//! were already written, and whether anything changed that a CSV file may contain.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::{CachedStatement, Connection, ToSql};
use rustc_hash::FxHashMap;

use super::changed_entities::ChangedEntities;
use super::feed::{EpochRecord, RowVersion};
use super::pending_writes::PendingWrites;
use super::wal::WalLimit;
use super::{StoreError, info, open, pending_writes};

/// Maximum number of remembered rows. Beyond it everything is forgotten, which costs only time.
const MAX_REMEMBERED: usize = 200_000;

/// A group is committed when it is this old.
const MAX_GROUP_AGE: Duration = Duration::from_millis(500);

/// A group is committed when no task follows for this time. An answer of Spotify takes longer, so at its pace each page
/// is committed before the next one comes.
const MAX_GROUP_IDLE: Duration = Duration::from_millis(20);

/// A group is committed when its entities take this much memory, which is about 30 pages of new tracks.
const MAX_PENDING_BYTES: usize = 4 << 20;

/// The write connection. Functions that write take it as their first argument, inside a transaction.
#[derive(Debug)]
pub struct WriteTx {
    pub(super) conn: Connection,
    path: PathBuf,
    /// The open group changed a row that a CSV file may contain.
    pub(super) changed: bool,
    /// Hash of the last written content for each key, so that nothing is written twice in a run.
    written: FxHashMap<u128, u64>,
    /// Keys remembered by the current task, to be forgotten if it fails.
    uncommitted: Vec<u128>,
    /// The tasks that are not committed yet.
    group: Option<TaskGroup>,
    /// Tasks that had returned are lost, so nothing more may be written.
    is_abandoned: bool,
    /// Rows of entities that are written before the group is committed.
    pub(super) pending: PendingWrites,
    /// Rows of entities become pending.
    pub(super) defers_rows: bool,
    /// When a group was committed although more tasks came.
    full_group_ended: Option<Instant>,
    pub(super) changed_entities: ChangedEntities,
    row_version: RowVersion,
    pub(super) epoch_record: EpochRecord,
    pub(super) wal: WalLimit,
}

/// Tasks that are committed together.
#[derive(Debug)]
struct TaskGroup {
    began: Instant,
    /// SQLite's counter of changed rows when it began.
    changes_before: u64,
}

impl TaskGroup {
    fn is_old(&self) -> bool {
        self.began.elapsed() >= MAX_GROUP_AGE
    }
}

impl WriteTx {
    pub(super) fn new(conn: Connection, path: PathBuf) -> WriteTx {
        let changed_entities = ChangedEntities::register(&conn).expect("an open connection takes functions");
        let row_version = RowVersion::register(&conn).expect("an open connection takes functions");
        WriteTx {
            conn,
            wal: WalLimit::for_store(&path),
            path,
            changed: false,
            written: FxHashMap::default(),
            uncommitted: Vec::new(),
            group: None,
            is_abandoned: false,
            pending: PendingWrites::default(),
            defers_rows: false,
            full_group_ended: None,
            changed_entities,
            row_version,
            epoch_record: EpochRecord::none(),
        }
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Notes the version of the feed in the state folder.
    pub(super) fn note_version(&mut self) {
        self.epoch_record.note(&self.conn, &self.path);
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

    /// Runs a task that has to be durable and commits it with the open group. A task that only reads leaves an open group
    /// as it is.
    ///
    /// # Errors
    /// See [`WriteTx::run_in_group`].
    pub(super) fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut WriteTx) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if let Err(source) = pending_writes::flush(self) {
            let error = self.error("cannot be written", source);
            return Err(self.abandon_group(error));
        }
        let before = self.conn.total_changes();
        let result = self.run_task(work);
        let changes = self.conn.total_changes();
        let ends = |group: &TaskGroup| changes != before || changes == group.changes_before || group.is_old();
        if self.group.as_ref().is_some_and(ends) {
            self.commit_group()?;
        }
        result
    }

    /// Runs a task. Its commit may wait for the tasks that follow.
    ///
    /// # Errors
    /// The error of `work`, in which case nothing of it is written, or that of a commit. After the latter
    /// [`WriteTx::is_abandoned`] holds.
    pub(super) fn run_in_group<T>(
        &mut self,
        work: impl FnOnce(&mut WriteTx) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mark = self.pending.mark();
        self.defers_rows = true;
        let result = self.run_task(work);
        self.defers_rows = false;
        if result.is_err() {
            self.pending.truncate(mark);
        }
        let is_large = self.pending.bytes() >= MAX_PENDING_BYTES;
        if self.group.as_ref().is_some_and(|group| is_large || group.is_old()) {
            self.commit_group()?;
            self.full_group_ended = Some(Instant::now());
        }
        result
    }

    /// Runs `work` in the open group or begins one. If it fails, it is rolled back alone.
    fn run_task<T>(&mut self, work: impl FnOnce(&mut WriteTx) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.uncommitted.clear();
        let joins = self.group.is_some();
        if joins {
            self.run_batch("SAVEPOINT task", "cannot be written")?;
        } else {
            self.begin_group()?;
        }
        let result = work(self);
        if result.is_err() {
            self.forget_uncommitted();
        }
        if self.conn.is_autocommit() {
            // On some errors, such as a full disk, SQLite itself rolls back the whole transaction.
            return match result {
                Err(error) if !joins => {
                    self.group = None;
                    Err(error)
                }
                Err(StoreError::Sqlite { source, .. }) => Err(self.lose_group(source)),
                _ => {
                    let aborted = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT);
                    let why = Some("the transaction was rolled back".into());
                    Err(self.lose_group(rusqlite::Error::SqliteFailure(aborted, why)))
                }
            };
        }
        let end = match (&result, joins) {
            (Ok(_), true) => "RELEASE task",
            (Ok(_), false) => return result,
            (Err(_), true) => "ROLLBACK TO task; RELEASE task",
            (Err(_), false) => {
                self.group = None;
                "ROLLBACK"
            }
        };
        match self.conn.execute_batch(end) {
            Ok(()) => result,
            Err(source) => Err(self.lose_group(source)),
        }
    }

    fn begin_group(&mut self) -> Result<(), StoreError> {
        if let Some(ended) = self.full_group_ended.take() {
            // Another process that waits for the lock looks for it at least this often, and has to find it free.
            std::thread::sleep(open::MAX_LOCK_PAUSE.saturating_sub(ended.elapsed()));
        }
        self.run_batch("BEGIN IMMEDIATE", "is locked by another program")?;
        if let Err(source) = self.row_version.start(&self.conn) {
            let error = self.error("cannot be read", source);
            self.run_batch("ROLLBACK", "failed to roll back a transaction")?;
            return Err(error);
        }
        self.changed = false;
        self.changed_entities.start();
        self.group = Some(TaskGroup { began: Instant::now(), changes_before: self.conn.total_changes() });
        Ok(())
    }

    /// How long the open group may wait for another task.
    pub(super) fn group_wait(&self) -> Option<Duration> {
        let group = self.group.as_ref()?;
        Some(MAX_GROUP_AGE.saturating_sub(group.began.elapsed()).min(MAX_GROUP_IDLE))
    }

    /// Commits the open group.
    ///
    /// # Errors
    /// If its rows cannot be written, or [`StoreError::OutcomeUnknown`].
    pub(super) fn commit_group(&mut self) -> Result<(), StoreError> {
        if self.group.is_none() {
            return Ok(());
        }
        if let Err(source) = self.write_rest_of_group() {
            let error = self.error("cannot be written", source);
            return Err(self.abandon_group(error));
        }
        if let Err(source) = self.conn.execute_batch("COMMIT") {
            return Err(self.lose_group(source));
        }
        self.group = None;
        self.wal.check_after_commit(&mut self.conn);
        self.epoch_record.note_sometimes(&self.conn, &self.path);
        Ok(())
    }

    /// As [`WriteTx::abandon_group`], where it is unknown what of the group is stored.
    fn lose_group(&mut self, source: rusqlite::Error) -> StoreError {
        let error = StoreError::OutcomeUnknown { path: self.path.clone(), source };
        self.abandon_group(error)
    }

    /// Rolls back the rest of the open group after an error that cannot be undone for one task alone.
    fn abandon_group(&mut self, error: StoreError) -> StoreError {
        self.group = None;
        self.is_abandoned = true;
        self.pending = PendingWrites::default();
        if !self.conn.is_autocommit()
            && let Err(undo) = self.run_batch("ROLLBACK", "failed to roll back a transaction")
        {
            tracing::warn!(error = %undo, "after a failure");
        }
        error
    }

    /// Whether tasks that had returned are lost.
    pub(super) fn is_abandoned(&self) -> bool {
        self.is_abandoned
    }

    /// Writes what a group writes before it is committed.
    fn write_rest_of_group(&mut self) -> rusqlite::Result<()> {
        pending_writes::flush(self)?;
        self.save_data_version()?;
        match &self.group {
            Some(group) if self.conn.total_changes() != group.changes_before => self.row_version.save(&self.conn),
            _ => Ok(()),
        }
    }

    /// Runs `work` and takes back everything that it writes.
    pub(super) fn try_out<T>(
        &mut self,
        work: impl FnOnce(&mut WriteTx) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let before = self.conn.total_changes();
        self.run_batch("SAVEPOINT trial", "cannot be written")?;
        let result = work(self);
        self.run_batch("ROLLBACK TO trial; RELEASE trial", "cannot be written")?;
        let undone = self.conn.total_changes() - before;
        if let Some(group) = &mut self.group {
            group.changes_before += undone;
        }
        result
    }

    fn save_data_version(&mut self) -> rusqlite::Result<()> {
        if !self.changed {
            return Ok(());
        }
        let version = info::data_version(&self.conn)? + 1;
        info::set_value(&self.conn, "data_version", &version.to_string())?;
        self.changed_entities.save(&self.conn, version)
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

#[cfg(test)]
mod tests;
