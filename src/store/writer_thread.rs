//! The handle to the store and its writer thread.
//!
//! One thread writes. The pages of a list are committed in groups: when the next page does not follow at once, when the
//! group is old or large, and with every task that has to be durable. A commit is synced (`synchronous=FULL`), so that it
//! survives a power cut. When a COMMIT fails its outcome is unknown (measured: the row can be there after reopening), so
//! the thread stops, and the next start reads the checkpoint.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::error::with_causes;
use super::open_writer::{check_small_store, open_writer};
use super::write_tx::WriteTx;
use super::{CompactReport, FileAccess, StoreError, StoreIdentity, compact, feed, info, open};

/// A smaller WAL is not worth a message.
const REPORT_WAL_ABOVE: u64 = 64 << 20;

type WriteTask = Box<dyn FnOnce(&mut WriteTx) -> AfterTask + Send>;

/// Whether the writer thread continues after a task.
enum AfterTask {
    Continue,
    Stop,
}

/// The error that stopped the writer thread.
#[derive(Debug, Default)]
struct FatalError {
    /// Its text and its hint, for later callers.
    description: OnceLock<(String, Option<String>)>,
    /// The error itself, if the commit was not part of a task. The next caller gets it.
    unreported: Mutex<Option<StoreError>>,
}

impl FatalError {
    /// Keeps an error after which the thread stops.
    fn after<T>(&self, tx: &WriteTx, result: &Result<T, StoreError>) -> AfterTask {
        let Err(e) = result else { return AfterTask::Continue };
        if !tx.is_abandoned() {
            return AfterTask::Continue;
        }
        let _ = self.description.set((with_causes(e), e.hint()));
        AfterTask::Stop
    }

    /// Commits the open group although no caller waits for that.
    fn commit(&self, tx: &mut WriteTx) -> AfterTask {
        let result = tx.commit_group();
        let after = self.after(tx, &result);
        *self.unreported() = result.err();
        after
    }

    fn unreported(&self) -> MutexGuard<'_, Option<StoreError>> {
        self.unreported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error for a caller if its task is not run.
    fn to_closed_error(&self) -> StoreError {
        self.unreported().take().unwrap_or_else(|| {
            let default = || ("its thread has ended".to_owned(), None);
            let (why, hint) = self.description.get().cloned().unwrap_or_else(default);
            StoreError::Closed { why, hint }
        })
    }
}

/// A handle to the writer thread of the store.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// Each caller waits for its task, so no more tasks wait here than there are callers.
    queue: mpsc::Sender<WriteTask>,
    /// Size of a WAL that a reader keeps above its limit; otherwise 0.
    wal_bytes_held: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
    fatal_error: Arc<FatalError>,
}

/// Runs tasks until there are no more or one of them stops the thread.
fn run_tasks(tx: &mut WriteTx, inbox: &mpsc::Receiver<WriteTask>, fatal_error: &FatalError) -> AfterTask {
    loop {
        let next = match tx.group_wait() {
            Some(wait) => inbox.recv_timeout(wait),
            None => inbox.recv().map_err(RecvTimeoutError::from),
        };
        let after = match next {
            Ok(work) => work(tx),
            Err(RecvTimeoutError::Timeout) => fatal_error.commit(tx),
            Err(RecvTimeoutError::Disconnected) => return fatal_error.commit(tx),
        };
        if let AfterTask::Stop = after {
            return after;
        }
    }
}

impl Store {
    /// Opens the store for writing, creates it if needed, and starts its thread.
    ///
    /// # Errors
    /// If the file cannot be opened, is not a cratedigger store, has a newer schema, or belongs to another host
    /// or state folder.
    pub fn open(path: &Path, access: FileAccess, identity: &StoreIdentity) -> Result<Store, StoreError> {
        Store::open_with_wal_limit(path, access, identity, u64::MAX)
    }

