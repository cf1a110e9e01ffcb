//! One call to the Web API: from "I want this" to its bytes, or a typed reason.
//!
//! The loop below does what [`retry::decide`] says, and nothing else in the program sends or
//! retries. Before any request, also one for a token, the gate says whether something may be sent:
//! during a ban a start costs no network at all. URLs are built from the configured base and a path
//! that was checked; a bearer token has no other way out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::auth::{self, AppToken, NoToken, Token, TokenRules, printable};
use super::error::{ApiError, Deferral, Scope};
use super::family::Family;
use super::refusal::Refusal;
use crate::http::breaker::BreakerRules;
use crate::http::clock::{Clock, SystemClock};
use crate::http::gate::{Deferred, Gate, GateRules, Shut, Why};
use crate::http::jitter;
use crate::http::observer::Observer;
use crate::http::retry::{self, GiveUp, Outcome, Rules, Tried, Verdict};
use crate::http::retry_after::{self, RetryAfter};
use crate::http::transport::{
    Incoming, Outgoing, Transport, TransportError, TransportRules, is_loopback,
};
use crate::state::{Ceilings, Identity, Learned, Reach, Reason, Refused, State};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bearer {
    /// The app itself.
    App,
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
}

impl Request {
    /// A request without query.
    pub fn new(family: Family, path: impl Into<String>) -> Request {
        Request {
            family,
            path: path.into(),
            query: Vec::new(),
            etag: None,
        }
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> Request {
        self.query.push((key, value.into()));
        self
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

/// How much may be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Calls a second, over all processes of the client id; infinite: no limit.
    pub requests_per_second: f64,
    /// Calls in flight in this process.
    pub concurrency: usize,
    /// Of a rolling day, over the account. `None`: unlimited.
    pub calls_per_day: Option<u32>,
    /// Of a rolling day, for each family. `None`: unlimited.
    pub calls_per_family: Option<u32>,
    /// The share of both that is left untouched.
    pub reserve: f64,
    /// Longer waits end the run.
    pub max_wait: Duration,
    /// Calls of this run.
    pub max_calls: Option<u64>,
}

impl Limits {
    /// The defaults for an app in Development Mode, or whose class is not known.
    pub fn development() -> Limits {
        Limits {
            requests_per_second: 2.0,
            concurrency: 1,
            calls_per_day: Some(1_000),
            calls_per_family: Some(500),
            reserve: 0.05,
            max_wait: Duration::from_secs(600),
            max_calls: None,
        }
    }

    /// The defaults for an app with Extended Quota.
    pub fn extended() -> Limits {
        Limits {
            requests_per_second: 5.0,
            concurrency: 4,
            calls_per_day: None,
            calls_per_family: None,
            ..Limits::development()
        }
    }
}

/// How long things take; tests shrink it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scales {
    /// Of one request.
    pub transport: TransportRules,
    /// Of retries and waits.
    pub retry: Rules,
    /// Of the breaker.
    pub breaker: BreakerRules,
    /// Of the token.
    pub token: TokenRules,
    /// More waits than this in one run end it.
    pub max_waits: Duration,
}

impl Default for Scales {
    fn default() -> Self {
        Scales {
            transport: TransportRules::default(),
            retry: Rules::default(),
            breaker: BreakerRules::default(),
            token: TokenRules::default(),
            max_waits: Duration::from_secs(3_600),
        }
    }
}

/// All that an [`Api`] needs to know.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// `https://api.spotify.com/v1`, or a sandbox on this machine.
    pub api_url: Url,
    /// `https://accounts.spotify.com`, or the same sandbox.
    pub accounts_url: Url,
    /// The app.
    pub client_id: String,
    /// Its secret. Without one there is no app token.
    pub client_secret: Option<SecretString>,
    /// Which developer account the app belongs to; the client id if nothing is known.
    pub account: String,
    /// How much may be asked.
    pub limits: Limits,
    /// How long things take.
    pub scales: Scales,
}

