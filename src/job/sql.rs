//! Checks the SQL of a job with SQLite itself: each query and condition is prepared against an empty store with the
//! views of the job's fetches, so an error has the position that SQLite reports.

use std::ops::Range;
use std::sync::Arc;

use super::model::{Fetch, FetchSource, JobQuery};
use super::page_model::JobChart;
use crate::document::{Diagnostic, DocumentChecker, nearest, or_list};
use crate::store::copy_empty_schema;
use crate::store::query::{InputRows, QueryError, QueryFetch, QueryParameters, QueryReader, mentions_inputs};
use crate::stream::StreamInput;

/// Checks the conditions and queries of a job. Returns the errors that do not prevent the job from running.
pub(super) fn check_job(
    job: &str,
    fetches: &[Fetch],
    (queries, charts): (&[JobQuery], &[JobChart]),
    has_users: bool,
    checker: &mut DocumentChecker<'_>,
) -> Vec<Diagnostic> {
    let has_conditions = fetches.iter().any(|f| matches!(&f.source, FetchSource::From { filter: Some(_), .. }));
    if queries.is_empty() && charts.is_empty() && !has_conditions {
        return Vec::new();
    }
    let views = |with_inputs: bool| -> Vec<QueryFetch> {
        let view = |fetch: &Fetch| QueryFetch {
            name: fetch.name.clone(),
            stream: fetch.stream,
            market: String::new(),
            user_id: None,
            since: None,
            inputs: fetch.input_file.clone().filter(|_| with_inputs).map(|file| file as Arc<dyn InputRows>),
        };
        fetches.iter().map(view).collect()
    };
    // A condition cannot read the rows of input files: it runs in the middle of a run, for each of its fetches.
    let mut texts = queries.iter().map(|query| &query.sql).chain(charts.iter().map(|chart| &chart.sql));
    let reads_inputs = texts.any(|sql| mentions_inputs(sql));
    let open = |with_inputs| QueryReader::for_checking(job, views(with_inputs), copy_empty_schema);
    let of_queries = if reads_inputs { open(true).map(Some) } else { Ok(None) };
    match open(false).and_then(|conditions| Ok((conditions, of_queries?))) {
        Ok((conditions, of_queries)) => {
            check_conditions(&conditions, fetches, checker);
            let reader = of_queries.as_ref().unwrap_or(&conditions);
            let mut other = check_queries(reader, queries, has_users, checker);
            other.extend(check_charts(reader, charts, checker));
            other
        }
        // Two fetches with one name make one view twice, and were reported already.
        Err(_) if checker.problems.iter().any(Diagnostic::is_error) => Vec::new(),
        Err(error) => {
            let message = format!("failed to check the SQL: {error}");
            checker.problems.push(Diagnostic::for_file(&checker.document.file, message));
            Vec::new()
        }
    }
}

/// Reports problems of the `where` conditions of the fetches.
fn check_conditions(reader: &QueryReader, fetches: &[Fetch], checker: &mut DocumentChecker<'_>) {
    for fetch in fetches {
        let FetchSource::From { fetch: parent, filter: Some(filter), filter_span } = &fetch.source else { continue };
        let (Some(parent), StreamInput::Ids(kind)) = (fetches.get(*parent), fetch.stream.input) else { continue };
        let Some(column) = parent.stream.reference_column(kind) else { continue };
        // SQLite would accept it as a subquery.
        if starts_with_word(filter, "select") {
            checker.report(filter_span.clone(), "fetch.where", "a SELECT is not a condition").hint =
                Some("write only what follows WHERE".to_owned());
            continue;
        }
        if let Err(error) = reader.check_filter(&parent.name, column, filter) {
            let diagnostic = report(&error, filter, filter_span, "fetch.where", checker);
            diagnostic.hint = condition_hint(&error, filter, parent).or(diagnostic.hint.take());
        }
    }
}

/// Whether SQLite understands a query but does not know one of its names. Such a job still runs: its other files are
/// written.
fn is_unknown_name(error: &QueryError) -> bool {
    match error {
        QueryError::Sql { .. } => !error.is_syntax_error(),
        QueryError::SameName(_) => true,
        _ => false,
    }
}

/// Reports an error at its place in the job file.
fn report<'c>(
    error: &QueryError,
    sql: &str,
    span: &Range<usize>,
    key: &str,
    checker: &'c mut DocumentChecker<'_>,
) -> &'c mut Diagnostic {
    let (message, offset) = match error {
        QueryError::Sql { message, at, .. } => (message.clone(), at.map(|at| at.offset)),
        QueryError::NotASelect => ("the query is not a SELECT".to_owned(), None),
        QueryError::Denied(what) => (format!("the query is not a SELECT: {what} is not allowed"), None),
        other => (other.to_string(), None),
    };
    let span = offset.and_then(|offset| token_span(&checker.document.text, span, sql, offset)).unwrap_or(span.clone());
    let diagnostic = checker.report(span, key, message);
    if let QueryError::UnknownName(name) = error {
        diagnostic.hint = Some(match nearest(name, QueryParameters::NAMES).as_slice() {
            [] => format!("the available names are {}", QueryParameters::NAMES.join(", ")),
            near => format!("did you mean {}?", or_list(near)),
        });
    }
    diagnostic
}

/// The span of the token at an offset of an SQL text, if the text is in the file without escapes.
fn token_span(file: &str, value: &Range<usize>, sql: &str, offset: usize) -> Option<Range<usize>> {
    let start = value.start + file.get(value.clone())?.find(sql)? + offset;
    let rest = file.get(start..value.end)?;
    Some(start..start + token_length(rest))
}

