//! How a grant changes. Each change after a read compares the generation with the one that was read.

use chrono::{DateTime, Utc};
use rusqlite::{Transaction, params};
use secrecy::{ExposeSecret, SecretString};

use super::error::GrantError;
use super::expiry;
use super::grant::{Grant, GrantState, GrantWithTokens, NewGrant, RenewedGrant, SpotifyAccount, StoredAccessToken};
use super::lock::GrantLock;
use super::servers::GrantServers;
use super::store::{ACCESS, GrantStore, REFRESH};
use crate::state::StateError;

/// The encryption context of a token that is saved in the lock file.
const SAVED_TOKEN: &str = "kept token";

impl GrantStore {
    /// Records that a refresh begins, and reserves space for its result. Returns `false` if the grant
    /// has changed since it was read.
    ///
    /// # Errors
    ///
    /// If it cannot be written; then nothing may be sent.
    pub fn start_refresh(&self, lock: &GrantLock, read: &Grant, now: DateTime<Utc>) -> Result<bool, GrantError> {
        lock.reserve()?;
        // One that was cut off keeps its time: that is when a token may have been lost.
        let changed = self.db().write("write down that a refresh begins", |tx| {
            tx.execute(
                "UPDATE grants SET state_ms = iif(state = 'refreshing', state_ms, ?4), state = 'refreshing'
                 WHERE client_id = ?1 AND user = ?2 AND generation = ?3",
                params![self.client_id, read.user, read.generation, now.timestamp_millis()],
            )
        })?;
        Ok(changed == 1)
    }

    /// Saves the result of a refresh. It is on disk when this returns. Returns `false` if the grant has changed since
    /// it was read.
    ///
    /// # Errors
    ///
    /// If it cannot be written. A new refresh token is then kept in the file of the lock, if that
    /// can be written.
    pub fn finish_refresh(
        &self,
        lock: &GrantLock,
        read: &Grant,
        renewed: &RenewedGrant,
        now: DateTime<Utc>,
    ) -> Result<bool, GrantError> {
        self.save(read, renewed, now).map_err(|source| {
            let Some(token) = &renewed.refresh else {
                return GrantError::State(source);
            };
            let kept = self.seal(&read.user, SAVED_TOKEN, &with_generation(read.generation, token)).ok();
            let kept = kept.and_then(|sealed| lock.save_token(&sealed).map(ToOwned::to_owned));
            GrantError::NotSaved { user: read.user.clone(), kept, source: Box::new(source) }
        })
    }

    fn save(&self, read: &Grant, renewed: &RenewedGrant, now: DateTime<Utc>) -> Result<bool, StateError> {
        let user = &read.user;
        let StoredAccessToken { token, issued_at, expires_at } = &renewed.access;
        let access = self.seal(user, ACCESS, token)?;
        let refresh = renewed.refresh.as_ref().map(|token| self.seal(user, REFRESH, token)).transpose()?;
        let scopes = renewed.scopes.as_ref().map(|scopes| scopes.join(" "));
        let changed = self.db().write("save a renewed grant", |tx| {
            tx.execute(
                "UPDATE grants SET access_token_enc = ?4, issued_ms = ?5, expires_ms = ?6,
                    refresh_token_enc = coalesce(?7, refresh_token_enc), scopes = coalesce(?8, scopes),
                    generation = generation + 1, state = 'ok', state_ms = ?9, state_words = ''
                 WHERE client_id = ?1 AND user = ?2 AND generation = ?3",
                params![
                    self.client_id,
                    user,
                    read.generation,
                    access,
                    issued_at.timestamp_millis(),
                    expires_at.timestamp_millis(),
                    refresh,
                    scopes,
                    now.timestamp_millis()
                ],
            )
        })?;
        Ok(changed == 1)
    }

