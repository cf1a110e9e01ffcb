//! A year of a project with ten jobs, played through the board and the rules: DST nights, suspends,
//! a ban, a grant that ran out, a broken edit, a disk that is full for a day. Every fire is checked
//! against a model that shares nothing with the rules: it goes forward through the fires as another
//! cron (croner) lists them, and keeps what a person would keep on a sheet of paper.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::job_board::JobBoard;
use crate::job::{Job, LoadedJobs};
use crate::scheduler::{JobHistory, RunHistory, SignInSummary};
use crate::settings::{Project, Settings};
use crate::store::RunRow;
use crate::store::timestamp;

/// Name, line, zone, and the rest of the job file.
const JOBS: [(&str, &str, &str, &str); 10] = [
    ("half-hourly", "*/30 * * * *", "Europe/Berlin", ""),
    ("night", "30 2 * * *", "Europe/Berlin", ""),
    ("new-york", "30 1 * * *", "America/New_York", ""),
    ("lord-howe", "15 2 * * *", "Australia/Lord_Howe", ""),
    ("weekdays", "0 9 * * 1-5", "Europe/Dublin", ""),
    ("either-day", "0 12 13 * 5", "UTC", ""),
    ("monthly", "@monthly", "Africa/Cairo", ""),
    ("yearly", "@yearly", "UTC", "first_run = \"now\"\n"),
    ("fresh-only", "0 7 * * *", "America/Santiago", "grace = \"2h\"\n"),
    ("mine", "20 5 * * *", "UTC", "user = \"home\"\n"),
];

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

/// What happens in the world, by the time at which a run begins.
#[derive(Debug, Clone, Copy, PartialEq)]
enum RunFate {
    Complete,
    Deferred(DateTime<Utc>),
    Failed,
    Person,
}

fn fate(job: &str, at: DateTime<Utc>) -> RunFate {
    let (ban, lifted) = (utc("2026-05-05T03:00:00Z"), utc("2026-05-05T17:00:00Z"));
    let full = utc("2026-07-01T00:00:00Z")..utc("2026-07-02T00:00:00Z");
    if (ban..lifted).contains(&at) {
        RunFate::Deferred(lifted)
    } else if full.contains(&at) {
        RunFate::Failed
    } else if job == "mine" && (LOST()..SIGNED_IN()).contains(&at) {
        RunFate::Person
    } else {
        RunFate::Complete
    }
}

#[expect(non_snake_case, reason = "an instant cannot be parsed in a constant")]
fn LOST() -> DateTime<Utc> {
    utc("2026-09-10T00:00:00Z")
}

#[expect(non_snake_case, reason = "the same")]
fn SIGNED_IN() -> DateTime<Utc> {
    utc("2026-09-24T15:02:00Z")
}

/// Suspends: from, until.
fn is_asleep(at: DateTime<Utc>) -> bool {
    [
        // A weekend; the autumn night in Berlin; two weeks of holidays.
        ("2026-02-06T17:00:00Z", "2026-02-09T08:00:00Z"),
        ("2026-10-24T22:00:00Z", "2026-10-25T04:10:00Z"),
        ("2026-08-01T00:00:00Z", "2026-08-15T12:00:00Z"),
    ]
    .iter()
    .any(|(from, until)| (utc(from)..utc(until)).contains(&at))
}

/// A run takes so long.
const TAKES: TimeDelta = TimeDelta::seconds(90);

/// One job on the sheet of paper.
struct ExpectedFires {
    fires: Vec<DateTime<Utc>>,
    grace: Option<TimeDelta>,
    /// Fires up to here are settled.
    settled: Option<DateTime<Utc>>,
    /// The fire that was tried last, how often it failed, and when it may be tried again.
    tried: Option<(DateTime<Utc>, u32, DateTime<Utc>)>,
    needs_sign_in_since: Option<DateTime<Utc>>,
}

