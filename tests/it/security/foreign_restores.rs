//! What a project from elsewhere may contain in place of the files of an interrupted restore.

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use crate::support::project::{Project, stderr};

const WAITING: &str = ".cratedigger-restore";

/// Commands that need no store, and the exit code of each.
const WITHOUT_STORE: [(&[&str], i32); 6] = [
    (&["streams"], 0),
    (&["schema", "job"], 0),
    (&["completions", "bash"], 0),
    (&["--help"], 0),
    (&["check"], 0),
    (&["doctor", "--offline"], 77),
];

/// Commands that open the project.
const WITH_STORE: [&[&str]; 4] =
    [&["jobs"], &["run", "--due"], &["history"], &["restore", "missing.tar.gz", "--replace"]];

/// A home folder with files that no command may touch, and a project in it that was copied from elsewhere.
struct Copied {
    project: Project,
}

impl Copied {
    fn new() -> Copied {
        let project = Project::new();
        project.write("clone/jobs/x.toml", "[[fetch]]\nstream = \"markets\"\n");
        project.write("clone/config/cratedigger.toml", "");
        for name in ["bashrc", "documents/a.txt", "documents/config/b.txt", "documents/jobs.old/c.txt"] {
            project.write(name, "mine");
        }
        project.write("state/grants.db", "mine");
        Copied { project }
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.project.root().join(name)
    }

    /// A folder of waiting files with the id of a restore.
    fn waiting(&self, parent: &str) {
        let folder = self.at(parent).join(WAITING);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).unwrap();
        private(&folder.join("restore"), &format!("an id\n{}", self.at("clone").display()));
    }

    /// A list of moves in the project.
    fn list(&self, text: &str) {
        self.waiting("clone");
        private(&self.at("clone").join(WAITING).join("moves.json"), text);
    }

    fn run(&self, args: &[&str]) -> Output {
        self.project.command(&[&["--project", "clone"], args].concat()).output().unwrap()
    }

    /// Runs every command. Those that open the project end with 74 and name its folder, and no file changes.
    fn touches_nothing(&self, case: &str) {
        for (args, code) in WITHOUT_STORE {
            let output = self.run(args);
            let said = stderr(&output);
            assert!([Some(code), Some(74)].contains(&output.status.code()), "{case}: {args:?}: {said}");
            assert!(!said.contains("finishing a restore"), "{case}: {args:?}: {said}");
        }
        for args in WITH_STORE {
            let output = self.run(args);
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(74), "{case}: {args:?}: {said}");
            assert!(said.contains("rm -r clone/.cratedigger-restore"), "{case}: {args:?}: {said}");
        }
        for name in
            ["bashrc", "documents/a.txt", "documents/config/b.txt", "documents/jobs.old/c.txt", "state/grants.db"]
        {
            assert_eq!(std::fs::read_to_string(self.at(name)).unwrap(), "mine", "{case}: {name}");
        }
        assert!(self.at("clone/jobs/x.toml").exists(), "{case}");
    }
}

fn private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn list(database: &Path, state: &Path) -> String {
    serde_json::json!({
        "id": "an id", "database": database, "state": state, "state_files": ["state.db"], "has_grants": false,
    })
    .to_string()
}

#[test]
fn foreign_lists_of_moves_move_nothing() {
    let copied = Copied::new();
    let home = |name: &str| copied.at(name);
    let paths = serde_json::json!({
        "moves": [[home("clone/config/cratedigger.toml"), home("bashrc")]],
        "removed": [home("documents")], "staging": [home("documents")],
    });
    for (case, text) in [
        ("any paths", paths.to_string()),
        ("the state of the user", list(&home("clone/output/cratedigger.db"), &home("state"))),
        ("a store of the user", list(&home("documents/a.txt"), &home("clone/state"))),
        ("a relative path", list(Path::new("documents/a.txt"), &home("clone/state"))),
        ("a path that leads out", list(&home("clone/../documents/a.txt"), &home("clone/state"))),
        ("no list", "{".to_owned()),
    ] {
        copied.waiting("clone/output");
        copied.waiting("clone/state");
        copied.list(&text);
        copied.touches_nothing(case);
    }
    // A list for the project itself, whose files wait behind a link.
    copied.list(&list(&home("clone/output/cratedigger.db"), &home("clone/state")));
    symlink(home("documents"), home("clone").join(WAITING).join("project")).unwrap();
    for args in WITH_STORE {
        assert_eq!(copied.run(args).status.code(), Some(74), "{args:?}");
    }
    assert!(home("documents/config/b.txt").exists() && home("documents/jobs.old/c.txt").exists());
    assert!(home("clone/jobs/x.toml").exists());
}

#[test]
fn odd_folders_of_a_restore_are_refused() {
    let copied = Copied::new();
    let waiting = copied.at("clone").join(WAITING);
    symlink(copied.at("documents"), &waiting).unwrap();
    copied.touches_nothing("a link");
    std::fs::remove_file(&waiting).unwrap();
    std::fs::write(&waiting, "").unwrap();
    copied.touches_nothing("a file");
    std::fs::remove_file(&waiting).unwrap();

    copied.waiting("clone");
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(waiting.join("moves.json")).status().unwrap().success());
    let store = WITH_STORE.iter().filter(|args| args[0] != "restore");
    for args in store.clone() {
        let output = copied.run(args);
        assert!(stderr(&output).contains("is a named pipe and not a file"), "{args:?}: {}", stderr(&output));
    }
    copied.touches_nothing("a named pipe");
    std::fs::remove_file(waiting.join("moves.json")).unwrap();
    std::fs::set_permissions(&waiting, std::fs::Permissions::from_mode(0o755)).unwrap();
    copied.touches_nothing("a folder that is open to others");
    std::fs::set_permissions(&waiting, std::fs::Permissions::from_mode(0o700)).unwrap();
    copied.list(&list(&copied.at("clone/output/cratedigger.db"), &copied.at("clone/state")));
    std::fs::set_permissions(waiting.join("moves.json"), std::fs::Permissions::from_mode(0o666)).unwrap();
    copied.touches_nothing("a list that others can change");
    // Only root can give files away.
    if std::os::unix::fs::chown(&waiting, Some(65_534), None).is_ok() {
        copied.touches_nothing("a folder of another user");
    }
}
