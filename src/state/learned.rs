//! What was learned about an app by asking, so that it is asked once.
//!
//! Kept per client id, each fact with the day and the words that taught it. Keys are the caller's:
//! `page_size.playlist_items`, `endpoint.markets.app`, and so on.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, Row};

use super::State;
use super::error::StateError;
use super::moment::{Moment, from_ms};
use super::turn::Identity;

const CLASS: &str = "app_class";

/// The two classes of apps, whose surfaces differ.
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
pub struct Fact {
    /// What about.
    pub key: String,
    /// What.
    pub value: String,
    /// How we know.
    pub evidence: String,
    /// Since when.
    pub learned_at: DateTime<Utc>,
}

impl Fact {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Fact> {
        Ok(Fact { key: row.get(0)?, value: row.get(1)?, evidence: row.get(2)?, learned_at: from_ms(row.get(3)?) })
    }
}

/// What is known about the app of one client id.
#[derive(Debug, Clone)]
pub struct Learned {
    state: Arc<State>,
    client: String,
}

impl Learned {
    /// Opens the notes on one client id.
    pub fn of(state: &Arc<State>, who: &Identity) -> Learned {
        Learned { state: Arc::clone(state), client: who.client.clone() }
    }

    /// The class of the app, if an answer has settled it.
    ///
    /// # Errors
    ///
    /// If the notes cannot be read.
    pub fn app_class(&self) -> Result<Option<AppClass>, StateError> {
        Ok(match self.get(CLASS)?.as_deref() {
            Some("development") => Some(AppClass::Development),
            Some("extended") => Some(AppClass::Extended),
            _ => None,
        })
    }

    /// Notes the class of the app and the answer that settled it.
    ///
    /// # Errors
    ///
    /// If the notes cannot be written.
    pub fn learn_class(&self, class: AppClass, evidence: &str, now: Moment) -> Result<(), StateError> {
        self.set(CLASS, class.as_str(), evidence, now)
    }

    /// The value of one fact.
    ///
    /// # Errors
    ///
    /// If the notes cannot be read.
    pub fn get(&self, key: &str) -> Result<Option<String>, StateError> {
        Ok(self.fact(key)?.map(|fact| fact.value))
    }

    /// One fact with its evidence and day.
    ///
    /// # Errors
    ///
    /// If the notes cannot be read.
    pub fn fact(&self, key: &str) -> Result<Option<Fact>, StateError> {
        self.state.books().db.read("read what was learned", |conn| {
            conn.prepare_cached(
                "SELECT key, value, evidence, learned_ms FROM learned
                 WHERE client = ?1 AND key = ?2",
            )?
            .query_row((&self.client, key), Fact::from_row)
            .optional()
        })
    }

    /// All facts, by key.
    ///
    /// # Errors
    ///
    /// If the notes cannot be read.
    pub fn all(&self) -> Result<Vec<Fact>, StateError> {
        self.state.books().db.read("read what was learned", |conn| {
            conn.prepare_cached(
                "SELECT key, value, evidence, learned_ms FROM learned
                 WHERE client = ?1 ORDER BY key",
            )?
            .query_map([&self.client], Fact::from_row)?
            .collect()
        })
    }

    /// Notes a fact. The same value again keeps its first day and evidence.
    ///
    /// # Errors
    ///
    /// If the notes cannot be written.
    pub fn set(&self, key: &str, value: &str, evidence: &str, now: Moment) -> Result<(), StateError> {
        self.state.books().db.write("note what was learned", |tx| {
            tx.execute(
                "INSERT INTO learned VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET value = excluded.value, evidence = excluded.evidence,
                    learned_ms = excluded.learned_ms WHERE value <> excluded.value",
                (&self.client, key, value, evidence, now.ms()),
            )?;
            Ok(())
        })
    }

    /// Forgets the facts whose key begins so; all of them for an empty beginning.
    ///
    /// # Errors
    ///
    /// If the notes cannot be written.
    pub fn forget(&self, beginning: &str) -> Result<usize, StateError> {
        self.state.books().db.write("forget what was learned", |tx| {
            tx.execute(
                "DELETE FROM learned WHERE client = ?1 AND substr(key, 1, length(?2)) = ?2",
                (&self.client, beginning),
            )
        })
    }
}
