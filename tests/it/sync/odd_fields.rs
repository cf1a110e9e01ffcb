//! Fields, items and heads of pages that are not as Spotify documents them: no row is lost, what was known stays, and
//! everything is counted.

use serde_json::{Value, json};
use spotify_sandbox::{Fault, FaultAction, fixtures};

use super::users::signed_in;
use crate::support::world::{Ran, World, by_ids, fetch};

/// A world of home's with a job of these fetches.
pub(super) fn home(fetches: &[String]) -> World {
    let job = format!("user = \"home\"\nmarket = \"DE\"\n{}", fetches.concat());
    signed_in(World::development().job(&job), &[("home", fixtures::HOME_USER)])
}

pub(super) fn set(world: &World, path: &str, changes: &[(&str, Value)]) {
    let actions = changes.iter().map(|(at, to)| FaultAction::set(at, to.clone())).collect();
    world.sandbox.inject(Fault::on_path(path, FaultAction::Several { actions }));
}

/// The findings of a fetch: field, problem, what was sent and number of items.
fn fields(run: &Ran, stream: &str) -> Vec<String> {
    let json = run.json();
    let fetches = json["runs"][0]["fetches"].as_array().unwrap();
    let fetch = fetches.iter().find(|fetch| fetch["stream"] == stream).unwrap();
    let line =
        |it: &Value| format!("{} {} {} {}", it["field"], it["problem"], it["sent"], it["items"]).replace('"', "");
    fetch["fields"].as_array().unwrap().iter().map(line).collect()
}

/// Reason, title and detail of each entry.
pub(super) fn skipped(world: &World) -> Vec<(String, String, String)> {
    let ran = world.cli(&["skipped", "x", "--json"]).exits(0);
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or("-").to_owned();
    let entries = ran.json()["skipped"].as_array().unwrap().clone();
    entries.iter().map(|it| (text(it, "reason"), text(it, "title"), text(it, "detail"))).collect()
}

pub(super) fn discography() -> String {
    let artist = format!("ids = [\"{}\"]\ninclude_groups = [\"album\"]", fixtures::BUSY_ARTIST);
    fetch("artist_albums", &artist)
}

