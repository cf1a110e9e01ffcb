//! The `[[query]]` tables of a job.

use std::ops::Range;

use super::model::JobQuery;
use super::read::JobContext;
use super::{keys, row_files};
use crate::document::{DocumentChecker, TomlTable};
use crate::settings::FileFormat;

/// Reads all queries of a job.
pub(super) fn read_queries(
    tables: &[(&TomlTable<'_>, Range<usize>)],
    context: &JobContext<'_>,
    checker: &mut DocumentChecker<'_>,
) -> Vec<JobQuery> {
    let mut queries = Vec::new();
    for (table, span) in tables {
        let values = checker.check_table(table, "query", keys::QUERY);
        let named = FileFormat::OF_ROWS.iter().any(|format| values.entry(format.as_str()).is_some());
        for (key, hint, is_missing) in [
            ("csv", "add csv = \"name.csv\"", !named),
            ("sql", "add sql = \"SELECT …\"", values.entry("sql").is_none()),
        ] {
            if is_missing {
                checker.report(span.clone(), &format!("query.{key}"), format!("this [[query]] has no `{key}`")).hint =
                    Some(hint.to_owned());
            }
        }
        let files = row_files::files_of_query(&values, context, span, checker);
        if named && !FileFormat::OF_ROWS.iter().any(|format| values.text(format.as_str()).is_some()) {
            checker.report(span.clone(), "query", "this [[query]] names no file").hint =
                Some("a query has no name of its own: write csv = \"name.csv\", jsonl = \"name.jsonl\" or parquet = \"name.parquet\"".to_owned());
        }
        let (false, Some(sql)) = (files.is_empty(), values.text("sql")) else { continue };
        let sql_span = values.entry("sql").map_or(span.clone(), |entry| entry.value.span());
        queries.push(JobQuery { files, sql: sql.to_owned(), sql_span });
    }
    queries
}
