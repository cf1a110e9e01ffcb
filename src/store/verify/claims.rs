//! What runs and lists say of themselves, held against each other.

use rusqlite::Connection;

use super::{StoreReport, list_label};
use crate::store::list_proof::current_rows_sql;
use crate::store::pending_writes;

/// Lists of which something is so, and what that is: kind, parent and number.
const LIST_CLAIMS: &[(&str, &str)] = &[
        (
            // What was presumed has a record of its own, later than the whole read.
            "SELECT l.kind, l.parent_id, l.id FROM lists l JOIN run_lists r ON r.list_id = l.id
             AND r.read_at = (SELECT max(o.read_at) FROM run_lists o WHERE o.list_id = l.id)
             WHERE (r.content_hash, r.announced, r.stored, r.served, r.skipped, r.snapshot_before) IS NOT
                   (l.content_hash, l.announced, l.stored, l.served, l.skipped, l.snapshot_id)",
            "what the run recorded of it is not what stands in lists",
        ),
        (
            // Records go with their runs, which retention deletes; of each job the newest stay.
            "WITH kept (since) AS (SELECT iif((SELECT count(*) = max(id) FROM runs), '',
               (SELECT max(first) FROM (SELECT min(started_at) AS first FROM runs GROUP BY job))))
             SELECT l.kind, l.parent_id, l.id FROM lists l, kept WHERE l.read_at > kept.since
             AND NOT EXISTS (SELECT 1 FROM run_lists r WHERE r.list_id = l.id AND r.read_at >= l.read_at)",
            "it was read, and no run has recorded how",
        ),
        (
            // Retention deletes rows of logs, and with these the hash over them.
            "SELECT l.kind, l.parent_id, l.id FROM lists l WHERE l.rows_hash IS NULL AND l.read_at IS NOT NULL
             AND l.kind NOT IN ('search', 'top_artists', 'top_tracks', 'recently_played')
             AND EXISTS (SELECT 1 FROM run_lists r WHERE r.list_id = l.id AND r.read_at >= l.read_at)",
            "it has no hash that its rows could be held against",
        ),
        (
            "SELECT DISTINCT l.kind, l.parent_id, l.id FROM lists l JOIN run_lists r ON r.list_id = l.id WHERE NOT CASE r.proof
               WHEN 'version' THEN r.snapshot_before IS NOT NULL
                 AND coalesce(r.announced, r.served) = r.served AND coalesce(r.snapshot_after, r.snapshot_before) = r.snapshot_before
               WHEN 'total' THEN r.announced IS r.served
               WHEN 'end' THEN r.announced IS NULL
               WHEN 'wrong_total' THEN r.announced IS NOT NULL AND r.announced <> r.served
               ELSE r.proof IN ('cut', 'content', 'presumed') END",
            "announced, served and versions that a run recorded of it are not those of the proof it names",
        ),
        (
            "SELECT DISTINCT l.kind, l.parent_id, l.id FROM lists l JOIN run_lists r ON r.list_id = l.id
             WHERE l.kind = 'playlist_items' AND r.proof <> 'cut' AND r.stored <> r.served",
            "a run recorded more or fewer rows than items, and each has one",
        ),
];

/// What lists say against the record of the runs that read them.
pub(super) fn check_list_records(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    for (sql, what) in LIST_CLAIMS {
        report.add_each(conn, "record", sql, |row| {
            let name = list_label(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?, row.get(2)?);
            Ok(format!("{name}: {what}"))
        })?;
    }
    check_list_kinds(conn, report)?;
    // Who fills a store says first from where and with what.
    let nameless = "SELECT count(*) FROM lists WHERE read_at IS NOT NULL HAVING count(*) > 0 AND NOT EXISTS (SELECT 1 FROM store_info WHERE key = 'api_host')";
    report.add_each(conn, "record", nameless, |_| {
        Ok("store_info does not say from which host the rows came".to_owned())
    })?;
    // A clock that was ahead and is right again leaves such times, too.
    let ahead = "SELECT count(*) FROM lists WHERE max(coalesce(checked_at, ''), coalesce(read_at, '')) > strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";
    report.lists_ahead = conn.query_row(ahead, [], |row| row.get(0))?;
    Ok(())
}

