//! Errors in an analyst's SQL and their position.

use std::fmt;
use std::time::Duration;

use rusqlite::ErrorCode;

use super::limits::{MAX_COMMAS, MAX_HEAP_BYTES, MAX_VALUE_BYTES};

/// A position in SQL. Line and column start at 1, and columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlPosition {
    pub line: usize,
    pub column: usize,
    /// The same position in bytes, from 0.
    pub offset: usize,
}

impl SqlPosition {
    fn from_offset(sql: &str, offset: usize) -> SqlPosition {
        let before = sql.get(..offset).unwrap_or(sql);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        SqlPosition { line, column, offset }
    }
}

impl fmt::Display for SqlPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a query or a `where` cannot run.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The store cannot be read; the query is not the cause.
    #[error("cannot read the store")]
    Store(#[from] rusqlite::Error),
    /// SQLite refuses it.
    #[error("{message}{}", at.map(|at| format!(" (at {at})")).unwrap_or_default())]
    Sql {
        message: String,
        /// Position, if SQLite reports one.
        at: Option<SqlPosition>,
        /// The SQL that `at` refers to.
        sql: String,
    },
    /// It would do more than read.
    #[error("a query may only read: {0} is not allowed")]
    Denied(String),
    /// It is not a statement that returns rows.
    #[error("a query must be a SELECT")]
    NotASelect,
    /// It contains no SQL.
    #[error("it contains no SQL")]
    Empty,
    /// It contains more than one statement.
    #[error("a query must be one statement; another one follows the first ;")]
    SeveralStatements,
    /// It uses a name that has no value.
    #[error("{0} is not bound; a query may use {names}", names = super::QueryParameters::NAMES.join(", "))]
    UnknownName(String),
    /// Two result columns have the same name.
    #[error("two columns are named {0}; rename one of them with AS")]
    SameName(String),
    /// A `from` names a fetch that this job does not have.
    #[error("there is no fetch named {0}")]
    NoFetch(String),
    /// The rows of an input file cannot be read.
    #[error("failed to read the rows of {0}")]
    Inputs(String),
    /// It took too long.
    #[error("it was stopped after {} s", .0.as_secs_f32())]
    TooSlow(Duration),
    /// Its result has too many rows.
    #[error("its result has more than {0} rows, which is the limit")]
    TooManyRows(u64),
    /// Its result is too large.
    #[error("its result is larger than {0} bytes, which is the limit")]
    TooManyBytes(u64),
    /// One value is too long.
    #[error("a value or row is longer than {MAX_VALUE_BYTES} bytes, which is the limit")]
    ValueTooLong,
    /// Its lists are too long.
    #[error(
        "its lists have more than {MAX_COMMAS} commas, which is the limit; long lists of ids belong in an `ids_file`"
    )]
    TooManyCommas,
    /// It needs too much memory.
    #[error("it needs more than {} MiB of memory, which is the limit", MAX_HEAP_BYTES >> 20)]
    TooMuchMemory,
}

impl QueryError {
    /// Whether the store is the cause and not the SQL.
    pub fn is_storage(&self) -> bool {
        matches!(self, QueryError::Store(_))
    }

    /// Whether SQLite cannot parse the SQL, as opposed to not knowing a name in it.
    pub fn is_syntax_error(&self) -> bool {
        const SYNTAX: [&str; 3] = ["syntax error", "incomplete input", "unrecognized token"];
        matches!(self, QueryError::Sql { message, .. } if SYNTAX.iter().any(|part| message.contains(part)))
    }

    /// The column that SQLite does not know, without the quotes and the table in front of it.
    pub fn unknown_column(&self) -> Option<&str> {
        let QueryError::Sql { message, .. } = self else { return None };
        let rest = message.strip_prefix("no such column: ")?;
        let written = rest.split_once(" - should this be").map_or(rest, |(written, _)| written);
        let column = written.rsplit_once('.').map_or(written, |(_, column)| column);
        Some(column.trim_matches('"'))
    }

    /// The table that SQLite does not know.
    pub fn unknown_table(&self) -> Option<&str> {
        let QueryError::Sql { message, .. } = self else { return None };
        message.strip_prefix("no such table: ")
    }

    pub(super) fn from_sqlite(error: rusqlite::Error, limit: Duration, denied: Option<String>) -> QueryError {
        let code = match &error {
            rusqlite::Error::SqlInputError { error, .. } => Some(error.code),
            other => other.sqlite_error_code(),
        };
        match (code, denied) {
            (_, Some(what)) => QueryError::Denied(what),
            (Some(ErrorCode::OperationInterrupted), _) => QueryError::TooSlow(limit),
            (Some(ErrorCode::OutOfMemory), _) => QueryError::TooMuchMemory,
            (Some(ErrorCode::TooBig), _) if !is_about_a_statement(&error) => QueryError::ValueTooLong,
            (Some(ErrorCode::ReadOnly), _) => QueryError::Denied("writing".into()),
            (Some(ErrorCode::Unknown | ErrorCode::TooBig | ErrorCode::TypeMismatch), _) => Self::from_sql_error(error),
            (Some(ErrorCode::AuthorizationForStatementDenied), _) => Self::from_sql_error(error),
            _ => QueryError::Store(error),
        }
    }

    fn from_sql_error(error: rusqlite::Error) -> QueryError {
        match error {
            rusqlite::Error::SqlInputError { msg, sql, offset, .. } => {
                let at = usize::try_from(offset).ok().map(|offset| SqlPosition::from_offset(&sql, offset));
                QueryError::Sql { message: msg, at, sql }
            }
            rusqlite::Error::SqliteFailure(_, Some(message)) => {
                QueryError::Sql { message, at: None, sql: String::new() }
            }
            other => QueryError::Sql { message: other.to_string(), at: None, sql: String::new() },
        }
    }

    /// The same error with its position counted from `ahead` bytes later, because the analyst wrote only what
    /// follows.
    pub(super) fn without_prefix(self, ahead: usize) -> QueryError {
        match self {
            QueryError::Sql { message, at: Some(at), sql } if at.offset >= ahead && sql.is_char_boundary(ahead) => {
                let own = sql[ahead..].to_owned();
                QueryError::Sql { message, at: Some(SqlPosition::from_offset(&own, at.offset - ahead)), sql: own }
            }
            QueryError::Sql { message, sql, .. } => QueryError::Sql { message, at: None, sql },
            other => other,
        }
    }
}

/// Whether SQLite refuses the SQL itself, and not a value.
fn is_about_a_statement(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqlInputError { .. })
}
