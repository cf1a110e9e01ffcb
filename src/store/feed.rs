//! The feed: what changed since a version, for copies of the store in other databases.
//!
//! Each transaction that changes something takes the next version, and stamps the rows that really differ with it. A
//! trigger for each table keeps the keys of deleted rows. The views `feed_NAME` show both: rows, and the keys of deleted
//! rows with `deleted_at`. A reader that applies everything above the version it had, in any order and as often as it likes,
//! has the same tables.
//!
//! The version belongs to an epoch. A store that was restored from a backup begins a new one, because its next versions
//! were already given to other rows.

mod epoch;
mod snapshot;
mod tables;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, params};

use super::{StoreError, WriteTx, info};

pub(super) use epoch::{EpochRecord, begin_epoch_if_restored};
pub use snapshot::FeedSnapshot;
pub use tables::{FEED_TABLES, FeedColumn, FeedTable, FeedType, feed_tables, known_feed_tables};
pub(super) use tables::{create_views, delete_trigger, views_format};

/// The SQL function that returns the version of the current transaction.
pub(super) const NEXT_ROW_VERSION: &str = "next_row_version";

/// Where the feed of a store is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FeedState {
    /// Version of the last transaction.
    pub version: i64,
    /// Changes when versions are given a second time, after a backup was restored.
    pub epoch: String,
    /// A reader with an older version has to read everything: keys of deleted rows are forgotten up to this one.
    pub since: i64,
}

impl FeedState {
    /// Whether a reader that has `version` of `epoch` has to read everything.
    pub fn needs_full_read(&self, epoch: &str, version: i64) -> bool {
        epoch != self.epoch || version < self.since || version > self.version
    }
}

/// Reads where the feed of a store is.
///
/// # Errors
/// Whatever SQLite reports.
pub fn feed_state(conn: &Connection) -> rusqlite::Result<FeedState> {
    let number =
        |key| Ok::<i64, rusqlite::Error>(info::get_value(conn, key)?.and_then(|v| v.parse().ok()).unwrap_or(0));
    let epoch = info::get_value(conn, "feed_epoch")?.unwrap_or_default();
    Ok(FeedState { version: number("feed_version")?, epoch, since: number("feed_since")? })
}

/// The id that a store and its backups have. A store of an earlier program takes the epoch that it has first.
fn store_id(conn: &Connection) -> rusqlite::Result<String> {
    let known = info::get_value(conn, STORE_ID)?;
    known.map_or_else(|| Ok(info::get_value(conn, "feed_epoch")?.unwrap_or_default()), Ok)
}

/// The key of the id in `store_info`.
const STORE_ID: &str = "store_id";

/// The version that the rows of the current transaction get.
#[derive(Debug)]
pub(super) struct RowVersion(Arc<AtomicI64>);

impl RowVersion {
    /// Registers the SQL function that returns it.
    pub(super) fn register(conn: &Connection) -> rusqlite::Result<RowVersion> {
        let version = Arc::new(AtomicI64::new(1));
        let current = Arc::clone(&version);
        conn.create_scalar_function(NEXT_ROW_VERSION, 0, FunctionFlags::SQLITE_UTF8, move |_| {
            Ok(current.load(Ordering::Relaxed))
        })?;
        Ok(RowVersion(version))
    }

    /// Takes the next version, at the start of a transaction.
    pub(super) fn start(&self, conn: &Connection) -> rusqlite::Result<()> {
        let next = "SELECT value + 1 FROM store_info WHERE key = 'feed_version'";
        let next: i64 = conn.prepare_cached(next)?.query_row([], |row| row.get(0))?;
        self.0.store(next, Ordering::Relaxed);
        Ok(())
    }

    /// Saves the version at the end of a transaction that changed something.
    pub(super) fn save(&self, conn: &Connection) -> rusqlite::Result<()> {
        let save = "UPDATE store_info SET value = ?1 WHERE key = 'feed_version'";
        conn.prepare_cached(save)?.execute([self.0.load(Ordering::Relaxed).to_string()]).map(drop)
    }
}

/// Forgets the keys of rows that were deleted before a time. Returns their number.
///
/// # Errors
/// If the store cannot be written.
pub fn delete_old_tombstones(tx: &mut WriteTx, before: &str) -> Result<usize, StoreError> {
    let newest: Option<i64> =
        tx.query_one("SELECT max(row_version) FROM deleted_rows WHERE deleted_at < ?1", params![before])?;
    let Some(newest) = newest else { return Ok(0) };
    let deleted = tx.execute_counted("DELETE FROM deleted_rows WHERE deleted_at < ?1", params![before])?;
    raise_since(tx, newest)?;
    Ok(usize::try_from(deleted).unwrap_or_default())
}

/// Forgets the keys of all deleted rows, because they name a person. Every reader has to read everything once.
pub(super) fn forget_tombstones(tx: &WriteTx) -> Result<(), StoreError> {
    tx.execute("DELETE FROM deleted_rows", &[])?;
    let next: Option<i64> = tx.query_one("SELECT value + 1 FROM store_info WHERE key = 'feed_version'", &[])?;
    let next = next.unwrap_or_default();
    info::set_value(&tx.conn, PURGED_AT, &next.to_string()).map_err(|e| tx.error("cannot be written", e))?;
    raise_since(tx, next)
}

/// The key in `store_info` of the version of the last purge.
const PURGED_AT: &str = "feed_purged";

/// The version at which rows of a person were deleted for the last time; 0 if that never happened.
fn purged_at(conn: &Connection) -> rusqlite::Result<i64> {
    Ok(info::get_value(conn, PURGED_AT)?.and_then(|version| version.parse().ok()).unwrap_or(0))
}

fn raise_since(tx: &WriteTx, version: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE store_info SET value = max(value + 0, ?1) WHERE key = 'feed_since'", params![version])
}

#[cfg(test)]
mod cost_tests;
#[cfg(test)]
mod tests;
