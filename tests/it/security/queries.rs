//! Queries of analysts beside other work. What they may need is tested in `store::query`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use spotify_sandbox::fixtures;

use crate::support::world::{World, by_ids, signal};

/// Takes as long as a query may.
const ENDLESS: &str = "[[query]]\ncsv = \"q.csv\"\nsql = \"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n\"\n";

#[test]
fn slow_query_blocks_no_other_job() {
    let world = World::extended();
    let playlist = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]);
    world.project.write("jobs/slow.toml", format!("schedule = \"15 6 1 1 *\"\n{playlist}{ENDLESS}"));
    let mut schedule = world.command(&["schedule"]);
    let mut child = schedule.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let state = |job: &str| -> Option<String> {
        let store = rusqlite::Connection::open(world.database()).ok()?;
        store.query_row("SELECT state FROM runs WHERE job = ?1", [job], |row| row.get(0)).ok()
    };
    // The file of the fetch comes first, so a draft beside it is that of the query.
    let folder = world.project.root().join("output/csv/slow");
    let has_begun = || {
        let names = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
        let names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.iter().any(|name| name == "playlist_items.csv") && names.iter().any(|name| name.ends_with(".tmp"))
    };
    wait_until("the query", has_begun);
    // A job of the same process, whose commits went through the connection on which the query ran.
    world.project.write("jobs/late.toml", format!("schedule = \"15 6 1 1 *\"\n{playlist}"));
    wait_until("the other job", || state("late").as_deref() == Some("complete"));
    assert_eq!(state("slow").as_deref(), Some("running"), "the query still runs");
    signal(&child, "KILL");
    child.wait().unwrap();
}

#[test]
fn greedy_query_costs_its_own_file_only() {
    let blobs: Vec<String> = (0..450).map(|n| format!("max(randomblob(1000000)) AS c{n}")).collect();
    let more = ["randomblob(1000000)"; 99].join(", ");
    let sql = format!("SELECT {}, length(max({more})) AS d FROM (SELECT 1)", blobs.join(", "));
    let query = format!("[[query]]\ncsv = \"q.csv\"\nsql = \"{sql}\"\n");
    let world = World::extended().job(&format!("{}{query}", by_ids("playlist_items", &[fixtures::HOME_PLAYLIST])));
    let run = world.run(&["x"]);
    assert!(run.stderr.contains("it needs more than 256 MiB of memory, which is the limit"), "{}", run.stderr);
    assert!((1..=3).contains(&run.code), "{}: {}", run.code, run.stderr);
    assert!(!world.csv("playlist_items.csv").is_empty() && !world.csv_path("q.csv").exists());
}

#[test]
fn endless_sort_fills_memory_and_no_disk() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.run(&["x"]).exits(0);
    let n = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)";
    for sort in
        ["SELECT hex(randomblob(5000)) AS x FROM n ORDER BY x", "SELECT DISTINCT hex(randomblob(5000)) AS x FROM n"]
    {
        let refused = world.cli(&["sql", "--csv", &format!("{n} {sort} LIMIT 1 OFFSET 1000000")]).exits(2);
        refused.says("it needs more than 256 MiB of memory, which is the limit");
    }
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(120), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
