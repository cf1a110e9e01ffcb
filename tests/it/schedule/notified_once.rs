//! One cause is one message, whichever job finds it, and a slow receiver delays nothing.

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use spotify_sandbox::{Fault, FaultAction, RetryAfterHeader, fixtures};

use super::foreground::Foreground;
use super::notifications::{plain, wait_to_tell};
use crate::support::hook_server::Hooks;
use crate::support::sign_in;
use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::world::{HUNG, World, by_ids, ended, fetch, pause, ran, signal};

/// Accepts connections and never answers.
struct Deaf {
    address: String,
    calls: Arc<Mutex<Vec<TcpStream>>>,
}

impl Deaf {
    fn listening() -> Deaf {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let calls: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let taken = Arc::clone(&calls);
        std::thread::spawn(move || listener.incoming().flatten().for_each(|call| taken.lock().unwrap().push(call)));
        Deaf { address, calls }
    }

    fn called(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

/// Moves the times in the store and in the state of alerts back by a number of minutes.
pub fn age(world: &World, minutes: i64) {
    let store = Connection::open(world.database()).unwrap();
    let earlier = |column: &str| format!("{column} = strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '-{minutes} minutes')");
    let columns = ["started_at", "finished_at", "fire_at"].map(earlier).join(", ");
    store.execute_batch(&format!("UPDATE runs SET {columns}; DELETE FROM fires")).unwrap();
    let grants = world.project.root().join(".local/state/cratedigger/grants.db");
    if grants.exists() {
        let grants = Connection::open(grants).unwrap();
        grants.execute("UPDATE grants SET given_ms = given_ms - ?1", [minutes * 60_000]).unwrap();
    }
}

/// Event, text and details of each received message.
fn messages(hooks: &Hooks) -> Vec<(String, String, String)> {
    let came = hooks.came();
    let messages = came.iter().filter(|it| it.target == "/hook").map(|it| {
        let message: serde_json::Value = serde_json::from_str(&it.body).unwrap();
        let word = |key: &str| message[key].as_str().unwrap().to_owned();
        (word("event"), word("text"), message["details"].to_string())
    });
    messages.collect()
}

fn events(hooks: &Hooks) -> Vec<String> {
    messages(hooks).into_iter().map(|(event, ..)| event).collect()
}

#[test]
fn silent_receiver_blocks_nothing() {
    let deaf = Deaf::listening();
    // Ten minutes are longer than this test waits for anything.
    let world = plain(&format!(
        "timeout = \"10m\"\nwebhook_url = \"{0}/hook\"\nping_url = \"{0}/ping\"\ncommand = [\"sleep\", \"600\"]",
        deaf.address
    ));
    for n in 0..3 {
        world.project.write(&format!("jobs/broken-{n}.toml"), "[[fetch]]\nstream = \"artist\"\n");
    }
    let mut it = Foreground::start(&world);
    it.until_said("run finished");
    it.until("a call", |_| deaf.called() > 0);
    let beats = it.heard.matches("WATCHDOG=1").count();
    it.until("more beats", |it| it.heard.matches("WATCHDOG=1").count() > beats + 1);
    let (code, said) = it.stop();
    assert_eq!(code, 0, "{said}");
    assert_eq!(world.one("SELECT state FROM runs"), "complete");
}

#[test]
fn unreachable_host_is_logged_once() {
    let world = plain(
        "webhook_url = \"http://127.0.0.1:1/hook\"\nping_url = \"http://127.0.0.1:1/ping\"\n\
         command = [\"false\"]\non = [\"partial\", \"recovery\"]\nprometheus_file = \"jobs\"",
    );
    world
        .project
        .write("jobs/x.toml", format!("schedule = \"* * * * *\"\n{}", by_ids("tracks", &["0000000000000000000000"])));
    let first = world.cli(&["-q", "run", "--due"]).exits(3);
    for way in ["webhook_url", "ping_url", "command", "prometheus_file"] {
        assert_eq!(first.stderr.matches(&format!("notify.{way}: ")).count(), 1, "{way}: {}", first.stderr);
    }
    for _ in 0..3 {
        age(&world, 2);
        wait_to_tell(&world);
        let tick = world.cli(&["-q", "run", "--due"]);
        assert_eq!(tick.stderr, "", "it is not reported again");
    }
    world.cli(&["-q", "run", "x"]).shows("unreachable_host_is_logged_once");
}

#[test]
fn job_run_elsewhere_sends_no_ping() {
    let hooks = Hooks::listening();
    let world = plain(&format!("ping_url = \"{}\"", hooks.url("/ping/{job}")));
    world
        .project
        .write("jobs/x.toml", format!("schedule = \"* * * * *\"\n{}", by_ids("tracks", &[fixtures::PLAIN_TRACK])));
    world.sandbox.inject(Fault::on_path("/v1/tracks*", FaultAction::Latency { ms: 1_500 }).times(1));
    let first = world.spawn(&["--due"]);
    world.wait_for_calls(1);
    pause(&world, &first);
    for _ in 0..3 {
        assert_eq!(world.cli(&["-q", "run", "--due"]).exits(0).stderr, "");
    }
    world.run(&["x"]).exits(75);
    let came = |hooks: &Hooks| hooks.came().iter().filter(|it| !it.target.contains("/start")).count();
    assert_eq!(came(&hooks), 0, "{:?}", hooks.came());
    signal(&first, "CONT");
    ended(first);
    assert_eq!((came(&hooks), hooks.came().len()), (1, 2), "{:?}", hooks.came());
}

#[test]
fn hanging_run_pings_its_failure_once() {
    let hooks = Hooks::listening();
    let world = plain(&format!("ping_url = \"{}\"\n[schedule]\nmax_runtime = \"1s\"", hooks.url("/ping/{job}")));
    world
        .project
        .write("jobs/x.toml", format!("schedule = \"* * * * *\"\n{}", by_ids("tracks", &[fixtures::PLAIN_TRACK])));
    world.sandbox.inject(Fault::on_path("/v1/tracks*", FaultAction::Latency { ms: 1_500 }).times(1));
    let first = world.spawn(&["--due"]);
    world.wait_for_calls(1);
    pause(&world, &first);
    let ends = |hooks: &Hooks| hooks.came().into_iter().filter(|it| !it.target.contains("/start")).collect::<Vec<_>>();
    let began = std::time::Instant::now();
    let mut due = world.cli(&["-q", "run", "--due"]);
    while due.code == 0 && began.elapsed() < HUNG {
        assert_eq!(due.stderr, "");
        std::thread::sleep(std::time::Duration::from_millis(100));
        due = world.cli(&["-q", "run", "--due"]);
    }
    due.exits(1).shows("hanging_run_pings_its_failure_once").says(&format!("process {}", first.id()));
    for _ in 0..2 {
        assert_eq!(world.cli(&["-q", "run", "--due"]).exits(1).stderr, "");
    }
    let came = ends(&hooks);
    assert_eq!(came.len(), 1, "{came:?}");
    assert!(came[0].target.starts_with("/ping/x/1?"), "{came:?}");
    signal(&first, "CONT");
    ended(first);
}

#[test]
fn lost_grant_of_three_jobs_is_one_message() {
    let hooks = Hooks::listening();
    let world = World::extended().settings(&format!("[notify]\nwebhook_url = \"{}\"", hooks.url("/hook")));
    for name in ["a", "b", "c"] {
        let job = format!("user = \"home\"\nschedule = \"*/30 * * * *\"\n{}", fetch("saved_albums", ""));
        world.project.write(&format!("jobs/{name}.toml"), job);
    }
    sign_in::sign_in(&world, "home", fixtures::HOME_USER);
    world.cli(&["-q", "run", "--due"]).exits(0);
    world.sandbox.advance(std::time::Duration::from_secs(190 * 86_400));
    age(&world, 31);
    let first = world.cli(&["-q", "run", "--due"]).exits(77);
    assert_eq!(first.stderr.matches("hint: cratedigger auth login home").count(), 1, "{}", first.stderr);
    let messages = messages(&hooks);
    let [(event, text, details)] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!(event, "sign_in");
    assert!(text.starts_with("home must sign in: "), "{text}");
    assert_output("lost_grant_of_three_jobs_is_one_message", details);
    // Two more scheduled times pass: the data are old, which has been reported already.
    age(&world, 70);
    assert_eq!(world.cli(&["-q", "run", "--due"]).exits(0).stderr, "");
    assert_eq!(events(&hooks), ["sign_in"]);
    sign_in::sign_in(&world, "home", fixtures::HOME_USER);
    world.cli(&["-q", "run", "--due"]).exits(0);
    assert_eq!(world.cli(&["-q", "run", "--due"]).exits(0).stderr, "");
    assert_eq!(events(&hooks), ["sign_in", "recovery"]);
}

#[test]
fn long_ban_is_one_message() {
    let hooks = Hooks::listening();
    let world = plain(&format!("webhook_url = \"{}\"", hooks.url("/hook")));
    for name in ["x", "y"] {
        let job = format!("schedule = \"*/30 * * * *\"\n{}", by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
        world.project.write(&format!("jobs/{name}.toml"), job);
    }
    world.cli(&["-q", "run", "--due"]).exits(0);
    age(&world, 31);
    world
        .sandbox
        .inject(Fault::on_path("/v1/*", FaultAction::rate_limited(RetryAfterHeader::Seconds(50_400))).times(1));
    let first = world.cli(&["-q", "run", "--due"]).exits(75);
    assert_eq!(first.stderr.matches("come back at").count(), 1, "{}", first.stderr);
    world.sandbox.clear_log();
    for _ in 0..12 {
        age(&world, 60);
        assert_eq!(world.cli(&["-q", "run", "--due"]).exits(0).stderr, "");
    }
    assert_eq!((events(&hooks), world.sandbox.log().len()), (Vec::new(), 0));
}

#[test]
fn prometheus_file_shows_overdue_jobs() {
    let world = plain("prometheus_file = \"m.prom\"");
    world
        .project
        .write("jobs/x.toml", format!("schedule = \"*/30 * * * *\"\n{}", by_ids("tracks", &[fixtures::PLAIN_TRACK])));
    world.run(&["--due"]).exits(0);
    let figures = || std::fs::read_to_string(world.project.root().join("m.prom")).unwrap();
    assert!(figures().contains("cratedigger_overdue{job=\"x\"} 0"), "{}", figures());
    age(&world, 120);
    ran(&mut world.project.command(&["run", "--due"])).exits(77);
    let shown = figures();
    assert_output("prometheus_file_shows_overdue_jobs", &shown);
    // An unreadable number is not a zero.
    std::fs::write(world.database(), "no store at all, but a text that is long enough to be looked at").unwrap();
    ran(&mut world.project.command(&["run", "--due"])).exits(74);
    assert_eq!(figures(), shown);
}

#[test]
fn missing_secret_stops_only_its_jobs() {
    let hooks = Hooks::listening();
    let world = World::extended().settings(&format!("[notify]\nwebhook_url = \"{}\"", hooks.url("/hook")));
    let mine = format!("user = \"home\"\nschedule = \"0 6 * * *\"\n{}", fetch("saved_albums", ""));
    world.project.write("jobs/mine.toml", mine);
    world
        .project
        .write("jobs/app.toml", format!("schedule = \"0 6 * * *\"\n{}", by_ids("tracks", &[fixtures::PLAIN_TRACK])));
    sign_in::sign_in(&world, "home", fixtures::HOME_USER);
    let tick = || {
        let mut command = world.project.command(&["-q", "run", "--due"]);
        ran(command.env("SPOTIFY_CLIENT_ID", "sandbox-client"))
    };
    let first = tick().exits(77).shows("missing_secret_stops_only_its_jobs");
    assert!(!first.stderr.contains("no job runs"), "{}", first.stderr);
    assert_eq!(world.rows("SELECT job, state FROM runs"), [["mine", "complete"]]);
    assert_eq!(tick().exits(77).stderr, "");
    assert_eq!(events(&hooks), ["sign_in"]);
    world.cli(&["-q", "run", "--due"]).exits(0);
    assert_eq!(events(&hooks), ["sign_in", "recovery"]);
}

#[test]
fn broken_file_is_reported_with_its_problems() {
    let hooks = Hooks::listening();
    let world = plain(&format!("webhook_url = \"{}\"", hooks.url("/hook")));
    world.project.write("jobs/a.toml", "[[fetch]]\nstream = \"artist\"\n");
    world.project.write("jobs/ba.toml", "[[fetch]]\nstream = \"albun_tracks\"\n");
    world.cli(&["-q", "run", "--due"]).exits(2);
    let messages = messages(&hooks);
    let of = |job: &str| messages.iter().find(|(_, text, _)| text.contains(&format!("jobs/{job}.toml "))).unwrap();
    assert!(of("a").2.contains("artist") && !of("a").2.contains("albun_tracks"), "{messages:?}");
    assert!(of("ba").2.contains("albun_tracks"), "{messages:?}");
}

/// Runs of other jobs, by name, between the scheduled runs.
fn stays_open(break_job: impl Fn(&World), repair_job: impl Fn(&World)) {
    let hooks = Hooks::listening();
    let world = plain(&format!("webhook_url = \"{}\"", hooks.url("/hook")));
    world.cli(&["-q", "run", "--due"]).exits(0);
    break_job(&world);
    for _ in 0..3 {
        world.cli(&["-q", "run", "--due"]).exits(2);
        world.run(&["x"]).exits(0);
    }
    assert_eq!(events(&hooks), ["failure"], "{:?}", messages(&hooks));
    assert!(messages(&hooks)[0].1.starts_with("jobs/bad.toml is invalid, so the job does not run"));
    // An unreadable folder says nothing about the file either.
    let (folder, aside) = (world.project.root().join("jobs"), world.project.root().join("aside"));
    std::fs::rename(&folder, &aside).unwrap();
    world.cli(&["-q", "run", "--due"]).exits(2);
    std::fs::rename(&aside, &folder).unwrap();
    world.cli(&["-q", "run", "--due"]).exits(2);
    assert_eq!(events(&hooks), ["failure", "failure", "recovery"], "{:?}", messages(&hooks));
    assert!(messages(&hooks)[2].1.starts_with("jobs run again; "), "{:?}", messages(&hooks));
    repair_job(&world);
    world.cli(&["-q", "run", "--due"]).exits(0);
    world.run(&["x"]).exits(0);
    assert_eq!(events(&hooks)[3..], ["recovery"], "{:?}", messages(&hooks));
}

#[test]
fn named_run_judges_no_other_file() {
    let path = |world: &World| world.project.root().join("jobs/bad.toml");
    stays_open(
        |world| std::fs::write(path(world), "[[fetch]]\nstream = \"artist\"\n").unwrap(),
        |world| std::fs::remove_file(path(world)).unwrap(),
    );
    stays_open(
        |world| std::fs::write(path(world), "[[fetch]]\nstream = \"artists\"\nids_file = \"ids.csv\"\n").unwrap(),
        |world| {
            std::fs::write(path(world), format!("{}\n", by_ids("artists", &[fixtures::BUSY_ARTIST]))).unwrap();
        },
    );
}

#[test]
fn deleted_broken_job_is_named_as_such() {
    let hooks = Hooks::listening();
    let world = plain(&format!("webhook_url = \"{}\"", hooks.url("/hook")));
    world.project.write("jobs/bad.toml", "nonsense");
    world.cli(&["-q", "run", "--due"]).exits(2);
    std::fs::remove_file(world.project.root().join("jobs/bad.toml")).unwrap();
    world.cli(&["-q", "run", "--due"]).exits(0);
    assert!(messages(&hooks)[1].1.starts_with("job bad no longer exists; its file had been invalid since "));
}

#[test]
fn broken_settings_are_reported_once() {
    let hooks = Hooks::listening();
    let world = plain(&format!("webhook_url = \"{}\"", hooks.url("/hook")));
    world.cli(&["-q", "run", "--due"]).exits(0);
    let path = world.project.root().join("config/cratedigger.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    let broken = [
        format!("{good}\n[schedule]\nretries = \"many\"\n"),
        format!("{good}\n[limits]\nmax_wait = \"5s\"\n"),
        format!("[output]\nmode = \n{good}"),
        format!("{good}\n[output\nmode = 1"),
    ];
    for (n, text) in broken.iter().enumerate() {
        std::fs::write(&path, text).unwrap();
        let first = world.cli(&["-q", "run", "--due"]).exits(2);
        assert!(first.stderr.contains("error: "), "{}", first.stderr);
        for _ in 0..2 {
            assert_eq!(world.cli(&["-q", "run", "--due"]).exits(2).stderr, "");
        }
        assert_eq!(events(&hooks).len(), 2 * n + 1, "{text}\n{:?}", messages(&hooks));
        let (event, words, details) = messages(&hooks).pop().unwrap();
        assert_eq!((event.as_str(), words.as_str()), ("failure", "the settings are invalid, so no job runs"));
        assert!(details.contains("cratedigger.toml"), "{details}");
        // Who types the command sees the problem each time.
        assert!(world.run(&[]).exits(2).stderr.contains("error: "));
        std::fs::write(&path, &good).unwrap();
        assert_eq!(world.cli(&["-q", "run", "--due"]).exits(0).stderr, "");
        let (event, words, _) = messages(&hooks).pop().unwrap();
        assert_eq!(event, "recovery");
        assert!(words.starts_with("jobs run again; the settings or the job files had been invalid since "), "{words}");
    }
}
