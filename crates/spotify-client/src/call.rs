//! One call over all its attempts: sends, asks [`retry::decide`], and does what it says.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustc_hash::FxHashSet;
use url::Url;

use super::auth::{self, NoToken, Token, UserTokens};
use super::client::Inner;
use super::error::{ApiError, Deferral, Scope};
use super::family::Family;
use super::refusal::Refusal;
use super::request::{Answer, Request, Unusable};
use super::said::{Said, looks_like_json};
use crate::http::gate::{Deferred, Shut, Why, Wish};
use crate::http::jitter;
use crate::http::retry::{self, GiveUp, Outcome, Tried, Verdict};
use crate::http::retry_after::{self, RetryAfter};
use crate::http::transport::{Incoming, Outgoing, TransportError};
use crate::state::{CallId, Reach, Reason, Refused, TokenKind, Word};

/// How long an answer may still take once the run is stopped: a stop is over within ten seconds.
const IN_FLIGHT: Duration = Duration::from_secs(5);

/// One call, over all its attempts.
pub(super) struct Call<'a> {
    api: &'a Inner,
    request: &'a Request,
    url: Url,
    who: Who<'a>,
    attempt: u32,
    renewed: bool,
    refused_token: Option<i64>,
}

/// Whose token goes along.
#[derive(Clone)]
pub(super) enum Who<'a> {
    /// The app's.
    App,
    /// That of a user with a grant.
    User(&'a str, &'a Arc<UserTokens>),
    /// One that just came and is not stored yet; there is no other if it is refused.
    New(Arc<Token>),
}

/// How an attempt ended, with the words for a person.
struct Ended<T> {
    outcome: Outcome,
    done: Option<T>,
    words: String,
    /// Whether a refusal is Spotify's, and not that of somebody in between.
    by_spotify: bool,
}

impl<T> Ended<T> {
    /// Without anything that could be used.
    fn badly(outcome: Outcome, words: String) -> Ended<T> {
        Ended { outcome, done: None, words, by_spotify: false }
    }
}

impl<'a> Call<'a> {
    pub(super) fn new(api: &'a Inner, who: Who<'a>, request: &'a Request, url: Url) -> Call<'a> {
        // In place of a token that has just come there is no other.
        let renewed = matches!(who, Who::New(_));
        Call { who, api, request, url, attempt: 1, renewed, refused_token: None }
    }
}

impl Call<'_> {
    /// Sends it once and does what the decision says. `None`: send it again.
    pub(super) async fn once<T>(
        &mut self,
        check: &impl Fn(&Answer) -> Result<T, Unusable>,
    ) -> Result<Option<T>, ApiError> {
        let family = self.request.family;
        let gate = &self.api.gate;
        let Some(token) = self.token().await? else {
            return Ok(None);
        };
        let pass = gate.enter(self.wish()).await.map_err(|shut| shut_error(shut, family))?;
        let sent = self.api.transport.send(Outgoing {
            url: self.url.clone(),
            route: family.as_str(),
            authorization: Some(&token.header),
            etag: self.request.etag.as_deref(),
            form: None,
        });
        // An answer that is on its way is worth a moment; a server that drips is not.
        let Ok(sent) = gate.halt().or_soon(gate.clock(), IN_FLIGHT, sent).await else {
            pass.lost()?;
            return Err(ApiError::Stopped);
        };
        let ended = match &sent {
            Ok(incoming) => self.read(incoming, &token, check),
            Err(error) => match error {
                TransportError::Certificate { detail, .. } => Ended::badly(Outcome::Certificate, detail.clone()),
                TransportError::TooLarge { .. } | TransportError::BrokenOff { .. } => {
                    Ended::badly(Outcome::Unusable, error.to_string())
                }
                _ => Ended::badly(Outcome::Lost, error.to_string()),
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
        if let Verdict::Park { reach, wait, reason } = verdict {
            self.hold_back(&ended, (reach, wait, reason), pass.call())?;
        }
        match status {
            Some(status) => pass.answered(status, matches!(verdict, Verdict::Park { .. }))?,
            None if ended.outcome == Outcome::Lost => pass.lost()?,
            None => pass.spoilt()?,
        }
        self.learn(&verdict, &ended, status)?;
        self.act(verdict, ended, status, &token).await
    }

    /// Notes what the outcome says about the app: whether it may call this family at all.
    fn learn<T>(&self, verdict: &Verdict, ended: &Ended<T>, status: Option<u16>) -> Result<(), ApiError> {
        let request = self.request;
        let token = match self.who {
            Who::App => TokenKind::App,
            Who::User(..) | Who::New(_) => TokenKind::User,
        };
        let word = match (verdict, status) {
            (Verdict::Done, _) => Word::Allowed,
            (Verdict::Park { reach: Reach::Family, reason: Reason::RateLimit, .. }, _) => Word::Refused429,
            // A batch read that is refused says nothing about single ones, and a proxy nothing at all.
            (Verdict::GiveUp(GiveUp::Final), Some(_)) if request.is_batch() || !ended.by_spotify => return Ok(()),
            (Verdict::GiveUp(GiveUp::Final), Some(403))
                if Refusal::of(request, &ended.words, true) == Refusal::EndpointRemoved =>
            {
                Word::Refused403
            }
            (Verdict::GiveUp(GiveUp::Final), Some(404 | 410)) if !request.names_something() => Word::Refused404,
            _ => return Ok(()),
        };
        let noted_before = |noted: &FxHashSet<_>| noted.contains(&(request.family, token));
        let noted = || self.api.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if word == Word::Refused404 {
            // What answered before is there: this is about what was asked for, such as a deep page.
            let now = self.api.gate.clock().now().wall;
            let known = self.api.learned.endpoint(request.family.as_str(), token, now)?;
            if noted_before(&noted()) || known.is_some_and(|it| it.word == Word::Allowed) {
                return Ok(());
            }
        }
        let fresh = |noted: &mut FxHashSet<_>| match word {
            Word::Allowed => noted.insert((request.family, token)),
            _ => {
                noted.remove(&(request.family, token));
                true
            }
        };
        if fresh(&mut noted()) {
            let words = if word == Word::Allowed { "it was answered" } else { &ended.words };
            self.api.learned.note_endpoint(request.family.as_str(), token, word, words, self.api.gate.clock().now())?;
        }
        Ok(())
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
                self.api.observer.retrying(family, self.attempt, &ended.words, after);
                self.attempt += 1;
                let slept = gate.halt().sleep(gate.clock(), after).await;
                slept.map_err(|_| ApiError::Stopped)?;
                Ok(None)
            }
            Verdict::GiveUp(why) => Err(self.gave_up(why, &ended, status)),
        }
    }

