//! The faults of `docs/reliability.md` from the eleventh on, in the order of its table, each with the real binary. The first
//! ten are in `disk_faults`.
//!
//! After each fault the store passes `verify`. Once the fault is over, the next run ends with the
//! same files as an undisturbed one.

use std::time::{Duration, Instant};

use spotify_sandbox::{Fault, FaultAction, QuotaMode, RetryAfterHeader, SandboxOptions, fixtures};

use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::strace::{At, Blow, can_inject};
use crate::support::world::{HUNG, World, by_ids, ended, fetch, pause, ran, signal};

/// A playlist of 260 items on six pages, and a track.
pub(super) fn pages() -> World {
    pages_after(Duration::ZERO)
}

/// The same with an answering time.
pub(super) fn pages_after(latency: Duration) -> World {
    let options = SandboxOptions {
        mode: QuotaMode::Extended,
        playlist_page_max: 50,
        playlist_items: 260,
        latency,
        ..SandboxOptions::default()
    };
    let world = World::with(options).settings("concurrency = 1");
    let id = {
        let catalog = world.sandbox.catalog();
        let plain = |id: &String| catalog.expected_rows(id).is_some_and(|rows| rows.len() == 260);
        catalog.playlist_ids().into_iter().find(plain).unwrap()
    };
    world.job(&[by_ids("playlist_items", &[&id]), by_ids("tracks", &[fixtures::PLAIN_TRACK])].concat())
}

pub(super) const FILES: [&str; 2] = ["playlist_items.csv", "tracks.csv"];

pub(super) fn files(world: &World) -> Vec<Vec<u8>> {
    FILES.iter().map(|file| world.csv_bytes(file)).collect()
}

/// The files of an undisturbed run.
pub(super) fn undisturbed() -> Vec<Vec<u8>> {
    let world = pages();
    world.run(&[]).exits(0);
    files(&world)
}

/// The store is intact; the files may be older.
pub(super) fn sound(world: &World) {
    if !world.database().exists() || std::fs::metadata(world.database()).unwrap().len() == 0 {
        return;
    }
    let report = world.cli(&["verify", "--json"]);
    if report.stderr.contains("older version") {
        return;
    }
    let report = report.json();
    assert_eq!(report["store"]["findings"], serde_json::json!([]), "{report}");
}

/// The next run ends as if there had been no fault.
pub(super) fn heals(world: &World, wanted: &[Vec<u8>]) {
    sound(world);
    world.run(&[]).exits(0);
    assert!(files(world) == wanted, "the files differ from those of an undisturbed run");
    world.cli(&["verify"]).exits(0);
    for file in std::fs::read_dir(world.project.root().join("output/csv/x")).unwrap() {
        let name = file.unwrap().file_name().to_string_lossy().into_owned();
        assert!(!name.contains(".tmp"), "a stray file: {name}");
    }
}

pub(super) fn reached(world: &World) -> i64 {
    if world.rows("SELECT name FROM sqlite_schema WHERE name = 'checkpoints'").is_empty() {
        return 0;
    }
    let rows = world.rows(
        "SELECT next_offset, (SELECT count(*) FROM staged_items s WHERE s.list_id = c.list_id) FROM checkpoints c",
    );
    rows.first().map_or(0, |row| {
        assert_eq!(row[0], row[1], "the checkpoint matches the staged rows");
        row[0].parse().unwrap()
    })
}

#[test]
fn fault_11_short_retry_after_is_waited_out() {
    let (world, wanted) = (pages(), undisturbed());
    world.sandbox.inject(
        Fault::on_path("/v1/playlists/*/tracks", FaultAction::rate_limited(RetryAfterHeader::Seconds(2))).nth(2),
    );
    let began = Instant::now();
    world.run(&[]).exits(0);
    assert!(began.elapsed() >= Duration::from_secs(2));
    assert!(files(&world) == wanted);
}

#[test]
fn fault_12_day_long_ban_outlives_the_process() {
    let world = pages();
    world.sandbox.inject(
        Fault::on_path("/v1/playlists/*/tracks", FaultAction::rate_limited(RetryAfterHeader::Seconds(86_400))).times(1),
    );
    world.run(&[]).exits(75).shows("fault_12_day_long_ban_outlives_the_process");
    assert_ne!(world.one("SELECT not_before FROM runs"), "-");
    world.sandbox.clear_log();
    world.run(&[]).exits(75);
    assert_eq!(world.sandbox.log().len(), 0, "no request, not even for a token");
    sound(&world);
}

