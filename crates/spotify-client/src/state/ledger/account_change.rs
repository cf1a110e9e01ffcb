//! Follows a client id that is set to another account than before.
//!
//! Quotas belong to the developer account, and its name is a setting. A user who sets or changes it on the
//! day of a cool-down would start with an empty ledger. What counted for the old account therefore counts for the
//! new one as well: the calls of the last day, the cool-downs, and the learned ceilings. It also stays with
//! the old account, because other client ids may still belong to it. After a day the two are independent.
//!
//! This may count too much if the name was wrong before. That blocks calls for a day at most, and calling
//! too early costs more.

use rusqlite::{Connection, OptionalExtension, params};

use super::DAY_MS;
use super::ceilings;
use super::clock_jumps;
use super::request::ClientIdentity;
use crate::state::clock_reading::ClockReading;

/// Begins a transaction: follows the clock and the account. Returns the generation, which changes whenever
/// the copy of the ledger in memory is no longer valid.
pub(in crate::state) fn start_transaction(
    tx: &Connection,
    who: &ClientIdentity,
    now: ClockReading,
) -> rusqlite::Result<i64> {
    let generation = clock_jumps::follow_clock(tx, now)?;
    let known: Option<String> = tx
        .prepare_cached("SELECT account FROM clients WHERE client = ?1")?
        .query_row([&who.client], |row| row.get(0))
        .optional()?;
    if known.as_ref() == Some(&who.account) {
        return Ok(generation);
    }
    let mut before = accounts_of_client(tx, who)?;
    before.retain(|account| known.as_ref().is_none_or(|last| last == account));
    tx.execute("INSERT OR REPLACE INTO clients VALUES (?1, ?2)", (&who.client, &who.account))?;
    if before.is_empty() {
        return Ok(generation);
    }
    tracing::debug!("the client id belongs to another account now; its ledger is copied");
    for account in &before {
        copy_scopes(tx, account, who)?;
        copy_calls(tx, account, &who.account, now)?;
        copy_cool_downs(tx, account, &who.account)?;
        copy_ceilings(tx, account, &who.account, now)?;
    }
    clock_jumps::next_generation(tx)
}

/// The accounts that a client has booked under; books from before the last one was noted may have
/// several. Who booked nothing, but was only looked at there, brings nothing.
fn accounts_of_client(tx: &Connection, who: &ClientIdentity) -> rusqlite::Result<Vec<String>> {
    tx.prepare("SELECT DISTINCT account FROM scopes WHERE client = ?1 AND account <> ?2")?
        .query_map((&who.client, &who.account), |row| row.get(0))?
        .collect()
}

/// So that it brings all of it on, should its account change once more before it calls.
fn copy_scopes(tx: &Connection, from: &str, who: &ClientIdentity) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT OR IGNORE INTO scopes (client, account, family)
         SELECT client, ?3, family FROM scopes WHERE client = ?1 AND account = ?2",
        (&who.client, from, &who.account),
    )?;
    Ok(())
}

/// No call is booked twice: it counts for one account more, however often the name changes.
fn copy_calls(tx: &Connection, from: &str, to: &str, now: ClockReading) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT OR IGNORE INTO brought (call_id, account)
         SELECT call_id, ?2 FROM calls JOIN scopes USING (scope_id)
         WHERE at_ms > ?3 AND account <> ?2 AND (account = ?1
            OR EXISTS (SELECT 1 FROM brought WHERE brought.call_id = calls.call_id AND brought.account = ?1))",
        params![from, to, now.wall_ms() - DAY_MS],
    )?;
    Ok(())
}

fn copy_cool_downs(tx: &Connection, from: &str, to: &str) -> rusqlite::Result<()> {
    tx.execute(
        "INSERT INTO cool_downs (kind, holder, family, set_ms, until_ms, reason, evidence)
         SELECT kind, ?2, family, set_ms, until_ms, reason, evidence FROM cool_downs
         WHERE kind <> 'client' AND holder = ?1
         ON CONFLICT DO UPDATE SET set_ms = excluded.set_ms, until_ms = excluded.until_ms,
            reason = excluded.reason, evidence = excluded.evidence
         WHERE excluded.until_ms > until_ms",
        (from, to),
    )?;
    Ok(())
}

/// Of two ceilings of a family the lower one holds.
fn copy_ceilings(tx: &Connection, from: &str, to: &str, now: ClockReading) -> rusqlite::Result<()> {
    let held = ceilings::learned_ceilings(tx, to, now)?;
    for learned in ceilings::learned_ceilings(tx, from, now)? {
        if held.iter().any(|it| it.family == learned.family && it.now <= learned.now) {
            continue;
        }
        tx.execute(
            "INSERT OR REPLACE INTO ceilings (account, family, calls, set_ms, evidence)
             SELECT ?2, family, calls, set_ms, evidence FROM ceilings WHERE account = ?1 AND family = ?3",
            (from, to, &learned.family),
        )?;
    }
    Ok(())
}
