//! What a fetch is given: ids, another fetch's rows, searches, a user or nothing.

use std::collections::HashSet;
use std::ops::Range;

use super::keys::SOURCES;
use super::model::{Fetch, Source};
use super::read::Context;
use super::sql;
use super::{reference_file, search_file};
use crate::document::{Checker, Finding, Values, nearest, or_list, quote, texts};
use crate::stream::{self, Stream, Takes};
use spotify_client::{Kind, Reference};

/// The other fetches of the job, as one of them sees them.
pub(super) struct Above<'a> {
    /// Those that stand above and have a stream.
    pub fetches: &'a [Fetch],
    /// The names of all, in the order of the file.
    pub names: &'a [Option<String>],
    /// Which of all this one is.
    pub at: usize,
}

/// Reads what a fetch is given, and reports what its stream cannot be given.
pub(super) fn of(
    values: &Values<'_, '_>,
    stream: &'static Stream,
    above: &Above<'_>,
    context: &Context<'_>,
    span: &Range<usize>,
    checker: &mut Checker<'_>,
) -> Source {
    let fitting: &[&str] = match stream.takes {
        Takes::Ids(_) => &["ids", "ids_file", "from"],
        Takes::Queries => &["query", "queries", "queries_file"],
        Takes::Nothing | Takes::User => &[],
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
            problem.hint = Some(match stream.takes {
                Takes::User => "it reads what is the user's own: the job's `user` or `users`".to_owned(),
                Takes::Nothing => "it needs nothing".to_owned(),
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
    match stream.takes {
        Takes::Nothing => Source::Nothing,
        Takes::User => {
            if !context.has_users {
                let problem = checker.report(at, "fetch.stream", format!("`{}` needs a signed-in user", stream.name));
                problem.hint = Some(
                    "add user = \"home\" at the top of the file, and sign in once: `cratedigger auth login home`"
                        .to_owned(),
                );
            }
            Source::User
        }
        Takes::Ids(kind) => {
            if given == 0 {
                let problem = checker.report(at, "fetch.stream", format!("`{}` needs ids of {kind}s", stream.name));
                problem.hint = Some("add `ids`, `ids_file` or `from`".to_owned());
            }
            ids(values, kind, above, context, checker)
        }
        Takes::Queries => {
            if given == 0 {
                let problem =
                    checker.report(at, "fetch.stream", format!("`{}` needs something to search for", stream.name));
                problem.hint = Some("add `query`, `queries` or `queries_file`".to_owned());
            }
            Source::Searches(search_file::searches(values, context.dir, checker))
        }
    }
}

fn ids(
    values: &Values<'_, '_>,
    kind: Kind,
    above: &Above<'_>,
    context: &Context<'_>,
    checker: &mut Checker<'_>,
) -> Source {
    if let Some(from) = values.entry("from") {
        for other in ["ids", "ids_file"].iter().filter_map(|name| values.entry(name)) {
            let name = other.key.name;
            checker.report(other.at.clone(), &format!("fetch.{name}"), format!("both `from` and `{name}`")).hint =
                Some("use one fetch for each".to_owned());
        }
        let parent = values.text("from").and_then(|name| parent(name, from.value.span(), kind, above, checker));
        let filter = values.text("where").map(str::to_owned);
        if let (Some(parent), Some(filter)) = (parent, &filter) {
            check_columns(filter, above.fetches[parent].stream, values, checker);
        }
        return Source::From { fetch: parent.unwrap_or(0), filter };
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
                        problem.severity = crate::document::Severity::Warning;
                        problem.hint = Some("it is read once".to_owned());
                    }
                }
                Err(error) => {
                    let mut finding = Finding::new(span, format!("{}: {}", quote(text), error.why));
                    finding.label = Some(format!("expected {}", error.expected));
                    checker.found("fetch.ids", finding);
                }
            }
        }
    }
    if let Some(entry) = values.entry("ids_file")
        && let Some(name) = values.text("ids_file")
    {
        let span = entry.value.span();
        for reference in reference_file::read(name, context.dir, kind, span, checker) {
            if seen.insert(reference.clone()) {
                found.push(reference);
            }
        }
    }
    Source::Ids(found)
}

/// The place of the fetch that this one takes from.
fn parent(name: &str, span: Range<usize>, kind: Kind, above: &Above<'_>, checker: &mut Checker<'_>) -> Option<usize> {
    let Some(at) = above.fetches.iter().position(|f| f.name == name) else {
        no_parent(name, span, above, checker);
        return None;
    };
    let stream = above.fetches[at].stream;
    if stream.reference(kind).is_none() {
        let others: Vec<&str> = stream::all().filter(|s| s.reference(kind).is_some()).map(|s| s.name).collect();
        let problem = checker.report(span, "fetch.from", format!("the rows of `{}` name no {kind}s", stream.name));
        problem.hint = Some(format!("those of {} do", or_list(&others)));
        return None;
    }
    Some(at)
}

fn no_parent(name: &str, span: Range<usize>, above: &Above<'_>, checker: &mut Checker<'_>) {
    let own = above.names.get(above.at).and_then(Option::as_deref) == Some(name);
    let written = |names: &[Option<String>]| names.iter().any(|n| n.as_deref() == Some(name));
    if !own && written(above.names.get(..above.at).unwrap_or(&[])) {
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

fn check_columns(filter: &str, parent: &'static Stream, values: &Values<'_, '_>, checker: &mut Checker<'_>) {
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
