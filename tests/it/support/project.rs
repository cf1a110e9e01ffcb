//! A project folder for a test, and the real binary that runs in it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

/// A project in a temporary folder.
pub struct Project {
    dir: tempfile::TempDir,
}

impl Project {
    /// An empty project.
    pub fn new() -> Project {
        Project { dir: tempfile::tempdir().expect("a folder") }
    }

    /// A project with one job, named `x`.
    pub fn with_job(text: &str) -> Project {
        let project = Project::new();
        project.write("jobs/x.toml", text);
        project
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.root().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        if name == ".env" {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
        }
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cratedigger"));
        command.current_dir(self.root()).args(args).env_clear().env("HOME", self.root()).env("TZ", "UTC");
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the binary runs")
    }

    /// Exit code and stderr of `check`.
    pub fn check(&self) -> (i32, String) {
        let output = self.run(&["check"]);
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
