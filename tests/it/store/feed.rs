//! A copy of the store that only sees increments, through the views that other tools read.

use std::collections::BTreeMap;

use cratedigger::store::{FeedState, feed_state, feed_tables};
use rusqlite::types::Value;
use serde_json::json;
use spotify_sandbox::fixtures;

use crate::support::world::{World, by_ids};
use crate::sync::users::{LIBRARY, both};

/// A copy of all tables, by key.
#[derive(Default)]
struct Copy {
    state: Option<FeedState>,
    tables: BTreeMap<&'static str, BTreeMap<String, Vec<Value>>>,
    /// Rows of the last increment, without what every run records.
    changed: BTreeMap<&'static str, usize>,
    full_reads: usize,
}

impl Copy {
    /// Takes what changed, and checks that the copy equals the store.
    #[track_caller]
    fn pull(&mut self, world: &World) {
        let store = world.store();
        let now = feed_state(&store).unwrap();
        let is_full = self.state.as_ref().is_none_or(|had| now.needs_full_read(&had.epoch, had.version));
        let since = self.state.as_ref().filter(|_| !is_full).map_or(0, |had| had.version);
        if is_full {
            self.tables.clear();
            self.full_reads += 1;
        }
        self.changed.clear();
        for table in feed_tables(&store).unwrap() {
            let read = |sql: &str| -> Vec<Vec<Value>> {
                let mut statement = store.prepare(sql).unwrap();
                let width = statement.column_count();
                let rows = statement.query_map([], |row| (0..width).map(|n| row.get(n)).collect());
                rows.unwrap().collect::<Result<_, _>>().unwrap()
            };
            let places: Vec<usize> =
                table.key.iter().map(|key| table.columns.iter().position(|c| c.name == *key).unwrap()).collect();
            let key = |row: &[Value]| places.iter().map(|n| format!("{:?} ", row[*n])).collect::<String>();
            let copy = self.tables.entry(table.name).or_default();
            let increment = read(&format!("SELECT * FROM {} WHERE row_version > {since}", table.view()));
            if !increment.is_empty() && !["lists", "runs", "run_lists", "run_fetches"].contains(&table.name) {
                self.changed.insert(table.name, increment.len());
            }
            for mut row in increment {
                let deleted_at = row.pop().unwrap();
                row.pop();
                match deleted_at {
                    Value::Null => drop(copy.insert(key(&row), row)),
                    _ => drop(copy.remove(&key(&row))),
                }
            }
            let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            let expected = read(&format!("SELECT {} FROM {}", names.join(", "), table.name));
            let expected: BTreeMap<String, Vec<Value>> = expected.into_iter().map(|row| (key(&row), row)).collect();
            let differs = expected.iter().zip(copy.iter()).find(|(here, there)| here != there);
            assert_eq!((copy.len(), differs), (expected.len(), None), "{}", table.name);
        }
        self.state = Some(now);
    }
}

#[test]
fn copy_of_increments_equals_the_store() {
    let catalog = [
        by_ids("playlist_items", &[fixtures::HOME_PLAYLIST, fixtures::EDGE_CASE_PLAYLIST]),
        by_ids("album_tracks", &[fixtures::LONG_ALBUM]),
        by_ids("artist_albums", &[fixtures::BUSY_ARTIST]),
    ];
    let world = both(World::extended().job(LIBRARY));
    world.project.write("jobs/y.toml", catalog.concat());
    let mut copy = Copy::default();
    world.run(&["y"]).exits(0);
    copy.pull(&world);
    world.run(&["x"]).exits(0);
    copy.pull(&world);
    assert!(copy.changed.len() > 15, "{:?}", copy.changed);

    world.run(&["y"]).exits(0);
    copy.pull(&world);
    assert_eq!(copy.changed, BTreeMap::new(), "nothing has changed");

    for change in [
        json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 5, "count": 3}),
        json!({"do": "move", "playlist": fixtures::HOME_PLAYLIST, "from": 0, "count": 4, "to": 90}),
        json!({"do": "insert", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "items": [fixtures::PLAIN_TRACK]}),
    ] {
        world.sandbox.catalog().edit(serde_json::from_value(change).unwrap()).unwrap();
        world.run(&["y"]).exits(0);
        copy.pull(&world);
        let albums = copy.changed.get("albums").copied().unwrap_or_default();
        assert!(copy.changed["playlist_items"] > 0 && albums <= 1, "that of the new track: {:?}", copy.changed);
    }
    world.run(&["y", "--full"]).exits(0);
    copy.pull(&world);
    assert!(!copy.changed.contains_key("tracks"), "read again, and the same: {:?}", copy.changed);
    assert_eq!(copy.full_reads, 1);
    world.cli(&["auth", "logout", "studio", "--purge"]).exits(0);
    copy.pull(&world);
    assert_eq!(copy.full_reads, 2, "keys of a purged user are not kept");
    assert_eq!(world.one("SELECT count(*) FROM deleted_rows"), "0");
    world.cli(&["verify"]).exits(0);
}

#[test]
fn restored_backup_begins_a_new_epoch() {
    let world = World::extended().job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    let epoch = || world.one("SELECT value FROM store_info WHERE key = 'feed_epoch'");
    let insert =
        json!({"do": "insert", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "items": [fixtures::PLAIN_TRACK]});
    let change = || {
        world.sandbox.catalog().edit(serde_json::from_value(insert.clone()).unwrap()).unwrap();
        world.run(&[]).exits(0);
    };
    world.run(&[]).exits(0);
    let first = epoch();
    world.cli(&["backup", "copy.db"]).exits(0);
    change();
    assert_eq!(epoch(), first);
    world.put_back("copy.db");
    change();
    let second = epoch();
    assert_ne!(second, first);
    change();
    assert_eq!(epoch(), second);
}

#[test]
fn old_tombstones_are_forgotten() {
    let world = World::extended()
        .settings("[retention]\ntombstones = \"30d\"")
        .job(&by_ids("playlist_items", &[fixtures::HOME_PLAYLIST]));
    world.run(&[]).exits(0);
    let shrink = json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "count": 2});
    world.sandbox.catalog().edit(serde_json::from_value(shrink).unwrap()).unwrap();
    world.run(&[]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM deleted_rows"), "2");
    let since = || world.one("SELECT value FROM store_info WHERE key = 'feed_since'").parse::<i64>().unwrap();
    let before = since();
    let age = "UPDATE deleted_rows SET deleted_at = strftime('%Y-%m-%dT%H:%M:%fZ', deleted_at, '-31 days')";
    rusqlite::Connection::open(world.database()).unwrap().execute(age, []).unwrap();
    world.run(&[]).exits(0);
    assert_eq!(world.one("SELECT count(*) FROM deleted_rows"), "0");
    assert!(since() > before);
}
