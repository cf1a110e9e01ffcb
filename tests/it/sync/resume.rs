//! Runs that were stopped, killed or deferred: committed rows are kept, the next run continues from there,
//! and the result is the same as that of an uninterrupted run.

use std::time::Duration;

use spotify_sandbox::{Fault, FaultAction, QuotaMode, SandboxOptions, fixtures};

use crate::support::snapshot::Shows as _;
use crate::support::world::{World, by_ids, ended, fetch, signal, signal_until_end};

/// A world in which the plain playlists have four more pages after the first hundred items.
fn pages_of_50() -> World {
    World::with(SandboxOptions {
        mode: QuotaMode::Extended,
        playlist_page_max: 50,
        playlist_items: 260,
        ..SandboxOptions::default()
    })
}

/// A job that reads every kind of paged list: a playlist, a discography, an album, a show, a search.
fn everything() -> String {
    [
        "market = \"US\"\n".to_owned(),
        by_ids("playlist_items", &[fixtures::HOME_PLAYLIST, fixtures::EDGE_CASE_PLAYLIST]),
        fetch(
            "artist_albums",
            &format!("ids = [\"{}\"]\ninclude_groups = [\"album\", \"single\"]", fixtures::BUSY_ARTIST),
        ),
        by_ids("album_tracks", &[fixtures::LONG_ALBUM, fixtures::EDGE_CASE_ALBUM]),
        by_ids("show_episodes", &[fixtures::SHOW]),
        by_ids("tracks", &[fixtures::PLAIN_TRACK, fixtures::RELINKED_TRACK]),
        fetch("search", "query = \"year:1990-1999\"\nmax_results = 120\ntypes = [\"track\"]"),
    ]
    .concat()
}

const FILES: [&str; 6] =
    ["playlist_items.csv", "artist_albums.csv", "album_tracks.csv", "show_episodes.csv", "tracks.csv", "search.csv"];

/// The CSV files of a world, without the columns that hold the time of the read.
fn results(world: &World) -> Vec<Vec<Vec<String>>> {
    let files = FILES.iter().map(|file| {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(world.csv_path(file)).unwrap();
        let mut rows: Vec<Vec<String>> =
            reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect();
        if let Some(when) = rows[0].iter().position(|name| name == "searched_at") {
            rows.iter_mut().for_each(|row| drop(row.remove(when)));
        }
        rows
    });
    files.collect()
}

fn no_traces(world: &World) {
    assert_eq!(world.one("SELECT count(*) FROM checkpoints"), "0");
    assert_eq!(world.one("SELECT count(*) FROM staged_items"), "0");
    assert_eq!(world.one("PRAGMA integrity_check"), "ok");
    assert_eq!(world.rows("PRAGMA foreign_key_check"), Vec::<Vec<String>>::new());
}

#[test]
fn run_killed_after_any_call_recovers() {
    let whole = pages_of_50().job(&everything());
    whole.run(&[]).exits(0);
    let (calls, wanted) = (whole.new_calls().len(), results(&whole));
    assert!(calls > 15, "{calls}");
    // After the last call a run may end before it is killed, so that call is left out.
    for k in 1..calls {
        let world = pages_of_50().settings("concurrency = 1").job(&everything());
        // The call after the kth is never answered, so the kill comes before its page.
        world.sandbox.inject(Fault {
            path: "/v1/*".into(),
            skip: u32::try_from(k).unwrap(),
            ..Fault::on_path("*", FaultAction::Stall)
        });
        let mut child = world.spawn(&[]);
        world.wait_for_calls(k);
        // Pages are committed when no other page follows for 20 ms.
        std::thread::sleep(Duration::from_millis(80));
        child.kill().unwrap();
        child.wait().unwrap();
        world.sandbox.clear_faults();
        let before = world.new_calls();
        world.run(&[]).exits(0);
        let after = world.new_calls();
        assert!(results(&world) == wanted, "killed after call {k} of {calls}");
        no_traces(&world);
        // A kill may cost up to four calls: the one in flight, the check of the page before it, the
        // playlist's own answer, and a second look at one item of a list that has no version.
        let again = before.len().min(k) + after.len();
        assert!(
            again <= calls + 4,
            "killed after {k}: {} and {} calls for {calls}: {after:?}",
            before.len(),
            after.len()
        );
    }
}

