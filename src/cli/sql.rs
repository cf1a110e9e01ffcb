//! `sql [JOB] SELECT`: runs one SELECT over the store, read-only, with the views and bound values of a job.

use std::cell::RefCell;
use std::io::{self, BufWriter, IsTerminal as _, Read as _, Write};

use chrono::Utc;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use serde_json::{Map, Value, json};

use super::args::SqlArgs;
use super::error_exits::{store_error, unreadable_store};
use super::store_file::require_store;
use super::table::format_table;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::document::{Document, nearest, or_list, printable};
use crate::export::{QueryCsvError, csv_style, last_file_of_job, query_fetches, write_query_csv};
use crate::job::{Job, sql_hint, token_length};
use crate::scheduler::RunHistory;
use crate::settings::Settings;
use crate::store::query::{QueryBudget, QueryError, QueryParameters, QueryReader};
use crate::store::{open_current_schema, users_of_job};
use crate::sync::query_bindings;

/// How long the query may take.
const QUERY_TIME: std::time::Duration = std::time::Duration::from_secs(300);

/// Rows of a table for people. CSV and JSON have all rows.
const TABLE_ROWS: usize = 1_000;

/// The longest SQL text on stdin.
const MAX_SQL_BYTES: u64 = 1 << 20;

/// Runs the query and prints its rows.
pub fn run(args: &SqlArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let (job, select) = match args.words.as_slice() {
        [select] => (None, select),
        [job, select] => (Some(job.as_str()), select),
        _ => {
            let error = anyhow::anyhow!("more than a job and a SELECT");
            return Err(CommandError::new(ExitStatus::Usage, error).with_hint("put the SELECT in quotes"));
        }
    };
    if job.is_none() && args.user.is_some() {
        let error = anyhow::anyhow!("--user needs a job");
        return Err(CommandError::new(ExitStatus::Usage, error).with_hint("cratedigger sql --user USER JOB 'SELECT …'"));
    }
    let sql = read_sql(select)?;
    let settings = context.settings()?;
    require_store(context, &settings)?;
    let database = context.project.database(&settings);
    let store = open_current_schema(&database).map_err(store_error)?;
    let job = job.map(|name| find_job(name, context, &settings)).transpose()?;
    let bound = match &job {
        Some(job) => bind(job, args, &store, context, &settings)?,
        None => QueryParameters::default(),
    };
    let (name, fetches) = match &job {
        Some(job) => (job.name.as_str(), query_fetches(job, Utc::now(), std::iter::once(sql.as_str()))),
        None => ("", Vec::new()),
    };
    drop(store);
    let sql_error = |e: QueryError, reader: Option<&QueryReader>| query_failure(e, &sql, reader, job.is_some());
    let reader = QueryReader::open(&database, name, fetches, QueryBudget::with_time(QUERY_TIME))
        .map_err(|e| sql_error(e, None))?;
    let explain = |e| sql_error(e, Some(&reader));
    let result = if context.json {
        print_json(&reader, &sql, &bound, &explain).map(Ok)?
    } else if args.csv {
        let own = job.as_ref().map(|job| job.csv_options.clone()).unwrap_or_default();
        let style = csv_style(&own.layered_over(&settings.csv));
        print::mark_written();
        let out = io::stdout().lock();
        if out.is_terminal() {
            write_query_csv(&reader, &sql, &bound, &style, print::TerminalWriter::new(out))
        } else {
            write_query_csv(&reader, &sql, &bound, &style, out)
        }
    } else {
        print_table(&reader, &sql, &bound)
    };
    match result {
        Ok(()) => Ok(ExitStatus::Complete),
        Err(QueryCsvError::Output(e)) => output_result(Err(e)).map(|()| ExitStatus::Complete),
        Err(QueryCsvError::Query(e)) => Err(explain(e)),
    }
}

/// The result of writing to stdout. A closed pipe (`| head`) is not an error.
fn output_result(result: io::Result<()>) -> Result<(), CommandError> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.or_exit(ExitStatus::Storage),
    }
}

