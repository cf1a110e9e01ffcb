//! `push` keeps a PostgreSQL database equal to the store.

use serde_json::json;
use spotify_sandbox::fixtures;

use super::postgres::Postgres;
use crate::support::world::{World, by_ids};

/// A world with playlists and albums, after its first run.
pub fn filled() -> World {
    let playlists = by_ids("playlist_items", &[fixtures::HOME_PLAYLIST, fixtures::EDGE_CASE_PLAYLIST]);
    let world = World::extended().job(&[playlists, by_ids("album_tracks", &[fixtures::LONG_ALBUM])].concat());
    world.run(&[]).exits(0);
    world
}

/// Changes the playlist and reads it again.
pub fn change(world: &World) {
    for change in [
        json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 5, "count": 3}),
        json!({"do": "insert", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "items": [fixtures::PLAIN_TRACK]}),
    ] {
        world.sandbox.catalog().edit(serde_json::from_value(change).unwrap()).unwrap();
    }
    world.run(&[]).exits(0);
}

#[test]
#[ignore = "needs PostgreSQL; `make check-reach` runs it"]
fn pushed_tables_equal_the_store() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let world = filled();
    postgres.add_target(&world, "after = \"never\"");
    let first = world.cli(&["push"]).exits(0);
    assert!(first.stderr.contains("51 tables completely"), "{}", first.stderr);
    postgres.assert_equal(&world, "spotify");
    world.cli(&["push"]).exits(0).says("w: unchanged");

    change(&world);
    let report = world.cli(&["push", "--json"]).exits(0).json();
    let result = &report["targets"][0];
    assert_eq!((&result["state"], &report["exit_code"]), (&json!("pushed"), &json!(0)));
    let items = result["tables"].as_array().unwrap().iter().find(|t| t["name"] == "playlist_items").unwrap();
    assert!(items["full"] == false && items["deleted"].as_u64().unwrap() > 0, "{items}");
    let albums = result["tables"].as_array().unwrap().iter().find(|t| t["name"] == "albums");
    assert!(albums.is_none_or(|albums| albums["rows"] == 1), "only that of the new track: {result}");
    postgres.assert_equal(&world, "spotify");
    world.cli(&["push", "--full"]).exits(0).says("51 tables completely");
    postgres.assert_equal(&world, "spotify");
    let key = "SELECT string_agg(a.attname, ',' ORDER BY a.attnum) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid
        AND a.attnum = ANY (i.indkey) WHERE i.indrelid = 'spotify.playlist_items'::regclass AND i.indisprimary";
    assert_eq!(postgres.sql(key), "playlist_id,position");
    assert_eq!(postgres.sql("SELECT col_description('spotify.tracks'::regclass, 2)"), "title");
}

#[test]
#[ignore = "needs PostgreSQL; `make check-reach` runs it"]
fn stores_share_a_schema() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let (one, two) = (filled(), filled());
    change(&two);
    postgres.add_target(&one, "after = \"never\"\nstore = \"one\"\ntables = [\"playlist_items\", \"tracks\"]");
    postgres.add_target(&two, "after = \"never\"\nstore = \"two\"\ntables = [\"playlist_items\", \"tracks\"]");
    one.cli(&["push"]).exits(0);
    two.cli(&["push"]).exits(0);
    one.cli(&["push", "--full"]).exits(0);
    for (world, name) in [(&one, "one"), (&two, "two")] {
        let there = postgres.sql(&format!("SELECT count(*) FROM spotify.playlist_items WHERE store = '{name}'"));
        assert_eq!(there, world.one("SELECT count(*) FROM playlist_items"), "{name}");
    }
    // A table that is added later is sent completely.
    postgres
        .add_target(&one, "after = \"never\"\nstore = \"one\"\ntables = [\"playlist_items\", \"tracks\", \"albums\"]");
    one.cli(&["push"]).exits(0).says("1 table completely");
    assert_eq!(postgres.sql("SELECT count(*) FROM spotify.albums"), one.one("SELECT count(*) FROM albums"));
    postgres.add_target(&two, "after = \"never\"\ntables = [\"tracks\"]");
    two.cli(&["push"]).exits(74).says("the key of spotify.tracks is (store, id) and not (id)");
}

#[test]
#[ignore = "needs PostgreSQL; `make check-reach` runs it"]
fn deleted_rows_can_be_marked() {
    let Some(postgres) = Postgres::start(&[]) else { return };
    let world = filled();
    postgres.add_target(&world, "on_delete = \"mark\"\ntables = [\"playlist_items\"]\nafter = \"never\"");
    world.cli(&["push"]).exits(0);
    let shrink = json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "count": 2});
    world.sandbox.catalog().edit(serde_json::from_value(shrink).unwrap()).unwrap();
    world.run(&[]).exits(0);
    world.cli(&["push"]).exits(0).says("2 deletions");
    let marked = "SELECT count(*), count(uri), count(kind) FROM spotify.playlist_items WHERE deleted_at IS NOT NULL";
    assert_eq!(postgres.sql(marked), "2\u{1f}0\u{1f}0");
    let live = postgres.sql("SELECT count(*) FROM spotify.playlist_items WHERE deleted_at IS NULL");
    assert_eq!(live, world.one("SELECT count(*) FROM playlist_items"));
    postgres.add_target(&world, "tables = [\"playlist_items\"]\nafter = \"never\"");
    change(&world);
    world.cli(&["push"]).exits(0);
    assert_eq!(postgres.sql("SELECT count(*) FROM spotify.playlist_items WHERE deleted_at IS NOT NULL"), "0");
}

