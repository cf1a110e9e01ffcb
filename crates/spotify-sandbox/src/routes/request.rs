//! A request as the endpoints see it, with the checks that they share.

use bytes::Bytes;
use hyper::http::request::Parts;

use crate::accounts::TokenOwner;
use crate::catalog::{CatalogIndex, CatalogKind, MARKETS};
use crate::render::{PageRange, RenderContext};
use crate::response::{ServerResponse, api_error, not_found};
use crate::rng;
use crate::state::SandboxState;

/// A parsed HTTP request.
#[derive(Debug, Clone)]
pub(crate) struct ServerRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The query as sent, without `?`.
    pub(crate) query: String,
    pub(crate) authorization: Option<String>,
    pub(crate) if_none_match: Option<String>,
    /// Whether the client accepts gzip.
    pub(crate) accepts_gzip: bool,
    pub(crate) body: Bytes,
}

impl ServerRequest {
    pub(crate) fn from_parts(head: &Parts, body: Bytes) -> Self {
        let header = |name| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        Self {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            authorization: header("authorization"),
            if_none_match: header("if-none-match"),
            accepts_gzip: header("accept-encoding").is_some_and(|text| text.contains("gzip")),
            body,
        }
    }

    pub(crate) fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.authorization.as_deref()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// A decoded query parameter.
    pub(crate) fn query_param(&self, key: &str) -> Option<String> {
        let mut pairs = url::form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
    }

    /// The same request with another value for a query parameter.
    pub(crate) fn with_query_param(&self, key: &str, value: &str) -> Self {
        let rest = self.query_without(&[key]);
        let pair = format!("{key}={value}");
        let query = if rest.is_empty() { pair } else { format!("{rest}&{pair}") };
        Self { query, ..self.clone() }
    }

    /// The query without some parameters.
    pub(crate) fn query_without(&self, keys: &[&str]) -> String {
        let pairs = url::form_urlencoded::parse(self.query.as_bytes());
        let remaining = pairs.filter(|(key, _)| !keys.contains(&key.as_ref()));
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(remaining).finish()
    }
}

/// A request with a valid token, as an endpoint gets it.
pub(crate) struct EndpointContext<'a> {
    pub(crate) state: &'a SandboxState,
    pub(crate) request: &'a ServerRequest,
    pub(crate) token_owner: &'a TokenOwner,
    pub(crate) render: RenderContext<'a>,
    /// The query without `limit` and `offset`, for the links of pages.
    pub(crate) paging_query: String,
}

/// The country of all users.
pub(crate) const COUNTRY: &str = "DE";

impl<'a> EndpointContext<'a> {
    /// # Errors
    /// 400 for an unknown market.
    pub(crate) fn new(
        state: &'a SandboxState,
        request: &'a ServerRequest,
        token_owner: &'a TokenOwner,
    ) -> Result<Self, ServerResponse> {
        // The country of a user takes precedence over the requested market.
        let market = match request.query_param("market") {
            None => None,
            Some(_) if token_owner.user.is_some() => Some(COUNTRY),
            Some(named) => match MARKETS.iter().find(|market| **market == named) {
                Some(market) => Some(*market),
                None => return Err(api_error(400, "Invalid market code")),
            },
        };
        Ok(Self {
            state,
            request,
            token_owner,
            render: RenderContext {
                music: &state.music,
                extended: state.is_extended(),
                api_url: &state.api_url,
                market,
                resume_points: token_owner.has_scope("user-read-playback-position"),
            },
            paging_query: request.query_without(&["limit", "offset"]),
        })
    }

    /// The requested part of a list.
    ///
    /// # Errors
    /// 400 if the limit is not between 1 and `most`. Spotify does not clamp it.
    pub(crate) fn page_range(&self, usual: usize, most: usize) -> Result<PageRange, ServerResponse> {
        let limit = match self.request.query_param("limit") {
            None => usual,
            Some(text) => match text.parse() {
                Ok(limit) if (1..=most).contains(&limit) => limit,
                _ => return Err(api_error(400, "Invalid limit")),
            },
        };
        let offset = match self.request.query_param("offset") {
            None => 0,
            Some(text) => text.parse().map_err(|_| api_error(400, "Invalid offset"))?,
        };
        Ok(PageRange { limit, offset })
    }

    /// The index of the object with an id.
    ///
    /// # Errors
    /// 400 for an invalid id and 404 for an unknown one.
    pub(crate) fn find(&self, kind: CatalogKind, id: &str) -> Result<CatalogIndex, ServerResponse> {
        if !rng::is_base62_id(id) {
            return Err(api_error(400, "Invalid base62 id"));
        }
        self.state.music.find(kind, id).ok_or_else(not_found)
    }

    /// The indexes of the objects in `ids`; `None` for an unknown id.
    ///
    /// # Errors
    /// 400 if there are none or too many, or if one is invalid.
    pub(crate) fn find_all(&self, kind: CatalogKind, most: usize) -> Result<Vec<Option<CatalogIndex>>, ServerResponse> {
        let ids = self.request.query_param("ids").filter(|ids| !ids.is_empty());
        let ids = ids.ok_or_else(|| api_error(400, "Missing required field: ids"))?;
        let ids: Vec<&str> = ids.split(',').collect();
        if ids.len() > most {
            return Err(api_error(400, "Too many ids requested"));
        }
        if !ids.iter().all(|id| rng::is_base62_id(id)) {
            return Err(api_error(400, "Invalid base62 id"));
        }
        Ok(ids.iter().map(|id| self.state.music.find(kind, id)).collect())
    }

    /// Checks that the token has a scope.
    ///
    /// # Errors
    /// 403 without the scope.
    pub(crate) fn require_scope(&self, scope: &str) -> Result<(), ServerResponse> {
        if self.token_owner.has_scope(scope) { Ok(()) } else { Err(api_error(403, "Insufficient client scope")) }
    }
}
