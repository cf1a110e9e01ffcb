//! `streams [STREAM]`: what can be fetched.

use serde_json::{Value, json};

use super::args::Streams;
use super::print::table;
use super::{Context, Exit, Failure, OrExit, print};
use crate::document::{nearest, or_list, quote};
use crate::stream::{self, Classes, Column, Paging, Stream, Takes, Type};
use spotify_client::Kind;

/// Prints the table of streams, or all about one.
///
/// # Errors
///
/// If there is no such stream (exit 2).
pub fn run(args: &Streams, context: &Context) -> Result<Exit, Failure> {
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
    print::stdout(&out).or_exit(Exit::Storage)?;
    Ok(Exit::Complete)
}

fn find(name: &str) -> Result<&'static Stream, Failure> {
    stream::find(name).ok_or_else(|| {
        let near = nearest(name, stream::all().map(|s| s.name));
        let hint = match near.as_slice() {
            [] => "`cratedigger streams` lists them".to_owned(),
            near => format!("did you mean {}?", or_list(near)),
        };
        Failure::new(Exit::Usage, anyhow::anyhow!("there is no stream {}", quote(name))).with_hint(hint)
    })
}

fn overview() -> String {
    let head = ["STREAM", "TAKES", "APPS", "ONE ROW IS"].map(str::to_owned).to_vec();
    let rows = stream::all().map(|s| vec![s.name.to_owned(), takes(s), classes(s).to_owned(), s.about.to_owned()]);
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    format!("{}\n`cratedigger streams STREAM` tells all about one.\n", table(&rows))
}

fn detail(stream: &'static Stream) -> String {
    let mut rows = vec![
        vec!["takes".to_owned(), takes(stream)],
        vec!["apps".to_owned(), classes(stream).to_owned()],
        vec!["calls".to_owned(), calls(stream)],
        vec!["endpoint".to_owned(), format!("GET {}", stream.endpoint)],
        vec!["family".to_owned(), stream.family.to_owned()],
        vec!["one row by".to_owned(), stream.keys.join(", ")],
    ];
    let mut add = |name: &str, values: Vec<&str>| {
        if !values.is_empty() {
            rows.push(vec![name.to_owned(), values.join(", ")]);
        }
    };
    add("scopes", stream.scopes.to_vec());
    add("keys", stream.options.to_vec());
    add("from", parents(stream));
    let head = ["COLUMN", "TYPE", "DEFAULT", ""].map(str::to_owned).to_vec();
    let columns = stream.columns().map(|c| {
        let only = if c.extended_only { " (Extended Quota only)" } else { "" };
        let default = if c.default { "yes" } else { "" };
        vec![c.name.to_owned(), kind(c).to_owned(), default.to_owned(), format!("{}{only}", c.about)]
    });
    let columns: Vec<_> = std::iter::once(head).chain(columns).collect();
    format!("{}: {}\n\n{}\n{}", stream.name, stream.about, table(&rows), table(&columns))
}

fn as_json(stream: &'static Stream) -> Value {
    let columns: Vec<Value> = stream
        .columns()
        .map(|c| json!({ "name": c.name, "type": kind(c), "about": c.about, "default": c.default, "extended_only": c.extended_only }))
        .collect();
    json!({
        "name": stream.name, "about": stream.about, "takes": takes(stream), "apps": classes(stream),
        "calls": calls(stream), "endpoint": stream.endpoint, "family": stream.family,
        "scopes": stream.scopes, "options": stream.options, "keys": stream.keys,
        "from": parents(stream), "columns": columns,
    })
}

fn takes(stream: &Stream) -> String {
    match stream.takes {
        Takes::Ids(Kind::Track) => "ids of tracks, isrc:CODE".to_owned(),
        Takes::Ids(Kind::Album) => "ids of albums, upc:CODE".to_owned(),
        Takes::Ids(kind) => format!("ids of {kind}s"),
        Takes::Nothing => "nothing".to_owned(),
        Takes::Queries => "searches".to_owned(),
        Takes::User => "a user".to_owned(),
    }
}

fn classes(stream: &Stream) -> &'static str {
    match stream.classes {
        Classes::Both => "all",
        Classes::ExtendedOnly => "Extended Quota only",
        Classes::OwnerInDevelopment => "all; in Development Mode own and collaborative ones",
    }
}

fn calls(stream: &Stream) -> String {
    let per = match stream.takes {
        Takes::Ids(_) => "per id",
        Takes::Queries => "per search",
        Takes::User => "per user",
        Takes::Nothing => "in all",
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

/// The streams whose rows name what this one takes.
fn parents(stream: &Stream) -> Vec<&'static str> {
    let Takes::Ids(kind) = stream.takes else { return Vec::new() };
    stream::all().filter(|s| s.reference(kind).is_some()).map(|s| s.name).collect()
}

fn kind(column: &Column) -> &'static str {
    match column.kind {
        Type::Text => "text",
        Type::Integer => "integer",
        Type::Boolean => "boolean",
        Type::Time => "time",
        Type::List => "list",
    }
}
