//! What `quota` shows: used, left, when the next calls become free, and what was refused when.

use chrono::{DateTime, Utc};
use rusqlite::params;

use super::cooldown::CoolDown;
use super::error::StateError;
use super::ledger::{self, CallCeilings, DAY_MS};
use super::moment::{ClockReading, time_from_ms};
use super::share::JobKey;
use super::turn::ClientIdentity;
use super::{LedgerConnection, StateDb, accounts, adaptive};
use crate::deferral::DeferralReason;

/// The books of one account.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerUsage {
    /// The account as a whole.
    pub account: FamilyUsage,
    /// Each family with calls in the last day, by name.
    pub families: Vec<FamilyUsage>,
    /// Cool-downs in force, the longest first.
    pub cool_downs: Vec<CoolDown>,
    /// Refusals, newest first.
    pub refusals: Vec<PastRefusal>,
    /// Ceilings that refusals taught, by family; the account's has no family.
    pub learned: Vec<LearnedCeiling>,
    /// The pace that an adaptive client was found to be let: calls, in a window of so many
    /// milliseconds, since then.
    pub pace: Option<(f64, i64, DateTime<Utc>)>,
}

/// The last 24 hours of a family, or of the account (`family` is empty then).
#[derive(Debug, Clone, PartialEq)]
pub struct FamilyUsage {
    /// The family.
    pub family: String,
    /// Calls of the last 24 hours.
    pub used: u32,
    /// The ceiling in force, before the reserve; `None`: unlimited.
    pub ceiling: Option<u32>,
    /// Calls that may still go, the reserve taken off.
    pub left: Option<u32>,
    /// Until when a cool-down lets none of them go.
    pub blocked_until: Option<DateTime<Utc>>,
    /// When the oldest call leaves the window.
    pub next_free_at: Option<DateTime<Utc>>,
    /// When calls become free that cannot be used now, hour by hour.
    pub freed: Vec<FreedCalls>,
}

/// Calls that become free again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreedCalls {
    /// When the first of them does.
    pub from: DateTime<Utc>,
    /// When the last of them does.
    pub until: DateTime<Utc>,
    /// How many.
    pub calls: u32,
}

/// A ceiling that a refusal taught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnedCeiling {
    /// The family; empty for the account.
    pub family: String,
    /// What it taught.
    pub calls: u32,
    /// What it has risen to since.
    pub now: u32,
    /// When.
    pub at: DateTime<Utc>,
    /// Status, header and words of the refusal.
    pub evidence: String,
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRefusal {
    /// The family that was asked.
    pub family: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Until when it held.
    pub until: DateTime<Utc>,
    /// Why: a rate limit or a quota.
    pub reason: DeferralReason,
    /// Status, header and words.
    pub evidence: String,
}

/// Calls that become free within this time of each other are told of together.
const GROUP_SPAN_MS: i64 = 3_600_000;

