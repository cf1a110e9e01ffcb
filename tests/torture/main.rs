//! Torture: commands are killed, stopped and lied to by the disk at every point that can be reached,
//! and lists are edited while they are read; afterwards all must be as if nothing had happened.
//!
//! `cargo test` runs a few dozen points of each kind. `make torture` runs all of them and prints a
//! table of counts (`SEED=7` for the same again, `KILLS=500` for another number of kills).
#![expect(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

mod content;
mod dice;
#[path = "../it/project.rs"]
#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
mod project;
mod scene;
mod signals;
mod strace;
mod table;
mod trial;
#[path = "../it/world.rs"]
#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
mod world;

use dice::{Dice, said};
use scene::Scene;
use strace::{Blow, Of};
use table::Table;

fn seed() -> u64 {
    said("SEED").unwrap_or(1)
}

/// Every scene that is struck by signals, with its part of the kills.
fn scenes() -> Vec<(Scene, usize)> {
    vec![
        (scene::first_run(), 10),
        (scene::changed_run(), 10),
        (scene::unchanged_run(), 4),
        (scene::two_jobs(), 6),
        (scene::export(), 4),
        //(scene::backup(), 3),
        //(scene::verify_rewrite(), 3),
        (scene::purge(), 4),
    ]
}

#[test]
fn what_is_killed_at_a_random_moment_ends_as_if_nothing_had_happened() {
    let (mut dice, mut table) = (Dice::new(seed()), Table::default());
    for (scene, part) in scenes() {
        signals::kill_at_random(&scene, part, &mut dice, &mut table);
    }
    table.close(seed());
}

#[test]
fn what_is_stopped_at_a_random_moment_ends_in_time_and_loses_no_page() {
    let (mut dice, mut table) = (Dice::new(seed()), Table::default());
    signals::stop_at_random(&scene::first_run(), 5, &mut dice, &mut table);
    signals::stop_at_random(&scene::changed_run(), 5, &mut dice, &mut table);
    table.close(seed());
}

#[test]
fn what_the_system_refuses_at_any_call_is_made_good_by_the_next_run() {
    if !strace::is_there() {
        return;
    }
    let (mut dice, mut table) = (Dice::new(seed()), Table::default());
    let scene = scene::changed_run();
    for blow in [Blow::Kill, Blow::Once("EIO"), Blow::FromThenOn("ENOSPC")] {
        for calls in [strace::WRITES, strace::SYNCS, strace::RENAMES, strace::OPENS] {
            for of in [Of::All, Of::Store] {
                strace::sweep(&scene, calls, of, blow, 2, &mut dice, &mut table);
            }
        }
    }
    table.close(seed());
}