#[test]
fn fault_13_odd_retry_after_is_five_seconds() {
    let said = |retry_after| {
        let world = pages();
        world.sandbox.inject(Fault::on_path("/v1/tracks*", FaultAction::rate_limited(retry_after)).times(1));
        let mut command = world.command(&["run"]);
        command.env("CRATEDIGGER__LIMITS__MAX_WAIT", "1s");
        let before = chrono::Utc::now();
        ran(&mut command).exits(75);
        // The wait began between the answer and its record.
        let ended: chrono::DateTime<chrono::Utc> = world.one("SELECT finished_at FROM runs").parse().unwrap();
        let until: chrono::DateTime<chrono::Utc> = world.one("SELECT not_before FROM runs").parse().unwrap();
        (until - ended, until - before)
    };
    let wait = |secs| chrono::TimeDelta::seconds(secs);
    for odd in [Some("soon"), Some("-5"), Some(""), None] {
        let odd = odd.map_or(RetryAfterHeader::None, |text| RetryAfterHeader::Text(text.to_owned()));
        let name = format!("{odd:?}");
        let (at_most, at_least) = said(odd);
        // The wait is rounded up to whole seconds.
        assert!(at_most <= wait(6) && at_least >= wait(5), "{name}: {at_most} to {at_least}");
    }
    let (at_most, at_least) = said(RetryAfterHeader::DateIn(600));
    // A date has no fractions of a second.
    assert!(at_most <= wait(601) && at_least >= wait(599), "{at_most} to {at_least}");
}

#[test]
fn fault_14_401_in_a_run_costs_one_token() {
    let (world, wanted) = (pages(), undisturbed());
    world.sandbox.inject(Fault::on_path("/v1/playlists/*/tracks", FaultAction::status(401)).nth(3));
    world.run(&[]).exits(0);
    assert_eq!(world.sandbox.log().iter().filter(|seen| seen.path == "/api/token").count(), 2);
    assert!(files(&world) == wanted);
    let world = pages();
    world.sandbox.inject(Fault::on_path("/v1/playlists/*/tracks", FaultAction::status(401)));
    world.run(&[]).exits(77).shows("fault_14_401_in_a_run_costs_one_token");
    world.sandbox.clear_faults();
    heals(&world, &wanted);
}

#[test]
fn fault_15_invalid_grant_stops_one_user_only() {
    let world = pages();
    world.project.write("jobs/mine.toml", "user = \"home\"\n[[fetch]]\nstream = \"saved_tracks\"\n");
    let token = world.sandbox.sign_in(fixtures::HOME_USER, &["user-library-read"], false).refresh_token;
    let grant = serde_json::json!({ "user": "home", "refresh_token": token, "scopes": ["user-library-read"], "client_id": "sandbox-client", "flow": "code" });
    world.project.write("grant.json", format!("{grant}\n"));
    world.cli(&["auth", "import", "grant.json"]).exits(0);
    world.sandbox.revoke_grants(fixtures::HOME_USER);
    world.sandbox.revoke_access_tokens();
    world.run(&[]).exits(77).shows("fault_15_invalid_grant_stops_one_user_only");
    let refreshes =
        || world.sandbox.log().iter().filter(|seen| seen.grant_type.as_deref() == Some("refresh_token")).count();
    assert!(refreshes() <= 1, "not retried");
    assert_eq!(world.rows("SELECT job, state FROM runs ORDER BY job"), [["mine", "failed"], ["x", "complete"]]);
}

#[test]
fn fault_16_processes_share_one_refresh() {
    let world = pages();
    for n in 0..4 {
        world.project.write(&format!("jobs/mine{n}.toml"), "user = \"home\"\n[[fetch]]\nstream = \"saved_tracks\"\n");
    }
    let token = world.sandbox.sign_in(fixtures::HOME_USER, &["user-library-read"], false).refresh_token;
    let grant = serde_json::json!({ "user": "home", "refresh_token": token, "scopes": ["user-library-read"], "client_id": "sandbox-client", "flow": "code" });
    world.project.write("grant.json", format!("{grant}\n"));
    world.cli(&["auth", "import", "grant.json"]).exits(0);
    let all: Vec<_> = (0..4).map(|n| world.spawn(&[&format!("mine{n}")])).collect();
    for child in all {
        ended(child).exits(0);
    }
    let refreshes = world.sandbox.log().into_iter().filter(|seen| seen.grant_type.as_deref() == Some("refresh_token"));
    assert!(refreshes.count() <= 1);
}

