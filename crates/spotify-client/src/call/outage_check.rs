//! Tells an outage from resources that fail by themselves.

use url::Url;

use super::{ApiCall, IN_FLIGHT};
use crate::auth::BearerToken;
use crate::error::ApiError;
use crate::error_body::{ErrorBody, is_foreign};
use crate::http::cancellation;
use crate::http::family::EndpointFamily;
use crate::http::limiter::LimitError;
use crate::http::retry::AttemptOutcome;
use crate::http::transport::HttpRequest;

impl ApiCall<'_> {
    /// The error of a call that failed in all its attempts. It concerns the resource, unless there is no
    /// connection or one resource after the other fails.
    pub(super) fn failure(
        &self,
        outcome: AttemptOutcome,
        (message, by_spotify, is_disconnected): (String, bool, bool),
    ) -> ApiError {
        let (family, attempts) = (self.request.family, self.attempt);
        if !by_spotify && outcome != AttemptOutcome::Lost {
            self.api.limiter.record_foreign_answer(&self.request.path);
        }
        if outcome == AttemptOutcome::Unusable {
            return ApiError::Unusable { family, what: message, attempts, is_json: by_spotify };
        }
        if self.api.limiter.record_given_up(&self.request.path, outcome == AttemptOutcome::Lost) || is_disconnected {
            return match outcome {
                AttemptOutcome::Answered { .. } if by_spotify => ApiError::OnlyErrors { message, attempts },
                _ => ApiError::Unreachable { what: message, attempts },
            };
        }
        self.resource_error(outcome, message, by_spotify)
    }

    /// The error of a resource that failed in all its attempts, while Spotify itself answers.
    pub(super) fn resource_error(&self, outcome: AttemptOutcome, message: String, by_spotify: bool) -> ApiError {
        let (family, attempts) = (self.request.family, self.attempt);
        match outcome {
            AttemptOutcome::Lost => ApiError::NoAnswer { family, what: message, attempts },
            _ => ApiError::ServerError { family, message, attempts, by_spotify },
        }
    }

    /// What the failures of one resource after the other are about, if Spotify still answers what it has answered in this
    /// run: these resources, or all of their endpoint. `None`: it answers nothing any more.
    pub(super) async fn cause_of_failures(
        &self,
        token: &BearerToken,
        (outcome, message, by_spotify): (AttemptOutcome, String, bool),
    ) -> Result<Option<ApiError>, ApiError> {
        let Some((answered, url)) = self.api.limiter.last_answered(self.request.family) else { return Ok(None) };
        if !self.is_still_answered(token, answered, url).await? {
            return Ok(None);
        }
        // Ids that failed before are requested last, in fewer attempts, and so in a row.
        let (family, attempts) = (self.request.family, self.attempt);
        Ok(Some(if answered == family || self.request.max_attempts.is_some() {
            self.resource_error(outcome, message, by_spotify)
        } else {
            ApiError::EndpointFails { family, message, attempts }
        }))
    }

    async fn is_still_answered(&self, token: &BearerToken, family: EndpointFamily, url: Url) -> Result<bool, ApiError> {
        let limiter = &self.api.limiter;
        let resource = url.path().to_owned();
        let permit = match limiter.acquire(family).await {
            Ok(permit) => permit.for_resource(&resource),
            // The next call meets the same limit.
            Err(LimitError::Deferred(_) | LimitError::Stopped) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        let route = family.as_str();
        let request = HttpRequest { url, route, authorization: Some(&token.header), etag: None, form: None };
        let sent = self.api.transport.send(request);
        let Ok(sent) = cancellation::until_stopped_and(limiter.stop_token(), (limiter.clock(), IN_FLIGHT), sent).await
        else {
            permit.record_failure()?;
            return Err(ApiError::Stopped);
        };
        let Ok(incoming) = sent else {
            permit.record_failure()?;
            return Ok(false);
        };
        permit.record_response(incoming.status, incoming.status == 429)?;
        let is_whole = incoming.status == 200 && !is_foreign(&incoming.body);
        Ok(is_whole || incoming.status < 500 && ErrorBody::parse(&incoming, &token.header).by_spotify)
    }
}
