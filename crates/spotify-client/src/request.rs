//! What is asked for and what comes back, below JSON.

use bytes::Bytes;

use super::family::Family;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bearer {
    /// The app itself.
    App,
    /// A user who has signed in, by local name.
    User(String),
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it counts as.
    pub family: Family,
    /// Below the base URL, from the slash on; ids checked or percent-encoded.
    pub path: String,
    /// The query, not encoded.
    pub query: Vec<(&'static str, String)>,
    /// Of an answer that we hold: a 304 then saves the body.
    pub etag: Option<String>,
    /// Whether it finds out which ceilings hold: then those of the settings do not hold it.
    pub probes: bool,
}

impl Request {
    /// A request without query.
    pub fn new(family: Family, path: impl Into<String>) -> Request {
        Request { family, path: path.into(), query: Vec::new(), etag: None, probes: false }
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Request {
        self.query.push((key, value.into()));
        self
    }

    /// Whether it asks for something by its id, which may not be there; other paths always are.
    pub fn names_something(&self) -> bool {
        !["/me", "/browse/", "/markets", "/search"].iter().any(|start| self.path.starts_with(start))
    }

    /// Whether it reads several things by `ids`.
    pub fn is_batch(&self) -> bool {
        self.query.iter().any(|(key, _)| *key == "ids")
    }
}

/// What came.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 200, or 304 if the request had an `etag`.
    pub status: u16,
    /// The body; empty for 304.
    pub body: Bytes,
    /// To ask with next time.
    pub etag: Option<String>,
}

/// Says why a 200 cannot be used: cut, another shape, a page that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// What is wrong, for a person.
    pub what: String,
}

impl Unusable {
    /// An answer that cannot be used, and why.
    pub fn new(what: impl Into<String>) -> Unusable {
        Unusable { what: what.into() }
    }
}
