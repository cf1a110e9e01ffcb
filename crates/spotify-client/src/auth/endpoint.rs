//! The accounts service's one endpoint: `POST /api/token`.
//!
//! Every grant goes through here: the app's own, codes, refreshes. What becomes of an attempt is
//! decided by [`retry::decide_token`]: a lost answer and a 5xx are asked for again, at most twice; a
//! refusal goes to the caller, who holds everything back. Whatever the server says is stripped of what
//! it was sent before it gets into an error.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use url::Url;

use super::skew::{Skew, believed};
use super::{NoToken, TokenRules, certificate, printable};
use crate::error::ApiError;
use crate::http::clock::Clock;
use crate::http::jitter;
use crate::http::observer::Observer;
use crate::http::retry::{self, Outcome, Rules, Tried, Verdict};
use crate::http::retry_after::{self, RetryAfter};
use crate::http::transport::{Incoming, Outgoing, Transport, TransportError};
use crate::state::grants::Flow;

/// What the token request is called in logs and errors.
const ROUTE: &str = "token";

/// Asks for tokens.
pub(crate) struct Endpoint {
    transport: Arc<Transport>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    url: Url,
    client_id: String,
    basic: Option<SecretString>,
    secret: Option<SecretString>,
    rules: TokenRules,
    skew: Skew,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.url)
    }
}

/// The tokens that came.
#[derive(Debug, Clone)]
pub struct Granted {
    /// To be sent with calls.
    pub access_token: SecretString,
    /// How long it lasts.
    pub lasts: Duration,
    /// A new refresh token. Absent, null and empty all mean: keep the old one.
    pub refresh_token: Option<SecretString>,
    /// What is granted, if the answer says; it may be less than was asked for.
    pub scopes: Option<Vec<String>>,
    /// When it was granted: by the server's clock, if the local one is wrong.
    pub at: DateTime<Utc>,
}

/// What the accounts service says to a grant.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Yes.
    Granted(Granted),
    /// `invalid_grant`: this code or refresh token is worth nothing (any more).
    InvalidGrant {
        /// Spotify's words.
        words: String,
        /// An answer before this one was lost; it may have brought a new token.
        after_loss: bool,
    },
}

#[derive(Deserialize)]
struct Body {
    #[serde(deserialize_with = "secret")]
    access_token: SecretString,
    expires_in: Option<f64>,
    #[serde(default, deserialize_with = "maybe_secret")]
    refresh_token: Option<SecretString>,
    scope: Option<String>,
}

impl Body {
    fn granted(self, at: DateTime<Utc>) -> Granted {
        let seconds = self.expires_in.unwrap_or(3_600.0).clamp(1.0, 86_400.0);
        Granted {
            access_token: self.access_token,
            lasts: Duration::from_secs_f64(seconds),
            refresh_token: self.refresh_token,
            scopes: self.scope.map(|scope| scope.split_whitespace().map(str::to_owned).collect()),
            at,
        }
    }
}

fn secret<'de, D: Deserializer<'de>>(text: D) -> Result<SecretString, D::Error> {
    String::deserialize(text).map(SecretString::from)
}

fn maybe_secret<'de, D: Deserializer<'de>>(text: D) -> Result<Option<SecretString>, D::Error> {
    let text = Option::<String>::deserialize(text)?;
    Ok(text.filter(|it| !it.is_empty()).map(SecretString::from))
}

#[derive(Default, Deserialize)]
struct Denied {
    error: Option<String>,
    error_description: Option<String>,
}

/// What is sent to get a token.
pub(super) struct Ask<'a> {
    /// How the app says who it is: with its secret, or by its id alone.
    pub(super) flow: Flow,
    /// The fields of the form.
    pub(super) form: &'a [(&'a str, &'a str)],
    /// Those of them that no error may repeat.
    pub(super) secrets: &'a [&'a SecretString],
}

/// Why no token came.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) why: NoToken,
    /// An answer before this one was lost; it may have brought a new token.
    pub(super) after_loss: bool,
}

