//! How a run of a job ended: its fetches, and the notes about requests and items.

use rusqlite::{Connection, Row, params};

use super::{SomeRows, limit, number};

/// How a fetch of a run ended.
#[derive(Debug)]
pub struct FetchResult {
    pub fetch: String,
    pub stream: String,
    pub state: String,
    pub reason: Option<String>,
    pub asked: u64,
    pub unchanged: u64,
    pub calls: u64,
    pub stored: u64,
}

/// Number of notes about a fetch with the same reason.
#[derive(Debug)]
pub struct NotedReason {
    pub fetch: String,
    /// A reason of the table of anomalies.
    pub reason: String,
    pub items: u64,
}

/// Returns how the fetches of a run ended: of all users, or of the one with this id and local name.
///
/// # Errors
/// If the store cannot be read.
pub fn fetch_results(store: &Connection, run: i64, user: Option<(&str, &str)>) -> rusqlite::Result<Vec<FetchResult>> {
    let sql = "SELECT fetch, stream, state, reason, sum(asked), sum(unchanged), sum(calls), sum(stored),
              max(CASE state WHEN 'failed' THEN 3 WHEN 'deferred' THEN 2 WHEN 'partial' THEN 1 ELSE 0 END)
         FROM run_fetches WHERE run_id = ?1 AND (?2 IS NULL OR user_id IN ('', ?2, ?3)) GROUP BY fetch ORDER BY fetch";
    // Of the users of a fetch, SQLite takes the plain columns from the row with the maximum.
    let read = |row: &Row<'_>| {
        Ok(FetchResult {
            fetch: row.get(0)?,
            stream: row.get(1)?,
            state: row.get(2)?,
            reason: row.get(3)?,
            asked: number(row, 4)?,
            unchanged: number(row, 5)?,
            calls: number(row, 6)?,
            stored: number(row, 7)?,
        })
    };
    let (id, name) = user.unzip();
    store.prepare(sql)?.query_map(params![run, id, name], read)?.collect()
}

/// Returns how many notes about requests and items a run has, by fetch and reason.
///
/// # Errors
/// If the store cannot be read.
pub fn noted_by_reason(store: &Connection, run: i64) -> rusqlite::Result<Vec<NotedReason>> {
    let sql = "SELECT fetch, reason, count(*) FROM skipped_items WHERE run_id = ?1 GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2";
    let read = |row: &Row<'_>| Ok(NotedReason { fetch: row.get(0)?, reason: row.get(1)?, items: number(row, 2)? });
    store.prepare(sql)?.query_map([run], read)?.collect()
}

/// Returns the ISRCs and UPCs (`isrc:CODE`, `upc:CODE`) for which a run found nothing, each with the reason.
///
/// # Errors
/// If the store cannot be read.
pub fn codes_not_found(store: &Connection, run: i64, most: u64) -> rusqlite::Result<SomeRows<(String, String)>> {
    let from = "FROM skipped_items WHERE run_id = ?1 AND position IS NULL AND reason <> 'unverified_code'
         AND (item_id GLOB 'isrc:*' OR item_id GLOB 'upc:*') AND item_id NOT GLOB '* *'";
    let sql = format!("SELECT item_id, min(reason) {from} GROUP BY item_id ORDER BY min(id) LIMIT ?2");
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let rows = store.prepare(&sql)?.query_map(params![run, limit(most)], read)?.collect::<Result<_, _>>()?;
    let total = store.query_row(&format!("SELECT count(DISTINCT item_id) {from}"), [run], |row| number(row, 0))?;
    Ok(SomeRows { rows, total })
}

/// Returns when a run started.
///
/// # Errors
/// If the store cannot be read, or does not know the run.
pub fn run_started_at(store: &Connection, run: i64) -> rusqlite::Result<String> {
    store.query_row("SELECT started_at FROM runs WHERE id = ?1", [run], |row| row.get(0))
}
