//! Which answers reveal the class of the app, which do not, and what a probe may send.

use std::sync::Arc;
use std::time::Duration;

use cratedigger::sync::AppFacts;
use rusqlite::Connection;
use spotify_client::AppClass;
use spotify_client::client::{ApiCaller, ApiRequest, CallLimits, RunAllowance};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::http::observer::NoopObserver;
use spotify_client::{Deferral, DeferralReason, DeferralScope};
use spotify_sandbox::{ErrorBodyFormat, Fault, FaultAction, RetryAfterHeader, fixtures};

use super::api_calls::Desk;
use super::quota::tracks;
use crate::support::http_server::{Reply, reply};
use crate::support::snapshot::Shows as _;
use crate::support::world::{World, fetch};

fn class_of(world: &World) -> serde_json::Value {
    world.cli(&["quota", "--json"]).exits(0).json()["app_class"].clone()
}

/// A fetch of one list: the albums of an artist.
fn albums_of_an_artist() -> String {
    fetch("artist_albums", &format!("ids = [\"{}\"]\ninclude_groups = [\"album\"]", fixtures::BUSY_ARTIST))
}

fn refused_with(code: u16, body: ErrorBodyFormat) -> FaultAction {
    FaultAction::Status { code, body, retry_after: RetryAfterHeader::None, message: None, reason: None }
}

/// An app with Extended Quota that has learned its class by a batch read.
fn known_to_be_extended() -> World {
    let world = World::extended();
    world.project.write("jobs/batch.toml", tracks(&world, 2));
    world.run(&["batch"]).exits(0);
    world.new_calls();
    assert_eq!(class_of(&world), "extended");
    world
}

#[test]
fn wrong_market_says_nothing_of_page_size() {
    for world in [known_to_be_extended(), World::extended()] {
        let before = class_of(&world);
        // ZZ looks like a country code, but Spotify knows no country of that name.
        let world = world.job(&format!("market = \"ZZ\"\n{}", albums_of_an_artist()));
        world.run(&["x"]).exits(3).shows("wrong_market_says_nothing_of_page_size");
        assert_eq!(world.new_calls().len(), 1, "the message names the market, so a smaller page cannot help");
        assert_eq!(class_of(&world), before);
        let world = world.job(&fetch("new_releases", ""));
        world.run(&["x"]).exits(0);
    }
}

#[test]
fn page_size_is_learned_by_a_smaller_page() {
    let world = World::extended().job(&albums_of_an_artist());
    world.sandbox.inject(Fault::on_path("/v1/artists/*/albums", FaultAction::status(400)));
    world.run(&[]).exits(3);
    assert_eq!(world.new_calls().len(), 2, "the large page and the small one");
    assert!(class_of(&world).is_null());
    world.sandbox.clear_faults();
    world.run(&["--full"]).exits(0);
    assert!(world.new_calls()[0].contains("limit=50"), "the large page is still requested");
    // An app in Development Mode gets an answer, and its class is known then.
    let world = World::development().job(&albums_of_an_artist());
    world.run(&[]).exits(0);
    assert_eq!(class_of(&world), "development");
}

#[test]
fn refused_search_teaches_nothing() {
    let world = known_to_be_extended().job(&fetch("search", "query = \"a\"\ntypes = [\"track\"]\nmax_results = 100"));
    world.sandbox.inject(Fault::on_path("/v1/search", FaultAction::status(400)));
    world.run(&["x"]).exits(3);
    assert_eq!(world.new_calls().len(), 2);
    assert_eq!(class_of(&world), "extended");
}

#[test]
fn proxy_refusal_teaches_nothing() {
    for body in [ErrorBodyFormat::Html, ErrorBodyFormat::Text, ErrorBodyFormat::Empty] {
        for world in [known_to_be_extended(), World::extended()] {
            let before = class_of(&world);
            let world = world.job(&fetch("new_releases", ""));
            world.sandbox.inject(Fault::on_path("/v1/browse/new-releases", refused_with(403, body)));
            // If all answers are those of a proxy, the run has failed.
            let code = world.run(&["x"]).code;
            assert!(matches!(code, 1 | 3), "{body:?}: {code}");
            assert_eq!(class_of(&world), before, "{body:?}");
            let known = Connection::open(world.project.root().join(".local/state/cratedigger/state.db")).unwrap();
            let refused: i64 = known
                .query_row("SELECT count(*) FROM learned WHERE value LIKE 'refused%'", (), |row| row.get(0))
                .unwrap();
            assert_eq!(refused, 0, "{body:?}");
        }
    }
}