    /// Takes over a token that an earlier process could not save. `true`: there was one.
    ///
    /// # Errors
    ///
    /// If it cannot be read or written; it stays where it is.
    pub fn recover_saved_token(&self, lock: &GrantLock, read: &Grant, now: DateTime<Utc>) -> Result<bool, GrantError> {
        let Some(sealed) = lock.saved_token()? else {
            return Ok(false);
        };
        // A token that does not decrypt was written partially and is lost. One that is older than the row is obsolete.
        let kept = self.unseal(&read.user, SAVED_TOKEN, &sealed).ok();
        let token = kept.as_ref().and_then(|kept| token_of_generation(read.generation, kept));
        let recovered = match token {
            None => false,
            Some(token) => {
                let refresh = self.seal(&read.user, REFRESH, &token)?;
                let changed = self.db().write("save a recovered token", |tx| {
                    tx.execute(
                        "UPDATE grants SET refresh_token_enc = ?4, access_token_enc = NULL, expires_ms = NULL,
                            generation = generation + 1, state = 'ok', state_ms = ?5, state_words = ''
                         WHERE client_id = ?1 AND user = ?2 AND generation = ?3",
                        params![self.client_id, read.user, read.generation, refresh, now.timestamp_millis()],
                    )
                })?;
                changed == 1
            }
        };
        lock.wipe()?;
        Ok(recovered)
    }

    /// Writes down that nothing came of a refresh and nothing can have been spent.
    ///
    /// # Errors
    ///
    /// If it cannot be written; then the next refresh takes it for cut off.
    pub fn cancel_refresh(&self, read: &Grant, now: DateTime<Utc>) -> Result<(), GrantError> {
        if read.state == GrantState::Refreshing {
            return Ok(());
        }
        self.db().write("write down that a refresh ended", |tx| {
            tx.execute(
                "UPDATE grants SET state = 'ok', state_ms = ?4
                 WHERE client_id = ?1 AND user = ?2 AND generation = ?3 AND state = 'refreshing'",
                params![self.client_id, read.user, read.generation, now.timestamp_millis()],
            )
        })?;
        Ok(())
    }

    /// Writes down that only the user can help. The tokens stay.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn mark_needs_sign_in(&self, read: &Grant, words: &str, now: DateTime<Utc>) -> Result<(), GrantError> {
        self.db().write("write down that a sign-in is needed", |tx| {
            tx.execute(
                "UPDATE grants SET state = 'needs_sign_in', state_ms = ?4, state_words = ?5
                 WHERE client_id = ?1 AND user = ?2 AND generation = ?3",
                params![self.client_id, read.user, read.generation, now.timestamp_millis(), words],
            )
        })?;
        Ok(())
    }

    /// Puts grants in place of those of the same users, all or none. The caller holds the locks of
    /// those that exist.
    ///
    /// # Errors
    ///
    /// If they cannot be written; nothing is changed then.
    pub fn put(&self, new: &[NewGrant], now: DateTime<Utc>) -> Result<(), GrantError> {
        let mut sealed = Vec::with_capacity(new.len());
        for grant in new {
            let refresh = self.seal(&grant.user, REFRESH, &grant.refresh)?;
            let access = grant.access.as_ref().map(|it| self.seal(&grant.user, ACCESS, &it.token)).transpose()?;
            sealed.push((grant, refresh, access));
        }
        self.db().write("save a grant", |tx| {
            sealed.iter().try_for_each(|(grant, refresh, access)| {
                insert(tx, (&self.client_id, &self.servers), grant, (refresh, access), now)
            })
        })?;
        Ok(())
    }

    /// Records the Spotify account of a grant.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn record_account(&self, user: &str, account: &SpotifyAccount) -> Result<(), GrantError> {
        self.db().write("note the account", |tx| {
            tx.execute(
                "UPDATE grants SET account_id = ?3, user_id = ?4, display_name = ?5 WHERE client_id = ?1 AND user = ?2",
                params![self.client_id, user, account.account_id, account.user_id, account.display_name],
            )
        })?;
        Ok(())
    }

    /// The warning of its end that a run has to give for this user now, in days before it; it is
    /// noted as given.
    ///
    /// # Errors
    ///
    /// If it cannot be read or noted.
    pub fn take_due_warning(&self, user: &str, now: DateTime<Utc>) -> Result<Option<u32>, GrantError> {
        let Some(grant) = self.get(user)? else {
            return Ok(None);
        };
        let Some(days) = expiry::warning_due(&grant, grant.warned_days, now) else {
            return Ok(None);
        };
        // Of several processes one gives it.
        let changed = self.db().write("note a warning", |tx| {
            tx.execute(
                "UPDATE grants SET warned_days = ?3
                 WHERE client_id = ?1 AND user = ?2 AND (warned_days IS NULL OR warned_days > ?3)",
                params![self.client_id, user, days],
            )
        })?;
        Ok((changed == 1).then_some(days))
    }

    /// Forgets a user: the tokens are overwritten, not only unlinked. Returns the deleted grant.
    ///
    /// # Errors
    ///
    /// If the grant stays locked for too long or cannot be deleted.
    pub fn forget(&self, user: &str) -> Result<Option<Grant>, GrantError> {
        let Some(grant) = self.get(user)? else {
            self.forget_all_pending(user)?;
            return Ok(None);
        };
        let lock = self.lock(user)?;
        lock.wipe()?;
        let mut db = self.db();
        db.write("forget a grant", |tx| {
            tx.execute("DELETE FROM pending WHERE client_id = ?1 AND user = ?2", [&*self.client_id, user])?;
            tx.execute("DELETE FROM grants WHERE client_id = ?1 AND user = ?2", [&*self.client_id, user])
        })?;
        // Old pages stay in the log until it is emptied. A reader elsewhere may keep it from that.
        let emptied = db.read("empty the log", |conn| {
            conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get::<_, i64>(0))
        });
        if !matches!(emptied, Ok(0)) {
            tracing::debug!("the log of the grants is emptied when the last process has closed it");
        }
        Ok(Some(grant))
    }

    /// The user of this app who has a grant from an environment's token of this hash.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn user_of_environment(&self, hash: &str) -> Result<Option<String>, GrantError> {
        let all = self.list()?;
        Ok(all.into_iter().find(|grant| grant.environment.as_deref() == Some(hash)).map(|grant| grant.user))
    }

    /// Whether a token is the one that a grant holds.
    pub fn has_token(held: &GrantWithTokens, token: &SecretString) -> bool {
        held.refresh.expose_secret() == token.expose_secret()
    }
}

