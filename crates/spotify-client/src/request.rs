//! A request to the Web API and its response, before any JSON is parsed.

use bytes::Bytes;

use super::family::EndpointFamily;

/// The app or the user that a call is sent for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiCaller {
    /// The app itself, with its own token.
    App,
    /// A user who has signed in, by their local name.
    User(String),
}

/// A request to the Web API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRequest {
    /// The family that it is counted under.
    pub family: EndpointFamily,
    /// The path below the base URL, with its first slash. Ids in it are checked or percent-encoded.
    pub path: String,
    /// The query parameters, not encoded.
    pub query: Vec<(&'static str, String)>,
    /// The `ETag` of a stored response. A 304 then saves the body.
    pub etag: Option<String>,
    /// Whether the call finds out which ceilings apply. The configured ceilings do not block it then.
    pub is_probe: bool,
    /// The maximum number of attempts, if it is smaller than usual.
    pub max_attempts: Option<u32>,
}

impl ApiRequest {
    /// A request without query parameters.
    pub fn new(family: EndpointFamily, path: impl Into<String>) -> ApiRequest {
        ApiRequest { family, path: path.into(), query: Vec::new(), etag: None, is_probe: false, max_attempts: None }
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn with_query(mut self, key: &'static str, value: impl Into<String>) -> ApiRequest {
        self.query.push((key, value.into()));
        self
    }

    /// The same request, sent at most so often.
    #[must_use]
    pub fn with_attempts(self, attempts: u32) -> ApiRequest {
        ApiRequest { max_attempts: Some(attempts), ..self }
    }

    /// Whether the path contains an id, which may not exist. Other paths always exist.
    pub fn addresses_by_id(&self) -> bool {
        !["/me", "/browse/", "/markets", "/search"].iter().any(|start| self.path.starts_with(start))
    }

    /// Whether the request reads several items by `ids`.
    pub fn is_batch(&self) -> bool {
        self.query.iter().any(|(key, _)| *key == "ids")
    }
}

/// A successful response.
#[derive(Debug, Clone)]
pub struct ApiResponse {
    /// 200, or 304 if the request had an `etag`.
    pub status: u16,
    /// The body; empty for 304.
    pub body: Bytes,
    /// The `ETag` for the next request.
    pub etag: Option<String>,
}

/// Why a 200 is unusable: it is cut short, has another shape, or contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableResponse {
    /// A description of the problem.
    pub reason: String,
}

impl UnusableResponse {
    /// An unusable response, with the reason.
    pub fn new(what: impl Into<String>) -> UnusableResponse {
        UnusableResponse { reason: what.into() }
    }
}
