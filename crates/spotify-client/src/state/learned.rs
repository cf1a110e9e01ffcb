//! Facts about an app, learned from Spotify's responses, so that they need not be found out again.
//!
//! Facts are kept for each client id, with the day and the message that taught them. Keys are the caller's:
//! `page.playlist_items`, `batch.albums`, `endpoint.markets.app`, and so on. Spotify changes now and then
//! what apps may do, so a fact that is older than [`FACT_LIFETIME`] no longer counts and is learned again.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{OptionalExtension, Row};

use crate::state::StateDb;
use crate::state::clock_reading::{ClockReading, time_from_ms};
use crate::state::error::StateError;
use crate::state::ledger::ClientIdentity;

const CLASS: &str = "app_class";
const ENDPOINT: &str = "endpoint.";

/// How long a fact counts.
pub const FACT_LIFETIME: TimeDelta = TimeDelta::days(30);
/// A fact that still holds gets a new day when the old one is older than this.
const FACT_REFRESH_AGE: TimeDelta = TimeDelta::days(7);

/// The kind of token of a call. Endpoints may be open to one kind and closed to the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenKind {
    /// The app's own.
    App,
    /// A signed-in user's.
    User,
}

impl TokenKind {
    /// Both kinds.
    pub const ALL: [TokenKind; 2] = [TokenKind::App, TokenKind::User];

    /// `app` or `user`.
    pub fn as_str(self) -> &'static str {
        match self {
            TokenKind::App => "app",
            TokenKind::User => "user",
        }
    }
}

/// Whether the app may use an endpoint family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndpointAccess {
    /// A call succeeded.
    Allowed,
    /// 403: this app does not have it.
    Refused403,
    /// 404, even for a path that every app should find.
    Refused404,
    /// 429, however long the wait.
    Refused429,
}

impl EndpointAccess {
    /// The text that is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            EndpointAccess::Allowed => "allowed",
            EndpointAccess::Refused403 => "refused with 403",
            EndpointAccess::Refused404 => "refused with 404",
            EndpointAccess::Refused429 => "refused with 429 whenever it is asked",
        }
    }

    fn parse(text: &str) -> Option<EndpointAccess> {
        [EndpointAccess::Allowed, EndpointAccess::Refused403, EndpointAccess::Refused404, EndpointAccess::Refused429]
            .into_iter()
            .find(|word| word.as_str() == text)
    }
}

/// The known access to one endpoint family with one kind of token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointFact {
    /// The family.
    pub family: String,
    /// The kind of token.
    pub token: TokenKind,
    /// The result of a call.
    pub access: EndpointAccess,
    /// Spotify's message.
    pub evidence: String,
    /// When it was learned.
    pub learned_at: DateTime<Utc>,
}

/// The two classes of apps. They may use different endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppClass {
    /// Development Mode: the reduced surface since February 2026.
    Development,
    /// Extended Quota Mode: all endpoints, old names.
    Extended,
}

impl AppClass {
    /// `development` or `extended`, as in the settings.
    pub fn as_str(self) -> &'static str {
        match self {
            AppClass::Development => "development",
            AppClass::Extended => "extended",
        }
    }
}

impl fmt::Display for AppClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AppClass::Development => "Development Mode",
            AppClass::Extended => "Extended Quota",
        })
    }
}

/// One thing learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnedFact {
    /// The subject.
    pub key: String,
    /// The value.
    pub value: String,
    /// The evidence.
    pub evidence: String,
    /// When it was learned.
    pub learned_at: DateTime<Utc>,
}

impl LearnedFact {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<LearnedFact> {
        Ok(LearnedFact {
            key: row.get(0)?,
            value: row.get(1)?,
            evidence: row.get(2)?,
            learned_at: time_from_ms(row.get(3)?),
        })
    }
}

/// The known facts about the app of one client id.
#[derive(Debug, Clone)]
pub struct LearnedFacts {
    state: Arc<StateDb>,
    client: String,
}

impl LearnedFacts {
    /// The facts about one client id.
    pub fn new(state: &Arc<StateDb>, who: &ClientIdentity) -> LearnedFacts {
        LearnedFacts { state: Arc::clone(state), client: who.client.clone() }
    }

    /// Notes the class of the app and the answer that settled it.
    ///
    /// # Errors
    ///
    /// If the database cannot be written.
    pub fn learn_class(&self, class: AppClass, evidence: &str, now: ClockReading) -> Result<(), StateError> {
        // A fact that was forgotten gets the current time.
        let fact = self.fact(CLASS)?;
        if fact.is_some_and(|fact| fact.value == class.as_str() && now.wall - fact.learned_at < FACT_LIFETIME) {
            return Ok(());
        }
        self.put(CLASS, class.as_str(), evidence, now)
    }

