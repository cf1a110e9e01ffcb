//! The names of shows, audiobooks and artists beside the rows of their lists, which do not state them.

use spotify_sandbox::{Fault, FaultAction, QuotaMode, SandboxOptions, fixtures};

use crate::cli::plan::plan_and_run;
use crate::support::world::{World, fetch};

/// A fetch of a list, the path of its parent, and the column with the name of that.
const LISTS: [(&str, &str, &str, &str, &str); 3] = [
    ("show_episodes", fixtures::SHOW, "market = \"DE\"", "/v1/shows/", "show_name"),
    ("audiobook_chapters", fixtures::AUDIOBOOK, "market = \"US\"", "/v1/audiobooks/", "audiobook_name"),
    ("artist_albums", fixtures::BUSY_ARTIST, "include_groups = [\"appears_on\"]", "/v1/artists/", "artist_name"),
];

fn job(more: &str) -> String {
    LISTS.map(|(stream, id, keys, ..)| fetch(stream, &format!("ids = [\"{id}\"]\n{keys}\n{more}"))).concat()
}

fn world_of(mode: QuotaMode, job: &str) -> World {
    World::with(SandboxOptions { mode, ..SandboxOptions::default() }).job(job)
}

/// How many requests for the parents were sent.
fn parent_calls(world: &World) -> usize {
    let calls = world.new_calls();
    let is_parent = |call: &&String| {
        let path = call.split('?').next().unwrap_or_default();
        LISTS.iter().any(|(_, id, _, parents, _)| format!("/v1{path}") == format!("{parents}{id}"))
    };
    calls.iter().filter(is_parent).count()
}

fn names(world: &World) -> Vec<bool> {
    let is_named = |(stream, .., column): (&str, &str, &str, &str, &str)| {
        let names = world.column(&format!("{stream}.csv"), column);
        assert!(!names.is_empty(), "{stream}");
        names.iter().all(|name| !name.is_empty())
    };
    LISTS.map(is_named).to_vec()
}

#[test]
fn parents_are_named_at_the_first_read() {
    for mode in [QuotaMode::Development, QuotaMode::Extended] {
        let world = world_of(mode, &job(""));
        for turn in 0..2 {
            plan_and_run(&world, &format!("{mode:?}, turn {turn}"));
            assert_eq!(names(&world), [true; 3]);
        }
        world.cli(&["verify"]).exits(0);
        let named = "SELECT count(*) FROM shows WHERE fetched_at IS NOT NULL";
        assert_eq!(world.one(named), "1");
    }
}

#[test]
fn named_parents_are_not_requested() {
    let world = world_of(QuotaMode::Development, &job(""));
    world.run(&[]).exits(0);
    assert_eq!(parent_calls(&world), 3);
    world.run(&[]).exits(0);
    assert_eq!(parent_calls(&world), 0);
    let columns = world_without_names();
    columns.run(&[]).exits(0);
    assert_eq!(parent_calls(&columns), 0, "the files have no names");
    // A fetch before it reads the show.
    let both = fetch("shows", &format!("ids = [\"{}\"]\nmarket = \"DE\"", fixtures::SHOW));
    let both = world_of(QuotaMode::Development, &format!("{both}{}", job("")));
    plan_and_run(&both, "a show and its episodes");
    assert_eq!(names(&both), [true; 3]);
}

#[test]
fn second_look_requests_no_name() {
    let world = world_of(QuotaMode::Development, &job(""));
    let refuse = |path: String| world.sandbox.inject(Fault::on_path(&path, FaultAction::status(404)));
    for (_, id, _, parents, _) in LISTS {
        refuse(format!("{parents}{id}"));
    }
    world.run(&[]).exits(0);
    for (_, id, _, parents, _) in LISTS {
        refuse(format!("{parents}{id}/*"));
    }
    world.new_calls();
    world.run(&["--full"]).exits(3);
    assert_eq!(parent_calls(&world), 3);
}

fn world_without_names() -> World {
    let columns = ["episode_id", "chapter_id", "album_id"];
    let one = |((stream, id, keys, ..), column): ((&str, &str, &str, &str, &str), &str)| {
        fetch(stream, &format!("ids = [\"{id}\"]\n{keys}\ncolumns = [\"{column}\"]"))
    };
    let job: String = LISTS.into_iter().zip(columns).map(one).collect();
    world_of(QuotaMode::Development, &job)
}

#[test]
fn refused_parent_costs_only_its_name() {
    for status in [404, 403, 500] {
        let world = world_of(QuotaMode::Development, &job(""));
        for (_, id, _, path, _) in LISTS {
            world.sandbox.inject(Fault::on_path(&format!("{path}{id}"), FaultAction::status(status)));
        }
        world.run(&[]).exits(0);
        assert_eq!(names(&world), [false; 3], "{status}");
        parent_calls(&world);
        world.run(&[]).exits(0);
        assert_eq!(parent_calls(&world), 0, "{status}: not before the lists are read whole again");
        world.sandbox.clear_faults();
        world.run(&["--full"]).exits(0);
        assert_eq!(names(&world), [true; 3], "{status}");
        world.cli(&["verify"]).exits(0);
    }
}