/// The SQL of the command line, or of stdin for `-`.
fn read_sql(text: &str) -> Result<String, CommandError> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut sql = String::new();
    io::stdin().lock().take(MAX_SQL_BYTES + 1).read_to_string(&mut sql).or_exit(ExitStatus::Usage)?;
    if sql.len() as u64 > MAX_SQL_BYTES {
        return Err(CommandError::new(ExitStatus::Usage, anyhow::anyhow!("the SQL is longer than 1 MiB")));
    }
    Ok(sql)
}

fn find_job(name: &str, context: &CommandContext, settings: &Settings) -> Result<Job, CommandError> {
    let loaded = context.jobs(settings, std::slice::from_ref(&name.to_owned()));
    if loaded.has_errors() {
        return Err(CommandError::Problems(loaded.problems));
    }
    let job = loaded.jobs.into_iter().next();
    job.ok_or_else(|| CommandError::new(ExitStatus::Usage, anyhow::anyhow!("there is no job {}", printable(name))))
}

/// The values that the queries of the job would get in a run that starts now.
fn bind(
    job: &Job,
    args: &SqlArgs,
    store: &Connection,
    context: &CommandContext,
    settings: &Settings,
) -> Result<QueryParameters, CommandError> {
    let database = context.project.database(settings);
    let unreadable = unreadable_store(&database);
    let past = RunHistory::read(&database).map_err(store_error)?;
    let now = Utc::now();
    let mut bound = query_bindings(job, now, past.job_or_default(&job.name).last_good);
    bound.last_file_at = last_file_of_job(store, job, now, i64::MAX).map_err(&unreadable)?;
    let users = users_of_job(store, &job.name).map_err(&unreadable)?;
    bound.user_id = match &args.user {
        None => users.first().filter(|_| users.len() == 1).map(|(id, _)| id.clone()),
        Some(name) => {
            let known = users.iter().find(|(_, local)| local == name).map(|(id, _)| id.clone());
            let error = || anyhow::anyhow!("job {} has read nothing for a user {}", job.name, printable(name));
            Some(known.ok_or_else(|| CommandError::new(ExitStatus::Usage, error()))?)
        }
    };
    Ok(bound)
}

/// The error of a query with its place in the SQL and the nearest name.
fn query_failure(error: QueryError, sql: &str, reader: Option<&QueryReader>, has_job: bool) -> CommandError {
    if error.is_storage() {
        return CommandError::new(ExitStatus::Storage, error);
    }
    let hint = reader.and_then(|reader| sql_hint(&error, sql, reader)).or_else(|| match &error {
        QueryError::UnknownName(name) => match nearest(name, QueryParameters::NAMES).as_slice() {
            [] => Some("write a value in its place".to_owned()),
            near => Some(format!("did you mean {}?", or_list(near))),
        },
        QueryError::NotASelect | QueryError::Denied(_) => Some("this command only reads".to_owned()),
        _ => None,
    });
    let hint = match (hint, &error) {
        (Some(hint), QueryError::Sql { .. }) if !has_job => {
            Some(format!("{hint}; `cratedigger sql JOB 'SELECT …'` also knows the fetches of a job"))
        }
        (hint, _) => hint,
    };
    if let QueryError::Sql { message, at: Some(at), sql: written } = &error {
        let document = Document::new("SQL", written.clone());
        let end = at.offset + token_length(written.get(at.offset..).unwrap_or_default());
        let mut problem = document.diagnostic(at.offset..end, message.clone());
        problem.hint = hint;
        return CommandError::Problems(vec![problem]);
    }
    CommandError::new(ExitStatus::Usage, error).with_optional_hint(hint)
}

/// Prints `{"columns": […], "rows": [{…}, …]}`, row by row, so that memory does not grow with their number.
fn print_json(
    reader: &QueryReader,
    sql: &str,
    bound: &QueryParameters,
    explain: &dyn Fn(QueryError) -> CommandError,
) -> Result<(), CommandError> {
    let rows = RefCell::new(JsonRows { out: BufWriter::new(io::stdout().lock()), columns: Vec::new(), count: 0 });
    let begin = |names| Ok(rows.borrow_mut().begin(names)?);
    let read: Result<(), QueryCsvError> = reader.run(sql, bound, begin, |row| Ok(rows.borrow_mut().write(row)?));
    let mut rows = rows.into_inner();
    match read {
        Ok(()) => output_result(rows.finish(None)),
        Err(QueryCsvError::Output(e)) => output_result(Err(e)),
        Err(QueryCsvError::Query(e)) => {
            let failure = explain(e);
            if !rows.columns.is_empty() {
                // Close the JSON object, with the error in it.
                drop(rows.finish(Some(&failure)));
            }
            Err(failure)
        }
    }
}

