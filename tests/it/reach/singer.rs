//! `singer`: a copy that only sees the messages equals the tables.

use std::collections::{BTreeMap, BTreeSet};

use cratedigger::store::{FeedType, feed_tables};
use rusqlite::types::Value as Cell;
use serde_json::{Map, Value, json};
use spotify_sandbox::fixtures;

use super::push::change;
use crate::support::world::{World, by_ids};
use crate::sync::users::{LIBRARY, both};

type Record = Map<String, Value>;

/// What a target makes of the messages.
#[derive(Default)]
pub struct Replica {
    tables: BTreeMap<String, Table>,
    /// The last state.
    pub state: Value,
    /// Streams with ACTIVATE_VERSION in the last messages, in their order.
    pub activated: Vec<String>,
    /// Number of records in the last messages, by stream.
    pub records: BTreeMap<String, usize>,
}

#[derive(Default)]
struct Table {
    schema: Value,
    key: Vec<String>,
    /// The version of each record, and the record.
    rows: BTreeMap<String, (i64, Record)>,
}

impl Table {
    /// The key of a record, which has to fit the schema.
    fn key_of(&self, record: &Record) -> String {
        let properties = self.schema["properties"].as_object().unwrap();
        for (name, value) in record {
            let allowed = properties[name]["type"].as_array().unwrap();
            let of_type = match value {
                Value::Null => "null",
                Value::Bool(_) => "boolean",
                Value::Number(_) => "integer",
                Value::String(_) => "string",
                _ => panic!("{name}: {value}"),
            };
            assert!(allowed.contains(&json!(of_type)), "{name}: {value} of {allowed:?}");
            if let (Some("date-time"), Value::String(text)) = (properties[name]["format"].as_str(), value) {
                chrono::DateTime::parse_from_rfc3339(text).unwrap();
            }
        }
        assert_eq!(record.len(), properties.len());
        self.key.iter().map(|name| format!("{} ", record[name])).collect()
    }
}

impl Replica {
    /// Applies messages as the specification of Singer says.
    pub fn apply(&mut self, messages: &str) {
        self.activated.clear();
        self.records.clear();
        let (mut versions, mut of_stream) = (BTreeMap::new(), BTreeSet::new());
        for line in messages.lines() {
            let message: Value = serde_json::from_str(line).unwrap();
            let stream = message["stream"].as_str().unwrap_or_default().to_owned();
            match message["type"].as_str().unwrap() {
                "SCHEMA" => {
                    assert!(of_stream.insert(stream.clone()), "{stream} has one schema");
                    let key = message["key_properties"].as_array().unwrap();
                    let table = self.tables.entry(stream).or_default();
                    table.key = key.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
                    table.schema = message["schema"].clone();
                }
                "RECORD" => {
                    assert!(!self.activated.contains(&stream), "ACTIVATE_VERSION follows the last record");
                    *self.records.entry(stream.clone()).or_default() += 1;
                    let version = message["version"].as_i64().unwrap();
                    assert_eq!(*versions.entry(stream.clone()).or_insert(version), version);
                    let table = self.tables.get_mut(&stream).unwrap();
                    let record = message["record"].as_object().unwrap().clone();
                    let key = table.key_of(&record);
                    match record["_sdc_deleted_at"] {
                        Value::Null => drop(table.rows.insert(key, (version, record))),
                        _ => drop(table.rows.remove(&key)),
                    }
                }
                "ACTIVATE_VERSION" => {
                    let version = message["version"].as_i64().unwrap();
                    self.tables.get_mut(&stream).unwrap().rows.retain(|_, (of_row, _)| *of_row >= version);
                    self.activated.push(stream);
                }
                "STATE" => self.state = message["value"].clone(),
                other => panic!("{other}"),
            }
        }
        assert!(messages.lines().last().unwrap().starts_with("{\"type\":\"STATE\""), "the last line");
    }

    /// Asserts that all tables equal those of the store, value by value.
    #[track_caller]
    pub fn assert_equal(&self, world: &World) {
        let store = world.store();
        let mut rows = 0;
        for table in feed_tables(&store).unwrap() {
            let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            let sql = format!("SELECT {}, max(row_version, 1) FROM {}", names.join(", "), table.name);
            let mut statement = store.prepare(&sql).unwrap();
            let expected = statement.query_map([], |row| {
                let mut record = Map::new();
                for (place, column) in table.columns.iter().enumerate() {
                    let value = match row.get(place)? {
                        Cell::Null => Value::Null,
                        Cell::Integer(flag) if column.kind == FeedType::Boolean => json!(flag == 1),
                        Cell::Integer(number) => json!(number),
                        Cell::Text(text) => json!(text.replace('\0', "\u{fffd}")),
                        other => panic!("{other:?}"),
                    };
                    record.insert(column.name.clone(), value);
                }
                record.insert("row_version".into(), json!(row.get::<_, i64>(table.columns.len())?));
                record.insert("_sdc_deleted_at".into(), Value::Null);
                Ok(Value::Object(record).to_string())
            });
            let expected: Vec<String> = expected.unwrap().collect::<Result<_, _>>().unwrap();
            let found =
                self.tables[table.name].rows.values().map(|(_, record)| Value::Object(record.clone()).to_string());
            rows += super::assert_same_rows(table.name, expected, found.collect());
        }
        assert!(rows > 0, "nothing is compared");
    }

