//! The app's own token (client credentials).
//!
//! One request is in flight whoever asks: the first task fetches, the others wait and use what it
//! got, or share its failure. A token is used until shortly before it expires, a random bit earlier
//! so that processes do not renew in step. A refused secret stays refused for this run: asking
//! again cannot help and looks like guessing.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use url::Url;

use super::error::ApiError;
use crate::http::clock::Clock;
use crate::http::jitter;
use crate::http::retry_after::{self, RetryAfter};
use crate::http::transport::{Incoming, Outgoing, Transport, TransportError};

/// What the token request is called in logs and errors.
const ROUTE: &str = "token";

/// The numbers; tests shrink them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRules {
    /// A token is renewed this long before it expires, but not in the first nine tenths of its life.
    pub early: Duration,
    /// And up to so much earlier.
    pub jitter: Duration,
    /// Times that the request is sent; a refresh token may be spent by an answer that got lost.
    pub attempts: u32,
    /// The longest first pause between them; then it doubles.
    pub pause: Duration,
}

impl Default for TokenRules {
    fn default() -> Self {
        TokenRules {
            early: Duration::from_secs(240),
            jitter: Duration::from_secs(60),
            attempts: 3,
            pause: Duration::from_secs(1),
        }
    }
}

/// A token in hand.
pub(super) struct Token {
    /// The whole header value.
    pub(super) header: SecretString,
    /// Counts renewals, so that a task can say which token was refused.
    pub(super) generation: u64,
    fresh_until_ms: i64,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token(generation {})", self.generation)
    }
}

/// Why there is no token.
#[derive(Debug, Clone)]
pub(super) enum NoToken {
    /// As the caller shall see it.
    Error(ApiError),
    /// 429: hold everything back and come again.
    Refused {
        /// For how long, if it says.
        retry_after: RetryAfter,
        /// Spotify's words.
        words: String,
    },
}

/// Fetches and keeps the app's token.
#[derive(Debug)]
pub(super) struct AppToken {
    transport: Arc<Transport>,
    clock: Arc<dyn Clock>,
    url: Url,
    basic: Option<SecretString>,
    rules: TokenRules,
    current: Mutex<Current>,
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Current {
    token: Option<Arc<Token>>,
    generation: u64,
    failures: u64,
    failed: Option<NoToken>,
    /// A refusal that no second request can change.
    for_good: bool,
}

#[derive(Deserialize)]
struct Granted {
    #[serde(deserialize_with = "secret")]
    access_token: SecretString,
    expires_in: Option<f64>,
}

fn secret<'de, D: Deserializer<'de>>(text: D) -> Result<SecretString, D::Error> {
    String::deserialize(text).map(SecretString::from)
}

#[derive(Deserialize)]
struct Denied {
    error: Option<String>,
    error_description: Option<String>,
}

impl AppToken {
    pub(super) fn new(
        transport: Arc<Transport>,
        clock: Arc<dyn Clock>,
        accounts_url: &Url,
        client: (&str, Option<&SecretString>),
        rules: TokenRules,
    ) -> Result<AppToken, ApiError> {
        let url = format!("{}/api/token", accounts_url.as_str().trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|error| ApiError::Config {
            message: format!("spotify.accounts_url: {error}"),
        })?;
        let (id, secret) = client;
        let basic = secret.map(|secret| {
            let pair = format!("{id}:{}", secret.expose_secret());
            SecretString::from(format!("Basic {}", STANDARD.encode(pair)))
        });
        Ok(AppToken {
            transport,
            clock,
            url,
            basic,
            rules,
            current: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        })
    }

    /// The token in hand, if it is fresh and not the one that was refused.
    pub(super) fn in_hand(&self, refused: Option<u64>) -> Option<Arc<Token>> {
        let now_ms = self.clock.now().steady_ms;
        let current = self.current();
        let token = current.token.as_ref()?;
        let good = now_ms < token.fresh_until_ms && refused != Some(token.generation);
        good.then(|| Arc::clone(token))
    }

    /// The token in hand, or a new one.
    pub(super) async fn get(&self, refused: Option<u64>) -> Result<Arc<Token>, NoToken> {
        let failures = self.current().failures;
        let _fetching = self.fetching.lock().await;
        if let Some(token) = self.in_hand(refused) {
            return Ok(token);
        }
        {
            let current = self.current();
            if (current.failures != failures || current.for_good)
                && let Some(failed) = &current.failed
            {
                return Err(failed.clone());
            }
        }
        let fetched = self.fetch().await;
        let mut current = self.current();
        match fetched {
            Ok((access_token, lasts)) => {
                current.generation += 1;
                let early =
                    (self.rules.early + self.rules.jitter.mul_f64(jitter::unit())).min(lasts / 10);
                let fresh = i64::try_from((lasts - early).as_millis()).unwrap_or(0);
                let header = format!("Bearer {}", access_token.expose_secret());
                let token = Arc::new(Token {
                    header: SecretString::from(header),
                    generation: current.generation,
                    fresh_until_ms: self.clock.now().steady_ms + fresh,
                });
                current.token = Some(Arc::clone(&token));
                Ok(token)
            }
            Err(failed) => {
                current.failures += 1;
                current.for_good = matches!(&failed, NoToken::Error(ApiError::Credentials { .. }));
                current.failed = Some(failed.clone());
                Err(failed)
            }
        }
    }

