//! Why a call did not bring what was asked for. Spotify's own words are kept in every kind.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use thiserror::Error;

use super::family::EndpointFamily;
use super::forbidden::ForbiddenReason;
use crate::state::StateError;
use crate::state::grants::GrantError;

/// What came of a call instead of an answer.
#[derive(Debug, Clone, Error)]
pub enum ApiError {
    /// 400 or 422: a parameter is wrong, e.g. `Invalid limit`.
    #[error("{family}: Spotify refuses the request: {message}")]
    BadRequest {
        /// What was asked.
        family: EndpointFamily,
        /// Spotify's words.
        message: String,
    },
    /// 403.
    #[error("{family}: forbidden, {kind}: {message}")]
    Refused {
        /// What was asked.
        family: EndpointFamily,
        /// Which of the kinds of 403.
        kind: ForbiddenReason,
        /// Spotify's words.
        message: String,
    },
    /// 404: unknown, private, or made by Spotify.
    #[error("{family}: not found: {message}")]
    NotFound {
        /// What was asked.
        family: EndpointFamily,
        /// Spotify's words.
        message: String,
    },
    /// 410.
    #[error("{family}: gone: {message}")]
    Gone {
        /// What was asked.
        family: EndpointFamily,
        /// Spotify's words.
        message: String,
    },
    /// A redirect or a status that nobody expects here. Not followed, not retried.
    #[error("{family}: unexpected status {status}: {message}")]
    Unexpected {
        /// What was asked.
        family: EndpointFamily,
        /// The status.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// Nothing more of this scope until then (exit 75).
    #[error("{}: {message}", reason.until(*until))]
    Deferred {
        /// The next call may go then.
        until: DateTime<Utc>,
        /// What is held back, and why.
        reason: DeferralReason,
        /// Spotify's words, or our own count.
        message: String,
    },
    /// A person must look at a credential (exit 77).
    #[error("Spotify does not accept the credentials, look at {variable}: {message}")]
    Credentials {
        /// `SPOTIFY_CLIENT_ID` or `SPOTIFY_CLIENT_SECRET`.
        variable: &'static str,
        /// Spotify's words.
        message: String,
    },
    /// A user must sign in again, or for the first time (exit 77).
    #[error("user `{user}` has to sign in: {why}")]
    SignIn {
        /// The local name of the user.
        user: String,
        /// Spotify's words, or that there is no grant.
        why: String,
    },
    /// The page stayed unusable: that list is partial (exit 3), the rest goes on.
    #[error("{family}: {attempts} answers in a row were unusable: {what}")]
    Unusable {
        /// What was asked.
        family: EndpointFamily,
        /// What was wrong with the last.
        what: String,
        /// How many.
        attempts: u32,
    },
    /// No answer, and no retries left (exit 1).
    #[error("Spotify cannot be reached, {attempts} attempts: {what}")]
    Unreachable {
        /// The last failure, or that the run's retries are spent.
        what: String,
        /// How often this call was sent.
        attempts: u32,
    },
    /// The certificate is not accepted (exit 1, no retry).
    #[error("{message}")]
    Certificate {
        /// What TLS says.
        message: String,
    },
    /// The same, and the clock of this machine is older than this program (exit 1).
    #[error("this machine's clock says {now}, which cannot be; {message}")]
    ClockWrong {
        /// What the clock says.
        now: DateTime<Utc>,
        /// What TLS says.
        message: String,
    },
    /// The run was stopped (exit 75).
    #[error("stopped")]
    Stopped,
    /// A setting cannot be used (exit 2).
    #[error("{message}")]
    Config {
        /// Which and why.
        message: String,
    },
    /// The call cannot be booked, so it was not sent (exit 74).
    #[error("the call cannot be booked")]
    State(#[source] Arc<StateError>),
    /// The grants cannot be read or written (exit 77 if [`GrantError::needs_a_person`], else 74).
    #[error("{0}")]
    Grants(#[source] Arc<GrantError>),
}

impl From<GrantError> for ApiError {
    fn from(error: GrantError) -> Self {
        ApiError::Grants(Arc::new(error))
    }
}

impl From<StateError> for ApiError {
    fn from(error: StateError) -> Self {
        ApiError::State(Arc::new(error))
    }
}

/// What a deferral holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeferralScope {
    /// One family; others go on.
    Family(EndpointFamily),
    /// Everything of this client id.
    Client,
    /// Everything of the developer account.
    Account,
}

/// Why a scope is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeferralReason {
    /// Spotify asked for a longer wait than may be sat out.
    RateLimit(DeferralScope),
    /// `QUOTA_EXCEEDED`.
    Quota(DeferralScope),
    /// Our ceiling is reached; nothing was refused.
    Budget(DeferralScope),
    /// The job has taken its half of the day; other jobs may go on.
    Share(DeferralScope),
    /// The job has taken the calls that its `max_calls` gives it in any 24 hours; other jobs may go on.
    JobCalls,
    /// The calls of this run are used.
    MaxCalls,
    /// Spotify has been down for long.
    Outage,
}

impl DeferralReason {
    /// The one family that is held back; `None`: everything is.
    pub fn family(self) -> Option<EndpointFamily> {
        match self {
            DeferralReason::RateLimit(DeferralScope::Family(family))
            | DeferralReason::Quota(DeferralScope::Family(family))
            | DeferralReason::Budget(DeferralScope::Family(family))
            | DeferralReason::Share(DeferralScope::Family(family)) => Some(family),
            _ => None,
        }
    }
}

impl DeferralReason {
    /// What is held back, and until when, where that is known.
    fn until(self, not_before: DateTime<Utc>) -> String {
        match self {
            // Whoever starts the next run says how many calls it has.
            DeferralReason::MaxCalls => self.to_string(),
            _ => format!("{self} until {}", not_before.to_rfc3339_opts(SecondsFormat::Secs, true)),
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

impl fmt::Display for DeferralReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeferralReason::RateLimit(scope) => write!(f, "Spotify holds {scope} back"),
            DeferralReason::Quota(scope) => write!(f, "Spotify's quota for {scope} is spent"),
            DeferralReason::Budget(scope) => write!(f, "the day's ceiling for {scope} is reached"),
            DeferralReason::Share(scope) => {
                write!(f, "this job has used its half of the day's ceiling for {scope}, and waits")
            }
            DeferralReason::JobCalls => {
                f.write_str("this job has used its `max_calls` of the last 24 hours, and waits")
            }
            DeferralReason::MaxCalls => f.write_str("the calls of this run are used"),
            DeferralReason::Outage => f.write_str("Spotify does not answer; waiting"),
        }
    }
}

impl ApiError {
    /// What a person can do, if there is something.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            ApiError::Credentials { variable, .. } => {
                format!("compare {variable} with the app's page in Spotify's developer dashboard")
            }
            ApiError::Refused { kind, .. } => match kind {
                ForbiddenReason::EndpointRemoved => {
                    "Development Mode apps lost it in February 2026; `streams` shows what is left"
                }
                ForbiddenReason::NotYourPlaylist => "sign its owner or a collaborator in: `auth login USER`",
                ForbiddenReason::ScopeMissing => {
                    "sign in again, the new consent has all scopes that jobs need: `auth login USER`"
                }
                ForbiddenReason::NotAllowListed => "add the user under User Management in Spotify's developer dashboard",
                ForbiddenReason::PremiumLapsed => "the owner of the app must renew Premium",
                ForbiddenReason::Unknown => "Spotify says no more than that; it is asked again in a week, or with `run --full`",
            }
            .to_owned(),
            ApiError::Deferred { reason: DeferralReason::RateLimit(DeferralScope::Family(_)), .. } => {
                "Spotify refuses this endpoint whenever it is asked; if it still does after that time, take the fetch out"
                    .to_owned()
            }
            ApiError::Deferred { reason: DeferralReason::RateLimit(_) | DeferralReason::Quota(_), .. } => {
                "wait: asking earlier, or with another client id of the same account, makes it longer".to_owned()
            }
            ApiError::Deferred { reason: DeferralReason::Share(_), .. } => {
                "the other half is for other jobs; `max_calls` in the job file gives it another share".to_owned()
            }
            ApiError::Deferred { reason: DeferralReason::JobCalls, .. } => {
                "`max_calls` in the job file is what all its runs together may spend in any 24 hours".to_owned()
            }
            ApiError::Unusable { .. } => {
                "a proxy or a network's sign-in page may answer in Spotify's place: open https://api.spotify.com in a browser, look at HTTPS_PROXY"
                    .to_owned()
            }
            ApiError::Unreachable { .. } => {
                "look at the network and at HTTPS_PROXY; the next run goes on from what was committed".to_owned()
            }
            ApiError::ClockWrong { .. } => "set the clock: `timedatectl set-ntp true`".to_owned(),
            ApiError::Certificate { .. } => {
                "a proxy that opens TLS needs its certificate in the system's store".to_owned()
            }
            ApiError::SignIn { user, .. } => format!("cratedigger auth login {user}"),
            ApiError::State(error) => return error.hint(),
            ApiError::Grants(error) => return error.hint(),
            _ => return None,
        })
    }
}
