//! One transaction decides whether a call may go, when, and books it.
//!
//! Cool-downs, the day's ceilings and the next slot are looked at and changed together, so that
//! two processes never both take the last call of a day. How the calls before ended is written in
//! the same transaction: one small write a call.

use std::time::Duration;

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::cooldown::{self, CoolDown};
use super::error::StateError;
use super::ledger::{self, CallCeilings, CallId, CallWindows, CeilingReached};
use super::moment::ClockReading;
use super::pace::{self, CallPace};
use super::share::CallSpender;
use super::{LedgerConnection, StateDb, accounts, adaptive};

/// Outcomes are kept in memory until the next call, but not more than these.
const MAX_BUFFERED_OUTCOMES: usize = 64;

/// Whose calls: hashes of the client id and of the account that shares its quota.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientIdentity {
    pub(super) client: String,
    pub(super) account: String,
}

impl ClientIdentity {
    /// Several client ids of one developer account share its quota; where nothing is known of the
    /// account, pass the client id.
    pub fn new(client_id: &str, account: &str) -> ClientIdentity {
        ClientIdentity { client: hash(client_id), account: hash(account) }
    }

    /// The hash of the client id, as stored.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// The hash of the account, as stored.
    pub fn account(&self) -> &str {
        &self.account
    }
}

fn hash(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// A wish to send one call.
#[derive(Debug, Clone, Copy)]
pub struct CallRequest<'a> {
    /// For whom.
    pub identity: &'a ClientIdentity,
    /// To which endpoint family.
    pub family: &'a str,
    /// How fast.
    pub pace: CallPace,
    /// How many a day.
    pub ceilings: CallCeilings,
    /// Which job spends it.
    pub spender: Option<CallSpender>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// Booked: send it after this wait, or [`StateDb::cancel_call`] it.
    Slot {
        /// The booking.
        call: CallId,
        /// Until its slot.
        wait: Duration,
    },
    /// Not now.
    Blocked(CallBlock),
}

/// Why nothing may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallBlock {
    /// Spotify said to wait.
    CoolDown(CoolDown),
    /// The day's calls are used.
    CeilingReached(CeilingReached),
}

impl StateDb {
    /// Takes the next slot and books the call, or says what stands in the way.
    ///
    /// # Errors
    ///
    /// If the booking cannot be written; the call must then not be sent.
    pub fn reserve_call(&self, ask: &CallRequest<'_>, now: ClockReading) -> Result<Reservation, StateError> {
        let mut books = self.connection();
        let LedgerConnection { db, windows, outcomes } = &mut *books;
        let done = db.write("book a call", |tx| {
            let generation = accounts::start_transaction(tx, ask.identity, now)?;
            ledger::record_outcomes(tx, outcomes)?;
            if let Some(held) = blocked_by(tx, windows, generation, ask, now)? {
                return Ok(Reservation::Blocked(held));
            }
            let mut pace = match ask.pace.adapts {
                Some(rules) => adaptive::adapt(tx, &ask.identity.client, ask.pace, rules, now)?,
                None => ask.pace,
            };
            if cooldown::ban_just_ended(tx, ask.identity, now)? {
                pace.interval *= 4;
                pace.burst = 1;
            }
            let slot_us = pace::reserve_slot(tx, &ask.identity.client, pace, now)?;
            let call = ledger::record_call(tx, ask, slot_us / 1_000)?;
            let wait = u64::try_from(slot_us - now.wall.timestamp_micros()).unwrap_or(0);
            Ok(Reservation::Slot { call, wait: Duration::from_micros(wait) })
        });
        match &done {
            Ok(_) => outcomes.clear(),
            Err(_) => windows.forget(),
        }
        done
    }

    /// What stands in the way of a call now, without booking one.
    ///
    /// # Errors
    ///
    /// If the books cannot be read.
    pub fn check_call(&self, ask: &CallRequest<'_>, now: ClockReading) -> Result<Option<CallBlock>, StateError> {
        let mut books = self.connection();
        let LedgerConnection { db, windows, .. } = &mut *books;
        let done = db.write("look at the books", |tx| {
            let generation = accounts::start_transaction(tx, ask.identity, now)?;
            blocked_by(tx, windows, generation, ask, now)
        });
        if done.is_err() {
            windows.forget();
        }
        done
    }

    /// Takes back a booking whose call was not sent.
    ///
    /// # Errors
    ///
    /// If it cannot be written; the call then counts as sent.
    pub fn cancel_call(&self, call: CallId) -> Result<(), StateError> {
        let mut books = self.connection();
        books.windows.forget();
        books.db.write("take back a booking", |tx| {
            tx.execute("UPDATE calls SET outcome = -1 WHERE call_id = ?1", [call.0])?;
            Ok(())
        })
    }

    /// Notes how a call ended: its HTTP status, or 1 if no answer came. Written with the next
    /// booking, or by [`StateDb::flush`].
    ///
    /// # Errors
    ///
    /// If many are waiting and cannot be written.
    pub fn record_outcome(&self, call: CallId, outcome: u16) -> Result<(), StateError> {
        let waiting = {
            let mut books = self.connection();
            books.outcomes.push((call, outcome));
            books.outcomes.len()
        };
        if waiting >= MAX_BUFFERED_OUTCOMES {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes down outcomes that wait for the next booking.
    ///
    /// # Errors
    ///
    /// If they cannot be written.
    pub fn flush(&self) -> Result<(), StateError> {
        let mut books = self.connection();
        let LedgerConnection { db, outcomes, .. } = &mut *books;
        if outcomes.is_empty() {
            return Ok(());
        }
        db.write("book outcomes", |tx| ledger::record_outcomes(tx, outcomes))?;
        outcomes.clear();
        Ok(())
    }
}

fn blocked_by(
    tx: &Connection,
    windows: &mut CallWindows,
    generation: i64,
    ask: &CallRequest<'_>,
    now: ClockReading,
) -> rusqlite::Result<Option<CallBlock>> {
    if let Some(cool_down) = cooldown::in_force(tx, ask.identity, ask.family, now)? {
        return Ok(Some(CallBlock::CoolDown(cool_down)));
    }
    let spent = ledger::ceiling_reached(tx, windows, generation, ask, now)?;
    Ok(spent.map(CallBlock::CeilingReached))
}
