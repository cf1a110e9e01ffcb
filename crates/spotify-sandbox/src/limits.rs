//! The rate limit and the daily quotas.
//!
//! Like Spotify, the sandbox has two mechanisms. The rate limit counts calls per rolling 30 seconds and refuses
//! with a short `Retry-After`. The quotas count calls per rolling 24 hours, in total and per endpoint family,
//! and refuse with `QUOTA_EXCEEDED` and a long `Retry-After`. Both windows roll; nothing resets at midnight.
//! Each client id has its own rate limit, and all client ids of the account share the quotas.
//! A call that comes before an announced deadline can be punished with a longer one.

use std::collections::VecDeque;
use std::time::Duration;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::SandboxOptions;

const DAY_MS: i64 = 86_400_000;

/// The limits of a sandbox; `None` is unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallAllowance {
    /// Calls per rolling 30 seconds.
    pub rate_limit: Option<u32>,
    /// Calls per rolling 24 hours.
    pub calls_per_day: Option<u32>,
    /// Calls per rolling 24 hours to one endpoint family.
    pub calls_per_family_per_day: Option<u32>,
    /// Whether refused calls count like admitted ones.
    pub refused_calls_count: bool,
    /// Seconds that all calls are refused after a call came before an announced deadline.
    pub punishment: Option<u64>,
}

/// A refusal: by a quota or by the rate limit, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LimitRefusal {
    pub(crate) quota: bool,
    pub(crate) retry_after_secs: u64,
}

/// The limits and the calls in their windows.
#[derive(Debug, Default)]
pub(crate) struct SandboxLimits {
    allowance: CallAllowance,
    window_ms: i64,
    early_calls: u64,
    refused_calls: u64,
    windows: FxHashMap<String, VecDeque<i64>>,
    day: VecDeque<i64>,
    families: FxHashMap<String, VecDeque<i64>>,
    deadlines: Vec<RefusalDeadline>,
    banned_until: Option<i64>,
}

/// The time before which calls in a scope come too early.
#[derive(Debug)]
struct RefusalDeadline {
    until: i64,
    refusal: LimitRefusal,
    scope: DeadlineScope,
    /// Whether a response has announced it. A client cannot keep a deadline that it does not know.
    announced: bool,
}

/// The calls that a deadline applies to.
#[derive(Debug, PartialEq, Eq)]
enum DeadlineScope {
    Client(String),
    Family(String),
    All,
}

impl RefusalDeadline {
    fn applies_to(&self, client: &str, family: &str) -> bool {
        match &self.scope {
            DeadlineScope::Client(it) => it == client,
            DeadlineScope::Family(it) => it == family,
            DeadlineScope::All => true,
        }
    }
}

/// Counters of the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LimitCounts {
    /// Calls refused with 429, by the limits or a ban.
    pub refused: u64,
    /// Calls that came before an announced deadline.
    pub early: u64,
    /// Calls in the current rate-limit windows of all client ids.
    pub in_window: usize,
    /// Calls in the last 24 hours.
    pub in_day: usize,
}

impl SandboxLimits {
    pub(crate) fn new(options: &SandboxOptions) -> Self {
        Self {
            allowance: CallAllowance {
                rate_limit: options.rate_limit,
                calls_per_day: options.calls_per_day,
                calls_per_family_per_day: options.calls_per_family_per_day,
                refused_calls_count: options.refused_calls_count,
                punishment: options.punishment.map(|how_long| how_long.as_secs()),
            },
            window_ms: i64::try_from(options.rate_window.as_millis()).unwrap_or(30_000),
            ..Self::default()
        }
    }

    /// Replaces the limits and keeps the counted calls.
    pub(crate) fn set_allowance(&mut self, allowed: CallAllowance) {
        self.allowance = allowed;
    }

    /// Refuses all calls for this time. Spotify does so for half a day or a day.
    pub(crate) fn ban(&mut self, how_long: Duration, now_ms: i64) {
        let refusal = LimitRefusal { quota: false, retry_after_secs: how_long.as_secs() };
        self.banned_until = Some(now_ms + i64::try_from(how_long.as_millis()).unwrap_or(i64::MAX / 4));
        self.set_deadline(now_ms, refusal, DeadlineScope::All, false);
    }

