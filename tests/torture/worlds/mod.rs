//! Random worlds: users, jobs, changes of the data before and during reads, faults of Spotify, kills, purges, restores
//! from backups and clocks that move on by weeks, against the sandbox's truth.
//!
//! A seed decides the steps of a world. If a check fails, steps are left out as long as it still fails, and what remains
//! is printed as a recipe.

mod check;
mod play;
mod steps;

use std::time::{Duration, Instant};

use crate::rng::{Rng, env_number};
use play::RandomWorld;
use steps::Step;

/// Totals of some worlds.
#[derive(Debug, Default)]
pub struct WorldTotals {
    pub runs: usize,
    pub kills: usize,
    pub days: usize,
    pub comparisons: usize,
}

/// Plays the steps in a new world. The error is what is wrong.
fn play(steps: &[Step], totals: &mut WorldTotals) -> Result<(), String> {
    let mut world = RandomWorld::new();
    let end = steps.iter().enumerate().try_for_each(|(n, step)| {
        world.play(step).map_err(|problem| format!("after step {} ({step:?}): {problem}", n + 1))
    });
    totals.runs += world.totals.runs;
    totals.kills += world.totals.kills;
    totals.days += world.totals.days;
    totals.comparisons += world.totals.comparisons;
    end
}

/// Leaves out steps while what remains still fails, until the deadline.
fn shrink(mut steps: Vec<Step>, deadline: Instant) -> Vec<Step> {
    let mut size = steps.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < steps.len() && Instant::now() < deadline {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(steps.len()));
            if !fewer.is_empty() && play(&fewer, &mut WorldTotals::default()).is_err() {
                steps = fewer;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    steps
}

/// Plays worlds until there were `count`, or the time is over. Panics if anything was wrong.
fn play_worlds(first: u64, count: u64, length: usize, with_kills: bool, limit: Duration) {
    let (began, mut totals, mut violations, mut played) = (Instant::now(), WorldTotals::default(), Vec::new(), 0);
    for seed in first..first + count {
        if began.elapsed() > limit {
            break;
        }
        played += 1;
        let steps = steps::random_steps(&mut Rng::new(seed), length, with_kills);
        if let Err(problem) = play(&steps, &mut totals) {
            eprintln!("VIOLATION in world {seed}: {problem}");
            let recipe = shrink(steps, Instant::now() + Duration::from_secs(180));
            let end = play(&recipe, &mut WorldTotals::default()).err();
            eprintln!("recipe: {}", end.as_deref().unwrap_or("fails only sometimes"));
            recipe.iter().for_each(|step| eprintln!("  {step:?}"));
            violations.push(seed);
        }
    }
    println!(
        "{played} worlds from seed {first}: {} days, {} runs, {} kills, {} comparisons of all files, {} violations",
        totals.days,
        totals.runs,
        totals.kills,
        totals.comparisons,
        violations.len()
    );
    assert!(violations.is_empty(), "repeat with SEED={} WORLDS=1 make torture", violations[0]);
}

#[test]
fn files_are_true_in_random_worlds() {
    play_worlds(1, 2, 14, false, Duration::from_secs(60));
}

/// `WORLDS` from `SEED` on, of `STEPS` each, for at most `MINUTES`.
#[test]
#[ignore = "takes long: make torture"]
fn torture_by_random_worlds() {
    let number = |name: &str, default| env_number(name).unwrap_or(default);
    let length = usize::try_from(number("STEPS", 60)).unwrap();
    let limit = Duration::from_secs(60 * number("MINUTES", 30));
    play_worlds(crate::seed(), number("WORLDS", 100), length, true, limit);
}
