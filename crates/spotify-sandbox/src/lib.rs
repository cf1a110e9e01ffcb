//! A local server that imitates the Spotify accounts service and Web API.
//!
//! Tests, `cratedigger demo` and people who want to try a job without spending API calls talk to it over
//! HTTP, as they would to Spotify. A seed generates the catalog. The server can play an app in Development
//! Mode or in Extended Quota Mode, and it injects faults on demand, down to broken bytes on the wire.
//!
//! **It shares no code with the client.** If the two used the same structs, a wrong assumption about Spotify
//! would be in both, and no test could find it. The crate therefore depends on neither `spotify-client` nor
//! `cratedigger`, and writes its JSON by hand.
//!
//! - [`start`] serves on 127.0.0.1 and returns a [`Sandbox`]. The same controls are available over HTTP under
//!   `/_sandbox`; `routes/control.rs` lists them.
//! - [`fixtures`] names the ids that do not depend on the seed, among them a playlist with every edge case
//!   that Spotify is known to send.
//! - [`Fault`] describes what goes wrong and when. [`PlaylistEdit`] changes a playlist, even while a client
//!   reads it.
//!
//! ```no_run
//! # async fn third_page_fails_once() -> std::io::Result<()> {
//! use spotify_sandbox::{Fault, FaultAction, SandboxOptions, fixtures};
//!
//! let sandbox = spotify_sandbox::start(SandboxOptions::default()).await?;
//! sandbox.inject(Fault::on_path("/v1/playlists/*/items", FaultAction::status(502)).nth(3));
//! let tokens = sandbox.sign_in(fixtures::HOME_USER, &["playlist-read-private"], true);
//! // Point a client at `sandbox.api_url()` and `sandbox.accounts_url()`, let it read, and then compare:
//! let calls = sandbox.log().len();
//! let rows = sandbox.catalog().expected_rows(fixtures::EDGE_CASE_PLAYLIST);
//! # Ok(())
//! # }
//! ```
//!
//! It is simpler than Spotify: no TLS, no writes, no player, no Premium, and one developer account.

mod accounts;
mod catalog;
mod clock;
mod fault_injection;
mod faults;
mod json;
mod limits;
mod render;
mod request_log;
mod response;
mod rng;
mod routes;
mod server;
mod state;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use accounts::{ConsentDecision, SignInTokens, TokenRotation};
pub use catalog::fixtures;
pub use catalog::{EditError, ExpectedRow, LibraryEdit, LibrarySection, PlaylistEdit};
pub use faults::{ErrorBodyFormat, Fault, FaultAction, RetryAfterHeader};
pub use limits::{CallAllowance, LimitCounts};
pub use request_log::LoggedRequest;
use state::SandboxState;

/// The quota mode of the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaMode {
    /// Development Mode since February 2026: fewer endpoints and fields, `items` and `item`.
    Development,
    /// Extended Quota Mode: all endpoints and fields, under the old names `tracks` and `track`.
    Extended,
}

