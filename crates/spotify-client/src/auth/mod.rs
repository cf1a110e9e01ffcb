//! Tokens: the app's own, and those of users who have signed in.
//!
//! `endpoint` talks to the accounts service, `app` keeps the app's token, and `user` renews the tokens
//! of users together with other processes. A token is a header value that no `Debug` shows, and it is
//! sent to the configured hosts only.

mod app;
mod endpoint;
mod environment;
mod skew;
mod token_answer;
mod user;

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::error::ApiError;
use crate::http::clock::Clock;
use crate::http::retry_after::RetryAfter;
use crate::random::random_fraction;

pub(super) use app::AppToken;
pub(super) use endpoint::{TokenEndpoint, TokenReply};
pub use environment::token_hash;
pub(super) use skew::format_duration;
pub use token_answer::TokenGrant;
pub(super) use user::UserTokens;

/// Timings of token requests. Tests shorten them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRules {
    /// A token is renewed this long before it expires, but not in the first nine tenths of its life.
    pub early: Duration,
    /// A random part of this is added to `early`, so that processes do not all renew at once.
    pub jitter: Duration,
    /// Maximum number of attempts. A lost response may have used up the refresh token.
    pub attempts: u32,
    /// Maximum pause before the second attempt. It doubles from one attempt to the next.
    pub pause: Duration,
    /// Limit for all attempts of a refresh together. Processes that wait for the same grant give up
    /// after twice that time.
    pub refresh: Duration,
}

impl Default for TokenRules {
    fn default() -> Self {
        TokenRules {
            early: Duration::from_secs(300),
            jitter: Duration::from_secs(60),
            attempts: 3,
            pause: Duration::from_secs(1),
            refresh: Duration::from_secs(30),
        }
    }
}

impl TokenRules {
    /// How long before its end a token of this lifetime is renewed. The result is random.
    fn renewal_margin(&self, lasts: Duration) -> Duration {
        (self.early + self.jitter.mul_f64(random_fraction())).min(lasts / 10)
    }
}

/// A token with the time until which it is used.
pub(super) struct BearerToken {
    /// The whole header value.
    pub(super) header: SecretString,
    /// The number of the renewal, which tells tasks which token was refused.
    pub(super) generation: i64,
    fresh_until_ms: i64,
}

impl BearerToken {
    /// A token that is used until then, by the clock that cannot be set.
    pub(super) fn new(token: &SecretString, generation: i64, fresh_until_ms: i64) -> BearerToken {
        let header = SecretString::from(format!("Bearer {}", token.expose_secret()));
        BearerToken { header, generation, fresh_until_ms }
    }

    /// Whether the token is still fresh and is not the one that was refused.
    fn is_usable(&self, refused: Option<i64>, now_ms: i64) -> bool {
        now_ms < self.fresh_until_ms && refused != Some(self.generation)
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(generation {})", self.generation)
    }
}

/// Why there is no token.
#[derive(Debug, Clone)]
pub(super) enum TokenError {
    /// An error for the caller.
    Error(ApiError),
    /// 429, or 503 with a time: hold back all calls and try again.
    Refused {
        /// For how long, if the response says.
        retry_after: RetryAfter,
        /// Spotify's message.
        words: String,
    },
}

impl From<ApiError> for TokenError {
    fn from(error: ApiError) -> TokenError {
        TokenError::Error(error)
    }
}

impl From<crate::state::grants::GrantError> for TokenError {
    fn from(error: crate::state::grants::GrantError) -> TokenError {
        TokenError::Error(error.into())
    }
}

/// This program did not exist before this time (in Unix seconds). An earlier clock is wrong, and a
/// wrong clock is the usual reason for certificates that "are not valid yet".
const EARLIEST_PLAUSIBLE_TIME: i64 = 1_793_491_200;

/// The error for a refused certificate. It names the clock if the clock must be wrong.
pub(super) fn certificate_error(clock: &dyn Clock, message: &str) -> ApiError {
    let now = clock.now().wall;
    let message = format!("the server's certificate is not accepted: {message}");
    if now.timestamp() < EARLIEST_PLAUSIBLE_TIME {
        return ApiError::ClockWrong { now, message };
    }
    ApiError::Certificate { message }
}

/// A server's message, made safe for a terminal: one line without control characters, cut to 300.
pub(super) fn strip_control_chars(words: &str) -> String {
    let clean: String = words.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(300).collect();
    clean.trim().to_owned()
}
