//! Whether the rows of a query have an order.

use rusqlite::{Connection, Statement};

/// Whether a query has an ORDER BY of its own. SQLite allows none before a UNION and says so in its error.
pub(super) fn is_ordered(store: &Connection, statement: &Statement<'_>) -> bool {
    let Some(sql) = statement.expanded_sql() else { return true };
    let union = format!("{}\nUNION ALL SELECT 1", sql.trim_end().trim_end_matches(';'));
    let refused = store.prepare(&union).map(drop);
    refused.is_err_and(|error| error.to_string().contains("ORDER BY clause should come after"))
}

/// Whether a query always has one row, as aggregates without GROUP BY have: it has one in this empty store, and is no union of
/// several SELECTs.
pub(super) fn has_one_row(store: &Connection, sql: &str, statement: &mut Statement<'_>) -> bool {
    // A recursion may go on for ever.
    if sql.to_ascii_lowercase().contains("recursive") {
        return false;
    }
    let mut rows = statement.raw_query();
    let is_one = matches!(rows.next(), Ok(Some(_))) && matches!(rows.next(), Ok(None));
    drop(rows);
    is_one && !is_union(store, sql).unwrap_or(true)
}

/// Whether the rows of a query come from several SELECTs, as the plan of SQLite says.
fn is_union(store: &Connection, sql: &str) -> Result<bool, rusqlite::Error> {
    let mut plan = store.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let mut steps = plan.raw_query();
    while let Some(step) = steps.next()? {
        let (parent, what): (i64, String) = (step.get(1)?, step.get(3)?);
        if parent == 0 && (what.contains("COMPOUND") || what.contains("UNION")) {
            return Ok(true);
        }
    }
    Ok(false)
}
