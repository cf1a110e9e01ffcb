//! Several readers of the same playlists: two jobs, two users, a user and the app.

use spotify_sandbox::{Fault, FaultAction, PlaylistEdit, fixtures};

use super::users::{both, signed_in};
use crate::support::world::{World, by_ids, ended, fetch, pause, signal};

/// A change of a playlist.
fn edit(world: &World, edit: PlaylistEdit) {
    world.sandbox.catalog().edit(edit).unwrap();
}

fn remove(playlist: &str, count: usize) -> PlaylistEdit {
    PlaylistEdit::Remove { playlist: playlist.to_owned(), position: 0, count }
}

fn home(world: World) -> World {
    signed_in(world, &[("home", fixtures::HOME_USER)])
}

/// The rows of a playlist's table, and those that the newest run claims.
fn stored(world: &World, playlist: &str) -> (String, String) {
    let rows = format!("SELECT count(*) FROM playlist_items WHERE playlist_id = '{playlist}'");
    let claimed = "SELECT stored FROM run_fetches WHERE run_id = (SELECT max(id) FROM runs)";
    (world.one(&rows), world.one(claimed))
}

#[test]
fn second_job_of_a_library_is_complete() {
    let job = "user = \"studio\"\n[[fetch]]\nstream = \"my_playlist_items\"\n";
    for world in [World::development(), World::extended()] {
        let world = signed_in(world.job(job), &[("studio", fixtures::STUDIO_USER)]);
        world.project.write("jobs/y.toml", job);
        // One list of the library is refused. That is noted, and no gap.
        let refused = Fault::on_path(&format!("/v1/playlists/{}", fixtures::STUDIO_PLAYLIST), FaultAction::status(403));
        world.sandbox.inject(refused);
        for job in ["x", "y", "x", "y"] {
            world.run(&[job]).exits(0);
            let noted = "SELECT item_id || ' ' || known_gap FROM skipped_items WHERE reason = 'forbidden'
                         AND run_id = (SELECT max(id) FROM runs)";
            let notes: Vec<String> = world.rows(noted).concat();
            assert!(notes.contains(&format!("{} 1", fixtures::STUDIO_PLAYLIST)), "{job}: {notes:?}");
        }
        let file = |job| std::fs::read(world.project.root().join(format!("output/csv/{job}/my_playlist_items.csv")));
        assert_eq!(file("x").unwrap(), file("y").unwrap());
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn app_and_user_jobs_are_complete() {
    let lists = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST, fixtures::FOREIGN_PLAYLIST]);
    let world = home(World::extended().job(&format!("user = \"home\"\n{lists}")));
    world.project.write("jobs/y.toml", &lists);
    for job in ["x", "y", "x", "y"] {
        world.run(&[job]).exits(0);
    }
    // One list in two fetches of a job is read once.
    let twice = format!("user = \"home\"\n{lists}name = \"one\"\n{lists}name = \"two\"\n");
    world.project.write("jobs/z.toml", twice);
    world.new_calls();
    world.run(&["z"]).exits(0);
    let calls = world.new_calls();
    let asked = |id: &str| calls.iter().filter(|call| call.starts_with(&format!("/playlists/{id}"))).count();
    assert_eq!((asked(fixtures::HOME_PLAYLIST), asked(fixtures::FOREIGN_PLAYLIST)), (1, 1), "{calls:?}");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn late_answer_replaces_no_newer_rows() {
    for (playlist, more_pages) in [(fixtures::HOME_PLAYLIST, false), (fixtures::FOREIGN_PLAYLIST, true)] {
        let lists = by_ids("playlist_items", &[playlist]);
        let world = home(World::extended().job(&format!("user = \"home\"\n{lists}")));
        world.project.write("jobs/y.toml", &lists);
        let truth = || world.sandbox.catalog().expected_rows(playlist).unwrap().len().to_string();
        // The first run after a sign-in requests the account.
        world.project.write("jobs/me.toml", format!("user = \"home\"\n{}", fetch("me", "")));
        world.run(&["me"]).exits(0);
        world.new_calls();
        let late = Fault::on_path(&format!("/v1/playlists/{playlist}"), FaultAction::Latency { ms: 500 });
        world.sandbox.inject(late.times(1));
        // The user's answer shows the list as it is now, and arrives after the app has read a later version.
        let child = world.spawn(&["x"]);
        world.wait_for_calls(1);
        pause(&world, &child);
        assert!(world.calls().iter().all(|call| call.starts_with("/playlists/")), "{:?}", world.calls());
        edit(&world, remove(playlist, 2));
        world.run(&["y"]).exits(0);
        signal(&child, "CONT");
        ended(child).exits(0);
        assert_eq!(stored(&world, playlist), (truth(), truth()), "more pages: {more_pages}");
        assert_eq!(world.csv("playlist_items.csv").len().to_string(), truth());
        for job in ["y", "x", "y"] {
            world.run(&[job]).exits(0);
            assert_eq!(stored(&world, playlist), (truth(), truth()), "{job}");
        }
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn unchanged_means_the_published_version() {
    let lists = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]);
    let world = home(World::extended().job(&format!("user = \"home\"\n{lists}")));
    world.project.write("jobs/y.toml", &lists);
    world.run(&["x"]).exits(0);
    world.run(&["y"]).exits(0);
    // The user's list has the version that Spotify has now, and the rows are those of another one.
    let store = rusqlite::Connection::open(world.database()).unwrap();
    let older = "UPDATE lists SET snapshot_id = 'older' WHERE audience = 'app';
                 DELETE FROM playlist_items WHERE playlist_id = (SELECT parent_id FROM lists WHERE audience = 'app') AND position > 2";
    store.execute_batch(older).unwrap();
    drop(store);
    let truth = world.sandbox.catalog().expected_rows(fixtures::HOME_PLAYLIST).unwrap().len();
    world.run(&["x"]).exits(0);
    let rows = format!("SELECT count(*) FROM playlist_items WHERE playlist_id = '{}'", fixtures::HOME_PLAYLIST);
    assert_eq!(world.one(&rows), truth.to_string());
    world.run(&["x"]).exits(0);
    assert_eq!(world.csv("playlist_items.csv").len(), truth);
}

#[test]
fn known_gap_is_told_once_per_reader() {
    let gone = "0SandboxNoSuchList0000";
    let lists = by_ids("playlist_items", &[fixtures::FOREIGN_PLAYLIST, gone]);
    let world = home(World::extended().job(&format!("user = \"home\"\n{lists}")));
    // The job is read by the user and by the app in turns: each gets one report.
    let app = lists.clone();
    let user = format!("user = \"home\"\n{lists}");
    for (job, code) in [(&user, 3), (&app, 3), (&user, 0), (&app, 0), (&user, 0)] {
        world.project.write("jobs/x.toml", job);
        world.run(&["x"]).exits(code);
        assert_eq!(world.one("SELECT count(*) FROM skipped_items WHERE run_id = (SELECT max(id) FROM runs)"), "1");
    }
    // A reader who is not refused does not cause another report for the other one.
    let refused = Fault::on_path(&format!("/v1/playlists/{}", fixtures::FOREIGN_PLAYLIST), FaultAction::status(403));
    world.sandbox.inject(refused.times(2));
    world.run(&["x", "--full"]).exits(3).says(fixtures::FOREIGN_PLAYLIST);
    for (job, code) in [(&app, 0), (&user, 0), (&app, 0), (&user, 0)] {
        world.project.write("jobs/x.toml", job);
        world.run(&["x"]).exits(code);
    }
    world.cli(&["verify"]).exits(0);
}

#[test]
fn partial_user_leaves_the_other_sound() {
    let world = both(World::development().job(&format!(
        "users = [\"home\", \"studio\"]\n{}{}",
        fetch("followed_artists", ""),
        fetch("saved_tracks", "")
    )));
    // The second page of the first user only.
    world.sandbox.inject(Fault::on_path("/v1/me/following", FaultAction::EmptyPage).with_query("after=").times(9));
    let ran = world.run(&["--full"]);
    let states = "SELECT user_id || ' ' || state FROM run_fetches WHERE fetch = 'followed_artists' ORDER BY user_id";
    assert_eq!(
        world.rows(states).concat(),
        ["sandbox-home partial", "sandbox-studio complete"],
        "{}\n{:?}",
        ran.stderr,
        world.calls()
    );
    world.cli(&["verify"]).exits(0);
}
