//! One call over all its attempts: it sends, asks [`retry::decide`], and carries out the decision.

mod attempt_result;
mod outage_check;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashSet;
use url::Url;

use self::attempt_result::AttemptResult;
use super::auth::{self, BearerToken, TokenError, UserTokens};
use super::client::ClientInner;
use super::deferral::{DeferralReason, DeferralScope};
use super::error::ApiError;
use super::error_body::{ErrorBody, is_foreign, looks_like_json};
use super::family::EndpointFamily;
use super::forbidden::ForbiddenReason;
use super::json_repair::repair_surrogates;
use super::request::{ApiRequest, ApiResponse, UnusableResponse};
use crate::http::cancellation;
use crate::http::limiter::CallIntent;
use crate::http::retry::{self, AttemptHistory, AttemptOutcome, GiveUpReason, RetryDecision, RetryRules};
use crate::http::retry_after::{self, RetryAfter};
use crate::http::transport::{HttpRequest, HttpResponse, TransportError};
use crate::random::random_fraction;
use crate::state::{CallId, EndpointAccess, NewRefusal, TokenKind};

/// How long a response may still take once the run is stopped: a stop takes at most ten seconds.
const IN_FLIGHT: Duration = Duration::from_secs(5);

/// One call over all its attempts.
pub(super) struct ApiCall<'a> {
    api: &'a ClientInner,
    request: &'a ApiRequest,
    url: Url,
    who: CallToken<'a>,
    attempt: u32,
    token_renewed: bool,
    refused_token: Option<i64>,
}

/// The token to send.
#[derive(Clone)]
pub(super) enum CallToken<'a> {
    /// The token of the app.
    App,
    /// The token of a user with a grant.
    User(&'a str, &'a Arc<UserTokens>),
    /// A token that is not stored yet. There is no other one if it is refused.
    New(Arc<BearerToken>),
}

impl<'a> ApiCall<'a> {
    pub(super) fn new(api: &'a ClientInner, who: CallToken<'a>, request: &'a ApiRequest, url: Url) -> ApiCall<'a> {
        // A token that is not stored yet cannot be renewed.
        let token_renewed = matches!(who, CallToken::New(_));
        ApiCall { who, api, request, url, attempt: 1, token_renewed, refused_token: None }
    }
}

impl ApiCall<'_> {
    /// Sends the call once and carries out the decision. `None` means: send it again.
    pub(super) async fn send_once<T>(
        &mut self,
        check: &impl Fn(&ApiResponse) -> Result<T, UnusableResponse>,
    ) -> Result<Option<T>, ApiError> {
        let family = self.request.family;
        let limiter = &self.api.limiter;
        let Some(token) = self.token().await? else {
            return Ok(None);
        };
        let permit = limiter.acquire(self.intent()).await.map_err(ApiError::from)?.for_resource(&self.request.path);
        let sent = self.api.transport.send(HttpRequest {
            url: self.url.clone(),
            route: family.as_str(),
            authorization: Some(&token.header),
            etag: self.request.etag.as_deref(),
            form: None,
        });
        // A response that is on its way is worth a moment. A server that sends byte by byte is not.
        let Ok(sent) = cancellation::until_stopped_and(limiter.stop_token(), (limiter.clock(), IN_FLIGHT), sent).await
        else {
            permit.record_failure()?;
            return Err(ApiError::Stopped);
        };
        let ended = match &sent {
            Ok(incoming) => self.read_response(incoming, &token, check),
            Err(error) => match error {
                TransportError::Certificate { detail, .. } => {
                    AttemptResult::failed(AttemptOutcome::Certificate, detail.clone())
                }
                TransportError::TooLarge { .. } | TransportError::BrokenOff { .. } => {
                    AttemptResult::failed(AttemptOutcome::Unusable, error.to_string())
                }
                _ => AttemptResult {
                    is_disconnected: matches!(
                        error,
                        TransportError::NoConnection { .. } | TransportError::Setup { .. }
                    ),
                    ..AttemptResult::failed(AttemptOutcome::Lost, error.to_string())
                },
            },
        };
        let (unsaid, refused) = limiter.refusals(family);
        let decision = retry::decide(
            family,
            ended.outcome,
            &AttemptHistory {
                attempt: self.attempt,
                token_renewed: self.token_renewed,
                may_retry: limiter.may_retry(),
                unstated_refusals: unsaid,
                family_refusals: refused,
                jitter: random_fraction(),
            },
            &self.rules(),
        );
        let status = sent.as_ref().map(|incoming| incoming.status).ok();
        tracing::debug!(%family, status, attempt = self.attempt, ?decision, "call");
        // The deadline is written before the permit is returned, so that no other call is sent in between.
        if let RetryDecision::Defer { scope: reach, wait, reason } = decision {
            self.defer_scope(&ended, (reach, wait, reason), permit.call_id())?;
        }
        match status {
            Some(status) => permit.record_response(status, matches!(decision, RetryDecision::Defer { .. }))?,
            None if ended.outcome == AttemptOutcome::Lost => permit.record_failure()?,
            None => permit.record_unusable()?,
        }
        if let Ok(incoming) = &sent
            && incoming.status < 500
        {
            // Spotify's API redirects to nowhere, and a 407 is the answer of a proxy.
            let is_elsewhere = matches!(incoming.status, 300..=303 | 305..=399 | 407);
            limiter.record_sender(is_elsewhere || is_foreign(&incoming.body));
        }
        self.note_endpoint_access(&decision, &ended, status)?;
        self.carry_out(decision, ended, status, &token).await
    }