    async fn fetch(&self) -> Result<(SecretString, Duration), NoToken> {
        let Some(basic) = &self.basic else {
            return Err(NoToken::Error(ApiError::Credentials {
                variable: "SPOTIFY_CLIENT_SECRET",
                message: "no client secret is set".to_owned(),
            }));
        };
        let mut attempt = 1;
        loop {
            let sent = self.transport.send(Outgoing {
                url: self.url.clone(),
                route: ROUTE,
                authorization: basic,
                etag: None,
                form: Some(&[("grant_type", "client_credentials")]),
            });
            let what = match sent.await {
                Ok(answer) if (500..600).contains(&answer.status) => {
                    format!("POST {ROUTE}: status {}", answer.status)
                }
                Ok(answer) => match self.read(&answer) {
                    Ok(granted) => return Ok(granted),
                    Err(Some(failed)) => return Err(failed),
                    Err(None) => format!("POST {ROUTE}: the answer holds no token"),
                },
                Err(TransportError::Certificate { detail, .. }) => {
                    return Err(NoToken::Error(certificate(&*self.clock, &detail)));
                }
                Err(error) => error.to_string(),
            };
            if attempt >= self.rules.attempts {
                return Err(NoToken::Error(ApiError::Unreachable {
                    what,
                    attempts: attempt,
                }));
            }
            tracing::debug!(attempt, what, "no token yet, asking again");
            let pause = self.rules.pause * 2_u32.pow(attempt - 1);
            self.clock.sleep(pause.mul_f64(jitter::unit())).await;
            attempt += 1;
        }
    }

    /// Reads an answer below 500. `Err(None)`: not a token, worth another try.
    fn read(&self, answer: &Incoming) -> Result<(SecretString, Duration), Option<NoToken>> {
        if answer.status == 200 {
            let granted: Granted = serde_json::from_slice(&answer.body).map_err(|_| None)?;
            let seconds = granted.expires_in.unwrap_or(3_600.0).clamp(1.0, 86_400.0);
            return Ok((granted.access_token, Duration::from_secs_f64(seconds)));
        }
        let denied: Denied = serde_json::from_slice(&answer.body).unwrap_or(Denied {
            error: None,
            error_description: None,
        });
        let words = match (denied.error, denied.error_description) {
            (Some(error), Some(description)) => format!("{error}: {description}"),
            (one, other) => one
                .or(other)
                .unwrap_or_else(|| format!("status {}", answer.status)),
        };
        // A server that echoes what it was sent must not put the secret into our errors.
        let mut words = words;
        if let Some((_, pair)) = self
            .basic
            .as_ref()
            .and_then(|it| it.expose_secret().split_once(' '))
        {
            words = words.replace(pair, "[secret]");
        }
        let words = printable(&words);
        Err(Some(match answer.status {
            429 => NoToken::Refused {
                retry_after: retry_after::read(
                    answer.retry_after.as_deref(),
                    answer.date.as_deref(),
                    self.clock.now().wall,
                ),
                words,
            },
            400 | 401 | 403 => NoToken::Error(ApiError::Credentials {
                variable: if words.to_ascii_lowercase().contains("invalid client secret") {
                    "SPOTIFY_CLIENT_SECRET"
                } else if words.to_ascii_lowercase().contains("invalid client") {
                    "SPOTIFY_CLIENT_ID"
                } else {
                    "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET"
                },
                message: words,
            }),
            status => NoToken::Error(ApiError::Unreachable {
                what: format!("POST {ROUTE}: status {status}: {words}"),
                attempts: 1,
            }),
        }))
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The day before which this program did not exist: a clock that shows less is wrong, and a wrong
/// clock is the usual reason for certificates that "are not valid yet".
const WRITTEN: i64 = 1_793_491_200;

/// A refused certificate, with the clock named if it cannot be right.
pub(super) fn certificate(clock: &dyn Clock, message: &str) -> ApiError {
    let now = clock.now().wall;
    let message = format!("the server's certificate is not accepted: {message}");
    if now.timestamp() < WRITTEN {
        return ApiError::ClockWrong { now, message };
    }
    ApiError::Certificate { message }
}

/// A server's words, fit for a terminal: one line, no control characters, not endless.
pub(super) fn printable(words: &str) -> String {
    let clean: String = words
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(300)
        .collect();
    clean.trim().to_owned()
}
