//! The overview stays small and names the problems.

use rusqlite::Connection;

use super::*;
use crate::store::create_schema;

fn run(id: i64, job: &str, state: &str, exit_code: Option<i64>) -> RunRow {
    let at = |minute: i64| format!("2026-11-30T06:{minute:02}:00Z");
    RunRow {
        id,
        job: job.to_owned(),
        state: state.to_owned(),
        reason: Some("Sad Songs (37i9dQZF1DX0) of anna".to_owned()),
        fire_at: None,
        started_at: at(id % 50),
        finished_at: Some(at(id % 50 + 5)),
        not_before: None,
        calls: 12,
        rows: 0,
        exit_code,
        planned: None,
        stored: 0,
        skipped: 3,
    }
}

fn shown(jobs: Vec<OverviewJob>) -> String {
    let store = Connection::open_in_memory().unwrap();
    create_schema(&store).unwrap();
    for job in &jobs {
        for run in &job.runs {
            let sql = "INSERT INTO runs (id, job, state, started_at, calls, version) VALUES (?1, ?2, ?3, ?4, ?5, '')";
            store.execute(sql, rusqlite::params![run.id, run.job, run.state, run.started_at, run.calls]).unwrap();
            for fetch in &job.fetches {
                let sql = "INSERT INTO run_fetches (run_id, fetch, user_id, stream, state, asked, unchanged, calls, served, stored, skipped)
                           VALUES (?1, ?2, '', 'playlist_items', 'complete', 1, 0, 1, 1, 1, 0)";
                store.execute(sql, rusqlite::params![run.id, fetch]).unwrap();
            }
        }
    }
    let as_of = "2026-11-30T07:00:00Z".parse().ok();
    let overview = Overview { as_of, jobs, calls_per_day: Some(1_000), ..Overview::default() };
    String::from_utf8(render_overview(&store, &overview).unwrap()).unwrap()
}

#[test]
fn fifty_jobs_fit_into_128_kib() {
    let states = ["complete", "partial", "failed", "deferred", "complete"];
    let job = |n: i64| {
        let name = format!("job-with-a-rather-long-name-{n:02}");
        let runs = (0..50).map(|of| run(n * 100 + of, &name, states[(n + of) as usize % 5], Some(1))).collect();
        let fetches = ["playlists", "items", "tracks", "albums"].map(str::to_owned).to_vec();
        OverviewJob { fetches, has_page: true, runs, name, ..OverviewJob::default() }
    };
    let page = shown((0..50).map(job).collect());
    assert!(page.len() <= 128 << 10, "{} bytes", page.len());
    assert_eq!(page.matches("<svg class=\"strip\"").count(), 50);
    assert!(page.contains("100 of 200 fetches are shown."));
}

#[test]
fn reasons_are_in_words_of_this_program() {
    let table = [
        ("failed", Some(77), "cratedigger doctor"),
        ("failed", Some(74), "cratedigger doctor"),
        ("failed", Some(2), "cratedigger check x"),
        ("failed", Some(1), "cratedigger history x"),
        ("failed", None, "cratedigger run x"),
        ("partial", Some(3), "cratedigger skipped x"),
        ("deferred", Some(75), "cratedigger quota"),
    ];
    for (state, exit_code, command) in table {
        let page = shown(vec![OverviewJob {
            name: "x".into(),
            runs: vec![run(1, "x", state, exit_code)],
            ..OverviewJob::default()
        }]);
        assert!(page.contains(&format!("<code>{command}</code>")), "{state} {exit_code:?}");
        assert!(!page.contains("Sad Songs") && !page.contains("anna") && !page.contains("37i9"), "{page}");
    }
    let good = shown(vec![OverviewJob {
        name: "x".into(),
        runs: vec![run(1, "x", "complete", Some(0))],
        ..OverviewJob::default()
    }]);
    assert!(good.contains("✓ nothing needs attention") && !good.contains("id=\"attention\""));
}

#[test]
fn nothing_is_a_page_too() {
    let page = shown(Vec::new());
    assert!(page.contains("no jobs") && page.contains("cratedigger init"), "{page}");
}
