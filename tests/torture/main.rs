//! Torture tests: they kill and stop commands and fail their disk operations at every reachable point. After
//! the next run, everything must be as if nothing had happened.
//!
//! `cargo test` tries a few dozen points of each kind. `make torture` tries thousands and prints tables of
//! counts (`SEED=7` for other points, `KILLS=2000` for more kills, `STRIDE=1` for every write, `POINTS=30`
//! for larger samples, `SCENE="changed run"` for the system calls of one scenario). Random worlds are in `worlds`
//! (`WORLDS`, `STEPS`, `MINUTES`), and lists that are edited during a read in `tests/it/sync/edited_playlists.rs`.
#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod content;
mod disk;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[path = "../it/support/moved_clock.rs"]
mod moved_clock;
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
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod worlds;

use report::TortureReport;
use rng::{Rng, env_number};
use scenario::Scenario;
use strace::{CallScope, FaultPoints, InjectedFault};

fn seed() -> u64 {
    env_number("SEED").unwrap_or(1)
}

/// Every scenario with its percentage of the kills.
fn scenarios() -> Vec<(Scenario, usize)> {
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
fn kill_at_any_moment_loses_nothing() {
    let (mut rng, mut report) = (Rng::new(seed()), TortureReport::default());
    for (scenario, share) in scenarios() {
        signals::kill_at_random(&scenario, share.div_ceil(5), &mut rng, &mut report);
    }
    report.finish(seed());
}

#[test]
fn stop_at_any_moment_loses_no_page() {
    let (mut rng, mut report) = (Rng::new(seed()), TortureReport::default());
    signals::stop_at_random(&scenario::first_run(), 4, &mut rng, &mut report);
    signals::stop_at_random(&scenario::changed_run(), 4, &mut rng, &mut report);
    report.finish(seed());
}

#[test]
fn next_run_repairs_failed_system_calls() {
    let (mut rng, mut report) = (Rng::new(seed()), TortureReport::default());
    let scenario = scenario::changed_run();
    disk::full_disk(&scenario::first_run(), 4, &mut rng, &mut report);
    disk::file_size_limit(&scenario, 4, &mut rng, &mut report);
    if strace::is_available() {
        for fault in [InjectedFault::Kill, InjectedFault::Once("EIO"), InjectedFault::Onward("ENOSPC")] {
            for calls in strace::ALL {
                strace::sweep(
                    &scenario,
                    calls,
                    CallScope::Everything,
                    fault,
                    FaultPoints::Sample(1),
                    &mut rng,
                    &mut report,
                );
            }
            strace::sweep(
                &scenario,
                strace::WRITES,
                CallScope::Store,
                fault,
                FaultPoints::Sample(1),
                &mut rng,
                &mut report,
            );
            strace::sweep(
                &scenario,
                strace::SYNCS,
                CallScope::Store,
                fault,
                FaultPoints::Sample(1),
                &mut rng,
                &mut report,
            );
        }
    }
    report.finish(seed());
}

/// A number from the environment, which `make torture` passes on.
fn env_count(name: &str, default: u64) -> usize {
    usize::try_from(env_number(name).unwrap_or(default)).unwrap()
}

#[test]
#[ignore = "takes long: make torture"]
fn torture_by_signals() {
    let (mut rng, mut report) = (Rng::new(seed()), TortureReport::default());
    let kills = env_count("KILLS", 500);
    for (scenario, share) in scenarios() {
        signals::kill_at_random(&scenario, (kills * share).div_ceil(100), &mut rng, &mut report);
        signals::stop_at_random(&scenario, kills * share / 500, &mut rng, &mut report);
    }
    report.finish(seed());
}

#[test]
#[ignore = "takes long: make torture"]
fn torture_by_disks() {
    let (mut rng, mut report) = (Rng::new(seed()), TortureReport::default());
    let times = env_count("DISKS", 30);
    for scenario in [scenario::first_run(), scenario::changed_run(), scenario::export()] {
        disk::full_disk(&scenario, times, &mut rng, &mut report);
        disk::file_size_limit(&scenario, times, &mut rng, &mut report);
    }
    report.finish(seed());
}

/// The faults at system calls.
const FAULTS: [InjectedFault; 3] = [InjectedFault::Kill, InjectedFault::Once("EIO"), InjectedFault::Onward("ENOSPC")];

/// Whether a scenario is selected: `SCENE` restricts the test to one.
fn is_wanted(scenario: &Scenario) -> bool {
    std::env::var("SCENE").map_or(true, |name| name == scenario.name)
}

fn sweep(scenario: &Scenario, scopes: &[CallScope], points: FaultPoints, rng: &mut Rng, report: &mut TortureReport) {
    if !is_wanted(scenario) {
        return;
    }
    for scope in scopes {
        for (calls, fault) in strace::ALL.into_iter().flat_map(|calls| FAULTS.map(|fault| (calls, fault))) {
            strace::sweep(scenario, calls, *scope, fault, points, rng, report);
        }
    }
}

/// In two small runs, every sync, rename, removal and open of the main thread and of the writing thread, and
/// every `STRIDE`-th write. In two large runs, `POINTS` of each.
#[test]
#[ignore = "takes long: make torture"]
fn torture_by_system_calls_of_runs() {
    if !strace::is_available() {
        return;
    }
    let (mut rng, mut report) = (Rng::new(seed()), TortureReport::default());
    let (every, sample) = (FaultPoints::Every(env_count("STRIDE", 11)), FaultPoints::Sample(env_count("POINTS", 2)));
    for scenario in [scenario::small_first_run(), scenario::small_changed_run()] {
        sweep(&scenario, &[CallScope::Main, CallScope::Writer], every, &mut rng, &mut report);
    }
    for scenario in [scenario::first_run(), scenario::changed_run()] {
        sweep(&scenario, &[CallScope::Everything, CallScope::Store, CallScope::State], sample, &mut rng, &mut report);
    }
    report.finish(seed());
}

/// The same for all other commands that write. They end before strace can attach to a second thread, so the
/// fault is at the n-th call of any thread.
#[test]
#[ignore = "takes long: make torture"]
fn torture_by_system_calls_of_other_commands() {
    if !strace::is_available() {
        return;
    }
    let (mut rng, mut report) = (Rng::new(seed()), TortureReport::default());
    let every = FaultPoints::Every(env_count("STRIDE", 11));
    for scenario in [scenario::export(), scenario::backup(), scenario::verify_rewrite(), scenario::purge()] {
        sweep(&scenario, &[CallScope::Everything], every, &mut rng, &mut report);
    }
    report.finish(seed());
}
