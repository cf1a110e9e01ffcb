//! Null and empty values: which of them replace what was known.

use serde_json::{Value, json};
use spotify_sandbox::{Fault, FaultAction, fixtures};

use super::odd_fields::set;
use super::users::signed_in;
use crate::support::world::{Row, World, by_ids, fetch};

/// The row with this id in a file.
fn row_of(world: &World, file: &str, column: &str, id: &str) -> Row {
    world.csv(file).into_iter().find(|row| row[column] == id).unwrap()
}

#[test]
fn blanks_of_each_kind_keep_known_values() {
    let fetches = [
        fetch("me", ""),
        by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]),
        by_ids("playlists", &[fixtures::HOME_PLAYLIST]),
        by_ids("artists", &[fixtures::BUSY_ARTIST]),
        by_ids("albums", &[fixtures::LONG_ALBUM]),
        by_ids("tracks", &[fixtures::PLAIN_TRACK]),
        by_ids("shows", &[fixtures::SHOW]),
        by_ids("episodes", &[fixtures::EPISODE]),
    ];
    let job = format!("user = \"home\"\nmarket = \"US\"\n{}", fetches.concat());
    let world = signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)]);
    let local = |duration: i64| {
        json!({"type": "track", "id": null, "uri": "spotify:local:A:B:Song:10", "name": "Song", "is_local": true,
            "duration_ms": duration, "artists": [{"name": "A"}], "album": {"name": "B"}})
    };
    let (description, playlist) = ("/description", "/v1/playlists/*");
    set(&world, playlist, &[("/items/items/0/item", local(9_000)), (description, json!("Songs"))]);
    let known_values: [(&str, &[(&str, Value)]); 6] = [
        ("/v1/me", &[("/product", json!("premium")), ("/country", json!("DE"))]),
        ("/v1/artists/*", &[("/popularity", json!(7))]),
        ("/v1/albums/*", &[("/popularity", json!(8)), ("/label", json!("Label"))]),
        ("/v1/tracks/*", &[("/popularity", json!(9))]),
        ("/v1/shows/*", &[(description, json!("About"))]),
        ("/v1/episodes/*", &[(description, json!("About")), ("/show/description", json!("About"))]),
    ];
    for (path, values) in &known_values {
        set(&world, path, values);
    }
    world.run(&["--full"]).exits(0);
    let cells = || {
        let one = |table: &str, column: &str, id: &str| {
            world.one(&format!("SELECT coalesce({column}, '-') FROM {table} WHERE id = '{id}'"))
        };
        let home = row_of(&world, "playlist_items.csv", "uri", "spotify:local:A:B:Song:10");
        [
            home["duration_ms"].clone(),
            one("users", "product", fixtures::HOME_USER),
            one("users", "country", fixtures::HOME_USER),
            one("artists", "popularity", fixtures::BUSY_ARTIST),
            one("albums", "popularity", fixtures::LONG_ALBUM),
            one("albums", "label", fixtures::LONG_ALBUM),
            one("tracks", "popularity", fixtures::PLAIN_TRACK),
            one("shows", "description", fixtures::SHOW),
            one("episodes", "description", fixtures::EPISODE),
            one("playlists", "description", fixtures::HOME_PLAYLIST),
        ]
    };
    let known = cells();
    let expected = ["9000", "premium", "DE", "7", "8", "Label", "9", "About", "About", "Songs"];
    assert_eq!(known, expected);
    for (empty, blank_name) in [(Value::Null, false), (json!(""), true)] {
        world.sandbox.clear_faults();
        let name = if blank_name { json!("") } else { json!("Home") };
        set(&world, playlist, &[("/items/items/0/item", local(0)), (description, empty.clone()), ("/name", name)]);
        for (path, values) in &known_values {
            let blank = |at: &str| if at == "/popularity" { Value::Null } else { empty.clone() };
            let values: Vec<(&str, Value)> = values.iter().map(|(at, _)| (*at, blank(at))).collect();
            set(&world, path, &values);
        }
        world.run(&["--full"]).exits(0);
        assert_eq!(cells(), known, "{empty}");
    }
    // A playlist with a name and an empty description has none: its owner may have emptied it.
    world.sandbox.clear_faults();
    set(&world, playlist, &[(description, json!("")), ("/name", json!("Home"))]);
    world.run(&["--full"]).exits(0);
    let description = format!("SELECT description FROM playlists WHERE id = '{}'", fixtures::HOME_PLAYLIST);
    assert_eq!(world.one(&description), "");
}

#[test]
fn blank_audiobook_keeps_its_texts() {
    let world = World::extended().job(&format!("market = \"US\"\n{}", by_ids("audiobooks", &[fixtures::AUDIOBOOK])));
    let texts = "SELECT description, html_description, edition, media_type FROM audiobooks";
    let spoil = |value: Value| {
        for path in ["/v1/audiobooks/*", "/v1/audiobooks"] {
            let prefix = if path.ends_with('*') { "" } else { "/audiobooks/*" };
            let fields = ["description", "html_description", "edition", "media_type"];
            let actions = fields.map(|field| FaultAction::set(&format!("{prefix}/{field}"), value.clone()));
            world.sandbox.inject(Fault::on_path(path, FaultAction::Several { actions: actions.into() }));
        }
        world.run(&["--full"]).exits(0);
        world.sandbox.clear_faults();
    };
    spoil(json!("known"));
    for blank in [json!(""), Value::Null, json!("  "), json!([])] {
        spoil(blank);
        assert_eq!(world.rows(texts), [["known"; 4]]);
    }
}

