//! One call to the Web API: from "I want this" to its bytes, or a typed reason.
//!
//! Before any request, also one for a token, the gate says whether something may be sent: during a
//! ban a start costs no network at all. URLs are built from the configured base and a path that was
//! checked; a bearer token has no other way out.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use rustc_hash::FxHashSet;
use secrecy::SecretString;
use url::Url;

use super::auth::{AppToken, Endpoint, Granted, NoToken, Reply, Token, TokenRules, UserTokens};
use super::call::{Call, Who, shut_error};
use super::error::ApiError;
use super::family::Family;
pub use super::limits::{ApiConfig, Limits, Scales, ceilings};
use super::limits::{adapts, check_base};
pub use super::request::{Answer, Bearer, Request, Unusable};
use crate::http::clock::{Clock, SystemClock};
pub use crate::http::gate::Allowance;
use crate::http::gate::{Gate, GateRules};
use crate::http::observer::Observer;
use crate::http::retry::Rules;
use crate::http::retry_after::RetryAfter;
use crate::http::transport::Transport;
use crate::state::grants::{Flow, Grants};
use crate::state::{Identity, Learned, State, TokenKind};

/// The API, for one run: clones share the gate, the token and the counts.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

pub(super) struct Inner {
    base: Url,
    accounts: Url,
    client_id: String,
    pub(super) transport: Arc<Transport>,
    pub(super) gate: Gate,
    clock: Arc<dyn Clock>,
    endpoint: Arc<Endpoint>,
    pub(super) token: Arc<AppToken>,
    token_rules: TokenRules,
    users: OnceLock<Arc<UserTokens>>,
    pub(super) rules: Rules,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) learned: Learned,
    pub(super) noted: Mutex<FxHashSet<(Family, TokenKind)>>,
    who: Identity,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Api({})", self.0.base)
    }
}

impl Api {
    /// An API for one run. Sends nothing yet.
    ///
    /// # Errors
    ///
    /// [`ApiError::Config`] for a base URL that is neither https nor on this machine.
    pub fn new(config: ApiConfig, state: Arc<State>, observer: Arc<dyn Observer>) -> Result<Api, ApiError> {
        Api::with_clock(config, state, observer, Arc::new(SystemClock::new()))
    }

    /// The same, with the time from elsewhere.
    ///
    /// # Errors
    ///
    /// As [`Api::new`].
    pub fn with_clock(
        config: ApiConfig,
        state: Arc<State>,
        observer: Arc<dyn Observer>,
        clock: Arc<dyn Clock>,
    ) -> Result<Api, ApiError> {
        check_base("spotify.api_url", &config.api_url)?;
        check_base("spotify.accounts_url", &config.accounts_url)?;
        let ApiConfig { limits, scales, .. } = &config;
        let hosts = [&config.api_url, &config.accounts_url];
        let transport = Arc::new(Transport::new(scales.transport, &hosts));
        let endpoint = Arc::new(Endpoint::new(
            Arc::clone(&transport),
            Arc::clone(&clock),
            Arc::clone(&observer),
            &config.accounts_url,
            (&config.client_id, config.client_secret.as_ref()),
            scales.token,
        )?);
        let token = AppToken::new(Arc::clone(&endpoint), Arc::clone(&clock), scales.token);
        let who = Identity::new(&config.client_id, &config.account);
        let rules = GateRules {
            requests_per_second: limits.requests_per_second,
            concurrency: limits.concurrency,
            ceilings: ceilings(limits),
            max_wait: limits.max_wait,
            max_waits: scales.max_waits,
            max_calls: limits.max_calls,
            breaker: scales.breaker,
            adapts: adapts(limits, scales),
            spender: limits.spender,
        };
        let learned = Learned::of(&state, &who);
        let gate = Gate::new(state, who.clone(), rules, Arc::clone(&clock), Arc::clone(&observer));
        Ok(Api(Arc::new(Inner {
            base: config.api_url.clone(),
            accounts: config.accounts_url.clone(),
            client_id: config.client_id.clone(),
            transport,
            gate,
            clock,
            endpoint,
            token: Arc::new(token),
            token_rules: scales.token,
            users: OnceLock::new(),
            rules: scales.retry,
            observer,
            learned,
            noted: Mutex::default(),
            who,
        })))
    }

