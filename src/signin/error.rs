//! Errors of a sign-in. No message contains a code, a state or a token.

use std::io;
use std::time::Duration;

use thiserror::Error;

use spotify_client::error::ApiError;
use spotify_client::state::grants::{GrantError, SpotifyAccount};

/// The page where the redirect URIs of an app are registered.
pub const DASHBOARD: &str = "https://developer.spotify.com/dashboard";

/// Why a sign-in failed.
#[derive(Debug, Error)]
pub enum SignInError {
    /// Spotify would refuse the redirect URI.
    #[error("the redirect URI {uri} {why}")]
    Redirect {
        /// The URI, safe to print.
        uri: String,
        /// The rule that it breaks.
        why: &'static str,
        /// What to use instead.
        instead: String,
    },
    /// The program cannot listen on the port of the redirect URI.
    #[error("failed to listen on {address}")]
    Port {
        /// The address and the port.
        address: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The browser did not come back in time.
    #[error("no answer from the browser within {} min", waited.as_secs() / 60)]
    TimedOut {
        /// How long the program waited.
        waited: Duration,
        /// The redirect URI that must be registered.
        register: String,
    },
    /// The user or Spotify refused.
    #[error("Spotify did not grant access: {words}")]
    Denied {
        /// `access_denied`, or another error from the answer.
        words: String,
    },
    /// The pasted text is not an answer to this sign-in.
    #[error("{why}")]
    Pasted {
        /// The problem, without the text itself.
        why: &'static str,
        /// What to paste.
        expected: String,
    },
    /// No sign-in is waiting for this answer.
    #[error(
        "no sign-in of user `{user}` is waiting for an answer: it was already used, or it started more than a day ago"
    )]
    NothingWaits {
        /// The local name.
        user: String,
    },
    /// The user signed in again after this sign-in was started.
    #[error("user `{user}` has signed in again since this sign-in was started; the newer grant is kept")]
    Superseded {
        /// The local name.
        user: String,
    },
    /// The code has expired, was already used, or is not valid.
    #[error("the code from the browser is not valid (any more), open the link again: {words}")]
    Worthless {
        /// Spotify's message.
        words: String,
    },
    /// The browser was signed in to another account.
    #[error("user `{user}` is the account {before}, and the browser was signed in as {now}")]
    OtherAccount {
        /// The local name.
        user: String,
        /// The account of the user so far.
        before: Box<SpotifyAccount>,
        /// The account in the browser.
        now: Box<SpotifyAccount>,
    },
    /// The account of the new grant is unknown, so it cannot replace a grant with a known account.
    #[error("user `{user}` already has a grant, and Spotify did not report the account of the new one: {error}")]
    Unnamed {
        /// The local name.
        user: String,
        /// Why Spotify did not report it.
        error: ApiError,
    },
    /// Spotify sent an access token but no refresh token.
    #[error("Spotify sent no refresh token, and nothing was stored")]
    NoRefreshToken {
        /// The local name.
        user: String,
    },
    /// The answer with the token is not one that Spotify sends.
    #[error("the accounts service gave no usable token, and nothing was stored: {why}")]
    OddToken {
        /// The local name.
        user: String,
        /// The problem, without the token.
        why: &'static str,
    },
    /// `/me` names no account for the new token.
    #[error(
        "Spotify's answer to `/me` contains no id, so the account of this sign-in is unknown, and nothing was stored"
    )]
    NoAccount {
        /// The local name.
        user: String,
    },
    /// The system provides no random bytes.
    #[error("failed to get random bytes: {why}")]
    NoRandomness {
        /// The error of the system.
        why: String,
    },
    /// An error of the API.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// An error of the grants.
    #[error(transparent)]
    Grants(#[from] GrantError),
}

impl SignInError {
    /// What a person can do about it, if there is anything.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            SignInError::Redirect { instead, .. } => {
                format!("register {instead} at {DASHBOARD} and set spotify.redirect_uri to it")
            }
            SignInError::Port { .. } => {
                "stop the program that listens there, or use a redirect URI without a port: a free port is chosen then"
                    .to_owned()
            }
            SignInError::TimedOut { register, .. } => invalid_redirect(register),
            SignInError::Denied { .. } => "start again, and agree in the browser".to_owned(),
            SignInError::Pasted { expected, .. } => expected.clone(),
            SignInError::Unnamed { user, .. } => {
                format!(
                    "the old grant is kept; the code is used up, so start again: cratedigger auth login {user}; with --replace, \
                     a grant of an unknown account is accepted too"
                )
            }
            SignInError::NothingWaits { user } => format!("start again: cratedigger auth login {user} --no-browser"),
            SignInError::OtherAccount { user, .. } => format!(
                "sign out at https://accounts.spotify.com in that browser and try again; or, if you want the new account, \
                 run: cratedigger auth login {user} --replace"
            ),
            SignInError::Superseded { user } => format!("to replace it, start again: cratedigger auth login {user}"),
            SignInError::Api(error) => return error.hint(),
            SignInError::Grants(error) => return error.hint(),
            SignInError::NoRefreshToken { user }
            | SignInError::OddToken { user, .. }
            | SignInError::NoAccount { user } => format!(
                "the code is used up, so start again: cratedigger auth login {user}; if it happens again, another server \
                 may answer instead of Spotify: check spotify.accounts_url, spotify.api_url and HTTPS_PROXY"
            ),
            SignInError::Worthless { .. } | SignInError::NoRandomness { .. } => return None,
        })
    }
}

/// Explains what Spotify shows in the browser if the redirect URI is not registered. Spotify does not call back then.
pub fn invalid_redirect(register: &str) -> String {
    format!(
        "if the browser shows \"INVALID_CLIENT: Invalid redirect URI\", this redirect URI is not registered for the app: \
         in the app's settings at {DASHBOARD}, add exactly {register} under Redirect URIs, save, and try again"
    )
}
