//! The client: from a request to its response, or a typed reason.
//!
//! Before any request, including one for a token, the limiter says whether anything may be sent. During
//! a cool-down, starting the program therefore causes no network traffic at all. URLs are built from the
//! configured base and a checked path, and a token is sent nowhere else.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use rustc_hash::FxHashSet;
use secrecy::SecretString;
use url::Url;

use super::auth::{AppToken, BearerToken, TokenEndpoint, TokenError, TokenGrant, TokenReply, TokenRules, UserTokens};
use super::call::{ApiCall, CallToken};
use super::error::ApiError;
use super::family::EndpointFamily;
pub use super::limits::{ApiConfig, CallLimits, ClientTimings, ceilings};
use super::limits::{adaptive_pace, check_base_url};
pub use super::request::{ApiCaller, ApiRequest, ApiResponse, UnusableResponse};
use crate::http::clock::{Clock, SystemClock};
pub use crate::http::limiter::RunAllowance;
use crate::http::limiter::{CallLimiter, LimiterRules, MissingAnswer};
use crate::http::observer::CallObserver;
use crate::http::retry::RetryRules;
use crate::http::retry_after::RetryAfter;
use crate::http::transport::HttpTransport;
use crate::state::grants::{GrantStore, SignInFlow};
use crate::state::{ClientIdentity, LearnedFacts, StateDb, TokenKind};

/// The Web API, for one run. Clones share the limiter, the token and the counters.
#[derive(Clone)]
pub struct SpotifyClient(Arc<ClientInner>);

pub(super) struct ClientInner {
    base: Url,
    accounts: Url,
    client_id: String,
    pub(super) transport: Arc<HttpTransport>,
    pub(super) limiter: CallLimiter,
    clock: Arc<dyn Clock>,
    endpoint: Arc<TokenEndpoint>,
    pub(super) token: Arc<AppToken>,
    token_rules: TokenRules,
    users: OnceLock<Arc<UserTokens>>,
    pub(super) rules: RetryRules,
    pub(super) observer: Arc<dyn CallObserver>,
    pub(super) learned: LearnedFacts,
    pub(super) noted_endpoints: Mutex<FxHashSet<(EndpointFamily, TokenKind)>>,
    identity: ClientIdentity,
}

impl fmt::Debug for SpotifyClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Api({})", self.0.base)
    }
}

impl SpotifyClient {
    /// A client for one run. It sends nothing yet.
    ///
    /// # Errors
    ///
    /// [`ApiError::Config`] for a base URL that is neither HTTPS nor on this machine.
    pub fn new(
        config: ApiConfig,
        state: Arc<StateDb>,
        observer: Arc<dyn CallObserver>,
    ) -> Result<SpotifyClient, ApiError> {
        SpotifyClient::with_clock(config, state, observer, Arc::new(SystemClock::new()))
    }

    /// The same, with another source of time.
    ///
    /// # Errors
    ///
    /// As [`SpotifyClient::new`].
    pub fn with_clock(
        config: ApiConfig,
        state: Arc<StateDb>,
        observer: Arc<dyn CallObserver>,
        clock: Arc<dyn Clock>,
    ) -> Result<SpotifyClient, ApiError> {
        check_base_url("spotify.api_url", &config.api_url)?;
        check_base_url("spotify.accounts_url", &config.accounts_url)?;
        let ApiConfig { limits, timings: scales, .. } = &config;
        let hosts = [&config.api_url, &config.accounts_url];
        let transport = Arc::new(HttpTransport::new(scales.transport, &hosts));
        let endpoint = Arc::new(TokenEndpoint::new(
            Arc::clone(&transport),
            Arc::clone(&clock),
            Arc::clone(&observer),
            &config.accounts_url,
            (&config.client_id, config.client_secret.as_ref()),
            scales.token,
        )?);
        let token = AppToken::new(Arc::clone(&endpoint), Arc::clone(&clock), scales.token);
        let who = ClientIdentity::new(&config.client_id, &config.account);
        let rules = LimiterRules {
            requests_per_second: limits.requests_per_second,
            concurrency: limits.concurrency,
            ceilings: ceilings(limits),
            max_wait: limits.max_wait,
            max_waits: scales.max_waits,
            max_calls: limits.max_calls,
            breaker: scales.breaker,
            adaptive: adaptive_pace(limits, scales),
            spender: limits.spender,
        };
        let learned = LearnedFacts::new(&state, &who);
        let limiter = CallLimiter::new(state, who.clone(), rules, Arc::clone(&clock), Arc::clone(&observer));
        Ok(SpotifyClient(Arc::new(ClientInner {
            base: config.api_url.clone(),
            accounts: config.accounts_url.clone(),
            client_id: config.client_id.clone(),
            transport,
            limiter,
            clock,
            endpoint,
            token: Arc::new(token),
            token_rules: scales.token,
            users: OnceLock::new(),
            rules: scales.retry,
            observer,
            learned,
            noted_endpoints: Mutex::default(),
            identity: who,
        })))
    }

