//! A project, its sandbox, and the real binary that runs in it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use spotify_sandbox::{PlaylistEdit, QuotaMode, Sandbox, SandboxOptions, fixtures};
use tokio::sync::oneshot;

use super::project::Project;

/// All scopes that the streams of a user need.
pub const SCOPES: &[&str] = &[
    "playlist-read-collaborative",
    "playlist-read-private",
    "user-follow-read",
    "user-library-read",
    "user-read-email",
    "user-read-playback-position",
    "user-read-private",
    "user-read-recently-played",
    "user-top-read",
];

/// A project and its Spotify. The sandbox has its own threads, so a test may block.
pub struct World {
    /// Dropping it ends the thread of the server.
    _serving: oneshot::Sender<()>,
    pub sandbox: Sandbox,
    pub project: Project,
}

/// After this time a command is considered to hang, however busy the machine is.
pub const HUNG: Duration = Duration::from_secs(60);

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Ran {
    /// Asserts the exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that the exit code is one of these.
    #[track_caller]
    pub fn exits_one_of(self, codes: &[i32]) -> Ran {
        assert!(codes.contains(&self.code), "{}: stdout:\n{}\nstderr:\n{}", self.code, self.stdout, self.stderr);
        self
    }

    /// Asserts that stderr contains a text.
    #[track_caller]
    pub fn says(self, text: &str) -> Ran {
        assert!(self.stderr.contains(text), "{text:?} is not in:\n{}", self.stderr);
        self
    }

    /// Asserts that the command did not wait for the end of a much longer deferral.
    #[track_caller]
    pub fn sat_out_nothing(&self) {
        assert!(self.took < HUNG, "{:?}", self.took);
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).expect("one line of JSON")
    }
}

/// Rows of a CSV by the names of their columns.
pub type Row = HashMap<String, String>;

impl World {
    /// Deletes the playlist that takes a thousand calls.
    pub fn delete_large_playlist(&self) {
        let playlist = fixtures::LARGE_PLAYLIST.to_owned();
        self.sandbox.catalog().edit(PlaylistEdit::Delete { playlist }).unwrap();
    }

