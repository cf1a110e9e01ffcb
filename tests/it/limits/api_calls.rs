//! Calls over real sockets: tokens, refusals, and what is sent to which server.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use spotify_client::auth::TokenRules;
use spotify_client::client::{ApiCaller, ApiConfig, ApiRequest, CallLimits, ClientTimings, SpotifyClient};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::forbidden::ForbiddenReason;
use spotify_client::http::breaker::BreakerRules;
use spotify_client::http::observer::{CallObserver, NoopObserver};
use spotify_client::http::retry::RetryRules;
use spotify_client::http::transport::{HttpResponse, TransportRules};
use spotify_client::state::{CallCeilings, StateDb};
use spotify_client::{Deferral, DeferralReason, DeferralScope};
use tempfile::TempDir;
use url::Url;

use super::limiter::open;
use crate::support::http_server::{Answering, Asked, Reply, reply, token};

pub const SECRET: &str = "canary-secret-5f1c";
pub const TOKEN: &str = "canary-token-77ab";

/// All times are a hundred times shorter than in production.
pub fn quick() -> ClientTimings {
    ClientTimings {
        transport: TransportRules {
            connect: Duration::from_millis(500),
            idle: Duration::from_millis(200),
            total: Duration::from_millis(600),
            body: 64 * 1024,
            ..TransportRules::default()
        },
        retry: RetryRules {
            first_pause: Duration::from_millis(5),
            longest_pause: Duration::from_millis(50),
            first_refusal_wait: Duration::from_millis(50),
            wait_jitter: Duration::from_millis(5),
            ..RetryRules::default()
        },
        breaker: BreakerRules { failures: 5, first: Duration::from_millis(100), longest: Duration::from_millis(200) },
        token: TokenRules { pause: Duration::from_millis(5), ..TokenRules::default() },
        max_waits: Duration::from_secs(3_600),
        window: Duration::from_secs(30),
    }
}

