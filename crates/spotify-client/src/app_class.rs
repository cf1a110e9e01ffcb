//! Finds out the class of an app, by an endpoint that Development Mode lost in February 2026.

use super::client::{ApiCaller, ApiRequest, SpotifyClient};
use super::error::ApiError;
use super::family::EndpointFamily;
use super::forbidden::ForbiddenReason;
use crate::state::AppClass;

impl SpotifyClient {
    /// The class of the app by one call that only Extended Quota has kept, and what came of it. A probe
    /// goes beyond the day's ceilings, which hang on the answer.
    ///
    /// # Errors
    ///
    /// Whatever that call brings but an answer or that refusal.
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
    /// What an app in Development Mode would be told; it need not be asked for.
    pub fn lost_in_development(family: EndpointFamily) -> ApiError {
        let message = "Spotify removed it for apps in Development Mode in February 2026; nothing was sent".to_owned();
        ApiError::Refused { family, kind: ForbiddenReason::EndpointRemoved, message }
    }
}