    pub fn with(options: SandboxOptions) -> World {
        let (serving, over) = oneshot::channel::<()>();
        let (started, start) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                started.send(spotify_sandbox::start(options).await.unwrap()).unwrap();
                drop(over.await);
            });
        });
        let sandbox = start.recv().unwrap();
        let project = Project::new();
        let settings = format!(
            "[spotify]\napi_url = \"{}\"\naccounts_url = \"{}\"\n[limits]\nrequests_per_second = 100\nretry_pause = 0.01\n",
            sandbox.api_url(),
            sandbox.accounts_url()
        );
        project.write("config/cratedigger.toml", settings);
        World { _serving: serving, sandbox, project }
    }

    pub fn extended() -> World {
        World::with(SandboxOptions { mode: QuotaMode::Extended, ..SandboxOptions::default() })
    }

    pub fn development() -> World {
        World::with(SandboxOptions { mode: QuotaMode::Development, ..SandboxOptions::default() })
    }

    /// Adds the job `x`.
    pub fn job(self, text: &str) -> World {
        self.project.write("jobs/x.toml", text);
        self
    }

    /// Adds lines to the settings file.
    pub fn settings(self, more: &str) -> World {
        let path = self.project.root().join("config/cratedigger.toml");
        let known = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, format!("{known}{more}\n")).unwrap();
        self
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.project.command(args);
        command.env("SPOTIFY_CLIENT_ID", "sandbox-client").env("SPOTIFY_CLIENT_SECRET", "sandbox-secret");
        command
    }

    pub fn cli(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    /// Runs `run` with these arguments.
    pub fn run(&self, args: &[&str]) -> Ran {
        self.cli(&[&["run"], args].concat())
    }

    /// Starts `run` with these arguments.
    pub fn spawn(&self, args: &[&str]) -> Child {
        let mut command = self.command(&[&["run"], args].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Paths and queries of the calls so far, without requests for tokens.
    pub fn calls(&self) -> Vec<String> {
        let log = self.sandbox.log();
        let api = log.into_iter().filter(|seen| seen.path.starts_with("/v1/"));
        api.map(|seen| if seen.query.is_empty() { seen.path } else { format!("{}?{}", seen.path, seen.query) })
            .map(|call| call.trim_start_matches("/v1").to_owned())
            .collect()
    }

    /// The calls since this was last called.
    pub fn new_calls(&self) -> Vec<String> {
        let calls = self.calls();
        self.sandbox.clear_log();
        calls
    }

    /// Waits until the sandbox has answered a number of calls.
    pub fn wait_for_calls(&self, count: usize) {
        let began = Instant::now();
        while self.calls().len() < count {
            assert!(began.elapsed() < HUNG, "{:?}", self.calls());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until a query on the store, which may not exist yet, has this value.
    pub fn wait_for_stored(&self, sql: &str, value: i64) {
        let stored = || -> rusqlite::Result<i64> {
            let store = Connection::open_with_flags(self.database(), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            store.query_row(sql, [], |row| row.get(0))
        };
        let began = Instant::now();
        while stored() != Ok(value) {
            assert!(began.elapsed() < HUNG, "{sql}: {:?} instead of {value}", stored());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn csv_path(&self, file: &str) -> PathBuf {
        self.project.root().join("output/csv/x").join(file)
    }

    pub fn csv_bytes(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.csv_path(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
    }

    pub fn csv(&self, file: &str) -> Vec<Row> {
        let mut reader = csv::Reader::from_path(self.csv_path(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        reader.deserialize().map(Result::unwrap).collect()
    }

    /// One column of a CSV.
    pub fn column(&self, file: &str, column: &str) -> Vec<String> {
        self.csv(file).into_iter().map(|row| row[column].clone()).collect()
    }

    pub fn database(&self) -> PathBuf {
        self.project.root().join("output/cratedigger.db")
    }

    /// Puts a copy in the place of the store, as a person does who restores a backup by hand.
    pub fn put_back(&self, copy: &str) {
        for end in ["db-wal", "db-shm"] {
            let _ = std::fs::remove_file(self.database().with_extension(end));
        }
        std::fs::copy(self.project.root().join(copy), self.database()).unwrap();
    }

    /// The store, read-only.
    pub fn store(&self) -> Connection {
        Connection::open_with_flags(self.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }

    /// Rows of a query on the store, as text; null is `-`.
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let store = self.store();
        let mut statement = store.prepare(sql).unwrap();
        let columns = statement.column_count();
        let text = |value: rusqlite::types::Value| match value {
            rusqlite::types::Value::Null => "-".to_owned(),
            rusqlite::types::Value::Integer(n) => n.to_string(),
            rusqlite::types::Value::Real(n) => n.to_string(),
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Blob(_) => "blob".to_owned(),
        };
        let read = |row: &rusqlite::Row<'_>| (0..columns).map(|n| row.get(n).map(text)).collect::<Result<Vec<_>, _>>();
        let rows = statement.query_map([], read).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// The single value of a query.
    pub fn one(&self, sql: &str) -> String {
        let rows = self.rows(sql);
        assert_eq!((rows.len(), rows.first().map(Vec::len)), (1, Some(1)), "{sql}: {rows:?}");
        rows[0][0].clone()
    }

    /// Data of the sandbox's catalog: `albums`, `artists`, `shows`, `audiobooks` or `users`, by id.
    pub fn truth(&self, kind: &str, id: &str) -> serde_json::Value {
        self.sandbox.catalog().expected_ids(kind, id).unwrap()
    }

    /// The texts of an array in such data.
    pub fn true_ids(&self, kind: &str, id: &str, key: &str) -> Vec<String> {
        let value = self.truth(kind, id);
        value[key].as_array().unwrap().iter().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    }
}

/// Runs a command to its end.
pub fn ran(command: &mut Command) -> Ran {
    let began = Instant::now();
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: began.elapsed(),
    }
}

/// Waits until a child has ended.
pub fn ended(child: Child) -> Ran {
    let began = Instant::now();
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: began.elapsed(),
    }
}

/// Sends a signal to a child.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success(), "kill -{name}");
}

/// Sends a signal every tenth of a second until the child has ended. The program treats signals within a second of the
/// first one as the same signal.
pub fn signal_until_end(mut child: Child, name: &str) -> Ran {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < HUNG, "the child does not end");
        signal(&child, name);
        std::thread::sleep(Duration::from_millis(100));
    }
    ended(child)
}

/// Stops a child at a moment when it holds no database, so that no other process waits for it.
pub fn pause(world: &World, child: &Child) {
    let state = std::fs::read_dir(world.project.root().join(".local/state/cratedigger")).unwrap();
    let state = state.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|ext| ext == "db"));
    let databases: Vec<PathBuf> = state.chain([world.database()]).collect();
    let is_free = |path: &PathBuf| {
        let database = Connection::open(path).unwrap();
        database.busy_timeout(Duration::ZERO).unwrap();
        database.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok()
    };
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < HUNG, "the child always holds a database");
        signal(child, "STOP");
        if databases.iter().all(is_free) {
            return;
        }
        signal(child, "CONT");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A job with one fetch.
pub fn fetch(stream: &str, more: &str) -> String {
    format!("[[fetch]]\nstream = \"{stream}\"\n{more}\n")
}

/// A job with one fetch of these ids.
pub fn by_ids(stream: &str, ids: &[&str]) -> String {
    fetch(stream, &format!("ids = {ids:?}"))
}
