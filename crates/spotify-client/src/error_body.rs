//! Reads what can be read without knowing the endpoint: Spotify's message in a refusal, and whether a
//! body can be JSON at all. A refusal need not have any particular shape: proxies respond with HTML, or
//! with nothing.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::auth::strip_control_chars;
use super::request::{ApiResponse, UnusableResponse};
use crate::http::transport::HttpResponse;
use crate::wire::{JsonField, JsonText};

/// The content of a refusal.
pub(super) struct ErrorBody {
    pub(super) words: String,
    pub(super) quota: bool,
    /// Whether the body is Spotify's error object and not a proxy's page.
    pub(super) by_spotify: bool,
}

#[derive(Deserialize)]
struct ErrorEnvelope<'a> {
    #[serde(borrow)]
    error: ErrorObject<'a>,
}

#[derive(Deserialize)]
struct ErrorObject<'a> {
    #[serde(borrow, default)]
    message: JsonField<JsonText<'a>>,
    #[serde(borrow, default)]
    reason: JsonField<JsonText<'a>>,
}

impl ErrorBody {
    /// Reads Spotify's error object. Any other body is quoted.
    pub(super) fn parse(incoming: &HttpResponse, authorization: &SecretString) -> ErrorBody {
        let parsed: Option<ErrorEnvelope<'_>> = serde_json::from_slice(&incoming.body).ok();
        let by_spotify = parsed.is_some();
        let reason = parsed.as_ref().and_then(|body| body.error.reason.value().map(|it| it.to_string()));
        // A server may echo headers. The token must not reach our errors and the ledger, and it is removed
        // before the text is cut, because the cut could fall within the token.
        let token = authorization.expose_secret().split_once(' ').map(|(_, token)| token);
        let bare = |text: &str| token.map_or_else(|| text.to_owned(), |token| text.replace(token, "[token]"));
        let message =
            parsed.and_then(|body| body.error.message.value().map(|it| it.to_string())).unwrap_or_else(|| {
                match String::from_utf8_lossy(&incoming.body).trim() {
                    "" => "no words".to_owned(),
                    text if text.starts_with('<') => "an HTML page".to_owned(),
                    text => bare(text).chars().take(300).collect(),
                }
            });
        let mut words = format!("status {}, {message}", incoming.status);
        if let Some(reason) = &reason {
            words.push_str(&format!(" ({reason})"));
        }
        if let Some(header) = &incoming.retry_after {
            words.push_str(&format!(", Retry-After: {header}"));
        }
        ErrorBody {
            words: strip_control_chars(&bare(&words)),
            quota: incoming.status == 429 && reason.as_deref() == Some("QUOTA_EXCEEDED"),
            by_spotify,
        }
    }
}

/// Whether a body has words that are no JSON: those of a proxy, or of the sign-in page of a network. An empty body, and one
/// that is cut short, says nothing about who sent it.
pub(super) fn is_foreign(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    let is_object = || matches!(body.first(), Some(b'{' | b'['));
    !body.is_empty() && !is_object() && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_err()
}

/// Detects a body that is cut short or a proxy's page, without parsing it.
pub(super) fn looks_like_json(answer: &ApiResponse) -> Result<(), UnusableResponse> {
    if answer.status == 304 {
        return Ok(());
    }
    let body = answer.body.trim_ascii();
    match (body.first(), body.last()) {
        (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')) => Ok(()),
        (Some(b'<'), _) => Err(UnusableResponse::new("an HTML page came instead of JSON")),
        (None, _) => Err(UnusableResponse::new("the answer is empty")),
        (Some(b'{' | b'['), _) => Err(UnusableResponse::new("the answer is cut short")),
        _ if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() => Ok(()),
        _ => Err(UnusableResponse::new("the answer is not JSON")),
    }
}