    fn wish(&self) -> Wish {
        Wish { family: self.request.family, probes: self.request.probes }
    }

    /// A token: in hand, or fetched once nothing forbids to send something.
    async fn token(&mut self) -> Result<Option<Arc<Token>>, ApiError> {
        let Inner { token, gate, .. } = self.api;
        let refused = self.refused_token;
        let in_hand = match &self.who {
            Who::App => token.in_hand(refused),
            Who::User(user, tokens) => tokens.in_hand(user, refused),
            Who::New(token) => Some(Arc::clone(token)),
        };
        if let Some(token) = in_hand {
            return Ok(Some(token));
        }
        let family = self.request.family;
        gate.clear(self.wish()).await.map_err(|shut| shut_error(shut, family))?;
        let fetched = match &self.who {
            // A refresh that has begun may rotate the grant, so it is not dropped by a stop.
            Who::User(user, tokens) => tokens.get(user, refused, gate.halt()).await,
            _ => gate.halt().or(token.get(refused)).await.map_err(|_| ApiError::Stopped)?,
        };
        match fetched {
            Ok(token) => Ok(Some(token)),
            Err(NoToken::Error(error)) => Err(error),
            Err(NoToken::Refused { retry_after, words }) => {
                self.api.no_token(family, retry_after, &words)?;
                Ok(None)
            }
        }
    }

    fn hold_back<T>(
        &self,
        ended: &Ended<T>,
        (reach, wait, reason): (Reach, Duration, Reason),
        call: CallId,
    ) -> Result<(), ApiError> {
        let Outcome::Answered { retry_after, .. } = ended.outcome else { return Ok(()) };
        let said = matches!(retry_after, RetryAfter::Wait(_));
        let refused = Refused { reach, wait, said, reason, evidence: &ended.words, call: Some(call) };
        self.api.refused(self.request.family, retry_after, refused)
    }