/// A run that is killed between two pages leaves whole pages: each staged item has its track, and the checkpoints fit.
#[test]
fn killed_run_leaves_whole_pages() {
    let world = World::with(SandboxOptions {
        playlists: 3,
        mode: QuotaMode::Extended,
        playlist_page_max: 50,
        playlist_items: 260,
        ..SandboxOptions::default()
    });
    let mut ids = world.sandbox.catalog().playlist_ids();
    ids.retain(|id| world.sandbox.catalog().expected_rows(id).is_some_and(|rows| rows.len() == 260));
    assert_eq!(ids.len(), 3);
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let world = world.job(&by_ids("playlist_items", &ids));
    world.sandbox.inject(Fault::on_path("/v1/playlists/*/*", FaultAction::Stall).with_query("offset=200"));
    let mut child = world.spawn(&[]);
    // The first playlist waits for its last page but one.
    world.wait_for_stored("SELECT count(*) FROM staged_items", 200);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(
        world
            .rows("SELECT kind, count(*) FROM staged_items WHERE item_id NOT IN (SELECT id FROM tracks) GROUP BY kind"),
        Vec::<Vec<String>>::new()
    );
    assert_eq!(world.one("SELECT sum(next_offset) FROM checkpoints"), "200");
    world.sandbox.clear_faults();
    world.run(&[]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM playlist_items"), "780");
    no_traces(&world);
}

/// A plain playlist of 260 items.
fn long_playlist(world: &World) -> String {
    let catalog = world.sandbox.catalog();
    let plain = |id: &String| catalog.expected_rows(id).is_some_and(|rows| rows.len() == 260);
    catalog.playlist_ids().into_iter().filter(|id| *id != fixtures::LARGE_PLAYLIST).find(plain).unwrap()
}

fn with_long_playlist() -> World {
    let world = pages_of_50();
    let id = long_playlist(&world);
    world.job(&by_ids("playlist_items", &[&id]))
}

#[test]
fn stop_in_a_page_commits_and_resumes() {
    for name in ["TERM", "INT"] {
        let whole = with_long_playlist();
        whole.run(&[]).exits(0);
        let world = with_long_playlist();
        world.sandbox.inject(Fault::on_path("/v1/playlists/*/tracks", FaultAction::Latency { ms: 1_500 }).nth(3));
        let child = world.spawn(&[]);
        world.wait_for_calls(3);
        std::thread::sleep(Duration::from_millis(400));
        signal(&child, name);
        ended(child).exits(75).shows("stop_in_a_page_commits_and_resumes");
        assert_eq!(
            world.one("SELECT next_offset FROM checkpoints"),
            "200",
            "the page that was being read is committed"
        );
        assert!(!world.csv_path("playlist_items.csv").exists(), "no file is written before the list is complete");
        world.new_calls();
        world.run(&[]).exits(0);
        let calls = world.new_calls();
        assert!(!calls.iter().any(|c| c.contains("offset=100") || c.contains("offset=150")), "{calls:?}");
        assert_eq!(world.csv_bytes("playlist_items.csv"), whole.csv_bytes("playlist_items.csv"));
        assert_eq!(world.rows("SELECT state FROM runs ORDER BY id"), [["deferred"], ["complete"]]);
        no_traces(&world);
    }
}

#[test]
fn stop_does_not_wait_for_a_silent_server() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.sandbox.inject(Fault::on_path("/v1/playlists/*/tracks", FaultAction::Stall));
    let child = world.spawn(&[]);
    world.wait_for_calls(1);
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, "TERM");
    let ran = ended(child).exits(75);
    // The HTTP client's own timeout is 20 seconds.
    assert!(ran.took < Duration::from_secs(18), "{:?}", ran.took);
    assert_eq!(world.one("SELECT state FROM runs"), "deferred");
}

#[test]
fn second_signal_ends_at_once() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.sandbox.inject(Fault::on_path("/v1/playlists/*", FaultAction::Stall));
    let child = world.spawn(&[]);
    world.wait_for_calls(1);
    signal_until_end(child, "INT").exits(75).shows("second_signal_ends_at_once");
    world.sandbox.clear_faults();
    world.run(&[]).exits(0);
}

