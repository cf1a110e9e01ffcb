//! `[notify]`: pings, webhook, command and the file for Prometheus; one message per change of state.

use spotify_sandbox::fixtures;

use crate::support::hook_server::Hooks;
use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::world::{Ran, World, by_ids, ran};

const FIRE: &str = "schedule = \"15 6 * * *\"\n";

pub fn plain(notify: &str) -> World {
    let job = format!("{FIRE}{}", by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    World::extended().job(&job).settings(&format!("[notify]\n{notify}"))
}

fn without_credentials(world: &World, args: &[&str]) -> Ran {
    ran(&mut world.project.command(args))
}

#[test]
fn pings_have_exit_code_and_last_lines() {
    let hooks = Hooks::listening();
    let world = plain(&format!("ping_url = \"{}\"", hooks.url("/secret-key/{job}")));
    world.run(&["x"]).exits(0);
    let came = hooks.came();
    let [start, end] = came.as_slice() else { panic!("{came:?}") };
    let (path, rid) = start.target.split_once("?rid=").unwrap();
    assert_eq!(path, "/secret-key/x/start");
    assert_eq!((rid.len(), rid.split('-').count()), (36, 5), "a UUID");
    assert_eq!(end.target, format!("/secret-key/x/0?rid={rid}"));
    assert!(end.body.starts_with("x: complete, run 1, exit 0, "), "{}", end.body);

    world.project.write("jobs/x.toml", format!("{FIRE}{}", by_ids("playlist_items", &["0000000000000000000000"])));
    world.run(&["x"]).exits(3);
    let end = hooks.came().pop().unwrap();
    assert!(end.target.starts_with("/secret-key/x/3?rid="), "{}", end.target);
    assert_output("pings_have_exit_code_and_last_lines", &end.body);
}

#[test]
fn ping_failure_fails_no_job() {
    let world = plain(
        "ping_url = \"http://127.0.0.1:1/secret-key\"\nwebhook_url = \"http://127.0.0.1:1/other-key\"\non = [\"failure\"]",
    );
    let ran = world.run(&["x"]).exits(0).shows("ping_failure_fails_no_job");
    assert!(!ran.stderr.contains("secret-key") && !ran.stderr.contains("other-key"), "{}", ran.stderr);
}

#[test]
fn lasting_problem_is_reported_once() {
    let hooks = Hooks::listening();
    let world = plain(&format!("webhook_url = \"{}\"", hooks.url("/hook")));
    without_credentials(&world, &["-q", "run", "--due"]).exits(77).shows("lasting_problem_is_reported_once");
    for _ in 0..3 {
        let again = without_credentials(&world, &["-q", "run", "--due"]).exits(77);
        assert_eq!(again.stderr, "", "it is not reported again");
    }
    assert_eq!(hooks.came().len(), 1);
    let message: serde_json::Value = serde_json::from_str(&hooks.came()[0].body).unwrap();
    assert_eq!(message["event"], "sign_in");
    assert_output("lasting_problem_is_reported_once_text", message["text"].as_str().unwrap());

    world.cli(&["-q", "run", "--due"]).exits(0);
    world.cli(&["-q", "run", "--due"]).exits(0);
    let events: Vec<String> = hooks
        .came()
        .iter()
        .map(|came| serde_json::from_str::<serde_json::Value>(&came.body).unwrap()["event"].to_string())
        .collect();
    assert_eq!(events, ["\"sign_in\"", "\"recovery\""]);
}

#[test]
fn success_is_reported_if_asked_for() {
    let hooks = Hooks::listening();
    let world =
        plain(&format!("webhook_url = \"{}\"\non = [\"failure\", \"sign_in\", \"success\"]", hooks.url("/hook")));
    world.run(&["x"]).exits(0);
    let edit = serde_json::json!({"do": "insert", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "items": [fixtures::PLAIN_TRACK]});
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
    world.run(&["x"]).exits(0);
    // A field that could not be read is a warning of the run, and no one has to act.
    world.project.write("jobs/x.toml", by_ids("playlist_items", &[fixtures::EDGE_CASE_PLAYLIST]));
    assert!(world.run(&["x"]).exits(0).stderr.contains("warning:"));
    let came: Vec<serde_json::Value> = hooks.came().iter().map(|it| serde_json::from_str(&it.body).unwrap()).collect();
    assert_eq!(came.iter().map(|it| it["event"].as_str().unwrap()).collect::<Vec<_>>(), ["success"; 3]);
    assert_output("success_is_reported_if_asked_for", &format!("{}\n{}", came[1]["text"], came[1]["details"]));
}

#[test]
fn broken_job_file_is_reported_once() {
    let hooks = Hooks::listening();
    let world = plain(&format!("webhook_url = \"{}\"", hooks.url("/hook")));
    world.run(&["--due"]).exits(0);
    world.project.write("jobs/y.toml", "[[fetch]]\nstream = \"artist\"\n");
    world.cli(&["-q", "run", "--due"]).exits(2).shows("broken_job_file_is_reported_once");
    assert_eq!(world.cli(&["-q", "run", "--due"]).exits(2).stderr, "");
    world.project.write("jobs/y.toml", "[[fetch]]\nstream = \"markets\"\n");
    world.cli(&["-q", "run", "--due"]).exits(0);
    let came = hooks.came();
    assert_eq!(came.len(), 2, "{came:?}");
    let text =
        |body: &str| serde_json::from_str::<serde_json::Value>(body).unwrap()["text"].as_str().unwrap().to_owned();
    assert_output("broken_job_file_is_reported_once_text", &text(&came[0].body));
    assert_output("repaired_job_file_text", &text(&came[1].body));
}

#[test]
fn hanging_notify_command_is_killed() {
    let partial = format!("{FIRE}{}", by_ids("playlist_items", &["0000000000000000000000"]));
    let world = plain(
        "on = [\"partial\"]\ncommand = [\"sh\", \"-c\", \"cat > messages.txt; echo $CRATEDIGGER_EVENT $CRATEDIGGER_JOB >> messages.txt\"]",
    );
    world.project.write("jobs/x.toml", &partial);
    world.run(&["x"]).exits(3);
    let message = std::fs::read_to_string(world.project.root().join("messages.txt")).unwrap();
    assert!(message.starts_with("cratedigger: job x is partial: ") && message.ends_with("partial x\n"), "{message}");

    let world =
        plain("on = [\"partial\"]\ntimeout = \"1s\"\ncommand = [\"sh\", \"-c\", \"sleep 600 & echo $! > pid; wait\"]");
    world.project.write("jobs/x.toml", &partial);
    world.run(&["x"]).exits(3).shows("hanging_notify_command_is_killed");
    let pid = std::fs::read_to_string(world.project.root().join("pid")).unwrap();
    let state = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "it is still running: {state}");
}

