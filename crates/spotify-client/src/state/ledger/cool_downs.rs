//! Cool-downs: until when no call of a scope may be sent, and what Spotify said.
//!
//! They survive restarts and are shared by all processes, because a call that comes too early was
//! reported to bring a new cool-down of hours. A deadline only moves forward, and no success moves it
//! back. A quota belongs to the developer account. Spotify counts it in unpublished buckets, which
//! we take to be endpoint families: one refusal holds back the family, and a second family that is
//! refused in the meantime holds back the account.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, Row, params};

use super::calls;
use super::ceilings::CeilingUpdate;
use super::connection::{self, LedgerConnection};
use super::refusal::NewRefusal;
use super::request::{CallCeilings, ClientIdentity};
use super::{account_change, adaptive_pace};
use crate::deferral::{Deferral, DeferralReason, DeferralScope};
use crate::family::EndpointFamily;
use crate::state::clock_reading::{ClockReading, time_from_ms};
use crate::state::error::StateError;

/// From this length on, the `Retry-After` of a rate limit also says that the day's calls are used.
const LONG_WAIT: Duration = Duration::from_secs(3_600);
/// Refusals are kept for `quota` to show for this long.
const REFUSAL_RETENTION_MS: i64 = 90 * 86_400_000;

/// A deferral that is stored, so that restarts and other processes keep to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoolDown {
    /// When it was set.
    pub set_at: DateTime<Utc>,
    /// Its scope, its reason and its end.
    pub deferral: Deferral,
}

impl CoolDown {
    /// Reads a row of kind, family, start, end, reason and evidence.
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

/// Records refusals and the waits that follow. Get it from
/// [`StateDb::cool_downs`](crate::state::StateDb::cool_downs).
#[derive(Debug, Clone, Copy)]
pub struct CoolDowns<'a>(pub(in crate::state) &'a Mutex<LedgerConnection>);

impl CoolDowns<'_> {
    /// Records a refusal of a call to this family, holds its scope back, and learns from it about
    /// the ceilings. Returns the deadline for this family that is furthest ahead.
    ///
    /// # Errors
    ///
    /// If it cannot be written. Nothing more may be sent then.
    pub fn record_refusal(
        &self,
        identity: &ClientIdentity,
        family: &str,
        refusal: NewRefusal<'_>,
        ceilings: CallCeilings,
        now: ClockReading,
    ) -> Result<Option<CoolDown>, StateError> {
        self.lock().write("record a refusal", |tx, windows| {
            let generation = account_change::start_transaction(tx, identity, now)?;
            insert_refusal(tx, identity, family, &refusal, now)?;
            extend_cool_down(tx, identity, &refusal, now)?;
            let is_rate_limit = refusal.reason == DeferralReason::RateLimit;
            if is_rate_limit {
                adaptive_pace::record_refusal(tx, &identity.client, now)?;
            }
            let used = windows.refresh(tx, &identity.account, generation, now)?;
            let of_family = CeilingUpdate { account: &identity.account, family, set: ceilings.per_family };
            let of_account = CeilingUpdate { family: "", set: ceilings.per_day, ..of_family };
            let quota_spent = refusal.reason == DeferralReason::Quota;
            let day_spent = is_rate_limit && refusal.wait_is_stated && refusal.wait >= LONG_WAIT;
            if quota_spent {
                of_family.lower(tx, used.family(family), &refusal, now)?;
            }
            if quota_spent && other_family_cooling(tx, identity, family, now)? {
                let of_all = NewRefusal { scope: DeferralScope::Account, ..refusal };
                extend_cool_down(tx, identity, &of_all, now)?;
                of_account.lower(tx, used.all(), &of_all, now)?;
            } else if day_spent && refusal.scope.family().is_none() {
                of_account.lower(tx, used.all(), &refusal, now)?;
            }
            in_force(tx, identity, family, now)
        })
    }

    /// The cool-down that holds a family back for the longest time, if one does. Ceilings are not
    /// considered.
    ///
    /// # Errors
    ///
    /// If the ledger cannot be read.
    pub fn active(
        &self,
        identity: &ClientIdentity,
        family: &str,
        now: ClockReading,
    ) -> Result<Option<CoolDown>, StateError> {
        self.lock().write("read the cool-downs", |tx, _| {
            account_change::start_transaction(tx, identity, now)?;
            in_force(tx, identity, family, now)
        })
    }

    fn lock(&self) -> MutexGuard<'_, LedgerConnection> {
        connection::lock(self.0)
    }
}

