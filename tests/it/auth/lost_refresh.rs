//! What is known of a refresh whose answer was lost, and who may put in the environment's token.

use std::sync::{Arc, Barrier};

use secrecy::SecretString;
use spotify_client::client::Api;
use spotify_client::error::ApiError;
use spotify_client::http::observer::Silent;
use spotify_client::state::State;
use spotify_client::state::grants::GrantState;
use spotify_sandbox::{Action, Body, Fault, Options, Rotation, known};

use super::grants::{Table, config_for, home, me, open_grants, small, state_dir};
use crate::support::world::World;

fn refused_client() -> Action {
    Action::Status {
        code: 400,
        body: Body::Json,
        retry_after: spotify_sandbox::RetryAfter::None,
        message: Some("Invalid client".to_owned()),
        reason: Some("invalid_client".to_owned()),
    }
}

#[tokio::test]
async fn a_refusal_after_a_lost_answer_does_not_wipe_the_note_that_a_token_may_be_lost() {
    for second in [Action::rate_limited(spotify_sandbox::RetryAfter::Seconds(5_000)), refused_client()] {
        let table = Table::rotating().await;
        table.sign_in(false);
        // The sandbox rotates, and the answer never arrives.
        table.sandbox.inject(Fault::on("/api/token", Action::CloseBeforeHeaders).times(1));
        table.sandbox.inject(Fault::on("/api/token", second).times(1));
        table.api().get(&home(), &me()).await.unwrap_err();
        assert_eq!(table.refreshes(), 2);
        let grant = table.grants().get("home").unwrap().unwrap();
        assert_eq!(grant.state, GrantState::Refreshing, "the intent stands, and says so later");
    }
}

#[tokio::test]
async fn a_note_of_an_earlier_start_is_not_wiped_by_a_refusal_either() {
    let table = Table::rotating().await;
    table.sign_in(false);
    table.sandbox.inject(Fault::on("/api/token", Action::status(502)));
    table.api().get(&home(), &me()).await.unwrap_err();
    table.sandbox.clear_faults();
    table.sandbox.inject(Fault::on("/api/token", refused_client()));
    table.api().get(&home(), &me()).await.unwrap_err();
    assert_eq!(table.grants().get("home").unwrap().unwrap().state, GrantState::Refreshing);
}

/// What a start of the program would use.
fn api(world: &World, token: &str) -> Api {
    let folder = world.project.root().join("state");
    let config = config_for(&world.sandbox.api_url(), &world.sandbox.accounts_url(), false);
    let state = Arc::new(State::open(state_dir(&folder)).unwrap());
    let api = Api::new(config, state, Arc::new(Silent)).unwrap();
    api.with_grants(open_grants(&folder), Some(SecretString::from(token)))
}

fn ask(api: &Api) -> Result<(), ApiError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(api.get(&home(), &me())).map(|_| ())
}

#[test]
fn starts_that_adopt_the_environments_token_together_lose_no_rotation() {
    for round in 0..12 {
        let world = World::with(Options { rotation: Rotation::Always, ..small() });
        let token = world.sandbox.sign_in(known::HOME, &["user-library-read"], true).refresh_token;
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
        assert_eq!(renewed, 1, "round {round}: one of them renewed it");
        // The token that came with the rotation is the one that is kept.
        world.sandbox.revoke_access_tokens();
        ask(&api(&world, &token)).unwrap();
    }
}
