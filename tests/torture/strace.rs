//! Blows at system calls: killed at the n-th one, or told that it failed.
//!
//! strace counts calls for each thread by itself. Where all threads are watched, it meets the n-th call of
//! whichever thread is there first, and never the early calls of one that begins late. So the main thread
//! is watched alone too, and so is the thread that writes the store and the CSVs, from its first call on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use spotify_sandbox::{Action, Fault};

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
/// The same without `write`, by which threads of a run wake each other: no disk fails there, and whoever
/// is not woken sleeps for ever.
const FILE_WRITES: Calls = Calls { name: "write", names: "pwrite64,writev,ftruncate" };
pub const SYNCS: Calls = Calls { name: "sync", names: "fsync,fdatasync" };
pub const RENAMES: Calls = Calls { name: "rename", names: "rename,renameat,renameat2,link,linkat" };
pub const REMOVALS: Calls = Calls { name: "unlink", names: "unlink,unlinkat,rmdir" };
pub const OPENS: Calls = Calls { name: "open", names: "open,openat,openat2,mkdir,mkdirat" };

pub const ALL: [Calls; 5] = [WRITES, SYNCS, RENAMES, REMOVALS, OPENS];

/// How long the first answer of the sandbox is held back, so that strace is there when a thread begins.
const HOLD_MS: u64 = 100;

/// Which of the calls are struck.
#[derive(Debug, Clone, Copy)]
pub enum Points {
    /// So many, drawn by lot.
    Lot(usize),
    /// Every one; of writes, which are the most, every so many-th.
    Every(usize),
}

impl Points {
    fn of(self, calls: Calls, mut known: Vec<usize>, dice: &mut Dice) -> Vec<usize> {
        match self {
            Points::Every(stride) => {
                known.into_iter().step_by(if calls.name == WRITES.name { stride } else { 1 }).collect()
            }
            Points::Lot(most) => {
                while known.len() > most {
                    known.swap_remove(dice.below(known.len()));
                }
                known.sort_unstable();
                known
            }
        }
    }
}

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
    /// The thread that the program begins with.
    Main,
    /// The thread that writes the store and the CSVs, from the first answer on.
    Writer,
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
            Of::Main => "main thread",
            Of::Writer => "writer",
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

/// Strikes a scene at its calls, one after the other.
pub fn sweep(scene: &Scene, calls: Calls, of: Of, blow: Blow, points: Points, dice: &mut Dice, table: &mut Table) {
    let row = format!("{} at {} of {}, {}", blow.name(), calls.name, of.name(), scene.name);
    let wakes = calls.name == WRITES.name && matches!(of, Of::Everything | Of::Main) && !scene.asks.is_empty();
    let calls = if wakes && !matches!(blow, Blow::Kill) { FILE_WRITES } else { calls };
    for n in points.of(calls, undisturbed(scene, calls, of), dice) {
        let began = Instant::now();
        let trial = scene.trial();
        let seen = strike(scene, &trial, calls, of, Some(&blow.injection(calls, n)));
        let struck = seen.struck(blow);
        if let Some(call) = &struck {
            table.strikes(call.name, matches!(blow, Blow::Kill));
        }
        let end = seen
            .ended_well(calls, of, blow)
            .and_then(|()| claims_only_what_is(scene, &trial, seen.code))
            .and_then(|()| scene.judge(&trial))
            .map_err(|what| format!("{what}\n  struck: {struck:?}\n  ended: {:?}\n{}", seen.code, seen.said));
        table.note(&row, began, struck.is_some(), &format!("call {n}"), end);
    }
}

/// One line of strace's log, which has the number of the thread only where several are watched.
#[derive(Debug)]
struct Call<'a> {
    thread: &'a str,
    name: &'a str,
    line: &'a str,
}

impl Call<'_> {
    /// `None` if the line is a signal, an end, or the second half of a call.
    fn read(line: &str) -> Option<Call<'_>> {
        let head = line.split_once('(')?.0;
        let (thread, name) = head.trim().rsplit_once(' ').unwrap_or(("", head));
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (is_name && thread.trim().chars().all(|c| c.is_ascii_digit())).then_some(Call { thread, name, line })
    }
}

/// What came of a command under strace.
struct Seen {
    code: Code,
    /// What strace wrote.
    log: String,
    /// The command's stderr.
    said: String,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    Exit(i32),
    Killed,
}

