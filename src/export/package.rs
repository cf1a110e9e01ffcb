//! `datapackage.json`: describes the files of a job, for people and for programs that read
//! Frictionless Data Packages (specification version 1).
//!
//! It describes every file in the folder, including those of earlier days. It is written last, and only if its
//! content has changed: `run` and `created` belong to the run that last changed anything.

use serde_json::{Map, Value, json};

use super::error::ExportError;
use super::folder::{OutputFolder, WrittenFile};
use super::guard;
use super::name::{DATA_PACKAGE, check_name};
use super::outcome::RunInfo;
use super::output_file::OutputFile;
use super::render::{ColumnStats, FileStats, InferredType};
use super::style::CsvStyle;
use crate::settings::{FileFormat, LineEnding, TimeFormat};
use crate::store::{OutdatedFile, RecordedFile};
use crate::stream::ColumnType;

mod repair;

const GENERATOR: &str = concat!("cratedigger ", env!("CARGO_PKG_VERSION"));

/// The old data package and the new one.
pub(super) struct DataPackage {
    /// The data package on disk, or null.
    old: Value,
    /// Descriptions from the journals of killed exports, which the package on disk does not have yet.
    adopted: Vec<Value>,
    /// The resources of the new package, either new or copied from the old one.
    new: Vec<Value>,
}

