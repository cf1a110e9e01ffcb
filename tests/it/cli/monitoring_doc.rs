//! docs/monitoring.md names every metric, event and field that exists.

use std::process::Stdio;

use cratedigger::notify::{AlertEvent, AlertMessage, PrometheusMetrics};
use spotify_sandbox::{Fault, FaultAction, fixtures};

use crate::support::world::{World, by_ids, ended, ran, signal};

fn page() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/monitoring.md")).unwrap()
}

#[test]
fn every_metric_is_documented_and_written() {
    let (page, written) = (page(), PrometheusMetrics::default().text());
    let there: Vec<&str> = written.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(there.len() > 10, "{written}");
    for name in &there {
        assert!(page.contains(&format!("`{name}`")), "{name} is not in docs/monitoring.md");
    }
    for name in page.split('`').filter(|word| word.starts_with("cratedigger_") && !word.ends_with("_url")) {
        assert!(there.contains(&name), "{name} is not written");
    }
}

#[test]
fn every_event_and_field_is_documented() {
    let page = page();
    let message = AlertMessage {
        event: AlertEvent::Failure,
        job: "x".into(),
        text: String::new(),
        details: Vec::new(),
        run: None,
        state: None,
        exit_code: None,
        project: String::new(),
        at: chrono::DateTime::UNIX_EPOCH,
    };
    let json = serde_json::to_value(message).unwrap();
    for field in json.as_object().unwrap().keys() {
        assert!(page.contains(&format!("`{field}`")), "{field}");
    }
    for event in
        [AlertEvent::Failure, AlertEvent::Partial, AlertEvent::SignIn, AlertEvent::Overdue, AlertEvent::Recovery]
    {
        assert!(page.contains(&format!("| `{}` |", event.as_str())), "{}", event.as_str());
    }
}

/// Lines of a log. Each is an object with documented fields only.
#[track_caller]
fn documented(stderr: &str) -> Vec<serde_json::Value> {
    let page = page();
    let logs = page.split("## Logs").nth(1).unwrap();
    let lines: Vec<serde_json::Value> = stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}\nin:\n{stderr}")))
        .collect();
    for line in &lines {
        for field in line.as_object().unwrap().keys() {
            assert!(logs.contains(&format!("`{field}`")), "{field} is not on the page: {line}");
        }
        let message = line["message"].as_str().unwrap();
        assert!(!message.contains('\n') && !message.starts_with("error") && !message.starts_with("warning"), "{line}");
        for time in ["timestamp", "fire_at", "not_before"].iter().filter_map(|field| line[field].as_str()) {
            assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok(), "{time} in {line}");
        }
    }
    lines
}

#[test]
fn json_log_lines_have_documented_fields() {
    let world = World::extended();
    let of = |lines: &[serde_json::Value], field: &str| lines.iter().any(|line| !line[field].is_null());
    world
        .project
        .write("jobs/x.toml", format!("schedule = \"* * * * *\"\n{}", by_ids("playlists", &[fixtures::HOME_PLAYLIST])));
    world.project.write("jobs/y.toml", "schedule = \"0 6 * * *\"\n[[fetch]]\nstream = \"artist\"\n");
    // A broken file and a good one, an unknown job, missing credentials, and a complete run.
    let tick = documented(&world.cli(&["--log-format", "json", "run", "--due"]).exits(2).stderr);
    assert!(of(&tick, "column") && of(&tick, "hint") && of(&tick, "rows") && of(&tick, "calls"), "{tick:?}");
    let unknown = documented(&world.cli(&["--log-format", "json", "run", "nosuch"]).exits(2).stderr);
    assert!(of(&unknown, "message"), "{unknown:?}");
    let refused = documented(&ran(&mut world.project.command(&["--log-format", "json", "run", "x"])).exits(77).stderr);
    assert!(of(&refused, "exit_code") && of(&refused, "hint"), "{refused:?}");
    // A name with control characters, and a signal.
    world.project.write("jobs/z.toml", "[[fetch]]\nstream = \"markets\"\ncsv = \"a\u{202e}b.csv\"\n");
    documented(&world.cli(&["--log-format", "json", "run", "z"]).stderr);
    world.project.write("jobs/x.toml", by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.sandbox.inject(Fault::on_path("/v1/*", FaultAction::Latency { ms: 1_500 }).times(1));
    let calls = world.calls().len();
    let child = world
        .command(&["--log-format", "json", "run", "x"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    world.wait_for_calls(calls + 1);
    signal(&child, "TERM");
    let stopped = documented(&ended(child).exits(75).stderr);
    assert!(stopped.iter().any(|line| line["message"].as_str().unwrap().starts_with("stopping")), "{stopped:?}");
}
