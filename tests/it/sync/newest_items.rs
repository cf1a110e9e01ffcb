//! Lists of which a job wants only the newest items, in every order that Spotify may have them in.

use std::collections::HashSet;

use spotify_sandbox::{Fault, FaultAction, QuotaMode, SandboxOptions, fixtures};

use crate::cli::plan::plan_and_run;
use crate::support::world::{World, fetch};

/// A stream with dated items: its parent and key, the path of its list, and the length of its list.
struct DatedStream {
    stream: &'static str,
    parent: &'static str,
    more: &'static str,
    id_column: &'static str,
    path: &'static str,
    truth: [&'static str; 2],
}

const STREAMS: [DatedStream; 3] = [
    DatedStream {
        stream: "show_episodes",
        parent: fixtures::SHOW,
        more: "market = \"DE\"",
        id_column: "episode_id",
        path: "/v1/shows/*/episodes",
        truth: ["shows", "episodes"],
    },
    DatedStream {
        stream: "artist_albums",
        parent: fixtures::BUSY_ARTIST,
        more: "include_groups = [\"album\"]",
        id_column: "album_id",
        path: "/v1/artists/*/albums",
        truth: ["artists", "album"],
    },
    DatedStream {
        stream: "audiobook_chapters",
        parent: fixtures::AUDIOBOOK,
        more: "market = \"US\"",
        id_column: "chapter_id",
        path: "/v1/audiobooks/*/chapters",
        truth: ["audiobooks", "chapters"],
    },
];

impl DatedStream {
    /// A job for the newest items, and one for all items.
    fn world(&self, mode: QuotaMode, etags: bool, wanted: usize) -> World {
        // Without the name of the parent, which would cost a call.
        let columns = format!("columns = [\"{}\", \"release_date\"]", self.id_column);
        let ids = format!("ids = [\"{}\"]\n{}\n{columns}\nfull_every = \"1d\"", self.parent, self.more);
        let few = fetch(self.stream, &format!("name = \"few\"\n{ids}\nlimit_per_parent = {wanted}"));
        let all = fetch(self.stream, &format!("name = \"all\"\n{ids}"));
        let world = World::with(SandboxOptions { mode, etags, ..SandboxOptions::default() });
        world.job(&format!("{few}{all}"))
    }

    fn length(&self, world: &World) -> usize {
        let [kind, key] = self.truth;
        world.true_ids(kind, self.parent, key).len()
    }

    /// From now on, the list has these items of the usual list.
    fn reorder(&self, world: &World, positions: Vec<usize>) {
        world.sandbox.clear_faults();
        world.sandbox.inject(Fault::on_path(self.path, FaultAction::Reordered { positions }));
    }

    /// From now on, the list has these items, and the answers to requests with a text in their query are changed.
    fn change(&self, world: &World, positions: Vec<usize>, query: &str, action: FaultAction) {
        world.sandbox.clear_faults();
        let order = FaultAction::Reordered { positions: positions.clone() };
        let actions = vec![order, action];
        world.sandbox.inject(Fault::on_path(self.path, FaultAction::Several { actions }).with_query(query));
        world.sandbox.inject(Fault::on_path(self.path, FaultAction::Reordered { positions }));
    }

    /// Plans and runs the job, and compares the newest items with those of the whole list. Returns the calls for
    /// the newest.
    fn check(&self, world: &World, wanted: usize, label: &str) -> usize {
        let label = format!("{} {label}", self.stream);
        plan_and_run(world, &label);
        self.compare(world, wanted, &label)
    }

    fn compare(&self, world: &World, wanted: usize, label: &str) -> usize {
        let dates = |file: &str| -> Vec<String> {
            let mut dates = world.column(file, "release_date");
            dates.sort_unstable();
            dates.reverse();
            dates
        };
        let all = dates("all.csv");
        assert_eq!(dates("few.csv"), all[..wanted.min(all.len())], "{label}");
        let ids: HashSet<String> = world.column("few.csv", self.id_column).into_iter().collect();
        assert_eq!(ids.len(), wanted.min(all.len()), "{label}");
        let calls = "SELECT calls FROM run_fetches WHERE fetch = 'few' ORDER BY run_id DESC LIMIT 1";
        world.one(calls).parse().unwrap()
    }
}

/// All positions in an order that follows no date.
fn shuffled(length: usize) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..length).collect();
    positions.sort_by_key(|n| (n * 7_919 + 3) % 101);
    positions
}

