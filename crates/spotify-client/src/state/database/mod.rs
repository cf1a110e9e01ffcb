//! Opens a database of the state folder and runs transactions in it.
//!
//! The journal mode is WAL, so a killed process loses nothing. Each database chooses how much a power cut
//! may lose: the ledger uses `synchronous = NORMAL` (it may lose the last calls, but not the file), the
//! grants use `FULL`. Below SQLite 3.51.3, WAL can lose commits of two processes, so an older library is
//! refused. (Ours is bundled; a distribution may replace it.)

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::state::error::StateError;
use crate::state::folder::private_files as private;

pub(super) mod schema;

/// Longest wait for the transaction of another process. Transactions take microseconds, so a longer wait is a hang.
const BUSY: Duration = Duration::from_secs(5);

/// The schema of a database, and how safely it is written.
#[derive(Debug)]
pub(in crate::state) struct DbLayout {
    /// The id in the header, so that a file of another program is not taken for ours.
    pub(in crate::state) application_id: i64,
    /// One script a version; `user_version` counts how many have run.
    pub(in crate::state) migrations: &'static [&'static str],
    /// The pragma's value.
    pub(in crate::state) synchronous: &'static str,
}

#[derive(Debug)]
pub(in crate::state) struct PrivateDb {
    conn: Connection,
    path: PathBuf,
    layout: &'static DbLayout,
}

impl PrivateDb {
    /// Opens or creates the database. The caller holds the folder's lock.
    pub(in crate::state) fn open(path: &Path, layout: &'static DbLayout) -> Result<PrivateDb, StateError> {
        if rusqlite::version_number() < 3_051_003 {
            return Err(StateError::OldSqlite { version: rusqlite::version() });
        }
        // libsqlite3-sys is built to read `file:` names as URIs, whatever the flags say.
        if path.as_os_str().as_encoded_bytes().starts_with(b"file:") {
            return Err(StateError::FileUri { path: path.to_owned() });
        }
        private::ensure_file(path)?;
        for suffix in ["-wal", "-shm", "-journal"] {
            let mut sibling = path.as_os_str().to_owned();
            sibling.push(suffix);
            private::check_file(Path::new(&sibling))?;
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags).map_err(StateError::sqlite("open the database", path))?;
        conn.set_prepared_statement_cache_capacity(64);
        let mut db = PrivateDb { conn, path: path.to_owned(), layout };
        db.prepare()?;
        Ok(db)
    }

    fn prepare(&mut self) -> Result<(), StateError> {
        let DbLayout { application_id, migrations, .. } = *self.layout;
        let known = migrations.len() as i64;
        let (application, version, tables, damage) =
            self.read_header().map_err(StateError::sqlite("read the header", &self.path))?;
        let path = || self.path.clone();
        if let Some(detail) = damage {
            return Err(StateError::Damaged { path: path(), detail });
        }
        if application != application_id && (application != 0 || tables != 0) {
            return Err(StateError::Foreign { path: path() });
        }
        if version > known {
            return Err(StateError::Newer { path: path(), found: version, known });
        }
        if version < known {
            self.write("create the tables", |tx| {
                let done: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
                for script in migrations.iter().skip(usize::try_from(done).unwrap_or(0)) {
                    tx.execute_batch(script)?;
                }
                tx.pragma_update(None, "application_id", application_id)?;
                tx.pragma_update(None, "user_version", known)
            })?;
        }
        Ok(())
    }

    /// Sets up the connection and reads the header, which identifies the database.
    fn read_header(&self) -> rusqlite::Result<(i64, i64, i64, Option<String>)> {
        let conn = &self.conn;
        conn.busy_timeout(BUSY)?;
        conn.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0; PRAGMA foreign_keys = ON;")?;
        // Without it, SQLite plans a statement again for each bound time, which costs more than running it.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        let number = |name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let application = number("application_id")?;
        let version = number("user_version")?;
        let tables = conn.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
        let check: String = conn.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
        let layout = self.layout;
        if application == layout.application_id || tables == 0 {
            conn.execute_batch("PRAGMA journal_mode = WAL;")?;
            conn.pragma_update(None, "synchronous", layout.synchronous)?;
        }
        Ok((application, version, tables, (check != "ok").then_some(check)))
    }

    /// Runs one write transaction: all of it or nothing.
    pub(in crate::state) fn write<T>(
        &mut self,
        action: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let run = |conn: &mut Connection| {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&tx)?;
            tx.commit()?;
            Ok(done)
        };
        run(&mut self.conn).map_err(StateError::sqlite(action, &self.path))
    }

    /// Reads from one snapshot.
    pub(in crate::state) fn read<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        work(&self.conn).map_err(StateError::sqlite(action, &self.path))
    }
}
