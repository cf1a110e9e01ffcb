//! The handle to the store and its writer thread.
//!
//! One thread writes, fed by a bounded channel. Each task is one transaction, committed with `synchronous=FULL`, so that
//! what was reported as done survives a power cut. When a COMMIT fails its outcome is unknown (measured: the row can be
//! there after reopening), so the thread stops, and the next start reads the checkpoint.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use super::open_writer::{check_small_store, open_writer};
use super::write_tx::{WriteTiming, WriteTx};
use super::{CompactReport, FileAccess, StoreError, StoreIdentity, compact, info, open, pending_writes};

/// A smaller WAL is not worth a message.
const REPORT_WAL_ABOVE: u64 = 64 << 20;

type WriteTask = Box<dyn FnOnce(&mut WriteTx) -> AfterTask + Send>;

/// Whether the writer thread continues after a task.
enum AfterTask {
    Continue,
    Stop,
}

/// Number of tasks that may wait for the writer thread. It limits how much a fast network can pile up.
const QUEUE_LENGTH: usize = 4;

/// A handle to the writer thread of the store.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    queue: mpsc::Sender<WriteTask>,
    /// Size of a WAL that a reader keeps above its limit; otherwise 0.
    wal_bytes_held: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
    /// The error that stopped the thread, and its hint.
    fatal_error: Arc<OnceLock<(String, Option<String>)>>,
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
        let mut tx = WriteTx::new(conn, path.to_path_buf());
        let held = tx.wal.set_limit(wal_limit);
        pending_writes::flush_interrupted(&mut tx)?;
        let (work, mut inbox) = mpsc::channel::<WriteTask>(QUEUE_LENGTH);
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || {
                while let Some(work) = inbox.blocking_recv() {
                    if let AfterTask::Stop = work(&mut tx) {
                        // Do not truncate the WAL: that would sync again what could not be synced.
                        return;
                    }
                }
                open::truncate_wal(&mut tx.conn);
            })
            .map_err(|source| StoreError::Io { path: path.to_path_buf(), what: "has no writer thread", source })?;
        Ok(Store {
            path: path.to_path_buf(),
            queue: work,
            wal_bytes_held: held,
            thread: Some(thread),
            fatal_error: Arc::default(),
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` in one transaction on the writer thread and commits it.
    ///
    /// # Errors
    /// The error of `work`, in which case nothing was written, or a failed commit.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut WriteTx) -> Result<T, StoreError> + Send + 'static,
    {
        self.transact(WriteTiming::Now, work).await
    }

    /// Like [`Store::write`], for a page with more pages to come: the entities on it may reach their tables
    /// later, at the latest before the next [`Store::write`].
    ///
    /// # Errors
    /// The error of `work`, in which case nothing was written, or a failed commit.
    pub async fn write_page<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut WriteTx) -> Result<T, StoreError> + Send + 'static,
    {
        self.transact(WriteTiming::Deferred, work).await
    }

    async fn transact<T, F>(&self, when: WriteTiming, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut WriteTx) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let ended_by = Arc::clone(&self.fatal_error);
        let boxed: WriteTask = Box::new(move |tx| {
            let result = tx.transact(when, work);
            let next = match &result {
                Err(e @ StoreError::OutcomeUnknown { source, .. }) => {
                    // Later callers get this error and not only the fact that the store is closed.
                    let _ = ended_by.set((format!("{e}: {source}"), e.hint()));
                    AfterTask::Stop
                }
                _ => AfterTask::Continue,
            };
            // The caller may have been cancelled; the transaction is committed all the same.
            let _ = reply.send(result);
            next
        });
        self.queue.send(boxed).await.map_err(|_| self.closed_error())?;
        answer.await.map_err(|_| self.closed_error())?
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

    async fn with_writer<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut WriteTx) -> T + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let boxed: WriteTask = Box::new(move |tx| {
            let _ = reply.send(work(tx));
            AfterTask::Continue
        });
        self.queue.send(boxed).await.map_err(|_| self.closed_error())?;
        answer.await.map_err(|_| self.closed_error())
    }

    fn closed_error(&self) -> StoreError {
        let (why, hint) = self.fatal_error.get().cloned().unwrap_or_else(|| ("its thread has ended".to_owned(), None));
        StoreError::Closed { why, hint }
    }

    /// Waits for the writer thread to finish its tasks and closes the file.
    pub fn close(mut self) {
        let (work, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.queue, work));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
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
