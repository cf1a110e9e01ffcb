//! Times that are not as Spotify documents them.

use serde_json::json;
use spotify_sandbox::fixtures;

use super::odd_fields::{home, set, skipped};
use crate::support::world::{by_ids, fetch};

#[test]
fn times_of_other_types_are_converted() {
    let playlist = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]);
    let world = home(&[fetch("saved_tracks", ""), fetch("recently_played", ""), playlist]);
    let saved = [
        ("/items/0/added_at", json!(1_764_410_000)),
        ("/items/1/added_at", json!("2026-11-29")),
        ("/items/2/added_at", json!("2026-11-29T10:00:00+0000")),
        ("/items/3/added_at", json!("21")),
    ];
    set(&world, "/v1/me/tracks", &saved);
    let plays = [
        ("/items/0/played_at", json!(1_764_410_000_123_i64)),
        ("/items/1/played_at", json!("yesterday")),
        ("/items/2/played_at", json!("2026-11-29T11:30Z")),
    ];
    set(&world, "/v1/me/player/recently-played", &plays);
    set(&world, "/v1/playlists/*", &[("/items/items/0/added_at", json!("2026-11-01 10:00:00"))]);
    world.run(&[]).exits(0);
    let has = |file: &str, column: &str, time: &str| world.column(file, column).iter().any(|it| it == time);
    assert!(has("saved_tracks.csv", "added_at", "2025-11-29T09:53:20Z"));
    assert!(has("saved_tracks.csv", "added_at", "2026-11-29T00:00:00Z"));
    assert!(has("saved_tracks.csv", "added_at", "2026-11-29T10:00:00Z"));
    assert!(has("saved_tracks.csv", "added_at", ""), "a small number is no time");
    let unread = "SELECT count(*) FROM field_notes WHERE path = 'added_at' AND problem = 'unreadable'";
    assert_eq!(world.one(unread), "1");
    assert!(has("recently_played.csv", "played_at", "2025-11-29T09:53:20.123Z"));
    assert!(has("recently_played.csv", "played_at", "2026-11-29T11:30:00.000Z"));
    assert!(has("playlist_items.csv", "added_at", "2026-11-01T10:00:00Z"));
    assert!(!has("recently_played.csv", "played_at", "yesterday"));
    assert!(skipped(&world).iter().any(|(reason, ..)| reason == "malformed"), "a play without a time is no play");
    world.cli(&["verify"]).exits(0);
}
