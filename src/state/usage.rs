//! What `quota` shows: used, left, when the next calls become free, and what was refused when.

use chrono::{DateTime, Utc};
use rusqlite::params;

use super::cooldown::{CoolDown, Reach};
use super::error::StateError;
use super::ledger::{self, Ceilings, DAY_MS};
use super::moment::{Moment, from_ms};
use super::turn::Identity;
use super::{Books, State, steps};

/// The books of one account.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// The account as a whole.
    pub account: FamilyUse,
    /// Each family with calls in the last day, by name.
    pub families: Vec<FamilyUse>,
    /// Cool-downs in force, the longest first.
    pub cool_downs: Vec<CoolDown>,
    /// Refusals, newest first.
    pub refusals: Vec<Refusals>,
}

/// The last 24 hours of a family, or of the account (`family` is empty then).
#[derive(Debug, Clone, PartialEq)]
pub struct FamilyUse {
    /// The family.
    pub family: String,
    /// Calls of the last 24 hours.
    pub used: u32,
    /// The ceiling in force, before the reserve; `None`: unlimited.
    pub ceiling: Option<u32>,
    /// Calls that may still go, the reserve taken off.
    pub left: Option<u32>,
    /// When the oldest call leaves the window.
    pub next_free_at: Option<DateTime<Utc>>,
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusals {
    /// The family that was asked.
    pub family: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Until when it held.
    pub until: DateTime<Utc>,
    /// Status, header and words.
    pub evidence: String,
}

impl State {
    /// The books of an account as they stand.
    ///
    /// # Errors
    ///
    /// If they cannot be read.
    pub fn usage(&self, who: &Identity, ceilings: Ceilings, now: Moment) -> Result<Usage, StateError> {
        let mut books = self.books();
        let Books { db, windows, outcomes } = &mut *books;
        let read = db.write("read the books", |tx| {
            let generation = steps::notice(tx, now)?;
            ledger::book_outcomes(tx, outcomes)?;
            let window = windows.refresh(tx, &who.account, generation, now)?;
            let entry = |family: &str, times: &std::collections::VecDeque<i64>| {
                let set = match family {
                    "" => ceilings.per_day,
                    _ => ceilings.per_family,
                };
                let ceiling = ledger::ceiling(tx, &who.account, family, set, now)?;
                let used = u32::try_from(times.len()).unwrap_or(u32::MAX);
                rusqlite::Result::Ok(FamilyUse {
                    family: family.to_owned(),
                    used,
                    ceiling,
                    left: ceiling.map(|calls| ledger::without_reserve(calls, ceilings.reserve).saturating_sub(used)),
                    next_free_at: times.front().map(|at| from_ms(at + DAY_MS)),
                })
            };
            let mut families = window
                .families()
                .filter(|(_, times)| !times.is_empty())
                .map(|(family, times)| entry(family, times))
                .collect::<rusqlite::Result<Vec<_>>>()?;
            families.sort_by(|one, other| one.family.cmp(&other.family));
            Ok(Usage {
                account: entry("", window.times())?,
                families,
                cool_downs: tx
                    .prepare_cached(
                        "SELECT kind, family, set_ms, until_ms, reason, evidence FROM cool_downs
                         WHERE until_ms > ?3 AND holder = CASE kind WHEN 'client' THEN ?1 ELSE ?2 END
                         ORDER BY until_ms DESC",
                    )?
                    .query_map(params![who.client, who.account, now.ms()], CoolDown::from_row)?
                    .collect::<rusqlite::Result<_>>()?,
                refusals: tx
                    .prepare_cached(
                        "SELECT family, at_ms, until_ms, evidence FROM refusals
                         JOIN scopes USING (scope_id) WHERE account = ?1
                         ORDER BY refusal_id DESC LIMIT 200",
                    )?
                    .query_map([&who.account], |row| {
                        Ok(Refusals {
                            family: row.get(0)?,
                            at: from_ms(row.get(1)?),
                            until: from_ms(row.get(2)?),
                            evidence: row.get(3)?,
                        })
                    })?
                    .collect::<rusqlite::Result<_>>()?,
            })
        });
        match &read {
            Ok(_) => outcomes.clear(),
            Err(_) => windows.forget(),
        }
        read
    }
}

impl Usage {
    /// How far a cool-down that holds everything back reaches, if one does.
    pub fn all_held_until(&self) -> Option<DateTime<Utc>> {
        self.cool_downs.iter().filter(|it| it.reach != Reach::Family).map(|it| it.until).max()
    }
}
