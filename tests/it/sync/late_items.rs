//! Items that Spotify sends late under the same total and version: runs notice them, with at most one call for each kind of gap.

use rusqlite::Connection;
use serde_json::{Value, json};
use spotify_sandbox::{Fault, FaultAction, QuotaMode, SandboxOptions, fixtures};

use super::odd_pages::{ITEMS, plain};
use super::users::both;
use crate::support::calls_table::{digging, save_new, sign_in};
use crate::support::world::{World, by_ids};

/// A list of one kind of paging, with a job that reads it.
pub(super) struct PagedList {
    stream: &'static str,
    pub(super) world: World,
    /// The path of its pages.
    pub(super) path: &'static str,
    /// A place on a page behind the first one, by the offset of the page.
    late_place: (i64, i64),
    /// The list ends after this many items at first.
    ends_after: u64,
}

impl PagedList {
    pub(super) fn rows(&self) -> usize {
        self.world.csv(&format!("{}.csv", self.stream)).iter().filter(|row| !is_blank(row)).count()
    }

    /// Runs the job, and returns the exit code, the number of rows and of calls, and the reasons that were noted.
    fn run(&self, arguments: &[&str]) -> (i32, usize, usize, String) {
        self.world.new_calls();
        let arguments = if arguments.contains(&"x") { arguments.to_vec() } else { [&["x"], arguments].concat() };
        let code = self.world.run(&arguments).code;
        let reasons =
            "SELECT coalesce(group_concat(reason), '') FROM skipped_items WHERE run_id = (SELECT max(id) FROM runs)
             AND reason IN ('cut_short', 'wrong_total', 'suspect_batch')";
        (code, self.rows(), self.world.new_calls().len(), self.world.one(reasons))
    }

    pub(super) fn ends_early(&self) {
        let action = match self.stream {
            "followed_artists" => FaultAction::Several {
                actions: vec![
                    FaultAction::set("/artists/limit", json!(60)), // A full page would be followed by its last id.
                    FaultAction::set("/artists/next", Value::Null),
                    FaultAction::set("/artists/cursors/after", Value::Null),
                ],
            },
            _ => FaultAction::EndsAfter { items: self.ends_after },
        };
        self.world.sandbox.inject(Fault::on_path(self.path, action));
    }

    /// Spotify sends null in place of one item on the pages of the list, and the item when it is requested alone.
    fn spoil_pages(&self) {
        let (offset, place) = self.late_place;
        let field = if self.stream == "playlist_items" { "/track" } else { "" };
        let null = FaultAction::set(&format!("/items/{place}{field}"), Value::Null);
        self.world.sandbox.inject(Fault::on_path(self.path, null).with_query(&format!("offset={offset}")));
    }

    /// Spotify sends these values in place of the fields of one item, whatever the page that it is on.
    fn spoil(&self, fields: &str, value: &Value) {
        let (offset, place) = self.late_place;
        let root = if self.stream == "followed_artists" { "/artists" } else { "" };
        let pages = [(format!("offset={offset}"), place), (format!("offset={}", offset + place), 0)];
        for (query, place) in pages {
            let query = if root.is_empty() { query } else { "after=".to_owned() };
            let at = |field: &str| FaultAction::set(&format!("{root}/items/{place}{field}"), value.clone());
            let actions = fields.split(',').map(at).collect();
            let fault = Fault::on_path(self.path, FaultAction::Several { actions });
            self.world.sandbox.inject(fault.with_query(&query));
            if !root.is_empty() {
                break;
            }
        }
    }
}

fn is_blank(row: &crate::support::world::Row) -> bool {
    row.get("uri").is_some_and(String::is_empty)
}

/// By offset with the newest first, by offset with a version, with unreliable totals, and by cursor.
const STREAMS: [&str; 5] = ["saved_tracks", "playlist_items", "artist_albums", "show_episodes", "followed_artists"];

