//! The JSON Schema and the table of keys in the docs.

use serde_json::{Map, Value, json};

use super::keys::{ONLY_LAKE, ONLY_POSTGRES, TARGET};
use crate::settings::{key_row, key_schema};

/// The JSON Schema of a target file.
pub fn json_schema() -> Value {
    let mut keys = Map::new();
    for key in TARGET {
        keys.insert(key.name.to_owned(), key_schema(key));
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "cratedigger target",
        "type": "object",
        "properties": keys,
        "required": ["url"],
        "if": { "properties": { "url": { "pattern": "^postgres(ql)?:" } } },
        "then": { "properties": without(&ONLY_LAKE) },
        "else": { "properties": without(&ONLY_POSTGRES) },
        "additionalProperties": false,
    })
}

/// Keys that must be missing.
fn without(keys: &[&str]) -> Map<String, Value> {
    keys.iter().map(|key| ((*key).to_owned(), Value::Bool(false))).collect()
}

/// The table of keys for the docs.
pub fn markdown() -> String {
    let rows: String = TARGET.iter().map(key_row).collect();
    format!("| key | value | default | meaning |\n| --- | --- | --- | --- |\n{rows}")
}