#[test]
fn changed_types_lose_no_row() {
    let playlist = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]);
    let world = home(&[fetch("saved_tracks", ""), discography(), fetch("followed_artists", ""), playlist]);
    world.run(&[]).exits(0);
    let files = ["saved_tracks.csv", "artist_albums.csv", "followed_artists.csv", "playlist_items.csv"];
    let before = files.map(|file| world.csv(file).len());
    let durations = world.column("playlist_items.csv", "duration_ms");
    set(&world, "/v1/me/tracks", &[("/items/*/track/duration_ms", json!({"totalMilliseconds": 1000}))]);
    set(&world, "/v1/artists/*/albums", &[("/items/*/total_tracks", json!("10"))]);
    set(
        &world,
        "/v1/me/following",
        &[("/artists/items/*/images", json!([null])), ("/artists/items/*/name", json!({}))],
    );
    set(
        &world,
        "/v1/playlists/*",
        &[("/items/items/*/item/duration_ms", json!([1])), ("/items/items/*/item/album/total_tracks", json!(-1))],
    );
    let names = world.column("followed_artists.csv", "artist_name");
    let run = world.run(&["--full", "--json"]).exits(0);
    assert_eq!(files.map(|file| world.csv(file).len()), before);
    // A track that is also in the playlist has what was read last.
    let saved = world.csv("saved_tracks.csv");
    let listed = world.column("playlist_items.csv", "track_id");
    let mut only_saved = saved.iter().filter(|row| !listed.contains(&row["track_id"]));
    assert!(only_saved.all(|row| row["duration_ms"] == "1000"));
    assert!(world.column("artist_albums.csv", "total_tracks").iter().all(|it| it == "10"));
    assert_eq!(world.column("followed_artists.csv", "artist_name"), names);
    let tracks = world.one("SELECT count(*) FROM saved_tracks");
    assert_eq!(fields(&run, "saved_tracks"), [format!("duration_ms converted object {tracks}")]);
    assert_eq!(fields(&run, "artist_albums").len(), 1);
    let artists = names.len();
    let unreadable = [format!("images unreadable null {artists}"), format!("name unreadable object {artists}")];
    assert_eq!(fields(&run, "followed_artists"), unreadable);
    let after = world.column("playlist_items.csv", "duration_ms");
    for ((before, after), track) in durations.iter().zip(&after).zip(&listed) {
        let is_saved = saved.iter().any(|row| row["track_id"] == *track);
        assert!(is_saved || before == after, "{track} keeps its old duration");
    }
    assert!(fields(&run, "playlist_items").iter().any(|it| it.starts_with("album.total_tracks unreadable number")));
    let warning = format!("name: {artists} of {artists} items had an object; kept the old values");
    let warnings = run.json()["runs"][0]["warnings"].to_string();
    assert_eq!(warnings.matches(&warning).count(), 1, "{warnings}");
    assert!(skipped(&world).iter().any(|(reason, ..)| reason == "unreadable_field"));
    assert_eq!(world.one("SELECT count(*) FROM playlist_changes"), "0");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn odd_playlist_items_have_rows() {
    let world = home(&[by_ids("playlist_items", &[fixtures::HOME_PLAYLIST])]);
    let artist = json!({"id": fixtures::BUSY_ARTIST, "name": "Busy", "uri": "u"});
    let local = json!({"type": "track", "id": null, "uri": "spotify:local:A:B:Song:10", "name": "Song", "is_local": true,
        "duration_ms": {"x": 1}, "artists": [{"name": "A"}], "album": {"name": "B"}});
    let chapter = json!({"type": "chapter", "id": "c1", "uri": "spotify:chapter:c1", "name": "Chapter One", "audiobook": {"name": "Book"}});
    let show =
        json!({"type": "show", "id": fixtures::SHOW, "uri": "spotify:show:0SandboxShow0000000000", "name": "Pod"});
    let episode = json!({"type": "episode", "id": fixtures::EPISODE, "name": "Part", "album": show, "artists": []});
    let at = |index: usize, rest: &str| format!("/items/items/{index}/{rest}");
    let changes = [
        (at(0, "item"), local),
        (at(1, "item/artists"), json!([artist, null])),
        (at(2, "item/album/images"), json!([null])),
        (at(3, "item/explicit"), json!("false")),
        (at(4, "item"), chapter),
        (at(5, "item"), json!({"type": "video", "id": "v1", "name": "Clip", "duration_ms": "5"})),
        (at(6, "item"), json!({"uri": "spotify:track:0SandboxPlainTrack0000", "name": "By URI"})),
        (at(7, "item"), episode),
        (at(8, "added_by"), json!({"id": 5})),
        (at(9, "item/album"), json!([])),
        (at(10, "item/external_ids"), Value::Null),
        (at(11, "item/artists"), json!("x")),
    ];
    let changes: Vec<(&str, Value)> = changes.iter().map(|(at, to)| (at.as_str(), to.clone())).collect();
    set(&world, "/v1/playlists/*", &changes);
    world.run(&[]).exits(0);
    let rows = world.csv("playlist_items.csv");
    for row in &rows[..12] {
        assert!(!row["uri"].is_empty() && row["kind"] != "unavailable", "{row:?}");
        assert!(!row["track_name"].is_empty() || !row["episode_name"].is_empty(), "{row:?}");
    }
    let cells = |index: usize, columns: &[&str]| columns.iter().map(|it| rows[index][*it].clone()).collect::<Vec<_>>();
    assert_eq!(cells(0, &["kind", "artist_names", "album_name", "duration_ms"]), ["local", "A", "B", ""]);
    assert_eq!(cells(1, &["artist_ids"]), [fixtures::BUSY_ARTIST]);
    assert_eq!(cells(3, &["explicit"]), ["false"]);
    assert_eq!(
        cells(4, &["kind", "uri", "track_name", "album_name"]),
        ["chapter", "spotify:chapter:c1", "Chapter One", "Book"]
    );
    assert_eq!(cells(5, &["kind", "uri", "track_name", "duration_ms"]), ["video", "spotify:video:v1", "Clip", "5"]);
    assert_eq!(cells(6, &["kind", "track_id"]), ["track", fixtures::PLAIN_TRACK]);
    assert_eq!(cells(7, &["kind", "show_id", "show_name"]), ["episode", fixtures::SHOW, "Pod"]);
    assert_eq!(cells(8, &["added_by"]), ["5"]);
    assert_eq!(world.one("SELECT count(*) FROM skipped_items"), "0");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn blank_answers_keep_names() {
    let streams = ["saved_tracks", "saved_albums", "saved_shows", "saved_episodes", "followed_artists", "my_playlists"];
    let world = home(&[streams.map(|stream| fetch(stream, "")).concat(), discography()]);
    world.run(&[]).exits(0);
    let columns = [
        ("saved_tracks.csv", "track_name"),
        ("saved_tracks.csv", "album_name"),
        ("saved_tracks.csv", "release_date"),
        ("saved_tracks.csv", "artist_names"),
        ("saved_tracks.csv", "duration_ms"),
        ("saved_albums.csv", "album_name"),
        ("saved_albums.csv", "image_url"),
        ("saved_albums.csv", "album_artist_names"),
        ("saved_shows.csv", "show_name"),
        ("saved_episodes.csv", "episode_name"),
        ("followed_artists.csv", "artist_name"),
        ("my_playlists.csv", "playlist_name"),
        ("my_playlists.csv", "owner_name"),
        ("artist_albums.csv", "release_date"),
    ];
    let before = columns.map(|(file, column)| world.column(file, column));
    let blank_album = [
        ("/items/1/album/name", json!("")),
        ("/items/1/album/images", json!([])),
        ("/items/1/album/artists", json!([])),
    ];
    let blank_track = [
        ("/items/4/track/name", json!("")),
        ("/items/4/track/duration_ms", json!(0)),
        ("/items/4/track/artists", json!([])),
        ("/items/4/track/album/name", json!("")),
        ("/items/4/track/album/release_date", json!("0000")),
        ("/items/4/track/album/artists", json!([{"id": "", "name": ""}])),
    ];
    set(&world, "/v1/me/tracks", &blank_track);
    set(&world, "/v1/me/albums", &blank_album);
    set(&world, "/v1/me/shows", &[("/items/0/show/name", Value::Null)]);
    set(&world, "/v1/me/episodes", &[("/items/0/episode/name", json!("  "))]);
    set(&world, "/v1/me/following", &[("/artists/items/0/name", json!(""))]);
    set(&world, "/v1/me/playlists", &[("/items/0/name", json!("")), ("/items/*/owner/display_name", Value::Null)]);
    set(&world, "/v1/artists/*/albums", &[("/items/0/release_date", json!("0000-00-00"))]);
    let run = world.run(&["--full", "--json"]).exits(0);
    for ((file, column), before) in columns.into_iter().zip(before) {
        assert_eq!(world.column(file, column), before, "{file}: {column}");
    }
    assert!(fields(&run, "saved_tracks").iter().any(|it| it.starts_with("name blank blank ")));
    assert!(skipped(&world).iter().any(|(reason, title, _)| reason == "blank_field" && title != "-"));
}

#[test]
fn local_file_in_a_library_has_a_row() {
    let world = home(&["saved_tracks", "top_tracks", "recently_played"].map(|stream| fetch(stream, "")));
    let local = json!({"type": "track", "id": null, "uri": "spotify:local:A:B:Song:10", "name": "Song", "is_local": true,
        "duration_ms": 9000, "artists": [{"name": "A", "id": null}], "album": {"name": "B", "id": null}});
    set(&world, "/v1/me/tracks", &[("/items/0/track", local.clone()), ("/items/1/track", Value::Null)]);
    set(&world, "/v1/me/top/tracks", &[("/items/0", local.clone()), ("/items/1", Value::Null)]);
    set(&world, "/v1/me/player/recently-played", &[("/items/0/track", local), ("/items/1/track", Value::Null)]);
    world.run(&[]).exits(0);
    for file in ["saved_tracks.csv", "top_tracks.csv", "recently_played.csv"] {
        let rows = world.csv(file);
        let row = rows.iter().find(|row| row["track_name"] == "Song").unwrap_or_else(|| panic!("{file}"));
        assert_eq!(row["track_id"], "spotify:local:A:B:Song:10", "{file}");
        assert_eq!((&*row["artist_names"], &*row["album_name"], &*row["duration_ms"]), ("A", "B", "9000"), "{file}");
        let stream = file.trim_end_matches(".csv");
        let nulls = format!(
            "SELECT count(*) FROM skipped_items WHERE stream = '{stream}' AND position = 1 AND reason = 'null_item'"
        );
        assert_eq!(world.one(&nulls), "1", "{file}");
    }
    world.cli(&["verify"]).exits(0);
}

#[test]
fn nulls_keep_known_rows() {
    let lists = [
        fetch("saved_tracks", ""),
        by_ids("album_tracks", &[fixtures::EDGE_CASE_ALBUM, fixtures::LONG_ALBUM]),
        by_ids("show_episodes", &[fixtures::SHOW]),
        by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]),
    ];
    let world = home(&lists);
    world.run(&[]).exits(0);
    let columns = [
        ("saved_tracks.csv", "track_name"),
        ("album_tracks.csv", "track_name"),
        ("show_episodes.csv", "episode_name"),
        ("playlist_items.csv", "track_name"),
        ("playlist_items.csv", "uri"),
        ("playlist_items.csv", "artist_names"),
    ];
    let read = || columns.map(|(file, column)| world.column(file, column));
    let before = read();
    set(&world, "/v1/me/tracks", &[("/items/3", Value::Null)]);
    set(&world, "/v1/albums/*", &[("/tracks/items/1", Value::Null)]);
    set(&world, "/v1/shows/*/episodes", &[("/items/4", Value::Null)]);
    set(&world, "/v1/playlists/*", &[("/items/items/5/item", Value::Null)]);
    for run in 2..=3 {
        world.run(&["--full"]).exits(0);
        assert_eq!(read(), before, "run {run}");
        let kinds = world.column("playlist_items.csv", "kind");
        assert_eq!(kinds.iter().filter(|kind| *kind == "unavailable").count(), 1);
        assert_eq!(kinds[5], "unavailable");
        let nulls = format!("SELECT count(*) FROM skipped_items WHERE run_id = {run} AND item_id IS NOT NULL");
        assert!(world.one(&nulls).parse::<i64>().unwrap() >= 4);
    }
    let removed = ["saved_tracks", "album_tracks", "show_episodes"]
        .map(|table| format!("(SELECT count(*) FROM {table} WHERE removed_at IS NOT NULL)"));
    assert_eq!(world.one(&format!("SELECT {}", removed.join(" + "))), "0");
    assert_eq!(world.one("SELECT count(*) FROM playlist_changes"), "0");
    let entries = skipped(&world);
    let is_kept = |(reason, title, detail): &&(String, String, String)| {
        reason == "null_item" && title != "-" && detail == "the last known row stays"
    };
    assert!(entries.iter().filter(is_kept).count() >= 4, "{entries:?}");
    world.cli(&["verify"]).exits(0);
    world.sandbox.clear_faults();
    world.run(&["--full"]).exits(0);
    assert!(!world.column("playlist_items.csv", "kind").contains(&"unavailable".to_owned()));
    world.cli(&["verify"]).exits(0);
}

