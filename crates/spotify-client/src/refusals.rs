//! The consequences of a refusal: it is logged and recorded, and its scope is deferred.

use chrono::TimeDelta;

use super::auth;
use super::client::ClientInner;
use super::error::ApiError;
use super::family::EndpointFamily;
use crate::http::retry::{self, AttemptHistory, AttemptOutcome, RetryDecision};
use crate::http::retry_after::RetryAfter;
use crate::random::random_fraction;
use crate::state::NewRefusal;

impl ClientInner {
    /// Records that the accounts service gives no tokens now. Nothing is sent until the wait is over.
    pub(super) fn defer_token_requests(
        &self,
        family: EndpointFamily,
        retry_after: RetryAfter,
        words: &str,
    ) -> Result<(), ApiError> {
        let outcome = AttemptOutcome::Answered { status: 429, retry_after, quota: false, conditional: false };
        let (unsaid, _) = self.limiter.refusals(family);
        let tried = AttemptHistory {
            attempt: 1,
            token_renewed: false,
            may_retry: true,
            unstated_refusals: unsaid,
            family_refusals: 0,
            jitter: random_fraction(),
        };
        let RetryDecision::Defer { scope: reach, wait, reason } = retry::decide_token(outcome, &tried, &self.rules)
        else {
            return Ok(());
        };
        let (said, evidence) = (matches!(retry_after, RetryAfter::Wait(_)), &*format!("POST token: {words}"));
        self.record_refusal(
            family,
            retry_after,
            NewRefusal { scope: reach, wait, wait_is_stated: said, reason, evidence, call: None },
        )
    }

    pub(super) fn record_refusal(
        &self,
        family: EndpointFamily,
        retry_after: RetryAfter,
        refused: NewRefusal<'_>,
    ) -> Result<(), ApiError> {
        if retry_after == RetryAfter::Absurd {
            self.observer.warned("Spotify asks for a wait of more than seven days; a day is used instead");
        }
        let NewRefusal { scope, reason, wait, evidence, .. } = refused;
        let wait = auth::format_duration(TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX));
        let (scope, reason) = (scope.as_str(), reason.as_str());
        tracing::warn!(%family, scope, reason, evidence, "Spotify refused the call and asks to wait {wait}");
        Ok(self.limiter.record_refusal(family, refused)?)
    }
}
