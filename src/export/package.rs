//! `datapackage.json`: what stands in a job's files, for people and for programs that read
//! Frictionless Data Packages (specification version 1).
//!
//! It describes every CSV beside it, those of earlier days too. It is written last and only when it
//! says something new: `run` and `created` are those of the run that last changed anything.

use serde_json::{Map, Value, json};

use super::error::ExportError;
use super::folder::{Folder, Written};
use super::render::{ColumnTally, Shape, Tally};
use super::sheet::Sheet;
use super::style::{LineEnding, Style, TimeFormat};
use super::terms::RunInfo;
use crate::store::OldFile;
use crate::stream::Type;

/// Its name.
pub(super) const FILE: &str = "datapackage.json";

/// The package as it was, and as it will be.
pub(super) struct Package {
    /// As it stands beside the files, or null.
    old: Value,
    /// Its resources: described anew, or as they were.
    new: Vec<Value>,
}

impl Package {
    /// Reads what is there; what cannot be read is written anew.
    pub(super) fn read(folder: &Folder) -> Result<Package, ExportError> {
        let old = folder.read(FILE)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Value::Null);
        Ok(Package { old, new: Vec::new() })
    }

    /// Whether the old package describes this file as having this content.
    pub(super) fn describes(&self, path: &str, sha256: &str) -> bool {
        self.resource(path).is_some_and(|r| r["hash"] == format!("sha256:{sha256}"))
    }

    /// Rows and guarded cells of a file, as the old package has them.
    pub(super) fn counts(&self, path: &str) -> (u64, u64) {
        let Some(resource) = self.resource(path) else { return (0, 0) };
        let cells = resource["formulaGuard"]["cells"].as_object();
        let guarded = cells.map_or(0, |cells| cells.values().filter_map(Value::as_u64).sum());
        (resource["rows"].as_u64().unwrap_or(0), guarded)
    }

    /// Describes a file as before.
    pub(super) fn keep(&mut self, path: &str) {
        let same = self.resource(path).cloned();
        self.new.extend(same);
    }

    /// Describes a file.
    pub(super) fn put(&mut self, sheet: &Sheet<'_>, style: &Style, tally: &Tally, written: &Written, keys: Vec<&str>) {
        let mut resource = json!({
            "name": "",
            "title": sheet.title,
            "source": sheet.name,
            "path": sheet.path,
            "profile": "tabular-data-resource",
            "format": "csv",
            "mediatype": "text/csv",
            "encoding": "utf-8",
            "dialect": dialect(style),
            "schema": schema(style, tally, &keys),
            "listSeparator": style.list_separator,
            "bytes": written.bytes,
            "hash": format!("sha256:{}", written.sha256),
            "rows": tally.rows,
        });
        if let Some(undo) = style.formula_guard.undo_rule() {
            let cells = counted(tally, |column| column.guarded);
            resource["formulaGuard"] = json!({ "mode": style.formula_guard.name(), "cells": cells, "undo": undo });
        }
        let nul = counted(tally, |column| column.nul);
        if !nul.is_empty() {
            resource["nulReplaced"] = json!({ "cells": nul, "by": "\u{fffd}" });
        }
        self.new.push(resource);
    }

    /// Writes it, if it says anything new; it speaks no more of what is to go.
    pub(super) fn write(mut self, folder: &Folder, run: &RunInfo, to_go: &[OldFile]) -> Result<(), ExportError> {
        let goes = |path: &str| to_go.iter().any(|file| file.below(&run.job) == Some(path));
        self.keep_files_of_earlier_runs(folder, goes)?;
        name_each(&mut self.new);
        let mut package = json!({
            "profile": "tabular-data-package",
            "name": slug(&run.job),
            "title": run.job,
            "created": run.created_at,
            "run": { "id": run.id, "state": run.state.name(), "reasons": run.reasons },
            "generator": concat!("cratedigger ", env!("CARGO_PKG_VERSION")),
            "resources": self.new,
        });
        if let Some(description) = &run.description {
            package["description"] = json!(description);
        }
        if self.new.is_empty() && self.old.is_null() || says_the_same(&self.old, &package) {
            return folder.admit(FILE);
        }
        let mut text = serde_json::to_vec_pretty(&package).expect("a JSON value can be written");
        text.push(b'\n');
        let mut draft = folder.draft(FILE)?;
        std::io::Write::write_all(&mut draft, &text).map_err(|e| draft.failed(e))?;
        draft.publish().map(drop)
    }

    fn resource(&self, path: &str) -> Option<&Value> {
        self.old["resources"].as_array()?.iter().find(|r| r["path"] == path)
    }

    /// Files of earlier days, or of fetches that the job no longer has, as long as they are there.
    fn keep_files_of_earlier_runs(&mut self, folder: &Folder, goes: impl Fn(&str) -> bool) -> Result<(), ExportError> {
        let Some(old) = self.old["resources"].as_array() else { return Ok(()) };
        for resource in old {
            let Some(path) = resource["path"].as_str() else { continue };
            let again = self.new.iter().any(|r| r["path"] == path);
            if again || goes(path) || super::name::check_name(path).is_err() {
                continue;
            }
            if folder.has(path, resource["bytes"].as_u64()) {
                self.new.push(resource.clone());
            }
        }
        Ok(())
    }
}

