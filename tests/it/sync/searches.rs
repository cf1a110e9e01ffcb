//! Searches with answers that lack hits or repeat earlier ones.

use serde_json::json;
use spotify_sandbox::{Fault, FaultAction};

use crate::support::snapshot::Shows as _;
use crate::support::world::World;

fn search() -> World {
    World::extended().job("[[fetch]]\nstream = \"search\"\nquery = \"a\"\nmax_results = 150\n")
}

/// Ranks and ids of the newest search.
fn hits(world: &World) -> Vec<Vec<String>> {
    world.rows(
        "SELECT rank, item_id FROM search_results WHERE searched_at = (SELECT max(searched_at) FROM search_results)
         ORDER BY rank",
    )
}

#[test]
fn odd_search_answer_is_requested_again() {
    let whole = search();
    whole.run(&[]).exits(0);
    let (wanted, fewest) = (hits(&whole), whole.new_calls().len());
    assert_eq!((wanted.len(), fewest), (150, 3));
    for action in [FaultAction::EmptyPage, FaultAction::ShortPage, FaultAction::RepeatPage] {
        let name = action.name();
        let world = search();
        world.sandbox.inject(Fault::on_path("/v1/search", action.clone()).with_query("offset=50").times(1));
        world.run(&[]).exits(0);
        assert_eq!(hits(&world), wanted, "{name}");
        assert_eq!(world.new_calls().len(), fewest + 1, "{name}");
        assert_eq!(world.one("SELECT count(*) FROM skipped_items"), "0", "{name}");
        // Every answer is wrong.
        world.sandbox.inject(Fault::on_path("/v1/search", action.clone()).with_query("offset=50"));
        let ran = world.run(&[]);
        let notes = world.rows("SELECT reason, position, detail FROM skipped_items");
        match action {
            FaultAction::RepeatPage => {
                ran.exits(3).shows("odd_search_answer_is_requested_again");
                assert_eq!(hits(&world), wanted, "no search is added to the log");
            }
            // The next answer begins where the short one ends.
            FaultAction::ShortPage => {
                ran.exits(0);
                assert_eq!((hits(&world).as_slice(), notes.len()), (wanted.as_slice(), 0));
            }
            _ => {
                ran.exits(0);
                // An empty answer ends a search, so the hits of the pages after it are missing, too.
                let detail = "100 of the hits that were due did not come";
                assert_eq!(notes, [["missing_hits", "50", detail]], "{name}");
            }
        }
        world.cli(&["verify"]).exits(0);
    }
    assert_eq!(whole.one("SELECT proof FROM run_lists"), "cut", "Spotify announces more hits than the job wants");
    // Spotify announces hits and sends none, so the log gets no new search.
    whole.sandbox.inject(Fault::on_path("/v1/search", FaultAction::EmptyPage));
    whole.run(&[]).exits(3).shows("odd_search_answer_is_requested_again_2");
    assert_eq!(hits(&whole), wanted);
    assert_eq!(whole.one("SELECT reason FROM unproved_lists"), "short_page");
}

#[test]
fn every_short_answer_is_continued() {
    let whole = search();
    whole.run(&[]).exits(0);
    // The server never sends more than 25 hits, and does not say so.
    let world = search();
    for offset in [0, 25, 50, 75, 100] {
        let query = format!("offset={offset}");
        world.sandbox.inject(Fault::on_path("/v1/search", FaultAction::ShortPage).with_query(&query));
    }
    world.run(&[]).exits(0);
    assert_eq!(hits(&world), hits(&whole));
    assert_eq!(world.one("SELECT count(*) FROM skipped_items"), "0");
    // The first answer is requested again. The others may be short, too.
    assert_eq!(world.new_calls().len(), 7);
}

