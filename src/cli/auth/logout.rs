//! `auth logout`: forgets a grant. What it fetched is forgotten elsewhere, by the account's id.

use super::{AuthError, LogoutArgs};
use spotify_client::state::grants::{GrantStore, SpotifyAccount};

/// Who was forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutReport {
    /// The local name.
    pub user: String,
    /// Whose rows `--purge` deletes; `None` if no run ever asked whose account it is, and then the
    /// store has none of it.
    pub account: Option<SpotifyAccount>,
}

/// Forgets a user's grant; the tokens are overwritten.
///
/// # Errors
///
/// For a user who has no grant, and if it cannot be deleted.
pub fn run(args: &LogoutArgs, grants: &GrantStore) -> Result<LogoutReport, AuthError> {
    let user = &args.user;
    if let Some(grant) = grants.forget(user)? {
        return Ok(LogoutReport { user: user.clone(), account: grant.account });
    }
    let known: Vec<String> = grants.list()?.into_iter().map(|grant| grant.user).collect();
    Err(AuthError::Unknown {
        user: if user.len() <= 64 { user.escape_debug().collect() } else { "of that name".to_owned() },
        folder: grants.dir().to_string(),
        known: if known.is_empty() { "nobody".to_owned() } else { known.join(", ") },
    })
}