#[test]
fn prometheus_file_has_all_metrics() {
    let world = plain("prometheus_file = \"metrics/cratedigger.prom\"");
    world.project.write("jobs/y.toml", by_ids("tracks", &[fixtures::PLAIN_TRACK]));
    world.run(&["x"]).exits(0);
    let text = std::fs::read_to_string(world.project.root().join("metrics/cratedigger.prom")).unwrap();
    // A slow run writes it a second after its data.
    let age = regex::Regex::new(r"(?m)^(cratedigger_data_age_seconds.*) \d$").unwrap();
    let text = age.replace_all(&text, "$1 0");
    assert_output("prometheus_file_has_all_metrics", &text);
    assert!(
        text.lines().all(|line| line.starts_with("# ") || line.split(' ').next_back().unwrap().parse::<i64>().is_ok())
    );
}

/// Moves the last attempt of each waiting message back by a quarter of an hour.
pub fn wait_to_tell(world: &World) {
    let folder = std::fs::read_dir(world.project.root().join(".local/state/cratedigger")).unwrap();
    let mut files = folder.map(|entry| entry.unwrap().path());
    let is_of_alerts = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("alerts-") && name.ends_with(".json")
    };
    let file = files.find(is_of_alerts).expect("a state of alerts");
    let mut book: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let earlier = (chrono::Utc::now() - chrono::TimeDelta::minutes(15)).to_rfc3339();
    for it in book["undelivered"].as_array_mut().unwrap() {
        it["tried"] = earlier.clone().into();
    }
    for (_, it) in book["pings"].as_object_mut().unwrap() {
        it["tried"] = earlier.clone().into();
    }
    std::fs::write(file, book.to_string()).unwrap();
}

#[test]
fn undelivered_message_is_sent_later() {
    let hooks = Hooks::listening();
    hooks.refuse(true);
    let world = plain(&format!(
        "webhook_url = \"{}\"\ncommand = [\"sh\", \"-c\", \"cat >> messages.txt; echo end >> messages.txt\"]\non = [\"partial\"]",
        hooks.url("/hook")
    ));
    world.project.write("jobs/x.toml", format!("{FIRE}{}", by_ids("playlist_items", &["0000000000000000000000"])));
    let sent = || std::fs::read_to_string(world.project.root().join("messages.txt")).unwrap().matches("end\n").count();
    world.run(&["x"]).exits(3).shows("undelivered_message_is_sent_later");
    assert_eq!((sent(), hooks.came().len()), (1, 0));
    // One retry too early, and then one that fails again.
    world.cli(&["-q", "run", "--due"]).exits(0);
    wait_to_tell(&world);
    assert_eq!(world.cli(&["-q", "run", "--due"]).exits(0).stderr, "", "the first run has printed it");
    hooks.refuse(false);
    assert_eq!(world.cli(&["-q", "run", "--due"]).exits(0).stderr, "", "too soon");
    assert_eq!((sent(), hooks.came().len()), (1, 0));
    wait_to_tell(&world);
    world.cli(&["-q", "run", "--due"]).exits(0);
    assert_eq!((sent(), hooks.came().len()), (1, 1));
    assert!(hooks.came()[0].body.contains("job x is partial"), "{}", hooks.came()[0].body);
    assert_eq!(world.cli(&["-q", "run", "--due"]).exits(0).stderr, "");
    assert_eq!((sent(), hooks.came().len()), (1, 1));
}

#[test]
fn missed_ping_is_sent_later() {
    let hooks = Hooks::listening();
    hooks.refuse(true);
    let world = plain(&format!("ping_url = \"{}\"", hooks.url("/key")));
    world.run(&["x"]).exits(0).shows("missed_ping_is_sent_later");
    hooks.refuse(false);
    wait_to_tell(&world);
    world.cli(&["-q", "run", "--due"]).exits(0);
    let came = hooks.came();
    let [end] = came.as_slice() else { panic!("{came:?}") };
    assert!(end.target.starts_with("/key/0?rid=") && end.body.starts_with("x: complete, run 1"), "{end:?}");

    hooks.refuse(true);
    world.run(&["x"]).exits(0);
    hooks.refuse(false);
    world.run(&["x"]).exits(0);
    wait_to_tell(&world);
    world.cli(&["-q", "run", "--due"]).exits(0);
    let ends: Vec<String> = hooks.came()[1..].iter().map(|came| came.body.chars().take(18).collect()).collect();
    assert_eq!(ends, ["", "x: complete, run 3"], "start and end of the third run");
}
