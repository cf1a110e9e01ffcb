//! The `[[fetch]]` tables of a job.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::input_rows::InputFile;
use super::keys::{self, OPTIONS};
use super::model::{AlbumGroup, Fetch, TimeRange};
use super::read::{JobContext, duration, integer};
use super::{row_files, source};
use crate::document::{DocumentChecker, TableValues, TomlTable, nearest, or_list, quote, texts};
use crate::stream::{self, Column, RowMode, Stream};
use spotify_client::EntityKind;

/// Reads all fetches of a job. A wrong fetch keeps its name, so that fetches that refer to it
/// are not reported as well.
pub(super) fn read_fetches(
    tables: &[(&TomlTable<'_>, Range<usize>)],
    context: &JobContext<'_>,
    checker: &mut DocumentChecker<'_>,
) -> Vec<Fetch> {
    let mut fetches: Vec<Fetch> = Vec::new();
    let names: Vec<Option<String>> = tables.iter().map(|(table, _)| written_name(table)).collect();
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for (at, (table, span)) in tables.iter().enumerate() {
        let values = checker.check_table(table, "fetch", keys::FETCH);
        let Some(stream) = find_stream(&values, span.clone(), checker) else {
            // The name stays in `names`, so that `from` finds it.
            continue;
        };
        let name = values.text("name").unwrap_or(stream.name).to_owned();
        let (line, _) = checker.document.line_and_column(span.start);
        if let Some(first) = lines.insert(name.clone(), line) {
            let at = values.entry("name").or(values.entry("stream")).map_or(span.clone(), |e| e.value.span());
            checker
                .report(at, "fetch.name", format!("a second fetch is named `{name}`; the first is in line {first}"))
                .hint = Some("give one of them another `name`".to_owned());
        }
        check_options(&values, stream, checker);
        let (source, ids_file) = source::read_source(
            &values,
            stream,
            &source::OtherFetches { fetches: &fetches, names: &names, own_index: at },
            context,
            span,
            checker,
        );
        let input_file = InputFile::of_fetch(&values, context.dir, stream, ids_file.as_ref()).map(Arc::new);
        let files = row_files::files_of_fetch(&values, &name, stream, context, span, checker);
        fetches.push(Fetch {
            in_workbook: row_files::is_in_workbook(&values, &files),
            files,
            columns: read_columns(&values, stream, checker),
            market: values.text("market").map(str::to_owned).or_else(|| context.market.clone()),
            locale: values.text("locale").map(str::to_owned),
            include_groups: read_list(&values, "include_groups", &AlbumGroup::ALL, AlbumGroup::as_str)
                .unwrap_or(vec![AlbumGroup::Album, AlbumGroup::Single]),
            types: read_list(&values, "types", &EntityKind::ALL, EntityKind::as_str).unwrap_or(vec![EntityKind::Track]),
            max_results: integer(&values, "max_results").and_then(|n| u64::try_from(n).ok()),
            limit_per_parent: integer(&values, "limit_per_parent").and_then(|n| u64::try_from(n).ok()),
            window: duration(&values, "window"),
            refresh_after: duration(&values, "refresh_after").or(context.refresh_after),
            full_every: duration(&values, "full_every").unwrap_or(context.full_every),
            time_range: read_list(&values, "time_range", &TimeRange::ALL, TimeRange::as_str)
                .unwrap_or(vec![TimeRange::MediumTerm]),
            name,
            stream,
            source,
            ids_file,
            input_file,
            join_inputs: joins_inputs(&values, checker),
        });
    }
    fetches
}

/// Whether the files of a fetch have the columns of its input file, which it then needs.
fn joins_inputs(values: &TableValues<'_, '_>, checker: &mut DocumentChecker<'_>) -> bool {
    let Some(entry) = values.entry("join_inputs") else { return false };
    if entry.value.get_ref().as_bool() != Some(true) {
        return false;
    }
    let has_file = values.entry("ids_file").or(values.entry("queries_file")).is_some();
    if !has_file {
        let text = "`join_inputs` needs a file whose columns it can add";
        checker.report(entry.at.clone(), "fetch.join_inputs", text).hint =
            Some("add ids_file = \"…\" or queries_file = \"…\", or remove `join_inputs`".to_owned());
    }
    has_file
}

/// The name of a fetch as written, before it is checked.
fn written_name(table: &TomlTable<'_>) -> Option<String> {
    let text = |key: &str| {
        table.iter().find(|(k, _)| k.get_ref() == key).and_then(|(_, v)| v.get_ref().as_str()).map(str::to_owned)
    };
    text("name").or_else(|| text("stream"))
}

fn find_stream(
    values: &TableValues<'_, '_>,
    span: Range<usize>,
    checker: &mut DocumentChecker<'_>,
) -> Option<&'static Stream> {
    if values.entry("stream").is_none() {
        let hint = "add stream = \"…\"; `cratedigger streams` lists them".to_owned();
        checker.report(span, "fetch.stream", "this [[fetch]] has no `stream`").hint = Some(hint);
    }
    stream::find(values.text("stream")?)
}

/// Reports keys that this stream does not accept.
fn check_options(values: &TableValues<'_, '_>, stream: &'static Stream, checker: &mut DocumentChecker<'_>) {
    for entry in values.iter() {
        let name = entry.key.name;
        if !OPTIONS.contains(&name) || stream.options.contains(&name) {
            continue;
        }
        let others: Vec<&str> = stream::all().filter(|s| s.options.contains(&name)).map(|s| s.name).collect();
        let problem = checker.report(
            entry.at.clone(),
            &format!("fetch.{name}"),
            format!("`{}` does not accept the key `{name}`", stream.name),
        );
        problem.hint = Some(match (name, stream.row_mode) {
            ("window", RowMode::CurrentState) => "a window is for logs; this stream shows the current state".to_owned(),
            _ => format!("it is a key of {}", or_list(&others)),
        });
    }
}

fn read_columns(
    values: &TableValues<'_, '_>,
    stream: &'static Stream,
    checker: &mut DocumentChecker<'_>,
) -> Option<Vec<&'static Column>> {
    let mut columns: Vec<&'static Column> = Vec::new();
    for (name, span) in texts(values.get("columns")?) {
        match stream.column(name) {
            Some(column) if columns.iter().any(|c| c.name == column.name) => {
                checker.report(span, "fetch.columns", format!("column `{name}` is listed twice"));
            }
            Some(column) => columns.push(column),
            None => report_unknown_column(name, span, stream, checker),
        }
    }
    Some(columns)
}

fn report_unknown_column(name: &str, span: Range<usize>, stream: &'static Stream, checker: &mut DocumentChecker<'_>) {
    let near = nearest(name, stream.columns().map(|c| c.name));
    let elsewhere = stream::all().find(|s| s.column(name).is_some());
    let problem = checker.report(span, "fetch.columns", format!("`{}` has no column {}", stream.name, quote(name)));
    problem.hint = Some(match (near.as_slice(), elsewhere) {
        ([], Some(other)) => {
            format!(
                "`{}` has this column; `cratedigger streams {}` lists the columns of this stream",
                other.name, stream.name
            )
        }
        ([], None) => format!("`cratedigger streams {}` lists its columns", stream.name),
        (near, _) => format!("did you mean {}?", or_list(near)),
    });
}

/// The values of a list of words in the order of the file, without duplicates.
fn read_list<T: Copy + PartialEq>(
    values: &TableValues<'_, '_>,
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
