//! One item of a list that always fails: it costs one row and few calls, whatever the list and however it is paged.

use spotify_sandbox::{Fault, FaultAction, QuotaMode, SandboxOptions, fixtures};

use super::odd_pages::save_another;
use super::users::signed_in;
use crate::cli::plan::plan_and_run;
use crate::support::calls_table::{digging, saved_by, truth};
use crate::support::world::{World, fetch};

/// Stream, path, position of the item that fails, and the status; 200 is a body that is cut off.
const FAILING_ITEMS: &[(&str, &str, u64, u16)] = &[
    ("my_playlists", "/v1/me/playlists", 3, 500),
    ("saved_tracks", "/v1/me/tracks", 257, 502),
    ("saved_albums", "/v1/me/albums", 0, 500),
    ("saved_shows", "/v1/me/shows", 1, 200),
    ("top_tracks", "/v1/me/top/tracks", 49, 599),
    ("artist_albums", "/v1/artists/*/albums", 7, 503),
    ("album_tracks", "/v1/albums/*/tracks", 119, 500),
    ("show_episodes", "/v1/shows/*/episodes", 2, 200),
    ("playlist_items", "/v1/playlists/*", 20, 500),
];

fn all_lists() -> World {
    let artist = format!("ids = [\"{}\"]\ninclude_groups = [\"album\"]", fixtures::BUSY_ARTIST);
    let job = [
        "user = \"home\"\nmarket = \"US\"\n".to_owned(),
        fetch("my_playlists", ""),
        fetch("saved_tracks", ""),
        fetch("saved_albums", ""),
        fetch("saved_shows", ""),
        fetch("top_tracks", ""),
        fetch("artist_albums", &artist),
        fetch("album_tracks", &format!("ids = [\"{}\"]", fixtures::LONG_ALBUM)),
        fetch("show_episodes", &format!("ids = [\"{}\"]", fixtures::SHOW)),
        fetch("playlist_items", &format!("ids = [\"{}\"]", fixtures::HOME_PLAYLIST)),
    ];
    signed_in(World::development().job(&job.concat()), &[("home", fixtures::HOME_USER)])
}

fn inject_all(world: &World) {
    for (_, path, at, code) in FAILING_ITEMS {
        world.sandbox.inject(Fault::on_path(path, FaultAction::FailingItems { from: *at, count: 1, code: *code }));
    }
}

fn rows_of_files(world: &World) -> Vec<usize> {
    FAILING_ITEMS.iter().map(|(stream, ..)| world.csv(&format!("{stream}.csv")).len()).collect()
}

/// The number of calls for each list.
fn calls_of_lists(world: &World) -> Vec<usize> {
    let calls = world.new_calls();
    let count = |path: &str| {
        let (start, end) =
            path.trim_start_matches("/v1").split_once('*').unwrap_or((path.trim_start_matches("/v1"), ""));
        calls.iter().filter(|call| call.starts_with(start) && call.contains(end)).count()
    };
    FAILING_ITEMS.iter().map(|(_, path, ..)| count(path)).collect()
}

fn noted_positions(world: &World, run: i64) -> Vec<Vec<String>> {
    let sql = format!(
        "SELECT fetch, position FROM skipped_items WHERE run_id = {run} AND reason = 'unread_item' ORDER BY id"
    );
    world.rows(&sql)
}

