//! Reads one job file: from text to a [`Job`].

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use serde::Deserialize;

use super::input_budget::InputBudget;
use super::model::{Job, JobUsers, SinceRule};
use super::rules::date;
use super::schedule::Schedule;
use super::{CsvOptions, chart, consistency, fetch, keys, query, report, sql};
use crate::document::{self, Diagnostic, Document, DocumentChecker, TableValues, TomlTable, TomlValue, as_text, texts};
use crate::settings::keys::CSV;
use crate::settings::{CsvProfile, FileFormat, Settings};

/// More tables of either kind in one job are a mistake.
const MAX_TABLES: usize = 200;

/// What the fetches and queries of a job need to know about the job.
pub(super) struct JobContext<'a> {
    /// The folder that input files are relative to.
    pub dir: &'a Path,
    /// The memory for what these files contain.
    pub inputs: &'a InputBudget,
    /// The job's values for all its fetches.
    pub market: Option<String>,
    pub refresh_after: Option<Duration>,
    pub full_every: Duration,
    pub has_users: bool,
    /// The CSV profile of the job.
    pub profile: CsvProfile,
    /// The formats of files that a fetch or query writes by default.
    pub formats: &'a [FileFormat],
}

/// Reads a job. The job is none if the file has an error.
pub(super) fn read_job(
    document: &Arc<Document>,
    path: &Path,
    name: &str,
    settings: &Settings,
    inputs: &InputBudget,
) -> (Option<Job>, Vec<Diagnostic>) {
    let (table, broken) = document.parse();
    let mut checker = DocumentChecker::new(document);
    checker.problems = broken;
    // Keys after a syntax error may be missing only because of that error.
    let whole = checker.problems.is_empty();
    if table.is_empty() {
        if whole {
            let problem = Diagnostic::for_file(&document.file, "the job file is empty");
            checker.problems.push(
                problem.with_hint("start with [[fetch]] and stream = \"…\"; `cratedigger streams` lists the streams"),
            );
        }
        return (None, checker.problems);
    }
    let values = checker.check_table(&table, "", keys::JOB);
    let users = read_users(&values, &mut checker);
    let policy = &settings.schedule;
    let csv_options = read_csv_options(&values, &mut checker);
    let context = JobContext {
        dir: path.parent().unwrap_or(Path::new(".")),
        inputs,
        market: values.text("market").map(str::to_owned).or_else(|| settings.defaults.market.clone()),
        refresh_after: duration(&values, "refresh_after"),
        full_every: duration(&values, "full_every").unwrap_or(policy.full_every),
        has_users: users != JobUsers::None || values.entry("users").is_some() || values.entry("user").is_some(),
        profile: csv_options.layered_over(&settings.csv).profile.unwrap_or(CsvProfile::Plain),
        formats: &settings.output.formats,
    };
    let timezone = values.text("timezone").and_then(|z| z.parse::<Tz>().ok()).unwrap_or(settings.defaults.timezone);
    let fetches = fetch::read_fetches(&tables(&values, "fetch", &mut checker), &context, &mut checker);
    let queries = query::read_queries(&tables(&values, "query", &mut checker), &context, &mut checker);
    let charts = chart::read_charts(&tables(&values, "chart", &mut checker), &values, &mut checker);
    if whole && values.entry("fetch").is_none() && values.entry("query").is_none() {
        let problem = Diagnostic::for_file(&document.file, "the job has neither a fetch nor a query");
        checker.problems.push(problem.with_hint("add a [[fetch]] with stream = \"…\""));
    }
    let job = Job {
        name: name.to_owned(),
        path: path.to_owned(),
        hash: document.sha256(),
        description: values.text("description").map(str::to_owned),
        schedule: values.text("schedule").and_then(|line| Schedule::parse(line).ok()).map(|s| s.in_zone(timezone)),
        timezone,
        users,
        market: context.market.clone(),
        since: values.get("since").map_or(SinceRule::LastRun, read_since),
        priority: integer(&values, "priority").and_then(|n| i32::try_from(n).ok()).unwrap_or(0),
        max_calls: integer(&values, "max_calls").and_then(|n| u64::try_from(n).ok()),
        missed: deserialize_word(&values, "missed").unwrap_or(policy.missed),
        first_run: deserialize_word(&values, "first_run").unwrap_or(policy.first_run),
        grace: duration(&values, "grace").or(policy.grace),
        overlap: deserialize_word(&values, "overlap").unwrap_or(policy.overlap),
        jitter: duration(&values, "jitter").unwrap_or(policy.jitter),
        retention: duration(&values, "retention").or(settings.retention.rows),
        refresh_after: context.refresh_after,
        full_every: context.full_every,
        csv_options,
        publish_partial: values.get("publish_partial").and_then(|value| value.get_ref().as_bool()),
        xlsx: values.get("xlsx").and_then(|value| value.get_ref().as_bool()).unwrap_or(settings.output.xlsx),
        report: report::read_report(&values, (&fetches, &queries), &mut checker),
        sql_problems: sql::check_job(name, &fetches, (&queries, &charts), context.has_users, &mut checker),
        charts,
        fetches,
        queries,
    };
    consistency::check_output_files(&job, &mut checker);
    let usable = !checker.problems.iter().any(Diagnostic::is_error);
    (usable.then_some(job), checker.problems)
}

