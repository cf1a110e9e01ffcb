//! The program under strace, which kills it at a given system call or lets that call fail.
//!
//! strace is exact: "the third write to the WAL". Where it is missing or may not
//! trace, a test that needs it prints a note and passes; `make test` says at its start that strace is missing.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::world::{Ran, World, ran};

/// The fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// kill -9 at the start of the call.
    Kill,
    /// The call fails with this error.
    Fails(&'static str),
}

/// The call that gets the fault.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// System calls, separated by commas.
    pub calls: &'a str,
    /// Only calls on this path below the project.
    pub path: Option<&'a str>,
    /// The number of the call, from 1.
    pub nth: u32,
}

/// Whether strace is installed and may trace. Prints a note once if not.
pub fn can_inject() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let tried = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).output();
        let can = tried.is_ok_and(|output| output.status.success());
        if !can {
            eprintln!("strace is missing (apt-get install strace): faults of system calls were not tried");
        }
        can
    })
}

impl World {
    /// Runs a command with a fault. The exit code is -1 if it was killed.
    pub fn struck(&self, args: &[&str], at: At<'_>, blow: Blow) -> Ran {
        let how = match blow {
            Blow::Kill => "signal=KILL".to_owned(),
            Blow::Fails(error) => format!("error={error}"),
        };
        let last = if blow == Blow::Kill { String::new() } else { "+".to_owned() };
        // A broken disk fails again and again.
        self.strace(args, at, &format!("{how}:when={}{last}", at.nth))
    }

    /// The same, but only one call fails.
    pub fn struck_once(&self, args: &[&str], at: At<'_>, error: &str) -> Ran {
        self.strace(args, at, &format!("error={error}:when={}", at.nth))
    }

    /// Runs a command to which the kernel gives another answer.
    pub fn with_kernel_answer(&self, args: &[&str], at: At<'_>, what: &str) -> Ran {
        self.strace(args, at, &format!("{what}:when={}+", at.nth))
    }

    fn strace(&self, args: &[&str], at: At<'_>, how: &str) -> Ran {
        let inner = self.command(args);
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-qq", "-o"]).arg(self.project.root().join("strace.log"));
        command.args(["-e", &format!("trace={}", at.calls), "-e", &format!("inject={}:{how}", at.calls)]);
        if let Some(path) = at.path {
            let seen = real(&self.project.root().join(path));
            // strace compares the path in a call as given, and an open file by its real path.
            command.arg("-P").arg(seen).arg("-P").arg(Path::new(".").join(path));
        }
        command.arg(inner.get_program()).args(inner.get_args());
        command.current_dir(self.project.root()).env_clear().env("PATH", "/usr/bin:/bin:/usr/local/bin");
        for (name, value) in inner.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        ran(&mut command)
    }

    /// The calls with a fault, with the paths of open files.
    pub fn strace_log(&self) -> String {
        std::fs::read_to_string(self.project.root().join("strace.log")).unwrap_or_default()
    }
}

/// The path as strace sees it, also if the file does not exist yet.
fn real(path: &Path) -> std::path::PathBuf {
    let (parent, name) = (path.parent().unwrap(), path.file_name().unwrap());
    std::fs::create_dir_all(parent).unwrap();
    parent.canonicalize().unwrap().join(name)
}
