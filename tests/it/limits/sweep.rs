//! A library far larger than a day's budget, swept for weeks of made-up time. `make bench-calls` does it
//! at full scale (`CRATEDIGGER_SWEEP=10000`) and prints the result.

use cratedigger::store::runs;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use cratedigger::export::ExportTarget;
use cratedigger::export::JobFiles;
use cratedigger::job::{self, Job};
use cratedigger::settings::{Project as Folder, Settings};
use cratedigger::store::timestamp;
use cratedigger::store::{FileAccess, Store, StoreIdentity};
use cratedigger::sync::{AppFacts, NoopRunObserver, RunParameters, RunReport, SyncContext, resume_start, run_job};
use secrecy::SecretString;
use spotify_client::client::{ApiConfig, CallLimits, SpotifyClient};
use spotify_client::http::clock::{Clock, SleepFuture, SystemClock};
use spotify_client::http::observer::NoopObserver;
use spotify_client::state::{AppClass, ClockReading};
use spotify_sandbox::{QuotaMode, Sandbox, SandboxOptions, fixtures};
use url::Url;

use super::api_calls::config;
use super::limiter::open;
use crate::support::project::Project;

/// Number of entities. A day has calls for a tenth of them.
fn things() -> usize {
    std::env::var("CRATEDIGGER_SWEEP").map_or(300, |things| things.parse().unwrap())
}

/// The machine's clock, moved ahead.
#[derive(Debug)]
struct Moved {
    real: SystemClock,
    ahead_ms: AtomicI64,
}

impl Clock for Moved {
    fn now(&self) -> ClockReading {
        let (now, ahead) = (self.real.now(), self.ahead_ms.load(Ordering::SeqCst));
        ClockReading {
            wall: now.wall + TimeDelta::milliseconds(ahead),
            steady_ms: now.steady_ms + ahead,
            boot: now.boot,
        }
    }

    fn sleep(&self, how_long: Duration) -> SleepFuture<'_> {
        self.real.sleep(how_long)
    }
}

struct Weeks {
    sandbox: Sandbox,
    project: Project,
    folder: tempfile::TempDir,
    store: Arc<Store>,
    clock: Arc<Moved>,
    job: Job,
    things: usize,
    a_day: u32,
}

impl Weeks {
    async fn new() -> Weeks {
        let things = things();
        let a_day = u32::try_from(things / 10).unwrap();
        let options = SandboxOptions {
            mode: QuotaMode::Development,
            tracks: things * 2,
            calls_per_day: Some(a_day),
            ..SandboxOptions::default()
        };
        let sandbox = spotify_sandbox::start(options).await.unwrap();
        let rows = sandbox.catalog().expected_rows(fixtures::LARGE_PLAYLIST).unwrap();
        let tracks = rows.into_iter().filter(|row| row.kind == "track").filter_map(|row| row.id);
        let mut ids: Vec<String> = tracks.collect::<BTreeSet<_>>().into_iter().collect();
        ids.truncate(things);
        assert_eq!(ids.len(), things);
        let project = Project::new();
        let text = format!("[[fetch]]\nstream = \"tracks\"\nids = {ids:?}\nrefresh_after = \"10d\"\ncsv = false\n");
        project.write("jobs/x.toml", text);
        let mut loaded = job::load(&Folder::at(project.root()), &Settings::built_in(), &[]);
        assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
        let job = loaded.jobs.remove(0);
        let folder = tempfile::tempdir().unwrap();
        let host = sandbox.accounts_url().trim_start_matches("http://").to_owned();
        let identity = StoreIdentity { host, state_id: "sweep".into(), state_folder: "a test's".into() };
        let store =
            Arc::new(Store::open(&project.root().join("store.db"), FileAccess::from_mode(0o644), &identity).unwrap());
        let clock = Arc::new(Moved { real: SystemClock::new(), ahead_ms: AtomicI64::new(0) });
        Weeks { sandbox, project, folder, store, clock, job, things, a_day }
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now().wall
    }

    /// Moves the time ahead, for Spotify, too.
    fn wait_until(&self, then: DateTime<Utc>) {
        let by = (then - self.now()).max(TimeDelta::zero());
        self.clock.ahead_ms.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
        self.sandbox.advance(by.to_std().unwrap());
    }

