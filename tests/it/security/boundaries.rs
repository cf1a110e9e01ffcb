//! The boundaries that SECURITY.md describes.

use std::process::Command;

use crate::support::project::{Project, stderr};
use crate::support::world::World;

#[test]
fn jobs_change_no_settings() {
    let fetch = "[[fetch]]\nstream = \"markets\"\n";
    for (key, value) in [
        ("spotify", "{ accounts_url = \"https://example.org\" }"),
        ("notify", "{ command = [\"sh\", \"-c\", \"id\"] }"),
        ("output", "{ csv_dir = \"/tmp\" }"),
        ("limits", "{ daily_calls = 1000000 }"),
        ("api_url", "\"https://example.org\""),
        ("command", "[\"id\"]"),
        ("csv_dir", "\"/tmp\""),
        ("database", "\"/tmp/x.db\""),
    ] {
        let project = Project::with_job(&format!("{key} = {value}\n{fetch}"));
        let output = project.run(&["check"]);
        assert_eq!(output.status.code(), Some(2), "{key}");
        assert!(stderr(&output).contains("unknown key"), "{key}: {}", stderr(&output));
    }
}

#[test]
fn targets_are_read_like_jobs() {
    let project = Project::with_job("[[fetch]]\nstream = \"markets\"\n");
    project.write("targets/broken.toml", "[[fetch]\nnot = toml");
    project.write("targets/open.toml", "url = \"postgres://me:hunter2@db.example.com/music\"");
    project.write("targets/plain.toml", "url = \"postgres://db.example.com/music?sslmode=disable\"");
    let pipe = project.root().join("targets/pipe.toml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::os::unix::fs::symlink("/etc/hostname", project.root().join("targets/link.toml")).unwrap();
    let output = project.run(&["check"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    for part in [
        "targets/broken.toml:1",
        "the address contains a password",
        "readable through the network",
        "targets/pipe.toml",
        "targets/link.toml",
    ] {
        assert!(stderr(&output).contains(part), "{part}: {}", stderr(&output));
    }
    assert!(!stderr(&output).contains("hunter2"));
}

#[test]
fn target_files_with_errors_are_reported() {
    let world = World::extended().job("[[fetch]]\nstream = \"markets\"\n");
    let same = "url = \"postgres://loader@127.0.0.1:9/music?sslmode=disable\"\nafter = \"never\"\n";
    world.project.write("targets/broken.toml", "url = 1\n");
    for name in ["first", "second"] {
        world.project.write(&format!("targets/{name}.toml"), same);
    }
    // Every time, since a person has started it. The jobs decide the exit code.
    for _ in 0..2 {
        let said = world.run(&[]).exits(0).stderr;
        for part in ["targets/broken.toml:1", "targets/second.toml", "pushes to the same schema as targets/first.toml"]
        {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
    world.cli(&["check"]).exits(2);
}

#[test]
fn policy_names_people_and_limits() {
    let policy = include_str!("../../../SECURITY.md");
    let section = |title: &str| {
        let from = policy.split_once(&format!("\n## {title}\n")).unwrap_or_else(|| panic!("{title}")).1;
        from.split("\n## ").next().unwrap().to_owned()
    };
    let rows: Vec<String> =
        section("Against whom").lines().filter(|line| line.starts_with("| ")).map(str::to_owned).collect();
    for who in ["job file", "`config/`", "another user", "backup", "server", "Spotify user who chooses names"] {
        let row = rows.iter().find(|row| row.split(" | ").next().unwrap().contains(who));
        let row = row.unwrap_or_else(|| panic!("{who}"));
        assert!(row.split(" | ").count() == 3 && row.split(" | ").all(|cell| cell.len() > 5), "{row}");
    }
    assert!(section("How to report a problem").contains("private security advisory"));
    for folder in ["`jobs/`", "`config/`", "`targets/`", "`output/`"] {
        assert!(policy.contains(&format!("- **{folder}**")), "{folder}");
    }
    // The one way in which a secret goes to a server that did not issue it.
    assert!(section("What is not protected").contains("SPOTIFY_REFRESH_TOKEN"));
}
