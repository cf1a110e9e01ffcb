//! How far the `-wal` file may grow because of a reader.
//!
//! Committed data goes into the WAL and is moved to the database later. The WAL starts again at its front when
//! everything was moved and no reader needs an older state. A program that keeps one state open (a notebook
//! with an open transaction) keeps everything written after it in the WAL. That blocks nothing, but without a
//! limit it would fill the disk. So beyond a limit nothing more is fetched until the reader is gone. What a run
//! records about itself is still written.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use super::{Store, StoreError, WriteTx, open};

/// A smaller WAL is not worth a message.
const REPORT_WAL_ABOVE: u64 = 64 << 20;

/// The WAL of the store and its limit.
#[derive(Debug)]
pub(super) struct WalLimit {
    path: PathBuf,
    limit: u64,
    /// Size of a WAL that a reader keeps above the limit; otherwise 0.
    bytes_held: Arc<AtomicU64>,
}

impl WalLimit {
    pub(super) fn for_store(store: &Path) -> WalLimit {
        let mut path = store.as_os_str().to_owned();
        path.push("-wal");
        WalLimit { path: path.into(), limit: u64::MAX, bytes_held: Arc::default() }
    }

    /// Call this after a commit.
    pub(super) fn check_after_commit(&self, conn: &mut Connection) {
        let mut bytes = self.bytes();
        if bytes > self.limit {
            // The reader may be gone by now; then everything can be moved.
            open::truncate_wal(conn);
            bytes = self.bytes();
        }
        self.bytes_held.store(if bytes > self.limit { bytes } else { 0 }, Ordering::Relaxed);
    }

    fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |file| file.len())
    }
}

/// Sets the limit of the WAL. The returned number has the size of the WAL while it is above the limit.
pub(super) fn set_limit(tx: &mut WriteTx, limit: u64) -> Arc<AtomicU64> {
    tx.wal.limit = limit;
    Arc::clone(&tx.wal.bytes_held)
}

impl Store {
    /// Checks whether more may be fetched.
    ///
    /// # Errors
    /// [`StoreError::WalFull`] if a reader has prevented the WAL from being emptied and it has reached its
    /// limit.
    pub fn check_wal_limit(&self) -> Result<(), StoreError> {
        match self.wal_bytes_held.load(Ordering::Relaxed) {
            0 => Ok(()),
            bytes => Err(StoreError::WalFull { path: self.path.clone(), bytes }),
        }
    }

    /// Moves the content of the WAL to the database. Returns how many bytes a reader keeps in it, if they are
    /// worth a message.
    ///
    /// # Errors
    /// If the writer thread has stopped.
    pub async fn empty_wal(&self) -> Result<Option<u64>, StoreError> {
        let left = self.with_writer(|session| {
            open::truncate_wal(&mut session.conn);
            session.wal.bytes()
        });
        Ok(Some(left.await?).filter(|bytes| *bytes > REPORT_WAL_ABOVE))
    }
}

/// How long a run waits for a reader before it continues.
pub const WAL_BLOCKED_WAIT: Duration = Duration::from_secs(600);
