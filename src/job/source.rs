//! The input of a fetch: ids, the rows of another fetch, searches, a user or nothing.

use std::collections::HashSet;
use std::ops::Range;

use super::keys::SOURCES;
use super::model::{Fetch, FetchSource};
use super::read::JobContext;
use super::reference_file::{self, IdsFile, IdsFileKeys};
use super::search_file;
use crate::document::{DocumentChecker, TableValues, ValueFinding, nearest, or_list, quote, texts};
use crate::stream::{self, Stream, StreamInput};
use spotify_client::{EntityKind, Reference};

/// The other fetches of the job, as seen from one of them.
pub(super) struct OtherFetches<'a> {
    /// The fetches above this one that have a valid stream.
    pub fetches: &'a [Fetch],
    /// The names of all fetches, in the order of the file.
    pub names: &'a [Option<String>],
    /// The index of this fetch among all of them.
    pub own_index: usize,
}

/// Reads the input of a fetch and what its file of ids contained, and reports keys that its stream does not accept.
pub(super) fn read_source(
    values: &TableValues<'_, '_>,
    stream: &'static Stream,
    above: &OtherFetches<'_>,
    context: &JobContext<'_>,
    span: &Range<usize>,
    checker: &mut DocumentChecker<'_>,
) -> (FetchSource, Option<IdsFile>) {
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
                format!("`{}` does not accept `{name}`", stream.name),
            );
            problem.hint = Some(match stream.input {
                StreamInput::User => "it reads the data of the job's `user` or `users`".to_owned(),
                StreamInput::Nothing => "it needs no input".to_owned(),
                _ => format!("it accepts {}", or_list(fitting)),
            });
        }
    }
    if values.entry("where").is_some() && values.entry("from").is_none() {
        let at = values.entry("where").map_or(span.clone(), |e| e.at.clone());
        checker.report(at, "fetch.where", "`where` without `from`").hint =
            Some("`where` filters the rows of another fetch".to_owned());
    }
    if let Some(entry) = values.entry("ids_column").filter(|_| values.entry("ids_file").is_none()) {
        checker.report(entry.at.clone(), "fetch.ids_column", "`ids_column` without `ids_file`").hint =
            Some("`ids_column` names a column of the `ids_file`".to_owned());
    }
    let mut ids_file = None;
    let at = values.entry("stream").map_or(span.clone(), |e| e.value.span());
    let source = match stream.input {
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
            read_ids(values, kind, above, context, (checker, &mut ids_file))
        }
        StreamInput::Queries => {
            if given == 0 {
                let problem =
                    checker.report(at, "fetch.stream", format!("`{}` needs something to search for", stream.name));
                problem.hint = Some("add `query`, `queries` or `queries_file`".to_owned());
            }
            FetchSource::Searches(search_file::read_searches(values, context, checker))
        }
    };
    (source, ids_file)
}

fn read_ids(
    values: &TableValues<'_, '_>,
    kind: EntityKind,
    above: &OtherFetches<'_>,
    context: &JobContext<'_>,
    (checker, ids_file): (&mut DocumentChecker<'_>, &mut Option<IdsFile>),
) -> FetchSource {
    if let Some(from) = values.entry("from") {
        for other in ["ids", "ids_file"].iter().filter_map(|name| values.entry(name)) {
            let name = other.key.name;
            checker.report(other.at.clone(), &format!("fetch.{name}"), format!("both `from` and `{name}`")).hint =
                Some("use one fetch for each".to_owned());
        }
        let parent = values.text("from").and_then(|name| find_parent(name, from.value.span(), kind, above, checker));
        // A condition over the rows of an unknown fetch cannot be checked.
        let filter = parent.and(values.text("where").map(str::to_owned));
        let filter_span = values.entry("where").map_or(0..0, |entry| entry.value.span());
        return FetchSource::From { fetch: parent.unwrap_or(0), filter, filter_span };
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
                        let problem = checker.report(span, "fetch.ids", format!("{shown} is listed twice"));
                        problem.severity = crate::document::DiagnosticSeverity::Warning;
                        problem.hint = Some("it is read only once".to_owned());
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
        let column = values.text("ids_column").zip(values.entry("ids_column").map(|entry| entry.value.span()));
        let keys = IdsFileKeys { name, span: entry.value.span(), column };
        if let Some((file, references)) = reference_file::read_references(keys, context.dir, kind, checker) {
            let bytes = references.iter().map(|reference| size_of::<Reference>() + reference.to_string().len()).sum();
            *ids_file = Some(file);
            match context.inputs.add(bytes) {
                Ok(()) => found.extend(references.into_iter().filter(|reference| seen.insert(reference.clone()))),
                Err(why) => {
                    checker.report(entry.value.span(), "fetch.ids_file", format!("{} {why}", quote(name)));
                }
            }
        }
    }
    FetchSource::Ids(found)
}

/// The index of the fetch that `from` names.
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
        let problem =
            checker.report(span, "fetch.from", format!("the rows of `{}` contain no {kind} ids", stream.name));
        problem.hint = Some(format!("the rows of {} do", or_list(&others)));
        return None;
    }
    Some(at)
}

fn report_no_parent(name: &str, span: Range<usize>, above: &OtherFetches<'_>, checker: &mut DocumentChecker<'_>) {
    let own = above.names.get(above.own_index).and_then(Option::as_deref) == Some(name);
    let written = |names: &[Option<String>]| names.iter().any(|n| n.as_deref() == Some(name));
    if !own && written(above.names.get(..above.own_index).unwrap_or(&[])) {
        // That fetch is above this one and is wrong itself, which was reported there.
        return;
    }
    let known: Vec<&str> = above.fetches.iter().map(|f| f.name.as_str()).collect();
    let (message, hint) = if own {
        (format!("`{name}` refers to itself"), "name another fetch that is above this one".to_owned())
    } else if written(above.names) {
        (format!("`{name}` is below this fetch"), format!("move [[fetch]] `{name}` above this one"))
    } else {
        let near = nearest(name, known.iter().copied());
        let hint = match near.as_slice() {
            [] if known.is_empty() => "there is no fetch above this one".to_owned(),
            [] => format!("the fetches above are {}", known.join(", ")),
            near => format!("did you mean {}?", or_list(near)),
        };
        (format!("no fetch is named {}", quote(name)), hint)
    };
    checker.report(span, "fetch.from", message).hint = Some(hint);
}
