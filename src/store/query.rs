//! Analysts' own SQL: `[[query]]` and `where`, read-only and limited.
//!
//! A query sees the store and one view for each fetch of its job. It runs on its own connection, which cannot
//! write (it is opened read-only, and an authorizer refuses everything but reading), cannot reach another file,
//! and is interrupted when its time is over. Its memory and its result are limited too. `check` prepares the same
//! SQL against an empty store of the same schema, so an accepted statement runs.

mod declared_types;
mod error;
mod first_rows;
mod functions;
mod inputs;
mod limits;
mod parameters;
mod refusal;
mod row_order;
mod text;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::hooks::{AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, OpenFlags, Row, Statement};
use rustc_hash::FxHashSet;

pub use error::{QueryError, SqlPosition};
pub use first_rows::FirstRows;
pub use inputs::{InputRowSink, InputRows, create_joined_table, joined_columns, mentions_inputs};
pub use limits::QueryBudget;
pub use parameters::QueryParameters;
pub use text::is_volatile;

use first_rows::FirstRowsMemory;
use limits::{MAX_COMMAS, MAX_HEAP_BYTES, PROGRESS_INTERVAL, QUERY_LIMITS};
use refusal::refusal;

use super::views::{RowScope, ViewSelect, identifier};
use crate::stream::Stream;

/// A fetch of the job of the queries. It becomes a view with its name.
#[derive(Debug, Clone)]
pub struct QueryFetch {
    pub name: String,
    pub stream: &'static Stream,
    /// The requested market; empty if there is none.
    pub market: String,
    /// Only rows of this user are shown; `None` shows those of all users.
    pub user_id: Option<String>,
    /// For logs: start of the window, ISO 8601 in UTC.
    pub since: Option<String>,
    /// The rows of its input file, if queries may read them or its files show them.
    pub inputs: Option<Arc<dyn InputRows>>,
}

/// What SQLite says about a valid query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedQuery {
    /// The names of the result columns.
    pub columns: Vec<String>,
    /// The names of the parameters that it uses, each with its colon.
    pub parameters: Vec<String>,
    /// Whether the whole query has an ORDER BY, or always one row.
    pub is_ordered: bool,
}

#[derive(Default)]
struct QueryWatch {
    deadline: Option<Instant>,
    /// What the authorizer refused last.
    denied: Option<String>,
}

impl QueryWatch {
    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// A connection that can only read.
pub struct QueryReader {
    store: Connection,
    job: String,
    fetches: Vec<QueryFetch>,
    /// Whether this is a real store, and not an empty one for checking.
    has_rows: bool,
    budget: QueryBudget,
    watch: Arc<Mutex<QueryWatch>>,
    memory: FirstRowsMemory,
}

impl QueryReader {
    /// Opens the store for the queries of a job. Each may take as much as `budget`.
    ///
    /// # Errors
    /// [`QueryError::Store`] if the store cannot be read.
    pub fn open(path: &Path, job: &str, fetches: Vec<QueryFetch>, budget: QueryBudget) -> Result<Self, QueryError> {
        // The bundled SQLite takes a path that starts with `file:` for a URI, whatever the flags.
        let path = Path::new(".").join(path);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let store = Connection::open_with_flags(path, flags)?;
        store.busy_timeout(Duration::from_secs(10))?;
        Self::with_connection(store, job, fetches, budget, true)
    }

    /// Opens an empty store in memory, for checking SQL. `create` creates its tables and views.
    ///
    /// # Errors
    /// Whatever `create` reports.
    pub fn for_checking(
        job: &str,
        fetches: Vec<QueryFetch>,
        create: impl FnOnce(&mut Connection) -> rusqlite::Result<()>,
    ) -> Result<Self, QueryError> {
        let mut store = Connection::open_in_memory()?;
        create(&mut store)?;
        Self::with_connection(store, job, fetches, QueryBudget::with_time(Duration::from_secs(10)), false)
    }