/// Whether two packages differ in nothing but when and by which run they were written.
fn says_the_same(old: &Value, new: &Value) -> bool {
    let timeless = |package: &Value| {
        let mut package = package.clone();
        package["created"] = Value::Null;
        package["run"]["id"] = Value::Null;
        package
    };
    old.is_object() && old["run"].is_object() && timeless(old) == timeless(new)
}

fn dialect(style: &Style) -> Value {
    json!({
        "delimiter": char::from(style.delimiter).to_string(),
        "lineTerminator": match style.line_ending { LineEnding::Lf => "\n", LineEnding::CrLf => "\r\n" },
        "quoteChar": "\"",
        "doubleQuote": true,
        "skipInitialSpace": false,
        "header": true,
        "caseSensitiveHeader": true,
    })
}

fn schema(style: &Style, tally: &Tally, keys: &[&str]) -> Value {
    let fields: Vec<Value> = tally.columns.iter().map(|column| field(style, column)).collect();
    let mut schema = json!({ "fields": fields, "missingValues": [style.null] });
    if !keys.is_empty() {
        schema["primaryKey"] = json!(keys);
    }
    schema
}

fn field(style: &Style, tally: &ColumnTally) -> Value {
    let column = &tally.column;
    let mut field = json!({ "name": column.header });
    let (kind, format) = match (column.kind, style.time_format) {
        (Some(Type::Time), TimeFormat::Iso) => ("datetime", None),
        (Some(Type::Time), TimeFormat::Spreadsheet) => ("datetime", Some("%Y-%m-%d %H:%M:%S")),
        (Some(Type::Integer), _) => ("integer", None),
        (Some(Type::Boolean), _) => ("boolean", None),
        (Some(Type::Text | Type::List), _) => ("string", None),
        (None, _) => match tally.shape {
            Shape::Integer => ("integer", None),
            Shape::Number => ("number", None),
            Shape::Empty | Shape::Text => ("string", None),
        },
    };
    field["type"] = json!(kind);
    if let Some(format) = format {
        field["format"] = json!(format);
    }
    if column.kind == Some(Type::List) {
        field["list"] = json!(true);
    }
    if !column.about.is_empty() {
        field["description"] = json!(column.about);
    }
    field
}

fn counted(tally: &Tally, count: impl Fn(&ColumnTally) -> u64) -> Map<String, Value> {
    let counts = tally.columns.iter().map(|c| (c.column.header.to_string(), count(c)));
    counts.filter(|(_, n)| *n > 0).map(|(name, n)| (name, json!(n))).collect()
}

/// Resource names must be unique and are made of lower-case letters, digits, `.`, `-` and `_`.
fn name_each(resources: &mut [Value]) {
    let mut seen = std::collections::HashSet::new();
    for resource in resources {
        let path = resource["path"].as_str().unwrap_or("file");
        let plain = slug(path.strip_suffix(".csv").unwrap_or(path));
        let mut name = plain.clone();
        let mut n = 2;
        while !seen.insert(name.clone()) {
            name = format!("{plain}-{n}");
            n += 1;
        }
        resource["name"] = json!(name);
    }
}

fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c.to_ascii_lowercase() } else { '-' };
    text.chars().map(plain).collect()
}
