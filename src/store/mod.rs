//! The store: one SQLite file that is the record of everything that was fetched.
//!
//! One thread writes, fed by a bounded channel; each piece of work is one transaction, committed
//! with `synchronous=FULL`, so that what was reported done is there after a power cut. Readers have
//! connections of their own and, by WAL, are neither blocked nor blocking. Everything is an upsert
//! by key: any run may be killed and repeated.
//!
//! A failed COMMIT means that the outcome is unknown (measured: the row can be there after
//! reopening), so the thread stops at one; the next start reads the checkpoint.

mod access;
mod backup;
mod changed_entities;
mod changes;
pub mod children;
mod compact;
mod disk_space;
pub mod entity;
mod error;
pub mod etags;
mod file_dependencies;
pub mod freshness;
pub mod future_times;
mod info;
pub mod interrupted_reads;
pub mod library_playlists;
pub mod list_commit;
mod list_kinds;
pub mod list_proof;
pub mod lists;
pub mod members;
mod migration_backups;
mod migrations;
pub mod missing_ids;
mod open;
mod pending_writes;
pub mod planned_calls;
mod playlist_commit;
mod playlist_diff;
mod playlist_names;
mod published_files;
pub mod purge;
pub mod query;
mod raw_answers;
mod replay;
pub mod requested;
pub mod retention;
mod row_write;
mod run_history;
pub mod runs;
#[cfg(test)]
mod schema_doc;
pub mod skipped_items;
pub mod staging;
mod staleness;
mod time_span;
mod verify;
pub mod views;
mod wal;
mod write_tx;

pub use access::{AccessTarget, FileAccess};
pub use backup::backup;
pub use changes::{ListChange, ListName, changes_of_job, title_and_owner};
pub use children::{CreditedEntity, ImageRows, MarketAvailability, MarketTable, TextValues};
pub use compact::{CompactReport, bytes_needed_to_compact};
pub use disk_space::{MIN_FREE_BYTES, free_bytes};
pub use entity::{CellValue, EntityTable};
pub use error::StoreError;
pub use file_dependencies::{EntityChanges, FetchRef, confirm_files, fingerprint_lists};
pub use info::{StoreIdentity, data_version};
pub use interrupted_reads::InterruptedRead;
pub use library_playlists::LibraryPlaylist;
pub use list_commit::{ListCommit, ListProof, ProofKind, SEARCH_POSITIONS_PER_TYPE};
pub use lists::{Checkpoint, ListKey, ListRow};
pub use members::ListMember;
pub use migration_backups::delete_old_backups;
pub use missing_ids::MissingIdKey;
pub use open::{canonical_path, open_current_schema, open_reader, open_writer, quick_check};
pub use planned_calls::PlannedCalls;
pub use playlist_names::{NamedPlaylist, find_playlists_by_name, playlist_details_at};
pub use published_files::{
    KnownFile, OutdatedFile, PublishedFile, RecordedFile, forget_files, has_duplicate_requests, known_file,
    largest_file, no_list_was_read, outdated_files, record_files, recorded_files, run_state,
};
pub use purge::PurgeCounts;
pub use raw_answers::RawAnswers;
pub use replay::{PlaylistPlace, PlaylistVersion, ReplayError, playlist_at};
pub use requested::{RequestedItem, RequestedUser, users_of_job};
pub use run_history::{
    JobRuns, RunRow, RunTotal, StateAfterRun, newest_runs_by_job, past_runs, run_totals, running_run_ids,
    state_after_run,
};
pub use runs::{CRASHED_REASON, FetchRecord, FetchState, RunRecord, RunState};
pub use skipped_items::SkippedItem;
pub use staging::StagedItem;
pub use staleness::{OldestRow, oldest_rows};
pub use time_span::TimeSpan;
pub use verify::{StoreFinding, StoreReport, verify_store};
pub use wal::WAL_BLOCKED_WAIT;
pub use write_tx::WriteTx;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use write_tx::WriteTiming;

use tokio::sync::{mpsc, oneshot};

/// Creates the tables and views of a store in an empty database, to check SQL against them.
///
/// # Errors
/// Whatever SQLite reports.
pub fn create_schema(conn: &rusqlite::Connection) -> rusqlite::Result<()> {
    migrations::create_tables(conn)?;
    views::create_all(conn)
}

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
        open::check_small_store(&conn, path)?;
        info::check_identity(&conn, path, identity)?;
        let mut session = WriteTx::new(conn, path.to_path_buf());
        let held = wal::set_limit(&mut session, wal_limit);
        pending_writes::flush_interrupted(&mut session)?;
        let (work, mut inbox) = mpsc::channel::<WriteTask>(QUEUE_LENGTH);
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || {
                while let Some(work) = inbox.blocking_recv() {
                    if let AfterTask::Stop = work(&mut session) {
                        // Do not truncate the WAL: that would sync again what could not be synced.
                        return;
                    }
                }
                open::truncate_wal(&mut session.conn);
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
        let boxed: WriteTask = Box::new(move |session| {
            let result = session.transact(when, work);
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
        self.with_writer(|session| compact::compact_store(session)).await?
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
        self.with_writer(move |session| {
            session.forget_written();
            work(session.conn())
        })
        .await
    }

    async fn with_writer<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut WriteTx) -> T + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let boxed: WriteTask = Box::new(move |session| {
            let _ = reply.send(work(session));
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
}