/// Lists that no stream reads.
fn check_list_kinds(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    let mut statement = conn.prepare("SELECT kind, min(id) FROM lists WHERE read_at IS NOT NULL GROUP BY kind")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, id): (String, i64) = (row.get(0)?, row.get(1)?);
        if current_rows_sql(&kind).is_none() {
            report.add("record", format!("list {id} is of the kind {kind}, and no stream reads such a list"));
        }
    }
    Ok(())
}

/// The pages that wait to reach their tables.
pub(super) fn check_pending_writes(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    let mut statement = conn.prepare("SELECT id, writes FROM pending_writes ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        report.waiting_pages += 1;
        if !pending_writes::is_readable(row.get_ref(1)?.as_blob()?) {
            let id: i64 = row.get(0)?;
            report.add("waiting", format!("the page {id} that waits to reach its tables cannot be read"));
        }
    }
    Ok(())
}

/// What runs say of themselves.
pub(super) fn check_runs(conn: &Connection, report: &mut StoreReport) -> rusqlite::Result<()> {
    report.runs = conn.query_row("SELECT count(*) FROM runs", [], |row| row.get(0))?;
    let claims = [
        (
            "SELECT id FROM runs r WHERE state = 'complete'
             AND EXISTS (SELECT 1 FROM run_fetches f WHERE f.run_id = r.id AND f.state <> 'complete')",
            "is called complete, and a fetch of it is not",
        ),
        (
            "SELECT id FROM runs WHERE exit_code IS NOT NULL AND (state = 'complete') <> (exit_code = 0)",
            "ended with an exit code that is not that of its state",
        ),
        (
            // A purge takes away what runs say of a person.
            "SELECT id FROM runs r WHERE state IN ('complete', 'partial') AND calls > 0
             AND id > coalesce((SELECT CAST(value AS INTEGER) FROM store_info WHERE key = 'purged_through_run'), 0)
             AND NOT EXISTS (SELECT 1 FROM run_fetches f WHERE f.run_id = r.id)",
            "asked Spotify, and says of no fetch how it ended",
        ),
        (
            "SELECT id FROM runs r WHERE state <> 'running'
             AND rows < (SELECT coalesce(sum(served), 0) FROM run_fetches f WHERE f.run_id = r.id)",
            "counts fewer items than its fetches were served",
        ),
        (
            "SELECT DISTINCT run_id FROM run_fetches f WHERE state = 'complete' AND EXISTS (SELECT 1 FROM skipped_items s
             WHERE s.run_id = f.run_id AND s.fetch = f.fetch AND s.reason IN ('moved', 'endless', 'repeated_page', 'cut_short', 'no_cursor'))",
            "has a fetch that is called complete with a list that was not proved whole",
        ),
    ];
    for (sql, what) in claims {
        report.add_each(conn, "run", sql, |row| Ok(format!("run {} {what}", row.get::<_, i64>(0)?)))?;
    }
    // Records that retention has deleted are no longer there to be counted.
    if conn
        .query_row("SELECT count(*) = max(id) FROM runs", [], |row| Ok(row.get::<_, Option<bool>>(0)? == Some(true)))?
    {
        report.add_each(conn, "run", OVERCOUNTED, |row| {
            let (run, stream): (i64, String) = (row.get(0)?, row.get(1)?);
            let (counted, recorded): (i64, i64) = (row.get(2)?, row.get(3)?);
            Ok(format!(
                "run {run} counts {counted} of {stream} that could not be had; recorded with a reason: {recorded}"
            ))
        })?;
    }
    Ok(())
}

/// Runs that count more than is recorded. One that goes on with a list counts what another run met and recorded, of
/// whatever job, up to the next run of its own job, which begins after it. One pass over both, with a running count.
const OVERCOUNTED: &str = "
    WITH ends AS (SELECT id, coalesce(lead(id) OVER (PARTITION BY job ORDER BY id) - 1, (SELECT max(id) FROM runs)) AS last FROM runs),
    told AS (SELECT stream, run_id AS at, NULL AS run, NULL AS counted FROM skipped_items
      UNION ALL SELECT f.stream, e.last, f.run_id, sum(f.skipped) FROM run_fetches f JOIN ends e ON e.id = f.run_id
      GROUP BY f.run_id, f.stream HAVING sum(f.skipped) > 0)
    SELECT run, stream, counted, recorded FROM (SELECT run, stream, counted,
      count(*) FILTER (WHERE run IS NULL) OVER (PARTITION BY stream ORDER BY at, run IS NOT NULL ROWS UNBOUNDED PRECEDING) AS recorded
      FROM told) WHERE counted > recorded ORDER BY run, stream";