impl DataPackage {
    /// Reads the existing data package. An unreadable one is replaced.
    pub(super) fn read(folder: &OutputFolder) -> Result<DataPackage, ExportError> {
        let old =
            folder.read(DATA_PACKAGE)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Value::Null);
        Ok(DataPackage { old, adopted: Vec::new(), new: Vec::new() })
    }

    /// Whether the old package describes this file with this content.
    pub(super) fn describes(&self, path: &str, sha256: &str) -> bool {
        self.resource(path).is_some_and(|r| r["hash"] == format!("sha256:{sha256}"))
    }

    /// The number of rows and guarded cells of a file, according to the old package.
    pub(super) fn counts(&self, path: &str) -> (u64, u64) {
        let Some(resource) = self.resource(path) else { return (0, 0) };
        let cells = resource["formulaGuard"]["cells"].as_object();
        let guarded = cells.map_or(0, |cells| cells.values().filter_map(Value::as_u64).sum());
        (resource["rows"].as_u64().unwrap_or(0), guarded)
    }

    /// Copies the description of a file from the old package.
    pub(super) fn keep_resource(&mut self, path: &str) {
        let same = self.resource(path).cloned();
        self.new.extend(same);
    }

    /// Takes over the description of a file that a killed export has published.
    pub(super) fn adopt_resource(&mut self, resource: Value) {
        self.adopted.retain(|r| r["path"] != resource["path"]);
        self.adopted.push(resource);
    }

    /// Adds the description of a new file.
    pub(super) fn add_resource(&mut self, resource: Value) {
        self.new.push(resource);
    }

    /// The description of a new file.
    pub(super) fn describe(
        sheet: &OutputFile<'_>,
        style: &CsvStyle,
        tally: &FileStats,
        written: &WrittenFile,
        keys: &[&str],
    ) -> Value {
        let format = sheet.format();
        let mut resource = resource_of(format);
        resource["name"] = json!("");
        resource["title"] = json!(sheet.title);
        resource["source"] = json!(sheet.name);
        resource["path"] = json!(sheet.path);
        resource["bytes"] = json!(written.bytes);
        resource["hash"] = json!(format!("sha256:{}", written.sha256));
        resource["rows"] = json!(tally.rows);
        match format {
            FileFormat::Csv => {
                resource["dialect"] = dialect(style);
                resource["schema"] = schema(style, tally, keys, format);
                resource["listSeparator"] = json!(style.list_separator);
                if let Some(undo) = guard::undo_rule(style.formula_guard) {
                    let cells = count_columns(tally, |column| column.guarded);
                    resource["formulaGuard"] =
                        json!({ "mode": style.formula_guard.as_str(), "cells": cells, "undo": undo });
                }
            }
            FileFormat::JsonL | FileFormat::Parquet => {
                resource["schema"] = schema(&CsvStyle::typed(), tally, keys, format);
            }
            FileFormat::Xlsx => {
                let sheets = tally.sheets.iter().map(|(name, rows)| json!({ "name": name, "rows": rows }));
                resource["sheets"] = sheets.collect();
            }
            FileFormat::Html => {}
        }
        let nul = count_columns(tally, |column| column.nul);
        if !nul.is_empty() {
            resource["nulReplaced"] = json!({ "cells": nul, "by": "\u{fffd}" });
        }
        let unfit = count_columns(tally, |column| column.unfit);
        if !unfit.is_empty() {
            resource["unfitValues"] = json!({ "cells": unfit, "by": null });
        }
        resource
    }

    /// Writes the package if its content has changed. It no longer lists the files that will be deleted. `recorded` are
    /// the store's records of the job's files, which the package must agree with.
    pub(super) fn write(
        mut self,
        folder: &OutputFolder,
        run: &RunInfo,
        recorded: &[RecordedFile],
        to_go: &[OutdatedFile],
    ) -> Result<(), ExportError> {
        let goes = |path: &str| to_go.iter().any(|file| file.path_below_job(&run.job) == Some(path));
        self.keep_files_of_earlier_runs(folder, goes);
        repair::agree_with_records(&mut self.new, folder, recorded, to_go);
        assign_names(&mut self.new);
        let mut package = json!({
            "profile": "tabular-data-package",
            "name": slug(&run.job),
            "title": run.job,
            "created": run.created_at,
            "run": { "id": run.id, "state": run.state.name(), "reasons": run.reasons },
            "generator": GENERATOR,
            "resources": self.new,
        });
        if let Some(description) = &run.description {
            package["description"] = json!(description);
        }
        if self.new.is_empty() && self.old.is_null() || is_equivalent(&self.old, &package) {
            return folder.admit(DATA_PACKAGE);
        }
        replace(folder, &package)
    }

    /// Whether the data package on disk is one that an export wrote.
    pub(super) fn is_ours(&self) -> bool {
        let generator = self.old["generator"].as_str();
        self.old["resources"].is_array() && generator.is_some_and(|name| name.starts_with("cratedigger "))
    }

    /// The descriptions of files in the data package on disk.
    pub(super) fn resources_on_disk(&self) -> impl Iterator<Item = &Value> {
        self.old["resources"].as_array().into_iter().flatten()
    }

    /// When the data package on disk was written.
    pub(super) fn created_at(&self) -> Option<&str> {
        self.old["created"].as_str()
    }

    /// The run that the data package on disk describes.
    pub(super) fn run_id(&self) -> Option<i64> {
        self.old["run"]["id"].as_i64()
    }

    /// Writes the package of a job that no longer has a job file: it describes the remaining files of the job. `ended`
    /// is the state of the package's run in the store. A package without files is deleted.
    pub(super) fn write_without_job(
        mut self,
        folder: &OutputFolder,
        job: &str,
        recorded: &[RecordedFile],
        ended: Option<String>,
    ) -> Result<(), ExportError> {
        self.keep_files_of_earlier_runs(folder, |_| false);
        repair::agree_with_records(&mut self.new, folder, recorded, &[]);
        if self.new.is_empty() && recorded.is_empty() {
            return if self.is_ours() { folder.delete(DATA_PACKAGE) } else { Ok(()) };
        }
        assign_names(&mut self.new);
        let mut package = match self.is_ours() {
            true => self.old.clone(),
            false => {
                json!({ "profile": "tabular-data-package", "name": slug(job), "title": job, "generator": GENERATOR })
            }
        };
        package["resources"] = Value::Array(std::mem::take(&mut self.new));
        if let Some(state) = ended.filter(|state| matches!(state.as_str(), "complete" | "partial")) {
            package["run"]["state"] = json!(state);
        }
        if package == self.old { Ok(()) } else { replace(folder, &package) }
    }

    fn resource(&self, path: &str) -> Option<&Value> {
        let old = self.old["resources"].as_array().into_iter().flatten();
        self.adopted.iter().chain(old).find(|r| r["path"] == path)
    }

    /// Keeps the descriptions of files of earlier days, or of fetches that the job no longer has, while the files exist.
    fn keep_files_of_earlier_runs(&mut self, folder: &OutputFolder, goes: impl Fn(&str) -> bool) {
        let old = self.old["resources"].as_array().into_iter().flatten();
        for resource in self.adopted.iter().chain(old) {
            let Some(path) = resource["path"].as_str() else { continue };
            let again = self.new.iter().any(|r| r["path"] == path);
            if !again && !goes(path) && check_name(path).is_ok() && folder.has(path, resource["bytes"].as_u64()) {
                self.new.push(resource.clone());
            }
        }
    }
}

