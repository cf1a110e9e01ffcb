//! Blows at system calls: killed at the n-th one, or told that it failed.
//!
//! strace counts calls for each thread by itself, so a sweep over all files meets the n-th call of
//! whichever thread is there first. Sweeps over the store's own files and over those of the state
//! folder meet the others.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::dice::Dice;
use crate::scene::Scene;
use crate::table::Table;
use crate::trial::{Trial, files_below, with_app};

/// System calls that are struck together.
#[derive(Debug, Clone, Copy)]
pub struct Calls {
    pub name: &'static str,
    pub names: &'static str,
}

pub const WRITES: Calls = Calls { name: "write", names: "pwrite64,write,writev,ftruncate" };
pub const SYNCS: Calls = Calls { name: "sync", names: "fsync,fdatasync" };
pub const RENAMES: Calls = Calls { name: "rename", names: "rename,renameat,renameat2,unlink,unlinkat,link,linkat" };
pub const OPENS: Calls = Calls { name: "open", names: "open,openat,openat2,mkdir,mkdirat" };

pub const ALL: [Calls; 4] = [WRITES, SYNCS, RENAMES, OPENS];

/// What happens at a call.
#[derive(Debug, Clone, Copy)]
pub enum Blow {
    /// The process is killed before it is made.
    Kill,
    /// It fails with this error, once.
    Once(&'static str),
    /// It fails with this error, and so do all after it.
    FromThenOn(&'static str),
}

/// Whose calls are counted.
#[derive(Debug, Clone, Copy)]
pub enum Of {
    /// All files and what is no file.
    Everything,
    /// The store with its WAL.
    Store,
    /// The ledger and the grants.
    State,
}

/// Whether strace is there; says what is missing if not.
pub fn is_there() -> bool {
    let found = Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = found.is_ok_and(|status| status.success());
    if !there {
        println!("strace is missing, so nothing is struck at system calls: apt-get install strace");
    }
    there
}

impl Of {
    fn name(self) -> &'static str {
        match self {
            Of::Everything => "all",
            Of::Store => "store",
            Of::State => "state",
        }
    }
}

impl Blow {
    fn injection(self, calls: Calls, n: usize) -> String {
        let what = match self {
            Blow::Kill => format!("signal=KILL:when={n}"),
            Blow::Once(error) => format!("error={error}:when={n}"),
            Blow::FromThenOn(error) => format!("error={error}:when={n}+"),
        };
        format!("inject={}:{what}", calls.names)
    }

    fn name(self) -> String {
        match self {
            Blow::Kill => "kill".into(),
            Blow::Once(error) => format!("{error} once"),
            Blow::FromThenOn(error) => format!("{error} from then on"),
        }
    }
}

/// Strikes a scene at its calls, one after the other until none is left; of more than `most` so many
/// are drawn by lot.
pub fn sweep(scene: &Scene, calls: Calls, of: Of, blow: Blow, most: usize, dice: &mut Dice, table: &mut Table) {
    let row = format!("{} at {} of {}, {}", blow.name(), calls.name, of.name(), scene.name);
    let last = longest(scene, calls, of);
    let mut points: Vec<usize> = (1..=last).collect();
    while points.len() > most {
        points.swap_remove(dice.below(points.len()));
    }
    points.sort_unstable();
    for n in points {
        let began = Instant::now();
        let trial = scene.trial();
        let (code, log) = strike(scene, &trial, calls, of, Some(&blow.injection(calls, n)));
        let hit = code == Code::Killed || log.contains("(INJECTED)");
        let end = ended_well(calls, of, blow, code, &log)
            .and_then(|()| claims_only_what_is(scene, &trial, code))
            .and_then(|()| {
                let struck = log.lines().rfind(|line| line.contains("INJECTED")).unwrap_or_default().to_owned();
                scene.judge(&trial).map_err(|what| format!("{what}\n  struck: {struck}\n  ended: {code:?}"))
            });
        table.note(&row, began, hit, &format!("call {n}"), end);
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    Exit(i32),
    Killed,
}

/// A failure that the system reports has an exit code of its own; a panic is none.
fn ended_well(calls: Calls, of: Of, blow: Blow, code: Code, log: &str) -> Result<(), String> {
    let last = || log.lines().rev().take(3).collect::<Vec<_>>().join("\n");
    let ours = !matches!(of, Of::Everything) && calls.name != OPENS.name;
    match (blow, code) {
        (Blow::Kill, _) | (_, Code::Exit(0 | 74)) => Ok(()),
        (_, Code::Exit(code)) if ours => Err(format!("a disk that fails ends with {code}: {}", last())),
        (_, Code::Exit(101 | 134)) => Err(format!("it panicked: {}", last())),
        (_, Code::Exit(_)) => Ok(()),
        (_, Code::Killed) => Err(format!("it died of an error: {}", last())),
    }
}

/// What ends with 0 after an error has all that it should have, without another try.
fn claims_only_what_is(scene: &Scene, trial: &Trial, code: Code) -> Result<(), String> {
    if code != Code::Exit(0) {
        return Ok(());
    }
    let holds = trial.holds();
    if scene.after.csv.iter().any(|(name, bytes)| holds.csv.get(name) != Some(bytes)) {
        return Err("it ended with 0, and the CSVs are not those of a whole run".into());
    }
    crate::content::same(&holds.rows, &scene.after.rows).map_err(|what| format!("it ended with 0: {what}"))
}

/// The most calls that any thread makes undisturbed.
fn longest(scene: &Scene, calls: Calls, of: Of) -> usize {
    let (_, log) = strike(scene, &scene.trial(), calls, of, None);
    let mut by_thread = std::collections::BTreeMap::<&str, usize>::new();
    for line in log.lines().filter(|line| !line.contains("resumed>") && line.contains('(')) {
        *by_thread.entry(line.split_whitespace().next().unwrap_or_default()).or_default() += 1;
    }
    by_thread.into_values().max().unwrap_or(0)
}

/// Runs a scene's command under strace; gives how it ended and what strace saw.
fn strike(scene: &Scene, trial: &Trial, calls: Calls, of: Of, injection: Option<&str>) -> (Code, String) {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut command = with_app(Command::new("strace"));
    command.env("HOME", trial.project.root()).current_dir(trial.project.root());
    command.args(["-f", "-o"]).arg(&log).arg("-e").arg(format!("trace={}", calls.names));
    if !injection.is_some_and(|what| what.contains("signal=")) {
        // Only the calls asked for stop, which is faster; signals are not sent then (strace 6.1).
        command.arg("--seccomp-bpf");
    }
    for file in files(of, trial) {
        command.arg("-P").arg(file);
    }
    if let Some(injection) = injection {
        command.args(["-e", injection]);
    }
    command.arg(env!("CARGO_BIN_EXE_cratedigger")).args(&scene.struck);
    let output = command.output().unwrap();
    let code = output.status.code().map_or(Code::Killed, Code::Exit);
    let said = String::from_utf8_lossy(&output.stderr);
    (code, std::fs::read_to_string(&log).unwrap_or_default() + "\n" + &said)
}

fn files(of: Of, trial: &Trial) -> Vec<PathBuf> {
    let store = trial.database();
    let with_wal = |path: PathBuf| {
        let wal = PathBuf::from(format!("{}-wal", path.display()));
        [path, wal]
    };
    match of {
        Of::Everything => Vec::new(),
        Of::Store => with_wal(store).into(),
        Of::State => files_below(trial.project.root())
            .into_iter()
            .filter(|path| path.extension().is_some_and(|e| e == "db") && *path != store)
            .flat_map(with_wal)
            .collect(),
    }
}