    /// Runs `singer` with the state of the last time, applies what it writes, and returns that.
    pub fn pull(&mut self, world: &World, args: &[&str]) -> String {
        world.project.write("state.json", self.state.to_string());
        let state: &[&str] = if self.state.is_null() { &[] } else { &["--state", "state.json"] };
        let ran = world.cli(&[&["singer"], args, state].concat()).exits(0);
        self.apply(&ran.stdout);
        ran.stdout
    }

    fn all_records(&self) -> usize {
        self.records.values().sum()
    }
}

#[test]
fn copy_of_messages_equals_the_store() {
    let world = both(World::extended().job(LIBRARY));
    let catalog = [
        by_ids("playlist_items", &[fixtures::HOME_PLAYLIST, fixtures::EDGE_CASE_PLAYLIST]),
        by_ids("album_tracks", &[fixtures::LONG_ALBUM]),
    ];
    world.project.write("jobs/y.toml", catalog.concat());
    world.run(&["y"]).exits(0);
    let mut replica = Replica::default();
    replica.pull(&world, &[]);
    replica.assert_equal(&world);
    assert_eq!(replica.activated.len(), 51, "a complete load");
    world.run(&["x"]).exits(0);
    let messages = replica.pull(&world, &[]);
    replica.assert_equal(&world);
    assert_eq!(replica.activated, [""; 0], "an increment");
    assert!(replica.records["saved_tracks"] > 0 && !replica.records.contains_key("album_tracks"));
    // Applied again, it changes nothing.
    replica.apply(&messages);
    replica.assert_equal(&world);
    let calls = world.calls().len();
    replica.pull(&world, &[]);
    assert_eq!((replica.all_records(), replica.activated.len()), (0, 0), "nothing has changed");

    change(&world);
    let edit = json!({"do": "remove", "playlist": fixtures::HOME_PLAYLIST, "position": 0, "count": 9});
    world.sandbox.catalog().edit(serde_json::from_value(edit).unwrap()).unwrap();
    world.run(&["y"]).exits(0);
    let messages = replica.pull(&world, &[]);
    replica.assert_equal(&world);
    assert!(messages.contains("\"_sdc_deleted_at\":\"2"), "deleted rows are told");
    replica.apply(&messages);
    replica.assert_equal(&world);

    world.cli(&["auth", "logout", "studio", "--purge"]).exits(0);
    replica.pull(&world, &["--full"]);
    replica.assert_equal(&world);
    assert_eq!(replica.activated.len(), 51);
    assert!(!replica.tables["saved_tracks"].rows.keys().any(|key| key.contains(fixtures::STUDIO_USER)));
    let after = world.calls().len();
    replica.pull(&world, &[]);
    assert!(after > calls && world.calls().len() == after, "it reads the store only");
}

#[test]
fn purge_is_a_full_load_by_itself() {
    let world = both(World::extended().job(LIBRARY));
    world.run(&[]).exits(0);
    let mut replica = Replica::default();
    replica.pull(&world, &[]);
    world.cli(&["auth", "logout", "studio", "--purge"]).exits(0);
    replica.pull(&world, &[]);
    replica.assert_equal(&world);
    assert_eq!(replica.activated.len(), 51);
}

#[test]
fn restored_store_is_a_full_load() {
    let world = super::push::filled();
    let mut replica = Replica::default();
    replica.pull(&world, &[]);
    world.cli(&["backup", "copy.db"]).exits(0);
    change(&world);
    replica.pull(&world, &[]);
    world.put_back("copy.db");
    change(&world);
    change(&world);
    replica.pull(&world, &[]);
    assert_eq!(replica.activated.len(), 51, "versions were given twice");
    replica.assert_equal(&world);
}

