//! One 404 does not show that something is gone: what a list names or what was read before is requested again.

use serde_json::json;
use spotify_sandbox::{Fault, FaultAction, fixtures};

use super::users::signed_in;
use crate::cli::plan::plan_and_run;
use crate::support::world::{World, by_ids, fetch};

/// Home's playlists but the one that takes a thousand calls.
fn own_playlists() -> World {
    let job = format!("user = \"home\"\n{}", fetch("my_playlist_items", ""));
    let world = signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)]);
    world.delete_large_playlist();
    world
}

fn remove_first(world: &World, playlist: &str) {
    let edit = json!({"do": "remove", "playlist": playlist, "position": 0, "count": 1});
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
}

fn items_of(world: &World, playlist: &str) -> usize {
    world.csv("my_playlist_items.csv").iter().filter(|row| row["playlist_id"] == playlist).count()
}

fn requests(world: &World, id: &str) -> usize {
    world.new_calls().iter().filter(|call| call.contains(id)).count()
}

/// Moves all remembered refusals back by so many hours.
pub fn age_refusals(world: &World, hours: u32) {
    let older = |column: &str| format!("{column} = strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '-{hours} hours')");
    let sql = format!("UPDATE known_gaps SET {}, {}", older("since_at"), older("checked_at"));
    rusqlite::Connection::open(world.database()).unwrap().execute_batch(&sql).unwrap();
}

const GONE: &str = "SELECT count(*) FROM playlists WHERE gone_at IS NOT NULL";
const HOME: &str = fixtures::HOME_PLAYLIST;

#[test]
fn stray_404_of_a_listed_playlist_freezes_nothing() {
    for status in [404, 410] {
        let world = own_playlists();
        world.run(&[]).exits(0);
        // One answer: the second look finds it in the same run.
        remove_first(&world, HOME);
        let refuse = || Fault::on_path(&format!("/v1/playlists/{HOME}"), FaultAction::status(status));
        world.sandbox.inject(refuse().times(1));
        world.run(&[]).exits(0);
        assert_eq!(items_of(&world, HOME), 119, "{status}");
        // A whole run: it is partial, and the next run has the new items.
        remove_first(&world, HOME);
        world.sandbox.inject(refuse());
        world.new_calls();
        world.run(&[]).exits(3);
        assert_eq!(requests(&world, HOME), 2, "{status}");
        assert_eq!((items_of(&world, HOME), world.one(GONE)), (119, "0".to_owned()), "{status}");
        remove_first(&world, HOME);
        world.sandbox.clear_faults();
        world.run(&[]).exits(0);
        assert_eq!((items_of(&world, HOME), world.one(GONE)), (117, "0".to_owned()), "{status}");
        let gaps = format!("SELECT count(*) FROM known_gaps WHERE id = '{HOME}'");
        assert_eq!(world.one(&gaps), "0", "{status}");
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn two_runs_a_day_apart_say_that_it_is_gone() {
    let world = own_playlists();
    world.run(&[]).exits(0);
    remove_first(&world, HOME);
    world.sandbox.inject(Fault::on_path(&format!("/v1/playlists/{HOME}*"), FaultAction::status(404)));
    for run in [2, 3] {
        world.new_calls();
        world.run(&[]).exits(3);
        assert_eq!((requests(&world, HOME), world.one(GONE)), (2, "0".to_owned()), "run {run}");
    }
    age_refusals(&world, 24);
    world.run(&[]).exits(0);
    assert_eq!(world.one(GONE), "1");
    assert_eq!(items_of(&world, HOME), 120, "its rows stay");
    world.new_calls();
    world.run(&[]).exits(0);
    assert_eq!(requests(&world, HOME), 0, "it is looked at once a week");
    // A new version shows that it lives.
    world.sandbox.clear_faults();
    remove_first(&world, HOME);
    world.run(&[]).exits(0);
    assert_eq!((items_of(&world, HOME), world.one(GONE)), (118, "0".to_owned()));
    world.cli(&["verify"]).exits(0);
}

#[test]
fn unlisted_playlist_that_answers_404_is_gone() {
    let job = format!("user = \"home\"\n{}{}", fetch("my_playlists", ""), by_ids("playlist_items", &[HOME]));
    let world = signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)]);
    world.run(&[]).exits(0);
    let delete = json!({"do": "delete", "playlist": HOME});
    world.sandbox.catalog().edit(serde_json::from_value(delete).unwrap()).unwrap();
    world.new_calls();
    world.run(&[]).exits(3);
    assert_eq!((requests(&world, HOME), world.one(GONE)), (1, "1".to_owned()));
    world.run(&[]).exits(0);
    assert_eq!(requests(&world, HOME), 0);
}

