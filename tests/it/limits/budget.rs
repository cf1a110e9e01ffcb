//! Days that are too short for all jobs: their order, the share of one job, and the question before an
//! expensive run, with the real binary.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use spotify_sandbox::{QuotaMode, SandboxOptions, fixtures};

use super::quota::{a_day_later, development, ids, said_to_be, track_ids, tracks};
use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::world::{World, by_ids, fetch};

/// A backfill that needs far more calls than a day has, and a small job of the same endpoint family.
fn backfill_and_daily(backfill: &str, daily: &str) -> World {
    let world = said_to_be(
        "development",
        World::with(SandboxOptions { mode: QuotaMode::Development, ..SandboxOptions::default() }),
    );
    let world = world.settings(
        "calls_per_day = 60\ncalls_per_family = 40\nreserve = \"0%\"\n[schedule]\nfirst_run_share = \"100%\"",
    );
    let ids = track_ids(&world, 80);
    let list = |part: &[String]| by_ids("tracks", &part.iter().map(String::as_str).collect::<Vec<_>>());
    world.project.write("jobs/backfill.toml", format!("{backfill}schedule = \"* * * * *\"\n{}", list(&ids[6..])));
    world.project.write("jobs/daily.toml", format!("{daily}schedule = \"* * * * *\"\n{}", list(&ids[..6])));
    world
}

fn state_of(world: &World, job: &str) -> String {
    world.one(&format!("SELECT state FROM runs WHERE job = '{job}' ORDER BY id DESC LIMIT 1"))
}

#[test]
fn backfill_does_not_starve_a_daily_job() {
    for args in [&["--due"][..], &[]] {
        let world = backfill_and_daily("priority = 10\n", "");
        // Even if the backfill has the higher priority, the daily job fits and goes first.
        world.run(args).exits(75).shows("backfill_does_not_starve_a_daily_job");
        assert_eq!(
            (state_of(&world, "daily").as_str(), state_of(&world, "backfill").as_str()),
            ("complete", "deferred")
        );
        let calls = world.new_calls();
        assert_eq!(calls.len(), 26, "six, and half of the forty");
        // The backfill alone takes no more than its half, however often it runs.
        for _ in 0..3 {
            world.run(&["backfill"]).exits(75).shows("backfill_does_not_starve_a_daily_job_2");
        }
        assert_eq!(world.new_calls().len(), 0);
        // The other jobs get what is left.
        let ids = track_ids(&world, 94);
        let more: Vec<&str> = ids[80..94].iter().map(String::as_str).collect();
        world.project.write("jobs/more.toml", by_ids("tracks", &more));
        world.run(&["more"]).exits(0);
    }
}

#[test]
fn earlier_backfill_leaves_the_daily_job_calls() {
    let world = backfill_and_daily("", "");
    world.run(&["backfill"]).exits(75);
    assert_eq!(world.new_calls().len(), 20, "half of the family's calls");
    world.run(&["daily"]).exits(0);
    assert_eq!(world.new_calls().len(), 6);
}

#[test]
fn max_calls_in_a_job_changes_its_share() {
    let world = backfill_and_daily("max_calls = 35\n", "");
    world.run(&["backfill"]).exits(75).shows("max_calls_in_a_job_changes_its_share");
    assert_eq!(world.new_calls().len(), 35);
}

#[test]
fn max_calls_counts_all_runs_of_24_hours() {
    let world = backfill_and_daily("max_calls = 5\n", "");
    let ran = world.run(&["backfill", "--json"]).exits(75).json();
    let at: chrono::DateTime<chrono::Utc> = ran["not_before"].as_str().unwrap().parse().unwrap();
    let minutes = (at - chrono::Utc::now()).num_minutes();
    assert!((24 * 60 - 5..=24 * 60).contains(&minutes), "when its calls are older than a day, not at the next tick");
    assert_eq!(world.new_calls().len(), 5);
    // Started by name and by a timer, several times.
    world.run(&["backfill"]).exits(75).shows("max_calls_counts_all_runs_of_24_hours");
    for _ in 0..2 {
        world.run(&["backfill", "--due"]).exits(0);
    }
    assert_eq!(world.new_calls().len(), 0);
    assert_eq!(world.one("SELECT count(*) FROM runs WHERE job = 'backfill'"), "2", "the timer started no run");
    // The other jobs get what is left of the day.
    let plan = world.cli(&["plan", "--json", "--offline", "backfill"]).exits(0).json();
    assert_eq!(plan["jobs"][0]["left"], 0);
    world.run(&["daily"]).exits(0);
    assert_eq!(world.new_calls().len(), 6);
    a_day_later(&world);
    world.run(&["backfill", "--due"]).exits(75);
    assert_eq!(world.new_calls().len(), 5);
}

