//! The calls of the last day, in memory.
//!
//! Spotify counts calls over any 24 hours and not by the calendar, so the exact times are kept.
//! Counting rows for every call would cost more than sending it. Each transaction therefore reads
//! only the rows that this process has not seen, including those of other processes.

use std::collections::VecDeque;

use rusqlite::{Connection, params};
use rustc_hash::FxHashMap;

use super::DAY_MS;
use super::job_share::CallsByJob;
use crate::deferral::DeferralScope;
use crate::state::clock_reading::ClockReading;

/// The times of the last day's calls of each account, including those that came with a client id
/// from another account.
#[derive(Debug, Default)]
pub(in crate::state) struct CallWindows(FxHashMap<String, CallWindow>);

/// The last day of one account.
#[derive(Debug, Default)]
pub(super) struct CallWindow {
    generation: i64,
    last_id: i64,
    calls: CallTimes,
    jobs: FxHashMap<i64, CallTimes>,
}

/// Times of calls, each list in order.
#[derive(Debug, Default)]
pub(super) struct CallTimes {
    all: VecDeque<i64>,
    families: FxHashMap<String, VecDeque<i64>>,
}

impl CallWindows {
    /// Drops the copy in memory, after a failed transaction or a cancelled call.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// Reads the rows that were not seen before and drops those that are older than a day.
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
        let mut rows = tx.prepare_cached(&select_calls(window.last_id == 0))?;
        let mut rows = rows.query(params![window.last_id, account, since])?;
        while let Some(row) = rows.next()? {
            let family = row.get_ref(2)?.as_str()?;
            window.add(row.get(0)?, row.get(1)?, family, row.get(3)?);
        }
        window.drop_before(since);
        Ok(window)
    }
}

/// Selects calls by their times if no row was seen yet, otherwise by their ids. Rows are kept for three days, so a scan
/// would read rows that are too old or were seen.
fn select_calls(is_first: bool) -> String {
    let (index, order) = if is_first { ("INDEXED BY calls_by_time", "at_ms") } else { ("NOT INDEXED", "call_id") };
    format!(
        "SELECT call_id, at_ms, family, job FROM calls {index} JOIN scopes USING (scope_id)
         WHERE call_id > ?1 AND at_ms > ?3 AND outcome >= 0 AND (account = ?2
            OR EXISTS (SELECT 1 FROM brought WHERE brought.call_id = calls.call_id AND brought.account = ?2))
         ORDER BY {order}"
    )
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

    /// The number of calls of the account.
    pub(super) fn all(&self) -> u32 {
        count(&self.calls.all)
    }

    /// The number of calls to one family.
    pub(super) fn family(&self, family: &str) -> u32 {
        self.calls.families.get(family).map_or(0, count)
    }

    pub(super) fn families(&self) -> impl Iterator<Item = (&str, &VecDeque<i64>)> {
        self.calls.families.iter().map(|(name, times)| (name.as_str(), times))
    }

    /// The times of all calls.
    pub(super) fn times(&self) -> &VecDeque<i64> {
        &self.calls.all
    }

    /// The calls of the account.
    pub(super) fn calls(&self) -> &CallTimes {
        &self.calls
    }

    /// The calls of one job.
    pub(super) fn job_calls(&self, job: i64) -> Option<&CallTimes> {
        self.jobs.get(&job)
    }

    /// The numbers of calls of one job.
    pub(super) fn of_job(&self, job: i64) -> CallsByJob {
        let Some(times) = self.jobs.get(&job) else { return CallsByJob::default() };
        let families = times.families.iter().map(|(family, times)| (family.clone(), count(times)));
        CallsByJob { all: count(&times.all), families: families.collect() }
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

    /// The times of the calls in a scope.
    pub(super) fn in_scope(&self, scope: DeferralScope) -> Option<&VecDeque<i64>> {
        match scope {
            DeferralScope::Family(family) => self.families.get(family.as_str()),
            DeferralScope::Client | DeferralScope::Account => Some(&self.all),
        }
    }
}

/// The number of calls in a list of times.
pub(super) fn count(times: &VecDeque<i64>) -> u32 {
    u32::try_from(times.len()).unwrap_or(u32::MAX)
}

/// Slots of several clients may interleave, so a time goes to its place, which is near the end.
fn insert(times: &mut VecDeque<i64>, at_ms: i64) {
    let place = times.iter().rposition(|at| *at <= at_ms).map_or(0, |it| it + 1);
    times.insert(place, at_ms);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_outside_the_window_are_not_read() {
        let conn = Connection::open_in_memory().unwrap();
        crate::state::database::schema::BOOKS.migrations.iter().for_each(|script| conn.execute_batch(script).unwrap());
        for (is_first, wanted) in [
            (true, "SEARCH calls USING INDEX calls_by_time (at_ms>?"),
            (false, "SEARCH calls USING INTEGER PRIMARY KEY"),
        ] {
            let mut plan = conn.prepare(&format!("EXPLAIN QUERY PLAN {}", select_calls(is_first))).unwrap();
            let steps = plan.query_map(params![0, "", 0], |row| row.get::<_, String>(3)).unwrap();
            let steps: Vec<String> = steps.collect::<Result<_, _>>().unwrap();
            assert!(steps[0].starts_with(wanted), "{steps:?}");
            assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:?}");
        }
    }
}
