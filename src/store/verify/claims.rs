//! Compares what runs and lists record about themselves.

use rusqlite::Connection;

use super::{StoreReport, list_label};
use crate::store::anomaly_table;
use crate::store::list_kinds::log_kinds;
use crate::store::list_proof::current_rows_sql;

/// Queries for lists (kind, parent and id) with a contradiction, and its description.
const LIST_CLAIMS: &[(&str, &str)] = &[
        (
            // A presumed list has its own record, later than the complete read.
            "SELECT l.kind, l.parent_id, l.id FROM lists l JOIN run_lists r ON r.list_id = l.id
             AND r.read_at = (SELECT max(o.read_at) FROM run_lists o WHERE o.list_id = l.id)
             WHERE (r.content_hash, r.announced, r.stored, r.served, r.skipped, r.snapshot_before) IS NOT
                   (l.content_hash, l.announced, l.stored, l.served, l.skipped, l.snapshot_id)",
            "it differs from the record of the run that read it",
        ),
        (
            // Records are deleted with their runs by retention; the newest runs of each job stay.
            "WITH kept (since) AS (SELECT iif((SELECT count(*) = max(id) FROM runs), '',
               (SELECT max(first) FROM (SELECT min(started_at) AS first FROM runs GROUP BY job))))
             SELECT l.kind, l.parent_id, l.id FROM lists l, kept WHERE l.read_at > kept.since
             AND NOT EXISTS (SELECT 1 FROM run_lists r WHERE r.list_id = l.id AND r.read_at >= l.read_at)",
            "it was read, but no run has a record of the read",
        ),
        (
            // When retention deletes rows of logs, it deletes their hash too.
            "SELECT l.kind, l.parent_id, l.id FROM lists l WHERE l.rows_hash IS NULL AND l.read_at IS NOT NULL
             AND l.kind NOT IN ({logs})
             AND EXISTS (SELECT 1 FROM run_lists r WHERE r.list_id = l.id AND r.read_at >= l.read_at)",
            "it has no hash to check its rows against",
        ),
        (
            "SELECT DISTINCT l.kind, l.parent_id, l.id FROM lists l JOIN run_lists r ON r.list_id = l.id WHERE NOT CASE r.proof
               WHEN 'version' THEN r.snapshot_before IS NOT NULL
                 AND coalesce(r.announced, r.served) = r.served AND coalesce(r.snapshot_after, r.snapshot_before) = r.snapshot_before
               WHEN 'total' THEN r.announced IS r.served
               WHEN 'end' THEN r.announced IS NULL
               WHEN 'wrong_total' THEN r.announced IS NOT NULL AND r.announced <> r.served
               ELSE r.proof IN ('cut', 'content', 'presumed') END",
            "the counts and versions that a run recorded do not match the recorded proof",
        ),
        (
            "SELECT DISTINCT l.kind, l.parent_id, l.id FROM lists l JOIN run_lists r ON r.list_id = l.id
             WHERE l.kind = 'playlist_items' AND r.proof <> 'cut' AND r.stored <> r.served",
            "a run recorded different numbers of rows and items",
        ),
];

/// Compares lists with the records of the runs that read them.
pub(super) fn check_list_records(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    for (sql, what) in LIST_CLAIMS {
        report.add_each(conn, "record", &sql.replace("{logs}", &log_kinds()), |row| {
            let name = list_label(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?, row.get(2)?);
            Ok(format!("{name}: {what}"))
        })?;
    }
    check_list_kinds(conn, report)?;
    // Before it fills a store, a run records the host.
    let nameless = "SELECT count(*) FROM lists WHERE read_at IS NOT NULL HAVING count(*) > 0 AND NOT EXISTS (SELECT 1 FROM store_info WHERE key = 'api_host')";
    report.add_each(conn, "record", nameless, |_| Ok("store_info does not name the host of the rows".to_owned()))?;
    // A clock that was ahead leaves such times, even if it is right again.
    let ahead = "SELECT count(*) FROM lists WHERE max(coalesce(checked_at, ''), coalesce(read_at, '')) > strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";
    report.lists_ahead = conn.query_row(ahead, [], |row| row.get(0))?;
    Ok(())
}

/// Finds lists that no stream reads.
fn check_list_kinds(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    let mut statement = conn.prepare("SELECT kind, min(id) FROM lists WHERE read_at IS NOT NULL GROUP BY kind")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, id): (String, i64) = (row.get(0)?, row.get(1)?);
        if current_rows_sql(&kind).is_none() {
            report.add("record", format!("list {id} has the kind {kind}, which no stream reads"));
        }
    }
    Ok(())
}