#[test]
fn max_calls_holds_without_a_daily_limit() {
    let world =
        said_to_be("extended", World::with(SandboxOptions { mode: QuotaMode::Extended, ..SandboxOptions::default() }));
    let artists = ids(&world, "artists", 4);
    let artists: Vec<&str> = artists.iter().map(String::as_str).collect();
    let world = world.job(&format!("max_calls = 2\n{}", by_ids("artist_albums", &artists)));
    // The first two lists are not always the same, and neither is the number of rows.
    world.run(&["--full"]).exits(75).says("2 of 8 read").says("this job has used its `max_calls`");
    assert_eq!(world.new_calls().len(), 2);
    world.run(&[]).exits(75);
    assert_eq!(world.new_calls().len(), 0);
}

#[test]
fn max_calls_option_limits_that_run_only() {
    let world = backfill_and_daily("", "");
    for _ in 0..2 {
        world.run(&["backfill", "--max-calls", "4"]).exits(75).shows("max_calls_option_limits_that_run_only");
        assert_eq!(world.new_calls().len(), 4);
    }
    world.run(&["backfill", "--max-calls", "30"]).exits(75).shows("max_calls_option_limits_that_run_only_2");
    assert_eq!(world.new_calls().len(), 12, "half of forty, less eight");
}

#[test]
fn jobs_run_by_priority_then_by_name() {
    let world = development();
    let ids = track_ids(&world, 9);
    for (name, priority, n) in [("a", 0, 0), ("b", 5, 1), ("c", 5, 2), ("d", -1, 3)] {
        let job = format!("priority = {priority}\n{}", by_ids("tracks", &[ids[n].as_str()]));
        world.project.write(&format!("jobs/{name}.toml"), job);
    }
    world.run(&[]).exits(0);
    let jobs: Vec<String> =
        world.rows("SELECT job FROM runs ORDER BY id").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(jobs, ["b", "c", "a", "d"]);
}

