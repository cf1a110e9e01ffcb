//! The command line itself.

use crate::support::project::{Project, stderr, stdout};

#[test]
fn a_wrong_command_line_is_exit_2_and_help_is_exit_0() {
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
fn no_flag_takes_a_secret() {
    let page = stdout(&Project::new().run(&["man"])).to_lowercase();
    // Below stand files and variables, which may hold one.
    let (help, _) = page.split_once(".sh \"exit status\"").expect("options, then the exit status");
    let names: Vec<&str> = help.lines().filter(|line| line.starts_with("\\fb")).collect();
    assert!(names.len() > 50, "{names:?}");
    for word in ["secret", "token", "password"] {
        assert!(!names.iter().any(|name| name.contains(word)), "{word}");
    }
}

#[test]
fn global_flags_may_stand_before_or_after_the_command() {
    let project = Project::new();
    for args in [["--json", "streams"], ["streams", "--json"]] {
        let streams: serde_json::Value = serde_json::from_str(&stdout(&project.run(&args))).expect("json");
        assert_eq!(streams.as_array().map(Vec::len), Some(cratedigger::stream::all().count()));
    }
}

#[test]
fn each_stream_is_told_of_with_all_its_columns() {
    let project = Project::new();
    for stream in cratedigger::stream::all() {
        let told = stdout(&project.run(&["streams", stream.name]));
        for column in stream.columns() {
            assert!(told.contains(column.name), "{}: {}", stream.name, column.name);
        }
    }
}

#[test]
fn completions_and_the_manual_page_name_every_command() {
    let project = Project::new();
    let man = stdout(&project.run(&["man"]));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&project.run(&["completions", shell]));
        for command in ["init", "check", "streams", "schema", "completions", "man"] {
            assert!(script.contains(command), "{shell}: {command}");
            assert!(man.contains(command), "{command}");
        }
    }
}

#[test]
fn a_missing_project_says_what_to_do() {
    let output = Project::new().run(&["check"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("cratedigger init"), "{}", stderr(&output));
}

#[test]
fn every_exit_code_is_in_the_help() {
    let help = stdout(&Project::new().run(&["--help"]));
    for exit in cratedigger::cli::Exit::BY_PRECEDENCE {
        assert!(help.contains(&format!("\n  {:>2}  ", exit.code())), "{exit:?}");
    }
}

#[test]
fn a_job_that_is_not_there_is_named_by_who_shows_jobs() {
    let output = Project::with_job("[[fetch]]\nstream = \"markets\"\n").run(&["jobs", "nosuch"]);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""));
    assert!(stderr(&output).contains("nosuch"), "{}", stderr(&output));
}

#[test]
fn a_sign_in_tells_of_jobs_whose_wishes_it_cannot_read() {
    let project = Project::with_job("[[fetch]]\nstream = \"saved_tracks\"\ncolour = \"red\"\n");
    project.write(".env", "SPOTIFY_CLIENT_ID=id\nSPOTIFY_CLIENT_SECRET=secret\n");
    let output = project.run(&["auth", "login", "home", "--no-browser"]);
    let said = stderr(&output);
    assert!(said.contains("colour") && said.contains("mend it first, or sign in again later"), "{said}");
}
