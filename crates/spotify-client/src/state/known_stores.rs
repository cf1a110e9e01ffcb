//! The stores that exist: a disk that is not mounted looks like a project that never ran.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Mutex;

use chrono::{DateTime, Utc};
use rusqlite::OptionalExtension;
use sha2::{Digest, Sha256};

use crate::hex;
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

fn location_hash(path: &Path) -> String {
    hex::prefix(&Sha256::digest(path.as_os_str().as_bytes()), 16)
}
