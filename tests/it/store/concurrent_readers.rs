//! Another program keeps a read transaction open on the store. It blocks no run, it keeps seeing the same
//! data, and the WAL does not grow without limit in the meantime.

use rusqlite::{Connection, OpenFlags};
use spotify_sandbox::{QuotaMode, SandboxOptions};

use crate::support::world::{World, by_ids};

fn world(lists: usize) -> (World, Vec<String>) {
    let options = SandboxOptions {
        mode: QuotaMode::Extended,
        tracks: 2_000,
        playlists: lists,
        playlist_items: 2_000,
        ..SandboxOptions::default()
    };
    let world = World::with(options);
    let ids = world.sandbox.catalog().playlist_ids();
    (world, ids[ids.len() - lists..].to_vec())
}

fn job(ids: &[String]) -> String {
    by_ids("playlist_items", &ids.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A connection in the middle of a read transaction, and a function that counts the rows it sees.
fn reader(world: &World) -> (Connection, impl Fn(&Connection) -> i64) {
    let conn = Connection::open_with_flags(world.database(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    conn.execute_batch("BEGIN").unwrap();
    let sees = |conn: &Connection| conn.query_row("SELECT count(*) FROM playlist_items", [], |row| row.get(0)).unwrap();
    assert_eq!(sees(&conn), 2_000);
    (conn, sees)
}

fn wal_mib(world: &World) -> u64 {
    let mut path = world.database().into_os_string();
    path.push("-wal");
    std::fs::metadata(path).unwrap().len() >> 20
}

#[test]
fn long_reader_blocks_no_run() {
    let (world, ids) = world(3);
    let world = world.job(&job(&ids[..1]));
    world.run(&[]).exits(0);
    let (conn, sees) = reader(&world);
    world.project.write("jobs/x.toml", job(&ids));
    world.run(&[]).exits(0);
    assert_eq!(sees(&conn), 2_000);
    assert_eq!(world.one("SELECT count(*) FROM playlist_items"), "6000");
    drop(conn);
    world.run(&[]).exits(0);
    assert_eq!(wal_mib(&world), 0);
}

#[test]
fn wal_stops_at_its_limit_behind_a_reader() {
    let (world, ids) = world(6);
    let world = world.job(&job(&ids[..1])).settings("[output]\nwal_limit_mib = 2");
    world.run(&[]).exits(0);
    let (conn, sees) = reader(&world);
    world.project.write("jobs/x.toml", job(&ids));
    // How many pages fit below the limit depends on when they are committed.
    let deferred = world.run(&[]).exits(75).says("another program keeps reading it");
    deferred.says("output.wal_limit_mib sets how far it may grow");
    let size = wal_mib(&world);
    assert!((2..8).contains(&size), "{size} MiB");
    assert_eq!(
        world.one("SELECT state || ' ' || (not_before > started_at) FROM runs ORDER BY id DESC LIMIT 1"),
        "deferred 1"
    );
    assert_eq!(sees(&conn), 2_000);

    // While the reader is there, a run makes no call that it could not store, and the WAL does not grow.
    world.new_calls();
    world.run(&[]).exits(75);
    assert_eq!(world.new_calls(), [""; 0]);
    assert!(wal_mib(&world) <= size + 1);

    drop(conn);
    world.run(&[]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM playlist_items"), "12000");
    assert_eq!(world.csv("playlist_items.csv").len(), 12_000);
    assert_eq!(wal_mib(&world), 0);
    world.cli(&["verify"]).exits(0);
}
