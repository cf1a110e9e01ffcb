//! Files that a job names are read beneath the folder of jobs, completely within limits, and never waited for.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::support::project::{Project, stderr, stdout};
use crate::support::snapshot::Cases;

const ID: &str = "4Z8W4fKeB5YxbbsqsVdVSj";
/// Each looks like something that a search or an id could contain, and must be in no output.
const SECRET: &str = "canary-7f3a";

/// The two ways to name a file.
const INPUTS: [(&str, &str); 2] =
    [("ids_file", "stream = \"user_playlists\"\nids_file"), ("queries_file", "stream = \"search\"\nqueries_file")];

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Runs `check` with a job that reads this file, and returns what it says.
fn check_refuses(project: &Project, input: &str, file: &str) -> String {
    project.write("jobs/x.toml", format!("[[fetch]]\n{input} = {file:?}\n"));
    let output = project.run(&["check"]);
    let said = format!("{}{}", stderr(&output), stdout(&output));
    assert_eq!(output.status.code(), Some(2), "{file}: {said}");
    assert!(!said.contains(SECRET), "{file}: {said}");
    let run = project.command(&["run", "x"]).env("SPOTIFY_CLIENT_ID", "x").env("SPOTIFY_CLIENT_SECRET", "y").output();
    assert_eq!(run.unwrap().status.code(), Some(2), "{file}");
    said
}

#[test]
fn inputs_outside_of_the_jobs_are_refused() {
    let project = Project::new();
    let root = project.root();
    for name in ["secret.csv", "jobs-2/secret.csv", ".local/state/cratedigger/key"] {
        project.write(name, format!("{SECRET}\n{SECRET}2\n"));
    }
    project.write("jobs/below/ids.csv", "one\n");
    let links = [
        ("out.csv", "../secret.csv"),
        ("absolute.csv", root.join("secret.csv").to_str().unwrap()),
        ("folder", ".."),
        ("below/far.csv", "../../secret.csv"),
        ("first.csv", "second.csv"),
        ("second.csv", "../secret.csv"),
    ]
    .map(|(link, target)| (link.to_owned(), target.to_owned()));
    for (link, target) in &links {
        symlink(target, root.join("jobs").join(link)).unwrap();
    }
    let absolute = root.join("secret.csv");
    let mut cases = Cases::new();
    for (key, input) in INPUTS {
        for file in [
            "/etc/passwd",
            absolute.to_str().unwrap(),
            "../secret.csv",
            "../jobs-2/secret.csv",
            "below/../../secret.csv",
            "../.local/state/cratedigger/key",
            "out.csv",
            "absolute.csv",
            "folder/secret.csv",
            "below/far.csv",
            "first.csv",
        ] {
            let said = check_refuses(&project, input, file).replace(root.to_str().unwrap(), "/project");
            let why =
                if Path::new(file).is_absolute() || file.contains("..") { "is outside of" } else { "leads out of" };
            assert!(said.contains(why), "{file}: {said}");
            if ["/etc/passwd", "out.csv"].contains(&file) {
                cases.add(&format!("{key} = {file}"), &said);
            }
        }
        // The file may be deeper, and the folder of jobs may be a link itself.
        project.write("jobs/x.toml", format!("[[fetch]]\n{input} = \"below/ids.csv\"\n"));
        assert_eq!(project.check().0, 0);
        project.write("elsewhere/.keep", "");
        let _ = std::fs::remove_file(root.join("elsewhere/jobs"));
        symlink("../jobs", root.join("elsewhere/jobs")).unwrap();
        assert_eq!(project.run(&["check", "--project", "elsewhere"]).status.code(), Some(0));
    }
    cases.assert_text("inputs_outside_of_the_jobs");
}

#[test]
fn job_linked_from_outside_is_refused() {
    let project = Project::new();
    project.write("secret.csv", format!("{SECRET} = {SECRET}\n"));
    project.write("jobs/good.toml", "[[fetch]]\nstream = \"markets\"\n");
    symlink("../secret.csv", project.root().join("jobs/x.toml")).unwrap();
    symlink("good.toml", project.root().join("jobs/inside.toml")).unwrap();
    let (exit, said) = project.check();
    assert_eq!(exit, 2);
    assert!(said.contains("leads out of its folder through a link") && !said.contains(SECRET), "{said}");
    assert_eq!(project.run(&["check", "good", "inside"]).status.code(), Some(0));
}