#[test]
fn failing_item_costs_one_row() {
    let whole = all_lists();
    whole.run(&[]).exits(0);
    let (rows, fewest) = (rows_of_files(&whole), calls_of_lists(&whole));
    let world = all_lists();
    inject_all(&world);
    let expected: Vec<Vec<String>> =
        FAILING_ITEMS.iter().map(|(stream, _, at, _)| vec![(*stream).to_owned(), at.to_string()]).collect();
    // A playlist has a row for each position.
    let without_one: Vec<usize> = rows.iter().enumerate().map(|(n, rows)| rows - usize::from(n < 8)).collect();
    // The page fails five times, thirteen calls find the item in a page of fifty, and one tries it again.
    for (run, extra) in [(1, 18), (2, 3)] {
        world.run(&["--full"]).exits(3).says("267 of 268 items").says("the item at offset 257 cannot be read");
        assert_eq!(rows_of_files(&world), without_one, "run {run}");
        assert_eq!(noted_positions(&world, run), expected, "run {run}");
        for ((calls, fewest), (stream, ..)) in calls_of_lists(&world).iter().zip(&fewest).zip(FAILING_ITEMS) {
            assert!(*calls <= fewest + extra, "{stream}: {calls} calls in run {run}, {fewest} of a list in order");
        }
        world.cli(&["verify"]).exits(0);
    }
    let blank = world.csv("playlist_items.csv").into_iter().filter(|row| row["uri"].is_empty()).count();
    let blank_of_whole = whole.csv("playlist_items.csv").into_iter().filter(|row| row["uri"].is_empty()).count();
    assert_eq!(blank, blank_of_whole + 1);
    world.sandbox.clear_faults();
    world.run(&[]).exits(0);
    for (stream, ..) in FAILING_ITEMS {
        let name = format!("{stream}.csv");
        assert!(world.csv_bytes(&name) == whole.csv_bytes(&name), "{stream}");
    }
    assert_eq!(world.one("SELECT count(*) FROM lists WHERE unread IS NOT NULL"), "0");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn failing_chapter_costs_one_row() {
    let job =
        format!("market = \"US\"\n{}", fetch("audiobook_chapters", &format!("ids = [\"{}\"]", fixtures::AUDIOBOOK)));
    for (world, at) in [(World::extended(), 0), (World::development(), 4)] {
        let world = world.job(&job);
        world
            .sandbox
            .inject(Fault::on_path("/v1/audiobooks/*", FaultAction::FailingItems { from: at, count: 1, code: 520 }));
        world.run(&[]).exits(3).says(&format!("the item at offset {at} cannot be read"));
        let rows = world.csv("audiobook_chapters.csv").len();
        world.sandbox.clear_faults();
        world.run(&[]).exits(0);
        assert_eq!(world.csv("audiobook_chapters.csv").len(), rows + 1);
    }
}

#[test]
fn failing_item_keeps_its_known_row() {
    let world = all_lists();
    world.run(&[]).exits(0);
    let rows = rows_of_files(&world);
    inject_all(&world);
    world.run(&["--full"]).exits(3);
    let mut kept = rows_of_files(&world);
    // Ranks of another day have no known rows.
    if world.one("SELECT count(DISTINCT day) FROM top_items") != "1" {
        kept[4] += 1;
    }
    assert_eq!(kept, rows);
    world.cli(&["verify"]).exits(0);
    world.sandbox.clear_faults();
    world.run(&[]).exits(0);
    assert_eq!(rows_of_files(&world), rows);
}

#[test]
fn failing_item_costs_one_call_a_day() {
    let options = SandboxOptions { digger_tracks: 268, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, options, "[[fetch]]\nstream = \"saved_tracks\"\n");
    let fail = |at| {
        world.sandbox.clear_faults();
        world
            .sandbox
            .inject(Fault::on_path("/v1/me/tracks", FaultAction::FailingItems { from: at, count: 1, code: 500 }));
    };
    fail(157);
    world.run(&["x"]).exits(3);
    assert_eq!(saved_by(&world).len(), 267);
    // The item moves with those that are saved, and is requested after the head of the list.
    for (run, at) in [(2, 157), (3, 158), (4, 159)] {
        if run > 2 {
            save_another(&world);
        }
        fail(at);
        world.new_calls();
        world.run(&["x"]).exits(3).says(&format!("the item at offset {at} cannot be read"));
        let calls = world.new_calls();
        assert_eq!(calls.len(), 2, "{calls:?}");
        assert!(calls[1].contains(&format!("offset={at}")) && calls[1].contains("limit=1&"), "{calls:?}");
        assert_eq!(saved_by(&world).len(), truth(&world).len() - 1);
    }
    world.sandbox.clear_faults();
    world.run(&["x"]).exits(0);
    assert_eq!(world.new_calls().len(), 2);
    assert_eq!(saved_by(&world), truth(&world));
    world.cli(&["verify"]).exits(0);
}

/// A user whose playlist has an item that fails, after a run, and the path of that playlist.
fn library_with_a_failing_item() -> (World, String) {
    let world = signed_in(
        World::extended().job(&format!("user = \"home\"\n{}", fetch("my_playlist_items", ""))),
        &[("home", fixtures::HOME_USER)],
    );
    world.delete_large_playlist();
    let path = format!("/v1/playlists/{}*", fixtures::HOME_PLAYLIST);
    world.sandbox.inject(Fault::on_path(&path, FaultAction::FailingItems { from: 4, count: 1, code: 500 }));
    world.run(&[]).exits(3);
    (world, path)
}

#[test]
fn failing_item_of_an_unchanged_playlist() {
    let (world, _) = library_with_a_failing_item();
    world.new_calls();
    let noted = "SELECT skipped = (SELECT count(*) FROM skipped_items WHERE run_id = 1) FROM run_fetches";
    assert_eq!(world.one(noted), "1", "the item is counted as skipped");
    // The list of playlists says that it has not changed: the item alone is requested.
    world.run(&[]).exits(3).says("the item at offset 4 cannot be read");
    let calls = world.new_calls();
    // The odd playlist is looked at in two places besides.
    assert_eq!(calls.len(), 4, "{calls:?}");
    assert_eq!(noted_positions(&world, 2), [["my_playlist_items", "4"]]);
    world.sandbox.clear_faults();
    world.run(&[]).exits(0);
    let blank = format!(
        "SELECT count(*) FROM playlist_items WHERE uri IS NULL AND playlist_id = '{}'",
        fixtures::HOME_PLAYLIST
    );
    assert_eq!(world.one(&blank), "0");
    world.new_calls();
    world.run(&[]).exits(0);
    assert_eq!(world.new_calls().len(), 3);
}

#[test]
fn limited_runs_get_past_a_failing_item() {
    let options = SandboxOptions { digger_tracks: 168, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, options, "[[fetch]]\nstream = \"saved_tracks\"\n");
    world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::FailingItems { from: 57, count: 1, code: 500 }));
    let mut runs = 0;
    while world.run(&["x", "--max-calls", "12"]).code != 3 {
        runs += 1;
        assert!(runs < 12);
    }
    assert_eq!(saved_by(&world).len(), 167);
    world.sandbox.clear_faults();
    world.run(&["x"]).exits(0);
    assert_eq!(saved_by(&world), truth(&world));
    world.cli(&["verify"]).exits(0);
}

