use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::*;
use crate::job::Job;
use crate::settings::{Project, Settings};
use crate::store::RunRow;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

/// A job that fires at 06:15 UTC, with more lines.
fn job(more: &str) -> Job {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("jobs")).expect("a folder");
    let text = format!("schedule = \"15 6 * * *\"\n{more}\n[[fetch]]\nstream = \"markets\"\n");
    std::fs::write(folder.path().join("jobs/x.toml"), text).expect("a file");
    let mut loaded = crate::job::load(&Project::at(folder.path()), &Settings::built_in(), &[]);
    assert!(!loaded.has_errors(), "{:?}", loaded.problems);
    loaded.jobs.pop().expect("a job")
}

fn run(state: &str, exit_code: i64, fire: &str, began: &str, ended: &str) -> RunRow {
    RunRow {
        id: 1,
        job: "x".into(),
        state: state.into(),
        reason: None,
        fire_at: (!fire.is_empty()).then(|| fire.into()),
        started_at: began.into(),
        finished_at: (!ended.is_empty()).then(|| ended.into()),
        not_before: None,
        calls: 1,
        rows: 1,
        exit_code: Some(exit_code),
        stored: 0,
        skipped: 0,
        planned: None,
    }
}

fn past(runs: Vec<RunRow>) -> JobHistory {
    let good = runs.iter().any(|r| r.state == "complete").then(|| utc("2026-11-01T00:00:00Z"));
    JobHistory { runs, last_good: good, last_complete: good, sign_ins: SignInSummary::default() }
}

fn fire(job: &Job, past: &JobHistory, now: &str) -> Option<DateTime<Utc>> {
    next_start(job, past, &Settings::built_in().schedule, utc(now)).due().map(|due| due.fire)
}

const FIRE: &str = "2026-11-23T06:15:00.000Z";

#[test]
fn a_fire_is_served_once_whoever_served_it() {
    let x = job("");
    let yesterday =
        run("complete", 0, "2026-11-22T06:15:00.000Z", "2026-11-22T06:15:03.000Z", "2026-11-22T06:16:00.000Z");
    let before = past(vec![yesterday.clone()]);
    assert_eq!(fire(&x, &before, "2026-11-23T06:14:59Z"), None);
    assert_eq!(fire(&x, &before, "2026-11-23T06:20:00Z"), Some(utc(FIRE)));
    let by_hand = past(vec![run("complete", 0, "", "2026-11-23T06:17:00.000Z", "2026-11-23T06:18:00.000Z"), yesterday]);
    assert_eq!(fire(&x, &by_hand, "2026-11-23T06:20:00Z"), None);
}

#[test]
fn fire_during_a_run_is_skipped() {
    let x = job("");
    let long = past(vec![run(
        "complete",
        0,
        "2026-11-22T06:15:00.000Z",
        "2026-11-22T06:15:03.000Z",
        "2026-11-23T07:00:00.000Z",
    )]);
    assert_eq!(fire(&x, &long, "2026-11-23T08:00:00Z"), None);
    assert_eq!(fire(&x, &long, "2026-11-24T06:15:00Z"), Some(utc("2026-11-24T06:15:00Z")));
}

#[test]
fn grace_and_missed_decide_about_a_late_fire() {
    let before = past(vec![run("complete", 0, "", "2026-11-20T06:15:03.000Z", "2026-11-20T06:16:00.000Z")]);
    for (more, in_time, late) in [
        ("", "2026-11-23T06:30:00Z", None),
        ("grace = \"3h\"", "2026-11-23T09:15:00Z", Some("2026-11-23T09:15:01Z")),
        ("missed = \"skip\"", "2026-11-23T06:45:00Z", Some("2026-11-23T06:45:01Z")),
    ] {
        assert_eq!(fire(&job(more), &before, in_time), Some(utc(FIRE)), "{more}");
        if let Some(late) = late {
            assert_eq!(fire(&job(more), &before, late), None, "{more}");
        }
    }
    assert_eq!(fire(&job(""), &before, "2026-11-24T06:14:00Z"), Some(utc(FIRE)), "the newest missed one, once");
}

#[test]
fn jitter_is_the_same_every_day() {
    let x = job("jitter = \"1h\"");
    let start = |day: &str| {
        let before = past(vec![run("complete", 0, "", "2026-11-01T06:15:03.000Z", "2026-11-01T06:16:00.000Z")]);
        let rules = Settings::built_in().schedule;
        let from = utc(&format!("{day}T06:00:00Z"));
        let fire = utc(&format!("{day}T06:15:00Z"));
        let second = |n: &i64| {
            next_start(&x, &before, &rules, from + TimeDelta::seconds(*n)).due().is_some_and(|due| due.fire == fire)
        };
        (0..7200).find(second).expect("it starts")
    };
    let first = start("2026-11-23");
    assert!((900..4500).contains(&first), "{first}");
    assert_eq!(first, start("2026-12-24"));
}

