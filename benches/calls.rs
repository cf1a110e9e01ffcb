//! Prints the number of API calls of exports from a sandbox. See docs/benchmarks.md.
#![expect(clippy::unwrap_used, reason = "an error ends the benchmark")]

#[path = "../tests/it/support/calls_table.rs"]
mod calls_table;
#[path = "../tests/it/support/project.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod project;
#[path = "../tests/it/support/world.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod world;

const SIZES: calls_table::Sizes =
    calls_table::Sizes { playlists: 200, items: 120, saved: 3_000, artists: 500, removed: [100, 1_500, 2_900] };

fn main() {
    println!("{:<58}  {:>6}  {:>6}  {:>7}  {:>6}", "calls", "sent", "proofs", "fewest", "plain");
    for line in calls_table::table(SIZES) {
        println!("{:<58}  {:>6}  {:>6}  {:>7}  {:>6}", line.what, line.sent, line.proofs, line.fewest, line.plain);
        if let Some(why) = line.why {
            println!("    {why}");
        }
    }
}