fn insert(
    tx: &Transaction<'_>,
    (client_id, servers): (&str, &GrantServers),
    grant: &NewGrant,
    (refresh, access): (&[u8], &Option<Vec<u8>>),
    now: DateTime<Utc>,
) -> rusqlite::Result<()> {
    let ms = |time: Option<DateTime<Utc>>| time.map(|it| it.timestamp_millis());
    // Running processes recognize a changed grant by its generation, so the number keeps growing.
    let generation: i64 = tx
        .prepare_cached("SELECT coalesce(max(generation), 0) + 1 FROM grants WHERE client_id = ?1 AND user = ?2")?
        .query_row([client_id, &grant.user], |row| row.get(0))?;
    let account = grant.account.as_ref();
    tx.prepare_cached(
        "INSERT OR REPLACE INTO grants (client_id, user, refresh_token_enc, access_token_enc, issued_ms, expires_ms,
            authorized_ms, imported_ms, environment, scopes, flow, account_id, user_id, display_name, generation,
            state, state_ms, given_ms, servers)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, 'ok', ?16, ?16, ?17)",
    )?
    .execute(params![
        client_id,
        grant.user,
        refresh,
        access,
        ms(grant.access.as_ref().map(|it| it.issued_at)),
        ms(grant.access.as_ref().map(|it| it.expires_at)),
        ms(grant.authorized_at),
        ms(grant.imported_at),
        grant.environment,
        grant.scopes.as_ref().map(|it| it.join(" ")),
        grant.flow.as_str(),
        account.and_then(|it| it.account_id.as_ref()),
        account.map(|it| &it.user_id),
        account.and_then(|it| it.display_name.as_ref()),
        generation,
        now.timestamp_millis(),
        servers.as_str()
    ])?;
    Ok(())
}

/// A kept token says which generation it follows.
fn with_generation(generation: i64, token: &SecretString) -> SecretString {
    SecretString::from(format!("{generation} {}", token.expose_secret()))
}

fn token_of_generation(generation: i64, kept: &SecretString) -> Option<SecretString> {
    let (number, token) = kept.expose_secret().split_once(' ')?;
    (number == generation.to_string()).then(|| SecretString::from(token))
}
