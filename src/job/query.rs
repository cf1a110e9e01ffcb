//! The `[[query]]` tables of a job.

use std::ops::Range;

use super::keys;
use super::model::JobQuery;
use super::output_name::OutputName;
use super::read::JobContext;
use super::sql;
use crate::document::{DiagnosticSeverity, DocumentChecker, TomlTable};

/// Reads all queries of a job.
pub(super) fn read_queries(
    tables: &[(&TomlTable<'_>, Range<usize>)],
    context: &JobContext<'_>,
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
        if csv.is_per_user()
            && !(context.has_users && sql::uses_user_id(sql))
            && let Some(entry) = values.entry("csv")
        {
            checker.report(entry.value.span(), "query.csv", "`{user}` has no value here").hint =
                Some("it needs a job with users and a query that uses `:user_id`".to_owned());
        }
        if !sql::is_ordered(sql)
            && let Some(entry) = values.entry("sql")
        {
            let problem = checker.report(entry.value.span(), "query.sql", "the query has no ORDER BY");
            problem.severity = DiagnosticSeverity::Warning;
            problem.hint = Some("without it, the order of the rows may change from run to run".to_owned());
        }
        queries.push(JobQuery { csv, sql: sql.to_owned() });
    }
    queries
}