struct JsonRows<W: Write> {
    out: W,
    columns: Vec<String>,
    count: u64,
}

impl<W: Write> JsonRows<W> {
    fn begin(&mut self, columns: Vec<String>) -> io::Result<()> {
        self.columns = columns;
        print::mark_written();
        write!(self.out, "{{\"columns\":{},\"rows\":[", print::json_text(&json!(self.columns)))
    }

    fn write(&mut self, row: &Row<'_>) -> io::Result<()> {
        let cells = self.columns.iter().enumerate();
        let cells: Map<String, Value> = cells.map(|(n, name)| (name.clone(), json_cell(row, n))).collect();
        let comma = if self.count > 0 { "," } else { "" };
        self.count += 1;
        write!(self.out, "{comma}{}", print::json_text(&Value::Object(cells)))
    }

    /// Ends the object. After an error, it also gets the keys of the error.
    fn finish(&mut self, failure: Option<&CommandError>) -> io::Result<()> {
        match failure {
            None => writeln!(self.out, "]}}")?,
            Some(failure) => {
                let keys = print::json_text(&failure.json());
                writeln!(self.out, "],{}", keys.strip_prefix('{').unwrap_or(&keys))?;
            }
        }
        self.out.flush()
    }
}

fn json_cell(row: &Row<'_>, n: usize) -> Value {
    match row.get_ref(n) {
        Ok(ValueRef::Integer(n)) => json!(n),
        // JSON has no infinity. JSON Lines files have the same words.
        Ok(ValueRef::Real(n)) if n.is_infinite() => json!(if n > 0.0 { "Infinity" } else { "-Infinity" }),
        Ok(ValueRef::Real(n)) => json!(n),
        Ok(ValueRef::Text(text)) => json!(String::from_utf8_lossy(text)),
        Ok(ValueRef::Blob(bytes)) => json!(hex(bytes)),
        Ok(ValueRef::Null) | Err(_) => Value::Null,
    }
}

/// Prints an aligned table and the number of its rows.
fn print_table(reader: &QueryReader, sql: &str, bound: &QueryParameters) -> Result<(), QueryCsvError> {
    let rows = RefCell::new(Vec::new());
    let read = reader.run(
        sql,
        bound,
        |names| {
            rows.borrow_mut().push(names);
            Ok(())
        },
        |row| {
            let mut rows = rows.borrow_mut();
            if rows.len() > TABLE_ROWS {
                return Err(TableEnd::Full);
            }
            let cells = (0..row.as_ref().column_count()).map(|n| text_cell(row, n)).collect();
            rows.push(cells);
            Ok(())
        },
    );
    let is_cut = match read {
        Ok(()) => false,
        Err(TableEnd::Full) => true,
        Err(TableEnd::Failed(e)) => return Err(e.into()),
    };
    let rows = rows.into_inner();
    let mut out = format_table(&rows);
    let count = print::count(rows.len().saturating_sub(1), "row");
    out.push_str(&if is_cut {
        format!("the first {count}; --csv and --json print all\n")
    } else {
        format!("{count}\n")
    });
    Ok(print::stdout(&out)?)
}

/// Why reading the rows of a table ended.
enum TableEnd {
    /// The table has as many rows as a person reads.
    Full,
    Failed(QueryError),
}

impl From<QueryError> for TableEnd {
    fn from(error: QueryError) -> TableEnd {
        TableEnd::Failed(error)
    }
}

/// A value on one line. Null is empty.
fn text_cell(row: &Row<'_>, n: usize) -> String {
    match row.get_ref(n) {
        Ok(ValueRef::Integer(n)) => n.to_string(),
        Ok(ValueRef::Real(n)) => n.to_string(),
        Ok(ValueRef::Text(text)) => print::shorten(&String::from_utf8_lossy(text).replace('\u{1f}', "; ")),
        Ok(ValueRef::Blob(bytes)) => print::shorten(&hex(bytes)),
        Ok(ValueRef::Null) | Err(_) => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