#[test]
fn list_with_many_failing_items_is_not_published() {
    let options = SandboxOptions { digger_tracks: 168, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, options, "[[fetch]]\nstream = \"saved_tracks\"\n");
    world.sandbox.inject(Fault::on_path("/v1/me/tracks", FaultAction::FailingItems { from: 50, count: 30, code: 500 }));
    world.run(&["x"]).exits(3).says("Spotify failed 5 times");
    assert!(world.new_calls().len() <= 60);
    assert_eq!(saved_by(&world).len(), 0);
    world.run(&["x"]).exits(3);
    assert!(world.new_calls().len() <= 16, "nothing is found out again");
    world.cli(&["verify"]).exits(0);
    world.sandbox.clear_faults();
    world.run(&["x"]).exits(0);
    assert_eq!(saved_by(&world), truth(&world));
}

#[test]
fn refused_item_is_not_a_refused_playlist() {
    for status in [404, 403, 410] {
        let (world, path) = library_with_a_failing_item();
        let rows = world.csv("my_playlist_items.csv").len();
        world.sandbox.clear_faults();
        world.sandbox.inject(Fault::on_path(&path, FaultAction::status(status)).with_query("limit=1&"));
        for _ in 0..2 {
            world.run(&[]).exits(3).says("the item at offset 4 cannot be read");
            assert_eq!(world.one("SELECT count(*) FROM known_gaps"), "0", "{status}");
            assert_eq!(world.one("SELECT count(*) FROM playlists WHERE gone_at IS NOT NULL"), "0", "{status}");
            assert_eq!(world.csv("my_playlist_items.csv").len(), rows, "{status}");
        }
        world.sandbox.clear_faults();
        world.run(&[]).exits(0);
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn price_has_the_items_that_failed() {
    let own = format!("user = \"home\"\n{}", fetch("my_playlist_items", ""));
    let by_id = fetch("playlist_items", &format!("ids = [\"{}\"]", fixtures::HOME_PLAYLIST));
    let listed = format!("user = \"home\"\n{}{by_id}", fetch("my_playlists", ""));
    for job in [own, listed, by_id.clone()] {
        let world = signed_in(World::extended().job(&job), &[("home", fixtures::HOME_USER)]);
        world.delete_large_playlist();
        let path = format!("/v1/playlists/{}*", fixtures::HOME_PLAYLIST);
        for at in [4, 110] {
            world.sandbox.clear_faults();
            let failing = FaultAction::FailingItems { from: at, count: 1, code: 500 };
            world.sandbox.inject(Fault::on_path(&path, failing));
            world.run(&["--full"]).exits(3);
            plan_and_run(&world, &format!("unchanged, {at}: {job}"));
            let edit =
                serde_json::json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 1, "count": 1});
            world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
            plan_and_run(&world, &format!("changed, {at}: {job}"));
        }
        world.sandbox.clear_faults();
        plan_and_run(&world, &format!("in order again: {job}"));
    }
}

