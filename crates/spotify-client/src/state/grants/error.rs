//! What can be wrong with the grants. No message contains a token.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::servers;
use crate::state::{KeyOrigin, StateError};

/// Why the grants are unusable.
#[derive(Debug, Error)]
pub enum GrantError {
    /// The folder, the database or the key file.
    #[error(transparent)]
    State(#[from] StateError),
    /// The key that is named, or is in the folder, is unusable.
    #[error(transparent)]
    Key(StateError),
    /// The grants are sealed, and the key that they were sealed with is nowhere.
    #[error("the key of the grants in {folder} is missing")]
    KeyMissing {
        /// The state folder.
        folder: PathBuf,
    },
    /// The key at hand is another one.
    #[error("the grants in {folder} were sealed with another key than {origin}")]
    WrongKey {
        /// The state folder.
        folder: PathBuf,
        /// Where the key at hand came from.
        origin: KeyOrigin,
    },
    /// A token does not open though the key is right.
    #[error("the {column} of user `{user}` in {database} is damaged or was copied from another row")]
    Unreadable {
        /// The user.
        user: String,
        /// Which token.
        column: &'static str,
        /// Where.
        database: PathBuf,
    },
    /// The grant belongs to other servers than those of the settings.
    #[error(
        "the grant of user `{user}` belongs to {}, and the settings name {}: nothing was sent",
        servers::describe(belongs_to),
        servers::describe(configured)
    )]
    OtherServers {
        /// The user.
        user: String,
        /// The servers of the grant.
        belongs_to: String,
        /// The servers of the settings.
        configured: String,
    },
    /// Another process holds the grant for too long.
    #[error("another process has held the grant of user `{user}` for {} s", waited.as_secs())]
    Locked {
        /// The user.
        user: String,
        /// How long was waited.
        waited: Duration,
    },
    /// Spotify gave a new token, and it could not be written where it belongs.
    #[error("the renewed grant of user `{user}` could not be saved{}", saved_where(kept.as_ref()))]
    NotSaved {
        /// The user.
        user: String,
        /// The file that holds it until the next start, if one could be written.
        kept: Option<PathBuf>,
        /// The obstacle.
        source: Box<StateError>,
    },
    /// An invalid user name.
    #[error("`{name}` cannot be the name of a user")]
    Name {
        /// The name, fit for a terminal.
        name: String,
    },
}

fn saved_where(kept: Option<&PathBuf>) -> String {
    match kept {
        Some(path) => format!("; it is kept in {} and taken over at the next start", path.display()),
        None => ", and a new refresh token that came with it is lost".to_owned(),
    }
}

impl GrantError {
    /// Whether the error is about the grant of one user, and says nothing about others.
    pub fn concerns_one_user(&self) -> bool {
        matches!(self, GrantError::Unreadable { .. } | GrantError::OtherServers { .. })
    }

    /// Whether the user has to fix keys or names (exit 77 or 2), and not the disk (exit 74).
    pub fn requires_user_action(&self) -> bool {
        match self {
            GrantError::State(error) => matches!(error, StateError::UnfitKey { .. } | StateError::Copied { .. }),
            GrantError::Key(_)
            | GrantError::KeyMissing { .. }
            | GrantError::WrongKey { .. }
            | GrantError::Unreadable { .. }
            | GrantError::OtherServers { .. } => true,
            GrantError::Locked { .. } | GrantError::NotSaved { .. } | GrantError::Name { .. } => false,
        }
    }

    /// What the user can do about it, if anything.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            GrantError::State(StateError::Damaged { path, .. } | StateError::Foreign { path }) => format!(
                "it holds the grants: put a backup of the state folder back, or move '{}' away and sign every user in again",
                path.display()
            ),
            GrantError::Key(StateError::Io { .. }) => {
                "the grants are sealed with the key that lies there: bring it back, or name the file \
                 where it is with CRATEDIGGER_KEY_FILE"
                    .to_owned()
            }
            GrantError::State(error) | GrantError::Key(error) => return error.hint(),
            GrantError::KeyMissing { folder } | GrantError::WrongKey { folder, .. } => format!(
                "bring the key back ($CREDENTIALS_DIRECTORY/cratedigger_key, CRATEDIGGER_KEY_FILE or '{}'); without it, \
                 move '{}' away and sign every user in again",
                folder.join("key").display(),
                folder.join("grants.db").display()
            ),
            GrantError::Unreadable { user, .. } => format!("cratedigger auth login {user}"),
            GrantError::OtherServers { user, .. } => format!(
                "set spotify.accounts_url and spotify.api_url back, or sign in there: cratedigger auth login {user}"
            ),
            GrantError::Locked { .. } => "look for another cratedigger that hangs".to_owned(),
            GrantError::NotSaved { user, kept: None, .. } => {
                format!("free some space; if the next run is refused: cratedigger auth login {user}")
            }
            GrantError::NotSaved { source, .. } => return source.hint(),
            GrantError::Name { .. } => {
                "1 to 64 letters, digits, dots, hyphens and underscores, and a letter or digit first".to_owned()
            }
        })
    }
}
