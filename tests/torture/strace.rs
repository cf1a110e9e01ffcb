//! Faults at system calls: the program is killed at the n-th call, or the call fails.
//!
//! strace counts the calls of each thread separately. When it traces all threads, the fault hits the first thread
//! that reaches its n-th call, and never the first calls of a thread that starts later. For that reason the main
//! thread is also traced alone, and so is the thread that writes the store and the CSVs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use spotify_sandbox::{Fault, FaultAction};

use crate::report::TortureReport;
use crate::rng::Rng;
use crate::scenario::Scenario;
use crate::trial::{Trial, files_below, with_app};

/// System calls that get the same faults.
#[derive(Debug, Clone, Copy)]
pub struct CallGroup {
    pub name: &'static str,
    pub syscalls: &'static str,
}

pub const WRITES: CallGroup = CallGroup { name: "write", syscalls: "pwrite64,write,writev,ftruncate" };
/// The same without `write`, with which threads of a run wake each other. A failure there is no failure of a disk,
/// and the other thread would sleep forever.
const FILE_WRITES: CallGroup = CallGroup { name: "write", syscalls: "pwrite64,writev,ftruncate" };
pub const SYNCS: CallGroup = CallGroup { name: "sync", syscalls: "fsync,fdatasync" };
pub const RENAMES: CallGroup = CallGroup { name: "rename", syscalls: "rename,renameat,renameat2,link,linkat" };
pub const REMOVALS: CallGroup = CallGroup { name: "unlink", syscalls: "unlink,unlinkat,rmdir" };
pub const OPENS: CallGroup = CallGroup { name: "open", syscalls: "open,openat,openat2,mkdir,mkdirat" };

pub const ALL: [CallGroup; 5] = [WRITES, SYNCS, RENAMES, REMOVALS, OPENS];

/// Delay of the first response of the sandbox, so that strace can attach before a thread starts its work.
const FIRST_RESPONSE_DELAY_MS: u64 = 100;

/// Which of the calls get a fault.
#[derive(Debug, Clone, Copy)]
pub enum FaultPoints {
    /// A random sample of this size.
    Sample(usize),
    /// All calls, but only every nth write, because there are many.
    Every(usize),
}

impl FaultPoints {
    fn select(self, calls: CallGroup, mut numbers: Vec<usize>, rng: &mut Rng) -> Vec<usize> {
        match self {
            FaultPoints::Every(stride) => {
                numbers.into_iter().step_by(if calls.name == WRITES.name { stride } else { 1 }).collect()
            }
            FaultPoints::Sample(most) => {
                while numbers.len() > most {
                    numbers.swap_remove(rng.below(numbers.len()));
                }
                numbers.sort_unstable();
                numbers
            }
        }
    }
}