#[test]
fn refused_pages_of_a_living_list_are_partial() {
    let artist = format!("ids = [\"{}\"]\ninclude_groups = [\"album\"]", fixtures::BUSY_ARTIST);
    // Items with their playlist, tracks with their album, the second page of a list by offset and by cursor.
    for (job, path, query) in [
        (by_ids("playlist_items", &[HOME]), "/v1/playlists/*/items", ""),
        (by_ids("album_tracks", &[fixtures::LONG_ALBUM]), "/v1/albums/*/tracks", ""),
        (fetch("artist_albums", &artist), "/v1/artists/*/albums", "offset=10 offset=9"),
        (fetch("followed_artists", ""), "/v1/me/following", "after="),
        (fetch("saved_tracks", ""), "/v1/me/tracks", "offset=50 offset=49"),
    ] {
        for status in [404, 410] {
            let world = signed_in(
                World::development().job(&format!("user = \"home\"\n{job}")),
                &[("home", fixtures::HOME_USER)],
            );
            // A continued read begins with the last item that it has.
            for query in query.split(' ') {
                world.sandbox.inject(Fault::on_path(path, FaultAction::status(status)).with_query(query));
            }
            for _ in 0..2 {
                world.run(&[]).exits(3).says("page_refused");
            }
            assert_eq!(
                (world.one(GONE), world.one("SELECT count(*) FROM known_gaps")),
                ("0".into(), "0".into()),
                "{path}"
            );
            world.sandbox.clear_faults();
            world.run(&[]).exits(0);
            world.cli(&["verify"]).exits(0);
        }
    }
}

#[test]
fn ids_that_were_read_before_get_a_second_look() {
    let artist = format!("ids = [\"{}\"]\ninclude_groups = [\"album\"]", fixtures::BUSY_ARTIST);
    for (stream, job, path) in [
        ("albums", by_ids("albums", &[fixtures::LONG_ALBUM, fixtures::EDGE_CASE_ALBUM]), "/v1/albums/0SandboxLong*"),
        ("album_tracks", by_ids("album_tracks", &[fixtures::LONG_ALBUM]), "/v1/albums/*"),
        ("artist_albums", fetch("artist_albums", &artist), "/v1/artists/*"),
        ("show_episodes", by_ids("show_episodes", &[fixtures::SHOW]), "/v1/shows/*"),
        ("playlist_items", by_ids("playlist_items", &[HOME]), "/v1/playlists/*"),
    ] {
        let world =
            signed_in(World::development().job(&format!("user = \"home\"\n{job}")), &[("home", fixtures::HOME_USER)]);
        world.run(&[]).exits(0);
        let file = format!("{stream}.csv");
        let before = world.csv(&file).len();
        let refuse = || Fault::on_path(path, FaultAction::status(404));
        // One answer costs one call.
        world.sandbox.inject(refuse().times(1));
        world.run(&["--full"]).exits(0);
        assert_eq!(world.csv(&file).len(), before, "{stream}");
        // A whole run: the next one has it again.
        world.sandbox.inject(refuse());
        world.run(&["--full"]).exits(3);
        assert_eq!(world.csv(&file).len(), before, "{stream}");
        world.sandbox.clear_faults();
        world.run(&["--full"]).exits(0);
        assert_eq!(world.one("SELECT count(*) FROM known_gaps"), "0", "{stream}");
        // For good: after two runs a day apart it is looked at once a week.
        world.sandbox.inject(refuse());
        world.run(&["--full"]).exits(3);
        world.run(&["--full"]).exits(3);
        age_refusals(&world, 24);
        world.run(&["--full"]).exits(0);
        world.new_calls();
        world.run(&[]).exits(0);
        let asked = world.new_calls();
        assert!(!asked.iter().any(|call| format!("/v1{call}").starts_with(path.trim_end_matches('*'))), "{asked:?}");
        assert_eq!(world.csv(&file).len(), before, "{stream}");
    }
}

