//! `/authorize`: the page where a user consents, or says no.
//!
//! A browser gets a page with the users to choose from. A test, which has no eyes, sets a
//! [`Consent`] beforehand and is redirected at once.

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::{Accounts, Caller};
use crate::answer::Answer;
use crate::routes::Call;
use crate::world::World;
use crate::{hold, known};

/// What people at `/authorize` do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Consent {
    /// They look at a page and choose who they are.
    #[default]
    Ask,
    /// They say no.
    Deny,
    /// They say yes at once.
    Grant {
        /// Who they are: an id of [`known`].
        user: String,
        /// What they grant, if less than was asked for.
        scopes: Option<Vec<String>>,
    },
}

impl Accounts {
    pub(crate) fn set_consent(&mut self, consent: Consent) {
        self.consent = consent;
    }
}

/// Answers `GET /authorize`.
pub(super) fn authorize(world: &World, call: &Call) -> Answer {
    let mut accounts = hold(&world.accounts);
    let Some(client) = call.get("client_id").filter(|id| accounts.client_ids.contains(id)) else {
        return plain_refusal("INVALID_CLIENT: Invalid client");
    };
    let uri = call.get("redirect_uri").unwrap_or_default();
    let Some(target) = Url::parse(&uri).ok().filter(is_secure) else {
        return plain_refusal("INVALID_CLIENT: Insecure redirect URI");
    };
    let state = call.get("state");
    let back = |pairs: &[(&str, &str)]| redirect(target.clone(), pairs, state.as_deref());
    if call.get("response_type").as_deref() != Some("code") {
        return back(&[("error", "unsupported_response_type")]);
    }
    let challenge = call.get("code_challenge");
    if challenge.is_some() && call.get("code_challenge_method").as_deref() != Some("S256") {
        return back(&[("error", "invalid_request")]);
    }
    let asked = call.get("scope").unwrap_or_default();
    let decision = match (call.get("sandbox_user").as_deref(), &accounts.consent) {
        (Some("nobody"), _) => Consent::Deny,
        (Some(user), _) => Consent::Grant { user: user.to_owned(), scopes: None },
        (None, set) => set.clone(),
    };
    match decision {
        Consent::Ask => page(call, &asked),
        Consent::Deny => back(&[("error", "access_denied")]),
        Consent::Grant { user, scopes } => {
            let asked = asked.split_whitespace().map(str::to_owned);
            let granted = asked.filter(|s| scopes.as_ref().is_none_or(|only| only.contains(s)));
            let caller = Caller { client, user: Some(user), scopes: granted.collect() };
            let code = accounts.code(caller, uri, challenge, world.clock.now_ms());
            back(&[("code", &code)])
        }
    }
}

/// HTTPS, or plain HTTP to a loopback address written as one; `localhost` is a name.
fn is_secure(uri: &Url) -> bool {
    match (uri.scheme(), uri.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Ipv4(ip))) => ip.is_loopback(),
        ("http", Some(Host::Ipv6(ip))) => ip.is_loopback(),
        _ => false,
    }
}

fn redirect(mut target: Url, pairs: &[(&str, &str)], state: Option<&str>) -> Answer {
    target.query_pairs_mut().extend_pairs(pairs);
    if let Some(state) = state {
        target.query_pairs_mut().append_pair("state", state);
    }
    Answer::empty(302).header("location", String::from(target))
}

fn plain_refusal(why: &'static str) -> Answer {
    Answer::new(400, "text/plain; charset=utf-8", why)
}

fn page(call: &Call, scopes: &str) -> Answer {
    let query = call.query_without(&["sandbox_user"]).replace('&', "&amp;");
    let choice = |user: &str, words: &str| {
        format!("<p><a href=\"/authorize?{query}&amp;sandbox_user={user}\">{words}</a></p>\n")
    };
    let escaped = scopes.replace('&', "&amp;").replace('<', "&lt;");
    let scopes = if escaped.is_empty() { "nothing private".to_owned() } else { escaped };
    let body = [
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <title>Sandbox sign-in</title></head><body>\n\
         <h1>Sandbox sign-in</h1>\n<p>No Spotify account is involved. The app asks for: ",
        &scopes,
        "</p>\n",
        &choice(known::HOME, "Continue as Home Listening"),
        &choice(known::STUDIO, "Continue as Studio"),
        &choice(known::CURATOR, "Continue as The Curator, who is not on the app's allow-list"),
        &choice("nobody", "Cancel"),
        "</body></html>\n",
    ];
    Answer::new(200, "text/html; charset=utf-8", body.concat())
}