/// The binary with a terminal as stdin, stdout and stderr.
fn at_a_terminal(world: &World, args: &str) -> Child {
    let binary = env!("CARGO_BIN_EXE_cratedigger");
    let mut command = Command::new("script");
    command.args(["-qec", &format!("{binary} {args}"), "/dev/null"]);
    command.current_dir(world.project.root()).env_clear().env("HOME", world.project.root()).env("TERM", "dumb");
    command.env("PATH", std::env::var_os("PATH").unwrap());
    command.env("SPOTIFY_CLIENT_ID", "sandbox-client").env("SPOTIFY_CLIENT_SECRET", "sandbox-secret");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs the binary and types an answer.
fn on_a_terminal(world: &World, args: &str, answer: &str) -> (i32, String) {
    let mut child = at_a_terminal(world, args);
    child.stdin.as_mut().unwrap().write_all(answer.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    (ended.status.code().unwrap_or(-1), String::from_utf8_lossy(&ended.stdout).into_owned())
}

#[test]
fn expensive_run_prompts_on_a_terminal_only() {
    let world = development().settings("calls_per_day = 100\ncalls_per_family = 100\nreserve = \"0%\"");
    let world = {
        let job = tracks(&world, 30);
        world.job(&job)
    };
    for answer in ["n\n", "\n", "what\n"] {
        let (code, said) = on_a_terminal(&world, "run", answer);
        assert_output("expensive_run_prompts_on_a_terminal_only", &said);
        assert_eq!((code, world.calls().len()), (0, 0), "no answer means no");
    }
    let (code, said) = on_a_terminal(&world, "run", "y\n");
    assert_eq!((code, world.new_calls().len()), (0, 30), "{said}");
    // Up to a quarter of the remaining calls there is no question. With --yes or without a terminal there is none.
    world.project.write("jobs/x.toml", by_ids("artists", &[fixtures::BUSY_ARTIST]));
    let (_, said) = on_a_terminal(&world, "run", "");
    assert!(!said.contains("continue?"), "{said}");
    assert_eq!(world.new_calls().len(), 1);
    let other = track_ids(&world, 60);
    let other: Vec<&str> = other[30..50].iter().map(String::as_str).collect();
    world.project.write("jobs/x.toml", by_ids("tracks", &other[..17]));
    let (_, said) = on_a_terminal(&world, "run --yes", "");
    assert!(!said.contains("continue?"), "{said}");
    assert_eq!(world.new_calls().len(), 17);
    world.project.write("jobs/x.toml", by_ids("tracks", &other[17..18]));
    let ran = world.run(&[]).exits(0);
    assert!(!ran.stderr.contains("continue?"));
}

#[test]
fn failed_prompt_keeps_earlier_reports() {
    let world = development().settings("calls_per_day = 100\ncalls_per_family = 100\nreserve = \"0%\"");
    for name in ["b", "c"] {
        let job = tracks(&world, 30);
        world.project.write(&format!("jobs/{name}.toml"), job);
    }
    world.project.write("jobs/a.toml", by_ids("artists", &[fixtures::BUSY_ARTIST]));
    let mut child = at_a_terminal(&world, "run --json");
    let (mut out, mut said) = (child.stdout.take().unwrap(), String::new());
    let mut byte = [0];
    while !said.contains("continue? [y/N]") {
        assert_ne!(out.read(&mut byte).unwrap(), 0, "{said}");
        said.push(byte[0].into());
    }
    // The first job has run and the second waits for an answer when the ledger becomes unreadable.
    assert_eq!(world.rows("SELECT job, state FROM runs"), [["a", "complete"]]);
    let books = world.project.root().join(".local/state/cratedigger/state.db");
    rusqlite::Connection::open(books).unwrap().execute_batch("ALTER TABLE calls RENAME TO lost").unwrap();
    child.stdin.as_mut().unwrap().write_all(b"n\n").unwrap();
    out.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(74), "{said}");
    let line = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{said}"));
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["runs"][0]["job"], &line["runs"][1], &line["calls"]), (&"a".into(), &().into(), &1.into()));
    assert_eq!((&line["state"], &line["exit_code"]), (&"failed".into(), &74.into()), "{line}");
    assert!(line["error"].as_str().unwrap().contains("state.db"), "{line}");
}

#[test]
fn jobs_shows_oldest_row_and_refresh_time() {
    let world = development().settings("calls_per_day = 10\ncalls_per_family = 10\nreserve = \"0%\"");
    let world = {
        let job = format!("max_calls = 1000\n{}", tracks(&world, 8));
        world.job(&job)
    };
    let streams = |world: &World| world.cli(&["jobs", "--json"]).exits(0).json()["jobs"][0]["streams"][0].clone();
    assert!(streams(&world)["oldest_row_at"].is_null() && streams(&world)["sweep_calls"].is_null());
    world.run(&[]).exits(0);
    world.new_calls();
    let db = rusqlite::Connection::open(world.database()).unwrap();
    db.execute("UPDATE tracks SET fetched_at = '2026-01-02T03:04:05.000Z' WHERE id = (SELECT min(id) FROM tracks)", ())
        .unwrap();
    let shown = streams(&world);
    assert_eq!(shown["oldest_row_at"], "2026-01-02T03:04:05.000Z");
    assert_eq!(shown["sweep_calls"], serde_json::json!({ "least": 8, "most": 8 }));
    assert_eq!(shown["sweep_seconds"], 1.0, "six of them at a hundred a second");
    let text = world.cli(&["jobs"]).exits(0).stdout;
    assert_output("jobs_shows_oldest_row_and_refresh_time", &text);
    // Without `max_calls`, the job gets half of ten calls a day: the last three wait for the next day.
    let job = tracks(&world, 8);
    world.project.write("jobs/x.toml", job);
    let secs = streams(&world)["sweep_seconds"].as_f64().unwrap();
    assert!((51_840.0..51_850.0).contains(&secs), "{secs}: 0.6 of a day");
    assert_eq!(world.sandbox.log().len(), 0, "jobs sends no call");
}