/// Fields of an answer, and the names under which they are counted.
type KeptFields = &'static [(&'static str, &'static str)];

#[test]
fn kept_values_are_counted() {
    // Stream, id, and the fields that come as null.
    let cases: [(&str, &str, KeptFields); 6] = [
        (
            "tracks",
            fixtures::PLAIN_TRACK,
            &[("/name", "name"), ("/album", "album_id"), ("/artists", "artists[]"), ("/duration_ms", "duration_ms")],
        ),
        (
            "albums",
            fixtures::LONG_ALBUM,
            &[
                ("/name", "name"),
                ("/artists", "artists[]"),
                ("/images", "images"),
                ("/copyrights", "copyrights"),
                ("/release_date", "release_date"),
                ("/external_urls", "spotify_url"),
            ],
        ),
        ("artists", fixtures::BUSY_ARTIST, &[("/name", "name"), ("/uri", "uri"), ("/images", "images")]),
        (
            "shows",
            fixtures::SHOW,
            &[
                ("/name", "name"),
                ("/publisher", "publisher"),
                ("/description", "description"),
                ("/languages", "languages"),
            ],
        ),
        (
            "episodes",
            fixtures::EPISODE,
            &[
                ("/name", "name"),
                ("/show", "show_id"),
                ("/description", "description"),
                ("/release_date", "release_date"),
            ],
        ),
        (
            "audiobooks",
            fixtures::AUDIOBOOK,
            &[("/name", "name"), ("/authors", "authors"), ("/narrators", "narrators"), ("/languages", "languages")],
        ),
    ];
    for (stream, id, fields) in cases {
        let world = World::extended().job(&format!("market = \"US\"\n{}", by_ids(stream, &[id])));
        world.run(&[]).exits(0);
        let file = format!("{stream}.csv");
        let cells = |world: &World| {
            let mut row = world.csv(&file).remove(0);
            row.remove("fetched_at");
            row
        };
        let known = cells(&world);
        let nulls: Vec<(&str, Value)> = fields.iter().map(|(at, _)| (*at, Value::Null)).collect();
        set(&world, &format!("/v1/{stream}/{id}"), &nulls);
        world.run(&["--full"]).exits(0);
        assert_eq!(cells(&world), known, "{stream}");
        let noted = "SELECT path FROM field_notes WHERE problem = 'blank' AND sent = 'null' AND items = 1";
        let noted: Vec<String> = world.rows(noted).concat();
        for (_, path) in fields {
            assert!(noted.iter().any(|it| it == path), "{stream} {path}: {noted:?}");
        }
        let listed = world.cli(&["skipped"]).exits(0);
        assert!(listed.stdout.contains("name: null"), "{stream}: {}", listed.stdout);
        // What was never known is not kept.
        let first = World::extended().job(&format!("market = \"US\"\n{}", by_ids(stream, &[id])));
        set(&first, &format!("/v1/{stream}/{id}"), &[("/name", Value::Null)]);
        first.run(&[]).exits(0);
        assert_eq!(first.one("SELECT count(*) FROM field_notes"), "0", "{stream}");
    }
}

#[test]
fn id_from_the_uri_is_noted() {
    for (stream, id) in [("tracks", fixtures::PLAIN_TRACK), ("albums", fixtures::LONG_ALBUM), ("shows", fixtures::SHOW)]
    {
        for action in [FaultAction::remove("/id"), FaultAction::set("/id", Value::Null)] {
            let world = World::development().job(&format!("market = \"US\"\n{}", by_ids(stream, &[id])));
            world.sandbox.inject(Fault::on_path(&format!("/v1/{stream}/{id}"), action));
            world.run(&[]).exits(0);
            assert_eq!(world.csv(&format!("{stream}.csv")).len(), 1, "{stream}");
            let noted = world.rows("SELECT path, problem, sent, items FROM field_notes");
            assert_eq!(noted, [["id", "converted", "null", "1"]], "{stream}");
            let listed = world.cli(&["skipped"]).exits(0);
            assert!(listed.stdout.contains("id: converted from null, such as spotify:"), "{}", listed.stdout);
        }
    }
}

#[test]
fn only_uris_of_spotify_are_kept() {
    for action in [json!(5), json!("x"), json!(""), json!(["spotify:track:a"]), Value::Null] {
        let job = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]);
        let (world, truth) = (World::extended().job(&job), World::extended().job(&job));
        truth.run(&[]).exits(0);
        let path = format!("/v1/playlists/{}*", fixtures::HOME_PLAYLIST);
        world.sandbox.inject(Fault::on_path(&path, FaultAction::set("/items/1/track/uri", action.clone())));
        for _ in 0..2 {
            world.run(&["--full"]).exits(0);
            let uris = |world: &World| world.column("playlist_items.csv", "uri");
            assert!(uris(&world) == uris(&truth), "{action}");
        }
    }
}
