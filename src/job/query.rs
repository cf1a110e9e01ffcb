//! The `[[query]]` tables of a job.

use std::ops::Range;

use super::keys;
use super::model::Query;
use super::output::OutputName;
use super::read::Context;
use super::sql;
use crate::document::{Checker, Severity, Table};

/// Reads all queries of a job.
pub(super) fn all(
    tables: &[(&Table<'_>, Range<usize>)],
    context: &Context<'_>,
    checker: &mut Checker<'_>,
) -> Vec<Query> {
    let mut queries = Vec::new();
    for (table, span) in tables {
        let values = checker.table(table, "query", keys::QUERY);
        for (key, hint) in [("csv", "add csv = \"name.csv\""), ("sql", "add sql = \"SELECT …\"")] {
            if values.entry(key).is_none() {
                checker.report(span.clone(), &format!("query.{key}"), format!("this [[query]] has no `{key}`")).hint =
                    Some(hint.to_owned());
            }
        }
        let (Some(csv), Some(sql)) = (values.text("csv"), values.text("sql")) else { continue };
        let Ok(csv) = OutputName::parse(csv) else { continue };
        if csv.per_user()
            && !(context.has_users && sql::uses_user_id(sql))
            && let Some(entry) = values.entry("csv")
        {
            checker.report(entry.value.span(), "query.csv", "`{user}` has no meaning here").hint =
                Some("it is for jobs with users, in queries that use `:user_id`".to_owned());
        }
        if !sql::is_ordered(sql)
            && let Some(entry) = values.entry("sql")
        {
            let problem = checker.report(entry.value.span(), "query.sql", "the query has no ORDER BY");
            problem.severity = Severity::Warning;
            problem.hint = Some("without one its rows may change places from run to run".to_owned());
        }
        queries.push(Query { csv, sql: sql.to_owned() });
    }
    queries
}
