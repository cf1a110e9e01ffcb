//! The `[[chart]]` tables of a job.

use std::ops::Range;

use super::keys;
use super::page_model::{ChartKind, JobChart};
use crate::document::{DocumentChecker, TableValues, TomlTable};

/// More charts would not fit on a page.
const MAX_CHARTS: usize = 24;

/// Reads all charts of a job.
pub(super) fn read_charts(
    tables: &[(&TomlTable<'_>, Range<usize>)],
    job: &TableValues<'_, '_>,
    checker: &mut DocumentChecker<'_>,
) -> Vec<JobChart> {
    if let (Some((_, span)), None) = (tables.first(), job.entry("report")) {
        checker.report(span.clone(), "chart", "this [[chart]] has no page to be on").hint =
            Some("add an empty table [report]".to_owned());
    }
    if let Some((_, span)) = tables.get(MAX_CHARTS) {
        let message = format!("{} tables [[chart]]; at most {MAX_CHARTS} fit on a page", tables.len());
        checker.report(span.clone(), "chart", message);
    }
    let mut charts = Vec::new();
    for (table, span) in tables {
        let values = checker.check_table(table, "chart", keys::CHART);
        for (key, hint) in [("title", "add title = \"…\""), ("sql", "add sql = \"SELECT … AS x, … AS y FROM …\"")]
        {
            if values.entry(key).is_none() {
                let which =
                    values.text("title").map_or("this [[chart]]".to_owned(), |title| format!("chart `{title}`"));
                checker.report(span.clone(), &format!("chart.{key}"), format!("{which} has no `{key}`")).hint =
                    Some(hint.to_owned());
            }
        }
        let (Some(title), Some(sql)) = (values.text("title"), values.text("sql")) else { continue };
        let kind = values.text("kind").and_then(|word| ChartKind::ALL.into_iter().find(|kind| kind.as_str() == word));
        charts.push(JobChart {
            title: title.to_owned(),
            kind: kind.unwrap_or_default(),
            sql: sql.to_owned(),
            sql_span: values.entry("sql").map_or(span.clone(), |entry| entry.value.span()),
        });
    }
    charts
}
