//! Which stores there are: a disk that is not mounted looks like a project that never ran.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use chrono::{DateTime, Utc};
use rusqlite::OptionalExtension;
use sha2::{Digest, Sha256};

use super::StateDb;
use super::error::StateError;
use super::moment::time_from_ms;

impl StateDb {
    /// Since when a store is known that lies here, by the name that it has from everywhere; `None` if none
    /// was ever seen.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn store_known_since(&self, place: &Path) -> Result<Option<DateTime<Utc>>, StateError> {
        let since = self.connection().db.read("read which stores there are", |conn| {
            let mut known = conn.prepare_cached("SELECT since_ms FROM stores WHERE place = ?1")?;
            known.query_row([location_hash(place)], |row| row.get(0)).optional()
        });
        Ok(since?.map(time_from_ms))
    }

    /// Remembers from now on that a store lies here.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn remember_store(&self, place: &Path, now: DateTime<Utc>) -> Result<(), StateError> {
        self.connection().db.write("remember a store", |tx| {
            let sql = "INSERT INTO stores (place, since_ms) VALUES (?1, ?2)
                       ON CONFLICT (place) DO UPDATE SET since_ms = excluded.since_ms";
            tx.execute(sql, (location_hash(place), now.timestamp_millis())).map(drop)
        })
    }
}

fn location_hash(place: &Path) -> String {
    let hash = Sha256::digest(place.as_os_str().as_bytes());
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
