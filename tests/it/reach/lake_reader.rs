//! Reads a lake as a consumer does: the manifest, its files, and of each row the newest version.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use cratedigger::store::{FeedTable, FeedType, feed_tables};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use rusqlite::types::Value;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::support::world::World;

type Cells = Vec<Option<String>>;

/// The manifest of a folder.
pub fn manifest(root: &Path) -> Json {
    serde_json::from_slice(&std::fs::read(root.join("_cratedigger.json")).unwrap()).unwrap()
}

/// Writes a manifest that someone altered.
pub fn alter_manifest(root: &Path, alter: impl FnOnce(&mut Json)) {
    let mut altered = manifest(root);
    alter(&mut altered);
    std::fs::write(root.join("_cratedigger.json"), altered.to_string()).unwrap();
}

/// The paths of the files that the manifest names.
pub fn named_files(root: &Path) -> Vec<String> {
    let manifest = manifest(root);
    manifest["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
}

/// All Parquet files below a folder, named or not.
pub fn all_files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "parquet") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// Asserts that the tables of a lake equal those of the store, value by value.
#[track_caller]
pub fn assert_lake_equal(world: &World, root: &Path) {
    let read = |path: &str| std::fs::read(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_files_equal(world, &manifest(root), &read);
}

/// The same for files that are read in another way.
#[track_caller]
pub fn assert_files_equal(world: &World, manifest: &Json, read: &dyn Fn(&str) -> Vec<u8>) {
    let store = world.store();
    let mut rows = 0;
    for table in feed_tables(&store).unwrap() {
        if !manifest["tables"].as_array().unwrap().iter().any(|known| known["name"] == table.name) {
            continue;
        }
        let (expected, found) = (rows_of_store(world, &table), rows_of_lake(manifest, &table, read));
        rows += super::assert_same_rows(table.name, expected, found);
    }
    assert!(rows > 0, "nothing is compared");
}

fn rows_of_store(world: &World, table: &FeedTable) -> Vec<Cells> {
    let store = world.store();
    let names = table.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
    let mut query = store.prepare(&format!("SELECT {names}, max(row_version, 1) FROM {}", table.name)).unwrap();
    let kinds: Vec<FeedType> = table.columns.iter().map(|column| column.kind).chain([FeedType::Integer]).collect();
    let cell = |kind: &FeedType, value: Value| match (kind, value) {
        (_, Value::Null) => None,
        (FeedType::Boolean, Value::Integer(n)) => Some((n != 0).to_string()),
        (FeedType::Time, Value::Text(text)) => Some(in_utc(&DateTime::parse_from_rfc3339(&text).unwrap().to_utc())),
        (_, Value::Integer(n)) => Some(n.to_string()),
        (_, Value::Text(text)) => Some(text),
        (_, other) => panic!("{other:?}"),
    };
    let rows = query.query_map([], |row| {
        kinds.iter().enumerate().map(|(n, kind)| Ok(cell(kind, row.get(n)?))).collect::<rusqlite::Result<Cells>>()
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}

fn rows_of_lake(manifest: &Json, table: &FeedTable, read: &dyn Fn(&str) -> Vec<u8>) -> Vec<Cells> {
    let mut newest: BTreeMap<Cells, (i64, Option<Cells>)> = BTreeMap::new();
    for file in manifest["files"].as_array().unwrap().iter().filter(|file| file["table"] == table.name) {
        let path = file["path"].as_str().unwrap();
        let bytes = read(path);
        let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (file["sha256"].as_str(), file["bytes"].as_u64()),
            (Some(&*hash), Some(bytes.len() as u64)),
            "{path}"
        );
        let (mut rows, mut deleted) = (0, 0);
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        for row in reader.get_row_iter(None).unwrap() {
            let row = row.unwrap();
            let fields: BTreeMap<&str, &Field> =
                row.get_column_iter().map(|(name, field)| (name.as_str(), field)).collect();
            assert_eq!(fields.len(), row.len(), "{path}: a name twice");
            let version: i64 = cell(fields["_version"]).unwrap().parse().unwrap();
            let (from, to) = (file["from"].as_i64().unwrap(), file["to"].as_i64().unwrap());
            assert!(version > from && version <= to, "{path} has version {version}");
            let key: Cells = table.key.iter().map(|name| cell(fields[name.as_str()])).collect();
            let is_deleted = cell(fields["_op"]).as_deref() == Some("d");
            *(if is_deleted { &mut deleted } else { &mut rows }) += 1;
            let cells = table.columns.iter().map(|column| cell(fields[column.name.as_str()]));
            let cells = (!is_deleted).then(|| cells.chain([Some(version.to_string())]).collect());
            let is_newer = newest.get(&key).is_none_or(|(known, _)| *known <= version);
            if is_newer {
                newest.insert(key, (version, cells));
            }
        }
        assert_eq!((file["rows"].as_u64(), file["deleted"].as_u64()), (Some(rows), Some(deleted)), "{path}");
    }
    newest.into_values().filter_map(|(_, cells)| cells).collect()
}

fn cell(field: &Field) -> Option<String> {
    match field {
        Field::Null => None,
        Field::Bool(flag) => Some(flag.to_string()),
        Field::Long(n) => Some(n.to_string()),
        Field::Str(text) => Some(text.clone()),
        Field::TimestampMicros(time) => Some(in_utc(&DateTime::from_timestamp_micros(*time).unwrap())),
        other => panic!("{other:?}"),
    }
}

fn in_utc(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}