    /// An API for another run beside this one: they share the pace, the calls in flight, the books
    /// and the app's token, but not what they may spend.
    #[must_use]
    pub fn beside(&self, allowed: Allowance, observer: Arc<dyn Observer>) -> Api {
        let inner = &*self.0;
        Api(Arc::new(Inner {
            base: inner.base.clone(),
            accounts: inner.accounts.clone(),
            client_id: inner.client_id.clone(),
            transport: Arc::clone(&inner.transport),
            gate: inner.gate.beside(allowed, Arc::clone(&observer)),
            clock: Arc::clone(&inner.clock),
            endpoint: Arc::clone(&inner.endpoint),
            token: Arc::clone(&inner.token),
            token_rules: inner.token_rules,
            users: OnceLock::new(),
            rules: inner.rules,
            observer,
            learned: inner.learned.clone(),
            noted: Mutex::default(),
            who: inner.who.clone(),
        }))
    }

    /// Asks, and brings a body that at least looks like JSON.
    ///
    /// # Errors
    ///
    /// See [`ApiError`].
    pub async fn get(&self, who: &Bearer, request: &Request) -> Result<Answer, ApiError> {
        self.get_checked(who, request, |answer| Ok(answer.clone())).await
    }

    /// Asks, and brings what `check` makes of the answer. What it calls unusable is asked for
    /// again, like a failure.
    ///
    /// # Errors
    ///
    /// See [`ApiError`].
    pub async fn get_checked<T>(
        &self,
        who: &Bearer,
        request: &Request,
        check: impl Fn(&Answer) -> Result<T, Unusable>,
    ) -> Result<T, ApiError> {
        let who = match who {
            Bearer::App => Who::App,
            Bearer::User(user) => Who::User(user, self.users()?),
        };
        self.call(who, request, check).await
    }

    async fn call<T>(
        &self,
        who: Who<'_>,
        request: &Request,
        check: impl Fn(&Answer) -> Result<T, Unusable>,
    ) -> Result<T, ApiError> {
        let url = self.0.url(request)?;
        let mut call = Call::new(&self.0, who, request, url);
        loop {
            if let Some(done) = call.once(&check).await? {
                return Ok(done);
            }
        }
    }