impl From<Failed> for NoToken {
    fn from(failed: Failed) -> NoToken {
        failed.why
    }
}

impl Endpoint {
    /// Whether this machine's clock was seen to be ahead.
    pub(crate) fn clock_is_ahead(&self) -> bool {
        self.skew.is_ahead()
    }

    pub(crate) fn new(
        transport: Arc<Transport>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        accounts_url: &Url,
        (client_id, client_secret): (&str, Option<&SecretString>),
        rules: TokenRules,
    ) -> Result<Endpoint, ApiError> {
        let url = format!("{}/api/token", accounts_url.as_str().trim_end_matches('/'));
        let url =
            Url::parse(&url).map_err(|error| ApiError::Config { message: format!("spotify.accounts_url: {error}") })?;
        let basic = client_secret.map(|secret| {
            let pair = format!("{client_id}:{}", secret.expose_secret());
            SecretString::from(format!("Basic {}", STANDARD.encode(pair)))
        });
        let skew = Skew::default();
        Ok(Endpoint {
            transport,
            clock,
            observer,
            url,
            client_id: client_id.to_owned(),
            basic,
            secret: client_secret.cloned(),
            rules,
            skew,
        })
    }

    /// How users sign in: with the secret where there is one.
    pub(crate) fn flow(&self) -> Flow {
        if self.basic.is_some() { Flow::Code } else { Flow::Pkce }
    }

    /// A code from the browser.
    pub(crate) async fn code(
        &self,
        flow: Flow,
        code: &SecretString,
        redirect_uri: &str,
        verifier: Option<&SecretString>,
    ) -> Result<Reply, NoToken> {
        let mut form =
            vec![("grant_type", "authorization_code"), ("code", code.expose_secret()), ("redirect_uri", redirect_uri)];
        let mut secrets = vec![code];
        if let Some(verifier) = verifier {
            form.push(("code_verifier", verifier.expose_secret()));
            secrets.push(verifier);
        }
        Ok(self.ask(Ask { flow, form: &form, secrets: &secrets }).await?)
    }

