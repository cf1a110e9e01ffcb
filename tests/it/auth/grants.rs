//! Calls for users: the refresh protocol within one process, against the sandbox.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Months, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use spotify_client::client::{ApiCaller, ApiConfig, ApiRequest, CallLimits, SpotifyClient};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::http::clock::Clock;
use spotify_client::http::observer::CallObserver;
use spotify_client::state::grants::{GrantState, GrantStore, NewGrant, SignInFlow, StoredAccessToken};
use spotify_client::state::{StateDb, StateDir};
use spotify_sandbox::{Fault, FaultAction, Sandbox, SandboxOptions, SignInTokens, TokenRotation, fixtures};
use tempfile::TempDir;
use url::Url;

use crate::limits::api_calls::quick;
use crate::support::made_up_time::MadeUpTime;
use crate::support::snapshot::assert_output;

/// Warnings that were shown.
#[derive(Debug, Default)]
pub struct Heard(pub Mutex<Vec<String>>);

impl CallObserver for Heard {
    fn warned(&self, what: &str) {
        self.0.lock().unwrap().push(what.to_owned());
    }
}

pub struct Table {
    pub folder: TempDir,
    pub sandbox: Sandbox,
    pub heard: Arc<Heard>,
}

pub fn state_dir(folder: &std::path::Path) -> StateDir {
    StateDir::resolve(Some(folder), None, |_| None).unwrap()
}

pub fn open_grants(folder: &std::path::Path) -> Arc<GrantStore> {
    Arc::new(GrantStore::open(state_dir(folder), "sandbox-client", |_| None).unwrap())
}

pub fn config_for(api_url: &str, accounts_url: &str, secret: bool) -> ApiConfig {
    ApiConfig {
        api_url: Url::parse(api_url).unwrap(),
        accounts_url: Url::parse(accounts_url).unwrap(),
        client_id: "sandbox-client".to_owned(),
        client_secret: secret.then(|| SecretString::from("sandbox-secret")),
        account: "sandbox-client".to_owned(),
        limits: CallLimits {
            requests_per_second: f64::INFINITY,
            concurrency: 8,
            calls_per_day: None,
            calls_per_family: None,
            ..CallLimits::development()
        },
        timings: quick(),
    }
}

pub fn me() -> ApiRequest {
    ApiRequest::new(EndpointFamily::ME, "/me")
}

pub fn home() -> ApiCaller {
    ApiCaller::User("home".to_owned())
}

/// A grant as a sign-in leaves it, with an access token or without.
pub fn granted(signed_in: &SignInTokens, flow: SignInFlow, at: DateTime<Utc>, access: bool) -> NewGrant {
    let lasts = TimeDelta::seconds(i64::try_from(signed_in.expires_in).unwrap());
    NewGrant {
        user: "home".to_owned(),
        refresh: SecretString::from(signed_in.refresh_token.clone()),
        access: access.then(|| StoredAccessToken {
            token: SecretString::from(signed_in.access_token.clone()),
            issued_at: at,
            expires_at: at + lasts,
        }),
        scopes: Some(signed_in.scope.split(' ').map(str::to_owned).collect()),
        flow,
        account: None,
        authorized_at: Some(at),
        imported_at: None,
        environment: None,
    }
}

impl Table {
    pub async fn with(options: SandboxOptions) -> Table {
        let sandbox = spotify_sandbox::start(options).await.unwrap();
        let folder = TempDir::new().unwrap();
        Table { folder, sandbox, heard: Arc::default() }
    }

    pub async fn rotating() -> Table {
        Table::with(SandboxOptions { rotation: TokenRotation::Always, ..small() }).await
    }

