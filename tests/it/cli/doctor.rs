//! `doctor`: green where it finds no problem; each red line says what to type.

use spotify_sandbox::{Fault, FaultAction, fixtures};

use crate::support::snapshot::assert_output;
use crate::support::world::{HUNG, World, by_ids, ended, pause, ran, signal};

fn light(world: &World, args: &[&str], what: &str) -> (String, String) {
    let page = world.cli(&[&["doctor", "--json"], args].concat()).json();
    let line = page["lines"].as_array().unwrap().iter().find(|line| line["what"] == what).cloned();
    let line = line.unwrap_or_else(|| panic!("no line about {what}: {page}"));
    (line["state"].as_str().unwrap().to_owned(), format!("{} {}", line["text"], line["do"]))
}

#[test]
fn healthy_project_is_green_with_one_token() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.run(&[]).exits(0);
    world.sandbox.clear_log();
    let page = world.cli(&["doctor"]).exits(0);
    assert_output("healthy_project_is_green_with_one_token", &page.stdout);
    assert_eq!((world.sandbox.log().len(), world.calls().len()), (1, 0), "one token and no call");
    world.sandbox.clear_log();
    world.cli(&["doctor", "--offline"]).exits(0);
    assert_eq!(world.sandbox.log().len(), 0);
}

#[test]
fn each_red_line_has_a_command() {
    let user = "schedule = \"15 6 * * *\"\nuser = \"home\"\n[[fetch]]\nstream = \"saved_tracks\"\n";
    let world = World::extended().job(user);
    world.project.write("jobs/broken.toml", "colour = 1\n");
    // The state folder appears at the first run.
    world.run(&[]);
    let (state, text) = light(&world, &["--offline"], "grants");
    assert!(state == "bad" && text.contains("cratedigger auth login home"), "{state} {text}");
    let (state, text) = light(&world, &[], "jobs");
    assert!(state == "bad" && text.contains("broken: broken") && text.contains("cratedigger check"), "{state} {text}");
    let folder = world.project.root().join(".local/state/cratedigger");
    std::process::Command::new("chmod").arg("755").arg(&folder).status().unwrap();
    let (state, text) = light(&world, &["--offline"], "state folder");
    assert!(state == "bad" && text.contains("chmod"), "{state} {text}");
    let shown = world.cli(&["doctor", "--offline"]);
    assert_output("each_red_line_has_a_command", &shown.stdout);
    assert_eq!(shown.code, 74, "the most severe: {}", shown.stdout);
}

#[test]
fn wrong_credentials_are_red() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.run(&[]).exits(0);
    let mut command = world.command(&["doctor", "--json"]);
    let ran =
        crate::support::world::ran(command.env("SPOTIFY_CLIENT_SECRET", "00000000000000000000000000000000")).exits(77);
    let line = ran.json()["lines"].as_array().unwrap().iter().find(|line| line["what"] == "Spotify").cloned().unwrap();
    assert_eq!(line["state"], "bad");
    assert!(line["do"].as_str().is_some_and(|text| !text.is_empty()), "{line}");
}

#[test]
fn open_secrets_are_reported() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.project.write(".env", "SPOTIFY_CLIENT_ID=sandbox-client\nSPOTIFY_CLIENT_SECRET=sandbox-secret\n");
    let path = world.project.root().join(".env");
    assert!(world.run(&[]).exits(0).stderr.lines().all(|line| !line.contains("other users")));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = world.run(&["--full"]).exits(0);
    let warning = "warning: other users can read ./.env (mode 0644); run `chmod 600 ./.env`";
    assert_eq!(ran.stderr.matches(warning).count(), 1, "{}", ran.stderr);
    let page = world.cli(&["doctor", "--offline"]).exits(77);
    assert!(page.stdout.contains("other users can read ./.env (mode 0644)"), "{}", page.stdout);
    assert!(page.stdout.contains("-> chmod 600 ./.env"), "{}", page.stdout);
}

#[test]
fn doctor_before_the_first_run_leaves_no_file() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    assert_eq!(light(&world, &[], "Spotify").0, "ok");
    let mut command = world.command(&["doctor"]);
    let wrong = ran(command.env("SPOTIFY_CLIENT_SECRET", "00000000000000000000000000000000")).exits(77);
    assert_output("doctor_before_the_first_run_leaves_no_file", &wrong.stdout);
    let mut command = world.project.command(&["doctor", "--offline"]);
    let without = ran(command.env("SPOTIFY_CLIENT_ID", "sandbox-client")).exits(77);
    assert_output("doctor_before_the_first_run_leaves_no_file_2", &without.stdout);
    let nowhere = world.cli(&["--project", "nowhere", "doctor"]).exits(2);
    assert_output("doctor_before_the_first_run_leaves_no_file_3", &nowhere.stdout);
    assert!(!world.project.root().join(".local").exists() && !world.database().exists());
    std::fs::create_dir_all(world.database().parent().unwrap()).unwrap();
    std::fs::write(world.database(), "").unwrap();
    let (state, text) = light(&world, &["--offline"], "store");
    assert!(state == "note" && text.contains("empty"), "{text}");
}

#[test]
fn failed_and_hanging_runs_are_red() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.sandbox.inject(Fault::on_path("/v1/*", FaultAction::Latency { ms: 1_500 }).times(1));
    let run = world.spawn(&[]);
    world.wait_for_calls(1);
    pause(&world, &run);
    let (state, text) = light(&world, &["--offline"], "runs");
    assert!(state == "note" && text.contains("job x has been running for"), "{text}");
    let world = world.settings("[schedule]\nmax_runtime = \"1s\"");
    let began = std::time::Instant::now();
    let (state, text) = loop {
        let (state, text) = light(&world, &["--offline"], "runs");
        if state == "bad" || began.elapsed() > HUNG {
            break (state, text);
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    assert!(state == "bad" && text.contains(&format!("process {}", run.id())), "{text}");
    signal(&run, "CONT");
    ended(run).exits(0);
    let mut command = world.command(&["run", "x"]);
    ran(command.env("SPOTIFY_CLIENT_SECRET", "00000000000000000000000000000000"));
    assert_eq!(world.one("SELECT state FROM runs ORDER BY id DESC LIMIT 1"), "failed");
    let (state, text) = light(&world, &["--offline"], "runs");
    assert!(state == "bad" && text.contains("cratedigger history x"), "{text}");
}

#[test]
fn other_users_are_sent_to_the_owner() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.run(&[]).exits(0);
    // Another home: what a colleague on the same machine has.
    let home = tempfile::tempdir().unwrap();
    let page = ran(world.command(&["doctor", "--offline"]).env("HOME", home.path())).exits(2);
    assert_output(
        "other_users_are_sent_to_the_owner",
        &page.stdout.replace(&home.path().display().to_string(), "[home]"),
    );
    assert!(!home.path().join(".local").exists(), "nothing is created");
    // With the folder that it names, all is well.
    let folder = world.project.root().join(".local/state/cratedigger");
    let named = ["--state-dir", folder.to_str().unwrap(), "doctor", "--offline"];
    ran(world.command(&named).env("HOME", home.path())).exits(0);
    let given_away = std::process::Command::new("chown").arg("65534").arg(world.database()).status().unwrap();
    if given_away.success() {
        let page = world.cli(&["doctor", "--offline"]).exits(2);
        assert!(page.stdout.contains("sudo -u nobody cratedigger --project"), "{}", page.stdout);
        assert_eq!(page.stdout.matches("-> ").count(), 1, "{}", page.stdout);
    }
}
