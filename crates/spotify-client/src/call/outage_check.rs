//! Tells an outage from resources that fail by themselves.

use super::{ApiCall, IN_FLIGHT};
use crate::auth::BearerToken;
use crate::error::ApiError;
use crate::error_body::{ErrorBody, is_foreign};
use crate::http::cancellation;
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

    /// Whether Spotify still answers what it has answered in this run. Then the resources that failed one after the
    /// other fail by themselves: ids that failed before are requested last, and so in a row.
    pub(super) async fn is_spotify_there(&self, token: &BearerToken) -> Result<bool, ApiError> {
        let limiter = &self.api.limiter;
        // What is requested in fewer attempts has failed before, so other families say enough about the server.
        let may_be_other = self.request.max_attempts.is_some();
        let Some((family, url)) = limiter.last_answered(self.request.family, may_be_other) else { return Ok(false) };
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
