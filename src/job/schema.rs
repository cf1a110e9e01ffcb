//! The JSON Schema and the tables of `docs/jobs.md`, from the table of keys.
//!
//! The schema has all rules of `check` that a JSON Schema can express: keys and types, what each
//! stream takes and understands, its columns, the patterns of ids and names. Other rules are
//! left to `check`: whether a name is defined above, whether a file is there, whether two names clash,
//! whether a schedule ever starts a run and whether SQL is valid.

use serde_json::{Map, Value, json};

use super::keys::{CHART, FETCH, JOB, OPTIONS, QUERY, REPORT, SOURCES};
use crate::document::KeySpec;
use crate::settings::keys::CSV;
use crate::settings::{FileFormat, key_row, key_schema};
use crate::stream::{self, Stream, StreamInput};
use spotify_client::EntityKind;

/// The JSON Schema of a job file.
pub fn json_schema() -> Value {
    let mut top = properties(JOB);
    top.insert("fetch".to_owned(), json!({ "type": "array", "minItems": 1, "maxItems": 200, "items": fetch_schema() }));
    top.insert("query".to_owned(), json!({ "type": "array", "minItems": 1, "maxItems": 200, "items": query_schema() }));
    let chart = json!({ "required": ["title", "sql"] });
    let mut chart_schema = table(properties(CHART));
    merge(&mut chart_schema, chart);
    top.insert("chart".to_owned(), json!({ "type": "array", "minItems": 1, "maxItems": 24, "items": chart_schema }));
    top.insert("csv_options".to_owned(), table(properties(CSV)));
    top.insert("report".to_owned(), table(properties(REPORT)));
    let of_users: Vec<&str> = stream::all().filter(|s| s.needs_user()).map(|s| s.name).collect();
    let mut schema = table(top);
    let more = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "cratedigger job",
        "anyOf": [{ "required": ["fetch"] }, { "required": ["query"] }],
        "not": { "required": ["user", "users"] },
        "dependencies": { "chart": ["report"] },
        // A stream of a user needs one.
        "if": {
            "required": ["fetch"],
            "properties": { "fetch": { "contains": {
                "required": ["stream"],
                "properties": { "stream": { "enum": of_users } }
            } } }
        },
        "then": { "anyOf": [{ "required": ["user"] }, { "required": ["users"] }] },
    });
    merge(&mut schema, more);
    schema
}

/// A `[[fetch]]`: all keys with their types, and the inputs, options and columns of each stream.
fn fetch_schema() -> Value {
    let mut schema = table(properties(FETCH));
    let streams: Vec<Value> = stream::all()
        .map(|stream| {
            json!({
                "if": { "required": ["stream"], "properties": { "stream": { "const": stream.name } } },
                "then": stream_schema(stream),
            })
        })
        .collect();
    merge(&mut schema, json!({ "required": ["stream"], "dependencies": { "where": ["from"] }, "allOf": streams }));
    schema
}

fn stream_schema(stream: &'static Stream) -> Value {
    let mut properties = Map::new();
    let columns: Vec<&str> = stream.columns().map(|c| c.name).collect();
    properties.insert("columns".to_owned(), json!({ "uniqueItems": true, "items": { "enum": columns } }));
    for option in OPTIONS.iter().filter(|o| !stream.options.contains(o)) {
        properties.insert((*option).to_owned(), Value::Bool(false));
    }
    let takes: &[&str] = match stream.input {
        StreamInput::Ids(_) => &["ids", "ids_file", "from"],
        StreamInput::Queries => &["query", "queries", "queries_file"],
        StreamInput::Nothing | StreamInput::User => &[],
    };
    for source in SOURCES.iter().filter(|s| !takes.contains(s)) {
        properties.insert((*source).to_owned(), Value::Bool(false));
    }
    if let StreamInput::Ids(kind) = stream.input {
        properties.insert("ids".to_owned(), json!({ "items": { "pattern": id_pattern(kind) } }));
    }
    if !stream.needs_user() {
        for format in FileFormat::OF_ROWS {
            let of_users = json!({ "not": { "type": "string", "pattern": "\\{user\\}" } });
            properties.insert(format.as_str().to_owned(), of_users);
        }
    }
    let mut schema = json!({ "description": stream.about, "properties": properties });
    if !takes.is_empty() {
        let any: Vec<Value> = takes.iter().map(|t| json!({ "required": [t] })).collect();
        merge(&mut schema, json!({ "anyOf": any }));
    }
    if takes.contains(&"from") {
        let not = json!({ "anyOf": [{ "required": ["from", "ids"] }, { "required": ["from", "ids_file"] }] });
        merge(&mut schema, json!({ "not": not }));
    }
    schema
}