#[test]
fn state_decides_what_is_sent() {
    let world = super::push::filled();
    let mut replica = Replica::default();
    replica.pull(&world, &[]);
    let mark = replica.state["bookmarks"]["tracks"].clone();
    let version = mark["version"].as_i64().unwrap();
    // Each of these is another epoch, or none that is known.
    for (pointer, value) in
        [("epoch", json!("0123456789abcdef")), ("row_version", json!(1_000_000)), ("epoch", json!(""))]
    {
        let mut state = replica.state.clone();
        state["bookmarks"]["tracks"][pointer] = value;
        replica.state = state;
        replica.pull(&world, &[]);
        assert_eq!(replica.activated, ["tracks"], "{pointer}");
        replica.assert_equal(&world);
    }
    let now = replica.state["bookmarks"]["tracks"].clone();
    assert!(now["version"].as_i64().unwrap() > version, "each complete load has a later version");
    assert_eq!((&now["row_version"], &now["epoch"]), (&mark["row_version"], &mark["epoch"]));
    // A state with nothing but these is enough.
    replica.state = json!({"bookmarks": {"tracks": {"row_version": mark["row_version"], "epoch": mark["epoch"]}}});
    replica.pull(&world, &[]);
    assert!(!replica.activated.contains(&"tracks".to_owned()) && replica.activated.len() == 50);
    // Bookmarks of tables that are not sent stay.
    world.project.write("config.json", "{\"tables\": [\"tracks\"]}");
    let before = replica.state["bookmarks"].as_object().unwrap().len();
    replica.pull(&world, &["--config", "config.json"]);
    assert_eq!(replica.state["bookmarks"].as_object().unwrap().len(), before);
}

#[test]
fn catalog_selects_tables_and_columns() {
    let world = super::push::filled();
    let discovered = world.cli(&["singer", "--discover"]).exits(0).stdout;
    let mut catalog: Value = serde_json::from_str(&discovered).unwrap();
    let sent = |catalog: &Value| {
        world.project.write("catalog.json", catalog.to_string());
        let mut replica = Replica::default();
        replica.pull(&world, &["--catalog", "catalog.json"]);
        replica
    };
    assert_eq!(sent(&catalog).tables.len(), 51, "as it was discovered");
    for stream in catalog["streams"].as_array_mut().unwrap() {
        let is_chosen = ["tracks", "playlist_items"].contains(&stream["tap_stream_id"].as_str().unwrap());
        for entry in stream["metadata"].as_array_mut().unwrap() {
            let column = entry["breadcrumb"].get(1).cloned();
            let metadata = &mut entry["metadata"];
            match column {
                None => metadata["selected"] = json!(is_chosen),
                // A column that is automatic is sent in any case.
                Some(column) => metadata["selected"] = json!(column == "name"),
            }
        }
    }
    let replica = sent(&catalog);
    assert_eq!(replica.tables.keys().collect::<Vec<_>>(), ["playlist_items", "tracks"]);
    let columns: Vec<&String> = replica.tables["tracks"].schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(columns, ["_sdc_deleted_at", "id", "name", "row_version"]);
    // A column that is added is sent for all rows.
    let mut replica = replica;
    let stream = catalog["streams"].as_array_mut().unwrap().iter_mut().find(|s| s["stream"] == "tracks").unwrap();
    for entry in stream["metadata"].as_array_mut().unwrap() {
        entry["metadata"]["selected"] = json!(true);
    }
    world.project.write("catalog.json", catalog.to_string());
    replica.pull(&world, &["--catalog", "catalog.json"]);
    assert_eq!(replica.activated, ["tracks"]);
    // The oldest form of a catalog.
    let short = json!({"streams": [{"stream": "albums", "schema": {"selected": true}}, {"stream": "tracks"}]});
    assert_eq!(sent(&short).tables.keys().collect::<Vec<_>>(), ["albums"]);
}

#[test]
fn messages_come_from_one_state() {
    use std::io::{BufRead as _, BufReader, Read as _};
    let world = super::push::filled();
    let before = world.one("SELECT value FROM store_info WHERE key = 'feed_version'");
    let mut command = world.command(&["singer"]);
    let mut tap = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    // The pipe is full long before the last table, so a run ends while the tables are read.
    let mut pipe = BufReader::with_capacity(256, tap.stdout.take().unwrap());
    let mut messages = String::new();
    pipe.read_line(&mut messages).unwrap();
    change(&world);
    pipe.read_to_string(&mut messages).unwrap();
    assert!(tap.wait().unwrap().success());
    let mut replica = Replica::default();
    replica.apply(&messages);
    for (table, mark) in replica.state["bookmarks"].as_object().unwrap() {
        assert_eq!(mark["row_version"].to_string(), before, "{table}");
    }
    let later = |(_, record): &(i64, Record)| record["row_version"].as_i64().unwrap() > before.parse().unwrap();
    assert!(!replica.tables.values().flat_map(|table| table.rows.values()).any(later));
    replica.pull(&world, &[]);
    assert!(replica.all_records() > 0 && replica.activated.is_empty());
    replica.assert_equal(&world);
}
