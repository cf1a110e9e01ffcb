//! What a fetch is given: ids, another fetch's rows, searches, a user or nothing.

use std::collections::HashSet;
use std::ops::Range;

use super::keys::SOURCES;
use super::model::{Fetch, FetchSource};
use super::read::JobContext;
use super::sql;
use super::{reference_file, search_file};
use crate::document::{DocumentChecker, TableValues, ValueFinding, nearest, or_list, quote, texts};
use crate::stream::{self, Stream, StreamInput};
use spotify_client::{EntityKind, Reference};

/// The other fetches of the job, as one of them sees them.
pub(super) struct OtherFetches<'a> {
    /// Those that stand above and have a stream.
    pub fetches: &'a [Fetch],
    /// The names of all, in the order of the file.
    pub names: &'a [Option<String>],
    /// Which of all this one is.
    pub own_index: usize,
}

/// Reads what a fetch is given, and reports what its stream cannot be given.
pub(super) fn read_source(
    values: &TableValues<'_, '_>,
    stream: &'static Stream,
    above: &OtherFetches<'_>,
    context: &JobContext<'_>,
    span: &Range<usize>,
    checker: &mut DocumentChecker<'_>,
) -> FetchSource {
    let fitting: &[&str] = match stream.input {
        StreamInput::Ids(_) => &["ids", "ids_file", "from"],
        StreamInput::Queries => &["query", "queries", "queries_file"],
        StreamInput::Nothing | StreamInput::User => &[],
    };
    let mut given = 0;
    for entry in values.iter().filter(|e| SOURCES.contains(&e.key.name)) {
        let name = entry.key.name;
        given += 1;
        if !fitting.contains(&name) {
            let problem = checker.report(
                entry.at.clone(),
                &format!("fetch.{name}"),
                format!("`{}` takes no `{name}`", stream.name),
            );
            problem.hint = Some(match stream.input {
                StreamInput::User => "it reads what is the user's own: the job's `user` or `users`".to_owned(),
                StreamInput::Nothing => "it needs nothing".to_owned(),
                _ => format!("it takes {}", or_list(fitting)),
            });
        }
    }
    if values.entry("where").is_some() && values.entry("from").is_none() {
        let at = values.entry("where").map_or(span.clone(), |e| e.at.clone());
        checker.report(at, "fetch.where", "`where` without `from`").hint =
            Some("it chooses among the rows of another fetch".to_owned());
    }
    let at = values.entry("stream").map_or(span.clone(), |e| e.value.span());
    match stream.input {
        StreamInput::Nothing => FetchSource::Nothing,
        StreamInput::User => {
            if !context.has_users {
                let problem = checker.report(at, "fetch.stream", format!("`{}` needs a signed-in user", stream.name));
                problem.hint = Some(
                    "add user = \"home\" at the top of the file, and sign in once: `cratedigger auth login home`"
                        .to_owned(),
                );
            }
            FetchSource::User
        }
        StreamInput::Ids(kind) => {
            if given == 0 {
                let problem = checker.report(at, "fetch.stream", format!("`{}` needs ids of {kind}s", stream.name));
                problem.hint = Some("add `ids`, `ids_file` or `from`".to_owned());
            }
            read_ids(values, kind, above, context, checker)
        }
        StreamInput::Queries => {
            if given == 0 {
                let problem =
                    checker.report(at, "fetch.stream", format!("`{}` needs something to search for", stream.name));
                problem.hint = Some("add `query`, `queries` or `queries_file`".to_owned());
            }
            FetchSource::Searches(search_file::read_searches(values, context.dir, checker))
        }
    }
}

