//! `auth`: sign users in and out, list sign-ins, and import grants.
//!
//! What a command needs is handed to it: the API with its grants, scopes and jobs of the users. It
//! talks through a [`UserPrompt`], so that tests can be one.

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

use super::ExitStatus;
use crate::signin::SignInError;
use spotify_client::error::ApiError;
use spotify_client::state::grants::GrantError;

/// `cratedigger auth …`
#[derive(Debug, Clone, Args)]
pub struct AuthArgs {
    #[command(subcommand)]
    pub command: AuthCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum AuthCommand {
    /// Sign a user in at Spotify
    Login(LoginArgs),
    /// Show who is signed in and for how many days
    List,
    /// Forget a user's grant
    Logout(LogoutArgs),
    /// Import grants from another program
    Import(ImportArgs),
}

/// `auth login`
#[derive(Debug, Clone, Args)]
pub struct LoginArgs {
    /// The name of the user in job files
    #[arg(add = super::candidates::users())]
    pub user: String,
    /// Print the address instead of opening a browser, then wait for the redirect address to be pasted
    #[arg(long)]
    pub no_browser: bool,
    /// Finish a sign-in that was started with --no-browser: the address that the browser was redirected to.
    /// Without a value or with `-`, the address is read from stdin, so that it is in no process list
    #[arg(long, value_name = "URL", conflicts_with = "no_browser", num_args = 0..=1, default_missing_value = "-")]
    pub paste: Option<String>,
    /// Accept a different account than the one the user had before
    #[arg(long)]
    pub replace: bool,
}

/// `auth logout`
#[derive(Debug, Clone, Args)]
pub struct LogoutArgs {
    /// The user's name in job files
    #[arg(add = super::candidates::users())]
    pub user: String,
    /// Also delete the user's rows from the store, and rewrite the CSV files
    #[arg(long)]
    pub purge: bool,
}

/// `auth import`
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// A `.cache` or `.cache-USERNAME` file of spotipy, or JSON lines; `-` reads stdin
    pub file: PathBuf,
    /// The name for the user of a `.cache` file [default: USERNAME of `.cache-USERNAME`]
    #[arg(long)]
    pub user: Option<String>,
    /// How the user of a `.cache` file signed in: `code` or `pkce` [default: code with a client secret]
    #[arg(long, value_parser = ["code", "pkce"])]
    pub flow: Option<String>,
    /// The day on which the user of a `.cache` file gave consent, such as 2026-05-31
    #[arg(long, value_name = "DATE")]
    pub authorized_on: Option<chrono::NaiveDate>,
    /// Replace existing grants
    #[arg(long)]
    pub replace: bool,
}

/// Why an `auth` command failed.
#[derive(Debug, Error)]
pub enum AuthError {
    #[error(transparent)]
    SignIn(#[from] SignInError),
    #[error(transparent)]
    Grants(#[from] GrantError),
    #[error("user `{user}` is not signed in; users in {folder}: {known}")]
    Unknown {
        user: String,
        /// The state folder and the reason why it is used.
        folder: String,
        /// The users who are signed in.
        known: String,
    },
    /// The import was refused; nothing was stored.
    #[error("{from}: {why}")]
    Import {
        from: String,
        /// The problem, without any token.
        why: String,
        hint: Option<String>,
    },
    #[error("failed to {action}")]
    Io { action: String, source: std::io::Error },
}

impl AuthError {
    /// The exit code.
    pub fn exit(&self) -> ExitStatus {
        match self {
            AuthError::SignIn(error) => sign_in_exit(error),
            AuthError::Grants(error) => grant_exit(error),
            AuthError::Unknown { .. } | AuthError::Import { .. } => ExitStatus::Usage,
            AuthError::Io { .. } => ExitStatus::Storage,
        }
    }

    pub fn hint(&self) -> Option<String> {
        match self {
            AuthError::SignIn(error) => error.hint(),
            AuthError::Grants(error) => error.hint(),
            AuthError::Unknown { .. } | AuthError::Io { .. } => None,
            AuthError::Import { hint, .. } => hint.clone(),
        }
    }
}

fn sign_in_exit(error: &SignInError) -> ExitStatus {
    match error {
        SignInError::Redirect { .. } | SignInError::Pasted { .. } => ExitStatus::Usage,
        SignInError::Port { .. } | SignInError::NoRandomness { .. } => ExitStatus::Failed,
        SignInError::Api(error) => api_exit(error),
        SignInError::Grants(error) => grant_exit(error),
        _ => ExitStatus::UserAction,
    }
}

pub fn grant_exit(error: &GrantError) -> ExitStatus {
    match error {
        GrantError::Name { .. } => ExitStatus::Usage,
        error if error.requires_user_action() => ExitStatus::UserAction,
        _ => ExitStatus::Storage,
    }
}

/// The exit code of an error of the API in a command that makes one call or two.
pub fn api_exit(error: &ApiError) -> ExitStatus {
    match error {
        ApiError::SignIn { .. } | ApiError::Credentials { .. } | ApiError::Refused { .. } => ExitStatus::UserAction,
        ApiError::Grants(error) => grant_exit(error),
        ApiError::State(_) => ExitStatus::Storage,
        ApiError::Deferred { .. } | ApiError::Stopped => ExitStatus::Deferred,
        ApiError::Config { .. } => ExitStatus::Usage,
        _ => ExitStatus::Failed,
    }
}
