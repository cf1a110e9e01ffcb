//! The tokens of users, which only one process at a time renews.
//!
//! Several runs may need the same grant at once. A server that rotates refresh tokens takes the second
//! use of one for theft and ends the grant. The steps are therefore: use a token that is still fresh;
//! otherwise take the lock of the grant; read the grant again, because another process may have renewed
//! it; write down the intent; send the request; write the result to disk before it is used; release the
//! lock. Once the intent is written, stopping the run does not interrupt the refresh: the run waits for
//! the response.
//!
//! `invalid_grant` is final for every process until the user signs in again. A network failure is not.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::endpoint::{TokenEndpoint, TokenFailure, TokenReply};
use super::environment::{EnvironmentGrant, adopt, environment_grant};
use super::{BearerToken, TokenError, TokenGrant, TokenRules};
use crate::error::ApiError;
use crate::http::cancellation;
use crate::http::clock::Clock;
use crate::http::observer::CallObserver;
use crate::state::grants::{
    GrantError, GrantLock, GrantState, GrantStore, GrantWithTokens, LOCK_TIMEOUT, RenewedGrant, StoredAccessToken,
    grant_end,
};

/// How often the lock is tried while another process holds it.
const LOCK_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Fetches and caches the tokens of users.
pub(crate) struct UserTokens {
    endpoint: Arc<TokenEndpoint>,
    grants: Arc<GrantStore>,
    environment: Option<SecretString>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn CallObserver>,
    rules: TokenRules,
    slots: Mutex<HashMap<String, Arc<UserSlot>>>,
}

/// One user's token in this process.
#[derive(Default)]
struct UserSlot {
    current: Mutex<UserTokenState>,
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct UserTokenState {
    token: Option<Arc<BearerToken>>,
    failures: u64,
    failed: Option<TokenError>,
    environment_said: bool,
}

impl UserSlot {
    fn current(&self) -> MutexGuard<'_, UserTokenState> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UserTokens {
    pub(crate) fn new(
        endpoint: Arc<TokenEndpoint>,
        grants: Arc<GrantStore>,
        environment: Option<SecretString>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn CallObserver>,
        rules: TokenRules,
    ) -> UserTokens {
        UserTokens { endpoint, grants, environment, clock, observer, rules, slots: Mutex::default() }
    }

    /// The grants behind the tokens.
    pub(crate) fn grants(&self) -> &Arc<GrantStore> {
        &self.grants
    }

    /// The cached token, if it is fresh and not the one that was refused.
    pub(crate) fn cached(&self, user: &str, refused: Option<i64>) -> Option<Arc<BearerToken>> {
        let now_ms = self.clock.now().steady_ms;
        self.slot(user).current().token.clone().filter(|token| token.is_usable(refused, now_ms))
    }

    /// The cached token, the stored one, or a new one. Waiting tasks share the result.
    pub(crate) async fn get(
        self: &Arc<Self>,
        user: &str,
        refused: Option<i64>,
        stop: &CancellationToken,
    ) -> Result<Arc<BearerToken>, TokenError> {
        let slot = self.slot(user);
        let failures = slot.current().failures;
        let _fetching = cancellation::until_stopped(stop, slot.fetching.lock()).await.map_err(|_| ApiError::Stopped)?;
        if let Some(token) = self.cached(user, refused) {
            return Ok(token);
        }
        {
            let current = slot.current();
            if let (true, Some(failed)) = (current.failures != failures, &current.failed) {
                return Err(failed.clone());
            }
        }
        let obtained = self.obtain(user, refused, stop, &slot).await;
        let mut current = slot.current();
        match obtained {
            Ok(token) => {
                current.token = Some(Arc::clone(&token));
                Ok(token)
            }
            Err(failed) => {
                current.failures += 1;
                current.failed = Some(failed.clone());
                Err(failed)
            }
        }
    }

    async fn obtain(
        self: &Arc<Self>,
        user: &str,
        refused: Option<i64>,
        stop: &CancellationToken,
        slot: &UserSlot,
    ) -> Result<Arc<BearerToken>, TokenError> {
        if let Some(held) = self.read(user, slot, None)?
            && let Some(token) = self.usable(&held, refused)
        {
            return Ok(token);
        }
        let lock = self.lock(user, stop).await?;
        // The previous holder of the lock may have renewed the grant.
        let held = self.read(user, slot, Some(&lock))?.ok_or_else(|| self.no_grant_error(user))?;
        if let Some(token) = self.usable(&held, refused) {
            return Ok(token);
        }
        let me = Arc::clone(self);
        let refresh = tokio::spawn(async move { me.refresh(&lock, held).await });
        refresh.await.unwrap_or_else(|ended| {
            let what = format!("the refresh ended early: {ended}");
            Err(TokenError::Error(ApiError::Unreachable { what, attempts: 1 }))
        })
    }

