//! Tokens: the app's own, and those of users who have signed in.
//!
//! `endpoint` talks to the accounts service, `app` keeps the app's token, and `user` renews the tokens
//! of users together with other processes. A token is a header value that no `Debug` shows, and it is
//! sent to the configured hosts only.

mod app;
mod endpoint;
mod environment;
mod skew;
mod user;

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::error::ApiError;
use crate::http::clock::Clock;
use crate::http::retry_after::RetryAfter;
use crate::random::random_fraction;

pub(super) use app::AppToken;
pub use endpoint::TokenGrant;
pub(super) use endpoint::{TokenEndpoint, TokenReply};
pub use environment::token_hash;
pub(super) use user::UserTokens;

/// The numbers; tests shrink them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRules {
    /// A token is renewed this long before it expires, but not in the first nine tenths of its life.
    pub early: Duration,
    /// And up to so much earlier, so that processes do not renew in step.
    pub jitter: Duration,
    /// Times that the request is sent; a refresh token may be spent by an answer that got lost.
    pub attempts: u32,
    /// The longest first pause between them; then it doubles.
    pub pause: Duration,
    /// All attempts of a refresh together: whoever waits for the same grant gives up after twice
    /// that.
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
    /// How long before its end a token that lasts so long is renewed; another answer each time.
    fn renewal_margin(&self, lasts: Duration) -> Duration {
        (self.early + self.jitter.mul_f64(random_fraction())).min(lasts / 10)
    }
}

/// A token in hand.
pub(super) struct BearerToken {
    /// The whole header value.
    pub(super) header: SecretString,
    /// Counts renewals, so that a task can say which token was refused.
    pub(super) generation: i64,
    fresh_until_ms: i64,
}

impl BearerToken {
    /// A token that is good until then, on the clock that nobody can set.
    pub(super) fn new(token: &SecretString, generation: i64, fresh_until_ms: i64) -> BearerToken {
        let header = SecretString::from(format!("Bearer {}", token.expose_secret()));
        BearerToken { header, generation, fresh_until_ms }
    }

    /// Whether it can be used: still fresh, and not the one that was refused.
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
    /// As the caller shall see it.
    Error(ApiError),
    /// 429, or 503 with a time: hold everything back and come again.
    Refused {
        /// For how long, if it says.
        retry_after: RetryAfter,
        /// Spotify's words.
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

/// The day before which this program did not exist: a clock that shows less is wrong, and a wrong
/// clock is the usual reason for certificates that "are not valid yet".
const EARLIEST_PLAUSIBLE_TIME: i64 = 1_793_491_200;

/// A refused certificate, with the clock named if it cannot be right.
pub(super) fn certificate_error(clock: &dyn Clock, message: &str) -> ApiError {
    let now = clock.now().wall;
    let message = format!("the server's certificate is not accepted: {message}");
    if now.timestamp() < EARLIEST_PLAUSIBLE_TIME {
        return ApiError::ClockWrong { now, message };
    }
    ApiError::Certificate { message }
}

/// A server's words, fit for a terminal: one line, no control characters, not endless.
pub(super) fn strip_control_chars(words: &str) -> String {
    let clean: String = words.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(300).collect();
    clean.trim().to_owned()
}
