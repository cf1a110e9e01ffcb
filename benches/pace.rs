//! Measures how four processes of the program share one pace. The time of the sandbox is scaled ten to one: 90
//! calls in 3 seconds, a pace of 20 calls per second, responses after 15 ms. See docs/benchmarks.md.
#![expect(clippy::unwrap_used, reason = "an error ends the benchmark")]

use std::collections::HashSet;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use spotify_sandbox::{Fault, FaultAction, QuotaMode, SandboxOptions, fixtures};

use world::{World, ended, signal};

#[path = "../tests/it/support/project.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod project;
#[path = "../tests/it/support/world.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod world;

/// How long calls are counted.
const MEASURED_TIME: Duration = Duration::from_secs(30);
/// Ids of each job: more than a process can request in that time.
const IDS: usize = 1_000;
/// Additional delay for the fourth process, so that its responses take three times as long.
const SLOW_MS: u64 = 30;

/// A project with four jobs whose calls can be distinguished.
struct FourJobs {
    world: World,
    /// Ids of the tracks that the first three read; the fourth reads artists.
    tracks: [HashSet<String>; 3],
}

impl FourJobs {
    fn new() -> FourJobs {
        let world = World::with(SandboxOptions {
            mode: QuotaMode::Development,
            rate_limit: Some(90),
            rate_window: Duration::from_secs(3),
            latency: Duration::from_millis(15),
            tracks: 60 * IDS,
            ..SandboxOptions::default()
        });
        let settings = format!(
            "[spotify]\napi_url = \"{}\"\naccounts_url = \"{}\"\napp_mode = \"development\"\n[limits]\nrequests_per_second = 20\n\
             calls_per_day = \"unlimited\"\ncalls_per_family = \"unlimited\"\n",
            world.sandbox.api_url(),
            world.sandbox.accounts_url()
        );
        world.project.write("config/cratedigger.toml", settings);
        let (mut tracks, mut artists) = (HashSet::new(), HashSet::new());
        for row in world.sandbox.catalog().expected_rows(fixtures::LARGE_PLAYLIST).unwrap() {
            artists.extend(row.artist_ids);
            tracks.extend(row.id.filter(|_| row.kind == "track"));
        }
        let mut tracks = tracks.into_iter();
        let tracks = [(); 3].map(|()| tracks.by_ref().take(IDS).collect::<HashSet<String>>());
        let artists: HashSet<String> = artists.into_iter().take(IDS).collect();
        let jobs = tracks.iter().map(|ids| ("tracks", ids)).chain([("artists", &artists)]);
        for (n, (stream, ids)) in jobs.enumerate() {
            assert_eq!(ids.len(), IDS, "the catalog has so many {stream}");
            let ids: Vec<&String> = ids.iter().collect();
            let job = format!("[[fetch]]\nstream = \"{stream}\"\nids = {ids:?}\ncsv = false\n");
            world.project.write(&format!("jobs/p{n}.toml"), job);
        }
        world.sandbox.inject(Fault::on_path("/v1/artists/*", FaultAction::Latency { ms: SLOW_MS }));
        FourJobs { world, tracks }
    }

    /// Successful calls within the measured time, by process.
    fn answered_calls(&self, from_ms: i64) -> [usize; 4] {
        let mut out = [0; 4];
        let within = from_ms..from_ms + i64::try_from(MEASURED_TIME.as_millis()).unwrap();
        for seen in self.world.sandbox.log() {
            let id = seen.path.rsplit('/').next().unwrap_or_default();
            let process = self.tracks.iter().position(|ids| ids.contains(id)).unwrap_or(3);
            if seen.path.starts_with("/v1/") && seen.status == 200 && within.contains(&seen.at_ms) {
                out[process] += 1;
            }
        }
        out
    }

    /// Waits until each process has sent its first call, and returns the time in milliseconds.
    fn wait_until_all_started(&self, processes: usize) -> i64 {
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < Duration::from_secs(120), "all processes start");
            let log = self.world.sandbox.log();
            let newest = log.last().map_or(0, |seen| seen.at_ms);
            if self.answered_calls(newest - 30_000).iter().filter(|calls| **calls > 0).count() == processes {
                return newest;
            }
            sleep(Duration::from_millis(50));
        }
    }

    fn start(&self, processes: usize) -> Vec<Child> {
        self.world.sandbox.clear_log();
        (0..processes).map(|n| self.world.spawn(&[&format!("p{n}"), "-q"])).collect()
    }

    fn stop(running: Vec<Child>) {
        running.iter().for_each(|child| signal(child, "TERM"));
        for ran in running.into_iter().map(ended) {
            assert_eq!(ran.code, 75, "{ran:?}");
        }
    }
}

fn main() {
    let one = {
        let four = FourJobs::new();
        let running = four.start(1);
        let from = four.wait_until_all_started(1);
        sleep(MEASURED_TIME + Duration::from_millis(500));
        let sent: usize = four.answered_calls(from).iter().sum();
        FourJobs::stop(running);
        assert_eq!(four.world.sandbox.limit_counts().refused, 0);
        sent
    };
    let four = FourJobs::new();
    let running = four.start(4);
    let from = four.wait_until_all_started(4);
    sleep(MEASURED_TIME + Duration::from_millis(500));
    let sent = four.answered_calls(from);
    let before = four.world.sandbox.limit_counts();
    four.world.sandbox.ban(Duration::from_secs(2));
    sleep(Duration::from_secs(6));
    let after = four.world.sandbox.limit_counts();
    FourJobs::stop(running);
    let all: usize = sent.iter().sum();
    let lost = 100.0 - 100.0 * all as f64 / one as f64;
    let (least, most) = (sent.iter().min().unwrap(), sent.iter().max().unwrap());
    println!(
        "processes of the program on one client id, {} s at 20 a second, 90 in 3 s let through",
        MEASURED_TIME.as_secs()
    );
    println!("one / four together                            {one} / {all} calls: {lost:.1} % lost");
    println!("each of the four (the last is answered late)   {sent:?}");
    println!("slowest / fastest                              {:.2}", *least as f64 / *most as f64);
    println!("refused by the limit                           {}", before.refused);
    println!("a ban of 2 s: refusals, calls before its end        {}, {}", after.refused - before.refused, after.early);
    assert!(all * 100 >= one * 95, "four lose more than 5 %");
    assert!(least * 3 >= *most, "one is starved");
    assert_eq!((before.refused, after.early), (0, 0));
}
