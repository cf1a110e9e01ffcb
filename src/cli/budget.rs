//! Compares the calls that are left today with what runs cost: whether a run fits, and how far it gets
//! if it does not. `plan` shows the same numbers that `run` uses.

use std::collections::{BTreeMap, BTreeSet};

use crate::job::Job;
use crate::sync::{CallEstimate, CallRange};
use spotify_client::state::{CallCeilings, CallsByJob, JobShare, LedgerUsage};

/// The calls that may still be sent now. `None` means no ceiling.
#[derive(Debug, Clone)]
pub(super) struct RemainingBudget {
    /// For the whole account.
    pub account: Option<u64>,
    /// For endpoint families with calls in the last day or with a ceiling of their own.
    families: BTreeMap<String, u64>,
    /// For each other family.
    per_family: Option<u64>,
    /// The calls of a whole day, from which a job gets its share: for the account and for a family.
    day: (Option<u32>, Option<u32>),
    /// Those of the families that have calls or a ceiling of their own.
    family_days: BTreeMap<String, u32>,
}

impl RemainingBudget {
    /// What the ledger says.
    pub(super) fn from_usage(usage: &LedgerUsage, ceilings: CallCeilings) -> RemainingBudget {
        let of_day = |calls: Option<u32>| calls.map(|calls| self::usable(calls, ceilings.reserve));
        let usable = |calls: u32| u64::from(usable(calls, ceilings.reserve));
        let used = usage.families.iter().filter_map(|it| Some((it.family.clone(), u64::from(it.left?))));
        let mut families: BTreeMap<String, u64> = used.collect();
        let days = usage.families.iter().filter_map(|it| Some((it.family.clone(), of_day(it.ceiling)?)));
        let mut family_days: BTreeMap<String, u32> = days.collect();
        for learned in usage.learned.iter().filter(|it| !it.family.is_empty()) {
            let now = ceilings.per_family.map_or(learned.now, |set| set.min(learned.now));
            families.entry(learned.family.clone()).or_insert(usable(now));
            family_days.entry(learned.family.clone()).or_insert(self::usable(now, ceilings.reserve));
        }
        RemainingBudget {
            account: usage.account.left.map(u64::from),
            families,
            per_family: ceilings.per_family.map(usable),
            day: (of_day(usage.account.ceiling), of_day(ceilings.per_family)),
            family_days,
        }
    }

    /// The budget of a whole day with no calls used.
    pub(super) fn whole_day(usage: &LedgerUsage, ceilings: CallCeilings) -> RemainingBudget {
        let usable = |calls: u32| u64::from(usable(calls, ceilings.reserve));
        let fresh = RemainingBudget::from_usage(usage, ceilings);
        let used = usage.families.iter().filter_map(|it| Some((it.family.clone(), usable(it.ceiling?))));
        RemainingBudget { account: usage.account.ceiling.map(usable), families: used.collect(), ..fresh }
    }

    /// The number of such days that a price takes, by the account or by the slowest family.
    pub(super) fn days(&self, price: &CallEstimate) -> f64 {
        let days = |calls: CallRange, left: Option<u64>| match left {
            None => 0.0,
            Some(left) => calls.expected_calls() as f64 / left.max(1) as f64,
        };
        let families = price.by_family.iter().map(|(family, calls)| days(*calls, self.left_in_family(family.as_str())));
        families.fold(days(price.calls(), self.account), f64::max)
    }

    /// The calls that one job may send: its share of the day minus those it has sent, for the account and for each family,
    /// and at most `max_calls`.
    pub(super) fn for_job(&self, job: &Job, max_calls: Option<u64>, spent: &CallsByJob) -> RemainingBudget {
        let mut left = self.clone();
        let share = JobShare::from_max_calls(job.max_calls);
        let of_account = share.account_limit(self.day.0).map(|calls| u64::from(calls.saturating_sub(spent.all)));
        let of_family = share.family_limit(self.day.1).map(u64::from);
        left.account = tighter_bound(tighter_bound(left.account, of_account), max_calls);
        left.per_family = tighter_bound(left.per_family, of_family);
        let names: BTreeSet<&String> = self.families.keys().chain(spent.families.keys()).collect();
        for family in names {
            let of_day = share.family_limit(self.family_days.get(family).copied().or(self.day.1));
            let sent = spent.families.get(family).copied().unwrap_or(0);
            let own = of_day.map(|calls| u64::from(calls.saturating_sub(sent)));
            if let Some(most) = tighter_bound(self.left_in_family(family), own) {
                left.families.insert(family.clone(), most);
            }
        }
        left
    }