    /// A client for another run. The two share the pace, the calls in flight, the ledger and the app's
    /// token, but each has its own allowance.
    #[must_use]
    pub fn with_allowance(&self, allowed: RunAllowance, observer: Arc<dyn CallObserver>) -> SpotifyClient {
        let inner = &*self.0;
        SpotifyClient(Arc::new(ClientInner {
            base: inner.base.clone(),
            accounts: inner.accounts.clone(),
            client_id: inner.client_id.clone(),
            transport: Arc::clone(&inner.transport),
            limiter: inner.limiter.with_allowance(allowed, Arc::clone(&observer)),
            clock: Arc::clone(&inner.clock),
            endpoint: Arc::clone(&inner.endpoint),
            token: Arc::clone(&inner.token),
            token_rules: inner.token_rules,
            users: OnceLock::new(),
            rules: inner.rules,
            observer,
            learned: inner.learned.clone(),
            noted_endpoints: Mutex::default(),
            identity: inner.identity.clone(),
        }))
    }

    /// Sends a request and returns the response. Its body at least looks like JSON.
    ///
    /// # Errors
    ///
    /// See [`ApiError`].
    pub async fn get(&self, who: &ApiCaller, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
        self.get_checked(who, request, |answer| Ok(answer.clone())).await
    }

    /// Sends a request and returns what `check` makes of the response. A response that it finds unusable
    /// is requested again, like a failure.
    ///
    /// # Errors
    ///
    /// See [`ApiError`].
    pub async fn get_checked<T>(
        &self,
        who: &ApiCaller,
        request: &ApiRequest,
        check: impl Fn(&ApiResponse) -> Result<T, UnusableResponse>,
    ) -> Result<T, ApiError> {
        let who = match who {
            ApiCaller::App => CallToken::App,
            ApiCaller::User(user) => CallToken::User(user, self.users()?),
        };
        self.call(who, request, check).await
    }

    async fn call<T>(
        &self,
        who: CallToken<'_>,
        request: &ApiRequest,
        check: impl Fn(&ApiResponse) -> Result<T, UnusableResponse>,
    ) -> Result<T, ApiError> {
        let url = self.0.build_url(request)?;
        let mut call = ApiCall::new(&self.0, who, request, url);
        loop {
            if let Some(done) = call.send_once(&check).await? {
                return Ok(done);
            }
        }
    }

    /// Enables calls for [`ApiCaller::User`], with the stored grants and the token in
    /// `SPOTIFY_REFRESH_TOKEN`, if any. Call it once; a second call changes nothing.
    #[must_use]
    pub fn with_grants(self, grants: Arc<GrantStore>, environment: Option<SecretString>) -> SpotifyClient {
        let inner = &self.0;
        inner.users.get_or_init(|| {
            Arc::new(UserTokens::new(
                Arc::clone(&inner.endpoint),
                grants,
                environment,
                Arc::clone(&inner.clock),
                Arc::clone(&inner.observer),
                inner.token_rules,
            ))
        });
        self
    }

    /// The grants from [`SpotifyClient::with_grants`].
    pub fn grants(&self) -> Option<&Arc<GrantStore>> {
        self.0.users.get().map(|users| users.grants())
    }

    fn users(&self) -> Result<&Arc<UserTokens>, ApiError> {
        self.0.users.get().ok_or_else(|| ApiError::Config {
            message: "a call for a user needs the grants, and they were not opened".to_owned(),
        })
    }

    /// The client id of the app.
    pub fn client_id(&self) -> &str {
        &self.0.client_id
    }