/// Checks the records of runs.
pub(super) fn check_runs(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    report.runs = conn.query_row("SELECT count(*) FROM runs", [], |row| row.get(0))?;
    let claims = [
        (
            "SELECT id FROM runs r WHERE state = 'complete'
             AND EXISTS (SELECT 1 FROM run_fetches f WHERE f.run_id = r.id AND f.state <> 'complete')",
            "is complete, but one of its fetches is not",
        ),
        (
            "SELECT id FROM runs WHERE exit_code IS NOT NULL AND (state = 'complete') <> (exit_code = 0)",
            "has an exit code that does not match its state",
        ),
        (
            // Deleting a user deletes what runs record about the user.
            "SELECT id FROM runs r WHERE state IN ('complete', 'partial') AND calls > 0
             AND id > coalesce((SELECT CAST(value AS INTEGER) FROM store_info WHERE key = 'purged_through_run'), 0)
             AND NOT EXISTS (SELECT 1 FROM run_fetches f WHERE f.run_id = r.id)",
            "made API calls but has no record of a fetch",
        ),
        (
            "SELECT id FROM runs r WHERE state <> 'running'
             AND rows < (SELECT coalesce(sum(served), 0) FROM run_fetches f WHERE f.run_id = r.id)",
            "counts fewer items than its fetches received",
        ),
        (
            // Of several users, one may be partial. Notes of older versions do not name the user.
            "SELECT DISTINCT run_id FROM run_fetches f WHERE state = 'complete' AND EXISTS (SELECT 1 FROM skipped_items s
             WHERE s.run_id = f.run_id AND s.fetch = f.fetch AND (s.user_id = f.user_id OR s.user_id IS NULL AND NOT EXISTS (
               SELECT 1 FROM run_fetches o WHERE o.run_id = f.run_id AND o.fetch = f.fetch AND o.state <> 'complete'))
             AND s.reason IN ({unproved}))",
            "has a complete fetch with a list that was not proved complete",
        ),
    ];
    for (sql, what) in claims {
        let sql = sql.replace("{unproved}", &anomaly_table::unproved_reasons_sql());
        report.add_each(conn, "run", &sql, |row| Ok(format!("run {} {what}", row.get::<_, i64>(0)?)))?;
    }
    // Records that retention has deleted cannot be counted.
    if conn
        .query_row("SELECT count(*) = max(id) FROM runs", [], |row| Ok(row.get::<_, Option<bool>>(0)? == Some(true)))?
    {
        report.add_each(conn, "run", OVERCOUNTED, |row| {
            let (run, stream): (i64, String) = (row.get(0)?, row.get(1)?);
            let (counted, recorded): (i64, i64) = (row.get(2)?, row.get(3)?);
            Ok(format!("run {run} counts {counted} skipped items of {stream}, but {recorded} are recorded"))
        })?;
        report.add_each(conn, "record", UNEXPLAINED, |row| {
            let name = list_label(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?, row.get(2)?);
            let (skipped, noted): (i64, i64) = (row.get(3)?, row.get(4)?);
            Ok(format!("{name}: a run skipped {skipped} of its items, but only {noted} have a reason"))
        })?;
    }
    Ok(())
}

/// Lists with more skipped items than reasons. A resumed read has reasons of the runs since the list was read before.
/// Left out are lists that were not read completely since a user was deleted with the reasons of those runs, and lists
/// of several users or variants in one run, because their reasons cannot be distinguished. A presumed list carries over
/// what earlier runs skipped.
const UNEXPLAINED: &str = "
    WITH reads AS (SELECT l.kind, l.parent_id, l.id, r.run_id, r.skipped,
        coalesce((SELECT max(p.run_id) FROM run_lists p WHERE p.list_id = l.id AND p.run_id < r.run_id), 0) AS before
      FROM lists l JOIN run_lists r ON r.list_id = l.id WHERE r.skipped > 0 AND r.proof <> 'presumed'
      AND NOT (l.parent_id = '' AND EXISTS (SELECT 1 FROM run_lists o JOIN lists other ON other.id = o.list_id
        WHERE o.run_id = r.run_id AND other.kind = l.kind AND other.parent_id = '' AND other.id <> l.id))),
    counted AS (SELECT kind, parent_id, id, skipped, (SELECT count(*) FROM skipped_items s
        WHERE s.parent_id IS nullif(reads.parent_id, '') AND s.position IS NOT NULL
        AND s.run_id <= reads.run_id AND s.run_id > reads.before) AS noted
      FROM reads WHERE before >= coalesce((SELECT CAST(value AS INTEGER) FROM store_info WHERE key = 'purged_through_run'), 0))
    SELECT kind, parent_id, id, skipped, noted FROM counted WHERE skipped > noted";

/// Runs that count more skipped items than are recorded. A run that resumes a list counts the items that
/// another run of any job recorded, up to the next run of its own job, which starts after it. One pass over
/// both with a running count.
const OVERCOUNTED: &str = "
    WITH ends AS (SELECT id, coalesce(lead(id) OVER (PARTITION BY job ORDER BY id) - 1, (SELECT max(id) FROM runs)) AS last FROM runs),
    noted AS (SELECT stream, run_id AS at, NULL AS run, NULL AS counted FROM skipped_items
      UNION ALL SELECT f.stream, e.last, f.run_id, sum(f.skipped) FROM run_fetches f JOIN ends e ON e.id = f.run_id
      GROUP BY f.run_id, f.stream HAVING sum(f.skipped) > 0)
    SELECT run, stream, counted, recorded FROM (SELECT run, stream, counted,
      count(*) FILTER (WHERE run IS NULL) OVER (PARTITION BY stream ORDER BY at, run IS NOT NULL ROWS UNBOUNDED PRECEDING) AS recorded
      FROM noted) WHERE counted > recorded ORDER BY run, stream";