    fn with_connection(
        mut store: Connection,
        job: &str,
        fetches: Vec<QueryFetch>,
        budget: QueryBudget,
        has_rows: bool,
    ) -> Result<Self, QueryError> {
        // With these on, SQLite takes a misspelled "column" for a text.
        store.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        store.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        // What a query sorts and collects is not written to a file, so that the limit of memory applies. Setting this deletes
        // temporary tables, so it comes first.
        store.execute_batch(&format!("PRAGMA temp_store = MEMORY; PRAGMA hard_heap_limit = {MAX_HEAP_BYTES};"))?;
        for fetch in &fetches {
            let scope = RowScope::FetchUnordered { job, fetch: &fetch.name };
            let select = ViewSelect::new(fetch.stream, fetch.stream.columns().map(|c| c.name))
                .scope(scope)
                .since(fetch.since.as_deref())
                .market(Some(&fetch.market))
                .for_user(fetch.user_id.as_deref());
            store.execute_batch(&format!("CREATE TEMP VIEW {} AS {}", identifier(&fetch.name), select.sql()))?;
        }
        inputs::create_tables(&store, &fetches, has_rows)?;
        store.execute_batch("PRAGMA query_only = ON; PRAGMA trusted_schema = OFF;")?;
        for (limit, most) in QUERY_LIMITS {
            store.set_limit(limit, most)?;
        }
        let watch = Arc::new(Mutex::new(QueryWatch::default()));
        let seen = Arc::clone(&watch);
        store.authorizer(Some(move |context: AuthContext<'_>| {
            let refused = refusal(context.action);
            let authorization = if refused.is_some() { Authorization::Deny } else { Authorization::Allow };
            if refused.is_some() {
                lock(&seen).denied = refused;
            }
            authorization
        }))?;
        let clock = Arc::clone(&watch);
        store.progress_handler(PROGRESS_INTERVAL, Some(move || lock(&clock).is_late()))?;
        functions::replace_functions(&store)?;
        Ok(QueryReader {
            store,
            job: job.to_owned(),
            fetches,
            has_rows,
            budget,
            watch,
            memory: FirstRowsMemory::default(),
        })
    }

    /// Runs a query: `begin` gets the names of its columns, then `each` gets every row.
    ///
    /// # Errors
    /// The problem in the SQL with its position; or the error of `begin` or `each`.
    pub fn run<E: From<QueryError>>(
        &self,
        sql: &str,
        bound: &QueryParameters,
        begin: impl FnOnce(Vec<String>) -> Result<(), E>,
        mut each: impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let _running = self.start_timer();
        let mut statement = self.prepare(sql)?;
        let names = columns(&statement)?;
        let mut first = self.memory.begin(&names);
        begin(names)?;
        self.bind(&mut statement, bound)?;
        let mut rows = statement.raw_query();
        let (mut row_count, mut byte_count) = (0, 0);
        while let Some(row) = rows.next().map_err(|e| self.explain(e))? {
            row_count += 1;
            byte_count += text_bytes(row);
            if row_count > self.budget.rows {
                return Err(QueryError::TooManyRows(self.budget.rows).into());
            } else if byte_count > self.budget.bytes {
                return Err(QueryError::TooManyBytes(self.budget.bytes).into());
            }
            if let Some(rows) = &mut first
                && !self.memory.add(rows, row).map_err(QueryError::from)?
            {
                first.take().into_iter().for_each(|rows| self.memory.keep(sql, bound, rows));
            }
            each(row)?;
        }
        first.into_iter().for_each(|rows| self.memory.keep(sql, bound, rows));
        Ok(())
    }

    /// Checks whether this SQL would run, without running it.
    ///
    /// # Errors
    /// The problem with its position.
    pub fn check(&self, sql: &str) -> Result<CheckedQuery, QueryError> {
        let _running = self.start_timer();
        let mut statement = self.prepare(sql)?;
        self.bind(&mut statement, &QueryParameters::default())?;
        let names = (1..=statement.parameter_count()).filter_map(|n| statement.parameter_name(n));
        Ok(CheckedQuery {
            parameters: names.map(str::to_owned).collect(),
            columns: columns(&statement)?,
            is_ordered: row_order::is_ordered(&self.store, &statement)
                || !self.has_rows && row_order::has_one_row(&self.store, sql, &mut statement),
        })
    }

    /// Returns the names of the tables and views that a query may read.
    pub fn tables(&self) -> Vec<String> {
        let read = || -> rusqlite::Result<Vec<String>> {
            let mut names = self.store.prepare(
                "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')
                 UNION SELECT name FROM sqlite_temp_schema WHERE type IN ('table', 'view')",
            )?;
            names.query_map([], |row| row.get(0))?.collect()
        };
        read().unwrap_or_default()
    }

    /// Returns the columns of the tables and views that an SQL text names.
    pub fn columns_in_reach(&self, sql: &str) -> Vec<String> {
        let words = words_of(sql);
        let mut columns = Vec::new();
        for table in self.tables().iter().filter(|name| words.contains(&name.to_ascii_lowercase())) {
            if let Ok(all) = self.store.prepare(&format!("SELECT * FROM {}", identifier(table))) {
                columns.extend(all.column_names().map(str::to_owned));
            }
        }
        columns
    }

    /// Whether a statement is a SELECT, even if it uses unknown names: SQLite accepts only a SELECT in parentheses.
    pub fn is_select(&self, sql: &str) -> bool {
        match self.prepare(&format!("SELECT * FROM (\n{sql}\n)")) {
            // A semicolon at the end is not allowed there, but it is in a query.
            Err(error) => !error.is_syntax_error() || error.to_string().contains("near \";\""),
            Ok(_) => true,
        }
    }

    /// Checks that this `where` would run on the rows of a fetch.
    ///
    /// # Errors
    /// The problem with its position.
    pub fn check_filter(&self, fetch: &str, column: &str, filter: &str) -> Result<(), QueryError> {
        let _running = self.start_timer();
        self.prepare_ids(fetch, column, Some(filter), &QueryParameters::default()).map(drop)
    }