/// A pattern for every form of an id that [`spotify_client::SpotifyId`] accepts.
fn id_pattern(kind: EntityKind) -> String {
    let word = kind.as_str();
    let id = "[0-9A-Za-z]{22}";
    let link = |path: &str| {
        format!("([Hh][Tt][Tt][Pp][Ss]?://)?open\\.spotify\\.com/(intl-[^/]+/)?(embed/)?{path}/?([?#].*)?")
    };
    let forms = match kind {
        // Free text; URIs of other kinds and other links are refused by the full rule.
        EntityKind::User => return "\\S".to_owned(),
        EntityKind::Playlist => vec![
            id.to_owned(),
            format!("[Ss]potify:(user:[^:]*:)?playlist:{id}"),
            link(&format!("(user/[^/]+/)?playlist/{id}")),
        ],
        EntityKind::Track => vec![
            id.to_owned(),
            format!("[Ss]potify:{word}:{id}"),
            link(&format!("{word}/{id}")),
            "[Ii][Ss][Rr][Cc]:\\s*[A-Za-z]{2}-?[A-Za-z0-9]{3}-?[0-9]{2}-?[0-9]{5}".to_owned(),
        ],
        EntityKind::Album => vec![
            id.to_owned(),
            format!("[Ss]potify:{word}:{id}"),
            link(&format!("{word}/{id}")),
            "[Uu][Pp][Cc]:\\s*[0-9]{8,14}".to_owned(),
        ],
        _ => vec![id.to_owned(), format!("[Ss]potify:{word}:{id}"), link(&format!("{word}/{id}"))],
    };
    format!("^\\s*({})\\s*$", forms.join("|"))
}

fn query_schema() -> Value {
    let mut schema = table(properties(QUERY));
    let named: Vec<Value> = FileFormat::OF_ROWS.iter().map(|format| json!({ "required": [format.as_str()] })).collect();
    merge(&mut schema, json!({ "required": ["sql"], "anyOf": named }));
    schema
}

fn properties(keys: &[KeySpec]) -> Map<String, Value> {
    keys.iter().map(|key| (key.name.to_owned(), key_schema(key))).collect()
}

fn table(properties: Map<String, Value>) -> Value {
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn merge(schema: &mut Value, more: Value) {
    if let (Value::Object(schema), Value::Object(more)) = (schema, more) {
        schema.extend(more);
    }
}

/// The tables of `docs/jobs.md`: every key, grouped by its place in the file.
pub fn markdown() -> String {
    let mut out = String::new();
    for (title, keys) in [
        ("At the top of the file", JOB),
        ("In a `[[fetch]]`", FETCH),
        ("In a `[[query]]`", QUERY),
        ("In `[csv_options]`", CSV),
        ("In `[report]`", REPORT),
        ("In a `[[chart]]`", CHART),
    ] {
        out.push_str(&format!("\n## {title}\n\n| key | value | default | description |\n| --- | --- | --- | --- |\n"));
        for key in keys {
            out.push_str(&key_row(key));
        }
    }
    out.push_str("\n## Which streams accept which keys\n\n| key | streams |\n| --- | --- |\n");
    for option in OPTIONS {
        let streams: Vec<String> =
            stream::all().filter(|s| s.options.contains(option)).map(|s| format!("`{}`", s.name)).collect();
        out.push_str(&format!("| `{option}` | {} |\n", streams.join(", ")));
    }
    out
}

#[cfg(test)]
mod tests;