    /// Notes whether an endpoint family may be called. Writes only facts that are new or out of date.
    ///
    /// # Errors
    ///
    /// If the database cannot be read or written.
    pub fn note_endpoint(
        &self,
        family: &str,
        token: TokenKind,
        word: EndpointAccess,
        evidence: &str,
        now: ClockReading,
    ) -> Result<(), StateError> {
        let key = format!("{ENDPOINT}{family}.{}", token.as_str());
        let fact = self.fact(&key)?;
        if fact.is_some_and(|fact| fact.value == word.as_str() && now.wall - fact.learned_at < FACT_REFRESH_AGE) {
            return Ok(());
        }
        self.put(&key, word.as_str(), evidence, now)
    }

    /// The known access to one family; `None` if it was learned too long ago.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn endpoint(
        &self,
        family: &str,
        token: TokenKind,
        now: DateTime<Utc>,
    ) -> Result<Option<EndpointFact>, StateError> {
        let fact = self.fact(&format!("{ENDPOINT}{family}.{}", token.as_str()))?;
        Ok(fact.filter(|fact| now - fact.learned_at < FACT_LIFETIME).as_ref().and_then(EndpointFact::from_fact))
    }

    /// All that is known of families and not too old.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn endpoints(&self, now: DateTime<Utc>) -> Result<Vec<EndpointFact>, StateError> {
        let facts = self.all()?;
        Ok(facts
            .iter()
            .filter(|fact| now - fact.learned_at < FACT_LIFETIME)
            .filter_map(EndpointFact::from_fact)
            .collect())
    }

    /// The value of one fact that is not too old to be believed.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn cached(&self, key: &str, now: DateTime<Utc>) -> Result<Option<String>, StateError> {
        Ok(self.fact(key)?.filter(|fact| now - fact.learned_at < FACT_LIFETIME).map(|fact| fact.value))
    }

    /// The class of the app, if an answer has settled it, unless that was too long ago.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn cached_class(&self, now: DateTime<Utc>) -> Result<Option<AppClass>, StateError> {
        Ok(match self.cached(CLASS, now)?.as_deref() {
            Some("development") => Some(AppClass::Development),
            Some("extended") => Some(AppClass::Extended),
            _ => None,
        })
    }

    fn put(&self, key: &str, value: &str, evidence: &str, now: ClockReading) -> Result<(), StateError> {
        self.state.connection().db.write("note a fact about the app", |tx| {
            tx.execute(
                "INSERT OR REPLACE INTO learned VALUES (?1, ?2, ?3, ?4, ?5)",
                (&self.client, key, value, evidence, now.wall_ms()),
            )?;
            Ok(())
        })
    }

    /// One fact with its evidence and day.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn fact(&self, key: &str) -> Result<Option<LearnedFact>, StateError> {
        self.state.connection().db.read("read the facts about the app", |conn| {
            conn.prepare_cached(
                "SELECT key, value, evidence, learned_ms FROM learned
                 WHERE client = ?1 AND key = ?2",
            )?
            .query_row((&self.client, key), LearnedFact::from_row)
            .optional()
        })
    }

    /// All facts, by key.
    ///
    /// # Errors
    ///
    /// If the database cannot be read.
    pub fn all(&self) -> Result<Vec<LearnedFact>, StateError> {
        self.state.connection().db.read("read the facts about the app", |conn| {
            conn.prepare_cached(
                "SELECT key, value, evidence, learned_ms FROM learned
                 WHERE client = ?1 ORDER BY key",
            )?
            .query_map([&self.client], LearnedFact::from_row)?
            .collect()
        })
    }

    /// Notes a fact. The same value again keeps its first day and evidence while it is believed.
    ///
    /// # Errors
    ///
    /// If the database cannot be written.
    pub fn set(&self, key: &str, value: &str, evidence: &str, now: ClockReading) -> Result<(), StateError> {
        self.state.connection().db.write("note a fact about the app", |tx| {
            tx.execute(
                "INSERT INTO learned VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET value = excluded.value, evidence = excluded.evidence,
                    learned_ms = excluded.learned_ms WHERE value <> excluded.value OR learned_ms <= ?6",
                (&self.client, key, value, evidence, now.wall_ms(), (now.wall - FACT_LIFETIME).timestamp_millis()),
            )?;
            Ok(())
        })
    }

    /// Forgets the facts with this prefix in their key, or all of them for an empty prefix.
    ///
    /// # Errors
    ///
    /// If the database cannot be written.
    pub fn forget(&self, beginning: &str) -> Result<usize, StateError> {
        self.state.connection().db.write("forget facts about the app", |tx| {
            tx.execute(
                "DELETE FROM learned WHERE client = ?1 AND substr(key, 1, length(?2)) = ?2",
                (&self.client, beginning),
            )
        })
    }
}

impl EndpointFact {
    fn from_fact(fact: &LearnedFact) -> Option<EndpointFact> {
        let (family, token) = fact.key.strip_prefix(ENDPOINT)?.rsplit_once('.')?;
        let token = TokenKind::ALL.into_iter().find(|kind| kind.as_str() == token)?;
        Some(EndpointFact {
            family: family.to_owned(),
            token,
            access: EndpointAccess::parse(&fact.value)?,
            evidence: fact.evidence.clone(),
            learned_at: fact.learned_at,
        })
    }
}