#[test]
fn newest_are_exported_in_any_order() {
    for (stream, etags) in STREAMS.into_iter().zip([false, true, false]) {
        let orders = ["newest first", "oldest first", "mixed", "shorter than wanted", "empty"];
        for (order, mode) in orders.into_iter().zip([QuotaMode::Development, QuotaMode::Extended].into_iter().cycle()) {
            let world = stream.world(mode, etags, 3);
            let length = stream.length(&world);
            let positions = match order {
                "newest first" => (0..length).collect(),
                "oldest first" => (0..length).rev().collect(),
                "mixed" => shuffled(length),
                "shorter than wanted" => vec![1, 0],
                _ => Vec::new(),
            };
            stream.reorder(&world, positions);
            for run in ["first run", "second run"] {
                let calls = stream.check(&world, 3, &format!("{mode:?}, {order}, {run}"));
                match order {
                    "mixed" => {}
                    // Chapters all have the same date, so their order shows at the end of the list.
                    "newest first" if stream.stream != "audiobook_chapters" => assert_eq!(calls, 1),
                    _ => assert!(calls <= 2, "{} {order}: {calls}", stream.stream),
                }
            }
            world.cli(&["verify"]).exits(0);
        }
    }
}

#[test]
fn new_episode_is_found_at_either_end() {
    let [show, ..] = STREAMS;
    for is_oldest_first in [false, true] {
        let world = show.world(QuotaMode::Development, false, 5);
        let length = show.length(&world);
        let list = |positions: std::ops::Range<usize>, first: Option<usize>, last: Option<usize>| {
            let mut positions: Vec<usize> = positions.collect();
            if is_oldest_first {
                positions.reverse();
            }
            first.into_iter().chain(positions).chain(last).collect::<Vec<_>>()
        };
        show.reorder(&world, list(2..length, None, None));
        let without = show.check(&world, 5, "without the newest");
        assert_eq!(without, 1 + usize::from(is_oldest_first));
        show.reorder(&world, list(2..length, Some(1), None));
        show.check(&world, 5, "the newest at the start");
        show.reorder(&world, list(2..length, Some(1), Some(0)));
        show.check(&world, 5, "the newest at the end");
        show.check(&world, 5, "the newest at the end, again");
        show.reorder(&world, list(2..length, None, None));
        show.check(&world, 5, "without them again");
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn interrupted_read_of_the_newest_goes_on() {
    let [_, albums, _] = STREAMS;
    let world = albums.world(QuotaMode::Development, false, 15);
    world.sandbox.inject(Fault { skip: 1, ..Fault::on_path(albums.path, FaultAction::status(500)) });
    world.run(&[]);
    world.sandbox.clear_faults();
    albums.check(&world, 15, "after a failure");
    world.cli(&["verify"]).exits(0);
}

/// The state of the fetch of the newest items in the last run, with the reasons of what it skipped.
fn ending(world: &World) -> (String, Vec<String>) {
    let state = world.one("SELECT state FROM run_fetches WHERE fetch = 'few' ORDER BY run_id DESC LIMIT 1");
    let reasons = "SELECT reason FROM skipped_items WHERE fetch = 'few' AND run_id = (SELECT max(id) FROM runs)";
    (state, world.rows(reasons).concat())
}

/// The positions of a list in each order, with the word for it.
fn orders(length: usize) -> [(&'static str, Vec<usize>); 3] {
    [
        ("newest first", (0..length).collect()),
        ("oldest first", (0..length).rev().collect()),
        ("mixed", shuffled(length)),
    ]
}

#[test]
fn early_end_of_a_first_read_is_noted() {
    for stream in STREAMS {
        let length = stream.length(&stream.world(QuotaMode::Development, false, 30)).min(20);
        for (order, positions) in orders(length) {
            let label = format!("{}, {order}", stream.stream);
            let world = stream.world(QuotaMode::Development, false, 30);
            stream.change(&world, positions, "limit=", FaultAction::EndsAfter { items: length as u64 / 2 });
            for run in 0..2 {
                world.run(&[]).exits(0);
                assert_eq!(world.csv("few.csv").len(), length / 2, "{label}, run {run}");
                assert_eq!(ending(&world), ("complete".to_owned(), vec!["wrong_total".to_owned()]), "{label}");
            }
            world.cli(&["verify"]).exits(0);
        }
    }
}

#[test]
fn known_newest_survive_an_early_end() {
    for stream in STREAMS {
        let world = stream.world(QuotaMode::Development, false, 30);
        let length = stream.length(&world).min(20);
        for (order, positions) in orders(length) {
            let label = format!("{}, {order}", stream.stream);
            stream.reorder(&world, positions.clone());
            world.run(&[]).exits(0);
            stream.change(&world, positions, "limit=", FaultAction::EndsAfter { items: length as u64 / 2 });
            // By `--full`, a person accepts what comes.
            world.run(&[]).exits(3);
            let (state, reasons) = ending(&world);
            // A discography may be as short as it looks, and then loses too many rows.
            let is_named = matches!(reasons.concat().as_str(), "cut_short" | "suspect_batch");
            assert!(state == "partial" && is_named, "{label}: {state}, {reasons:?}");
            assert_eq!(world.csv("few.csv").len(), length, "{label}");
            world.cli(&["verify"]).exits(0);
        }
    }
}

#[test]
fn short_pages_hide_none_of_the_newest() {
    let [show, albums, _] = STREAMS;
    for stream in [show, albums] {
        let length = stream.length(&stream.world(QuotaMode::Development, false, 1));
        for (order, positions) in orders(length) {
            // Once, and in all pages of the usual size.
            for times in [Some(1), None] {
                // None of these is null.
                let wanted = length / 4;
                let world = stream.world(QuotaMode::Development, false, wanted);
                stream.reorder(&world, positions.clone());
                world.run(&[]).exits(0);
                let call = world.new_calls().into_iter().find(|call| call.contains("offset=0")).unwrap();
                let limit = call.split(['?', '&']).find(|part| part.starts_with("limit=")).unwrap().to_owned();
                for from in [3, length as u64 - 4] {
                    let label = format!("{}, {order}, {times:?}, from {from}, {limit}", stream.stream);
                    let world = stream.world(QuotaMode::Development, false, wanted);
                    let lacking = FaultAction::MissingItems { from, count: 2 };
                    let actions = vec![FaultAction::Reordered { positions: positions.clone() }, lacking];
                    let fault = Fault::on_path(stream.path, FaultAction::Several { actions });
                    world.sandbox.inject(Fault { times, ..fault.with_query(&format!("{limit}&")) });
                    let order = FaultAction::Reordered { positions: positions.clone() };
                    world.sandbox.inject(Fault::on_path(stream.path, order));
                    world.run(&[]).exits(0);
                    stream.compare(&world, wanted, &label);
                    assert_eq!(ending(&world), ("complete".to_owned(), Vec::new()), "{label}");
                }
            }
        }
    }
}

#[test]
fn empty_pages_hide_none_of_the_newest() {
    let [show, albums, _] = STREAMS;
    for (stream, order) in [(&show, "newest first"), (&show, "oldest first"), (&albums, "mixed")] {
        let world = stream.world(QuotaMode::Extended, false, 5);
        let (_, positions) = orders(stream.length(&world)).into_iter().find(|(one, _)| *one == order).unwrap();
        // Only answers of the usual size are empty.
        stream.change(&world, positions, "limit=50", FaultAction::EmptyPage);
        world.run(&[]).exits(3);
        let (state, reasons) = ending(&world);
        assert_eq!((state.as_str(), reasons.len()), ("partial", 1), "{}, {order}", stream.stream);
        assert!(!world.csv_path("few.csv").exists(), "{}, {order}", stream.stream);
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn failing_item_costs_one_of_the_newest() {
    let [show, albums, _] = STREAMS;
    for (stream, order) in [(&show, "newest first"), (&show, "oldest first"), (&albums, "mixed")] {
        let whole = stream.world(QuotaMode::Development, false, 5);
        let length = stream.length(&whole);
        let (_, positions) = orders(length).into_iter().find(|(one, _)| *one == order).unwrap();
        stream.reorder(&whole, positions.clone());
        whole.run(&[]).exits(0);
        let rows = |world: &World| {
            let mut ids = world.column("few.csv", stream.id_column);
            ids.sort_unstable();
            ids
        };
        // One of the newest, and another one of the first page.
        let newest = positions.iter().position(|position| *position == 0).unwrap() as u64;
        let (inside, outside) = match order {
            "newest first" => (2, 7),
            "oldest first" => (length as u64 - 3, 2),
            _ => (newest, newest + 1),
        };
        for (at, code) in [(outside, 500), (inside, 503)] {
            let label = format!("{}, {order}, {at}", stream.stream);
            let world = stream.world(QuotaMode::Development, false, 5);
            let failing = FaultAction::FailingItems { from: at, count: 1, code };
            stream.change(&world, positions.clone(), "limit=", failing.clone());
            world.run(&[]).exits(3);
            let (state, reasons) = ending(&world);
            // In a list in no order, nothing shows that the item is older.
            if at == outside && order != "mixed" {
                assert_eq!((state.as_str(), reasons.len(), rows(&world)), ("complete", 0, rows(&whole)), "{label}");
            } else {
                assert_eq!(
                    (state.as_str(), reasons, rows(&world).len()),
                    ("partial", vec!["unread_item".to_owned()], 4),
                    "{label}"
                );
                assert_eq!(world.one("SELECT served FROM run_fetches WHERE fetch = 'few'"), "4", "{label}");
                assert!(rows(&world).iter().all(|id| rows(&whole).contains(id)), "{label}");
            }
            stream.reorder(&world, positions.clone());
            world.run(&[]).exits(0);
            assert_eq!(rows(&world), rows(&whole), "{label}");
            // What is known survives.
            stream.change(&world, positions.clone(), "limit=", failing);
            world.run(&["--full"]).exits(3);
            assert_eq!(rows(&world), rows(&whole), "{label}");
            let calls = "SELECT calls FROM run_fetches WHERE fetch = 'few' ORDER BY run_id DESC LIMIT 1";
            let calls: u32 = world.one(calls).parse().unwrap();
            assert!(calls <= 6 || order != "newest first" || at == inside, "{label}: {calls} calls");
            world.cli(&["verify"]).exits(0);
        }
    }
}
