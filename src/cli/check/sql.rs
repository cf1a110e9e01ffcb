//! The SQL of a job, prepared against an empty store: what passes here runs.

use crate::document::Problem;
use crate::job::{Job, Source};
use crate::store::create_schema;
use crate::store::query::{Fetched, Reader};
use crate::stream::Takes;

/// Everything that is wrong with the queries and `where` conditions of a job.
pub(super) fn problems(job: &Job, shown: &str) -> Vec<Problem> {
    let filters = job.fetches.iter().any(|f| matches!(&f.source, Source::From { filter: Some(_), .. }));
    if job.queries.is_empty() && !filters {
        return Vec::new();
    }
    let fetched = job.fetches.iter().map(|f| Fetched {
        name: f.name.clone(),
        stream: f.stream,
        market: String::new(),
        user_id: None,
        since: None,
    });
    let reader = match Reader::for_checking(&job.name, fetched.collect(), create_schema) {
        Ok(reader) => reader,
        Err(e) => return vec![Problem::of_file(shown, format!("its SQL cannot be checked: {e}"))],
    };
    let mut problems = Vec::new();
    for fetch in &job.fetches {
        let (Source::From { fetch: parent, filter: Some(filter) }, Takes::Ids(kind)) =
            (&fetch.source, fetch.stream.takes)
        else {
            continue;
        };
        let parent = &job.fetches[*parent];
        let Some(column) = parent.stream.reference(kind) else { continue };
        if let Err(e) = reader.check_filter(&parent.name, column, filter) {
            let what = format!("`where` of the fetch `{}`: {e}", fetch.name);
            problems.push(
                Problem::of_file(shown, what)
                    .with_hint(format!("it may name the columns of `{}`", parent.stream.view())),
            );
        }
    }
    for (number, query) in (1..).zip(&job.queries) {
        if let Err(e) = reader.check(&query.sql) {
            let what = format!("query {number} ({}): {e}", query.csv.template());
            problems.push(
                Problem::of_file(shown, what)
                    .with_hint("docs/schema.md lists tables and views; each fetch is a view of its name"),
            );
        }
    }
    problems
}
