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
mod changes;
mod children;
mod compact;
mod copies;
mod entity;
mod error;
mod etags;
mod history;
mod info;
mod list;
mod members;
mod migrations;
mod oldest;
mod open;
mod pending;
mod planned;
mod playlist_diff;
mod playlist_names;
mod proof;
mod published;
mod purge;
pub mod query;
mod raw;
mod replay;
mod reset;
mod retention;
mod run;
#[cfg(test)]
mod schema_doc;
mod session;
mod shown;
mod space;
mod span;
mod stage;
mod statement;
mod swap;
mod swap_playlist;
mod touched;
mod verify;
pub mod views;
mod wal;
mod worklist;

pub use access::{Access, GivenTo};
pub use backup::backup;
pub use changes::{ListChange, ListName, changes_of_job, title};
pub use children::{ArtistsOf, Images, MarketFact, MarketTable, Texts};
pub use compact::{Compacted, room_to_compact};
pub use copies::forget_copies;
pub use entity::{Cell, Table};
pub use error::StoreError;
pub use history::{LeftBy, Newest, RunRow, RunTotal, left_by, newest_runs, past_runs, run_totals, still_running};
pub use info::{Identity, data_version};
pub use list::{Checkpoint, ListKey, ListRow};
pub use members::Standing;
pub use oldest::{Oldest, oldest_rows};
pub use open::{check_quickly, open_current, open_reader, open_writer, place_of};
pub use planned::Planned;
pub use playlist_names::{NamedPlaylist, details_at, playlists_called};
pub use published::{
    KnownFile, OldFile, PublishedFile, RecordedFile, asked_twice, files_before, forget_files, known_file, largest_file,
    nothing_was_read, record_files, recorded_files, state_of_run,
};
pub use purge::Purged;
pub use raw::RawKeeper;
pub use replay::{AsOf, Place, ReplayError, playlist_at};
pub use reset::UnderWay;
pub use run::{FetchEnd, FetchState, GapKey, NO_RECORD, RunEnd, RunState, Skip};
pub use session::Session;
pub use shown::{ChangedThings, Shows, lists_shown, still_shown};
pub use space::{NEEDED, free_bytes};
pub use span::Span;
pub use stage::Member;
pub use swap::{PLACES_OF_A_TYPE, Proof, ProvedBy, Swapped};
pub use verify::{Finding, StoreReport, verify_store};
pub use wal::HELD_WAIT;
pub use worklist::{ListedPlaylist, Named, Requested, users_of_job};

use session::When;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

/// Makes the tables and views of a store in an empty database, for checking SQL against.
///
/// # Errors
/// Whatever SQLite reports.
pub fn create_schema(conn: &rusqlite::Connection) -> rusqlite::Result<()> {
    migrations::create(conn)?;
    views::create_all(conn)
}

type Work = Box<dyn FnOnce(&mut Session) -> Next + Send>;

/// Whether the writing thread goes on after a piece of work.
enum Next {
    GoOn,
    Stop,
}

/// Pieces of work that may wait for the writing thread; bounds what a fast network can pile up.
const QUEUE: usize = 4;

/// A handle on the store's writing thread.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    work: mpsc::Sender<Work>,
    /// Bytes that a reader keeps in the WAL, above its limit; else 0.
    held: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
    /// What ended the thread: the error in words, and what to do about it.
    ended_by: Arc<OnceLock<(String, Option<String>)>>,
}

impl Store {
    /// Opens the store for writing, creating it if it is not there, and starts its thread.
    ///
    /// # Errors
    /// If the file cannot be opened, is not ours, is newer, or belongs to another host or state
    /// folder.
    pub fn open(path: &Path, access: Access, identity: &Identity) -> Result<Store, StoreError> {
        Store::open_limited(path, access, identity, u64::MAX)
    }

    /// The same, with a WAL that may grow to `wal_limit` bytes behind a reader.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_limited(path: &Path, access: Access, identity: &Identity, wal_limit: u64) -> Result<Store, StoreError> {
        let conn = open_writer(path, access)?;
        open::look_over(&conn, path)?;
        info::claim(&conn, path, identity)?;
        let mut session = Session::new(conn, path.to_path_buf());
        let held = session.limit_wal(wal_limit);
        session.settle_interrupted()?;
        let (work, mut inbox) = mpsc::channel::<Work>(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || {
                while let Some(work) = inbox.blocking_recv() {
                    if let Next::Stop = work(&mut session) {
                        // Settling would sync again what could not be synced.
                        return;
                    }
                }
                open::settle(&mut session.conn);
            })
            .map_err(|source| StoreError::Io { path: path.to_path_buf(), what: "has no thread to write it", source })?;
        Ok(Store { path: path.to_path_buf(), work, held, thread: Some(thread), ended_by: Arc::default() })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Does `work` in one transaction on the writing thread and commits it.
    ///
    /// # Errors
    /// What `work` returned (then nothing was written), or that the commit failed.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Session) -> Result<T, StoreError> + Send + 'static,
    {
        self.transact(When::Now, work).await
    }

    /// Like [`Store::write`], for a page with more to come: the things met on it may reach their
    /// tables later, at the latest before the next [`Store::write`].
    ///
    /// # Errors
    /// What `work` returned (then nothing was written), or that the commit failed.
    pub async fn write_page<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Session) -> Result<T, StoreError> + Send + 'static,
    {
        self.transact(When::Later, work).await
    }

    async fn transact<T, F>(&self, when: When, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Session) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let ended_by = Arc::clone(&self.ended_by);
        let boxed: Work = Box::new(move |session| {
            let result = session.transact(when, work);
            let next = match &result {
                Err(e @ StoreError::OutcomeUnknown { source, .. }) => {
                    // Whoever comes next is told this, not only that the store is closed.
                    let _ = ended_by.set((format!("{e}: {source}"), e.hint()));
                    Next::Stop
                }
                _ => Next::GoOn,
            };
            // The asker may be gone (a stop): the transaction stands all the same.
            let _ = reply.send(result);
            next
        });
        self.work.send(boxed).await.map_err(|_| self.closed())?;
        answer.await.map_err(|_| self.closed())?
    }

    /// Writes the file anew, without what was deleted; others may be reading it.
    ///
    /// # Errors
    /// If it cannot be written, or another program is writing it.
    pub async fn compact(&self) -> Result<Compacted, StoreError> {
        self.lend_session(|session| session.compact()).await?
    }

    /// Lends the writing thread's connection for something that a run does when it has fetched all:
    /// two connections would be two caches. Until `work` is done nothing is written.
    ///
    /// # Errors
    /// If the writing thread has ended.
    pub async fn lend<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> T + Send + 'static,
    {
        self.lend_session(move |session| {
            session.forget_written();
            work(session.conn())
        })
        .await
    }

    async fn lend_session<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Session) -> T + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let boxed: Work = Box::new(move |session| {
            let _ = reply.send(work(session));
            Next::GoOn
        });
        self.work.send(boxed).await.map_err(|_| self.closed())?;
        answer.await.map_err(|_| self.closed())
    }

    fn closed(&self) -> StoreError {
        let (why, hint) = self.ended_by.get().cloned().unwrap_or_else(|| ("its thread has ended".to_owned(), None));
        StoreError::Closed { why, hint }
    }

    /// Lets the writing thread finish what it has and closes the file.
    pub fn close(mut self) {
        let (work, _) = mpsc::channel(1);
        drop(std::mem::replace(&mut self.work, work));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
