//! The stores that exist: a disk that is not mounted looks like a project that never ran.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Mutex;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use sha2::{Digest, Sha256};

use crate::hex;
use crate::state::ID;
use crate::state::clock_reading::time_from_ms;
use crate::state::error::StateError;
use crate::state::ledger::LedgerConnection;
use crate::state::ledger::connection::lock;

/// The stores that were opened for writing. Get it from [`StateDb::known_stores`](super::StateDb::known_stores).
#[derive(Debug, Clone, Copy)]
pub struct KnownStores<'a>(pub(super) &'a Mutex<LedgerConnection>);

impl KnownStores<'_> {
    /// Since when a store at this canonical path is known, or `None` if none was ever seen there.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn known_since(&self, path: &Path) -> Result<Option<DateTime<Utc>>, StateError> {
        let since = lock(self.0).db.read("read the list of stores", |conn| {
            let mut known = conn.prepare_cached("SELECT since_ms FROM stores WHERE place = ?1")?;
            known.query_row([location_hash(path)], |row| row.get(0)).optional()
        });
        Ok(since?.map(time_from_ms))
    }

    /// Remembers that a store exists at this canonical path.
    ///
    /// # Errors
    ///
    /// If the database cannot be written.
    pub fn remember(&self, path: &Path, now: DateTime<Utc>) -> Result<(), StateError> {
        lock(self.0).db.write("remember a store", |tx| {
            let sql = "INSERT INTO stores (place, since_ms) VALUES (?1, ?2)
                       ON CONFLICT (place) DO UPDATE SET since_ms = excluded.since_ms";
            tx.execute(sql, (location_hash(path), now.timestamp_millis())).map(drop)
        })
    }
}

/// What a state folder says about the stores that it was used with, read without changing anything in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateFolderUse {
    /// The random name of the folder.
    pub id: Option<String>,
    places: BTreeSet<String>,
}

impl StateFolderUse {
    /// Reads the folder, which may belong to another project.
    ///
    /// # Errors
    ///
    /// If it has no database that can be read.
    pub fn read(folder: &Path) -> Result<StateFolderUse, StateError> {
        let path = folder.join("state.db");
        let failed = |what| StateError::sqlite(what, &path);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(&path, flags).map_err(failed("open the database"))?;
        let places = conn
            .prepare("SELECT place FROM stores")
            .and_then(|mut all| all.query_map([], |row| row.get(0))?.collect())
            .map_err(failed("read the list of stores"))?;
        let id = std::fs::read_to_string(folder.join(ID)).ok().map(|text| text.trim().to_owned());
        Ok(StateFolderUse { id, places })
    }

    /// Empties the list of a folder that was copied to another place, where none of the stores is.
    ///
    /// # Errors
    ///
    /// If the database cannot be written.
    pub fn forget_stores(folder: &Path) -> Result<(), StateError> {
        let path = folder.join("state.db");
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(&path, flags)
            .and_then(|conn| {
                conn.execute_batch("PRAGMA trusted_schema = OFF; DELETE FROM stores;")?;
                conn.close().map_err(|(_, error)| error)
            })
            .map_err(StateError::sqlite("empty the list of stores", &path))
    }

    /// Leaves a store at this canonical path out of the list. Returns whether it was in there.
    pub fn leave_out(&mut self, path: &Path) -> bool {
        self.places.remove(&location_hash(path))
    }

    /// The number of stores in the list.
    pub fn stores(&self) -> usize {
        self.places.len()
    }
}

fn location_hash(path: &Path) -> String {
    hex::prefix(&Sha256::digest(path.as_os_str().as_bytes()), 16)
}
