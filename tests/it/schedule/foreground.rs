//! `schedule`: it runs due jobs, watches files, notifies systemd, and ends on a signal.

use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use spotify_sandbox::fixtures;

use crate::limits::quota::{development, track_ids};
use crate::support::snapshot::Shows as _;
use crate::support::world::{World, by_ids, signal};

/// A running scheduler, with its output and its messages to systemd.
pub struct Foreground {
    child: Child,
    said: Arc<Mutex<String>>,
    systemd: UnixDatagram,
    pub heard: String,
}

impl Foreground {
    pub fn start(world: &World) -> Foreground {
        let socket = world.project.root().join("notify.sock");
        let systemd = UnixDatagram::bind(&socket).unwrap();
        systemd.set_nonblocking(true).unwrap();
        let mut command = world.command(&["schedule"]);
        // Half of this is its longest sleep, so that the test need not wait.
        command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "400000");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said: Arc<Mutex<String>> = Arc::default();
        let (mut stderr, writes) = (child.stderr.take().unwrap(), Arc::clone(&said));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = stderr.read(&mut bytes) {
                writes.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..n]));
            }
        });
        Foreground { child, said, systemd, heard: String::new() }
    }

    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    #[track_caller]
    pub fn until(&mut self, what: &str, holds: impl Fn(&Foreground) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            assert!(began.elapsed() < Duration::from_secs(120), "{what}:\n{}\nsystemd: {}", self.said(), self.heard);
            let mut bytes = [0; 4096];
            while let Ok(n) = self.systemd.recv(&mut bytes) {
                self.heard.push_str(&String::from_utf8_lossy(&bytes[..n]));
                self.heard.push('\n');
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    pub fn until_said(&mut self, text: &str) {
        self.until(text, |this| this.said().contains(text));
    }

    pub fn stop(mut self) -> (i32, String) {
        signal(&self.child, "TERM");
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        self.until("the end", |this| this.said().contains("the scheduler has stopped"));
        (code, self.said())
    }
}

fn job(line: &str) -> String {
    format!("schedule = \"{line}\"\n{}", by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]))
}

#[test]
fn schedule_runs_jobs_and_stops_on_a_signal() {
    let world = World::extended().job(&job("15 6 1 1 *"));
    let mut it = Foreground::start(&world);
    it.until("READY=1", |it| it.heard.contains("READY=1\n"));
    it.until("a run", |it| it.said().contains("run finished") && it.heard.contains("0 running; next x at "));
    it.until("WATCHDOG=1", |it| it.heard.matches("WATCHDOG=1").count() > 3);
    assert_eq!(world.one("SELECT state FROM runs"), "complete");
    assert_eq!(world.one("SELECT count(*) FROM fires WHERE served_at IS NOT NULL"), "1");

    // A second scheduler prints one clear line and does nothing else.
    let second = world.cli(&["schedule"]).exits(75).shows("schedule_runs_jobs_and_stops_on_a_signal");
    assert_eq!(second.stderr.lines().count(), 2, "{}", second.stderr);

    let began = Instant::now();
    let (code, said) = it.stop();
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!(code, 0, "{said}");
    let lines: Vec<&str> =
        said.lines().filter(|line| line.contains(" INFO run started") || line.contains(" INFO run finished")).collect();
    assert_eq!(lines.len(), 2, "one line an event: {said}");
}

#[test]
fn broken_edit_keeps_the_last_good_job() {
    let world = World::extended().job(&job("15 6 1 1 *"));
    let mut it = Foreground::start(&world);
    it.until_said("run finished");
    world.project.write("jobs/x.toml", "schedule = \"61 * * * *\"\n[[fetch]]\nstream = \"markets\"\n");
    it.until_said("the last valid version stays in use");
    world.project.write("jobs/note.csv", "another change of the folder\n");
    world.project.write("jobs/y.toml", job("15 6 1 1 *"));
    it.until("the new job", |it| it.said().matches("run finished").count() == 2);
    assert_eq!(it.said().matches("the last valid version stays in use").count(), 1, "{}", it.said());
    std::fs::rename(world.project.root().join("jobs/y.toml"), world.project.root().join("jobs/z.toml")).unwrap();
    it.until_said("the job file was deleted");
    it.until("the job of another name", |it| it.said().matches("run finished").count() == 3);
    world.project.write("jobs/x.toml", job("16 6 1 1 *"));
    it.until_said("the job file has changed");
    let (code, said) = it.stop();
    assert_eq!((code, said.matches("ERROR").count()), (0, 0), "{said}");
    assert_eq!(world.rows("SELECT DISTINCT job FROM runs ORDER BY job"), [["x"], ["y"], ["z"]]);
}

#[test]
fn signal_defers_a_run_and_the_next_resumes() {
    let world = World::extended().job(&job("15 6 1 1 *"));
    let path = world.project.root().join("config/cratedigger.toml");
    let slow = std::fs::read_to_string(&path).unwrap().replace("requests_per_second = 100", "requests_per_second = 1");
    std::fs::write(&path, &slow).unwrap();
    let it = Foreground::start(&world);
    world.wait_for_calls(1);
    let (code, said) = it.stop();
    assert_eq!(code, 75, "{said}");
    assert_eq!(world.one("SELECT state FROM runs"), "deferred");
    std::fs::write(&path, slow.replace("requests_per_second = 1\n", "requests_per_second = 100\n")).unwrap();
    world.run(&["--due"]).exits(0).shows("signal_defers_a_run_and_the_next_resumes");
}

#[test]
fn sweeps_share_what_other_jobs_leave() {
    let world = development().settings(
        "calls_per_day = 60\ncalls_per_family = 60\nreserve = \"0%\"\n[schedule]\nfirst_run_share = \"100%\"",
    );
    let ids = track_ids(&world, 90);
    // By priority alone the sweeps would go first, and at the same time as all the others.
    for (name, priority, max_calls, part) in [
        ("daily", 0, "", 0..6),
        ("weekly", 1, "", 6..16),
        ("sweep", 10, "max_calls = 34\n", 16..56),
        ("wide-sweep", 9, "max_calls = 1000\n", 16..90),
    ] {
        let list: Vec<&str> = ids[part].iter().map(String::as_str).collect();
        let job = format!("schedule = \"15 6 1 1 *\"\npriority = {priority}\n{max_calls}{}", by_ids("tracks", &list));
        world.project.write(&format!("jobs/{name}.toml"), job);
    }
    let mut it = Foreground::start(&world);
    it.until("all runs", |it| it.said().matches("run finished").count() >= 4);
    let (code, said) = it.stop();
    assert_eq!(code, 0, "{said}");
    let runs = world.rows("SELECT job, state, calls FROM runs ORDER BY job LIMIT 4");
    assert_eq!(
        runs,
        [
            ["daily", "complete", "6"],
            ["sweep", "deferred", "34"],
            ["weekly", "complete", "10"],
            ["wide-sweep", "deferred", "10"]
        ]
    );
    let calls = world.calls();
    assert_eq!(calls.len(), 60, "the whole day, and not a call more");
    let place = |call: &String| ids.iter().position(|id| call.contains(id.as_str())).unwrap();
    let places: Vec<usize> = calls.iter().map(place).collect();
    assert!(places[..16].iter().all(|place| *place < 16), "{places:?}");
    assert!(places[16..50].iter().all(|place| (16..56).contains(place)), "{places:?}");
    assert_eq!(world.sandbox.limit_counts().refused, 0);
}
