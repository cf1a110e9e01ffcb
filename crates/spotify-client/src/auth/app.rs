//! The app's own token (client credentials).
//!
//! Only one request is in flight at a time. The first task sends it; the others wait, and share the
//! token or the failure. A token is used until shortly before it expires. A random part is added to
//! that margin, so that processes do not all renew at the same moment. A refused secret stays refused
//! for the rest of the run: another request would look like guessing.

use std::sync::{Arc, Mutex, PoisonError};

use super::endpoint::{TokenEndpoint, TokenReply, TokenRequest};
use super::{BearerToken, TokenError, TokenGrant, TokenRules};
use crate::error::ApiError;
use crate::http::clock::Clock;
use crate::state::grants::SignInFlow;

/// Fetches and keeps the app's token.
#[derive(Debug)]
pub(crate) struct AppToken {
    endpoint: Arc<TokenEndpoint>,
    clock: Arc<dyn Clock>,
    rules: TokenRules,
    current: Mutex<AppTokenState>,
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct AppTokenState {
    token: Option<Arc<BearerToken>>,
    generation: i64,
    failures: u64,
    failed: Option<TokenError>,
    /// Whether the refusal is final, so that a second request cannot succeed.
    for_good: bool,
}

impl AppToken {
    pub(crate) fn new(endpoint: Arc<TokenEndpoint>, clock: Arc<dyn Clock>, rules: TokenRules) -> AppToken {
        AppToken { endpoint, clock, rules, current: Mutex::default(), fetching: tokio::sync::Mutex::default() }
    }

    /// The cached token, if it is fresh and not the one that was refused.
    pub(crate) fn cached(&self, refused: Option<i64>) -> Option<Arc<BearerToken>> {
        let now_ms = self.clock.now().steady_ms;
        self.current().token.clone().filter(|token| token.is_usable(refused, now_ms))
    }

    /// The cached token, or a new one.
    pub(crate) async fn get(&self, refused: Option<i64>) -> Result<Arc<BearerToken>, TokenError> {
        let failures = self.current().failures;
        let _fetching = self.fetching.lock().await;
        if let Some(token) = self.cached(refused) {
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
            Ok(granted) => {
                current.generation += 1;
                let fresh = granted.lasts - self.rules.renewal_margin(granted.lasts);
                let fresh = i64::try_from(fresh.as_millis()).unwrap_or(0);
                let fresh_until_ms = self.clock.now().steady_ms + fresh;
                let token = Arc::new(BearerToken::new(&granted.access_token, current.generation, fresh_until_ms));
                current.token = Some(Arc::clone(&token));
                Ok(token)
            }
            Err(failed) => {
                current.failures += 1;
                current.for_good = matches!(&failed, TokenError::Error(ApiError::Credentials { .. }));
                current.failed = Some(failed.clone());
                Err(failed)
            }
        }
    }

    /// Requests a token, even if one is cached.
    pub(crate) async fn fetch(&self) -> Result<TokenGrant, TokenError> {
        let form = [("grant_type", "client_credentials")];
        match self.endpoint.send(TokenRequest { flow: SignInFlow::Code, form: &form, secrets: &[] }).await? {
            TokenReply::Granted(granted) => Ok(granted),
            TokenReply::InvalidGrant { words, .. } => Err(TokenError::Error(ApiError::Credentials {
                variable: "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET",
                message: words,
            })),
        }
    }

    fn current(&self) -> std::sync::MutexGuard<'_, AppTokenState> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
