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
use super::ledger::{self, CallId, Ceilings, Lowered};
use super::moment::{Moment, from_ms};
use super::turn::Identity;
use super::{State, accounts, adaptive};

/// From here on a rate limit's `Retry-After` says that a day's allowance is spent, too.
const LONG: Duration = Duration::from_secs(3_600);
/// Refusals are shown by `quota` for this long.
const REMEMBERED_MS: i64 = 90 * 86_400_000;

/// What a cool-down holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Every call of one client id.
    Client,
    /// Every call of every client id of one developer account.
    Account,
    /// One endpoint family of the account.
    Family,
}

impl Reach {
    /// `client`, `account` or `family`.
    pub fn text(self) -> &'static str {
        match self {
            Reach::Client => "client",
            Reach::Account => "account",
            Reach::Family => "family",
        }
    }
}

/// Why it was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// 429.
    RateLimit,
    /// 429 with `QUOTA_EXCEEDED`.
    Quota,
    /// 503 with a `Retry-After`: nobody is let in, whatever he has used.
    Unavailable,
    /// The accounts service gives no token now. Its limits are none of the API's.
    Accounts,
}

impl Reason {
    pub(super) fn read(word: &str) -> Reason {
        [Reason::Quota, Reason::Unavailable, Reason::Accounts]
            .into_iter()
            .find(|it| it.text() == word)
            .unwrap_or(Reason::RateLimit)
    }

    /// `rate_limit`, `quota`, `unavailable` or `accounts`.
    pub fn text(self) -> &'static str {
        match self {
            Reason::RateLimit => "rate_limit",
            Reason::Quota => "quota",
            Reason::Unavailable => "unavailable",
            Reason::Accounts => "accounts",
        }
    }
}

/// A deadline in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoolDown {
    /// What it holds back.
    pub reach: Reach,
    /// The family, if it holds back one; else empty.
    pub family: String,
    /// When it was set.
    pub set_at: DateTime<Utc>,
    /// When the next call may go.
    pub until: DateTime<Utc>,
    /// Why.
    pub reason: Reason,
    /// Status, header and words of the refusal.
    pub evidence: String,
}

impl CoolDown {
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<CoolDown> {
        let kind: String = row.get(0)?;
        let reason: String = row.get(4)?;
        Ok(CoolDown {
            reach: match kind.as_str() {
                "client" => Reach::Client,
                "family" => Reach::Family,
                _ => Reach::Account,
            },
            family: row.get(1)?,
            set_at: from_ms(row.get(2)?),
            until: from_ms(row.get(3)?),
            reason: Reason::read(&reason),
            evidence: row.get(5)?,
        })
    }
}

/// A refusal to remember.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'a> {
    /// What has to wait.
    pub reach: Reach,
    /// How long, jitter included.
    pub wait: Duration,
    /// Whether the server said how long, in a way that can be believed.
    pub said: bool,
    /// Why.
    pub reason: Reason,
    /// Status, header and words.
    pub evidence: &'a str,
    /// The call, if it was one of the API's.
    pub call: Option<CallId>,
}