/// The fault at a call.
#[derive(Debug, Clone, Copy)]
pub enum InjectedFault {
    /// The process is killed before the call.
    Kill,
    /// The call fails with this error once.
    Once(&'static str),
    /// The call and all later ones fail with this error.
    Onward(&'static str),
}

/// The calls that are counted.
#[derive(Debug, Clone, Copy)]
pub enum CallScope {
    /// The calls of all threads on all files.
    Everything,
    /// The store with its WAL.
    Store,
    /// The ledger and the grants.
    State,
    /// The main thread.
    Main,
    /// The thread that writes the store and the CSVs, from the first response on.
    Writer,
}

/// Whether strace is installed; prints a note if not.
pub fn is_available() -> bool {
    let found = Command::new("strace").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let there = found.is_ok_and(|status| status.success());
    if !there {
        println!("strace is missing, so no system call fails here: apt-get install strace");
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

/// Runs a scenario once for each selected call, with a fault at that call.
pub fn sweep(
    scenario: &Scenario,
    calls: CallGroup,
    scope: CallScope,
    fault: InjectedFault,
    points: FaultPoints,
    rng: &mut Rng,
    report: &mut TortureReport,
) {
    let row = format!("{} at {} of {}, {}", fault.name(), calls.name, scope.name(), scenario.name);
    let wakes = calls.name == WRITES.name
        && matches!(scope, CallScope::Everything | CallScope::Main)
        && !scenario.requests.is_empty();
    let calls = if wakes && !matches!(fault, InjectedFault::Kill) { FILE_WRITES } else { calls };
    for n in points.select(calls, count_undisturbed_calls(scenario, calls, scope), rng) {
        let started = Instant::now();
        let trial = scenario.new_trial();
        let run = run_traced(scenario, &trial, calls, scope, Some(&fault.injection(calls, n)));
        let hit = run.first_fault(fault);
        if let Some(call) = &hit {
            report.record_call(call.name, matches!(fault, InjectedFault::Kill));
        }
        let end = run
            .check_exit(calls, scope, fault)
            .and_then(|()| check_success_is_complete(scenario, &trial, run.code))
            .and_then(|()| scenario.check_after_fault(&trial))
            .map_err(|problem| format!("{problem}\n  fault at: {hit:?}\n  ended: {:?}\n{}", run.code, run.stderr));
        report.record(&row, started, hit.is_some(), &format!("call {n}"), end);
    }
}

/// One line in the log of strace. It has a thread id only if several threads are traced.
#[derive(Debug)]
struct TracedCall<'a> {
    thread: &'a str,
    name: &'a str,
    line: &'a str,
}

impl TracedCall<'_> {
    /// `None` if the line is a signal, an exit, or the second half of a call.
    fn parse(line: &str) -> Option<TracedCall<'_>> {
        let head = line.split_once('(')?.0;
        let (thread, name) = head.trim().rsplit_once(' ').unwrap_or(("", head));
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (is_name && thread.trim().chars().all(|c| c.is_ascii_digit())).then_some(TracedCall { thread, name, line })
    }
}

/// The result of a traced command.
struct TracedRun {
    code: ExitKind,
    /// The log of strace.
    log: String,
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

    /// The first call with the fault, if there was one.
    fn first_fault(&self, fault: InjectedFault) -> Option<TracedCall<'_>> {
        match fault {
            // The last call is the one before which the process was killed.
            InjectedFault::Kill => self.calls().next_back().filter(|_| self.code == ExitKind::Killed),
            _ => self.calls().find(|call| call.line.contains("INJECTED")),
        }
    }

    /// Checks that a failed call ends with the exit code for storage, and never with a panic.
    fn check_exit(&self, calls: CallGroup, scope: CallScope, fault: InjectedFault) -> Result<(), String> {
        let is_storage = !matches!(scope, CallScope::Everything | CallScope::Main) && calls.name != OPENS.name;
        match (fault, self.code) {
            (InjectedFault::Kill, _) | (_, ExitKind::Exit(0 | 74)) => Ok(()),
            (_, ExitKind::Exit(code)) if is_storage => Err(format!("a failing disk ends with {code}")),
            (_, ExitKind::Exit(101 | 134)) => Err("it panicked".into()),
            (_, ExitKind::Exit(_)) => Ok(()),
            (_, ExitKind::Killed) => Err("an error killed the process".into()),
        }
    }
}

/// Checks that a command which ends with 0 despite a fault has the complete result.
fn check_success_is_complete(scenario: &Scenario, trial: &Trial, code: ExitKind) -> Result<(), String> {
    if code != ExitKind::Exit(0) {
        return Ok(());
    }
    let found = trial.read_content();
    if scenario.after.csv.iter().any(|(name, bytes)| found.csv.get(name) != Some(bytes)) {
        return Err("it ended with 0, but the CSVs are not those of a complete run".into());
    }
    crate::content::compare_rows(&found.rows, &scenario.after.rows)
        .map_err(|problem| format!("it ended with 0: {problem}"))
}

