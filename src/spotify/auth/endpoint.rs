//! The accounts service's one endpoint: `POST /api/token`.
//!
//! Every grant goes through here: the app's own, codes, refreshes. A lost answer and a 5xx are asked
//! for again, at most twice and never after a 4xx, since a rotating refresh token may be spent by an
//! answer that nobody saw. Whatever the server says is stripped of what it was sent before it gets
//! into an error.

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
use crate::http::clock::Clock;
use crate::http::jitter;
use crate::http::observer::Observer;
use crate::http::retry_after;
use crate::http::transport::{Incoming, Outgoing, Transport, TransportError};
use crate::spotify::error::ApiError;
use crate::state::grants::Flow;

/// What the token request is called in logs and errors.
const ROUTE: &str = "token";

/// Asks for tokens.
pub(in crate::spotify) struct Endpoint {
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
pub(in crate::spotify) enum Reply {
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
    /// `None`: as the app itself says who it is, which needs its secret.
    pub(super) flow: Flow,
    /// The fields of the form.
    pub(super) form: &'a [(&'a str, &'a str)],
    /// Those of them that no error may repeat.
    pub(super) secrets: &'a [&'a SecretString],
}

impl Endpoint {
    pub(in crate::spotify) fn new(
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
    pub(in crate::spotify) fn flow(&self) -> Flow {
        if self.basic.is_some() { Flow::Code } else { Flow::Pkce }
    }

    /// A code from the browser.
    pub(in crate::spotify) async fn code(
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
        self.ask(Ask { flow, form: &form, secrets: &secrets }).await
    }

    /// A refresh, within the time that others wait for it.
    pub(super) async fn refresh(&self, flow: Flow, token: &SecretString) -> Result<Reply, NoToken> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token.expose_secret())];
        let secrets = [token];
        let asked = self.ask(Ask { flow, form: &form, secrets: &secrets });
        tokio::time::timeout(self.rules.refresh, asked).await.unwrap_or_else(|_| {
            let what = format!("POST {ROUTE}: no answer within {} s", self.rules.refresh.as_secs());
            Err(NoToken::Error(ApiError::Unreachable { what, attempts: self.rules.attempts }))
        })
    }

    /// Sends it until an answer says something.
    pub(super) async fn ask(&self, ask: Ask<'_>) -> Result<Reply, NoToken> {
        let mut form = ask.form.to_vec();
        let basic = match ask.flow {
            Flow::Code => Some(self.basic.as_ref().ok_or_else(|| ApiError::Credentials {
                variable: "SPOTIFY_CLIENT_SECRET",
                message: "no client secret is set".to_owned(),
            })?),
            Flow::Pkce => {
                form.push(("client_id", &self.client_id));
                None
            }
        };
        let mut attempt = 1;
        loop {
            let sent = self.transport.send(Outgoing {
                url: self.url.clone(),
                route: ROUTE,
                authorization: basic,
                etag: None,
                form: Some(&form),
            });
            let what = match sent.await {
                Ok(answer) if (500..600).contains(&answer.status) => {
                    format!("POST {ROUTE}: status {}", answer.status)
                }
                Ok(answer) => match self.read(&answer, &ask) {
                    Ok(Reply::InvalidGrant { words, .. }) => {
                        return Ok(Reply::InvalidGrant { words, after_loss: attempt > 1 });
                    }
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
                return Err(NoToken::Error(ApiError::Unreachable { what, attempts: attempt }));
            }
            tracing::debug!(attempt, what, "no token yet, asking again");
            let pause = self.rules.pause * 2_u32.pow(attempt - 1);
            self.clock.sleep(pause.mul_f64(jitter::unit())).await;
            attempt += 1;
        }
    }

    /// Reads an answer below 500. `Err(None)`: not a token, worth another try.
    fn read(&self, answer: &Incoming, ask: &Ask<'_>) -> Result<Reply, Option<NoToken>> {
        let now = self.clock.now().wall;
        let date = answer.date.as_deref().and_then(|date| httpdate::parse_http_date(date).ok());
        let date = date.map(DateTime::<Utc>::from);
        if let Some(words) = date.and_then(|date| self.skew.notice(date, now)) {
            self.observer.warned(&words);
        }
        if answer.status == 200 {
            let body: Body = serde_json::from_slice(&answer.body).map_err(|_| None)?;
            let seconds = body.expires_in.unwrap_or(3_600.0).clamp(1.0, 86_400.0);
            return Ok(Reply::Granted(Granted {
                access_token: body.access_token,
                lasts: Duration::from_secs_f64(seconds),
                refresh_token: body.refresh_token,
                scopes: body.scope.map(|scope| scope.split_whitespace().map(str::to_owned).collect()),
                at: believed(date, now),
            }));
        }
        let denied: Denied = serde_json::from_slice(&answer.body).unwrap_or_default();
        let invalid_grant = denied.error.as_deref() == Some("invalid_grant");
        let words = match (denied.error, denied.error_description) {
            (Some(error), Some(description)) => format!("{error}: {description}"),
            (one, other) => one.or(other).unwrap_or_else(|| format!("status {}", answer.status)),
        };
        let words = self.without_secrets(words, ask);
        Err(Some(match answer.status {
            400 | 401 if invalid_grant => return Ok(Reply::InvalidGrant { words, after_loss: false }),
            429 => NoToken::Refused {
                retry_after: retry_after::read(answer.retry_after.as_deref(), answer.date.as_deref(), now),
                words,
            },
            400 | 401 | 403 => NoToken::Error(credentials(words)),
            status => NoToken::Error(ApiError::Unreachable {
                what: format!("POST {ROUTE}: status {status}: {words}"),
                attempts: 1,
            }),
        }))
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
