//! Why a call did not bring what was asked for. Spotify's own words are kept in every kind.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use thiserror::Error;

use super::deferral::Deferral;
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
    /// Calls of this scope are deferred until later (exit 75).
    #[error("{0}")]
    Deferred(Deferral),
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
            ApiError::Deferred(deferral) => return deferral.hint().map(str::to_owned),
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
