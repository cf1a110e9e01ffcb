//! A copy of a project that gets a fault, and the checks afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use serde_json::Value;

use crate::content;
use crate::project::Project;
use crate::world::{Ran, ran};

/// A copy of the project of a scenario.
pub struct Trial {
    pub project: Project,
}

/// The content of a project that readers rely on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProjectContent {
    /// The bytes of all CSVs by path below the project.
    pub csv: BTreeMap<String, Vec<u8>>,
    /// The data packages without the id and the time of the run.
    pub packages: BTreeMap<String, Value>,
    /// The rows of the store as text.
    pub rows: Vec<String>,
}

/// The allowed states of a CSV right after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedCsv {
    /// The file from before the command, or that of a command without a fault.
    OldOrNew,
    /// Also a file with some rows that the other job read.
    OrMerged,
}

impl Trial {
    pub fn copy_of(project: &Project) -> Trial {
        let copy = Project::new();
        copy_folder(project.root(), copy.root());
        // The program refuses a copied state folder, because two copies could refresh the same grant. Only one of
        // these does.
        drop(std::fs::remove_file(copy.root().join(".local/state/cratedigger/place")));
        Trial { project: copy }
    }

    /// The program with the environment of the project.
    pub fn command(&self, args: &[String]) -> Command {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        with_app(self.project.command(&args))
    }

    pub fn run(&self, args: &[String]) -> Ran {
        ran(&mut self.command(args))
    }

    pub fn database(&self) -> PathBuf {
        self.project.root().join("output/cratedigger.db")
    }

    pub fn read_content(&self) -> ProjectContent {
        let mut content = ProjectContent::default();
        for path in files_below(self.project.root()) {
            let name = path.strip_prefix(self.project.root()).unwrap().to_str().unwrap().to_owned();
            if !name.starts_with("output/") {
                continue;
            }
            if name.ends_with(".csv") {
                content.csv.insert(name, std::fs::read(&path).unwrap());
            } else if name.ends_with("datapackage.json") {
                let mut package: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                package["created"].take();
                package["run"]["id"].take();
                content.packages.insert(name, package);
            }
        }
        if self.database().exists() {
            content.rows = content::content_rows(&self.store());
        }
        content
    }

    pub fn store(&self) -> Connection {
        Connection::open(self.database()).unwrap()
    }

    /// Checks the project right after a fault: the store is sound, its checkpoints match its rows, and each CSV is
    /// entirely the old one or entirely the new one.
    pub fn check_sound(
        &self,
        files: AllowedCsv,
        before: &ProjectContent,
        after: &ProjectContent,
    ) -> Result<(), String> {
        if self.database().exists() {
            content::check_integrity(&self.store())?;
        }
        for path in files_below(&self.project.root().join("output")) {
            let name = path.strip_prefix(self.project.root()).unwrap().to_str().unwrap().to_owned();
            if name.ends_with(".csv") {
                let bytes = std::fs::read(&path).map_err(|e| format!("{name}: {e}"))?;
                let is_merged = files == AllowedCsv::OrMerged && bytes.ends_with(b"\n");
                if !is_merged && before.csv.get(&name) != Some(&bytes) && after.csv.get(&name) != Some(&bytes) {
                    return Err(format!("{name} is neither the old file nor the new one ({} bytes)", bytes.len()));
                }
            }
            if name.ends_with("datapackage.json") {
                let bytes = std::fs::read(&path).map_err(|e| format!("{name}: {e}"))?;
                serde_json::from_slice::<Value>(&bytes).map_err(|e| format!("{name}: {e}"))?;
            }
        }
        Ok(())
    }

    /// Checks the project at the end: `verify` passes, no temporary file is left, and the content equals that of a run
    /// without a fault.
    pub fn check_equals(&self, wanted: &ProjectContent) -> Result<(), String> {
        let verified = self.run(&["verify".into()]);
        if self.database().exists() && verified.code != 0 {
            return Err(format!("verify ends with {}: {}{}", verified.code, verified.stdout, verified.stderr));
        }
        if let Some(leftover) = files_below(self.project.root()).into_iter().find(|path| is_temporary_file(path)) {
            return Err(format!("left behind: {}", leftover.display()));
        }
        let found = self.read_content();
        if found.csv != wanted.csv {
            let same = |name: &&String| found.csv.get(*name) == wanted.csv.get(*name);
            let names: BTreeSet<&String> =
                wanted.csv.keys().chain(found.csv.keys()).filter(|name| !same(name)).collect();
            let first = names.iter().next().map(|name| first_line(found.csv.get(*name), wanted.csv.get(*name)));
            return Err(format!("CSVs differ: {names:?}, {}", first.unwrap_or_default()));
        }
        if found.packages != wanted.packages {
            return Err(format!("data packages differ:\n{:?}\n{:?}", found.packages, wanted.packages));
        }
        content::compare_rows(&found.rows, &wanted.rows)
    }
}

/// The first line that differs.
fn first_line(found: Option<&Vec<u8>>, wanted: Option<&Vec<u8>>) -> String {
    let lines = |bytes: Option<&Vec<u8>>| -> Vec<String> {
        bytes.map(|bytes| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()).unwrap_or_default()
    };
    let (found, wanted) = (lines(found), lines(wanted));
    let n = found.iter().zip(&wanted).position(|(f, w)| f != w).unwrap_or(found.len().min(wanted.len()));
    format!("line {n}:\n  {:?}\n  {:?}", found.get(n), wanted.get(n))
}

/// Adds the credentials of the sandbox app.
pub fn with_app(mut command: Command) -> Command {
    command.env("SPOTIFY_CLIENT_ID", "sandbox-client").env("SPOTIFY_CLIENT_SECRET", "sandbox-secret");
    command
}

/// Whether a file must not remain after a finished run.
fn is_temporary_file(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.ends_with(".tmp") || name.ends_with("-journal") || name.contains(".cratedigger-") || name.ends_with(".partial")
}

pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
