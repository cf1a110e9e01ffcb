//! The JSON Schema and the table of keys in the docs.

use serde_json::{Map, Value, json};

use super::keys::TARGET;
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
        "additionalProperties": false,
    })
}

/// The table of keys for the docs.
pub fn markdown() -> String {
    let rows: String = TARGET.iter().map(key_row).collect();
    format!("| key | value | default | meaning |\n| --- | --- | --- | --- |\n{rows}")
}
