//! The folder that `init` creates.

use crate::support::project::{Project, stderr, stdout};

#[test]
fn new_folder_passes_check_in_both_classes() {
    for (mode, jobs) in [("development", 6), ("extended", 8)] {
        let project = Project::new();
        let output = project.run(&["init", "my project", "--app-mode", mode]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let output = project.run(&["--project", "my project", "check"]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(stderr(&output), "");
        assert_eq!(stdout(&output).matches(": ok").count(), jobs);
        let settings =
            std::fs::read_to_string(project.root().join("my project/config/cratedigger.toml")).expect("settings");
        let dir = project.root().join(".local/state/cratedigger");
        assert!(settings.contains(&format!("\ndir = \"{}\"", dir.display())), "{settings}");
        assert!(settings.contains(&format!("\napp_mode = \"{mode}\"")), "{settings}");
    }
}

#[test]
fn next_steps_start_in_the_project_folder() {
    let project = Project::new();
    for (args, folder) in [
        (&["init", "it's mine"][..], Some("'it'\\''s mine'")),
        (&["init", "--systemd", "units"], Some("units")),
        (&["--project", "other", "init"], Some("other")),
        (&["init"], None),
        (&["init", "fresh"], Some("fresh")),
    ] {
        let said = stdout(&project.run(args));
        let next = said.split_once("\nNext:").unwrap().1;
        let changes = folder.map(|folder| format!(" `cd {folder}`;\n"));
        assert!(changes.map_or(!next.contains("cd "), |steps| next.starts_with(&steps)), "{args:?}: {next}");
    }
}

#[test]
fn init_overwrites_nothing() {
    let project = Project::new();
    project.write(".gitignore", "mine\n");
    project.write("jobs/search.toml", "mine = true\n");
    let output = project.run(&["init"]);
    assert_eq!(output.status.code(), Some(0));
    // A project that has jobs gets no examples, which a timer would run.
    assert!(stdout(&output).contains("no examples were written"), "{}", stdout(&output));
    assert_eq!(std::fs::read_dir(project.root().join("jobs")).unwrap().count(), 1);
    assert!(stdout(&output).contains(".gitignore does not list .env"));
    let kept = |name: &str| std::fs::read_to_string(project.root().join(name)).expect(name);
    assert_eq!((kept(".gitignore").as_str(), kept("jobs/search.toml").as_str()), ("mine\n", "mine = true\n"));
    let again = project.run(&["init"]);
    assert!(!stdout(&again).contains("wrote"), "{}", stdout(&again));
}

#[test]
fn init_writes_through_no_linked_folder() {
    for folder in ["config", "jobs"] {
        let (project, elsewhere) = (Project::new(), tempfile::tempdir().unwrap());
        std::fs::create_dir(project.root().join("new")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), project.root().join("new").join(folder)).unwrap();
        let output = project.run(&["init", "new"]);
        assert_eq!(output.status.code(), Some(74), "{}", stdout(&output));
        assert!(stderr(&output).contains(&format!("{folder} is a symbolic link")), "{}", stderr(&output));
        assert_eq!(elsewhere.path().read_dir().unwrap().count(), 0, "{folder}");
        assert_eq!(project.root().join("new").read_dir().unwrap().count(), 1, "nothing was written");
    }
    // The project folder itself may be one.
    let (project, elsewhere) = (Project::new(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(elsewhere.path(), project.root().join("new")).unwrap();
    assert_eq!(project.run(&["init", "new"]).status.code(), Some(0));
    assert!(elsewhere.path().join("config/cratedigger.toml").exists());
}

#[test]
fn known_projects_get_units_and_no_examples() {
    for known in ["config/cratedigger.toml", "output/cratedigger.db"] {
        for args in [&["init", "new", "--systemd"][..], &["init", "new"], &["init", "new", "--yes"]] {
            let project = Project::new();
            project.write(&format!("new/{known}"), "");
            let output = project.run(args);
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            assert!(!project.root().join("new/jobs").exists(), "{known} {args:?}: {}", stdout(&output));
            assert!(!stdout(&output).contains("artists.csv"), "{known} {args:?}: {}", stdout(&output));
            assert_eq!(
                project.root().join("new/systemd/install.sh").exists(),
                args.len() == 3 && args[2] == "--systemd"
            );
        }
    }
}

#[test]
fn last_project_of_a_command_line_wins() {
    let project = Project::new();
    for args in [&["--project", "a", "--project", "b", "init"][..], &["--project", "a", "init", "--project", "b"]] {
        let output = project.run(args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(project.root().join("b/config").exists() && !project.root().join("a").exists(), "{args:?}");
        std::fs::remove_dir_all(project.root().join("b")).unwrap();
    }
}

const SCHEMAS: [(&str, &str); 3] = [
    ("job", "config/job.schema.json"),
    ("config", "config/settings.schema.json"),
    ("target", "config/target.schema.json"),
];

#[test]
fn editors_find_the_printed_schemas() {
    let project = Project::new();
    project.run(&["init"]);
    for (of, file) in SCHEMAS {
        let printed = stdout(&project.run(&["schema", of]));
        assert_eq!(printed, std::fs::read_to_string(project.root().join(file)).expect(file));
    }
    for job in std::fs::read_dir(project.root().join("jobs")).expect("jobs") {
        let path = job.expect("a job").path();
        if path.extension().is_some_and(|e| e == "toml") {
            let text = std::fs::read_to_string(&path).expect("a job");
            assert!(text.starts_with("#:schema ../config/job.schema.json\n"), "{}", path.display());
        }
    }
}

#[test]
fn repository_schemas_are_current() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for (of, file) in SCHEMAS {
        let printed = stdout(&Project::new().run(&["schema", of]));
        let kept = std::fs::read_to_string(root.join(file)).expect(file);
        assert!(printed == kept, "{file} is out of date: cratedigger schema {of} > {file}");
    }
    let (file, written) = (root.join("config/cratedigger.toml"), cratedigger::settings::commented_file(&[]));
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&file, &written).expect("the settings file");
    }
    let kept = std::fs::read_to_string(file).expect("the settings file");
    assert!(kept == written, "config/cratedigger.toml is out of date: UPDATE_DOCS=1 cargo test --test it init");
}