/// Options of a sandbox.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    pub mode: QuotaMode,
    /// Seed of the catalog. Equal seeds generate equal catalogs.
    pub seed: u64,
    /// Port on 127.0.0.1; 0 selects a free port.
    pub port: u16,
    /// Number of generated tracks. About 300 fixtures and edge cases are added.
    pub tracks: usize,
    /// Number of generated playlists, in addition to the fixtures. The curator, `home` and `studio` own them in turn.
    pub playlists: usize,
    /// Items in each generated playlist.
    pub playlist_items: usize,
    /// Number of generated playlists of the digger, who has only these and saved tracks.
    pub digger_playlists: usize,
    /// Number of tracks that the digger has saved.
    pub digger_tracks: usize,
    /// The client id of the app.
    pub client_id: String,
    /// More client ids of the same developer account, with the same secret. They share the daily quotas, and
    /// each has its own rate limit.
    pub sister_client_ids: Vec<String>,
    /// The secret of all client ids.
    pub client_secret: String,
    /// Calls per rolling window for each client id; `None` is unlimited.
    pub rate_limit: Option<u32>,
    /// The window of the rate limit: 30 seconds as at Spotify, or less to make a test faster.
    pub rate_window: Duration,
    /// Calls per rolling 24 hours; `None` is unlimited.
    pub calls_per_day: Option<u32>,
    /// Calls per rolling 24 hours to one endpoint family; `None` is unlimited.
    pub calls_per_family_per_day: Option<u32>,
    /// Whether calls that are refused with 429 count toward the limits.
    pub refused_calls_count: bool,
    /// How long all calls are refused after a call came before an announced deadline.
    pub punishment: Option<Duration>,
    /// Whether responses are compressed for clients that accept gzip.
    pub gzip: bool,
    /// The minimum time that every response takes.
    pub latency: Duration,
    /// `expires_in` of access tokens.
    pub token_ttl_secs: u64,
    /// The largest `limit` of `/playlists/{id}/tracks`: 100 as observed, or 50 as documented.
    pub playlist_page_max: usize,
    /// Which clients get a new refresh token when they refresh.
    pub rotation: TokenRotation,
    /// Whether the accounts service refuses a verifier from a client with a secret, and then takes the secret alone.
    pub ignores_pkce_with_secret: bool,
    /// Whether every response has an `ETag` and honors `If-None-Match`. Playlists always do.
    pub etags: bool,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            mode: QuotaMode::Development,
            seed: 1,
            port: 0,
            tracks: 2_000,
            playlists: 12,
            playlist_items: 60,
            digger_playlists: 0,
            digger_tracks: 0,
            client_id: "sandbox-client".to_owned(),
            sister_client_ids: Vec::new(),
            client_secret: "sandbox-secret".to_owned(),
            rate_limit: None,
            rate_window: Duration::from_secs(30),
            calls_per_day: None,
            calls_per_family_per_day: None,
            refused_calls_count: false,
            punishment: None,
            gzip: false,
            latency: Duration::ZERO,
            token_ttl_secs: 3600,
            playlist_page_max: 100,
            rotation: TokenRotation::Never,
            ignores_pkce_with_secret: false,
            etags: false,
        }
    }
}

/// A running sandbox. Dropping it stops the server.
#[derive(Debug)]
pub struct Sandbox {
    state: Arc<SandboxState>,
    server: server::SandboxServer,
}

/// Generates the catalog and serves it on 127.0.0.1 until the [`Sandbox`] is dropped.
///
/// Call it in a Tokio runtime with time and I/O enabled.
///
/// # Errors
/// If the port is in use.
pub async fn start(options: SandboxOptions) -> io::Result<Sandbox> {
    let listener = server::listen(options.port).await?;
    let port = listener.local_addr()?.port();
    let state = Arc::new(SandboxState::new(options, port));
    let server = server::serve(listener, Arc::clone(&state));
    Ok(Sandbox { state, server })
}

impl Sandbox {
    /// Base URL of the Web API: `http://127.0.0.1:PORT/v1`.
    pub fn api_url(&self) -> String {
        self.state.api_url.clone()
    }

    /// Base URL of the accounts service: `http://127.0.0.1:PORT`.
    pub fn accounts_url(&self) -> String {
        self.state.accounts_url.clone()
    }

    /// The requests so far in the order of their responses, without those to `/_sandbox`.
    pub fn log(&self) -> Vec<LoggedRequest> {
        self.state.log.all()
    }

    /// Empties the request log.
    pub fn clear_log(&self) {
        self.state.log.clear();
    }

    /// Adds a fault. A request gets the first fault that matches it, in the order in which they were added.
    pub fn inject(&self, fault: Fault) {
        self.state.faults.add(fault);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.state.faults.clear();
    }

    /// Changes the limits, as Spotify does without notice.
    pub fn set_allowance(&self, allowance: CallAllowance) {
        lock(&self.state.limits).set_allowance(allowance);
    }

    /// Refuses all calls for this time and sends the remaining seconds as `Retry-After`.
    pub fn ban(&self, how_long: Duration) {
        lock(&self.state.limits).ban(how_long, self.state.clock.now_ms());
    }

