//! One grant, many processes: one of them refreshes, and a kill at any step leaves a usable state.
//!
//! The processes are this test binary, started again with the name of [`helper`] as its filter.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use spotify_client::client::SpotifyClient;
use spotify_client::error::ApiError;
use spotify_client::http::observer::NoopObserver;
use spotify_client::state::StateDb;
use spotify_client::state::grants::GrantState;
use spotify_sandbox::{SandboxOptions, TokenRotation};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::grants::{Table, config_for, home, me, open_grants, small, state_dir};
use crate::support::snapshot::assert_output;

const STATE: &str = "CRATEDIGGER_TEST_HELPER_STATE";
const URLS: &str = "CRATEDIGGER_TEST_HELPER_URLS";
const KILL_AT: &str = "CRATEDIGGER_TEST_HELPER_KILL_AT";

/// Does nothing unless it is started as a helper: then it makes one call for each line that it reads.
#[test]
fn helper() {
    let (Ok(state), Ok(urls)) = (std::env::var(STATE), std::env::var(URLS)) else { return };
    if let Ok(step) = std::env::var(KILL_AT) {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(KillAt(step))).unwrap();
    }
    let (api_url, accounts_url) = urls.split_once(' ').unwrap();
    let folder = Path::new(&state);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let opened = Arc::new(StateDb::open(state_dir(folder)).unwrap());
    let mut config = config_for(api_url, accounts_url, true);
    // Eight processes on two cores slow each other down.
    config.timings.transport = spotify_client::http::transport::TransportRules::default();
    let api = SpotifyClient::new(config, opened, Arc::new(NoopObserver)).unwrap();
    let api = api.with_grants(open_grants(folder), None);
    println!("\n@ready");
    for line in std::io::stdin().lines() {
        assert_eq!(line.unwrap(), "go");
        match runtime.block_on(api.get(&home(), &me())) {
            Ok(_) => println!("\n@ok"),
            Err(error) => println!("\n@{error}"),
        }
    }
}

/// The step of the refresh at which the process is killed.
struct KillAt(String);

impl<S: Subscriber> Layer<S> for KillAt {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut Step(&self.0));
    }
}

struct Step<'a>(&'a str);

impl Visit for Step<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "step" && value == self.0 {
            let me = rustix::process::getpid();
            rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

pub struct Helper {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Helper {
    /// Starts a helper and waits until it has opened its state.
    pub fn start(table: &Table, kill_at: Option<&str>, umask: &str) -> Helper {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "auth::processes::helper", "--nocapture"])
            .env(STATE, table.path())
            .env(URLS, format!("{} {}", table.sandbox.api_url(), table.sandbox.accounts_url()))
            .env_remove(KILL_AT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(step) = kill_at {
            command.env(KILL_AT, step);
        }
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut helper = Helper { child, stdin, stdout };
        assert_eq!(helper.said().unwrap(), "ready");
        helper
    }

    pub fn go(&mut self) {
        self.stdin.write_all(b"go\n").unwrap();
    }

    /// The next line of its output, or `None` if it has ended.
    pub fn said(&mut self) -> Option<String> {
        loop {
            let mut line = String::new();
            if self.stdout.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if let Some(said) = line.strip_prefix('@') {
                return Some(said.trim_end().to_owned());
            }
        }
    }

    pub fn signal(mut self) -> Option<i32> {
        drop(self.stdin);
        self.child.wait().unwrap().signal()
    }
}

/// Runs blocking code while the sandbox continues to answer.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn eight_processes_share_each_refresh() {
    let table = Table::rotating().await;
    table.sign_in(true);
    let refreshes = run_blocking(move || {
        let mut helpers: Vec<Helper> = (0..8).map(|_| Helper::start(&table, None, "077")).collect();
        let mut refreshes = Vec::new();
        for round in 0..100 {
            helpers.iter_mut().for_each(Helper::go);
            for helper in &mut helpers {
                assert_eq!(helper.said().unwrap(), "ok", "round {round}");
            }
            refreshes.push(table.refreshes());
            table.sandbox.clear_log();
            table.sandbox.revoke_access_tokens();
        }
        let grant = table.grants().get("home").unwrap().unwrap();
        assert_eq!((grant.generation, grant.state), (101, GrantState::Ok));
        refreshes
    })
    .await;
    assert_eq!(refreshes, [1; 100]);
}

#[tokio::test]
async fn eight_concurrent_starts_refresh_once() {
    let table = Table::rotating().await;
    table.sign_in(true);
    run_blocking(move || {
        for round in 1..=5 {
            let mut helpers: Vec<Helper> = (0..8).map(|_| Helper::start(&table, None, "077")).collect();
            helpers.iter_mut().for_each(Helper::go);
            for helper in &mut helpers {
                assert_eq!(helper.said().unwrap(), "ok", "round {round}");
            }
            assert_eq!(table.refreshes(), round);
            table.sandbox.revoke_access_tokens();
        }
    })
    .await;
}

/// Kills a process at a step of its refresh; then another start makes the call.
async fn killed_at(step: &'static str, rotation: TokenRotation) -> (Result<(), ApiError>, usize, GrantState) {
    let table = Table::with(SandboxOptions { rotation, ..small() }).await;
    table.sign_in(true);
    let table = run_blocking(move || {
        let mut helper = Helper::start(&table, Some(step), "077");
        helper.go();
        assert_eq!(helper.said(), None);
        assert_eq!(helper.signal(), Some(9));
        table
    })
    .await;
    let left = table.grants().get("home").unwrap().unwrap().state;
    let outcome = table.api().get(&home(), &me()).await.map(|_| ());
    if outcome.is_ok() {
        assert_eq!(table.grants().get("home").unwrap().unwrap().state, GrantState::Ok);
    }
    (outcome, table.refreshes(), left)
}

#[tokio::test]
async fn kill_at_any_step_is_recovered_or_explained() {
    for rotation in [TokenRotation::Never, TokenRotation::Always] {
        let (outcome, refreshes, left) = killed_at("locked", rotation).await;
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!((refreshes, left), (1, GrantState::Ok));

        let (outcome, refreshes, left) = killed_at("begun", rotation).await;
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!((refreshes, left), (1, GrantState::Refreshing));

        let (outcome, refreshes, left) = killed_at("saved", rotation).await;
        assert!(outcome.is_ok(), "{outcome:?}");
        assert_eq!((refreshes, left), (1, GrantState::Ok));
    }
    let (outcome, refreshes, left) = killed_at("answered", TokenRotation::Never).await;
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!((refreshes, left), (2, GrantState::Refreshing));
}

#[tokio::test]
async fn interrupted_rotation_is_reported() {
    let (outcome, refreshes, left) = killed_at("answered", TokenRotation::Always).await;
    assert_eq!((refreshes, left), (2, GrantState::Refreshing));
    let error = outcome.unwrap_err();
    let said = error.to_string();
    assert_output("interrupted_rotation_is_reported", &said);
    assert_eq!(error.hint().unwrap(), "cratedigger auth login home");
}
