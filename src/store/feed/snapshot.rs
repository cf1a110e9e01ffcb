//! Reads the feed: one state of the store, table by table.

use std::path::Path;

use rusqlite::{Connection, Statement};

use super::{FeedState, FeedTable, feed_state, feed_tables, purged_at, store_id};
use crate::store::{StoreError, open_current_schema};

/// One state of the store. Runs that write meanwhile do not change it.
#[derive(Debug)]
pub struct FeedSnapshot {
    conn: Connection,
    path: std::path::PathBuf,
    pub state: FeedState,
    /// The store has this id for ever, and so have its backups. Another store has another one.
    pub store_id: String,
    /// The version of the last purge: a copy with an older one has rows of a deleted person. 0 if there was none.
    pub purged: i64,
    pub tables: Vec<FeedTable>,
}

impl FeedSnapshot {
    /// Opens the store for reading, as it is now.
    ///
    /// # Errors
    /// If it cannot be read, or is not of the current schema.
    pub fn open(path: &Path) -> Result<FeedSnapshot, StoreError> {
        let conn = open_current_schema(path)?;
        let unreadable = |source| StoreError::Sqlite { path: path.to_path_buf(), what: "cannot be read", source };
        conn.execute_batch("BEGIN").map_err(unreadable)?;
        let state = feed_state(&conn).map_err(unreadable)?;
        let store_id = store_id(&conn).map_err(unreadable)?;
        let purged = purged_at(&conn).map_err(unreadable)?;
        let tables = feed_tables(&conn).map_err(unreadable)?;
        Ok(FeedSnapshot { conn, path: path.to_path_buf(), state, store_id, purged, tables })
    }

    /// A query for the rows of a table: its columns, `row_version` and `deleted_at`. Without `since` all rows, and otherwise
    /// what changed since then, deleted rows included.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn rows(&self, table: &FeedTable, since: Option<i64>) -> Result<Statement<'_>, StoreError> {
        let names = table.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
        let sql = match since {
            None => format!("SELECT {names}, max(row_version, 1), NULL FROM {}", table.name),
            Some(since) => {
                format!("SELECT {names}, row_version, deleted_at FROM {} WHERE row_version > {since}", table.view())
            }
        };
        self.conn.prepare(&sql).map_err(|source| self.error(source))
    }

    /// Whether a copy of a store was made from this one, or from a backup of it. Copies of earlier programs have no id of a
    /// store, but the epoch of its feed.
    pub fn is_source_of(&self, store_id: Option<&str>, epoch: &str) -> bool {
        match store_id {
            Some(id) => id == self.store_id,
            None => epoch == self.store_id || epoch == self.state.epoch,
        }
    }

    /// Adds the path of the store to an error of SQLite.
    pub fn error(&self, source: rusqlite::Error) -> StoreError {
        StoreError::Sqlite { path: self.path.clone(), what: "cannot be read", source }
    }
}
