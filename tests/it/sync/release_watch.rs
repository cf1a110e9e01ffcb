//! The shipped job that tells what is new.

use serde_json::{Value, json};
use spotify_sandbox::{Fault, FaultAction, fixtures};

use crate::support::world::World;

/// The shipped job for one artist.
fn watch() -> World {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/release-watch.toml");
    let text = std::fs::read_to_string(shipped).unwrap();
    let ids = format!("ids = [\"{}\"]", fixtures::BUSY_ARTIST);
    World::extended().job(&text.replace("ids_file = \"artists.csv\"", &ids))
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