/// The API, for one run: clones share the gate, the token and the counts.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    base: Url,
    transport: Arc<Transport>,
    gate: Gate,
    token: AppToken,
    rules: Rules,
    observer: Arc<dyn Observer>,
    learned: Learned,
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
    pub fn new(
        config: ApiConfig,
        state: Arc<State>,
        observer: Arc<dyn Observer>,
    ) -> Result<Api, ApiError> {
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
        let token = AppToken::new(
            Arc::clone(&transport),
            Arc::clone(&clock),
            &config.accounts_url,
            (&config.client_id, config.client_secret.as_ref()),
            scales.token,
        )?;
        let who = Identity::new(&config.client_id, &config.account);
        let rules = GateRules {
            requests_per_second: limits.requests_per_second,
            concurrency: limits.concurrency,
            ceilings: ceilings(limits),
            max_wait: limits.max_wait,
            max_waits: scales.max_waits,
            max_calls: limits.max_calls,
            breaker: scales.breaker,
        };
        let learned = Learned::of(&state, &who);
        let gate = Gate::new(state, who.clone(), rules, clock, Arc::clone(&observer));
        Ok(Api(Arc::new(Inner {
            base: config.api_url.clone(),
            transport,
            gate,
            token,
            rules: scales.retry,
            observer,
            learned,
            who,
        })))
    }

    /// Asks, and brings a body that at least looks like JSON.
    ///
    /// # Errors
    ///
    /// See [`ApiError`].
    pub async fn get(&self, who: &Bearer, request: &Request) -> Result<Answer, ApiError> {
        self.get_checked(who, request, |answer| Ok(answer.clone()))
            .await
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
        let Bearer::App = who;
        let url = self.0.url(request)?;
        let mut call = Call {
            api: &self.0,
            request,
            url,
            attempt: 1,
            renewed: false,
            refused_token: None,
        };
        loop {
            if let Some(done) = call.once(&check).await? {
                return Ok(done);
            }
        }
    }

    /// Whether something of this family may be sent now, without sending or waiting for it.
    ///
    /// # Errors
    ///
    /// [`ApiError::Deferred`] with the time, [`ApiError::Stopped`], or [`ApiError::State`].
    pub fn may_send(&self, family: Family) -> Result<(), ApiError> {
        self.0
            .gate
            .may_send(family)
            .map_err(|shut| shut_error(shut, family))
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

    /// The present, as the gate sees it.
    pub fn now(&self) -> crate::state::Moment {
        self.0.gate.clock().now()
    }
}

/// The ceilings of the books for these limits.
pub fn ceilings(limits: &Limits) -> Ceilings {
    Ceilings {
        per_day: limits.calls_per_day,
        per_family: limits.calls_per_family,
        reserve: limits.reserve,
    }
}

fn check_base(setting: &str, url: &Url) -> Result<(), ApiError> {
    let refuse = |why: &str| {
        Err(ApiError::Config {
            message: format!("{setting}: {why}"),
        })
    };
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(url) => {}
        "http" => return refuse("plain http is for this machine only, use https"),
        _ => return refuse("an https URL is expected"),
    }
    if url.host_str().is_none_or(str::is_empty) {
        return refuse("a host is missing");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("user names and passwords do not belong here");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("a query or fragment does not belong here");
    }
    Ok(())
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
        let built = Url::parse(&format!("{base}{path}"))
            .ok()
            .filter(|url| url.origin() == self.base.origin());
        let (Some(mut url), false, true) = (
            built,
            path.bytes().any(odd) || steps_out,
            path.starts_with('/'),
        ) else {
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

/// One call, over all its attempts.
struct Call<'a> {
    api: &'a Inner,
    request: &'a Request,
    url: Url,
    attempt: u32,
    renewed: bool,
    refused_token: Option<u64>,
}

/// How an attempt ended, with the words for a person.
struct Ended<T> {
    outcome: Outcome,
    done: Option<T>,
    words: String,
}

