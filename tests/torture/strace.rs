//! Blows at system calls: killed at the n-th one, or told that it failed.
//!
//! strace counts calls for each thread by itself. Where all threads are watched, it meets the n-th call of
//! whichever thread is there first, and never the early calls of one that begins late. So the main thread
//! is watched alone too, and so is the thread that writes the store and the CSVs, from its first call on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use spotify_sandbox::{Fault, FaultAction};

use crate::report::TortureReport;
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::trial::{Trial, files_below, with_app};

/// System calls that are struck together.
#[derive(Debug, Clone, Copy)]
pub struct CallGroup {
    pub name: &'static str,
    pub syscalls: &'static str,
}

pub const WRITES: CallGroup = CallGroup { name: "write", syscalls: "pwrite64,write,writev,ftruncate" };
/// The same without `write`, by which threads of a run wake each other: no disk fails there, and whoever
/// is not woken sleeps for ever.
const FILE_WRITES: CallGroup = CallGroup { name: "write", syscalls: "pwrite64,writev,ftruncate" };
pub const SYNCS: CallGroup = CallGroup { name: "sync", syscalls: "fsync,fdatasync" };
pub const RENAMES: CallGroup = CallGroup { name: "rename", syscalls: "rename,renameat,renameat2,link,linkat" };
pub const REMOVALS: CallGroup = CallGroup { name: "unlink", syscalls: "unlink,unlinkat,rmdir" };
pub const OPENS: CallGroup = CallGroup { name: "open", syscalls: "open,openat,openat2,mkdir,mkdirat" };

pub const ALL: [CallGroup; 5] = [WRITES, SYNCS, RENAMES, REMOVALS, OPENS];

/// How long the first answer of the sandbox is held back, so that strace is there when a thread begins.
const FIRST_RESPONSE_DELAY_MS: u64 = 100;

/// Which of the calls are struck.
#[derive(Debug, Clone, Copy)]
pub enum FaultPoints {
    /// So many, drawn by lot.
    Sample(usize),
    /// Every one; of writes, which are the most, every so many-th.
    Every(usize),
}

