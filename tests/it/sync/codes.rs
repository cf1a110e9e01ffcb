//! Codes in place of ids.

use crate::support::world::{World, fetch};

/// UPC of the album that the sandbox's plain track is on.
const UPC: &str = "0602445790098";

#[test]
fn a_upc_stands_for_an_album_wherever_albums_are_asked_for() {
    for stream in ["albums", "album_tracks"] {
        let world = World::extended().job(&fetch(stream, &format!("ids = [\"upc:{UPC}\", \"upc:00000000\"]")));
        let ran = world.run(&[]).exits(3).says("upc:00000000");
        assert!(!world.csv(&format!("{stream}.csv")).is_empty(), "{stream}: {}", ran.stderr);
        world.run(&[]).exits(0);
    }
}