pub(super) fn paged_list(stream: &'static str) -> PagedList {
    let list = |world, path, late_place, ends_after| PagedList { stream, world, path, late_place, ends_after };
    match stream {
        "saved_tracks" => {
            let options = SandboxOptions { digger_tracks: 168, ..SandboxOptions::default() };
            let world = digging(QuotaMode::Development, options, "[[fetch]]\nstream = \"saved_tracks\"\n");
            list(world, "/v1/me/tracks", (50, 7), 60)
        }
        "playlist_items" => list(plain().0, ITEMS, (200, 7), 230),
        "artist_albums" => {
            let artist = format!("{}include_groups = [\"album\"]\n", by_ids(stream, &[fixtures::BUSY_ARTIST]));
            list(World::development().job(&artist), "/v1/artists/*/albums", (10, 3), 10)
        }
        "show_episodes" => {
            let show = format!("market = \"US\"\n{}", by_ids(stream, &[fixtures::SHOW]));
            list(World::extended().job(&show), "/v1/shows/*/episodes", (50, 3), 50)
        }
        _ => {
            let job = format!("user = \"home\"\n[[fetch]]\nstream = \"{stream}\"\n");
            list(both(World::development().job(&job)), "/v1/me/following", (50, 3), 50)
        }
    }
}

fn lists() -> [PagedList; 5] {
    STREAMS.map(paged_list)
}

#[test]
fn late_end_of_a_list_is_noticed() {
    for list in lists() {
        let name = list.stream;
        list.ends_early();
        let (code, short, _, reasons) = list.run(&[]);
        assert_eq!((code, reasons.as_str()), (0, "wrong_total"), "{name}");
        let (code, rows, calls, _) = list.run(&[]);
        assert_eq!((code, rows), (0, short), "{name}");
        assert!(calls <= 2, "{name}: {calls} calls of a list that is as short as before");
        list.world.sandbox.clear_faults();
        let (code, rows, _, _) = list.run(&[]);
        list.world.cli(&["verify"]).exits(0);
        let (_, all, _, _) = list.run(&["--full"]);
        assert!(all > short, "{name}");
        assert_eq!((code, rows), (0, all), "{name}");
        assert_eq!(list.world.one("SELECT count(*) FROM lists WHERE gaps ->> 'behind_end' > 0"), "0", "{name}");
    }
}