impl StateDb {
    /// The books of an account as they stand.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn usage(
        &self,
        who: &ClientIdentity,
        ceilings: CallCeilings,
        now: ClockReading,
    ) -> Result<LedgerUsage, StateError> {
        let mut books = self.connection();
        let LedgerConnection { db, windows, outcomes } = &mut *books;
        let read = db.write("read the books", |tx| {
            let generation = accounts::start_transaction(tx, who, now)?;
            ledger::record_outcomes(tx, outcomes)?;
            let window = windows.refresh(tx, &who.account, generation, now)?;
            let entry = |family: &str, times: &std::collections::VecDeque<i64>| {
                let set = match family {
                    "" => ceilings.per_day,
                    _ => ceilings.per_family,
                };
                let ceiling = ledger::ceiling(tx, &who.account, family, set, now)?;
                let used = u32::try_from(times.len()).unwrap_or(u32::MAX);
                let usable = ceiling.map(|calls| ledger::without_reserve(calls, ceilings.reserve));
                rusqlite::Result::Ok(FamilyUsage {
                    family: family.to_owned(),
                    used,
                    ceiling,
                    left: usable.map(|calls| calls.saturating_sub(used)),
                    blocked_until: None,
                    next_free_at: times.front().map(|at| time_from_ms(at.saturating_add(DAY_MS))),
                    freed: usable.map_or_else(Vec::new, |usable| group_freed_calls(times, used.saturating_sub(usable))),
                })
            };
            let mut families = window
                .families()
                .filter(|(_, times)| !times.is_empty())
                .map(|(family, times)| entry(family, times))
                .collect::<rusqlite::Result<Vec<_>>>()?;
            families.sort_by(|one, other| one.family.cmp(&other.family));
            let mut usage = LedgerUsage {
                account: entry("", window.times())?,
                families,
                cool_downs: tx
                    .prepare_cached(
                        "SELECT kind, family, set_ms, until_ms, reason, evidence FROM cool_downs
                         WHERE until_ms > ?3 AND holder = CASE kind WHEN 'client' THEN ?1 ELSE ?2 END
                         ORDER BY until_ms DESC",
                    )?
                    .query_map(params![who.client, who.account, now.wall_ms()], CoolDown::from_row)?
                    .collect::<rusqlite::Result<_>>()?,
                refusals: tx
                    .prepare_cached(
                        "SELECT family, at_ms, until_ms, evidence, reason FROM refusals
                         JOIN scopes USING (scope_id)
                         WHERE account = ?1 OR client IN (SELECT client FROM clients WHERE account = ?1)
                         ORDER BY refusal_id DESC LIMIT 200",
                    )?
                    .query_map([&who.account], |row| {
                        Ok(PastRefusal {
                            family: row.get(0)?,
                            at: time_from_ms(row.get(1)?),
                            until: time_from_ms(row.get(2)?),
                            evidence: row.get(3)?,
                            reason: DeferralReason::parse(row.get_ref(4)?.as_str()?),
                        })
                    })?
                    .collect::<rusqlite::Result<_>>()?,
                learned: ledger::learned_ceilings(tx, &who.account, now)?,
                pace: adaptive::learned_rate(tx, &who.client, now)?
                    .map(|(calls, window, at)| (calls, window, time_from_ms(at))),
            };
            usage.apply_cool_downs();
            Ok(usage)
        });
        match &read {
            Ok(_) => outcomes.clear(),
            Err(_) => windows.forget(),
        }
        read
    }
}

/// When calls become free, in groups; the first `over` that leave are above what may be used.
fn group_freed_calls(times: &std::collections::VecDeque<i64>, over: u32) -> Vec<FreedCalls> {
    let mut groups: Vec<(i64, i64, u32)> = Vec::new();
    for at in times.iter().skip(over as usize) {
        match groups.last_mut() {
            Some((first, last, calls)) if at - *first < GROUP_SPAN_MS => {
                *last = *at;
                *calls += 1;
            }
            _ => groups.push((*at, *at, 1)),
        }
    }
    let free = |at: i64| time_from_ms(at.saturating_add(DAY_MS));
    let group = |(from, until, calls)| FreedCalls { from: free(from), until: free(until), calls };
    groups.into_iter().map(group).collect()
}

impl StateDb {
    /// Calls of one job in the last 24 hours, of an account.
    ///
    /// # Errors
    ///
    /// If the books cannot be read.
    pub fn calls_by_job(&self, who: &ClientIdentity, job: JobKey, now: ClockReading) -> Result<u32, StateError> {
        let mut books = self.connection();
        let LedgerConnection { db, windows, .. } = &mut *books;
        let read = db.write("read the books", |tx| {
            let generation = accounts::start_transaction(tx, who, now)?;
            Ok(windows.refresh(tx, &who.account, generation, now)?.of_job(job.number()))
        });
        if read.is_err() {
            windows.forget();
        }
        read
    }
}

impl LedgerUsage {
    /// Notes what a cool-down holds back beside what is left.
    fn apply_cool_downs(&mut self) {
        let all = self.blocked_until();
        self.account.blocked_until = all;
        for it in &mut self.families {
            let own = self.cool_downs.iter().map(|cool_down| &cool_down.deferral);
            let own = own.filter(|deferral| deferral.scope.family().is_some_and(|own| own.as_str() == it.family));
            it.blocked_until = own.map(|deferral| deferral.until).chain(all).max();
        }
    }

    /// How far a cool-down that holds everything back reaches, if one does.
    pub fn blocked_until(&self) -> Option<DateTime<Utc>> {
        let all = self.cool_downs.iter().map(|cool_down| &cool_down.deferral);
        all.filter(|deferral| deferral.scope.family().is_none()).map(|deferral| deferral.until).max()
    }
}
