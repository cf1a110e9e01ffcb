//! `SPOTIFY_REFRESH_TOKEN`: a grant from the environment, for a set-up with one user.
//!
//! The token becomes a stored grant when it is first used, because Spotify may replace it with a new
//! one that must be kept. From then on the stored grant is used, and the program says so. The variable
//! counts again when it holds a different token. A grant from a sign-in or an import is never replaced
//! by the environment.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::error::ApiError;
use crate::hex;
use crate::state::ClockReading;
use crate::state::grants::{GrantLock, GrantStore, GrantWithTokens, NewGrant, SignInFlow};

/// Whether the token of the environment is already stored.
pub(super) enum EnvironmentGrant {
    /// The stored grant is used. The text, if any, is for the user.
    Stored(Option<String>),
    /// The token has to be stored first.
    No,
}

/// A hash of a token. Tokens are random and long, so it identifies a token and reveals nothing.
pub fn token_hash(token: &SecretString) -> String {
    hex::prefix(&Sha256::digest(token.expose_secret()), 16)
}

/// Whether a user's grant came from this token. A grant from elsewhere takes precedence.
pub(super) fn environment_grant(user: &str, held: Option<&GrantWithTokens>, token: &SecretString) -> EnvironmentGrant {
    let Some(held) = held else { return EnvironmentGrant::No };
    match &held.grant.environment {
        None => EnvironmentGrant::Stored(Some(format!("SPOTIFY_REFRESH_TOKEN is not used: user `{user}` has a stored grant"))),
        Some(known) if *known == token_hash(token) => EnvironmentGrant::Stored((!GrantStore::has_token(held, token)).then(|| {
            format!("Spotify has replaced the token in SPOTIFY_REFRESH_TOKEN; the stored, newer one of user `{user}` is used")
        })),
        Some(_) => EnvironmentGrant::No,
    }
}

/// Stores the token of the environment for a user without a grant, or with a grant from an earlier
/// token of the environment. The lock proves that no other process does the same. Returns a message
/// for the user.
pub(super) fn adopt(
    grants: &GrantStore,
    _lock: &GrantLock,
    (user, held): (&str, Option<&GrantWithTokens>),
    token: &SecretString,
    flow: SignInFlow,
    now: ClockReading,
) -> Result<String, ApiError> {
    let hash = token_hash(token);
    if held.is_none()
        && let Some(other) = grants.user_of_environment(&hash)?
    {
        return Err(ApiError::SignIn {
            user: user.to_owned(),
            why: format!("the one token in SPOTIFY_REFRESH_TOKEN is that of user `{other}`"),
        });
    }
    store(grants, user, token, (flow, hash), now)?;
    Ok(match held {
        None => format!("user `{user}` is signed in by SPOTIFY_REFRESH_TOKEN"),
        Some(_) => format!("a new SPOTIFY_REFRESH_TOKEN replaces the grant of user `{user}`"),
    })
}

fn store(
    grants: &GrantStore,
    user: &str,
    token: &SecretString,
    (flow, hash): (SignInFlow, String),
    now: ClockReading,
) -> Result<(), ApiError> {
    crate::state::grants::check_user_name(user)?;
    let new = NewGrant {
        user: user.to_owned(),
        refresh: token.clone(),
        access: None,
        scopes: None,
        flow,
        account: None,
        authorized_at: None,
        imported_at: Some(now.wall),
        environment: Some(hash),
    };
    Ok(grants.put(&[new], now.wall)?)
}