pub fn config(url: Url) -> ApiConfig {
    let accounts = url.join("/").unwrap();
    ApiConfig {
        api_url: url,
        accounts_url: accounts,
        client_id: "app".to_owned(),
        client_secret: Some(SecretString::from(SECRET)),
        account: "app".to_owned(),
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

pub struct Desk {
    pub folder: TempDir,
    pub server: Answering,
    pub api: SpotifyClient,
}

impl Desk {
    /// A server that grants tokens and answers every other request with this response.
    pub async fn with(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Desk {
        Desk::with_config(answer, |_| ()).await
    }

    pub async fn with_config(
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
        change: impl FnOnce(&mut ApiConfig),
    ) -> Desk {
        let server =
            Answering::with(
                move |asked| {
                    if asked.line().starts_with("POST /api/token") { token(TOKEN) } else { answer(asked) }
                },
            )
            .await;
        let folder = TempDir::new().unwrap();
        let mut config = config(server.url());
        change(&mut config);
        let api = SpotifyClient::new(config, open(&folder), Arc::new(NoopObserver)).unwrap();
        Desk { folder, server, api }
    }

    pub async fn get(&self, family: EndpointFamily, path: &str) -> Result<String, ApiError> {
        get(&self.api, family, path).await
    }

    /// Another client with the same state.
    pub fn again(&self) -> SpotifyClient {
        let config = config(self.server.url());
        SpotifyClient::new(config, open(&self.folder), Arc::new(NoopObserver)).unwrap()
    }
}

pub async fn get(api: &SpotifyClient, family: EndpointFamily, path: &str) -> Result<String, ApiError> {
    let answer = api.get(&ApiCaller::App, &ApiRequest::new(family, path)).await?;
    Ok(String::from_utf8(answer.body.to_vec()).unwrap())
}

fn error(status: u16, headers: &str, message: &str) -> Reply {
    let body = format!(r#"{{"error":{{"status":{status},"message":"{message}"}}}}"#);
    reply(status, headers, body)
}

#[tokio::test]
async fn many_tasks_share_one_bearer_token() {
    let desk = Desk::with(|_| reply(200, "", "{}")).await;
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let api = desk.api.clone();
            tokio::spawn(async move { get(&api, EndpointFamily::ALBUMS, &format!("/albums/{n}")).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), "{}");
    }
    assert_eq!(desk.server.count("POST"), 1);
    assert_eq!(desk.server.count("GET /v1/albums/"), 20);
    assert_eq!(desk.api.calls_sent(), 20);
    for asked in desk.server.asked() {
        let expected = match asked.line().starts_with("POST") {
            true => "authorization: Basic YXBwOmNhbmFyeS1zZWNyZXQtNWYxYw==".to_owned(),
            false => format!("authorization: Bearer {TOKEN}"),
        };
        assert!(asked.text.contains(&expected), "{}", asked.text);
        assert!(!asked.text.to_lowercase().contains("referer"));
    }
}

#[tokio::test]
async fn etag_is_sent_and_a_304_is_an_answer() {
    let desk = Desk::with(|asked| {
        if asked.text.contains("if-none-match: \"abc\"") {
            Reply::Bytes(b"HTTP/1.1 304 X\r\nconnection: close\r\n\r\n".to_vec())
        } else {
            reply(200, "etag: \"abc\"\r\n", r#"{"a":1}"#)
        }
    })
    .await;
    let mut request =
        ApiRequest::new(EndpointFamily::SEARCH, "/search").with_query("q", "a&b=ö").with_query("limit", "10");
    let first = desk.api.get(&ApiCaller::App, &request).await.unwrap();
    assert_eq!(desk.server.count("GET /v1/search?q=a%26b%3D%C3%B6&limit=10 "), 1);
    request.etag = first.etag;
    let second = desk.api.get(&ApiCaller::App, &request).await.unwrap();
    assert_eq!((second.status, second.body.len()), (304, 0));
}

#[tokio::test]
async fn first_401_renews_the_token_and_retries() {
    let tokens = AtomicUsize::new(0);
    let server = Answering::with(move |asked| {
        if asked.line().starts_with("POST") {
            return token(&format!("t{}", tokens.fetch_add(1, Ordering::SeqCst)));
        }
        match asked.text.contains("Bearer t0") {
            true => error(401, "", "The access token expired"),
            false => reply(200, "", "[]"),
        }
    })
    .await;
    let folder = TempDir::new().unwrap();
    let api = SpotifyClient::new(config(server.url()), open(&folder), Arc::new(NoopObserver)).unwrap();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let api = api.clone();
            tokio::spawn(async move { get(&api, EndpointFamily::ME, "/me").await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap(), "[]");
    }
    assert_eq!(server.count("POST"), 2);
}

#[tokio::test]
async fn second_401_needs_a_person() {
    let desk = Desk::with(|_| error(401, "", "Invalid access token")).await;
    let failed = desk.get(EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
    let ApiError::Credentials { variable, message } = &failed else {
        panic!("{failed}");
    };
    assert!(variable.contains("SPOTIFY_CLIENT_ID"));
    assert!(message.contains("Invalid access token"));
    assert_eq!((desk.server.count("POST"), desk.server.count("GET")), (2, 2));
}

async fn token_server(status: u16, body: &'static str) -> (Answering, TempDir, SpotifyClient) {
    let server = Answering::with(move |_| reply(status, "", body)).await;
    let folder = TempDir::new().unwrap();
    let api = SpotifyClient::new(config(server.url()), open(&folder), Arc::new(NoopObserver)).unwrap();
    (server, folder, api)
}

#[tokio::test]
async fn refused_secret_names_its_variable() {
    for (description, expected) in
        [("Invalid client secret", "SPOTIFY_CLIENT_SECRET"), ("Invalid client", "SPOTIFY_CLIENT_ID")]
    {
        let body = format!(r#"{{"error":"invalid_client","error_description":"{description}"}}"#);
        let (server, _folder, api) = token_server(400, body.leak()).await;
        for _ in 0..3 {
            let failed = get(&api, EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
            let ApiError::Credentials { variable, message } = &failed else {
                panic!("{failed}");
            };
            assert_eq!(*variable, expected);
            assert!(message.contains(description));
        }
        assert_eq!(server.lines().len(), 1);
    }
}

#[tokio::test]
async fn failed_token_request_is_retried_twice() {
    let (server, _folder, api) = token_server(503, "down").await;
    let failed = get(&api, EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
    assert!(matches!(failed, ApiError::Unreachable { attempts: 3, .. }), "{failed}");
    assert_eq!(server.lines().len(), 3);
}

#[tokio::test]
async fn no_secret_sends_nothing() {
    let server = Answering::with(|_| token("t")).await;
    let folder = TempDir::new().unwrap();
    let mut config = config(server.url());
    config.client_secret = None;
    let api = SpotifyClient::new(config, open(&folder), Arc::new(NoopObserver)).unwrap();
    let failed = get(&api, EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
    assert!(matches!(failed, ApiError::Credentials { variable: "SPOTIFY_CLIENT_SECRET", .. }));
    assert_eq!(server.lines().len(), 0);
}

#[derive(Default)]
struct Waits(Mutex<Vec<String>>);

impl CallObserver for Waits {
    fn waiting(&self, why: &str, _until: DateTime<Utc>) {
        self.0.lock().unwrap().push(why.to_owned());
    }
}

#[tokio::test]
async fn all_tasks_wait_for_a_short_retry_after() {
    let refused = AtomicUsize::new(0);
    let server = Answering::with(move |asked| {
        if asked.line().starts_with("POST") {
            return token(TOKEN);
        }
        match refused.fetch_add(1, Ordering::SeqCst) {
            0 => error(429, "retry-after: 1\r\n", "API rate limit exceeded"),
            _ => reply(200, "", "{}"),
        }
    })
    .await;
    let folder = TempDir::new().unwrap();
    let waits: Arc<Waits> = Arc::default();
    let api = SpotifyClient::new(config(server.url()), open(&folder), waits.clone()).unwrap();
    get(&api, EndpointFamily::ALBUMS, "/albums/1").await.unwrap();
    let both =
        tokio::join!(get(&api, EndpointFamily::ALBUMS, "/albums/2"), get(&api, EndpointFamily::TRACKS, "/tracks/3"));
    both.0.unwrap();
    both.1.unwrap();
    let asked = server.asked();
    let gap = asked[2].at - asked[1].at;
    assert!(gap >= Duration::from_secs(1), "{gap:?}");
    assert_eq!(asked.len(), 5);
    let said = "status 429, API rate limit exceeded, Retry-After: 1";
    assert_eq!(*waits.0.lock().unwrap(), [said]);
}

#[tokio::test]
async fn ban_survives_restarts_without_calls() {
    let desk = Desk::with(|_| error(429, "retry-after: 80000\r\n", "Too many requests")).await;
    let mut times = Vec::new();
    let failed = desk.get(EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
    let sent = desk.server.lines().len();
    assert_eq!(sent, 2);
    for n in 0..10 {
        let api = desk.again();
        let failed = get(&api, EndpointFamily::TRACKS, "/tracks/1").await.unwrap_err();
        let ApiError::Deferred(Deferral { until, reason, scope, evidence }) = failed else {
            panic!("start {n}: {failed}");
        };
        assert_eq!((reason, scope), (DeferralReason::RateLimit, DeferralScope::Client));
        assert!(evidence.contains("Retry-After: 80000"));
        times.push(until);
    }
    assert!(matches!(failed, ApiError::Deferred(Deferral { until, .. }) if until == times[0]));
    assert!(times.iter().all(|time| *time == times[0]));
    let wait = (times[0] - Utc::now()).num_seconds();
    assert!((79_900..=80_002).contains(&wait), "{wait}");
    assert_eq!(desk.server.lines().len(), sent);
}

#[tokio::test]
async fn token_endpoint_ban_holds_the_client() {
    let server = Answering::with(|_| reply(429, "retry-after: 5000\r\n", "Too many requests")).await;
    let folder = TempDir::new().unwrap();
    for _ in 0..3 {
        let api = SpotifyClient::new(config(server.url()), open(&folder), Arc::new(NoopObserver)).unwrap();
        let failed = get(&api, EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
        assert!(matches!(failed, ApiError::Deferred { .. }), "{failed}");
    }
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn spent_quota_parks_family_then_account() {
    let desk = Desk::with(|asked| {
        let quota = r#"{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}"#;
        match asked.line().contains("/tracks/") {
            true => reply(200, "", "{}"),
            false => reply(429, "", quota),
        }
    })
    .await;
    let why = |failed: ApiError| match failed {
        ApiError::Deferred(Deferral { until, reason, scope, .. }) => {
            assert!((until - Utc::now()).num_hours() >= 23);
            (reason, scope)
        }
        other => panic!("{other}"),
    };
    let shows = desk.get(EndpointFamily::SHOWS, "/shows/1").await.unwrap_err();
    let shows = why(shows);
    assert_eq!(shows, (DeferralReason::Quota, DeferralScope::Family(EndpointFamily::SHOWS)));
    assert_eq!(shows.1.family(), Some(EndpointFamily::SHOWS));
    desk.get(EndpointFamily::TRACKS, "/tracks/1").await.unwrap();
    desk.get(EndpointFamily::SHOWS, "/shows/2").await.unwrap_err();
    let albums = desk.get(EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
    assert_eq!(why(albums), (DeferralReason::Quota, DeferralScope::Account));
    let sent = desk.server.lines().len();
    desk.get(EndpointFamily::TRACKS, "/tracks/2").await.unwrap_err();
    assert_eq!(desk.server.lines().len(), sent);
    assert_eq!(desk.server.count("GET /v1/shows"), 1);
}

#[tokio::test]
async fn endless_refusals_end_after_six_calls() {
    let desk = Desk::with(|asked| match asked.line().contains("/markets") {
        true => error(429, "", "Too many requests"),
        false => reply(200, "", "{}"),
    })
    .await;
    let failed = desk.get(EndpointFamily::MARKETS, "/markets").await.unwrap_err();
    let ApiError::Deferred(deferral) = &failed else {
        panic!("{failed}");
    };
    assert_eq!(deferral.family(), Some(EndpointFamily::MARKETS));
    assert_eq!(desk.server.count("GET"), 6);
    desk.get(EndpointFamily::ALBUMS, "/albums/1").await.unwrap();
}

#[tokio::test]
async fn spent_day_sends_not_even_a_token() {
    let desk = Desk::with_config(
        |_| reply(200, "", "{}"),
        |config| {
            config.limits.calls_per_day = Some(5);
            config.limits.reserve = 0.2;
        },
    )
    .await;
    for _ in 0..4 {
        desk.get(EndpointFamily::ALBUMS, "/albums/1").await.unwrap();
    }
    let failed = desk.get(EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
    let ApiError::Deferred(Deferral { until, reason, scope, evidence }) = failed else {
        panic!("{failed}");
    };
    assert_eq!((reason, scope), (DeferralReason::Budget, DeferralScope::Account));
    assert!((until - Utc::now()).num_minutes() >= 24 * 60 - 1);
    assert_eq!(evidence, "4 calls in the last 24 hours, 4 may be used");
    let mut config = config(desk.server.url());
    config.limits.calls_per_day = Some(5);
    config.limits.reserve = 0.2;
    let restarted = SpotifyClient::new(config, open(&desk.folder), Arc::new(NoopObserver)).unwrap();
    get(&restarted, EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
    assert!(restarted.may_send(EndpointFamily::ALBUMS).is_err());
    assert_eq!(desk.server.lines().len(), 5);
}

#[tokio::test]
async fn every_call_is_recorded_with_its_outcome() {
    let desk = Desk::with(|asked| match asked.line().contains("gone") {
        true => error(404, "", "Not found."),
        false => reply(200, "", "{}"),
    })
    .await;
    desk.get(EndpointFamily::ALBUMS, "/albums/1").await.unwrap();
    desk.get(EndpointFamily::TRACKS, "/tracks/gone").await.unwrap_err();
    let state: Arc<StateDb> = open(&desk.folder);
    let usage = state.ledger().usage(desk.api.identity(), CallCeilings::default(), desk.api.now()).unwrap();
    assert_eq!(usage.account.used, 2);
    drop(desk.api);
    let db = rusqlite::Connection::open(state.database()).unwrap();
    let outcomes: Vec<i64> = db
        .prepare("SELECT outcome FROM calls ORDER BY call_id")
        .unwrap()
        .query_map((), |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(outcomes, [200, 404]);
}

#[tokio::test]
async fn stop_ends_a_wait_and_sends_nothing() {
    let desk = Desk::with(|_| error(429, "retry-after: 300\r\n", "Too many requests")).await;
    let api = desk.api.clone();
    let waiting = tokio::spawn(async move { get(&api, EndpointFamily::ALBUMS, "/albums/1").await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    desk.api.stop();
    let ended = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert!(matches!(ended.unwrap().unwrap(), Err(ApiError::Stopped)));
    let after = desk.get(EndpointFamily::ALBUMS, "/albums/1").await;
    assert!(matches!(after, Err(ApiError::Stopped)));
    assert_eq!(desk.server.lines().len(), 2);
}

#[tokio::test]
async fn final_answers_are_never_retried() {
    let desk = Desk::with(|asked| {
        let status = asked.line().split('/').nth(3).unwrap()[..3].parse().unwrap();
        error(status, "", "Spotify's own words")
    })
    .await;
    for status in [400, 402, 403, 404, 405, 410, 422, 451] {
        let before = desk.server.count("GET");
        let failed = desk.get(EndpointFamily::ALBUMS, &format!("/albums/{status}")).await.unwrap_err();
        let fits = match status {
            400 | 422 => matches!(failed, ApiError::BadRequest { .. }),
            403 => matches!(failed, ApiError::Refused { kind: ForbiddenReason::Unknown, .. }),
            404 => matches!(failed, ApiError::NotFound { .. }),
            410 => matches!(failed, ApiError::Gone { .. }),
            _ => matches!(failed, ApiError::Unexpected { .. }),
        };
        assert!(fits, "{status}: {failed}");
        assert!(failed.to_string().contains("Spotify's own words"));
        assert_eq!(desk.server.count("GET"), before + 1, "{status}");
    }
}

#[test]
fn debug_output_hides_the_body() {
    let body = format!(r#"{{"access_token":"{TOKEN}"}}"#).into();
    let (etag, retry_after, date) = (None, None, None);
    let incoming = HttpResponse { status: 200, body, etag, retry_after, date, content_type: None };
    assert_eq!(format!("{incoming:?}"), "Incoming(200, 36 bytes)");
}

#[test]
fn kinds_of_403_are_distinguished() {
    let playlist = |path: &str| ApiRequest::new(EndpointFamily::PLAYLIST_ITEMS, path);
    let premium = "Active premium subscription required for the owner of the app";
    let unregistered = "User not registered in the Developer Dashboard";
    let batch = ApiRequest::new(EndpointFamily::ALBUMS, "/albums").with_query("ids", "1,2");
    let markets = ApiRequest::new(EndpointFamily::MARKETS, "/markets");
    let me = ApiRequest::new(EndpointFamily::SAVED_TRACKS, "/me/tracks");
    for (request, words, kind) in [
        (playlist("/playlists/1/items"), "Forbidden", ForbiddenReason::NotYourPlaylist),
        (playlist("/playlists/1/tracks"), "Forbidden", ForbiddenReason::EndpointRemoved),
        (markets.clone(), "Forbidden", ForbiddenReason::EndpointRemoved),
        (batch, "Forbidden", ForbiddenReason::EndpointRemoved),
        (markets, premium, ForbiddenReason::PremiumLapsed),
        (me.clone(), "Insufficient client scope", ForbiddenReason::ScopeMissing),
        (me.clone(), unregistered, ForbiddenReason::NotAllowListed),
        (me, "Forbidden", ForbiddenReason::Unknown),
    ] {
        assert_eq!(ForbiddenReason::classify(&request, words, true), kind, "{} {words}", request.path);
        // If a refusal is not Spotify's JSON object, only its text counts.
        let by_words = match kind {
            ForbiddenReason::NotYourPlaylist | ForbiddenReason::EndpointRemoved => ForbiddenReason::Unknown,
            kind => kind,
        };
        assert_eq!(ForbiddenReason::classify(&request, words, false), by_words, "{} {words}", request.path);
    }
}

#[test]
fn base_url_is_https_or_loopback() {
    let folder = TempDir::new().unwrap();
    let state = open(&folder);
    for (url, accepted) in [
        ("https://api.spotify.com/v1", true),
        ("http://127.0.0.1:8080/v1", true),
        ("http://[::1]:8080/v1", true),
        ("http://localhost:8080/v1", true),
        ("http://api.spotify.com/v1", false),
        ("http://127.0.0.1.example.com/v1", false),
        ("https://user:pass@api.spotify.com/v1", false),
        ("https://api.spotify.com/v1?x=1", false),
        ("ftp://api.spotify.com/v1", false),
    ] {
        let url = Url::parse(url).unwrap();
        let made = SpotifyClient::new(config(url.clone()), Arc::clone(&state), Arc::new(NoopObserver));
        assert_eq!(made.is_ok(), accepted, "{url}");
    }
}