/// What all files of a format have in common.
fn resource_of(format: FileFormat) -> Value {
    let (profile, mediatype, is_text) = match format {
        FileFormat::Csv => ("tabular-data-resource", "text/csv", true),
        FileFormat::JsonL => ("data-resource", "application/jsonl", true),
        FileFormat::Parquet => ("data-resource", "application/vnd.apache.parquet", false),
        FileFormat::Xlsx => {
            ("data-resource", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", false)
        }
        FileFormat::Html => ("data-resource", "text/html", true),
    };
    let mut resource = json!({ "profile": profile, "format": format.as_str(), "mediatype": mediatype });
    if is_text {
        resource["encoding"] = json!("utf-8");
    }
    resource
}

fn replace(folder: &OutputFolder, package: &Value) -> Result<(), ExportError> {
    let mut text = serde_json::to_vec_pretty(package).expect("a JSON value can be written");
    text.push(b'\n');
    let mut draft = folder.draft(DATA_PACKAGE)?;
    std::io::Write::write_all(&mut draft, &text).map_err(|e| draft.failed(e))?;
    draft.publish().map(drop)
}

/// Whether two packages differ only in their run and the time of writing.
fn is_equivalent(old: &Value, new: &Value) -> bool {
    let timeless = |package: &Value| {
        let mut package = package.clone();
        package["created"] = Value::Null;
        package["run"]["id"] = Value::Null;
        package
    };
    old.is_object() && old["run"].is_object() && timeless(old) == timeless(new)
}

fn dialect(style: &CsvStyle) -> Value {
    json!({
        "delimiter": char::from(style.delimiter).to_string(),
        "lineTerminator": match style.line_ending { LineEnding::Lf => "\n", LineEnding::Crlf => "\r\n" },
        "quoteChar": "\"",
        "doubleQuote": true,
        "skipInitialSpace": false,
        "header": true,
        "caseSensitiveHeader": true,
    })
}

fn schema(style: &CsvStyle, tally: &FileStats, keys: &[&str], format: FileFormat) -> Value {
    let fields: Vec<Value> = tally.columns.iter().map(|column| field(style, column, format)).collect();
    let mut schema = match format {
        FileFormat::Csv => json!({ "fields": fields, "missingValues": [style.null] }),
        // Null is a value of its own.
        FileFormat::JsonL | FileFormat::Parquet | FileFormat::Xlsx | FileFormat::Html => {
            json!({ "fields": fields, "missingValues": [] })
        }
    };
    if !keys.is_empty() {
        schema["primaryKey"] = json!(keys);
    }
    schema
}

fn field(style: &CsvStyle, tally: &ColumnStats, format: FileFormat) -> Value {
    let column = &tally.column;
    let mut field = json!({ "name": column.header });
    let (kind, time_format) = match (column.column_type, style.time_format) {
        (Some(ColumnType::Time), TimeFormat::Iso) => ("datetime", None),
        (Some(ColumnType::Time), TimeFormat::Spreadsheet) => ("datetime", Some("%Y-%m-%d %H:%M:%S")),
        (Some(ColumnType::Integer), _) => ("integer", None),
        (Some(ColumnType::Boolean), _) => ("boolean", None),
        (Some(ColumnType::List), _) if format != FileFormat::Csv => ("array", None),
        (Some(ColumnType::Text | ColumnType::List), _) => ("string", None),
        (None, _) => match tally.inferred {
            InferredType::Integer => ("integer", None),
            InferredType::Number => ("number", None),
            InferredType::Empty | InferredType::Text => ("string", None),
        },
    };
    field["type"] = json!(kind);
    if let Some(time_format) = time_format {
        field["format"] = json!(time_format);
    }
    if column.column_type == Some(ColumnType::List) && format == FileFormat::Csv {
        field["list"] = json!(true);
    }
    if !column.about.is_empty() {
        field["description"] = json!(column.about);
    }
    field
}

fn count_columns(tally: &FileStats, count: impl Fn(&ColumnStats) -> u64) -> Map<String, Value> {
    let counts = tally.columns.iter().map(|c| (c.column.header.to_string(), count(c)));
    counts.filter(|(_, n)| *n > 0).map(|(name, n)| (name, json!(n))).collect()
}

/// Gives each resource a unique name of lower-case letters, digits, `.`, `-` and `_`.
fn assign_names(resources: &mut [Value]) {
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