    /// Notes what the outcome says about the app: whether it may use this family at all.
    fn note_endpoint_access<T>(
        &self,
        decision: &RetryDecision,
        ended: &AttemptResult<T>,
        status: Option<u16>,
    ) -> Result<(), ApiError> {
        let request = self.request;
        let token = match self.who {
            CallToken::App => TokenKind::App,
            CallToken::User(..) | CallToken::New(_) => TokenKind::User,
        };
        let word = match (decision, status) {
            (RetryDecision::Done, _) => EndpointAccess::Allowed,
            (RetryDecision::Defer { scope: DeferralScope::Family(_), reason: DeferralReason::RateLimit, .. }, _) => {
                EndpointAccess::Refused429
            }
            // A refused batch read says nothing about single reads, and a proxy says nothing at all.
            (RetryDecision::GiveUp(GiveUpReason::Final), Some(_)) if request.is_batch() || !ended.by_spotify => {
                return Ok(());
            }
            (RetryDecision::GiveUp(GiveUpReason::Final), Some(403))
                if ForbiddenReason::classify(request, &ended.words, true) == ForbiddenReason::EndpointRemoved =>
            {
                EndpointAccess::Refused403
            }
            (RetryDecision::GiveUp(GiveUpReason::Final), Some(404 | 410)) if !request.addresses_by_id() => {
                EndpointAccess::Refused404
            }
            _ => return Ok(()),
        };
        let noted_before = |noted: &FxHashSet<_>| noted.contains(&(request.family, token));
        let noted = || self.api.noted_endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        if word == EndpointAccess::Refused404 {
            // An endpoint that worked before exists. This 404 concerns the request, such as a deep page.
            let now = self.api.limiter.clock().now().wall;
            let known = self.api.learned.endpoint(request.family.as_str(), token, now)?;
            if noted_before(&noted()) || known.is_some_and(|it| it.access == EndpointAccess::Allowed) {
                return Ok(());
            }
        }
        let fresh = |noted: &mut FxHashSet<_>| match word {
            EndpointAccess::Allowed => noted.insert((request.family, token)),
            _ => {
                noted.remove(&(request.family, token));
                true
            }
        };
        if fresh(&mut noted()) {
            let words = if word == EndpointAccess::Allowed { "it was answered" } else { &ended.words };
            self.api.learned.note_endpoint(
                request.family.as_str(),
                token,
                word,
                words,
                self.api.limiter.clock().now(),
            )?;
        }
        Ok(())
    }

