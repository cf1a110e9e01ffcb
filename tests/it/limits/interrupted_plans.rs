//! The price of a job whose last run was interrupted: what the listed playlists announced is still known.

use spotify_sandbox::fixtures;

use crate::support::world::World;
use crate::sync::users::signed_in;

#[test]
fn plan_knows_lengths_after_interruptions() {
    let job = "user = \"home\"\n[[fetch]]\nstream = \"my_playlist_items\"\n";
    let world = signed_in(World::development(), &[("home", fixtures::HOME_USER)]).job(job);
    let likely = |args: &[&str]| {
        let plan = world.cli(&[&["plan", "--json"], args].concat()).exits(0).json();
        plan["jobs"][0]["calls"]["likely"].as_i64().unwrap()
    };
    let whole = likely(&[]);
    assert!(whole > 20, "{whole}");
    let mut sent = 0;
    for calls in [5, 3, 4] {
        world.run(&["x", "--max-calls", &calls.to_string()]).exits(75);
        sent += calls;
        for args in [&["--offline"][..], &[]] {
            let now = likely(args);
            assert!((whole - sent - 12..=whole + 12).contains(&now), "{now} of {whole} after {sent} calls, {args:?}");
        }
    }
}
