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

/// From here on a rate limit's `Retry-After` says that a day's allowance is spent, too.
const LONG_WAIT: Duration = Duration::from_secs(3_600);
/// Refusals are shown by `quota` for this long.
const REFUSAL_RETENTION_MS: i64 = 90 * 86_400_000;

/// What a cool-down holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CoolDownScope {
    /// Every call of one client id.
    Client,
    /// Every call of every client id of one developer account.
    Account,
    /// One endpoint family of the account.
    Family,
}

impl CoolDownScope {
    /// `client`, `account` or `family`.
    pub fn as_str(self) -> &'static str {
        match self {
            CoolDownScope::Client => "client",
            CoolDownScope::Account => "account",
            CoolDownScope::Family => "family",
        }
    }
}

/// Why it was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoolDownReason {
    /// 429.
    RateLimit,
    /// 429 with `QUOTA_EXCEEDED`.
    Quota,
    /// 503 with a `Retry-After`: nobody is let in, whatever he has used.
    Unavailable,
    /// The accounts service gives no token now. Its limits are none of the API's.
    Accounts,
}

impl CoolDownReason {
    pub(super) fn parse(word: &str) -> CoolDownReason {
        [CoolDownReason::Quota, CoolDownReason::Unavailable, CoolDownReason::Accounts]
            .into_iter()
            .find(|it| it.as_str() == word)
            .unwrap_or(CoolDownReason::RateLimit)
    }

    /// `rate_limit`, `quota`, `unavailable` or `accounts`.
    pub fn as_str(self) -> &'static str {
        match self {
            CoolDownReason::RateLimit => "rate_limit",
            CoolDownReason::Quota => "quota",
            CoolDownReason::Unavailable => "unavailable",
            CoolDownReason::Accounts => "accounts",
        }
    }
}

/// A deadline in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoolDown {
    /// What it holds back.
    pub scope: CoolDownScope,
    /// The family, if it holds back one; else empty.
    pub family: String,
    /// When it was set.
    pub set_at: DateTime<Utc>,
    /// When the next call may go.
    pub until: DateTime<Utc>,
    /// Why.
    pub reason: CoolDownReason,
    /// Status, header and words of the refusal.
    pub evidence: String,
}

impl CoolDown {
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<CoolDown> {
        let kind: String = row.get(0)?;
        let reason: String = row.get(4)?;
        Ok(CoolDown {
            scope: match kind.as_str() {
                "client" => CoolDownScope::Client,
                "family" => CoolDownScope::Family,
                _ => CoolDownScope::Account,
            },
            family: row.get(1)?,
            set_at: time_from_ms(row.get(2)?),
            until: time_from_ms(row.get(3)?),
            reason: CoolDownReason::parse(&reason),
            evidence: row.get(5)?,
        })
    }
}

/// A refusal to remember.
#[derive(Debug, Clone, Copy)]
pub struct NewRefusal<'a> {
    /// What has to wait.
    pub scope: CoolDownScope,
    /// How long, jitter included.
    pub wait: Duration,
    /// Whether the server said how long, in a way that can be believed.
    pub wait_is_stated: bool,
    /// Why.
    pub reason: CoolDownReason,
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
            extend_cool_down(tx, who, family, &refused, now)?;
            if refused.reason == CoolDownReason::RateLimit {
                adaptive::record_refusal(tx, &who.client, now)?;
            }
            let used = windows.refresh(tx, &who.account, generation, now)?;
            let of_family = CeilingUpdate { account: &who.account, family, set: ceilings.per_family };
            let of_account = CeilingUpdate { family: "", set: ceilings.per_day, ..of_family };
            let spent = refused.reason == CoolDownReason::Quota;
            let long =
                refused.reason == CoolDownReason::RateLimit && refused.wait_is_stated && refused.wait >= LONG_WAIT;
            if spent {
                of_family.lower(tx, used.family(family), &refused, now)?;
            }
            if spent && other_family_cooling(tx, who, family, now)? {
                let wide = NewRefusal { scope: CoolDownScope::Account, ..refused };
                extend_cool_down(tx, who, "", &wide, now)?;
                of_account.lower(tx, used.all(), &wide, now)?;
            } else if long && refused.scope != CoolDownScope::Family {
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
    family: &str,
    refused: &NewRefusal<'_>,
    now: ClockReading,
) -> rusqlite::Result<()> {
    let (holder, family) = match refused.scope {
        CoolDownScope::Client => (&who.client, ""),
        CoolDownScope::Account => (&who.account, ""),
        CoolDownScope::Family => (&who.account, family),
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