    async fn carry_out<T>(
        &mut self,
        decision: RetryDecision,
        ended: AttemptResult<T>,
        status: Option<u16>,
        token: &BearerToken,
    ) -> Result<Option<T>, ApiError> {
        let family = self.request.family;
        match decision {
            RetryDecision::Done => {
                // A network lets single calls through before it shows its page, such as the one for the profile.
                if family != EndpointFamily::ME {
                    self.api.limiter.record_spotify_answer(family, &self.url);
                }
                Ok(ended.value)
            }
            RetryDecision::Defer { .. } => Ok(None),
            RetryDecision::RefreshToken => {
                self.token_renewed = true;
                self.refused_token = Some(token.generation);
                Ok(None)
            }
            RetryDecision::Again { after } => {
                let limiter = &self.api.limiter;
                limiter.count_retry();
                self.api.observer.retrying(family, self.attempt, &ended.words, after);
                self.attempt += 1;
                let slept = cancellation::sleep(limiter.stop_token(), limiter.clock(), after).await;
                slept.map_err(|_| ApiError::Stopped)?;
                Ok(None)
            }
            RetryDecision::GiveUp(why) => {
                let error = self.final_error(why, &ended, status);
                if matches!(why, GiveUpReason::Attempts | GiveUpReason::Budget)
                    && !ended.is_disconnected
                    && matches!(error, ApiError::Unreachable { .. } | ApiError::OnlyErrors { .. })
                    && let Some(cause) =
                        self.cause_of_failures(token, (ended.outcome, ended.words, ended.by_spotify)).await?
                {
                    return Err(cause);
                }
                Err(error)
            }
        }
    }

    fn rules(&self) -> RetryRules {
        let rules = self.api.rules;
        RetryRules { attempts: self.request.max_attempts.map_or(rules.attempts, |n| n.min(rules.attempts)), ..rules }
    }

    fn intent(&self) -> CallIntent {
        CallIntent { family: self.request.family, is_probe: self.request.is_probe }
    }

    /// The cached token, or a new one as soon as no deferral forbids a request for it.
    async fn token(&mut self) -> Result<Option<Arc<BearerToken>>, ApiError> {
        let ClientInner { token, limiter, .. } = self.api;
        let refused = self.refused_token;
        let in_hand = match &self.who {
            CallToken::App => token.cached(refused),
            CallToken::User(user, tokens) => tokens.cached(user, refused),
            CallToken::New(token) => Some(Arc::clone(token)),
        };
        if let Some(token) = in_hand {
            return Ok(Some(token));
        }
        let family = self.request.family;
        limiter.wait_until_clear(self.intent()).await.map_err(ApiError::from)?;
        let fetched = match &self.who {
            // A started refresh may rotate the grant, so a stop does not drop it.
            CallToken::User(user, tokens) => tokens.get(user, refused, limiter.stop_token()).await,
            _ => cancellation::until_stopped(limiter.stop_token(), token.get(refused))
                .await
                .map_err(|_| ApiError::Stopped)?,
        };
        match fetched {
            Ok(token) => Ok(Some(token)),
            Err(TokenError::Error(error)) => Err(error),
            Err(TokenError::Refused { retry_after, words }) => {
                self.api.defer_token_requests(family, retry_after, &words)?;
                Ok(None)
            }
        }
    }

    fn defer_scope<T>(
        &self,
        ended: &AttemptResult<T>,
        (reach, wait, reason): (DeferralScope, Duration, DeferralReason),
        call: CallId,
    ) -> Result<(), ApiError> {
        let AttemptOutcome::Answered { retry_after, .. } = ended.outcome else { return Ok(()) };
        let said = matches!(retry_after, RetryAfter::Wait(_));
        let refused =
            NewRefusal { scope: reach, wait, wait_is_stated: said, reason, evidence: &ended.words, call: Some(call) };
        self.api.record_refusal(self.request.family, retry_after, refused)
    }

