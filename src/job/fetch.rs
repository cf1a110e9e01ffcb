//! The `[[fetch]]` tables of a job.

use std::collections::BTreeMap;
use std::ops::Range;

use super::keys::{self, OPTIONS};
use super::model::{Fetch, Group, TimeRange};
use super::output::OutputName;
use super::read::{Context, duration, integer};
use super::source;
use crate::document::{Checker, Table, Values, nearest, or_list, quote, texts};
use crate::settings::Profile;
use crate::stream::{self, Column, Keeps, Stream};
use spotify_client::Kind;

/// Reads all fetches of a job. One that is wrong still has its name, so that those which take from
/// it are not reported for its sake.
pub(super) fn all(
    tables: &[(&Table<'_>, Range<usize>)],
    context: &Context<'_>,
    checker: &mut Checker<'_>,
) -> Vec<Fetch> {
    let mut fetches: Vec<Fetch> = Vec::new();
    let names: Vec<Option<String>> = tables.iter().map(|(table, _)| name_in(table)).collect();
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for (at, (table, span)) in tables.iter().enumerate() {
        let values = checker.table(table, "fetch", keys::FETCH);
        let Some(stream) = stream_of(&values, span.clone(), checker) else {
            // Its place must stay taken: `from` counts fetches.
            continue;
        };
        let name = values.text("name").unwrap_or(stream.name).to_owned();
        let (line, _) = checker.document.place(span.start);
        if let Some(first) = lines.insert(name.clone(), line) {
            let at = values.entry("name").or(values.entry("stream")).map_or(span.clone(), |e| e.value.span());
            checker
                .report(at, "fetch.name", format!("a second fetch named `{name}`; the first is in line {first}"))
                .hint = Some("give one of them another `name`".to_owned());
        }
        options(&values, stream, checker);
        let source = source::of(
            &values,
            stream,
            &source::Above { fetches: &fetches, names: &names, at },
            context,
            span,
            checker,
        );
        fetches.push(Fetch {
            csv: csv(&values, &name, stream, context, span, checker),
            columns: columns(&values, stream, checker),
            market: values.text("market").map(str::to_owned).or_else(|| context.market.clone()),
            locale: values.text("locale").map(str::to_owned),
            include_groups: list(&values, "include_groups", &Group::ALL, Group::word)
                .unwrap_or(vec![Group::Album, Group::Single]),
            types: list(&values, "types", &Kind::ALL, Kind::word).unwrap_or(vec![Kind::Track]),
            max_results: integer(&values, "max_results").and_then(|n| u64::try_from(n).ok()),
            limit_per_parent: integer(&values, "limit_per_parent").and_then(|n| u64::try_from(n).ok()),
            window: duration(&values, "window"),
            refresh_after: duration(&values, "refresh_after").or(context.refresh_after),
            full_every: duration(&values, "full_every").unwrap_or(context.full_every),
            time_range: list(&values, "time_range", &TimeRange::ALL, TimeRange::word)
                .unwrap_or(vec![TimeRange::MediumTerm]),
            name,
            stream,
            source,
        });
    }
    fetches
}

/// The name of a fetch, before anything of it is checked.
fn name_in(table: &Table<'_>) -> Option<String> {
    let text = |key: &str| {
        table.iter().find(|(k, _)| k.get_ref() == key).and_then(|(_, v)| v.get_ref().as_str()).map(str::to_owned)
    };
    text("name").or_else(|| text("stream"))
}

fn stream_of(values: &Values<'_, '_>, span: Range<usize>, checker: &mut Checker<'_>) -> Option<&'static Stream> {
    if values.entry("stream").is_none() {
        let hint = "add stream = \"…\"; `cratedigger streams` lists them".to_owned();
        checker.report(span, "fetch.stream", "this [[fetch]] has no `stream`").hint = Some(hint);
    }
    stream::find(values.text("stream")?)
}

/// Keys that this stream does not understand.
fn options(values: &Values<'_, '_>, stream: &'static Stream, checker: &mut Checker<'_>) {
    for entry in values.iter() {
        let name = entry.key.name;
        if !OPTIONS.contains(&name) || stream.options.contains(&name) {
            continue;
        }
        let others: Vec<&str> = stream::all().filter(|s| s.options.contains(&name)).map(|s| s.name).collect();
        let problem = checker.report(
            entry.at.clone(),
            &format!("fetch.{name}"),
            format!("`{name}` is no key of `{}`", stream.name),
        );
        problem.hint = Some(match (name, stream.keeps) {
            ("window", Keeps::Now) => "a window is for logs; a list shows what stands there now".to_owned(),
            _ => format!("it is one of {}", or_list(&others)),
        });
    }
}

fn csv(
    values: &Values<'_, '_>,
    name: &str,
    stream: &'static Stream,
    context: &Context<'_>,
    span: &Range<usize>,
    checker: &mut Checker<'_>,
) -> Option<OutputName> {
    let entry = values.entry("csv");
    let csv = match entry {
        Some(_) => OutputName::parse(values.text("csv")?).ok()?,
        None => OutputName::parse(&format!("{name}.csv")).ok()?,
    };
    if context.profile == Profile::Exportify && !stream.has_exportify() {
        let at = entry.map_or(span.clone(), |entry| entry.value.span());
        let problem =
            checker.report(at, "fetch.csv", format!("the profile `exportify` has no columns for `{}`", stream.name));
        problem.hint = Some(
            "write csv = false here, or another `profile`; it is for lists of tracks: playlist_items, my_playlist_items, \
             saved_tracks"
                .to_owned(),
        );
    }
    let Some(entry) = entry else { return Some(csv) };
    if csv.per_user() && !(stream.needs_user() && context.has_users) {
        let problem = checker.report(entry.value.span(), "fetch.csv", "`{user}` has no meaning here");
        problem.hint = Some(if stream.needs_user() {
            "the job names no user".to_owned()
        } else {
            format!("the rows of `{}` are no user's own", stream.name)
        });
    }
    Some(csv)
}

fn columns(
    values: &Values<'_, '_>,
    stream: &'static Stream,
    checker: &mut Checker<'_>,
) -> Option<Vec<&'static Column>> {
    let mut columns: Vec<&'static Column> = Vec::new();
    for (name, span) in texts(values.get("columns")?) {
        match stream.column(name) {
            Some(column) if columns.iter().any(|c| c.name == column.name) => {
                checker.report(span, "fetch.columns", format!("column `{name}` stands twice"));
            }
            Some(column) => columns.push(column),
            None => unknown_column(name, span, stream, checker),
        }
    }
    Some(columns)
}

fn unknown_column(name: &str, span: Range<usize>, stream: &'static Stream, checker: &mut Checker<'_>) {
    let near = nearest(name, stream.columns().map(|c| c.name));
    let elsewhere = stream::all().find(|s| s.column(name).is_some());
    let problem = checker.report(span, "fetch.columns", format!("`{}` has no column {}", stream.name, quote(name)));
    problem.hint = Some(match (near.as_slice(), elsewhere) {
        ([], Some(other)) => {
            format!("`{}` has one; `cratedigger streams {}` lists what there is here", other.name, stream.name)
        }
        ([], None) => format!("`cratedigger streams {}` lists its columns", stream.name),
        (near, _) => format!("did you mean {}?", or_list(near)),
    });
}

/// The values of a list of words, each once, in the order of the file.
fn list<T: Copy + PartialEq>(
    values: &Values<'_, '_>,
    key: &str,
    all: &[T],
    word: fn(T) -> &'static str,
) -> Option<Vec<T>> {
    let mut found = Vec::new();
    for (text, _) in texts(values.get(key)?) {
        if let Some(one) = all.iter().find(|one| word(**one) == text)
            && !found.contains(one)
        {
            found.push(*one);
        }
    }
    Some(found)
}
