//! The rolling rate limit and the daily quotas.
//!
//! Two mechanisms, as Spotify has two: calls per rolling 30 seconds, refused with a short
//! `Retry-After`, and calls per rolling 24 hours (in all, and per family of endpoints), refused
//! with `QUOTA_EXCEEDED` and a long one. Both windows roll: no calendar day frees anybody.
//! A call that comes before a deadline it was told can be punished with a new, longer one.

use std::collections::VecDeque;
use std::time::Duration;

use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::Options;

const WINDOW_MS: i64 = 30_000;
const DAY_MS: i64 = 86_400_000;

/// How many calls are let in; unlimited where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Allowance {
    /// Calls per rolling 30 seconds.
    pub rate_limit: Option<u32>,
    /// Calls per rolling 24 hours.
    pub calls_per_day: Option<u32>,
    /// Calls per rolling 24 hours to one family of endpoints.
    pub calls_per_family_per_day: Option<u32>,
}

/// Why a call is refused, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) quota: bool,
    pub(crate) retry_after_secs: u64,
}

/// The limits and the calls they have counted.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    allowed: Allowance,
    refused_count: bool,
    punishment: Option<Duration>,
    window: VecDeque<i64>,
    day: VecDeque<i64>,
    families: FxHashMap<String, VecDeque<i64>>,
    deadline: Option<(i64, Refusal)>,
}

impl Limits {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            allowed: Allowance {
                rate_limit: options.rate_limit,
                calls_per_day: options.calls_per_day,
                calls_per_family_per_day: options.calls_per_family_per_day,
            },
            refused_count: options.refused_calls_count,
            punishment: options.punishment,
            ..Self::default()
        }
    }

    /// Other limits from now on; what was counted stays counted.
    pub(crate) fn allow(&mut self, allowed: Allowance) {
        self.allowed = allowed;
    }

    /// Counts a call, or refuses it.
    ///
    /// # Errors
    /// The refusal to be sent.
    pub(crate) fn admit(&mut self, family: &str, now_ms: i64) -> Result<(), Refusal> {
        if let (Some((until, was)), Some(more)) = (self.deadline, self.punishment)
            && now_ms < until
        {
            let refusal = Refusal { retry_after_secs: more.as_secs(), ..was };
            return Err(self.refuse(now_ms, refusal));
        }
        let of_family = self.families.entry(family.to_owned()).or_default();
        let verdict = [
            (&mut self.window, self.allowed.rate_limit, WINDOW_MS, false),
            (&mut self.day, self.allowed.calls_per_day, DAY_MS, true),
            (of_family, self.allowed.calls_per_family_per_day, DAY_MS, true),
        ]
        .into_iter()
        .filter_map(|(calls, limit, length, quota)| {
            let wait_ms = wait(calls, limit?, length, now_ms)?;
            let retry_after_secs = u64::try_from(wait_ms).unwrap_or(0).div_ceil(1000).max(1);
            Some(Refusal { quota, retry_after_secs })
        })
        .max_by_key(|refusal| refusal.retry_after_secs);
        if verdict.is_none() || self.refused_count {
            self.window.push_back(now_ms);
            self.day.push_back(now_ms);
            if let Some(calls) = self.families.get_mut(family) {
                calls.push_back(now_ms);
            }
        }
        match verdict {
            None => Ok(()),
            Some(refusal) => Err(self.refuse(now_ms, refusal)),
        }
    }

    fn refuse(&mut self, now_ms: i64, refusal: Refusal) -> Refusal {
        let ms = i64::try_from(refusal.retry_after_secs).unwrap_or(i64::MAX / 2000) * 1000;
        self.deadline = Some((now_ms + ms, refusal));
        refusal
    }
}

/// How long until the window has room again; nothing if it has room now.
fn wait(calls: &mut VecDeque<i64>, limit: u32, length_ms: i64, now_ms: i64) -> Option<i64> {
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

    fn limits(options: Options) -> Limits {
        Limits::new(&options)
    }

    #[test]
    fn a_rolling_window_frees_one_call_as_the_oldest_leaves() {
        let mut limits = limits(Options { rate_limit: Some(2), ..Options::default() });
        assert!(limits.admit("a", 0).is_ok());
        assert!(limits.admit("a", 10_000).is_ok());
        let refusal = limits.admit("a", 10_000).unwrap_err();
        assert_eq!(refusal, Refusal { quota: false, retry_after_secs: 20 });
        assert!(limits.admit("a", 29_999).is_err());
        assert!(limits.admit("a", 30_000).is_ok());
        assert!(limits.admit("a", 30_001).is_err());
    }

    #[test]
    fn a_family_runs_out_while_others_go_on_and_the_account_runs_out_for_all() {
        let mut limits =
            limits(Options { calls_per_day: Some(3), calls_per_family_per_day: Some(2), ..Options::default() });
        assert!(limits.admit("a", 0).is_ok() && limits.admit("a", 0).is_ok());
        let refusal = limits.admit("a", 1_000).unwrap_err();
        assert_eq!(refusal, Refusal { quota: true, retry_after_secs: 86_399 });
        assert!(limits.admit("b", 1_000).is_ok());
        assert!(limits.admit("c", 1_000).unwrap_err().quota);
    }

    #[test]
    fn a_call_before_the_deadline_is_punished_if_asked_for() {
        let mut limits =
            limits(Options { rate_limit: Some(1), punishment: Some(Duration::from_secs(3600)), ..Options::default() });
        assert!(limits.admit("a", 0).is_ok());
        assert_eq!(limits.admit("a", 0).unwrap_err().retry_after_secs, 30);
        assert_eq!(limits.admit("a", 29_000).unwrap_err().retry_after_secs, 3600);
        assert_eq!(limits.admit("a", 31_000).unwrap_err().retry_after_secs, 3600);
        assert!(limits.admit("a", 31_000 + 3_600_000).is_ok());
    }

    #[test]
    fn refused_calls_can_count_too() {
        let mut limits = limits(Options { rate_limit: Some(1), refused_calls_count: true, ..Options::default() });
        assert!(limits.admit("a", 0).is_ok());
        assert!(limits.admit("a", 20_000).is_err());
        assert!(limits.admit("a", 30_000).is_err(), "the refused one still counts");
        assert!(limits.admit("a", 60_000).is_ok());
    }
}