impl Call<'_> {
    /// Sends it once and does what the decision says. `None`: send it again.
    async fn once<T>(
        &mut self,
        check: &impl Fn(&Answer) -> Result<T, Unusable>,
    ) -> Result<Option<T>, ApiError> {
        let family = self.request.family;
        let gate = &self.api.gate;
        let Some(token) = self.token().await? else {
            return Ok(None);
        };
        let pass = gate
            .enter(family)
            .await
            .map_err(|shut| shut_error(shut, family))?;
        let sent = self.api.transport.send(Outgoing {
            url: self.url.clone(),
            route: family.as_str(),
            authorization: &token.header,
            etag: self.request.etag.as_deref(),
            form: None,
        });
        let sent = sent.await;
        let ended = match &sent {
            Ok(incoming) => self.read(incoming, &token, check),
            Err(error) => Ended {
                outcome: match error {
                    TransportError::Certificate { .. } => Outcome::Certificate,
                    TransportError::TooLarge { .. } | TransportError::BrokenOff { .. } => {
                        Outcome::Unusable
                    }
                    _ => Outcome::Lost,
                },
                done: None,
                words: match error {
                    TransportError::Certificate { detail, .. } => detail.clone(),
                    error => error.to_string(),
                },
            },
        };
        let (unsaid, refused) = gate.refusals(family);
        let verdict = retry::decide(
            ended.outcome,
            &Tried {
                attempt: self.attempt,
                renewed: self.renewed,
                budget: gate.may_retry(),
                unsaid,
                refused,
                jitter: jitter::unit(),
            },
            &self.api.rules,
        );
        let status = sent.as_ref().map(|incoming| incoming.status).ok();
        tracing::debug!(%family, status, attempt = self.attempt, ?verdict, "call");
        // The deadline is written before the permit goes back, so that nobody slips through.
        if let Verdict::Park {
            reach,
            wait,
            reason,
        } = verdict
        {
            self.hold_back(&ended, (reach, wait, reason))?;
        }
        match status {
            Some(status) => pass.answered(status, matches!(verdict, Verdict::Park { .. }))?,
            None if ended.outcome == Outcome::Lost => pass.lost()?,
            None => pass.spoilt()?,
        }
        self.act(verdict, ended, status, &token).await
    }

    async fn act<T>(
        &mut self,
        verdict: Verdict,
        ended: Ended<T>,
        status: Option<u16>,
        token: &Token,
    ) -> Result<Option<T>, ApiError> {
        let family = self.request.family;
        match verdict {
            Verdict::Done => Ok(ended.done),
            Verdict::Park { .. } => Ok(None),
            Verdict::RefreshToken => {
                self.renewed = true;
                self.refused_token = Some(token.generation);
                Ok(None)
            }
            Verdict::Again { after } => {
                let gate = &self.api.gate;
                gate.retried();
                self.api
                    .observer
                    .retrying(family, self.attempt, &ended.words, after);
                self.attempt += 1;
                let slept = gate.halt().sleep(gate.clock(), after).await;
                slept.map_err(|_| ApiError::Stopped)?;
                Ok(None)
            }
            Verdict::GiveUp(why) => Err(self.gave_up(why, &ended, status)),
        }
    }

    /// A token: in hand, or fetched once nothing forbids to send something.
    async fn token(&mut self) -> Result<Option<Arc<Token>>, ApiError> {
        let Inner { token, gate, .. } = self.api;
        if let Some(token) = token.in_hand(self.refused_token) {
            return Ok(Some(token));
        }
        let family = self.request.family;
        gate.clear(family)
            .await
            .map_err(|shut| shut_error(shut, family))?;
        let fetched = gate.halt().or(token.get(self.refused_token)).await;
        match fetched.map_err(|_| ApiError::Stopped)? {
            Ok(token) => Ok(Some(token)),
            Err(NoToken::Error(error)) => Err(error),
            Err(NoToken::Refused { retry_after, words }) => {
                let (unsaid, refused) = gate.refusals(family);
                let outcome = Outcome::Answered {
                    status: 429,
                    retry_after,
                    quota: false,
                    conditional: false,
                };
                let tried = Tried {
                    attempt: self.attempt,
                    renewed: self.renewed,
                    budget: true,
                    unsaid,
                    refused,
                    jitter: jitter::unit(),
                };
                let ended = Ended::<()> {
                    outcome,
                    done: None,
                    words: format!("POST token: {words}"),
                };
                if let Verdict::Park { wait, reason, .. } =
                    retry::decide(outcome, &tried, &self.api.rules)
                {
                    self.hold_back(&ended, (Reach::Client, wait, reason))?;
                }
                Ok(None)
            }
        }
    }

    fn hold_back<T>(
        &self,
        ended: &Ended<T>,
        (reach, wait, reason): (Reach, Duration, Reason),
    ) -> Result<(), ApiError> {
        let said = !matches!(
            ended.outcome,
            Outcome::Answered {
                retry_after: RetryAfter::Nothing,
                ..
            }
        );
        if let Outcome::Answered {
            retry_after: RetryAfter::Absurd,
            ..
        } = ended.outcome
        {
            self.api
                .observer
                .warned("Spotify asks for a wait of more than seven days; a day is kept");
        }
        tracing::warn!(family = %self.request.family, ?reach, ?wait, words = ended.words, "refused");
        let refused = Refused {
            reach,
            wait,
            reason,
            evidence: &ended.words,
        };
        Ok(self.api.gate.refuse(self.request.family, refused, said)?)
    }

    fn read<T>(
        &self,
        incoming: &Incoming,
        token: &Token,
        check: &impl Fn(&Answer) -> Result<T, Unusable>,
    ) -> Ended<T> {
        let conditional = self.request.etag.is_some();
        let status = incoming.status;
        if status == 200 || (status == 304 && conditional) {
            let answer = Answer {
                status,
                body: incoming.body.clone(),
                etag: incoming.etag.clone(),
            };
            let checked = match looks_like_json(&answer) {
                Ok(()) => check(&answer),
                Err(unusable) => Err(unusable),
            };
            if let Err(unusable) = checked {
                return Ended {
                    outcome: Outcome::Unusable,
                    done: None,
                    words: unusable.what,
                };
            }
            return Ended {
                outcome: answered(incoming, false, conditional, self.api),
                done: checked.ok(),
                words: String::new(),
            };
        }
        let said = Said::read(incoming, &token.header);
        Ended {
            outcome: answered(incoming, said.quota, conditional, self.api),
            done: None,
            words: said.words,
        }
    }

    fn gave_up<T>(&self, why: GiveUp, ended: &Ended<T>, status: Option<u16>) -> ApiError {
        let family = self.request.family;
        let message = ended.words.clone();
        let attempts = self.attempt;
        match (why, ended.outcome) {
            (GiveUp::Certificate, _) => auth::certificate(self.api.gate.clock(), &message),
            (GiveUp::Unauthorized, _) => ApiError::Credentials {
                variable: "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET",
                message,
            },
            (GiveUp::Attempts, Outcome::Unusable) => ApiError::Unusable {
                family,
                what: message,
                attempts,
            },
            (GiveUp::Attempts, _) => ApiError::Unreachable {
                what: message,
                attempts,
            },
            (GiveUp::Budget, _) => ApiError::Unreachable {
                what: format!("the retries of this run are spent; last: {message}"),
                attempts,
            },
            (GiveUp::Final, _) => match status.unwrap_or(0) {
                400 | 422 => ApiError::BadRequest { family, message },
                403 => ApiError::Refused {
                    family,
                    kind: Refusal::of(self.request, &message),
                    message,
                },
                404 => ApiError::NotFound { family, message },
                410 => ApiError::Gone { family, message },
                status => ApiError::Unexpected {
                    family,
                    status,
                    message,
                },
            },
        }
    }
}

