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
use super::ledger::{self, CallId, Ceilings, Spent, Windows};
use super::moment::Moment;
use super::pace::{self, Pace};
use super::share::Spender;
use super::{Books, State, accounts, adaptive};

/// Outcomes are kept in memory until the next call, but not more than these.
const OUTCOMES_HELD: usize = 64;

/// Whose calls: hashes of the client id and of the account that shares its quota.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    pub(super) client: String,
    pub(super) account: String,
}

impl Identity {
    /// Several client ids of one developer account share its quota; where nothing is known of the
    /// account, pass the client id.
    pub fn new(client_id: &str, account: &str) -> Identity {
        Identity { client: hash(client_id), account: hash(account) }
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
pub struct Ask<'a> {
    /// For whom.
    pub who: &'a Identity,
    /// To which endpoint family.
    pub family: &'a str,
    /// How fast.
    pub pace: Pace,
    /// How many a day.
    pub ceilings: Ceilings,
    /// Which job spends it.
    pub spender: Option<Spender>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Booked: send it after this wait, or [`State::cancel`] it.
    Slot {
        /// The booking.
        call: CallId,
        /// Until its slot.
        wait: Duration,
    },
    /// Not now.
    Held(Held),
}

/// Why nothing may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// Spotify said to wait.
    CoolDown(CoolDown),
    /// The day's calls are used.
    Spent(Spent),
}

impl State {
    /// Takes the next slot and books the call, or says what stands in the way.
    ///
    /// # Errors
    ///
    /// If the booking cannot be written; the call must then not be sent.
    pub fn take_turn(&self, ask: &Ask<'_>, now: Moment) -> Result<Turn, StateError> {
        let mut books = self.books();
        let Books { db, windows, outcomes } = &mut *books;
        let done = db.write("book a call", |tx| {
            let generation = accounts::begin(tx, ask.who, now)?;
            ledger::book_outcomes(tx, outcomes)?;
            if let Some(held) = held(tx, windows, generation, ask, now)? {
                return Ok(Turn::Held(held));
            }
            let mut pace = match ask.pace.adapts {
                Some(rules) => adaptive::step(tx, &ask.who.client, ask.pace, rules, now)?,
                None => ask.pace,
            };
            if cooldown::ban_just_ended(tx, ask.who, now)? {
                pace.interval *= 4;
                pace.burst = 1;
            }
            let slot_us = pace::reserve(tx, &ask.who.client, pace, now)?;
            let call = ledger::book(tx, ask, slot_us / 1_000)?;
            let wait = u64::try_from(slot_us - now.wall.timestamp_micros()).unwrap_or(0);
            Ok(Turn::Slot { call, wait: Duration::from_micros(wait) })
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
    pub fn look(&self, ask: &Ask<'_>, now: Moment) -> Result<Option<Held>, StateError> {
        let mut books = self.books();
        let Books { db, windows, .. } = &mut *books;
        let done = db.write("look at the books", |tx| {
            let generation = accounts::begin(tx, ask.who, now)?;
            held(tx, windows, generation, ask, now)
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
    pub fn cancel(&self, call: CallId) -> Result<(), StateError> {
        let mut books = self.books();
        books.windows.forget();
        books.db.write("take back a booking", |tx| {
            tx.execute("UPDATE calls SET outcome = -1 WHERE call_id = ?1", [call.0])?;
            Ok(())
        })
    }

    /// Notes how a call ended: its HTTP status, or 1 if no answer came. Written with the next
    /// booking, or by [`State::flush`].
    ///
    /// # Errors
    ///
    /// If many are waiting and cannot be written.
    pub fn settle(&self, call: CallId, outcome: u16) -> Result<(), StateError> {
        let waiting = {
            let mut books = self.books();
            books.outcomes.push((call, outcome));
            books.outcomes.len()
        };
        if waiting >= OUTCOMES_HELD {
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
        let mut books = self.books();
        let Books { db, outcomes, .. } = &mut *books;
        if outcomes.is_empty() {
            return Ok(());
        }
        db.write("book outcomes", |tx| ledger::book_outcomes(tx, outcomes))?;
        outcomes.clear();
        Ok(())
    }
}

fn held(
    tx: &Connection,
    windows: &mut Windows,
    generation: i64,
    ask: &Ask<'_>,
    now: Moment,
) -> rusqlite::Result<Option<Held>> {
    if let Some(cool_down) = cooldown::in_force(tx, ask.who, ask.family, now)? {
        return Ok(Some(Held::CoolDown(cool_down)));
    }
    let spent = ledger::spent(tx, windows, generation, ask, now)?;
    Ok(spent.map(Held::Spent))
}
