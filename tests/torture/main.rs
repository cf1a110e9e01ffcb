//! Torture: commands are killed, stopped and lied to by the disk at every point that can be reached,
//! and afterwards all must be as if nothing had happened.
//!
//! `cargo test` runs a few dozen points of each kind. `make torture` runs all of them and prints a
//! table of counts (`SEED=7` for the same again, `KILLS=500` for another number of kills). Lists that are
//! edited while they are read are in `tests/it/changing.rs`.
#![expect(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

mod content;
mod dice;
mod disk;
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

/// Every scene with its share of a hundred kills.
fn scenes() -> Vec<(Scene, usize)> {
    vec![
        (scene::first_run(), 28),
        (scene::changed_run(), 28),
        (scene::unchanged_run(), 8),
        (scene::two_jobs(), 16),
        (scene::export(), 6),
        (scene::backup(), 4),
        (scene::verify_rewrite(), 4),
        (scene::purge(), 6),
    ]
}

#[test]
fn what_is_killed_at_a_random_moment_ends_as_if_nothing_had_happened() {
    let (mut dice, mut table) = (Dice::new(seed()), Table::default());
    for (scene, share) in scenes() {
        signals::kill_at_random(&scene, share.div_ceil(5), &mut dice, &mut table);
    }
    table.close(seed());
}

#[test]
fn what_is_stopped_at_a_random_moment_ends_in_time_and_loses_no_page() {
    let (mut dice, mut table) = (Dice::new(seed()), Table::default());
    signals::stop_at_random(&scene::first_run(), 4, &mut dice, &mut table);
    signals::stop_at_random(&scene::changed_run(), 4, &mut dice, &mut table);
    table.close(seed());
}

#[test]
fn what_the_system_refuses_is_made_good_by_the_next_run() {
    let (mut dice, mut table) = (Dice::new(seed()), Table::default());
    let scene = scene::changed_run();
    disk::full_disk(&scene::first_run(), 4, &mut dice, &mut table);
    disk::file_size_limit(&scene, 4, &mut dice, &mut table);
    if strace::is_there() {
        for blow in [Blow::Kill, Blow::Once("EIO"), Blow::FromThenOn("ENOSPC")] {
            for calls in strace::ALL {
                strace::sweep(&scene, calls, Of::Everything, blow, 1, &mut dice, &mut table);
            }
            strace::sweep(&scene, strace::WRITES, Of::Store, blow, 1, &mut dice, &mut table);
            strace::sweep(&scene, strace::SYNCS, Of::Store, blow, 1, &mut dice, &mut table);
        }
    }
    table.close(seed());
}

/// `make torture`: so many kills as `KILLS` says, every sync and rename, and as many of the more
/// frequent calls as `POINTS` says.
#[test]
#[ignore = "takes long: make torture"]
fn torture() {
    let (mut dice, mut table) = (Dice::new(seed()), Table::default());
    let kills = usize::try_from(said("KILLS").unwrap_or(500)).unwrap();
    let most = usize::try_from(said("POINTS").unwrap_or(30)).unwrap();
    for (scene, share) in scenes() {
        signals::kill_at_random(&scene, (kills * share).div_ceil(100), &mut dice, &mut table);
        signals::stop_at_random(&scene, kills * share / 500, &mut dice, &mut table);
    }
    for scene in [scene::first_run(), scene::changed_run(), scene::export()] {
        disk::full_disk(&scene, most, &mut dice, &mut table);
        disk::file_size_limit(&scene, most, &mut dice, &mut table);
    }
    if strace::is_there() {
        let errors = [Blow::Once("EIO"), Blow::FromThenOn("EIO"), Blow::Once("ENOSPC"), Blow::FromThenOn("ENOSPC")];
        for scene in [scene::first_run(), scene::changed_run()] {
            for of in [Of::Everything, Of::Store, Of::State] {
                for calls in strace::ALL {
                    for blow in [Blow::Kill].into_iter().chain(errors) {
                        strace::sweep(&scene, calls, of, blow, most, &mut dice, &mut table);
                    }
                }
            }
        }
        for scene in [scene::export(), scene::backup(), scene::verify_rewrite(), scene::purge()] {
            for calls in strace::ALL {
                for blow in [Blow::Kill, Blow::Once("EIO"), Blow::FromThenOn("ENOSPC")] {
                    strace::sweep(&scene, calls, Of::Everything, blow, most, &mut dice, &mut table);
                }
            }
        }
    }
    table.close(seed());
}