fn answered(incoming: &Incoming, quota: bool, conditional: bool, api: &Inner) -> Outcome {
    Outcome::Answered {
        status: incoming.status,
        retry_after: retry_after::read(
            incoming.retry_after.as_deref(),
            incoming.date.as_deref(),
            api.gate.clock().now().wall,
        ),
        quota,
        conditional,
    }
}

/// What a refusal says.
struct Said {
    words: String,
    quota: bool,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorObject,
}

#[derive(Deserialize)]
struct ErrorObject {
    message: Option<String>,
    reason: Option<String>,
}

impl Said {
    /// Reads Spotify's error object; anything else is quoted, and nothing is required.
    fn read(incoming: &Incoming, authorization: &SecretString) -> Said {
        let parsed: Option<ErrorBody> = serde_json::from_slice(&incoming.body).ok();
        let reason = parsed.as_ref().and_then(|body| body.error.reason.clone());
        let message = parsed
            .and_then(|body| body.error.message)
            .unwrap_or_else(|| match String::from_utf8_lossy(&incoming.body).trim() {
                "" => "no words".to_owned(),
                text if text.starts_with('<') => "an HTML page".to_owned(),
                text => text.chars().take(300).collect(),
            });
        let mut words = format!("status {}, {message}", incoming.status);
        if let Some(reason) = &reason {
            words.push_str(&format!(" ({reason})"));
        }
        if let Some(header) = &incoming.retry_after {
            words.push_str(&format!(", Retry-After: {header}"));
        }
        // A server that echoes headers must not put the token into our errors and books.
        if let Some((_, token)) = authorization.expose_secret().split_once(' ') {
            words = words.replace(token, "[token]");
        }
        Said {
            words: printable(&words),
            quota: incoming.status == 429 && reason.as_deref() == Some("QUOTA_EXCEEDED"),
        }
    }
}

/// A body that was cut or is a proxy's page is seen without parsing it.
fn looks_like_json(answer: &Answer) -> Result<(), Unusable> {
    if answer.status == 304 {
        return Ok(());
    }
    let body = answer.body.trim_ascii();
    match (body.first(), body.last()) {
        (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')) => Ok(()),
        (Some(b'<'), _) => Err(Unusable::new("an HTML page came instead of JSON")),
        (None, _) => Err(Unusable::new("the answer is empty")),
        (Some(b'{' | b'['), _) => Err(Unusable::new("the answer is cut short")),
        _ => Err(Unusable::new("the answer is not JSON")),
    }
}

fn shut_error(shut: Shut, family: Family) -> ApiError {
    let Deferred {
        not_before,
        reach,
        why,
        words,
    } = match shut {
        Shut::Deferred(deferred) => deferred,
        Shut::Stopped => return ApiError::Stopped,
        Shut::State(error) => return error.into(),
    };
    let scope = match reach {
        Reach::Client => Scope::Client,
        Reach::Account => Scope::Account,
        Reach::Family => Scope::Family(family),
    };
    ApiError::Deferred {
        not_before,
        why: match why {
            Why::RateLimit => Deferral::RateLimit(scope),
            Why::Quota => Deferral::Quota(scope),
            Why::Budget => Deferral::Budget(scope),
            Why::MaxCalls => Deferral::MaxCalls,
            Why::Breaker => Deferral::Outage,
        },
        message: words,
    }
}
