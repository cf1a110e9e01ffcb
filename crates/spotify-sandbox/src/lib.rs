//! A local server that answers like Spotify's accounts service and Web API.
//!
//! The catalog is made up and comes out of a seed; both app classes can be played, and faults are
//! played on demand, down to broken bytes on the wire. Tests, `cratedigger demo` and people who
//! want to try a job without spending a call talk to it over HTTP like to the real thing. It uses
//! nothing of the rest of the crate and shares no type with the client: a fake that borrows the
//! client's structs would repeat the client's mistakes.
//!
//! - [`start`] serves on 127.0.0.1; [`Sandbox`] is the handle, and the same controls are there over
//!   HTTP under `/_sandbox` (`control.rs` lists them).
//! - [`known`] names the ids that stay the same whatever the seed, among them a playlist with
//!   everything odd that Spotify has been seen to send.
//! - [`Fault`] describes what should go wrong and when; [`Edit`] changes a playlist, also in the
//!   middle of somebody's reading it.
//!
//! ```no_run
//! # async fn third_page_fails_once() -> std::io::Result<()> {
//! use cratedigger::sandbox::{self, Action, Fault, Options, known};
//!
//! let sandbox = sandbox::start(Options::default()).await?;
//! sandbox.inject(Fault::on("/v1/playlists/*/items", Action::status(502)).nth(3));
//! let grant = sandbox.sign_in(known::HOME, &["playlist-read-private"], true);
//! // … point a job at sandbox.api_url() and sandbox.accounts_url(), then:
//! let calls = sandbox.log().len();
//! let rows = sandbox.catalog().playlist_rows(known::ODD_PLAYLIST);
//! # Ok(())
//! # }
//! ```
//!
//! Where it is simpler than Spotify: no TLS, no writes, no player, no Premium, one app.

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

/// The class of the app whose calls are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaMode {
    /// Development Mode since February 2026: fewer endpoints and fields, `items` and `item`.
    Development,
    /// Extended Quota Mode: everything, under the old names `tracks` and `track`.
    Extended,
}

/// What kind of Spotify to play.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// The app's class.
    pub mode: QuotaMode,
    /// The catalog's seed: the same one makes the same catalog.
    pub seed: u64,
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Distinct tracks in the catalog, beside some 300 known and odd ones.
    pub tracks: usize,
    /// Plain playlists, beside the known ones; owned in turn by the curator, `home` and `studio`.
    pub playlists: usize,
    /// Items in each plain playlist.
    pub playlist_items: usize,
    /// Plain playlists of the digger's, who has nothing else but saved tracks.
    pub digger_playlists: usize,
    /// Tracks that the digger has saved.
    pub digger_tracks: usize,
    /// The client id that is let in.
    pub client_id: String,
    /// Further client ids of its developer account, with the same secret: they share the quotas of the day,
    /// and each has a rate limit of its own.
    pub sister_client_ids: Vec<String>,
    /// Its secret.
    pub client_secret: String,
    /// Calls per rolling window, for each client id; unlimited without.
    pub rate_limit: Option<u32>,
    /// The window of the rate limit: 30 seconds, as Spotify's, or less to save a test time.
    pub rate_window: Duration,
    /// Calls per rolling 24 hours; unlimited without.
    pub calls_per_day: Option<u32>,
    /// Calls per rolling 24 hours to one family of endpoints; unlimited without.
    pub calls_per_family_per_day: Option<u32>,
    /// Whether calls that were refused with 429 count towards the limits.
    pub refused_calls_count: bool,
    /// How long a call that came before a deadline it was told is refused from then on.
    pub punishment: Option<Duration>,
    /// Whether answers are packed with gzip for readers that say they can unpack it.
    pub gzip: bool,
    /// How long every answer takes at least.
    pub latency: Duration,
    /// `expires_in` of access tokens.
    pub token_ttl_secs: u64,
    /// Largest `limit` of `/playlists/{id}/tracks`: 100, or 50 as documented.
    pub playlist_page_max: usize,
    /// Whose refreshes bring a new refresh token and end the old one.
    pub rotation: TokenRotation,
    /// Whether every answer has an entity tag, and is not sent again to who has it. Playlists always
    /// have theirs.
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
            etags: false,
        }
    }
}

/// A running sandbox; dropping it stops it.
#[derive(Debug)]
pub struct Sandbox {
    state: Arc<SandboxState>,
    server: server::SandboxServer,
}

/// Rolls the catalog and serves it on 127.0.0.1 until the [`Sandbox`] is dropped.
///
/// Needs a tokio runtime with time and I/O.
///
/// # Errors
/// If the port is taken.
pub async fn start(options: SandboxOptions) -> io::Result<Sandbox> {
    let listener = server::listen(options.port).await?;
    let port = listener.local_addr()?.port();
    let world = Arc::new(SandboxState::new(options, port));
    let server = server::serve(listener, Arc::clone(&world));
    Ok(Sandbox { state: world, server })
}

