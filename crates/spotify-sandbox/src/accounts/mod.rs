//! The accounts service: issues tokens and knows their owners.
//!
//! Each grant type has its own file. All of them add access tokens to one list, which the Web API checks. Tokens
//! are generated from the clock and a counter. They look like those of Spotify and are worthless elsewhere.

mod authorize;
mod client_credentials;
mod grants;

pub use authorize::ConsentDecision;
pub use grants::{SignInTokens, TokenRotation};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustc_hash::FxHashMap;

use super::response::{ServerResponse, api_error, not_found, token_error};
use super::rng;
use super::routes::ServerRequest;
use super::state::{SandboxState, ServiceResponse};
use super::{SandboxOptions, lock};

/// The owner of a token and its scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenOwner {
    /// The client id of the app.
    pub(crate) client: String,
    /// The user id; `None` for a client credentials token.
    pub(crate) user: Option<String>,
    pub(crate) scopes: Vec<String>,
}

impl TokenOwner {
    /// Whether the token has a scope.
    pub(crate) fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|granted| granted == scope)
    }
}

#[derive(Debug)]
struct IssuedAccessToken {
    owner: TokenOwner,
    expires_at_ms: i64,
}

/// The state of the accounts service.
#[derive(Debug)]
pub(crate) struct AccountsService {
    /// The client ids of the developer account.
    client_ids: Vec<String>,
    client_secret: String,
    ttl_secs: u64,
    access_tokens: FxHashMap<String, IssuedAccessToken>,
    grants: grants::IssuedGrants,
    consent: ConsentDecision,
    tokens_issued: u64,
    ignores_pkce_with_secret: bool,
}

impl AccountsService {
    pub(crate) fn new(options: &SandboxOptions) -> Self {
        Self {
            client_ids: std::iter::once(&options.client_id).chain(&options.sister_client_ids).cloned().collect(),
            client_secret: options.client_secret.clone(),
            ttl_secs: options.token_ttl_secs,
            access_tokens: FxHashMap::default(),
            grants: grants::IssuedGrants::new(options.rotation),
            consent: ConsentDecision::Ask,
            tokens_issued: 0,
            ignores_pkce_with_secret: options.ignores_pkce_with_secret,
        }
    }

    /// The owner of a bearer token.
    ///
    /// # Errors
    /// 401 for a missing, unknown or expired token.
    pub(crate) fn token_owner(&self, bearer: Option<&str>, now_ms: i64) -> Result<TokenOwner, ServerResponse> {
        let token = bearer.ok_or_else(|| unauthorized("No token provided"))?;
        match self.access_tokens.get(token) {
            None => Err(unauthorized("Invalid access token")),
            Some(token) if token.expires_at_ms <= now_ms => Err(unauthorized("The access token expired")),
            Some(token) => Ok(token.owner.clone()),
        }
    }

    pub(crate) fn set_consent(&mut self, consent: ConsentDecision) {
        self.consent = consent;
    }

    /// Makes all access tokens expire.
    pub(crate) fn revoke_access_tokens(&mut self) {
        self.access_tokens.values_mut().for_each(|token| token.expires_at_ms = 0);
    }

    /// A new unique token.
    fn new_token(&mut self, prefix: &str, length: usize, now_ms: i64) -> String {
        self.tokens_issued += 1;
        let mut rng = rng::SeededRng::new(rng::mix(now_ms.unsigned_abs(), self.tokens_issued));
        let bytes: Vec<u8> = (0..length).flat_map(|_| rng.next_u64().to_le_bytes()).collect();
        let mut token = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes));
        token.truncate(length);
        token
    }

    fn issue_access_token(&mut self, owner: TokenOwner, now_ms: i64) -> String {
        let token = self.new_token("BQ", 150, now_ms);
        let ttl_ms = i64::try_from(self.ttl_secs).unwrap_or(i64::MAX / 2000) * 1000;
        let expires_at_ms = now_ms + ttl_ms;
        self.access_tokens.insert(token.clone(), IssuedAccessToken { owner, expires_at_ms });
        token
    }

    /// Checks the credentials of an app in the header or in the form, and returns its client id.
    ///
    /// # Errors
    /// `invalid_client` with a description.
    fn check_client(&self, request: &ServerRequest, form: &FormFields) -> Result<String, ServerResponse> {
        let refused = |what| Err(token_error(400, "invalid_client", what));
        let (id, secret) = match request.authorization.as_deref() {
            Some(header) => match parse_basic_auth(header) {
                Some(pair) => pair,
                None => return refused("Invalid authorization header"),
            },
            None => match (form.get("client_id"), form.get("client_secret")) {
                (Some(id), Some(secret)) => (id.to_owned(), secret.to_owned()),
                _ => return refused("Missing client credentials"),
            },
        };
        if !self.client_ids.contains(&id) {
            return refused("Invalid client");
        }
        if secret != self.client_secret {
            return refused("Invalid client secret");
        }
        Ok(id)
    }
}

/// The fields of a form body.
struct FormFields(Vec<(String, String)>);

impl FormFields {
    fn read(request: &ServerRequest) -> Self {
        Self(url::form_urlencoded::parse(&request.body).into_owned().collect())
    }

    fn get(&self, key: &str) -> Option<&str> {
        let found = self.0.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    }
}

/// Handles requests to the accounts service.
pub(crate) fn respond(state: &SandboxState, request: &ServerRequest) -> ServiceResponse {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/api/token") => token_endpoint(state, request),
        ("GET", "/authorize") => authorize::authorize(state, request).into(),
        _ => not_found().into(),
    }
}

fn token_endpoint(state: &SandboxState, request: &ServerRequest) -> ServiceResponse {
    let form = FormFields::read(request);
    let now_ms = state.clock.now_ms();
    let mut accounts = lock(&state.accounts);
    let grant_type = form.get("grant_type").map(str::to_owned);
    let response = match grant_type.as_deref() {
        Some("client_credentials") => accounts.client_credentials(request, &form, now_ms),
        Some("authorization_code") => accounts.authorization_code(request, &form, now_ms),
        Some("refresh_token") => accounts.refresh_token(request, &form, now_ms),
        None | Some("") => Err(token_error(400, "unsupported_grant_type", "grant_type parameter is missing")),
        Some(_) => Err(token_error(
            400,
            "unsupported_grant_type",
            "grant_type must be client_credentials, authorization_code or refresh_token",
        )),
    };
    let response = response.unwrap_or_else(|refusal| refusal);
    let response = response.with_header("cache-control", "no-store");
    ServiceResponse { grant_type, ..response.into() }
}

fn unauthorized(message: &str) -> ServerResponse {
    api_error(401, message).with_header("www-authenticate", "Bearer realm=\"spotify\"")
}

/// `Basic base64(id:secret)`
fn parse_basic_auth(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}
