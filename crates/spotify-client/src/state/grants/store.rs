//! The database of grants: opening it, reading it, and the lock of each grant.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{OptionalExtension, Row};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::error::GrantError;
use super::grant::{self, Grant, GrantWithTokens, StoredAccessToken};
use super::lock::GrantLock;
use super::schema;
use super::seal::{SealContext, SealKey};
use super::servers::GrantServers;
use crate::state::clock_reading::time_from_ms;
use crate::state::database::PrivateDb;
use crate::state::folder::{copy_check, file_system, private_files as private};
use crate::state::{KeyOrigin, StateDir, StateError};

/// How long another process may hold a grant. Its request is limited to 30 s.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(60);
/// How often the lock is tried meanwhile.
const LOCK_RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// A known text that is encrypted to recognise the key.
const PROOF: &str = "cratedigger";

/// The grants of one app. One per process; shared by all tasks behind an `Arc`.
#[derive(Debug)]
pub struct GrantStore {
    dir: StateDir,
    pub(super) client_id: String,
    pub(super) servers: GrantServers,
    key: SealKey,
    db: Mutex<PrivateDb>,
}

impl GrantStore {
    /// Opens the grants of a client id in a state folder, creating folder (0700), database (0600)
    /// and, if none is named by `env`, a key file (0600) where they are missing.
    ///
    /// # Errors
    ///
    /// As [`StateDb::open`](crate::state::StateDb::open); and for a key that is missing though grants are sealed, another
    /// key than theirs, a key file that is too short or open to others. Nothing is changed then.
    pub fn open(
        dir: StateDir,
        client_id: &str,
        env: impl Fn(&str) -> Option<OsString>,
    ) -> Result<GrantStore, GrantError> {
        let folder = dir.path();
        private::ensure_folder(folder)?;
        file_system::refuse_network(folder)?;
        let _opening = private::lock_for_opening(folder)?;
        let database = folder.join("grants.db");
        private::refuse_emptied(&database, &copy_check::identity_file(folder))?;
        let mut db = PrivateDb::open(&database, &schema::GRANTS)?;
        db.read("set up", |conn| conn.pragma_update(None, "secure_delete", true))?;
        let proof: Option<Vec<u8>> =
            db.read("read the seal", |conn| conn.query_row("SELECT proof FROM seal", (), |row| row.get(0)).optional())?;
        let place = SealContext { client_id: "", user: "", column: "seal.proof" };
        let key = match (SealKey::find(folder, env).map_err(GrantError::Key)?, &proof) {
            (Some(key), Some(proof)) => match key.open(place, proof) {
                Ok(text) if text.expose_secret() == PROOF => key,
                _ => {
                    return Err(GrantError::WrongKey { folder: folder.to_owned(), origin: key.origin().clone() });
                }
            },
            (None, Some(_)) => return Err(GrantError::KeyMissing { folder: folder.to_owned() }),
            (Some(key), None) => key,
            (None, None) => SealKey::create(folder)?,
        };
        match proof.is_none() {
            true => copy_check::record_identity(folder, &database)?,
            false => copy_check::refuse_copy(folder, &database)?,
        }
        if proof.is_none() {
            let proof = key.seal(place, PROOF)?;
            db.write("note the key", |tx| tx.execute("INSERT INTO seal VALUES (1, ?1)", [proof]))?;
        }
        let servers = GrantServers::of_spotify();
        Ok(GrantStore { client_id: client_id.to_owned(), servers, key, db: Mutex::new(db), dir })
    }

    /// The same store for other servers than Spotify's. New grants belong to them, and only their grants are opened.
    #[must_use]
    pub fn for_servers(mut self, accounts_url: &Url, api_url: &Url) -> GrantStore {
        self.servers = GrantServers::new(accounts_url, api_url);
        self
    }

    /// The folder, and why this one was chosen.
    pub fn dir(&self) -> &StateDir {
        &self.dir
    }

    /// The client id of the app.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Where the key came from.
    pub fn key_origin(&self) -> &KeyOrigin {
        self.key.origin()
    }

    /// The path of the database.
    pub fn database(&self) -> PathBuf {
        self.folder().join("grants.db")
    }

