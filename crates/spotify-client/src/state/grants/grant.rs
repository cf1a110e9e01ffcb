//! A grant without its tokens, which may be shown, and the tokens that belong to it, which may not.

use std::fmt;

use chrono::{DateTime, Utc};
use rusqlite::Row;
use secrecy::SecretString;

use crate::state::clock_reading::time_from_ms;

/// How a user signed in; refreshing differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignInFlow {
    /// Authorization code, with the client secret.
    Code,
    /// Authorization code with PKCE, without a secret.
    Pkce,
}

impl SignInFlow {
    /// `code` or `pkce`.
    pub fn as_str(self) -> &'static str {
        match self {
            SignInFlow::Code => "code",
            SignInFlow::Pkce => "pkce",
        }
    }

    /// The flow of this name.
    pub fn from_name(name: &str) -> Option<SignInFlow> {
        [SignInFlow::Code, SignInFlow::Pkce].into_iter().find(|flow| flow.as_str() == name)
    }
}

/// What can be done with a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrantState {
    /// It works, as far as we know.
    Ok,
    /// A refresh was begun and its end was not written down: one is running now, or was cut off.
    Refreshing,
    /// Spotify refuses it. Nothing is sent with it until its user has signed in again.
    NeedsSignIn,
}

impl GrantState {
    /// Its name in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            GrantState::Ok => "ok",
            GrantState::Refreshing => "refreshing",
            GrantState::NeedsSignIn => "needs_sign_in",
        }
    }
}

/// The Spotify account of a user, from `/me`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpotifyAccount {
    /// The stable id, where Spotify sends one.
    pub account_id: Option<String>,
    /// Spotify's id of the user.
    pub user_id: String,
    /// The name that the user goes by.
    pub display_name: Option<String>,
}

impl SpotifyAccount {
    /// Whether both are the same account: by the stable id where both have one. The case of the other id does not
    /// matter.
    pub fn is_same(&self, other: &SpotifyAccount) -> bool {
        match (&self.account_id, &other.account_id) {
            (Some(one), Some(another)) => one == another,
            _ => self.user_id.to_lowercase() == other.user_id.to_lowercase(),
        }
    }

    /// The account with the stable id that it had in an earlier answer, if this one names none.
    pub fn or_stable_id_of(mut self, before: &SpotifyAccount) -> SpotifyAccount {
        if self.is_same(before) && self.account_id.is_none() {
            self.account_id.clone_from(&before.account_id);
        }
        self
    }
}

/// The text without control characters. Quotes and letters of any script stay.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter }).collect()
}

impl fmt::Display for SpotifyAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.display_name {
            Some(name) => write!(f, "{} ({})", plain(name), plain(&self.user_id)),
            None => write!(f, "{}", plain(&self.user_id)),
        }
    }
}

/// A grant without its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The local name of the user.
    pub user: String,
    /// The app that was consented to.
    pub client_id: String,
    /// The Spotify account, or `None` until it was read.
    pub account: Option<SpotifyAccount>,
    /// The granted scopes; `None` until the first refresh of an imported token.
    pub scopes: Option<Vec<String>>,
    /// How the user signed in.
    pub flow: SignInFlow,
    /// When the user consented, if that is known.
    pub authorized_at: Option<DateTime<Utc>>,
    /// When it was taken over from elsewhere.
    pub imported_at: Option<DateTime<Utc>>,
    /// The hash of the environment's token that it came from.
    pub environment: Option<String>,
    /// When the access token at hand expires.
    pub expires_at: Option<DateTime<Utc>>,
    /// Grows with every change of a token.
    pub generation: i64,
    /// What can be done with it.
    pub state: GrantState,
    /// Since when.
    pub state_at: DateTime<Utc>,
    /// Why, in Spotify's words.
    pub state_reason: String,
    /// The last warning of its end that was given, in days before it.
    pub warned_days: Option<u32>,
    /// When it came here: by a sign-in, an import, or from the environment.
    pub given_at: DateTime<Utc>,
}

/// An access token.
#[derive(Debug, Clone)]
pub struct StoredAccessToken {
    /// The token.
    pub token: SecretString,
    /// When it came.
    pub issued_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// A grant with its tokens.
#[derive(Debug, Clone)]
pub struct GrantWithTokens {
    /// The grant without its tokens.
    pub grant: Grant,
    /// The refresh token.
    pub refresh: SecretString,
    /// The access token, if one came yet.
    pub access: Option<StoredAccessToken>,
}

/// A new grant: from a sign-in, an import, or the environment.
#[derive(Debug, Clone)]
pub struct NewGrant {
    /// The local name of the user.
    pub user: String,
    /// The refresh token.
    pub refresh: SecretString,
    /// The access token, if there is one.
    pub access: Option<StoredAccessToken>,
    /// The granted scopes, if they are known.
    pub scopes: Option<Vec<String>>,
    /// How the user signed in.
    pub flow: SignInFlow,
    /// The Spotify account, if it is known.
    pub account: Option<SpotifyAccount>,
    /// When the user consented, if that is known.
    pub authorized_at: Option<DateTime<Utc>>,
    /// When it was taken over; `None` for a sign-in.
    pub imported_at: Option<DateTime<Utc>>,
    /// The hash of the environment's token, if it came from there.
    pub environment: Option<String>,
}

/// What a refresh brought.
#[derive(Debug, Clone)]
pub struct RenewedGrant {
    /// The access token.
    pub access: StoredAccessToken,
    /// A new refresh token; `None` keeps the old one.
    pub refresh: Option<SecretString>,
    /// The granted scopes, if the answer names them.
    pub scopes: Option<Vec<String>>,
}

/// The columns of [`read_grant`], in its order; then the sealed ones.
pub(super) const GRANT_COLUMNS: &str = "user, client_id, account_id, user_id, display_name, scopes, flow, authorized_ms, \
     imported_ms, environment, expires_ms, generation, state, state_ms, state_words, warned_days, \
     issued_ms, refresh_token_enc, access_token_enc, given_ms, servers";

pub(super) fn read_grant(row: &Row<'_>) -> rusqlite::Result<Grant> {
    let time = |at| row.get::<_, Option<i64>>(at).map(|ms| ms.map(time_from_ms));
    let user_id: Option<String> = row.get(3)?;
    let account = match user_id {
        Some(user_id) => Some(SpotifyAccount { account_id: row.get(2)?, user_id, display_name: row.get(4)? }),
        None => None,
    };
    let scopes: Option<String> = row.get(5)?;
    let state: String = row.get(12)?;
    Ok(Grant {
        user: row.get(0)?,
        client_id: row.get(1)?,
        account,
        scopes: scopes.map(|text| text.split_whitespace().map(str::to_owned).collect()),
        flow: SignInFlow::from_name(&row.get::<_, String>(6)?).unwrap_or(SignInFlow::Code),
        authorized_at: time(7)?,
        imported_at: time(8)?,
        environment: row.get(9)?,
        expires_at: time(10)?,
        generation: row.get(11)?,
        state: match state.as_str() {
            "ok" => GrantState::Ok,
            "refreshing" => GrantState::Refreshing,
            _ => GrantState::NeedsSignIn,
        },
        state_at: time_from_ms(row.get(13)?),
        state_reason: row.get(14)?,
        warned_days: row.get(15)?,
        given_at: time_from_ms(row.get(19)?),
    })
}