#[test]
fn failing_item_of_a_cursor_keeps_what_is_known() {
    let job = format!("user = \"home\"\n{}", fetch("followed_artists", ""));
    let world = signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)]);
    // The first page fails, or the second, and no cursor leads past it.
    for query in ["type=artist", "after="] {
        let failing = FaultAction::FailingItems { from: 0, count: 1, code: 500 };
        world.sandbox.inject(Fault::on_path("/v1/me/following", failing).with_query(query));
        let known = world.csv_path("followed_artists.csv").exists().then(|| world.csv_bytes("followed_artists.csv"));
        world.run(&["--full"]).exits(3).says("Spotify failed 5 times");
        if let Some(known) = known {
            assert!(world.csv_bytes("followed_artists.csv") == known, "{query}");
        }
        world.new_calls();
        world.run(&[]).exits(3);
        assert!(world.new_calls().len() <= 16, "{query}");
        world.sandbox.clear_faults();
        world.run(&[]).exits(0);
        assert_eq!(world.csv("followed_artists.csv").len(), 64, "{query}");
        world.cli(&["verify"]).exits(0);
    }
    // Only large pages fail.
    let failing = FaultAction::FailingItems { from: 20, count: 1, code: 500 };
    world.sandbox.inject(Fault::on_path("/v1/me/following", failing));
    world.run(&["--full"]).exits(0);
    assert_eq!(world.csv("followed_artists.csv").len(), 64);
}

#[test]
fn failing_play_costs_the_plays_before_it() {
    let job = format!("user = \"home\"\n{}", fetch("recently_played", ""));
    let whole = signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)]);
    whole.run(&[]).exits(0);
    let plays = whole.column("recently_played.csv", "played_at");
    let world = signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)]);
    for from in [7, 20] {
        world.sandbox.clear_faults();
        let failing = FaultAction::FailingItems { from, count: 1, code: 502 };
        world.sandbox.inject(Fault::on_path("/v1/me/player/recently-played", failing));
        world.new_calls();
        world.run(&[]).exits(3).says(&format!("the item at offset {from} cannot be read"));
        assert!(world.new_calls().len() <= 12);
        let read = world.column("recently_played.csv", "played_at").len();
        assert_eq!(read, usize::try_from(from).unwrap());
        world.cli(&["verify"]).exits(0);
    }
    world.sandbox.clear_faults();
    world.sandbox.inject(Fault::on_path("/v1/me/player/recently-played", FaultAction::status(500)));
    world.new_calls();
    world.run(&[]).exits(3);
    assert!(world.new_calls().len() <= 6, "nothing is answered");
    world.sandbox.clear_faults();
    world.run(&[]).exits(0);
    // The sandbox makes up a play every seven minutes, so the oldest one may have left the window meanwhile.
    let read = world.column("recently_played.csv", "played_at");
    assert!(plays[1..].iter().all(|play| read.contains(play)) && read.len() >= plays.len(), "{read:?}, not {plays:?}");
    world.cli(&["verify"]).exits(0);
}
