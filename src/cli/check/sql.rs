//! Checks the SQL of a job against an empty store.

use crate::document::Diagnostic;
use crate::job::{FetchSource, Job};
use crate::store::create_schema;
use crate::store::query::{QueryFetch, QueryReader};
use crate::stream::StreamInput;

/// All problems of the queries and `where` conditions of a job.
pub(super) fn sql_problems(job: &Job, shown: &str) -> Vec<Diagnostic> {
    let filters = job.fetches.iter().any(|f| matches!(&f.source, FetchSource::From { filter: Some(_), .. }));
    if job.queries.is_empty() && !filters {
        return Vec::new();
    }
    let fetched = job.fetches.iter().map(|f| QueryFetch {
        name: f.name.clone(),
        stream: f.stream,
        market: String::new(),
        user_id: None,
        since: None,
    });
    let reader = match QueryReader::for_checking(&job.name, fetched.collect(), create_schema) {
        Ok(reader) => reader,
        Err(e) => return vec![Diagnostic::for_file(shown, format!("failed to check its SQL: {e}"))],
    };
    let mut problems = Vec::new();
    for fetch in &job.fetches {
        let (FetchSource::From { fetch: parent, filter: Some(filter) }, StreamInput::Ids(kind)) =
            (&fetch.source, fetch.stream.input)
        else {
            continue;
        };
        let parent = &job.fetches[*parent];
        let Some(column) = parent.stream.reference_column(kind) else { continue };
        if let Err(e) = reader.check_filter(&parent.name, column, filter) {
            let what = format!("`where` of the fetch `{}`: {e}", fetch.name);
            problems.push(
                Diagnostic::for_file(shown, what)
                    .with_hint(format!("it may name the columns of `{}`", parent.stream.view())),
            );
        }
    }
    for (number, query) in (1..).zip(&job.queries) {
        if let Err(e) = reader.check(&query.sql) {
            let what = format!("query {number} ({}): {e}", query.csv.template());
            problems.push(
                Diagnostic::for_file(shown, what)
                    .with_hint("docs/schema.md lists the tables and views; each fetch is a view with its name"),
            );
        }
    }
    problems
}
