//! The command line itself.

use crate::support::project::{Project, stderr, stdout};
use crate::support::snapshot::assert_output;

#[test]
fn wrong_command_line_exits_2_and_help_0() {
    let project = Project::new();
    for args in [
        &["nonsense"][..],
        &["check", "--nonsense"],
        &[],
        &["schema", "nonsense"],
        &["streams", "nonsense"],
        &["-q", "-v", "man"],
    ] {
        let output = project.run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(stdout(&output), "", "{args:?}");
        assert_ne!(stderr(&output), "", "{args:?}");
    }
    for args in [&["--help"][..], &["check", "--help"], &["--version"]] {
        let output = project.run(args);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn no_option_takes_a_secret() {
    let page = stdout(&Project::new().run(&["man"])).to_lowercase();
    // The sections below list files and variables, which may name a secret.
    let (help, _) = page.split_once(".sh \"exit status\"").expect("options, then the exit status");
    let names: Vec<&str> = help.lines().filter(|line| line.starts_with("\\fb")).collect();
    assert!(names.len() > 50, "{names:?}");
    for word in ["secret", "token", "password"] {
        assert!(!names.iter().any(|name| name.contains(word)), "{word}");
    }
}

#[test]
fn global_options_work_before_and_after() {
    let project = Project::new();
    for args in [["--json", "streams"], ["streams", "--json"]] {
        let streams: serde_json::Value = serde_json::from_str(&stdout(&project.run(&args))).expect("json");
        assert_eq!(streams.as_array().map(Vec::len), Some(cratedigger::stream::all().count()));
    }
}

#[test]
fn streams_show_all_their_columns() {
    let project = Project::new();
    for stream in cratedigger::stream::all() {
        let page = stdout(&project.run(&["streams", stream.name]));
        for column in stream.columns() {
            assert!(page.contains(column.name), "{}: {}", stream.name, column.name);
        }
    }
}

#[test]
fn completions_and_manual_name_every_command() {
    let project = Project::new();
    let man = stdout(&project.run(&["man"]));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&project.run(&["completions", shell]));
        assert!(script.contains("COMPLETE") && script.contains("cratedigger"), "{shell}: {script}");
    }
    let words = completed(&project, &[""]);
    for command in ["init", "check", "streams", "schema", "completions", "man"] {
        assert!(words.iter().any(|word| word == command), "{command}: {words:?}");
        assert!(man.contains(command), "{command}");
    }
}

/// The words that a shell offers for the last one.
fn completed(project: &Project, words: &[&str]) -> Vec<String> {
    let mut command = project.command(&[&["--", "cratedigger"], words].concat());
    let output = command.env("COMPLETE", "fish").output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    stdout(&output).lines().map(|line| line.split('\t').next().unwrap().to_owned()).collect()
}

#[test]
fn completion_knows_the_names_of_a_project() {
    let project = Project::new();
    project.write("p/jobs/weekly.toml", "user = \"home\"\n[[fetch]]\nstream = \"saved_tracks\"\n");
    project.write("p/jobs/broken.toml", "[[fetch]]\nstrem = 1\n");
    for (words, expected) in [
        (&["--project", "p", "run", "we"][..], "weekly"),
        (&["--project=p", "plan", ""], "weekly"),
        (&["--project", "p", "auth", "login", ""], "home"),
        (&["streams", "saved_t"], "saved_tracks"),
    ] {
        let found = completed(&project, words);
        assert!(found.iter().any(|word| word == expected), "{words:?}: {found:?}");
    }
    // Without a project and without a store there are no words, and no error.
    assert!(!completed(&project, &["show", ""]).iter().any(|word| word == "weekly"));
}

#[test]
fn missing_project_has_a_hint() {
    let output = Project::new().run(&["check"]);
    assert_eq!(output.status.code(), Some(2));
    assert_output("missing_project_has_a_hint", &stderr(&output));
}

#[test]
fn help_lists_every_exit_code() {
    let help = stdout(&Project::new().run(&["--help"]));
    for exit in cratedigger::cli::ExitStatus::BY_PRECEDENCE {
        assert!(help.contains(&format!("\n  {:>2}  ", exit.code())), "{exit:?}");
    }
}

#[test]
fn unknown_job_is_named_by_jobs() {
    let output = Project::with_job("[[fetch]]\nstream = \"markets\"\n").run(&["jobs", "nosuch"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""));
    assert_output("unknown_job_is_named_by_jobs", &stderr(&output));
}

#[test]
fn sign_in_reports_broken_jobs() {
    let project = Project::with_job("[[fetch]]\nstream = \"saved_tracks\"\ncolour = \"red\"\n");
    project.write(".env", "SPOTIFY_CLIENT_ID=id\nSPOTIFY_CLIENT_SECRET=secret\n");
    let output = project.run(&["auth", "login", "home", "--no-browser"]);
    let said = stderr(&output);
    assert_output("sign_in_reports_broken_jobs", &said);
}

#[test]
fn demo_folder_works_as_a_project_afterwards() {
    let project = Project::new();
    assert_eq!(project.run(&["-q", "demo"]).status.code(), Some(0));
    // Its runs are a week apart.
    let history = project.run(&["--project", "output/demo", "history", "watched-playlists", "--json"]);
    let history: serde_json::Value = serde_json::from_slice(&history.stdout).unwrap();
    let begun = history["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["started_at"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap());
    let begun: Vec<_> = begun.collect();
    let days: Vec<i64> = begun.windows(2).map(|pair| (pair[0] - pair[1]).num_hours() / 24).collect();
    assert_eq!(days, [6, 7], "{begun:?}");
    assert!(chrono::Utc::now() - begun[0] < chrono::TimeDelta::minutes(10), "{begun:?}");
    let output = project.run(&["--project", "output/demo", "export", "search"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // The sandbox has ended, so a run fails, but its state folder is found.
    let output = project.run(&["--project", "output/demo", "run", "search", "--full"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    // Another folder is refused, and the hint names the right one.
    let output = project.run(&["--project", "output/demo", "--state-dir", "other", "run", "search"]);
    let said = stderr(&output);
    assert!(output.status.code() == Some(74) && said.contains("--state-dir '"), "{said}");
    assert!(said.contains("output/demo/state', or state.dir"), "{said}");
}
