//! The shipped job that tells what is new.

use serde_json::{Value, json};
use spotify_sandbox::{Fault, FaultAction, fixtures};

use crate::support::world::World;

/// The shipped job for one artist.
fn watch() -> World {
    watch_in(World::extended())
}

fn watch_in(world: World) -> World {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/release-watch.toml");
    let text = std::fs::read_to_string(shipped).unwrap();
    let ids = format!("ids = [\"{}\"]", fixtures::BUSY_ARTIST);
    world.job(&text.replace("ids_file = \"artists.csv\"", &ids).replace("new-releases-{date}.csv", "new-releases.csv"))
}

/// From now on, these are the artist's albums.
fn release(world: &World, albums: &[(&str, &str)]) {
    world.sandbox.clear_faults();
    let album = |(id, date): &(&str, &str)| json!({ "id": id, "name": id, "type": "album", "release_date": date });
    let answer = |items: Vec<Value>| {
        let json = json!({ "items": items, "total": items.len(), "limit": 50, "offset": 0, "next": null });
        FaultAction::Answer { code: 200, json }
    };
    let path = format!("/v1/artists/{}/albums", fixtures::BUSY_ARTIST);
    let all = answer(albums.iter().map(album).collect());
    world.sandbox.inject(Fault::on_path(&path, all).with_query("include_groups=album"));
    world.sandbox.inject(Fault::on_path(&path, answer(Vec::new())).with_query("include_groups=single"));
}

#[test]
fn new_means_first_seen_whatever_the_date() {
    let world = watch();
    let old = (fixtures::LONG_ALBUM, "2020-01-01");
    let new = (fixtures::EDGE_CASE_ALBUM, "1999");
    release(&world, &[old]);
    for _ in 0..2 {
        world.run(&[]).exits(0);
        assert!(world.csv("new-releases.csv").is_empty(), "the first read is the baseline");
    }
    release(&world, &[old, new]);
    // A run whose file is not written tells nothing, and loses nothing.
    let file = world.csv_path("new-releases.csv");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    assert_ne!(world.run(&[]).code, 0);
    std::fs::remove_dir(&file).unwrap();
    world.run(&[]).exits(0);
    assert_eq!(world.csv("new-releases.csv").len(), 1, "in the next file");
    world.cli(&["export"]).exits(0);
    assert_eq!(world.csv("new-releases.csv").len(), 1, "the same file again");
    world.run(&[]).exits(0);
    assert!(world.csv("new-releases.csv").is_empty(), "and not repeated");
    world.cli(&["verify"]).exits(0);
}

/// The names in the file of new releases.
fn told(world: &World, file: &str) -> Vec<String> {
    let mut names = world.column(file, "album_name");
    names.sort_unstable();
    names
}

fn name_of(world: &World, album: &str) -> String {
    world.one(&format!("SELECT name FROM albums WHERE id = '{album}'"))
}

#[test]
fn partial_run_repeats_and_loses_nothing() {
    let world = watch_in(World::development());
    let [first, second] = [fixtures::LONG_ALBUM, fixtures::EDGE_CASE_ALBUM];
    release(&world, &[]);
    world.run(&[]).exits(0);
    // One of two new albums cannot be read: the file tells of it what the list of releases says.
    release(&world, &[(first, "2026-11-01"), (second, "2026")]);
    world.sandbox.inject(Fault::on_path(&format!("/v1/albums/{second}"), FaultAction::status(500)));
    world.run(&[]).exits(3);
    let mut both = vec![name_of(&world, first), name_of(&world, second)];
    both.sort_unstable();
    assert_eq!(told(&world, "new-releases.csv"), both);
    // The next run reads it and does not tell it again.
    release(&world, &[(first, "2026-11-01"), (second, "2026")]);
    world.run(&[]).exits(0);
    assert!(world.csv("new-releases.csv").is_empty());
    // A run whose list cannot be read tells nothing of it, and the next one does.
    let third = world.sandbox.catalog().ids()["albums"][2].as_str().unwrap().to_owned();
    release(&world, &[(first, "2026-11-01"), (second, "2026"), (&third, "1990-01")]);
    world.sandbox.clear_faults();
    world.sandbox.inject(Fault::on_path("/v1/artists/*/albums", FaultAction::status(500)));
    assert_ne!(world.run(&[]).code, 0);
    release(&world, &[(first, "2026-11-01"), (second, "2026"), (&third, "1990-01")]);
    world.run(&[]).exits(0);
    assert_eq!(told(&world, "new-releases.csv"), [name_of(&world, &third)]);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn second_run_of_a_day_keeps_the_rows() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/release-watch.toml");
    let text = std::fs::read_to_string(shipped).unwrap();
    let ids = format!("ids = [\"{}\"]", fixtures::BUSY_ARTIST);
    let text = text.replace("ids_file = \"artists.csv\"", &ids).replace("new-releases-{date}.csv", "new/{date}.csv");
    let cases =
        [("new ones", text.clone()), ("all so far", text.replace(":last_file_at", "coalesce(:last_file_at, '')"))];
    for (case, text) in cases {
        let world = World::extended().job(&text);
        let [first, second] = [fixtures::LONG_ALBUM, fixtures::EDGE_CASE_ALBUM];
        release(&world, &[]);
        // The file of today, which is the only one so far.
        let run = |world: &World| {
            world.run(&[]).exits(0);
            let folder = world.csv_path("new");
            let names = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
            format!("new/{}", names.last().unwrap().to_str().unwrap())
        };
        let file = run(&world);
        assert!(world.csv(&file).is_empty(), "{case}");
        release(&world, &[(first, "2026-11-01")]);
        run(&world);
        release(&world, &[(first, "2026-11-01"), (second, "2026")]);
        for _ in 0..2 {
            run(&world);
            let mut both = vec![name_of(&world, first), name_of(&world, second)];
            both.sort_unstable();
            assert_eq!(told(&world, &file), both, "{case}");
        }
        // As if that file were the one of an earlier day.
        let store = rusqlite::Connection::open(world.database()).unwrap();
        store.execute("UPDATE file_marks SET path = 'new/2020-01-01.csv'", []).unwrap();
        drop(store);
        run(&world);
        assert!(world.csv(&file).is_empty(), "{case}");
        world.cli(&["verify"]).exits(0);
    }
}

#[test]
fn failed_details_stay_due() {
    let world = watch();
    let (old, new) = ((fixtures::LONG_ALBUM, "2020-01-01"), (fixtures::EDGE_CASE_ALBUM, "1999"));
    release(&world, &[old]);
    world.run(&[]).exits(0);
    release(&world, &[new, old]);
    world.sandbox.inject(Fault::on_path("/v1/albums*", FaultAction::status(500)));
    world.sandbox.inject(Fault::on_path("/v1/albums/*", FaultAction::status(500)));
    for _ in 0..2 {
        world.run(&[]).exits(3);
    }
    release(&world, &[new, old]);
    let details = |world: &World| world.new_calls().iter().filter(|call| call.starts_with("/albums")).count();
    world.new_calls();
    world.run(&[]).exits(0);
    assert_eq!(details(&world), 1);
    assert_ne!(world.one(&format!("SELECT upc FROM albums WHERE id = '{}'", fixtures::EDGE_CASE_ALBUM)), "-");
    // Once it is read, it is due no more.
    world.run(&[]).exits(0);
    assert_eq!(details(&world), 0);
}
