//! The table of a torture test.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One row of the table.
#[derive(Debug, Default)]
pub struct RowCounts {
    /// Points that were tried.
    pub points: usize,
    /// Points at which the fault hit the running command.
    pub hit: usize,
    /// What was wrong afterwards, with the point to reproduce it.
    pub violations: Vec<String>,
    took: Duration,
}

/// The rows in order.
#[derive(Debug, Default)]
pub struct TortureReport {
    order: Vec<String>,
    rows: BTreeMap<String, RowCounts>,
    /// For each system call, the number of kills before it and of failures.
    calls: BTreeMap<String, (usize, usize)>,
}

impl TortureReport {
    /// Records one try.
    pub fn record(&mut self, row: &str, started: Instant, hit: bool, point: &str, end: Result<(), String>) {
        if !self.rows.contains_key(row) {
            // Show progress: print the row that is complete.
            if let Some(last) = self.order.last() {
                print_row(last, &self.rows[last]);
            }
            self.order.push(row.to_owned());
        }
        let count = self.rows.entry(row.to_owned()).or_default();
        count.points += 1;
        count.hit += usize::from(hit);
        count.took += started.elapsed();
        if let Err(problem) = end {
            eprintln!("VIOLATION {row}, {point}: {problem}");
            count.violations.push(format!("{row}, {point}: {problem}"));
        }
    }

    /// Records the system call that was hit.
    pub fn record_call(&mut self, call: &str, killed: bool) {
        let (kills, errors) = self.calls.entry(call.to_owned()).or_default();
        *if killed { kills } else { errors } += 1;
    }

    /// Prints the table; panics if anything was wrong.
    pub fn finish(self, seed: u64) {
        println!("\n{:<58} {:>7} {:>7} {:>10} {:>8}", "fault", "points", "hit", "violations", "seconds");
        let mut sum = RowCounts::default();
        for name in &self.order {
            let count = &self.rows[name];
            print_row(name, count);
            sum.points += count.points;
            sum.hit += count.hit;
            sum.took += count.took;
            sum.violations.extend(count.violations.iter().cloned());
        }
        print_row("all", &sum);
        if !self.calls.is_empty() {
            println!("\n{:<20} {:>7} {:>7}", "system call", "killed", "failed");
            for (call, (kills, errors)) in &self.calls {
                println!("{call:<20} {kills:>7} {errors:>7}");
            }
        }
        println!("repeat with: make torture SEED={seed}\n");
        assert!(sum.violations.is_empty(), "{} violations", sum.violations.len());
    }
}

fn print_row(name: &str, count: &RowCounts) {
    let (violations, took) = (count.violations.len(), count.took.as_secs());
    println!("{name:<58} {:>7} {:>7} {violations:>10} {took:>8}", count.points, count.hit);
}
