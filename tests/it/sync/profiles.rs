//! Profiles of accounts that cannot be read: they cost themselves, or the fetches of their user.

use spotify_sandbox::{Fault, FaultAction, fixtures};

use super::odd_lists::of_home;
use super::users::both;
use crate::support::snapshot::Shows as _;
use crate::support::world::{World, by_ids};

#[test]
fn refused_profile_costs_itself_only() {
    for status in [403, 404, 400] {
        let world = both(World::development().job(&of_home(&["me", "saved_tracks"])));
        world.run(&[]).exits(0);
        let before = world.csv_bytes("me.csv");
        world.sandbox.inject(Fault::on_path("/v1/me", FaultAction::status(status)));
        world.run(&["--full"]).exits(3).shows("refused_profile_costs_itself_only");
        assert!(world.csv_bytes("me.csv") == before, "{status}");
        let states = "SELECT state FROM run_fetches WHERE run_id = 2 ORDER BY fetch";
        assert_eq!(world.rows(states), [["partial"], ["complete"]], "{status}");
    }
}

#[test]
fn failing_account_is_one_resource() {
    let job = [of_home(&["saved_tracks"]), by_ids("tracks", &[fixtures::PLAIN_TRACK])].concat();
    let world = both(World::development().job(&job));
    world.sandbox.inject(Fault::on_path("/v1/me", FaultAction::status(500)));
    let ran = world.run(&[]).exits(3);
    assert!(!ran.stderr.contains("PROXY"), "{}", ran.stderr);
    let noted = "SELECT fetch, reason FROM skipped_items ORDER BY fetch";
    assert_eq!(world.rows(noted), [["saved_tracks", "server_error"], ["tracks", "server_error"]]);
    world.sandbox.clear_faults();
    world.run(&[]).exits(0);
    world.cli(&["verify"]).exits(0);
}