#[test]
fn pipes_and_devices_are_errors() {
    let project = Project::new();
    let at = |name: &str| project.root().join(name);
    project.write("jobs/x.toml", "");
    pipe(&at("jobs/pipe.csv"));
    for (_, input) in INPUTS {
        assert!(check_refuses(&project, input, "pipe.csv").contains("is a named pipe and not a file"));
        assert!(check_refuses(&project, input, ".").contains("is a folder and not a file"));
    }
    // The key of the grants, wherever it comes from.
    std::fs::create_dir(at("keys")).unwrap();
    pipe(&at("keys/cratedigger_key"));
    for (variable, value) in [("CRATEDIGGER_KEY_FILE", "keys/cratedigger_key"), ("CREDENTIALS_DIRECTORY", "keys")] {
        let mut list = project.command(&["auth", "list"]);
        list.env("SPOTIFY_CLIENT_ID", "x").env("SPOTIFY_CLIENT_SECRET", "y").env(variable, value);
        let list = list.output().unwrap();
        assert!(!list.status.success() && stderr(&list).contains("keys/cratedigger_key"), "{}", stderr(&list));
    }
    // Everything else that is read from the project folder.
    project.write("jobs/x.toml", "[[fetch]]\nstream = \"markets\"\n");
    pipe(&at("grants.jsonl"));
    let import = project.command(&["auth", "import", "grants.jsonl"]).env("SPOTIFY_CLIENT_ID", "x").output().unwrap();
    assert!(!import.status.success() && stderr(&import).contains("named pipe"), "{}", stderr(&import));
    for (name, command, exit) in
        [("jobs/y.toml", "check", 2), ("config/cratedigger.toml", "check", 2), (".env", "run", 77)]
    {
        project.write(name, "");
        std::fs::remove_file(at(name)).unwrap();
        pipe(&at(name));
        let output = project.run(&[command]);
        assert_eq!(output.status.code(), Some(exit), "{name}: {}", stderr(&output));
        assert!(stderr(&output).contains("named pipe"), "{name}: {}", stderr(&output));
        std::fs::remove_file(at(name)).unwrap();
        symlink("/dev/zero", at(name)).unwrap();
        let output = project.run(&[command]);
        assert_eq!(output.status.code(), Some(exit), "{name}: {}", stderr(&output));
        std::fs::remove_file(at(name)).unwrap();
    }
}

#[test]
fn imported_plays_come_from_files() {
    let project = Project::new();
    let at = |name: &str| project.root().join(name);
    for (name, text) in [("output/cratedigger.db", ""), ("export/.keep", ""), ("pipes/.keep", ""), ("large.json", "")] {
        project.write(name, text);
    }
    pipe(&at("plays.json"));
    pipe(&at("pipes/endsong_0.json"));
    symlink("/dev/zero", at("export/Streaming_History_Audio_1.json")).unwrap();
    std::fs::File::options().write(true).open(at("large.json")).unwrap().set_len((64 << 20) + 1).unwrap();
    for (named, why) in [
        ("plays.json", "plays.json is a named pipe and not a file"),
        ("/dev/zero", "/dev/zero is a device and not a file"),
        ("export", "Streaming_History_Audio_1.json is a device and not a file"),
        ("pipes", "endsong_0.json is a named pipe and not a file"),
        ("missing.json", "missing.json"),
        ("large.json", "large.json is larger than 67108864 bytes, which is the limit"),
    ] {
        let output = project.run(&["import", "history", named]);
        assert_eq!(output.status.code(), Some(2), "{named}: {}", stderr(&output));
        assert!(stderr(&output).contains(why), "{named}: {}", stderr(&output));
    }
}

