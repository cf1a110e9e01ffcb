//! What `quota` shows: the calls that are used and left, when the next ones become free, and what
//! was refused.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use rusqlite::Connection;

use super::ceilings::{self, LearnedCeiling, usable_calls};
use super::cool_downs::{self, CoolDown};
use super::request::{CallCeilings, ClientIdentity};
use super::windows::{CallWindows, count};
use super::{DAY_MS, account_change, adaptive_pace};
use crate::deferral::{Deferral, DeferralReason};
use crate::state::clock_reading::{ClockReading, time_from_ms};

/// Calls that become free within this time of each other are shown together.
const GROUP_SPAN_MS: i64 = 3_600_000;

/// The ledger of one account.
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
    /// Ceilings that refusals taught, by family. That of the account has no family.
    pub learned: Vec<LearnedCeiling>,
    /// The pace that an adaptive client has found: calls, in a window of this many milliseconds, and
    /// since when that is known.
    pub pace: Option<(f64, i64, DateTime<Utc>)>,
}

/// The last 24 hours of a family, or of the account (`family` is empty then).
#[derive(Debug, Clone, PartialEq)]
pub struct FamilyUsage {
    /// The family.
    pub family: String,
    /// Calls of the last 24 hours.
    pub used: u32,
    /// The ceiling in force, before the reserve. `None` means unlimited.
    pub ceiling: Option<u32>,
    /// Calls that may still be sent, without the reserve.
    pub left: Option<u32>,
    /// Until when a cool-down blocks all of them.
    pub blocked_until: Option<DateTime<Utc>>,
    /// When the oldest call leaves the window.
    pub next_free_at: Option<DateTime<Utc>>,
    /// When calls become free that cannot be used now, hour by hour.
    pub freed: Vec<FreedCalls>,
}

/// Calls that become free again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreedCalls {
    /// When the first of them becomes free.
    pub from: DateTime<Utc>,
    /// When the last of them becomes free.
    pub until: DateTime<Utc>,
    /// How many become free.
    pub calls: u32,
}

/// A refusal of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRefusal {
    /// The family that was called.
    pub family: String,
    /// When it was refused.
    pub at: DateTime<Utc>,
    /// Until when calls had to wait.
    pub until: DateTime<Utc>,
    /// Why it was refused.
    pub reason: DeferralReason,
    /// Status, header and message of the response.
    pub evidence: String,
}

/// Reads the usage of an account.
pub(super) fn read(
    tx: &Connection,
    windows: &mut CallWindows,
    identity: &ClientIdentity,
    ceilings: CallCeilings,
    now: ClockReading,
) -> rusqlite::Result<LedgerUsage> {
    let generation = account_change::start_transaction(tx, identity, now)?;
    let window = windows.refresh(tx, &identity.account, generation, now)?;
    let entry = |family: &str, times: &VecDeque<i64>| {
        let set = if family.is_empty() { ceilings.per_day } else { ceilings.per_family };
        let ceiling = ceilings::ceiling(tx, &identity.account, family, set, now)?;
        let used = count(times);
        let usable = ceiling.map(|calls| usable_calls(calls, ceilings.reserve));
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
    let pace = adaptive_pace::learned_rate(tx, &identity.client, now)?;
    let mut usage = LedgerUsage {
        account: entry("", window.times())?,
        families,
        cool_downs: cool_downs::all_in_force(tx, identity, now)?,
        refusals: past_refusals(tx, identity)?,
        learned: ceilings::learned_ceilings(tx, &identity.account, now)?,
        pace: pace.map(|(calls, window, at)| (calls, window, time_from_ms(at))),
    };
    usage.apply_cool_downs();
    Ok(usage)
}

fn past_refusals(tx: &Connection, identity: &ClientIdentity) -> rusqlite::Result<Vec<PastRefusal>> {
    tx.prepare_cached(
        "SELECT family, at_ms, until_ms, evidence, reason FROM refusals
         JOIN scopes USING (scope_id)
         WHERE account = ?1 OR client IN (SELECT client FROM clients WHERE account = ?1)
         ORDER BY refusal_id DESC LIMIT 200",
    )?
    .query_map([&identity.account], |row| {
        Ok(PastRefusal {
            family: row.get(0)?,
            at: time_from_ms(row.get(1)?),
            until: time_from_ms(row.get(2)?),
            evidence: row.get(3)?,
            reason: DeferralReason::parse(row.get_ref(4)?.as_str()?),
        })
    })?
    .collect()
}

/// When calls become free, in groups. The first `over` calls that leave the window are above what
/// may be used, so they free nothing.
fn group_freed_calls(times: &VecDeque<i64>, over: u32) -> Vec<FreedCalls> {
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
    groups.into_iter().map(|(from, until, calls)| FreedCalls { from: free(from), until: free(until), calls }).collect()
}

impl LedgerUsage {
    /// Notes which families a cool-down blocks.
    fn apply_cool_downs(&mut self) {
        let all = self.blocked_until();
        self.account.blocked_until = all;
        for usage in &mut self.families {
            let is_own = |deferral: &&Deferral| deferral.scope.family().is_some_and(|it| it.as_str() == usage.family);
            let own = self.cool_downs.iter().map(|cool_down| &cool_down.deferral).filter(is_own);
            usage.blocked_until = own.map(|deferral| deferral.until).chain(all).max();
        }
    }

    /// Until when a cool-down blocks every call, if one does.
    pub fn blocked_until(&self) -> Option<DateTime<Utc>> {
        let all = self.cool_downs.iter().map(|cool_down| &cool_down.deferral);
        all.filter(|deferral| deferral.scope.family().is_none()).map(|deferral| deferral.until).max()
    }
}
