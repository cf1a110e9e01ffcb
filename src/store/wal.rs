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

use super::open;

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

    /// Sets the limit. The returned number has the size of the WAL while it is above the limit.
    pub(super) fn set_limit(&mut self, limit: u64) -> Arc<AtomicU64> {
        self.limit = limit;
        Arc::clone(&self.bytes_held)
    }

    pub(super) fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |file| file.len())
    }
}

/// How long a run waits for a reader before it continues.
pub const WAL_BLOCKED_WAIT: Duration = Duration::from_secs(600);
