//! The ceilings of a rolling day: those of the settings, and those that refusals taught.
//!
//! A refusal lowers the ceiling in force to what had been used, but by half at most, because
//! another program may have used the rest. From then on it rises by a twentieth a day, but never
//! above the setting, and never back to unlimited. Calls that were in flight together are refused
//! together, and count as one lesson.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, params};

use super::DAY_MS;
use super::calls::CallId;
use super::job_share::{CallSpender, JobShare};
use super::refusal::NewRefusal;
use super::request::CallRequest;
use super::windows::{CallTimes, CallWindows, count};
use crate::deferral::{Deferral, DeferralReason, DeferralScope};
use crate::family::EndpointFamily;
use crate::state::clock_reading::{ClockReading, time_from_ms};

/// The first ceiling learned where none was set: half of what Development Mode gives a family in a day.
const FIRST_LEARNED_CEILING: u32 = 250;
/// How much a learned ceiling rises in a day.
const DAILY_RECOVERY: f64 = 1.05;
/// A run that was stopped comes back when this fraction of the usable calls is free again. If it
/// came back for one call, it would read the list that it works through again and stop after it.
const RESUME_FRACTION: u32 = 20;

/// The calls of the day are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CeilingReached {
    /// [`DeferralScope::Account`] or [`DeferralScope::Family`].
    pub scope: DeferralScope,
    /// Calls of the last 24 hours.
    pub used: u32,
    /// Calls that may be used, without the reserve.
    pub usable: u32,
    /// When the next call becomes free.
    pub free_at: DateTime<Utc>,
    /// When enough calls are free to make a run worthwhile: a twentieth of the usable ones.
    pub resume_at: DateTime<Utc>,
    /// The share of one job, if the job has used its share and not the account the whole day.
    pub share: Option<JobShare>,
}

impl From<CeilingReached> for Deferral {
    fn from(reached: CeilingReached) -> Deferral {
        let CeilingReached { scope, used, usable, resume_at, share, .. } = reached;
        let calls = if used == 1 { "call" } else { "calls" };
        let of_job = if share.is_some() { " of this job" } else { "" };
        Deferral {
            scope,
            reason: match share {
                None => DeferralReason::Budget,
                Some(JobShare::Half) => DeferralReason::JobShare,
                Some(JobShare::Calls(_)) => DeferralReason::JobCalls,
            },
            until: resume_at,
            evidence: format!("{used} {calls}{of_job} in the last 24 hours, {usable} may be used"),
        }
    }
}

/// A ceiling that a refusal taught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnedCeiling {
    /// The family, or empty for the account.
    pub family: String,
    /// The number of calls that was learned.
    pub calls: u32,
    /// The value that it has risen to since.
    pub now: u32,
    /// When it was learned.
    pub at: DateTime<Utc>,
    /// Status, header and message of the refusal.
    pub evidence: String,
}

/// The ceiling that a call would exceed: first that of the account, then that of the family, then
/// the share of the job.
pub(super) fn ceiling_reached(
    tx: &Connection,
    windows: &mut CallWindows,
    generation: i64,
    request: &CallRequest<'_>,
    now: ClockReading,
) -> rusqlite::Result<Option<CeilingReached>> {
    let account = usable_now(tx, request, "", request.ceilings.per_day, now)?;
    let family = usable_now(tx, request, request.family, request.ceilings.per_family, now)?;
    let of_job = request.spender.and_then(|CallSpender { job, share }| Some((job, share?)));
    if account.is_none() && family.is_none() && !matches!(of_job, Some((_, JobShare::Calls(_)))) {
        return Ok(None);
    }
    let window = windows.refresh(tx, &request.identity.account, generation, now)?;
    let day = time_from_ms(DAY_MS + now.wall_ms());
    let reached = first_ceiling_reached(window.calls(), request, account, family).or_else(|| {
        let (job, share) = of_job?;
        let (none, account, family) = (CallTimes::default(), share.account_limit(account), share.family_limit(family));
        let times = window.job_calls(job.number()).unwrap_or(&none);
        let reached = first_ceiling_reached(times, request, account, family)?;
        Some(CeilingReached { share: Some(share), ..reached })
    });
    Ok(reached.map(|it| CeilingReached { free_at: it.free_at.min(day), resume_at: it.resume_at.min(day), ..it }))
}

fn first_ceiling_reached(
    times: &CallTimes,
    request: &CallRequest<'_>,
    account: Option<u32>,
    family: Option<u32>,
) -> Option<CeilingReached> {
    let family_scope = || DeferralScope::Family(EndpointFamily::from_stored(request.family));
    account
        .and_then(|usable| compare(times, DeferralScope::Account, usable))
        .or_else(|| family.and_then(|usable| compare(times, family_scope(), usable)))
}

fn compare(times: &CallTimes, scope: DeferralScope, usable: u32) -> Option<CeilingReached> {
    let times = times.in_scope(scope);
    let used = times.map_or(0, count);
    if used < usable {
        return None;
    }
    // If nothing is usable at all, there is no call to wait for; the caller limits this to a day.
    let free = |more: u32| {
        let place = (used - usable + more).min(used.saturating_sub(1)) as usize;
        time_from_ms(times.and_then(|times| times.get(place)).map_or(i64::MAX, |at| at.saturating_add(DAY_MS)))
    };
    let worthwhile = (usable / RESUME_FRACTION).saturating_sub(1);
    Some(CeilingReached { scope, used, usable, free_at: free(0), resume_at: free(worthwhile), share: None })
}

fn usable_now(
    tx: &Connection,
    request: &CallRequest<'_>,
    family: &str,
    set: Option<u32>,
    now: ClockReading,
) -> rusqlite::Result<Option<u32>> {
    let ceiling = ceiling(tx, &request.identity.account, family, set, now)?;
    Ok(ceiling.map(|calls| usable_calls(calls, request.ceilings.reserve)))
}

/// How many of these calls may be used with this reserve.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a u32 is one")]
pub fn usable_calls(calls: u32, reserve: f64) -> u32 {
    (f64::from(calls) * (1.0 - reserve.clamp(0.0, 1.0)) + 1e-6).floor() as u32
}

/// The ceiling in force: the setting, or what a refusal taught if that is lower.
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
    /// The family, or empty for the whole account.
    pub(super) family: &'a str,
    /// The ceiling in the settings.
    pub(super) set: Option<u32>,
}

impl CeilingUpdate<'_> {
    /// Lowers the ceiling after `used` calls, which include the refused one.
    pub(super) fn lower(
        self,
        tx: &Connection,
        used: u32,
        refusal: &NewRefusal<'_>,
        now: ClockReading,
    ) -> rusqlite::Result<()> {
        if let Some(call) = refusal.call
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
            params![account, family, learned, now.wall_ms(), refusal.evidence],
        )?;
        Ok(())
    }

    /// Whether the call was recorded before the ceiling was last lowered. The new ceiling did not
    /// apply to it, so its refusal says nothing about that ceiling.
    fn was_in_flight(self, tx: &Connection, call: CallId) -> rusqlite::Result<bool> {
        tx.prepare_cached(
            "SELECT 1 FROM calls, ceilings
             WHERE call_id = ?1 AND account = ?2 AND family = ?3 AND at_ms <= set_ms",
        )?
        .exists((call.0, self.account, self.family))
    }
}

/// The ceilings that were learned from refusals, with their present values.
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