    /// Counts of refusals, early calls and calls in the windows.
    pub fn limit_counts(&self) -> LimitCounts {
        lock(&self.state.limits).counts(self.state.clock.now_ms())
    }

    /// Moves the clock of the sandbox forward, so that tokens expire and windows roll.
    pub fn advance(&self, by: Duration) {
        self.state.clock.advance(by);
    }

    /// Sets the difference between the clock of the sandbox and the real clock.
    pub fn set_clock_offset(&self, offset_ms: i64) {
        self.state.clock.set_offset_ms(offset_ms);
    }

    /// Makes all access tokens invalid, as in an incident. The next call gets 401.
    pub fn revoke_access_tokens(&self) {
        lock(&self.state.accounts).revoke_access_tokens();
    }

    /// Decides what the next users at `/authorize` do.
    pub fn set_consent(&self, consent: ConsentDecision) {
        lock(&self.state.accounts).set_consent(consent);
    }

    /// Signs a user in without a browser. With `pkce` the client is a public one; otherwise it uses its secret.
    pub fn sign_in(&self, user: &str, scopes: &[&str], pkce: bool) -> SignInTokens {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let now_ms = self.state.clock.now_ms();
        lock(&self.state.accounts).sign_in(user, scopes, pkce, now_ms)
    }

    /// Withdraws the consent of a user, as the user can on Spotify's page of apps.
    pub fn revoke_grants(&self, user: &str) {
        lock(&self.state.accounts).revoke_grants(user);
    }

    /// The catalog, to compare exports with and to edit.
    pub fn catalog(&self) -> CatalogHandle<'_> {
        CatalogHandle { state: &self.state }
    }

    /// Stops the server and closes open connections.
    pub async fn shutdown(self) {
        self.server.stop().await;
    }
}

/// Reads and edits the catalog of a [`Sandbox`].
#[derive(Debug)]
pub struct CatalogHandle<'a> {
    state: &'a SandboxState,
}

impl CatalogHandle<'_> {
    /// The rows that a complete export of a playlist has now, or `None` for an unknown playlist.
    pub fn expected_rows(&self, id: &str) -> Option<Vec<ExpectedRow>> {
        self.state.expected_rows(id)
    }

    /// The known facts about a track, as a row at position 0 without a person who added it, or `None` for an unknown track.
    pub fn expected_track(&self, id: &str) -> Option<ExpectedRow> {
        self.state.expected_track(id)
    }

    /// The ids in the other lists of an object, in order. `kind` is `albums`, `artists`, `shows`, `audiobooks` or
    /// `users`, as in `/_sandbox/truth/{kind}/{id}`.
    pub fn expected_ids(&self, kind: &str, id: &str) -> Option<serde_json::Value> {
        self.state.expected_ids(kind, id)
    }

    /// The current snapshot id of a playlist.
    pub fn snapshot_id(&self, id: &str) -> Option<String> {
        Some(lock(&self.state.playlists).get(id)?.snapshot_id())
    }

    /// Ids of all playlists, fixtures first.
    pub fn playlist_ids(&self) -> Vec<String> {
        let playlists = lock(&self.state.playlists);
        playlists.iter().map(|list| list.id.clone()).collect()
    }

    /// Example ids by kind, as in `/_sandbox/ids`.
    pub fn ids(&self) -> serde_json::Value {
        self.state.example_ids()
    }

    /// Changes a playlist now, or after one of its pages has been served.
    ///
    /// # Errors
    /// If the edit names an unknown id or position.
    pub fn edit(&self, edit: PlaylistEdit) -> Result<(), EditError> {
        self.state.edit(edit)
    }

    /// Changes the saved items of a user.
    ///
    /// # Errors
    /// If the edit names an unknown id or position.
    pub fn edit_library(&self, edit: LibraryEdit) -> Result<(), EditError> {
        self.state.edit_library(edit)
    }
}

/// Locks a mutex even if it is poisoned. A panic in one request must not fail the others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Compiles the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