    fn read<T>(&self, incoming: &Incoming, token: &Token, check: &impl Fn(&Answer) -> Result<T, Unusable>) -> Ended<T> {
        let conditional = self.request.etag.is_some();
        let status = incoming.status;
        if status == 200 || (status == 304 && conditional) {
            let answer = Answer { status, body: incoming.body.clone(), etag: incoming.etag.clone() };
            let checked = match looks_like_json(&answer) {
                Ok(()) => check(&answer),
                Err(unusable) => Err(unusable),
            };
            if let Err(unusable) = checked {
                return Ended::badly(Outcome::Unusable, unusable.what);
            }
            if status == 200 {
                self.api.observer.came(&self.request.path, &incoming.body);
            }
            return Ended {
                outcome: answered(incoming, false, conditional, self.api),
                done: checked.ok(),
                words: String::new(),
                by_spotify: true,
            };
        }
        let said = Said::read(incoming, &token.header);
        let outcome = answered(incoming, said.quota, conditional, self.api);
        Ended { outcome, done: None, words: said.words, by_spotify: said.by_spotify }
    }

    fn gave_up<T>(&self, why: GiveUp, ended: &Ended<T>, status: Option<u16>) -> ApiError {
        let family = self.request.family;
        let message = ended.words.clone();
        let attempts = self.attempt;
        match (why, ended.outcome) {
            (GiveUp::Certificate, _) => auth::certificate(self.api.gate.clock(), &message),
            (GiveUp::Unauthorized, _) if let Who::User(user, _) = &self.who => ApiError::SignIn {
                user: (*user).to_owned(),
                why: format!("Spotify refuses a token that it has just renewed: {message}"),
            },
            (GiveUp::Unauthorized, _) if let Who::New(_) = &self.who => {
                let message = format!("Spotify refuses the token that it has just given: {message}");
                ApiError::Unexpected { family, status: 401, message }
            }
            (GiveUp::Unauthorized, _) => {
                ApiError::Credentials { variable: "SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET", message }
            }
            (GiveUp::Attempts, Outcome::Unusable) => ApiError::Unusable { family, what: message, attempts },
            (GiveUp::Attempts, _) => ApiError::Unreachable { what: message, attempts },
            (GiveUp::Budget, _) => {
                ApiError::Unreachable { what: format!("the retries of this run are spent; last: {message}"), attempts }
            }
            (GiveUp::Final, _) => match status.unwrap_or(0) {
                400 | 422 => ApiError::BadRequest { family, message },
                403 => {
                    let kind = Refusal::of(self.request, &message, ended.by_spotify);
                    ApiError::Refused { family, kind, message }
                }
                404 => ApiError::NotFound { family, message },
                410 => ApiError::Gone { family, message },
                status => ApiError::Unexpected { family, status, message },
            },
        }
    }
}

impl Inner {
    /// The accounts service gives no token now: nothing is sent until it may be asked again.
    pub(super) fn no_token(&self, family: Family, retry_after: RetryAfter, words: &str) -> Result<(), ApiError> {
        let outcome = Outcome::Answered { status: 429, retry_after, quota: false, conditional: false };
        let (unsaid, _) = self.gate.refusals(family);
        let tried = Tried { attempt: 1, renewed: false, budget: true, unsaid, refused: 0, jitter: jitter::unit() };
        let Verdict::Park { reach, wait, reason } = retry::decide_token(outcome, &tried, &self.rules) else {
            return Ok(());
        };
        let (said, evidence) = (matches!(retry_after, RetryAfter::Wait(_)), &*format!("POST token: {words}"));
        self.refused(family, retry_after, Refused { reach, wait, said, reason, evidence, call: None })
    }

    fn refused(&self, family: Family, retry_after: RetryAfter, refused: Refused<'_>) -> Result<(), ApiError> {
        if retry_after == RetryAfter::Absurd {
            self.observer.warned("Spotify asks for a wait of more than seven days; a day is kept");
        }
        let Refused { reach, wait, evidence, .. } = refused;
        tracing::warn!(%family, ?reach, ?wait, words = evidence, "refused");
        Ok(self.gate.refuse(family, refused)?)
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

/// A shut gate, as a caller of the API sees it.
pub(super) fn shut_error(shut: Shut, family: Family) -> ApiError {
    let Deferred { not_before, reach, why, words } = match shut {
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
            Why::Share => Deferral::Share(scope),
            Why::JobCalls => Deferral::JobCalls,
            Why::MaxCalls => Deferral::MaxCalls,
            Why::Breaker => Deferral::Outage,
        },
        message: words,
    }
}