    /// One run, as in a process of its own.
    async fn run(&self) -> RunReport {
        let limits = CallLimits {
            requests_per_second: f64::INFINITY,
            concurrency: 1,
            calls_per_day: Some(self.a_day),
            calls_per_family: None,
            reserve: 0.0,
            max_calls: Some(self.a_day.into()),
            ..CallLimits::development()
        };
        let mut config: ApiConfig = config(Url::parse(&self.sandbox.api_url()).unwrap());
        config.accounts_url = Url::parse(&self.sandbox.accounts_url()).unwrap();
        config.client_id = "sandbox-client".to_owned();
        config.client_secret = Some(SecretString::from("sandbox-secret"));
        config.limits = limits.clone();
        config.timings = spotify_client::client::ClientTimings::default();
        let api =
            SpotifyClient::with_clock(config, open(&self.folder), Arc::new(NoopObserver), self.clock.clone()).unwrap();
        let app = AppFacts::new(Some(AppClass::Development), api.clone(), limits.clone(), limits);
        let started_at = self.now();
        let now = timestamp(started_at);
        let begun = self.store.write(move |s| {
            let run = runs::start(s, "x", None, "", &now)?;
            Ok((run, runs::resumes_since(s, run, "x")?))
        });
        let (run, goes_on_from) = begun.await.unwrap();
        let engine = SyncContext {
            api,
            store: Arc::clone(&self.store),
            app,
            state_folder: self.folder.path().to_path_buf(),
            observer: Arc::new(NoopRunObserver),
            run_id: run,
            started_at,
            resumes_from: resume_start(goes_on_from.as_deref(), started_at),
            retained_since: None,
            full: false,
        };
        let files = JobFiles {
            database: self.store.path().to_path_buf(),
            access: FileAccess::from_mode(0o644),
            target: ExportTarget { csv_dir: self.project.root().join("csv"), access: FileAccess::from_mode(0o644) },
            csv: Settings::built_in().csv,
            publish_partial: true,
            logo: Default::default(),
            dated_csv: None,
        };
        run_job(&engine, &self.job, &RunParameters::default(), &files).await.unwrap()
    }

    /// When each entity was last read; `None` for those never read.
    async fn ages(&self) -> Vec<Option<TimeDelta>> {
        let sql = "SELECT fetched_at FROM tracks WHERE id IN (SELECT value FROM json_each(?1))";
        let cratedigger::job::FetchSource::Ids(references) = &self.job.fetches[0].source else { panic!("ids") };
        let ids = serde_json::to_string(&references.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        let read = self.store.with_connection(move |store| {
            let mut statement = store.prepare(sql).unwrap();
            let rows = statement.query_map([ids], |row| row.get::<_, Option<String>>(0)).unwrap();
            rows.map(Result::unwrap).collect::<Vec<_>>()
        });
        let now = self.now();
        let mut ages: Vec<Option<TimeDelta>> =
            read.await.unwrap().into_iter().map(|at| at.map(|at| now - at.parse::<DateTime<Utc>>().unwrap())).collect();
        ages.resize(self.things, None);
        ages
    }
}

#[tokio::test]
async fn ten_day_library_is_swept_evenly() {
    let weeks = Weeks::new().await;
    let began = weeks.now();
    let limit = TimeDelta::hours(252);
    let mut oldest = TimeDelta::zero();
    while weeks.now() - began < TimeDelta::days(32) {
        let report = weeks.run().await;
        let so_far = weeks.now() - began;
        assert!(["complete", "deferred"].contains(&report.state), "{report:?}");
        let ages = weeks.ages().await;
        if so_far > limit {
            let age = ages.iter().map(|age| age.expect("every row was read")).max().unwrap();
            oldest = oldest.max(age);
            assert!(age <= limit, "after {} hours a row is {} hours old", so_far.num_hours(), age.num_hours());
        }
        let next = report.not_before.map(|at| at.parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(1));
        // A timer starts every hour. A run that was deferred is due at its time.
        weeks.wait_until(next.unwrap_or_else(|| weeks.now() + TimeDelta::hours(1)));
    }
    let log = weeks.sandbox.log();
    let refused = log.iter().filter(|seen| seen.status == 429).count();
    let calls = log.iter().filter(|seen| seen.path.starts_with("/v1/")).count();
    println!(
        "{} tracks, {} calls a day, 32 days of made-up time: {calls} calls, {refused} refused, oldest row {:.2} days",
        weeks.things,
        weeks.a_day,
        oldest.as_seconds_f64() / 86_400.0
    );
    assert_eq!(refused, 0);
    assert!(oldest > TimeDelta::days(9), "the budget was spread evenly");
    assert!(calls >= 3 * weeks.things, "{calls} calls in 32 days: three sweeps");
}