    /// The tighter of two budgets, for the account and for every family.
    #[must_use]
    pub(super) fn tighter_of(&self, other: &RemainingBudget) -> RemainingBudget {
        let names = self.families.keys().chain(other.families.keys());
        let family =
            |name: &String| Some((name.clone(), tighter_bound(self.left_in_family(name), other.left_in_family(name))?));
        RemainingBudget {
            account: tighter_bound(self.account, other.account),
            families: names.filter_map(family).collect(),
            per_family: tighter_bound(self.per_family, other.per_family),
            day: self.day,
            family_days: self.family_days.clone(),
        }
    }

    fn left_in_family(&self, family: &str) -> Option<u64> {
        self.families.get(family).copied().or(self.per_family)
    }

    /// Whether a run of this price can finish today.
    pub(super) fn fits(&self, price: &CallEstimate) -> bool {
        let within = |calls: CallRange, left: Option<u64>| left.is_none_or(|left| calls.expected_calls() <= left);
        within(price.calls(), self.account)
            && price.by_family.iter().all(|(family, calls)| within(*calls, self.left_in_family(family.as_str())))
    }

    /// Whether nothing limits the calls of a run of this price.
    pub(super) fn has_no_limit(&self, price: &CallEstimate) -> bool {
        self.account.is_none() && price.by_family.keys().all(|family| self.left_in_family(family.as_str()).is_none())
    }

    /// Subtracts what a run of this price spends, as far as calls are left, and returns the number of calls.
    pub(super) fn spend(&mut self, price: &CallEstimate) -> u64 {
        price.by_family.iter().map(|(family, calls)| self.take(family.as_str(), calls.expected_calls())).sum()
    }

    /// Subtracts what a run of this price will still spend after `spent` calls.
    pub(super) fn reserve(&mut self, price: &CallEstimate, spent: u64) {
        let whole = price.calls().expected_calls();
        // The ledger does not record a job's calls by family, so assume the same progress in all of them.
        let rest = |calls: u64| calls.saturating_mul(whole.saturating_sub(spent)).div_ceil(whole.max(1));
        for (family, calls) in &price.by_family {
            self.take(family.as_str(), rest(calls.expected_calls()));
        }
    }

    fn take(&mut self, family: &str, wanted: u64) -> u64 {
        let now = [self.account, self.left_in_family(family)].into_iter().flatten().fold(wanted, u64::min);
        if let Some(left) = &mut self.account {
            *left -= now;
        }
        if let Some(left) = self.left_in_family(family) {
            self.families.insert(family.to_owned(), left - now);
        }
        now
    }

    /// The fraction of the remaining calls that `calls` is.
    pub(super) fn share(&self, calls: u64) -> Option<f64> {
        self.account.map(|left| if left == 0 { f64::INFINITY } else { calls as f64 / left as f64 })
    }
}

fn tighter_bound(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

fn usable(calls: u32, reserve: f64) -> u32 {
    spotify_client::state::usable(calls, reserve)
}

/// `12 calls`, `3 to 5 calls`, `7 or more calls`, `about 404 calls (204 or more)`.
pub(super) fn describe_calls(calls: CallRange) -> String {
    // `1 call` and `about 1 call (0 or more)`, but `1 or more calls`.
    let is_one = calls.at_most == Some(1) || (calls.at_most.is_none() && calls.at_least == 0);
    let noun = if calls.expected_calls() == 1 && is_one { "call" } else { "calls" };
    match format_calls(calls).split_once(" (") {
        Some((about, least)) => format!("{about} {noun} ({least}"),
        None => format!("{} {noun}", format_calls(calls)),
    }
}

/// `12`, `3 to 5`, `7 or more`, `about 404 (204 or more)`.
pub(super) fn format_calls(calls: CallRange) -> String {
    match (calls.at_least, calls.at_most) {
        (least, Some(most)) if least == most => least.to_string(),
        (least, Some(most)) => format!("{least} to {most}"),
        (least, None) if calls.expected_calls() > least => {
            format!("about {} ({least} or more)", calls.expected_calls())
        }
        (least, None) => format!("{least} or more"),
    }
}

/// `3 min 20 s`.
pub(super) fn format_duration(seconds: f64) -> String {
    let secs = seconds.ceil() as u64;
    match secs {
        0..120 => format!("{secs} s"),
        120..7_200 => format!("{} min", secs.div_ceil(60)),
        _ => format!("{} h {} min", secs / 3_600, secs % 3_600 / 60),
    }
}