    /// The stored grant, after the token of the environment was considered. `None` means that this token
    /// has to be stored first. Only the holder of the lock may do that, because another process may have
    /// stored it just now, and Spotify may have rotated it since.
    fn read(
        &self,
        user: &str,
        slot: &UserSlot,
        lock: Option<&GrantLock>,
    ) -> Result<Option<GrantWithTokens>, TokenError> {
        let mut held = self.grants.get_with_tokens(user)?;
        let said = slot.current().environment_said;
        if let Some(token) = self.environment.as_ref().filter(|_| !said) {
            let words = match (environment_grant(user, held.as_ref(), token), lock) {
                (EnvironmentGrant::Stored(words), _) => words,
                (EnvironmentGrant::No, None) => return Ok(None),
                (EnvironmentGrant::No, Some(lock)) => {
                    let flow = self.endpoint.flow();
                    let words = adopt(&self.grants, lock, (user, held.as_ref()), token, flow, self.clock.now())?;
                    held = self.grants.get_with_tokens(user)?;
                    Some(words)
                }
            };
            slot.current().environment_said = true;
            if let Some(words) = words {
                self.observer.warned(&words);
            }
        }
        let held = held.ok_or_else(|| self.no_grant_error(user))?;
        if held.grant.state == GrantState::NeedsSignIn {
            return Err(TokenError::Error(sign_in_error(&held, &held.grant.state_reason, self.now())));
        }
        Ok(Some(held))
    }

    /// The stored access token, if it is fresh and not the one that was refused.
    fn usable(&self, held: &GrantWithTokens, refused: Option<i64>) -> Option<Arc<BearerToken>> {
        let access = held.access.as_ref()?;
        let lasts = (access.expires_at - access.issued_at).to_std().ok()?;
        let early = TimeDelta::from_std(self.rules.renewal_margin(lasts)).ok()?;
        let now = self.clock.now();
        // A clock that was set back must not make a token last longer than it ever did.
        let left = (access.expires_at - now.wall).min(access.expires_at - access.issued_at) - early;
        let token = BearerToken::new(&access.token, held.grant.generation, now.steady_ms + left.num_milliseconds());
        token.is_usable(refused, now.steady_ms).then(|| Arc::new(token))
    }

    async fn lock(&self, user: &str, stop: &CancellationToken) -> Result<GrantLock, TokenError> {
        let began_ms = self.clock.now().steady_ms;
        loop {
            if let Some(lock) = self.grants.try_lock(user)? {
                return Ok(lock);
            }
            let waited = Duration::from_millis((self.clock.now().steady_ms - began_ms).unsigned_abs());
            if waited > LOCK_TIMEOUT {
                return Err(GrantError::Locked { user: user.to_owned(), waited }.into());
            }
            cancellation::sleep(stop, &*self.clock, LOCK_POLL_INTERVAL).await.map_err(|_| ApiError::Stopped)?;
        }
    }

