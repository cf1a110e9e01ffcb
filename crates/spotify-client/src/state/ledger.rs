//! The ledger: every call, booked before it is sent, and how many of the rolling day are left.
//!
//! Spotify counts over any 24 hours, not by the calendar, so the exact times are kept (three days
//! of them, some 25 bytes each). Counting them for every call would cost more than sending it;
//! the times of the last day are therefore kept in memory too, and each transaction only reads
//! the rows that it has not seen, those of other processes included.
//!
//! Ceilings come from the settings. A refusal lowers the one in force to what had been used, but at
//! most by half, since another program may have eaten the rest; from then on it rises by a twentieth
//! a day, and never again above the setting, nor to unlimited. Calls that were in flight together are
//! refused together, and teach once.

use std::collections::VecDeque;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};
use rustc_hash::FxHashMap;

use super::cooldown::NewRefusal;
use super::moment::{ClockReading, time_from_ms};
use super::share::{CallSpender, JobShare};
use super::turn::{CallRequest, ClientIdentity};
use super::usage::LearnedCeiling;
use crate::deferral::{Deferral, DeferralReason, DeferralScope};
use crate::family::EndpointFamily;

pub(super) const DAY_MS: i64 = 86_400_000;
const CALL_RETENTION_MS: i64 = 3 * DAY_MS;
const PRUNE_EVERY: i64 = 1_024;
/// The first ceiling learned where none was set: half of a Development Mode family's day.
const FIRST_LEARNED_CEILING: u32 = 250;
const DAILY_RECOVERY: f64 = 1.05;
/// A run that was stopped comes back for this part of what may be used in a day: for one call it
/// would ask the list that it goes by again, and stop at the next.
const RESUME_FRACTION: u32 = 20;

/// A booked call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallId(pub(super) i64);

/// How many calls a rolling day holds. `None` is unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CallCeilings {
    /// For the whole account.
    pub per_day: Option<u32>,
    /// For each endpoint family.
    pub per_family: Option<u32>,
    /// The share that is left untouched, 0 to 1.
    pub reserve: f64,
}

/// The day's allowance is used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CeilingReached {
    /// [`Reach::Account`] or [`Reach::Family`].
    pub scope: DeferralScope,
    /// Calls of the last 24 hours.
    pub used: u32,
    /// Calls that may be used, the reserve taken off.
    pub usable: u32,
    /// When the next call becomes free.
    pub free_at: DateTime<Utc>,
    /// When so many are free that it is worth coming back: a twentieth of what may be used.
    pub resume_at: DateTime<Utc>,
    /// What one job may take of the day, if it is that and not the whole of it.
    pub share: Option<JobShare>,
}

impl From<CeilingReached> for Deferral {
    fn from(reached: CeilingReached) -> Deferral {
        let CeilingReached { scope, used, usable, resume_at, share, .. } = reached;
        let of_job = if share.is_some() { " of this job" } else { "" };
        Deferral {
            scope,
            reason: match share {
                None => DeferralReason::Budget,
                Some(JobShare::Half) => DeferralReason::JobShare,
                Some(JobShare::Calls(_)) => DeferralReason::JobCalls,
            },
            until: resume_at,
            evidence: format!("{used} calls{of_job} in the last 24 hours, {usable} may be used"),
        }
    }
}

/// The times of the last day's calls, by account; those among them that were brought from another.
#[derive(Debug, Default)]
pub(super) struct CallWindows(FxHashMap<String, CallWindow>);

#[derive(Debug, Default)]
pub(super) struct CallWindow {
    generation: i64,
    last_id: i64,
    calls: CallTimes,
    jobs: FxHashMap<i64, CallTimes>,
}

/// Times of calls, each list in order.
#[derive(Debug, Default)]
struct CallTimes {
    all: VecDeque<i64>,
    families: FxHashMap<String, VecDeque<i64>>,
}

