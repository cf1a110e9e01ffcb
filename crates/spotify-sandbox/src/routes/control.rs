//! The controls under `/_sandbox`, for people and for tests that use HTTP only.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /_sandbox` | lists the controls |
//! | `GET /_sandbox/log`, `DELETE /_sandbox/log` | returns or empties the request log |
//! | `POST /_sandbox/faults`, `DELETE /_sandbox/faults` | adds a fault or a list of faults; removes all |
//! | `POST /_sandbox/advance` | `{"seconds":3600}`: advances the clock |
//! | `POST /_sandbox/limits` | `{"rate_limit":90}`: replaces the limits |
//! | `GET /_sandbox/limits` | counts refusals, early calls and calls in the windows |
//! | `POST /_sandbox/ban` | `{"seconds":80000}`: refuses all calls for this time |
//! | `POST /_sandbox/edit` | changes a playlist now, or after one of its pages is served |
//! | `POST /_sandbox/library` | changes the saved items of a user |
//! | `POST /_sandbox/expire` | makes all access tokens expire |
//! | `POST /_sandbox/consent` | `"ask"`, `"deny"` or `{"grant":{"user":"sandbox-home","scopes":null}}` |
//! | `POST /_sandbox/grants` | `{"user":…,"scopes":[…],"pkce":false}`: signs in without a browser |
//! | `DELETE /_sandbox/grants/{user}` | withdraws the consent of a user |
//! | `GET /_sandbox/truth/playlists/{id}` | the expected rows of an export |
//! | `GET /_sandbox/truth/{albums,artists,shows,audiobooks,users}/{id}` | the expected ids of their lists |
//! | `GET /_sandbox/ids` | example ids by kind |

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::ServerRequest;
use crate::catalog::{LibraryEdit, PlaylistEdit};
use crate::faults::Fault;
use crate::lock;
use crate::response::{ServerResponse, api_error, not_found};
use crate::state::SandboxState;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecondsBody {
    seconds: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignInBody {
    user: String,
    scopes: Vec<String>,
    #[serde(default)]
    pkce: bool,
}

/// Handles a control request.
pub(crate) fn handle_control(state: &SandboxState, request: &ServerRequest) -> ServerResponse {
    let segments: Vec<&str> = request.path.trim_matches('/').split('/').skip(1).collect();
    dispatch_control(state, request, &segments).unwrap_or_else(|refusal| refusal)
}

fn dispatch_control(
    state: &SandboxState,
    request: &ServerRequest,
    segments: &[&str],
) -> Result<ServerResponse, ServerResponse> {
    match (request.method.as_str(), segments) {
        ("GET", []) => return Ok(overview(state)),
        ("GET", ["log"]) => return Ok(ServerResponse::from_value(&state.log.all())),
        ("GET", ["limits"]) => {
            return Ok(ServerResponse::from_value(&lock(&state.limits).counts(state.clock.now_ms())));
        }
        ("GET", ["ids"]) => return Ok(ServerResponse::from_value(&state.example_ids())),
        ("GET", ["truth", "playlists", id]) => {
            let rows = state.expected_rows(id).ok_or_else(not_found)?;
            let playlists = lock(&state.playlists);
            let list = playlists.get(id).ok_or_else(not_found)?;
            return Ok(ServerResponse::from_value(&json!({
                "id": list.id, "name": list.name, "snapshot_id": list.snapshot_id(), "rows": rows,
            })));
        }
        ("GET", ["truth", kind, id]) => {
            let truth = state.expected_ids(kind, id).ok_or_else(not_found)?;
            return Ok(ServerResponse::from_value(&truth));
        }
        ("DELETE", ["log"]) => state.log.clear(),
        ("DELETE", ["faults"]) => state.faults.clear(),
        ("POST", ["faults"]) if request.body.trim_ascii_start().starts_with(b"[") => {
            let faults = parse_body::<Vec<Fault>>(request)?;
            faults.into_iter().for_each(|fault| state.faults.add(fault));
        }
        ("POST", ["faults"]) => state.faults.add(parse_body(request)?),
        ("POST", ["advance"]) => {
            let seconds = parse_body::<SecondsBody>(request)?.seconds;
            let by = Duration::try_from_secs_f64(seconds);
            state.clock.advance(by.map_err(|err| api_error(400, &err.to_string()))?);
        }
        ("POST", ["ban"]) => {
            let how_long = Duration::try_from_secs_f64(parse_body::<SecondsBody>(request)?.seconds);
            let how_long = how_long.map_err(|err| api_error(400, &err.to_string()))?;
            lock(&state.limits).ban(how_long, state.clock.now_ms());
        }
        ("POST", ["limits"]) => lock(&state.limits).set_allowance(parse_body(request)?),
        ("POST", ["edit"]) => {
            let edit = parse_body::<PlaylistEdit>(request)?;
            state.edit(edit).map_err(|refused| api_error(404, &refused.to_string()))?;
        }
        ("POST", ["library"]) => {
            let edit = parse_body::<LibraryEdit>(request)?;
            state.edit_library(edit).map_err(|refused| api_error(404, &refused.to_string()))?;
        }
        ("POST", ["consent"]) => lock(&state.accounts).set_consent(parse_body(request)?),
        ("POST", ["grants"]) => {
            let SignInBody { user, scopes, pkce } = parse_body(request)?;
            let now_ms = state.clock.now_ms();
            let signed_in = lock(&state.accounts).sign_in(&user, scopes, pkce, now_ms);
            return Ok(ServerResponse::from_value(&signed_in));
        }
        ("DELETE", ["grants", user]) => lock(&state.accounts).revoke_grants(user),
        ("POST", ["expire"]) => lock(&state.accounts).revoke_access_tokens(),
        _ => return Err(not_found()),
    }
    Ok(ServerResponse::empty(204))
}

fn parse_body<T: DeserializeOwned>(request: &ServerRequest) -> Result<T, ServerResponse> {
    serde_json::from_slice(&request.body).map_err(|err| api_error(400, &err.to_string()))
}

fn overview(state: &SandboxState) -> ServerResponse {
    ServerResponse::from_value(&json!({
        "mode": state.options.mode,
        "seed": state.options.seed,
        "tracks": state.music.tracks.len(),
        "api_url": state.api_url,
        "accounts_url": state.accounts_url,
        "controls": [
            "GET /_sandbox/log", "DELETE /_sandbox/log",
            "POST /_sandbox/faults", "DELETE /_sandbox/faults",
            "POST /_sandbox/advance",
            "GET /_sandbox/limits", "POST /_sandbox/limits", "POST /_sandbox/ban", "POST /_sandbox/edit", "POST /_sandbox/library", "POST /_sandbox/expire",
            "POST /_sandbox/consent", "POST /_sandbox/grants", "DELETE /_sandbox/grants/{user}",
            "GET /_sandbox/truth/playlists/{id}",
            "GET /_sandbox/truth/{albums,artists,shows,audiobooks,users}/{id}", "GET /_sandbox/ids",
        ],
    }))
}