    /// Renews the grant. The log events name the steps at which a process can be killed.
    async fn refresh(&self, lock: &GrantLock, mut held: GrantWithTokens) -> Result<Arc<BearerToken>, TokenError> {
        let user = held.grant.user.clone();
        tracing::debug!(user, step = "locked", "refresh");
        if self.grants.recover_saved_token(lock, &held.grant, self.now())? {
            self.observer
                .warned(&format!("a renewed token of user `{user}` that could not be saved earlier was recovered"));
            held = self.reload(&user)?;
        }
        let mut moved = false;
        loop {
            if !self.grants.start_refresh(lock, &held.grant, self.now())? {
                held = self.reload(&user)?;
                continue;
            }
            tracing::debug!(user, step = "begun", "refresh");
            let reply = self.endpoint.refresh(held.grant.flow, &held.refresh).await;
            tracing::debug!(user, step = "answered", "refresh");
            match reply {
                Ok(TokenReply::Granted(granted)) => return self.save(lock, &held, granted),
                Ok(TokenReply::InvalidGrant { words, after_loss }) => {
                    let again = self.reload(&user)?;
                    if again.grant.generation != held.grant.generation && !moved {
                        (held, moved) = (again, true);
                        continue;
                    }
                    let words = explain_loss(&held, words, after_loss);
                    self.grants.mark_needs_sign_in(&held.grant, &words, self.now())?;
                    return Err(TokenError::Error(sign_in_error(&held, &words, self.now())));
                }
                // Without a response the token may be used up. The intent stays in the database to say so.
                Err(TokenFailure { why: why @ TokenError::Error(ApiError::Unreachable { .. }), .. }) => {
                    return Err(why);
                }
                Err(TokenFailure { why, after_loss }) => {
                    // After a lost response, the token may be used up as well.
                    if !after_loss && held.grant.state != GrantState::Refreshing {
                        self.grants.cancel_refresh(&held.grant, self.now())?;
                    }
                    return Err(why);
                }
            }
        }
    }

    fn save(
        &self,
        lock: &GrantLock,
        held: &GrantWithTokens,
        granted: TokenGrant,
    ) -> Result<Arc<BearerToken>, TokenError> {
        let user = &held.grant.user;
        let now = self.now();
        let lasts = TimeDelta::from_std(granted.lasts).unwrap_or(TimeDelta::hours(1));
        let access = StoredAccessToken { token: granted.access_token, issued_at: now, expires_at: now + lasts };
        let renewed = RenewedGrant { access, refresh: granted.refresh_token, scopes: granted.scopes };
        if !self.grants.finish_refresh(lock, &held.grant, &renewed, now)? {
            // A row is only changed under the lock. If it changed anyway, the other change counts.
            tracing::warn!(user, "the grant changed while it was renewed");
        }
        tracing::debug!(user, step = "saved", "refresh");
        let held = self.reload(user)?;
        self.usable(&held, None).ok_or_else(|| {
            let what = format!("the new token of user `{user}` has expired already");
            TokenError::Error(ApiError::Unreachable { what, attempts: 1 })
        })
    }

    /// Reads the grant again.
    fn reload(&self, user: &str) -> Result<GrantWithTokens, TokenError> {
        let held = self.grants.get_with_tokens(user)?.ok_or_else(|| self.no_grant_error(user))?;
        if held.grant.state == GrantState::NeedsSignIn {
            return Err(TokenError::Error(sign_in_error(&held, &held.grant.state_reason, self.now())));
        }
        Ok(held)
    }

    /// The error for a user who is not signed in. It names the folder, which may be the wrong one.
    fn no_grant_error(&self, user: &str) -> TokenError {
        let others = self.grants.list().unwrap_or_default();
        let others: Vec<String> = others.iter().take(5).map(|grant| format!("`{}`", grant.user)).collect();
        let others = if others.is_empty() { "no user".to_owned() } else { others.join(", ") };
        TokenError::Error(ApiError::SignIn {
            user: user.to_owned(),
            why: format!("there is no grant in the state folder {}; signed in there: {others}", self.grants.dir()),
        })
    }

    fn slot(&self, user: &str) -> Arc<UserSlot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(user.to_owned()).or_default())
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now().wall
    }
}

/// Explains an `invalid_grant` that follows a refresh without a result.
fn explain_loss(held: &GrantWithTokens, words: String, after_loss: bool) -> String {
    let when = match held.grant.state {
        GrantState::Refreshing => {
            format!("a refresh was cut off at {}", held.grant.state_at.to_rfc3339_opts(SecondsFormat::Secs, true))
        }
        _ if after_loss => "an answer just before was lost".to_owned(),
        _ => return words,
    };
    format!("{words}; {when}, and a new token that Spotify sent then may have been lost")
}

/// The error for a grant that only its user can renew.
fn sign_in_error(held: &GrantWithTokens, words: &str, now: DateTime<Utc>) -> ApiError {
    let ended = grant_end(&held.grant).filter(|end| end.is_over(now) && !end.at_most);
    let why = match ended {
        Some(end) => {
            format!("the consent ended on {}, six months after it was given ({words})", end.at.format("%Y-%m-%d"))
        }
        None => format!("Spotify says {words}"),
    };
    ApiError::SignIn { user: held.grant.user.clone(), why }
}
