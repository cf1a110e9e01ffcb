//! `/authorize`: the page where a user grants or denies access.
//!
//! A browser gets a page with the users to choose from. A test sets a [`ConsentDecision`] before and is
//! redirected immediately.

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::TokenOwner;
use crate::response::ServerResponse;
use crate::routes::ServerRequest;
use crate::state::SandboxState;
use crate::{fixtures, lock};

/// What the users at `/authorize` do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ConsentDecision {
    /// They choose a user on a page.
    #[default]
    Ask,
    /// They deny access.
    Deny,
    /// They grant access without a page.
    Grant {
        /// The user id, such as one of [`fixtures`].
        user: String,
        /// The granted scopes, if not all requested ones.
        scopes: Option<Vec<String>>,
    },
}

/// Handles `GET /authorize`.
pub(super) fn authorize(state: &SandboxState, request: &ServerRequest) -> ServerResponse {
    let mut accounts = lock(&state.accounts);
    let Some(client) = request.query_param("client_id").filter(|id| accounts.client_ids.contains(id)) else {
        return plain_error("INVALID_CLIENT: Invalid client");
    };
    let uri = request.query_param("redirect_uri").unwrap_or_default();
    let Some(target) = Url::parse(&uri).ok().filter(is_secure) else {
        return plain_error("INVALID_CLIENT: Insecure redirect URI");
    };
    let oauth_state = request.query_param("state");
    let redirect_back = |pairs: &[(&str, &str)]| redirect(target.clone(), pairs, oauth_state.as_deref());
    if request.query_param("response_type").as_deref() != Some("code") {
        return redirect_back(&[("error", "unsupported_response_type")]);
    }
    let challenge = request.query_param("code_challenge");
    if challenge.is_some() && request.query_param("code_challenge_method").as_deref() != Some("S256") {
        return redirect_back(&[("error", "invalid_request")]);
    }
    let requested = request.query_param("scope").unwrap_or_default();
    let decision = match (request.query_param("sandbox_user").as_deref(), &accounts.consent) {
        (Some("cancel"), _) => ConsentDecision::Deny,
        (Some(user), _) => ConsentDecision::Grant { user: user.to_owned(), scopes: None },
        (None, decision) => decision.clone(),
    };
    match decision {
        ConsentDecision::Ask => sign_in_page(request, &requested),
        ConsentDecision::Deny => redirect_back(&[("error", "access_denied")]),
        ConsentDecision::Grant { user, scopes } => {
            let requested = requested.split_whitespace().map(str::to_owned);
            let granted = requested.filter(|s| scopes.as_ref().is_none_or(|only| only.contains(s)));
            let owner = TokenOwner { client, user: Some(user), scopes: granted.collect() };
            let code = accounts.issue_code(owner, uri, challenge, state.clock.now_ms());
            redirect_back(&[("code", &code)])
        }
    }
}

/// Whether a redirect URI is HTTPS, or HTTP to a numeric loopback address. Spotify refuses `localhost`.
fn is_secure(uri: &Url) -> bool {
    match (uri.scheme(), uri.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Ipv4(ip))) => ip.is_loopback(),
        ("http", Some(Host::Ipv6(ip))) => ip.is_loopback(),
        _ => false,
    }
}

fn redirect(mut target: Url, pairs: &[(&str, &str)], oauth_state: Option<&str>) -> ServerResponse {
    target.query_pairs_mut().extend_pairs(pairs);
    if let Some(oauth_state) = oauth_state {
        target.query_pairs_mut().append_pair("state", oauth_state);
    }
    ServerResponse::empty(302).with_header("location", String::from(target))
}

fn plain_error(why: &'static str) -> ServerResponse {
    ServerResponse::new(400, "text/plain; charset=utf-8", why)
}

fn sign_in_page(request: &ServerRequest, scopes: &str) -> ServerResponse {
    let query = request.query_without(&["sandbox_user"]).replace('&', "&amp;");
    let choice =
        |user: &str, text: &str| format!("<p><a href=\"/authorize?{query}&amp;sandbox_user={user}\">{text}</a></p>\n");
    let escaped = scopes.replace('&', "&amp;").replace('<', "&lt;");
    let scopes = if escaped.is_empty() { "nothing private".to_owned() } else { escaped };
    let body = [
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <title>Sandbox sign-in</title></head><body>\n\
         <h1>Sandbox sign-in</h1>\n<p>No Spotify account is involved. The app asks for: ",
        &scopes,
        "</p>\n",
        &choice(fixtures::HOME_USER, "Continue as Home Listening"),
        &choice(fixtures::STUDIO_USER, "Continue as Studio"),
        &choice(fixtures::CURATOR_USER, "Continue as The Curator, who is not on the app's allow-list"),
        &choice("cancel", "Cancel"),
        "</body></html>\n",
    ];
    ServerResponse::new(200, "text/html; charset=utf-8", body.concat())
}
