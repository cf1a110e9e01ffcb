//! How far the `-wal` file may grow behind a reader.
//!
//! What is committed goes into the WAL and is moved into the database later; the file begins again at its
//! front once all of it was moved and nobody reads an older state. A program that holds one state open (a
//! notebook with an open transaction) keeps all that is written after it in the WAL. That blocks nothing,
//! but without a bound it would end with the disk. So beyond a limit nothing more is fetched, until the
//! reader is gone; what a run has to record about itself is still written.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use super::{Store, StoreError, WriteTx, open};

/// Below this a WAL that is not emptied is nothing to speak of.
const REPORT_WAL_ABOVE: u64 = 64 << 20;

/// The WAL of the store that a thread writes.
#[derive(Debug)]
pub(super) struct WalLimit {
    path: PathBuf,
    limit: u64,
    /// Bytes that a reader keeps in it, above the limit; else 0.
    bytes_held: Arc<AtomicU64>,
}

impl WalLimit {
    pub(super) fn for_store(store: &Path) -> WalLimit {
        let mut path = store.as_os_str().to_owned();
        path.push("-wal");
        WalLimit { path: path.into(), limit: u64::MAX, bytes_held: Arc::default() }
    }

    /// To be called after a commit.
    pub(super) fn check_after_commit(&self, conn: &mut Connection) {
        let mut bytes = self.bytes();
        if bytes > self.limit {
            // The reader may be gone since: then all can be moved now.
            open::truncate_wal(conn);
            bytes = self.bytes();
        }
        self.bytes_held.store(if bytes > self.limit { bytes } else { 0 }, Ordering::Relaxed);
    }

    fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |file| file.len())
    }
}

/// Lets the WAL grow so far; tells of it by the number that is returned.
pub(super) fn set_limit(tx: &mut WriteTx, limit: u64) -> Arc<AtomicU64> {
    tx.wal.limit = limit;
    Arc::clone(&tx.wal.bytes_held)
}

impl Store {
    /// Whether more may be fetched.
    ///
    /// # Errors
    /// [`StoreError::Held`] if a reader has kept the WAL from being emptied until it reached its limit.
    pub fn check_wal_limit(&self) -> Result<(), StoreError> {
        match self.wal_bytes_held.load(Ordering::Relaxed) {
            0 => Ok(()),
            bytes => Err(StoreError::WalFull { path: self.path.clone(), bytes }),
        }
    }

    /// Moves what the WAL holds into the database; how many bytes a reader keeps in it, if that is worth
    /// a word.
    ///
    /// # Errors
    /// If the writing thread has ended.
    pub async fn empty_wal(&self) -> Result<Option<u64>, StoreError> {
        let left = self.with_writer(|session| {
            open::truncate_wal(&mut session.conn);
            session.wal.bytes()
        });
        Ok(Some(left.await?).filter(|bytes| *bytes > REPORT_WAL_ABOVE))
    }
}

/// How long a run waits that a reader has put off.
pub const WAL_BLOCKED_WAIT: Duration = Duration::from_secs(600);
