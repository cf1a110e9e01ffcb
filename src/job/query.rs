//! The `[[query]]` tables of a job.

use std::ops::Range;

use super::keys;
use super::model::JobQuery;
use super::output_name::OutputName;
use crate::document::{DocumentChecker, TomlTable};

/// Reads all queries of a job.
pub(super) fn read_queries(
    tables: &[(&TomlTable<'_>, Range<usize>)],
    checker: &mut DocumentChecker<'_>,
) -> Vec<JobQuery> {
    let mut queries = Vec::new();
    for (table, span) in tables {
        let values = checker.check_table(table, "query", keys::QUERY);
        for (key, hint) in [("csv", "add csv = \"name.csv\""), ("sql", "add sql = \"SELECT …\"")] {
            if values.entry(key).is_none() {
                checker.report(span.clone(), &format!("query.{key}"), format!("this [[query]] has no `{key}`")).hint =
                    Some(hint.to_owned());
            }
        }
        let (Some(csv), Some(sql)) = (values.text("csv"), values.text("sql")) else { continue };
        let Ok(csv) = OutputName::parse(csv) else { continue };
        let span = |key: &str| values.entry(key).map_or(span.clone(), |entry| entry.value.span());
        queries.push(JobQuery { csv, sql: sql.to_owned(), csv_span: span("csv"), sql_span: span("sql") });
    }
    queries
}
