//! What leaves the process: the environment of programs that it starts, hook addresses, core files.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::schedule::notifications::plain;
use crate::support::hook_server::Hooks;
use crate::support::project::{Project, stderr};
use crate::support::world::{World, by_ids};

/// A program that writes its environment into a file.
fn environment_writer(project: &Project, file: &str) -> String {
    let program = project.root().join(format!("write-{file}"));
    let out = project.root().join(file);
    std::fs::write(&program, format!("#!/bin/sh\nenv > '{0}.part'\nmv '{0}.part' '{0}'\n", out.display())).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program.display().to_string()
}

#[test]
fn children_get_a_clean_environment() {
    let world = plain("on = [\"failure\", \"partial\", \"recovery\"]");
    let (hook, browser) = (environment_writer(&world.project, "hook"), environment_writer(&world.project, "browser"));
    let world = world.settings(&format!("command = [{hook:?}]")).job(&by_ids("tracks", &["0000000000000000000000"]));
    let canaries = ["CREDENTIALS_DIRECTORY", "CRATEDIGGER_KEY_FILE", "AWS_SECRET_ACCESS_KEY", "SPOTIPY_CLIENT_SECRET"];
    let with_canaries = |args: &[&str]| -> Command {
        let mut command = world.command(args);
        command.envs(canaries.map(|name| (name, "/canary"))).env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
        command.env("BROWSER", &browser);
        command
    };
    assert_eq!(
        with_canaries(&["run", "x"]).env_remove("CRATEDIGGER_KEY_FILE").output().unwrap().status.code(),
        Some(3)
    );
    let mut login = with_canaries(&["auth", "login", "home"]);
    login.env_remove("CRATEDIGGER_KEY_FILE").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut login = login.spawn().unwrap();
    for file in ["hook", "browser"] {
        let path = world.project.root().join(file);
        for _ in 0..1_000 {
            if path.exists() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let environment = std::fs::read_to_string(&path).expect(file);
        assert!(environment.contains("PATH=/usr/bin:/bin\n") && environment.contains("LC_ALL=C\n"), "{environment}");
        for secret in ["canary", "sandbox-secret", "SPOTIFY_", "SPOTIPY_", "CREDENTIALS_DIRECTORY"] {
            assert!(!environment.contains(secret), "{file} {secret}: {environment}");
        }
        assert_eq!(environment.contains("CRATEDIGGER_EVENT=partial"), file == "hook", "{environment}");
    }
    login.kill().unwrap();
    login.wait().unwrap();
}

#[test]
fn hook_addresses_come_from_files() {
    let hooks = Hooks::listening();
    let world = plain("webhook_url_file = \"secrets/hook\"\non = [\"partial\"]");
    world.project.write("secrets/hook", format!("{}\n", hooks.url("/from-a-file")));
    world.project.write("secrets/cratedigger_ping_url", hooks.url("/from-a-credential"));
    let world = world.job(&by_ids("tracks", &["0000000000000000000000"]));
    let folder = world.project.root().join("secrets");
    let run = || world.command(&["run", "x"]).env("CREDENTIALS_DIRECTORY", &folder).output().unwrap();
    assert_eq!(run().status.code(), Some(3));
    let came: Vec<String> = hooks.came().into_iter().map(|came| came.target).collect();
    assert!(came.iter().any(|target| target == "/from-a-file"), "{came:?}");
    assert!(came.iter().any(|target| target.starts_with("/from-a-credential/3?rid=")), "{came:?}");
    for (text, why) in [
        ("http://hooks.example/canary", "plain http would send"),
        ("ftp://hooks.example/canary", "not a web address"),
        ("canary", "not a web address"),
        ("", "not a web address"),
    ] {
        world.project.write("secrets/hook", text);
        let output = run();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(stderr(&output).contains(why) && !stderr(&output).contains("canary"), "{}", stderr(&output));
    }
    // Only commands that send messages need the address.
    std::fs::remove_file(folder.join("hook")).unwrap();
    for (command, exit) in [("run", 2), ("schedule", 2), ("check", 2), ("doctor", 2), ("history", 0), ("export", 0)] {
        let output = world.cli(&[command]);
        assert_eq!(output.code, exit, "{command}: {}{}", output.stdout, output.stderr);
        let says = format!("{}{}", output.stdout, output.stderr).contains("secrets/hook");
        assert_eq!(says, exit != 0, "{command}: {}{}", output.stdout, output.stderr);
    }
    // A credentials folder that cannot be read may contain an address.
    world.project.write("secrets/hook", hooks.url("/from-a-file"));
    let no_folder = world.command(&["run", "x"]).env("CREDENTIALS_DIRECTORY", folder.join("hook")).output().unwrap();
    assert_eq!(no_folder.status.code(), Some(2), "{}", stderr(&no_folder));
    assert!(stderr(&no_folder).contains("secrets/hook/cratedigger_ping_url"), "{}", stderr(&no_folder));
}

#[test]
fn hook_addresses_are_encrypted_or_local() {
    for (address, exit) in [
        ("http://hooks.example/canary", 2),
        ("http://192.168.1.1/canary", 2),
        ("http://127.0.0.1.example/canary", 2),
        ("http://127.0.0.1:9/x", 0),
        ("http://[::1]:9/x", 0),
        ("http://localhost:9/x", 0),
        ("https://hooks.example/x", 0),
    ] {
        let project = Project::with_job("[[fetch]]\nstream = \"markets\"\n");
        project.write("config/cratedigger.toml", format!("[notify]\nwebhook_url = \"{address}\"\n"));
        let (code, said) = project.check();
        assert_eq!(code, exit, "{address}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn process_leaves_no_core_file() {
    let project = Project::new();
    let limited = "ulimit -c unlimited 2>/dev/null; exec \"$0\" sandbox --json";
    let mut command = Command::new("sh");
    command.args(["-c", limited, env!("CARGO_BIN_EXE_cratedigger")]).current_dir(project.root());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");
    send_abort(child.id());
    child.wait().unwrap();
    assert_eq!(
        std::fs::read_dir(project.root()).unwrap().filter(|e| e.as_ref().unwrap().file_name() != ".local").count(),
        0
    );
}

fn send_abort(id: u32) {
    assert!(Command::new("kill").args(["-ABRT", &id.to_string()]).status().unwrap().success());
}

#[test]
fn units_forbid_core_files() {
    let world = World::extended();
    for unit in ["cratedigger", "cratedigger-schedule"] {
        let text =
            std::fs::read_to_string(format!("{}/contrib/systemd/{unit}.service", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(text.contains("\nLimitCORE=0\n"), "{unit}");
    }
    drop(world);
}