fn read_ids(
    values: &TableValues<'_, '_>,
    kind: EntityKind,
    above: &OtherFetches<'_>,
    context: &JobContext<'_>,
    checker: &mut DocumentChecker<'_>,
) -> FetchSource {
    if let Some(from) = values.entry("from") {
        for other in ["ids", "ids_file"].iter().filter_map(|name| values.entry(name)) {
            let name = other.key.name;
            checker.report(other.at.clone(), &format!("fetch.{name}"), format!("both `from` and `{name}`")).hint =
                Some("use one fetch for each".to_owned());
        }
        let parent = values.text("from").and_then(|name| find_parent(name, from.value.span(), kind, above, checker));
        let filter = values.text("where").map(str::to_owned);
        if let (Some(parent), Some(filter)) = (parent, &filter) {
            check_columns(filter, above.fetches[parent].stream, values, checker);
        }
        return FetchSource::From { fetch: parent.unwrap_or(0), filter };
    }
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    if let Some(value) = values.get("ids") {
        for (text, span) in texts(value) {
            match Reference::parse(text, kind) {
                Ok(reference) => {
                    if seen.insert(reference.clone()) {
                        found.push(reference);
                    } else {
                        let shown = quote(text);
                        let problem = checker.report(span, "fetch.ids", format!("{shown} stands twice"));
                        problem.severity = crate::document::DiagnosticSeverity::Warning;
                        problem.hint = Some("it is read once".to_owned());
                    }
                }
                Err(error) => {
                    let mut finding = ValueFinding::new(span, format!("{}: {}", quote(text), error.why));
                    finding.label = Some(format!("expected {}", error.expected));
                    checker.report_finding("fetch.ids", finding);
                }
            }
        }
    }
    if let Some(entry) = values.entry("ids_file")
        && let Some(name) = values.text("ids_file")
    {
        let span = entry.value.span();
        for reference in reference_file::read_references(name, context.dir, kind, span, checker) {
            if seen.insert(reference.clone()) {
                found.push(reference);
            }
        }
    }
    FetchSource::Ids(found)
}

/// The place of the fetch that this one takes from.
fn find_parent(
    name: &str,
    span: Range<usize>,
    kind: EntityKind,
    above: &OtherFetches<'_>,
    checker: &mut DocumentChecker<'_>,
) -> Option<usize> {
    let Some(at) = above.fetches.iter().position(|f| f.name == name) else {
        report_no_parent(name, span, above, checker);
        return None;
    };
    let stream = above.fetches[at].stream;
    if stream.reference_column(kind).is_none() {
        let others: Vec<&str> = stream::all().filter(|s| s.reference_column(kind).is_some()).map(|s| s.name).collect();
        let problem = checker.report(span, "fetch.from", format!("the rows of `{}` name no {kind}s", stream.name));
        problem.hint = Some(format!("those of {} do", or_list(&others)));
        return None;
    }
    Some(at)
}

fn report_no_parent(name: &str, span: Range<usize>, above: &OtherFetches<'_>, checker: &mut DocumentChecker<'_>) {
    let own = above.names.get(above.own_index).and_then(Option::as_deref) == Some(name);
    let written = |names: &[Option<String>]| names.iter().any(|n| n.as_deref() == Some(name));
    if !own && written(above.names.get(..above.own_index).unwrap_or(&[])) {
        // It stands above and is wrong itself, which was reported there.
        return;
    }
    let known: Vec<&str> = above.fetches.iter().map(|f| f.name.as_str()).collect();
    let (message, hint) = if own {
        (format!("`{name}` takes from itself"), "name another fetch that stands above".to_owned())
    } else if written(above.names) {
        (format!("`{name}` stands below"), format!("move [[fetch]] `{name}` above this one"))
    } else {
        let near = nearest(name, known.iter().copied());
        let hint = match near.as_slice() {
            [] if known.is_empty() => "no fetch stands above this one".to_owned(),
            [] => format!("above stand {}", known.join(", ")),
            near => format!("did you mean {}?", or_list(near)),
        };
        (format!("no fetch is named {}", quote(name)), hint)
    };
    checker.report(span, "fetch.from", message).hint = Some(hint);
}

fn check_columns(
    filter: &str,
    parent: &'static Stream,
    values: &TableValues<'_, '_>,
    checker: &mut DocumentChecker<'_>,
) {
    let columns: Vec<&str> = parent.columns().map(|c| c.name).collect();
    if let Some((word, near)) = sql::misspelt(filter, &columns)
        && let Some(entry) = values.entry("where")
    {
        let problem = checker.report(
            entry.value.span(),
            "fetch.where",
            format!("the rows of `{}` have no column `{word}`", parent.name),
        );
        problem.hint = Some(format!("did you mean {}?", or_list(&near)));
    }
}
