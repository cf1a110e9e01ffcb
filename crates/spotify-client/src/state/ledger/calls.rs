//! The rows of the ledger: each call is recorded before it is sent, and its outcome afterwards.

use rusqlite::{Connection, OptionalExtension};

use super::DAY_MS;
use super::request::{CallRequest, ClientIdentity};

/// Calls are kept for three days, at about 25 bytes each.
const CALL_RETENTION_MS: i64 = 3 * DAY_MS;
/// Old calls are deleted once in this many calls.
const PRUNE_EVERY: i64 = 1_024;

/// The record of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallId(pub(in crate::state) i64);

/// Records a call that will be sent at `at_ms`.
pub(super) fn record_call(tx: &Connection, request: &CallRequest<'_>, at_ms: i64) -> rusqlite::Result<CallId> {
    let scope = scope_id(tx, request.identity, request.family)?;
    let job = request.spender.map_or(0, |spender| spender.job.number());
    tx.prepare_cached("INSERT INTO calls (scope_id, at_ms, job) VALUES (?1, ?2, ?3)")?.execute((scope, at_ms, job))?;
    let call = CallId(tx.last_insert_rowid());
    if call.0 % PRUNE_EVERY == 0 {
        tx.execute(
            "DELETE FROM calls WHERE at_ms < ?1
               AND call_id IN (SELECT call_id FROM calls ORDER BY call_id LIMIT ?2)",
            (at_ms - CALL_RETENTION_MS, PRUNE_EVERY * 4),
        )?;
    }
    Ok(call)
}

/// Marks a call as not sent.
pub(super) fn cancel(tx: &Connection, call: CallId) -> rusqlite::Result<()> {
    tx.execute("UPDATE calls SET outcome = -1 WHERE call_id = ?1", [call.0])?;
    Ok(())
}

/// Writes how calls ended.
pub(super) fn record_outcomes(tx: &Connection, outcomes: &[(CallId, u16)]) -> rusqlite::Result<()> {
    for (call, outcome) in outcomes {
        tx.prepare_cached("UPDATE calls SET outcome = ?2 WHERE call_id = ?1")?.execute((call.0, outcome))?;
    }
    Ok(())
}

/// The number of a client, account and family, which is assigned on first use.
pub(super) fn scope_id(tx: &Connection, identity: &ClientIdentity, family: &str) -> rusqlite::Result<i64> {
    let known = tx
        .prepare_cached("SELECT scope_id FROM scopes WHERE client = ?1 AND account = ?2 AND family = ?3")?
        .query_row((&identity.client, &identity.account, family), |row| row.get(0))
        .optional()?;
    if let Some(scope) = known {
        return Ok(scope);
    }
    tx.execute(
        "INSERT INTO scopes (client, account, family) VALUES (?1, ?2, ?3)",
        (&identity.client, &identity.account, family),
    )?;
    Ok(tx.last_insert_rowid())
}