impl ExpectedFires {
    /// The fire that a run must begin for now, if one must.
    fn expects(&self, now: DateTime<Utc>, first: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let newest = self.fires[..self.fires.partition_point(|fire| *fire <= now)].last().copied();
        let Some(settled) = self.settled else {
            // Never run: due at once. Then it continues for that scheduled time until a newer one comes.
            let begun = self.tried.map_or(first, |(fire, ..)| fire);
            return self.may_try(newest.map_or(begun, |newest| newest.max(begun)), now);
        };
        let open = newest.filter(|fire| *fire > settled)?;
        let untried = self.tried.is_none_or(|(fire, ..)| fire != open);
        if untried && self.grace.is_some_and(|grace| now - open > grace) {
            return None;
        }
        self.may_try(open, now)
    }

    fn may_try(&self, fire: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.needs_sign_in_since.is_some_and(|since| !(since < SIGNED_IN() && SIGNED_IN() <= now)) {
            return None;
        }
        match self.tried {
            Some((tried, failures, again)) if tried == fire => (failures <= 3 && again <= now).then_some(fire),
            // A deferral holds for the next fire too; a failure does not.
            Some((_, 0, again)) if again > now => None,
            _ => Some(fire),
        }
    }

    fn note(&mut self, fire: DateTime<Utc>, began: DateTime<Utc>, fate: RunFate) {
        let failures = self.tried.filter(|(tried, ..)| *tried == fire).map_or(0, |(_, failures, _)| failures);
        self.needs_sign_in_since = None;
        match fate {
            RunFate::Complete => (self.settled, self.tried) = (Some(began + TAKES), None),
            RunFate::Deferred(until) => self.tried = Some((fire, 0, until)),
            RunFate::Person => (self.tried, self.needs_sign_in_since) = (Some((fire, 0, began)), Some(began)),
            RunFate::Failed => {
                let minutes = 5 * 2_i64.pow(failures);
                self.tried = Some((fire, failures + 1, began + TAKES + TimeDelta::minutes(minutes)));
            }
        }
    }
}

/// A project's jobs, as its files say.
fn project(folder: &std::path::Path) -> LoadedJobs {
    let jobs = folder.join("jobs");
    std::fs::create_dir_all(&jobs).expect("a folder");
    for (name, line, zone, more) in JOBS {
        let fetch = if more.contains("user") { "stream = \"saved_tracks\"" } else { "stream = \"markets\"" };
        let text = format!("schedule = \"{line}\"\ntimezone = \"{zone}\"\n{more}[[fetch]]\n{fetch}\n");
        std::fs::write(jobs.join(format!("{name}.toml")), text).expect("a file");
    }
    crate::job::load(&Project::at(folder), &Settings::built_in(), &[])
}

fn oracle(line: &str, zone: &str) -> Vec<DateTime<Utc>> {
    let zone: Tz = zone.parse().expect("a zone");
    let line = match line {
        "@monthly" => "0 0 1 * *",
        "@yearly" => "0 0 1 1 *",
        line => line,
    };
    let from = utc("2024-12-30T00:00:00Z").with_timezone(&zone);
    let cron = croner::Cron::from_str(line).expect("a line");
    cron.iter_after(from).map(|at| at.to_utc()).take_while(|at| *at < utc("2027-01-03T00:00:00Z")).collect()
}

