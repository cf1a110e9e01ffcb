//! One transaction decides whether a call may be sent, when, and records it.
//!
//! Cool-downs, the ceilings of the day and the next slot are read and changed together, so two
//! processes never both take the last call of a day. The outcomes of earlier calls are written in
//! the same transaction, which makes one small write for each call.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rusqlite::Transaction;

use super::calls::{self, CallId};
use super::ceilings::{self, CeilingReached};
use super::connection::{self, LedgerConnection};
use super::cool_downs::{self, CoolDown};
use super::job_share::{CallsByJob, JobKey};
use super::request::{CallCeilings, CallRequest, ClientIdentity};
use super::usage::{self, LedgerUsage};
use super::windows::CallWindows;
use super::{account_change, adaptive_pace, pace};
use crate::state::clock_reading::ClockReading;
use crate::state::error::StateError;

/// Outcomes are kept in memory until the next call, but never more than this many.
const MAX_BUFFERED_OUTCOMES: usize = 64;

/// The answer to a [`CallRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reservation {
    /// The call is recorded. Send it after this wait, or [`CallLedger::cancel_call`] it.
    Slot {
        /// The record of the call.
        call: CallId,
        /// The time until its slot.
        wait: Duration,
    },
    /// The call may not be sent now.
    Blocked(CallBlock),
}

/// Why a call may not be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallBlock {
    /// Spotify has requested a wait that is not over.
    CoolDown(CoolDown),
    /// The calls of the day are used.
    CeilingReached(CeilingReached),
}

/// Reserves calls and records how they ended. Get it from [`StateDb::ledger`](crate::state::StateDb::ledger).
#[derive(Debug, Clone, Copy)]
pub struct CallLedger<'a>(pub(in crate::state) &'a Mutex<LedgerConnection>);

impl CallLedger<'_> {
    /// Takes the next slot and records the call, or says what blocks it.
    ///
    /// # Errors
    ///
    /// If the record cannot be written. The call must not be sent then.
    pub fn reserve_call(&self, request: &CallRequest<'_>, now: ClockReading) -> Result<Reservation, StateError> {
        self.lock().write_with_outcomes("reserve a call", |tx, windows| {
            let generation = account_change::start_transaction(tx, request.identity, now)?;
            if let Some(block) = blocked_by(tx, windows, generation, request, now)? {
                return Ok(Reservation::Blocked(block));
            }
            let client = &request.identity.client;
            let mut pace = match request.pace.adapts {
                Some(rules) => adaptive_pace::adapt(tx, client, request.pace, rules, now)?,
                None => request.pace,
            };
            if cool_downs::ban_just_ended(tx, request.identity, now)? {
                pace.interval *= 4;
                pace.burst = 1;
            }
            let slot_us = pace::reserve_slot(tx, client, pace, now)?;
            let call = calls::record_call(tx, request, slot_us / 1_000)?;
            let wait = u64::try_from(slot_us - now.wall.timestamp_micros()).unwrap_or(0);
            Ok(Reservation::Slot { call, wait: Duration::from_micros(wait) })
        })
    }

    /// What blocks a call now, without recording one.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn check_call(&self, request: &CallRequest<'_>, now: ClockReading) -> Result<Option<CallBlock>, StateError> {
        self.lock().write("check a call against the ledger", |tx, windows| {
            let generation = account_change::start_transaction(tx, request.identity, now)?;
            blocked_by(tx, windows, generation, request, now)
        })
    }

    /// Takes back the record of a call that was not sent.
    ///
    /// # Errors
    ///
    /// If it cannot be written. The call counts as sent then.
    pub fn cancel_call(&self, call: CallId) -> Result<(), StateError> {
        let mut connection = self.lock();
        connection.forget_windows();
        connection.write("cancel a call", |tx, _| calls::cancel(tx, call))
    }

    /// Notes how a call ended: its HTTP status, or 1 if no response came. It is written together
    /// with the next call, or when the state is closed.
    ///
    /// # Errors
    ///
    /// If many outcomes are waiting and cannot be written.
    pub fn record_outcome(&self, call: CallId, outcome: u16) -> Result<(), StateError> {
        let mut connection = self.lock();
        if connection.buffer_outcome(call, outcome) >= MAX_BUFFERED_OUTCOMES {
            connection.flush()?;
        }
        Ok(())
    }

    /// The calls that an account has used, those that are left, and those that were refused.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn usage(
        &self,
        identity: &ClientIdentity,
        ceilings: CallCeilings,
        now: ClockReading,
    ) -> Result<LedgerUsage, StateError> {
        self.lock()
            .write_with_outcomes("read the ledger", |tx, windows| usage::read(tx, windows, identity, ceilings, now))
    }

    /// The numbers of calls that one job has sent in the last 24 hours.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn calls_by_job(
        &self,
        identity: &ClientIdentity,
        job: JobKey,
        now: ClockReading,
    ) -> Result<CallsByJob, StateError> {
        self.lock().write("read the ledger", |tx, windows| {
            let generation = account_change::start_transaction(tx, identity, now)?;
            Ok(windows.refresh(tx, &identity.account, generation, now)?.of_job(job.number()))
        })
    }

    fn lock(&self) -> MutexGuard<'_, LedgerConnection> {
        connection::lock(self.0)
    }
}

fn blocked_by(
    tx: &Transaction<'_>,
    windows: &mut CallWindows,
    generation: i64,
    request: &CallRequest<'_>,
    now: ClockReading,
) -> rusqlite::Result<Option<CallBlock>> {
    if let Some(cool_down) = cool_downs::in_force(tx, request.identity, request.family, now)? {
        return Ok(Some(CallBlock::CoolDown(cool_down)));
    }
    let reached = ceilings::ceiling_reached(tx, windows, generation, request, now)?;
    Ok(reached.map(CallBlock::CeilingReached))
}