impl CallWindows {
    /// Drops what is in memory, after a failed transaction or a cancelled call.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// Reads the rows not yet seen and drops those older than a day.
    pub(super) fn refresh(
        &mut self,
        tx: &Connection,
        account: &str,
        generation: i64,
        now: ClockReading,
    ) -> rusqlite::Result<&mut CallWindow> {
        let window = self.0.entry(account.to_owned()).or_default();
        if window.generation != generation {
            *window = CallWindow { generation, ..CallWindow::default() };
        }
        let since = now.wall_ms() - DAY_MS;
        let mut rows = tx.prepare_cached(
            "SELECT call_id, at_ms, family, job FROM calls JOIN scopes USING (scope_id)
             WHERE call_id > ?1 AND at_ms > ?3 AND outcome >= 0 AND (account = ?2
                OR EXISTS (SELECT 1 FROM brought WHERE brought.call_id = calls.call_id AND brought.account = ?2))
             ORDER BY call_id",
        )?;
        let mut rows = rows.query(params![window.last_id, account, since])?;
        while let Some(row) = rows.next()? {
            let family = row.get_ref(2)?.as_str()?;
            window.add(row.get(0)?, row.get(1)?, family, row.get(3)?);
        }
        window.drop_before(since);
        Ok(window)
    }
}

impl CallWindow {
    fn add(&mut self, id: i64, at_ms: i64, family: &str, job: i64) {
        self.last_id = self.last_id.max(id);
        self.calls.add(at_ms, family);
        if job != 0 {
            self.jobs.entry(job).or_default().add(at_ms, family);
        }
    }

    fn drop_before(&mut self, since: i64) {
        self.jobs.values_mut().chain([&mut self.calls]).for_each(|times| times.drop_before(since));
        self.jobs.retain(|_, times| !times.all.is_empty());
    }

    /// Calls of the account in the last day.
    pub(super) fn all(&self) -> u32 {
        count(Some(&self.calls.all))
    }

    /// Calls of one family in the last day.
    pub(super) fn family(&self, family: &str) -> u32 {
        count(self.calls.families.get(family))
    }

    pub(super) fn families(&self) -> impl Iterator<Item = (&str, &VecDeque<i64>)> {
        self.calls.families.iter().map(|(name, times)| (name.as_str(), times))
    }

    pub(super) fn times(&self) -> &VecDeque<i64> {
        &self.calls.all
    }

    /// Calls of one job in the last day.
    pub(super) fn of_job(&self, job: i64) -> u32 {
        count(self.jobs.get(&job).map(|times| &times.all))
    }
}

impl CallTimes {
    fn add(&mut self, at_ms: i64, family: &str) {
        insert(&mut self.all, at_ms);
        if let Some(times) = self.families.get_mut(family) {
            insert(times, at_ms);
        } else {
            self.families.insert(family.to_owned(), [at_ms].into());
        }
    }

    fn drop_before(&mut self, since: i64) {
        for times in self.families.values_mut().chain([&mut self.all]) {
            while times.front().is_some_and(|at| *at <= since) {
                times.pop_front();
            }
        }
    }

    fn ceiling_reached(&self, scope: DeferralScope, usable: u32) -> Option<CeilingReached> {
        let times = match scope {
            DeferralScope::Family(family) => self.families.get(family.as_str()),
            DeferralScope::Client | DeferralScope::Account => Some(&self.all),
        };
        let used = count(times);
        if used < usable {
            return None;
        }
        // With nothing usable at all there is nothing to wait for: look again in a day.
        let free = |more: u32| {
            let place = (used - usable + more).min(used.saturating_sub(1)) as usize;
            time_from_ms(times.and_then(|times| times.get(place)).map_or(i64::MAX, |at| at.saturating_add(DAY_MS)))
        };
        let worth_it = (usable / RESUME_FRACTION).saturating_sub(1);
        Some(CeilingReached { scope, used, usable, free_at: free(0), resume_at: free(worth_it), share: None })
    }
}

fn count(times: Option<&VecDeque<i64>>) -> u32 {
    times.map_or(0, |times| u32::try_from(times.len()).unwrap_or(u32::MAX))
}