/// The deadline for this family that is furthest ahead.
pub(super) fn in_force(
    tx: &Connection,
    identity: &ClientIdentity,
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
    let mut rows = rows.query(params![identity.client, identity.account, family, now.wall_ms()])?;
    rows.next()?.map(CoolDown::from_row).transpose()
}

/// Every cool-down in force, the longest first.
pub(super) fn all_in_force(
    tx: &Connection,
    identity: &ClientIdentity,
    now: ClockReading,
) -> rusqlite::Result<Vec<CoolDown>> {
    tx.prepare_cached(
        "SELECT kind, family, set_ms, until_ms, reason, evidence FROM cool_downs
         WHERE until_ms > ?3 AND holder = CASE kind WHEN 'client' THEN ?1 ELSE ?2 END
         ORDER BY until_ms DESC",
    )?
    .query_map(params![identity.client, identity.account, now.wall_ms()], CoolDown::from_row)?
    .collect()
}

/// Whether a cool-down of more than ten minutes ended within the last minute.
pub(super) fn ban_just_ended(tx: &Connection, identity: &ClientIdentity, now: ClockReading) -> rusqlite::Result<bool> {
    tx.prepare_cached(
        "SELECT 1 FROM cool_downs
         WHERE until_ms <= ?3 AND until_ms > ?3 - 60000 AND until_ms - set_ms > 600000
           AND ((kind = 'client' AND holder = ?1) OR (kind = 'account' AND holder = ?2))",
    )?
    .exists(params![identity.client, identity.account, now.wall_ms()])
}

fn extend_cool_down(
    tx: &Connection,
    identity: &ClientIdentity,
    refusal: &NewRefusal<'_>,
    now: ClockReading,
) -> rusqlite::Result<()> {
    let (holder, family) = match &refusal.scope {
        DeferralScope::Client => (&identity.client, ""),
        DeferralScope::Account => (&identity.account, ""),
        DeferralScope::Family(family) => (&identity.account, family.as_str()),
    };
    let (scope, reason) = (refusal.scope.as_str(), refusal.reason.as_str());
    tx.execute(
        "INSERT INTO cool_downs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET set_ms = excluded.set_ms, until_ms = excluded.until_ms,
            reason = excluded.reason, evidence = excluded.evidence
         WHERE excluded.until_ms > until_ms",
        params![scope, holder, family, now.wall_ms(), deadline_ms(refusal, now), reason, refusal.evidence],
    )?;
    Ok(())
}

fn other_family_cooling(
    tx: &Connection,
    identity: &ClientIdentity,
    family: &str,
    now: ClockReading,
) -> rusqlite::Result<bool> {
    tx.prepare_cached(
        "SELECT 1 FROM cool_downs WHERE kind = 'family' AND holder = ?1 AND family <> ?2
           AND reason = 'quota' AND until_ms > ?3",
    )?
    .exists(params![identity.account, family, now.wall_ms()])
}

fn insert_refusal(
    tx: &Connection,
    identity: &ClientIdentity,
    family: &str,
    refusal: &NewRefusal<'_>,
    now: ClockReading,
) -> rusqlite::Result<()> {
    let scope = calls::scope_id(tx, identity, family)?;
    tx.execute(
        "INSERT INTO refusals (scope_id, at_ms, until_ms, reason, evidence)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![scope, now.wall_ms(), deadline_ms(refusal, now), refusal.reason.as_str(), refusal.evidence],
    )?;
    tx.execute("DELETE FROM refusals WHERE at_ms < ?1", [now.wall_ms() - REFUSAL_RETENTION_MS])?;
    Ok(())
}

fn deadline_ms(refusal: &NewRefusal<'_>, now: ClockReading) -> i64 {
    now.wall_ms() + i64::try_from(refusal.wait.as_millis()).unwrap_or(i64::MAX / 4)
}
