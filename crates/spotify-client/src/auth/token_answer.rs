//! The answer with a token: what may be odd about it, and what it gives.

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Deserialize;

use crate::wire::{JsonField, JsonInt, JsonList, JsonText};

/// Tokens that the accounts service gave.
#[derive(Debug, Clone)]
pub struct TokenGrant {
    /// The token to send with calls.
    pub access_token: SecretString,
    /// How long the access token is valid.
    pub lasts: Duration,
    /// A new refresh token. `None` (absent, null or empty) keeps the old one.
    pub refresh_token: Option<SecretString>,
    /// The granted scopes, if the response lists them. They may be fewer than requested.
    pub scopes: Option<Vec<String>>,
    /// When it was granted, by the server's clock if the local one is wrong.
    pub at: DateTime<Utc>,
    /// What is wrong with the answer. A sign-in refuses it. A renewal goes on as long as the token can be sent, since it
    /// has used up the old refresh token.
    pub flaw: Option<&'static str>,
}

#[derive(Deserialize)]
pub(super) struct TokenBody<'a> {
    #[serde(borrow, default)]
    access_token: JsonField<JsonText<'a>>,
    #[serde(borrow, default)]
    token_type: JsonField<JsonText<'a>>,
    #[serde(default)]
    expires_in: JsonField<JsonInt>,
    #[serde(borrow, default)]
    refresh_token: JsonField<JsonText<'a>>,
    #[serde(borrow, default)]
    scope: JsonField<JsonList<JsonText<'a>>>,
}

/// A longer access token does not fit into a request.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The longest time for which an access token may be valid. Those of Spotify are valid for an hour.
const MAX_TOKEN_SECONDS: i64 = 86_400;

impl TokenBody<'_> {
    /// Why calls cannot send the token.
    pub(super) fn unusable(&self) -> Option<&'static str> {
        let token = self.access_token.value().map_or("", |token| token);
        if token.is_empty() {
            Some("the answer contains no access token")
        } else if token.len() > MAX_TOKEN_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            Some("the access token is too long, or contains characters that no token has")
        } else if self.token_type.value().is_some_and(|kind| !kind.is_empty() && !kind.eq_ignore_ascii_case("bearer")) {
            // Spotify's documentation says that it always is one.
            Some("the token is not a bearer token")
        } else {
            None
        }
    }

    /// What a complete answer contains, and this one does not.
    fn oddity(&self) -> Option<&'static str> {
        let is_in_range = |seconds: &JsonInt| (1..=MAX_TOKEN_SECONDS).contains(&seconds.0);
        if self.token_type.value().is_none_or(|kind| kind.is_empty()) {
            Some("the answer does not say in `token_type` that the token is a bearer token")
        } else if matches!(self.expires_in, JsonField::Unreadable)
            || self.expires_in.value().is_some_and(|seconds| !is_in_range(seconds))
        {
            Some("`expires_in` is not a number of seconds from 1 to 86400")
        } else {
            None
        }
    }

    pub(super) fn into_grant(self, at: DateTime<Utc>) -> TokenGrant {
        let flaw = self.unusable().or_else(|| self.oddity());
        let seconds = self.expires_in.value().map_or(3_600, |seconds| seconds.0).clamp(1, MAX_TOKEN_SECONDS);
        let refresh_token = self.refresh_token.value().filter(|token| !token.is_empty());
        // Granted scopes are one text with spaces. A list of them is understood as well.
        let scopes = |scopes: &JsonList<JsonText<'_>>| {
            scopes.iter().flat_map(|scope| scope.split_whitespace()).map(str::to_owned).collect()
        };
        TokenGrant {
            access_token: SecretString::from(
                self.access_token.value().map(|token| token.to_string()).unwrap_or_default(),
            ),
            lasts: Duration::from_secs(seconds.unsigned_abs()),
            refresh_token: refresh_token.map(|token| SecretString::from(token.to_string())),
            scopes: self.scope.value().map(scopes),
            at,
            flaw,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a renewal does with an answer: why it cannot be used, or for how many seconds its token is valid.
    fn renewed(text: &str) -> Result<u64, &'static str> {
        let body: TokenBody<'_> = serde_json::from_str(text).unwrap();
        body.unusable().map_or_else(|| Ok(body.into_grant(Utc::now()).lasts.as_secs()), Err)
    }

    #[test]
    fn renewals_keep_tokens_of_odd_answers() {
        // Its refresh token would be lost, and with it the grant.
        assert_eq!(renewed(r#"{"access_token": "x"}"#), Ok(3600));
        assert_eq!(renewed(r#"{"access_token": "x", "token_type": "bearer", "expires_in": "1800"}"#), Ok(1800));
        assert_eq!(renewed(r#"{"access_token": "x", "token_type": "", "expires_in": "soon"}"#), Ok(3600));
        assert_eq!(renewed(r#"{"access_token": "x", "expires_in": 99999999999}"#), Ok(86_400));
        assert_eq!(renewed(r#"{"access_token": "x", "token_type": "mac"}"#), Err("the token is not a bearer token"));
        assert_eq!(renewed(r#"{"access_token": ""}"#), Err("the answer contains no access token"));
    }
}
