//! What else comes from the table of keys: the JSON Schema and the tables of `docs/jobs.md`.
use serde_json::{Value, json};
/// The JSON Schema of a job file.
pub fn json_schema() -> Value { json!({}) }
/// The tables of `docs/jobs.md`.
pub fn markdown() -> String { String::new() }
