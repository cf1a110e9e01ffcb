//! Cool-downs: until when nothing of a scope may be sent, who said so, and in which words.
//!
//! They are kept over restarts and shared by all processes, since asking again too early was
//! reported to bring a fresh ban of hours. A deadline only moves forward; no success moves it
//! back. A quota belongs to the developer account and is counted in unpublished buckets, which we
//! take to be endpoint families: one refusal parks the family, a second family refused meanwhile
//! parks the account.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, params};

use super::error::StateError;
use super::ledger::{self, CallCeilings, CallId, CeilingUpdate};
use super::moment::{ClockReading, time_from_ms};
use super::turn::ClientIdentity;
use super::{StateDb, accounts, adaptive};
use crate::deferral::{Deferral, DeferralReason, DeferralScope};
use crate::family::EndpointFamily;

/// From here on a rate limit's `Retry-After` says that a day's allowance is spent, too.
const LONG_WAIT: Duration = Duration::from_secs(3_600);
/// Refusals are shown by `quota` for this long.
const REFUSAL_RETENTION_MS: i64 = 90 * 86_400_000;

/// A deferral that is stored, so that restarts and other processes keep to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoolDown {
    /// When it was set.
    pub set_at: DateTime<Utc>,
    /// What is held back, why and until when.
    pub deferral: Deferral,
}

impl CoolDown {
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<CoolDown> {
        let scope = match row.get_ref(0)?.as_str()? {
            "client" => DeferralScope::Client,
            "family" => DeferralScope::Family(EndpointFamily::from_stored(row.get_ref(1)?.as_str()?)),
            _ => DeferralScope::Account,
        };
        let deferral = Deferral {
            scope,
            reason: DeferralReason::parse(row.get_ref(4)?.as_str()?),
            until: time_from_ms(row.get(3)?),
            evidence: row.get(5)?,
        };
        Ok(CoolDown { set_at: time_from_ms(row.get(2)?), deferral })
    }
}

/// A refusal to remember.
#[derive(Debug, Clone, Copy)]
pub struct NewRefusal<'a> {
    /// What has to wait.
    pub scope: DeferralScope,
    /// How long, jitter included.
    pub wait: Duration,
    /// Whether the server said how long, in a way that can be believed.
    pub wait_is_stated: bool,
    /// Why.
    pub reason: DeferralReason,
    /// Status, header and words.
    pub evidence: &'a str,
    /// The call, if it was one of the API's.
    pub call: Option<CallId>,
}

impl StateDb {
    /// Writes a refusal down and holds its scope back; what it says of the ceilings in force is learned.
    /// Returns the deadline that now reaches furthest for this family.
    ///
    /// # Errors
    ///
    /// If it cannot be written; then nothing more may be sent.
    pub fn record_refusal(
        &self,
        who: &ClientIdentity,
        family: &str,
        refused: NewRefusal<'_>,
        ceilings: CallCeilings,
        now: ClockReading,
    ) -> Result<Option<CoolDown>, StateError> {
        let mut books = self.connection();
        let super::LedgerConnection { db, windows, .. } = &mut *books;
        let done = db.write("book a refusal", |tx| {
            let generation = accounts::start_transaction(tx, who, now)?;
            insert_refusal(tx, who, family, &refused, now)?;
            extend_cool_down(tx, who, &refused, now)?;
            if refused.reason == DeferralReason::RateLimit {
                adaptive::record_refusal(tx, &who.client, now)?;
            }
            let used = windows.refresh(tx, &who.account, generation, now)?;
            let of_family = CeilingUpdate { account: &who.account, family, set: ceilings.per_family };
            let of_account = CeilingUpdate { family: "", set: ceilings.per_day, ..of_family };
            let spent = refused.reason == DeferralReason::Quota;
            let long =
                refused.reason == DeferralReason::RateLimit && refused.wait_is_stated && refused.wait >= LONG_WAIT;
            if spent {
                of_family.lower(tx, used.family(family), &refused, now)?;
            }
            if spent && other_family_cooling(tx, who, family, now)? {
                let wide = NewRefusal { scope: DeferralScope::Account, ..refused };
                extend_cool_down(tx, who, &wide, now)?;
                of_account.lower(tx, used.all(), &wide, now)?;
            } else if long && refused.scope.family().is_none() {
                of_account.lower(tx, used.all(), &refused, now)?;
            }
            in_force(tx, who, family, now)
        });
        if done.is_err() {
            windows.forget();
        }
        done
    }
}