    pub(crate) fn counts(&mut self, now_ms: i64) -> LimitCounts {
        let current_len = |calls: &mut VecDeque<i64>, length_ms: i64| {
            while calls.front().is_some_and(|at| at + length_ms <= now_ms) {
                calls.pop_front();
            }
            calls.len()
        };
        LimitCounts {
            refused: self.refused_calls,
            early: self.early_calls,
            in_window: self.windows.values_mut().map(|window| current_len(window, self.window_ms)).sum(),
            in_day: current_len(&mut self.day, DAY_MS),
        }
    }

    /// Counts a call or refuses it.
    pub(crate) fn admit(&mut self, client: &str, family: &str, now_ms: i64) -> Result<(), LimitRefusal> {
        self.deadlines.retain(|it| now_ms < it.until);
        let (mut ahead, mut early) = (None::<&RefusalDeadline>, false);
        for deadline in self.deadlines.iter_mut().filter(|it| it.applies_to(client, family)) {
            early |= std::mem::replace(&mut deadline.announced, true);
            ahead = ahead.filter(|other| other.until >= deadline.until).or(Some(deadline));
        }
        self.early_calls += u64::from(early);
        let ahead = ahead.map(|it| it.refusal);
        if let Some(until) = self.banned_until.filter(|until| now_ms < *until) {
            let left = u64::try_from(until - now_ms).unwrap_or(0).div_ceil(1_000);
            return Err(self.record_refusal(
                now_ms,
                LimitRefusal { quota: false, retry_after_secs: left },
                DeadlineScope::All,
            ));
        }
        if let (Some(was), Some(more)) = (ahead, self.allowance.punishment) {
            let refusal = LimitRefusal { retry_after_secs: more, ..was };
            return Err(self.record_refusal(now_ms, refusal, DeadlineScope::All));
        }
        let of_client = self.windows.entry(client.to_owned()).or_default();
        let of_family = self.families.entry(family.to_owned()).or_default();
        let exceeded = [
            (of_client, self.allowance.rate_limit, self.window_ms, false, DeadlineScope::Client(client.to_owned())),
            (&mut self.day, self.allowance.calls_per_day, DAY_MS, true, DeadlineScope::All),
            (
                of_family,
                self.allowance.calls_per_family_per_day,
                DAY_MS,
                true,
                DeadlineScope::Family(family.to_owned()),
            ),
        ]
        .into_iter()
        .filter_map(|(calls, limit, length, quota, of)| {
            let wait_ms = time_until_free_ms(calls, limit?, length, now_ms)?;
            let retry_after_secs = u64::try_from(wait_ms).unwrap_or(0).div_ceil(1000).max(1);
            Some((LimitRefusal { quota, retry_after_secs }, of))
        })
        .max_by_key(|(refusal, _)| refusal.retry_after_secs);
        if exceeded.is_none() || self.allowance.refused_calls_count {
            if let Some(calls) = self.windows.get_mut(client) {
                calls.push_back(now_ms);
            }
            self.day.push_back(now_ms);
            if let Some(calls) = self.families.get_mut(family) {
                calls.push_back(now_ms);
            }
        }
        match exceeded {
            None => Ok(()),
            Some((refusal, of)) => Err(self.record_refusal(now_ms, refusal, of)),
        }
    }

    fn record_refusal(&mut self, now_ms: i64, refusal: LimitRefusal, of: DeadlineScope) -> LimitRefusal {
        self.refused_calls += 1;
        self.set_deadline(now_ms, refusal, of, true);
        refusal
    }

    fn set_deadline(&mut self, now_ms: i64, refusal: LimitRefusal, scope: DeadlineScope, announced: bool) {
        let ms = i64::try_from(refusal.retry_after_secs).unwrap_or(i64::MAX / 2000) * 1000;
        self.deadlines.retain(|it| it.scope != scope);
        self.deadlines.push(RefusalDeadline { until: now_ms + ms, refusal, scope, announced });
    }
}