/// Slots of several clients may interleave, so a time is put where it belongs, near the end.
fn insert(times: &mut VecDeque<i64>, at_ms: i64) {
    let place = times.iter().rposition(|at| *at <= at_ms).map_or(0, |it| it + 1);
    times.insert(place, at_ms);
}

/// Whether the day is used up for this ask: the account first, then the family.
pub(super) fn ceiling_reached(
    tx: &Connection,
    windows: &mut CallWindows,
    generation: i64,
    ask: &CallRequest<'_>,
    now: ClockReading,
) -> rusqlite::Result<Option<CeilingReached>> {
    let account = usable_calls(tx, ask, "", ask.ceilings.per_day, now)?;
    let family = usable_calls(tx, ask, ask.family, ask.ceilings.per_family, now)?;
    let of_job = ask.spender.and_then(|CallSpender { job, share }| Some((job, share?)));
    if account.is_none() && family.is_none() && !matches!(of_job, Some((_, JobShare::Calls(_)))) {
        return Ok(None);
    }
    let window = windows.refresh(tx, &ask.identity.account, generation, now)?;
    let day = time_from_ms(DAY_MS + now.wall_ms());
    let over = first_ceiling_reached(&window.calls, ask, account, family).or_else(|| {
        let (job, share) = of_job?;
        let (none, account, family) = (CallTimes::default(), share.account_limit(account), share.family_limit(family));
        let times = window.jobs.get(&job.number()).unwrap_or(&none);
        first_ceiling_reached(times, ask, account, family).map(|spent| CeilingReached { share: Some(share), ..spent })
    });
    Ok(over.map(|spent| CeilingReached {
        free_at: spent.free_at.min(day),
        resume_at: spent.resume_at.min(day),
        ..spent
    }))
}

fn first_ceiling_reached(
    times: &CallTimes,
    ask: &CallRequest<'_>,
    account: Option<u32>,
    family: Option<u32>,
) -> Option<CeilingReached> {
    let account = account.and_then(|usable| times.ceiling_reached(DeferralScope::Account, usable));
    account.or_else(|| {
        family.and_then(|usable| {
            times.ceiling_reached(DeferralScope::Family(EndpointFamily::from_stored(ask.family)), usable)
        })
    })
}

fn usable_calls(
    tx: &Connection,
    ask: &CallRequest<'_>,
    family: &str,
    set: Option<u32>,
    now: ClockReading,
) -> rusqlite::Result<Option<u32>> {
    let ceiling = ceiling(tx, &ask.identity.account, family, set, now)?;
    Ok(ceiling.map(|calls| without_reserve(calls, ask.ceilings.reserve)))
}

/// Of so many calls, those that may be used with this reserve.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32 is one")]
pub fn without_reserve(calls: u32, reserve: f64) -> u32 {
    (f64::from(calls) * (1.0 - reserve.clamp(0.0, 1.0)) + 1e-6).floor() as u32
}

