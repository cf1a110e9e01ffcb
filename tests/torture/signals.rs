//! Blows by signal, at random moments.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use spotify_sandbox::fixtures;

use crate::report::TortureReport;
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::trial::Trial;
use crate::world::signal;

/// How often a moment is drawn again, on average, that turns out to be after the end.
const MAX_MISSES_PER_HIT: usize = 20;

/// Kills a scene's command at so many random moments. What had ended by itself when the kill came is done
/// once more, so that every kill strikes.
pub fn kill_at_random(scene: &Scenario, times: usize, dice: &mut Rng, table: &mut TortureReport) {
    let row = format!("kill -9, {}", scene.name);
    let (mut n, mut tries) = (0, 0);
    while n < times {
        tries += 1;
        if tries > times * MAX_MISSES_PER_HIT {
            let end = Err(format!("only {n} of {times} kills met it running"));
            return table.record(&row, Instant::now(), false, "all", end);
        }
        let began = Instant::now();
        let trial = scene.new_trial();
        let after = random_moment(scene.duration, dice);
        let mut struck = vec![spawn(&trial, &scene.command)];
        if let Some(beside) = &scene.concurrent_command {
            struck.push(spawn(&trial, beside));
        }
        // Of two, one dies alone as often as both do.
        let spared = if struck.len() > 1 { dice.below(4) } else { usize::MAX };
        std::thread::sleep(after);
        let mut hit = false;
        for (place, child) in struck.iter_mut().enumerate() {
            if place != spared {
                child.kill().unwrap();
            }
        }
        for child in &mut struck {
            hit |= child.wait().unwrap().signal().is_some();
        }
        if hit {
            n += 1;
            table.record(&row, began, true, &format!("kill {n} after {after:?}"), scene.check_after_fault(&trial));
        }
    }
}

/// Stops a scene's command in the friendly way, which has ten seconds and loses no page.
pub fn stop_at_random(scene: &Scenario, times: usize, dice: &mut Rng, table: &mut TortureReport) {
    let row = format!("SIGTERM, {}", scene.name);
    let (mut n, mut tries) = (0, 0);
    while n < times {
        tries += 1;
        if tries > times * MAX_MISSES_PER_HIT {
            let end = Err(format!("only {n} of {times} stops met it running"));
            return table.record(&row, Instant::now(), false, "all", end);
        }
        let began = Instant::now();
        let trial = scene.new_trial();
        let after = random_moment(scene.duration, dice);
        scene.world.new_calls();
        let mut child = spawn(&trial, &scene.command);
        std::thread::sleep(after);
        if child.try_wait().unwrap().is_some() {
            continue;
        }
        n += 1;
        signal(&child, "TERM");
        let told = Instant::now();
        let status = child.wait().unwrap();
        let end = check_graceful_exit(status.code(), status.signal(), told.elapsed())
            .and_then(|()| scene.check_after_fault(&trial))
            .and_then(|()| check_no_page_read_twice(&scene.world.new_calls(), &scene.requests));
        table.record(&row, began, true, &format!("stop {n} after {after:?}"), end);
    }
}

fn check_graceful_exit(code: Option<i32>, signal: Option<i32>, took: Duration) -> Result<(), String> {
    if took > Duration::from_secs(10) {
        return Err(format!("a stop took {took:?}"));
    }
    match (code, signal) {
        // Before the handler is there, the signal itself ends the process.
        (Some(0 | 75), _) | (None, Some(15)) => Ok(()),
        other => Err(format!("a stop ends with {other:?}")),
    }
}

/// What was served before a stop was committed, so no page of a playlist is asked for more often than
/// in an undisturbed run. (The odd playlist ends in an empty page, which is looked at twice and has
/// nothing to commit. Pages of a hundred are refused here, and a stop may come before that is learned.)
fn check_no_page_read_twice(calls: &[String], undisturbed: &[String]) -> Result<(), String> {
    let is_page = |call: &&String| {
        call.starts_with("/playlists/")
            && call.contains("limit=50&offset=")
            && !call.contains(fixtures::EDGE_CASE_PLAYLIST)
    };
    let times = |calls: &[String], page: &String| calls.iter().filter(|call| *call == page).count();
    match calls.iter().filter(is_page).find(|page| times(calls, page) > times(undisturbed, page).max(1)) {
        Some(page) => Err(format!("asked for again: {page}")),
        None => Ok(()),
    }
}

fn random_moment(takes: Duration, dice: &mut Rng) -> Duration {
    takes.mul_f64(dice.below(10_000) as f64 / 10_000.0)
}

pub fn spawn(trial: &Trial, args: &[String]) -> Child {
    trial.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}