#[test]
fn one_answer_does_not_change_the_class() {
    let world = known_to_be_extended().job(&fetch("new_releases", ""));
    world.sandbox.inject(Fault::on_path("/v1/browse/new-releases", FaultAction::status(403)));
    for expected in [2, 1] {
        world.run(&["x"]).exits(3);
        // The class is checked again once a day.
        assert_eq!(world.new_calls().len(), expected);
        assert_eq!(class_of(&world), "extended");
    }
}

#[test]
fn two_answers_reveal_lost_extended_quota() {
    let world = known_to_be_extended().job(&fetch("new_releases", ""));
    world.sandbox.inject(Fault::on_path("/v1/browse/new-releases", FaultAction::status(403)));
    world.sandbox.inject(Fault::on_path("/v1/markets", FaultAction::status(403)));
    world.run(&["x"]).exits(3);
    assert_eq!(world.new_calls().len(), 2);
    assert_eq!(class_of(&world), "development");
}

#[tokio::test]
async fn limits_hold_while_the_class_is_probed() {
    let desk = Desk::with_config(
        |asked| match asked.line().contains("/markets") {
            // The server takes as long as it is allowed to.
            true => Reply::Drip(b"HTTP/1.1 200 X\r\ncontent-length: 1000\r\n\r\n".to_vec(), b' '),
            false => reply(200, "", "{}"),
        },
        |config| config.limits.calls_per_day = Some(3),
    )
    .await;
    let present = CallLimits { calls_per_day: Some(3), reserve: 0.0, ..CallLimits::development() };
    let facts = AppFacts::new(None, desk.api.clone(), present, CallLimits::extended());
    let neighbour =
        desk.api.with_allowance(RunAllowance { max_calls: None, reserve: 0.05, spender: None }, Arc::new(NoopObserver));
    let album = |n: usize| ApiRequest::new(EndpointFamily::ALBUMS, format!("/albums/{n}"));
    let mut spent = None;
    for n in 0..3 {
        spent = desk.api.get(&ApiCaller::App, &album(n)).await.err();
    }
    let spent = spent.unwrap();
    let probe = facts.may_continue(&ApiCaller::App, &spent);
    let others = async {
        while desk.server.count("GET /v1/markets") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        neighbour.get(&ApiCaller::App, &album(9)).await
    };
    let (goes_on, others) = tokio::join!(probe, others);
    assert!(!goes_on.unwrap());
    let held = others.unwrap_err();
    assert!(
        matches!(
            held,
            ApiError::Deferred(Deferral { reason: DeferralReason::Budget, scope: DeferralScope::Account, .. })
        ),
        "{held}"
    );
    assert_eq!(desk.server.count("GET /v1/albums"), 2, "three less the reserve");
}

#[test]
fn outdated_class_gives_no_limits() {
    let world = known_to_be_extended();
    assert_eq!(world.cli(&["check", "--json"]).exits(0).json()["app_class"], "Extended Quota");
    let ceiling = |world: &World| world.cli(&["quota", "--json"]).exits(0).json()["account"]["ceiling"].clone();
    assert!(ceiling(&world).is_null(), "unlimited");
    let db = Connection::open(world.project.root().join(".local/state/cratedigger/state.db")).unwrap();
    db.execute("UPDATE learned SET learned_ms = learned_ms - 31 * 86400000", ()).unwrap();
    assert!(class_of(&world).is_null());
    assert_eq!(ceiling(&world), 1_000);
    assert!(world.cli(&["check", "--json"]).exits(0).json()["app_class"].is_null());
}

#[tokio::test]
async fn long_process_follows_the_current_class() {
    let desk = Desk::with(|_| reply(200, "", "{}")).await;
    let cautious = CallLimits { calls_per_day: Some(3), reserve: 0.0, ..CallLimits::development() };
    let facts = AppFacts::new(None, desk.api.clone(), cautious, CallLimits::extended());
    let album = |n: usize| ApiRequest::new(EndpointFamily::ALBUMS, format!("/albums/{n}"));
    facts.apply_class_limits().unwrap();
    facts.learn(AppClass::Extended, "a batch read was answered").unwrap();
    for n in 0..5 {
        desk.api.get(&ApiCaller::App, &album(n)).await.unwrap();
    }
    let db = Connection::open(desk.folder.path().join("state/state.db")).unwrap();
    db.execute("UPDATE learned SET learned_ms = learned_ms - 31 * 86400000", ()).unwrap();
    // Every run starts like this.
    facts.with_api(desk.api.clone()).apply_class_limits().unwrap();
    let held = desk.api.get(&ApiCaller::App, &album(9)).await.unwrap_err();
    assert!(
        matches!(
            held,
            ApiError::Deferred(Deferral { reason: DeferralReason::Budget, scope: DeferralScope::Account, .. })
        ),
        "{held}"
    );
}