    /// A refresh, within the time that others wait for it.
    pub(super) async fn refresh(&self, flow: Flow, token: &SecretString) -> Result<Reply, Failed> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token.expose_secret())];
        let secrets = [token];
        let asked = self.ask(Ask { flow, form: &form, secrets: &secrets });
        tokio::time::timeout(self.rules.refresh, asked).await.unwrap_or_else(|_| {
            let what = format!("POST {ROUTE}: no answer within {} s", self.rules.refresh.as_secs());
            let why = NoToken::Error(ApiError::Unreachable { what, attempts: self.rules.attempts });
            Err(Failed { why, after_loss: true })
        })
    }

    /// Sends it until an answer says something.
    pub(super) async fn ask(&self, ask: Ask<'_>) -> Result<Reply, Failed> {
        let mut form = ask.form.to_vec();
        let no_secret = || {
            let (variable, message) = ("SPOTIFY_CLIENT_SECRET", "no client secret is set".to_owned());
            let why = NoToken::Error(ApiError::Credentials { variable, message });
            Failed { why, after_loss: false }
        };
        let basic = match ask.flow {
            Flow::Code => Some(self.basic.as_ref().ok_or_else(no_secret)?),
            Flow::Pkce => {
                form.push(("client_id", &self.client_id));
                None
            }
        };
        let rules = Rules { attempts: self.rules.attempts, first_pause: self.rules.pause, ..Rules::default() };
        let mut attempt = 1;
        loop {
            let sent = self.transport.send(Outgoing {
                url: self.url.clone(),
                route: ROUTE,
                authorization: basic,
                etag: None,
                form: Some(&form),
            });
            let (outcome, came) = self.read(sent.await, &ask, attempt);
            let jitter = jitter::unit();
            let tried = Tried { attempt, renewed: false, budget: true, unsaid: 0, refused: 0, jitter };
            match (came, retry::decide_token(outcome, &tried, &rules)) {
                (Err(NoToken::Error(error)), Verdict::Again { after }) => {
                    tracing::debug!(attempt, %error, "no token yet, asking again");
                    self.clock.sleep(after).await;
                    attempt += 1;
                }
                (came, _) => return came.map_err(|why| Failed { why, after_loss: attempt > 1 }),
            }
        }
    }

    /// How an attempt ended, and what is returned unless there is another.
    fn read(
        &self,
        sent: Result<Incoming, TransportError>,
        ask: &Ask<'_>,
        attempt: u32,
    ) -> (Outcome, Result<Reply, NoToken>) {
        let unreachable = |what| Err(NoToken::Error(ApiError::Unreachable { what, attempts: attempt }));
        let answer = match sent {
            Ok(answer) => answer,
            Err(TransportError::Certificate { detail, .. }) => {
                return (Outcome::Certificate, Err(NoToken::Error(certificate(&*self.clock, &detail))));
            }
            Err(error) => return (Outcome::Lost, unreachable(error.to_string())),
        };
        let now = self.clock.now().wall;
        let date = answer.date.as_deref().and_then(|date| httpdate::parse_http_date(date).ok());
        let date = date.map(DateTime::<Utc>::from);
        if let Some(words) = date.and_then(|date| self.skew.notice(date, now)) {
            self.observer.warned(&words);
        }
        let (status, retry_after) = (answer.status, &answer.retry_after);
        let retry_after = retry_after::read(retry_after.as_deref(), answer.date.as_deref(), now);
        let outcome = Outcome::Answered { status, retry_after, quota: false, conditional: false };
        if status == 200 {
            return match serde_json::from_slice::<Body>(&answer.body) {
                Ok(body) => (outcome, Ok(Reply::Granted(body.granted(believed(date, now))))),
                Err(_) => (Outcome::Unusable, unreachable(format!("POST {ROUTE}: the answer holds no token"))),
            };
        }
        let denied: Denied = serde_json::from_slice(&answer.body).unwrap_or_default();
        let invalid_grant = denied.error.as_deref() == Some("invalid_grant");
        let words = match (denied.error, denied.error_description) {
            (Some(error), Some(description)) => format!("{error}: {description}"),
            (one, other) => one.or(other).unwrap_or_else(|| format!("status {status}")),
        };
        let words = self.without_secrets(words, ask);
        let came = match status {
            400 | 401 if invalid_grant => Ok(Reply::InvalidGrant { words, after_loss: attempt > 1 }),
            429 => Err(NoToken::Refused { retry_after, words }),
            503 if retry_after != RetryAfter::Nothing => Err(NoToken::Refused { retry_after, words }),
            400 | 401 | 403 => Err(NoToken::Error(credentials(words))),
            500..=599 => unreachable(format!("POST {ROUTE}: status {status}")),
            _ => unreachable(format!("POST {ROUTE}: status {status}: {words}")),
        };
        (outcome, came)
    }

    /// A server that echoes what it was sent must not put it into our errors.
    fn without_secrets(&self, mut words: String, ask: &Ask<'_>) -> String {
        let basic = self.basic.as_ref().and_then(|it| it.expose_secret().split_once(' '));
        let sent = ask.secrets.iter().map(|secret| secret.expose_secret());
        let own = basic.map(|(_, pair)| pair).into_iter().chain(self.secret.iter().map(ExposeSecret::expose_secret));
        for secret in sent.chain(own).filter(|secret| !secret.is_empty()) {
            words = words.replace(secret, "[secret]");
        }
        printable(&words)
    }
}

/// Which credential to look at, by Spotify's words.
fn credentials(message: String) -> ApiError {
    let words = message.to_ascii_lowercase();
    ApiError::Credentials {
        variable: if words.contains("invalid client secret") {
            "SPOTIFY_CLIENT_SECRET"
        } else if words.contains("invalid client") {
            "SPOTIFY_CLIENT_ID"
        } else {
            "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET"
        },
        message,
    }
}
