//! Signals at random moments.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use spotify_sandbox::fixtures;

use crate::report::TortureReport;
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::trial::Trial;
use crate::world::signal;

/// How many tries one hit may take on average, because some moments are after the end of the command.
const MAX_MISSES_PER_HIT: usize = 20;

/// Kills the command of a scenario at random moments. A try whose command had already ended is repeated, so that
/// `times` kills hit a running command.
pub fn kill_at_random(scenario: &Scenario, times: usize, rng: &mut Rng, report: &mut TortureReport) {
    let row = format!("kill -9, {}", scenario.name);
    let (mut n, mut tries) = (0, 0);
    while n < times {
        tries += 1;
        if tries > times * MAX_MISSES_PER_HIT {
            let end = Err(format!("only {n} of {times} kills hit the running command"));
            return report.record(&row, Instant::now(), false, "all", end);
        }
        let started = Instant::now();
        let trial = scenario.new_trial();
        let after = random_moment(scenario.duration, rng);
        let mut children = vec![spawn(&trial, &scenario.command)];
        if let Some(command) = &scenario.concurrent_command {
            children.push(spawn(&trial, command));
        }
        // With two commands, half of the kills hit only one of them.
        let spared = if children.len() > 1 { rng.below(4) } else { usize::MAX };
        std::thread::sleep(after);
        let mut hit = false;
        for (n, child) in children.iter_mut().enumerate() {
            if n != spared {
                child.kill().unwrap();
            }
        }
        for child in &mut children {
            hit |= child.wait().unwrap().signal().is_some();
        }
        if hit {
            n += 1;
            report.record(
                &row,
                started,
                true,
                &format!("kill {n} after {after:?}"),
                scenario.check_after_fault(&trial),
            );
        }
    }
}

/// Stops the command of a scenario with SIGTERM. It must end within ten seconds and lose no page.
pub fn stop_at_random(scenario: &Scenario, times: usize, rng: &mut Rng, report: &mut TortureReport) {
    let row = format!("SIGTERM, {}", scenario.name);
    let (mut n, mut tries) = (0, 0);
    while n < times {
        tries += 1;
        if tries > times * MAX_MISSES_PER_HIT {
            let end = Err(format!("only {n} of {times} stops hit the running command"));
            return report.record(&row, Instant::now(), false, "all", end);
        }
        let started = Instant::now();
        let trial = scenario.new_trial();
        let after = random_moment(scenario.duration, rng);
        scenario.world.new_calls();
        let mut child = spawn(&trial, &scenario.command);
        std::thread::sleep(after);
        if child.try_wait().unwrap().is_some() {
            continue;
        }
        n += 1;
        signal(&child, "TERM");
        let signaled = Instant::now();
        let status = child.wait().unwrap();
        let end = check_graceful_exit(status.code(), status.signal(), signaled.elapsed())
            .and_then(|()| scenario.check_after_fault(&trial))
            .and_then(|()| check_no_page_read_twice(&scenario.world.new_calls(), &scenario.requests));
        report.record(&row, started, true, &format!("stop {n} after {after:?}"), end);
    }
}

fn check_graceful_exit(code: Option<i32>, signal: Option<i32>, took: Duration) -> Result<(), String> {
    if took > Duration::from_secs(10) {
        return Err(format!("a stop took {took:?}"));
    }
    match (code, signal) {
        // Before the handler is installed, the signal ends the process.
        (Some(0 | 75), _) | (None, Some(15)) => Ok(()),
        other => Err(format!("a stop ends with {other:?}")),
    }
}

/// Checks that the run and its recovery request no playlist page more often than a run without a stop, because
/// every page that was served before the stop was committed. The edge-case playlist is excluded: it ends with
/// an empty page, which is read twice and commits nothing. So are pages of 100 items, which the sandbox refuses
/// here: a stop can come before the program has learned that.
fn check_no_page_read_twice(calls: &[String], undisturbed: &[String]) -> Result<(), String> {
    let is_page = |call: &&String| {
        call.starts_with("/playlists/")
            && call.contains("limit=50&offset=")
            && !call.contains(fixtures::EDGE_CASE_PLAYLIST)
    };
    let times = |calls: &[String], page: &String| calls.iter().filter(|call| *call == page).count();
    match calls.iter().filter(is_page).find(|page| times(calls, page) > times(undisturbed, page).max(1)) {
        Some(page) => Err(format!("requested again: {page}")),
        None => Ok(()),
    }
}

fn random_moment(duration: Duration, rng: &mut Rng) -> Duration {
    duration.mul_f64(rng.below(10_000) as f64 / 10_000.0)
}

pub fn spawn(trial: &Trial, args: &[String]) -> Child {
    trial.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}
