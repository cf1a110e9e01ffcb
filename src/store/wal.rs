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

use super::{Session, Store, StoreError, open};

/// Below this a WAL that is not emptied is nothing to speak of.
const WORTH_A_WORD: u64 = 64 << 20;

/// The WAL of the store that a thread writes.
#[derive(Debug)]
pub(super) struct Wal {
    path: PathBuf,
    limit: u64,
    /// Bytes that a reader keeps in it, above the limit; else 0.
    held: Arc<AtomicU64>,
}

impl Wal {
    pub(super) fn of(store: &Path) -> Wal {
        let mut path = store.as_os_str().to_owned();
        path.push("-wal");
        Wal { path: path.into(), limit: u64::MAX, held: Arc::default() }
    }

    /// To be called after a commit.
    pub(super) fn committed(&self, conn: &mut Connection) {
        let mut bytes = self.bytes();
        if bytes > self.limit {
            // The reader may be gone since: then all can be moved now.
            open::settle(conn);
            bytes = self.bytes();
        }
        self.held.store(if bytes > self.limit { bytes } else { 0 }, Ordering::Relaxed);
    }

    fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |file| file.len())
    }
}

impl Session {
    /// Lets the WAL grow so far; tells of it by the number that is returned.
    pub(super) fn limit_wal(&mut self, limit: u64) -> Arc<AtomicU64> {
        self.wal.limit = limit;
        Arc::clone(&self.wal.held)
    }
}

impl Store {
    /// Whether more may be fetched.
    ///
    /// # Errors
    /// [`StoreError::Held`] if a reader has kept the WAL from being emptied until it reached its limit.
    pub fn room(&self) -> Result<(), StoreError> {
        match self.held.load(Ordering::Relaxed) {
            0 => Ok(()),
            bytes => Err(StoreError::Held { path: self.path.clone(), bytes }),
        }
    }

    /// Moves what the WAL holds into the database; how many bytes a reader keeps in it, if that is worth
    /// a word.
    ///
    /// # Errors
    /// If the writing thread has ended.
    pub async fn empty_wal(&self) -> Result<Option<u64>, StoreError> {
        let left = self.lend_session(|session| {
            open::settle(&mut session.conn);
            session.wal.bytes()
        });
        Ok(Some(left.await?).filter(|bytes| *bytes > WORTH_A_WORD))
    }
}

/// How long a run waits that a reader has put off.
pub const HELD_WAIT: Duration = Duration::from_secs(600);