#[test]
fn pipes_in_place_of_the_store_are_errors() {
    let project = Project::with_job("[[fetch]]\nstream = \"markets\"\n");
    let store = project.root().join("output/cratedigger.db");
    project.write("output/.keep", "");
    let refuses = |why: &str| {
        for args in [&["export"][..], &["verify"], &["sql", "SELECT 1"], &["history"]] {
            let output = project.run(args);
            let said = format!("{}{}", stderr(&output), stdout(&output));
            assert!(!output.status.success() && said.contains(why), "{args:?}: {said}");
        }
    };
    pipe(&store);
    assert!(!project.run(&["doctor", "--offline"]).status.success(), "it waits for no pipe");
    refuses("it is a named pipe and not a file");
    std::fs::remove_file(&store).unwrap();
    symlink("/dev/zero", &store).unwrap();
    refuses("it is a device and not a file");
}

/// Runs `check` with at most so much memory.
fn check_within_mib(project: &Project, mib: u32) -> (Option<i32>, String) {
    let limited = format!("ulimit -v {}; exec \"$0\" check", mib * 1024);
    let output = Command::new("sh")
        .args(["-c", &limited, env!("CARGO_BIN_EXE_cratedigger")])
        .current_dir(project.root())
        .env_clear()
        .output()
        .unwrap();
    (output.status.code(), stderr(&output))
}

#[test]
fn large_inputs_use_little_memory() {
    let ids = |count: u64| -> String { (0..count).map(|n| format!("{n:022}\n")).collect() };
    let cases: [(&str, String, i32, &str); 9] = [
        ("ids", ids(100_000), 0, ""),
        ("short rows", "a\n".repeat(1_010_000), 2, "exceeds the limit of 1000000 rows"),
        ("rows without an id", format!("{ID}\n{}", "a,b\n".repeat(50_000)), 0, "and 49980 more rows"),
        ("many cells", "a,".repeat(100_000), 2, "has more than 16384 cells"),
        ("cells over lines", "\"\n\",".repeat(100_000), 2, "has more than 16384 cells"),
        ("a long cell", "a".repeat(2 << 20), 2, "is longer than 1048576 bytes"),
        ("an open quote", format!("\"{}", "a\n".repeat(1 << 20)), 2, "is longer than 1048576 bytes"),
        ("ids in one cell", format!("id\n\"{}\"\n", "4Z8W4fKeB5YxbbsqsVdVSj;".repeat(40_000)), 0, ""),
        ("a large file", "x".repeat((64 << 20) + 1), 2, "is larger than 67108864 bytes"),
    ];
    for (name, file, exit, why) in cases {
        let project = Project::with_job("[[fetch]]\nstream = \"tracks\"\nids_file = \"a.csv\"\n");
        project.write("jobs/a.csv", file);
        let (code, said) = check_within_mib(&project, 400);
        assert_eq!(code, Some(exit), "{name}: {said}");
        assert!(said.contains(why), "{name}: {said}");
        assert!(said.len() < 20_000, "{name}: {} bytes", said.len());
    }
}

#[test]
fn large_searches_use_little_memory() {
    let template = format!("query = \"{}\"\n", "{a}".repeat(10_000));
    let long = format!("query = \"{} {{a0}}\"\n", "x".repeat(240));
    for (name, query, file, exit) in [
        ("a template of many columns", template.as_str(), format!("a\n{}", "x".repeat(50) + "\n").repeat(2), 2),
        ("many rows", "", "ab\n".repeat(1_010_000), 2),
        ("unknown column", "query = \"{b}\"\n", "a,".repeat(10_000), 2),
        ("long rows", "", ("a".repeat(1_000_000) + "\n").repeat(20), 2),
        ("rows of a long template", long.as_str(), (0..400_000).map(|n| format!("a{n}\n")).collect(), 2),
        ("rows", "", (0..100_000).map(|n| format!("{n}\n")).collect(), 0),
    ] {
        let project = Project::with_job(&format!("[[fetch]]\nstream = \"search\"\n{query}queries_file = \"a.csv\"\n"));
        project.write("jobs/a.csv", file);
        let (code, said) = check_within_mib(&project, 400);
        assert_eq!(code, Some(exit), "{name}: {said}");
        assert!(said.len() < 20_000, "{name}: {} bytes", said.len());
    }
}
