//! Blows by signal, at random moments.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use cratedigger::sandbox::known;

use crate::dice::Dice;
use crate::scene::Scene;
use crate::table::Table;
use crate::trial::Trial;
use crate::world::signal;

/// Kills a scene's command at so many random moments.
pub fn kill_at_random(scene: &Scene, times: usize, dice: &mut Dice, table: &mut Table) {
    for n in 0..times {
        let began = Instant::now();
        let trial = scene.trial();
        let after = moment(scene.takes, dice);
        let mut struck = vec![spawn(&trial, &scene.struck)];
        if let Some(beside) = &scene.beside {
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
        let point = format!("kill {n} after {after:?}");
        table.note(&format!("kill -9, {}", scene.name), began, hit, &point, scene.judge(&trial));
    }
}

/// Stops a scene's command in the friendly way, which has ten seconds and loses no page.
pub fn stop_at_random(scene: &Scene, times: usize, dice: &mut Dice, table: &mut Table) {
    for n in 0..times {
        let began = Instant::now();
        let trial = scene.trial();
        let after = moment(scene.takes, dice);
        scene.world.new_calls();
        let mut child = spawn(&trial, &scene.struck);
        std::thread::sleep(after);
        let gone = child.try_wait().unwrap().is_some();
        signal_if_there(&child, gone);
        let told = Instant::now();
        let status = child.wait().unwrap();
        let end = stopped_well(status.code(), status.signal(), told.elapsed())
            .and_then(|()| scene.judge(&trial))
            .and_then(|()| no_page_twice(&scene.world.new_calls(), &scene.asks));
        table.note(&format!("SIGTERM, {}", scene.name), began, !gone, &format!("stop {n} after {after:?}"), end);
    }
}

fn signal_if_there(child: &Child, gone: bool) {
    if !gone {
        signal(child, "TERM");
    }
}

fn stopped_well(code: Option<i32>, signal: Option<i32>, took: Duration) -> Result<(), String> {
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
/// nothing to commit.)
fn no_page_twice(calls: &[String], undisturbed: &[String]) -> Result<(), String> {
    let is_page = |call: &&String| {
        call.starts_with("/playlists/") && call.contains("offset=") && !call.contains(known::ODD_PLAYLIST)
    };
    let times = |calls: &[String], page: &String| calls.iter().filter(|call| *call == page).count();
    match calls.iter().filter(is_page).find(|page| times(calls, page) > times(undisturbed, page).max(1)) {
        Some(page) => Err(format!("asked for again: {page}")),
        None => Ok(()),
    }
}

fn moment(takes: Duration, dice: &mut Dice) -> Duration {
    takes.mul_f64(dice.below(10_500) as f64 / 10_000.0)
}

pub fn spawn(trial: &Trial, args: &[String]) -> Child {
    trial.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}
