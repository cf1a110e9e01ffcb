//! Properties of a lean program that can be tested without a clock: memory does not grow with the
//! work, no unneeded call is sent and no unneeded file written, and the store keeps all committed data.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rusqlite::Connection;
use serde_json::Value;

use crate::support::project::{Project, stdout};

const ITEMS: usize = 500;

/// A sandbox as a process of its own.
struct Sandbox {
    child: Child,
    said: Value,
}

impl Sandbox {
    fn new(playlists: usize) -> Sandbox {
        let mut child = Command::new(env!("CARGO_BIN_EXE_cratedigger"))
            .args(["sandbox", "--json", "--mode", "extended"])
            .args(["--playlists", &playlists.to_string(), "--playlist-items", &ITEMS.to_string()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a sandbox");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its stdout")).read_line(&mut line).expect("its first line");
        Sandbox { child, said: serde_json::from_str(&line).expect("JSON") }
    }

    fn said(&self, key: &str) -> &str {
        self.said[key].as_str().expect(key)
    }

    /// A project with one job for the last `count` playlists.
    fn project(&self, count: usize) -> Project {
        let ids = self.playlists();
        let ids = &ids[ids.len() - count..];
        let project = Project::with_job(&format!("[[fetch]]\nstream = \"playlist_items\"\nids = {ids:?}\n"));
        let settings = format!(
            "[spotify]\napi_url = \"{}\"\naccounts_url = \"{}\"\napp_mode = \"extended\"\n[limits]\n\
             requests_per_second = 1000.0\n",
            self.said("api_url"),
            self.said("accounts_url"),
        );
        project.write("config/cratedigger.toml", settings);
        let (id, secret) = (self.said("client_id"), self.said("client_secret"));
        project.write(".env", format!("SPOTIFY_CLIENT_ID={id}\nSPOTIFY_CLIENT_SECRET={secret}\n"));
        project
    }

    fn playlists(&self) -> Vec<String> {
        let url = format!("{}/_sandbox/ids", self.said("accounts_url"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let text = runtime.block_on(async {
            {
                spotify_client::http::transport::use_ring();
                reqwest::get(url)
            }
            .await
            .expect("ids")
            .text()
            .await
            .expect("ids")
        });
        let ids: Value = serde_json::from_str(&text).expect("JSON");
        ids["playlists"].as_array().expect("a list").iter().map(|id| id.as_str().expect("an id").to_owned()).collect()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the job of a project and returns the largest memory use that was observed, in KiB.
fn peak_memory(project: &Project) -> u64 {
    let mut child = project.command(&["run", "--quiet"]).spawn().expect("the binary runs");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("a child").is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|n| n.parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(child.wait().expect("a child").success());
    peak
}

#[test]
fn memory_does_not_grow_with_playlists() {
    let sandbox = Sandbox::new(30);
    let (few, many) = (peak_memory(&sandbox.project(3)), peak_memory(&sandbox.project(30)));
    // The first few playlists contain the whole catalog of 2,000 tracks. 30 playlists are 55 MB of JSON.
    assert!(many < few + few / 4, "{few} KiB for 3 playlists, {many} KiB for 30");
}

#[test]
fn unchanged_playlist_costs_one_call() {
    let sandbox = Sandbox::new(3);
    let project = sandbox.project(3);
    let report = |output: std::process::Output| -> Value {
        serde_json::from_str(stdout(&output).lines().last().expect("a report")).expect("JSON")
    };
    let first = report(project.run(&["run", "--quiet", "--json"]));
    // For each playlist: the playlist with its first items, four more pages, and a last check of its version.
    assert_eq!((&first["calls"], &first["files"][0]["outcome"]), (&18.into(), &"written".into()), "{first}");
    let csv = project.root().join("output/csv/x/playlist_items.csv");
    let written = std::fs::metadata(&csv).expect("the CSV").modified().expect("a time");
    let second = report(project.run(&["run", "--quiet", "--json"]));
    assert_eq!((&second["calls"], &second["files"][0]["outcome"]), (&3.into(), &"unchanged".into()), "{second}");
    assert_eq!(std::fs::metadata(&csv).expect("the CSV").modified().expect("a time"), written);
}

#[test]
fn ended_run_leaves_nothing_staged() {
    let sandbox = Sandbox::new(3);
    let project = sandbox.project(3);
    assert!(project.run(&["run", "--quiet"]).status.success());
    let store = Connection::open(project.root().join("output/cratedigger.db")).expect("the store");
    let count = |sql: &str| store.query_row(sql, [], |row| row.get::<_, i64>(0)).expect(sql);
    assert_eq!(count("SELECT count(*) FROM staged_items"), 0);
    assert_eq!(count("SELECT count(*) FROM playlist_items"), 1_500);
    assert_eq!(count("SELECT count(*) FROM playlist_items WHERE kind = 'track' AND track_id IS NULL"), 0);
    assert_eq!(count("SELECT count(*) FROM pragma_foreign_key_check"), 0);
}
