//! The one endpoint of the accounts service: `POST /api/token`.
//!
//! Every grant type goes through here: the app's own token, codes and refreshes. [`retry::decide_token`]
//! decides what follows an attempt: a lost response or a 5xx is tried again, at most twice; a refusal
//! goes to the caller, which holds back all calls. Everything that was sent is removed from the server's
//! message before it becomes part of an error.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::skew::{ClockSkew, believed_time};
use super::token_answer::{TokenBody, TokenGrant};
use super::{TokenError, TokenRules, certificate_error, strip_control_chars};
use crate::error::ApiError;
use crate::http::clock::Clock;
use crate::http::observer::CallObserver;
use crate::http::retry::{self, AttemptHistory, AttemptOutcome, RetryDecision, RetryRules};
use crate::http::retry_after::{self, RetryAfter};
use crate::http::transport::{HttpRequest, HttpResponse, HttpTransport, TransportError};
use crate::random::random_fraction;
use crate::state::grants::SignInFlow;

/// The name of the token request in logs and errors.
const ROUTE: &str = "token";

/// Requests tokens.
pub(crate) struct TokenEndpoint {
    transport: Arc<HttpTransport>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn CallObserver>,
    url: Url,
    client_id: String,
    basic: Option<SecretString>,
    secret: Option<SecretString>,
    rules: TokenRules,
    skew: ClockSkew,
}

impl fmt::Debug for TokenEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.url)
    }
}

/// The response of the accounts service.
#[derive(Debug)]
pub(crate) enum TokenReply {
    /// New tokens.
    Granted(TokenGrant),
    /// `invalid_grant`: this code or refresh token is not valid, or no longer.
    InvalidGrant {
        /// Spotify's message.
        words: String,
        /// Whether an earlier response was lost. It may have contained a new token.
        after_loss: bool,
    },
}

#[derive(Default, Deserialize)]
struct TokenErrorBody {
    error: Option<String>,
    error_description: Option<String>,
}

/// A request for a token.
pub(super) struct TokenRequest<'a> {
    /// How the app identifies itself: with its secret, or by its id alone.
    pub(super) flow: SignInFlow,
    /// The fields of the form.
    pub(super) form: &'a [(&'a str, &'a str)],
    /// The secret fields, which no error may repeat.
    pub(super) secrets: &'a [&'a SecretString],
}

impl TokenRequest<'_> {
    /// Whether a 200 has used up the code, so that a second request is useless, whatever is in the answer.
    fn redeems_a_code(&self) -> bool {
        self.form.contains(&("grant_type", "authorization_code"))
    }
}

/// Why there is no token.
#[derive(Debug)]
pub(super) struct TokenFailure {
    pub(super) why: TokenError,
    /// Whether an earlier response was lost. It may have contained a new token.
    pub(super) after_loss: bool,
}

impl From<TokenFailure> for TokenError {
    fn from(failed: TokenFailure) -> TokenError {
        failed.why
    }
}

impl TokenEndpoint {
    /// Whether the clock of this machine is known to be ahead.
    pub(crate) fn clock_is_ahead(&self) -> bool {
        self.skew.is_ahead()
    }