#[test]
fn failed_fire_is_retried_with_longer_pauses() {
    let x = job("");
    let failed = |began: &str| run("failed", 1, FIRE, began, began);
    let mut runs = vec![run("complete", 0, "", "2026-11-22T06:15:03.000Z", "2026-11-22T06:16:00.000Z")];
    for (began, too_early, again) in [
        ("2026-11-23T06:15:00.000Z", "2026-11-23T06:19:59Z", Some("2026-11-23T06:20:00Z")),
        ("2026-11-23T06:20:00.000Z", "2026-11-23T06:29:59Z", Some("2026-11-23T06:30:00Z")),
        ("2026-11-23T06:30:00.000Z", "2026-11-23T06:49:59Z", Some("2026-11-23T06:50:00Z")),
        ("2026-11-23T06:50:00.000Z", "2026-11-24T06:14:59Z", None),
    ] {
        runs.insert(0, failed(began));
        assert_eq!(fire(&x, &past(runs.clone()), too_early), None, "{began}");
        if let Some(again) = again {
            assert_eq!(fire(&x, &past(runs.clone()), again), Some(utc(FIRE)), "{began}");
        }
    }
    assert_eq!(fire(&x, &past(runs), "2026-11-24T06:15:00Z"), Some(utc("2026-11-24T06:15:00Z")));
}

#[test]
fn lost_sign_in_waits_for_a_new_grant() {
    let x = job("");
    let mut lost = past(vec![run("failed", 77, FIRE, FIRE, FIRE)]);
    lost.sign_ins = SignInSummary { missing: true, all_missing: true, newest: None };
    assert_eq!(fire(&x, &lost, "2026-11-23T20:00:00Z"), None);
    assert_eq!(fire(&x, &lost, "2026-11-30T06:20:00Z"), None, "the next fires would only say the same");
    lost.sign_ins.all_missing = false;
    assert_eq!(fire(&x, &lost, "2026-11-23T20:00:00Z"), None);
    assert_eq!(fire(&x, &lost, "2026-11-24T06:15:00Z"), Some(utc("2026-11-24T06:15:00Z")), "another user is left");
    lost.sign_ins = SignInSummary { missing: false, all_missing: false, newest: Some(utc("2026-11-23T20:00:00Z")) };
    assert_eq!(fire(&x, &lost, "2026-11-23T20:00:01Z"), Some(utc(FIRE)));
    lost.sign_ins = SignInSummary::default();
    assert_eq!(fire(&x, &lost, "2026-11-23T12:14:59Z"), None);
    assert_eq!(fire(&x, &lost, "2026-11-23T12:15:01Z"), Some(utc(FIRE)));
}

#[test]
fn clock_that_was_ahead_skips_no_fire() {
    let x = job("");
    let ahead = run("complete", 0, "2027-11-23T06:15:00.000Z", "2027-11-23T07:00:00.000Z", "2027-11-23T07:01:00.000Z");
    assert_eq!(fire(&x, &past(vec![ahead]), "2026-11-23T06:20:00Z"), Some(utc(FIRE)));
    let an_hour = run("complete", 0, FIRE, "2026-11-23T06:20:00.000Z", "2026-11-23T06:21:00.000Z");
    assert_eq!(fire(&x, &past(vec![an_hour]), "2026-11-23T06:15:30Z"), None);
}

#[test]
fn first_run_continues_until_the_next_fire() {
    let x = job("");
    let none = JobHistory::default();
    let found = next_start(&x, &none, &Settings::built_in().schedule, utc("2026-11-23T15:00:00Z")).due().expect("due");
    assert!(found.is_new && found.fire == utc("2026-11-23T15:00:00Z"), "{found:?}");
    let mut begun =
        run("deferred", 75, "2026-11-23T15:00:00.000Z", "2026-11-23T15:00:00.000Z", "2026-11-23T15:09:00.000Z");
    begun.not_before = Some("2026-11-23T18:00:00.000Z".into());
    let begun = past(vec![begun]);
    assert_eq!(fire(&x, &begun, "2026-11-23T17:00:00Z"), None);
    assert_eq!(fire(&x, &begun, "2026-11-23T18:00:00Z"), Some(utc("2026-11-23T15:00:00Z")));
    assert_eq!(fire(&x, &begun, "2026-11-24T06:15:00Z"), Some(utc("2026-11-24T06:15:00Z")));
}

#[test]
fn two_fires_without_a_complete_run_are_overdue() {
    let x = job("");
    let mut past = past(vec![run("complete", 0, "", "2026-11-22T06:15:03.000Z", "2026-11-22T06:16:00.000Z")]);
    past.last_complete = Some(utc("2026-11-22T06:15:03Z"));
    assert_eq!(overdue(&x, &past, utc("2026-11-24T06:14:00Z")), None);
    assert_eq!(overdue(&x, &past, utc("2026-11-24T06:16:00Z")), Some(utc(FIRE)));
    assert_eq!(overdue(&x, &JobHistory::default(), utc("2026-11-24T06:16:00Z")), None, "the job has not run yet");
}

