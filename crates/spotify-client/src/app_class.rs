//! Finds out the class of an app, by an endpoint that Development Mode lost in February 2026.

use super::client::{ApiCaller, ApiRequest, SpotifyClient};
use super::error::ApiError;
use super::family::EndpointFamily;
use super::forbidden::ForbiddenReason;
use crate::state::AppClass;

impl SpotifyClient {
    /// Finds out the class of the app, and the evidence, by a call that only Extended Quota apps may make. A
    /// probe ignores the configured ceilings, because they depend on the result.
    ///
    /// # Errors
    ///
    /// Every error of that call except the refusal that is typical of Development Mode.
    pub async fn class_by_markets(&self, who: &ApiCaller, probes: bool) -> Result<(AppClass, String), ApiError> {
        let request = ApiRequest { is_probe: probes, ..ApiRequest::new(EndpointFamily::MARKETS, "/markets") };
        match self.get(who, &request).await {
            Ok(_) => Ok((AppClass::Extended, "/markets was answered".to_owned())),
            Err(ApiError::Refused { kind: ForbiddenReason::EndpointRemoved, message, .. }) => {
                Ok((AppClass::Development, format!("/markets was refused: {message}")))
            }
            Err(e) => Err(e),
        }
    }
}

impl ApiError {
    /// The error that an app in Development Mode would get, without sending a call.
    pub fn lost_in_development(family: EndpointFamily) -> ApiError {
        let message = "Spotify removed it for apps in Development Mode in February 2026; nothing was sent".to_owned();
        ApiError::Refused { family, kind: ForbiddenReason::EndpointRemoved, message }
    }
}