/// The length of the word or character at the start of a text, in bytes.
pub fn token_length(text: &str) -> usize {
    let length = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    length.max(text.chars().next().map_or(0, char::len_utf8))
}

/// A hint for common mistakes in a condition over the rows of `parent`.
fn condition_hint(error: &QueryError, filter: &str, parent: &Fetch) -> Option<String> {
    if let Some(name) = error.unknown_column() {
        let near = nearest(name, parent.stream.columns().map(|column| column.name));
        return Some(match near.as_slice() {
            [] => format!("a condition may use the columns of `{}`", parent.stream.view()),
            near => format!("did you mean {}?", or_list(near)),
        });
    }
    starts_with_word(filter, "where").then(|| "write only what follows WHERE".to_owned())
}

/// A hint for a query that SQLite refuses: the nearest names, if it does not know a column or a table.
pub fn sql_hint(error: &QueryError, sql: &str, reader: &QueryReader) -> Option<String> {
    if !matches!(error, QueryError::Sql { .. }) {
        return None;
    }
    let (written, known) = match (error.unknown_column(), error.unknown_table()) {
        (Some(column), _) => (column, reader.columns_in_reach(sql)),
        (None, Some(table)) => (table, reader.tables()),
        (None, None) => ("", Vec::new()),
    };
    Some(match nearest(written, known.iter().map(String::as_str)).as_slice() {
        [] => "docs/schema.md lists tables and views; each fetch is a view with its name".to_owned(),
        near => format!("did you mean {}?", or_list(near)),
    })
}

fn starts_with_word(sql: &str, word: &str) -> bool {
    sql.split_whitespace().next().is_some_and(|first| first.eq_ignore_ascii_case(word))
}

/// Reports problems of the queries. Returns the errors that do not prevent the job from running.
fn check_queries(
    reader: &QueryReader,
    queries: &[JobQuery],
    has_users: bool,
    checker: &mut DocumentChecker<'_>,
) -> Vec<Diagnostic> {
    let mut other = Vec::new();
    for query in queries {
        match reader.check(&query.sql) {
            Ok(checked) => {
                let has_user = has_users && checked.parameters.iter().any(|name| name == ":user_id");
                for file in query.files.iter().filter(|file| file.name.is_per_user() && !has_user) {
                    let key = format!("query.{}", file.format.as_str());
                    checker.report(file.span.clone(), &key, "`{user}` has no value here").hint =
                        Some("it needs a job with users and a query that uses `:user_id`".to_owned());
                }
                for file in &query.files {
                    let Some(placeholder) = file.name.list_placeholder() else { continue };
                    let (key, message) =
                        (format!("query.{}", file.format.as_str()), format!("`{{{placeholder}}}` has no value here"));
                    checker.report(file.span.clone(), &key, message).hint =
                        Some("only the file of a [[fetch]] can be one for each list".to_owned());
                }
                if !checked.is_ordered {
                    warn_of_order(&query.sql_span, "query.sql", checker);
                }
            }
            Err(error) => {
                other.extend(report_query(error, (&query.sql, &query.sql_span), "query.sql", reader, checker))
            }
        }
    }
    other
}

/// Reports problems of the charts, each with the title of its chart. Returns the errors that cost only the chart.
fn check_charts(reader: &QueryReader, charts: &[JobChart], checker: &mut DocumentChecker<'_>) -> Vec<Diagnostic> {
    let mut other = Vec::new();
    for chart in charts {
        let reported = checker.problems.len();
        let returned = other.len();
        match reader.check(&chart.sql) {
            Ok(checked) => {
                if let Some(message) = chart.wrong_columns(&checked.columns) {
                    let hint = "name them with AS: SELECT day AS x, followers AS y, name AS series";
                    let problem = checker.document.diagnostic(chart.sql_span.clone(), message);
                    other.push(problem.for_key("chart.sql").with_hint(hint));
                } else if !checked.is_ordered {
                    warn_of_order(&chart.sql_span, "chart.sql", checker);
                }
            }
            Err(error) => {
                other.extend(report_query(error, (&chart.sql, &chart.sql_span), "chart.sql", reader, checker))
            }
        }
        for problem in checker.problems[reported..].iter_mut().chain(&mut other[returned..]) {
            problem.message = format!("chart `{}`: {}", chart.title, problem.message);
        }
    }
    other
}

fn warn_of_order(span: &Range<usize>, key: &str, checker: &mut DocumentChecker<'_>) {
    let warning = checker
        .document
        .diagnostic(span.clone(), "the query has no ORDER BY")
        .for_key(key)
        .with_hint("without it, the order of the rows may change from run to run")
        .as_warning();
    checker.problems.push(warning);
}

/// Reports the error of a query, or returns it if it does not prevent the job from running.
fn report_query(
    error: QueryError,
    (sql, span): (&str, &Range<usize>),
    key: &str,
    reader: &QueryReader,
    checker: &mut DocumentChecker<'_>,
) -> Option<Diagnostic> {
    let not_select = is_unknown_name(&error) && !reader.is_select(sql);
    let error = if not_select { QueryError::NotASelect } else { error };
    let blocks = !is_unknown_name(&error);
    let hint = sql_hint(&error, sql, reader);
    let diagnostic = report(&error, sql, span, key, checker);
    diagnostic.hint = diagnostic.hint.take().or(hint);
    if blocks { None } else { checker.problems.pop() }
}

#[cfg(test)]
mod tests;
