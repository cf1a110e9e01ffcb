//! Which refusals change the ceiling of a day, and which do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::Utc;
use spotify_client::client::SpotifyClient;
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::http::observer::NoopObserver;
use spotify_client::state::{CallCeilings, LedgerUsage, StateDb};
use spotify_client::{Deferral, DeferralReason, DeferralScope};
use tempfile::TempDir;
use tokio::sync::Barrier;

use super::api_calls::{Desk, config, get};
use super::limiter::open;
use crate::support::http_server::{Answering, Reply, reply};

const QUOTA: &str = r#"{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}"#;

fn usage(api: &SpotifyClient, folder: &TempDir) -> LedgerUsage {
    let state: Arc<StateDb> = open(folder);
    state.ledger().usage(api.identity(), CallCeilings::default(), api.now()).unwrap()
}

/// Learned ceilings: the family (`None` for the account), and the calls of a day.
fn learned(api: &SpotifyClient, folder: &TempDir) -> Vec<(String, u32)> {
    usage(api, folder).learned.into_iter().map(|it| (it.family, it.calls)).collect()
}

#[tokio::test]
async fn maintenance_teaches_no_limit() {
    let desk = Desk::with(|_| reply(503, "retry-after: 5000\r\n", "")).await;
    let failed = desk.get(EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
    assert!(
        matches!(
            failed,
            ApiError::Deferred(Deferral { reason: DeferralReason::Unavailable, scope: DeferralScope::Client, .. })
        ),
        "until it is back: {failed}"
    );
    assert_eq!(learned(&desk.api, &desk.folder), []);
    // A long wait for a rate limit means that the day's calls are used up.
    let desk = Desk::with(|_| reply(429, "retry-after: 5000\r\n", "")).await;
    desk.get(EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
    assert_eq!(learned(&desk.api, &desk.folder), [(String::new(), 250)]);
}

#[tokio::test]
async fn unbelievable_time_teaches_no_limit() {
    let desk = Desk::with(|_| reply(429, "retry-after: 99999999\r\n", "")).await;
    let failed = desk.get(EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
    assert!(matches!(failed, ApiError::Deferred { .. }), "{failed}");
    assert_eq!(learned(&desk.api, &desk.folder), []);
}

#[tokio::test]
async fn accounts_refusal_leaves_the_api_budget() {
    let server = Answering::with(|_| reply(429, "retry-after: 5000\r\n", "")).await;
    let folder = TempDir::new().unwrap();
    let api = SpotifyClient::new(config(server.url()), open(&folder), Arc::new(NoopObserver)).unwrap();
    let failed = get(&api, EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
    assert!(
        matches!(
            failed,
            ApiError::Deferred(Deferral { reason: DeferralReason::Accounts, scope: DeferralScope::Client, .. })
        ),
        "{failed}"
    );
    assert_eq!(learned(&api, &folder), []);
    assert_eq!(usage(&api, &folder).refusals.len(), 1, "it is recorded");
}

#[tokio::test]
async fn refused_tokens_never_park_for_a_day() {
    let server = Answering::with(|_| reply(429, "", "")).await;
    let folder = TempDir::new().unwrap();
    let mut config = config(server.url());
    config.timings.retry.first_refusal_wait = Duration::from_millis(1);
    config.timings.retry.longest_refusal_wait = Duration::from_millis(40);
    config.timings.max_waits = Duration::from_millis(400);
    let api = SpotifyClient::new(config, open(&folder), Arc::new(NoopObserver)).unwrap();
    let failed = get(&api, EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
    let ApiError::Deferred(Deferral { until, reason, scope, .. }) = failed else { panic!("{failed}") };
    assert_eq!((reason, scope), (DeferralReason::Accounts, DeferralScope::Client));
    assert!((until - Utc::now()).num_minutes() < 1, "{until}");
    assert!(server.lines().len() > 6, "{}", server.lines().len());
    assert_eq!(learned(&api, &folder), []);
}

#[tokio::test]
async fn concurrent_refusals_lower_the_limit_once() {
    let all_there = Arc::new(Barrier::new(4));
    let desk = Desk::with(move |_| match reply(429, "retry-after: 5000\r\n", QUOTA) {
        Reply::Bytes(bytes) => Reply::Together(Arc::clone(&all_there), bytes),
        other => other,
    })
    .await;
    let calls: Vec<_> = (0..4)
        .map(|n| {
            let api = desk.api.clone();
            tokio::spawn(async move { get(&api, EndpointFamily::ALBUMS, &format!("/albums/{n}")).await })
        })
        .collect();
    for call in calls {
        assert!(matches!(call.await.unwrap(), Err(ApiError::Deferred { .. })));
    }
    assert_eq!(desk.server.count("GET"), 4, "all were sent already");
    assert_eq!(learned(&desk.api, &desk.folder), [("albums".to_owned(), 250)]);
}

/// Successful calls, then a refusal.
async fn refused_after(calls: usize, day: Option<u32>, family: Option<u32>, refusal: &'static [&'static str]) -> Desk {
    let answered = AtomicUsize::new(0);
    let desk = Desk::with_config(
        move |_| match answered.fetch_add(1, Ordering::SeqCst) < calls {
            true => reply(200, "", "{}"),
            false => reply(429, refusal[0], refusal[1]),
        },
        |config| {
            (config.limits.calls_per_day, config.limits.calls_per_family) = (day, family);
            config.limits.reserve = 0.0;
        },
    )
    .await;
    for _ in 0..calls {
        desk.get(EndpointFamily::ALBUMS, "/albums/1").await.unwrap();
    }
    desk.get(EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
    desk
}

#[tokio::test]
async fn limit_is_lowered_by_half_at_most() {
    let long: &[&str] = &["retry-after: 5000\r\n", ""];
    let quota: &[&str] = &["retry-after: 5000\r\n", QUOTA];
    for (calls, day, family, refusal, expected) in [
        // The setting is 100, and 70 calls were answered.
        (70, None, Some(100), quota, ("albums", 70)),
        // Less than half: another program has used the rest.
        (20, None, Some(100), quota, ("albums", 50)),
        (5, Some(1_000), None, long, ("", 500)),
        (5, None, None, long, ("", 250)),
    ] {
        let desk = refused_after(calls, day, family, refusal).await;
        let (name, taught) = expected;
        assert_eq!(learned(&desk.api, &desk.folder), [(name.to_owned(), taught)], "{calls} {day:?} {family:?}");
    }
}

#[tokio::test]
async fn token_request_waits_as_told() {
    let server = Answering::with(|_| reply(503, "retry-after: 60\r\n", "")).await;
    let folder = TempDir::new().unwrap();
    let mut config = config(server.url());
    config.limits.max_wait = Duration::from_secs(10);
    let api = SpotifyClient::new(config, open(&folder), Arc::new(NoopObserver)).unwrap();
    let failed = get(&api, EndpointFamily::ALBUMS, "/albums/1").await.unwrap_err();
    let ApiError::Deferred(Deferral { until, reason, scope, .. }) = failed else { panic!("{failed}") };
    assert_eq!((reason, scope), (DeferralReason::Accounts, DeferralScope::Client));
    assert!((until - Utc::now()).num_seconds() >= 55);
    assert_eq!(server.lines().len(), 1, "asked once");
    // `doctor` requests a token, too, and its refusal counts for all commands.
    let folder = TempDir::new().unwrap();
    let api = SpotifyClient::new(self::config(server.url()), open(&folder), Arc::new(NoopObserver)).unwrap();
    api.check_credentials().await.unwrap_err();
    assert_eq!(usage(&api, &folder).cool_downs.len(), 1);
}
