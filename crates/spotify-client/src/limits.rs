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

/// How much may be called.
#[derive(Debug, Clone, PartialEq)]
pub struct CallLimits {
    /// Calls a second over all processes of the client id. Infinity means no limit.
    pub requests_per_second: f64,
    /// Calls in flight in this process.
    pub concurrency: usize,
    /// Calls of the account in a rolling day. `None` means unlimited.
    pub calls_per_day: Option<u32>,
    /// Calls to each family in a rolling day. `None` means unlimited.
    pub calls_per_family: Option<u32>,
    /// The share of both that is never used.
    pub reserve: f64,
    /// Longer waits end the run.
    pub max_wait: Duration,
    /// Maximum number of calls of this run.
    pub max_calls: Option<u64>,
    /// Whether the pace is found out by trying, starting at `requests_per_second`.
    pub adaptive: bool,
    /// The job that sends the calls, and its share of the day.
    pub spender: Option<CallSpender>,
}

impl CallLimits {
    /// The defaults for an app in Development Mode, or of an unknown class.
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

/// All timings of the client. Tests shorten them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClientTimings {
    /// Timings of one request.
    pub transport: TransportRules,
    /// Timings of retries and waits.
    pub retry: RetryRules,
    /// Timings of the breaker.
    pub breaker: BreakerRules,
    /// Timings of tokens.
    pub token: TokenRules,
    /// More waits than this in total end a run.
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

/// The configuration of a [`SpotifyClient`](super::client::SpotifyClient).
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// `https://api.spotify.com/v1`, or a sandbox on this machine.
    pub api_url: Url,
    /// `https://accounts.spotify.com`, or the same sandbox.
    pub accounts_url: Url,
    /// The client id of the app.
    pub client_id: String,
    /// The secret of the app. Without one there is no app token.
    pub client_secret: Option<SecretString>,
    /// The developer account of the app, or the client id if the account is unknown.
    pub account: String,
    /// How much may be called.
    pub limits: CallLimits,
    /// All timings.
    pub timings: ClientTimings,
}

impl ApiConfig {
    /// Spotify itself, for an app of an unknown class: the careful limits of Development Mode.
    ///
    /// # Errors
    ///
    /// [`ApiError::Config`] if the addresses of Spotify cannot be parsed, which does not happen.
    pub fn new(client_id: &str, client_secret: Option<SecretString>) -> Result<ApiConfig, ApiError> {
        let url =
            |text: &str| Url::parse(text).map_err(|error| ApiError::Config { message: format!("{text}: {error}") });
        Ok(ApiConfig {
            api_url: url("https://api.spotify.com/v1")?,
            accounts_url: url("https://accounts.spotify.com")?,
            client_id: client_id.to_owned(),
            client_secret,
            account: client_id.to_owned(),
            limits: CallLimits::development(),
            timings: ClientTimings::default(),
        })
    }
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

/// The ceilings of the ledger for these limits.
pub fn ceilings(limits: &CallLimits) -> CallCeilings {
    CallCeilings { per_day: limits.calls_per_day, per_family: limits.calls_per_family, reserve: limits.reserve }
}

/// Refuses a base URL over which a token would travel unencrypted.
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