impl StateDb {
    /// The cool-down that holds a family back longest, if one does. Ceilings are not looked at.
    ///
    /// # Errors
    ///
    /// If the books cannot be read.
    pub fn active_cool_down(
        &self,
        who: &ClientIdentity,
        family: &str,
        now: ClockReading,
    ) -> Result<Option<CoolDown>, StateError> {
        self.connection().db.write("look at the cool-downs", |tx| {
            accounts::start_transaction(tx, who, now)?;
            in_force(tx, who, family, now)
        })
    }
}

/// The deadline that reaches furthest for this family, if one is ahead.
pub(super) fn in_force(
    tx: &Connection,
    who: &ClientIdentity,
    family: &str,
    now: ClockReading,
) -> rusqlite::Result<Option<CoolDown>> {
    let mut rows = tx.prepare_cached(
        "SELECT kind, family, set_ms, until_ms, reason, evidence FROM cool_downs
         WHERE until_ms > ?4 AND ((kind = 'client' AND holder = ?1)
            OR (kind = 'account' AND holder = ?2)
            OR (kind = 'family' AND holder = ?2 AND family = ?3))
         ORDER BY until_ms DESC, kind LIMIT 1",
    )?;
    let mut rows = rows.query(params![who.client, who.account, family, now.wall_ms()])?;
    rows.next()?.map(CoolDown::from_row).transpose()
}

/// When the newest long ban of this client ended, if that is less than so long ago.
pub(super) fn ban_just_ended(tx: &Connection, who: &ClientIdentity, now: ClockReading) -> rusqlite::Result<bool> {
    tx.prepare_cached(
        "SELECT 1 FROM cool_downs
         WHERE until_ms <= ?3 AND until_ms > ?3 - 60000 AND until_ms - set_ms > 600000
           AND ((kind = 'client' AND holder = ?1) OR (kind = 'account' AND holder = ?2))",
    )?
    .exists(params![who.client, who.account, now.wall_ms()])
}

fn extend_cool_down(
    tx: &Connection,
    who: &ClientIdentity,
    refused: &NewRefusal<'_>,
    now: ClockReading,
) -> rusqlite::Result<()> {
    let (holder, family) = match &refused.scope {
        DeferralScope::Client => (&who.client, ""),
        DeferralScope::Account => (&who.account, ""),
        DeferralScope::Family(family) => (&who.account, family.as_str()),
    };
    let until = now.wall_ms() + i64::try_from(refused.wait.as_millis()).unwrap_or(i64::MAX / 4);
    tx.execute(
        "INSERT INTO cool_downs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET set_ms = excluded.set_ms, until_ms = excluded.until_ms,
            reason = excluded.reason, evidence = excluded.evidence
         WHERE excluded.until_ms > until_ms",
        params![
            refused.scope.as_str(),
            holder,
            family,
            now.wall_ms(),
            until,
            refused.reason.as_str(),
            refused.evidence
        ],
    )?;
    Ok(())
}

fn other_family_cooling(
    tx: &Connection,
    who: &ClientIdentity,
    family: &str,
    now: ClockReading,
) -> rusqlite::Result<bool> {
    tx.prepare_cached(
        "SELECT 1 FROM cool_downs WHERE kind = 'family' AND holder = ?1 AND family <> ?2
           AND reason = 'quota' AND until_ms > ?3",
    )?
    .exists(params![who.account, family, now.wall_ms()])
}

fn insert_refusal(
    tx: &Connection,
    who: &ClientIdentity,
    family: &str,
    refused: &NewRefusal<'_>,
    now: ClockReading,
) -> rusqlite::Result<()> {
    let scope = ledger::scope_id(tx, who, family)?;
    let until = now.wall_ms() + i64::try_from(refused.wait.as_millis()).unwrap_or(i64::MAX / 4);
    tx.execute(
        "INSERT INTO refusals (scope_id, at_ms, until_ms, reason, evidence)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![scope, now.wall_ms(), until, refused.reason.as_str(), refused.evidence],
    )?;
    tx.execute("DELETE FROM refusals WHERE at_ms < ?1", [now.wall_ms() - REFUSAL_RETENTION_MS])?;
    Ok(())
}
