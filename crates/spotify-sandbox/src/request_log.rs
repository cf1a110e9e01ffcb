//! The request log, without tokens and secrets.
//!
//! Tests count calls with it, and users see what their job requests. It never stores headers or bodies, and
//! it removes query values that could be credentials.

use std::sync::Mutex;

use serde::Serialize;

use super::lock;

/// One request and the outcome of its response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// `GET`, `POST`, ….
    pub method: String,
    /// The path as sent, `/v1/tracks/…`.
    pub path: String,
    /// The query as sent, without credentials; empty if there was none.
    pub query: String,
    /// Status of the response; 0 if the connection ended without one.
    pub status: u16,
    /// Milliseconds since the start of the sandbox, including advanced time.
    pub at_ms: i64,
    /// Whether the request had an `Authorization: Bearer` header.
    pub bearer: bool,
    /// The client id that the token was issued to; `None` for an invalid token.
    pub client_id: Option<String>,
    /// The owner of the token: a user id or `app`; `None` for an invalid token.
    pub on_behalf_of: Option<String>,
    /// The endpoint family that quotas count by, such as `/playlists/{id}/items`.
    pub family: String,
    /// The `grant_type` of a token request.
    pub grant_type: Option<String>,
    /// The name of the injected fault.
    pub fault: Option<String>,
}

/// All requests since the start, or since the log was cleared.
#[derive(Debug, Default)]
pub(crate) struct RequestLog(Mutex<Vec<LoggedRequest>>);

impl RequestLog {
    pub(crate) fn add(&self, seen: LoggedRequest) {
        lock(&self.0).push(seen);
    }

    pub(crate) fn all(&self) -> Vec<LoggedRequest> {
        lock(&self.0).clone()
    }

    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }
}

const CREDENTIALS: [&str; 7] =
    ["access_token", "refresh_token", "client_secret", "code", "code_verifier", "token", "state"];

/// Replaces the values of credentials in a query.
pub(crate) fn redact_credentials(query: &str) -> String {
    query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((key, _)) if CREDENTIALS.contains(&key) => format!("{key}=[removed]"),
            _ => pair.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_logged() {
        assert_eq!(
            redact_credentials("limit=50&code=AQB&access_token=BQC"),
            "limit=50&code=[removed]&access_token=[removed]"
        );
        assert_eq!(redact_credentials(""), "");
    }
}