#[test]
fn null_in_a_batch_gets_a_second_look() {
    for (kind, ids) in [
        ("albums", [fixtures::LONG_ALBUM, fixtures::EDGE_CASE_ALBUM]),
        ("tracks", [fixtures::PLAIN_TRACK, fixtures::UNAVAILABLE_TRACK]),
    ] {
        let world = World::extended().job(&by_ids(kind, &ids));
        world.run(&[]).exits(0);
        let file = format!("{kind}.csv");
        let null = FaultAction::set(&format!("/{kind}/0"), serde_json::Value::Null);
        world.sandbox.inject(Fault::on_path(&format!("/v1/{kind}"), null).times(1));
        world.new_calls();
        world.run(&["--full"]).exits(0);
        let calls = world.new_calls();
        assert_eq!((calls.len(), world.csv(&file).len()), (2, 2), "{calls:?}");
        // A batch that answers 404, and one of its ids as well: batches are still sent afterwards.
        world.sandbox.inject(Fault::on_path(&format!("/v1/{kind}"), FaultAction::status(404)).times(1));
        world.sandbox.inject(Fault::on_path(&format!("/v1/{kind}/{}", ids[0]), FaultAction::status(404)).times(1));
        world.run(&["--full"]).exits(0);
        world.new_calls();
        world.run(&["--full"]).exits(0);
        assert!(world.new_calls()[0].contains("ids="), "{kind}");
    }
}

#[test]
fn unknown_id_is_asked_once_a_week() {
    let world = World::extended().job(&by_ids("playlist_items", &["0000000000000000000000"]));
    world.run(&[]).exits(3);
    world.run(&[]).exits(0);
    assert_eq!(requests(&world, "0000000000000000000000"), 1);
    assert_eq!(world.one(GONE), "0");
}

#[test]
fn ids_of_a_list_are_asked_at_every_run() {
    let job = [
        "user = \"home\"\n".to_owned(),
        fetch("saved_albums", ""),
        fetch("albums", "from = \"saved_albums\"\nrefresh_after = \"0s\""),
        fetch("saved_shows", ""),
        fetch("show_episodes", "from = \"saved_shows\""),
    ];
    let world = signed_in(World::development().job(&job.concat()), &[("home", fixtures::HOME_USER)]);
    let refuse = || {
        world.sandbox.inject(Fault::on_path("/v1/shows/*", FaultAction::status(404)));
    };
    refuse();
    // Also where nothing was read before: the library names them.
    for run in 0..2 {
        world.new_calls();
        world.run(&[]).exits(3);
        let asked = world.new_calls().iter().filter(|call| call.starts_with("/shows/")).count();
        assert_eq!(asked, 2 * world.csv("saved_shows.csv").len(), "run {run}");
    }
    world.sandbox.clear_faults();
    world.run(&[]).exits(0);
    assert!(!world.csv("show_episodes.csv").is_empty());
}

#[test]
fn refused_library_is_partial_at_every_run() {
    let job = format!("user = \"home\"\n{}", fetch("saved_tracks", ""));
    let world = signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)]);
    world.run(&[]).exits(0);
    world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::status(404)));
    for _ in 0..3 {
        world.run(&[]).exits(3);
    }
    world.sandbox.clear_faults();
    world.run(&[]).exits(0);
}

#[test]
fn price_of_a_refused_list_is_exact() {
    let written = by_ids("playlist_items", &[HOME]);
    let listed =
        format!("user = \"home\"\n{}{}", fetch("my_playlists", ""), fetch("playlist_items", "from = \"my_playlists\""));
    // The listing tells how many playlists there are, so the prices of that job hold, and are exact for the listing.
    for (job, share) in [(written, 1.0), (listed, 0.5)] {
        let world = signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)]);
        world.delete_large_playlist();
        world.run(&[]);
        remove_first(&world, HOME);
        world.sandbox.inject(Fault::on_path(&format!("/v1/playlists/{HOME}"), FaultAction::status(404)));
        for run in 0..3 {
            let exact = plan_and_run(&world, &format!("run {run}: {job}"));
            assert!(exact >= share, "run {run}: {exact}");
        }
    }
}
