//! `retention` deletes old personal and catalog rows, and keeps the rows that jobs still read.

use cratedigger::store::playlist_at;
use rusqlite::Connection;
use spotify_sandbox::fixtures;

use crate::support::snapshot::Shows as _;
use crate::support::world::{World, by_ids};
use crate::sync::users::{LIBRARY, both, truth};

/// Makes the store `days` older: moves every time in it back, except the times at which Spotify says that
/// something was added.
fn age(world: &World, days: i64) {
    let store = Connection::open(world.database()).unwrap();
    let columns = "SELECT m.name, p.name FROM sqlite_schema m, pragma_table_info(m.name) p
        WHERE m.type = 'table' AND p.name LIKE '%\\_at' ESCAPE '\\' AND p.name <> 'added_at'";
    let mut statement = store.prepare(columns).unwrap();
    let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let found: Vec<(String, String)> = found.collect::<Result<_, _>>().unwrap();
    for (table, column) in found {
        let sql = format!(
            "UPDATE OR REPLACE {table} SET {column} = strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '-{days} days') WHERE {column} IS NOT NULL"
        );
        store.execute(&sql, []).unwrap_or_else(|e| panic!("{sql}: {e}"));
    }
}

const PERSONAL: [&str; 9] = [
    "my_playlists",
    "saved_tracks",
    "saved_albums",
    "saved_shows",
    "saved_episodes",
    "saved_audiobooks",
    "followed_artists",
    "top_items",
    "plays",
];

fn rows_of(world: &World, user: &str) -> Vec<u64> {
    let count =
        |table: &&str| world.one(&format!("SELECT count(*) FROM {table} WHERE user_id = '{user}'")).parse().unwrap();
    PERSONAL.iter().map(count).collect()
}

#[test]
fn retention_ends_data_of_a_lost_user() {
    let world = both(World::development().job(&format!("retention = \"30d\"\n{LIBRARY}")));
    world.run(&["x"]).exits(0);
    assert!(rows_of(&world, fixtures::STUDIO_USER).iter().all(|rows| *rows > 0));
    world.sandbox.revoke_grants(fixtures::STUDIO_USER);
    world.sandbox.revoke_access_tokens();

    age(&world, 20);
    world.run(&["x"]).exits(77);
    assert!(rows_of(&world, fixtures::STUDIO_USER).iter().all(|rows| *rows > 0), "rows are kept for thirty days");

    age(&world, 20);
    world.run(&["x"]).exits(77);
    assert_eq!(rows_of(&world, fixtures::STUDIO_USER), [0; 9], "{PERSONAL:?}");
    assert_eq!(world.column("saved_tracks.csv", "user").iter().filter(|user| *user == "studio").count(), 0);
    let home: Vec<String> = world.column("saved_tracks.csv", "track_id");
    assert_eq!(home, truth(&world, fixtures::HOME_USER, "saved_tracks"));
    // Catalog rows that only the lost user referred to are deleted.
    for (table, pointers) in [
        ("shows", "SELECT show_id FROM saved_shows UNION SELECT show_id FROM episodes"),
        (
            "episodes",
            "SELECT episode_id FROM saved_episodes UNION SELECT episode_id FROM playlist_items WHERE episode_id IS NOT NULL",
        ),
        ("audiobooks", "SELECT audiobook_id FROM saved_audiobooks"),
    ] {
        assert_eq!(world.one(&format!("SELECT count(*) FROM {table} WHERE id NOT IN ({pointers})")), "0", "{table}");
    }
    assert_eq!(world.one("PRAGMA integrity_check"), "ok");
    assert_eq!(world.rows("PRAGMA foreign_key_check"), Vec::<Vec<String>>::new());
}