#[test]
fn hit_that_is_left_out_is_missing() {
    let whole = search();
    whole.run(&[]).exits(0);
    let world = search();
    world.sandbox.inject(Fault::on_path("/v1/search", FaultAction::HolePage).with_query("offset=50"));
    world.run(&[]).exits(0);
    let ids = |world: &World| hits(world).into_iter().map(|row| row[1].clone()).collect::<Vec<_>>();
    let mut wanted = ids(&whole);
    wanted.remove(75);
    assert_eq!(ids(&world), wanted);
    let notes = world.rows("SELECT reason, detail FROM skipped_items");
    assert_eq!(notes, [["missing_hits", "1 of the hits that were due did not come"]]);
}

#[test]
fn search_without_hits_is_an_empty_file() {
    for (kinds, total) in [("track", 3), ("album", 3), ("playlist", 1), ("show", 0)] {
        let job = format!("[[fetch]]\nstream = \"search\"\nquery = \"zz\"\ntypes = [\"{kinds}\"]\n");
        let world = World::extended().job(&job);
        let page = json!({ "items": [], "total": total, "limit": 10, "offset": 0, "next": null });
        let answer = json!({ format!("{kinds}s"): page });
        world.sandbox.inject(Fault::on_path("/v1/search", FaultAction::Answer { code: 200, json: answer }));
        for _ in 0..2 {
            world.new_calls();
            world.run(&[]).exits(0);
            assert_eq!(world.new_calls().len(), if total > 0 { 2 } else { 1 }, "{kinds}");
            assert!(world.csv("search.csv").is_empty(), "{kinds}");
            assert_eq!(world.column("search-not-found.csv", "requested"), ["zz"], "{kinds}");
        }
        let reasons = "SELECT DISTINCT reason FROM skipped_items ORDER BY reason";
        let noted: Vec<String> = world.rows(reasons).concat();
        assert_eq!(noted, if total > 0 { vec!["missing_hits", "no_hits"] } else { vec!["no_hits"] }, "{kinds}");
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn hits_that_are_gone_need_two_runs() {
    let world = search();
    world.run(&[]).exits(0);
    world.sandbox.inject(Fault::on_path("/v1/search", FaultAction::EmptyPage));
    world.run(&[]).exits(3);
    assert_eq!(world.one("SELECT count(*) FROM run_lists"), "1", "the old hits stay the newest");
    world.run(&[]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM run_lists"), "2", "the second run says the same");
    assert_eq!(world.column("search-not-found.csv", "requested"), ["a"]);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn refused_search_is_remembered_for_a_week() {
    let world = search();
    world.sandbox.inject(Fault::on_path("/v1/search", FaultAction::status(404)));
    world.run(&[]).exits(3);
    world.new_calls();
    let plan = world.cli(&["plan", "--offline"]);
    assert!(plan.stdout.contains("nothing to read"), "{}", plan.stdout);
    world.run(&[]).exits(0);
    assert_eq!(world.new_calls(), [""; 0]);
    assert_eq!(world.column("search-not-found.csv", "requested"), ["a"]);
}

#[test]
fn failing_hit_costs_one_row() {
    let whole = search();
    whole.run(&[]).exits(0);
    let (wanted, fewest) = (hits(&whole), whole.new_calls().len());
    for (from, code) in [(0, 500), (3, 503), (57, 200), (149, 500)] {
        let world = search();
        let fail = || {
            let failing = FaultAction::FailingItems { from, count: 1, code };
            world.sandbox.inject(Fault::on_path("/v1/search", failing));
        };
        fail();
        let without: Vec<Vec<String>> = wanted.iter().filter(|hit| hit[0] != (from + 1).to_string()).cloned().collect();
        for extra in [24, 24] {
            world.run(&[]).exits(3).says(&format!("the item at offset {from} cannot be read"));
            assert_eq!(hits(&world), without, "{from}");
            let calls = world.new_calls();
            assert!(calls.len() <= fewest + extra, "{from}: {calls:?}");
            let noted = "SELECT position, reason FROM skipped_items WHERE run_id = (SELECT max(id) FROM runs)";
            assert_eq!(world.rows(noted), [[from.to_string(), "unread_item".to_owned()]]);
            world.cli(&["verify"]).exits(0);
        }
        world.sandbox.clear_faults();
        world.run(&[]).exits(0);
        assert_eq!(hits(&world), wanted, "{from}");
    }
}

#[test]
fn continued_search_knows_its_failing_hit() {
    let world = search();
    let fail = |world: &World| {
        let failing = FaultAction::FailingItems { from: 3, count: 1, code: 500 };
        world.sandbox.inject(Fault::on_path("/v1/search", failing));
    };
    fail(&world);
    world.run(&[]).exits(3);
    let (calls, found) = (world.new_calls().len(), hits(&world));
    // The run stops before its last page, and the next one continues there.
    let world = search();
    fail(&world);
    world.run(&["--max-calls", &(calls - 1).to_string()]).exits(75);
    world.new_calls();
    world.run(&[]).exits(3).says("the item at offset 3 cannot be read");
    assert_eq!(world.new_calls().len(), 1);
    assert_eq!(hits(&world), found);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn failing_search_costs_itself_only() {
    let job = "[[fetch]]\nstream = \"search\"\nqueries = [\"a\", \"b\"]\ntypes = [\"track\", \"album\"]\n";
    let world = World::extended().settings("concurrency = 1").job(job);
    world.sandbox.inject(Fault::on_path("/v1/search", FaultAction::status(500)).with_query("q=a&"));
    let asked = |world: &World| {
        let calls = world.new_calls();
        let of_a: Vec<usize> = (0..).zip(&calls).filter(|(_, call)| call.contains("q=a&")).map(|(n, _)| n).collect();
        (of_a.len(), of_a.first() > Some(&0))
    };
    world.run(&[]).exits(3).says("Spotify failed 5 times");
    assert_eq!(asked(&world), (8, false));
    // The next run tries it last, and less often.
    world.run(&[]).exits(3);
    let (calls, is_last) = asked(&world);
    assert!(calls <= 5 && is_last, "{calls}");
    assert!(world.one("SELECT count(*) FROM search_results").parse::<u32>().unwrap() > 0);
}

#[test]
fn repeated_hit_counts_once() {
    let hit = |n: i64| {
        let id = format!("{n:022}");
        json!({"id": id, "uri": format!("spotify:show:{id}"), "type": "show", "name": format!("Show {n}")})
    };
    let page = |numbers: &[i64], offset: i64, next: bool| {
        let items: Vec<_> = numbers.iter().map(|n| hit(*n)).collect();
        let page = json!({"items": items, "total": 100, "limit": 50, "offset": offset, "next": next.then_some("more")});
        Fault::on_path("/v1/search", FaultAction::Answer { code: 200, json: json!({"shows": page}) })
            .with_query(&format!("offset={offset}"))
    };
    let job = "[[fetch]]\nstream = \"search\"\nquery = \"a\"\ntypes = [\"show\"]\nmax_results = 100\n";
    let world = World::extended().job(job);
    let first: Vec<i64> = (0..50).collect();
    // The first hit of the second page was on the first one, and its last hit is on it twice.
    let second: Vec<i64> = [3].into_iter().chain(51..99).chain([98]).collect();
    world.sandbox.inject(page(&first, 0, true));
    world.sandbox.inject(page(&second, 50, false));
    world.run(&[]).exits(0);
    let ids: Vec<String> = hits(&world).into_iter().map(|row| row[1].clone()).collect();
    let expected: Vec<String> = (0..50).chain(51..99).map(|n: i64| format!("{n:022}")).collect();
    assert_eq!(ids, expected);
    let notes = world.rows("SELECT reason, position FROM skipped_items ORDER BY position");
    assert_eq!(notes, [["listed_twice", "50"], ["listed_twice", "99"]]);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn search_without_a_list_of_hits_is_partial() {
    let world = search();
    world.run(&[]).exits(0);
    let before = hits(&world);
    world.sandbox.inject(Fault::on_path("/v1/search", FaultAction::set("/tracks/items", serde_json::Value::Null)));
    world.run(&[]).exits(3);
    assert_eq!(hits(&world), before);
}

#[test]
fn search_of_nulls_is_partial() {
    for (kinds, at) in [("track", "/tracks/items/*"), ("playlist", "/playlists/items/*")] {
        let job = format!("[[fetch]]\nstream = \"search\"\nquery = \"a\"\ntypes = [\"{kinds}\"]\nmax_results = 60\n");
        let world = World::extended().job(&job);
        let nulls =
            || world.sandbox.inject(Fault::on_path("/v1/search", FaultAction::set(at, serde_json::Value::Null)));
        nulls();
        for _ in 0..2 {
            world.run(&[]).exits(3).says("hits are null or have no id");
        }
        assert_eq!(world.one("SELECT count(*) FROM search_results"), "0");
        assert_eq!(world.one("SELECT DISTINCT reason FROM unproved_lists"), "suspect_batch");
        world.cli(&["verify"]).exits(0);
        world.sandbox.clear_faults();
        world.run(&[]).exits(0);
        let found = hits(&world);
        assert!(!found.is_empty());
        // The last hits stay until a person accepts that there are none.
        nulls();
        world.run(&[]).exits(3);
        assert_eq!(hits(&world), found);
        world.run(&["--accept", "x", "search"]).exits(0);
        world.run(&[]).exits(0);
        world.cli(&["verify"]).exits(0);
        // One hit that can be read is a search.
        let world = World::extended().job(&job);
        world
            .sandbox
            .inject(Fault::on_path("/v1/search", FaultAction::set(&at.replace('*', "0"), serde_json::Value::Null)));
        world.run(&[]).exits(0);
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn refused_page_costs_its_own_hits() {
    for code in [400, 403, 404] {
        let world = search();
        world.sandbox.inject(Fault::on_path("/v1/search", FaultAction::status(code)).with_query("offset=50"));
        for run in 1..=2 {
            world.new_calls();
            world.run(&[]).exits(3).says("page_refused");
            assert_eq!(hits(&world).len(), 50, "{code} {run}");
            assert!(world.new_calls().len() > 1, "{code}: it is requested again");
        }
        world.sandbox.clear_faults();
        world.run(&[]).exits(0);
        assert_eq!(hits(&world).len(), 150, "{code}");
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn odd_page_of_one_type_costs_that_type() {
    let job = "[[fetch]]\nstream = \"search\"\nquery = \"a\"\ntypes = [\"track\", \"album\"]\n";
    let of = |world: &World, kind: &str| {
        let newest = "searched_at = (SELECT max(searched_at) FROM search_results)";
        world.one(&format!("SELECT count(*) FROM search_results WHERE kind = '{kind}' AND {newest}"))
    };
    let set = |to| FaultAction::set("/albums", to);
    let odd = [json!(null), json!([]), json!([{}]), json!({}), json!("x")].map(set);
    for action in odd.into_iter().chain([FaultAction::Remove { at: "/albums".to_owned() }]) {
        let world = World::development().job(job);
        world.run(&[]).exits(0);
        let tracks = of(&world, "track");
        world.sandbox.inject(Fault::on_path("/v1/search", action.clone()));
        world.new_calls();
        world.run(&[]).exits(3).says("the answer has no usable page of albums");
        assert_eq!([of(&world, "track"), of(&world, "album")], [tracks, "0".to_owned()], "{action:?}");
        assert!(world.new_calls().len() <= 2, "{action:?}");
        // A single odd answer costs nothing.
        world.sandbox.clear_faults();
        world.sandbox.inject(Fault::on_path("/v1/search", action).times(1));
        world.run(&[]).exits(0);
        world.cli(&["verify"]).exits(0);
    }
}