/// The ceiling now in force: the setting, or what a refusal taught if that is lower.
pub(super) fn ceiling(
    tx: &Connection,
    account: &str,
    family: &str,
    set: Option<u32>,
    now: ClockReading,
) -> rusqlite::Result<Option<u32>> {
    let learned: Option<(u32, i64)> = tx
        .prepare_cached("SELECT calls, set_ms FROM ceilings WHERE account = ?1 AND family = ?2")?
        .query_row((account, family), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let learned = learned.map(|(calls, set_ms)| recovered_ceiling(calls, now.wall_ms() - set_ms));
    Ok(match (set, learned) {
        (Some(set), Some(learned)) => Some(set.min(learned)),
        (one, other) => one.or(other),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates at the largest u32, and the factor is positive"
)]
fn recovered_ceiling(calls: u32, since_ms: i64) -> u32 {
    let days = i32::try_from((since_ms / DAY_MS).clamp(0, 1_000)).unwrap_or(0);
    (f64::from(calls) * DAILY_RECOVERY.powi(days)) as u32
}

/// A ceiling that a refusal is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct CeilingUpdate<'a> {
    pub(super) account: &'a str,
    /// Empty: that of the whole account.
    pub(super) family: &'a str,
    /// What the settings say.
    pub(super) set: Option<u32>,
}

impl CeilingUpdate<'_> {
    /// Learns from a refusal after `used` calls, the refused one among them.
    pub(super) fn lower(
        self,
        tx: &Connection,
        used: u32,
        refused: &NewRefusal<'_>,
        now: ClockReading,
    ) -> rusqlite::Result<()> {
        if let Some(call) = refused.call
            && self.was_in_flight(tx, call)?
        {
            return Ok(());
        }
        let CeilingUpdate { account, family, set } = self;
        let before = ceiling(tx, account, family, set, now)?;
        let least = before.map_or(FIRST_LEARNED_CEILING, |calls| calls / 2);
        let learned = used.saturating_sub(1).max(least).max(1);
        let learned = before.map_or(learned, |before| learned.min(before));
        tx.execute(
            "INSERT OR REPLACE INTO ceilings VALUES (?1, ?2, ?3, ?4, ?5)",
            params![account, family, learned, now.wall_ms(), refused.evidence],
        )?;
        Ok(())
    }

    /// Whether the call was booked before the ceiling was last lowered: it did not go by that ceiling, so
    /// its refusal says nothing about it.
    fn was_in_flight(self, tx: &Connection, call: CallId) -> rusqlite::Result<bool> {
        tx.prepare_cached(
            "SELECT 1 FROM calls, ceilings
             WHERE call_id = ?1 AND account = ?2 AND family = ?3 AND at_ms <= set_ms",
        )?
        .exists((call.0, self.account, self.family))
    }
}

/// The ceilings that refusals taught, as they have risen since.
pub(super) fn learned_ceilings(
    tx: &Connection,
    account: &str,
    now: ClockReading,
) -> rusqlite::Result<Vec<LearnedCeiling>> {
    tx.prepare_cached("SELECT family, calls, set_ms, evidence FROM ceilings WHERE account = ?1 ORDER BY family")?
        .query_map([account], |row| {
            let (calls, set_ms) = (row.get(1)?, row.get::<_, i64>(2)?);
            Ok(LearnedCeiling {
                family: row.get(0)?,
                calls,
                now: recovered_ceiling(calls, now.wall_ms() - set_ms),
                at: time_from_ms(set_ms),
                evidence: row.get(3)?,
            })
        })?
        .collect()
}

/// The number of a scope, given on first use.
pub(super) fn scope_id(tx: &Connection, who: &ClientIdentity, family: &str) -> rusqlite::Result<i64> {
    let known = tx
        .prepare_cached("SELECT scope_id FROM scopes WHERE client = ?1 AND account = ?2 AND family = ?3")?
        .query_row((&who.client, &who.account, family), |row| row.get(0))
        .optional()?;
    if let Some(scope) = known {
        return Ok(scope);
    }
    tx.execute(
        "INSERT INTO scopes (client, account, family) VALUES (?1, ?2, ?3)",
        (&who.client, &who.account, family),
    )?;
    Ok(tx.last_insert_rowid())
}

/// Books a call that will go out at `at_ms`.
pub(super) fn record_call(tx: &Connection, ask: &CallRequest<'_>, at_ms: i64) -> rusqlite::Result<CallId> {
    let scope = scope_id(tx, ask.identity, ask.family)?;
    let job = ask.spender.map_or(0, |spender| spender.job.number());
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

/// Writes down how calls ended.
pub(super) fn record_outcomes(tx: &Connection, outcomes: &[(CallId, u16)]) -> rusqlite::Result<()> {
    for (call, outcome) in outcomes {
        tx.prepare_cached("UPDATE calls SET outcome = ?2 WHERE call_id = ?1")?.execute((call.0, outcome))?;
    }
    Ok(())
}