    pub(crate) fn new(
        transport: Arc<HttpTransport>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn CallObserver>,
        accounts_url: &Url,
        (client_id, client_secret): (&str, Option<&SecretString>),
        rules: TokenRules,
    ) -> Result<TokenEndpoint, ApiError> {
        let url = format!("{}/api/token", accounts_url.as_str().trim_end_matches('/'));
        let url =
            Url::parse(&url).map_err(|error| ApiError::Config { message: format!("spotify.accounts_url: {error}") })?;
        let basic = client_secret.map(|secret| {
            let pair = format!("{client_id}:{}", secret.expose_secret());
            SecretString::from(format!("Basic {}", STANDARD.encode(pair)))
        });
        let skew = ClockSkew::default();
        Ok(TokenEndpoint {
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

    /// How users sign in: with the secret if there is one.
    pub(crate) fn flow(&self) -> SignInFlow {
        if self.basic.is_some() { SignInFlow::Code } else { SignInFlow::Pkce }
    }

    /// Exchanges a code from the browser for tokens.
    pub(crate) async fn exchange_code(
        &self,
        flow: SignInFlow,
        code: &SecretString,
        redirect_uri: &str,
        verifier: Option<&SecretString>,
    ) -> Result<TokenReply, TokenError> {
        let form =
            [("grant_type", "authorization_code"), ("code", code.expose_secret()), ("redirect_uri", redirect_uri)];
        let Some(verifier) = verifier else {
            return Ok(self.send(TokenRequest { flow, form: &form, secrets: &[code] }).await?);
        };
        let with_verifier = [&form[..], &[("code_verifier", verifier.expose_secret())]].concat();
        let sent = self.send(TokenRequest { flow, form: &with_verifier, secrets: &[code, verifier] }).await;
        match sent.map_err(|failed| failed.why) {
            // RFC 7636 allows a verifier with a client secret, but a server may know only one of them.
            Err(TokenError::Error(ApiError::Credentials { message, .. }))
                if flow == SignInFlow::Code && refuses_pkce(&message) =>
            {
                self.observer.warned(&format!(
                    "the accounts service refuses PKCE together with a client secret ({message}); signing in with the \
                     secret alone"
                ));
                Ok(self.send(TokenRequest { flow, form: &form, secrets: &[code] }).await?)
            }
            sent => sent,
        }
    }

    /// Refreshes a grant, within the time that other processes wait for it.
    pub(super) async fn refresh(&self, flow: SignInFlow, token: &SecretString) -> Result<TokenReply, TokenFailure> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token.expose_secret())];
        let secrets = [token];
        let asked = self.send(TokenRequest { flow, form: &form, secrets: &secrets });
        tokio::time::timeout(self.rules.refresh, asked).await.unwrap_or_else(|_| {
            let what = format!("POST {ROUTE}: no answer within {} s", self.rules.refresh.as_secs());
            let why = TokenError::Error(ApiError::Unreachable { what, attempts: self.rules.attempts });
            Err(TokenFailure { why, after_loss: true })
        })
    }

    /// Sends a request until a response is conclusive.
    pub(super) async fn send(&self, ask: TokenRequest<'_>) -> Result<TokenReply, TokenFailure> {
        let mut form = ask.form.to_vec();
        let no_secret = || {
            let (variable, message) = ("SPOTIFY_CLIENT_SECRET", "no client secret is set".to_owned());
            let why = TokenError::Error(ApiError::Credentials { variable, message });
            TokenFailure { why, after_loss: false }
        };
        let basic = match ask.flow {
            SignInFlow::Code => Some(self.basic.as_ref().ok_or_else(no_secret)?),
            SignInFlow::Pkce => {
                form.push(("client_id", &self.client_id));
                None
            }
        };
        let rules =
            RetryRules { attempts: self.rules.attempts, first_pause: self.rules.pause, ..RetryRules::default() };
        let mut attempt = 1;
        loop {
            let sent = self.transport.send(HttpRequest {
                url: self.url.clone(),
                route: ROUTE,
                authorization: basic,
                etag: None,
                form: Some(&form),
            });
            let (outcome, came) = self.read(sent.await, &ask, attempt);
            let jitter = random_fraction();
            let tried = AttemptHistory {
                attempt,
                token_renewed: false,
                may_retry: true,
                unstated_refusals: 0,
                family_refusals: 0,
                jitter,
            };
            match (came, retry::decide_token(outcome, &tried, &rules)) {
                (Err(TokenError::Error(error)), RetryDecision::Again { after }) => {
                    tracing::debug!(attempt, %error, "no token yet, asking again");
                    self.clock.sleep(after).await;
                    attempt += 1;
                }
                (came, _) => return came.map_err(|why| TokenFailure { why, after_loss: attempt > 1 }),
            }
        }
    }

