//! Fifty yearly jobs are deployed at three in the afternoon on a project with an old daily job. They take their
//! share of each day and no more, and all are done some days later.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::quota::said_to_be;
use crate::schedule::foreground::Foreground;
use crate::support::snapshot::Shows as _;
use crate::support::world::World;

/// Of 200 calls a day, 5% are in reserve, and half are for jobs that have never ended a run.
const DAY: usize = 190;
const SHARE: usize = 100;

fn search(schedule: &str, query: &str) -> String {
    format!(
        "schedule = \"{schedule}\"\n[[fetch]]\nstream = \"search\"\nquery = \"{query}\"\ntypes = [\"track\"]\nmax_results = 50\n"
    )
}

/// The project before the deployment. Its daily job has run.
fn settled() -> World {
    let world = said_to_be("development", World::development());
    let world = world.settings("calls_per_day = 200\ncalls_per_family = 200");
    world.project.write("jobs/daily.toml", search("0 6 * * *", "a"));
    world.run(&["--due"]).exits(0);
    world
}

fn deploy(world: &World) {
    let letters: Vec<char> = ('a'..='z').collect();
    let queries: BTreeSet<String> =
        letters.iter().flat_map(|a| ["e", "o"].map(|b| format!("{a}{b}"))).take(50).collect();
    for query in queries {
        world.project.write(&format!("jobs/yearly-{query}.toml"), search("15 6 1 1 *", &query));
    }
}

/// Moves all stored times of the project back by some days.
fn days_pass(world: &World, days: i64) {
    let store = Connection::open(world.database()).unwrap();
    for column in ["started_at", "finished_at", "fire_at", "not_before"] {
        let sql = format!("UPDATE runs SET {column} = strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '-{days} days')");
        store.execute(&sql, []).unwrap();
    }
    let earlier = "strftime('%Y-%m-%dT%H:%M:%fZ', fire_at, '-1 days')";
    store.execute(&format!("UPDATE OR REPLACE fires SET fire_at = {earlier} WHERE job = 'daily'"), []).unwrap();
    let state = Connection::open(world.project.root().join(".local/state/cratedigger/state.db")).unwrap();
    state.execute("UPDATE calls SET at_ms = at_ms - ?1", [days * 86_400_000]).unwrap();
    state.execute("UPDATE cool_downs SET until_ms = until_ms - ?1, set_ms = set_ms - ?1", [days * 86_400_000]).unwrap();
}

fn complete(world: &World, like: &str) -> usize {
    let sql = format!("SELECT count(DISTINCT job) FROM runs WHERE state = 'complete' AND job LIKE '{like}'");
    world.one(&sql).parse().unwrap()
}

#[test]
fn fifty_new_jobs_take_half_of_the_day() {
    let world = settled();
    deploy(&world);
    world.run(&["--due"]).exits(75);
    let first = complete(&world, "yearly-%");
    assert!((10..45).contains(&first), "{first}: some are done, the rest waits");
    assert_eq!(world.calls().len(), SHARE);
    // The timer's next starts send no call and print nothing.
    for _ in 0..3 {
        let tick = world.cli(&["-q", "run", "--due"]).exits(0);
        assert_eq!((tick.stdout.as_str(), tick.stderr.as_str()), ("", ""));
    }
    assert_eq!(world.calls().len(), SHARE);
    // The daily job is due on the same afternoon and runs.
    let store = Connection::open(world.database()).unwrap();
    let back = "strftime('%Y-%m-%dT%H:%M:%fZ', started_at, '-2 days')";
    store
        .execute(
            &format!("UPDATE runs SET started_at = {back}, finished_at = {back}, fire_at = {back} WHERE job = 'daily'"),
            [],
        )
        .unwrap();
    store.execute("DELETE FROM fires WHERE job = 'daily'", []).unwrap();
    drop(store);
    world.run(&["--due"]).exits(0).shows("fifty_new_jobs_take_half_of_the_day");
    assert!((SHARE + 1..=DAY).contains(&world.calls().len()), "{}", world.calls().len());

    // Some days later all jobs have run, each as often as a year requires.
    for _ in 0..4 {
        world.sandbox.clear_log();
        days_pass(&world, 1);
        world.run(&["--due", "--ok-if-deferred"]).exits(0);
        assert!(world.calls().len() <= DAY, "{}", world.calls().len());
    }
    assert_eq!(complete(&world, "yearly-%"), 50);
    let twice = "SELECT count(*) FROM (SELECT job FROM runs WHERE state = 'complete' AND job LIKE 'yearly-%' GROUP BY job HAVING count(*) > 1)";
    assert_eq!(world.one(twice), "0");
}

#[test]
fn fifty_jobs_under_the_scheduler_too() {
    let world = settled();
    let mut it = Foreground::start(&world);
    it.until_said("the scheduler has started");
    deploy(&world);
    let ended = |said: &str| said.matches("run finished").count() + said.matches("still deferred").count();
    it.until("a run of each", move |it| ended(&it.said()) >= 50);
    let (_, said) = it.stop();
    assert_eq!(world.calls().len(), SHARE, "{said}");
    let first = complete(&world, "yearly-%");
    assert!((10..45).contains(&first), "{first}");
    world.cli(&["-q", "run", "--due", "--ok-if-deferred"]).exits(0);
    assert_eq!(world.calls().len(), SHARE);
}
