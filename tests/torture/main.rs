//! Torture: commands are killed, stopped and lied to by the disk at every point that can be reached,
//! and afterwards all must be as if nothing had happened.
//!
//! `cargo test` runs a few dozen points of each kind. `make torture` runs thousands and prints tables of
//! counts (`SEED=7` for other chances, `KILLS=2000` for more kills, `STRIDE=1` for every write, `POINTS=30`
//! for more lots, `SCENE="changed run"` for the system calls of that one alone). Lists that are edited while
//! they are read are in `tests/it/sync/edited_playlists.rs`.
#![expect(clippy::unwrap_used, reason = "in a test, to panic is to fail")]

mod content;
mod disk;
#[path = "../it/support/project.rs"]
#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
mod project;
mod report;
mod rng;
mod scenario;
mod signals;
mod strace;
mod trial;
#[path = "../it/support/world.rs"]
#[expect(dead_code, reason = "shared with the other tests, which use more of it")]
mod world;

use report::TortureReport;
use rng::{Rng, env_number};
use scenario::Scenario;
use strace::{CallScope, FaultPoints, InjectedFault};

fn seed() -> u64 {
    env_number("SEED").unwrap_or(1)
}

/// Every scene with its share of a hundred kills.
fn scenes() -> Vec<(Scenario, usize)> {
    vec![
        (scenario::first_run(), 28),
        (scenario::changed_run(), 28),
        (scenario::unchanged_run(), 8),
        (scenario::two_jobs(), 16),
        (scenario::export(), 6),
        (scenario::backup(), 4),
        (scenario::verify_rewrite(), 4),
        (scenario::purge(), 6),
    ]
}

#[test]
fn what_is_killed_at_a_random_moment_ends_as_if_nothing_had_happened() {
    let (mut dice, mut table) = (Rng::new(seed()), TortureReport::default());
    for (scene, share) in scenes() {
        signals::kill_at_random(&scene, share.div_ceil(5), &mut dice, &mut table);
    }
    table.finish(seed());
}

#[test]
fn what_is_stopped_at_a_random_moment_ends_in_time_and_loses_no_page() {
    let (mut dice, mut table) = (Rng::new(seed()), TortureReport::default());
    signals::stop_at_random(&scenario::first_run(), 4, &mut dice, &mut table);
    signals::stop_at_random(&scenario::changed_run(), 4, &mut dice, &mut table);
    table.finish(seed());
}

#[test]
fn what_the_system_refuses_is_made_good_by_the_next_run() {
    let (mut dice, mut table) = (Rng::new(seed()), TortureReport::default());
    let scene = scenario::changed_run();
    disk::full_disk(&scenario::first_run(), 4, &mut dice, &mut table);
    disk::file_size_limit(&scene, 4, &mut dice, &mut table);
    if strace::is_available() {
        for blow in [InjectedFault::Kill, InjectedFault::Once("EIO"), InjectedFault::Onward("ENOSPC")] {
            for calls in strace::ALL {
                strace::sweep(
                    &scene,
                    calls,
                    CallScope::Everything,
                    blow,
                    FaultPoints::Sample(1),
                    &mut dice,
                    &mut table,
                );
            }
            strace::sweep(
                &scene,
                strace::WRITES,
                CallScope::Store,
                blow,
                FaultPoints::Sample(1),
                &mut dice,
                &mut table,
            );
            strace::sweep(&scene, strace::SYNCS, CallScope::Store, blow, FaultPoints::Sample(1), &mut dice, &mut table);
        }
    }
    table.finish(seed());
}

/// A number of `make torture`'s, which the environment may change.
fn env_count(name: &str, default: u64) -> usize {
    usize::try_from(env_number(name).unwrap_or(default)).unwrap()
}

#[test]
#[ignore = "takes long: make torture"]
fn torture_by_signals() {
    let (mut dice, mut table) = (Rng::new(seed()), TortureReport::default());
    let kills = env_count("KILLS", 500);
    for (scene, share) in scenes() {
        signals::kill_at_random(&scene, (kills * share).div_ceil(100), &mut dice, &mut table);
        signals::stop_at_random(&scene, kills * share / 500, &mut dice, &mut table);
    }
    table.finish(seed());
}

#[test]
#[ignore = "takes long: make torture"]
fn torture_by_disks() {
    let (mut dice, mut table) = (Rng::new(seed()), TortureReport::default());
    let times = env_count("DISKS", 30);
    for scene in [scenario::first_run(), scenario::changed_run(), scenario::export()] {
        disk::full_disk(&scene, times, &mut dice, &mut table);
        disk::file_size_limit(&scene, times, &mut dice, &mut table);
    }
    table.finish(seed());
}

/// What happens at system calls.
const FAULTS: [InjectedFault; 3] = [InjectedFault::Kill, InjectedFault::Once("EIO"), InjectedFault::Onward("ENOSPC")];

/// Whether a scene is to be struck: `SCENE` names one to have it alone.
fn is_wanted(scene: &Scenario) -> bool {
    std::env::var("SCENE").map_or(true, |name| name == scene.name)
}

fn sweep(scene: &Scenario, whose: &[CallScope], points: FaultPoints, dice: &mut Rng, table: &mut TortureReport) {
    if !is_wanted(scene) {
        return;
    }
    for of in whose {
        for (calls, blow) in strace::ALL.into_iter().flat_map(|calls| FAULTS.map(|blow| (calls, blow))) {
            strace::sweep(scene, calls, *of, blow, points, dice, table);
        }
    }
}

/// Every sync, rename, removal and open of two small runs, in the main thread and in the one that writes,
/// and every `STRIDE`-th write; of two large runs `POINTS` of each.
#[test]
#[ignore = "takes long: make torture"]
fn torture_by_system_calls_of_runs() {
    if !strace::is_available() {
        return;
    }
    let (mut dice, mut table) = (Rng::new(seed()), TortureReport::default());
    let (every, lot) = (FaultPoints::Every(env_count("STRIDE", 11)), FaultPoints::Sample(env_count("POINTS", 2)));
    for scene in [scenario::small_first_run(), scenario::small_changed_run()] {
        sweep(&scene, &[CallScope::Main, CallScope::Writer], every, &mut dice, &mut table);
    }
    for scene in [scenario::first_run(), scenario::changed_run()] {
        sweep(&scene, &[CallScope::Everything, CallScope::Store, CallScope::State], lot, &mut dice, &mut table);
    }
    table.finish(seed());
}

/// The same of all other commands that write. They are over before strace could find a second thread, so
/// it is the n-th call of whichever thread comes to it first.
#[test]
#[ignore = "takes long: make torture"]
fn torture_by_system_calls_of_other_commands() {
    if !strace::is_available() {
        return;
    }
    let (mut dice, mut table) = (Rng::new(seed()), TortureReport::default());
    let every = FaultPoints::Every(env_count("STRIDE", 11));
    for scene in [scenario::export(), scenario::backup(), scenario::verify_rewrite(), scenario::purge()] {
        sweep(&scene, &[CallScope::Everything], every, &mut dice, &mut table);
    }
    table.finish(seed());
}