    /// All grants of this app, by name. No token is opened.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn list(&self) -> Result<Vec<Grant>, GrantError> {
        let sql = format!("SELECT {} FROM grants WHERE client_id = ?1 ORDER BY user", grant::GRANT_COLUMNS);
        Ok(self.db().read("list the grants", |conn| {
            let mut rows = conn.prepare_cached(&sql)?;
            rows.query_map([&self.client_id], grant::read_grant)?.collect()
        })?)
    }

    /// How many grants there are of other client ids.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn count_of_other_apps(&self) -> Result<i64, GrantError> {
        Ok(self.db().read("count the grants", |conn| {
            conn.query_row("SELECT count(*) FROM grants WHERE client_id <> ?1", [&self.client_id], |row| row.get(0))
        })?)
    }

    /// One user's grant, without its tokens.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn get(&self, user: &str) -> Result<Option<Grant>, GrantError> {
        Ok(self.query_grant(user, grant::read_grant)?)
    }

    /// One user's grant with its tokens.
    ///
    /// # Errors
    ///
    /// If the database cannot be read, a token does not open, or the grant belongs to other servers.
    pub fn get_with_tokens(&self, user: &str) -> Result<Option<GrantWithTokens>, GrantError> {
        let found = self.query_grant(user, |row| {
            let times = (row.get::<_, Option<i64>>(16)?, row.get::<_, Option<i64>>(10)?);
            let sealed = (row.get::<_, Vec<u8>>(17)?, row.get::<_, Option<Vec<u8>>>(18)?);
            Ok((grant::read_grant(row)?, times, sealed, row.get::<_, String>(20)?))
        })?;
        let Some((grant, (issued, expires), (refresh, access), servers)) = found else {
            return Ok(None);
        };
        self.check_servers(user, servers)?;
        let refresh = self.unseal(user, REFRESH, &refresh)?;
        let access = match (access, issued, expires) {
            (Some(sealed), Some(issued), Some(expires)) => Some(StoredAccessToken {
                token: self.unseal(user, ACCESS, &sealed)?,
                issued_at: time_from_ms(issued),
                expires_at: time_from_ms(expires),
            }),
            _ => None,
        };
        Ok(Some(GrantWithTokens { grant, refresh, access }))
    }

    /// Refuses a grant that belongs to other servers. A user without a grant is not refused.
    ///
    /// # Errors
    ///
    /// If the database cannot be read, or [`GrantError::OtherServers`].
    pub fn check_grant_servers(&self, user: &str) -> Result<(), GrantError> {
        match self.query_grant(user, |row| row.get::<_, String>(20))? {
            Some(servers) => self.check_servers(user, servers),
            None => Ok(()),
        }
    }

    /// Which of these scopes a user's grant lacks. None while the granted scopes are unknown.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn missing_scopes<'a>(&self, user: &str, scopes: &[&'a str]) -> Result<Vec<&'a str>, GrantError> {
        let granted = self.get(user)?.and_then(|grant| grant.scopes);
        Ok(scopes
            .iter()
            .filter(|scope| granted.as_ref().is_some_and(|granted| !granted.iter().any(|it| it == **scope)))
            .copied()
            .collect())
    }

    /// The lock of a grant, if it is free.
    ///
    /// # Errors
    ///
    /// If the file of the lock cannot be made or is open to others.
    pub fn try_lock(&self, user: &str) -> Result<Option<GrantLock>, GrantError> {
        Ok(GrantLock::try_acquire(self.folder(), &self.client_id, user)?)
    }

    /// Waits (blocking) for the lock of a grant, for at most [`LOCK_TIMEOUT`].
    ///
    /// # Errors
    ///
    /// As [`GrantStore::try_lock`], and [`GrantError::Locked`].
    pub fn lock(&self, user: &str) -> Result<GrantLock, GrantError> {
        let began = Instant::now();
        loop {
            if let Some(lock) = self.try_lock(user)? {
                return Ok(lock);
            }
            if began.elapsed() > LOCK_TIMEOUT {
                return Err(GrantError::Locked { user: user.to_owned(), waited: began.elapsed() });
            }
            std::thread::sleep(LOCK_RETRY_INTERVAL);
        }
    }

    /// Refuses what belongs to other servers.
    pub(super) fn check_servers(&self, user: &str, belongs_to: String) -> Result<(), GrantError> {
        if belongs_to == self.servers.as_str() {
            return Ok(());
        }
        let configured = self.servers.as_str().to_owned();
        Err(GrantError::OtherServers { user: user.to_owned(), belongs_to, configured })
    }

    fn query_grant<T>(
        &self,
        user: &str,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StateError> {
        let sql = format!("SELECT {} FROM grants WHERE client_id = ?1 AND user = ?2", grant::GRANT_COLUMNS);
        self.db().read("read a grant", |conn| {
            conn.prepare_cached(&sql)?.query_row([&*self.client_id, user], read).optional()
        })
    }

    pub(super) fn seal(&self, user: &str, column: &'static str, secret: &SecretString) -> Result<Vec<u8>, StateError> {
        let place = SealContext { client_id: &self.client_id, user, column };
        self.key.seal(place, secret.expose_secret())
    }

    pub(super) fn unseal(&self, user: &str, column: &'static str, sealed: &[u8]) -> Result<SecretString, GrantError> {
        let place = SealContext { client_id: &self.client_id, user, column };
        self.key.open(place, sealed).map_err(|_| GrantError::Unreadable {
            user: user.to_owned(),
            column,
            database: self.database(),
        })
    }

    pub(super) fn folder(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn db(&self) -> MutexGuard<'_, PrivateDb> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) const REFRESH: &str = "refresh token";
pub(super) const ACCESS: &str = "access token";