#[test]
fn retention_deletes_catalog_of_old_jobs() {
    let spoken = format!(
        "market = \"US\"\n[[fetch]]\nstream = \"show_episodes\"\nids = [\"{}\"]\n[[fetch]]\nstream = \"shows\"\nids = [\"{}\"]\n\
         [[fetch]]\nstream = \"audiobook_chapters\"\nids = [\"{}\"]\n[[fetch]]\nstream = \"audiobooks\"\nids = [\"{}\"]\nmarket = \"US\"\n\
         [[fetch]]\nstream = \"playlist_items\"\nids = [\"{}\"]\n[[fetch]]\nstream = \"artist_albums\"\nids = [\"{}\"]\n",
        fixtures::SHOW,
        fixtures::SHOW,
        fixtures::AUDIOBOOK,
        fixtures::AUDIOBOOK,
        fixtures::HOME_PLAYLIST,
        fixtures::BUSY_ARTIST,
    );
    let world = World::extended().job(&spoken).settings("[retention]\nrows = \"30d\"");
    world.run(&["x"]).exits(0);
    let things = ["shows", "episodes", "audiobooks", "chapters", "playlists", "tracks", "albums", "artists"];
    let count = |table: &str| world.one(&format!("SELECT count(*) FROM {table}")).parse::<u64>().unwrap();
    assert!(things.iter().all(|table| count(table) > 0));
    // Another job keeps running; the first does not run anymore.
    world
        .project
        .write("jobs/other.toml", format!("[[fetch]]\nstream = \"tracks\"\nids = [\"{}\"]\n", fixtures::PLAIN_TRACK));
    age(&world, 40);
    world.run(&["other"]).exits(0);
    let left: Vec<u64> = things.iter().map(|table| count(table)).collect();
    assert_eq!(left[..5], [0; 5], "{things:?}");
    assert_eq!(left[5..7], [1, 1], "the track that the other job reads, and its album, are kept");
    assert_eq!(world.rows("PRAGMA foreign_key_check"), Vec::<Vec<String>>::new());
    world.cli(&["verify"]).exits(0);
    // A new run stores everything again, and the first read of a playlist is not recorded as a change.
    world.run(&["x"]).exits(0);
    assert!(things.iter().all(|table| count(table) > 0));
    assert_eq!(world.one("SELECT count(*) FROM playlist_changes"), "0");
}

#[test]
fn items_are_refreshed_before_retention() {
    let (setting, own) = ("[retention]\nrows = \"10d\"", "retention = \"10d\"\n");
    for (settings, head) in [(setting, ""), ("", own)] {
        let job = format!("{head}{}", by_ids("artists", &[fixtures::BUSY_ARTIST, fixtures::SEMICOLON_ARTIST]));
        let world = World::extended().job(&job).settings(settings);
        world.run(&["x"]).exits(0);
        world.new_calls();
        // Younger than `refresh_after.artists`, but older than the retention period.
        age(&world, 12);
        assert_eq!(world.cli(&["plan", "x", "--json"]).exits(0).json()["jobs"][0]["calls"]["most"], 1, "{head}");
        world.run(&["x"]).exits(0);
        assert_eq!(world.new_calls().len(), 1, "{head}");
        assert_eq!(world.csv("artists.csv").len(), 2, "{head}");
        world.run(&["x"]).exits(0);
        assert_eq!(world.new_calls(), Vec::<String>::new(), "{head}");
        assert_eq!(world.csv("artists.csv").len(), 2, "{head}");
    }
}

#[test]
fn retention_shortens_playlist_histories() {
    let job = format!("retention = \"30d\"\n{}", by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    let world = World::extended().job(&job);
    let remove = || {
        let edit = serde_json::json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "count": 3});
        world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
    };
    for _ in 0..2 {
        world.run(&["x"]).exits(0);
        age(&world, 20);
        remove();
    }
    world.run(&["x"]).exits(0);
    let seen = world.rows("SELECT seen_at, items FROM playlist_versions ORDER BY seen_at");
    assert_eq!(seen.len(), 3, "{seen:?}");
    // Now the first version is 60 days old. The second is 40 days old and was current until 20 days ago.
    age(&world, 20);
    world.run(&["x"]).exits(0);
    let left = world.rows("SELECT seen_at, items FROM playlist_versions ORDER BY seen_at");
    assert_eq!(left.iter().map(|row| row[1].as_str()).collect::<Vec<_>>(), ["117", "114"]);
    let store = world.store();
    for version in &left {
        let then = playlist_at(&store, fixtures::HOME_PLAYLIST, Some(&version[0])).unwrap();
        assert_eq!(then.places.len().to_string(), version[1]);
    }
    let days_ago = |days| {
        let sql = format!("SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-{days} days')");
        store.query_row(&sql, [], |row| row.get::<_, String>(0)).unwrap()
    };
    assert!(playlist_at(&store, fixtures::HOME_PLAYLIST, Some(&days_ago(50))).is_err());
    world.cli(&["verify"]).exits(0);
}