    fn read_response<T>(
        &self,
        incoming: &HttpResponse,
        token: &BearerToken,
        check: &impl Fn(&ApiResponse) -> Result<T, UnusableResponse>,
    ) -> AttemptResult<T> {
        let conditional = self.request.etag.is_some();
        let status = incoming.status;
        if status == 200 || (status == 304 && conditional) {
            let body = repair_surrogates(incoming.body.clone());
            let answer = ApiResponse { status, body, etag: incoming.etag.clone() };
            let by_spotify = !is_foreign(&answer.body);
            let checked = looks_like_json(&answer).and_then(|()| check(&answer));
            if let Err(unusable) = checked {
                let failed = AttemptResult::failed(AttemptOutcome::Unusable, unusable.reason);
                return AttemptResult { by_spotify, ..failed };
            }
            if status == 200 {
                self.api.observer.received(&self.request.path, &incoming.body);
            }
            return AttemptResult {
                outcome: answered_outcome(incoming, false, conditional, self.api),
                value: checked.ok(),
                words: String::new(),
                by_spotify: true,
                is_disconnected: false,
            };
        }
        if (201..=299).contains(&status) {
            // There is no usable answer in it, although nothing has failed.
            let what = if incoming.body.is_empty() { "the answer is empty" } else { "the answer is not a whole one" };
            let failed = AttemptResult::failed(AttemptOutcome::Unusable, format!("{what} (status {status})"));
            return AttemptResult { by_spotify: !is_foreign(&incoming.body), ..failed };
        }
        let said = ErrorBody::parse(incoming, &token.header);
        let outcome = answered_outcome(incoming, said.quota, conditional, self.api);
        // Of a refusal only the error object shows that it comes from Spotify. Otherwise a proxy shows by its words.
        let is_refusal = (400..=499).contains(&status) && !matches!(status, 408 | 425);
        let by_spotify = said.by_spotify || !is_refusal && !is_foreign(&incoming.body);
        AttemptResult { by_spotify, ..AttemptResult::failed(outcome, said.words) }
    }

    fn final_error<T>(&self, why: GiveUpReason, ended: &AttemptResult<T>, status: Option<u16>) -> ApiError {
        let family = self.request.family;
        let message = ended.words.clone();
        match (why, ended.outcome) {
            (GiveUpReason::Certificate, _) => auth::certificate_error(self.api.limiter.clock(), &message),
            (GiveUpReason::Unauthorized, _) if let CallToken::User(user, _) = &self.who => ApiError::SignIn {
                user: (*user).to_owned(),
                why: format!("Spotify refuses a token that it has just renewed: {message}"),
            },
            (GiveUpReason::Unauthorized, _) if let CallToken::New(_) = &self.who => {
                let message = format!("Spotify refuses the token that it has just given: {message}");
                ApiError::Unexpected { family, status: 401, message }
            }
            (GiveUpReason::Unauthorized, _) => {
                ApiError::Credentials { variable: "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET", message }
            }
            (GiveUpReason::Attempts | GiveUpReason::Budget, outcome) => {
                let message = match why {
                    GiveUpReason::Budget => format!("the retries of this run are spent; last: {message}"),
                    _ => message,
                };
                self.failure(outcome, (message, ended.by_spotify, ended.is_disconnected))
            }
            (GiveUpReason::Final, _) => match status.unwrap_or(0) {
                400 | 422 => ApiError::BadRequest { family, message },
                403 => {
                    let kind = ForbiddenReason::classify(self.request, &message, ended.by_spotify);
                    ApiError::Refused { family, kind, message }
                }
                404 => ApiError::NotFound { family, message },
                410 => ApiError::Gone { family, message },
                status => ApiError::Unexpected { family, status, message },
            },
        }
    }
}

fn answered_outcome(incoming: &HttpResponse, quota: bool, conditional: bool, api: &ClientInner) -> AttemptOutcome {
    AttemptOutcome::Answered {
        status: incoming.status,
        retry_after: retry_after::read(
            incoming.retry_after.as_deref(),
            incoming.date.as_deref(),
            api.limiter.clock().now().wall,
        ),
        quota,
        conditional,
    }
}
