//! `streams [STREAM]`: describes what can be fetched.

use serde_json::{Value, json};

use super::args::StreamsArgs;
use super::table::format_table;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::document::{nearest, or_list, quote};
use crate::stream::{self, Column, ColumnType, Paging, Stream, StreamAccess, StreamInput};
use spotify_client::EntityKind;

/// Prints the table of streams, or describes one stream.
///
/// # Errors
///
/// If the stream does not exist (exit 2).
pub fn run(args: &StreamsArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let out = match &args.stream {
        None if context.json => {
            format!("{}\n", Value::from(stream::all().map(as_json).collect::<Vec<_>>()))
        }
        None => overview(),
        Some(name) => {
            let stream = find(name)?;
            if context.json { format!("{}\n", as_json(stream)) } else { detail(stream) }
        }
    };
    print::stdout(&out).or_exit(ExitStatus::Storage)?;
    Ok(ExitStatus::Complete)
}

fn find(name: &str) -> Result<&'static Stream, CommandError> {
    stream::find(name).ok_or_else(|| {
        let near = nearest(name, stream::all().map(|s| s.name));
        let hint = match near.as_slice() {
            [] => "`cratedigger streams` lists them".to_owned(),
            near => format!("did you mean {}?", or_list(near)),
        };
        CommandError::new(ExitStatus::Usage, anyhow::anyhow!("there is no stream {}", quote(name))).with_hint(hint)
    })
}

fn overview() -> String {
    let head = ["STREAM", "TAKES", "APPS", "ONE ROW IS"].map(str::to_owned).to_vec();
    let rows = stream::all()
        .map(|s| vec![s.name.to_owned(), describe_inputs(s), describe_classes(s).to_owned(), s.about.to_owned()]);
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    format!("{}\n`cratedigger streams STREAM` describes one stream.\n", format_table(&rows))
}

fn detail(stream: &'static Stream) -> String {
    let mut rows = vec![
        vec!["takes".to_owned(), describe_inputs(stream)],
        vec!["apps".to_owned(), describe_classes(stream).to_owned()],
        vec!["calls".to_owned(), describe_calls(stream)],
        vec!["endpoint".to_owned(), format!("GET {}", stream.endpoint)],
        vec!["family".to_owned(), stream.family.as_str().to_owned()],
        vec!["one row by".to_owned(), stream.keys.join(", ")],
    ];
    let mut add = |name: &str, values: Vec<&str>| {
        if !values.is_empty() {
            rows.push(vec![name.to_owned(), values.join(", ")]);
        }
    };
    add("scopes", stream.scopes.to_vec());
    add("keys", stream.options.to_vec());
    add("from", parent_streams(stream));
    let head = ["COLUMN", "TYPE", "DEFAULT", ""].map(str::to_owned).to_vec();
    let columns = stream.columns().map(|c| {
        let only = if c.extended_quota_only { " (Extended Quota only)" } else { "" };
        let default = if c.in_default_csv { "yes" } else { "" };
        vec![c.name.to_owned(), column_kind(c).to_owned(), default.to_owned(), format!("{}{only}", c.about)]
    });
    let columns: Vec<_> = std::iter::once(head).chain(columns).collect();
    format!("{}: {}\n\n{}\n{}", stream.name, stream.about, format_table(&rows), format_table(&columns))
}

fn as_json(stream: &'static Stream) -> Value {
    let columns: Vec<Value> = stream
        .columns()
        .map(|c| json!({ "name": c.name, "type": column_kind(c), "about": c.about, "default": c.in_default_csv, "extended_only": c.extended_quota_only }))
        .collect();
    json!({
        "name": stream.name, "about": stream.about, "takes": describe_inputs(stream), "apps": describe_classes(stream),
        "calls": describe_calls(stream), "endpoint": stream.endpoint, "family": stream.family.as_str(),
        "scopes": stream.scopes, "options": stream.options, "keys": stream.keys,
        "from": parent_streams(stream), "columns": columns,
    })
}

fn describe_inputs(stream: &Stream) -> String {
    match stream.input {
        StreamInput::Ids(EntityKind::Track) => "ids of tracks, isrc:CODE".to_owned(),
        StreamInput::Ids(EntityKind::Album) => "ids of albums, upc:CODE".to_owned(),
        StreamInput::Ids(kind) => format!("ids of {kind}s"),
        StreamInput::Nothing => "nothing".to_owned(),
        StreamInput::Queries => "searches".to_owned(),
        StreamInput::User => "a user".to_owned(),
    }
}

fn describe_classes(stream: &Stream) -> &'static str {
    match stream.access {
        StreamAccess::Both => "all",
        StreamAccess::ExtendedOnly => "Extended Quota only",
        StreamAccess::OwnerInDevelopment => "all; in Development Mode own and collaborative ones",
    }
}

fn describe_calls(stream: &Stream) -> String {
    let per = match stream.input {
        StreamInput::Ids(_) => "per id",
        StreamInput::Queries => "per search",
        StreamInput::User => "per user",
        StreamInput::Nothing => "in all",
    };
    match stream.paging {
        Paging::ById { batch: 1 } => "one per id".to_owned(),
        Paging::ById { batch } => format!("one per id; with Extended Quota one per {batch} ids"),
        Paging::Whole => format!("one {per}"),
        Paging::Offset { development, extended } if development == extended => {
            format!("one per {extended} rows, {per}")
        }
        Paging::Offset { development, extended } => {
            format!("one per {development} rows, {per}; with Extended Quota one per {extended}")
        }
        Paging::Cursor { limit } => format!("one per {limit} rows, {per}"),
    }
}

/// The streams with rows that contain the ids that this stream takes.
fn parent_streams(stream: &Stream) -> Vec<&'static str> {
    let StreamInput::Ids(kind) = stream.input else { return Vec::new() };
    stream::all().filter(|s| s.reference_column(kind).is_some()).map(|s| s.name).collect()
}

fn column_kind(column: &Column) -> &'static str {
    match column.column_type {
        ColumnType::Text => "text",
        ColumnType::Integer => "integer",
        ColumnType::Boolean => "boolean",
        ColumnType::Time => "time",
        ColumnType::List => "list",
    }
}