    /// Returns the ids in `column` of a fetch's rows that match `filter`, each once, in the order of the rows.
    /// A list column contributes all ids of its lists.
    ///
    /// # Errors
    /// The problem in the filter with its position.
    pub fn ids(
        &self,
        fetch: &str,
        column: &str,
        filter: Option<&str>,
        bound: &QueryParameters,
    ) -> Result<Vec<String>, QueryError> {
        let _running = self.start_timer();
        let (mut statement, ahead) = self.prepare_ids(fetch, column, filter, bound)?;
        let explain = |error| self.explain(error).without_prefix(ahead);
        let mut rows = statement.raw_query();
        let mut seen = FxHashSet::default();
        let mut ids = Vec::new();
        while let Some(row) = rows.next().map_err(explain)? {
            let values: Option<String> = row.get(0).map_err(explain)?;
            for id in values.iter().flat_map(|v| v.split('\u{1f}')).filter(|id| !id.is_empty()) {
                if seen.insert(id.to_owned()) {
                    ids.push(id.to_owned());
                }
                if ids.len() as u64 > self.budget.rows {
                    return Err(QueryError::TooManyRows(self.budget.rows));
                }
            }
        }
        Ok(ids)
    }

    /// Returns the bound statement, and the number of bytes before the filter in it.
    fn prepare_ids(
        &self,
        fetch: &str,
        column: &str,
        filter: Option<&str>,
        bound: &QueryParameters,
    ) -> Result<(Statement<'_>, usize), QueryError> {
        let known = self.fetches.iter().find(|f| f.name == fetch);
        let fetch = known.ok_or_else(|| QueryError::NoFetch(fetch.to_owned()))?;
        let select = ViewSelect::new(fetch.stream, fetch.stream.columns().map(|c| c.name))
            .scope(RowScope::Fetch { job: &self.job, fetch: &fetch.name })
            .since(fetch.since.as_deref())
            .market(Some(&fetch.market))
            .for_user(fetch.user_id.as_deref());
        let (sql, ahead) = select.ids_query(column, filter);
        let mut statement = self.prepare(&sql).map_err(|e| e.without_prefix(ahead))?;
        self.bind(&mut statement, bound)?;
        Ok((statement, ahead))
    }

    fn prepare(&self, sql: &str) -> Result<Statement<'_>, QueryError> {
        if sql.matches(',').count() > MAX_COMMAS {
            return Err(QueryError::TooManyCommas);
        }
        let mut batch = Batch::new(&self.store, sql);
        let statement = batch.next().map_err(|e| self.explain(e))?.ok_or(QueryError::Empty)?;
        match batch.next() {
            Ok(None) => {}
            _ => return Err(QueryError::SeveralStatements),
        }
        if !statement.readonly() || statement.column_count() == 0 {
            return Err(QueryError::NotASelect);
        }
        Ok(statement)
    }

    fn bind(&self, statement: &mut Statement<'_>, bound: &QueryParameters) -> Result<(), QueryError> {
        for n in 1..=statement.parameter_count() {
            let name = statement.parameter_name(n).unwrap_or("?").to_owned();
            let value = bound.value(&name).ok_or(QueryError::UnknownName(name))?;
            statement.raw_bind_parameter(n, value).map_err(|e| self.explain(e))?;
        }
        Ok(())
    }

    fn start_timer(&self) -> RunningQuery<'_> {
        *lock(&self.watch) = QueryWatch { deadline: Instant::now().checked_add(self.budget.time), denied: None };
        RunningQuery(&self.watch)
    }

    fn explain(&self, error: rusqlite::Error) -> QueryError {
        QueryError::from_sqlite(error, self.budget.time, lock(&self.watch).denied.take())
    }
}

/// Stops the clock when a query is over, so that the next operation is not interrupted.
struct RunningQuery<'a>(&'a Mutex<QueryWatch>);

impl Drop for RunningQuery<'_> {
    fn drop(&mut self) {
        lock(self.0).deadline = None;
    }
}

fn lock(watch: &Mutex<QueryWatch>) -> std::sync::MutexGuard<'_, QueryWatch> {
    watch.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The words of an SQL text that may be names, in lower case.
fn words_of(sql: &str) -> FxHashSet<String> {
    sql.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_ascii_lowercase).collect()
}

fn columns(statement: &Statement<'_>) -> Result<Vec<String>, QueryError> {
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut seen = FxHashSet::default();
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(twice) => Err(QueryError::SameName(twice.clone())),
        None => Ok(names),
    }
}

/// The number of bytes that the values of a row have as text, about.
fn text_bytes(row: &Row<'_>) -> u64 {
    let length = |index| match row.get_ref(index) {
        Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => bytes.len() as u64,
        _ => 8,
    };
    (0..row.as_ref().column_count()).map(length).sum()
}

#[cfg(test)]
mod tests;