#[test]
fn one_play_has_one_row() {
    let world = home(&[fetch("recently_played", "")]);
    world.run(&[]).exits(0);
    let plays = world.one("SELECT count(*) FROM plays");
    let newest = world.one("SELECT max(played_at) FROM plays");
    let newest: chrono::DateTime<chrono::Utc> = newest.parse().unwrap();
    let east = chrono::FixedOffset::east_opt(3_600).unwrap();
    set(
        &world,
        "/v1/me/player/recently-played",
        &[("/items/0/played_at", json!(newest.with_timezone(&east).to_rfc3339()))],
    );
    world.run(&[]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM plays"), plays);
    // With other fractions of the second, and with none.
    for text in ["%Y-%m-%dT%H:%M:%S.999Z", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.5+0000"] {
        world.sandbox.clear_faults();
        let at = json!(newest.format(text).to_string());
        set(&world, "/v1/me/player/recently-played", &[("/items/0/played_at", at)]);
        world.run(&[]).exits(0);
        assert_eq!(world.one("SELECT count(*) FROM plays"), plays, "{text}");
    }
    world.sandbox.clear_faults();
    set(&world, "/v1/me/player/recently-played", &[("/items/1/played_at", Value::Null)]);
    world.run(&[]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM plays"), plays);
    assert_eq!(world.one("SELECT count(*) FROM skipped_items WHERE reason = 'malformed'"), "1");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn odd_heads_of_pages_are_read() {
    let world = home(&[fetch("my_playlists", ""), fetch("saved_albums", ""), fetch("me", "")]);
    set(&world, "/api/token", &[("/expires_in", json!("3600"))]);
    let head = [("/limit", json!("50")), ("/next", json!(false)), ("/href", Value::Null), ("/previous", json!(0))];
    set(
        &world,
        "/v1/me/playlists",
        &[
            &head[..],
            &[
                ("/offset", json!("0")),
                ("/items/0/snapshot_id", json!(7)),
                ("/items/0/description", json!("Rock &amp; Roll &#x27;26")),
            ],
        ]
        .concat(),
    );
    set(&world, "/v1/me/albums", &[("/limit", json!("50")), ("/items/0/album/name", json!("\u{fffd}"))]);
    set(&world, "/v1/me", &[("/followers", json!(3)), ("/display_name", json!(42)), ("/images", json!([null]))]);
    world.run(&[]).exits(0);
    // A number is no version.
    assert_eq!(world.column("my_playlists.csv", "snapshot_id")[0], "");
    assert_eq!(world.column("my_playlists.csv", "description")[0], "Rock & Roll '26");
    assert_eq!(world.column("me.csv", "display_name"), ["42"]);
    assert!(!world.csv("saved_albums.csv").is_empty());
}

#[test]
fn listed_episodes_are_not_read_whole() {
    let job = [by_ids("show_episodes", &[fixtures::SHOW]), fetch("episodes", "from = \"show_episodes\"")].concat();
    let world = World::extended().job(&format!("market = \"DE\"\n{job}"));
    world.run(&[]).exits(0);
    assert!(world.new_calls().iter().any(|call| call.starts_with("/episodes?")));
    assert_eq!(world.one("SELECT count(*) FROM episodes WHERE fetched_at IS NULL AND show_id IS NULL"), "0");
}

#[test]
fn entities_and_hits_are_read_field_by_field() {
    let job = [
        by_ids("tracks", &[fixtures::PLAIN_TRACK, fixtures::UNAVAILABLE_TRACK]),
        by_ids("artists", &[fixtures::BUSY_ARTIST, fixtures::SEMICOLON_ARTIST]),
        by_ids("albums", &[fixtures::LONG_ALBUM]),
        by_ids("shows", &[fixtures::SHOW]),
        by_ids("episodes", &[fixtures::EPISODE]),
        by_ids("audiobooks", &[fixtures::AUDIOBOOK]),
        by_ids("audiobook_chapters", &[fixtures::AUDIOBOOK]),
        fetch("search", "query = \"a\"\ntypes = [\"track\", \"album\"]\nmax_results = 20"),
    ];
    let world = World::extended().job(&format!("market = \"US\"\n{}", job.concat()));
    world.run(&[]).exits(0);
    let columns = [
        ("tracks.csv", "track_name"),
        ("tracks.csv", "isrc"),
        ("tracks.csv", "duration_ms"),
        ("artists.csv", "artist_name"),
        ("albums.csv", "album_name"),
        ("albums.csv", "upc"),
        ("shows.csv", "show_name"),
        ("shows.csv", "total_episodes"),
        ("episodes.csv", "show_id"),
        ("audiobooks.csv", "authors"),
        ("audiobook_chapters.csv", "chapter_name"),
    ];
    let before = columns.map(|(file, column)| world.column(file, column));
    set(
        &world,
        "/v1/tracks",
        &[("/tracks/*/duration_ms", json!([])), ("/tracks/*/external_ids", json!("x")), ("/tracks/0/id", Value::Null)],
    );
    set(
        &world,
        "/v1/artists",
        &[("/artists/*/name", json!(false)), ("/artists/*/genres", json!({})), ("/artists/*/followers", json!(5))],
    );
    let album =
        [("/name", json!([])), ("/external_ids", Value::Null), ("/artists", json!([null])), ("/images", json!([null]))];
    set(&world, "/v1/albums/*", &album);
    set(&world, "/v1/shows/*", &[("/total_episodes", json!(-4)), ("/languages", json!("en")), ("/name", json!(""))]);
    set(&world, "/v1/episodes/*", &[("/show", json!([])), ("/resume_point", json!(3)), ("/duration_ms", json!("5e3"))]);
    set(&world, "/v1/audiobooks/*", &[("/authors", json!([null])), ("/items/*/name", json!({}))]);
    set(
        &world,
        "/v1/search",
        &[
            ("/tracks/total", json!("400")),
            ("/albums/items/0/artists", json!("x")),
            ("/tracks/items/1/album", json!([])),
        ],
    );
    let run = world.run(&["--full", "--json"]).exits(0);
    for ((file, column), before) in columns.into_iter().zip(before) {
        assert_eq!(world.column(file, column), before, "{file}: {column}");
    }
    assert_eq!(world.column("artists.csv", "followers"), ["5", "5"]);
    assert_eq!(world.column("episodes.csv", "duration_ms"), ["5000"]);
    for stream in ["tracks", "artists", "albums", "shows", "episodes", "audiobooks", "audiobook_chapters", "search"] {
        assert!(!fields(&run, stream).is_empty(), "{stream}");
    }
    world.cli(&["verify"]).exits(0);
}
