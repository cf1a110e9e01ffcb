//! What else comes from the table of settings: the JSON Schema, the commented file, the docs.

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

/// The schema of one key, with what it does and its default.
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
    // TOML's texts, numbers, flags and lists of them are JSON's.
    serde_json::from_str(key.default).ok()
}

/// A settings file that says everything and sets nothing, but for `set` (dotted name, TOML).
pub fn commented_file(set: &[(&str, String)]) -> String {
    let mut out = String::from(
        "#:schema settings.schema.json\n\
         # Settings of cratedigger; all are optional, and each stands here with its default.\n\
         # An environment variable CRATEDIGGER__SECTION__KEY goes over a line of this file.\n\
         # Credentials never stand here: see .env.example.\n",
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
        out.push_str("| setting | what it may be | default | |\n| --- | --- | --- | --- |\n");
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
    // Long lists of names are no reading matter.
    let what = match what.len() {
        0..=300 => what,
        301..=2000 => "one of the names that the program lists".to_owned(),
        _ => "an IANA time zone".to_owned(),
    };
    format!("| `{}` | {} | {} | {} |\n", key.name, cell(&what), cell(&default), cell(key.about))
}
