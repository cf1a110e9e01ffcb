//! The database of the ledger, together with its copy in memory.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Transaction;

use super::calls::{self, CallId};
use super::windows::CallWindows;
use crate::state::database::PrivateDb;
use crate::state::error::StateError;

/// The database, the calls of the last day, and the outcomes that are not written yet. They are
/// always locked together.
#[derive(Debug)]
pub(in crate::state) struct LedgerConnection {
    pub(in crate::state) db: PrivateDb,
    windows: CallWindows,
    outcomes: Vec<(CallId, u16)>,
}

impl LedgerConnection {
    pub(in crate::state) fn new(db: PrivateDb) -> LedgerConnection {
        LedgerConnection { db, windows: CallWindows::default(), outcomes: Vec::new() }
    }

    /// Runs one transaction. If it fails, the calls in memory are read again the next time.
    pub(super) fn write<T>(
        &mut self,
        action: &'static str,
        work: impl FnOnce(&Transaction<'_>, &mut CallWindows) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let LedgerConnection { db, windows, .. } = self;
        let done = db.write(action, |tx| work(tx, windows));
        if done.is_err() {
            windows.forget();
        }
        done
    }

    /// The same, and writes the outcomes of earlier calls in the same transaction.
    pub(super) fn write_with_outcomes<T>(
        &mut self,
        action: &'static str,
        work: impl FnOnce(&Transaction<'_>, &mut CallWindows) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let outcomes = std::mem::take(&mut self.outcomes);
        let done = self.write(action, |tx, windows| {
            calls::record_outcomes(tx, &outcomes)?;
            work(tx, windows)
        });
        if done.is_err() {
            self.outcomes = outcomes;
        }
        done
    }

    /// Notes an outcome for the next transaction. Returns how many are waiting.
    pub(super) fn buffer_outcome(&mut self, call: CallId, outcome: u16) -> usize {
        self.outcomes.push((call, outcome));
        self.outcomes.len()
    }

    /// Writes the outcomes that are waiting.
    pub(in crate::state) fn flush(&mut self) -> Result<(), StateError> {
        if self.outcomes.is_empty() {
            return Ok(());
        }
        self.write_with_outcomes("record the outcomes of calls", |_, _| Ok(()))
    }

    /// Drops the calls in memory; they are read again from the database.
    pub(super) fn forget_windows(&mut self) {
        self.windows.forget();
    }
}

/// Locks the ledger. A panic elsewhere leaves the database at its last commit, which is read next.
pub(in crate::state) fn lock(connection: &Mutex<LedgerConnection>) -> MutexGuard<'_, LedgerConnection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