    /// Lets [`Bearer::User`] be used: with the stored grants, and the token that
    /// `SPOTIFY_REFRESH_TOKEN` holds, if any. To be called once; a second call changes nothing.
    #[must_use]
    pub fn with_grants(self, grants: Arc<Grants>, environment: Option<SecretString>) -> Api {
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

    /// The grants that it was given.
    pub fn grants(&self) -> Option<&Arc<Grants>> {
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

    /// A page of the accounts service.
    pub fn accounts_url(&self, page: &str) -> Url {
        let mut url = self.0.accounts.clone();
        let path = format!("{}/{page}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }

    /// How users sign in to this app: with its secret where there is one.
    pub fn flow(&self) -> Flow {
        self.0.endpoint.flow()
    }

    /// Fetches the tokens for a code from the browser, unless nothing may be sent now. `Err` of the
    /// inner kind: Spotify's words for a code that is worth nothing (any more).
    pub async fn redeem(
        &self,
        flow: Flow,
        code: &SecretString,
        redirect_uri: &str,
        verifier: Option<&SecretString>,
    ) -> Result<Result<Granted, String>, ApiError> {
        self.may_send(Family::ME)?;
        match self.0.endpoint.code(flow, code, redirect_uri, verifier).await {
            Ok(Reply::Granted(granted)) => Ok(Ok(granted)),
            Ok(Reply::InvalidGrant { words, .. }) => Ok(Err(words)),
            Err(NoToken::Error(error)) => Err(error),
            Err(NoToken::Refused { retry_after, words }) => Err(self.without_token(retry_after, &words)?),
        }
    }

    /// Writes down that the accounts service gives no token now, and says so.
    fn without_token(&self, retry_after: RetryAfter, words: &str) -> Result<ApiError, ApiError> {
        self.0.no_token(Family::ME, retry_after, words)?;
        self.may_send(Family::ME)?;
        Ok(ApiError::Unreachable { what: format!("POST token: {words}"), attempts: 1 })
    }

    /// Asks with a token that is not stored yet.
    pub async fn get_with(&self, token: &SecretString, request: &Request) -> Result<Answer, ApiError> {
        let token = Arc::new(Token::new(token, 0, i64::MAX));
        self.call(Who::New(token), request, |answer| Ok(answer.clone())).await
    }

    /// Asks for the app's token and nothing else: whether the credentials are accepted. Returns what
    /// the server's clock shows, if that is not about what ours does.
    ///
    /// # Errors
    ///
    /// See [`ApiError`].
    pub async fn greet(&self) -> Result<Option<chrono::DateTime<chrono::Utc>>, ApiError> {
        self.may_send(Family::ME)?;
        let granted = match self.0.token.fetch().await {
            Ok(granted) => granted,
            Err(NoToken::Error(error)) => return Err(error),
            Err(NoToken::Refused { retry_after, words }) => return Err(self.without_token(retry_after, &words)?),
        };
        let ours = self.now().wall;
        Ok((granted.at != ours && (granted.at - ours).abs() > chrono::TimeDelta::minutes(5)).then_some(granted.at))
    }

    /// Whether something of this family may be sent now, without sending or waiting for it.
    ///
    /// # Errors
    ///
    /// [`ApiError::Deferred`] with the time, [`ApiError::Stopped`], or [`ApiError::State`].
    pub fn may_send(&self, family: Family) -> Result<(), ApiError> {
        self.0.gate.may_send(family).map_err(|shut| shut_error(shut, family))
    }

    /// Goes on by the rates of another class of app, once that is found out.
    pub fn go_by(&self, limits: &Limits) {
        self.0.gate.go_by(limits.requests_per_second, limits.concurrency, ceilings(limits));
    }

    /// Calls sent in this run, retries included, tokens not.
    pub fn calls(&self) -> u64 {
        self.0.gate.calls()
    }

    /// Nothing more is sent and every wait ends; what is in flight may arrive.
    pub fn stop(&self) {
        self.0.gate.stop();
    }

    /// What was learned about this app.
    pub fn learned(&self) -> &Learned {
        &self.0.learned
    }

    /// Whose books these calls are in.
    pub fn identity(&self) -> &Identity {
        &self.0.who
    }

    /// Whether Spotify's answers were dated well before the present of this machine.
    pub fn clock_is_ahead(&self) -> bool {
        self.0.endpoint.clock_is_ahead()
    }

    /// The present, as the gate sees it.
    pub fn now(&self) -> crate::state::Moment {
        self.0.gate.clock().now()
    }
}

impl Inner {
    /// Builds the URL below the base; a path that would lead elsewhere is refused.
    fn url(&self, request: &Request) -> Result<Url, ApiError> {
        let path = &request.path;
        let odd = |byte: u8| byte <= b' ' || byte >= 0x7f || b"?#\\".contains(&byte);
        let steps_out = path.split('/').skip(1).any(|part| {
            let part = part.to_ascii_lowercase().replace("%2e", ".");
            part.is_empty() || part == "." || part == ".."
        });
        let base = self.base.as_str().trim_end_matches('/');
        let built = Url::parse(&format!("{base}{path}")).ok().filter(|url| url.origin() == self.base.origin());
        let (Some(mut url), false, true) = (built, path.bytes().any(odd) || steps_out, path.starts_with('/')) else {
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
