//! Generates the JSON Schema, the commented settings file and the docs from the table of settings.

use serde_json::{Map, Value, json};

use super::keys::SECTIONS;
use crate::document::KeySpec;

/// The JSON Schema of `config/cratedigger.toml`.
pub fn json_schema() -> Value {
    let mut sections = Map::new();
    for section in SECTIONS {
        let mut keys = Map::new();
        for key in section.keys {
            keys.insert(key.name.to_owned(), key_schema(key));
        }
        sections.insert(
            section.name.to_owned(),
            json!({
                "type": "object",
                "description": section.about,
                "properties": keys,
                "additionalProperties": false,
            }),
        );
    }
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "cratedigger settings",
        "type": "object",
        "properties": sections,
        "additionalProperties": false,
    })
}

/// The JSON Schema of one key, with its description and default.
pub(crate) fn key_schema(key: &KeySpec) -> Value {
    let mut schema = key.shape.schema();
    if let Value::Object(schema) = &mut schema {
        schema.insert("description".to_owned(), json!(key.about));
        if let Some(default) = default_of(key) {
            schema.insert("default".to_owned(), default);
        }
    }
    schema
}

fn default_of(key: &KeySpec) -> Option<Value> {
    if key.default.is_empty() {
        return None;
    }
    // Strings, numbers, booleans and lists have the same form in TOML and JSON.
    serde_json::from_str(key.default).ok()
}

/// A settings file that documents every setting. It sets only `set` (dotted name, TOML value).
pub fn commented_file(set: &[(&str, String)]) -> String {
    let mut out = String::from(
        "#:schema settings.schema.json\n\
         # Settings of cratedigger. All are optional; each is shown with its default.\n\
         # An environment variable CRATEDIGGER__SECTION__KEY overrides a line of this file.\n\
         # Credentials do not belong in this file; see .env.example.\n",
    );
    for section in SECTIONS {
        out.push_str(&format!("\n# {}\n[{}]\n", section.about, section.name));
        for key in section.keys {
            out.push_str(&format!("# {}\n", key.about));
            let dotted = format!("{}.{}", section.name, key.name);
            match set.iter().find(|(name, _)| *name == dotted) {
                Some((_, value)) => out.push_str(&format!("{} = {value}\n", key.name)),
                None if key.default.is_empty() => out.push_str(&format!("# {} =\n", key.name)),
                None => out.push_str(&format!("# {} = {}\n", key.name, key.default)),
            }
        }
    }
    out
}

/// The tables of `docs/settings.md`.
pub fn markdown() -> String {
    let mut out = String::new();
    for section in SECTIONS {
        out.push_str(&format!("\n## `[{}]`\n\n{}\n\n", section.name, section.about));
        out.push_str("| setting | value | default | description |\n| --- | --- | --- | --- |\n");
        for key in section.keys {
            out.push_str(&key_row(key));
        }
    }
    out
}

/// One key as a row of a table.
pub(crate) fn key_row(key: &KeySpec) -> String {
    let cell = |text: &str| text.replace('|', "\\|");
    let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
    let what = key.shape.what();
    // A long list of names is not readable in a table.
    let what = match what.len() {
        0..=300 => what,
        301..=2000 => "a name that the program lists".to_owned(),
        _ => "an IANA time zone".to_owned(),
    };
    format!("| `{}` | {} | {} | {} |\n", key.name, cell(&what), cell(&default), cell(key.about))
}
