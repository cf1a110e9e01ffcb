//! A request to the Web API and its response, before any JSON is parsed.

use bytes::Bytes;

use super::family::EndpointFamily;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiCaller {
    /// The app itself.
    App,
    /// A user who has signed in, by local name.
    User(String),
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRequest {
    /// What it counts as.
    pub family: EndpointFamily,
    /// Below the base URL, from the slash on; ids checked or percent-encoded.
    pub path: String,
    /// The query, not encoded.
    pub query: Vec<(&'static str, String)>,
    /// Of an answer that we hold: a 304 then saves the body.
    pub etag: Option<String>,
    /// Whether it finds out which ceilings hold: then those of the settings do not hold it.
    pub is_probe: bool,
}

impl ApiRequest {
    /// A request without query.
    pub fn new(family: EndpointFamily, path: impl Into<String>) -> ApiRequest {
        ApiRequest { family, path: path.into(), query: Vec::new(), etag: None, is_probe: false }
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn with_query(mut self, key: &'static str, value: impl Into<String>) -> ApiRequest {
        self.query.push((key, value.into()));
        self
    }

    /// Whether it asks for something by its id, which may not be there; other paths always are.
    pub fn addresses_by_id(&self) -> bool {
        !["/me", "/browse/", "/markets", "/search"].iter().any(|start| self.path.starts_with(start))
    }

    /// Whether it reads several things by `ids`.
    pub fn is_batch(&self) -> bool {
        self.query.iter().any(|(key, _)| *key == "ids")
    }
}

/// What came.
#[derive(Debug, Clone)]
pub struct ApiResponse {
    /// 200, or 304 if the request had an `etag`.
    pub status: u16,
    /// The body; empty for 304.
    pub body: Bytes,
    /// To ask with next time.
    pub etag: Option<String>,
}

/// Says why a 200 cannot be used: cut, another shape, a page that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableResponse {
    /// What is wrong, for a person.
    pub reason: String,
}

impl UnusableResponse {
    /// An answer that cannot be used, and why.
    pub fn new(what: impl Into<String>) -> UnusableResponse {
        UnusableResponse { reason: what.into() }
    }
}
