//! The lines for cron, run as cron runs them: by /bin/sh, in an almost empty environment, with a mail for
//! any output.

use std::process::{Command, Output};

use crate::support::project::{stderr, stdout};
use crate::support::snapshot::assert_output;
use crate::support::world::World;

const JOB: &str = "schedule = \"0 6 * * *\"\n[[fetch]]\nstream = \"search\"\nquery = \"a\"\ntypes = [\"track\"]\n";

/// The lines of a crontab: `NAME=value`, and the one that starts with a time.
fn crontab(name: &str) -> (Vec<(String, String)>, String) {
    let path = format!("{}/contrib/cron/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    assert!(text.ends_with('\n'), "cron leaves out a last line without an end");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (jobs, variables): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with(['*', '0']));
    assert_eq!(jobs.len(), 1, "{name}");
    let variables = variables.iter().map(|line| line.split_once('=').unwrap()).map(|(a, b)| (a.into(), b.into()));
    (variables.collect(), jobs[0].to_owned())
}

/// The command after the five fields of the time, and after the user if the file names one.
fn command(line: &str, fields: usize) -> String {
    let mut rest = line;
    for _ in 0..fields {
        let end = rest.find([' ', '\t']).unwrap();
        rest = rest[end..].trim_start();
    }
    assert!(!rest.contains('%'), "cron takes % for the end of the line: {rest}");
    rest.to_owned()
}

/// Runs the line of `contrib/cron/crontab` once in a project.
fn tick(world: &World) -> Output {
    let (_, line) = crontab("crontab");
    let root = world.project.root();
    let command = command(&line, 5)
        .replace("/usr/local/bin/cratedigger", env!("CARGO_BIN_EXE_cratedigger"))
        .replace("/srv/spotify", root.to_str().unwrap());
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).current_dir(root).env_clear();
    shell.env("HOME", root).env("LOGNAME", "collector").env("SHELL", "/bin/sh").env("PATH", "/usr/bin:/bin");
    shell.output().unwrap()
}

#[track_caller]
fn silent(output: &Output) {
    assert_eq!((stdout(output), stderr(output)), (String::new(), String::new()));
    assert_eq!(output.status.code(), Some(0));
}

fn world() -> World {
    let world = World::development().job(JOB);
    world.project.write(".env", "SPOTIFY_CLIENT_ID=sandbox-client\nSPOTIFY_CLIENT_SECRET=sandbox-secret\n");
    world
}

#[test]
fn cron_is_silent_while_all_is_well() {
    let world = world();
    silent(&tick(&world));
    assert!(world.csv_path("search.csv").exists(), "a job never run is due at once");
    world.sandbox.clear_log();
    silent(&tick(&world));
    assert_eq!(world.calls(), Vec::<String>::new(), "nothing was due");
}

#[test]
fn cron_mails_failures() {
    let world = world();
    world.project.write(".env", "SPOTIFY_CLIENT_ID=sandbox-client\nSPOTIFY_CLIENT_SECRET=wrong\n");
    let output = tick(&world);
    assert_eq!(output.status.code(), Some(77), "{}", stderr(&output));
    assert_output("cron_mails_failures", &stderr(&output));
    assert_eq!(stdout(&output), "");
}

#[test]
fn cron_d_file_has_the_same_line() {
    let ((_, user), (variables, system)) = (crontab("crontab"), crontab("cron.d"));
    assert_eq!(command(&system, 6), command(&user, 5));
    assert_eq!(system.split_whitespace().nth(5), Some("cratedigger"));
    assert_eq!(
        system.split_whitespace().take(5).collect::<Vec<_>>(),
        user.split_whitespace().take(5).collect::<Vec<_>>()
    );
    assert!(variables.contains(&("CREDENTIALS_DIRECTORY".into(), "/etc/cratedigger".into())));
}