#[test]
fn job_that_is_not_due_names_its_next_moment() {
    let x = job("");
    let rules = Settings::built_in().schedule;
    let now = utc("2026-11-23T06:16:00Z");
    let next = |past: &JobHistory| next_start(&x, past, &rules, now);
    let done = past(vec![run("complete", 0, FIRE, FIRE, FIRE)]);
    assert_eq!(next(&done), NextStart::At(utc("2026-11-24T06:15:00Z")));
    let failed = past(vec![run("failed", 1, FIRE, FIRE, FIRE)]);
    assert_eq!(next(&failed), NextStart::At(utc(FIRE) + TimeDelta::from_std(Duration::from_secs(300)).unwrap()));
    // Premium that ran out cannot be seen from here: a few tries a day, from the process that stays as from cron.
    let mut lapsed = past(vec![run("failed", 77, FIRE, FIRE, FIRE)]);
    assert_eq!(next(&lapsed), NextStart::At(utc("2026-11-23T12:15:00Z")));
    lapsed.sign_ins.missing = true;
    assert_eq!(next(&lapsed), NextStart::At(utc("2026-11-24T06:15:00Z")), "a user signs in, or the next fire comes");
}

#[test]
fn every_due_moment_was_announced() {
    // What the process that stays waits for, and what a timer finds every minute, are the same.
    let lines = ["", "jitter = \"50m\"", "missed = \"skip\"", "grace = \"2h\"", "missed = \"skip\"\ngrace = \"2h\""];
    let ends = ["2026-11-23T06:16:00.000Z", "2026-11-23T06:45:00.000Z"];
    for more in lines {
        let x = job(more);
        for end in ends {
            for (state, code) in [("failed", 1), ("failed", 77), ("deferred", 75), ("partial", 3), ("running", 0)] {
                for not_before in [None, Some("2026-11-23T20:15:00.000Z"), Some("2026-11-24T09:15:00.000Z")] {
                    let mut newest = run(state, code, FIRE, FIRE, end);
                    newest.not_before = not_before.filter(|_| state == "deferred").map(str::to_owned);
                    let past =
                        past(vec![newest, run("complete", 0, "", "2026-11-22T06:15:00Z", "2026-11-22T06:16:00Z")]);
                    let rules = Settings::built_in().schedule;
                    let at = |minute: i64| utc("2026-11-23T06:46:00Z") + TimeDelta::minutes(minute);
                    let first = (0..2_000).find(|minute| next_start(&x, &past, &rules, at(*minute)).due().is_some());
                    let mut now = at(0);
                    while let NextStart::At(later) = next_start(&x, &past, &rules, now) {
                        assert!(later > now);
                        now = later;
                        if now > at(2_000) {
                            break;
                        }
                    }
                    let named = next_start(&x, &past, &rules, now).due().map(|_| (now - at(0)).num_seconds());
                    let minute = named.map(|second| (second + 59).div_euclid(60)).filter(|minute| *minute < 2_000);
                    assert_eq!(minute, first, "{more} {state} {code} {not_before:?} {end}");
                }
            }
        }
    }
}

#[test]
fn delayed_fire_is_not_missed() {
    for more in ["missed = \"skip\"", "grace = \"1h\"", "missed = \"skip\"\ngrace = \"1h\""] {
        let x = job(more);
        let yesterday = "2026-11-22T06:15:00.000Z";
        let mut held = run("deferred", 75, yesterday, yesterday, yesterday);
        held.not_before = Some("2026-11-23T20:00:00.000Z".into());
        assert_eq!(fire(&x, &past(vec![held.clone()]), "2026-11-23T19:59:00Z"), None);
        assert_eq!(fire(&x, &past(vec![held]), "2026-11-23T20:01:00Z"), Some(utc(FIRE)), "{more}");
        let before = past(vec![run("complete", 0, "", yesterday, yesterday)]);
        let late = |awake_since: &str| {
            let now = ScheduleTime { at: utc("2026-11-23T09:00:00Z"), watching_since: utc(awake_since) };
            next_start(&x, &before, &Settings::built_in().schedule, now).due().is_some()
        };
        assert!(late("2026-11-23T06:00:00Z"), "{more}: the process was there");
        assert!(!late("2026-11-23T08:59:00Z"), "{more}: it was not");
    }
    // A grace says how late is too late, also where missed fires are skipped.
    let before = past(vec![run("complete", 0, "", "2026-11-20T06:15:03.000Z", "2026-11-20T06:16:00.000Z")]);
    let x = job("missed = \"skip\"\ngrace = \"2h\"");
    assert_eq!(fire(&x, &before, "2026-11-23T08:15:00Z"), Some(utc(FIRE)));
    assert_eq!(fire(&x, &before, "2026-11-23T08:15:01Z"), None);
}