#[test]
#[ignore = "needs PostgreSQL; `make check-reach` runs it"]
fn runs_push_and_do_not_fail_with_the_target() {
    let Some(mut postgres) = Postgres::start(&[]) else { return };
    let world = filled();
    let world =
        world.settings("[notify]\ncommand = [\"sh\", \"-c\", \"cat >> messages\"]\non = [\"failure\", \"recovery\"]");
    postgres.add_target(&world, "");
    change(&world);
    postgres.assert_equal(&world, "spotify");
    postgres.crash();
    let album = format!("ids = [\"{}\"]\nrefresh_after = \"0s\"", fixtures::LONG_ALBUM);
    world.project.write("jobs/y.toml", format!("schedule = \"@daily\"\n[[fetch]]\nstream = \"albums\"\n{album}\n"));
    world.run(&["--due"]).exits(0).says("target w does not answer");
    world.project.write("jobs/z.toml", format!("schedule = \"@daily\"\n[[fetch]]\nstream = \"albums\"\n{album}\n"));
    let again = world.run(&["--due"]).exits(0);
    assert!(!again.stderr.contains("target"), "it is reported once: {}", again.stderr);
    assert!(world.cli(&["jobs"]).exits(0).stdout.contains("failing since"));
    assert!(world.cli(&["doctor", "--offline"]).stdout.contains("not asked"));
    postgres.restart();
    change(&world);
    postgres.assert_equal(&world, "spotify");
    let messages = std::fs::read_to_string(world.project.root().join("messages")).unwrap();
    assert_eq!(messages.matches("does not answer").count(), 1, "{messages}");
    assert_eq!(messages.matches("target w has all rows again").count(), 1, "{messages}");
}

#[test]
#[ignore = "needs PostgreSQL; `make check-reach` runs it"]
fn purge_reaches_the_targets() {
    let Some(mut postgres) = Postgres::start(&[]) else { return };
    let world = crate::sync::users::both(World::development().job(crate::sync::users::LIBRARY));
    postgres.add_target(&world, "");
    world.run(&["x"]).exits(0);
    postgres.assert_equal(&world, "spotify");
    let of_user = |postgres: &Postgres, user: &str| {
        postgres.sql(&format!("SELECT count(*) FROM spotify.saved_tracks WHERE user_id = '{user}'"))
    };
    assert_ne!(of_user(&postgres, fixtures::STUDIO_USER), "0");
    world.cli(&["auth", "logout", "studio", "--purge"]).exits(0);
    assert_eq!(of_user(&postgres, fixtures::STUDIO_USER), "0");
    postgres.assert_equal(&world, "spotify");

    postgres.crash();
    world.cli(&["auth", "logout", "home", "--purge"]).exits(3).says("target w still has the deleted rows");
    postgres.restart();
    assert_ne!(of_user(&postgres, fixtures::HOME_USER), "0");
    world.cli(&["push"]).exits(0);
    assert_eq!(of_user(&postgres, fixtures::HOME_USER), "0");
    postgres.assert_equal(&world, "spotify");
}

#[test]
#[ignore = "needs PostgreSQL; `make check-reach` runs it"]
fn purge_empties_tables_no_longer_named() {
    let Some(mut postgres) = Postgres::start(&[]) else { return };
    let world = crate::sync::users::both(World::development().job(crate::sync::users::LIBRARY));
    postgres.add_target(&world, "store = \"a\"");
    world.run(&["x"]).exits(0);
    // Rows of another store in the same table.
    let other = "INSERT INTO spotify.saved_tracks SELECT (jsonb_populate_record(t, '{\"store\": \"b\"}')).* FROM spotify.saved_tracks t";
    postgres.sql(other);
    postgres.sql("DROP TABLE spotify.saved_albums");
    let rows = |postgres: &Postgres, of: &str| {
        postgres.sql(&format!("SELECT count(*) FROM spotify.saved_tracks WHERE store = '{of}'"))
    };
    let all = rows(&postgres, "b");
    assert!(all != "0" && rows(&postgres, "a") == all);
    postgres.add_target(&world, "store = \"a\"\ntables = [\"tracks\"]\nafter = \"never\"");
    world.cli(&["push"]).exits(0);
    assert_eq!(rows(&postgres, "a"), all, "it stays as it is");
    postgres.crash();
    world.cli(&["auth", "logout", "studio", "--purge"]).exits(3).says("target w still has the deleted rows");
    postgres.restart();
    let pushed = world.cli(&["push"]).exits(0);
    assert!(pushed.stderr.contains("emptied what the target file no longer names"), "{}", pushed.stderr);
    assert!(pushed.stderr.contains("saved_tracks"), "{}", pushed.stderr);
    assert_eq!((rows(&postgres, "a"), rows(&postgres, "b")), ("0".to_owned(), all));
    world.cli(&["push"]).exits(0).says("w: unchanged");
    // A table that is named again gets all rows.
    postgres.add_target(&world, "store = \"a\"");
    world.cli(&["push"]).exits(0);
    assert_eq!(rows(&postgres, "a"), world.one("SELECT count(*) FROM saved_tracks"));
    assert_ne!(rows(&postgres, "a"), "0");
    // With a server that answers, the purge itself does it.
    postgres.add_target(&world, "store = \"a\"\ntables = [\"tracks\"]");
    world.cli(&["auth", "logout", "home", "--purge"]).exits(0);
    assert_eq!(rows(&postgres, "a"), "0");
}
