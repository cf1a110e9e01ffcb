//! Sign-ins that were started and not finished. A user may carry the address to another machine and
//! bring the answer back a few hours later, to another process.
//!
//! `state` and verifier are kept encrypted for a day. One sign-in can be pending for each user; starting
//! another one ends it. A sign-in that was answered is deleted, so that no answer counts twice.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension, Transaction, params};
use secrecy::SecretString;

use super::error::GrantError;
use super::grant::SignInFlow;
use super::store::GrantStore;
use crate::state::clock_reading::time_from_ms;

/// How long a sign-in stays pending.
pub const PENDING_LIFETIME: TimeDelta = TimeDelta::days(1);

const STATE: &str = "state of a sign-in";
const VERIFIER: &str = "verifier of a sign-in";

/// A sign-in that waits for its answer.
#[derive(Debug, Clone)]
pub struct PendingSignIn {
    /// The local name of the user.
    pub user: String,
    /// Where the browser is sent back to, exactly as sent to Spotify.
    pub redirect_uri: String,
    /// How the user signs in.
    pub flow: SignInFlow,
    /// The requested scopes.
    pub scopes: Vec<String>,
    /// Whether another account than before may come back.
    pub replace: bool,
    /// What the answer has to bring back.
    pub state: SecretString,
    /// Of PKCE.
    pub verifier: Option<SecretString>,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// When the grant was given that the user had then. Compared for equality only, since clocks can be set back.
    pub known_grant_at: Option<DateTime<Utc>>,
}

impl GrantStore {
    /// Saves a sign-in for a day, and replaces a pending one of the same user.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn save_pending(&self, pending: &PendingSignIn) -> Result<(), GrantError> {
        let stale = (pending.created_at - PENDING_LIFETIME).timestamp_millis();
        let sealed = self.seal_pending(pending)?;
        self.db().write("keep a sign-in", |tx| {
            tx.execute("DELETE FROM pending WHERE created_ms < ?1", [stale])?;
            tx.execute("DELETE FROM pending WHERE client_id = ?1 AND user = ?2", [&*self.client_id, &pending.user])?;
            self.insert_pending(tx, pending, &sealed)
        })?;
        Ok(())
    }

    /// The state and the verifier of a sign-in, encrypted.
    fn seal_pending(&self, pending: &PendingSignIn) -> Result<(Vec<u8>, Option<Vec<u8>>), GrantError> {
        let state = self.seal(&pending.user, STATE, &pending.state)?;
        let verifier = pending.verifier.as_ref().map(|it| self.seal(&pending.user, VERIFIER, it)).transpose()?;
        Ok((state, verifier))
    }

    /// Adds a sign-in unless one of the same user is pending.
    fn insert_pending(
        &self,
        tx: &Transaction<'_>,
        pending: &PendingSignIn,
        (state, verifier): &(Vec<u8>, Option<Vec<u8>>),
    ) -> rusqlite::Result<usize> {
        tx.execute(
            "INSERT OR IGNORE INTO pending (client_id, user, redirect_uri, flow, scopes, replacing, state_enc, verifier_enc,
                created_ms, servers, held_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                self.client_id,
                pending.user,
                pending.redirect_uri,
                pending.flow.as_str(),
                pending.scopes.join(" "),
                pending.replace,
                state,
                verifier,
                pending.created_at.timestamp_millis(),
                self.servers.as_str(),
                pending.known_grant_at.map(|at| at.timestamp_millis())
            ],
        )
    }

    /// The sign-in that waits for this user, unless it has waited for more than a day.
    ///
    /// # Errors
    ///
    /// If it cannot be read, does not open, or was started with other servers.
    pub fn pending(&self, user: &str, now: DateTime<Utc>) -> Result<Option<PendingSignIn>, GrantError> {
        let found = self.db().read("read a sign-in", |conn| {
            conn.query_row(
                "SELECT redirect_uri, flow, scopes, replacing, state_enc, verifier_enc, created_ms, servers, held_ms
                 FROM pending
                 WHERE client_id = ?1 AND user = ?2",
                [&*self.client_id, user],
                |row| {
                    let sealed: (Vec<u8>, Option<Vec<u8>>) = (row.get(4)?, row.get(5)?);
                    let pending = PendingSignIn {
                        user: user.to_owned(),
                        redirect_uri: row.get(0)?,
                        flow: SignInFlow::from_name(&row.get::<_, String>(1)?).unwrap_or(SignInFlow::Code),
                        scopes: row.get::<_, String>(2)?.split_whitespace().map(str::to_owned).collect(),
                        replace: row.get(3)?,
                        state: SecretString::default(),
                        verifier: None,
                        created_at: time_from_ms(row.get(6)?),
                        known_grant_at: row.get::<_, Option<i64>>(8)?.map(time_from_ms),
                    };
                    Ok((pending, sealed, row.get(7)?))
                },
            )
            .optional()
        })?;
        let Some((mut pending, (state, verifier), servers)) = found else {
            return Ok(None);
        };
        if now - pending.created_at > PENDING_LIFETIME {
            self.forget_pending(&pending)?;
            return Ok(None);
        }
        self.check_servers(user, servers)?;
        pending.state = self.unseal(user, STATE, &state)?;
        pending.verifier = verifier.map(|sealed| self.unseal(user, VERIFIER, &sealed)).transpose()?;
        Ok(Some(pending))
    }

    /// Saves a sign-in again whose answer could not be redeemed yet. It was forgotten when the answer came, so one of the same
    /// user that is pending now is newer, and stays.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn restore_pending(&self, pending: &PendingSignIn) -> Result<(), GrantError> {
        let sealed = self.seal_pending(pending)?;
        self.db().write("keep a sign-in", |tx| self.insert_pending(tx, pending, &sealed))?;
        Ok(())
    }

    /// Forgets a sign-in. `false`: another process was quicker, or a newer one of the same user has replaced it.
    ///
    /// # Errors
    ///
    /// If it cannot be deleted.
    pub fn forget_pending(&self, pending: &PendingSignIn) -> Result<bool, GrantError> {
        let gone = self.db().write("forget a sign-in", |tx| {
            tx.execute(
                "DELETE FROM pending WHERE client_id = ?1 AND user = ?2 AND created_ms = ?3",
                params![self.client_id, pending.user, pending.created_at.timestamp_millis()],
            )
        })?;
        Ok(gone > 0)
    }

    /// Forgets every sign-in of this user.
    ///
    /// # Errors
    ///
    /// If it cannot be deleted.
    pub fn forget_all_pending(&self, user: &str) -> Result<(), GrantError> {
        self.db().write("forget a sign-in", |tx| {
            tx.execute("DELETE FROM pending WHERE client_id = ?1 AND user = ?2", [&*self.client_id, user])
        })?;
        Ok(())
    }
}