    pub fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }

    pub fn grants(&self) -> Arc<GrantStore> {
        open_grants(&self.path())
    }

    /// Stores a grant for `home`; without an access token, so that the first call refreshes.
    pub fn sign_in(&self, pkce: bool) -> SignInTokens {
        let signed_in = self.sandbox.sign_in(fixtures::HOME_USER, &["user-library-read"], pkce);
        let flow = if pkce { SignInFlow::Pkce } else { SignInFlow::Code };
        self.grants().put(&[granted(&signed_in, flow, Utc::now(), false)], Utc::now()).unwrap();
        signed_in
    }

    /// An API client as a start of the program builds it.
    pub fn api(&self) -> SpotifyClient {
        self.api_with(true, None)
    }

    pub fn api_with(&self, secret: bool, environment: Option<&str>) -> SpotifyClient {
        let config = config_for(&self.sandbox.api_url(), &self.sandbox.accounts_url(), secret);
        let state = Arc::new(StateDb::open(state_dir(&self.path())).unwrap());
        let heard: Arc<Heard> = Arc::clone(&self.heard);
        let api = SpotifyClient::new(config, state, heard).unwrap();
        api.with_grants(self.grants(), environment.map(SecretString::from))
    }

    /// Refreshes that the sandbox received.
    pub fn refreshes(&self) -> usize {
        self.sandbox.log().iter().filter(|seen| seen.path == "/api/token").count()
    }

    pub fn refresh_token(&self) -> String {
        let held = self.grants().get_with_tokens("home").unwrap().unwrap();
        held.refresh.expose_secret().to_owned()
    }

    pub fn heard(&self) -> Vec<String> {
        self.heard.0.lock().unwrap().clone()
    }
}

pub fn small() -> SandboxOptions {
    SandboxOptions { tracks: 10, playlists: 1, playlist_items: 5, ..SandboxOptions::default() }
}

fn sign_in_needed(error: &ApiError) -> String {
    assert!(matches!(error, ApiError::SignIn { user, .. } if user == "home"), "{error:?}");
    assert_eq!(error.hint().unwrap(), "cratedigger auth login home");
    error.to_string()
}

#[tokio::test]
async fn renewed_token_is_used_by_later_starts() {
    for pkce in [false, true] {
        let table = Table::rotating().await;
        let first = table.sign_in(pkce);
        let answer = table.api().get(&home(), &me()).await.unwrap();
        assert!(String::from_utf8_lossy(&answer.body).contains(fixtures::HOME_USER));
        assert_ne!(table.refresh_token(), first.refresh_token);
        table.api().get(&home(), &me()).await.unwrap();
        assert_eq!(table.refreshes(), 1);
        let grant = table.grants().get("home").unwrap().unwrap();
        assert_eq!((grant.generation, grant.state), (2, GrantState::Ok));
    }
}

#[tokio::test]
async fn missing_refresh_token_keeps_the_old_one() {
    let table = Table::with(small()).await;
    let first = table.sign_in(true);
    table.api().get(&home(), &me()).await.unwrap();
    assert_eq!(table.refresh_token(), first.refresh_token);
    assert_eq!(table.refreshes(), 1);
}

#[tokio::test]
async fn one_renewal_serves_all_tasks_with_a_401() {
    let table = Table::rotating().await;
    table.sign_in(false);
    let api = table.api();
    for round in 1..=5 {
        let (home, me) = (home(), me());
        let calls = (0..6).map(|_| api.get(&home, &me));
        for answer in join_all(calls).await {
            answer.unwrap();
        }
        assert_eq!(table.refreshes(), round);
        table.sandbox.revoke_access_tokens();
    }
}

