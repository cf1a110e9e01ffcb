//! Why a sign-in did not work. No text holds a code, a state or a token.

use std::io;
use std::time::Duration;

use thiserror::Error;

use spotify_client::error::ApiError;
use spotify_client::state::grants::{GrantError, SpotifyAccount};

/// Where an app's redirect URIs are registered.
pub const DASHBOARD: &str = "https://developer.spotify.com/dashboard";

/// Why a user is not signed in.
#[derive(Debug, Error)]
pub enum SignInError {
    /// Spotify would refuse the redirect URI.
    #[error("the redirect URI {uri} {why}")]
    Redirect {
        /// The URI, fit for a terminal.
        uri: String,
        /// The rule that it breaks.
        why: &'static str,
        /// What to use instead.
        instead: String,
    },
    /// The port of the redirect URI cannot be listened on.
    #[error("cannot listen on {address}")]
    Port {
        /// Address and port.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody came back from the browser.
    #[error("no answer from the browser within {} min", waited.as_secs() / 60)]
    TimedOut {
        /// How long was waited.
        waited: Duration,
        /// What has to be registered.
        register: String,
    },
    /// The user said no, or Spotify did.
    #[error("Spotify did not grant access: {words}")]
    Denied {
        /// `access_denied`, or what else stood in the answer.
        words: String,
    },
    /// What was pasted is not an answer to this sign-in.
    #[error("{why}")]
    Pasted {
        /// What is wrong with it; never the text.
        why: &'static str,
        /// What to paste.
        expected: String,
    },
    /// There is nothing that an answer could finish.
    #[error("no sign-in of user `{user}` is waiting for an answer: it was used, or it began more than a day ago")]
    NothingWaits {
        /// The local name.
        user: String,
    },
    /// The code ran out, was used before, or is not one.
    #[error("the code from the browser is not good (any more), open the link again: {words}")]
    Worthless {
        /// Spotify's words.
        words: String,
    },
    /// Somebody else's account came back.
    #[error("user `{user}` is the account {before}, and the browser was signed in as {now}")]
    OtherAccount {
        /// The local name.
        user: String,
        /// Whose it is.
        before: Box<SpotifyAccount>,
        /// Who came back.
        now: Box<SpotifyAccount>,
    },
    /// The grant came, and not whose it is; it cannot take the place of one whose account is known.
    #[error("user `{user}` is known by another grant, and Spotify did not say whose account the new one is: {error}")]
    Unnamed {
        /// The local name.
        user: String,
        /// Why not.
        error: ApiError,
    },
    /// There is an access token and nothing to renew it with.
    #[error("Spotify sent no refresh token")]
    NoRefreshToken,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes: {why}")]
    NoRandomness {
        /// What it says.
        why: String,
    },
    /// Spotify.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The grants.
    #[error(transparent)]
    Grants(#[from] GrantError),
}

impl SignInError {
    /// What a person can do about it, if there is something to say.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            SignInError::Redirect { instead, .. } => {
                format!("register {instead} at {DASHBOARD} and set spotify.redirect_uri to it")
            }
            SignInError::Port { .. } => {
                "end the program that listens there, or use a redirect URI without a port: a free one is taken then"
                    .to_owned()
            }
            SignInError::TimedOut { register, .. } => invalid_redirect(register),
            SignInError::Denied { .. } => "start again, and agree in the browser".to_owned(),
            SignInError::Pasted { expected, .. } => expected.clone(),
            SignInError::Unnamed { user, .. } => {
                format!("the old grant stays; the code is used up, so begin again: cratedigger auth login {user}")
            }
            SignInError::NothingWaits { user } => format!("begin again: cratedigger auth login {user} --no-browser"),
            SignInError::OtherAccount { user, .. } => format!(
                "sign out at https://accounts.spotify.com in that browser and try again; or, if the new account is \
                 meant: cratedigger auth login {user} --replace"
            ),
            SignInError::Api(error) => return error.hint(),
            SignInError::Grants(error) => return error.hint(),
            SignInError::Worthless { .. } | SignInError::NoRefreshToken | SignInError::NoRandomness { .. } => {
                return None;
            }
        })
    }
}

/// What Spotify shows in the browser if the redirect URI is not registered; it never calls back then.
pub fn invalid_redirect(register: &str) -> String {
    format!(
        "if the browser shows \"INVALID_CLIENT: Invalid redirect URI\", the app does not know this redirect URI: \
         at {DASHBOARD}, in the app's settings, add exactly {register} under Redirect URIs, save, and try again"
    )
}