/// Numbers of the calls of each thread without a fault, from 1. Calls on files outside of the project, such as
/// libraries, are left out.
fn count_undisturbed_calls(scenario: &Scenario, calls: CallGroup, scope: CallScope) -> Vec<usize> {
    let run = run_traced(scenario, &scenario.new_trial(), calls, scope, None);
    let (mut by_thread, mut numbers) = (BTreeMap::<&str, usize>::new(), BTreeSet::new());
    for call in run.calls() {
        let n = by_thread.entry(call.thread).or_default();
        *n += 1;
        if !["/proc/", "/sys/", "/dev/", "/etc/", "/lib", "/usr/"]
            .iter()
            .any(|folder| call.line.contains(&format!("\"{folder}")))
        {
            numbers.insert(*n);
        }
    }
    numbers.into_iter().collect()
}

/// Runs the command of a scenario under strace.
fn run_traced(
    scenario: &Scenario,
    trial: &Trial,
    calls: CallGroup,
    scope: CallScope,
    injection: Option<&str>,
) -> TracedRun {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut strace = with_app(Command::new("strace"));
    strace.env("HOME", trial.project.root()).current_dir(trial.project.root());
    strace.args(["-y", "-o"]).arg(&log).arg("-e").arg(format!("trace={}", calls.syscalls));
    if !matches!(scope, CallScope::Main | CallScope::Writer) {
        strace.arg("-f");
        if !injection.is_some_and(|what| what.contains("signal=")) {
            // Only the traced calls stop, which is faster. strace 6.1 does not inject signals in this mode.
            strace.arg("--seccomp-bpf");
        }
    }
    for file in files_in_scope(scope, trial) {
        strace.arg("-P").arg(file);
    }
    if let Some(injection) = injection {
        strace.args(["-e", injection]);
    }
    let output = if matches!(scope, CallScope::Writer) {
        scenario
            .world
            .sandbox
            .inject(Fault::on_path("*", FaultAction::Latency { ms: FIRST_RESPONSE_DELAY_MS }).times(1));
        let mut command = trial.command(&scenario.command);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        if calls.name == WRITES.name {
            for file in files_of_writer(child.id(), trial) {
                strace.arg("-P").arg(file);
            }
        }
        let tracer = find_writer_thread(&child)
            .map(|thread| strace.args(["-p", &thread]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let output = child.wait_with_output().unwrap();
        if let Some(mut tracer) = tracer {
            tracer.wait().unwrap();
        }
        scenario.world.sandbox.clear_faults();
        output
    } else {
        strace.arg(env!("CARGO_BIN_EXE_cratedigger")).args(&scenario.command).output().unwrap()
    };
    let code = output.status.code().map_or(ExitKind::Killed, ExitKind::Exit);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    TracedRun { code, log: std::fs::read_to_string(&log).unwrap_or_default(), stderr }
}

/// Waits for the thread that writes the store and returns its id; `None` if the program ends without one.
fn find_writer_thread(child: &Child) -> Option<String> {
    let tasks = format!("/proc/{}/task", child.id());
    // The child becomes a zombie when it ends, because this process has not waited for it yet.
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

/// The files that the writing thread of a process may write.
fn files_of_writer(process: u32, trial: &Trial) -> Vec<PathBuf> {
    let csv = trial.project.root().join("output/csv/x");
    let temporary_files = (0..10).map(|n| csv.join(format!(".cratedigger-{process}-{n}.tmp")));
    files_in_scope(CallScope::Store, trial).into_iter().chain(temporary_files).collect()
}

fn files_in_scope(scope: CallScope, trial: &Trial) -> Vec<PathBuf> {
    let store = trial.database();
    let with_wal = |path: PathBuf| {
        let wal = PathBuf::from(format!("{}-wal", path.display()));
        [path, wal]
    };
    match scope {
        CallScope::Everything | CallScope::Main | CallScope::Writer => Vec::new(),
        CallScope::Store => with_wal(store).into(),
        CallScope::State => files_below(trial.project.root())
            .into_iter()
            .filter(|path| path.extension().is_some_and(|e| e == "db") && *path != store)
            .flat_map(with_wal)
            .collect(),
    }
}