#[test]
fn fault_17_broken_answer_costs_one_item() {
    let wanted = undisturbed();
    for action in [FaultAction::CutBody, FaultAction::ShortLength, FaultAction::NoLength, FaultAction::MalformedJson] {
        let (world, name) = (pages(), action.name());
        world.sandbox.inject(Fault::on_path("/v1/playlists/*/tracks", action).with_query("offset=150"));
        world.run(&[]).exits(3);
        let page = |call: &&String| call.contains("/tracks?") && call.contains("offset=150");
        let tried = world.calls().iter().filter(page).count();
        // Five times, then in smaller pages down to one item, which is requested once more at the end.
        assert_eq!(tried, 5 + 5 + 1, "{name}");
        assert_eq!(world.rows("SELECT position, reason FROM skipped_items"), [["150", "unread_item"]], "{name}");
        let items = world.rows("SELECT position, uri FROM playlist_items ORDER BY position");
        let blank: Vec<&str> = items.iter().filter(|row| row[1] == "-").map(|row| row[0].as_str()).collect();
        assert_eq!((items.len(), blank), (260, vec!["150"]), "{name}: the other items are stored");
        assert_eq!(world.csv("tracks.csv").len(), 1, "{name}: the other fetch is complete");
        world.sandbox.clear_faults();
        heals(&world, &wanted);
    }
}

#[test]
fn fault_18_endless_body_uses_little_memory() {
    for action in [FaultAction::EndlessBody, FaultAction::GzipBomb { mib: 512 }] {
        let (world, name) = (pages(), action.name());
        world.sandbox.inject(Fault::on_path("/v1/playlists/*/tracks", action).with_query("offset=100"));
        let mut child = world.spawn(&["-q"]);
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0u64;
        while child.try_wait().unwrap().is_none() {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let kib =
                text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
            peak = peak.max(kib.unwrap_or(0));
            std::thread::sleep(Duration::from_millis(5));
        }
        let ran = ended(child);
        assert!(matches!(ran.code, 1 | 3), "{name}: {} {}", ran.code, ran.stderr);
        assert!(peak < 100 << 10, "{name}: {peak} KiB");
        sound(&world);
    }
}

#[test]
fn fault_19_edited_playlist_is_read_again() {
    for (times, code) in [(2, 0), (50, 3)] {
        let world = pages();
        let id = world
            .sandbox
            .catalog()
            .playlist_ids()
            .into_iter()
            .find(|id| world.sandbox.catalog().expected_rows(id).is_some_and(|rows| rows.len() == 260));
        let id = id.unwrap();
        let edit = serde_json::json!({
            "do": "when_served", "playlist": id, "page": 2, "times": times,
            "edit": {"do": "move", "playlist": id, "from": 0, "count": 1, "to": 200},
        });
        world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
        let ran = world.run(&[]).exits(code);
        if code == 0 {
            let truth = world.sandbox.catalog().expected_rows(&id).unwrap();
            let truth: Vec<String> = truth.into_iter().map(|row| row.uri.unwrap_or_default()).collect();
            assert_eq!(world.column("playlist_items.csv", "uri"), truth);
        } else {
            assert_output("fault_19_edited_playlist_is_read_again", &ran.stderr);
            assert_eq!(world.rows("SELECT reason FROM skipped_items"), [["moved"]]);
            let begun =
                world.calls().iter().filter(|call| call.contains("/tracks?") && call.contains("offset=50")).count();
            assert!(begun <= 3, "{begun} reads");
        }
        sound(&world);
    }
}