impl Sandbox {
    /// Where the Web API is: `http://127.0.0.1:PORT/v1`.
    pub fn api_url(&self) -> String {
        self.state.api_url.clone()
    }

    /// Where the accounts service is: `http://127.0.0.1:PORT`.
    pub fn accounts_url(&self) -> String {
        self.state.accounts_url.clone()
    }

    /// What was asked so far, in order of answering; controls under `/_sandbox` are left out.
    pub fn log(&self) -> Vec<LoggedRequest> {
        self.state.log.all()
    }

    /// Forgets what was asked.
    pub fn clear_log(&self) {
        self.state.log.clear();
    }

    /// Arranges for something to go wrong. Faults are tried in the order in which they came.
    pub fn inject(&self, fault: Fault) {
        self.state.faults.add(fault);
    }

    /// Lets everything go well again.
    pub fn clear_faults(&self) {
        self.state.faults.clear();
    }

    /// Changes the limits from now on, as Spotify may without notice.
    pub fn set_allowance(&self, allowance: CallAllowance) {
        lock(&self.state.limits).set_allowance(allowance);
    }

    /// Refuses all calls for so long, with the rest of it as `Retry-After`.
    pub fn ban(&self, how_long: Duration) {
        lock(&self.state.limits).ban(how_long, self.state.clock.now_ms());
    }

    /// What the limits have counted: refusals, calls that came too early, calls in the windows.
    pub fn limit_counts(&self) -> LimitCounts {
        lock(&self.state.limits).counts(self.state.clock.now_ms())
    }

    /// Moves the sandbox's clock forward: tokens expire, windows roll on.
    pub fn advance(&self, by: Duration) {
        self.state.clock.advance(by);
    }

    /// Sets how far the sandbox's clock is from the real one.
    pub fn set_clock_offset(&self, offset_ms: i64) {
        self.state.clock.set_offset_ms(offset_ms);
    }

    /// Ends every access token at once, as an incident would: the next call gets 401.
    pub fn revoke_access_tokens(&self) {
        lock(&self.state.accounts).revoke_access_tokens();
    }

    /// Says what the next people at `/authorize` do.
    pub fn set_consent(&self, consent: ConsentDecision) {
        lock(&self.state.accounts).set_consent(consent);
    }

    /// Signs a user in without a browser, as the plain code flow would (a client with a secret) or
    /// as PKCE would (a public one).
    pub fn sign_in(&self, user: &str, scopes: &[&str], pkce: bool) -> SignInTokens {
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let now_ms = self.state.clock.now_ms();
        lock(&self.state.accounts).sign_in(user, scopes, pkce, now_ms)
    }

    /// Takes a user's consent back, as the user can on Spotify's page of apps.
    pub fn revoke_grants(&self, user: &str) {
        lock(&self.state.accounts).revoke_grants(user);
    }

    /// The truth behind the answers, to be read and edited.
    pub fn catalog(&self) -> CatalogHandle<'_> {
        CatalogHandle { state: &self.state }
    }

    /// Stops serving; open connections are cut.
    pub async fn shutdown(self) {
        self.server.stop().await;
    }
}

/// The truth behind the answers.
#[derive(Debug)]
pub struct CatalogHandle<'a> {
    state: &'a SandboxState,
}

impl CatalogHandle<'_> {
    /// Every row of a playlist as it is now; nothing if there is no such playlist.
    pub fn expected_rows(&self, id: &str) -> Option<Vec<ExpectedRow>> {
        self.state.expected_rows(id)
    }

    /// The ids that other lists hold, in order: `kind` is `albums`, `artists`, `shows`, `audiobooks`
    /// or `users`, as in `/_sandbox/truth/{kind}/{id}`.
    pub fn expected_ids(&self, kind: &str, id: &str) -> Option<serde_json::Value> {
        self.state.expected_ids(kind, id)
    }

    /// The playlist's snapshot id as it is now.
    pub fn snapshot_id(&self, id: &str) -> Option<String> {
        Some(lock(&self.state.playlists).get(id)?.snapshot_id())
    }

    /// Ids of all playlists, the known ones first.
    pub fn playlist_ids(&self) -> Vec<String> {
        let playlists = lock(&self.state.playlists);
        playlists.iter().map(|list| list.id.clone()).collect()
    }

    /// Ids worth trying, by kind, as `/_sandbox/ids` has them.
    pub fn ids(&self) -> serde_json::Value {
        self.state.example_ids()
    }

    /// Changes a playlist, now or when a page of it has been served.
    ///
    /// # Errors
    /// If the edit names something that doesn't exist.
    pub fn edit(&self, edit: PlaylistEdit) -> Result<(), EditError> {
        self.state.edit(edit)
    }

    /// Changes what a user has saved.
    ///
    /// # Errors
    /// If the edit names something that doesn't exist.
    pub fn edit_library(&self, edit: LibraryEdit) -> Result<(), EditError> {
        self.state.edit_library(edit)
    }
}

/// Takes a lock, also after a panic elsewhere: the sandbox has no state worth dying for.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
