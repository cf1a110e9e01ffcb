//! The first ten faults of `docs/reliability.md`, in the order of its table: kills, power cuts, and disks that are full, broken
//! or gone. After each fault the store passes `verify`, and the next run ends with the files of an undisturbed one.

use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use spotify_sandbox::{Fault, FaultAction, fixtures};

use super::faults_table::{FILES, files, heals, pages, pages_after, reached, sound, undisturbed};
use crate::support::snapshot::{Shows as _, assert_output};
use crate::support::strace::{At, Blow, can_inject};
use crate::support::world::{World, by_ids, ran};

const WAL: &str = "output/cratedigger.db-wal";

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

/// The offset that a request of a page names.
fn offset_of(call: &str) -> Option<i64> {
    call.split("offset=").nth(1)?.split('&').next()?.parse().ok()
}

#[test]
fn fault_01_kill_before_commit_costs_one_page() {
    if !can_inject() {
        return;
    }
    let wanted = undisturbed();
    for nth in AMID_PAGES {
        let world = with_a_store(SLOW);
        let ran = world.struck(&["run", "x"], At { calls: "pwrite64", path: Some(WAL), nth }, Blow::Kill);
        assert_eq!(ran.code, -1, "killed at write {nth}");
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
    let mut kept = Vec::new();
    for nth in [60, 120, 160, 190] {
        // Pages come at once and share a commit, except for a pause before the one at 150, which ends a commit.
        let world = with_a_store(Duration::ZERO);
        let pause = FaultAction::Latency { ms: 400 };
        world.sandbox.inject(Fault::on_path("/v1/playlists/*/tracks", pause).with_query("offset=150").times(1));
        let ran = world.struck(&["run", "x"], At { calls: "pwrite64", path: Some(WAL), nth }, Blow::Kill);
        assert_eq!(ran.code, -1, "killed at write {nth}");
        sound(&world);
        let reached = reached(&world);
        kept.push(reached);
        world.sandbox.clear_faults();
        // The page at 200 is requested after the pause, when the pages before it are committed.
        let is_after_pause = world.new_calls().iter().filter_map(|call| offset_of(call)).any(|offset| offset >= 200);
        assert!(!is_after_pause || reached >= 150, "killed at write {nth}, at {reached}");
        heals(&world, &wanted);
        // Only the pages after the checkpoint are requested again.
        let again: Vec<i64> = world.new_calls().iter().filter_map(|call| offset_of(call)).collect();
        assert!(again.iter().all(|offset| *offset >= reached), "killed at write {nth}, at {reached}: {again:?}");
    }
    assert!(kept.iter().any(|kept| *kept > 0), "{kept:?}");
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
        let first: i64 = again.iter().filter_map(|call| offset_of(call)).min().unwrap_or(260);
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