#[test]
fn fault_20_clock_jump_moves_no_wait() {
    let job = format!("schedule = \"0 6 * * *\"\n{}", by_ids("tracks", &[fixtures::PLAIN_TRACK]));
    let world = World::extended().job(&job);
    world.run(&["--due"]).exits(0);
    // Spotify's clock is two hours ahead or behind: lifetimes and dates are compared with its own `Date`.
    for offset in [2 * 3_600_000, -2 * 3_600_000] {
        world.sandbox.set_clock_offset(offset);
        world.sandbox.clear_log();
        world.run(&["--due"]).exits(0);
        assert_eq!(world.sandbox.log().len(), 0, "the job is not due again");
        world
            .sandbox
            .inject(Fault::on_path("/v1/tracks*", FaultAction::rate_limited(RetryAfterHeader::DateIn(2))).times(1));
        let began = Instant::now();
        world.run(&["--full"]).exits(0);
        assert!(began.elapsed() < HUNG && began.elapsed() >= Duration::from_secs(1));
    }
}

#[test]
fn extra_1_overlapping_timer_sends_nothing() {
    let world = pages();
    world.sandbox.inject(Fault::on_path("/v1/playlists/*/tracks", FaultAction::Latency { ms: 1_000 }).times(1));
    let first = world.spawn(&[]);
    world.wait_for_calls(2);
    pause(&world, &first);
    let second = world.run(&[]).exits(75).shows("extra_1_overlapping_timer_sends_nothing");
    second.sat_out_nothing();
    signal(&first, "CONT");
    ended(first).exits(0);
    let alone = pages();
    alone.run(&[]).exits(0);
    assert_eq!(world.calls(), alone.calls(), "the second start requested nothing");
}

#[test]
fn extra_2_unresolved_name_exits_1() {
    let world = World::extended().job(&by_ids("tracks", &[fixtures::PLAIN_TRACK]));
    let mut command = world.command(&["run"]);
    command.env("CRATEDIGGER__SPOTIFY__ACCOUNTS_URL", "https://accounts.nowhere.invalid");
    ran(&mut command).exits(1).shows("extra_2_unresolved_name_exits_1");
    world.run(&[]).exits(0);
}

#[test]
fn extra_3_server_without_tls_gets_no_secret() {
    let world = World::extended().job(&by_ids("tracks", &[fixtures::PLAIN_TRACK]));
    let plain = world.sandbox.accounts_url().replace("http://", "https://");
    let mut command = world.command(&["run"]);
    command.env("CRATEDIGGER__SPOTIFY__ACCOUNTS_URL", plain);
    let ran = ran(&mut command).exits(1);
    assert!(!ran.stderr.contains("sandbox-secret"), "{}", ran.stderr);
    assert_eq!(world.sandbox.log().len(), 0);
}

#[test]
fn extra_4_edited_job_changes_the_next_run_only() {
    let world = pages();
    let path = world.project.root().join("jobs/x.toml");
    let before = std::fs::read_to_string(&path).unwrap();
    world.sandbox.inject(Fault::on_path("/v1/playlists/*/tracks", FaultAction::Latency { ms: 700 }).times(1));
    let child = world.spawn(&[]);
    world.wait_for_calls(2);
    std::fs::write(&path, fetch("tracks", "colour = \"red\"")).unwrap();
    ended(child).exits(0);
    assert!(files(&world) == undisturbed());
    world.run(&[]).exits(2).shows("extra_4_edited_job_changes_the_next_run_only");
    std::fs::write(&path, before).unwrap();
    world.run(&[]).exits(0);
    assert_eq!(world.one("SELECT count(DISTINCT job_hash) FROM runs"), "1");
}

#[test]
fn extra_5_stop_commits_the_current_page() {
    let (world, wanted) = (pages(), undisturbed());
    world.sandbox.inject(Fault::on_path("/v1/playlists/*/tracks", FaultAction::Latency { ms: 400 }));
    let child = world.spawn(&[]);
    world.wait_for_calls(3);
    signal(&child, "TERM");
    let ran = ended(child).exits(75);
    assert!(ran.took < Duration::from_secs(40));
    assert!(reached(&world) > 0);
    world.sandbox.clear_faults();
    heals(&world, &wanted);
}

#[test]
fn extra_6_kill_before_first_row_keeps_the_store() {
    if !can_inject() {
        return;
    }
    let wanted = undisturbed();
    for nth in 1..=6 {
        let world = pages();
        world.struck(&["run"], At { calls: "pwrite64", path: Some("output/cratedigger.db"), nth }, Blow::Kill);
        world.cli(&["verify"]).exits(0);
        world.cli(&["history"]).exits(0);
        world.cli(&["jobs"]).exits(0);
        heals(&world, &wanted);
    }
}
