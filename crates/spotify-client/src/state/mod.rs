//! State that outlives a run: the ledger of calls, cool-downs, the pace that processes share, what was
//! learned about an app, and the list of stores.
//!
//! All of it is in one private folder, in a small SQLite database that several processes open at
//! once. Every function takes the present as an argument ([`ClockReading`]), so that tests can make
//! up the time.
//!
//! - [`folder`] finds the folder and protects it; [`database`] opens SQLite files in it.
//! - [`ledger`] reserves calls and keeps cool-downs.
//! - [`learned`] and [`known_stores`] are facts that do not concern single calls.
//! - [`grants`] is a second database, which holds the encrypted tokens of users.

mod clock_reading;
mod database;
mod error;
mod folder;
pub mod grants;
mod key_origin;
mod known_stores;
mod learned;
mod ledger;

pub use clock_reading::ClockReading;
pub use error::StateError;
pub use folder::{StateDir, StateDirSource, network_file_system};
pub use key_origin::{KeyOrigin, credential_path};
pub use known_stores::{KnownStores, StateFolderUse};
pub use learned::{AppClass, EndpointAccess, EndpointFact, FACT_LIFETIME, LearnedFact, LearnedFacts, TokenKind};
pub use ledger::{
    AdaptivePace, CallBlock, CallCeilings, CallId, CallLedger, CallPace, CallRequest, CallSpender, CeilingReached,
    ClientIdentity, CoolDown, CoolDowns, FamilyUsage, FreedCalls, JobKey, JobShare, LearnedCeiling, LedgerUsage,
    NewRefusal, PastRefusal, Reservation, usable_calls as usable,
};

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use folder::{file_system, private_files};
use ledger::LedgerConnection;

/// The file with the random name of the folder.
const ID: &str = "id";

/// The open state folder. Open it once per process and share it behind an `Arc`.
#[derive(Debug)]
pub struct StateDb {
    dir: StateDir,
    id: String,
    connection: Mutex<LedgerConnection>,
}

impl StateDb {
    /// Opens the state folder. The folder (mode 0700) and its files (mode 0600) are created if they
    /// are missing.
    ///
    /// # Errors
    ///
    /// Refuses a folder or file that other users may read or own, a network file system, and a
    /// database that is damaged, foreign or from a newer version. Existing files are never deleted
    /// or repaired.
    pub fn open(dir: StateDir) -> Result<StateDb, StateError> {
        private_files::ensure_folder(dir.path())?;
        file_system::refuse_network(dir.path())?;
        let _opening = private_files::lock_for_opening(dir.path())?;
        let path = dir.path().join("state.db");
        let id = dir.path().join(ID);
        private_files::refuse_emptied(&path, &id)?;
        let db = database::PrivateDb::open(&path, &database::schema::BOOKS)?;
        let id = private_files::state_id(&id)?;
        Ok(StateDb { dir, id, connection: Mutex::new(LedgerConnection::new(db)) })
    }

    /// Reserves calls and reads how many were used.
    pub fn ledger(&self) -> CallLedger<'_> {
        CallLedger(&self.connection)
    }

    /// Records refusals and reads the waits that are in force.
    pub fn cool_downs(&self) -> CoolDowns<'_> {
        CoolDowns(&self.connection)
    }

    /// The stores that this state was used with.
    pub fn known_stores(&self) -> KnownStores<'_> {
        KnownStores(&self.connection)
    }

    /// The random name of this folder, by which a store recognises the state it was filled with.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The folder, and why this one was chosen.
    pub fn dir(&self) -> &StateDir {
        &self.dir
    }

    /// The path of the database.
    pub fn database(&self) -> PathBuf {
        self.path().join("state.db")
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    fn connection(&self) -> MutexGuard<'_, LedgerConnection> {
        ledger::connection::lock(&self.connection)
    }
}

impl Drop for StateDb {
    fn drop(&mut self) {
        if let Err(error) = self.connection().flush() {
            tracing::warn!(%error, "failed to record the outcomes of the last calls");
        }
    }
}

/// The random name of a state folder, if it can be read. Nothing is created.
pub fn read_state_id(folder: &Path) -> Option<String> {
    let text = std::fs::read_to_string(folder.join(ID)).ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}