#[test]
fn limited_run_is_resumed_by_the_next() {
    let whole = pages_of_50().job(&everything());
    whole.run(&[]).exits(0);
    let wanted = results(&whole);
    // The output names what was read when the calls ran out.
    let world = pages_of_50().settings("concurrency = 1").job(&everything());
    let mut runs = 0;
    loop {
        runs += 1;
        let ran = world.run(&["--max-calls", "5"]);
        assert!(world.new_calls().len() <= 5);
        if ran.code == 0 {
            break;
        }
        ran.exits(75).shows("limited_run_is_resumed_by_the_next");
        assert!(runs < 20, "the job does not finish within 20 runs");
    }
    assert!(results(&world) == wanted);
    no_traces(&world);
}

#[test]
fn deferred_run_rereads_nothing() {
    let world = World::development();
    let ids = world.sandbox.catalog().ids();
    let artists: Vec<&str> = ids["artists"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).take(8).collect();
    let job = [
        fetch("artists", &format!("ids = {artists:?}\nrefresh_after = \"0s\"")),
        fetch("artist_albums", &format!("ids = {artists:?}\ninclude_groups = [\"album\"]")),
    ];
    let world = world.job(&job.concat());
    world.run(&["--max-calls", "5"]).exits(75);
    world.run(&["--max-calls", "5"]).exits(75);
    while world.run(&["--max-calls", "5"]).code != 0 {}
    let calls = world.new_calls();
    for id in &artists {
        let own = calls.iter().filter(|c| **c == format!("/artists/{id}")).count();
        assert_eq!(own, 1, "{calls:?}");
    }
    world.run(&[]).exits(0);
    let again = world.new_calls();
    assert!(
        artists.iter().all(|id| again.contains(&format!("/artists/{id}"))),
        "a new run reads all artists again: {again:?}"
    );
}

#[test]
fn export_writes_no_file_before_the_first_read() {
    let world = with_long_playlist();
    world.run(&["--max-calls", "3"]).exits(75);
    world.cli(&["export"]).exits(0).shows("export_writes_no_file_before_the_first_read");
    assert!(!world.csv_path("playlist_items.csv").exists(), "an empty file would claim that the playlist is empty");
    world.run(&[]).exits(0);
    let whole = world.csv_bytes("playlist_items.csv");
    let edit = serde_json::json!({"do": "remove", "playlist": long_playlist(&world), "position": 0, "count": 5});
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
    world.run(&["--max-calls", "3"]).exits(75);
    std::fs::remove_file(world.csv_path("playlist_items.csv")).unwrap();
    world.cli(&["export"]).exits(0);
    assert_eq!(world.csv_bytes("playlist_items.csv"), whole, "the file holds the last complete list");
}

#[test]
fn export_uses_the_last_good_run() {
    let query = "[[query]]\ncsv = \"since.csv\"\nsql = \"SELECT :last_run_at AS at ORDER BY 1\"\n";
    let world = World::extended().job(&[by_ids("tracks", &[fixtures::PLAIN_TRACK]), query.to_owned()].concat());
    world.run(&[]).exits(0);
    let store = rusqlite::Connection::open(world.database()).unwrap();
    let failed = "INSERT INTO runs (job, state, started_at, finished_at, exit_code, version)
        SELECT 'x', 'failed', started_at, finished_at, 1, version FROM runs WHERE id = 1";
    for _ in 0..60 {
        store.execute(failed, []).unwrap();
    }
    world.run(&[]).exits(0);
    let (bytes, began) = (world.csv_bytes("since.csv"), world.one("SELECT started_at FROM runs WHERE id = 1"));
    assert_eq!(world.column("since.csv", "at"), [began]);
    world.cli(&["export"]).exits(0);
    assert_eq!(world.csv_bytes("since.csv"), bytes);
}

#[test]
fn changed_list_is_read_from_the_start() {
    let world = with_long_playlist();
    let id = long_playlist(&world);
    world.run(&["--max-calls", "5"]).exits(75);
    let edit = serde_json::json!({"do": "remove", "playlist": id, "position": 0, "count": 5});
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
    world.run(&[]).exits(0);
    let truth = world.sandbox.catalog().expected_rows(&id).unwrap();
    let uris: Vec<String> = truth.into_iter().map(|row| row.uri.unwrap_or_default()).collect();
    assert_eq!(world.column("playlist_items.csv", "uri"), uris);
    no_traces(&world);
}

#[test]
fn full_run_drops_checkpoints() {
    let world = with_long_playlist();
    world.run(&["--max-calls", "5"]).exits(75);
    world.new_calls();
    world.run(&["--full"]).exits(0);
    assert!(world.new_calls().iter().any(|call| call.contains("offset=100")));
    no_traces(&world);
}
