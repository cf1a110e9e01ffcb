//! `auth`: sign users in, see who is signed in, sign them out, take grants over.
//!
//! What a command needs is handed to it: the API with its grants, scopes and jobs of the users. It
//! talks through a [`Person`], so that tests can be one.

mod command;
mod import;
mod list;
mod login;
mod logout;
mod prompt;
mod purge;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use thiserror::Error;

pub(in crate::cli) use command::run;
pub use import::{ImportReport, run as import};
pub use list::run as list;
pub use login::{LoginFlow, LoginOutcome, run as login};
pub use logout::{LogoutReport, run as logout};
pub use prompt::{LineFuture, TerminalPrompt, UserPrompt};

use crate::signin::SignInError;
use spotify_client::error::ApiError;
use spotify_client::state::grants::GrantError;

/// `cratedigger auth …`
#[derive(Debug, Clone, Args)]
pub struct AuthArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: AuthCommand,
}

/// The commands of `auth`.
#[derive(Debug, Clone, Subcommand)]
pub enum AuthCommand {
    /// Sign a user in at Spotify
    Login(LoginArgs),
    /// Show who is signed in, and for how many days
    List,
    /// Forget a user's grant
    Logout(LogoutArgs),
    /// Take over grants of another program
    Import(ImportArgs),
}

/// `auth login`
#[derive(Debug, Clone, Args)]
pub struct LoginArgs {
    /// The user's name in job files
    pub user: String,
    /// Print the address instead of opening a browser, and wait for the address that it leads to
    #[arg(long)]
    pub no_browser: bool,
    /// Finish a sign-in that was begun with --no-browser: the address where the browser ended up,
    /// or `-` to type it in
    #[arg(long, value_name = "URL", conflicts_with = "no_browser")]
    pub paste: Option<String>,
    /// Accept another account than the one that the user had
    #[arg(long)]
    pub replace: bool,
}

/// `auth logout`
#[derive(Debug, Clone, Args)]
pub struct LogoutArgs {
    /// The user's name in job files
    pub user: String,
    /// Delete the user's rows from the store, too, and write the CSVs again
    #[arg(long)]
    pub purge: bool,
}

/// `auth import`
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// A `.cache` or `.cache-USERNAME` of spotipy, or JSON lines; `-` reads them from stdin
    pub file: PathBuf,
    /// The name for the user of a `.cache` [default: USERNAME of `.cache-USERNAME`]
    #[arg(long)]
    pub user: Option<String>,
    /// How the user of a `.cache` signed in: `code` or `pkce` [default: code with a client secret]
    #[arg(long, value_parser = ["code", "pkce"])]
    pub flow: Option<String>,
    /// The day on which the user of a `.cache` agreed at Spotify, as 2026-05-31
    #[arg(long, value_name = "DATE")]
    pub authorized_on: Option<chrono::NaiveDate>,
    /// Replace grants that are there
    #[arg(long)]
    pub replace: bool,
}

/// Why an `auth` command did not do its work.
#[derive(Debug, Error)]
pub enum AuthError {
    /// The sign-in.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// The grants.
    #[error(transparent)]
    Grants(#[from] GrantError),
    /// There is no grant of this name.
    #[error("user `{user}` is not signed in; in {folder} are: {known}")]
    Unknown {
        /// The name.
        user: String,
        /// The state folder, and why this one.
        folder: String,
        /// Who is there.
        known: String,
    },
    /// An import that cannot be done; nothing was stored.
    #[error("{from}: {why}")]
    Import {
        /// File and line.
        from: String,
        /// What is wrong; never a token.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Reading or writing.
    #[error("cannot {action}")]
    Io {
        /// What was tried.
        action: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl AuthError {
    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            AuthError::SignIn(error) => sign_in_exit_code(error),
            AuthError::Grants(error) => grant_exit_code(error),
            AuthError::Unknown { .. } | AuthError::Import { .. } => 2,
            AuthError::Io { .. } => 74,
        }
    }

    /// What a person can do about it, if there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            AuthError::SignIn(error) => error.hint(),
            AuthError::Grants(error) => error.hint(),
            AuthError::Unknown { .. } | AuthError::Io { .. } => None,
            AuthError::Import { hint, .. } => hint.clone(),
        }
    }
}

fn sign_in_exit_code(error: &SignInError) -> u8 {
    match error {
        SignInError::Redirect { .. } | SignInError::Pasted { .. } => 2,
        SignInError::Port { .. } | SignInError::NoRandomness { .. } => 1,
        SignInError::Api(error) => api_exit_code(error),
        SignInError::Grants(error) => grant_exit_code(error),
        _ => 77,
    }
}

/// The exit code of trouble with the grants.
pub fn grant_exit_code(error: &GrantError) -> u8 {
    match error {
        GrantError::Name { .. } => 2,
        error if error.requires_user_action() => 77,
        _ => 74,
    }
}

/// The exit code of an error of the API in a command that makes one call or two.
pub fn api_exit_code(error: &ApiError) -> u8 {
    match error {
        ApiError::SignIn { .. } | ApiError::Credentials { .. } | ApiError::Refused { .. } => 77,
        ApiError::Grants(error) => grant_exit_code(error),
        ApiError::State(_) => 74,
        ApiError::Deferred { .. } | ApiError::Stopped => 75,
        ApiError::Config { .. } => 2,
        _ => 1,
    }
}