/// Time until the window admits a call, or `None` if it admits one now.
fn time_until_free_ms(calls: &mut VecDeque<i64>, limit: u32, length_ms: i64, now_ms: i64) -> Option<i64> {
    while calls.front().is_some_and(|at| at + length_ms <= now_ms) {
        calls.pop_front();
    }
    if calls.len() < limit as usize {
        return None;
    }
    let frees = calls.len() - limit as usize;
    Some(calls.get(frees).map_or(length_ms, |at| at + length_ms - now_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(options: SandboxOptions) -> SandboxLimits {
        SandboxLimits::new(&options)
    }

    #[test]
    fn oldest_call_leaves_rolling_window() {
        let mut limits = limits(SandboxOptions { rate_limit: Some(2), ..SandboxOptions::default() });
        assert!(limits.admit("app", "a", 0).is_ok());
        assert!(limits.admit("app", "a", 10_000).is_ok());
        let refusal = limits.admit("app", "a", 10_000).unwrap_err();
        assert_eq!(refusal, LimitRefusal { quota: false, retry_after_secs: 20 });
        assert!(limits.admit("app", "a", 29_999).is_err());
        assert!(limits.admit("app", "a", 30_000).is_ok());
        assert!(limits.admit("app", "a", 30_001).is_err());
    }

    #[test]
    fn quota_counts_by_family_and_account() {
        let mut limits = limits(SandboxOptions {
            calls_per_day: Some(3),
            calls_per_family_per_day: Some(2),
            ..SandboxOptions::default()
        });
        assert!(limits.admit("app", "a", 0).is_ok() && limits.admit("app", "a", 0).is_ok());
        let refusal = limits.admit("app", "a", 1_000).unwrap_err();
        assert_eq!(refusal, LimitRefusal { quota: true, retry_after_secs: 86_399 });
        assert!(limits.admit("app", "b", 1_000).is_ok());
        assert!(limits.admit("app", "c", 1_000).unwrap_err().quota);
    }

    #[test]
    fn early_call_is_punished() {
        let mut limits = limits(SandboxOptions {
            rate_limit: Some(1),
            punishment: Some(Duration::from_secs(3600)),
            ..SandboxOptions::default()
        });
        assert!(limits.admit("app", "a", 0).is_ok());
        assert_eq!(limits.admit("app", "a", 0).unwrap_err().retry_after_secs, 30);
        assert_eq!(limits.admit("app", "a", 29_000).unwrap_err().retry_after_secs, 3600);
        assert_eq!(limits.admit("app", "a", 31_000).unwrap_err().retry_after_secs, 3600);
        assert!(limits.admit("app", "a", 31_000 + 3_600_000).is_ok());
    }

    #[test]
    fn early_calls_count_only_after_a_refusal() {
        let mut limits = limits(SandboxOptions { rate_limit: Some(1), ..SandboxOptions::default() });
        limits.ban(Duration::from_secs(10), 0);
        assert_eq!(
            limits.admit("app", "a", 1_000).unwrap_err().retry_after_secs,
            9,
            "the deadline is not announced yet"
        );
        assert_eq!(limits.counts(1_000).early, 0);
        assert!(limits.admit("app", "a", 2_000).is_err());
        assert_eq!(limits.counts(2_000).early, 1);
        assert!(limits.admit("app", "a", 10_000).is_ok());
        assert!(limits.admit("app", "a", 10_000).is_err());
        assert!(limits.admit("app", "a", 39_999).is_err());
        assert!(limits.admit("app", "a", 41_000).is_ok());
        assert_eq!(limits.counts(41_000).early, 2);
    }

    #[test]
    fn each_family_has_its_own_deadline() {
        let mut limits = limits(SandboxOptions { calls_per_family_per_day: Some(1), ..SandboxOptions::default() });
        for family in ["a", "b"] {
            assert!(limits.admit("app", family, 0).is_ok());
            assert!(limits.admit("app", family, 0).is_err());
        }
        assert_eq!(limits.counts(0).early, 0);
        assert!(limits.admit("app", "a", 1_000).is_err());
        assert_eq!(limits.counts(1_000).early, 1, "each family has its own deadline");
    }

    #[test]
    fn refused_calls_can_count() {
        let mut limits =
            limits(SandboxOptions { rate_limit: Some(1), refused_calls_count: true, ..SandboxOptions::default() });
        assert!(limits.admit("app", "a", 0).is_ok());
        assert!(limits.admit("app", "a", 20_000).is_err());
        assert!(limits.admit("app", "a", 30_000).is_err(), "the refused call still counts");
        assert!(limits.admit("app", "a", 60_000).is_ok());
    }

    #[test]
    fn client_ids_share_only_the_daily_quota() {
        let mut limits =
            limits(SandboxOptions { rate_limit: Some(1), calls_per_day: Some(3), ..SandboxOptions::default() });
        assert!(limits.admit("app", "a", 0).is_ok());
        assert_eq!(limits.admit("app", "a", 0).unwrap_err().retry_after_secs, 30);
        assert!(limits.admit("sister", "a", 0).is_ok(), "the deadline of another client id does not apply");
        assert_eq!(limits.counts(0).early, 0);
        assert!(limits.admit("app", "a", 30_000).is_ok());
        assert!(limits.admit("sister", "b", 30_000).unwrap_err().quota);
    }
}
