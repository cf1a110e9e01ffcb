//! Notes about a refresh without an answer, and when the token of the environment replaces a grant.

use std::sync::{Arc, Barrier};

use secrecy::SecretString;
use spotify_client::client::SpotifyClient;
use spotify_client::error::ApiError;
use spotify_client::http::observer::NoopObserver;
use spotify_client::state::StateDb;
use spotify_client::state::grants::GrantState;
use spotify_sandbox::{ErrorBodyFormat, Fault, FaultAction, SandboxOptions, TokenRotation, fixtures};

use super::grants::{Table, config_for, home, me, open_grants, small, state_dir};
use crate::support::world::World;

fn refused_client() -> FaultAction {
    FaultAction::Status {
        code: 400,
        body: ErrorBodyFormat::Json,
        retry_after: spotify_sandbox::RetryAfterHeader::None,
        message: Some("Invalid client".to_owned()),
        reason: Some("invalid_client".to_owned()),
    }
}

#[tokio::test]
async fn refusal_keeps_the_note_of_a_lost_token() {
    for second in [FaultAction::rate_limited(spotify_sandbox::RetryAfterHeader::Seconds(5_000)), refused_client()] {
        let table = Table::rotating().await;
        table.sign_in(false);
        // The sandbox rotates the token, but its answer never arrives.
        table.sandbox.inject(Fault::on_path("/api/token", FaultAction::CloseBeforeHeaders).times(1));
        table.sandbox.inject(Fault::on_path("/api/token", second).times(1));
        table.api().get(&home(), &me()).await.unwrap_err();
        assert_eq!(table.refreshes(), 2);
        let grant = table.grants().get("home").unwrap().unwrap();
        assert_eq!(grant.state, GrantState::Refreshing, "the intent is kept and reported later");
    }
}

#[tokio::test]
async fn refusal_keeps_notes_of_earlier_starts() {
    let table = Table::rotating().await;
    table.sign_in(false);
    table.sandbox.inject(Fault::on_path("/api/token", FaultAction::status(502)));
    table.api().get(&home(), &me()).await.unwrap_err();
    table.sandbox.clear_faults();
    table.sandbox.inject(Fault::on_path("/api/token", refused_client()));
    table.api().get(&home(), &me()).await.unwrap_err();
    assert_eq!(table.grants().get("home").unwrap().unwrap().state, GrantState::Refreshing);
}

/// An API client as a start of the program builds it.
fn api(world: &World, token: &str) -> SpotifyClient {
    let folder = world.project.root().join("state");
    let config = config_for(&world.sandbox.api_url(), &world.sandbox.accounts_url(), false);
    let state = Arc::new(StateDb::open(state_dir(&folder)).unwrap());
    let api = SpotifyClient::new(config, state, Arc::new(NoopObserver)).unwrap();
    api.with_grants(open_grants(&folder), Some(SecretString::from(token)))
}

fn ask(api: &SpotifyClient) -> Result<(), ApiError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(api.get(&home(), &me())).map(|_| ())
}

#[test]
fn concurrent_starts_lose_no_rotation() {
    for round in 0..12 {
        let world = World::with(SandboxOptions { rotation: TokenRotation::Always, ..small() });
        let token = world.sandbox.sign_in(fixtures::HOME_USER, &["user-library-read"], true).refresh_token;
        let start = Barrier::new(8);
        std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let api = api(&world, &token);
                        start.wait();
                        ask(&api)
                    })
                })
                .collect();
            for started in starts {
                started.join().unwrap().unwrap_or_else(|e| panic!("round {round}: {e}"));
            }
        });
        let renewed = world.sandbox.log().iter().filter(|seen| seen.path == "/api/token").count();
        assert_eq!(renewed, 1, "round {round}: exactly one of them refreshed");
        // The token that came with the rotation is kept.
        world.sandbox.revoke_access_tokens();
        ask(&api(&world, &token)).unwrap();
    }
}