/// The tables of `[[fetch]]`, `[[query]]` or `[[chart]]`.
fn tables<'t, 'i>(
    values: &TableValues<'t, 'i>,
    name: &str,
    checker: &mut DocumentChecker<'_>,
) -> Vec<(&'t TomlTable<'i>, std::ops::Range<usize>)> {
    let Some(value) = values.get(name) else { return Vec::new() };
    let tables: Vec<_> = value
        .get_ref()
        .as_array()
        .into_iter()
        .flat_map(|items| items.iter())
        .filter_map(|item| Some((item.get_ref().as_table()?, item.span())))
        .collect();
    if tables.len() > MAX_TABLES {
        checker.report(
            value.span(),
            name,
            format!("{} tables [[{name}]]; at most {MAX_TABLES} are allowed", tables.len()),
        );
        return Vec::new();
    }
    tables
}

/// The users that a job can name.
const MAX_USERS: usize = 1_000;

fn read_users(values: &TableValues<'_, '_>, checker: &mut DocumentChecker<'_>) -> JobUsers {
    if let (Some(_), Some(both)) = (values.entry("user"), values.entry("users")) {
        checker.report(both.at.clone(), "users", "both `user` and `users` are set").hint =
            Some("list all of them in `users`".to_owned());
    }
    if let Some(user) = values.text("user") {
        return JobUsers::Named(vec![user.to_owned()]);
    }
    let Some(value) = values.get("users") else { return JobUsers::None };
    if as_text(value) == Some("*") {
        return JobUsers::All(None);
    }
    let mut named: Vec<String> = Vec::new();
    for (user, span) in texts(value) {
        if named.len() == MAX_USERS {
            checker.report(span, "users", format!("more than {MAX_USERS} users are listed")).hint =
                Some("write users = \"*\" for all that are signed in; `--shard` divides them".to_owned());
            break;
        }
        if named.iter().any(|n| n == user) {
            checker.report(span, "users", format!("`{user}` is listed twice"));
        } else {
            named.push(user.to_owned());
        }
    }
    JobUsers::Named(named)
}

fn read_since(value: &TomlValue<'_>) -> SinceRule {
    let text = match value.get_ref() {
        toml::de::DeValue::Datetime(at) => at.to_string(),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    match (document::duration(&text), date(&text)) {
        (Some(ago), _) => SinceRule::Ago(ago),
        (_, Some(day)) => SinceRule::Date(day),
        _ => SinceRule::LastRun,
    }
}

fn read_csv_options(values: &TableValues<'_, '_>, checker: &mut DocumentChecker<'_>) -> CsvOptions {
    let Some(table) = values.get("csv_options").and_then(|v| v.get_ref().as_table()) else {
        return CsvOptions::default();
    };
    let values = checker.check_table(table, "csv_options", CSV);
    let flag = |name: &str| values.get(name).and_then(|v| v.get_ref().as_bool());
    CsvOptions {
        profile: deserialize_word(&values, "profile"),
        bom: flag("bom"),
        delimiter: values.text("delimiter").and_then(|t| t.chars().next()),
        line_ending: deserialize_word(&values, "line_ending"),
        list_separator: values.text("list_separator").map(str::to_owned),
        null: values.text("null").map(str::to_owned),
        time_format: deserialize_word(&values, "time_format"),
        formula_guard: deserialize_word(&values, "formula_guard"),
    }
}

/// A word that passed the table of keys, as the type that it represents.
pub(super) fn deserialize_word<T: for<'de> Deserialize<'de>>(values: &TableValues<'_, '_>, name: &str) -> Option<T> {
    let text = values.text(name)?;
    T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text)).ok()
}

/// A length of time that passed the table of keys.
pub(super) fn duration(values: &TableValues<'_, '_>, name: &str) -> Option<Duration> {
    values.text(name).and_then(document::duration)
}

/// A whole number that passed the table of keys.
pub(super) fn integer(values: &TableValues<'_, '_>, name: &str) -> Option<i64> {
    let number = values.get(name)?.get_ref().as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}
