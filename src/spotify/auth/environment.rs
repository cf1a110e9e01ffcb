//! `SPOTIFY_REFRESH_TOKEN`: a grant from the environment, for a set-up with one user.
//!
//! The token becomes a stored grant when it is first used, since a rotated one has to live
//! somewhere. From then on the stored one wins, and that is said; the environment's counts again
//! when somebody puts another token there. What came from elsewhere (a sign-in, an import) is never
//! touched by the environment.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::spotify::error::ApiError;
use crate::state::Moment;
use crate::state::grants::{Flow, Grants, Held, NewGrant};

/// What to do with the environment's token for one user.
pub(super) enum Adopted {
    /// Nothing: the stored grant is used; with something to say, or without.
    Stored(Option<String>),
    /// The token was stored; the grant has to be read again.
    Stale(String),
}

/// Tokens are random and long: a hash tells two apart and gives nothing away.
pub fn token_hash(token: &SecretString) -> String {
    Sha256::digest(token.expose_secret()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Stores the environment's token for a user who has no grant, or whose grant came from another
/// token of the environment.
pub(super) fn adopt(
    grants: &Grants,
    (user, held): (&str, Option<&Held>),
    token: &SecretString,
    flow: Flow,
    now: Moment,
) -> Result<Adopted, ApiError> {
    let hash = token_hash(token);
    if let Some(held) = held {
        let stored_wins = match &held.grant.environment {
            None => Some(format!("SPOTIFY_REFRESH_TOKEN is not used: user `{user}` has a stored grant")),
            Some(known) if *known == hash => (!Grants::holds(held, token)).then(|| {
                format!("Spotify has replaced the token in SPOTIFY_REFRESH_TOKEN; the stored, newer one of user `{user}` is used")
            }),
            Some(_) => {
                store(grants, user, token, (flow, hash), now)?;
                return Ok(Adopted::Stale(format!("a new SPOTIFY_REFRESH_TOKEN replaces the grant of user `{user}`")));
            }
        };
        return Ok(Adopted::Stored(stored_wins));
    }
    if let Some(other) = grants.of_environment(&hash)? {
        return Err(ApiError::SignIn {
            user: user.to_owned(),
            why: format!("the one token in SPOTIFY_REFRESH_TOKEN is that of user `{other}`"),
        });
    }
    store(grants, user, token, (flow, hash), now)?;
    Ok(Adopted::Stale(format!("user `{user}` is signed in by SPOTIFY_REFRESH_TOKEN")))
}

fn store(
    grants: &Grants,
    user: &str,
    token: &SecretString,
    (flow, hash): (Flow, String),
    now: Moment,
) -> Result<(), ApiError> {
    crate::state::grants::check_name(user)?;
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
