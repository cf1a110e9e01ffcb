//! Why a call failed. Every variant keeps Spotify's own message.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use thiserror::Error;

use super::deferral::Deferral;
use super::family::EndpointFamily;
use super::forbidden::ForbiddenReason;
use crate::state::StateError;
use crate::state::grants::GrantError;

/// The error of a call.
#[derive(Debug, Clone, Error)]
pub enum ApiError {
    /// 400 or 422: a parameter is wrong, e.g. `Invalid limit`.
    #[error("{family}: Spotify refuses the request: {message}")]
    BadRequest {
        /// The family that was called.
        family: EndpointFamily,
        /// Spotify's message.
        message: String,
    },
    /// 403.
    #[error("{family}: forbidden, {kind}: {message}")]
    Refused {
        /// The family that was called.
        family: EndpointFamily,
        /// Which of the kinds of 403.
        kind: ForbiddenReason,
        /// Spotify's message.
        message: String,
    },
    /// 404: unknown, private, or made by Spotify.
    #[error("{family}: not found: {message}")]
    NotFound {
        /// The family that was called.
        family: EndpointFamily,
        /// Spotify's message.
        message: String,
    },
    /// 410.
    #[error("{family}: gone: {message}")]
    Gone {
        /// The family that was called.
        family: EndpointFamily,
        /// Spotify's message.
        message: String,
    },
    /// A redirect or an unexpected status. It is neither followed nor retried.
    #[error("{family}: unexpected status {status}: {message}")]
    Unexpected {
        /// The family that was called.
        family: EndpointFamily,
        /// The status.
        status: u16,
        /// The server's message.
        message: String,
    },
    /// Calls of this scope are deferred until later (exit 75).
    #[error("{0}")]
    Deferred(Deferral),
    /// The user must check a credential (exit 77).
    #[error("Spotify does not accept the credentials, look at {variable}: {message}")]
    Credentials {
        /// `SPOTIFY_CLIENT_ID` or `SPOTIFY_CLIENT_SECRET`.
        variable: &'static str,
        /// Spotify's message.
        message: String,
    },
    /// A user must sign in again, or for the first time (exit 77).
    #[error("user `{user}` has to sign in: {why}")]
    SignIn {
        /// The local name of the user.
        user: String,
        /// Spotify's message, or that there is no grant.
        why: String,
    },
    /// The page stayed unusable: that list is partial (exit 3), the others continue.
    #[error("{family}: {}: {what}", describe_unusable(*attempts))]
    Unusable {
        /// The family that was called.
        family: EndpointFamily,
        /// The problem of the last response.
        what: String,
        /// The number of attempts.
        attempts: u32,
        /// Nothing in the body shows that a proxy answered and not Spotify.
        is_json: bool,
    },
    /// 5xx after all attempts, while other calls are answered: that id or list is partial (exit 3).
    #[error("{family}: Spotify failed {}: {message}", describe_failures(*attempts))]
    ServerError {
        /// The family that was called.
        family: EndpointFamily,
        /// The server's message.
        message: String,
        /// The number of attempts.
        attempts: u32,
        /// Nothing in the body shows that a proxy answered and not Spotify.
        by_spotify: bool,
    },
    /// No response after all attempts, while other calls are answered: that id or list is partial (exit 3).
    #[error("{family}: no answer to {}: {what}", describe_attempts(*attempts))]
    NoAnswer {
        /// The family that was called.
        family: EndpointFamily,
        /// The last failure.
        what: String,
        /// The number of attempts.
        attempts: u32,
    },
    /// No response, and no retries left (exit 1).
    #[error("Spotify cannot be reached, {}: {what}", describe_attempts(*attempts))]
    Unreachable {
        /// The last failure, or that the run has no retries left.
        what: String,
        /// The number of attempts.
        attempts: u32,
    },
    /// 5xx for one id or list after the other (exit 1).
    #[error("Spotify answers only with errors, {}: {message}", describe_attempts(*attempts))]
    OnlyErrors {
        /// The server's last message.
        message: String,
        /// The number of attempts.
        attempts: u32,
    },
    /// One id or list of a family after the other failed, while Spotify answers other endpoints: what needs the family
    /// is partial (exit 3).
    #[error("{family}: one request after the other fails, {}: {message}", describe_attempts(*attempts))]
    EndpointFails {
        /// The family that was called.
        family: EndpointFamily,
        /// What the server said last, or that it did not answer.
        message: String,
        /// The number of attempts.
        attempts: u32,
    },
    /// The certificate is not accepted (exit 1, no retry).
    #[error("{message}")]
    Certificate {
        /// What TLS says.
        message: String,
    },
    /// The same, and the clock of this machine is older than this program (exit 1).
    #[error("the clock of this machine shows {now}, which is impossible; {message}")]
    ClockWrong {
        /// What the clock says.
        now: DateTime<Utc>,
        /// What TLS says.
        message: String,
    },
    /// The run was stopped (exit 75).
    #[error("stopped")]
    Stopped,
    /// A setting is unusable (exit 2).
    #[error("{message}")]
    Config {
        /// Which and why.
        message: String,
    },
    /// The call could not be recorded, so it was not sent (exit 74).
    #[error("failed to record the call")]
    State(#[source] Arc<StateError>),
    /// The grants could not be read or written (exit 77 if
    /// [`GrantError::requires_user_action`], else 74).
    #[error("{0}")]
    Grants(#[source] Arc<GrantError>),
}

fn describe_unusable(attempts: u32) -> String {
    match attempts {
        0 | 1 => "the answer was unusable".to_owned(),
        _ => format!("{attempts} answers in a row were unusable"),
    }
}

fn describe_attempts(attempts: u32) -> String {
    match attempts {
        0 | 1 => "1 attempt".to_owned(),
        _ => format!("{attempts} attempts"),
    }
}

fn describe_failures(attempts: u32) -> String {
    match attempts {
        0 | 1 => "once".to_owned(),
        _ => format!("{attempts} times"),
    }
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

/// What to do about an answer that is not Spotify's.
pub const PROXY_HINT: &str = "a proxy or the sign-in page of a network may respond instead of Spotify: open https://api.spotify.com in a browser, check HTTPS_PROXY";

/// What follows where one id or list fails and the others do not.
pub const NEXT_RUN_HINT: &str = "the next run requests it again, after the others";

/// What to do about a playlist whose items Spotify gives only to its owner and collaborators.
pub const SIGN_OWNER_IN: &str =
    "sign its owner or a collaborator in (`auth login USER`), and name that user in the job: user = \"USER\"";

impl ApiError {
    /// Whether Spotify failed to give a usable answer after all attempts, so that it may give one later.
    pub fn is_failure(&self) -> bool {
        matches!(self, ApiError::Unusable { .. } | ApiError::ServerError { .. } | ApiError::NoAnswer { .. })
    }

    /// What the user can do, if anything.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            ApiError::Credentials { variable, .. } => {
                format!("compare {variable} with the app's page in Spotify's developer dashboard")
            }
            ApiError::Refused { kind, .. } => match kind {
                ForbiddenReason::EndpointRemoved => {
                    "Development Mode apps lost it in February 2026; `streams` lists those that are left"
                }
                ForbiddenReason::NotYourPlaylist => SIGN_OWNER_IN,
                ForbiddenReason::ScopeMissing => {
                    "sign in again, the new consent has all scopes that jobs need: `auth login USER`"
                }
                ForbiddenReason::NotAllowListed => {
                    "add the user under User Management in Spotify's developer dashboard"
                }
                ForbiddenReason::PremiumLapsed => "the owner of the app must renew Premium",
                ForbiddenReason::Unknown => {
                    "Spotify gives no other reason; the next attempt is in a week, or with `run --full`"
                }
            }
            .to_owned(),
            ApiError::Deferred(deferral) => return deferral.hint().map(str::to_owned),
            ApiError::Unusable { is_json: true, .. } => {
                "Spotify's answer is odd; the next run tries it again".to_owned()
            }
            ApiError::ServerError { by_spotify: true, .. }
            | ApiError::NoAnswer { .. }
            | ApiError::EndpointFails { .. } => NEXT_RUN_HINT.to_owned(),
            ApiError::Unusable { .. } | ApiError::ServerError { .. } => PROXY_HINT.to_owned(),
            ApiError::Unreachable { .. } => {
                "check the network and HTTPS_PROXY; the next run continues after the last committed page".to_owned()
            }
            ApiError::OnlyErrors { .. } => "the next run continues after the last committed page".to_owned(),
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