    /// The URL of a page of the accounts service.
    pub fn accounts_url(&self, page: &str) -> Url {
        let mut url = self.0.accounts.clone();
        let path = format!("{}/{page}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }

    /// How users sign in to this app: with its secret if there is one.
    pub fn flow(&self) -> SignInFlow {
        self.0.endpoint.flow()
    }

    /// Exchanges a code from the browser for tokens. The inner `Err` is Spotify's message about a code that
    /// is not valid, or no longer.
    ///
    /// # Errors
    ///
    /// See [`ApiError`].
    pub async fn redeem_code(
        &self,
        flow: SignInFlow,
        code: &SecretString,
        redirect_uri: &str,
        verifier: Option<&SecretString>,
    ) -> Result<Result<TokenGrant, String>, ApiError> {
        self.may_send(EndpointFamily::ME)?;
        match self.0.endpoint.exchange_code(flow, code, redirect_uri, verifier).await {
            Ok(TokenReply::Granted(granted)) => Ok(Ok(granted)),
            Ok(TokenReply::InvalidGrant { words, .. }) => Ok(Err(words)),
            Err(TokenError::Error(error)) => Err(error),
            Err(TokenError::Refused { retry_after, words }) => Err(self.record_token_refusal(retry_after, &words)?),
        }
    }

    /// Records that the accounts service gives no tokens now, and returns the error for it.
    fn record_token_refusal(&self, retry_after: RetryAfter, words: &str) -> Result<ApiError, ApiError> {
        self.0.defer_token_requests(EndpointFamily::ME, retry_after, words)?;
        self.may_send(EndpointFamily::ME)?;
        Ok(ApiError::Unreachable { what: format!("POST token: {words}"), attempts: 1 })
    }

    /// Sends a request with a token that is not stored yet.
    ///
    /// # Errors
    ///
    /// See [`ApiError`].
    pub async fn get_with_token(&self, token: &SecretString, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
        let token = Arc::new(BearerToken::new(token, 0, i64::MAX));
        self.call(CallToken::New(token), request, |answer| Ok(answer.clone())).await
    }

    /// Requests the app's token and nothing else, to check the credentials. Returns the server's time if
    /// the local clock differs from it by more than five minutes.
    ///
    /// # Errors
    ///
    /// See [`ApiError`].
    pub async fn check_credentials(&self) -> Result<Option<chrono::DateTime<chrono::Utc>>, ApiError> {
        self.may_send(EndpointFamily::ME)?;
        let granted = match self.0.token.fetch().await {
            Ok(granted) => granted,
            Err(TokenError::Error(error)) => return Err(error),
            Err(TokenError::Refused { retry_after, words }) => {
                return Err(self.record_token_refusal(retry_after, &words)?);
            }
        };
        let ours = self.now().wall;
        Ok((granted.at != ours && (granted.at - ours).abs() > chrono::TimeDelta::minutes(5)).then_some(granted.at))
    }

    /// Checks whether a call to this family may be sent now, without sending it or waiting.
    ///
    /// # Errors
    ///
    /// [`ApiError::Deferred`] with the time, [`ApiError::Stopped`], or [`ApiError::State`].
    pub fn may_send(&self, family: EndpointFamily) -> Result<(), ApiError> {
        self.0.limiter.may_send(family).map_err(ApiError::from)
    }

    /// Changes the rates once the class of the app is known.
    pub fn set_limits(&self, limits: &CallLimits) {
        self.0.limiter.set_rates(limits.requests_per_second, limits.concurrency, ceilings(limits));
    }

    /// The number of calls sent in this run, including retries but not requests for tokens.
    pub fn calls_sent(&self) -> u64 {
        self.0.limiter.calls_sent()
    }

    /// The error of a run in which Spotify has answered no call, as far as calls were sent. One resource with a 5xx does
    /// not show that.
    pub fn missing_answer(&self) -> Option<ApiError> {
        let attempts = u32::try_from(self.calls_sent()).unwrap_or(u32::MAX);
        let all = "it answered no call of this run";
        Some(match self.0.limiter.missing_answer()? {
            MissingAnswer::Silence => ApiError::Unreachable { what: all.to_owned(), attempts },
            MissingAnswer::Errors => {
                ApiError::OnlyErrors { message: "no call of this run had another answer".to_owned(), attempts }
            }
            MissingAnswer::Foreign => {
                let who = "a proxy or the sign-in page of a network answered instead";
                ApiError::Unreachable { what: format!("{all}; {who}"), attempts }
            }
        })
    }

    /// Whether Spotify itself has answered, so that a few other answers are no fault of the network.
    pub fn is_spotify_answering(&self) -> bool {
        self.0.limiter.is_spotify_answering()
    }

    /// Stops the run: nothing more is sent and every wait ends. Responses in flight may still arrive.
    pub fn stop(&self) {
        self.0.limiter.stop();
    }

    /// The known facts about this app.
    pub fn learned(&self) -> &LearnedFacts {
        &self.0.learned
    }

    /// The identity under which these calls are recorded.
    pub fn identity(&self) -> &ClientIdentity {
        &self.0.identity
    }

    /// Whether the clock of this machine is well ahead of Spotify's.
    pub fn clock_is_ahead(&self) -> bool {
        self.0.endpoint.clock_is_ahead()
    }

    /// The current time, as the limiter sees it.
    pub fn now(&self) -> crate::state::ClockReading {
        self.0.limiter.clock().now()
    }
}

/// Ids in a path come from answers too, and no path of Spotify is longer.
const MAX_PATH_BYTES: usize = 1_000;

impl ClientInner {
    /// Builds the URL below the base. A path that would lead elsewhere is refused.
    fn build_url(&self, request: &ApiRequest) -> Result<Url, ApiError> {
        let path = &request.path;
        let odd = |byte: u8| byte <= b' ' || byte >= 0x7f || b"?#\\".contains(&byte);
        let steps_out = path.split('/').skip(1).any(|part| {
            let part = part.to_ascii_lowercase().replace("%2e", ".");
            part.is_empty() || part == "." || part == ".."
        });
        let base = self.base.as_str().trim_end_matches('/');
        let built = Url::parse(&format!("{base}{path}")).ok().filter(|url| url.origin() == self.base.origin());
        let is_odd = path.len() > MAX_PATH_BYTES || path.bytes().any(odd) || steps_out;
        let (Some(mut url), false, true) = (built, is_odd, path.starts_with('/')) else {
            return Err(ApiError::BadRequest {
                family: request.family,
                message: "the path of the request is not one of Spotify's".to_owned(),
            });
        };
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        Ok(url)
    }
}