#[test]
fn year_of_ten_jobs_serves_every_fire_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings::built_in();
    let mut board = JobBoard::new(&settings);
    let loaded = project(folder.path());
    assert_eq!((loaded.jobs.len(), loaded.problems.len()), (10, 0), "{:?}", loaded.problems);
    board.replace(loaded);
    let mut sheets: BTreeMap<&str, ExpectedFires> = BTreeMap::new();
    for (name, line, zone, more) in JOBS {
        let grace = more.contains("grace").then(|| TimeDelta::hours(2));
        let fires = oracle(line, zone);
        sheets.insert(name, ExpectedFires { fires, grace, settled: None, tried: None, needs_sign_in_since: None });
    }
    let (mut pasts, mut runs): (BTreeMap<String, JobHistory>, i64) = (BTreeMap::new(), 0);
    let (mut now, mut was_asleep) = (utc("2026-01-01T10:00:00Z"), false);
    let (mut served, mut tried): (BTreeMap<(String, DateTime<Utc>), u32>, u32) = (BTreeMap::new(), 0);
    while now < utc("2026-12-31T12:00:00Z") {
        now += TimeDelta::minutes(5);
        if is_asleep(now) {
            was_asleep = true;
            continue;
        }
        if was_asleep || now == SIGNED_IN() + TimeDelta::minutes(3) {
            // The clocks or the grants have moved: `schedule` looks at everything.
            (was_asleep, _) = (false, board.recheck_all());
        }
        if now == utc("2026-04-02T10:00:00Z") {
            // Invalid text for a day: the last valid file is used.
            let broken = LoadedJobs { broken: vec!["night".to_owned()], ..LoadedJobs::default() };
            board.replace(broken);
        }
        let sign_ins = |_: &Job| {
            let back = now >= SIGNED_IN();
            SignInSummary {
                missing: !back,
                all_missing: !back,
                newest: Some(if back { SIGNED_IN() } else { utc("2026-01-01T00:00:00Z") }),
            }
        };
        let look = |board: &mut JobBoard| board.check(&RunHistory::from_jobs(pasts.clone()), now, &sign_ins).due;
        let due = if board.needs_check(now) { look(&mut board) } else { Vec::new() };
        let due: BTreeMap<String, DateTime<Utc>> = due.into_iter().map(|(job, due)| (job.name, due.fire)).collect();
        for (name, sheet) in &mut sheets {
            let expected = sheet.expects(now, now);
            assert_eq!(due.get(*name).copied(), expected, "{name} at {now}");
            let Some(fire) = expected else { continue };
            let fate = fate(name, now);
            sheet.note(fire, now, fate);
            (runs, tried) = (runs + 1, tried + 1);
            if fate == RunFate::Complete {
                *served.entry(((*name).to_owned(), fire)).or_default() += 1;
            }
            let past = pasts.entry((*name).to_owned()).or_default();
            past.runs.insert(0, row(runs, name, fire, now, fate));
            past.runs.truncate(8);
            if fate == RunFate::Complete {
                (past.last_good, past.last_complete) = (Some(now), Some(now));
            }
            board.postpone(name, now, std::time::Duration::from_secs(1));
        }
    }
    assert!(served.values().all(|times| *times == 1), "served twice");
    let of = |name: &str| served.keys().filter(|(job, _)| job == name).count();
    // 365 nights, less two weeks and two days asleep, and what the ban and the full disk took; by the model above.
    assert_eq!(of("yearly"), 1);
    assert!((340..=352).contains(&of("night")), "{}", of("night"));
    assert!((16_300..=17_000).contains(&of("half-hourly")), "{}", of("half-hourly"));
    assert!((330..=340).contains(&of("mine")), "{}", of("mine"));
    assert!(tried > 18_000, "{tried}");
}

fn row(id: i64, job: &str, fire: DateTime<Utc>, began: DateTime<Utc>, fate: RunFate) -> RunRow {
    let (state, exit_code, not_before) = match fate {
        RunFate::Complete => ("complete", 0, None),
        RunFate::Deferred(until) => ("deferred", 75, Some(timestamp(until))),
        RunFate::Failed => ("failed", 74, None),
        RunFate::Person => ("failed", 77, None),
    };
    RunRow {
        id,
        job: job.to_owned(),
        state: state.to_owned(),
        reason: None,
        fire_at: Some(timestamp(fire)),
        started_at: timestamp(began),
        finished_at: Some(timestamp(began + TAKES)),
        not_before,
        calls: 1,
        rows: 1,
        exit_code: Some(exit_code),
        stored: 0,
        skipped: 0,
        planned: None,
    }
}