async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in futures.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(context) {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn refused_grant_is_tried_once() {
    let table = Table::rotating().await;
    let first = table.sign_in(false);
    table.sandbox.revoke_grants(fixtures::HOME_USER);
    let said = sign_in_needed(&table.api().get(&home(), &me()).await.unwrap_err());
    assert_output("refused_grant_is_tried_once", &said);
    for _ in 0..3 {
        let said = sign_in_needed(&table.api().get(&home(), &me()).await.unwrap_err());
        assert_output("refused_grant_is_tried_once_2", &said);
    }
    assert_eq!(table.refreshes(), 1);
    assert_eq!(table.refresh_token(), first.refresh_token);
    assert_eq!(table.grants().get("home").unwrap().unwrap().state, GrantState::NeedsSignIn);
}

#[tokio::test]
async fn spurious_invalid_grant_deletes_nothing() {
    let table = Table::rotating().await;
    let first = table.sign_in(false);
    let spurious = FaultAction::invalid_grant("Refresh token revoked");
    table.sandbox.inject(Fault::on_path("/api/token", spurious).times(1));
    sign_in_needed(&table.api().get(&home(), &me()).await.unwrap_err());
    sign_in_needed(&table.api().get(&home(), &me()).await.unwrap_err());
    assert_eq!(table.refreshes(), 1);
    assert_eq!(table.refresh_token(), first.refresh_token);
}

#[tokio::test]
async fn network_trouble_is_no_invalid_grant() {
    let table = Table::with(small()).await;
    table.sign_in(false);
    table.sandbox.inject(Fault::on_path("/api/token", FaultAction::status(503)));
    let error = table.api().get(&home(), &me()).await.unwrap_err();
    assert!(matches!(error, ApiError::Unreachable { attempts: 3, .. }), "{error:?}");
    assert_eq!(table.grants().get("home").unwrap().unwrap().state, GrantState::Refreshing);
    table.sandbox.clear_faults();
    table.api().get(&home(), &me()).await.unwrap();
    assert_eq!(table.grants().get("home").unwrap().unwrap().state, GrantState::Ok);
}

#[tokio::test]
async fn lost_rotation_is_named_as_likely_cause() {
    let table = Table::rotating().await;
    table.sign_in(false);
    // The sandbox rotates the token, but its answer never arrives. At the next attempt it sees a token used twice.
    table.sandbox.inject(Fault::on_path("/api/token", FaultAction::CloseBeforeHeaders).times(1));
    let said = sign_in_needed(&table.api().get(&home(), &me()).await.unwrap_err());
    assert_output("lost_rotation_is_named_as_likely_cause", &said);
}

#[tokio::test]
async fn refused_client_secret_keeps_the_grant() {
    let table = Table::with(small()).await;
    table.sign_in(false);
    let mut config = config_for(&table.sandbox.api_url(), &table.sandbox.accounts_url(), true);
    config.client_secret = Some(SecretString::from("wrong"));
    let state = Arc::new(StateDb::open(state_dir(&table.path())).unwrap());
    let api = SpotifyClient::new(config, state, Arc::new(Heard::default())).unwrap().with_grants(table.grants(), None);
    let error = api.get(&home(), &me()).await.unwrap_err();
    assert!(matches!(error, ApiError::Credentials { variable: "SPOTIFY_CLIENT_SECRET", .. }), "{error:?}");
    assert_eq!(table.grants().get("home").unwrap().unwrap().state, GrantState::Ok);
    table.api().get(&home(), &me()).await.unwrap();
}

#[tokio::test]
async fn token_endpoint_ban_keeps_the_grant() {
    let table = Table::with(small()).await;
    table.sign_in(false);
    let ban = FaultAction::rate_limited(spotify_sandbox::RetryAfterHeader::Seconds(86_400));
    table.sandbox.inject(Fault::on_path("/api/token", ban).times(1));
    let error = table.api().get(&home(), &me()).await.unwrap_err();
    assert!(matches!(error, ApiError::Deferred { .. }), "{error:?}");
    assert_eq!(table.grants().get("home").unwrap().unwrap().state, GrantState::Ok);
    let error = table.api().get(&home(), &me()).await.unwrap_err();
    assert!(matches!(error, ApiError::Deferred { .. }), "{error:?}");
    assert_eq!(table.refreshes(), 1);
}

#[tokio::test]
async fn lost_grant_stops_that_user_only() {
    let table = Table::with(small()).await;
    table.sign_in(false);
    let studio = table.sandbox.sign_in(fixtures::STUDIO_USER, &[], false);
    let studio = NewGrant { user: "studio".to_owned(), ..granted(&studio, SignInFlow::Code, Utc::now(), false) };
    table.grants().put(&[studio], Utc::now()).unwrap();
    table.sandbox.revoke_grants(fixtures::HOME_USER);
    let api = table.api();
    sign_in_needed(&api.get(&home(), &me()).await.unwrap_err());
    let answer = api.get(&ApiCaller::User("studio".to_owned()), &me()).await.unwrap();
    assert!(String::from_utf8_lossy(&answer.body).contains(fixtures::STUDIO_USER));
}

#[tokio::test]
async fn expired_consent_is_named_with_its_day() {
    let table = Table::with(small()).await;
    let time = MadeUpTime::new();
    let consent = time.now().wall;
    table.sandbox.set_clock_offset((consent - Utc::now()).num_milliseconds());
    let signed_in = table.sandbox.sign_in(fixtures::HOME_USER, &[], false);
    table.grants().put(&[granted(&signed_in, SignInFlow::Code, consent, false)], consent).unwrap();
    let later = (consent.checked_add_months(Months::new(6)).unwrap() - consent).to_std().unwrap();
    // Both clocks, ours and the sandbox's, move on by six months.
    table.sandbox.advance(later + Duration::from_secs(60));
    let far = time.sleep(later + Duration::from_secs(60));
    time.drive(far).await;
    let config = config_for(&table.sandbox.api_url(), &table.sandbox.accounts_url(), true);
    let state = Arc::new(StateDb::open(state_dir(&table.path())).unwrap());
    let api = SpotifyClient::with_clock(config, state, Arc::new(Heard::default()), time).unwrap();
    let api = api.with_grants(table.grants(), None);
    for _ in 0..2 {
        let said = sign_in_needed(&api.get(&home(), &me()).await.unwrap_err());
        assert!(said.contains("the consent ended on 2027-05-23, six months after it was given"), "{said}");
        assert!(said.contains("Refresh token expired"), "{said}");
    }
    assert_eq!(table.refreshes(), 1);
}

#[tokio::test]
async fn environment_token_is_stored_and_rotated() {
    let table = Table::rotating().await;
    let token = table.sandbox.sign_in(fixtures::HOME_USER, &["user-library-read"], false).refresh_token;
    table.api_with(true, Some(&token)).get(&home(), &me()).await.unwrap();
    assert_eq!(table.heard(), ["user `home` is signed in by SPOTIFY_REFRESH_TOKEN"]);
    let grant = table.grants().get("home").unwrap().unwrap();
    assert_eq!(grant.scopes.unwrap(), ["user-library-read"]);
    table.sandbox.revoke_access_tokens();
    table.api_with(true, Some(&token)).get(&home(), &me()).await.unwrap();
    assert!(table.heard()[1].contains("the stored, newer one of user `home` is used"), "{:?}", table.heard());
    // A second user cannot be the same account.
    let error = table.api_with(true, Some(&token)).get(&ApiCaller::User("studio".to_owned()), &me()).await.unwrap_err();
    assert!(error.to_string().contains("is that of user `home`"), "{error}");
    // A new sign-in resets the count.
    let token = table.sandbox.sign_in(fixtures::HOME_USER, &[], false).refresh_token;
    table.api_with(true, Some(&token)).get(&home(), &me()).await.unwrap();
    assert!(table.heard().iter().any(|it| it.contains("a new SPOTIFY_REFRESH_TOKEN replaces")), "{:?}", table.heard());
}

#[tokio::test]
async fn wrong_clock_is_reported_once() {
    let table = Table::with(small()).await;
    table.sign_in(false);
    table.sandbox.advance(Duration::from_secs(2 * 3_600 + 90));
    let api = table.api();
    api.get(&home(), &me()).await.unwrap();
    table.sandbox.revoke_access_tokens();
    api.get(&home(), &me()).await.unwrap();
    let heard = table.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].starts_with("this machine's clock is 2 h 1 min behind Spotify's"), "{heard:?}");
}

#[tokio::test]
async fn stop_lets_a_refresh_be_saved() {
    let table = Table::rotating().await;
    let first = table.sign_in(false);
    table.sandbox.inject(Fault::on_path("/api/token", FaultAction::Latency { ms: 150 }).times(1));
    let api = table.api();
    let stopper = api.clone();
    let (home, me) = (home(), me());
    let (answer, ()) = tokio::join!(api.get(&home, &me), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stopper.stop();
    });
    assert!(matches!(answer.unwrap_err(), ApiError::Stopped));
    assert_ne!(table.refresh_token(), first.refresh_token);
    table.api().get(&home, &me).await.unwrap();
    assert_eq!(table.refreshes(), 1);
}

#[tokio::test]
async fn refused_token_is_renewed_once() {
    let table = Table::rotating().await;
    table.sign_in(false);
    let api = table.api();
    api.get(&home(), &me()).await.unwrap();
    table.sandbox.inject(Fault::on_path("/v1/me", FaultAction::status(401)));
    let said = sign_in_needed(&api.get(&home(), &me()).await.unwrap_err());
    assert_output("refused_token_is_renewed_once", &said);
    assert_eq!(table.refreshes(), 2);
}
