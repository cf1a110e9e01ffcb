//! What outlives a run and is no analyst's business: the ledger of calls, cool-downs, the pace
//! that processes share, what was learned about an app, and which stores there are.
//!
//! All of it lies in one folder, private to its owner, in one small SQLite database that several
//! processes open at once. Spotify counts calls in a rolling day and punishes whoever asks too
//! early, so the promises here are about other processes and later starts: a call is booked before
//! it is sent, a deadline only ever moves forward, and a slot is reserved rather than raced for.
//! Where the books cannot be read or written, no call is made: an unbooked call is a lie that the
//! next run pays for.
//!
//! Every function takes the present as an argument ([`Moment`]), so that time can be made up.

mod accounts;
mod adaptive;
mod cooldown;
mod db;
mod dir;
mod error;
mod filesystem;
pub mod grants;
mod learned;
mod ledger;
mod moment;
mod pace;
mod place;
mod private;
mod schema;
mod seal;
mod share;
mod steps;
mod stores;
mod turn;
mod usage;

pub use adaptive::AdaptivePace;
pub use cooldown::{CoolDown, NewRefusal};
pub use dir::{StateDir, StateDirSource};
pub use error::StateError;
pub use filesystem::network_file_system;
pub use learned::{AppClass, EndpointAccess, EndpointFact, FACT_LIFETIME, LearnedFact, LearnedFacts, TokenKind};
pub use ledger::{CallCeilings, CallId, CeilingReached, without_reserve as usable};
pub use moment::ClockReading;
pub use pace::CallPace;
pub use seal::KeyOrigin;
pub use share::{CallSpender, JobKey, JobShare};
pub use turn::{CallBlock, CallRequest, ClientIdentity, Reservation};
pub use usage::{FamilyUsage, FreedCalls, LearnedCeiling, LedgerUsage, PastRefusal};

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The file with the random name of the folder.
const ID: &str = "id";

/// The open state folder. One per process; shared by all tasks behind an `Arc`.
#[derive(Debug)]
pub struct StateDb {
    dir: StateDir,
    id: String,
    connection: Mutex<LedgerConnection>,
}

/// The database with what is kept in memory of it, always taken together.
#[derive(Debug)]
struct LedgerConnection {
    db: db::PrivateDb,
    windows: ledger::CallWindows,
    outcomes: Vec<(CallId, u16)>,
}

impl StateDb {
    /// Opens the state folder, creating it (0700) and its files (0600) where they are missing.
    ///
    /// # Errors
    ///
    /// Refuses a folder or file that others may read or that belongs to somebody else, a network
    /// file system, and a database that is damaged, foreign or from a newer version. Nothing that
    /// exists is ever deleted or repaired.
    pub fn open(dir: StateDir) -> Result<StateDb, StateError> {
        private::ensure_folder(dir.path())?;
        filesystem::refuse_network(dir.path())?;
        let _opening = private::lock_for_opening(dir.path())?;
        let books = dir.path().join("state.db");
        let id = dir.path().join(ID);
        private::refuse_emptied(&books, &id)?;
        let db = db::PrivateDb::open(&books, &schema::BOOKS)?;
        let id = private::state_id(&id)?;
        let books = Mutex::new(LedgerConnection { db, windows: ledger::CallWindows::default(), outcomes: Vec::new() });
        Ok(StateDb { dir, id, connection: books })
    }

    /// The random name of this folder, by which a store knows the state it was filled with.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The folder, and why this one was chosen.
    pub fn dir(&self) -> &StateDir {
        &self.dir
    }

    /// Where the database lies.
    pub fn database(&self) -> PathBuf {
        self.path().join("state.db")
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    fn connection(&self) -> MutexGuard<'_, LedgerConnection> {
        // A panic elsewhere leaves the database as its last commit, which is what we read next.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The random name of a state folder, as far as it can be read; nothing is made.
pub fn read_state_id(folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(folder.join(ID)).ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}

impl Drop for StateDb {
    fn drop(&mut self) {
        if let Err(error) = self.flush() {
            tracing::warn!(%error, "the outcomes of the last calls were not booked");
        }
    }
}