#[test]
fn accepted_end_that_heals_is_noticed() {
    for list in lists() {
        let name = list.stream;
        let (_, all, _, _) = list.run(&[]);
        list.ends_early();
        let (code, rows, _, reasons) = list.run(&["--full"]);
        assert_eq!((code, rows, reasons.as_str()), (3, all, "cut_short"), "{name}");
        // The rows that did not come are in the file, and this is said at every run.
        for _ in 0..2 {
            let (code, rows, _, reasons) = list.run(&[]);
            assert_eq!((code, rows, reasons.as_str()), (3, all, "cut_short"), "{name}");
        }
        let (code, rows, _, _) = list.run(&["--accept", "x", name]);
        assert!(rows < all, "{name}: the end was not accepted");
        assert_eq!(code, 0, "{name}");
        let (code, same, _, _) = list.run(&[]);
        assert_eq!((code, same), (0, rows), "{name}");
        list.world.sandbox.clear_faults();
        let (code, rows, _, _) = list.run(&[]);
        assert_eq!((code, rows), (0, all), "{name}");
        list.world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn end_that_was_not_accepted_may_heal() {
    for list in lists() {
        let name = list.stream;
        let (_, all, _, _) = list.run(&[]);
        list.ends_early();
        list.run(&["--full"]);
        list.world.sandbox.clear_faults();
        let (code, rows, calls, reasons) = list.run(&[]);
        assert_eq!((code, rows, reasons.as_str()), (0, all, ""), "{name}");
        assert!(calls <= 3, "{name}: {calls}");
        let (_, _, later, _) = list.run(&[]);
        assert!(later < calls || name == "followed_artists", "{name}: {later}");
    }
    // New rows are published although the end is missing.
    let list = paged_list("saved_tracks");
    list.run(&[]);
    list.ends_early();
    list.run(&["--full"]);
    save_new(&list.world, 1);
    assert_eq!(list.run(&[]), (3, 169, 2, "cut_short".to_owned()));
    list.world.cli(&["verify"]).exits(0);
}

/// Null, an entry around null, an item without id and URI, and another item of the list.
fn empty_entries(stream: &str) -> Vec<(&'static str, Value)> {
    match stream {
        "saved_tracks" => vec![("", Value::Null), ("/track", Value::Null), ("/track/id,/track/uri", Value::Null)],
        "playlist_items" => vec![("/track", Value::Null), ("/track/id,/track/uri", Value::Null)],
        _ => vec![("", Value::Null), ("/id,/uri", Value::Null)],
    }
}

#[test]
fn late_items_of_empty_places_are_noticed() {
    for name in STREAMS {
        for (fields, value) in empty_entries(name) {
            let list = paged_list(name);
            list.spoil(fields, &value);
            let (code, short, first, _) = list.run(&[]);
            let (code_2, same, calls, _) = list.run(&[]);
            assert_eq!((code, code_2, same), (0, 0, short), "{name} {fields}");
            assert!(calls <= 3 && calls <= first, "{name} {fields}: {calls} calls, {first} at first");
            list.world.sandbox.clear_faults();
            let (code, rows, _, _) = list.run(&[]);
            list.world.cli(&["verify"]).exits(0);
            let (_, all, _, _) = list.run(&["--full"]);
            assert_eq!((code, rows, short + 1), (0, all, all), "{name} {fields}");
        }
    }
}

#[test]
fn place_of_a_double_is_looked_at() {
    let list = paged_list("saved_tracks");
    // The item at 100 is the one at 5 again; two reads agree on it.
    let positions = (0..168).map(|place| if place == 100 { 5 } else { place }).collect();
    list.world.sandbox.inject(Fault::on_path(list.path, FaultAction::Reordered { positions }));
    let (code, short, _, _) = list.run(&[]);
    assert_eq!((code, short), (0, 167));
    let (_, same, calls, _) = list.run(&[]);
    assert_eq!((same, calls), (167, 2));
    list.world.sandbox.clear_faults();
    let (code, rows, _, _) = list.run(&[]);
    assert_eq!((code, rows), (0, 168));
    list.world.cli(&["verify"]).exits(0);
}

#[test]
fn item_that_comes_only_alone_is_stored() {
    for list in lists().into_iter().take(4) {
        let name = list.stream;
        list.spoil_pages();
        let (_, short, first, _) = list.run(&[]);
        let (code, all, calls, _) = list.run(&[]);
        assert_eq!((code, all), (0, short + 1), "{name}");
        assert!(calls <= first + 2, "{name}: {calls} calls, {first} at first");
        let noted = "SELECT count(*) FROM skipped_items WHERE reason = 'read_alone'";
        assert_eq!(list.world.one(noted), "1", "{name}");
        list.world.cli(&["verify"]).exits(0);
        // The pages lack it in each whole read. It stays, and a look that shows it tells nothing new.
        assert_eq!(list.run(&["--full"]).1, all, "{name}");
        let calls = || list.run(&[]).2;
        assert_eq!((0..7).map(|_| calls()).collect::<Vec<_>>(), [2, 2, 2, 2, 2, 1, 1], "{name}");
        assert_eq!(list.rows(), all, "{name}");
        list.world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn double_that_is_another_item_alone_is_stored() {
    let list = paged_list("saved_tracks");
    let positions = (0..168).map(|place| if place == 100 { 5 } else { place }).collect();
    list.world.sandbox.inject(Fault::on_path(list.path, FaultAction::Reordered { positions }).with_query("limit=50"));
    assert_eq!(list.run(&[]).1, 167);
    assert_eq!(list.run(&[]).1, 168);
    let (code, rows, calls, _) = list.run(&[]);
    assert_eq!((code, rows, calls), (0, 168, 1));
    list.world.cli(&["verify"]).exits(0);
}

#[test]
fn end_that_comes_only_alone_is_stored() {
    for (name, missing) in [("saved_tracks", 2), ("show_episodes", 1), ("playlist_items", 2)] {
        let list = paged_list(name);
        list.world.sandbox.inject(Fault::on_path(list.path, FaultAction::EndsAfter { items: list.ends_after }));
        let (_, _, first, _) = list.run(&[]);
        let announced: u64 = list.world.one("SELECT announced FROM lists WHERE announced > 0").parse().unwrap();
        list.world.sandbox.clear_faults();
        let list = paged_list(name);
        let ends = FaultAction::EndsAfter { items: announced - missing };
        for pages in ["limit=50", "limit=100"] {
            list.world.sandbox.inject(Fault::on_path(list.path, ends.clone()).with_query(pages));
        }
        let (code, short, ..) = list.run(&[]);
        let (code_2, all, calls, _) = list.run(&[]);
        assert_eq!((code, code_2, all), (0, 0, short + usize::try_from(missing).unwrap()), "{name}");
        assert!(calls <= first + 5, "{name}: {calls} calls, {first} at first");
        list.world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn heal_of_the_first_page_is_read_whole() {
    let list = paged_list("saved_tracks");
    let null = || FaultAction::set("/items/7", Value::Null);
    list.spoil("", &Value::Null);
    list.world.sandbox.inject(Fault::on_path(list.path, null()).with_query("offset=0"));
    // One item of the first page, and one of the second; six runs later, there is a pause.
    assert_eq!((0..7).map(|_| list.run(&[]).2).collect::<Vec<_>>()[6], 1);
    list.world.sandbox.clear_faults();
    save_new(&list.world, 1);
    let (code, rows, calls, _) = list.run(&[]);
    assert_eq!((code, rows, calls), (0, 169, 4));
    list.world.cli(&["verify"]).exits(0);
}

/// Says that the last look was some days earlier.
pub(super) fn age_looks(world: &World, days: i64) {
    let store = Connection::open(world.database()).unwrap();
    let sql = "UPDATE lists SET gaps = json_set(gaps, '$.looked_at',
               strftime('%Y-%m-%dT%H:%M:%fZ', gaps ->> 'looked_at', ?1)) WHERE gaps IS NOT NULL";
    assert_eq!(store.execute(sql, [format!("-{days} days")]).unwrap(), 1);
}

#[test]
fn constant_gaps_cost_less_and_less() {
    for list in lists().into_iter().take(4) {
        let name = list.stream;
        list.spoil(if name == "playlist_items" { "/track" } else { "" }, &Value::Null);
        list.run(&[]);
        let calls = || list.run(&[]).2;
        assert_eq!((0..7).map(|_| calls()).collect::<Vec<_>>(), [2, 2, 2, 2, 2, 1, 1], "{name}");
        age_looks(&list.world, 1);
        let calls = || list.run(&[]).2;
        assert_eq!([calls(), calls()], [2, 1], "{name}: after a day");
        age_looks(&list.world, 1);
        assert_eq!(list.run(&[]).2, 1, "{name}: the pause is two days now");
        age_looks(&list.world, 1);
        assert_eq!(list.run(&[]).2, 2, "{name}");
        list.world.cli(&["verify"]).exits(0);
    }
}

/// Two saved tracks, and other lists.
fn list_of_few(stream: &'static str) -> PagedList {
    if stream != "saved_tracks" {
        return paged_list(stream);
    }
    let options = SandboxOptions { digger_tracks: 2, ..SandboxOptions::default() };
    let world = digging(QuotaMode::Development, options, "[[fetch]]\nstream = \"saved_tracks\"\n");
    PagedList { stream, world, path: "/v1/me/tracks", late_place: (0, 0), ends_after: 0 }
}

#[test]
fn total_that_is_far_too_high_is_learned() {
    for name in ["saved_tracks", "artist_albums", "show_episodes", "followed_artists"] {
        let (_, all, fewest, _) = list_of_few(name).run(&[]);
        let list = list_of_few(name);
        let at = if name == "followed_artists" { "/artists/total" } else { "/total" };
        list.world.sandbox.inject(Fault::on_path(list.path, FaultAction::set(at, json!(62_500))));
        let (code, rows, first, reasons) = list.run(&[]);
        assert_eq!((code, rows, reasons.as_str()), (0, all, "wrong_total"), "{name}");
        assert!(first <= 2 * fewest + 4, "{name}: {first} calls, {fewest} for a list in order");
        let (code, rows, later, _) = list.run(&[]);
        assert_eq!((code, rows), (0, all), "{name}");
        assert!(later <= 3, "{name}: {later} calls");
        list.world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn withdrawn_release_needs_two_reads() {
    let list = paged_list("artist_albums");
    let (_, all, _, _) = list.run(&[]);
    let lists = list.world.one("SELECT announced - 2 FROM lists");
    list.world.sandbox.inject(Fault::on_path(list.path, FaultAction::EndsAfter { items: lists.parse().unwrap() }));
    let (code, rows, _, reasons) = list.run(&["--full"]);
    assert_eq!((code, rows, reasons.as_str()), (3, all, "cut_short"));
    let (code, rows, _, reasons) = list.run(&[]);
    assert_eq!((code, rows, reasons.as_str()), (0, all - 2, "wrong_total"));
    assert_eq!(list.world.one("SELECT count(*) FROM artist_releases WHERE removed_at IS NOT NULL"), "2");
    list.world.cli(&["verify"]).exits(0);
}

#[test]
fn looks_of_a_fetch_are_few() {
    let options = SandboxOptions {
        mode: QuotaMode::Extended,
        playlists: 0,
        digger_playlists: 14,
        playlist_items: 120,
        ..SandboxOptions::default()
    };
    let job = "user = \"digger\"\n[[fetch]]\nstream = \"my_playlist_items\"\n";
    let world = sign_in(World::with(options), "digger", fixtures::DIGGER_USER).job(job);
    for (query, place) in [("offset=100", 5), ("offset=105", 0)] {
        let null = FaultAction::set(&format!("/items/{place}/track"), Value::Null);
        world.sandbox.inject(Fault::on_path(ITEMS, null).with_query(query));
    }
    world.run(&["x"]).exits(0);
    let blank = "SELECT count(*) FROM playlist_items WHERE uri IS NULL";
    assert_eq!(world.one(blank), "14");
    let looks = |world: &World| {
        world.new_calls();
        world.run(&["x"]).exits(0);
        world.new_calls().iter().filter(|call| call.contains("/tracks?")).count()
    };
    // Each list is looked at five times, at most ten of them in a run.
    let each_run: Vec<usize> = (0..10).map(|_| looks(&world)).collect();
    assert!(each_run.iter().all(|looks| *looks <= 10), "{each_run:?}");
    assert_eq!(each_run.iter().sum::<usize>(), 14 * 5, "{each_run:?}");
    world.sandbox.clear_faults();
    let store = Connection::open(world.database()).unwrap();
    store.execute("UPDATE lists SET gaps = json_set(gaps, '$.looks', 0) WHERE gaps IS NOT NULL", []).unwrap();
    for left in ["4", "0"] {
        world.run(&["x"]).exits(0);
        assert_eq!(world.one(blank), left);
    }
    world.cli(&["verify"]).exits(0);
}
