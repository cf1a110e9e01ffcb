//! `find` shows in which playlists and libraries a song is.

use spotify_sandbox::fixtures;

use crate::support::snapshot::assert_output;
use crate::support::world::World;
use crate::sync::users::both;

#[test]
fn song_is_found_in_playlists_and_libraries() {
    let job = format!(
        "users = [\"home\", \"studio\"]\n[[fetch]]\nstream = \"saved_tracks\"\n[[fetch]]\nstream = \"playlist_items\"\nids = [\"{}\"]\n",
        fixtures::EDGE_CASE_PLAYLIST
    );
    let world = both(World::extended().job(&job));
    world.run(&["x"]).exits(0);
    let find = |words: &[&str]| world.cli(&[&["--json", "find"], words].concat()).exits(0).json()["found"].clone();
    let places = |words: &[&str]| find(words).as_array().unwrap().len();
    // Each saved track is found by its title and first artist, in every library that has it.
    let track = world.one("SELECT track_id FROM saved_tracks WHERE position = 0 AND removed_at IS NULL LIMIT 1");
    let lists = world.one(&format!(
        "SELECT (SELECT count(*) FROM saved_tracks WHERE track_id = '{track}' AND removed_at IS NULL)
              + (SELECT count(*) FROM playlist_items WHERE track_id = '{track}')"
    ));
    for text in [track.clone(), format!("spotify:track:{track}"), format!("https://open.spotify.com/track/{track}")] {
        assert_eq!(places(&[&text]).to_string(), lists, "{text}");
    }
    let isrc = world.one(&format!("SELECT isrc FROM tracks WHERE id = '{track}'"));
    assert!(places(&[&isrc]) > 0);
    // Words in any order and case, also beyond ASCII, and in local files.
    let odd = find(&["brücke", "STRAY"]);
    assert!(
        odd.as_array().unwrap().iter().any(|it| it["list"] == "playlist" && it["title"] == "Stray Compass"),
        "{odd}"
    );
    assert!(places(&["НОЧНОЙ", "compass"]) > 0 && places(&["salt & pepper rain"]) > 0);
    assert_eq!(places(&["no such song anywhere"]), 0);
    assert!(places(&["%"]) < places(&["a"]), "a percent sign is only a character");
    assert_output("song_is_found_in_playlists", &world.cli(&["find", "Stray", "Compass"]).exits(0).stdout);
    assert_output("song_is_in_no_list", &world.cli(&["find", "no such song"]).exits(0).stdout);
}
