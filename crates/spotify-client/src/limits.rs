//! The configuration of a client: where Spotify is, who the client is, and how much it may call.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::auth::TokenRules;
use super::error::ApiError;
use crate::http::breaker::BreakerRules;
use crate::http::retry::RetryRules;
use crate::http::transport::{TransportRules, is_loopback};
use crate::state::{AdaptivePace, CallCeilings, CallSpender};

/// How much may be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct CallLimits {
    /// Calls a second, over all processes of the client id; infinite: no limit.
    pub requests_per_second: f64,
    /// Calls in flight in this process.
    pub concurrency: usize,
    /// Of a rolling day, over the account. `None`: unlimited.
    pub calls_per_day: Option<u32>,
    /// Of a rolling day, for each family. `None`: unlimited.
    pub calls_per_family: Option<u32>,
    /// The share of both that is left untouched.
    pub reserve: f64,
    /// Longer waits end the run.
    pub max_wait: Duration,
    /// Calls of this run.
    pub max_calls: Option<u64>,
    /// Whether the pace is found out by trying; then `requests_per_second` is where that begins.
    pub adaptive: bool,
    /// The job that asks, and its share of the day.
    pub spender: Option<CallSpender>,
}

impl CallLimits {
    /// The defaults for an app in Development Mode, or whose class is not known.
    pub fn development() -> CallLimits {
        CallLimits {
            requests_per_second: 2.0,
            concurrency: 1,
            calls_per_day: Some(1_000),
            calls_per_family: Some(500),
            reserve: 0.05,
            max_wait: Duration::from_secs(600),
            max_calls: None,
            adaptive: false,
            spender: None,
        }
    }

    /// The defaults for an app with Extended Quota.
    pub fn extended() -> CallLimits {
        CallLimits {
            requests_per_second: 5.0,
            concurrency: 4,
            calls_per_day: None,
            calls_per_family: None,
            ..CallLimits::development()
        }
    }
}

/// How long things take; tests shrink it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClientTimings {
    /// Of one request.
    pub transport: TransportRules,
    /// Of retries and waits.
    pub retry: RetryRules,
    /// Of the breaker.
    pub breaker: BreakerRules,
    /// Of the token.
    pub token: TokenRules,
    /// More waits than this in one run end it.
    pub max_waits: Duration,
    /// The rolling window in which Spotify counts calls.
    pub window: Duration,
}

impl Default for ClientTimings {
    fn default() -> Self {
        ClientTimings {
            transport: TransportRules::default(),
            retry: RetryRules::default(),
            breaker: BreakerRules::default(),
            token: TokenRules::default(),
            max_waits: Duration::from_secs(3_600),
            window: Duration::from_secs(30),
        }
    }
}

/// All that an [`Api`](super::client::Api) needs to know.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// `https://api.spotify.com/v1`, or a sandbox on this machine.
    pub api_url: Url,
    /// `https://accounts.spotify.com`, or the same sandbox.
    pub accounts_url: Url,
    /// The app.
    pub client_id: String,
    /// Its secret. Without one there is no app token.
    pub client_secret: Option<SecretString>,
    /// Which developer account the app belongs to; the client id if nothing is known.
    pub account: String,
    /// How much may be asked.
    pub limits: CallLimits,
    /// How long things take.
    pub timings: ClientTimings,
}

/// Calls in a window that an adaptive pace never goes beyond: about 10 a second was seen to be refused
/// when Spotify let more through than it does now.
const MAX_CALLS_PER_WINDOW: u32 = 300;

/// How the pace adapts, if it does.
pub(super) fn adaptive_pace(limits: &CallLimits, scales: &ClientTimings) -> Option<AdaptivePace> {
    limits
        .adaptive
        .then(|| AdaptivePace { window: scales.window, least_interval: scales.window / MAX_CALLS_PER_WINDOW })
}

/// The ceilings of the books for these limits.
pub fn ceilings(limits: &CallLimits) -> CallCeilings {
    CallCeilings { per_day: limits.calls_per_day, per_family: limits.calls_per_family, reserve: limits.reserve }
}

/// Refuses a base URL over which a token would travel in the clear.
pub(super) fn check_base_url(setting: &str, url: &Url) -> Result<(), ApiError> {
    let refuse = |why: &str| Err(ApiError::Config { message: format!("{setting}: {why}") });
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(url) => {}
        "http" => return refuse("plain http is for this machine only, use https"),
        _ => return refuse("an https URL is expected"),
    }
    if url.host_str().is_none_or(str::is_empty) {
        return refuse("a host is missing");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("user names and passwords do not belong here");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("a query or fragment does not belong here");
    }
    Ok(())
}