/// Changes the date of today's CSV file to `to`: in its name, in the store's record and in the data package.
fn date_back(world: &World, job: &str, to: &str) {
    let today = chrono::Utc::now().format("%Y-%m-%d").to_string();
    let folder = world.project.root().join("output/csv").join(job);
    std::fs::rename(folder.join(format!("a-{today}.csv")), folder.join(format!("a-{to}.csv"))).unwrap();
    let package = std::fs::read_to_string(folder.join("datapackage.json")).unwrap();
    std::fs::write(folder.join("datapackage.json"), package.replace(&today, to)).unwrap();
    let store = Connection::open(world.database()).unwrap();
    let sql = "UPDATE published_files SET path = replace(path, ?1, ?2), published_at = ?2 || 'T06:00:00Z'";
    store.execute(sql, [today.as_str(), to]).unwrap();
}

fn csvs(world: &World) -> Vec<String> {
    let folder = std::fs::read_dir(world.project.root().join("output/csv/x")).unwrap();
    let mut names: Vec<String> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(".csv"));
    names.sort();
    names
}

#[test]
fn old_dated_files_are_deleted() {
    let job = format!(
        "[[fetch]]\nstream = \"tracks\"\nids = [\"{}\"]\ncsv = \"a-{{date}}.csv\"\n[[query]]\nsql = \"SELECT 1 AS one\"\ncsv = \"one.csv\"\n",
        fixtures::PLAIN_TRACK
    );
    let world = World::extended().job(&job);
    // Three days, each with its own file.
    for day in ["2025-01-01", "2025-01-02"] {
        world.run(&["x"]).exits(0);
        date_back(&world, "x", day);
    }
    world.run(&["x"]).exits(0);
    // A file of the user's own with a similar name, which no run has written.
    std::fs::write(world.csv_path("a-2024-12-31.csv"), "mine").unwrap();
    assert_eq!(csvs(&world).len(), 5, "without the setting no file is deleted: {:?}", csvs(&world));

    let world = world.settings("[retention]\ndated_csv = \"30d\"");
    let ran = world.cli(&["run", "x", "--json"]).exits(0).shows("old_dated_files_are_deleted");
    assert_eq!(ran.json()["runs"][0]["files_deleted"], 2);
    let today = chrono::Utc::now().format("a-%Y-%m-%d.csv").to_string();
    assert_eq!(csvs(&world), ["a-2024-12-31.csv", &today, "one.csv"]);
    let package: serde_json::Value = serde_json::from_slice(&world.csv_bytes("datapackage.json")).unwrap();
    let described: Vec<&str> =
        package["resources"].as_array().unwrap().iter().map(|it| it["path"].as_str().unwrap()).collect();
    assert_eq!(described, [today.as_str(), "one.csv"]);
    assert_eq!(world.one("SELECT count(*) FROM published_files WHERE job <> ''"), "2");
    std::fs::remove_file(world.csv_path("a-2024-12-31.csv")).unwrap();
    world.cli(&["verify"]).exits(0);

    // An export deletes old files, too.
    date_back(&world, "x", "2025-03-01");
    let exported = world.cli(&["export", "x", "--json"]).exits(0);
    assert_eq!(exported.json()["files_deleted"], 1, "today's file is written again and the old one is deleted");
    assert_eq!(csvs(&world), [today.as_str(), "one.csv"]);
    world.cli(&["verify"]).exits(0);
}
