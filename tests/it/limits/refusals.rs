//! What a refusal teaches about the day's ceilings, and what it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::Utc;
use spotify_client::client::Api;
use spotify_client::error::{ApiError, Deferral, Scope};
use spotify_client::family::Family;
use spotify_client::http::observer::Silent;
use spotify_client::state::{Ceilings, State, Usage};
use tempfile::TempDir;
use tokio::sync::Barrier;

use super::api_calls::{Desk, config, get};
use super::limiter::open;
use crate::support::http_server::{Answering, Reply, reply};

const QUOTA: &str = r#"{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}"#;

fn usage(api: &Api, folder: &TempDir) -> Usage {
    let state: Arc<State> = open(folder);
    state.usage(api.identity(), Ceilings::default(), api.now()).unwrap()
}

/// What refusals taught: the family (none for the account), and the calls of a day.
fn learned(api: &Api, folder: &TempDir) -> Vec<(String, u32)> {
    usage(api, folder).learned.into_iter().map(|it| (it.family, it.calls)).collect()
}

#[tokio::test]
async fn a_server_in_maintenance_holds_the_client_and_teaches_no_ceiling() {
    let desk = Desk::with(|_| reply(503, "retry-after: 5000\r\n", "")).await;
    let failed = desk.get(Family::ALBUMS, "/albums/1").await.unwrap_err();
    assert!(
        matches!(failed, ApiError::Deferred { why: Deferral::RateLimit(Scope::Client), .. }),
        "until it is back: {failed}"
    );
    assert_eq!(learned(&desk.api, &desk.folder), []);
    // A long wait that is a rate limit's says that the day is spent.
    let desk = Desk::with(|_| reply(429, "retry-after: 5000\r\n", "")).await;
    desk.get(Family::ALBUMS, "/albums/1").await.unwrap_err();
    assert_eq!(learned(&desk.api, &desk.folder), [(String::new(), 250)]);
}

#[tokio::test]
async fn a_time_that_is_not_believed_teaches_no_ceiling() {
    let desk = Desk::with(|_| reply(429, "retry-after: 99999999\r\n", "")).await;
    let failed = desk.get(Family::ALBUMS, "/albums/1").await.unwrap_err();
    assert!(matches!(failed, ApiError::Deferred { .. }), "{failed}");
    assert_eq!(learned(&desk.api, &desk.folder), []);
}

#[tokio::test]
async fn a_refusal_of_the_accounts_service_says_nothing_about_the_apis_day() {
    let server = Answering::with(|_| reply(429, "retry-after: 5000\r\n", "")).await;
    let folder = TempDir::new().unwrap();
    let api = Api::new(config(server.url()), open(&folder), Arc::new(Silent)).unwrap();
    let failed = get(&api, Family::ALBUMS, "/albums/1").await.unwrap_err();
    assert!(matches!(failed, ApiError::Deferred { why: Deferral::RateLimit(Scope::Client), .. }), "{failed}");
    assert_eq!(learned(&api, &folder), []);
    assert_eq!(usage(&api, &folder).refusals.len(), 1, "it is booked");
}

#[tokio::test]
async fn tokens_refused_in_a_row_never_park_the_client_for_a_day_of_our_own() {
    let server = Answering::with(|_| reply(429, "", "")).await;
    let folder = TempDir::new().unwrap();
    let mut config = config(server.url());
    config.scales.retry.refused_first = Duration::from_millis(1);
    config.scales.retry.refused_longest = Duration::from_millis(40);
    config.scales.max_waits = Duration::from_millis(400);
    let api = Api::new(config, open(&folder), Arc::new(Silent)).unwrap();
    let failed = get(&api, Family::ALBUMS, "/albums/1").await.unwrap_err();
    let ApiError::Deferred { not_before, why, .. } = failed else { panic!("{failed}") };
    assert_eq!(why, Deferral::RateLimit(Scope::Client));
    assert!((not_before - Utc::now()).num_minutes() < 1, "{not_before}");
    assert!(server.lines().len() > 6, "{}", server.lines().len());
    assert_eq!(learned(&api, &folder), []);
}

#[tokio::test]
async fn refusals_in_flight_together_lower_the_ceiling_once() {
    let all_there = Arc::new(Barrier::new(4));
    let desk = Desk::with(move |_| match reply(429, "retry-after: 5000\r\n", QUOTA) {
        Reply::Bytes(bytes) => Reply::Together(Arc::clone(&all_there), bytes),
        other => other,
    })
    .await;
    let calls: Vec<_> = (0..4)
        .map(|n| {
            let api = desk.api.clone();
            tokio::spawn(async move { get(&api, Family::ALBUMS, &format!("/albums/{n}")).await })
        })
        .collect();
    for call in calls {
        assert!(matches!(call.await.unwrap(), Err(ApiError::Deferred { .. })));
    }
    assert_eq!(desk.server.count("GET"), 4, "all were on their way");
    assert_eq!(learned(&desk.api, &desk.folder), [("albums".to_owned(), 250)]);
}

/// Calls that go well, then a refusal.
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
        desk.get(Family::ALBUMS, "/albums/1").await.unwrap();
    }
    desk.get(Family::ALBUMS, "/albums/1").await.unwrap_err();
    desk
}

#[tokio::test]
async fn a_ceiling_is_lowered_from_the_one_in_force_and_by_half_at_most() {
    let long: &[&str] = &["retry-after: 5000\r\n", ""];
    let quota: &[&str] = &["retry-after: 5000\r\n", QUOTA];
    for (calls, day, family, refusal, expected) in [
        // The setting is 100 and 70 were let through.
        (70, None, Some(100), quota, ("albums", 70)),
        // Less than half: another program has eaten the rest.
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
async fn a_token_request_waits_as_long_as_it_is_told() {
    let server = Answering::with(|_| reply(503, "retry-after: 60\r\n", "")).await;
    let folder = TempDir::new().unwrap();
    let mut config = config(server.url());
    config.limits.max_wait = Duration::from_secs(10);
    let api = Api::new(config, open(&folder), Arc::new(Silent)).unwrap();
    let failed = get(&api, Family::ALBUMS, "/albums/1").await.unwrap_err();
    let ApiError::Deferred { not_before, why, .. } = failed else { panic!("{failed}") };
    assert_eq!(why, Deferral::RateLimit(Scope::Client));
    assert!((not_before - Utc::now()).num_seconds() >= 55);
    assert_eq!(server.lines().len(), 1, "asked once");
    // `doctor` asks for a token, too, and its refusal counts for all.
    let folder = TempDir::new().unwrap();
    let api = Api::new(self::config(server.url()), open(&folder), Arc::new(Silent)).unwrap();
    api.greet().await.unwrap_err();
    assert_eq!(usage(&api, &folder).cool_downs.len(), 1);
}
