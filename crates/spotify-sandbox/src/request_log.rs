//! What the sandbox saw: one line a request, without a token or a secret.
//!
//! Tests count calls by it, and users find out what their job really asks. Headers and bodies are
//! never kept, and query values that could be a credential are blanked.

use std::sync::Mutex;

use serde::Serialize;

use super::lock;

/// One request, as it was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// `GET`, `POST`, ….
    pub method: String,
    /// The path as sent, `/v1/tracks/…`.
    pub path: String,
    /// The query as sent, credentials blanked; empty if there was none.
    pub query: String,
    /// Status of the answer; 0 if the connection ended before one was sent.
    pub status: u16,
    /// Milliseconds since the sandbox was started, moved time included.
    pub at_ms: i64,
    /// Whether an `Authorization: Bearer` header came with it.
    pub bearer: bool,
    /// The client id of the app that the token was given to; nothing if it was not a good one.
    pub client_id: Option<String>,
    /// Whose token it was: a user's id, `app`, or nothing if it was not a good one.
    pub on_behalf_of: Option<String>,
    /// The shape of the endpoint, `/playlists/{id}/items`: what quotas are counted by.
    pub family: String,
    /// The grant asked for, if it was a call for a token.
    pub grant_type: Option<String>,
    /// The fault that was played, if any.
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

/// A query fit for the log.
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
    fn a_credential_in_a_query_does_not_reach_the_log() {
        assert_eq!(
            redact_credentials("limit=50&code=AQB&access_token=BQC"),
            "limit=50&code=[removed]&access_token=[removed]"
        );
        assert_eq!(redact_credentials(""), "");
    }
}