#[test]
fn adaptive_pace_slows_down_after_a_refusal() {
    let world = World::with(SandboxOptions {
        mode: QuotaMode::Development,
        rate_limit: Some(10),
        rate_window: Duration::from_secs(1),
        ..SandboxOptions::default()
    });
    let world = said_to_be("development", world).settings("adaptive = true");
    let path = world.project.root().join("config/cratedigger.toml");
    let settings = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, settings.replace("requests_per_second = 100", "requests_per_second = 20")).unwrap();
    let world = {
        let job = tracks(&world, 30);
        world.job(&job)
    };
    world.run(&[]).exits(0);
    let counted = world.sandbox.limit_counts();
    assert_eq!((counted.refused, counted.early), (1, 0), "one refusal taught it");
    let shown = world.cli(&["quota", "--json"]).exits(0).json();
    assert_eq!(shown["pace"]["window_ms"], 30_000);
    assert!(world.cli(&["quota"]).exits(0).stdout.contains("learned pace:"));
}

#[test]
fn sweeps_larger_than_a_day_take_turns() {
    let world = said_to_be(
        "development",
        World::with(SandboxOptions { mode: QuotaMode::Development, ..SandboxOptions::default() }),
    )
    .settings("calls_per_day = 20\ncalls_per_family = 20\nreserve = \"0%\"\n[schedule]\nfirst_run_share = \"100%\"");
    let ids = track_ids(&world, 105);
    for (job, ids) in ["a", "b", "c"].into_iter().zip(ids.chunks(35)) {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        world.project.write(format!("jobs/{job}.toml").as_str(), by_ids("tracks", &ids));
    }
    let read = |job: &str| world.one(&format!("SELECT sum(calls) FROM runs WHERE job = '{job}'"));
    let mut days = Vec::new();
    for _ in 0..3 {
        world.run(&[]).exits(75);
        days.push(["a", "b", "c"].map(read).map(|calls| calls.parse::<i64>().unwrap()));
        a_day_later(&world);
    }
    // Two jobs have half a day each. The one that got nothing is the first of the next day.
    assert_eq!(days, [[10, 10, 0], [20, 10, 10], [20, 20, 20]]);
}

#[test]
fn any_run_fits_where_nothing_is_limited() {
    let job = fetch("artist_albums", &format!("ids = [\"{}\"]", fixtures::BUSY_ARTIST));
    let unlimited = "calls_per_day = \"unlimited\"\ncalls_per_family = \"unlimited\"";
    for (limits, fits, text) in [
        (unlimited, Value::Bool(true), "no daily limit, 1 job fits\n"),
        ("calls_per_day = 1000", Value::Null, "1 may fit\n"),
    ] {
        let world = development().settings(limits).job(&job);
        let shown = world.cli(&["plan", "--offline", "--json"]).exits(0).json();
        let of_job = &shown["jobs"][0];
        assert_eq!((&of_job["fits"], &of_job["calls"]["most"]), (&fits, &Value::Null), "{limits}");
        let said = world.cli(&["plan", "--offline"]).exits(0).stdout;
        assert!(said.contains(text) && said.contains("the length of a list is not known"), "{said}");
    }
}

#[test]
fn sign_in_uses_the_reserve() {
    let world = World::extended().settings("calls_per_day = 10\nreserve = \"30%\"");
    let world = world.job(&by_ids("playlist_items", &[fixtures::LARGE_PLAYLIST]));
    world.run(&[]).exits(75);
    let spent = world.calls().len();
    world.run(&[]).exits(75);
    assert_eq!(world.calls().len(), spent, "the day is spent for runs");
    crate::support::sign_in::sign_in(&world, "home", fixtures::HOME_USER);
    assert!(world.calls().len() > spent && world.calls().len() <= 10);
    world.run(&[]).exits(75);
}
