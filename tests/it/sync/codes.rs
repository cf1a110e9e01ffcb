//! Jobs that name tracks and albums by ISRC or UPC instead of an id.

use crate::support::snapshot::Shows as _;
use crate::support::world::{World, fetch};

/// UPC of the album that the sandbox's plain track is on.
const UPC: &str = "0602445790098";

#[test]
fn upc_names_an_album_in_every_stream() {
    for stream in ["albums", "album_tracks"] {
        let world = World::extended().job(&fetch(stream, &format!("ids = [\"upc:{UPC}\", \"upc:00000000\"]")));
        let ran = world.run(&[]).exits(3).shows("upc_names_an_album_in_every_stream");
        assert!(!world.csv(&format!("{stream}.csv")).is_empty(), "{stream}: {}", ran.stderr);
        world.run(&[]).exits(0);
    }
}
