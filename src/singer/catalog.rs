//! The catalog: which tables there are, and which of them and of their columns are sent.

use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::config::unknown_table;
use super::json_file::{self, JsonValue};
use super::messages::{DELETED_AT, ROW_VERSION, TableSchema};
use crate::document::{Diagnostic, nearest, or_list, quote};
use crate::store::FeedTable;

/// Writes the catalog of these tables.
///
/// # Errors
/// If it cannot be written.
pub fn discover(tables: &[FeedTable], mut out: impl Write) -> io::Result<()> {
    let streams = tables.iter().map(CatalogStream::of).collect();
    serde_json::to_writer_pretty(&mut out, &Catalog { streams })?;
    out.write_all(b"\n")?;
    out.flush()
}

#[derive(serde::Serialize)]
struct Catalog<'t> {
    streams: Vec<CatalogStream<'t>>,
}

#[derive(serde::Serialize)]
struct CatalogStream<'t> {
    tap_stream_id: &'t str,
    stream: &'t str,
    key_properties: &'t [String],
    replication_method: &'static str,
    replication_key: &'static str,
    schema: TableSchema<'t>,
    metadata: Vec<Value>,
}

impl CatalogStream<'_> {
    fn of(table: &FeedTable) -> CatalogStream<'_> {
        let of_table = json!({
            "inclusion": "available",
            "selected-by-default": true,
            "table-key-properties": table.key,
            "forced-replication-method": "INCREMENTAL",
            "valid-replication-keys": [ROW_VERSION],
        });
        let mut metadata = vec![json!({ "breadcrumb": [], "metadata": of_table })];
        let names = table.columns.iter().map(|column| column.name.as_str()).chain([ROW_VERSION, DELETED_AT]);
        for name in names {
            let inclusion = if is_automatic(table, name) { "automatic" } else { "available" };
            let of_column = json!({ "inclusion": inclusion, "selected-by-default": true });
            metadata.push(json!({ "breadcrumb": ["properties", name], "metadata": of_column }));
        }
        CatalogStream {
            tap_stream_id: table.name,
            stream: table.name,
            key_properties: &table.key,
            replication_method: "INCREMENTAL",
            replication_key: ROW_VERSION,
            schema: TableSchema(table),
            metadata,
        }
    }
}

/// Whether a column is always sent: a row cannot be applied without it.
fn is_automatic(table: &FeedTable, column: &str) -> bool {
    column == ROW_VERSION || column == DELETED_AT || table.key.iter().any(|key| key == column)
}

/// Reads the file of `--catalog`, and returns those of the tables that it selects, each with its selected columns.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_catalog(path: &Path, tables: &[FeedTable]) -> Result<Vec<FeedTable>, Vec<Diagnostic>> {
    let one = |problem| vec![problem];
    let document = json_file::read(path, "catalog", "all tables are sent").map_err(|problem| one(*problem))?;
    let members = json_file::object(&document, "catalog").map_err(|problem| one(*problem))?;
    let Some(streams) = members.get("streams") else {
        let problem = Diagnostic::for_file(&document.file, "the catalog has no `streams`");
        return Err(one(problem.with_hint("`cratedigger singer --discover > catalog.json` writes a catalog")));
    };
    let Some(streams) = streams.values() else { return Err(one(streams.problem("`streams` is not a list"))) };
    let (mut selected, mut problems) = (Vec::new(), Vec::new());
    for stream in streams {
        selected.extend(read_stream(stream, tables, &mut problems));
    }
    // In the order of the store, and each once.
    let in_order = tables.iter().filter_map(|table| selected.iter().find(|chosen| chosen.name == table.name));
    if problems.is_empty() { Ok(in_order.cloned().collect()) } else { Err(problems) }
}

/// The table of a stream with its selected columns, if the stream is selected.
fn read_stream(stream: JsonValue<'_>, tables: &[FeedTable], problems: &mut Vec<Diagnostic>) -> Option<FeedTable> {
    let Some(members) = stream.members() else {
        problems.push(stream.problem("a stream is not a JSON object"));
        return None;
    };
    let id = members.get("tap_stream_id").or_else(|| members.get("stream"));
    let Some((id, name)) = id.and_then(|id| Some((id, id.text()?))) else {
        problems.push(stream.problem("the stream has no `tap_stream_id`"));
        return None;
    };
    let entries = match members.get("metadata") {
        None => Vec::new(),
        Some(list) => match list.values() {
            Some(entries) => entries,
            None => {
                problems.push(list.problem("`metadata` is not a list"));
                return None;
            }
        },
    };
    let legacy = members.get("schema").and_then(|schema| schema.members());
    let legacy = legacy.and_then(|schema| schema.get("selected").copied());
    let mut choice = Choice::default();
    choice.add(members.get("selected").copied().or(legacy), None, problems);
    let mut of_columns = Vec::new();
    for entry in entries {
        let parts = entry.members().and_then(|entry| {
            let path =
                entry.get("breadcrumb")?.values()?.into_iter().map(JsonValue::text).collect::<Option<Vec<_>>>()?;
            Some((path, entry.get("metadata")?.members()?))
        });
        let Some((path, metadata)) = parts else {
            problems.push(entry.problem("an entry of `metadata` has no `breadcrumb` or no `metadata`"));
            continue;
        };
        let (chosen, default) = (metadata.get("selected").copied(), metadata.get("selected-by-default").copied());
        match path.as_slice() {
            [] => choice.add(chosen, default, problems),
            [properties, column] if properties == "properties" => {
                let mut choice = Choice::default();
                choice.add(chosen, default, problems);
                of_columns.push((entry, column.clone(), choice));
            }
            _ => {}
        }
    }
    if !choice.is_selected(false) {
        return None;
    }
    let Some(table) = tables.iter().find(|table| table.name == name) else {
        // A table that `tables` of the config leaves out is not sent.
        if !crate::store::FEED_TABLES.contains(&name.as_str()) {
            problems.push(unknown_table(*id, &name));
        }
        return None;
    };
    let mut table = table.clone();
    let all = table.columns.clone();
    for (entry, column, choice) in of_columns {
        let is_known = is_automatic(&table, &column) || all.iter().any(|known| known.name == column);
        if !is_known && choice.chosen == Some(true) {
            let problem = entry.problem(format!("{name} has no column {}", quote(&column)));
            problems.push(match nearest(&column, all.iter().map(|known| known.name.as_str())).as_slice() {
                [] => problem,
                near => problem.with_hint(format!("did you mean {}?", or_list(near))),
            });
        }
        if !choice.is_selected(true) && !is_automatic(&table, &column) {
            table.columns.retain(|known| known.name != column);
        }
    }
    Some(table)
}

/// Whether something is selected, as far as the catalog says so.
#[derive(Default)]
struct Choice {
    chosen: Option<bool>,
    default: Option<bool>,
}

impl Choice {
    fn add(&mut self, chosen: Option<JsonValue<'_>>, default: Option<JsonValue<'_>>, problems: &mut Vec<Diagnostic>) {
        for (known, value) in [(&mut self.chosen, chosen), (&mut self.default, default)] {
            let Some(value) = value.filter(|value| !value.json().is_null()) else { continue };
            match value.flag() {
                Some(flag) => *known = Some(flag),
                None => problems.push(value.problem("`selected` is neither true nor false")),
            }
        }
    }

    fn is_selected(&self, otherwise: bool) -> bool {
        self.chosen.or(self.default).unwrap_or(otherwise)
    }
}