impl FaultPoints {
    fn select(self, calls: CallGroup, mut known: Vec<usize>, dice: &mut Rng) -> Vec<usize> {
        match self {
            FaultPoints::Every(stride) => {
                known.into_iter().step_by(if calls.name == WRITES.name { stride } else { 1 }).collect()
            }
            FaultPoints::Sample(most) => {
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
pub enum InjectedFault {
    /// The process is killed before it is made.
    Kill,
    /// It fails with this error, once.
    Once(&'static str),
    /// It fails with this error, and so do all after it.
    Onward(&'static str),
}

/// Whose calls are counted.
#[derive(Debug, Clone, Copy)]
pub enum CallScope {
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
pub fn is_available() -> bool {
    let found = Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = found.is_ok_and(|status| status.success());
    if !there {
        println!("strace is missing, so nothing is struck at system calls: apt-get install strace");
    }
    there
}

impl CallScope {
    fn name(self) -> &'static str {
        match self {
            CallScope::Everything => "all",
            CallScope::Store => "store",
            CallScope::State => "state",
            CallScope::Main => "main thread",
            CallScope::Writer => "writer",
        }
    }
}

impl InjectedFault {
    fn injection(self, calls: CallGroup, n: usize) -> String {
        let what = match self {
            InjectedFault::Kill => format!("signal=KILL:when={n}"),
            InjectedFault::Once(error) => format!("error={error}:when={n}"),
            InjectedFault::Onward(error) => format!("error={error}:when={n}+"),
        };
        format!("inject={}:{what}", calls.syscalls)
    }

    fn name(self) -> String {
        match self {
            InjectedFault::Kill => "kill".into(),
            InjectedFault::Once(error) => format!("{error} once"),
            InjectedFault::Onward(error) => format!("{error} from then on"),
        }
    }
}

/// Strikes a scene at its calls, one after the other.
pub fn sweep(
    scene: &Scenario,
    calls: CallGroup,
    of: CallScope,
    blow: InjectedFault,
    points: FaultPoints,
    dice: &mut Rng,
    table: &mut TortureReport,
) {
    let row = format!("{} at {} of {}, {}", blow.name(), calls.name, of.name(), scene.name);
    let wakes = calls.name == WRITES.name
        && matches!(of, CallScope::Everything | CallScope::Main)
        && !scene.requests.is_empty();
    let calls = if wakes && !matches!(blow, InjectedFault::Kill) { FILE_WRITES } else { calls };
    for n in points.select(calls, count_undisturbed_calls(scene, calls, of), dice) {
        let began = Instant::now();
        let trial = scene.new_trial();
        let seen = run_traced(scene, &trial, calls, of, Some(&blow.injection(calls, n)));
        let struck = seen.first_fault(blow);
        if let Some(call) = &struck {
            table.record_call(call.name, matches!(blow, InjectedFault::Kill));
        }
        let end = seen
            .check_exit(calls, of, blow)
            .and_then(|()| check_success_is_complete(scene, &trial, seen.code))
            .and_then(|()| scene.check_after_fault(&trial))
            .map_err(|what| format!("{what}\n  struck: {struck:?}\n  ended: {:?}\n{}", seen.code, seen.stderr));
        table.record(&row, began, struck.is_some(), &format!("call {n}"), end);
    }
}

/// One line of strace's log, which has the number of the thread only where several are watched.
#[derive(Debug)]
struct TracedCall<'a> {
    thread: &'a str,
    name: &'a str,
    line: &'a str,
}

impl TracedCall<'_> {
    /// `None` if the line is a signal, an end, or the second half of a call.
    fn parse(line: &str) -> Option<TracedCall<'_>> {
        let head = line.split_once('(')?.0;
        let (thread, name) = head.trim().rsplit_once(' ').unwrap_or(("", head));
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (is_name && thread.trim().chars().all(|c| c.is_ascii_digit())).then_some(TracedCall { thread, name, line })
    }
}

/// What came of a command under strace.
struct TracedRun {
    code: ExitKind,
    /// What strace wrote.
    log: String,
    /// The command's stderr.
    stderr: String,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExitKind {
    Exit(i32),
    Killed,
}

impl TracedRun {
    fn calls(&self) -> impl DoubleEndedIterator<Item = TracedCall<'_>> {
        self.log.lines().filter_map(TracedCall::parse)
    }

    /// The call that was struck first, if any was.
    fn first_fault(&self, blow: InjectedFault) -> Option<TracedCall<'_>> {
        match blow {
            // The last of all is the one before which it died.
            InjectedFault::Kill => self.calls().next_back().filter(|_| self.code == ExitKind::Killed),
            _ => self.calls().find(|call| call.line.contains("INJECTED")),
        }
    }

    /// A failure that the system reports has an exit code of its own; a panic is none.
    fn check_exit(&self, calls: CallGroup, of: CallScope, blow: InjectedFault) -> Result<(), String> {
        let ours = !matches!(of, CallScope::Everything | CallScope::Main) && calls.name != OPENS.name;
        match (blow, self.code) {
            (InjectedFault::Kill, _) | (_, ExitKind::Exit(0 | 74)) => Ok(()),
            (_, ExitKind::Exit(code)) if ours => Err(format!("a disk that fails ends with {code}")),
            (_, ExitKind::Exit(101 | 134)) => Err("it panicked".into()),
            (_, ExitKind::Exit(_)) => Ok(()),
            (_, ExitKind::Killed) => Err("it died of an error".into()),
        }
    }
}

/// What ends with 0 after an error has all that it should have, without another try.
fn check_success_is_complete(scene: &Scenario, trial: &Trial, code: ExitKind) -> Result<(), String> {
    if code != ExitKind::Exit(0) {
        return Ok(());
    }
    let holds = trial.read_content();
    if scene.after.csv.iter().any(|(name, bytes)| holds.csv.get(name) != Some(bytes)) {
        return Err("it ended with 0, and the CSVs are not those of a whole run".into());
    }
    crate::content::compare_rows(&holds.rows, &scene.after.rows).map_err(|what| format!("it ended with 0: {what}"))
}

/// Numbers of the calls that a thread makes undisturbed, from 1; opens of what is not the project's left
/// out, such as libraries.
fn count_undisturbed_calls(scene: &Scenario, calls: CallGroup, of: CallScope) -> Vec<usize> {
    let seen = run_traced(scene, &scene.new_trial(), calls, of, None);
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
fn run_traced(scene: &Scenario, trial: &Trial, calls: CallGroup, of: CallScope, injection: Option<&str>) -> TracedRun {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut strace = with_app(Command::new("strace"));
    strace.env("HOME", trial.project.root()).current_dir(trial.project.root());
    strace.args(["-y", "-o"]).arg(&log).arg("-e").arg(format!("trace={}", calls.syscalls));
    if !matches!(of, CallScope::Main | CallScope::Writer) {
        strace.arg("-f");
        if !injection.is_some_and(|what| what.contains("signal=")) {
            // Only the calls asked for stop, which is faster; signals are not sent then (strace 6.1).
            strace.arg("--seccomp-bpf");
        }
    }
    for file in files_in_scope(of, trial) {
        strace.arg("-P").arg(file);
    }
    if let Some(injection) = injection {
        strace.args(["-e", injection]);
    }
    let output = if matches!(of, CallScope::Writer) {
        scene.world.sandbox.inject(Fault::on_path("*", FaultAction::Latency { ms: FIRST_RESPONSE_DELAY_MS }).times(1));
        let mut command = trial.command(&scene.command);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        if calls.name == WRITES.name {
            for file in files_of_writer(child.id(), trial) {
                strace.arg("-P").arg(file);
            }
        }
        let watch = find_writer_thread(&child)
            .map(|thread| strace.args(["-p", &thread]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let output = child.wait_with_output().unwrap();
        if let Some(mut watch) = watch {
            watch.wait().unwrap();
        }
        scene.world.sandbox.clear_faults();
        output
    } else {
        strace.arg(env!("CARGO_BIN_EXE_cratedigger")).args(&scene.command).output().unwrap()
    };
    let code = output.status.code().map_or(ExitKind::Killed, ExitKind::Exit);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    TracedRun { code, log: std::fs::read_to_string(&log).unwrap_or_default(), stderr: said }
}

/// The number of the thread that writes the store, once it is there; `None` if the program ends without.
fn find_writer_thread(child: &Child) -> Option<String> {
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
fn files_of_writer(process: u32, trial: &Trial) -> Vec<PathBuf> {
    let csv = trial.project.root().join("output/csv/x");
    let drafts = (0..10).map(|n| csv.join(format!(".cratedigger-{process}-{n}.tmp")));
    files_in_scope(CallScope::Store, trial).into_iter().chain(drafts).collect()
}

fn files_in_scope(of: CallScope, trial: &Trial) -> Vec<PathBuf> {
    let store = trial.database();
    let with_wal = |path: PathBuf| {
        let wal = PathBuf::from(format!("{}-wal", path.display()));
        [path, wal]
    };
    match of {
        CallScope::Everything | CallScope::Main | CallScope::Writer => Vec::new(),
        CallScope::Store => with_wal(store).into(),
        CallScope::State => files_below(trial.project.root())
            .into_iter()
            .filter(|path| path.extension().is_some_and(|e| e == "db") && *path != store)
            .flat_map(with_wal)
            .collect(),
    }
}
