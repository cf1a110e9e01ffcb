//! Items of another kind than their list, as a track among albums: each is skipped with a reason, and none becomes a
//! row under an id of another kind. Null in place of a list of items is no empty list.

use serde_json::{Value, json};
use spotify_sandbox::{Fault, FaultAction, fixtures};

use super::odd_fields::{discography, home, set, skipped};
use crate::support::world::{World, by_ids, fetch};

fn object(kind: &str) -> Value {
    let id = "0SandboxOtherKind00000";
    json!({"id": id, "uri": format!("spotify:{kind}:{id}"), "type": kind, "name": "Other"})
}

#[test]
fn ignored_groups_repeat_no_release() {
    let lines = format!("ids = [\"{}\"]\ninclude_groups = [\"album\", \"single\"]", fixtures::BUSY_ARTIST);
    let job = fetch("artist_albums", &lines);
    let releases = |world: &World| {
        let groups = world.column("artist_albums.csv", "album_group");
        groups.into_iter().zip(world.column("artist_albums.csv", "album_id")).collect::<Vec<_>>()
    };
    let truth = World::extended().job(&job);
    truth.run(&[]).exits(0);
    let truth = releases(&truth);
    let ignored = || {
        let action = FaultAction::IgnoredParameter { name: "include_groups".to_owned() };
        Fault::on_path("/v1/artists/*/albums", action)
    };
    // At the first read, and once the groups are known.
    for is_known in [false, true] {
        let world = World::extended().job(&job);
        if is_known {
            world.run(&[]).exits(0);
        }
        world.sandbox.inject(ignored());
        for _ in 0..2 {
            world.run(&["--full"]).exits(0);
            assert!(releases(&world) == truth, "{is_known}");
            assert!(skipped(&world).iter().any(|(reason, ..)| reason == "other_group"), "{is_known}");
            world.cli(&["verify"]).exits(0);
        }
        world.sandbox.clear_faults();
        world.run(&["--full"]).exits(0);
        assert!(releases(&world) == truth, "{is_known}");
    }
}

#[test]
fn item_of_another_kind_is_no_row() {
    let artist = format!("ids = [\"{}\"]\ninclude_groups = [\"album\"]", fixtures::BUSY_ARTIST);
    let show = format!("ids = [\"{}\"]", fixtures::SHOW);
    let search = "query = \"a\"\ntypes = [\"album\"]\nmax_results = 10";
    let table = [
        ("saved_albums", "", "/v1/me/albums", "/items/1/album", "track"),
        ("saved_tracks", "", "/v1/me/tracks", "/items/1/track", "episode"),
        ("saved_shows", "", "/v1/me/shows", "/items/1/show", "episode"),
        ("followed_artists", "", "/v1/me/following", "/artists/items/1", "user"),
        ("my_playlists", "", "/v1/me/playlists", "/items/1", "album"),
        ("artist_albums", &artist, "/v1/artists/*/albums", "/items/1", "track"),
        ("show_episodes", &show, "/v1/shows/*/episodes", "/items/1", "track"),
        ("search", search, "/v1/search", "/albums/items/1", "track"),
    ];
    let all = home(&table.map(|(stream, lines, ..)| fetch(stream, lines)));
    all.run(&[]).exits(0);
    let world = home(&table.map(|(stream, lines, ..)| fetch(stream, lines)));
    for (_, _, path, at, kind) in table {
        let action = FaultAction::set(at, object(kind));
        let first = Fault::on_path(path, action);
        world.sandbox.inject(match path {
            "/v1/me/following" => first.times(1),
            "/v1/search" => first,
            _ => first.with_query("offset=0"),
        });
    }
    world.run(&[]).exits(0);
    let count = |world: &World, stream: &str| world.csv(&format!("{stream}.csv")).len();
    for (stream, ..) in table {
        assert_eq!(count(&world, stream) + 1, count(&all, stream), "{stream}");
    }
    let noted = skipped(&world).into_iter().filter(|(reason, ..)| reason == "other_kind").count();
    assert_eq!(noted, table.len());
    for kind in ["albums", "artists", "tracks", "shows", "episodes", "playlists"] {
        let sql = format!("SELECT count(*) FROM {kind} WHERE id = '0SandboxOtherKind00000'");
        assert_eq!(world.one(&sql), "0", "{kind}");
    }
    world.cli(&["verify"]).exits(0);
    // What was known of the place stays.
    let name = |world: &World| world.column("saved_albums.csv", "album_id");
    world.sandbox.clear_faults();
    world.run(&["--full"]).exits(0);
    let known = name(&world);
    world.sandbox.inject(Fault::on_path("/v1/me/albums", FaultAction::set("/items/1/album", object("track"))));
    world.run(&["--full"]).exits(0);
    assert_eq!(name(&world), known);
    world.cli(&["verify"]).exits(0);
}

#[test]
fn null_in_place_of_items_empties_nothing() {
    let playlist = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]);
    let streams = ["saved_tracks", "saved_albums", "followed_artists"];
    let fetches: Vec<String> = streams.iter().map(|stream| fetch(stream, "")).collect();
    let world = home(&[&fetches[..], &[discography(), playlist]].concat());
    world.run(&[]).exits(0);
    let files = ["saved_tracks", "saved_albums", "followed_artists", "artist_albums", "playlist_items"];
    let rows = |world: &World| files.map(|file| world.csv(&format!("{file}.csv")).len());
    let before = rows(&world);
    let at = |path: &str| if path.ends_with("following") { "/artists/items" } else { "/items" };
    for path in ["/v1/me/tracks", "/v1/me/albums", "/v1/me/following", "/v1/artists/*/albums", "/v1/playlists/*/items"]
    {
        set(&world, path, &[(at(path), Value::Null)]);
    }
    set(&world, "/v1/playlists/*", &[("/items/items", Value::Null)]);
    world.run(&["--full"]).exits(3);
    assert_eq!(rows(&world), before);
    world.cli(&["verify"]).exits(0);
    world.sandbox.clear_faults();
    world.run(&[]).exits(0);
    assert_eq!(rows(&world), before);
}
