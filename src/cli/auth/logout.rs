//! `auth logout`: deletes a grant. Fetched rows are deleted elsewhere, by the id of the account.

use super::{AuthError, LogoutArgs};
use spotify_client::state::grants::{GrantStore, SpotifyAccount};

/// The user without a grant now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoutReport {
    /// The user's name in job files.
    pub user: String,
    /// The account that `--purge` deletes the rows of. `None` if no run has read the account; then the store has no
    /// rows of it.
    pub account: Option<SpotifyAccount>,
}

/// Deletes a user's grant and overwrites its tokens.
///
/// # Errors
///
/// If the user has no grant, or it cannot be deleted.
pub fn run(args: &LogoutArgs, grants: &GrantStore) -> Result<LogoutReport, AuthError> {
    let user = &args.user;
    if let Some(grant) = grants.forget(user)? {
        return Ok(LogoutReport { user: user.clone(), account: grant.account });
    }
    let known: Vec<String> = grants.list()?.into_iter().map(|grant| grant.user).collect();
    Err(AuthError::Unknown {
        user: if user.len() <= 64 { user.escape_debug().collect() } else { "of that name".to_owned() },
        folder: grants.dir().to_string(),
        known: if known.is_empty() { "none".to_owned() } else { known.join(", ") },
    })
}
