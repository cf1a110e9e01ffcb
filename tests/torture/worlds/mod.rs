//! Random worlds: users, jobs, changes of the data before and during reads, faults of Spotify, kills, purges, restores
//! from backups, full disks, wrong clocks, and times that move on by weeks, against the sandbox's truth.
//!
//! A seed decides the steps of a world. If a check fails, steps are left out as long as it still fails, and what remains
//! is printed as a recipe.

mod check;
mod lists;
mod play;
mod steps;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use spotify_sandbox::QuotaMode;

use crate::rng::{Rng, env_number};
use play::RandomWorld;
use steps::Step;

/// A rule that does not hold in a world.
#[derive(Debug)]
pub struct Violation {
    pub rule: &'static str,
    pub detail: String,
}

/// Totals of some worlds.
#[derive(Debug, Default)]
pub struct WorldTotals {
    pub runs: usize,
    pub kills: usize,
    pub days: usize,
    pub comparisons: usize,
}

/// Plays the steps in a new world. The error is what is wrong, and after how many steps.
fn play(mode: QuotaMode, steps: &[Step], totals: &mut WorldTotals) -> Result<(), (Violation, usize)> {
    let mut world = RandomWorld::new(mode);
    let end = steps.iter().enumerate().try_for_each(|(n, step)| {
        let played = catch_unwind(AssertUnwindSafe(|| world.play(step)));
        played.unwrap_or_else(|panic| Err(panicked(&*panic))).map_err(|found| (found, n + 1))
    });
    totals.runs += world.totals.runs;
    totals.kills += world.totals.kills;
    totals.days += world.totals.days;
    totals.comparisons += world.totals.comparisons;
    end
}

/// A panic as a violation, so that it gets a recipe too.
fn panicked(panic: &(dyn Any + Send)) -> Violation {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Violation { rule: "nothing panics", detail: text.unwrap_or("a panic without a text").to_owned() }
}

/// Leaves out steps while what remains still breaks the same rule, until the deadline.
fn shrink(mode: QuotaMode, mut steps: Vec<Step>, rule: &str, deadline: Instant) -> Vec<Step> {
    let mut size = steps.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < steps.len() && Instant::now() < deadline {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(steps.len()));
            match play(mode, &fewer, &mut WorldTotals::default()) {
                Err((found, length)) if found.rule == rule => {
                    fewer.truncate(length);
                    steps = fewer;
                }
                _ => at += size,
            }
        }
        size /= 2;
    }
    steps
}

/// Plays worlds until there were `count`, or the time is over. Panics if anything was wrong.
fn play_worlds(first: u64, count: u64, length: usize, with_hindrances: bool, limit: Duration) {
    let (began, mut totals, mut violations, mut played) = (Instant::now(), WorldTotals::default(), Vec::new(), 0);
    for seed in first..first + count {
        if began.elapsed() > limit {
            break;
        }
        played += 1;
        if played > 1 && played % 10 == 1 {
            println!("{} worlds, {} runs", played - 1, totals.runs);
        }
        let mode = if seed % 3 == 0 { QuotaMode::Development } else { QuotaMode::Extended };
        let mut steps = steps::random_steps(&mut Rng::new(seed), length, with_hindrances);
        if let Err((found, length)) = play(mode, &steps, &mut totals) {
            eprintln!("VIOLATION in world {seed} after step {length}: {}: {}", found.rule, found.detail);
            steps.truncate(length);
            let time = Duration::from_secs(60 * env_number("SHRINK").unwrap_or(3));
            let recipe = shrink(mode, steps, found.rule, Instant::now() + time);
            match play(mode, &recipe, &mut WorldTotals::default()) {
                Ok(()) => eprintln!("recipe, which fails only sometimes ({mode:?}):"),
                Err((found, _)) => eprintln!("recipe ({mode:?}): {}: {}", found.rule, found.detail),
            }
            recipe.iter().for_each(|step| eprintln!("  {step}"));
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
    play_worlds(1, 3, 14, false, Duration::from_secs(60));
}

/// `WORLDS` from `SEED` on, of `STEPS` each, for at most `MINUTES`. A recipe is looked for during `SHRINK` minutes.
#[test]
#[ignore = "takes long: make torture"]
fn torture_by_random_worlds() {
    let number = |name: &str, default| env_number(name).unwrap_or(default);
    let length = usize::try_from(number("STEPS", 60)).unwrap();
    let limit = Duration::from_secs(60 * number("MINUTES", 30));
    play_worlds(crate::seed(), number("WORLDS", 100), length, true, limit);
}
