//! A deferral: why no call may be sent for now, and until when.
//!
//! The ledger finds one (a cool-down in force, a ceiling that is reached), the limiter passes it on,
//! [`ApiError::Deferred`](crate::error::ApiError::Deferred) carries it to the caller, and the caller
//! schedules the next run by it. It is one type on the whole way.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::family::EndpointFamily;

/// Why calls are held back, which ones, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deferral {
    /// Which calls are held back.
    pub scope: DeferralScope,
    /// Why.
    pub reason: DeferralReason,
    /// When the next call may go out.
    pub until: DateTime<Utc>,
    /// Status, header and message of the refusal, or our own count of calls.
    pub evidence: String,
}

/// Which calls are held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeferralScope {
    /// Every call of one client id.
    Client,
    /// Every call of every client id of one developer account.
    Account,
    /// Calls of the account to one endpoint family. Calls to other families may go out.
    Family(EndpointFamily),
}

/// Why calls are held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeferralReason {
    /// Spotify answered 429.
    RateLimit,
    /// Spotify answered 429 with `QUOTA_EXCEEDED`.
    Quota,
    /// Spotify answered 503 with a `Retry-After`: it refuses everybody, however little they have used.
    Unavailable,
    /// The accounts service gives out no tokens. Its limits are separate from those of the Web API.
    Accounts,
    /// Our own ceiling for a rolling day is reached. Spotify has refused nothing.
    Budget,
    /// The job has used its half of the day's ceiling. Other jobs may still send calls.
    JobShare,
    /// The job has used the `max_calls` that it may send in any 24 hours. Other jobs may still send calls.
    JobCalls,
    /// This run has sent its maximum number of calls.
    MaxCalls,
    /// Spotify has not answered for some time.
    Outage,
}

impl Deferral {
    /// The one family that is deferred, or `None` if every call is.
    pub fn family(&self) -> Option<EndpointFamily> {
        match (self.reason, self.scope) {
            (DeferralReason::JobCalls, _) => None,
            (_, DeferralScope::Family(family)) => Some(family),
            _ => None,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match (self.reason, self.scope) {
            (DeferralReason::RateLimit, DeferralScope::Family(_)) => {
                "Spotify refuses this endpoint on every call; if it still does after that time, remove the fetch from the job"
            }
            (
                DeferralReason::RateLimit
                | DeferralReason::Quota
                | DeferralReason::Unavailable
                | DeferralReason::Accounts,
                _,
            ) => "wait: a call before that time, or with another client id of the same account, makes the wait longer",
            (DeferralReason::JobShare, _) => {
                "the other half is reserved for other jobs; `max_calls` in the job file sets another share"
            }
            (DeferralReason::JobCalls, _) => {
                "`max_calls` in the job file is the number of calls that all runs of the job may send in any 24 hours"
            }
            (DeferralReason::Budget | DeferralReason::MaxCalls | DeferralReason::Outage, _) => return None,
        })
    }
}

impl fmt::Display for Deferral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Deferral { scope, reason, until, evidence } = self;
        match reason {
            DeferralReason::RateLimit | DeferralReason::Unavailable | DeferralReason::Accounts => {
                write!(f, "Spotify holds {scope} back")
            }
            DeferralReason::Quota => write!(f, "Spotify's quota for {scope} is spent"),
            DeferralReason::Budget => write!(f, "the day's ceiling for {scope} is reached"),
            DeferralReason::JobShare => {
                write!(f, "this job has used its half of the day's ceiling for {scope}, and waits")
            }
            DeferralReason::JobCalls => {
                f.write_str("this job has used its `max_calls` of the last 24 hours, and waits")
            }
            DeferralReason::MaxCalls => f.write_str("the calls of this run are used"),
            DeferralReason::Outage => f.write_str("Spotify does not answer; waiting"),
        }?;
        // The next run has calls of its own, whenever it starts.
        if *reason != DeferralReason::MaxCalls {
            write!(f, " until {}", until.to_rfc3339_opts(SecondsFormat::Secs, true))?;
        }
        write!(f, ": {evidence}")
    }
}

impl DeferralScope {
    /// `client`, `account` or `family`, as stored and as shown in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            DeferralScope::Client => "client",
            DeferralScope::Account => "account",
            DeferralScope::Family(_) => "family",
        }
    }

    /// The one family that is deferred, if it is one.
    pub fn family(self) -> Option<EndpointFamily> {
        match self {
            DeferralScope::Family(family) => Some(family),
            DeferralScope::Client | DeferralScope::Account => None,
        }
    }
}

impl fmt::Display for DeferralScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeferralScope::Family(family) => write!(f, "calls to {family}"),
            DeferralScope::Client => f.write_str("calls of this client id"),
            DeferralScope::Account => f.write_str("calls of this account"),
        }
    }
}

impl DeferralReason {
    /// The reason of a stored refusal. An unknown word is a rate limit.
    pub(crate) fn parse(text: &str) -> DeferralReason {
        [DeferralReason::Quota, DeferralReason::Unavailable, DeferralReason::Accounts]
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .unwrap_or(DeferralReason::RateLimit)
    }

    /// The word for it in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            DeferralReason::RateLimit => "rate_limit",
            DeferralReason::Quota => "quota",
            DeferralReason::Unavailable => "unavailable",
            DeferralReason::Accounts => "accounts",
            DeferralReason::Budget => "budget",
            DeferralReason::JobShare => "job_share",
            DeferralReason::JobCalls => "job_calls",
            DeferralReason::MaxCalls => "max_calls",
            DeferralReason::Outage => "outage",
        }
    }
}