impl Seen {
    fn calls(&self) -> impl DoubleEndedIterator<Item = Call<'_>> {
        self.log.lines().filter_map(Call::read)
    }

    /// The call that was struck first, if any was.
    fn struck(&self, blow: Blow) -> Option<Call<'_>> {
        match blow {
            // The last of all is the one before which it died.
            Blow::Kill => self.calls().next_back().filter(|_| self.code == Code::Killed),
            _ => self.calls().find(|call| call.line.contains("INJECTED")),
        }
    }

    /// A failure that the system reports has an exit code of its own; a panic is none.
    fn ended_well(&self, calls: Calls, of: Of, blow: Blow) -> Result<(), String> {
        let ours = !matches!(of, Of::Everything | Of::Main) && calls.name != OPENS.name;
        match (blow, self.code) {
            (Blow::Kill, _) | (_, Code::Exit(0 | 74)) => Ok(()),
            (_, Code::Exit(code)) if ours => Err(format!("a disk that fails ends with {code}")),
            (_, Code::Exit(101 | 134)) => Err("it panicked".into()),
            (_, Code::Exit(_)) => Ok(()),
            (_, Code::Killed) => Err("it died of an error".into()),
        }
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

/// Numbers of the calls that a thread makes undisturbed, from 1; opens of what is not the project's left
/// out, such as libraries.
fn undisturbed(scene: &Scene, calls: Calls, of: Of) -> Vec<usize> {
    let seen = strike(scene, &scene.trial(), calls, of, None);
    let (mut by_thread, mut numbers) = (BTreeMap::<&str, usize>::new(), BTreeSet::new());
    for call in seen.calls() {
        let n = by_thread.entry(call.thread).or_default();
        *n += 1;
        if !["/proc/", "/sys/", "/dev/", "/etc/", "/lib", "/usr/"]
            .iter()
            .any(|of| call.line.contains(&format!("\"{of}")))
        {
            numbers.insert(*n);
        }
    }
    numbers.into_iter().collect()
}

/// Runs a scene's command under strace.
fn strike(scene: &Scene, trial: &Trial, calls: Calls, of: Of, injection: Option<&str>) -> Seen {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut strace = with_app(Command::new("strace"));
    strace.env("HOME", trial.project.root()).current_dir(trial.project.root());
    strace.args(["-y", "-o"]).arg(&log).arg("-e").arg(format!("trace={}", calls.names));
    if !matches!(of, Of::Main | Of::Writer) {
        strace.arg("-f");
        if !injection.is_some_and(|what| what.contains("signal=")) {
            // Only the calls asked for stop, which is faster; signals are not sent then (strace 6.1).
            strace.arg("--seccomp-bpf");
        }
    }
    for file in files(of, trial) {
        strace.arg("-P").arg(file);
    }
    if let Some(injection) = injection {
        strace.args(["-e", injection]);
    }
    let output = if matches!(of, Of::Writer) {
        scene.world.sandbox.inject(Fault::on("*", Action::Latency { ms: HOLD_MS }).times(1));
        let mut command = trial.command(&scene.struck);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        if calls.name == WRITES.name {
            for file in written_by(child.id(), trial) {
                strace.arg("-P").arg(file);
            }
        }
        let watch = writer(&child)
            .map(|thread| strace.args(["-p", &thread]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let output = child.wait_with_output().unwrap();
        if let Some(mut watch) = watch {
            watch.wait().unwrap();
        }
        scene.world.sandbox.clear_faults();
        output
    } else {
        strace.arg(env!("CARGO_BIN_EXE_cratedigger")).args(&scene.struck).output().unwrap()
    };
    let code = output.status.code().map_or(Code::Killed, Code::Exit);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Seen { code, log: std::fs::read_to_string(&log).unwrap_or_default(), said }
}

/// The number of the thread that writes the store, once it is there; `None` if the program ends without.
fn writer(child: &Child) -> Option<String> {
    let tasks = format!("/proc/{}/task", child.id());
    // A child that has ended has no threads but itself, until it is waited for.
    while !std::fs::read_to_string(format!("{tasks}/{}/stat", child.id())).is_ok_and(|stat| stat.contains(") Z ")) {
        for task in std::fs::read_dir(&tasks).ok()?.flatten() {
            if std::fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name == "store\n") {
                return task.file_name().into_string().ok();
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

/// The files that the writing thread of a process writes.
fn written_by(process: u32, trial: &Trial) -> Vec<PathBuf> {
    let csv = trial.project.root().join("output/csv/x");
    let drafts = (0..10).map(|n| csv.join(format!(".cratedigger-{process}-{n}.tmp")));
    files(Of::Store, trial).into_iter().chain(drafts).collect()
}

fn files(of: Of, trial: &Trial) -> Vec<PathBuf> {
    let store = trial.database();
    let with_wal = |path: PathBuf| {
        let wal = PathBuf::from(format!("{}-wal", path.display()));
        [path, wal]
    };
    match of {
        Of::Everything | Of::Main | Of::Writer => Vec::new(),
        Of::Store => with_wal(store).into(),
        Of::State => files_below(trial.project.root())
            .into_iter()
            .filter(|path| path.extension().is_some_and(|e| e == "db") && *path != store)
            .flat_map(with_wal)
            .collect(),
    }
}
