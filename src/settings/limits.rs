//! The limits in force, which depend on the app class.

use std::time::Duration;

use super::sections::{CallsSetting, Settings};
use spotify_client::AppClass;

/// How fast and how often Spotify may be called.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitsInForce {
    /// Calls per second.
    pub requests_per_second: f64,
    /// Calls in flight.
    pub concurrency: u32,
    /// Maximum number of calls in any 24 hours; none means unlimited.
    pub calls_per_day: Option<u64>,
    /// Maximum number of calls to one endpoint family in any 24 hours; none means unlimited.
    pub calls_per_family: Option<u64>,
    /// Share of the daily calls that is never spent, 0 to 1.
    pub reserve: f64,
    /// A run that would have to wait longer is deferred.
    pub max_wait: Duration,
    /// Whether the pace adapts to Spotify's answers.
    pub adaptive: bool,
}

impl Settings {
    /// The developer account with the budget that a client id uses.
    pub fn account(&self, client_id: &str) -> String {
        self.spotify.account.clone().unwrap_or_else(|| client_id.to_owned())
    }

    /// The limits for an app class. While the class is unknown, the limits of Development Mode apply:
    /// a slow pace is a nuisance, but a fast pace can lead to a cool-down of a day.
    pub fn limits_for(&self, class: Option<AppClass>) -> LimitsInForce {
        let class = class.or(self.spotify.app_mode.class()).unwrap_or(AppClass::Development);
        let (per_second, concurrency, day, family) = match class {
            AppClass::Development => (2.0, 1, CallsSetting::AtMost(1_000), CallsSetting::AtMost(500)),
            AppClass::Extended => (5.0, 4, CallsSetting::Unlimited, CallsSetting::Unlimited),
        };
        let said = &self.limits;
        LimitsInForce {
            requests_per_second: said.requests_per_second.unwrap_or(per_second),
            concurrency: said.concurrency.unwrap_or(concurrency),
            calls_per_day: said.calls_per_day.unwrap_or(day).ceiling(),
            calls_per_family: said.calls_per_family.unwrap_or(family).ceiling(),
            reserve: said.reserve,
            max_wait: said.max_wait,
            adaptive: said.adaptive,
        }
    }
}

impl CallsSetting {
    fn ceiling(self) -> Option<u64> {
        match self {
            CallsSetting::AtMost(calls) => Some(calls),
            CallsSetting::Unlimited => None,
        }
    }
}
