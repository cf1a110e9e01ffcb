//! Brings a data package in line with the store's records of the files.
//!
//! A process may be killed after the store has recorded a file and before the data package describes it. If the file has a
//! date in its name, no later run writes it, so its description would stay wrong.

use serde_json::{Value, json};

use super::super::folder::OutputFolder;
use super::super::json_lines;
use super::super::name::check_name;
use super::resource_of;
use crate::settings::FileFormat;
use crate::store::{OutdatedFile, RecordedFile};

/// More than any header that a job can have.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// Describes the recorded files again that the resources describe differently or not at all.
pub(super) fn agree_with_records(
    resources: &mut Vec<Value>,
    folder: &OutputFolder,
    recorded: &[RecordedFile],
    to_go: &[OutdatedFile],
) {
    for record in recorded {
        let path = record.path_below_job();
        let goes = to_go.iter().any(|file| file.path == record.path);
        match resources.iter().position(|r| r["path"] == path) {
            Some(at) if is_description_of(&resources[at], record) => {}
            Some(at) => set_content(&mut resources[at], record),
            None if goes || check_name(path).is_err() || !folder.has(path, Some(record.bytes)) => {}
            None => {
                let format = FileFormat::of_path(path);
                let same_format = || resources.iter().filter(|r| r["format"] == format.as_str());
                let same_source = same_format().find(|r| r["source"] == record.source);
                let other = same_source.or(same_format().next()).cloned();
                resources.push(describe_record(record, folder, other.unwrap_or_default()));
            }
        }
    }
}

fn is_description_of(resource: &Value, record: &RecordedFile) -> bool {
    resource["hash"] == content_hash(record) && resource["rows"] == record.rows && resource["bytes"] == record.bytes
}

fn content_hash(record: &RecordedFile) -> String {
    format!("sha256:{}", record.sha256)
}

fn set_content(resource: &mut Value, record: &RecordedFile) {
    resource["bytes"] = json!(record.bytes);
    resource["hash"] = json!(content_hash(record));
    resource["rows"] = json!(record.rows);
}

/// Describes a recorded file in the way of another one, if possible of the same fetch or query.
fn describe_record(record: &RecordedFile, folder: &OutputFolder, mut other: Value) -> Value {
    let path = record.path_below_job();
    let format = FileFormat::of_path(path);
    if !other.is_object() {
        other = resource_of(format);
        if format == FileFormat::Csv {
            other["dialect"] = json!({ "delimiter": ",", "quoteChar": "\"", "doubleQuote": true, "header": true });
        }
    }
    let typed = |kind: &'static str| move |name: String| (name, kind);
    let fields: Vec<(String, &str)> = match format {
        FileFormat::Csv => {
            let names = read_header(folder, path, other["dialect"]["delimiter"].as_str());
            names.into_iter().map(typed("string")).collect()
        }
        FileFormat::JsonL => {
            let start = folder.read_start(path, MAX_HEADER_BYTES).unwrap_or_default();
            json_lines::read_names(&start).into_iter().map(typed("any")).collect()
        }
        #[cfg(feature = "lake")]
        FileFormat::Parquet => folder.open_below(path).map(super::super::parquet_file::read_fields).unwrap_or_default(),
        #[cfg(not(feature = "lake"))]
        FileFormat::Parquet => Vec::new(),
        FileFormat::Xlsx | FileFormat::Html => Vec::new(),
    };
    let known = other["schema"]["fields"].as_array().into_iter().flatten().filter_map(|field| field["name"].as_str());
    // A file of JSON Lines without rows does not name its columns.
    if !known.eq(fields.iter().map(|(name, _)| name.as_str())) && !(fields.is_empty() && format != FileFormat::Csv) {
        let fields: Vec<Value> = fields.iter().map(|(name, kind)| json!({ "name": name, "type": kind })).collect();
        let missing = if format == FileFormat::Csv { vec![""] } else { Vec::new() };
        other["schema"] = json!({ "fields": fields, "missingValues": missing });
    }
    if other["source"] != record.source {
        other["title"] = json!(record.source);
        other["source"] = json!(record.source);
    }
    // How many cells of this file were changed is not on record.
    for counts in ["formulaGuard", "nulReplaced", "unfitValues"] {
        if let Some(counts) = other.get_mut(counts).and_then(Value::as_object_mut) {
            counts.remove("cells");
        }
    }
    other["path"] = json!(path);
    set_content(&mut other, record);
    other
}

/// The names of the columns of a file.
fn read_header(folder: &OutputFolder, path: &str, delimiter: Option<&str>) -> Vec<String> {
    let start = folder.read_start(path, MAX_HEADER_BYTES).unwrap_or_default();
    let text = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&start);
    let delimiter = delimiter.and_then(|text| text.bytes().next()).unwrap_or(b',');
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text);
    reader.headers().map(|names| names.iter().map(str::to_owned).collect()).unwrap_or_default()
}
