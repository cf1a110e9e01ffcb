//! Torture: commands are killed, stopped and lied to by the disk at every point that can be reached,
//! and afterwards all must be as if nothing had happened.
//!
//! `cargo test` runs a few dozen points of each kind. `make torture` runs thousands and prints tables of
//! counts (`SEED=7` for other chances, `KILLS=2000` for more kills, `STRIDE=1` for every write, `POINTS=30`
//! for more lots, `SCENE="changed run"` for the system calls of that one alone). Lists that are edited while
//! they are read are in `tests/it/sync/edited_playlists.rs`.
#![expect(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

mod content;
mod dice;
mod disk;
#[path = "../it/support/project.rs"]
#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
mod project;
mod scene;
mod signals;
mod strace;
mod table;
mod trial;
#[path = "../it/support/world.rs"]
#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
mod world;

use dice::{Dice, said};
use scene::Scene;
use strace::{Blow, Of, Points};
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
                strace::sweep(&scene, calls, Of::Everything, blow, Points::Lot(1), &mut dice, &mut table);
            }
            strace::sweep(&scene, strace::WRITES, Of::Store, blow, Points::Lot(1), &mut dice, &mut table);
            strace::sweep(&scene, strace::SYNCS, Of::Store, blow, Points::Lot(1), &mut dice, &mut table);
        }
    }
    table.close(seed());
}

/// A number of `make torture`'s, which the environment may change.
fn number(name: &str, default: u64) -> usize {
    usize::try_from(said(name).unwrap_or(default)).unwrap()
}

#[test]
#[ignore = "takes long: make torture"]
fn torture_by_signals() {
    let (mut dice, mut table) = (Dice::new(seed()), Table::default());
    let kills = number("KILLS", 500);
    for (scene, share) in scenes() {
        signals::kill_at_random(&scene, (kills * share).div_ceil(100), &mut dice, &mut table);
        signals::stop_at_random(&scene, kills * share / 500, &mut dice, &mut table);
    }
    table.close(seed());
}

#[test]
#[ignore = "takes long: make torture"]
fn torture_by_disks() {
    let (mut dice, mut table) = (Dice::new(seed()), Table::default());
    let times = number("DISKS", 30);
    for scene in [scene::first_run(), scene::changed_run(), scene::export()] {
        disk::full_disk(&scene, times, &mut dice, &mut table);
        disk::file_size_limit(&scene, times, &mut dice, &mut table);
    }
    table.close(seed());
}

/// What happens at system calls.
const BLOWS: [Blow; 3] = [Blow::Kill, Blow::Once("EIO"), Blow::FromThenOn("ENOSPC")];

/// Whether a scene is to be struck: `SCENE` names one to have it alone.
fn is_wanted(scene: &Scene) -> bool {
    std::env::var("SCENE").map_or(true, |name| name == scene.name)
}

fn sweep(scene: &Scene, whose: &[Of], points: Points, dice: &mut Dice, table: &mut Table) {
    if !is_wanted(scene) {
        return;
    }
    for of in whose {
        for (calls, blow) in strace::ALL.into_iter().flat_map(|calls| BLOWS.map(|blow| (calls, blow))) {
            strace::sweep(scene, calls, *of, blow, points, dice, table);
        }
    }
}

/// Every sync, rename, removal and open of two small runs, in the main thread and in the one that writes,
/// and every `STRIDE`-th write; of two large runs `POINTS` of each.
#[test]
#[ignore = "takes long: make torture"]
fn torture_by_system_calls_of_runs() {
    if !strace::is_there() {
        return;
    }
    let (mut dice, mut table) = (Dice::new(seed()), Table::default());
    let (every, lot) = (Points::Every(number("STRIDE", 11)), Points::Lot(number("POINTS", 2)));
    for scene in [scene::small_first_run(), scene::small_changed_run()] {
        sweep(&scene, &[Of::Main, Of::Writer], every, &mut dice, &mut table);
    }
    for scene in [scene::first_run(), scene::changed_run()] {
        sweep(&scene, &[Of::Everything, Of::Store, Of::State], lot, &mut dice, &mut table);
    }
    table.close(seed());
}

/// The same of all other commands that write. They are over before strace could find a second thread, so
/// it is the n-th call of whichever thread comes to it first.
#[test]
#[ignore = "takes long: make torture"]
fn torture_by_system_calls_of_other_commands() {
    if !strace::is_there() {
        return;
    }
    let (mut dice, mut table) = (Dice::new(seed()), Table::default());
    let every = Points::Every(number("STRIDE", 11));
    for scene in [scene::export(), scene::backup(), scene::verify_rewrite(), scene::purge()] {
        sweep(&scene, &[Of::Everything], every, &mut dice, &mut table);
    }
    table.close(seed());
}
