//! A PostgreSQL server on a socket in a temporary folder.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cratedigger::store::{FeedType, feed_tables};

use crate::support::world::World;

pub struct Postgres {
    folder: tempfile::TempDir,
    server: Option<Child>,
    options: Vec<String>,
}

/// The newest installed server.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> =
        std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|e| e.path()).collect();
    versions.sort();
    versions.pop().map(|path| path.join("bin")).filter(|bin| bin.join("initdb").exists())
}

/// A command that does not run as root, which the server refuses.
pub fn unprivileged(program: &Path) -> Command {
    let is_root = nix::unistd::geteuid().is_root();
    let mut command = Command::new(if is_root { Path::new("setpriv") } else { program });
    if is_root {
        command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]).arg(program);
    }
    command
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .env("PATH", "/usr/bin:/bin")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

pub fn give(path: &Path) {
    if nix::unistd::geteuid().is_root() {
        let user = nix::unistd::User::from_name("postgres").unwrap().unwrap();
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    }
}

/// An empty cluster, created once.
fn template() -> Option<&'static Path> {
    static TEMPLATE: OnceLock<Option<tempfile::TempDir>> = OnceLock::new();
    let create = || {
        let bin = programs()?;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        give(folder.path());
        let data = folder.path().join("data");
        let args = ["-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C", "-D"];
        let made = unprivileged(&bin.join("initdb")).args(args).arg(&data).status().unwrap();
        assert!(made.success(), "initdb");
        Some(folder)
    };
    TEMPLATE.get_or_init(create).as_ref().map(tempfile::TempDir::path)
}

impl Postgres {
    /// Starts a server; `None` if none is installed.
    pub fn start(options: &[&str]) -> Option<Postgres> {
        let Some(template) = template() else {
            eprintln!("note: PostgreSQL is not installed (apt-get install postgresql), so this test checks nothing");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        give(folder.path());
        let copied =
            unprivileged(Path::new("/bin/cp")).arg("-a").arg(template.join("data")).arg(folder.path()).status();
        assert!(copied.unwrap().success(), "cp");
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut postgres = Postgres { folder, server: None, options };
        postgres.restart();
        Some(postgres)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Adds a file that only the server may read.
    pub fn add_file(&self, name: &str, from: &Path) {
        let path = self.folder().join(name);
        std::fs::copy(from, &path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        give(&path);
    }

    /// Also listens on a port of this machine, from the next start on.
    pub fn listen(&mut self, port: u16) {
        self.options.extend(["listen_addresses=127.0.0.1".to_owned(), format!("port={port}")]);
    }

    pub fn restart(&mut self) {
        let bin = programs().unwrap();
        let mut command = unprivileged(&bin.join("postgres"));
        command.arg("-D").arg(self.folder().join("data")).arg("-k").arg(self.folder());
        for option in ["listen_addresses=", "fsync=off", "shared_buffers=16MB", "max_connections=20"] {
            command.args(["-c", option]);
        }
        for option in &self.options {
            command.args(["-c", option]);
        }
        self.server = Some(command.spawn().unwrap());
        let began = Instant::now();
        while self.psql("SELECT 1").is_err() {
            assert!(began.elapsed() < Duration::from_secs(60), "the server does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the server as a crash would.
    pub fn crash(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        let data = self.folder().join("data");
        let stop = unprivileged(&programs().unwrap().join("pg_ctl"))
            .args(["stop", "-m", "immediate", "-D"])
            .arg(data)
            .status();
        assert!(stop.unwrap().success(), "pg_ctl stop");
        server.wait().unwrap();
    }

    fn psql(&self, sql: &str) -> Result<String, String> {
        let mut command = Command::new("psql");
        command.env_clear().env("PATH", "/usr/bin:/bin").args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        command.args(["-P", "null=\\N", "-F", "\u{1f}", "-R", "\u{1e}", "-U", "postgres", "-d", "postgres"]);
        let port = self.options.iter().find_map(|option| option.strip_prefix("port=")).unwrap_or("5432");
        let output = command.args(["-p", port, "-h"]).arg(self.folder()).args(["-c", sql]).output().unwrap();
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).unwrap().trim_end_matches('\n').to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// Runs SQL as the administrator, and returns the single value of a query.
    pub fn sql(&self, sql: &str) -> String {
        self.psql(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The text of a target file for this server.
    pub fn target(&self, more: &str) -> String {
        format!("url = \"postgres://postgres@/postgres?host={}\"\n{more}\n", self.folder().display())
    }

    /// Adds the target `w` to a project.
    pub fn add_target(&self, world: &World, more: &str) {
        world.project.write("targets/w.toml", self.target(more));
    }

    fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let text = self.sql(sql);
        if text.is_empty() {
            return Vec::new();
        }
        text.split('\u{1e}').map(|row| row.split('\u{1f}').map(str::to_owned).collect()).collect()
    }

    /// Asserts that the tables of a schema equal those of the store, value by value.
    #[track_caller]
    pub fn assert_equal(&self, world: &World, schema: &str) {
        let store = world.store();
        let mut rows = 0;
        for table in feed_tables(&store).unwrap() {
            let names = |of_type: &dyn Fn(&str, FeedType) -> String| {
                table.columns.iter().map(|c| of_type(&c.name, c.kind)).collect::<Vec<_>>().join(", ")
            };
            let here = names(&|name, kind| match kind {
                FeedType::Time => format!("coalesce(strftime('%Y-%m-%dT%H:%M:%fZ', {name}), '\\N')"),
                _ => format!("coalesce(CAST({name} AS TEXT), '\\N')"),
            });
            let there = names(&|name, kind| match kind {
                FeedType::Time => {
                    format!("to_char(\"{name}\" AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
                }
                FeedType::Boolean => format!("\"{name}\"::int"),
                _ => format!("\"{name}\""),
            });
            let mut expected = world.rows(&format!("SELECT {here} FROM {}", table.name));
            let found = self.rows(&format!("SELECT {there} FROM {schema}.{}", table.name));
            // PostgreSQL cannot store this character.
            expected.iter_mut().flatten().for_each(|cell| *cell = cell.replace('\0', "\u{fffd}"));
            rows += super::assert_same_rows(table.name, expected, found);
        }
        assert!(rows > 0, "nothing is compared");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.server.is_some() {
            self.crash();
        }
    }
}