    /// Does the same with a limit for the size of the WAL while another program reads.
    ///
    /// # Errors
    /// See [`Store::open`].
    pub fn open_with_wal_limit(
        path: &Path,
        access: FileAccess,
        identity: &StoreIdentity,
        wal_limit: u64,
    ) -> Result<Store, StoreError> {
        let conn = open_writer(path, access)?;
        check_small_store(&conn, path)?;
        info::check_identity(&conn, path, identity)?;
        let sql =
            |source| StoreError::Sqlite { path: path.to_path_buf(), what: "cannot be brought up to date", source };
        let epoch_record = feed::begin_epoch_if_restored(&conn, path, identity.state_path()).map_err(sql)?;
        let mut tx = WriteTx::new(conn, path.to_path_buf());
        tx.epoch_record = epoch_record;
        let held = tx.wal.set_limit(wal_limit);
        let (queue, inbox) = mpsc::channel::<WriteTask>();
        let fatal_error = Arc::<FatalError>::default();
        let ended_by = Arc::clone(&fatal_error);
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || {
                // After a failed commit the WAL is not truncated: that would sync again what could not be synced.
                if let AfterTask::Continue = run_tasks(&mut tx, &inbox, &ended_by) {
                    tx.note_version();
                    open::truncate_wal(&mut tx.conn);
                }
            })
            .map_err(|source| StoreError::Io { path: path.to_path_buf(), what: "has no writer thread", source })?;
        Ok(Store { path: path.to_path_buf(), queue, wal_bytes_held: held, thread: Some(thread), fatal_error })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` on the writer thread and commits it together with the pages before it. A task that only reads commits
    /// nothing.
    ///
    /// # Errors
    /// The error of `work`, in which case nothing was written, or a failed commit.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut WriteTx) -> Result<T, StoreError> + Send + 'static,
    {
        self.run(|tx| tx.transact(work)).await
    }

    /// Like [`Store::write`], for a page with more pages to come. It returns before the commit: a kill can still undo
    /// the page together with its checkpoint. If the commit fails, the next task gets the error.
    ///
    /// # Errors
    /// The error of `work`, in which case nothing was written, or a failed commit.
    pub async fn write_page<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut WriteTx) -> Result<T, StoreError> + Send + 'static,
    {
        self.run(|tx| tx.run_in_group(work)).await
    }

    /// Runs a task on the writer thread.
    async fn run<T, F>(&self, task: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut WriteTx) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let fatal_error = Arc::clone(&self.fatal_error);
        let boxed: WriteTask = Box::new(move |tx| {
            let result = task(tx);
            let after = fatal_error.after(tx, &result);
            // The caller may have been cancelled; its rows are committed all the same.
            let _ = reply.send(result);
            after
        });
        self.queue.send(boxed).map_err(|_| self.fatal_error.to_closed_error())?;
        answer.await.map_err(|_| self.fatal_error.to_closed_error())?
    }

    /// Rewrites the file to reclaim disk space. Other programs may read it at the same time.
    ///
    /// # Errors
    /// If it cannot be written, or another program is writing it.
    pub async fn compact(&self) -> Result<CompactReport, StoreError> {
        self.with_writer(compact::compact_store).await?
    }

    /// Runs `work` on the connection of the writer thread, for the steps of a run after fetching. A second
    /// connection would need a second cache. Nothing is written until `work` returns.
    ///
    /// # Errors
    /// If the writer thread has stopped.
    pub async fn with_connection<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> T + Send + 'static,
    {
        self.with_writer(move |tx| {
            tx.forget_written();
            work(tx.conn())
        })
        .await
    }

    /// Runs `work` outside of a transaction, when everything is committed.
    async fn with_writer<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut WriteTx) -> T + Send + 'static,
    {
        self.run(|tx| tx.commit_group().map(|()| work(tx))).await
    }

    /// Waits for the writer thread to finish its tasks and closes the file.
    pub fn close(mut self) {
        drop(std::mem::replace(&mut self.queue, mpsc::channel().0));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        if let Some(error) = self.fatal_error.unreported().take() {
            tracing::error!(error = %with_causes(&error), "the last pages were not saved");
        }
    }

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
        let left = self.with_writer(|tx| {
            open::truncate_wal(&mut tx.conn);
            tx.wal.bytes()
        });
        Ok(Some(left.await?).filter(|bytes| *bytes > REPORT_WAL_ABOVE))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use rusqlite::Connection;

    fn open_store(folder: &tempfile::TempDir) -> Store {
        let identity = StoreIdentity { host: "test".into(), state_id: "test".into(), state_folder: "test".into() };
        Store::open(&folder.path().join("s.db"), FileAccess::from_mode(0o600), &identity).unwrap()
    }

    fn add(tx: &mut WriteTx, key: &str) -> Result<(), StoreError> {
        tx.execute("INSERT OR REPLACE INTO store_info (key, value) VALUES (?1, '')", &[&key])
    }

    #[tokio::test]
    async fn page_without_a_successor_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let store = open_store(&folder);
        store.write_page(|tx| add(tx, "a page")).await.unwrap();
        let reader = Connection::open(store.path()).unwrap();
        let is_there = || {
            let sql = "SELECT count(*) FROM store_info WHERE key = 'a page'";
            reader.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() == 1
        };
        while !is_there() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        store.write_page(|tx| add(tx, "another")).await.unwrap();
        let path = store.path().to_owned();
        store.close();
        let keys = "SELECT count(*) FROM store_info WHERE key IN ('a page', 'another')";
        let count = Connection::open(path).unwrap().query_row(keys, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count, 2, "closing commits the rest");
    }

    #[tokio::test]
    async fn failed_commit_reaches_the_next_caller() {
        let folder = tempfile::tempdir().unwrap();
        let store = open_store(&folder);
        let broken = "INSERT INTO track_artists (track_id, position, artist_id) VALUES ('no', 0, 'no')";
        store
            .write_page(|tx| tx.execute("PRAGMA defer_foreign_keys = ON", &[]).and_then(|()| tx.execute(broken, &[])))
            .await
            .unwrap();
        // Wait until the thread has tried to commit by itself.
        while store.fatal_error.description.get().is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let error = store.write(|tx| add(tx, "late")).await.unwrap_err();
        assert!(matches!(error, StoreError::OutcomeUnknown { .. }), "{error}");
        let error = store.write_page(|_| Ok(())).await.unwrap_err();
        assert!(matches!(&error, StoreError::Closed { why, .. } if why.contains("could not confirm")), "{error}");
    }

    /// Pages that come without a pause leave the lock to another process within its busy timeout.
    #[tokio::test]
    async fn quick_pages_starve_no_other_writer() {
        let folder = tempfile::tempdir().unwrap();
        let (quick, other) = (open_store(&folder), open_store(&folder));
        let is_done = AtomicBool::new(false);
        let pages = async {
            while !is_done.load(Ordering::Relaxed) {
                quick.write_page(|tx| add(tx, "page")).await.unwrap();
            }
        };
        let rest = async {
            for _ in 0..3 {
                other.write(|tx| add(tx, "other")).await.unwrap();
            }
            is_done.store(true, Ordering::Relaxed);
        };
        tokio::join!(pages, rest);
    }
}