impl State {
    /// Writes a refusal down and holds its scope back; what it says of the ceilings in force is learned.
    /// Returns the deadline that now reaches furthest for this family.
    ///
    /// # Errors
    ///
    /// If it cannot be written; then nothing more may be sent.
    pub fn refuse(
        &self,
        who: &Identity,
        family: &str,
        refused: Refused<'_>,
        ceilings: Ceilings,
        now: Moment,
    ) -> Result<Option<CoolDown>, StateError> {
        let mut books = self.books();
        let super::Books { db, windows, .. } = &mut *books;
        let done = db.write("book a refusal", |tx| {
            let generation = accounts::begin(tx, who, now)?;
            record(tx, who, family, &refused, now)?;
            hold(tx, who, family, &refused, now)?;
            if refused.reason == Reason::RateLimit {
                adaptive::refused(tx, &who.client, now)?;
            }
            let used = windows.refresh(tx, &who.account, generation, now)?;
            let of_family = Lowered { account: &who.account, family, set: ceilings.per_family };
            let of_account = Lowered { family: "", set: ceilings.per_day, ..of_family };
            let spent = refused.reason == Reason::Quota;
            let long = refused.reason == Reason::RateLimit && refused.said && refused.wait >= LONG;
            if spent {
                of_family.lower(tx, used.family(family), &refused, now)?;
            }
            if spent && another_family_waits(tx, who, family, now)? {
                let wide = Refused { reach: Reach::Account, ..refused };
                hold(tx, who, "", &wide, now)?;
                of_account.lower(tx, used.all(), &wide, now)?;
            } else if long && refused.reach != Reach::Family {
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

impl State {
    /// The cool-down that holds a family back longest, if one does. Ceilings are not looked at.
    ///
    /// # Errors
    ///
    /// If the books cannot be read.
    pub fn cooling(&self, who: &Identity, family: &str, now: Moment) -> Result<Option<CoolDown>, StateError> {
        self.books().db.write("look at the cool-downs", |tx| {
            accounts::begin(tx, who, now)?;
            in_force(tx, who, family, now)
        })
    }
}

/// The deadline that reaches furthest for this family, if one is ahead.
pub(super) fn in_force(
    tx: &Connection,
    who: &Identity,
    family: &str,
    now: Moment,
) -> rusqlite::Result<Option<CoolDown>> {
    let mut rows = tx.prepare_cached(
        "SELECT kind, family, set_ms, until_ms, reason, evidence FROM cool_downs
         WHERE until_ms > ?4 AND ((kind = 'client' AND holder = ?1)
            OR (kind = 'account' AND holder = ?2)
            OR (kind = 'family' AND holder = ?2 AND family = ?3))
         ORDER BY until_ms DESC, kind LIMIT 1",
    )?;
    let mut rows = rows.query(params![who.client, who.account, family, now.ms()])?;
    rows.next()?.map(CoolDown::from_row).transpose()
}

/// When the newest long ban of this client ended, if that is less than so long ago.
pub(super) fn ban_just_ended(tx: &Connection, who: &Identity, now: Moment) -> rusqlite::Result<bool> {
    tx.prepare_cached(
        "SELECT 1 FROM cool_downs
         WHERE until_ms <= ?3 AND until_ms > ?3 - 60000 AND until_ms - set_ms > 600000
           AND ((kind = 'client' AND holder = ?1) OR (kind = 'account' AND holder = ?2))",
    )?
    .exists(params![who.client, who.account, now.ms()])
}

fn hold(tx: &Connection, who: &Identity, family: &str, refused: &Refused<'_>, now: Moment) -> rusqlite::Result<()> {
    let (holder, family) = match refused.reach {
        Reach::Client => (&who.client, ""),
        Reach::Account => (&who.account, ""),
        Reach::Family => (&who.account, family),
    };
    let until = now.ms() + i64::try_from(refused.wait.as_millis()).unwrap_or(i64::MAX / 4);
    tx.execute(
        "INSERT INTO cool_downs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT DO UPDATE SET set_ms = excluded.set_ms, until_ms = excluded.until_ms,
            reason = excluded.reason, evidence = excluded.evidence
         WHERE excluded.until_ms > until_ms",
        params![refused.reach.text(), holder, family, now.ms(), until, refused.reason.text(), refused.evidence],
    )?;
    Ok(())
}

fn another_family_waits(tx: &Connection, who: &Identity, family: &str, now: Moment) -> rusqlite::Result<bool> {
    tx.prepare_cached(
        "SELECT 1 FROM cool_downs WHERE kind = 'family' AND holder = ?1 AND family <> ?2
           AND reason = 'quota' AND until_ms > ?3",
    )?
    .exists(params![who.account, family, now.ms()])
}

fn record(tx: &Connection, who: &Identity, family: &str, refused: &Refused<'_>, now: Moment) -> rusqlite::Result<()> {
    let scope = ledger::scope(tx, who, family)?;
    let until = now.ms() + i64::try_from(refused.wait.as_millis()).unwrap_or(i64::MAX / 4);
    tx.execute(
        "INSERT INTO refusals (scope_id, at_ms, until_ms, reason, evidence)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![scope, now.ms(), until, refused.reason.text(), refused.evidence],
    )?;
    tx.execute("DELETE FROM refusals WHERE at_ms < ?1", [now.ms() - REMEMBERED_MS])?;
    Ok(())
}
