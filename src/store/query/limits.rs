//! How much a query may take and return.

use std::time::Duration;

use rusqlite::limits::Limit;

/// The longest text, blob or row. A function of SQLite is not interrupted, so its arguments have to be short.
pub(super) const MAX_VALUE_BYTES: usize = 1 << 20;
/// The longest pattern of LIKE and GLOB. With the longest value, one call takes a few seconds.
const MAX_PATTERN_BYTES: usize = 500;
/// Most memory of SQLite, of all connections together. SQLite has no limit for one connection. Writing needs a fifth of it, and
/// a query that needs more than the rest is ended. Containers get at least twice as much memory: otherwise the kernel would end the
/// process first.
pub(super) const MAX_HEAP_BYTES: usize = 256 << 20;

/// Bounds of SQLite for queries, since a query must not abort the process or use up its memory.
pub(super) const QUERY_LIMITS: [(Limit, i32); 10] = [
    (Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES as i32),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 20),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MAX_PATTERN_BYTES as i32),
    // The parser calls itself for each level of an expression or a subquery.
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
    (Limit::SQLITE_LIMIT_PARSER_DEPTH, 500),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
    (Limit::SQLITE_LIMIT_COLUMN, 500),
    // SQLite looks through all parameters for each one.
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
];
/// Most commas in the SQL. SQLite compares each name of a WITH or term of a PARTITION BY with all others, and makes one chain of
/// all names in USING, which it follows by calling itself. Nothing interrupts it there.
pub(super) const MAX_COMMAS: usize = 5_000;
/// SQLite instructions between two checks of the clock. One instruction can be a function that takes seconds.
pub(super) const PROGRESS_INTERVAL: i32 = 100;

/// How much a query may take and return.
#[derive(Debug, Clone, Copy)]
pub struct QueryBudget {
    /// How long it may run.
    pub time: Duration,
    /// Rows of its result, or ids of a condition.
    pub rows: u64,
    /// The text of its result in bytes.
    pub bytes: u64,
}

impl QueryBudget {
    /// A budget for a result of five million rows and a gigabyte.
    pub const fn with_time(time: Duration) -> QueryBudget {
        QueryBudget { time, rows: 5_000_000, bytes: 1 << 30 }
    }
}
