//! Projects with one state folder share their sign-ins, and each may need other scopes.

use spotify_sandbox::fixtures;

use crate::support::sign_in;
use crate::support::world::{SCOPES, World};
use crate::sync::users::signed_in;

#[test]
fn sign_in_keeps_scopes_of_other_projects() {
    let job = "user = \"home\"\n[[fetch]]\nstream = \"saved_tracks\"\n";
    let world = signed_in(World::development(), &[("home", fixtures::HOME_USER)]).job(job);
    let begin = || sign_in::typed(&mut world.command(&["auth", "login", "home", "--no-browser"]), "").exits(0);
    let begun = begin();
    assert!(begun.stderr.contains("another project may need them"), "{}", begun.stderr);
    for scope in SCOPES {
        assert!(begun.stderr.contains(scope) && begun.stdout.contains(scope), "{scope}: {}", begun.stdout);
    }
    // Without a grant, only what the jobs need is requested.
    world.cli(&["auth", "logout", "home"]).exits(0);
    let begun = begin();
    assert!(!begun.stderr.contains("another project"), "{}", begun.stderr);
    assert!(begun.stdout.contains("user-library-read") && !begun.stdout.contains("user-top-read"), "{}", begun.stdout);
}
