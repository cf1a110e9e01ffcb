//! The faults of `docs/reliability.md`, in the order of its table, each with the real binary.
//!
//! After each fault the store passes `verify`. Once the fault is over, the next run ends with the
//! same files as an undisturbed one.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use spotify_sandbox::{Fault, FaultAction, QuotaMode, RetryAfterHeader, SandboxOptions, fixtures};

use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::strace::{At, Blow, can_inject};
use crate::support::world::{HUNG, World, by_ids, ended, fetch, pause, ran, signal};

const WAL: &str = "output/cratedigger.db-wal";

/// A playlist of 260 items on six pages, and a track.
fn pages() -> World {
    pages_after(Duration::ZERO)
}

/// The same with an answering time.
fn pages_after(latency: Duration) -> World {
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

/// Writes to the WAL between the first and the last page, if the store exists already.
const AMID_PAGES: [u32; 4] = [130, 170, 200, 230];

/// Answers that come further apart than pages that share a commit.
const SLOW: Duration = Duration::from_millis(60);

/// The same for a new store, whose creation takes dozens of writes before the first page.
fn with_a_store(latency: Duration) -> World {
    let world = pages_after(latency);
    world.project.write("jobs/y.toml", by_ids("tracks", &[fixtures::PLAIN_TRACK]));
    world.run(&["y"]).exits(0);
    world.new_calls();
    world
}

const FILES: [&str; 2] = ["playlist_items.csv", "tracks.csv"];

fn files(world: &World) -> Vec<Vec<u8>> {
    FILES.iter().map(|file| world.csv_bytes(file)).collect()
}

/// The files of an undisturbed run.
fn undisturbed() -> Vec<Vec<u8>> {
    let world = pages();
    world.run(&[]).exits(0);
    files(&world)
}

/// The store is intact; the files may be older.
fn sound(world: &World) {
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
fn heals(world: &World, wanted: &[Vec<u8>]) {
    sound(world);
    world.run(&[]).exits(0);
    assert!(files(world) == wanted, "the files differ from those of an undisturbed run");
    world.cli(&["verify"]).exits(0);
    for file in std::fs::read_dir(world.project.root().join("output/csv/x")).unwrap() {
        let name = file.unwrap().file_name().to_string_lossy().into_owned();
        assert!(!name.contains(".tmp"), "a stray file: {name}");
    }
}

fn reached(world: &World) -> i64 {
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
fn fault_01_kill_before_commit_costs_one_page() {
    if !can_inject() {
        return;
    }
    let wanted = undisturbed();
    for nth in AMID_PAGES {
        let world = with_a_store(SLOW);
        world.struck(&["run", "x"], At { calls: "pwrite64", path: Some(WAL), nth }, Blow::Kill);
        sound(&world);
        let (reached, answered) = (reached(&world), world.new_calls());
        assert!(reached > 0, "killed at write {nth}, before the first page");
        heals(&world, &wanted);
        let (again, page) = (world.new_calls(), "/tracks?");
        let pages = |calls: &[String]| calls.iter().filter(|call| call.contains(page)).count();
        assert!(
            pages(&answered) + pages(&again) <= 6 + 1,
            "killed at write {nth}, at {reached}: {answered:?} then {again:?}"
        );
    }
}

#[test]
fn kill_costs_the_pages_of_one_commit() {
    if !can_inject() {
        return;
    }
    let wanted = undisturbed();
    for nth in [40, 80, 120] {
        let world = with_a_store(Duration::ZERO);
        world.struck(&["run", "x"], At { calls: "pwrite64", path: Some(WAL), nth }, Blow::Kill);
        sound(&world);
        let (reached, answered) = (reached(&world), world.new_calls().len());
        heals(&world, &wanted);
        // Six pages, the track, the version before and after, and at worst all that came before the kill once more.
        let again = world.new_calls().len();
        assert!(again <= 10, "killed at write {nth}, at {reached}, after {answered} calls: {again} calls");
    }
}

#[test]
fn fault_02_kill_in_commit_is_all_or_nothing() {
    if !can_inject() {
        return;
    }
    let wanted = undisturbed();
    // The first answer has a hundred items, the others have fifty, and the last one has the rest.
    let whole = [0, 100, 150, 200, 250, 260];
    let kept = |calls, nth| {
        let world = with_a_store(SLOW);
        world.struck(&["run", "x"], At { calls, path: Some(WAL), nth }, Blow::Kill);
        sound(&world);
        let in_place: i64 = world.one("SELECT count(*) FROM playlist_items").parse().unwrap();
        let kept = reached(&world).max(in_place);
        heals(&world, &wanted);
        kept
    };
    // At each sync from the beginning of the run to its end: every written page is kept, one after the other.
    let mut at_syncs: Vec<i64> = (1..14).map(|nth| kept("fsync,fdatasync", nth)).collect();
    at_syncs.dedup();
    assert_eq!(at_syncs, whole);
    // At a write, which may be any write of a commit.
    let at_writes: Vec<i64> = AMID_PAGES.into_iter().map(|nth| kept("pwrite64", nth)).collect();
    assert!(at_writes.iter().all(|kept| whole.contains(kept)), "{at_writes:?}");
    assert!(at_writes.is_sorted() && at_writes[0] < at_writes[AMID_PAGES.len() - 1], "{at_writes:?}");
}

#[test]
fn fault_03_kill_in_csv_write_keeps_the_old_csv() {
    if !can_inject() {
        return;
    }
    let world = pages();
    world.run(&[]).exits(0);
    let (before, wanted) = (files(&world), undisturbed());
    for calls in ["renameat,renameat2", "fchmod"] {
        std::fs::write(world.csv_path("tracks.csv"), "gone wrong\n").unwrap();
        world.struck(&["verify", "--rewrite-csv"], At { calls, path: None, nth: 1 }, Blow::Kill);
        assert_eq!(world.csv_bytes("playlist_items.csv"), before[0]);
        assert_eq!(world.csv_bytes("tracks.csv"), b"gone wrong\n", "killed at {calls}");
        assert!(world.cli(&["verify"]).exits(74).stdout.contains("the next export removes it"));
        world.cli(&["verify", "--rewrite-csv"]).exits(0);
        heals(&world, &wanted);
    }
}

#[test]
fn fault_04_kill_after_csv_rename_is_recorded() {
    if !can_inject() {
        return;
    }
    let (world, wanted) = (pages(), undisturbed());
    // The third renamed file is the data package.
    world.struck(&["run"], At { calls: "renameat,renameat2", path: None, nth: 3 }, Blow::Kill);
    assert!(world.csv_path("tracks.csv").exists() && !world.csv_path("datapackage.json").exists());
    let inode = |file: &str| std::fs::metadata(world.csv_path(file)).unwrap().ino();
    let before = FILES.map(inode);
    heals(&world, &wanted);
    assert_eq!(FILES.map(inode), before, "unchanged files are not written again");
}

#[test]
fn fault_05_page_is_synced_before_the_next() {
    if !can_inject() {
        return;
    }
    // A test cannot cut the power. It can show that whenever a page is requested, everything is synced that was written
    // to the WAL before the previous page was requested.
    let world = pages_after(SLOW);
    let none = At { calls: "fsync,fdatasync,pwrite64,write,writev,sendto", path: None, nth: 60_000 };
    world.struck_once(&["run"], none, "EIO").exits(0);
    let log = world.strace_log();
    let (mut written, mut written_before, mut synced, mut asked) = (false, false, 0, 0);
    for line in log.lines() {
        let of_the_wal = line.contains("cratedigger.db-wal>");
        if of_the_wal && line.contains("pwrite64(") {
            written = true;
        } else if of_the_wal && line.contains("sync(") && written {
            (written, written_before, synced) = (false, false, synced + 1);
        } else if line.contains("GET /v1/playlists/") {
            assert!(!written_before, "requested before the page before last was synced: {line}\n{log}");
            written_before = written;
            asked += 1;
        }
    }
    let commits = 1 + 6 + 2;
    assert!(synced >= commits, "{synced} syncs for {commits} commits:\n{log}");
    assert!(asked >= 6, "{asked} pages:\n{log}");
    assert!(!written, "the last write is synced, too");
    let pragma: i64 = rusqlite::Connection::open(world.database())
        .unwrap()
        .pragma_query_value(None, "synchronous", |r| r.get(0))
        .unwrap();
    assert_eq!(pragma, 2, "FULL is also what the file asks for");
}

#[test]
fn fault_06_full_disk_keeps_earlier_pages() {
    let wanted = undisturbed();
    // A limit on file sizes fails like a full disk and needs no strace.
    let world = pages();
    let script = format!("trap '' XFSZ; ulimit -f 500; exec {} run", env!("CARGO_BIN_EXE_cratedigger"));
    let mut command = std::process::Command::new("bash");
    command.args(["-c", &script]).current_dir(world.project.root()).env_clear().env("HOME", world.project.root());
    command.env("SPOTIFY_CLIENT_ID", "sandbox-client").env("SPOTIFY_CLIENT_SECRET", "sandbox-secret");
    ran(&mut command).exits(74).shows("fault_06_full_disk_keeps_earlier_pages");
    heals(&world, &wanted);
    if !can_inject() {
        return;
    }
    let mut kept = Vec::new();
    for nth in AMID_PAGES {
        let world = with_a_store(SLOW);
        let at = At { calls: "pwrite64", path: Some(WAL), nth };
        let ran = world.struck(&["run", "x"], at, Blow::Fails("ENOSPC"));
        ran.exits(74).shows("fault_06_full_disk_keeps_earlier_pages_2");
        sound(&world);
        // Committed pages are kept, whichever page found the disk full, and they are not requested again.
        let reached = reached(&world);
        assert!(reached > 0 && reached % 50 == 0, "full at write {nth}: {reached}");
        kept.push(reached);
        world.new_calls();
        heals(&world, &wanted);
        let again = world.new_calls();
        let offset = |call: &String| call.split("offset=").nth(1)?.split('&').next()?.parse().ok();
        let first: i64 = again.iter().filter_map(offset).min().unwrap_or(260);
        assert!(first >= reached, "full at write {nth}, at {reached}: {again:?}");
    }
    assert!(kept[0] < kept[AMID_PAGES.len() - 1], "{kept:?}");
}

#[test]
fn fault_07_full_disk_keeps_csv_and_rows() {
    if !can_inject() {
        return;
    }
    let wanted = undisturbed();
    let world = pages();
    world.run(&[]).exits(0);
    // A full disk shows when bytes are written or synced, or when a file is renamed.
    for calls in ["write", "fsync", "renameat,renameat2"] {
        std::fs::write(world.csv_path("playlist_items.csv"), "old\n").unwrap();
        let ran = world.struck_once(&["export"], At { calls, path: None, nth: 1 }, "ENOSPC");
        let struck = world.strace_log().lines().find(|line| line.contains("INJECTED")).map(str::to_owned);
        assert!(struck.is_some_and(|line| line.contains("output/csv/x")), "{calls}: {}", world.strace_log());
        ran.exits(74).shows("fault_07_full_disk_keeps_csv_and_rows");
        assert_eq!(world.csv_bytes("playlist_items.csv"), b"old\n");
        sound(&world);
        world.cli(&["export"]).exits(0);
        heals(&world, &wanted);
    }
}

#[test]
fn fault_08_failed_fsync_ends_the_run() {
    if !can_inject() {
        return;
    }
    let wanted = undisturbed();
    for nth in [3, 5, 7] {
        let world = pages_after(SLOW);
        let at = At { calls: "fsync,fdatasync", path: Some(WAL), nth };
        let ran = world.struck_once(&["run"], at, "EIO").exits(74);
        assert_output("fault_08_failed_fsync_ends_the_run", &ran.stderr);
        let log = world.strace_log();
        let failed = log.lines().position(|line| line.contains("(INJECTED)")).unwrap();
        assert_eq!(log.lines().skip(failed + 1).filter(|line| line.contains("sync(")).count(), 0, "{log}");
        heals(&world, &wanted);
        assert_eq!(
            world.one("SELECT count(*) FROM playlist_items"),
            world.one("SELECT count(DISTINCT position) FROM playlist_items")
        );
    }
    let world = pages();
    world.struck_once(&["run"], At { calls: "fsync", path: Some("output/csv/x"), nth: 1 }, "EIO").exits(74);
    heals(&world, &wanted);
}

#[test]
fn fault_09_unwritable_output_sends_no_call() {
    for (setting, named) in
        [("csv_dir = \"/proc/nowhere/csv\"", "/proc/nowhere"), ("database = \"/proc/nowhere/x.db\"", "/proc/nowhere")]
    {
        let world = pages().settings(&format!("[output]\n{setting}"));
        world.run(&[]).exits(74).says(named).shows("fault_09_unwritable_output_sends_no_call");
        assert_eq!(world.sandbox.log().len(), 0, "{setting}");
    }
    if can_inject() {
        // What the kernel reports about the disk: an NFS share; 4 KiB blocks, of which a thousand are free.
        let poked =
            |words: &[u64]| words.iter().flat_map(|w| w.to_le_bytes()).map(|b| format!("{b:02x}")).collect::<String>();
        for (kernel, said) in [
            (poked(&[0x6969]), "network file system"),
            (poked(&[0xef53, 4096, 1_000_000, 1_000, 1_000]), "4096000 bytes"),
        ] {
            let world = pages();
            std::fs::create_dir(world.project.root().join("output")).unwrap();
            let at = At { calls: "statfs", path: Some("output"), nth: 1 };
            world
                .with_kernel_answer(&["run"], at, &format!("poke_exit=@arg2={kernel}"))
                .exits(74)
                .says(said)
                .shows("fault_09_unwritable_output_sends_no_call_2");
            assert_eq!(world.sandbox.log().len(), 0, "{said}");
        }
    }
    // The output folder vanishes, as with an unmounted disk: it is missing, empty, or replaced by a file.
    let world = pages();
    let every_minute = format!("schedule = \"* * * * *\"\n{}", by_ids("tracks", &[fixtures::PLAIN_TRACK]));
    world.project.write("jobs/y.toml", every_minute);
    world.run(&[]).exits(0);
    let (output, aside) = (world.project.root().join("output"), world.project.root().join("aside"));
    let is_refused = || {
        world.sandbox.clear_log();
        // A timer reports a lasting problem once.
        world.run(&["--due"]).exits(74);
        for args in [&["run"][..], &["run", "x"], &["plan", "x"], &["doctor", "--offline"]] {
            let ran = world.cli(args).exits(74);
            let said = ran.stdout + &ran.stderr;
            assert_output("fault_09_unwritable_output_sends_no_call_3", &said);
        }
        assert_eq!(world.sandbox.log().len(), 0, "before the first call");
        assert!(!output.join("cratedigger.db").exists(), "no store is created");
    };
    std::fs::rename(&output, &aside).unwrap();
    is_refused();
    std::fs::create_dir(&output).unwrap();
    is_refused();
    std::fs::remove_dir(&output).unwrap();
    std::fs::write(&output, "a file").unwrap();
    world.run(&[]).exits(74).shows("fault_09_unwritable_output_sends_no_call_4");
    assert_eq!(world.sandbox.log().len(), 0);
    std::fs::remove_file(&output).unwrap();
    // The folder is back, and nothing was lost or read twice. A project that was moved takes its store along.
    std::fs::rename(&aside, &output).unwrap();
    world.run(&["x"]).exits(0).shows("fault_09_unwritable_output_sends_no_call_5");
    // A new store can also be started on purpose.
    std::fs::remove_dir_all(&output).unwrap();
    world.run(&["--full"]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM playlist_items"), "260");
    world.run(&[]).exits(0);
}

#[test]
fn fault_10_corrupted_page_is_refused_at_start() {
    let world = pages();
    world.run(&[]).exits(0);
    let mut bytes = std::fs::read(world.database()).unwrap();
    for page in 3..bytes.len() / 4096 {
        bytes[page * 4096..page * 4096 + 64].fill(0xa5);
    }
    std::fs::write(world.database(), &bytes).unwrap();
    world.sandbox.clear_log();
    world.run(&[]).exits(74).shows("fault_10_corrupted_page_is_refused_at_start");
    assert_eq!(std::fs::read(world.database()).unwrap(), bytes);
    assert_eq!(world.sandbox.log().len(), 0);
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
fn fault_17_broken_answer_stores_nothing() {
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
    assert!(ran.took < Duration::from_secs(10));
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