    /// The outcome of an attempt, and the result if there is no further attempt.
    fn read(
        &self,
        sent: Result<HttpResponse, TransportError>,
        ask: &TokenRequest<'_>,
        attempt: u32,
    ) -> (AttemptOutcome, Result<TokenReply, TokenError>) {
        let unreachable = |what| Err(TokenError::Error(ApiError::Unreachable { what, attempts: attempt }));
        let answer = match sent {
            Ok(answer) => answer,
            Err(TransportError::Certificate { detail, .. }) => {
                return (AttemptOutcome::Certificate, Err(TokenError::Error(certificate_error(&*self.clock, &detail))));
            }
            Err(error) => return (AttemptOutcome::Lost, unreachable(error.to_string())),
        };
        let now = self.clock.now().wall;
        let date = answer.date.as_deref().and_then(|date| httpdate::parse_http_date(date).ok());
        let date = date.map(DateTime::<Utc>::from);
        if let Some(words) = date.and_then(|date| self.skew.observe(date, now)) {
            self.observer.warned(&words);
        }
        let (status, retry_after) = (answer.status, &answer.retry_after);
        let retry_after = retry_after::read(retry_after.as_deref(), answer.date.as_deref(), now);
        let outcome = AttemptOutcome::Answered { status, retry_after, quota: false, conditional: false };
        if status == 200 {
            return match serde_json::from_slice::<TokenBody<'_>>(&answer.body) {
                Ok(body) if body.unusable().is_none() || ask.redeems_a_code() => {
                    (outcome, Ok(TokenReply::Granted(body.into_grant(believed_time(date, now)))))
                }
                Ok(body) => {
                    let why = body.unusable().unwrap_or_default();
                    (AttemptOutcome::Unusable, unreachable(format!("POST {ROUTE}: {why}")))
                }
                Err(_) => (AttemptOutcome::Unusable, unreachable(format!("POST {ROUTE}: the answer holds no token"))),
            };
        }
        let denied: TokenErrorBody = serde_json::from_slice(&answer.body).unwrap_or_default();
        let invalid_grant = denied.error.as_deref() == Some("invalid_grant");
        let words = match (denied.error, denied.error_description) {
            (Some(error), Some(description)) => format!("{error}: {description}"),
            (one, other) => one.or(other).unwrap_or_else(|| format!("status {status}")),
        };
        let words = self.redact(words, ask);
        let came = match status {
            400 | 401 if invalid_grant => Ok(TokenReply::InvalidGrant { words, after_loss: attempt > 1 }),
            429 => Err(TokenError::Refused { retry_after, words }),
            503 if retry_after != RetryAfter::Nothing => Err(TokenError::Refused { retry_after, words }),
            400 | 401 | 403 => Err(TokenError::Error(credentials_error(words))),
            500..=599 => unreachable(format!("POST {ROUTE}: status {status}")),
            _ => unreachable(format!("POST {ROUTE}: status {status}: {words}")),
        };
        (outcome, came)
    }

    /// Removes secrets from a message, because a server may echo the request.
    fn redact(&self, mut words: String, ask: &TokenRequest<'_>) -> String {
        let basic = self.basic.as_ref().and_then(|it| it.expose_secret().split_once(' '));
        let sent = ask.secrets.iter().map(|secret| secret.expose_secret());
        let own = basic.map(|(_, pair)| pair).into_iter().chain(self.secret.iter().map(ExposeSecret::expose_secret));
        for secret in sent.chain(own).filter(|secret| !secret.is_empty()) {
            words = words.replace(secret, "[secret]");
        }
        strip_control_chars(&words)
    }
}

/// Whether an error says that a server does not know PKCE, and not only that a verifier or another parameter is wrong.
fn refuses_pkce(message: &str) -> bool {
    const REFUSALS: [&str; 9] = [
        "not supported",
        "unsupported",
        "not allowed",
        "not permitted",
        "not accepted",
        "must not be sent",
        "must not be used",
        "must not be present",
        "may not be used",
    ];
    let message = message.to_ascii_lowercase().replace("code verifier", "code_verifier");
    let words: Vec<&str> = message
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !["", "the", "is", "are", "parameter"].contains(word))
        .collect();
    let names_it = |at: &usize| ["code_verifier", "pkce"].contains(&words[*at]);
    words.first() == Some(&"invalid_request")
        && (0..words.len()).filter(names_it).any(|at| {
            let (before, after) = (words[..at].join(" "), words[at + 1..].join(" "));
            let is_last = after.is_empty() || after.starts_with("with ") || after.starts_with("for ");
            REFUSALS.iter().any(|refusal| after.starts_with(refusal))
                || before.ends_with("not support")
                || is_last && ["unsupported", "unknown", "unexpected"].iter().any(|word| before.ends_with(word))
        })
}

/// The error that names the wrong credential, according to Spotify's message.
fn credentials_error(message: String) -> ApiError {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_of_pkce_leaves_it_out() {
        for refusal in [
            "invalid_request: code_verifier is not supported with a client secret",
            "invalid_request: PKCE not supported",
            "invalid_request: This app does not support PKCE.",
            "invalid_request: Unsupported parameter: `code_verifier`",
            "invalid_request: the parameter code_verifier is not allowed",
            "invalid_request: PKCE may not be used by confidential clients",
        ] {
            assert!(refuses_pkce(refusal), "{refusal}");
        }
        for other in [
            "invalid_request",
            "invalid_request: redirect_uri mismatch",
            "invalid_request: redirect_uri is not supported",
            "invalid_request: code_verifier",
            "invalid_request: code_verifier was incorrect",
            "invalid_request: code_verifier must be supplied",
            "invalid_request: code_verifier must not be empty",
            "invalid_request: code_verifier length not supported",
            "invalid_request: unsupported code_verifier length",
            "invalid_client: PKCE not supported",
            "server_error: PKCE not supported",
        ] {
            assert!(!refuses_pkce(other), "{other}");
        }
    }
}
